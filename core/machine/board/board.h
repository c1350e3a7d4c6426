/*
 * The board, which is what devices see of the machine: guest memory, bus, interrupt lines, deadlines, and how the guest
 * ended. Inside the core; outside it there is struct hwaccl_machine.
 */
#ifndef HWACCL_MACHINE_BOARD_H
#define HWACCL_MACHINE_BOARD_H

#include "core/host/guest_memory.h"
#include "core/host/host.h"
#include "core/irq/trap_manager.h"
#include "core/machine/board/bus.h"
#include "core/machine/board/device.h"
#include "hwaccl/event.h"

#define HWACCL_BOARD_TIMED_MAX 5

/* Lines: 0-15 of the ISA bus; where there is an I/O APIC, its pins above them; and the local APIC's timer, which has no
 * line and can be asked for as one. */
#define HWACCL_LINE_COUNT      24u
#define HWACCL_LINE_APIC_TIMER 24u

#define HWACCL_DISK_MAX         4
#define HWACCL_DISK_SECTOR_SIZE 512u

/* A disk as the guest sees it. Its contents are inputs: see hwaccl_host_disk_read(). */
struct hwaccl_disk {
        uint64_t sectors; /* of 512 bytes; not 0, and at most 2^48 */
        bool read_only;   /* commands that write are aborted */
};

/* Implemented by the machine's two 8259s, for lines 0-15, or by the APICs with those behind them. */
struct hwaccl_interrupt_controller {
        unsigned line_count;                   /* 16, of which 2 is the cascade, or HWACCL_LINE_COUNT */
        struct hwaccl_interrupt_source source; /* INTR and INTA */
        /* returns whether the level changed */
        bool (*set_line)(struct hwaccl_interrupt_controller *controller, unsigned line, bool level);
        /* whether a request on the line would interrupt the processor now (not masked, no higher priority in service);
         * @enabled: RFLAGS.IF, which NMI and INIT do not need */
        bool (*would_interrupt)(const struct hwaccl_interrupt_controller *controller, unsigned line, bool enabled);
};

/* What interrupts the processor. */
enum hwaccl_machine_kind {
        /* of recordings that do not say: the 8259s, of which no firmware or kernel is told that there is no APIC */
        HWACCL_MACHINE_UNSTATED = 0,
        HWACCL_MACHINE_PIC = 1,  /* the 8259s alone */
        HWACCL_MACHINE_APIC = 2, /* a local APIC and an I/O APIC, the 8259s on LINT0 */
};

struct hwaccl_timed_device {
        struct hwaccl_device *device;
        unsigned line; /* the interrupt line that its deadlines change */
};

struct hwaccl_board {
        struct hwaccl_host *host; /* the vCPU's; NULL until there is one */
        struct hwaccl_interrupt_controller *controller;
        uint64_t memory_size; /* bytes of RAM */
        enum hwaccl_machine_kind kind;
        struct hwaccl_disk disk[HWACCL_DISK_MAX];
        size_t disk_count;
        uint64_t setup_address; /* machine.h */
        enum hwaccl_end end;
        uint64_t exit_code; /* of HWACCL_END_EXIT_CODE; the stop request of HWACCL_END_STOPPED */

        /* devices that have a deadline, in the order in which they are advanced */
        struct hwaccl_timed_device timed[HWACCL_BOARD_TIMED_MAX];
        size_t timed_count;
        uint64_t deadline_ns; /* earliest deadline of all devices; valid while deadline_known */
        bool deadline_known;

        /* every device that has state, the processor among them, in a fixed order */
        struct hwaccl_device *device[HWACCL_BUS_DEVICE_MAX];
        size_t device_count;
        struct hwaccl_guest_memory memory;
        struct hwaccl_bus bus;
};

/** hwaccl_board_add_device - a device becomes part of the board: of its state, if it has any */
void hwaccl_board_add_device(struct hwaccl_board *board, struct hwaccl_device *device,
                             const struct hwaccl_device_ops *ops);

/** hwaccl_board_add_timed_device - the same for a device with deadlines, at which it changes an interrupt line */
void hwaccl_board_add_timed_device(struct hwaccl_board *board, struct hwaccl_device *device,
                                   const struct hwaccl_device_ops *ops, unsigned line);

/** hwaccl_board_set_irq_line - a line of the interrupt controller */
void hwaccl_board_set_irq_line(struct hwaccl_board *board, unsigned line, bool level);

/** hwaccl_board_stop - end the guest when the exit being handled is done. The first end stays */
void hwaccl_board_stop(struct hwaccl_board *board, enum hwaccl_end end, uint64_t code);

/** hwaccl_board_deadline_changed - the guest, or a load, changed a device's state and so its deadline */
void hwaccl_board_deadline_changed(struct hwaccl_board *board);

/** hwaccl_board_deadline - guest clock, ns, at which the first device must be advanced; UINT64_MAX: none */
uint64_t hwaccl_board_deadline(struct hwaccl_board *board);

/** hwaccl_board_wake_deadline - the same for devices whose interrupt would reach the processor, which can end HLT
 * @enabled: RFLAGS.IF */
uint64_t hwaccl_board_wake_deadline(const struct hwaccl_board *board, bool enabled);

/** hwaccl_board_advance - advance every device whose deadline has passed */
void hwaccl_board_advance(struct hwaccl_board *board);

#endif
