/* Far CALL, JMP, RET and IRET to the same privilege level, or to another task. Call gates, outer levels and
 * virtual-8086 mode are not emulated. */
#include "core/exit/emulate/emulation.h"

#include "core/exit/descriptor.h"
#include "core/exit/registers.h"

/* Where a far transfer goes to. */
struct target {
        struct hwaccl_segment code;
        uint64_t rip;
};

static bool is_real(const struct hwaccl_machine_context *context)
{
        return !(context->cr0 & HWACCL_CR0_PE) || (context->rflags & RFLAGS_VM);
}

static enum step refuse_selector(struct emulation *emulation, enum hwaccl_vector vector, uint16_t selector)
{
        return raise_fault_code(emulation, vector, selector & 0xfffcu);
}

/* A nonconforming segment has the level of the caller; a return names it with its RPL. */
static enum step check_code(struct emulation *emulation, uint16_t selector, uint32_t rights, bool returns)
{
        unsigned cpl = hwaccl_context_cpl(emulation->context);
        unsigned dpl = (rights >> SEGMENT_DPL_SHIFT) & 3;
        unsigned rpl = selector & 3;
        bool conforming = rights & SEGMENT_TYPE_CONFORMING;

        if (!(rights & SEGMENT_S) && !returns)
                return STEP_UNSUPPORTED; /* a call gate */
        if (!(rights & SEGMENT_S) || !(rights & SEGMENT_TYPE_CODE))
                return refuse_selector(emulation, HWACCL_VECTOR_GP, selector);
        if ((emulation->context->efer & HWACCL_EFER_LMA) && (rights & SEGMENT_L) && (rights & SEGMENT_D))
                return refuse_selector(emulation, HWACCL_VECTOR_GP, selector);
        if (returns && rpl > cpl)
                return STEP_UNSUPPORTED; /* to an outer level */
        if (conforming ? dpl > cpl : dpl != cpl || (returns ? rpl != cpl : rpl > cpl))
                return refuse_selector(emulation, HWACCL_VECTOR_GP, selector);
        return rights & SEGMENT_P ? STEP_DONE : refuse_selector(emulation, HWACCL_VECTOR_NP, selector);
}

static enum step find_target(struct emulation *emulation, uint16_t selector, uint64_t offset, bool returns,
                             struct target *target)
{
        const struct hwaccl_machine_context *context = emulation->context;
        struct descriptor descriptor;

        target->rip = offset;
        if (is_real(context)) {
                target->code = context->segment[HWACCL_CS];
                target->code.selector = selector;
                target->code.base = (uint64_t)selector << 4;
                return branch_allowed(emulation, &target->code, false, offset) ? STEP_DONE : STEP_EXCEPTION;
        }
        if (!(selector & 0xfffc))
                return raise_fault_code(emulation, HWACCL_VECTOR_GP, 0);
        if (!read_descriptor(emulation, selector, &descriptor))
                return STEP_EXCEPTION;
        enum step step = check_code(emulation, selector, descriptor.segment.access_rights, returns);
        if (step != STEP_DONE)
                return step;
        bool code_64 = (context->efer & HWACCL_EFER_LMA) && (descriptor.segment.access_rights & SEGMENT_L);
        if (!branch_allowed(emulation, &descriptor.segment, code_64, offset) || !set_accessed(emulation, &descriptor))
                return STEP_EXCEPTION;
        target->code = descriptor.segment;
        target->code.selector = (selector & 0xfffcu) | hwaccl_context_cpl(context);
        return STEP_DONE;
}

static enum step enter(struct emulation *emulation, const struct target *target)
{
        emulation->context->segment[HWACCL_CS] = target->code;
        emulation->context->changed |= HWACCL_CHANGED_HIDDEN_SELECTORS;
        emulation->context->rip = target->rip;
        return STEP_BRANCHED;
}

static enum step task_step(enum hwaccl_task_result result, enum step none)
{
        switch (result) {
        case HWACCL_TASK_SWITCH: return STEP_TASK;
        case HWACCL_TASK_FAULT: return STEP_EXCEPTION;
        default: return none;
        }
}

static enum step find_task(struct emulation *emulation, uint16_t selector, enum hwaccl_task_source source)
{
        emulation->task =
                (struct hwaccl_task_switch){.source = source, .event = {.length = emulation->instruction->length}};
        return task_step(hwaccl_task_of_branch(emulation->context, emulation->memory, selector, &emulation->task,
                                               &emulation->exception),
                         STEP_UNSUPPORTED);
}

/* The pointer is in memory, or the instruction's last bytes. */
static enum step read_target(struct emulation *emulation, enum hwaccl_task_source source, struct target *target)
{
        const struct instruction *instruction = emulation->instruction;
        uint64_t offset = instruction->immediate & UINT32_MAX;
        uint16_t selector = (uint16_t)(instruction->immediate >> 32);

        if (instruction->operand[0].kind == OPERAND_MEMORY && !read_far_pointer(emulation, &offset, &selector))
                return STEP_EXCEPTION;
        enum step step = find_target(emulation, selector, offset, false, target);
        return step == STEP_UNSUPPORTED ? find_task(emulation, selector, source) : step;
}

enum step execute_jump_far(struct emulation *emulation)
{
        struct target target;
        enum step step = read_target(emulation, HWACCL_TASK_JMP, &target);

        return step == STEP_DONE ? enter(emulation, &target) : step;
}

enum step execute_call_far(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        unsigned size = emulation->instruction->operand_size;
        uint64_t pointer = context->gpr[HWACCL_RSP];
        struct place place[2];
        struct target target;
        enum step step = read_target(emulation, HWACCL_TASK_CALL, &target);

        if (step != STEP_DONE)
                return step;
        if (!stack_locate_push(emulation, &pointer, size, &place[0]) ||
            !stack_locate_push(emulation, &pointer, size, &place[1]))
                return STEP_EXCEPTION;
        place_write_number(emulation, &place[0], context->segment[HWACCL_CS].selector);
        place_write_number(emulation, &place[1], context->rip + emulation->instruction->length);
        context->gpr[HWACCL_RSP] = pointer;
        return enter(emulation, &target);
}

enum step execute_return_far(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        const struct instruction *instruction = emulation->instruction;
        unsigned size = instruction->operand_size;
        uint64_t pointer = context->gpr[HWACCL_RSP];
        struct target target;
        uint64_t offset;
        uint64_t selector;

        if (!stack_read(emulation, pointer, size, &offset) ||
            !stack_read(emulation, stack_move(emulation, pointer, size), size, &selector))
                return STEP_EXCEPTION;
        enum step step = find_target(emulation, (uint16_t)selector, offset, true, &target);
        if (step != STEP_DONE)
                return step;
        context->gpr[HWACCL_RSP] = stack_move(emulation, pointer, 2 * size + (instruction->immediate & UINT16_MAX));
        return enter(emulation, &target);
}

/* A return from a nested task touches no stack. */
static enum step find_return_task(struct emulation *emulation)
{
        if (is_real(emulation->context))
                return STEP_DONE;
        emulation->task = (struct hwaccl_task_switch){.source = HWACCL_TASK_IRET,
                                                      .event = {.length = emulation->instruction->length}};
        return task_step(
                hwaccl_task_of_return(emulation->context, emulation->memory, &emulation->task, &emulation->exception),
                STEP_DONE);
}

/* To virtual-8086 mode (SDM 2A, IRET). */
static enum step check_flags(struct emulation *emulation, uint64_t flags)
{
        const struct hwaccl_machine_context *context = emulation->context;

        if (is_real(context))
                return STEP_DONE;
        if (context->efer & HWACCL_EFER_LMA)
                return context->rflags & RFLAGS_NT ? raise_fault_code(emulation, HWACCL_VECTOR_GP, 0) : STEP_DONE;
        return (flags & RFLAGS_VM) && hwaccl_context_cpl(context) == 0 ? STEP_UNSUPPORTED : STEP_DONE;
}

/* In 64-bit code IRET takes RSP and SS whatever the level. */
static bool read_stack(struct emulation *emulation, uint64_t pointer, unsigned size, uint64_t *rsp,
                       struct hwaccl_segment *stack)
{
        uint64_t selector;

        return stack_read(emulation, pointer, size, rsp) &&
               stack_read(emulation, stack_move(emulation, pointer, size), size, &selector) &&
               find_segment(emulation, HWACCL_SS, (uint16_t)selector, stack);
}

static void load_returned_flags(struct hwaccl_machine_context *context, uint64_t flags, unsigned size)
{
        load_flags(context, flags, size);
        if (size > 2)
                context->rflags = (context->rflags & ~RFLAGS_RF) | (flags & RFLAGS_RF);
}

enum step execute_interrupt_return(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        const struct instruction *instruction = emulation->instruction;
        unsigned size = instruction->operand_size;
        uint64_t value[3], rsp = context->gpr[HWACCL_RSP]; /* RIP, CS, RFLAGS */
        struct hwaccl_segment stack;
        struct target target;

        if ((context->rflags & RFLAGS_VM) && (context->cr0 & HWACCL_CR0_PE) &&
            (context->rflags & RFLAGS_IOPL) != RFLAGS_IOPL)
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        enum step step = find_return_task(emulation);
        if (step != STEP_DONE)
                return step;
        for (unsigned i = 0; i < 3; i++, rsp = stack_move(emulation, rsp, size))
                if (!stack_read(emulation, rsp, size, &value[i]))
                        return STEP_EXCEPTION;
        step = check_flags(emulation, value[2]);
        if (step == STEP_DONE)
                step = find_target(emulation, (uint16_t)value[1], value[0], true, &target);
        if (step != STEP_DONE)
                return step;
        if (instruction->code_bits == 64) {
                if (!read_stack(emulation, rsp, size, &rsp, &stack))
                        return STEP_EXCEPTION;
                context->segment[HWACCL_SS] = stack;
        }
        context->gpr[HWACCL_RSP] = rsp;
        load_returned_flags(context, value[2], size);
        context->nmi_unblocked = true;
        (void)enter(emulation, &target);
        return STEP_RETURNED;
}
