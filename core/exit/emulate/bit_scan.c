/*
 * BSF, BSR, POPCNT, LZCNT and TZCNT. An exit at one of the latter says that the processor has it. What the SDM leaves
 * undefined of the flags stays as it was; so does the destination of BSF and BSR of zero.
 */
#include "core/exit/emulate/emulation.h"

#include "core/exit/registers.h"

enum step execute_bit_scan(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        const struct operand *to = &instruction->operand[0];
        uint64_t *flags = &emulation->context->rflags;
        unsigned bits = to->size * 8;
        uint64_t value;

        if (!operand_read(emulation, &instruction->operand[1], &value))
                return STEP_EXCEPTION;
        unsigned lowest = value ? (unsigned)__builtin_ctzll(value) : bits;
        unsigned above = value ? (unsigned)__builtin_clzll(value) - (64 - bits) : bits;

        switch (instruction->operation) {
        case OPERATION_BSF:
        case OPERATION_BSR:
                *flags = value ? *flags & ~RFLAGS_ZF : *flags | RFLAGS_ZF;
                if (value)
                        operand_write_plain(emulation, to,
                                            instruction->operation == OPERATION_BSF ? lowest : bits - 1 - above);
                return STEP_DONE;
        case OPERATION_POPCNT:
                *flags = (*flags & ~STATUS_FLAGS) | (value ? 0 : RFLAGS_ZF);
                operand_write_plain(emulation, to, (unsigned)__builtin_popcountll(value));
                return STEP_DONE;
        default: {
                unsigned count = instruction->operation == OPERATION_LZCNT ? above : lowest;
                *flags = (*flags & ~(RFLAGS_CF | RFLAGS_ZF)) | (value ? 0 : RFLAGS_CF) | (count ? 0 : RFLAGS_ZF);
                operand_write_plain(emulation, to, count);
                return STEP_DONE;
        }
        }
}
