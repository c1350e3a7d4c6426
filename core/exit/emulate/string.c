/*
 * String instructions: one iteration after the other, each complete before the next begins, so that a fault or the end
 * of this exit's share leaves RCX, RSI and RDI at the first iteration that is not done.
 */
#include "core/exit/emulate/emulation.h"

#include "core/exit/descriptor.h"
#include "core/exit/registers.h"

static uint64_t address_in(const struct emulation *emulation, enum hwaccl_general_register number)
{
        return register_read(emulation->context, number, emulation->instruction->address_size);
}

static void advance(struct emulation *emulation, enum hwaccl_general_register number)
{
        const struct instruction *instruction = emulation->instruction;
        struct hwaccl_machine_context *context = emulation->context;
        uint64_t step = instruction->operand_size;

        if (context->rflags & RFLAGS_DF)
                step = -step;
        register_write(context, number, instruction->address_size, address_in(emulation, number) + step);
}

static bool locate_source(struct emulation *emulation, struct place *place)
{
        return locate(emulation, emulation->instruction->segment, address_in(emulation, HWACCL_RSI),
                      emulation->instruction->operand_size, HWACCL_ACCESS_READ, place);
}

static bool locate_destination(struct emulation *emulation, unsigned access, struct place *place)
{
        return locate(emulation, HWACCL_ES, address_in(emulation, HWACCL_RDI), emulation->instruction->operand_size,
                      access, place);
}

static bool movs(struct emulation *emulation)
{
        struct place from;
        struct place to;

        if (!locate_source(emulation, &from) || !locate_destination(emulation, HWACCL_ACCESS_WRITE, &to))
                return false;
        place_write_number(emulation, &to, place_read_number(emulation, &from));
        advance(emulation, HWACCL_RSI);
        advance(emulation, HWACCL_RDI);
        return true;
}

static bool stos(struct emulation *emulation)
{
        struct place to;

        if (!locate_destination(emulation, HWACCL_ACCESS_WRITE, &to))
                return false;
        place_write_number(emulation, &to, emulation->context->gpr[HWACCL_RAX]);
        advance(emulation, HWACCL_RDI);
        return true;
}

static bool lods(struct emulation *emulation)
{
        struct place from;

        if (!locate_source(emulation, &from))
                return false;
        register_write(emulation->context, HWACCL_RAX, emulation->instruction->operand_size,
                       place_read_number(emulation, &from));
        advance(emulation, HWACCL_RSI);
        return true;
}

static bool cmps(struct emulation *emulation)
{
        struct place left;
        struct place right;

        if (!locate_source(emulation, &left) || !locate_destination(emulation, HWACCL_ACCESS_READ, &right))
                return false;
        uint64_t a = place_read_number(emulation, &left);
        uint64_t b = place_read_number(emulation, &right);
        (void)arithmetic(OPERATION_CMP, a, b, emulation->instruction->operand_size, &emulation->context->rflags);
        advance(emulation, HWACCL_RSI);
        advance(emulation, HWACCL_RDI);
        return true;
}

static bool scas(struct emulation *emulation)
{
        unsigned size = emulation->instruction->operand_size;
        struct place to;

        if (!locate_destination(emulation, HWACCL_ACCESS_READ, &to))
                return false;
        (void)arithmetic(OPERATION_CMP, register_read(emulation->context, HWACCL_RAX, size),
                         place_read_number(emulation, &to), size, &emulation->context->rflags);
        advance(emulation, HWACCL_RDI);
        return true;
}

/* The destination is checked before the port is read: reading has consequences. */
static bool ins(struct emulation *emulation)
{
        uint16_t port = (uint16_t)emulation->context->gpr[HWACCL_RDX];
        unsigned size = emulation->instruction->operand_size;
        struct place to;

        if (!locate_destination(emulation, HWACCL_ACCESS_WRITE, &to))
                return false;
        place_write_number(emulation, &to, hwaccl_bus_port_read(emulation->bus, port, size));
        advance(emulation, HWACCL_RDI);
        return true;
}

static unsigned smaller(unsigned a, unsigned b)
{
        return a < b ? a : b;
}

/* Elements of REP INS or OUTS upwards in one page of RAM: what is done at once with @place, its first one. */
static unsigned run_in_page(struct emulation *emulation, unsigned count, enum hwaccl_segment_register segment,
                            enum hwaccl_general_register index, unsigned access, struct place *place)
{
        const struct hwaccl_machine_context *context = emulation->context;
        unsigned size = emulation->instruction->operand_size;
        uint64_t address = address_in(emulation, index);
        struct hwaccl_exception exception;
        uint64_t linear;

        if (count < 2 || (context->rflags & RFLAGS_DF) || !locate(emulation, segment, address, size, access, place) ||
            place->count != 1)
                return 0;
        unsigned room = 4096 - (unsigned)(place->part[0].physical & 4095);
        unsigned bytes = smaller(count, room / size) * size;
        if (address + bytes - 1 > size_mask(emulation->instruction->address_size) || address + bytes < address ||
            !hwaccl_segment_translate(context, segment, address, bytes, access, &linear, &exception) ||
            !hwaccl_guest_memory_covers(emulation->host->memory, place->part[0].physical, bytes))
                return 0;
        return bytes / size;
}

/* REP INS: one write of guest memory instead of one for every element, because each is an effect that is recorded.
 * Returns how many elements were read; 0 when they have to go one by one. */
static unsigned ins_many(struct emulation *emulation, unsigned count)
{
        uint16_t port = (uint16_t)emulation->context->gpr[HWACCL_RDX];
        unsigned size = emulation->instruction->operand_size;
        uint64_t address = address_in(emulation, HWACCL_RDI);
        uint8_t buffer[HWACCL_EMULATE_REPEAT_MAX * 4];
        struct place to;

        count = run_in_page(emulation, count, HWACCL_ES, HWACCL_RDI, HWACCL_ACCESS_WRITE, &to);
        if (!count)
                return 0;
        for (unsigned i = 0; i < count * size; i += size) {
                uint32_t value = hwaccl_bus_port_read(emulation->bus, port, size);
                for (unsigned j = 0; j < size; j++)
                        buffer[i + j] = (uint8_t)(value >> (8 * j));
        }
        (void)hwaccl_host_guest_memory_write(emulation->host, to.part[0].physical, buffer, (size_t)count * size);
        register_write(emulation->context, HWACCL_RDI, emulation->instruction->address_size,
                       address + (uint64_t)count * size);
        return count;
}

/* REP OUTS: the same for what is read, which is one input. A processor may read ahead of its port accesses too. */
static unsigned outs_many(struct emulation *emulation, unsigned count)
{
        uint16_t port = (uint16_t)emulation->context->gpr[HWACCL_RDX];
        unsigned size = emulation->instruction->operand_size;
        uint64_t address = address_in(emulation, HWACCL_RSI);
        uint8_t buffer[HWACCL_EMULATE_REPEAT_MAX * 4];
        struct place from;

        count = run_in_page(emulation, count, emulation->instruction->segment, HWACCL_RSI, HWACCL_ACCESS_READ, &from);
        if (!count)
                return 0;
        (void)hwaccl_host_guest_memory_read(emulation->host, from.part[0].physical, buffer, (size_t)count * size);
        for (unsigned i = 0; i < count * size; i += size)
                hwaccl_bus_port_write(emulation->bus, port, size, (uint32_t)little_endian(buffer + i, size));
        register_write(emulation->context, HWACCL_RSI, emulation->instruction->address_size,
                       address + (uint64_t)count * size);
        return count;
}

static bool outs(struct emulation *emulation)
{
        uint16_t port = (uint16_t)emulation->context->gpr[HWACCL_RDX];
        struct place from;

        if (!locate_source(emulation, &from))
                return false;
        hwaccl_bus_port_write(emulation->bus, port, emulation->instruction->operand_size,
                              (uint32_t)place_read_number(emulation, &from));
        advance(emulation, HWACCL_RSI);
        return true;
}

static bool iterate(struct emulation *emulation)
{
        switch (emulation->instruction->operation) {
        case OPERATION_MOVS: return movs(emulation);
        case OPERATION_STOS: return stos(emulation);
        case OPERATION_LODS: return lods(emulation);
        case OPERATION_CMPS: return cmps(emulation);
        case OPERATION_SCAS: return scas(emulation);
        case OPERATION_INS: return ins(emulation);
        default: return outs(emulation);
        }
}

/* REPE and REPNE end CMPS and SCAS by ZF; before the others either prefix is plain REP. */
static bool ended_by_comparison(const struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        bool zero = emulation->context->rflags & RFLAGS_ZF;

        if (instruction->operation != OPERATION_CMPS && instruction->operation != OPERATION_SCAS)
                return false;
        return zero != (instruction->repeat == REPEAT_EQUAL);
}

enum step execute_string(struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        struct hwaccl_machine_context *context = emulation->context;
        bool does_io = instruction->operation == OPERATION_INS || instruction->operation == OPERATION_OUTS;

        if (instruction->repeat != REPEAT_NONE && address_in(emulation, HWACCL_RCX) == 0) {
                /* the address-size rules of a register write hold even when nothing was done */
                register_write(context, HWACCL_RCX, instruction->address_size, 0);
                return STEP_DONE;
        }
        if (does_io && !port_allowed(emulation, (uint16_t)context->gpr[HWACCL_RDX], instruction->operand_size))
                return STEP_EXCEPTION;
        if (instruction->repeat == REPEAT_NONE)
                return iterate(emulation) ? STEP_DONE : STEP_EXCEPTION;

        /* a single-step trap comes after every iteration */
        unsigned share = context->rflags & RFLAGS_TF ? 1 : HWACCL_EMULATE_REPEAT_MAX;
        while (share) {
                uint64_t count = address_in(emulation, HWACCL_RCX);
                unsigned done = 0;
                unsigned wanted = count < share ? (unsigned)count : share;
                if (instruction->operation == OPERATION_INS)
                        done = ins_many(emulation, wanted);
                else if (instruction->operation == OPERATION_OUTS)
                        done = outs_many(emulation, wanted);
                if (!done) {
                        if (!iterate(emulation))
                                return STEP_EXCEPTION;
                        done = 1;
                }
                share -= done;
                register_write(context, HWACCL_RCX, instruction->address_size, count - done);
                if (count == done || ended_by_comparison(emulation))
                        return STEP_DONE;
                if (emulation->host->failed)
                        break;
        }
        return STEP_REPEAT;
}
