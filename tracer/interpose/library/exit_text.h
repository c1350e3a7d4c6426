/* Exits of KVM that are none of the processor's: what KVM says about them, as text. */
#ifndef HWACCL_INTERPOSE_EXIT_TEXT_H
#define HWACCL_INTERPOSE_EXIT_TEXT_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXIT_TEXT_ROOM 512u

/** exit_is_usual - of most exits: the recorded reason and data describe it */
static inline bool exit_is_usual(uint32_t reason)
{
        const uint64_t usual = UINT64_C(1) << KVM_EXIT_IO | UINT64_C(1) << KVM_EXIT_MMIO | UINT64_C(1) << KVM_EXIT_HLT |
                               UINT64_C(1) << KVM_EXIT_SHUTDOWN | UINT64_C(1) << KVM_EXIT_INTR |
                               UINT64_C(1) << KVM_EXIT_IRQ_WINDOW_OPEN | UINT64_C(1) << KVM_EXIT_HYPERCALL |
                               UINT64_C(1) << KVM_EXIT_SET_TPR | UINT64_C(1) << KVM_EXIT_TPR_ACCESS |
                               UINT64_C(1) << KVM_EXIT_IOAPIC_EOI | UINT64_C(1) << KVM_EXIT_HYPERV |
                               UINT64_C(1) << KVM_EXIT_X86_RDMSR | UINT64_C(1) << KVM_EXIT_X86_WRMSR |
                               UINT64_C(1) << KVM_EXIT_XEN;

        return reason < 64 && usual >> reason & 1;
}

/** exit_text - of an exit that is not usual; its length */
size_t exit_text(const struct kvm_run *run, char to[static EXIT_TEXT_ROOM]);

#endif
