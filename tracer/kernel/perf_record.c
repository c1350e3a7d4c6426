#include "tracer/kernel/perf_record.h"

#include <linux/perf_event.h>
#include <string.h>

/* Takes the next @size bytes of what is left. */
static bool take(const uint8_t **data, size_t *left, void *to, size_t size)
{
        if (*left < size)
                return false;
        memcpy(to, *data, size);
        *data += size;
        *left -= size;
        return true;
}

static bool take_thread_and_time(const uint8_t **data, size_t *left, struct perf_item *item)
{
        return take(data, left, &item->process, sizeof(item->process)) &&
               take(data, left, &item->thread, sizeof(item->thread)) &&
               take(data, left, &item->time, sizeof(item->time));
}

static bool take_sample(const uint8_t *data, size_t left, struct perf_item *item)
{
        if (!take_thread_and_time(&data, &left, item) || !take(&data, &left, &item->raw_size, sizeof(item->raw_size)) ||
            item->raw_size > left)
                return false;
        item->raw = data;
        item->kind = PERF_ITEM_SAMPLE;
        return true;
}

static bool take_lost(const uint8_t *data, size_t left, struct perf_item *item)
{
        uint64_t id;

        item->kind = PERF_ITEM_LOST;
        return take(&data, &left, &id, sizeof(id)) && take(&data, &left, &item->lost, sizeof(item->lost)) &&
               take_thread_and_time(&data, &left, item);
}

bool perf_record_next(const uint8_t *data, size_t size, size_t *at, struct perf_item *item)
{
        struct perf_event_header header;

        if (*at > size || size - *at < sizeof(header))
                return false;
        memcpy(&header, data + *at, sizeof(header));
        if (header.size < sizeof(header) || header.size > size - *at)
                return false;
        const uint8_t *body = data + *at + sizeof(header);
        size_t left = header.size - sizeof(header);
        *at += header.size;
        *item = (struct perf_item){.kind = PERF_ITEM_OTHER};
        if ((header.type == PERF_RECORD_SAMPLE && !take_sample(body, left, item)) ||
            (header.type == PERF_RECORD_LOST && !take_lost(body, left, item)))
                *item = (struct perf_item){.kind = PERF_ITEM_BAD};
        return true;
}

/* The inverse of time = zero + (tsc * multiplier >> shift). */
uint64_t perf_time_to_tsc(uint64_t time, uint64_t zero, uint32_t multiplier, uint16_t shift)
{
        if (multiplier == 0 || shift > 31)
                return 0;
        uint64_t delta = time - zero; /* zero may be before time 0: it wraps */
        uint64_t whole = delta / multiplier, rest = delta % multiplier;
        uint64_t part = (rest << shift) + multiplier / 2; /* both are below 2^32 */

        return (whole << shift) + part / multiplier;
}
