/* SSE operands that must be aligned to 16 bytes (SDM 2, the instructions' exception classes 1, 2 and 4; 1B, 11.6.10):
 * those of the instructions that CPUID has, SSE to SSE3, without FXSAVE, FXRSTOR and CMPXCHG16B, which the engine
 * checks.
 */
#include "core/accel/soft/alignment.h"

/* Prefixes that choose the instruction. */
enum { PLAIN = 1, OPERAND = 2, REPEAT = 4, REPEAT_NOT = 8 };

static const struct {
        uint8_t first, last; /* opcodes behind 0Fh */
        uint8_t prefixes;
} forms[] = {
        {0x12, 0x12, REPEAT},                        /* MOVSLDUP */
        {0x14, 0x15, PLAIN | OPERAND},               /* UNPCKLPS to UNPCKHPD */
        {0x16, 0x16, REPEAT},                        /* MOVSHDUP */
        {0x28, 0x29, PLAIN | OPERAND},               /* MOVAPS, MOVAPD */
        {0x2b, 0x2b, PLAIN | OPERAND},               /* MOVNTPS, MOVNTPD */
        {0x51, 0x51, PLAIN | OPERAND},               /* SQRTPS, SQRTPD */
        {0x52, 0x53, PLAIN},                         /* RSQRTPS, RCPPS */
        {0x54, 0x59, PLAIN | OPERAND},               /* ANDPS to MULPD */
        {0x5a, 0x5a, OPERAND},                       /* CVTPD2PS */
        {0x5b, 0x5b, PLAIN | OPERAND | REPEAT},      /* CVTDQ2PS, CVTPS2DQ, CVTTPS2DQ */
        {0x5c, 0x5f, PLAIN | OPERAND},               /* SUBPS to MAXPD */
        {0x60, 0x6d, OPERAND},                       /* PUNPCKLBW to PUNPCKHQDQ */
        {0x6f, 0x6f, OPERAND},                       /* MOVDQA */
        {0x70, 0x70, OPERAND | REPEAT | REPEAT_NOT}, /* PSHUFD, PSHUFHW, PSHUFLW */
        {0x74, 0x76, OPERAND},                       /* PCMPEQB to PCMPEQD */
        {0x7c, 0x7d, OPERAND | REPEAT_NOT},          /* HADDPD to HSUBPS */
        {0x7f, 0x7f, OPERAND},                       /* MOVDQA */
        {0xc2, 0xc2, PLAIN | OPERAND},               /* CMPPS, CMPPD */
        {0xc6, 0xc6, PLAIN | OPERAND},               /* SHUFPS, SHUFPD */
        {0xd0, 0xd0, OPERAND | REPEAT_NOT},          /* ADDSUBPD, ADDSUBPS */
        {0xd1, 0xd5, OPERAND},                       /* PSRLW to PMULLW */
        {0xd8, 0xe5, OPERAND},                       /* PSUBUSB to PMULHW */
        {0xe6, 0xe6, OPERAND | REPEAT_NOT},          /* CVTTPD2DQ, CVTPD2DQ */
        {0xe7, 0xef, OPERAND},                       /* MOVNTDQ, PSUBSB to PXOR */
        {0xf1, 0xf6, OPERAND},                       /* PSLLW to PSADBW */
        {0xf8, 0xfe, OPERAND},                       /* PSUBB to PADDD */
};

/* F2h and F3h come before 66h. */
static uint8_t prefix_of(const struct soft_site *site)
{
        if (site->repeat)
                return site->repeat == 0xf3 ? REPEAT : REPEAT_NOT;
        return site->operand_prefix ? OPERAND : PLAIN;
}

/* Of an operand relative to RIP the address is known. */
static bool never_misaligned(const struct soft_site *site)
{
        struct hwaccl_subject_state state = {.rip = site->address};
        enum hwaccl_segment_register segment;
        uint64_t offset;

        if (site->bits != 64 || site->segment != SOFT_NO_SEGMENT || soft_operand_registers(site))
                return false;
        soft_operand(site, &state, &segment, &offset);
        return offset % SOFT_ALIGNMENT == 0;
}

bool soft_decode_aligned(const struct soft_site *site)
{
        if (!site->modrm_at || site->modrm >> 6 == 3)
                return false;
        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
                if (site->opcode >= forms[i].first && site->opcode <= forms[i].last)
                        return (forms[i].prefixes & prefix_of(site)) && !never_misaligned(site);
        return false;
}

void soft_tracker_begin(struct soft_tracker *tracker)
{
        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++) {
                tracker->general[i].from = (uint8_t)i;
                tracker->general[i].sum = 0;
                tracker->general[i].known = true;
        }
}

/* The general register that a register of the disassembler's is, or is part of. */
static uint8_t general_of(unsigned id)
{
        static const uint16_t names[HWACCL_GENERAL_REGISTER_COUNT][4] = {
                {X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL},
                {X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL},
                {X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL},
                {X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL},
                {X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL},
                {X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL},
                {X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL},
                {X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL},
                {X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B},
                {X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B},
                {X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B},
                {X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B},
                {X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B},
                {X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B},
                {X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B},
                {X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B},
        };

        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                for (unsigned j = 0; j < 4; j++)
                        if (names[i][j] == id)
                                return (uint8_t)i;
        return SOFT_NO_REGISTER;
}

/* Adds what is known of a register; false when nothing is. */
static bool follow(const struct soft_tracker *tracker, unsigned id, uint8_t *from, uint8_t *sum)
{
        *from = SOFT_NO_REGISTER;
        *sum = 0;
        if (id == X86_REG_INVALID)
                return true;
        uint8_t number = general_of(id);
        if (number == SOFT_NO_REGISTER || !tracker->general[number].known)
                return false;
        *from = tracker->general[number].from;
        *sum = tracker->general[number].sum;
        return true;
}

bool soft_tracker_operand(const struct soft_tracker *tracker, const cs_insn *instruction, struct soft_aligned *aligned)
{
        const cs_x86 *x86 = &instruction->detail->x86;

        for (unsigned i = 0; i < x86->op_count; i++) {
                const x86_op_mem *memory = &x86->operands[i].mem;
                uint8_t base, index;
                if (x86->operands[i].type != X86_OP_MEM)
                        continue;
                if (memory->segment == X86_REG_FS || memory->segment == X86_REG_GS ||
                    !follow(tracker, memory->base, &aligned->base, &base) ||
                    !follow(tracker, memory->index, &aligned->index, &index))
                        return false;
                aligned->scale = (uint8_t)memory->scale;
                aligned->sum = (uint8_t)(base + index * memory->scale + memory->disp) % SOFT_ALIGNMENT;
                return true;
        }
        return false;
}

static void set_known(struct soft_tracker *tracker, unsigned id, uint8_t from, unsigned sum)
{
        uint8_t number = general_of(id);

        if (number == SOFT_NO_REGISTER)
                return;
        tracker->general[number].from = from;
        tracker->general[number].sum = sum % SOFT_ALIGNMENT;
        tracker->general[number].known = true;
}

static void move_stack(struct soft_tracker *tracker, int by)
{
        tracker->general[HWACCL_RSP].sum = (uint8_t)(tracker->general[HWACCL_RSP].sum + by) % SOFT_ALIGNMENT;
}

static void forget_written(struct soft_tracker *tracker, csh decoder, const cs_insn *instruction)
{
        cs_regs read, written;
        uint8_t read_count, written_count;

        if (cs_regs_access(decoder, instruction, read, &read_count, written, &written_count) != CS_ERR_OK) {
                for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                        tracker->general[i].known = false;
                return;
        }
        for (unsigned i = 0; i < written_count; i++) {
                uint8_t number = general_of(written[i]);
                if (number != SOFT_NO_REGISTER)
                        tracker->general[number].known = false;
        }
}

/* The sum, the difference or the copy that a register of at least 16 bits becomes. */
static bool computes(struct soft_tracker *tracker, const cs_insn *instruction)
{
        const cs_x86 *x86 = &instruction->detail->x86;
        const cs_x86_op *to = &x86->operands[0], *operand = &x86->operands[1];
        uint8_t from, sum;

        if (x86->op_count != 2 || to->type != X86_OP_REG || to->size < 2)
                return false;
        switch (instruction->id) {
        case X86_INS_ADD:
        case X86_INS_SUB:
                if (operand->type != X86_OP_IMM || !follow(tracker, to->reg, &from, &sum))
                        return false;
                set_known(tracker, to->reg, from,
                          instruction->id == X86_INS_ADD ? sum + (unsigned)operand->imm : sum - (unsigned)operand->imm);
                return true;
        case X86_INS_AND:
                if (operand->type != X86_OP_IMM || operand->imm % SOFT_ALIGNMENT)
                        return false;
                set_known(tracker, to->reg, SOFT_NO_REGISTER, 0);
                return true;
        case X86_INS_XOR:
                if (operand->type != X86_OP_REG || operand->reg != to->reg)
                        return false;
                set_known(tracker, to->reg, SOFT_NO_REGISTER, 0);
                return true;
        case X86_INS_MOVABS:
        case X86_INS_MOV:
                if (operand->type == X86_OP_IMM) {
                        set_known(tracker, to->reg, SOFT_NO_REGISTER, (unsigned)operand->imm);
                        return true;
                }
                if (operand->type != X86_OP_REG || general_of(operand->reg) == SOFT_NO_REGISTER ||
                    !follow(tracker, operand->reg, &from, &sum))
                        return false;
                set_known(tracker, to->reg, from, sum);
                return true;
        case X86_INS_LEA:
                if (operand->mem.index != X86_REG_INVALID || !follow(tracker, operand->mem.base, &from, &sum))
                        return false;
                set_known(tracker, to->reg, from, sum + (unsigned)operand->mem.disp);
                return true;
        default: return false;
        }
}

void soft_tracker_step(struct soft_tracker *tracker, csh decoder, const cs_insn *instruction)
{
        const cs_x86_op *operand = &instruction->detail->x86.operands[0];

        if (computes(tracker, instruction))
                return;
        int slot = instruction->detail->x86.prefix[2] == 0x66 ? 2 : 8;
        if (instruction->id == X86_INS_PUSH) {
                move_stack(tracker, -slot);
                return;
        }
        bool pops = instruction->id == X86_INS_POP && operand->type == X86_OP_REG &&
                    general_of(operand->reg) != HWACCL_RSP && tracker->general[HWACCL_RSP].known;
        forget_written(tracker, decoder, instruction);
        if (pops) {
                tracker->general[HWACCL_RSP].known = true;
                move_stack(tracker, slot);
        }
}

unsigned soft_aligned_registers(const struct soft_aligned *aligned)
{
        return (aligned->base == SOFT_NO_REGISTER ? 0 : 1u << aligned->base) |
               (aligned->index == SOFT_NO_REGISTER ? 0 : 1u << aligned->index);
}

bool soft_aligned_is(const struct soft_aligned *aligned, struct hwaccl_subject_state *state)
{
        uint64_t address = aligned->sum;

        if (aligned->base != SOFT_NO_REGISTER)
                address += *soft_general(state, aligned->base);
        if (aligned->index != SOFT_NO_REGISTER)
                address += *soft_general(state, aligned->index) * aligned->scale;
        return address % SOFT_ALIGNMENT == 0;
}
