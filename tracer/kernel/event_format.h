/*
 * The format of a trace point: the file events/SYSTEM/NAME/format of tracefs says which fields its raw samples have,
 * and where. Both come from the kernel, and are checked all the same. Field names and offsets differ between kernels,
 * so nothing here assumes a layout.
 */
#ifndef HWACCL_TRACER_KERNEL_EVENT_FORMAT_H
#define HWACCL_TRACER_KERNEL_EVENT_FORMAT_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_FIELD_MAX     32u
#define EVENT_NAME_ROOM     48u
#define EVENT_FORMAT_SIZE   (64u << 10) /* bytes of a file, at most */
#define EVENT_RAW_SIZE_MAX  (64u << 10) /* offset and size of a field, at most */
#define EVENT_TYPE_SIZE_MIN 2u          /* bytes of a raw sample: it begins with the number of its event */

struct event_field {
        char name[EVENT_NAME_ROOM];
        uint32_t offset; /* in the raw sample */
        uint32_t size;
        bool is_signed;
};

struct event_format {
        char name[EVENT_NAME_ROOM];
        uint32_t id; /* perf_event_attr.config, and the first two bytes of each sample */
        unsigned field_count;
        struct event_field field[EVENT_FIELD_MAX];
};

/** event_format_parse - false with *error set if @text is no format. Fields beyond EVENT_FIELD_MAX, and arrays, are
 * left out */
bool event_format_parse(struct event_format *format, const char *text, size_t size, struct hwaccl_error *error);

/** event_format_find - NULL: the event has no field of that name */
const struct event_field *event_format_find(const struct event_format *format, const char *name);

/** event_field_read - the field in a raw sample; false if that does not contain it. Signed fields are extended */
bool event_field_read(const struct event_field *field, const uint8_t *raw, size_t size, uint64_t *value);

#endif
