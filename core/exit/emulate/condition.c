/* SETcc and CMOVcc (SDM 1, appendix B). */
#include "core/exit/emulate/emulation.h"

#include "core/exit/registers.h"

bool condition_holds(unsigned condition, uint64_t flags)
{
        bool less = !(flags & RFLAGS_SF) != !(flags & RFLAGS_OF);
        bool result;

        switch (condition >> 1) {
        case 0: result = flags & RFLAGS_OF; break;
        case 1: result = flags & RFLAGS_CF; break;
        case 2: result = flags & RFLAGS_ZF; break;
        case 3: result = flags & (RFLAGS_CF | RFLAGS_ZF); break;
        case 4: result = flags & RFLAGS_SF; break;
        case 5: result = flags & RFLAGS_PF; break;
        case 6: result = less; break;
        default: result = less || (flags & RFLAGS_ZF);
        }
        return result != (condition & 1);
}

enum step execute_set_condition(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        bool value = condition_holds(instruction->condition, emulation->context->rflags);

        return operand_write(emulation, &instruction->operand[0], value) ? STEP_DONE : STEP_EXCEPTION;
}

/* Reads the source, and writes the register (of 32 bits: clears its upper half), whatever the condition. */
enum step execute_move_condition(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        const struct operand *to = &instruction->operand[0];
        uint64_t value;

        if (!operand_read(emulation, &instruction->operand[1], &value))
                return STEP_EXCEPTION;
        if (!condition_holds(instruction->condition, emulation->context->rflags))
                value = operand_read_plain(emulation, to);
        operand_write_plain(emulation, to, value);
        return STEP_DONE;
}
