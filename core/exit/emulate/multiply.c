/* Multiplication and division. What the SDM leaves undefined of the flags stays as it was. */
#include "core/exit/emulate/emulation.h"

#include "core/exit/registers.h"

__extension__ typedef unsigned __int128 wide;
__extension__ typedef __int128 signed_wide;

static void set_carry_and_overflow(struct emulation *emulation, bool set)
{
        uint64_t *flags = &emulation->context->rflags;

        *flags = set ? *flags | RFLAGS_CF | RFLAGS_OF : *flags & ~(RFLAGS_CF | RFLAGS_OF);
}

static wide low_bits(wide value, unsigned bits)
{
        return value << (128 - bits) >> (128 - bits);
}

static wide product(bool is_signed, uint64_t a, uint64_t b, unsigned size)
{
        return is_signed ? (wide)((signed_wide)sign_extend(a, size) * sign_extend(b, size)) : (wide)a * b;
}

static bool fits_signed(wide value, unsigned size)
{
        return (signed_wide)value == sign_extend((uint64_t)value & size_mask(size), size);
}

/* AX for bytes, else rDX:rAX. */
static void write_wide(struct hwaccl_machine_context *context, wide value, unsigned size)
{
        if (size == 1) {
                register_write(context, HWACCL_RAX, 2, (uint64_t)value);
                return;
        }
        register_write(context, HWACCL_RAX, size, (uint64_t)value);
        register_write(context, HWACCL_RDX, size, (uint64_t)(value >> (size * 8)));
}

static wide read_wide(const struct hwaccl_machine_context *context, unsigned size)
{
        if (size == 1)
                return register_read(context, HWACCL_RAX, 2);
        return (wide)register_read(context, HWACCL_RDX, size) << (size * 8) | register_read(context, HWACCL_RAX, size);
}

enum step execute_multiply(struct emulation *emulation)
{
        const struct operand *operand = &emulation->instruction->operand[0];
        bool is_signed = emulation->instruction->operation == OPERATION_IMUL;
        unsigned size = operand->size;
        uint64_t value;

        if (!operand_read(emulation, operand, &value))
                return STEP_EXCEPTION;
        wide result = product(is_signed, value, register_read(emulation->context, HWACCL_RAX, size), size);
        write_wide(emulation->context, result, size);
        set_carry_and_overflow(emulation,
                               is_signed ? !fits_signed(result, size) : low_bits(result, size * 8) != result);
        return STEP_DONE;
}

enum step execute_multiply_register(struct emulation *emulation)
{
        const struct operand *operand = emulation->instruction->operand;
        const struct operand *factor = operand[2].kind == OPERAND_IMMEDIATE ? &operand[2] : &operand[0];
        unsigned size = operand[0].size;
        uint64_t value;

        if (!operand_read(emulation, &operand[1], &value))
                return STEP_EXCEPTION;
        uint64_t other = operand_read_plain(emulation, factor);
        wide result = product(true, value, other, size);
        operand_write_plain(emulation, &operand[0], (uint64_t)result);
        set_carry_and_overflow(emulation, !fits_signed(result, size));
        return STEP_DONE;
}

/* False: the quotient does not fit, or there is none. */
static bool divide(wide dividend, uint64_t divisor, unsigned size, uint64_t *quotient, uint64_t *remainder)
{
        if (!divisor)
                return false;
        wide result = dividend / divisor;
        *quotient = (uint64_t)result;
        *remainder = (uint64_t)(dividend % divisor);
        return low_bits(result, size * 8) == result;
}

static bool divide_signed(wide dividend, uint64_t divisor, unsigned size, uint64_t *quotient, uint64_t *remainder)
{
        unsigned unused = 128 - size * 16;
        bool negative = (signed_wide)(dividend << unused) < 0;
        bool opposite = negative != (sign_extend(divisor, size) < 0);
        wide magnitude = negative ? low_bits(0 - dividend, size * 16) : dividend;
        uint64_t by = sign_extend(divisor, size) < 0 ? (0 - divisor) & size_mask(size) : divisor;

        if (!divide(magnitude, by, size, quotient, remainder))
                return false;
        if (*quotient > (size_mask(size) >> 1) + opposite)
                return false;
        *quotient = opposite ? 0 - *quotient : *quotient;
        *remainder = negative ? 0 - *remainder : *remainder;
        return true;
}

enum step execute_divide(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        const struct operand *operand = &emulation->instruction->operand[0];
        bool is_signed = emulation->instruction->operation == OPERATION_IDIV;
        unsigned size = operand->size;
        uint64_t divisor;
        uint64_t quotient = 0;
        uint64_t remainder = 0;

        if (!operand_read(emulation, operand, &divisor))
                return STEP_EXCEPTION;
        wide dividend = read_wide(context, size);
        if (!(is_signed ? divide_signed : divide)(dividend, divisor, size, &quotient, &remainder))
                return raise_fault(emulation, HWACCL_VECTOR_DE);
        wide result = (wide)(remainder & size_mask(size)) << (size * 8) | (quotient & size_mask(size));
        write_wide(context, result, size);
        return STEP_DONE;
}
