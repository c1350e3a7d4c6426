#include "core/exit/descriptor.h"

#include "core/exit/registers.h"

#include <string.h>

uint64_t little_endian(const uint8_t *bytes, unsigned size)
{
        uint64_t value = 0;

        for (unsigned i = 0; i < size; i++)
                value |= (uint64_t)bytes[i] << (8 * i);
        return value;
}

/* An access of at most a page touches at most two pages. */
struct span {
        uint64_t physical[2];
        unsigned size[2];
};

static bool translate(const struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                      uint64_t linear, unsigned size, unsigned access, struct span *span,
                      struct hwaccl_exception *fault)
{
        unsigned room = 4096 - (unsigned)(linear & 4095);

        span->size[0] = size < room ? size : room;
        span->size[1] = size - span->size[0];
        for (unsigned i = 0; i < 2 && span->size[i]; i++) {
                struct hwaccl_translation translation;
                uint64_t start = i ? linear + span->size[0] : linear;
                if (!(context->efer & HWACCL_EFER_LMA))
                        start = (uint32_t)start;
                if (!hwaccl_page_walk(context, memory, start, access, &translation, fault))
                        return false;
                span->physical[i] = translation.physical;
        }
        return true;
}

bool linear_read(const struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                 uint64_t linear, void *buffer, unsigned size, unsigned access, struct hwaccl_exception *fault)
{
        struct span span;

        if (!translate(context, memory, linear, size, access, &span, fault))
                return false;
        for (unsigned i = 0; i < 2 && span.size[i]; i++) {
                uint8_t *to = (uint8_t *)buffer + (i ? span.size[0] : 0);
                if (!memory->read(memory->opaque, span.physical[i], to, span.size[i]))
                        memset(to, 0xff, span.size[i]);
        }
        return true;
}

bool linear_write(const struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                  uint64_t linear, const void *data, unsigned size, unsigned access, struct hwaccl_exception *fault)
{
        struct span span;

        if (!translate(context, memory, linear, size, access, &span, fault))
                return false;
        for (unsigned i = 0; i < 2 && span.size[i]; i++)
                (void)memory->write(memory->opaque, span.physical[i], (const uint8_t *)data + (i ? span.size[0] : 0),
                                    span.size[i]);
        return true;
}

enum descriptor_result descriptor_read(const struct hwaccl_machine_context *context,
                                       const struct hwaccl_physical_memory *memory, uint16_t selector,
                                       struct descriptor *descriptor, struct hwaccl_exception *fault)
{
        const struct hwaccl_segment *table = selector & 4 ? &context->ldtr : &context->gdtr;
        unsigned place = selector & 0xfff8u;
        uint8_t bytes[8] = {0};

        if ((selector & 4) && (!(table->selector & 0xfffc) || (table->access_rights & HWACCL_SEGMENT_UNUSABLE)))
                return DESCRIPTOR_OUTSIDE;
        if (place + 7 > table->limit)
                return DESCRIPTOR_OUTSIDE;
        descriptor->linear = table->base + place;
        if (!linear_read(context, memory, descriptor->linear, bytes, sizeof(bytes),
                         HWACCL_ACCESS_IMPLICIT | HWACCL_ACCESS_SET_ACCESSED, fault))
                return DESCRIPTOR_FAULT;

        descriptor->bytes = little_endian(bytes, sizeof(bytes));
        uint32_t limit = (uint32_t)little_endian(bytes, 2) | (bytes[6] & 0xfu) << 16;
        uint32_t rights = bytes[5] | (bytes[6] & 0xf0u) << 8;
        descriptor->segment = (struct hwaccl_segment){
                .selector = selector,
                .base = little_endian(bytes + 2, 3) | (uint64_t)bytes[7] << 24,
                .limit = rights & SEGMENT_G ? limit << 12 | 0xfff : limit,
                .access_rights = rights,
        };
        return DESCRIPTOR_READ;
}

bool descriptor_set_accessed(const struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                             struct descriptor *descriptor, struct hwaccl_exception *fault)
{
        if (descriptor->segment.access_rights & SEGMENT_TYPE_ACCESSED)
                return true;

        descriptor->segment.access_rights |= SEGMENT_TYPE_ACCESSED;
        uint8_t byte = (uint8_t)descriptor->segment.access_rights;
        return linear_write(context, memory, descriptor->linear + 5, &byte, 1,
                            HWACCL_ACCESS_WRITE | HWACCL_ACCESS_IMPLICIT | HWACCL_ACCESS_SET_ACCESSED, fault);
}
