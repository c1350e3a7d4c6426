#include "core/exit/emulate/emulation.h"

#include "core/assert.h"
#include "core/exit/registers.h"

uint64_t register_read(const struct hwaccl_machine_context *context, unsigned number, unsigned size)
{
        return context->gpr[number] & size_mask(size);
}

/* A 4-byte write clears the upper half; a shorter one leaves the rest alone. */
void register_write(struct hwaccl_machine_context *context, unsigned number, unsigned size, uint64_t value)
{
        uint64_t mask = size_mask(size);
        uint64_t kept = size >= 4 ? 0 : context->gpr[number] & ~mask;

        context->gpr[number] = kept | (value & mask);
}

uint64_t effective_address(const struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        const struct hwaccl_machine_context *context = emulation->context;
        uint64_t address = instruction->displacement;

        if (instruction->base == BASE_IS_RIP)
                address += context->rip + instruction->length;
        else if (instruction->base != NO_REGISTER)
                address += context->gpr[instruction->base];
        if (instruction->index != NO_REGISTER)
                address += context->gpr[instruction->index] * instruction->scale;
        if (instruction->operation == OPERATION_XLAT)
                address += context->gpr[HWACCL_RAX] & 0xff;
        return address & size_mask(instruction->address_size);
}

uint64_t operand_read_plain(const struct emulation *emulation, const struct operand *operand)
{
        switch (operand->kind) {
        case OPERAND_REGISTER: return register_read(emulation->context, operand->number, operand->size);
        case OPERAND_SEGMENT_REGISTER: return emulation->context->segment[operand->number].selector & UINT16_MAX;
        case OPERAND_HIGH_BYTE: return (emulation->context->gpr[operand->number] >> 8) & 0xff;
        default:
                hwaccl_assert(operand->kind == OPERAND_IMMEDIATE);
                return emulation->instruction->immediate & size_mask(operand->size);
        }
}

void operand_write_plain(struct emulation *emulation, const struct operand *operand, uint64_t value)
{
        if (operand->kind == OPERAND_REGISTER) {
                register_write(emulation->context, operand->number, operand->size, value);
                return;
        }
        hwaccl_assert(operand->kind == OPERAND_HIGH_BYTE);
        uint64_t *place = &emulation->context->gpr[operand->number];
        *place = (*place & ~UINT64_C(0xff00)) | (value & 0xff) << 8;
}

bool operand_locate(struct emulation *emulation, const struct operand *operand, unsigned access, struct place *place)
{
        return locate(emulation, emulation->instruction->segment, effective_address(emulation), operand->size, access,
                      place);
}

bool operand_read(struct emulation *emulation, const struct operand *operand, uint64_t *value)
{
        struct place place;

        if (operand->kind != OPERAND_MEMORY) {
                *value = operand_read_plain(emulation, operand);
                return true;
        }
        if (!operand_locate(emulation, operand, HWACCL_ACCESS_READ, &place))
                return false;
        *value = place_read_number(emulation, &place);
        return true;
}

bool operand_write(struct emulation *emulation, const struct operand *operand, uint64_t value)
{
        struct place place;

        if (operand->kind != OPERAND_MEMORY) {
                operand_write_plain(emulation, operand, value);
                return true;
        }
        if (!operand_locate(emulation, operand, HWACCL_ACCESS_WRITE, &place))
                return false;
        place_write_number(emulation, &place, value);
        return true;
}
