/* Keeping the window: what the ring holds goes into segments, of which the oldest go. */
#include "tracer/record/flight/flight_internal.h"

#include "core/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool share_reached(const struct flight *flight)
{
        const struct hwaccl_flight_window *window = &flight->window;
        const struct flight_segment *last = &flight->segment[flight->segment_count - 1];
        uint64_t bytes = last->bytes + flight->position - flight->written;

        return (window->exits && flight->exits - last->first >= window->exits / FLIGHT_SHARES) ||
               bytes >= FLIGHT_SEGMENT_MOST || (window->bytes && bytes >= window->bytes / FLIGHT_SHARES) ||
               (window->ns && flight_age(flight, last) >= window->ns / FLIGHT_SHARES);
}

/* A decoder may start at the first record of a keyframe: a snapshot, the thread's time, an entry with all words. */
static bool is_start(struct flight *flight, const struct ring_record *record)
{
        bool begun = flight->keyframe_begun;
        bool before = (record->type == RING_RECORD_SNAPSHOT && record->extra == 0) ||
                      (record->type == RING_RECORD_THREAD_TIME && record->extra == RING_THREAD_KEYFRAME);

        flight->keyframe_begun = before;
        return !begun && (before || (record->type == RING_RECORD_ENTRY &&
                                     ((const struct ring_entry *)(const void *)record)->bitmap == ~UINT64_C(0)));
}

static bool keep_annotation(struct flight *flight, const struct ring_bytes *record)
{
        const char *name = (const char *)record->data;
        const char *value = name + strlen(name) + 1;
        size_t i = 0;

        while (i < flight->annotation_count && strcmp(flight->annotation[i].name, name) != 0)
                i++;
        if (i == FLIGHT_ANNOTATION_MAX)
                return true; /* more options than a recording can have */
        char *copy = strdup(value);
        if (!copy)
                return hwaccl_error_set(&flight->error, "out of memory");
        if (i < flight->annotation_count) {
                free(flight->annotation[i].value);
                flight->annotation[i].value = copy;
                return true;
        }
        struct flight_annotation *more = realloc(flight->annotation, (i + 1) * sizeof(*more));
        if (more)
                flight->annotation = more;
        char *own = more ? strdup(name) : NULL;
        if (!own) {
                free(copy);
                return hwaccl_error_set(&flight->error, "out of memory");
        }
        flight->annotation[i] = (struct flight_annotation){own, copy};
        flight->annotation_count++;
        return true;
}

/* Uses the times of the exits: this thread may lag, and a guest may sleep for longer than the window. */
static void count_exit(struct flight *flight, const struct ring_exit *exit)
{
        hwaccl_assert(flight->segment_count > 0); /* the first entry is a start */
        struct flight_segment *last = &flight->segment[flight->segment_count - 1];

        flight->exits++;
        flight->newest = exit->entry_stamp;
        if (!last->begun)
                last->begun = exit->entry_stamp;
}

static bool take(struct flight *flight, const struct ring_record *record)
{
        if (is_start(flight, record) && (flight->segment_count == 0 || share_reached(flight)) &&
            !((flight->segment_count == 0 || flight_segment_write(flight, flight->position)) &&
              flight_segment_begin(flight, flight->position)))
                return false;
        flight->position += (uint64_t)record->words * 8;
        if (record->type == RING_RECORD_EXIT)
                count_exit(flight, (const struct ring_exit *)(const void *)record);
        if (record->type == RING_RECORD_ANNOTATION &&
            !keep_annotation(flight, (const struct ring_bytes *)(const void *)record))
                return false;
        flight->due = flight_trigger_look(flight, record);
        return true;
}

/* During a dump, evicted segments that were already written make room. */
static bool may_absorb(const struct flight *flight)
{
        return !flight->due && !(flight->dumping && flight_segments_crowded(flight));
}

/* Only up to the current head, so that a continuously running producer cannot delay a dump. */
bool flight_absorb(struct flight *flight)
{
        uint64_t head = ring_head(flight->ring);

        if (flight->dumping && !flight_segments_trim(flight))
                return false;
        if (!may_absorb(flight))
                return true; /* let the ring fill and the vCPU wait: the producer is faster than the dump */
        while (flight->position < head && !flight->due) {
                const struct ring_record *record = ring_at(flight->ring, flight->position, head);
                if (!record)
                        return hwaccl_error_set(&flight->error, "ring: a torn record at %" PRIu64, flight->position);
                if (!take(flight, record))
                        return false;
                /* a quarter of the ring at a time, so that the producer can continue */
                if (flight->position - flight->written >= flight->ring->size / 4 &&
                    !flight_segment_write(flight, flight->position))
                        return false;
        }
        return flight->segment_count == 0 || flight_segment_write(flight, flight->position);
}
