/* Shifts and rotates (SDM 2B, RCL/RCR/ROL/ROR, SAL/SAR/SHL/SHR, SHLD, SHRD). OF is computed as for a count of 1. */
#include "core/exit/emulate/emulation.h"

#include "core/exit/registers.h"

static unsigned masked_count(uint64_t count, unsigned size)
{
        return (unsigned)count & (size == 8 ? 63 : 31);
}

static bool top_bit(uint64_t value, unsigned bits)
{
        return (value >> (bits - 1)) & 1;
}

static void set_carry_and_overflow(bool carry, bool overflow, uint64_t *flags)
{
        *flags = (*flags & ~(RFLAGS_CF | RFLAGS_OF)) | (carry ? RFLAGS_CF : 0) | (overflow ? RFLAGS_OF : 0);
}

/* ROL and ROR. */
static uint64_t rotate(bool left, uint64_t value, unsigned count, unsigned bits, uint64_t *flags)
{
        unsigned by = count % bits;

        if (!left)
                by = (bits - by) % bits;
        uint64_t result = by ? (value << by | value >> (bits - by)) & size_mask(bits / 8) : value;
        bool top = top_bit(result, bits);
        bool carry = left ? result & 1 : top;
        set_carry_and_overflow(carry, left ? top != carry : top != top_bit(result, bits - 1), flags);
        return result;
}

/* RCL and RCR: CF is one more bit of what rotates. */
static uint64_t rotate_through_carry(bool left, uint64_t value, unsigned count, unsigned bits, uint64_t *flags)
{
        bool carry = *flags & RFLAGS_CF;
        bool overflow = top_bit(value, bits) != carry; /* RCR */

        for (count %= bits + 1; count; count--) {
                bool out = left ? top_bit(value, bits) : value & 1;
                value = left ? value << 1 | carry : value >> 1 | (uint64_t)carry << (bits - 1);
                value &= size_mask(bits / 8);
                carry = out;
        }
        if (left)
                overflow = top_bit(value, bits) != carry;
        set_carry_and_overflow(carry, overflow, flags);
        return value;
}

static uint64_t shift(enum operation operation, uint64_t value, unsigned count, unsigned bits, uint64_t *flags)
{
        unsigned size = bits / 8;
        uint64_t result;
        bool carry;
        bool overflow;

        switch (operation) {
        case OPERATION_SHL:
                carry = count <= bits && (value >> (bits - count)) & 1;
                result = (value << count) & size_mask(size);
                overflow = top_bit(result, bits) != carry;
                break;
        case OPERATION_SHR:
                carry = (value >> (count - 1)) & 1;
                result = value >> count;
                overflow = top_bit(value, bits);
                break;
        default: /* SAR */
                carry = (sign_extend(value, size) >> (count - 1)) & 1;
                result = (uint64_t)(sign_extend(value, size) >> count) & size_mask(size);
                overflow = false;
        }
        *flags = (*flags & ~STATUS_FLAGS) | result_flags(result, size);
        set_carry_and_overflow(carry, overflow, flags);
        return result;
}

enum step execute_shift(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        const struct operand *operand = &instruction->operand[0];
        enum operation operation = (enum operation)instruction->operation;
        uint64_t *flags = &emulation->context->rflags;
        unsigned count = masked_count(operand_read_plain(emulation, &instruction->operand[1]), operand->size);
        unsigned bits = operand->size * 8;
        struct destination destination;
        uint64_t value;

        if (!destination_open(emulation, operand, &destination, &value))
                return STEP_EXCEPTION;
        if (count)
                switch (operation) {
                case OPERATION_ROL:
                case OPERATION_ROR: value = rotate(operation == OPERATION_ROL, value, count, bits, flags); break;
                case OPERATION_RCL:
                case OPERATION_RCR:
                        value = rotate_through_carry(operation == OPERATION_RCL, value, count, bits, flags);
                        break;
                default: value = shift(operation, value, count, bits, flags);
                }
        destination_write(emulation, &destination, value); /* with a count of 0 too */
        return STEP_DONE;
}

/* Of 16 bits with a count beyond 16 the result is undefined: the destination follows the source, as Intel's do. */
static uint64_t double_shift_16(bool left, uint64_t value, uint64_t source, unsigned count, bool *carry)
{
        uint64_t all = value << 32 | source << 16 | value;

        *carry = (all >> (left ? 48 - count : count - 1)) & 1;
        return (left ? all << count >> 32 : all >> count) & UINT16_MAX;
}

enum step execute_double_shift(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        const struct operand *operand = &instruction->operand[0];
        uint64_t *flags = &emulation->context->rflags;
        unsigned size = operand->size;
        unsigned bits = size * 8;
        unsigned count = masked_count(operand_read_plain(emulation, &instruction->operand[2]), size);
        uint64_t source = operand_read_plain(emulation, &instruction->operand[1]);
        bool left = instruction->operation == OPERATION_SHLD;
        struct destination destination;
        uint64_t value;

        if (!destination_open(emulation, operand, &destination, &value))
                return STEP_EXCEPTION;
        if (count) {
                uint64_t result;
                bool carry;
                if (size == 2) {
                        result = double_shift_16(left, value, source, count, &carry);
                } else {
                        carry = (value >> (left ? bits - count : count - 1)) & 1;
                        result = left ? value << count | source >> (bits - count)
                                      : value >> count | source << (bits - count);
                        result &= size_mask(size);
                }
                *flags = (*flags & ~STATUS_FLAGS) | result_flags(result, size);
                set_carry_and_overflow(carry, top_bit(value ^ result, bits), flags);
                value = result;
        }
        destination_write(emulation, &destination, value);
        return STEP_DONE;
}
