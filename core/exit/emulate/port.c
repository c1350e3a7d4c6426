/* IN and OUT, and who may use which port (SDM 1, 19.5). */
#include "core/exit/emulate/emulation.h"

#include "core/exit/descriptor.h"
#include "core/exit/registers.h"

#define TSS_IO_MAP_BASE 102u

static bool refuse(struct emulation *emulation)
{
        raise_fault_zero(emulation, HWACCL_VECTOR_GP);
        return false;
}

bool port_allowed(struct emulation *emulation, uint16_t port, unsigned size)
{
        const struct hwaccl_machine_context *context = emulation->context;
        const struct hwaccl_segment *tr = &context->tr;
        uint8_t bytes[2];

        if (!(context->cr0 & HWACCL_CR0_PE))
                return true;
        bool virtual_8086 = context->rflags & RFLAGS_VM;
        if (!virtual_8086 && hwaccl_context_cpl(context) <= (context->rflags & RFLAGS_IOPL) >> RFLAGS_IOPL_SHIFT)
                return true;

        /* only a 32- or 64-bit TSS has a permission map */
        if ((tr->access_rights & HWACCL_SEGMENT_UNUSABLE) || !(tr->access_rights & SEGMENT_P) ||
            !(tr->access_rights & 8) || tr->limit < TSS_IO_MAP_BASE + 1)
                return refuse(emulation);
        if (!implicit_read(emulation, tr->base + TSS_IO_MAP_BASE, bytes, 2))
                return false;
        uint64_t place = little_endian(bytes, 2) + port / 8;
        if (place + 1 > tr->limit)
                return refuse(emulation);
        if (!implicit_read(emulation, tr->base + place, bytes, 2))
                return false;
        uint64_t denied = (little_endian(bytes, 2) >> (port & 7)) & ((1u << size) - 1);
        return denied ? refuse(emulation) : true;
}

static uint16_t port_of(const struct emulation *emulation, const struct operand *operand)
{
        if (operand->kind == OPERAND_IMMEDIATE)
                return emulation->instruction->immediate & 0xff;
        return (uint16_t)emulation->context->gpr[HWACCL_RDX];
}

enum step execute_in(struct emulation *emulation)
{
        unsigned size = emulation->instruction->operand_size;
        uint16_t port = port_of(emulation, &emulation->instruction->operand[1]);

        if (!port_allowed(emulation, port, size))
                return STEP_EXCEPTION;
        register_write(emulation->context, HWACCL_RAX, size, hwaccl_bus_port_read(emulation->bus, port, size));
        return STEP_DONE;
}

enum step execute_out(struct emulation *emulation)
{
        unsigned size = emulation->instruction->operand_size;
        uint16_t port = port_of(emulation, &emulation->instruction->operand[0]);

        if (!port_allowed(emulation, port, size))
                return STEP_EXCEPTION;
        hwaccl_bus_port_write(emulation->bus, port, size,
                              (uint32_t)register_read(emulation->context, HWACCL_RAX, size));
        return STEP_DONE;
}
