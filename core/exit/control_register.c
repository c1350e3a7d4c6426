#include "core/exit/control_register.h"

#include "core/exit/cpu_features.h"
#include "core/subject/transfer.h"

#include <stddef.h>

#define CR0_DEFINED   UINT64_C(0xe005003f)
#define RFLAGS_RF     UINT64_C(0x10000)
#define CR3_NO_FLUSH  (UINT64_C(1) << 63) /* with CR4.PCIDE: keep the TLB; never stored */
#define CR8_DEFINED   UINT64_C(0xf)
#define LMSW_SETTABLE UINT64_C(0xf) /* PE, MP, EM, TS */

enum access_type {
        ACCESS_MOV_TO,
        ACCESS_MOV_FROM,
        ACCESS_CLTS,
        ACCESS_LMSW,
};

static const uint16_t general_register_offset[HWACCL_GENERAL_REGISTER_COUNT] = {
        [HWACCL_RAX] = offsetof(struct hwaccl_subject_state, rax),
        [HWACCL_RCX] = offsetof(struct hwaccl_subject_state, rcx),
        [HWACCL_RDX] = offsetof(struct hwaccl_subject_state, rdx),
        [HWACCL_RBX] = offsetof(struct hwaccl_subject_state, rbx),
        [HWACCL_RSP] = offsetof(struct hwaccl_subject_state, rsp),
        [HWACCL_RBP] = offsetof(struct hwaccl_subject_state, rbp),
        [HWACCL_RSI] = offsetof(struct hwaccl_subject_state, rsi),
        [HWACCL_RDI] = offsetof(struct hwaccl_subject_state, rdi),
        [HWACCL_R8] = offsetof(struct hwaccl_subject_state, r8),
        [HWACCL_R9] = offsetof(struct hwaccl_subject_state, r9),
        [HWACCL_R10] = offsetof(struct hwaccl_subject_state, r10),
        [HWACCL_R11] = offsetof(struct hwaccl_subject_state, r11),
        [HWACCL_R12] = offsetof(struct hwaccl_subject_state, r12),
        [HWACCL_R13] = offsetof(struct hwaccl_subject_state, r13),
        [HWACCL_R14] = offsetof(struct hwaccl_subject_state, r14),
        [HWACCL_R15] = offsetof(struct hwaccl_subject_state, r15),
};

static uint64_t *general_register(struct hwaccl_subject_state *state, unsigned index)
{
        return (uint64_t *)((unsigned char *)state + general_register_offset[index]);
}

static bool in_long_mode(const struct hwaccl_subject_state *state)
{
        return (state->efer & HWACCL_EFER_LMA) != 0;
}

static bool in_64_bit_code(const struct hwaccl_subject_state *state)
{
        return in_long_mode(state) && (state->cs.access_rights & HWACCL_ACCESS_RIGHTS_LONG);
}

static unsigned privilege_level(const struct hwaccl_subject_state *state)
{
        return (state->ss.access_rights >> 5) & 3u;
}

/* SDM 2A, MOV to control registers: what raises #GP(0). */
static bool cr0_valid(const struct hwaccl_subject_state *state, uint64_t old, uint64_t value)
{
        uint64_t cr4 = hwaccl_cr4_guest(state);
        bool code_is_long = (state->cs.access_rights & HWACCL_ACCESS_RIGHTS_LONG) != 0;

        if (value >> 32)
                return false;
        if ((value & HWACCL_CR0_PG) && !(value & HWACCL_CR0_PE))
                return false;
        if ((value & HWACCL_CR0_NW) && !(value & HWACCL_CR0_CD))
                return false;
        if (!(old & HWACCL_CR0_PG) && (value & HWACCL_CR0_PG) && (state->efer & HWACCL_EFER_LME))
                return (cr4 & HWACCL_CR4_PAE) && !code_is_long &&
                       (state->tr.access_rights & HWACCL_ACCESS_RIGHTS_TSS_32);
        if ((old & HWACCL_CR0_PG) && !(value & HWACCL_CR0_PG))
                return !in_64_bit_code(state) && !(cr4 & HWACCL_CR4_PCIDE);
        return true;
}

static bool write_cr0(struct hwaccl_subject_state *state, uint64_t value)
{
        if (!cr0_valid(state, hwaccl_cr0_guest(state), value))
                return false;
        /* Reserved bits stay clear and ET stays set, whatever is written. */
        value = (value & CR0_DEFINED) | HWACCL_CR0_ET;
        hwaccl_cr0_put(state, value);
        if ((value & HWACCL_CR0_PG) && (state->efer & HWACCL_EFER_LME))
                state->efer |= HWACCL_EFER_LMA;
        else
                state->efer &= ~HWACCL_EFER_LMA;
        return true;
}

static bool write_cr3(struct hwaccl_subject_state *state, uint64_t value)
{
        uint64_t reserved = ~((UINT64_C(1) << HWACCL_PHYSICAL_ADDRESS_BITS) - 1);

        if (hwaccl_cr4_guest(state) & HWACCL_CR4_PCIDE)
                value &= ~CR3_NO_FLUSH;
        if (value & reserved)
                return false;
        state->cr3 = value;
        return true;
}

static bool write_cr4(struct hwaccl_subject_state *state, uint64_t value)
{
        if (value & ~HWACCL_CR4_DEFINED)
                return false;
        if (in_long_mode(state) && !(value & HWACCL_CR4_PAE))
                return false;
        hwaccl_cr4_put(state, value);
        return true;
}

static bool write_register(struct hwaccl_subject_state *state, struct hwaccl_machine_context *context, unsigned number,
                           uint64_t value)
{
        switch (number) {
        case 0: return write_cr0(state, value);
        case 2: state->cr2 = value; return true;
        case 3: return write_cr3(state, value);
        case 4: return write_cr4(state, value);
        case 8:
                /* outside 64-bit code no encoding of CR8 exists */
                if (!in_64_bit_code(state) || (value & ~CR8_DEFINED))
                        return false;
                context->cr8 = value;
                context->tpr_sub_class = 0;
                return true;
        default: return false;
        }
}

static bool read_register(const struct hwaccl_subject_state *state, const struct hwaccl_machine_context *context,
                          unsigned number, uint64_t *value)
{
        switch (number) {
        case 0: *value = hwaccl_cr0_guest(state); return true;
        case 2: *value = state->cr2; return true;
        case 3: *value = state->cr3; return true;
        case 4: *value = hwaccl_cr4_guest(state); return true;
        case 8: *value = context->cr8; return in_64_bit_code(state);
        default: return false;
        }
}

/* LMSW sets PE but cannot clear it. */
static uint64_t machine_status_word(uint64_t cr0, uint64_t source)
{
        return (cr0 & ~(LMSW_SETTABLE & ~HWACCL_CR0_PE)) | (source & LMSW_SETTABLE);
}

static void complete_instruction(struct hwaccl_subject_state *state)
{
        state->rip += state->instruction_length;
        if (!in_64_bit_code(state))
                state->rip &= UINT32_MAX;
        state->rflags &= ~RFLAGS_RF;
        /* STI and MOV SS block for one instruction: this one */
        state->interruptibility &= ~(uint64_t)(HWACCL_INTERRUPTIBILITY_STI | HWACCL_INTERRUPTIBILITY_MOV_SS);
}

bool hwaccl_control_register_access(struct hwaccl_subject_state *state, struct hwaccl_machine_context *context)
{
        uint64_t qualification = state->exit_qualification;
        unsigned number = (unsigned)(qualification & 0xf);
        uint64_t *operand = general_register(state, (unsigned)(qualification >> 8 & 0xf));
        bool wide = in_64_bit_code(state);
        uint64_t cr0 = hwaccl_cr0_guest(state);
        uint64_t value;
        bool done = false;

        if (state->instruction_length - 1 >= 15 || privilege_level(state) != 0)
                return false;
        switch ((enum access_type)(qualification >> 4 & 3)) {
        case ACCESS_MOV_TO:
                done = write_register(state, context, number, wide ? *operand : *operand & UINT32_MAX);
                break;
        case ACCESS_MOV_FROM:
                done = read_register(state, context, number, &value);
                if (done)
                        *operand = wide ? value : value & UINT32_MAX;
                break;
        case ACCESS_CLTS: done = number == 0 && write_cr0(state, cr0 & ~HWACCL_CR0_TS); break;
        case ACCESS_LMSW:
                done = number == 0 && write_cr0(state, machine_status_word(cr0, qualification >> 16 & 0xffff));
                break;
        }
        if (done)
                complete_instruction(state);
        return done;
}
