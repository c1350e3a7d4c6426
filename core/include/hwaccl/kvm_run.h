/*
 * Stable ABI: the fields of KVM's struct kvm_run beside the registers and the data of the exit, without a need for
 * <linux/kvm.h>. A VMM reads the first two and the last two after KVM_RUN, and sets the others and CR8 before it.
 * trace_kvm.h converts them.
 */
#ifndef HWACCL_KVM_RUN_H
#define HWACCL_KVM_RUN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hwaccl_kvm_run {
        uint8_t ready_for_interrupt_injection; /* 1: KVM_INTERRUPT would be taken now */
        uint8_t if_flag;                       /* the guest's RFLAGS.IF */
        uint8_t request_interrupt_window;      /* the VMM wants an exit as soon as an interrupt can be injected */
        uint8_t immediate_exit;                /* the VMM wanted KVM_RUN to return at once */
        uint32_t reserved;                     /* 0 */
        uint64_t cr8;                          /* the guest's task priority; without an APIC in the kernel only */
        uint64_t apic_base;                    /* IA32_APIC_BASE; as cr8 */
};

/* The members that are recorded: X(member). */
#define HWACCL_KVM_RUN_FIELDS(X)                                                                                       \
        X(ready_for_interrupt_injection)                                                                               \
        X(if_flag)                                                                                                     \
        X(request_interrupt_window)                                                                                    \
        X(immediate_exit)                                                                                              \
        X(cr8)                                                                                                         \
        X(apic_base)

#ifdef __cplusplus
}
#endif

#endif
