/*
 * Conversion of Capstone's instructions to struct instruction. Prefixes are read from the bytes, because Capstone drops
 * some (REPNE before MOVS, for one), and sizes that depend on them are computed here.
 */
#include "core/exit/emulate/decode.h"

#include "core/exit/descriptor.h"
#include "core/exit/emulate/floating_point.h"
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

static bool segment_register(x86_reg reg, uint8_t *number)
{
        static const uint16_t names[HWACCL_SEGMENT_REGISTER_COUNT] = {X86_REG_ES, X86_REG_CS, X86_REG_SS,
                                                                      X86_REG_DS, X86_REG_FS, X86_REG_GS};

        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++)
                if (names[i] == reg) {
                        *number = (uint8_t)i;
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

/* CMPXCHG16B, far pointers and what LGDT loads: the sizes of the latter are settled later. */
static bool has_wide_operand(enum operation operation)
{
        return operation == OPERATION_CMPXCHG_PAIR || operation == OPERATION_CALL_FAR ||
               operation == OPERATION_JMP_FAR || operation == OPERATION_LOAD_FAR_POINTER ||
               (operation >= OPERATION_SGDT && operation <= OPERATION_LIDT);
}

static bool take_operand(const cs_x86_op *from, const struct prefixes *prefixes, struct instruction *instruction,
                         struct operand *to)
{
        bool high;

        to->size = from->size;
        if (from->size > 8 && !has_wide_operand((enum operation)instruction->operation))
                return false;
        switch (from->type) {
        case X86_OP_REG:
                if (segment_register(from->reg, &to->number)) {
                        to->kind = OPERAND_SEGMENT_REGISTER;
                        return true;
                }
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

/* What the stack, and a branch, move: in 64-bit code 8 bytes, near branches with an operand-size prefix too. */
static uint8_t stack_size_of(const struct prefixes *prefixes, const struct instruction *instruction)
{
        bool near = instruction->operation >= OPERATION_CALL && instruction->operation <= OPERATION_RET;

        if (instruction->code_bits == 64)
                return prefixes->operand_size && !near ? 2 : 8;
        return operand_size_of(prefixes, instruction->code_bits);
}

static uint64_t last_bytes(const struct instruction *instruction, unsigned count)
{
        return little_endian(instruction->bytes + instruction->length - count, count);
}

/* Capstone makes absolute addresses of relative ones, and one of two immediates gets lost. */
static void settle_immediate(const uint8_t *opcode, uint8_t size, struct instruction *instruction)
{
        bool direct = instruction->operand[0].kind == OPERAND_IMMEDIATE;

        if (instruction->operation == OPERATION_ENTER)
                instruction->immediate = last_bytes(instruction, 3);
        else if (direct && opcode[0] == 0xeb)
                instruction->immediate = (uint64_t)(int8_t)last_bytes(instruction, 1);
        else if (direct && (opcode[0] == 0xe8 || opcode[0] == 0xe9))
                instruction->immediate = (uint64_t)(int32_t)last_bytes(instruction, size == 2 ? 2 : 4);
        else if (direct && (opcode[0] == 0x9a || opcode[0] == 0xea))
                instruction->immediate =
                        last_bytes(instruction, 2) << 32 | (last_bytes(instruction, size + 2u) & size_mask(size));
}

/* LDS, LES, LSS, LFS and LGS. */
static uint8_t far_pointer_register(const uint8_t *opcode)
{
        switch (opcode[0] == 0x0f ? opcode[1] : opcode[0]) {
        case 0xb2: return HWACCL_SS;
        case 0xb4: return HWACCL_FS;
        case 0xb5: return HWACCL_GS;
        case 0xc4: return HWACCL_ES;
        default: return HWACCL_DS;
        }
}

/* What Capstone leaves open, or sees differently from the processor. */
static void settle_sizes(const uint8_t *opcode, const struct prefixes *prefixes, struct instruction *instruction)
{
        uint8_t size = operand_size_of(prefixes, instruction->code_bits);

        switch (instruction->operation) {
        case OPERATION_PUSH:
        case OPERATION_POP:
        case OPERATION_POP_SEGMENT:
        case OPERATION_CALL:
        case OPERATION_JMP:
                size = stack_size_of(prefixes, instruction);
                instruction->operand[0].size = size;
                break;
        case OPERATION_PUSHF:
        case OPERATION_POPF:
        case OPERATION_ENTER:
        case OPERATION_LEAVE:
        case OPERATION_RET: size = stack_size_of(prefixes, instruction); break;
        case OPERATION_LOAD_FAR_POINTER:
                instruction->operand[2] = (struct operand){OPERAND_SEGMENT_REGISTER, far_pointer_register(opcode), 2};
                break;
        case OPERATION_LAR:
        case OPERATION_LSL: instruction->operand[1].size = 2; break;
        case OPERATION_VERR:
        case OPERATION_VERW: instruction->operand[0].size = 2; break;
        case OPERATION_SMSW:
        case OPERATION_SLDT:
        case OPERATION_STR:
                if (instruction->operand[0].kind == OPERAND_MEMORY)
                        instruction->operand[0].size = 2;
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
        settle_immediate(opcode, size, instruction);
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

/* FPU and SSE: the operation, its form, and the operand in memory with the size that goes with it. False for others. */
static bool take_floating_point(const cs_x86 *detail, const uint8_t *opcode, const struct prefixes *prefixes,
                                struct instruction *instruction)
{
        struct floating_point_form form;
        bool x87 = x87_form(opcode, operand_size_of(prefixes, instruction->code_bits) == 2, &form);

        if (!x87 && !vector_form(opcode, prefixes, &form))
                return false;
        instruction->operation = OPERATION_NONE;
        if (!x87 && form.masked) {
                instruction->operation = OPERATION_VECTOR;
                instruction->form = form.row;
                instruction->base = HWACCL_RDI;
                instruction->operand[0] = (struct operand){
                        OPERAND_MEMORY, (uint8_t)((opcode[2] >> 3 & 7) | (prefixes->rex & REX_R ? 8 : 0)), form.size};
                instruction->operand[1].number = (uint8_t)((opcode[2] & 7) | (prefixes->rex & REX_B ? 8 : 0));
                return true;
        }
        for (unsigned i = 0; i < detail->op_count; i++) {
                if (detail->operands[i].type != X86_OP_MEM ||
                    !take_memory(&detail->operands[i].mem, prefixes, instruction))
                        continue;
                instruction->operation = x87 ? OPERATION_X87 : OPERATION_VECTOR;
                instruction->form = form.row;
                instruction->operand[!form.stores] = (struct operand){
                        OPERAND_MEMORY, (uint8_t)((opcode[x87 ? 1 : 2] >> 3 & 7) | (prefixes->rex & REX_R ? 8 : 0)),
                        form.size};
        }
        return true;
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
        else if (take_floating_point(detail, opcode, &prefixes, instruction))
                return true;
        else if (instruction->operation >= OPERATION_MOV_TO_CR && instruction->operation <= OPERATION_MOV_FROM_DR)
                take_system_operands(opcode[2], &prefixes, instruction);
        else if (has_plain_operands(instruction->operation))
                for (unsigned i = 0; i < detail->op_count && i < 3; i++)
                        if (!take_operand(&detail->operands[i], &prefixes, instruction, &instruction->operand[i])) {
                                instruction->operation = OPERATION_NONE; /* of a segment register, for one */
                                break;
                        }
        /* processors differ in the length of a near branch with an operand-size prefix in 64-bit code */
        if (code_bits == 64 && prefixes.operand_size && (opcode[0] == 0xe8 || opcode[0] == 0xe9))
                instruction->operation = OPERATION_NONE;
        if (instruction->operation == OPERATION_POP && instruction->operand[0].kind == OPERAND_SEGMENT_REGISTER)
                instruction->operation = OPERATION_POP_SEGMENT;
        settle_sizes(opcode, &prefixes, instruction);
        return true;
}
