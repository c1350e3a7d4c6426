/*
 * Conversion of Capstone's instructions to struct instruction. Prefixes are read from the bytes, because Capstone drops
 * some (REPNE before MOVS, for one), and sizes that depend on them are computed here.
 */
#include "core/exit/emulate/instruction.h"

#include "hwaccl/exit_reason.h"

#include <string.h>

bool decoder_open(struct decoder *decoder, struct hwaccl_error *error)
{
        static const cs_mode modes[3] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};

        memset(decoder, 0, sizeof(*decoder));
        for (unsigned i = 0; i < 3; i++) {
                cs_err status = cs_open(CS_ARCH_X86, modes[i], &decoder->handle[i]);
                if (status == CS_ERR_OK)
                        status = cs_option(decoder->handle[i], CS_OPT_DETAIL, CS_OPT_ON);
                if (status != CS_ERR_OK) {
                        decoder_close(decoder);
                        return hwaccl_error_set(error, "cannot open the disassembler: %s", cs_strerror(status));
                }
        }
        decoder->scratch = cs_malloc(decoder->handle[0]);
        if (!decoder->scratch) {
                decoder_close(decoder);
                return hwaccl_error_set(error, "out of memory");
        }
        return true;
}

void decoder_close(struct decoder *decoder)
{
        if (decoder->scratch)
                cs_free(decoder->scratch, 1);
        for (unsigned i = 0; i < 3; i++)
                if (decoder->handle[i])
                        (void)cs_close(&decoder->handle[i]);
        memset(decoder, 0, sizeof(*decoder));
}

/* What stands before the opcode. */
struct prefixes {
        bool operand_size;
        bool address_size;
        bool lock;
        uint8_t repeat;
        uint8_t segment; /* NO_REGISTER: none */
        uint8_t rex;
        bool rex_ignored; /* a REX prefix that another prefix follows */
        unsigned count;   /* bytes */
};

#define REX_W 0x8u
#define REX_R 0x4u
#define REX_B 0x1u

static struct prefixes read_prefixes(const uint8_t *bytes, size_t size, unsigned code_bits)
{
        struct prefixes prefixes = {.segment = NO_REGISTER};
        bool wide = code_bits == 64;
        size_t i = 0;

        for (; i < size; i++) {
                uint8_t rex = 0;
                switch (bytes[i]) {
                case 0x66: prefixes.operand_size = true; break;
                case 0x67: prefixes.address_size = true; break;
                case 0xf0: prefixes.lock = true; break;
                case 0xf2: prefixes.repeat = REPEAT_NOT_EQUAL; break;
                case 0xf3: prefixes.repeat = REPEAT_EQUAL; break;
                case 0x64: prefixes.segment = HWACCL_FS; break;
                case 0x65: prefixes.segment = HWACCL_GS; break;
                case 0x26:
                case 0x2e:
                case 0x36:
                case 0x3e: /* ES, CS, SS and DS override nothing in 64-bit mode */
                        if (!wide)
                                prefixes.segment = (bytes[i] >> 3) & 3;
                        break;
                default:
                        if (!wide || (bytes[i] & 0xf0) != 0x40) {
                                prefixes.count = (unsigned)i;
                                return prefixes;
                        }
                        rex = bytes[i];
                }
                prefixes.rex_ignored |= prefixes.rex != 0;
                prefixes.rex = rex;
        }
        prefixes.count = (unsigned)i;
        return prefixes;
}

/* X(Capstone's suffix, operation) */
#define OPERATIONS(X)                                                                                                  \
        X(ADD, ADD)                                                                                                    \
        X(OR, OR)                                                                                                      \
        X(ADC, ADC)                                                                                                    \
        X(SBB, SBB)                                                                                                    \
        X(AND, AND)                                                                                                    \
        X(SUB, SUB)                                                                                                    \
        X(XOR, XOR)                                                                                                    \
        X(CMP, CMP)                                                                                                    \
        X(TEST, TEST)                                                                                                  \
        X(INC, INC)                                                                                                    \
        X(DEC, DEC)                                                                                                    \
        X(NOT, NOT)                                                                                                    \
        X(NEG, NEG)                                                                                                    \
        X(BT, BT)                                                                                                      \
        X(BTS, BTS)                                                                                                    \
        X(BTR, BTR)                                                                                                    \
        X(BTC, BTC)                                                                                                    \
        X(ROL, ROL)                                                                                                    \
        X(ROR, ROR)                                                                                                    \
        X(RCL, RCL)                                                                                                    \
        X(RCR, RCR)                                                                                                    \
        X(SHL, SHL)                                                                                                    \
        X(SAL, SHL)                                                                                                    \
        X(SHR, SHR)                                                                                                    \
        X(SAR, SAR)                                                                                                    \
        X(SHLD, SHLD)                                                                                                  \
        X(SHRD, SHRD)                                                                                                  \
        X(MUL, MUL)                                                                                                    \
        X(IMUL, IMUL)                                                                                                  \
        X(DIV, DIV)                                                                                                    \
        X(IDIV, IDIV)                                                                                                  \
        X(XLATB, XLAT)                                                                                                 \
        X(MOVBE, MOVBE)                                                                                                \
        X(MOV, MOV)                                                                                                    \
        X(MOVABS, MOV)                                                                                                 \
        X(MOVNTI, MOV)                                                                                                 \
        X(MOVZX, MOVZX)                                                                                                \
        X(MOVSX, MOVSX)                                                                                                \
        X(MOVSXD, MOVSX)                                                                                               \
        X(XCHG, XCHG)                                                                                                  \
        X(XADD, XADD)                                                                                                  \
        X(CMPXCHG, CMPXCHG)                                                                                            \
        X(CMPXCHG8B, CMPXCHG_PAIR)                                                                                     \
        X(CMPXCHG16B, CMPXCHG_PAIR)                                                                                    \
        X(PUSH, PUSH)                                                                                                  \
        X(POP, POP)                                                                                                    \
        X(IN, IN)                                                                                                      \
        X(OUT, OUT)                                                                                                    \
        X(CPUID, CPUID)                                                                                                \
        X(RDMSR, RDMSR)                                                                                                \
        X(WRMSR, WRMSR)                                                                                                \
        X(HLT, HLT)                                                                                                    \
        X(RDTSC, RDTSC)                                                                                                \
        X(RDTSCP, RDTSCP)                                                                                              \
        X(INVLPG, INVLPG)                                                                                              \
        X(WBINVD, WBINVD)                                                                                              \
        X(INVD, INVD)                                                                                                  \
        X(PAUSE, PAUSE)                                                                                                \
        X(RDPMC, RDPMC)                                                                                                \
        X(CLTS, CLTS)                                                                                                  \
        X(LMSW, LMSW)

/* Exit, but belong to features that CPUID lacks. X(Capstone's suffix, exit reason) */
#define ABSENT(X)                                                                                                      \
        X(GETSEC, GETSEC)                                                                                              \
        X(RSM, RSM)                                                                                                    \
        X(VMCALL, VMCALL)                                                                                              \
        X(VMCLEAR, VMCLEAR)                                                                                            \
        X(VMLAUNCH, VMLAUNCH)                                                                                          \
        X(VMPTRLD, VMPTRLD)                                                                                            \
        X(VMPTRST, VMPTRST)                                                                                            \
        X(VMREAD, VMREAD)                                                                                              \
        X(VMRESUME, VMRESUME)                                                                                          \
        X(VMWRITE, VMWRITE)                                                                                            \
        X(VMXOFF, VMXOFF)                                                                                              \
        X(VMXON, VMXON)                                                                                                \
        X(MWAIT, MWAIT)                                                                                                \
        X(MONITOR, MONITOR)                                                                                            \
        X(INVEPT, INVEPT)                                                                                              \
        X(INVVPID, INVVPID)                                                                                            \
        X(XSETBV, XSETBV)                                                                                              \
        X(RDRAND, RDRAND)                                                                                              \
        X(INVPCID, INVPCID)                                                                                            \
        X(VMFUNC, VMFUNC)                                                                                              \
        X(ENCLS, ENCLS)                                                                                                \
        X(RDSEED, RDSEED)                                                                                              \
        X(XSAVES, XSAVES)                                                                                              \
        X(XSAVES64, XSAVES)                                                                                            \
        X(XRSTORS, XRSTORS)                                                                                            \
        X(XRSTORS64, XRSTORS)

static uint8_t absent_reason(unsigned id)
{
        switch (id) {
#define X(name, reason)                                                                                                \
        case X86_INS_##name: return HWACCL_EXIT_##reason;
                ABSENT(X)
#undef X
        default: return 0;
        }
}

/* Younger than Capstone; all have register operands only. Returns the length behind the prefixes, 0 for others. */
static unsigned take_young(const uint8_t *opcode, size_t size, const struct prefixes *prefixes, uint8_t *reason)
{
        bool reg = size >= 3 && opcode[0] == 0x0f && opcode[1] == 0xae && (opcode[2] & 0xf8) == 0xf0;

        if (reg && prefixes->repeat == REPEAT_NOT_EQUAL) {
                *reason = HWACCL_EXIT_UMWAIT;
                return 3;
        }
        if (reg && prefixes->repeat == REPEAT_NONE && prefixes->operand_size) {
                *reason = HWACCL_EXIT_TPAUSE;
                return 3;
        }
        if (size >= 4 && opcode[0] == 0x0f && opcode[1] == 0x38 && opcode[2] == 0xdc && opcode[3] >= 0xc0 &&
            prefixes->repeat == REPEAT_EQUAL) {
                *reason = HWACCL_EXIT_LOADIWKEY;
                return 4;
        }
        return 0;
}

/* String instructions by their opcode: Capstone gives MOVSD and CMPSD of SSE the same names. */
static enum operation string_operation(uint8_t opcode)
{
        switch (opcode & ~1) {
        case 0x6c: return OPERATION_INS;
        case 0x6e: return OPERATION_OUTS;
        case 0xa4: return OPERATION_MOVS;
        case 0xa6: return OPERATION_CMPS;
        case 0xaa: return OPERATION_STOS;
        case 0xac: return OPERATION_LODS;
        case 0xae: return OPERATION_SCAS;
        default: return OPERATION_NONE;
        }
}

/* By their bytes too: Capstone has not all of them in 16-bit code. */
static enum operation bit_or_condition_operation(const uint8_t *opcode, const struct prefixes *prefixes)
{
        bool counts = prefixes->repeat == REPEAT_EQUAL;

        if ((opcode[1] & 0xf0) == 0x90)
                return OPERATION_SETCC;
        if ((opcode[1] & 0xf0) == 0x40)
                return OPERATION_CMOVCC;
        switch (opcode[1]) {
        case 0xb8: return counts ? OPERATION_POPCNT : OPERATION_NONE;
        case 0xbc: return counts ? OPERATION_TZCNT : OPERATION_BSF;
        case 0xbd: return counts ? OPERATION_LZCNT : OPERATION_BSR;
        default: return OPERATION_NONE;
        }
}

static enum operation operation_of(const cs_insn *decoded, const struct prefixes *prefixes, const uint8_t *opcode)
{
        enum operation string = string_operation(opcode[0]);

        if (string != OPERATION_NONE)
                return string;
        if (opcode[0] == 0x0f && opcode[1] >= 0x20 && opcode[1] <= 0x23) {
                static const enum operation moves[4] = {OPERATION_MOV_FROM_CR, OPERATION_MOV_FROM_DR,
                                                        OPERATION_MOV_TO_CR, OPERATION_MOV_TO_DR};
                return moves[opcode[1] - 0x20];
        }
        enum operation bits = opcode[0] == 0x0f ? bit_or_condition_operation(opcode, prefixes) : OPERATION_NONE;
        if (bits != OPERATION_NONE)
                return bits;
        if (decoded->id == X86_INS_IMUL && decoded->detail->x86.op_count > 1)
                return OPERATION_IMUL_REGISTER;
        /* Capstone calls it NOP in 16-bit code */
        if (opcode[0] == 0x90 && prefixes->repeat == REPEAT_EQUAL && !(prefixes->rex & REX_B))
                return OPERATION_PAUSE;
        switch (decoded->id) {
#define X(name, operation)                                                                                             \
        case X86_INS_##name: return OPERATION_##operation;
                OPERATIONS(X)
#undef X
        default: return OPERATION_NONE;
        }
}

/* A general register of any width: its number, and whether it is one of AH, CH, DH, BH. False for other registers. */
static bool general_register(x86_reg reg, uint8_t *number, bool *high)
{
        static const struct {
                uint16_t names[5]; /* 64, 32, 16, 8 bits, high byte */
        } rows[HWACCL_GENERAL_REGISTER_COUNT] = {
                {{X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH}},
                {{X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH}},
                {{X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH}},
                {{X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH}},
                {{X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL}},
                {{X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL}},
                {{X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL}},
                {{X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL}},
                {{X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B}},
                {{X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B}},
                {{X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B}},
                {{X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B}},
                {{X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B}},
                {{X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B}},
                {{X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B}},
                {{X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B}},
        };

        if (reg == X86_REG_INVALID)
                return false;
        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                for (unsigned j = 0; j < 5; j++)
                        if (rows[i].names[j] == reg) {
                                *number = (uint8_t)i;
                                *high = j == 4;
                                return true;
                        }
        return false;
}

static bool take_memory(const x86_op_mem *memory, const struct prefixes *prefixes, struct instruction *instruction)
{
        bool high;

        instruction->base = NO_REGISTER;
        instruction->index = NO_REGISTER;
        if (memory->base == X86_REG_RIP || memory->base == X86_REG_EIP)
                instruction->base = BASE_IS_RIP;
        else if (memory->base != X86_REG_INVALID && !general_register(memory->base, &instruction->base, &high))
                return false;
        /* RIZ and EIZ: no index */
        if (memory->index != X86_REG_INVALID && memory->index != X86_REG_RIZ && memory->index != X86_REG_EIZ &&
            !general_register(memory->index, &instruction->index, &high))
                return false;
        instruction->scale = (uint8_t)memory->scale;
        instruction->displacement = (uint64_t)memory->disp;
        if (prefixes->segment != NO_REGISTER)
                instruction->segment = prefixes->segment;
        else if (instruction->base == HWACCL_RSP || instruction->base == HWACCL_RBP)
                instruction->segment = HWACCL_SS;
        return true;
}

static bool take_operand(const cs_x86_op *from, const struct prefixes *prefixes, struct instruction *instruction,
                         struct operand *to)
{
        bool high;

        to->size = from->size;
        if (from->size > 8 && instruction->operation != OPERATION_CMPXCHG_PAIR)
                return false;
        switch (from->type) {
        case X86_OP_REG:
                if (!general_register(from->reg, &to->number, &high))
                        return false;
                to->kind = high ? OPERAND_HIGH_BYTE : OPERAND_REGISTER;
                return true;
        case X86_OP_IMM:
                to->kind = OPERAND_IMMEDIATE;
                instruction->immediate = (uint64_t)from->imm;
                return true;
        case X86_OP_MEM: to->kind = OPERAND_MEMORY; return take_memory(&from->mem, prefixes, instruction);
        default: return false;
        }
}

/* MOV to and from CRn and DRn: the ModRM byte says it all, its mod field does not count (SDM 2B, MOV). */
static void take_system_operands(uint8_t modrm, const struct prefixes *prefixes, struct instruction *instruction)
{
        bool to_system = instruction->operation == OPERATION_MOV_TO_CR || instruction->operation == OPERATION_MOV_TO_DR;
        uint8_t size = instruction->code_bits == 64 ? 8 : 4;
        struct operand system = {OPERAND_SYSTEM_REGISTER,
                                 (uint8_t)(((modrm >> 3) & 7) | (prefixes->rex & REX_R ? 8 : 0)), size};
        struct operand general = {OPERAND_REGISTER, (uint8_t)((modrm & 7) | (prefixes->rex & REX_B ? 8 : 0)), size};

        instruction->operand[0] = to_system ? system : general;
        instruction->operand[1] = to_system ? general : system;
}

static uint8_t operand_size_of(const struct prefixes *prefixes, unsigned code_bits)
{
        if (prefixes->rex & REX_W)
                return 8;
        return (code_bits == 16) != prefixes->operand_size ? 2 : 4;
}

static uint8_t address_size_of(const struct prefixes *prefixes, unsigned code_bits)
{
        if (code_bits == 64)
                return prefixes->address_size ? 4 : 8;
        return (code_bits == 16) != prefixes->address_size ? 2 : 4;
}

/* What Capstone leaves open, or sees differently from the processor. */
static void settle_sizes(const uint8_t *opcode, const struct prefixes *prefixes, struct instruction *instruction)
{
        uint8_t size = operand_size_of(prefixes, instruction->code_bits);

        switch (instruction->operation) {
        case OPERATION_PUSH:
        case OPERATION_POP:
                if (instruction->code_bits == 64)
                        size = prefixes->operand_size ? 2 : 8;
                instruction->operand[0].size = size;
                break;
        case OPERATION_MOVSX:
                if (opcode[0] == 0x63) { /* MOVSXD without REX.W is a plain move of its operand size */
                        instruction->operand[0].size = size;
                        instruction->operand[1].size = size == 2 ? 2 : 4;
                }
                break;
        case OPERATION_IN:
        case OPERATION_OUT:
        case OPERATION_INS:
        case OPERATION_OUTS: size = opcode[0] & 1 ? (size == 8 ? 4 : size) : 1; break;
        case OPERATION_MOVS:
        case OPERATION_STOS:
        case OPERATION_LODS:
        case OPERATION_CMPS:
        case OPERATION_SCAS:
                if (!(opcode[0] & 1))
                        size = 1;
                break;
        case OPERATION_LMSW: instruction->operand[0].size = 2; break;
        case OPERATION_SETCC:
        case OPERATION_CMOVCC: instruction->condition = opcode[1] & 15; break;
        case OPERATION_XLAT: /* MOV AL from [rBX + AL]: effective_address() adds AL */
                instruction->operand[0] = (struct operand){OPERAND_REGISTER, HWACCL_RAX, 1};
                instruction->operand[1] = (struct operand){OPERAND_MEMORY, 0, 1};
                instruction->base = HWACCL_RBX;
                break;
        default: break;
        }
        instruction->operand_size = size;
}

/* Their operands are implied, or taken from the ModRM byte. */
static bool has_plain_operands(enum operation operation)
{
        return operation < OPERATION_MOVS || operation == OPERATION_IN || operation == OPERATION_OUT ||
               operation == OPERATION_INVLPG || operation == OPERATION_LMSW;
}

/* Capstone's decoding of the bytes at @code, NULL when they are no instruction. */
static const cs_insn *disassemble(struct decoder *decoder, const uint8_t *code, size_t size, unsigned code_bits)
{
        uint64_t address = 0;

        if (!cs_disasm_iter(decoder->handle[code_bits / 32], &code, &size, &address, decoder->scratch))
                return NULL;
        return decoder->scratch;
}

/*
 * Capstone refuses LOCK where the processor raises #UD: what the instruction would be without it must be known to tell
 * that from bytes that are none. REX counts only before the opcode. Decode a copy without such prefixes.
 */
static const cs_insn *disassemble_without(struct decoder *decoder, const uint8_t *bytes, size_t size,
                                          const struct prefixes *prefixes, unsigned code_bits, unsigned *dropped)
{
        uint8_t copy[INSTRUCTION_SIZE_MAX];
        size_t kept = 0;

        *dropped = 0;
        for (size_t i = 0; i < size && i < sizeof(copy); i++) {
                bool rex = code_bits == 64 && (bytes[i] & 0xf0) == 0x40 && i + 1 < prefixes->count;
                if (i < prefixes->count && (bytes[i] == 0xf0 || rex))
                        (*dropped)++;
                else
                        copy[kept++] = bytes[i];
        }
        return *dropped ? disassemble(decoder, copy, kept, code_bits) : NULL;
}

/* What every decoded instruction has, whatever it does. */
static struct instruction plain_instruction(const uint8_t *bytes, size_t length, const struct prefixes *prefixes,
                                            unsigned code_bits)
{
        struct instruction instruction = {
                .length = (uint8_t)length,
                .code_bits = (uint8_t)code_bits,
                .repeat = prefixes->repeat,
                .lock = prefixes->lock,
                .segment = prefixes->segment == NO_REGISTER ? HWACCL_DS : prefixes->segment,
                .base = NO_REGISTER,
                .index = NO_REGISTER,
                .address_size = address_size_of(prefixes, code_bits),
        };

        memcpy(instruction.bytes, bytes, length);
        return instruction;
}

bool decoder_decode(struct decoder *decoder, const uint8_t *bytes, size_t size, unsigned code_bits,
                    struct instruction *instruction)
{
        struct prefixes prefixes = read_prefixes(bytes, size, code_bits);
        const uint8_t *opcode = bytes + prefixes.count;
        unsigned dropped = 0;
        uint8_t reason;
        const cs_insn *decoded = prefixes.rex_ignored ? NULL : disassemble(decoder, bytes, size, code_bits);

        unsigned young = take_young(opcode, size - prefixes.count, &prefixes, &reason);
        if (young && prefixes.count + young <= INSTRUCTION_SIZE_MAX) {
                *instruction = plain_instruction(bytes, prefixes.count + young, &prefixes, code_bits);
                instruction->operation = OPERATION_ABSENT;
                instruction->exit_reason = reason;
                return true;
        }
        if (!decoded)
                decoded = disassemble_without(decoder, bytes, size, &prefixes, code_bits, &dropped);
        if (!decoded)
                return false;

        const cs_x86 *detail = &decoded->detail->x86;
        size_t length = decoded->size + dropped;
        if (length > INSTRUCTION_SIZE_MAX || prefixes.count >= length)
                return false;

        *instruction = plain_instruction(bytes, length, &prefixes, code_bits);
        instruction->operation = (uint8_t)operation_of(decoded, &prefixes, opcode);
        instruction->exit_reason = absent_reason(decoded->id);
        if (instruction->exit_reason)
                instruction->operation = OPERATION_ABSENT;
        else if (instruction->operation >= OPERATION_MOV_TO_CR && instruction->operation <= OPERATION_MOV_FROM_DR)
                take_system_operands(opcode[2], &prefixes, instruction);
        else if (has_plain_operands(instruction->operation))
                for (unsigned i = 0; i < detail->op_count && i < 3; i++)
                        if (!take_operand(&detail->operands[i], &prefixes, instruction, &instruction->operand[i])) {
                                instruction->operation = OPERATION_NONE; /* of a segment register, for one */
                                break;
                        }
        settle_sizes(opcode, &prefixes, instruction);
        return true;
}
