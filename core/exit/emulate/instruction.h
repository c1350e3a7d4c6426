/* A decoded instruction in the form that execution needs: small, fixed, without pointers into Capstone. */
#ifndef HWACCL_EMULATE_INSTRUCTION_H
#define HWACCL_EMULATE_INSTRUCTION_H

#include "core/subject/machine_context.h"
#include "hwaccl/error.h"

#include <capstone/capstone.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INSTRUCTION_SIZE_MAX 15

/* Order matters to arithmetic.c: ADD to CMP are numbered as in the instruction encoding (SDM 2D, A.2). */
enum operation {
        OPERATION_ADD,
        OPERATION_OR,
        OPERATION_ADC,
        OPERATION_SBB,
        OPERATION_AND,
        OPERATION_SUB,
        OPERATION_XOR,
        OPERATION_CMP,
        OPERATION_TEST,
        OPERATION_INC,
        OPERATION_DEC,
        OPERATION_NOT,
        OPERATION_NEG,
        OPERATION_BT,
        OPERATION_BTS,
        OPERATION_BTR,
        OPERATION_BTC,
        OPERATION_ROL, /* to SAR as in ModRM's reg field, SAL apart, which is SHL */
        OPERATION_ROR,
        OPERATION_RCL,
        OPERATION_RCR,
        OPERATION_SHL,
        OPERATION_SHR,
        OPERATION_SAR,
        OPERATION_SHLD,
        OPERATION_SHRD,
        OPERATION_MUL,
        OPERATION_IMUL,          /* into rDX:rAX */
        OPERATION_IMUL_REGISTER, /* into a register, of two or three operands */
        OPERATION_DIV,
        OPERATION_IDIV,
        OPERATION_BSF,
        OPERATION_BSR,
        OPERATION_POPCNT,
        OPERATION_LZCNT,
        OPERATION_TZCNT,
        OPERATION_SETCC,
        OPERATION_CMOVCC,
        OPERATION_XLAT,
        OPERATION_MOVBE,
        OPERATION_MOV,
        OPERATION_MOVZX,
        OPERATION_MOVSX,
        OPERATION_XCHG,
        OPERATION_XADD,
        OPERATION_CMPXCHG,
        OPERATION_CMPXCHG_PAIR, /* CMPXCHG8B and CMPXCHG16B */
        OPERATION_BOUND,
        OPERATION_PUSH,
        OPERATION_POP,
        OPERATION_PUSHF,
        OPERATION_POPF,
        OPERATION_PUSHA,
        OPERATION_POPA,
        OPERATION_ENTER,
        OPERATION_LEAVE,
        OPERATION_CALL, /* near */
        OPERATION_JMP,
        OPERATION_RET,
        OPERATION_CALL_FAR,
        OPERATION_JMP_FAR,
        OPERATION_RET_FAR,
        OPERATION_IRET,
        OPERATION_MOV_TO_SEGMENT,
        OPERATION_POP_SEGMENT,
        OPERATION_LOAD_FAR_POINTER, /* LDS and its like; operand 2 is the segment register */
        OPERATION_LLDT,
        OPERATION_LTR,
        OPERATION_SGDT,
        OPERATION_SIDT,
        OPERATION_LGDT,
        OPERATION_LIDT,
        OPERATION_SLDT,
        OPERATION_STR,
        OPERATION_SMSW,
        OPERATION_LAR,
        OPERATION_LSL,
        OPERATION_VERR,
        OPERATION_VERW,
        OPERATION_X87,
        OPERATION_VECTOR,
        OPERATION_MOVS,
        OPERATION_STOS,
        OPERATION_LODS,
        OPERATION_CMPS,
        OPERATION_SCAS,
        OPERATION_INS,
        OPERATION_OUTS,
        OPERATION_IN,
        OPERATION_OUT,
        OPERATION_CPUID,
        OPERATION_RDMSR,
        OPERATION_WRMSR,
        OPERATION_HLT,
        OPERATION_RDTSC,
        OPERATION_RDTSCP,
        OPERATION_INVLPG,
        OPERATION_WBINVD,
        OPERATION_INVD,
        OPERATION_PAUSE,
        OPERATION_RDPMC,
        OPERATION_ABSENT, /* of a feature that CPUID lacks: #UD; exit_reason says which */
        OPERATION_MOV_TO_CR,
        OPERATION_MOV_FROM_CR,
        OPERATION_MOV_TO_DR,
        OPERATION_MOV_FROM_DR,
        OPERATION_CLTS,
        OPERATION_LMSW,
        OPERATION_COUNT,
        OPERATION_NONE = OPERATION_COUNT, /* decoded, but not one that is emulated */
};

enum operand_kind {
        OPERAND_NONE,
        OPERAND_REGISTER,
        OPERAND_HIGH_BYTE, /* AH, CH, DH, BH: bits 15:8 of the register */
        OPERAND_MEMORY,
        OPERAND_IMMEDIATE,
        OPERAND_SEGMENT_REGISTER, /* its selector */
        OPERAND_SYSTEM_REGISTER,  /* CRn or DRn */
};

struct operand {
        uint8_t kind;
        uint8_t number; /* of the register; with OPERATION_VECTOR, of the other operand */
        uint16_t size;  /* bytes: 1, 2, 4, 8 or 16; of an FPU's number 10, of its state 14 to 512 */
};

enum repeat { REPEAT_NONE, REPEAT_EQUAL /* F3 */, REPEAT_NOT_EQUAL /* F2 */ };

#define NO_REGISTER 0xffu
#define BASE_IS_RIP 0xfeu

struct instruction {
        uint8_t bytes[INSTRUCTION_SIZE_MAX];
        uint8_t length;
        uint8_t code_bits; /* 16, 32 or 64; 0: an empty slot of the cache */
        uint8_t operation;
        uint8_t exit_reason; /* of OPERATION_ABSENT */
        uint8_t repeat;
        bool lock;
        uint8_t operand_size; /* bytes; of string elements, stack slots and port accesses too */
        uint8_t address_size; /* bytes: 2, 4 or 8 */
        uint8_t segment;      /* of the memory operand, or of the source of a string instruction */
        uint8_t base;         /* register, NO_REGISTER or BASE_IS_RIP */
        uint8_t index;        /* register or NO_REGISTER */
        uint8_t scale;
        uint8_t condition; /* of SETcc and CMOVcc, as in the opcode */
        uint8_t form;      /* of OPERATION_X87 and OPERATION_VECTOR: row of their tables */
        struct operand operand[3];
        uint64_t displacement;
        uint64_t
                immediate; /* sign-extended; of ENTER the level in bits 23:16, of a far pointer the selector in 47:32 */
        uint64_t physical; /* of the first byte: the cache's key */
};

static inline uint64_t size_mask(unsigned size)
{
        return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (size * 8)) - 1;
}

/* One Capstone handle per code size, and its scratch instruction. */
struct decoder {
        csh handle[3];
        cs_insn *scratch;
};

bool decoder_open(struct decoder *decoder, struct hwaccl_error *error);
void decoder_close(struct decoder *decoder);

/* Decode one instruction. False when the bytes are not an instruction, or too few. An instruction that is not emulated
 * has OPERATION_NONE. */
bool decoder_decode(struct decoder *decoder, const uint8_t *bytes, size_t size, unsigned code_bits,
                    struct instruction *instruction);

#endif
