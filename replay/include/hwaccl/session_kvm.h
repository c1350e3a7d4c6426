/*
 * Stable API. For VMMs on KVM that replay recordings through their own exit handler: gives an exit the form of KVM's
 * structures, so that the handler for KVM_RUN can be used as it is. Inline functions only; needs <linux/kvm.h>.
 */
#ifndef HWACCL_SESSION_KVM_H
#define HWACCL_SESSION_KVM_H

#include "hwaccl/session.h"
#include "hwaccl/trace_kvm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Room for a struct kvm_run and the data of a KVM_EXIT_IO behind it, as mapped from a vCPU's descriptor. */
#define HWACCL_SESSION_KVM_RUN_SIZE 8192u
union hwaccl_session_kvm_run {
        struct kvm_run run;
        unsigned char bytes[HWACCL_SESSION_KVM_RUN_SIZE];
};

/** hwaccl_session_kvm_access - set reason and data of an access. False for one that KVM could not report */
static inline bool hwaccl_session_kvm_access(union hwaccl_session_kvm_run *room,
                                             const struct hwaccl_session_access *access)
{
        struct kvm_run *run = &room->run;
        const size_t size = (size_t)access->size * access->count;

        if (access->memory) {
                if (size > sizeof(run->mmio.data))
                        return false;
                run->exit_reason = KVM_EXIT_MMIO;
                run->mmio.phys_addr = access->address;
                run->mmio.len = (__u32)size;
                run->mmio.is_write = access->write;
                if (access->data)
                        memcpy(run->mmio.data, access->data, size);
                return true;
        }
        if (size > HWACCL_SESSION_KVM_RUN_SIZE / 2 || access->size > 4)
                return false;
        run->exit_reason = KVM_EXIT_IO;
        run->io.direction = access->write ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
        run->io.size = (__u8)access->size;
        run->io.port = (__u16)access->address;
        run->io.count = access->count;
        run->io.data_offset = HWACCL_SESSION_KVM_RUN_SIZE / 2;
        if (access->data)
                memcpy(room->bytes + HWACCL_SESSION_KVM_RUN_SIZE / 2, access->data, size);
        return true;
}

/** hwaccl_session_kvm_reason - the reason of an exit that is not an access, else KVM_EXIT_UNKNOWN */
static inline __u32 hwaccl_session_kvm_reason(const struct hwaccl_session_exit *exit)
{
        if (!hwaccl_trace_is_known(&exit->state, HWACCL_FIELD_INDEX_exit_reason))
                return KVM_EXIT_UNKNOWN;
        switch (exit->state.values.exit_reason & 0xffff) {
        case HWACCL_EXIT_HLT: return KVM_EXIT_HLT;
        case HWACCL_EXIT_TRIPLE_FAULT: return KVM_EXIT_SHUTDOWN;
        case HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE: return KVM_EXIT_FAIL_ENTRY;
        case HWACCL_EXIT_EXTERNAL_INTERRUPT: return KVM_EXIT_INTR;
        case HWACCL_EXIT_INTERRUPT_WINDOW: return KVM_EXIT_IRQ_WINDOW_OPEN;
        case HWACCL_EXIT_VMCALL: return KVM_EXIT_HYPERCALL;
        default: return KVM_EXIT_UNKNOWN;
        }
}

/** hwaccl_session_kvm_may_access - whether the exit is an access of its own, not only one that comes with coalesced
 * writes */
static inline bool hwaccl_session_kvm_may_access(const struct hwaccl_session_exit *exit)
{
        const uint64_t reason = exit->state.values.exit_reason & 0xffff;

        return !hwaccl_trace_is_known(&exit->state, HWACCL_FIELD_INDEX_exit_reason) ||
               reason == HWACCL_EXIT_IO_INSTRUCTION || reason == HWACCL_EXIT_EPT_VIOLATION ||
               reason == HWACCL_EXIT_EPT_MISCONFIGURATION;
}

/**
 * hwaccl_session_kvm_exit - set what KVM_RUN would have left in the mapping
 *
 * Coalesced writes are not in it: see exit->access. A reason that KVM does not report to VMMs is KVM_EXIT_UNKNOWN.
 */
static inline void hwaccl_session_kvm_exit(union hwaccl_session_kvm_run *room, const struct hwaccl_session_exit *exit)
{
        struct kvm_run *run = &room->run;

        memset(room, 0, sizeof(*room));
        if (exit->kvm_run_known) {
                run->ready_for_interrupt_injection = exit->kvm_run.ready_for_interrupt_injection;
                run->if_flag = exit->kvm_run.if_flag;
                run->request_interrupt_window = exit->kvm_run.request_interrupt_window;
                run->immediate_exit = exit->kvm_run.immediate_exit;
                run->cr8 = exit->kvm_run.cr8;
                run->apic_base = exit->kvm_run.apic_base;
        }
        run->exit_reason = hwaccl_session_kvm_reason(exit);
        if (run->exit_reason == KVM_EXIT_UNKNOWN && exit->access_count > 0 && hwaccl_session_kvm_may_access(exit))
                (void)hwaccl_session_kvm_access(room, &exit->access[exit->access_count - 1]);
}

/** hwaccl_session_kvm_answered - tell what the VMM answered to a read, where it calls hwaccl_trace_kvm_answered() when
 * it records. True where the exit reads nothing */
static inline bool hwaccl_session_kvm_answered(struct hwaccl_session *session, const struct kvm_run *run)
{
        if (run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_IN)
                return hwaccl_session_effect(session, HWACCL_TRACE_EFFECT_PORT_READ, run->io.port, run->io.size,
                                             hwaccl_trace_kvm_data(run), (size_t)run->io.size * run->io.count);
        if (run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write)
                return hwaccl_session_effect(session, HWACCL_TRACE_EFFECT_MMIO_READ, run->mmio.phys_addr, 0,
                                             run->mmio.data, run->mmio.len);
        return true;
}

#ifdef __cplusplus
}
#endif

#endif
