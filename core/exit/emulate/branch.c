/* Near CALL, JMP and RET. In 64-bit code they have operands of 64 bits, whatever their prefixes (SDM 2A, CALL). */
#include "core/exit/emulate/emulation.h"

#include "core/exit/registers.h"

bool branch_allowed(struct emulation *emulation, const struct hwaccl_segment *code, bool code_64, uint64_t rip)
{
        if (code_64 ? address_is_canonical(rip) : rip <= code->limit)
                return true;
        raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        return false;
}

static bool near_allowed(struct emulation *emulation, uint64_t rip)
{
        return branch_allowed(emulation, &emulation->context->segment[HWACCL_CS],
                              emulation->instruction->code_bits == 64, rip);
}

/* Where CALL or JMP go to: relative with an immediate operand, else absolute. */
static bool read_target(struct emulation *emulation, uint64_t *target)
{
        const struct instruction *instruction = emulation->instruction;

        if (instruction->operand[0].kind == OPERAND_IMMEDIATE)
                *target = emulation->context->rip + instruction->length + instruction->immediate;
        else if (!operand_read(emulation, &instruction->operand[0], target))
                return false;
        *target &= size_mask(instruction->operand_size);
        return near_allowed(emulation, *target);
}

enum step execute_jump(struct emulation *emulation)
{
        uint64_t target;

        if (!read_target(emulation, &target))
                return STEP_EXCEPTION;
        emulation->context->rip = target;
        return STEP_BRANCHED;
}

enum step execute_call(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        unsigned size = emulation->instruction->operand_size;
        uint64_t pointer = context->gpr[HWACCL_RSP];
        struct place place;
        uint64_t target;

        if (!read_target(emulation, &target) || !stack_locate_push(emulation, &pointer, size, &place))
                return STEP_EXCEPTION;
        place_write_number(emulation, &place, context->rip + emulation->instruction->length);
        context->gpr[HWACCL_RSP] = pointer;
        context->rip = target;
        return STEP_BRANCHED;
}

/* The immediate is what the caller pushed. */
enum step execute_return(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        const struct instruction *instruction = emulation->instruction;
        unsigned size = instruction->operand_size;
        uint64_t target;

        if (!stack_read(emulation, context->gpr[HWACCL_RSP], size, &target) || !near_allowed(emulation, target))
                return STEP_EXCEPTION;
        context->gpr[HWACCL_RSP] =
                stack_move(emulation, context->gpr[HWACCL_RSP], size + (instruction->immediate & UINT16_MAX));
        context->rip = target;
        return STEP_BRANCHED;
}
