/*
 * The processor's local APIC: priorities, local vectors, timer and inter-processor interrupts; as xAPIC in a page of
 * memory, as x2APIC in MSRs. It is the machine's interrupt controller, with the I/O APIC and the 8259s behind it.
 */
#ifndef HWACCL_MACHINE_LOCAL_APIC_H
#define HWACCL_MACHINE_LOCAL_APIC_H

#include "core/machine/board/board.h"
#include "core/machine/cpu/processor.h"

struct hwaccl_io_apic;
struct hwaccl_pic;

/* The local vector table, in the order of its registers. */
enum hwaccl_local_vector {
        HWACCL_LVT_TIMER,
        HWACCL_LVT_THERMAL,
        HWACCL_LVT_PERFORMANCE,
        HWACCL_LVT_LINT0, /* the 8259s' INTR */
        HWACCL_LVT_LINT1, /* NMI, which nothing of this machine raises */
        HWACCL_LVT_ERROR,
        HWACCL_LVT_COUNT
};

/* Delivery modes of messages and local vectors (SDM 3A, 11.5.1 and 11.6.1; 82093AA, 3.2.4). */
enum hwaccl_delivery_mode {
        HWACCL_DELIVER_FIXED = 0,
        HWACCL_DELIVER_LOWEST_PRIORITY = 1,
        HWACCL_DELIVER_SMI = 2,
        HWACCL_DELIVER_NMI = 4,
        HWACCL_DELIVER_INIT = 5,
        HWACCL_DELIVER_SIPI = 6,
        HWACCL_DELIVER_EXTINT = 7,
};

struct hwaccl_local_apic {
        struct hwaccl_device device;
        struct hwaccl_interrupt_controller controller; /* of both APICs and the 8259s */
        struct hwaccl_pic *pic;                        /* its output is LINT0 */
        struct hwaccl_io_apic *io_apic;
        struct hwaccl_processor_apic msrs;  /* what the processor calls */
        struct hwaccl_processor *processor; /* has IA32_APIC_BASE, and CR8, which is bits 7:4 of the TPR */

        bool init; /* INIT arrived: the processor resets at the end of this exit's handling */

        /* vector v: bit v % 64 of word v / 64 */
        uint64_t irr[4];
        uint64_t isr[4];
        uint64_t tmr[4];

        uint64_t timer_start;   /* guest clock, ns, at which the timer's count, or its period, began */
        uint64_t timer_settled; /* guest clock up to which the timer has interrupted */
        uint64_t tsc_deadline;  /* 0: not armed */
        uint32_t timer_initial;
        uint32_t timer_divide; /* register: bits 3, 1 and 0 */
        uint32_t lvt[HWACCL_LVT_COUNT];
        uint32_t icr;
        uint32_t icr_destination; /* the upper half, as it is read */
        uint32_t svr;
        uint8_t timer_running; /* counts down from timer_initial, which is not 0 */
        uint8_t id;            /* of the xAPIC; that of the x2APIC is always 0 */
        uint8_t logical;       /* LDR, bits 31:24 */
        uint8_t model;         /* DFR, bits 31:28: 15 flat, else clusters */
        uint8_t esr;           /* as it is read */
        uint8_t errors;        /* since the last write to it */
        uint8_t lint0;         /* level of the input */
        uint8_t sub_class;     /* TPR bits 3:0; gathered from the vCPU before a save, put back after a load */
};

/**
 * hwaccl_local_apic_init - the state after reset
 * @processor: IA32_APIC_BASE is set
 * @pic: whose output is LINT0
 *
 * Becomes the board's interrupt controller: its lines are the 8259s' 0-15 and the I/O APIC's pins 0-23.
 */
void hwaccl_local_apic_init(struct hwaccl_local_apic *apic, struct hwaccl_processor *processor, struct hwaccl_pic *pic,
                            struct hwaccl_io_apic *io_apic, struct hwaccl_board *board);

/** hwaccl_local_apic_enter_virtual_wire - as firmware leaves it: enabled, INTR on LINT0 and NMI on LINT1
 * (Multiprocessor Specification 1.4, 3.6.2.2) */
void hwaccl_local_apic_enter_virtual_wire(struct hwaccl_local_apic *apic);

/** hwaccl_local_apic_take_init - INIT takes effect: the reset state, but for the ID */
void hwaccl_local_apic_take_init(struct hwaccl_local_apic *apic);

/** hwaccl_local_apic_is_destination - is a message with that destination for this processor?
 * @destination: 8 bits, or 32 from an x2APIC; all ones: everyone */
bool hwaccl_local_apic_is_destination(const struct hwaccl_local_apic *apic, uint32_t destination, bool logical);

/** hwaccl_local_apic_deliver - a message for this processor. Returns whether an interrupt was accepted */
bool hwaccl_local_apic_deliver(struct hwaccl_local_apic *apic, enum hwaccl_delivery_mode mode, uint8_t vector,
                               bool level);

/** hwaccl_local_apic_would_take - would such a message reach the processor now, and wake it from HLT?
 * @enabled: RFLAGS.IF */
bool hwaccl_local_apic_would_take(const struct hwaccl_local_apic *apic, enum hwaccl_delivery_mode mode, uint8_t vector,
                                  bool enabled);

#endif
