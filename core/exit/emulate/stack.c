/* Instructions that push and pop. All that an instruction accesses is located before it writes anything. */
#include "core/exit/emulate/emulation.h"

#include "core/exit/registers.h"

static uint64_t stack_mask(const struct emulation *emulation)
{
        if (emulation->instruction->code_bits == 64)
                return UINT64_MAX;
        return emulation->context->segment[HWACCL_SS].access_rights & SEGMENT_D ? UINT32_MAX : UINT16_MAX;
}

uint64_t stack_move(const struct emulation *emulation, uint64_t pointer, uint64_t bytes)
{
        uint64_t mask = stack_mask(emulation);

        return (pointer & ~mask) | ((pointer + bytes) & mask);
}

bool stack_locate(struct emulation *emulation, uint64_t pointer, unsigned size, unsigned access, struct place *place)
{
        return locate(emulation, HWACCL_SS, pointer & stack_mask(emulation), size, access, place);
}

bool stack_locate_push(struct emulation *emulation, uint64_t *pointer, unsigned size, struct place *place)
{
        *pointer = stack_move(emulation, *pointer, 0 - (uint64_t)size);
        return stack_locate(emulation, *pointer, size, HWACCL_ACCESS_WRITE, place);
}

bool stack_read(struct emulation *emulation, uint64_t pointer, unsigned size, uint64_t *value)
{
        struct place place;

        if (!stack_locate(emulation, pointer, size, HWACCL_ACCESS_READ, &place))
                return false;
        *value = place_read_number(emulation, &place);
        return true;
}

static enum step push_value(struct emulation *emulation, unsigned size, uint64_t value)
{
        uint64_t pointer = emulation->context->gpr[HWACCL_RSP];
        struct place place;

        if (!stack_locate_push(emulation, &pointer, size, &place))
                return STEP_EXCEPTION;
        place_write_number(emulation, &place, value);
        emulation->context->gpr[HWACCL_RSP] = pointer;
        return STEP_DONE;
}

/* A segment register is pushed with zeros above it. */
enum step execute_push(struct emulation *emulation)
{
        const struct operand *operand = &emulation->instruction->operand[0];
        uint64_t value;

        return operand_read(emulation, operand, &value) ? push_value(emulation, operand->size, value) : STEP_EXCEPTION;
}

enum step execute_pop(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        const struct operand *operand = &emulation->instruction->operand[0];
        uint64_t before = context->gpr[HWACCL_RSP];
        uint64_t value;

        if (!stack_read(emulation, before, operand->size, &value))
                return STEP_EXCEPTION;
        /* an address that is based on RSP uses RSP after the pop */
        context->gpr[HWACCL_RSP] = stack_move(emulation, before, operand->size);
        if (!operand_write(emulation, operand, value)) {
                context->gpr[HWACCL_RSP] = before;
                return STEP_EXCEPTION;
        }
        return STEP_DONE;
}

/* Virtual-8086 mode without virtual-8086 extensions. */
static bool flags_are_sensitive(const struct hwaccl_machine_context *context)
{
        return (context->cr0 & HWACCL_CR0_PE) && (context->rflags & RFLAGS_VM) &&
               (context->rflags & RFLAGS_IOPL) != RFLAGS_IOPL;
}

enum step execute_push_flags(struct emulation *emulation)
{
        const struct hwaccl_machine_context *context = emulation->context;

        if (flags_are_sensitive(context))
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        return push_value(emulation, emulation->instruction->operand_size, context->rflags & ~(RFLAGS_RF | RFLAGS_VM));
}

/* What POPF and IRET to the same level take from the stack (SDM 2B, POPF, table 4-21). */
void load_flags(struct hwaccl_machine_context *context, uint64_t value, unsigned size)
{
        unsigned cpl = hwaccl_context_cpl(context);
        uint64_t mask = STATUS_FLAGS | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT;

        if (size > 2)
                mask |= RFLAGS_AC | RFLAGS_ID;
        if (cpl == 0)
                mask |= RFLAGS_IOPL;
        if (cpl <= (context->rflags & RFLAGS_IOPL) >> RFLAGS_IOPL_SHIFT)
                mask |= RFLAGS_IF;
        context->rflags = (context->rflags & ~mask) | (value & mask) | RFLAGS_RESERVED_1;
}

enum step execute_pop_flags(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        unsigned size = emulation->instruction->operand_size;
        uint64_t value;

        if (flags_are_sensitive(context))
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        if (!stack_read(emulation, context->gpr[HWACCL_RSP], size, &value))
                return STEP_EXCEPTION;
        context->gpr[HWACCL_RSP] = stack_move(emulation, context->gpr[HWACCL_RSP], size);
        load_flags(context, value, size);
        return STEP_DONE;
}

#define ALL_REGISTERS 8u /* of PUSHA and POPA, RAX first */

enum step execute_push_all(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        unsigned size = emulation->instruction->operand_size;
        uint64_t pointer = context->gpr[HWACCL_RSP];
        struct place place[ALL_REGISTERS];

        for (unsigned i = 0; i < ALL_REGISTERS; i++)
                if (!stack_locate_push(emulation, &pointer, size, &place[i]))
                        return STEP_EXCEPTION;
        for (unsigned i = 0; i < ALL_REGISTERS; i++)
                place_write_number(emulation, &place[i], context->gpr[i]);
        context->gpr[HWACCL_RSP] = pointer;
        return STEP_DONE;
}

enum step execute_pop_all(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        unsigned size = emulation->instruction->operand_size;
        uint64_t pointer = context->gpr[HWACCL_RSP];
        struct place place[ALL_REGISTERS];

        for (unsigned i = ALL_REGISTERS; i-- > 0; pointer = stack_move(emulation, pointer, size))
                if (!stack_locate(emulation, pointer, size, HWACCL_ACCESS_READ, &place[i]))
                        return STEP_EXCEPTION;
        for (unsigned i = ALL_REGISTERS; i-- > 0;)
                if (i != HWACCL_RSP)
                        register_write(context, i, size, place_read_number(emulation, &place[i]));
        context->gpr[HWACCL_RSP] = pointer;
        return STEP_DONE;
}

/* RBP as a stack pointer: as wide as the stack's addresses. */
static void write_frame_pointer(struct emulation *emulation, uint64_t value)
{
        uint64_t mask = stack_mask(emulation);
        uint64_t *rbp = &emulation->context->gpr[HWACCL_RBP];

        *rbp = mask == UINT16_MAX ? (*rbp & ~mask) | (value & mask) : value & mask;
}

#define LEVELS 32u

enum step execute_enter(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        struct hwaccl_machine_context *context = emulation->context;
        unsigned size = instruction->operand_size;
        unsigned level = (instruction->immediate >> 16) % LEVELS;
        uint64_t pointer = context->gpr[HWACCL_RSP];
        uint64_t link = context->gpr[HWACCL_RBP];
        struct place saved;
        struct place from[LEVELS];
        struct place to[LEVELS];
        struct place end;

        if (!stack_locate_push(emulation, &pointer, size, &saved))
                return STEP_EXCEPTION;
        uint64_t frame = pointer;
        for (unsigned i = 1; i < level; i++) {
                link = stack_move(emulation, link, 0 - (uint64_t)size);
                if (!stack_locate(emulation, link, size, HWACCL_ACCESS_READ, &from[i]) ||
                    !stack_locate_push(emulation, &pointer, size, &to[i]))
                        return STEP_EXCEPTION;
        }
        if (level && !stack_locate_push(emulation, &pointer, size, &to[0]))
                return STEP_EXCEPTION;
        pointer = stack_move(emulation, pointer, 0 - (instruction->immediate & UINT16_MAX));
        if (!stack_locate(emulation, pointer, size, HWACCL_ACCESS_WRITE, &end)) /* it must be there, no more */
                return STEP_EXCEPTION;

        place_write_number(emulation, &saved, context->gpr[HWACCL_RBP]);
        for (unsigned i = 1; i < level; i++)
                place_write_number(emulation, &to[i], place_read_number(emulation, &from[i]));
        if (level)
                place_write_number(emulation, &to[0], frame);
        write_frame_pointer(emulation, frame);
        context->gpr[HWACCL_RSP] = pointer;
        return STEP_DONE;
}

enum step execute_leave(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        unsigned size = emulation->instruction->operand_size;
        uint64_t mask = stack_mask(emulation);
        uint64_t pointer = (context->gpr[HWACCL_RSP] & ~mask) | (context->gpr[HWACCL_RBP] & mask);
        uint64_t value;

        if (!stack_read(emulation, pointer, size, &value))
                return STEP_EXCEPTION;
        context->gpr[HWACCL_RSP] = stack_move(emulation, pointer, size);
        register_write(context, HWACCL_RBP, size, value);
        return STEP_DONE;
}
