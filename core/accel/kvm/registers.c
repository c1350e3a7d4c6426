/* Subject state to kvm_run's registers and back. */
#include "core/accel/kvm/kvm.h"
#include "core/subject/transfer.h"

#include <string.h>

#define LDTR_NULL_ACCESS_RIGHTS 0x82u

static void segment_get(const struct kvm_segment *from, struct hwaccl_segment *to)
{
        to->selector = from->selector;
        to->base = from->base;
        to->limit = from->limit;
        to->access_rights = (from->type & 15u) | (from->s & 1u) << 4 | (from->dpl & 3u) << 5 |
                            (from->present & 1u) << 7 | (from->avl & 1u) << 12 | (from->l & 1u) << 13 |
                            (from->db & 1u) << 14 | (from->g & 1u) << 15;
        if (from->unusable)
                to->access_rights |= HWACCL_SEGMENT_UNUSABLE;
}

static void segment_put(const struct hwaccl_segment *from, struct kvm_segment *to)
{
        uint32_t rights = from->access_rights;

        memset(to, 0, sizeof(*to));
        to->selector = (uint16_t)from->selector;
        to->base = from->base;
        to->limit = from->limit;
        to->type = rights & 15u;
        to->s = rights >> 4 & 1u;
        to->dpl = rights >> 5 & 3u;
        to->present = rights >> 7 & 1u;
        to->avl = rights >> 12 & 1u;
        to->l = rights >> 13 & 1u;
        to->db = rights >> 14 & 1u;
        to->g = rights >> 15 & 1u;
        to->unusable = rights >> 16 & 1u;
}

static void table_get(const struct kvm_dtable *from, struct hwaccl_segment *to)
{
        *to = (struct hwaccl_segment){0, from->base, from->limit, 0};
}

static void table_put(const struct hwaccl_segment *from, struct kvm_dtable *to)
{
        memset(to, 0, sizeof(*to));
        to->base = from->base;
        to->limit = (uint16_t)from->limit;
}

/* The kernel handles control registers by itself: what it holds is the guest's value. */
static void system_registers_get(const struct kvm_sregs *from, struct hwaccl_subject_state *state)
{
        state->cr2 = from->cr2;
        state->cr3 = from->cr3;
        hwaccl_cr0_put(state, from->cr0);
        hwaccl_cr4_put(state, from->cr4);
        state->efer = from->efer;
        segment_get(&from->cs, &state->cs);
        segment_get(&from->ss, &state->ss);
        segment_get(&from->ds, &state->ds);
        segment_get(&from->es, &state->es);
        segment_get(&from->fs, &state->fs);
        segment_get(&from->gs, &state->gs);
        segment_get(&from->tr, &state->tr);
        segment_get(&from->ldt, &state->ldtr);
        /* as the transfer in leaves it: otherwise each entry would differ from the exit before it */
        if (!(state->ldtr.selector & 0xfffcu))
                state->ldtr = (struct hwaccl_segment){0, 0, 0, LDTR_NULL_ACCESS_RIGHTS};
        table_get(&from->gdt, &state->gdtr);
        table_get(&from->idt, &state->idtr);
}

void kvm_registers_get(const struct kvm_sync_regs *from, struct hwaccl_subject_state *state)
{
        const struct kvm_regs *regs = &from->regs;

        state->rax = regs->rax;
        state->rbx = regs->rbx;
        state->rcx = regs->rcx;
        state->rdx = regs->rdx;
        state->rdi = regs->rdi;
        state->rsi = regs->rsi;
        state->rbp = regs->rbp;
        state->rsp = regs->rsp;
        memcpy(&state->r8, &regs->r8, 8 * sizeof(uint64_t));
        state->rip = regs->rip;
        state->rflags = regs->rflags;
        system_registers_get(&from->sregs, state);
        /* SVM has one kind of blocking, which KVM reports as both */
        uint8_t blocking = from->events.interrupt.shadow;
        state->interruptibility = blocking & KVM_SHADOW_STI      ? HWACCL_INTERRUPTIBILITY_STI
                                  : blocking & KVM_SHADOW_MOV_SS ? HWACCL_INTERRUPTIBILITY_MOV_SS
                                                                 : 0;
        if (from->events.nmi.masked)
                state->interruptibility |= HWACCL_INTERRUPTIBILITY_NMI;
}

void kvm_general_registers_put(const struct hwaccl_subject_state *state, struct kvm_regs *to)
{
        to->rax = state->rax;
        to->rbx = state->rbx;
        to->rcx = state->rcx;
        to->rdx = state->rdx;
        to->rdi = state->rdi;
        to->rsi = state->rsi;
        to->rbp = state->rbp;
        to->rsp = state->rsp;
        memcpy(&to->r8, &state->r8, 8 * sizeof(uint64_t));
        to->rip = state->rip;
        to->rflags = state->rflags;
}

void kvm_system_registers_put(const struct hwaccl_subject_state *state, struct kvm_sregs *to)
{
        to->cr0 = hwaccl_cr0_guest(state);
        to->cr2 = state->cr2;
        to->cr3 = state->cr3;
        to->cr4 = hwaccl_cr4_guest(state);
        to->efer = state->efer;
        segment_put(&state->cs, &to->cs);
        segment_put(&state->ss, &to->ss);
        segment_put(&state->ds, &to->ds);
        segment_put(&state->es, &to->es);
        segment_put(&state->fs, &to->fs);
        segment_put(&state->gs, &to->gs);
        segment_put(&state->tr, &to->tr);
        segment_put(&state->ldtr, &to->ldt);
        table_put(&state->gdtr, &to->gdt);
        table_put(&state->idtr, &to->idt);
        /* an interrupt is injected through the events, not through this */
        memset(to->interrupt_bitmap, 0, sizeof(to->interrupt_bitmap));
}

bool kvm_system_registers_differ(const struct hwaccl_subject_state *a, const struct hwaccl_subject_state *b)
{
        return ((a->cr0_shadow ^ b->cr0_shadow) | (a->cr0 ^ b->cr0) | (a->cr2 ^ b->cr2) | (a->cr3 ^ b->cr3) |
                (a->cr4_shadow ^ b->cr4_shadow) | (a->cr4 ^ b->cr4) | (a->efer ^ b->efer)) != 0 ||
               memcmp(&a->cs, &b->cs, sizeof(*a) - offsetof(struct hwaccl_subject_state, cs)) != 0;
}
