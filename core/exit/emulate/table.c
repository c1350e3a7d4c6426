/* SGDT, SIDT, LGDT, LIDT, SLDT, STR and SMSW. CPUID has no UMIP: the stores work at every level. */
#include "core/exit/emulate/emulation.h"

#include "core/exit/registers.h"

/* A limit of 2 bytes and a base of 4, or in 64-bit code 8. */
static bool locate_table(struct emulation *emulation, unsigned access, struct place place[2])
{
        const struct instruction *instruction = emulation->instruction;
        uint64_t address = effective_address(emulation);
        unsigned size = instruction->code_bits == 64 ? 8 : 4;

        return locate(emulation, instruction->segment, address, 2, access, &place[0]) &&
               locate(emulation, instruction->segment, (address + 2) & size_mask(instruction->address_size), size,
                      access, &place[1]);
}

static struct hwaccl_segment *table_of(struct emulation *emulation)
{
        switch (emulation->instruction->operation) {
        case OPERATION_SGDT:
        case OPERATION_LGDT: return &emulation->context->gdtr;
        default: return &emulation->context->idtr;
        }
}

enum step execute_store_table(struct emulation *emulation)
{
        const struct hwaccl_segment *table = table_of(emulation);
        struct place place[2];

        if (!locate_table(emulation, HWACCL_ACCESS_WRITE, place))
                return STEP_EXCEPTION;
        place_write_number(emulation, &place[0], table->limit);
        place_write_number(emulation, &place[1], table->base);
        return STEP_DONE;
}

enum step execute_load_table(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        struct hwaccl_segment *table = table_of(emulation);
        struct place place[2];

        if (hwaccl_context_cpl(emulation->context) != 0)
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        if (!locate_table(emulation, HWACCL_ACCESS_READ, place))
                return STEP_EXCEPTION;
        uint64_t limit = place_read_number(emulation, &place[0]);
        uint64_t base = place_read_number(emulation, &place[1]);
        if (instruction->code_bits == 64 && !address_is_canonical(base))
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        table->limit = (uint32_t)limit;
        table->base = instruction->operand_size == 2 && instruction->code_bits != 64 ? base & 0xffffff : base;
        emulation->context->changed |=
                instruction->operation == OPERATION_LGDT ? HWACCL_CHANGED_GDTR : HWACCL_CHANGED_IDTR;
        return STEP_DONE;
}

enum step execute_store_word(struct emulation *emulation)
{
        const struct hwaccl_machine_context *context = emulation->context;
        uint64_t value;

        switch (emulation->instruction->operation) {
        case OPERATION_SMSW: value = context->cr0; break;
        case OPERATION_SLDT: value = context->ldtr.selector; break;
        default: value = context->tr.selector;
        }
        if (emulation->instruction->operation != OPERATION_SMSW &&
            (!(context->cr0 & HWACCL_CR0_PE) || (context->rflags & RFLAGS_VM)))
                return raise_fault(emulation, HWACCL_VECTOR_UD);
        return operand_write(emulation, &emulation->instruction->operand[0], value) ? STEP_DONE : STEP_EXCEPTION;
}
