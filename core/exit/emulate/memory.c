/* Memory operands: RAM through the host, everything else through the bus, page by page. */
#include "core/exit/emulate/emulation.h"
#include "core/exit/emulate/floating_point.h"

#include "core/exit/descriptor.h"
#include "core/exit/registers.h"

#include <string.h>

#define PAGE 4096u

/* What #AC asks for (SDM 3A, table 6-7): of an 80-bit number 8 bytes, of the FPU's state the size of a field; of a
 * vector nothing, or #GP has come before. */
static unsigned alignment_of(unsigned size)
{
        switch (size) {
        case 10: return 8;
        case X87_ENVIRONMENT_16:
        case X87_ALL_16: return 2;
        case X87_ENVIRONMENT_32:
        case X87_ALL_32: return 4;
        default: return size <= 8 ? size : 1;
        }
}

static bool misaligned(const struct hwaccl_machine_context *context, uint64_t linear, unsigned size)
{
        return (linear & (alignment_of(size) - 1)) && (context->cr0 & HWACCL_CR0_AM) && (context->rflags & RFLAGS_AC) &&
               hwaccl_context_cpl(context) == 3;
}

bool locate(struct emulation *emulation, enum hwaccl_segment_register segment, uint64_t offset, unsigned size,
            unsigned access, struct place *place)
{
        const struct hwaccl_machine_context *context = emulation->context;
        uint64_t linear;

        if (!hwaccl_segment_translate(context, segment, offset, size, access, &linear, &emulation->exception))
                return false;
        if (misaligned(context, linear, size)) {
                raise_fault_zero(emulation, HWACCL_VECTOR_AC);
                return false;
        }

        unsigned room = PAGE - (unsigned)(linear & (PAGE - 1));
        place->count = size <= room ? 1 : 2;
        place->part[0].size = size <= room ? size : room;
        place->part[1].size = size - place->part[0].size;
        if (hwaccl_context_cpl(context) == 3)
                access |= HWACCL_ACCESS_USER;
        for (unsigned i = 0; i < place->count; i++) {
                struct hwaccl_translation translation;
                uint64_t start = linear + (i ? place->part[0].size : 0);
                if (!(context->efer & HWACCL_EFER_LMA))
                        start = (uint32_t)start;
                if (!hwaccl_page_walk(context, emulation->tables, start, access | HWACCL_ACCESS_SET_ACCESSED,
                                      &translation, &emulation->exception))
                        return false;
                place->part[i].physical = translation.physical;
        }
        return true;
}

/* The xAPIC's page, also where there is memory. */
static bool is_covered(const struct emulation *emulation, uint64_t physical)
{
        uint64_t page = hwaccl_processor_apic_page(emulation->processor);

        return page && (physical & ~(uint64_t)(PAGE - 1)) == page;
}

/* The bus takes 1, 2, 4 or 8 bytes at an address that is a multiple of them. */
static unsigned bus_size(uint64_t address, unsigned rest)
{
        unsigned size = 8;

        while (size > rest || (address & (size - 1)))
                size /= 2;
        return size;
}

static void bus_read(struct hwaccl_bus *bus, uint64_t address, uint8_t *to, unsigned rest)
{
        while (rest) {
                unsigned size = bus_size(address, rest);
                uint64_t value = hwaccl_bus_mmio_read(bus, address, size);
                for (unsigned i = 0; i < size; i++)
                        *to++ = (uint8_t)(value >> (8 * i));
                address += size;
                rest -= size;
        }
}

static void bus_write(struct hwaccl_bus *bus, uint64_t address, const uint8_t *from, unsigned rest)
{
        while (rest) {
                unsigned size = bus_size(address, rest);
                hwaccl_bus_mmio_write(bus, address, size, little_endian(from, size));
                from += size;
                address += size;
                rest -= size;
        }
}

void place_read(struct emulation *emulation, const struct place *place, void *buffer)
{
        uint8_t *to = buffer;

        for (unsigned i = 0; i < place->count; i++) {
                unsigned size = place->part[i].size;
                if (is_covered(emulation, place->part[i].physical) ||
                    !hwaccl_host_guest_memory_read(emulation->host, place->part[i].physical, to, size))
                        bus_read(emulation->bus, place->part[i].physical, to, size);
                to += size;
        }
}

void place_write(struct emulation *emulation, const struct place *place, const void *data)
{
        const uint8_t *from = data;

        for (unsigned i = 0; i < place->count; i++) {
                unsigned size = place->part[i].size;
                if (is_covered(emulation, place->part[i].physical) ||
                    !hwaccl_host_guest_memory_write(emulation->host, place->part[i].physical, from, size))
                        bus_write(emulation->bus, place->part[i].physical, from, size);
                from += size;
        }
}

uint64_t place_read_number(struct emulation *emulation, const struct place *place)
{
        uint8_t bytes[8] = {0};

        place_read(emulation, place, bytes);
        return little_endian(bytes, 8);
}

void place_write_number(struct emulation *emulation, const struct place *place, uint64_t value)
{
        uint8_t bytes[8];

        for (unsigned i = 0; i < 8; i++)
                bytes[i] = (uint8_t)(value >> (8 * i));
        place_write(emulation, place, bytes);
}

bool implicit_read(struct emulation *emulation, uint64_t linear, void *buffer, unsigned size)
{
        return linear_read(emulation->context, emulation->memory, linear, buffer, size,
                           HWACCL_ACCESS_IMPLICIT | HWACCL_ACCESS_SET_ACCESSED, &emulation->exception);
}
