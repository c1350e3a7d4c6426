/* Instructions that compute on, move and exchange data. Memory is checked for the write before it is read, and
 * registers change last, so that a fault leaves nothing half done. */
#include "core/exit/emulate/emulation.h"

#include "core/exit/descriptor.h"
#include "core/exit/registers.h"

#include <string.h>

bool destination_open(struct emulation *emulation, const struct operand *operand, struct destination *destination,
                      uint64_t *value)
{
        destination->operand = operand;
        if (operand->kind != OPERAND_MEMORY) {
                *value = operand_read_plain(emulation, operand);
                return true;
        }
        if (!operand_locate(emulation, operand, HWACCL_ACCESS_WRITE, &destination->place))
                return false;
        *value = place_read_number(emulation, &destination->place);
        return true;
}

void destination_write(struct emulation *emulation, const struct destination *destination, uint64_t value)
{
        if (destination->operand->kind == OPERAND_MEMORY)
                place_write_number(emulation, &destination->place, value);
        else
                operand_write_plain(emulation, destination->operand, value);
}

enum step execute_arithmetic(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        const struct operand *left = &instruction->operand[0];
        const struct operand *right = &instruction->operand[1];
        bool compares = instruction->operation == OPERATION_CMP || instruction->operation == OPERATION_TEST;
        struct destination destination;
        uint64_t a;
        uint64_t b;

        if (compares) {
                if (!operand_read(emulation, left, &a) || !operand_read(emulation, right, &b))
                        return STEP_EXCEPTION;
                (void)arithmetic(instruction->operation, a, b, left->size, &emulation->context->rflags);
                return STEP_DONE;
        }
        if (!operand_read(emulation, right, &b) || !destination_open(emulation, left, &destination, &a))
                return STEP_EXCEPTION;
        a = arithmetic(instruction->operation, a, b, left->size, &emulation->context->rflags);
        destination_write(emulation, &destination, a);
        return STEP_DONE;
}

enum step execute_unary(struct emulation *emulation)
{
        const struct operand *operand = &emulation->instruction->operand[0];
        struct destination destination;
        uint64_t value;

        if (!destination_open(emulation, operand, &destination, &value))
                return STEP_EXCEPTION;
        value = arithmetic(emulation->instruction->operation, value, 0, operand->size, &emulation->context->rflags);
        destination_write(emulation, &destination, value);
        return STEP_DONE;
}

int64_t sign_extend(uint64_t value, unsigned size)
{
        unsigned shift = 64 - size * 8;

        return (int64_t)(value << shift) >> shift;
}

/* A bit offset in a register reaches beyond a memory operand, in units of the operand's size (SDM 2A, BT). */
static bool locate_bit(struct emulation *emulation, int64_t offset, unsigned access, struct place *place)
{
        const struct instruction *instruction = emulation->instruction;
        unsigned size = instruction->operand[0].size;
        int64_t units = offset >> (3 + __builtin_ctz(size));
        uint64_t address = effective_address(emulation) + (uint64_t)units * size;

        return locate(emulation, instruction->segment, address & size_mask(instruction->address_size), size, access,
                      place);
}

static uint64_t change_bit(enum operation operation, uint64_t value, uint64_t bit)
{
        switch (operation) {
        case OPERATION_BTS: return value | bit;
        case OPERATION_BTR: return value & ~bit;
        case OPERATION_BTC: return value ^ bit;
        default: return value;
        }
}

enum step execute_bit(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        struct hwaccl_machine_context *context = emulation->context;
        const struct operand *base = &instruction->operand[0];
        const struct operand *offset_operand = &instruction->operand[1];
        unsigned size = base->size;
        bool tests_only = instruction->operation == OPERATION_BT;
        uint64_t offset = operand_read_plain(emulation, offset_operand);
        uint64_t bit = UINT64_C(1) << (offset & (size * 8 - 1));
        struct destination destination = {.operand = base};
        uint64_t value;

        if (base->kind == OPERAND_MEMORY) {
                bool reaches = offset_operand->kind == OPERAND_REGISTER;
                if (!locate_bit(emulation, reaches ? sign_extend(offset, size) : 0,
                                tests_only ? HWACCL_ACCESS_READ : HWACCL_ACCESS_WRITE, &destination.place))
                        return STEP_EXCEPTION;
                value = place_read_number(emulation, &destination.place);
        } else {
                value = operand_read_plain(emulation, base);
        }
        context->rflags = value & bit ? context->rflags | RFLAGS_CF : context->rflags & ~RFLAGS_CF;
        if (!tests_only)
                destination_write(emulation, &destination, change_bit(instruction->operation, value, bit));
        return STEP_DONE;
}

enum step execute_move(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        const struct operand *source = &instruction->operand[1];
        uint64_t value;

        if (!operand_read(emulation, source, &value))
                return STEP_EXCEPTION;
        if (instruction->operation == OPERATION_MOVSX)
                value = (uint64_t)sign_extend(value, source->size);
        return operand_write(emulation, &instruction->operand[0], value) ? STEP_DONE : STEP_EXCEPTION;
}

enum step execute_move_swapped(struct emulation *emulation)
{
        const struct operand *to = &emulation->instruction->operand[0];
        uint64_t value;

        if (!operand_read(emulation, &emulation->instruction->operand[1], &value))
                return STEP_EXCEPTION;
        value = __builtin_bswap64(value) >> (64 - to->size * 8);
        return operand_write(emulation, to, value) ? STEP_DONE : STEP_EXCEPTION;
}

/* The bounds are the two signed halves of the memory operand. */
enum step execute_bound(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        const struct operand *index = &instruction->operand[0];
        uint64_t address = effective_address(emulation);
        struct place place[2];

        for (unsigned i = 0; i < 2; i++, address += index->size)
                if (!locate(emulation, instruction->segment, address & size_mask(instruction->address_size),
                            index->size, HWACCL_ACCESS_READ, &place[i]))
                        return STEP_EXCEPTION;
        int64_t lower = sign_extend(place_read_number(emulation, &place[0]), index->size);
        int64_t upper = sign_extend(place_read_number(emulation, &place[1]), index->size);
        int64_t value = sign_extend(operand_read_plain(emulation, index), index->size);
        return value < lower || value > upper ? raise_fault(emulation, HWACCL_VECTOR_BR) : STEP_DONE;
}

enum step execute_exchange(struct emulation *emulation)
{
        const struct operand *left = &emulation->instruction->operand[0];
        const struct operand *right = &emulation->instruction->operand[1];
        /* Capstone may name the memory operand second */
        const struct operand *memory = right->kind == OPERAND_MEMORY ? right : left;
        const struct operand *reg = memory == left ? right : left;
        struct destination destination;
        uint64_t value;

        if (!destination_open(emulation, memory, &destination, &value))
                return STEP_EXCEPTION;
        destination_write(emulation, &destination, operand_read_plain(emulation, reg));
        operand_write_plain(emulation, reg, value);
        return STEP_DONE;
}

enum step execute_exchange_add(struct emulation *emulation)
{
        const struct operand *left = &emulation->instruction->operand[0];
        const struct operand *right = &emulation->instruction->operand[1];
        struct destination destination;
        uint64_t value;

        if (!destination_open(emulation, left, &destination, &value))
                return STEP_EXCEPTION;
        uint64_t sum = arithmetic(OPERATION_ADD, value, operand_read_plain(emulation, right), left->size,
                                  &emulation->context->rflags);
        operand_write_plain(emulation, right, value);
        destination_write(emulation, &destination, sum); /* last: XADD of a register with itself keeps the sum */
        return STEP_DONE;
}

enum step execute_compare_exchange(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        const struct operand *left = &emulation->instruction->operand[0];
        struct destination destination;
        uint64_t value;

        if (!destination_open(emulation, left, &destination, &value))
                return STEP_EXCEPTION;
        (void)arithmetic(OPERATION_CMP, register_read(context, HWACCL_RAX, left->size), value, left->size,
                         &context->rflags);
        if (context->rflags & RFLAGS_ZF) {
                destination_write(emulation, &destination,
                                  operand_read_plain(emulation, &emulation->instruction->operand[1]));
        } else {
                destination_write(emulation, &destination, value); /* the processor always writes */
                register_write(context, HWACCL_RAX, left->size, value);
        }
        return STEP_DONE;
}

/* CMPXCHG8B and CMPXCHG16B: RDX:RAX against memory, RCX:RBX into it. */
enum step execute_compare_exchange_pair(struct emulation *emulation)
{
        struct hwaccl_machine_context *context = emulation->context;
        const struct operand *operand = &emulation->instruction->operand[0];
        unsigned half = operand->size / 2;
        uint8_t bytes[16];
        struct place place;

        if (operand->size == 16 && (effective_address(emulation) & 15))
                return raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        if (!operand_locate(emulation, operand, HWACCL_ACCESS_WRITE, &place))
                return STEP_EXCEPTION;
        place_read(emulation, &place, bytes);
        uint64_t low = little_endian(bytes, half);
        uint64_t high = little_endian(bytes + half, half);
        bool equal =
                low == register_read(context, HWACCL_RAX, half) && high == register_read(context, HWACCL_RDX, half);
        if (equal) {
                memcpy(bytes, &context->gpr[HWACCL_RBX], half);
                memcpy(bytes + half, &context->gpr[HWACCL_RCX], half);
                context->rflags |= RFLAGS_ZF;
        } else {
                context->rflags &= ~RFLAGS_ZF;
                register_write(context, HWACCL_RAX, half, low);
                register_write(context, HWACCL_RDX, half, high);
        }
        place_write(emulation, &place, bytes);
        return STEP_DONE;
}
