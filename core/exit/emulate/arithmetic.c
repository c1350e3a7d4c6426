/* Results and status flags of the arithmetic and logic instructions (SDM 1, 3.4.3.1; SDM 2, each instruction). */
#include "core/exit/emulate/emulation.h"

#include "core/exit/registers.h"

uint64_t result_flags(uint64_t result, unsigned size)
{
        uint64_t flags = 0;

        result &= size_mask(size);
        if (!result)
                flags |= RFLAGS_ZF;
        if (result >> (size * 8 - 1))
                flags |= RFLAGS_SF;
        if (!__builtin_parityll(result & 0xff))
                flags |= RFLAGS_PF;
        return flags;
}

/* The carry out of (and overflow into) the top bit follows from both operands and the result. */
static uint64_t carry_flags(uint64_t carries, uint64_t overflow, unsigned size)
{
        uint64_t flags = 0;

        if ((carries >> (size * 8 - 1)) & 1)
                flags |= RFLAGS_CF;
        if ((carries >> 3) & 1)
                flags |= RFLAGS_AF;
        if ((overflow >> (size * 8 - 1)) & 1)
                flags |= RFLAGS_OF;
        return flags;
}

static uint64_t add(uint64_t a, uint64_t b, uint64_t carry, unsigned size, uint64_t *flags)
{
        uint64_t result = a + b + carry;

        *flags = result_flags(result, size) |
                 carry_flags((a & b) | ((a | b) & ~result), (a ^ result) & (b ^ result), size);
        return result;
}

static uint64_t subtract(uint64_t a, uint64_t b, uint64_t borrow, unsigned size, uint64_t *flags)
{
        uint64_t result = a - b - borrow;

        *flags = result_flags(result, size) | carry_flags((~a & b) | ((~a | b) & result), (a ^ b) & (a ^ result), size);
        return result;
}

uint64_t arithmetic(enum operation operation, uint64_t destination, uint64_t source, unsigned size, uint64_t *rflags)
{
        uint64_t carry = *rflags & RFLAGS_CF;
        uint64_t flags = 0;
        uint64_t result = destination;

        switch (operation) {
        case OPERATION_ADD: result = add(destination, source, 0, size, &flags); break;
        case OPERATION_ADC: result = add(destination, source, carry, size, &flags); break;
        case OPERATION_SUB:
        case OPERATION_CMP: result = subtract(destination, source, 0, size, &flags); break;
        case OPERATION_SBB: result = subtract(destination, source, carry, size, &flags); break;
        case OPERATION_AND:
        case OPERATION_TEST:
                result = destination & source;
                flags = result_flags(result, size);
                break;
        case OPERATION_OR:
                result = destination | source;
                flags = result_flags(result, size);
                break;
        case OPERATION_XOR:
                result = destination ^ source;
                flags = result_flags(result, size);
                break;
        case OPERATION_INC:
                result = add(destination, 1, 0, size, &flags);
                flags = (flags & ~RFLAGS_CF) | carry;
                break;
        case OPERATION_DEC:
                result = subtract(destination, 1, 0, size, &flags);
                flags = (flags & ~RFLAGS_CF) | carry;
                break;
        case OPERATION_NEG: result = subtract(0, destination, 0, size, &flags); break;
        default: return ~destination; /* NOT leaves the flags alone */
        }
        *rflags = (*rflags & ~STATUS_FLAGS) | flags;
        return result & size_mask(size);
}
