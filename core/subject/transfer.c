#include "core/subject/transfer.h"

#include "core/assert.h"

#include <string.h>

#define CR0_FORCED_ON  UINT64_C(0x20)       /* NE */
#define CR0_FORCED_OFF UINT64_C(0x60000000) /* NW, CD */
#define CR4_FORCED_ON  UINT64_C(0x2000)     /* VMXE */
_Static_assert((CR0_FORCED_ON | CR0_FORCED_OFF) == HWACCL_CR0_MASK, "the VMM forces exactly the CR0 bits that it owns");
_Static_assert(CR4_FORCED_ON == HWACCL_CR4_MASK, "the VMM forces exactly the CR4 bits that it owns");

#define BLOCKING_MASK            UINT64_C(3) /* STI, MOV SS */
#define LDTR_NULL_ACCESS_RIGHTS  0x82u
#define SELECTOR_INDEX_AND_TABLE 0xfffcu

uint64_t hwaccl_cr0_guest(const struct hwaccl_subject_state *state)
{
        return (state->cr0_shadow & HWACCL_CR0_MASK) | (state->cr0 & ~HWACCL_CR0_MASK);
}

uint64_t hwaccl_cr4_guest(const struct hwaccl_subject_state *state)
{
        return (state->cr4_shadow & HWACCL_CR4_MASK) | (state->cr4 & ~HWACCL_CR4_MASK);
}

void hwaccl_cr0_put(struct hwaccl_subject_state *state, uint64_t value)
{
        state->cr0_shadow = value;
        state->cr0 = (value | CR0_FORCED_ON) & ~CR0_FORCED_OFF;
}

void hwaccl_cr4_put(struct hwaccl_subject_state *state, uint64_t value)
{
        state->cr4_shadow = value;
        state->cr4 = value | CR4_FORCED_ON;
}

static bool inhibited_here(const struct hwaccl_machine_context *context)
{
        return context->interrupts_inhibited && context->rip == context->inhibited_rip;
}

uint64_t hwaccl_transfer_interruptibility(const struct hwaccl_machine_context *context,
                                          const struct hwaccl_subject_state *state)
{
        uint64_t others = state->interruptibility & ~BLOCKING_MASK;

        if (context->nmi_unblocked)
                others &= ~(uint64_t)HWACCL_INTERRUPTIBILITY_NMI;
        if (!inhibited_here(context))
                return others;
        return context->ss_loaded ? others | HWACCL_INTERRUPTIBILITY_MOV_SS : state->interruptibility;
}

static void segment_in(const struct hwaccl_machine_context *context, enum hwaccl_segment_register index,
                       struct hwaccl_segment *segment)
{
        hwaccl_assert(context->segment_valid[index]);
        *segment = context->segment[index];
        if (segment->access_rights == 0)
                segment->access_rights = HWACCL_SEGMENT_UNUSABLE;
}

bool hwaccl_transfer_in(struct hwaccl_machine_context *context, struct hwaccl_subject_state *state,
                        struct hwaccl_error *error)
{
        hwaccl_assert(!context->fpu_used_by_recompiler);
        if (__builtin_expect(!hwaccl_tr_is_busy(&context->tr), 0))
                return hwaccl_tr_refuse(&context->tr, error);

        state->interruptibility = hwaccl_transfer_interruptibility(context, state);
        context->interrupts_inhibited = inhibited_here(context);
        context->ss_loaded = false;
        context->nmi_unblocked = false;

        state->rip = context->rip;
        state->rsp = context->gpr[HWACCL_RSP];
        state->rax = context->gpr[HWACCL_RAX];
        state->rbx = context->gpr[HWACCL_RBX];
        state->rcx = context->gpr[HWACCL_RCX];
        state->rdx = context->gpr[HWACCL_RDX];
        state->rdi = context->gpr[HWACCL_RDI];
        state->rsi = context->gpr[HWACCL_RSI];
        state->rbp = context->gpr[HWACCL_RBP];
        memcpy(&state->r8, &context->gpr[HWACCL_R8], 8 * sizeof(uint64_t));
        state->rflags = context->rflags;
        state->sysenter_cs = context->sysenter_cs;
        state->sysenter_eip = context->sysenter_eip;
        state->sysenter_esp = context->sysenter_esp;
        state->efer = context->efer;
        state->cr2 = context->cr2;
        state->cr3 = context->cr3;
        hwaccl_cr0_put(state, context->cr0);
        hwaccl_cr4_put(state, context->cr4);

        segment_in(context, HWACCL_CS, &state->cs);
        segment_in(context, HWACCL_SS, &state->ss);
        segment_in(context, HWACCL_DS, &state->ds);
        segment_in(context, HWACCL_ES, &state->es);
        segment_in(context, HWACCL_FS, &state->fs);
        segment_in(context, HWACCL_GS, &state->gs);
        if (context->ldtr.selector & SELECTOR_INDEX_AND_TABLE)
                state->ldtr = context->ldtr;
        else
                state->ldtr = (struct hwaccl_segment){0, 0, 0, LDTR_NULL_ACCESS_RIGHTS};
        state->tr = context->tr;
        state->idtr.base = context->idtr.base;
        state->idtr.limit = context->idtr.limit;
        state->gdtr.base = context->gdtr.base;
        state->gdtr.limit = context->gdtr.limit;
        return true;
}

static bool segment_differs(const struct hwaccl_segment *a, const struct hwaccl_segment *b)
{
        return ((a->selector ^ b->selector) | (a->base ^ b->base) | (a->limit ^ b->limit) |
                (a->access_rights ^ b->access_rights)) != 0;
}

/* Copy a register; returns @flag if it changed. */
static uint32_t register_out(uint64_t from, uint64_t *to, uint32_t flag)
{
        if (*to == from)
                return 0;
        *to = from;
        return flag;
}

static uint32_t segment_out(const struct hwaccl_segment *from, struct hwaccl_segment *to, uint32_t flag)
{
        if (!segment_differs(from, to))
                return 0;
        *to = *from;
        return flag;
}

static uint32_t table_out(const struct hwaccl_segment *from, struct hwaccl_segment *to, uint32_t flag)
{
        if (from->base == to->base && from->limit == to->limit)
                return 0;
        to->base = from->base;
        to->limit = from->limit;
        return flag;
}

bool hwaccl_transfer_out(const struct hwaccl_subject_state *state, struct hwaccl_machine_context *context,
                         struct hwaccl_error *error)
{
        if (!hwaccl_subject_state_check(state, error))
                return false;

        context->rip = state->rip;
        context->gpr[HWACCL_RSP] = state->rsp;
        context->gpr[HWACCL_RAX] = state->rax;
        context->gpr[HWACCL_RBX] = state->rbx;
        context->gpr[HWACCL_RCX] = state->rcx;
        context->gpr[HWACCL_RDX] = state->rdx;
        context->gpr[HWACCL_RDI] = state->rdi;
        context->gpr[HWACCL_RSI] = state->rsi;
        context->gpr[HWACCL_RBP] = state->rbp;
        memcpy(&context->gpr[HWACCL_R8], &state->r8, 8 * sizeof(uint64_t));
        context->rflags = state->rflags;

        uint32_t changed = HWACCL_CHANGED_GLOBAL_TLB_FLUSH | HWACCL_CHANGED_HIDDEN_SELECTORS;
        changed |= register_out(state->sysenter_cs, &context->sysenter_cs, HWACCL_CHANGED_SYSENTER);
        changed |= register_out(state->sysenter_esp, &context->sysenter_esp, HWACCL_CHANGED_SYSENTER);
        changed |= register_out(state->sysenter_eip, &context->sysenter_eip, HWACCL_CHANGED_SYSENTER);
        changed |= table_out(&state->idtr, &context->idtr, HWACCL_CHANGED_IDTR);
        changed |= table_out(&state->gdtr, &context->gdtr, HWACCL_CHANGED_GDTR);

        changed |= register_out(hwaccl_cr0_guest(state), &context->cr0, HWACCL_CHANGED_CR0);
        context->cr2 = state->cr2;
        changed |= register_out(hwaccl_cr4_guest(state), &context->cr4, HWACCL_CHANGED_CR4);
        changed |= register_out(state->cr3, &context->cr3, HWACCL_CHANGED_CR3); /* what CR3 means depends on CR0, CR4 */

        context->segment[HWACCL_CS] = state->cs;
        context->segment[HWACCL_SS] = state->ss;
        context->segment[HWACCL_DS] = state->ds;
        context->segment[HWACCL_ES] = state->es;
        context->segment[HWACCL_FS] = state->fs;
        context->segment[HWACCL_GS] = state->gs;
        memset(context->segment_valid, true, sizeof(context->segment_valid));
        changed |= segment_out(&state->ldtr, &context->ldtr, HWACCL_CHANGED_LDTR);
        changed |= segment_out(&state->tr, &context->tr, HWACCL_CHANGED_TR);
        context->efer = state->efer;
        context->changed |= changed;

        context->nmi_unblocked = false;
        context->interrupts_inhibited = (state->interruptibility & BLOCKING_MASK) != 0;
        if (context->interrupts_inhibited)
                context->inhibited_rip = context->rip;
        return true;
}
