/*
 * Stable API. For VMMs on KVM that embed the tracer: converts KVM's structures to the state for
 * hwaccl_trace_vcpu_exit(). Inline functions only; needs <linux/kvm.h>.
 *
 * KVM reports less than the hardware. Unknown, and therefore not recorded: the instruction length; the read shadows of
 * CR0 and CR4; the SYSENTER registers. For a replay through the VMM's own handler (hwaccl/session.h), record also
 * hwaccl_trace_kvm_written(), hwaccl_trace_kvm_answered() and hwaccl_trace_kvm_fields(). INS and OUTS are recorded as
 * IN and OUT, unless KVM reports several accesses at once.
 */
#ifndef HWACCL_TRACE_KVM_H
#define HWACCL_TRACE_KVM_H

#include "hwaccl/trace.h"

#include <linux/kvm.h>
#include <stddef.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline void hwaccl_trace_kvm_reason(struct hwaccl_trace_state *state, uint64_t reason, uint64_t qualification)
{
        hwaccl_trace_put(state, exit_reason, reason);
        hwaccl_trace_put(state, exit_qualification, qualification);
}

/** hwaccl_trace_kvm_other - hwaccl_trace_kvm_run() of exits that are none of the processor's */
static inline void hwaccl_trace_kvm_other(struct hwaccl_trace_state *state, const struct kvm_run *run)
{
        uint64_t first = 0;

        switch (run->exit_reason) {
        case KVM_EXIT_INTERNAL_ERROR: first = run->internal.suberror; break;
        case KVM_EXIT_SYSTEM_EVENT: first = run->system_event.type; break;
        case KVM_EXIT_IOAPIC_EOI: first = run->eoi.vector; break;
        case KVM_EXIT_TPR_ACCESS: first = run->tpr_access.rip; break;
        case 37: /* KVM_EXIT_NOTIFY */
        case 39: /* KVM_EXIT_MEMORY_FAULT */
                memcpy(&first, (const char *)&run->hw, run->exit_reason == 37 ? 4 : 8);
                break;
        default: break;
        }
        if (run->exit_reason < 0x1000)
                hwaccl_trace_kvm_reason(state, HWACCL_EXIT_KVM_FIRST + run->exit_reason, first);
        if (run->exit_reason == 39) {
                uint64_t address;
                memcpy(&address, (const char *)&run->hw + 8, sizeof(address));
                hwaccl_trace_put(state, guest_physical_address, address);
        }
}

/** hwaccl_trace_kvm_run - set the exit reason and qualification (SDM) of a KVM exit; those of a KVM_EXIT_* that is none
 * of the processor's are HWACCL_EXIT_KVM_FIRST and its number, and what KVM says first: the suberror of an internal
 * error, type of a system event, vector of an EOI, RIP of a TPR access, flags of a memory fault or of notify, else 0 */
static inline void hwaccl_trace_kvm_run(struct hwaccl_trace_state *state, const struct kvm_run *run)
{
        if (run->exit_reason == KVM_EXIT_IO) { /* nearly all of them, before a table of all */
                hwaccl_trace_kvm_reason(state, HWACCL_EXIT_IO_INSTRUCTION,
                                        (uint64_t)run->io.port << 16 | (run->io.count > 1 ? 0x30u : 0u) |
                                                (run->io.direction == KVM_EXIT_IO_IN ? 8u : 0u) |
                                                ((uint64_t)run->io.size - 1));
                return;
        }
        switch (run->exit_reason) {
        case KVM_EXIT_MMIO:
                hwaccl_trace_kvm_reason(state, HWACCL_EXIT_EPT_VIOLATION, run->mmio.is_write ? 2 : 1);
                hwaccl_trace_put(state, guest_physical_address, run->mmio.phys_addr);
                break;
        case KVM_EXIT_HLT: hwaccl_trace_kvm_reason(state, HWACCL_EXIT_HLT, 0); break;
        case KVM_EXIT_SHUTDOWN: hwaccl_trace_kvm_reason(state, HWACCL_EXIT_TRIPLE_FAULT, 0); break;
        case KVM_EXIT_FAIL_ENTRY:
                hwaccl_trace_kvm_reason(
                        state, HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE | (uint64_t)HWACCL_EXIT_REASON_ENTRY_FAILURE, 0);
                break;
        case KVM_EXIT_INTR: hwaccl_trace_kvm_reason(state, HWACCL_EXIT_EXTERNAL_INTERRUPT, 0); break;
        case KVM_EXIT_IRQ_WINDOW_OPEN: hwaccl_trace_kvm_reason(state, HWACCL_EXIT_INTERRUPT_WINDOW, 0); break;
        case KVM_EXIT_HYPERCALL: hwaccl_trace_kvm_reason(state, HWACCL_EXIT_VMCALL, 0); break;
        case KVM_EXIT_X86_RDMSR: hwaccl_trace_kvm_reason(state, HWACCL_EXIT_RDMSR, 0); break;
        case KVM_EXIT_X86_WRMSR: hwaccl_trace_kvm_reason(state, HWACCL_EXIT_WRMSR, 0); break;
        default: hwaccl_trace_kvm_other(state, run); break;
        }
}

/** hwaccl_trace_kvm_regs - set general registers, RIP and RFLAGS from KVM_GET_REGS */
static inline void hwaccl_trace_kvm_regs(struct hwaccl_trace_state *state, const struct kvm_regs *regs)
{
        char *values = (char *)&state->values;
        const char *source = (const char *)regs;

        /* RAX to RDX, and R8 to R15, stand in the same order in both: half the instructions at each exit */
        memcpy(values + offsetof(struct hwaccl_subject_state, rax), source + offsetof(struct kvm_regs, rax), 32);
        memcpy(values + offsetof(struct hwaccl_subject_state, r8), source + offsetof(struct kvm_regs, r8), 64);
        state->values.rsi = regs->rsi;
        state->values.rdi = regs->rdi;
        state->values.rsp = regs->rsp;
        state->values.rbp = regs->rbp;
        state->values.rip = regs->rip;
        state->values.rflags = regs->rflags;
        /* together, so that compilers make one mask of them */
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_rax);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_rbx);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_rcx);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_rdx);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_rsi);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_rdi);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_rsp);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_rbp);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_r8);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_r9);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_r10);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_r11);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_r12);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_r13);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_r14);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_r15);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_rip);
        hwaccl_trace_know(state, HWACCL_FIELD_INDEX_rflags);
}

/** hwaccl_trace_kvm_rights - access rights in VMCS format (SDM 3C, 25.4.1) */
static inline uint32_t hwaccl_trace_kvm_rights(const struct kvm_segment *segment)
{
        return (uint32_t)segment->type | (uint32_t)segment->s << 4 | (uint32_t)segment->dpl << 5 |
               (uint32_t)segment->present << 7 | (uint32_t)segment->avl << 12 | (uint32_t)segment->l << 13 |
               (uint32_t)segment->db << 14 | (uint32_t)segment->g << 15 |
               (segment->unusable ? HWACCL_SEGMENT_UNUSABLE : 0);
}

#define HWACCL_TRACE_KVM_SEGMENT(state, name, segment)                                                                 \
        hwaccl_trace_put_segment(state, name, (segment)->selector, (segment)->base, (segment)->limit,                  \
                                 hwaccl_trace_kvm_rights(segment))

/** hwaccl_trace_kvm_sregs - set control, segment and table registers from KVM_GET_SREGS */
static inline void hwaccl_trace_kvm_sregs(struct hwaccl_trace_state *state, const struct kvm_sregs *sregs)
{
        HWACCL_TRACE_KVM_SEGMENT(state, cs, &sregs->cs);
        HWACCL_TRACE_KVM_SEGMENT(state, ss, &sregs->ss);
        HWACCL_TRACE_KVM_SEGMENT(state, ds, &sregs->ds);
        HWACCL_TRACE_KVM_SEGMENT(state, es, &sregs->es);
        HWACCL_TRACE_KVM_SEGMENT(state, fs, &sregs->fs);
        HWACCL_TRACE_KVM_SEGMENT(state, gs, &sregs->gs);
        HWACCL_TRACE_KVM_SEGMENT(state, tr, &sregs->tr);
        HWACCL_TRACE_KVM_SEGMENT(state, ldtr, &sregs->ldt);
        hwaccl_trace_put_segment(state, gdtr, 0, sregs->gdt.base, sregs->gdt.limit, 0);
        hwaccl_trace_put_segment(state, idtr, 0, sregs->idt.base, sregs->idt.limit, 0);
        hwaccl_trace_put(state, cr0, sregs->cr0);
        hwaccl_trace_put(state, cr2, sregs->cr2);
        hwaccl_trace_put(state, cr3, sregs->cr3);
        hwaccl_trace_put(state, cr4, sregs->cr4);
        hwaccl_trace_put(state, efer, sregs->efer);
}

/**
 * hwaccl_trace_kvm_state - set all that is known after KVM_RUN
 * @state: need not be initialized
 * @regs, @sregs: read after KVM_RUN; NULL if unknown
 */
static inline void hwaccl_trace_kvm_state(struct hwaccl_trace_state *state, const struct kvm_run *run,
                                          const struct kvm_regs *regs, const struct kvm_sregs *sregs)
{
        state->known[0] = state->known[1] = 0;
        memset(&state->values, 0, sizeof(state->values));
        hwaccl_trace_kvm_run(state, run);
        if (regs)
                hwaccl_trace_kvm_regs(state, regs);
        if (sregs)
                hwaccl_trace_kvm_sregs(state, sregs);
}

/** hwaccl_trace_kvm_fields - the fields for hwaccl_trace_vcpu_kvm_run() */
static inline void hwaccl_trace_kvm_fields(struct hwaccl_kvm_run *fields, const struct kvm_run *run)
{
        memset(fields, 0, sizeof(*fields));
        fields->ready_for_interrupt_injection = run->ready_for_interrupt_injection;
        fields->if_flag = run->if_flag;
        fields->request_interrupt_window = run->request_interrupt_window;
        fields->immediate_exit = run->immediate_exit;
        fields->cr8 = run->cr8;
        fields->apic_base = run->apic_base;
}

/** hwaccl_trace_kvm_data - the data of a KVM_EXIT_IO. It is part of the mapping that KVM_GET_VCPU_MMAP_SIZE describes
 */
static inline const void *hwaccl_trace_kvm_data(const struct kvm_run *run)
{
        return (const unsigned char *)run + run->io.data_offset;
}

/** hwaccl_trace_kvm_written - record what the guest wrote with this exit to a port or a device: call it after
 * hwaccl_trace_vcpu_exit(), before the VMM handles the exit. True where it wrote nothing */
static inline bool hwaccl_trace_kvm_written(struct hwaccl_trace_vcpu *vcpu, const struct kvm_run *run)
{
        if (run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_OUT)
                return hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_PORT_WRITE, run->io.port, run->io.size,
                                               hwaccl_trace_kvm_data(run), (size_t)run->io.size * run->io.count);
        if (run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write)
                return hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_MMIO_WRITE, run->mmio.phys_addr, 0,
                                               run->mmio.data, run->mmio.len);
        return true;
}

/** hwaccl_trace_kvm_answered - record what the VMM answered to a read of a port or a device: call it when the VMM has
 * handled the exit, before hwaccl_trace_vcpu_handled(). True where the exit reads nothing */
static inline bool hwaccl_trace_kvm_answered(struct hwaccl_trace_vcpu *vcpu, const struct kvm_run *run)
{
        if (run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_IN)
                return hwaccl_trace_vcpu_effect(vcpu, HWACCL_TRACE_EFFECT_PORT_READ, run->io.port, run->io.size,
                                                hwaccl_trace_kvm_data(run), (size_t)run->io.size * run->io.count);
        if (run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write)
                return hwaccl_trace_vcpu_effect(vcpu, HWACCL_TRACE_EFFECT_MMIO_READ, run->mmio.phys_addr, 0,
                                                run->mmio.data, run->mmio.len);
        return true;
}

#ifdef __cplusplus
}
#endif

#endif
