#include "tracer/record/flight/flight_internal.h"

#include "core/assert.h"
#include "tracer/record/writer_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SHARES         16u /* the window is let go of by parts of this size */
#define RING_SIZE_MOST (UINT64_C(4) << 20)
#define RING_SIZE_SAME (UINT64_C(1) << 20)  /* where the window is no number of bytes */
#define SEGMENT_MOST   (UINT64_C(64) << 20) /* of a large window: a recovery has a segment in memory */

/* How late the thread may see a trigger's exit. */
#define REST_NS 20000000L

/* One share of a window of bytes, but a window of exits or of time tells nothing about bytes. */
uint64_t flight_ring_size(const struct hwaccl_flight_window *window)
{
        uint64_t size = RING_SIZE_SAME;

        if (window->exits || window->ns)
                return size;
        while (size < RING_SIZE_MOST && size * 2 <= window->bytes / SHARES)
                size *= 2;
        while (size > RING_SIZE_MIN && size > window->bytes / SHARES)
                size /= 2;
        return size;
}

uint32_t flight_keyframe_interval(const struct hwaccl_flight_window *window, uint32_t asked)
{
        uint64_t share = window->exits / SHARES;

        return window->exits && share < asked ? (uint32_t)share : asked;
}

uint64_t flight_keyframe_bytes(const struct hwaccl_flight_window *window)
{
        uint64_t most = window->bytes / SHARES / 4;

        return window->bytes && most < SEGMENT_MOST / 4 ? most : SEGMENT_MOST / 4;
}

static bool share_reached(const struct flight *flight)
{
        const struct hwaccl_flight_window *window = &flight->window;
        const struct flight_segment *last = &flight->segment[flight->segment_count - 1];
        uint64_t bytes = last->bytes + flight->position - flight->written;

        return (window->exits && flight->exits - last->first >= window->exits / SHARES) || bytes >= SEGMENT_MOST ||
               (window->bytes && bytes >= window->bytes / SHARES) ||
               (window->ns && flight_age(flight, last) >= window->ns / SHARES);
}

/* A decoder may start at a snapshot, or at an entry with all words that has none before it. */
static bool is_start(struct flight *flight, const struct ring_record *record)
{
        bool snapshot = record->type == RING_RECORD_SNAPSHOT;
        bool after = flight->after_snapshot;

        flight->after_snapshot = snapshot;
        if (snapshot)
                return true;
        return record->type == RING_RECORD_ENTRY && !after &&
               ((const struct ring_entry *)(const void *)record)->bitmap == ~UINT64_C(0);
}

static bool keep_annotation(struct flight *flight, const struct ring_bytes *record)
{
        const char *name = (const char *)record->data;
        const char *value = name + strlen(name) + 1;
        size_t i = 0;

        while (i < flight->annotation_count && strcmp(flight->annotation[i].name, name) != 0)
                i++;
        if (i == FLIGHT_ANNOTATION_MAX)
                return true; /* so many options are no recording's */
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

/* For @reason, or none, and for a trigger that is due: what is absorbed while a window is written ends at its exit. */
static bool dump(struct flight *flight, const char *reason)
{
        char trigger[160];

        if (reason)
                flight_dump_beside(flight, reason, flight->position);
        while (!flight->error.message[0] && flight->due) {
                (void)snprintf(trigger, sizeof(trigger), "trigger %s at exit %" PRIu64, flight->due->text,
                               flight->exits - 1);
                flight->due = NULL;
                if (flight_segment_write(flight, flight->position))
                        flight_dump_beside(flight, trigger, flight->position);
        }
        return !flight->error.message[0];
}

/* Times are those of the exits: this thread may come late, and a guest may sleep for longer than the window. */
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

/* While a window is written, what it has let go of makes room. */
static bool may_absorb(const struct flight *flight)
{
        return !flight->due && !(flight->dumping && flight_segments_crowded(flight));
}

/* Up to the head as it is now: a producer that never rests must not keep a dump from going on. */
bool flight_absorb(struct flight *flight)
{
        uint64_t head = ring_head(flight->ring);

        if (flight->dumping && !flight_segments_trim(flight))
                return false;
        if (!may_absorb(flight))
                return true; /* the ring fills, and the vCPU waits: it is faster than a dump can be */
        while (flight->position < head && !flight->due) {
                const struct ring_record *record = ring_at(flight->ring, flight->position, head);
                if (!record)
                        return hwaccl_error_set(&flight->error, "ring: a torn record at %" PRIu64, flight->position);
                if (!take(flight, record))
                        return false;
                /* half a ring at a time: the producer goes on meanwhile */
                if (flight->position - flight->written >= flight->ring->size / 4 &&
                    !flight_segment_write(flight, flight->position))
                        return false;
        }
        return flight->segment_count == 0 || flight_segment_write(flight, flight->position);
}

static bool run(struct flight *flight)
{
        for (;;) {
                bool closing = consumer_is_closing(&flight->consumer);
                stamp_clock_sample(&flight->clock);
                /* for a recovery */
                atomic_store_explicit(&flight->ring->header->stamp_khz, stamp_clock_khz(&flight->clock),
                                      memory_order_relaxed);
                uint64_t before = flight->position;
                if (!flight_absorb(flight) || (flight->due && !dump(flight, NULL)))
                        return false;
                if (atomic_exchange_explicit(&flight->dump_asked, false, memory_order_acquire) &&
                    !dump(flight, "asked for"))
                        return false;
                if (ring_head(flight->ring) != flight->position)
                        continue;
                if (closing)
                        return true;
                consumer_rest(&flight->consumer, flight->ring,
                              consumer_is_slow(&flight->consumer, flight->ring, flight->position - before));
        }
}

static void *main_loop(void *opaque)
{
        struct flight *flight = opaque;

        if (!run(flight)) {
                ring_fail(flight->ring);
                while (!consumer_is_closing(&flight->consumer))
                        consumer_rest(&flight->consumer, flight->ring, true);
        }
        return NULL;
}

static bool copy_config(struct flight *flight, const struct hwaccl_recorder_config *config, struct hwaccl_error *error)
{
        const struct hwaccl_flight_config *wanted = config->flight;
        bool good;

        flight->config = *config;
        flight->config.flight = NULL;
        flight->config.path = strdup(config->path);
        flight->option = calloc(config->option_count + 1, sizeof(*flight->option));
        flight->config.options = flight->option;
        flight->window_text = strdup(wanted->text ? wanted->text : "");
        good = flight->config.path && flight->option && flight->window_text;
        for (size_t i = 0; good && i < config->option_count; i++) {
                flight->option[i].name = strdup(config->options[i].name);
                flight->option[i].value = strdup(config->options[i].value);
                good = flight->option[i].name && flight->option[i].value;
        }
        flight->window = wanted->window;
        flight->trigger_count = wanted->trigger_count;
        for (size_t i = 0; i < wanted->trigger_count; i++)
                flight->trigger[i] = wanted->trigger[i];
        flight->notice = wanted->notice;
        flight->opaque = wanted->opaque;
        return good || hwaccl_error_set(error, "out of memory");
}

static void destroy(struct flight *flight)
{
        for (size_t i = 0; flight->option && i < flight->config.option_count; i++) {
                free((char *)(uintptr_t)flight->option[i].name);
                free((char *)(uintptr_t)flight->option[i].value);
        }
        for (size_t i = 0; i < flight->annotation_count; i++) {
                free(flight->annotation[i].name);
                free(flight->annotation[i].value);
        }
        free(flight->annotation);
        free(flight->option);
        free((char *)(uintptr_t)flight->config.path);
        free(flight->window_text);
        free(flight);
}

/* The recording is made at the end of the run; that it cannot be made should be known at the beginning. */
static bool check_place(const struct hwaccl_recorder_config *config, struct hwaccl_error *error)
{
        struct stat status;

        if (stat(config->path, &status) != 0)
                return errno == ENOENT || hwaccl_error_set(error, "%s: %s", config->path, strerror(errno));
        if (!S_ISREG(status.st_mode))
                return hwaccl_error_set(error, "%s: is no regular file", config->path);
        return config->force || hwaccl_error_set(error, "%s: exists; --force replaces it", config->path);
}

static bool open_window(struct flight *flight, const struct hwaccl_recorder_config *config, struct hwaccl_error *error)
{
        return check_place(config, error) && copy_config(flight, config, error) &&
               consumer_init(&flight->consumer, REST_NS, error);
}

struct flight *flight_create(const struct hwaccl_recorder_config *config, struct ring *ring, enum stamp_kind stamps,
                             struct hwaccl_error *error)
{
        struct flight *flight = aligned_alloc(64, (sizeof(*flight) + 63) & ~(size_t)63);

        if (!flight) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        memset(flight, 0, sizeof(*flight));
        flight->ring = ring;
        consumer_attach(&flight->consumer, ring);
        flight->fd = flight->directory_fd = -1;
        if (!open_window(flight, config, error)) {
                destroy(flight);
                return NULL;
        }
        stamp_clock_start(&flight->clock, stamps);
        ring->header->stamp_kind = stamps;
        ring->header->stamp_origin = flight->clock.origin_stamp;
        if (flight_segments_open(flight, config->path, config->force, error) && flight_dump_frame(flight, error) &&
            consumer_start(&flight->consumer, main_loop, flight, error))
                return flight;
        flight_segments_close(flight, true);
        consumer_destroy(&flight->consumer);
        destroy(flight);
        return NULL;
}

bool flight_error(struct flight *flight, struct hwaccl_error *error)
{
        return hwaccl_error_set(error, "%s", flight->error.message);
}

void flight_ask(struct flight *flight)
{
        atomic_store_explicit(&flight->dump_asked, true, memory_order_release);
        consumer_call(&flight->consumer);
}

/* What failed in between, or fails now, leaves segments and ring as a death would: the newest exits are in the ring. */
bool flight_finish(struct flight *flight, const struct writer_end *end, struct hwaccl_error *error)
{
        struct ring *ring = flight->ring;
        struct hwaccl_error reason = {""};
        bool written = false;

        consumer_join(&flight->consumer);
        if (!ring_failed(ring)) {
                const struct flight_dump dump = {
                        .path = flight->config.path,
                        .reason = "the end of the run",
                        .force = flight->config.force,
                        .end = flight->position,
                        .how = end,
                };
                bool mine = consumer_block_file_size_signal();
                flight->dumping = true;
                written = flight_dump(flight, &dump, &reason);
                consumer_unblock_file_size_signal(mine);
        }
        if (!written)
                hwaccl_error_set(error, "%s; what was kept is in %s, 'hwaccl recover %s' makes the recording of it",
                                 reason.message[0] ? reason.message : flight->error.message, flight->directory,
                                 flight->config.path);
        flight_segments_close(flight, written);
        ring_destroy(ring, written);
        consumer_destroy(&flight->consumer);
        destroy(flight);
        return written;
}
