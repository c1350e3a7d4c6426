/*
 * The parts of a local APIC in user space that KVM has: CR8, which the guest writes without an exit unless it lowers
 * it, and IA32_APIC_BASE, by which CPUID shows an APIC.
 */
#include "core/accel/kvm/kvm.h"

static struct hwaccl_processor_apic *apic_of(const struct kvm_accel *kvm)
{
        return kvm->config.processor->apic;
}

void kvm_apic_put(struct kvm_accel *kvm)
{
        struct kvm_run *run = kvm->kvm->run;
        uint64_t enabled = kvm->config.processor->apic_base & HWACCL_APIC_BASE_ENABLED;

        if (!apic_of(kvm))
                return;
        run->cr8 = kvm->config.processor->context->cr8;
        if ((run->s.regs.sregs.apic_base & HWACCL_APIC_BASE_ENABLED) != enabled) {
                run->s.regs.sregs.apic_base ^= HWACCL_APIC_BASE_ENABLED;
                run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
        }
}

static void tpr_exit(const struct kvm_accel *kvm, struct hwaccl_subject_state *state)
{
        state->exit_reason = HWACCL_EXIT_TPR_BELOW_THRESHOLD;
        state->exit_qualification = kvm->kvm->run->cr8;
        state->interrupt_information = 0;
        state->instruction_length = 0;
}

enum exit_kind kvm_apic_exit_tpr(const struct kvm_accel *kvm, struct hwaccl_subject_state *state)
{
        if (!apic_of(kvm))
                return EXIT_AGAIN; /* run->cr8 holds it */
        tpr_exit(kvm, state);
        return EXIT_HANDLER;
}

void kvm_apic_hold(struct kvm_accel *kvm, struct hwaccl_subject_state *state)
{
        if (!apic_of(kvm) || kvm->kvm->run->cr8 == kvm->config.processor->context->cr8 ||
            state->exit_reason == HWACCL_EXIT_TPR_BELOW_THRESHOLD)
                return;
        kvm->held = true;
        kvm->held_exit = *state;
        tpr_exit(kvm, state);
}

bool kvm_apic_release(struct kvm_accel *kvm, struct hwaccl_subject_state *state)
{
        if (!kvm->held)
                return false;
        kvm->held = false;
        *state = kvm->held_exit;
        return true;
}
