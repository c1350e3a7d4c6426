#include "tracer/record/flight/flight_internal.h"

#include "core/assert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RING_SIZE_MOST (UINT64_C(4) << 20)
#define RING_SIZE_SAME (UINT64_C(1) << 20) /* where the window is no number of bytes */

/* How late the thread may notice a trigger's exit. */
#define REST_NS 20000000L

static struct flight *of(struct recorder_sink *sink)
{
        return (struct flight *)(void *)sink;
}

/* Write the window for @reason (may be NULL) and for a trigger that is due; absorbing during a dump stops at the exit
 * of the next trigger. */
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
                    !dump(flight, "requested"))
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
        const struct hwaccl_flight_config *wanted = config->sink_settings;
        bool good;

        flight->config = *config;
        flight->config.sink_settings = NULL;
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

/* The recording is created at the end of the run; detect errors at the beginning. */
static bool check_place(const struct hwaccl_recorder_config *config, struct hwaccl_error *error)
{
        struct stat status;

        if (stat(config->path, &status) != 0)
                return errno == ENOENT || hwaccl_error_set(error, "%s: %s", config->path, strerror(errno));
        if (!S_ISREG(status.st_mode))
                return hwaccl_error_set(error, "%s: is not a regular file", config->path);
        return config->force || hwaccl_error_set(error, "%s: already exists; use --force to replace it", config->path);
}

static bool open_window(struct flight *flight, const struct hwaccl_recorder_config *config, struct hwaccl_error *error)
{
        return check_place(config, error) && copy_config(flight, config, error) &&
               consumer_init(&flight->consumer, REST_NS, error);
}

static struct recorder_sink *create(const struct hwaccl_recorder_config *config, struct ring *const *rings,
                                    unsigned ring_count, enum stamp_kind stamps, struct hwaccl_error *error)
{
        struct ring *ring = rings[0];
        struct flight *flight = aligned_alloc(64, (sizeof(*flight) + 63) & ~(size_t)63);

        if (!flight) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        hwaccl_assert(ring_count == 1);
        memset(flight, 0, sizeof(*flight));
        flight->sink.ops = &hwaccl_flight_recorder;
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
                return &flight->sink;
        flight_segments_close(flight, true);
        consumer_destroy(&flight->consumer);
        destroy(flight);
        return NULL;
}

static bool why_it_stopped(struct recorder_sink *sink, struct hwaccl_error *error)
{
        return hwaccl_error_set(error, "%s", of(sink)->error.message);
}

static void ask(struct recorder_sink *sink)
{
        struct flight *flight = of(sink);

        atomic_store_explicit(&flight->dump_asked, true, memory_order_release);
        consumer_call(&flight->consumer);
}

/* On failure segments and ring stay, as after a crash: the newest exits are in the ring. */
static bool finish(struct recorder_sink *sink, const struct recording_end *end, struct hwaccl_error *error)
{
        struct flight *flight = of(sink);
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
                hwaccl_error_set(error, "%s; the window is in %s; run 'hwaccl recover %s'",
                                 reason.message[0] ? reason.message : flight->error.message, flight->directory,
                                 flight->config.path);
        flight_segments_close(flight, written);
        ring_destroy(ring, written);
        consumer_destroy(&flight->consumer);
        destroy(flight);
        return written;
}

static const struct hwaccl_flight_window *window_of(const void *settings)
{
        return &((const struct hwaccl_flight_config *)settings)->window;
}

/* A share of a window in bytes; the default for a window in exits or time. */
static uint64_t ring_size(const void *settings)
{
        const struct hwaccl_flight_window *window = window_of(settings);
        uint64_t size = RING_SIZE_SAME;

        if (window->exits || window->ns)
                return size;
        while (size < RING_SIZE_MOST && size * 2 <= window->bytes / FLIGHT_SHARES)
                size *= 2;
        while (size > RING_SIZE_MIN && size > window->bytes / FLIGHT_SHARES)
                size /= 2;
        return size;
}

/* @asked, or less so that a window can be evicted in steps of 1/16. */
static uint32_t keyframe_interval(const void *settings, uint32_t asked)
{
        const struct hwaccl_flight_window *window = window_of(settings);
        uint64_t share = window->exits / FLIGHT_SHARES;

        return window->exits && share < asked ? (uint32_t)share : asked;
}

/* Segments of a window begin at a keyframe. */
static uint64_t keyframe_bytes(const void *settings)
{
        const struct hwaccl_flight_window *window = window_of(settings);
        uint64_t most = window->bytes / FLIGHT_SHARES / 4;

        return window->bytes && most < FLIGHT_SEGMENT_MOST / 4 ? most : FLIGHT_SEGMENT_MOST / 4;
}

const struct recorder_sink_ops hwaccl_flight_recorder = {
        .ring_size = ring_size,
        .keyframe_interval = keyframe_interval,
        .keyframe_bytes = keyframe_bytes,
        .create = create,
        .error = why_it_stopped,
        .dump = ask,
        .finish = finish,
};
