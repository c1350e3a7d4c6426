/*
 * SSE operands that must be aligned, which the engine takes at any address. A hook for each of them would cost more
 * than it ought to: the engine looks through all hooks of a kind at every call. So in 64-bit code they are looked at
 * when their block starts, as far as the registers that make the address can be followed from there; only what is left
 * has a hook.
 */
#ifndef HWACCL_SOFT_ALIGNMENT_H
#define HWACCL_SOFT_ALIGNMENT_H

#include "core/accel/soft/decode.h"

#include <capstone/capstone.h>

#define SOFT_NO_REGISTER 0xffu

/* An operand's address modulo 16, from the registers at the start of the block. */
struct soft_aligned {
        uint8_t base, index; /* general registers, or SOFT_NO_REGISTER */
        uint8_t scale;
        uint8_t sum; /* of all constants */
        bool more;   /* another one of the same block follows */
};

/* What is known of the registers in the middle of a block: a register at its start, plus a number. */
struct soft_tracker {
        struct {
                uint8_t from; /* or SOFT_NO_REGISTER: the number alone */
                uint8_t sum;  /* modulo 16 */
                bool known;
        } general[HWACCL_GENERAL_REGISTER_COUNT];
};

void soft_tracker_begin(struct soft_tracker *tracker);

/** soft_tracker_operand - the address of an aligned operand; false when that is not known */
bool soft_tracker_operand(const struct soft_tracker *tracker, const cs_insn *instruction, struct soft_aligned *aligned);

/** soft_tracker_step - what an instruction does to the registers */
void soft_tracker_step(struct soft_tracker *tracker, csh decoder, const cs_insn *instruction);

/** soft_aligned_registers - those of an operand: 1 << number */
unsigned soft_aligned_registers(const struct soft_aligned *aligned);

/** soft_aligned_is - is it aligned, with these registers at the start of the block? */
bool soft_aligned_is(const struct soft_aligned *aligned, struct hwaccl_subject_state *state);

#endif
