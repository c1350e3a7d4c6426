/* One run: the handler's state to the kernel, KVM_RUN until there is an exit for the handler, the state back. */
#include "core/accel/kvm/kvm.h"
#include "core/irq/trap_manager.h"
#include "core/subject/pending_interrupts.h"
#include "core/subject/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define IA32_SYSENTER_CS  0x174
#define IA32_SYSENTER_ESP 0x175
#define IA32_SYSENTER_EIP 0x176

static struct kvm_accel *kvm_of(struct hwaccl_accel *accel)
{
        return (struct kvm_accel *)accel;
}

/* MSRs that the kernel uses by itself once the handler has written them. SYSENTER's and EFER are in the state. */
static bool used_by_kernel(uint32_t index)
{
        switch (index) {
        case 0x277:      /* PAT */
        case 0xc0000081: /* STAR */
        case 0xc0000082: /* LSTAR */
        case 0xc0000083: /* CSTAR */
        case 0xc0000084: /* FMASK */
        case 0xc0000103: /* TSC_AUX */ return true;
        default: return false;
        }
}

/* The handler carried out a WRMSR, unless it raised an exception. */
static bool pass_on_msr(struct kvm_accel *kvm, const struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        const struct hwaccl_subject_state *left = &kvm->left;

        if (left->exit_reason != HWACCL_EXIT_WRMSR || kvm->completion != COMPLETION_MSR ||
            state->rip != left->rip + left->instruction_length || !used_by_kernel((uint32_t)left->rcx))
                return true;
        return kvm_set_msr(kvm, (uint32_t)left->rcx, (left->rax & UINT32_MAX) | left->rdx << 32, error);
}

static bool pass_on_sysenter(struct kvm_accel *kvm, const struct hwaccl_subject_state *state,
                             struct hwaccl_error *error)
{
        const struct hwaccl_subject_state *left = &kvm->left;

        return (state->sysenter_cs == left->sysenter_cs ||
                kvm_set_msr(kvm, IA32_SYSENTER_CS, state->sysenter_cs, error)) &&
               (state->sysenter_esp == left->sysenter_esp ||
                kvm_set_msr(kvm, IA32_SYSENTER_ESP, state->sysenter_esp, error)) &&
               (state->sysenter_eip == left->sysenter_eip ||
                kvm_set_msr(kvm, IA32_SYSENTER_EIP, state->sysenter_eip, error));
}

static uint8_t blocking_of(const struct hwaccl_subject_state *state)
{
        return (state->interruptibility & HWACCL_INTERRUPTIBILITY_STI ? KVM_SHADOW_STI : 0) |
               (state->interruptibility & HWACCL_INTERRUPTIBILITY_MOV_SS ? KVM_SHADOW_MOV_SS : 0);
}

/* Blocking by STI or MOV SS (KVM: interrupt shadow) and by NMI, and the vector to inject; events pending in the kernel
 * are cleared. An NMI that is blocked stays pending in the kernel until the guest's IRET. */
static void put_events(struct kvm_accel *kvm, const struct hwaccl_subject_state *state,
                       const struct hwaccl_pending_interrupts *pending)
{
        struct kvm_run *run = kvm->kvm->run;
        const struct kvm_vcpu_events *now = &run->s.regs.events;
        int vector = hwaccl_pending_interrupts_highest(pending);

        bool nmi = vector == HWACCL_VECTOR_NMI;
        bool masked = state->interruptibility & HWACCL_INTERRUPTIBILITY_NMI;

        kvm->injecting = vector >= 0;
        kvm->vector = (uint8_t)vector;
        if (kvm->entered && vector < 0 && !now->interrupt.injected && !now->exception.injected &&
            !now->exception.pending && (now->interrupt.shadow != 0) == (blocking_of(state) != 0) &&
            !now->nmi.injected && !now->nmi.pending && (now->nmi.masked != 0) == masked)
                return;
        run->s.regs.events = (struct kvm_vcpu_events){
                .interrupt = {.injected = vector >= 0 && !nmi, .nr = kvm->vector, .shadow = blocking_of(state)},
                .nmi = {.pending = nmi, .masked = masked},
                .flags = KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_NMI_PENDING,
        };
        run->kvm_dirty_regs |= KVM_SYNC_X86_EVENTS;
}

static bool enter(struct kvm_accel *kvm, const struct hwaccl_subject_state *state,
                  const struct hwaccl_pending_interrupts *pending, struct hwaccl_error *error)
{
        struct kvm_run *run = kvm->kvm->run;

        if (!pass_on_msr(kvm, state, error) || !kvm_finish_exit(kvm, state, error) ||
            !pass_on_sysenter(kvm, state, error))
                return false;
        /* the general registers nearly always change, and are cheap to set */
        kvm_general_registers_put(state, &run->s.regs.regs);
        run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
        if (!kvm->entered || kvm_system_registers_differ(state, &kvm->left)) {
                kvm_system_registers_put(state, &run->s.regs.sregs);
                run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
        }
        if (!kvm_put_tsc(kvm, error))
                return false;
        put_events(kvm, state, pending);
        kvm_apic_put(kvm);
        kvm->entered = true;
        return true;
}

/* The kernel reports a vector as injected until the guest has begun to take it. @state: until now, that of the entry
 * says whether NMIs are blocked by another one */
static void settle_injection(struct kvm_accel *kvm, struct hwaccl_pending_interrupts *pending,
                             struct hwaccl_subject_state *state)
{
        const struct kvm_vcpu_events *events = &kvm->kvm->run->s.regs.events;
        bool nmi = kvm->vector == HWACCL_VECTOR_NMI;
        bool waits = nmi ? events->nmi.pending || events->nmi.injected : events->interrupt.injected;

        if (kvm->injecting && !waits)
                hwaccl_pending_interrupts_clear(pending, kvm->vector);
        else if (kvm->injecting && nmi && !(kvm->left.interruptibility & HWACCL_INTERRUPTIBILITY_NMI))
                state->interruptibility &= ~(uint64_t)HWACCL_INTERRUPTIBILITY_NMI;
        kvm->injecting = false;
}

static enum exit_kind interrupted(struct kvm_accel *kvm, struct hwaccl_subject_state *state, uint64_t deadline_ns,
                                  struct hwaccl_error *error)
{
        if (atomic_exchange(&kvm->timer_fired, false))
                kvm->armed_ns = UINT64_MAX;
        if (atomic_exchange(&kvm->kicked, false)) {
                state->exit_reason = HWACCL_EXIT_EXTERNAL_INTERRUPT;
                return EXIT_HANDLER;
        }
        if (deadline_ns != UINT64_MAX && kvm->config.clock(kvm->config.opaque) >= deadline_ns) {
                state->exit_reason = HWACCL_EXIT_PREEMPTION_TIMER;
                return EXIT_HANDLER;
        }
        /* a signal that is not for us, or a timer that was set for another deadline */
        return kvm_timer_arm(kvm, deadline_ns, error) ? EXIT_AGAIN : EXIT_ERROR;
}

static enum exit_kind run_to_exit(struct kvm_accel *kvm, struct hwaccl_subject_state *state,
                                  const struct hwaccl_run_request *request, struct hwaccl_error *error)
{
        int status = kvm_run_once(kvm);
        int cause = status < 0 ? errno : 0;

        kvm->kvm->run->kvm_dirty_regs = 0;
        if (cause == EINVAL)
                return kvm_exit_refused(kvm, state, 0);
        kvm_registers_get(&kvm->kvm->run->s.regs, state);
        state->exit_qualification = 0;
        state->interrupt_information = 0;
        state->instruction_length = 0;
        if (cause == EINTR || cause == EAGAIN)
                return interrupted(kvm, state, request->deadline_ns, error);
        if (!hwaccl_transfer_out(state, &kvm->context, error)) {
                hwaccl_error_prefix(error, "KVM");
                return EXIT_ERROR;
        }
        if (cause == EFAULT)
                return kvm_exit_memory(kvm, state, error);
        if (cause) {
                errno = cause;
                kvm_error(error, "running the guest");
                return EXIT_ERROR;
        }
        return kvm_exit(kvm, state, error);
}

static bool run_guest(struct hwaccl_accel *accel, struct hwaccl_subject_state *state,
                      struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request,
                      struct hwaccl_error *error)
{
        struct kvm_accel *kvm = kvm_of(accel);
        enum exit_kind kind;

        if (kvm_apic_release(kvm, state))
                return true;
        if (!kvm_timer_arm(kvm, request->deadline_ns, error) || !enter(kvm, state, pending, error))
                return false;
        kvm->left = *state; /* the entry, until there is an exit */
        kvm->kvm->run->request_interrupt_window = request->interrupt_window;
        do {
                kind = run_to_exit(kvm, state, request, error);
        } while (kind == EXIT_AGAIN);
        if (kind == EXIT_ERROR)
                return false;
        settle_injection(kvm, pending, state);
        kvm->left = *state;
        kvm_apic_hold(kvm, state);
        return true;
}

static void kick(struct hwaccl_accel *accel)
{
        kvm_kick(kvm_of(accel));
}

static uint64_t virtual_ns(const struct hwaccl_accel *accel)
{
        (void)accel;
        return UINT64_MAX; /* not supported: the processor does not report how much it has executed */
}

static void destroy(struct hwaccl_accel *accel)
{
        struct kvm_accel *kvm = kvm_of(accel);

        kvm_signals_destroy(kvm);
        kvm_unmap_memory(kvm);
        decoder_close(&kvm->decoder);
        hwaccl_kvm_close(kvm->kvm);
        free(kvm);
}

static const struct hwaccl_accel_ops ops = {
        .name = "kvm",
        .run = run_guest,
        .kick = kick,
        .virtual_ns = virtual_ns,
        .floating_point_read = kvm_floating_point_read,
        .floating_point_write = kvm_floating_point_write,
        .destroy = destroy,
};

struct hwaccl_accel *hwaccl_accel_kvm_create(struct hwaccl_kvm *opened, const struct hwaccl_accel_kvm_config *config,
                                             struct hwaccl_error *error)
{
        struct kvm_accel *kvm = calloc(1, sizeof(*kvm));
        if (!kvm) {
                hwaccl_error_set(error, "out of memory");
                hwaccl_kvm_close(opened);
                return NULL;
        }
        kvm->accel.ops = &ops;
        kvm->kvm = opened;
        kvm->config = *config;
        if (!decoder_open(&kvm->decoder, error) || !kvm_map_memory(kvm, error) || !kvm_set_cpuid(kvm, error) ||
            !kvm_signals_init(kvm, error)) {
                destroy(&kvm->accel);
                return NULL;
        }
        return &kvm->accel;
}
