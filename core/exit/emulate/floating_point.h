/* The floating-point state of the processor, as FXSAVE has it in 64-bit mode (SDM 1, 10.5.1), and what the emulator's
 * parts do with it. */
#ifndef HWACCL_EMULATE_FLOATING_POINT_H
#define HWACCL_EMULATE_FLOATING_POINT_H

#include "core/exit/emulate/emulation.h"
#include "core/subject/floating_point.h"

#define FXSAVE_FCW        0u
#define FXSAVE_FSW        2u
#define FXSAVE_TAGS       4u /* a bit for each register that is not empty, by its number, not by its place on the stack */
#define FXSAVE_MXCSR      24u
#define FXSAVE_MXCSR_MASK 28u
#define FXSAVE_ST(i)      (32u + 16u * (i)) /* from the top of the stack */
#define FXSAVE_XMM(i)     (160u + 16u * (i))
#define FXSAVE_END_LEGACY FXSAVE_XMM(8)  /* outside 64-bit mode nothing is behind XMM7 */
#define FXSAVE_END        FXSAVE_XMM(16) /* what is behind it, the processor leaves to software */

#define MXCSR_DEFINED UINT32_C(0xffff)

enum {
        X87_INVALID = 1 << 0,
        X87_DENORMAL = 1 << 1,
        X87_OVERFLOW = 1 << 3,
        X87_UNDERFLOW = 1 << 4,
        X87_PRECISION = 1 << 5,
        X87_EXCEPTIONS = 0x3f,
        X87_STACK_FAULT = 1 << 6,
        X87_SUMMARY = 1 << 7,
        X87_C1 = 1 << 9, /* the result was rounded up; the stack overflowed */
        X87_BUSY = 1 << 15,
};

enum x87_rounding { X87_NEAREST, X87_DOWN, X87_UP, X87_TRUNCATE };

/* The 80-bit format. */
struct extended {
        uint64_t significand; /* with its integer bit */
        uint16_t exponent;    /* biased; bit 15: the sign */
};

/* x87_number.c: conversions. Each adds the exceptions that it meets, and X87_C1, to *flags, and gives the result for
 * the case that all of them are masked. @size: bytes; of floating-point numbers 4 or 8, of integers 2, 4 or 8. */
struct extended extended_from_float(uint64_t bits, unsigned size, unsigned *flags);
struct extended extended_from_integer(int64_t value);
uint64_t extended_to_float(struct extended number, unsigned size, enum x87_rounding rounding, bool underflow_masked,
                           unsigned *flags);
int64_t extended_to_integer(struct extended number, unsigned size, enum x87_rounding rounding, unsigned *flags);

/* 18 decimal digits and a sign; *flags as above */
struct extended extended_from_decimal(const uint8_t bytes[10]);
void extended_to_decimal(struct extended number, enum x87_rounding rounding, uint8_t bytes[10], unsigned *flags);

#define EXTENDED_INDEFINITE ((struct extended){UINT64_C(0xc000000000000000), 0xffff})

/* Which instruction on the state it is, by its opcode: the row of its table, and its operand in memory. */
struct floating_point_form {
        uint8_t row;
        uint16_t size;
        bool stores;
        bool masked; /* MASKMOV: two registers, and its operand is [rDI] */
};

/* False for other instructions, and without an operand in memory. */
struct prefixes;
bool x87_form(const uint8_t *opcode, bool operands_16, struct floating_point_form *form);
bool vector_form(const uint8_t *opcode, const struct prefixes *prefixes, struct floating_point_form *form);

/* The destination is operand 0, the source 1. */
static inline const struct operand *memory_operand(const struct instruction *instruction)
{
        return &instruction->operand[instruction->operand[0].kind != OPERAND_MEMORY];
}

/* vector.c: the bytes that a store of OPERATION_VECTOR, of 16 bytes at most, takes from the registers */
const uint8_t *vector_stored(const struct instruction *instruction, const struct hwaccl_floating_point *state);

/* x87.c: the same of the control and status words; NULL for other instructions */
const uint8_t *x87_stored(const struct instruction *instruction, const struct hwaccl_floating_point *state);

/* What FNSTENV and FNSAVE write, with operands of 16 and of 32 bits. */
#define X87_ENVIRONMENT_16 14u
#define X87_ENVIRONMENT_32 28u
#define X87_ALL_16         94u
#define X87_ALL_32         108u

static inline uint16_t x87_word(const struct hwaccl_floating_point *state, unsigned offset)
{
        return (uint16_t)(state->image[offset] | state->image[offset + 1] << 8);
}

static inline void x87_set_word(struct hwaccl_floating_point *state, unsigned offset, unsigned value)
{
        state->image[offset] = (uint8_t)value;
        state->image[offset + 1] = (uint8_t)(value >> 8);
}

static inline unsigned x87_top(const struct hwaccl_floating_point *state)
{
        return x87_word(state, FXSAVE_FSW) >> 11 & 7;
}

/* x87_environment.c: of @size, one of the four; the store leaves the state as the instruction does */
void x87_environment_load(const struct emulation *emulation, struct hwaccl_floating_point *state, unsigned size,
                          const uint8_t *bytes);
void x87_environment_store(const struct emulation *emulation, struct hwaccl_floating_point *state, unsigned size,
                           uint8_t *bytes);

/* x87.c: what the processor makes of control and status words that are loaded: bit 6, and the summary of exceptions */
void x87_settle(struct hwaccl_floating_point *state);

/* The state, from the accelerator and back to it. STEP_UNSUPPORTED: this one does not give it. */
enum step floating_point_read(struct emulation *emulation, struct hwaccl_floating_point *state);
void floating_point_write(struct emulation *emulation, const struct hwaccl_floating_point *state);

#endif
