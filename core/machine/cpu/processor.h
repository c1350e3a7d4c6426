/*
 * What the processor holds beside the subject state: debug registers, MSRs, CPUID leaves. Saved and compared at
 * keyframes as the device "processor", together with the parts of the machine context that the subject state lacks
 * (CR8, blocking by STI or MOV SS, the trap manager's active trap, the halted state).
 */
#ifndef HWACCL_PROCESSOR_H
#define HWACCL_PROCESSOR_H

#include "core/host/host.h"
#include "core/irq/trap_manager.h"
#include "core/machine/board/board.h"
#include "core/subject/machine_context.h"

#define HWACCL_MTRR_VARIABLE_COUNT 8
#define HWACCL_MTRR_FIXED_COUNT    11

/* The core crystal clock of a processor with a local APIC, whose timer counts it. */
#define HWACCL_CRYSTAL_HZ UINT64_C(1000000000)

/* Bits of DR6 and DR7 that are always 1. */
#define HWACCL_DR6_FIXED UINT64_C(0xffff0ff0)
#define HWACCL_DR7_FIXED UINT64_C(0x400)

/* IA32_APIC_BASE of a processor that has a local APIC. */
#define HWACCL_APIC_BASE          UINT64_C(0xfee00000) /* of its page, at reset */
#define HWACCL_APIC_BASE_BSP      UINT64_C(0x100)
#define HWACCL_APIC_BASE_EXTENDED UINT64_C(0x400)
#define HWACCL_APIC_BASE_ENABLED  UINT64_C(0x800)

/* The local APIC as the rest of the processor sees it. It embeds this. */
struct hwaccl_processor_apic {
        /* IA32_TSC_DEADLINE and 800h-8ffh, and writes to IA32_APIC_BASE. False: #GP(0) */
        bool (*rdmsr)(struct hwaccl_processor_apic *apic, uint32_t index, uint64_t *value);
        bool (*wrmsr)(struct hwaccl_processor_apic *apic, uint32_t index, uint64_t value);
        /* the processor's state, with IA32_APIC_BASE, was loaded */
        void (*restored)(struct hwaccl_processor_apic *apic);
};

struct hwaccl_processor {
        struct hwaccl_device device;
        /* of the vCPU; not owned */
        struct hwaccl_machine_context *context;
        struct hwaccl_trap_manager *traps;
        struct hwaccl_host *host;
        struct hwaccl_processor_apic *apic; /* NULL: it has none */
        uint64_t tsc_khz;                   /* of the guest's TSC and of leaf 15h; from the configuration */
        uint64_t tsc_offset;
        uint64_t dr[4];
        uint64_t dr6;
        uint64_t dr7;
        uint64_t apic_base;
        uint64_t misc_enable;
        uint64_t pat;
        uint64_t tsc_aux;
        uint64_t star;
        uint64_t lstar;
        uint64_t cstar;
        uint64_t sfmask;
        uint64_t kernel_gs_base;
        uint64_t mtrr_default;
        uint64_t mtrr_fixed[HWACCL_MTRR_FIXED_COUNT];
        uint64_t mtrr_variable[HWACCL_MTRR_VARIABLE_COUNT * 2]; /* base, mask, base, mask … */
        uint8_t halted;
        /* gathered from the vCPU before a save, put back after a load */
        uint8_t interrupts_inhibited; /* 2: by a load of SS that was emulated */
        uint8_t trap_active;
        uint8_t trap_vector;
        uint64_t inhibited_rip;
        uint64_t cr8;
};

/** hwaccl_processor_init - the state after reset; connect it before use
 * @board: to be a device of; NULL: of none */
void hwaccl_processor_init(struct hwaccl_processor *processor, struct hwaccl_board *board, uint64_t tsc_khz);

/** hwaccl_processor_connect - the vCPU's parts that the processor works on, which must outlive its use */
void hwaccl_processor_connect(struct hwaccl_processor *processor, struct hwaccl_machine_context *context,
                              struct hwaccl_trap_manager *traps, struct hwaccl_host *host);

/** hwaccl_processor_take_init - the state after INIT (SDM 3A, table 10-1): as after reset, but for MSRs, TSC, cache
 * control and floating point */
void hwaccl_processor_take_init(struct hwaccl_processor *processor);

/** hwaccl_processor_cpuid - the fixed virtual CPU's leaf (SDM 2A, CPUID): the same on every host; CR4.OSXSAVE is
 * mirrored */
void hwaccl_processor_cpuid(const struct hwaccl_processor *processor, uint32_t leaf, uint32_t subleaf,
                            uint32_t result[4]);

/** hwaccl_processor_has_machine_check - does CPUID announce machine checks? Not in recordings without a machine's name
 */
static inline bool hwaccl_processor_has_machine_check(const struct hwaccl_processor *processor)
{
        return !processor->device.board || processor->device.board->kind != HWACCL_MACHINE_UNSTATED;
}

/** hwaccl_processor_apic_base_possible - can IA32_APIC_BASE have the value? */
bool hwaccl_processor_apic_base_possible(const struct hwaccl_processor *processor, uint64_t value);

/** hwaccl_processor_rdmsr, hwaccl_processor_wrmsr - false: the processor raises #GP(0) */
bool hwaccl_processor_rdmsr(struct hwaccl_processor *processor, uint32_t index, uint64_t *value);
bool hwaccl_processor_wrmsr(struct hwaccl_processor *processor, uint32_t index, uint64_t value);

/** hwaccl_processor_apic_page - physical address of the xAPIC's page, also where RAM lies under it; 0: there is none */
static inline uint64_t hwaccl_processor_apic_page(const struct hwaccl_processor *processor)
{
        const uint64_t mode = HWACCL_APIC_BASE_ENABLED | HWACCL_APIC_BASE_EXTENDED;

        if (!processor->apic || (processor->apic_base & mode) != HWACCL_APIC_BASE_ENABLED)
                return 0;
        return processor->apic_base & ~UINT64_C(0xfff);
}

/** hwaccl_processor_tsc - the guest's time-stamp counter at this exit */
static inline uint64_t hwaccl_processor_tsc(const struct hwaccl_processor *processor)
{
        uint64_t now = hwaccl_host_clock(processor->host);
        uint64_t milliseconds = now / 1000000;
        uint64_t rest = now % 1000000;

        return milliseconds * processor->tsc_khz + rest * processor->tsc_khz / 1000000 + processor->tsc_offset;
}

#endif
