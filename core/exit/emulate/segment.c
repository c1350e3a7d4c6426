/* Loads of segment registers, LDTR and TR, with the processor's own accesses to the descriptor tables (SDM 3A, 5.3 to
 * 5.6; SDM 2, MOV, LDS, LLDT, LTR). Writes to tables in ROM are dropped, as on a bus. */
#include "core/exit/emulate/emulation.h"

#include "core/exit/descriptor.h"
#include "core/exit/registers.h"

enum step raise_fault_code(struct emulation *emulation, enum hwaccl_vector vector, uint32_t error_code)
{
        emulation->exception = (struct hwaccl_exception){(uint8_t)vector, true, error_code, 0};
        return STEP_EXCEPTION;
}

bool read_descriptor(struct emulation *emulation, uint16_t selector, struct descriptor *descriptor)
{
        switch (descriptor_read(emulation->context, emulation->memory, selector, descriptor, &emulation->exception)) {
        case DESCRIPTOR_READ: return true;
        case DESCRIPTOR_OUTSIDE: raise_fault_code(emulation, HWACCL_VECTOR_GP, selector & 0xfffcu); return false;
        default: return false;
        }
}

bool set_accessed(struct emulation *emulation, struct descriptor *descriptor)
{
        return descriptor_set_accessed(emulation->context, emulation->memory, descriptor, &emulation->exception);
}

static bool null_allowed(const struct emulation *emulation, enum hwaccl_segment_register number, uint16_t selector)
{
        unsigned cpl = hwaccl_context_cpl(emulation->context);

        return number != HWACCL_SS || (emulation->instruction->code_bits == 64 && cpl < 3 && (selector & 3) == cpl);
}

/* Type and privilege of a segment for a data register or SS. Present is checked after them. */
static bool segment_allowed(const struct emulation *emulation, enum hwaccl_segment_register number, uint16_t selector,
                            uint32_t rights)
{
        unsigned cpl = hwaccl_context_cpl(emulation->context);
        unsigned rpl = selector & 3;
        unsigned dpl = (rights >> SEGMENT_DPL_SHIFT) & 3;
        bool code = rights & SEGMENT_TYPE_CODE;

        if (!(rights & SEGMENT_S))
                return false;
        if (number == HWACCL_SS)
                return !code && (rights & SEGMENT_TYPE_WRITABLE) && rpl == cpl && dpl == cpl;
        if (code && !(rights & SEGMENT_TYPE_READABLE))
                return false;
        return (code && (rights & SEGMENT_TYPE_CONFORMING)) || (rpl <= dpl && cpl <= dpl);
}

bool find_segment(struct emulation *emulation, enum hwaccl_segment_register number, uint16_t selector,
                  struct hwaccl_segment *segment)
{
        const struct hwaccl_machine_context *context = emulation->context;
        struct descriptor descriptor;

        if (!(context->cr0 & HWACCL_CR0_PE) || (context->rflags & RFLAGS_VM)) {
                *segment = context->segment[number];
                segment->selector = selector;
                segment->base = (uint64_t)selector << 4;
                return true;
        }
        if (!(selector & 0xfffc)) {
                if (!null_allowed(emulation, number, selector)) {
                        raise_fault_code(emulation, HWACCL_VECTOR_GP, 0);
                        return false;
                }
                uint32_t dpl = number == HWACCL_SS ? hwaccl_context_cpl(context) << SEGMENT_DPL_SHIFT : 0;
                *segment =
                        (struct hwaccl_segment){.selector = selector, .access_rights = HWACCL_SEGMENT_UNUSABLE | dpl};
                return true;
        }
        if (!read_descriptor(emulation, selector, &descriptor))
                return false;
        uint32_t rights = descriptor.segment.access_rights;
        bool allowed = segment_allowed(emulation, number, selector, rights);
        if (!allowed || !(rights & SEGMENT_P)) {
                enum hwaccl_vector absent = number == HWACCL_SS ? HWACCL_VECTOR_SS : HWACCL_VECTOR_NP;
                raise_fault_code(emulation, allowed ? absent : HWACCL_VECTOR_GP, selector & 0xfffcu);
                return false;
        }
        if (!set_accessed(emulation, &descriptor))
                return false;
        *segment = descriptor.segment;
        return true;
}

static enum step load_segment(struct emulation *emulation, enum hwaccl_segment_register number,
                              const struct hwaccl_segment *segment)
{
        emulation->context->segment[number] = *segment;
        emulation->context->changed |= HWACCL_CHANGED_HIDDEN_SELECTORS;
        return STEP_DONE;
}

enum step execute_move_to_segment(struct emulation *emulation)
{
        const struct operand *operand = emulation->instruction->operand;
        enum hwaccl_segment_register number = operand[0].number;
        struct hwaccl_segment segment;
        uint64_t selector;

        if (number == HWACCL_CS)
                return raise_fault(emulation, HWACCL_VECTOR_UD);
        if (!operand_read(emulation, &operand[1], &selector) ||
            !find_segment(emulation, number, (uint16_t)selector, &segment))
                return STEP_EXCEPTION;
        (void)load_segment(emulation, number, &segment);
        return number == HWACCL_SS ? STEP_SS_LOADED : STEP_DONE;
}

enum step execute_pop_segment(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        const struct operand *operand = &emulation->instruction->operand[0];
        enum hwaccl_segment_register number = operand->number;
        uint64_t pointer = stack_move(emulation, context->gpr[HWACCL_RSP], operand->size);
        struct hwaccl_segment segment;
        uint64_t selector;

        if (!stack_read(emulation, context->gpr[HWACCL_RSP], operand->size, &selector) ||
            !find_segment(emulation, number, (uint16_t)selector, &segment))
                return STEP_EXCEPTION;
        context->gpr[HWACCL_RSP] = pointer; /* as wide as the old stack's addresses */
        (void)load_segment(emulation, number, &segment);
        return number == HWACCL_SS ? STEP_SS_LOADED : STEP_DONE;
}

bool read_far_pointer(struct emulation *emulation, uint64_t *offset, uint16_t *selector)
{
        const struct instruction *instruction = emulation->instruction;
        unsigned size = instruction->operand_size;
        uint64_t address = effective_address(emulation);
        struct place place[2];

        if (!locate(emulation, instruction->segment, address, size, HWACCL_ACCESS_READ, &place[0]) ||
            !locate(emulation, instruction->segment, (address + size) & size_mask(instruction->address_size), 2,
                    HWACCL_ACCESS_READ, &place[1]))
                return false;
        *offset = place_read_number(emulation, &place[0]);
        *selector = (uint16_t)place_read_number(emulation, &place[1]);
        return true;
}

enum step execute_load_far_pointer(struct emulation *emulation)
{
        const struct operand *operand = emulation->instruction->operand;
        enum hwaccl_segment_register number = operand[2].number;
        struct hwaccl_segment segment;
        uint16_t selector;
        uint64_t offset;

        if (!read_far_pointer(emulation, &offset, &selector) || !find_segment(emulation, number, selector, &segment))
                return STEP_EXCEPTION;
        operand_write_plain(emulation, &operand[0], offset);
        return load_segment(emulation, number, &segment);
}

#define TYPE_LDT    0x02u
#define TYPE_TSS_16 0x01u
#define TYPE_TSS_32 0x09u /* and of 64 bits */
#define TYPE_BUSY   0x02u
#define TYPE_MASK   0x1fu /* with S */
#define UPPER_TYPE  0x1fu

/* In IA-32e mode a system descriptor has 16 bytes, with bits 63:32 of the base and a type of 0 in the upper half. */
static bool read_upper_half(struct emulation *emulation, uint16_t selector, struct descriptor *descriptor)
{
        uint8_t bytes[8];

        if (!(emulation->context->efer & HWACCL_EFER_LMA))
                return true;
        if ((selector & 0xfff8u) + 15 <= emulation->context->gdtr.limit) {
                if (!implicit_read(emulation, descriptor->linear + 8, bytes, sizeof(bytes)))
                        return false;
                descriptor->segment.base |= little_endian(bytes, 4) << 32;
                if (!(bytes[5] & UPPER_TYPE) && address_is_canonical(descriptor->segment.base))
                        return true;
        }
        raise_fault_code(emulation, HWACCL_VECTOR_GP, selector & 0xfffcu);
        return false;
}

static bool system_type_allowed(const struct emulation *emulation, bool task, uint32_t rights)
{
        uint32_t type = rights & TYPE_MASK;

        if (!task)
                return type == TYPE_LDT;
        return type == TYPE_TSS_32 || (type == TYPE_TSS_16 && !(emulation->context->efer & HWACCL_EFER_LMA));
}

static bool find_system_segment(struct emulation *emulation, uint16_t selector, bool task,
                                struct descriptor *descriptor)
{
        if ((selector & 4) || !read_descriptor(emulation, selector, descriptor) ||
            !system_type_allowed(emulation, task, descriptor->segment.access_rights)) {
                if (!emulation->exception.vector) /* not of the read */
                        raise_fault_code(emulation, HWACCL_VECTOR_GP, selector & 0xfffcu);
                return false;
        }
        if (!(descriptor->segment.access_rights & SEGMENT_P)) {
                raise_fault_code(emulation, HWACCL_VECTOR_NP, selector & 0xfffcu);
                return false;
        }
        return read_upper_half(emulation, selector, descriptor);
}

static bool set_busy(struct emulation *emulation, struct descriptor *descriptor)
{
        descriptor->segment.access_rights |= TYPE_BUSY;
        uint8_t byte = (uint8_t)descriptor->segment.access_rights;
        return linear_write(emulation->context, emulation->memory, descriptor->linear + 5, &byte, 1,
                            HWACCL_ACCESS_WRITE | HWACCL_ACCESS_IMPLICIT | HWACCL_ACCESS_SET_ACCESSED,
                            &emulation->exception);
}

/* LLDT and LTR */
enum step execute_load_system_segment(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        bool task = emulation->instruction->operation == OPERATION_LTR;
        struct descriptor descriptor;
        uint64_t value;

        if (!(context->cr0 & HWACCL_CR0_PE) || (context->rflags & RFLAGS_VM))
                return raise_fault(emulation, HWACCL_VECTOR_UD);
        if (hwaccl_context_cpl(context) != 0)
                return raise_fault_code(emulation, HWACCL_VECTOR_GP, 0);
        if (!operand_read(emulation, &emulation->instruction->operand[0], &value))
                return STEP_EXCEPTION;
        uint16_t selector = (uint16_t)value;
        if (!(selector & 0xfffc)) {
                if (task)
                        return raise_fault_code(emulation, HWACCL_VECTOR_GP, 0);
                context->ldtr = (struct hwaccl_segment){.selector = selector, .access_rights = HWACCL_SEGMENT_UNUSABLE};
                context->changed |= HWACCL_CHANGED_LDTR;
                return STEP_DONE;
        }
        if (!find_system_segment(emulation, selector, task, &descriptor) || (task && !set_busy(emulation, &descriptor)))
                return STEP_EXCEPTION;
        *(task ? &context->tr : &context->ldtr) = descriptor.segment;
        context->changed |= task ? HWACCL_CHANGED_TR : HWACCL_CHANGED_LDTR;
        return STEP_DONE;
}
