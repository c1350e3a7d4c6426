/* KVM's exits as exits of VT-x (SDM 3C, chapter 28). */
#include "core/accel/kvm/kvm.h"
#include "core/irq/trap_manager.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RESET_CS_BASE UINT64_C(0xffff0000)
#define RESET_RIP     UINT64_C(0xfff0)
#define OPCODE_HLT    0xf4

/* The kernel has moved RIP past HLT; VT-x leaves it there. */
static enum exit_kind halted(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        uint8_t byte;

        if (kvm_code_read(kvm, state->rip - 1, &byte, 1) != 1 || byte != OPCODE_HLT) {
                hwaccl_error_set(error, "KVM reports HLT, but there is none before %" PRIx64, state->rip);
                return EXIT_ERROR;
        }
        kvm->completed = true;
        kvm->after = *state;
        state->rip--;
        state->exit_reason = HWACCL_EXIT_HLT;
        state->instruction_length = 1;
        return EXIT_HANDLER;
}

/* SVM saves no state, and the kernel then reports the reset state: use the state of the last entry. */
static enum exit_kind triple_fault(struct kvm_accel *kvm, struct hwaccl_subject_state *state)
{
        if (state->rip == RESET_RIP && state->cs.base == RESET_CS_BASE)
                *state = kvm->left;
        state->exit_reason = HWACCL_EXIT_TRIPLE_FAULT;
        state->exit_qualification = 0;
        state->interruptibility = 0;
        state->instruction_length = 0;
        return EXIT_HANDLER;
}

static enum exit_kind msr_access(struct kvm_accel *kvm, struct hwaccl_subject_state *state, uint64_t reason)
{
        state->exit_reason = reason;
        state->instruction_length = kvm_scan_at_rip(kvm).length;
        kvm->completion = COMPLETION_MSR;
        return EXIT_HANDLER;
}

/* Above 4 GiB. A write is dropped; a read returns all ones, from the handler too, so the kernel can
 * complete it at once. */
static enum exit_kind far_access(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        struct kvm_run *run = kvm->kvm->run;

        if (run->mmio.is_write)
                return EXIT_AGAIN;
        memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
        state->exit_reason = HWACCL_EXIT_EPT_VIOLATION;
        state->exit_qualification = 0x181; /* a read, by its linear address */
        state->guest_physical_address = run->mmio.phys_addr;
        /* one element of a string, so that no more guest memory is written than the handler will write again */
        struct scanned scanned = kvm_scan_at_rip(kvm);
        if (scanned.repeat && (scanned.opcode | 1) == 0xa5 && (run->s.regs.regs.rcx & UINT16_MAX)) {
                run->s.regs.regs.rcx = 1;
                run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
        }
        return kvm_complete(kvm, error) ? EXIT_HANDLER : EXIT_ERROR;
}

/* No instruction was executed: the state is the one that was refused, whatever the kernel reports now. */
enum exit_kind kvm_exit_refused(const struct kvm_accel *kvm, struct hwaccl_subject_state *state, uint64_t qualification)
{
        *state = kvm->left;
        state->exit_reason = HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE | HWACCL_EXIT_REASON_ENTRY_FAILURE;
        state->exit_qualification = qualification;
        return EXIT_HANDLER;
}

static const char *internal_error_name(uint32_t suberror)
{
        switch (suberror) {
        case KVM_INTERNAL_ERROR_EMULATION: return "it cannot emulate the instruction";
        case KVM_INTERNAL_ERROR_SIMUL_EX: return "simultaneous exceptions";
        case KVM_INTERNAL_ERROR_DELIVERY_EV: return "an exit during event delivery";
        case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON: return "an unknown exit reason";
        default: return "an unknown error";
        }
}

static enum exit_kind internal_error(struct kvm_accel *kvm, struct hwaccl_subject_state *state,
                                     struct hwaccl_error *error)
{
        const struct kvm_run *run = kvm->kvm->run;
        if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && kvm_find_fetch(kvm, state))
                return EXIT_HANDLER;
        unsigned count = run->internal.ndata < 16 ? run->internal.ndata : 16;
        char data[16 * 18];
        char text[96];
        size_t used = 0;

        data[0] = '\0';
        for (unsigned i = 0; i < count; i++)
                used += (size_t)snprintf(data + used, sizeof(data) - used, " %" PRIx64,
                                         (uint64_t)run->internal.data[i]);
        kvm_describe_at_rip(kvm, text, sizeof(text));
        hwaccl_error_set(error, "KVM stopped at %" PRIx64 " (%s): %s (internal error %" PRIu32 ", data:%s)", state->rip,
                         text, internal_error_name(run->internal.suberror), (uint32_t)run->internal.suberror,
                         count ? data : " none");
        return EXIT_ERROR;
}

enum exit_kind kvm_exit_memory(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        const struct kvm_vcpu_events *events = &kvm->kvm->run->s.regs.events;
        struct instruction instruction;

        if (events->interrupt.injected || events->nmi.injected || events->exception.injected ||
            events->exception.pending) {
                hwaccl_error_set(error, "delivery of vector %u at %" PRIx64 " accesses an address outside guest RAM",
                                 events->interrupt.injected ? events->interrupt.nr
                                 : events->nmi.injected     ? HWACCL_VECTOR_NMI
                                                            : events->exception.nr,
                                 state->rip);
                return EXIT_ERROR;
        }
        return kvm_find_violation(kvm, state, &instruction, error) ? EXIT_HANDLER : EXIT_ERROR;
}

enum exit_kind kvm_exit(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        const struct kvm_run *run = kvm->kvm->run;

        switch (run->exit_reason) {
        case KVM_EXIT_IO: return kvm_exit_port(kvm, state, error) ? EXIT_HANDLER : EXIT_ERROR;
        case KVM_EXIT_HLT: return halted(kvm, state, error);
        case KVM_EXIT_MMIO:
                return run->mmio.phys_addr < HOLES_END ? kvm_exit_mmio(kvm, state, error)
                                                       : far_access(kvm, state, error);
        case KVM_EXIT_IRQ_WINDOW_OPEN: state->exit_reason = HWACCL_EXIT_INTERRUPT_WINDOW; return EXIT_HANDLER;
        case KVM_EXIT_X86_RDMSR: return msr_access(kvm, state, HWACCL_EXIT_RDMSR);
        case KVM_EXIT_X86_WRMSR: return msr_access(kvm, state, HWACCL_EXIT_WRMSR);
        case KVM_EXIT_SHUTDOWN: return triple_fault(kvm, state);
        case KVM_EXIT_DEBUG:
                state->exit_reason = HWACCL_EXIT_EXCEPTION_OR_NMI;
                state->exit_qualification = run->debug.arch.dr6;
                state->interrupt_information = 0x80000300u | run->debug.arch.exception; /* a hardware exception */
                return EXIT_HANDLER;
        case KVM_EXIT_FAIL_ENTRY: return kvm_exit_refused(kvm, state, run->fail_entry.hardware_entry_failure_reason);
        case KVM_EXIT_INTERNAL_ERROR: return internal_error(kvm, state, error);
        case KVM_EXIT_SET_TPR: return kvm_apic_exit_tpr(kvm, state); /* CR8 went down */
        case KVM_EXIT_UNKNOWN:
                hwaccl_error_set(error, "KVM: unknown hardware exit reason %" PRIx64 " at %" PRIx64,
                                 (uint64_t)run->hw.hardware_exit_reason, state->rip);
                return EXIT_ERROR;
        default: hwaccl_error_set(error, "KVM: unsupported exit reason %" PRIu32, run->exit_reason); return EXIT_ERROR;
        }
}
