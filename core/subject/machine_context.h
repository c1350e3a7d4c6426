/*
 * The machine context: the VMM's own copy of the virtual CPU, on which exit handling and instruction emulation work.
 * The subject state is copied into and out of it at every entry and exit (transfer.h); control registers hold the
 * guest's values, never the read shadows or the masked values.
 */
#ifndef HWACCL_MACHINE_CONTEXT_H
#define HWACCL_MACHINE_CONTEXT_H

#include "hwaccl/subject_state.h"

#include <stdbool.h>
#include <stdint.h>

/* The order of the general registers in instruction encodings (SDM 2A, 2.1.5) and exit qualifications. */
enum hwaccl_general_register {
        HWACCL_RAX,
        HWACCL_RCX,
        HWACCL_RDX,
        HWACCL_RBX,
        HWACCL_RSP,
        HWACCL_RBP,
        HWACCL_RSI,
        HWACCL_RDI,
        HWACCL_R8,
        HWACCL_R9,
        HWACCL_R10,
        HWACCL_R11,
        HWACCL_R12,
        HWACCL_R13,
        HWACCL_R14,
        HWACCL_R15,
        HWACCL_GENERAL_REGISTER_COUNT
};

/* The order of segment registers in instruction encodings (SDM 2A, 2.1.5). */
enum hwaccl_segment_register {
        HWACCL_ES,
        HWACCL_CS,
        HWACCL_SS,
        HWACCL_DS,
        HWACCL_FS,
        HWACCL_GS,
        HWACCL_SEGMENT_REGISTER_COUNT
};

/* Registers changed outside the recompiler, which must be reloaded before it runs; the original's CPUM_CHANGED_*. */
enum hwaccl_context_change {
        HWACCL_CHANGED_SYSENTER = 1u << 0,
        HWACCL_CHANGED_GDTR = 1u << 1,
        HWACCL_CHANGED_IDTR = 1u << 2,
        HWACCL_CHANGED_LDTR = 1u << 3,
        HWACCL_CHANGED_TR = 1u << 4,
        HWACCL_CHANGED_CR0 = 1u << 5,
        HWACCL_CHANGED_CR3 = 1u << 6,
        HWACCL_CHANGED_CR4 = 1u << 7,
        HWACCL_CHANGED_HIDDEN_SELECTORS = 1u << 8,
        HWACCL_CHANGED_GLOBAL_TLB_FLUSH = 1u << 9,
};

struct hwaccl_machine_context {
        uint64_t gpr[HWACCL_GENERAL_REGISTER_COUNT]; /* RSP among them */
        uint64_t rip;
        uint64_t rflags;
        uint64_t cr0; /* as the guest sees it */
        uint64_t cr2;
        uint64_t cr3;
        uint64_t cr4;          /* as the guest sees it */
        uint64_t cr8;          /* task priority, bits 3:0; not part of the subject state */
        uint8_t tpr_sub_class; /* the local APIC's TPR, bits 3:0, of which CR8 is bits 7:4; a write to CR8 clears it */
        uint64_t efer;
        uint64_t sysenter_cs;
        uint64_t sysenter_esp;
        uint64_t sysenter_eip;
        struct hwaccl_segment segment[HWACCL_SEGMENT_REGISTER_COUNT];
        bool segment_valid[HWACCL_SEGMENT_REGISTER_COUNT]; /* hidden parts are valid; must be true at an entry */
        struct hwaccl_segment tr;
        struct hwaccl_segment ldtr;
        struct hwaccl_segment gdtr; /* base and limit only */
        struct hwaccl_segment idtr; /* base and limit only */
        bool interrupts_inhibited;  /* by STI or MOV SS, while RIP is inhibited_rip */
        uint64_t inhibited_rip;
        bool ss_loaded;     /* inhibited by the MOV or POP SS that was emulated, whatever the state said at the exit */
        bool nmi_unblocked; /* by an IRET that was emulated, whatever the state said at the exit */
        bool fpu_used_by_recompiler; /* must be false at every entry: the FPU state is not shared */
        uint32_t changed;            /* enum hwaccl_context_change */
};

/** hwaccl_machine_context_reset - the processor's state after reset (SDM 3A, table 10-1): real mode, CS base
 * 0xffff0000, RIP 0xfff0 */
void hwaccl_machine_context_reset(struct hwaccl_machine_context *context);

#endif
