#include "tracer/record/flight/flight_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define RING_SIZE_MOST (UINT64_C(4) << 20)
#define RING_SIZE_SAME (UINT64_C(1) << 20) /* where the window is no number of bytes */

/* How late the thread may notice a trigger's exit. */
#define REST_NS 20000000L

static struct flight *of(struct recorder_sink *sink)
{
        return (struct flight *)(void *)sink;
}

/* The last number that any lane had. */
static uint64_t last_order(const struct flight *flight)
{
        uint64_t last = 0;

        for (unsigned i = 0; i < flight->lane_count; i++)
                if (flight->lane[i].order > last)
                        last = flight->lane[i].order;
        return last;
}

/* A window ends at one number too. All numbers up to it are there, because its producers have written those that they
 * had taken when it was seen. */
static bool dump_trigger(struct flight *flight)
{
        char trigger[192], at[64];

        if (!flight_catch_up(flight))
                return false;
        struct flight_lane *lane = flight_trigger_due(flight);
        flight_last_exit(flight, lane, at, sizeof(at));
        (void)snprintf(trigger, sizeof(trigger), "trigger %s at %s", lane->due->text, at);
        lane->due = NULL;
        flight_dump_beside(flight, trigger, flight->lane_count > 1 ? lane->order : 0);
        return !flight->error.message[0];
}

/* What was there when it came; after the triggers that are due, which end lanes earlier. */
static bool dump_request(struct flight *flight, bool *asked)
{
        if (!flight_catch_up(flight))
                return false;
        uint64_t last = flight->lane_count > 1 ? last_order(flight) : 0;
        if (flight->lane_count > 1 && !flight_catch_up(flight))
                return false;
        if (flight_trigger_due(flight))
                return true;
        *asked = false;
        flight_dump_beside(flight, "requested", last);
        return !flight->error.message[0];
}

/* Absorbing during a dump stops at the exit of the next trigger. */
static bool dump(struct flight *flight, bool asked)
{
        while (asked || flight_trigger_due(flight))
                if (flight_trigger_due(flight) ? !dump_trigger(flight) : !dump_request(flight, &asked))
                        return false;
        return true;
}

/* Recovery converts stamps with the rate in the ring's header. */
static void sample_clock(struct flight *flight)
{
        stamp_clock_sample(&flight->clock);
        for (unsigned i = 0; i < flight->lane_count; i++)
                atomic_store_explicit(&flight->lane[i].ring->header->stamp_khz, stamp_clock_khz(&flight->clock),
                                      memory_order_relaxed);
}

/* Its producer may begin when this returns. */
static void begin_lane(struct flight *flight, struct ring *ring)
{
        struct flight_lane *lane = &flight->lane[flight->lane_count];

        memset(lane, 0, sizeof(*lane));
        lane->ring = ring;
        lane->vcpu = ring->header->vcpu;
        lane->fd = -1;
        ring->header->stamp_kind = flight->clock.kind;
        ring->header->stamp_origin = flight->clock.origin_stamp;
        flight->lane_count++;
}

static void take_joining(struct flight *flight)
{
        struct ring *ring = atomic_load_explicit(&flight->joining, memory_order_acquire);

        if (!ring)
                return;
        begin_lane(flight, ring);
        atomic_store_explicit(&flight->joining, NULL, memory_order_release);
}

static uint64_t absorbed(const struct flight *flight)
{
        uint64_t bytes = 0;

        for (unsigned i = 0; i < flight->lane_count; i++)
                bytes += flight->lane[i].position;
        return bytes;
}

static bool is_drained(const struct flight *flight)
{
        for (unsigned i = 0; i < flight->lane_count; i++)
                if (ring_head(flight->lane[i].ring) != flight->lane[i].position)
                        return false;
        return true;
}

static bool run(struct flight *flight)
{
        for (;;) {
                bool closing = consumer_is_closing(&flight->consumer);
                take_joining(flight);
                sample_clock(flight);
                uint64_t before = absorbed(flight);
                bool asked = atomic_exchange_explicit(&flight->dump_asked, false, memory_order_acquire);
                if (!flight_absorb(flight) || !dump(flight, asked))
                        return false;
                if (!is_drained(flight) || flight_trigger_wait(flight))
                        continue;
                if (closing)
                        return true;
                struct ring *first = flight->lane[0].ring;
                consumer_rest(&flight->consumer, first,
                              consumer_is_slow(&flight->consumer, first, absorbed(flight) - before));
        }
}

static void *main_loop(void *opaque)
{
        struct flight *flight = opaque;

        if (!run(flight)) {
                atomic_store_explicit(&flight->failed, true, memory_order_release);
                for (unsigned i = 0; i < flight->lane_count; i++)
                        ring_fail(flight->lane[i].ring);
                while (!consumer_is_closing(&flight->consumer))
                        consumer_rest(&flight->consumer, flight->lane[0].ring, true);
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
        free(flight->option);
        free((char *)(uintptr_t)flight->config.path);
        free(flight->window_text);
        free(flight->lane);
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

static bool open_window(struct flight *flight, const struct hwaccl_recorder_config *config, unsigned lanes,
                        struct hwaccl_error *error)
{
        flight->lane_max = config->vcpu_max > lanes ? config->vcpu_max : lanes;
        flight->lane = aligned_alloc(_Alignof(struct flight_lane), flight->lane_max * sizeof(*flight->lane));
        if (!flight->lane)
                return hwaccl_error_set(error, "out of memory");
        return check_place(config, error) && copy_config(flight, config, error) &&
               consumer_init(&flight->consumer, REST_NS, error);
}

static struct recorder_sink *create(const struct hwaccl_recorder_config *config, struct ring *const *rings,
                                    unsigned ring_count, enum stamp_kind stamps, struct hwaccl_error *error)
{
        struct flight *flight = calloc(1, sizeof(*flight));

        if (!flight) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        flight->sink.ops = &hwaccl_flight_recorder;
        flight->directory_fd = flight->kept_fd = -1;
        if (!open_window(flight, config, ring_count, error)) {
                destroy(flight);
                return NULL;
        }
        stamp_clock_start(&flight->clock, stamps);
        for (unsigned i = 0; i < ring_count; i++) {
                consumer_attach(&flight->consumer, rings[i]);
                begin_lane(flight, rings[i]);
        }
        if (flight_segments_open(flight, config->path, config->force, error) && flight_kept_open(flight, error) &&
            flight_dump_frame(flight, error) && consumer_start(&flight->consumer, main_loop, flight, error))
                return &flight->sink;
        flight_segments_close(flight, true);
        flight_kept_close(flight);
        consumer_destroy(&flight->consumer);
        destroy(flight);
        return NULL;
}

static bool add(struct recorder_sink *sink, struct ring *ring, struct hwaccl_error *error)
{
        struct flight *flight = of(sink);
        const struct timespec wait = {0, 200000};

        /* only this function makes the thread add lanes: their number does not change meanwhile */
        if (flight->lane_count == flight->lane_max)
                return hwaccl_error_set(error, "more than %u vCPUs", flight->lane_max);
        consumer_attach(&flight->consumer, ring);
        atomic_store_explicit(&flight->joining, ring, memory_order_release);
        consumer_call(&flight->consumer);
        while (atomic_load_explicit(&flight->joining, memory_order_acquire)) {
                if (atomic_load_explicit(&flight->failed, memory_order_acquire))
                        return hwaccl_error_set(error, "%s", flight->error.message);
                (void)nanosleep(&wait, NULL);
        }
        return true;
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

/* The first one last: recovery finds the others through it. */
static void destroy_rings(struct flight *flight, bool remove)
{
        for (unsigned i = flight->lane_count; i-- > 0;)
                ring_destroy(flight->lane[i].ring, remove);
}

/* On failure segments and rings stay, as after a crash: the newest exits are in the rings. */
static bool finish(struct recorder_sink *sink, const struct recording_end *end, struct hwaccl_error *error)
{
        struct flight *flight = of(sink);
        struct hwaccl_error reason = {""};
        bool written = false;

        consumer_join(&flight->consumer);
        if (!atomic_load_explicit(&flight->failed, memory_order_acquire)) {
                const struct flight_dump dump = {
                        .path = flight->config.path,
                        .reason = "the end of the run",
                        .force = flight->config.force,
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
        flight_kept_close(flight);
        destroy_rings(flight, written);
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
        .add = add,
        .error = why_it_stopped,
        .dump = ask,
        .finish = finish,
};
