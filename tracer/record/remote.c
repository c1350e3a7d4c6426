#include "tracer/record/remote.h"

#include "tracer/database/writer_database.h"
#include "tracer/record/recorder_internal.h"
#include "tracer/record/writer.h"
#include "tracer/ring/consumer.h"
#include "tracer/ring/lane.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct remote_recording {
        struct recorder_sink *sink;
        struct hwaccl_recorder_config config; /* of the rings; path owned */
        unsigned ring_count;
        uint64_t keyframe_bytes;
        _Atomic unsigned vcpu_count;
        _Atomic unsigned thread_count;
        uint8_t vcpu[REMOTE_VCPU_MAX]; /* which ring is theirs */
        uint8_t thread[REMOTE_THREAD_MAX];
        struct ring ring[RING_FILES_MAX];
};

static void destroy(struct remote_recording *remote)
{
        free((char *)(uintptr_t)remote->config.path);
        free(remote);
}

static bool open_first(struct remote_recording *remote, const struct hwaccl_recorder_config *config,
                       struct hwaccl_error *error)
{
        struct ring *first = &remote->ring[0];

        if (!recorder_create_ring(first, config, 0, 0, error))
                return false;
        remote->sink = config->sink->create(config, &first, 1, stamp_kind_detect(), error);
        if (!remote->sink)
                ring_destroy(first, true);
        return remote->sink != NULL;
}

struct remote_recording *remote_create(const struct hwaccl_recorder_config *config, struct hwaccl_error *error)
{
        struct remote_recording *remote = aligned_alloc(64, (sizeof(*remote) + 63) & ~(size_t)63);
        struct hwaccl_recorder_config settings = *config;

        if (!remote) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        memset(remote, 0, sizeof(*remote));
        settings.vcpu = 0;
        settings.vcpu_max = RING_FILES_MAX;
        if (!settings.sink)
                settings.sink = &recorder_writer;
        if (settings.keyframe_interval == 0)
                settings.keyframe_interval = HWACCL_KEYFRAME_INTERVAL_DEFAULT;
        settings.keyframe_interval =
                settings.sink->keyframe_interval(settings.sink_settings, settings.keyframe_interval);
        if (!settings.ring_size)
                settings.ring_size = settings.sink->ring_size(settings.sink_settings);
        remote->keyframe_bytes = settings.sink->keyframe_bytes(settings.sink_settings);
        bool mine = consumer_block_file_size_signal();
        bool good = open_first(remote, &settings, error);
        consumer_unblock_file_size_signal(mine);
        if (!good) {
                destroy(remote);
                return NULL;
        }
        /* what the other rings need */
        remote->config = (struct hwaccl_recorder_config){.path = strdup(settings.path),
                                                         .mode = settings.mode,
                                                         .keyframe_interval = settings.keyframe_interval,
                                                         .ring_size = settings.ring_size,
                                                         .sink = settings.sink};
        remote->vcpu_count = remote->ring_count = 1;
        if (remote->config.path)
                return remote;
        hwaccl_error_set(error, "out of memory");
        (void)remote_finish(remote, HWACCL_END_ERROR, 0, "out of memory", &(struct hwaccl_error){""});
        return NULL;
}

unsigned remote_vcpu_count(const struct remote_recording *remote)
{
        return atomic_load(&remote->vcpu_count);
}

/* @size: of the ring; 0: as the others */
static bool add_ring(struct remote_recording *remote, uint32_t lane, uint64_t size, struct hwaccl_error *error)
{
        struct ring *ring = &remote->ring[remote->ring_count];
        struct hwaccl_recorder_config config = remote->config;

        if (size)
                config.ring_size = (size_t)size;
        bool mine = consumer_block_file_size_signal();
        bool good = recorder_create_ring(ring, &config, remote->ring_count, lane, error);
        consumer_unblock_file_size_signal(mine);
        if (!good)
                return false;
        if (!remote->sink->ops->add(remote->sink, ring, error)) {
                ring_destroy(ring, true);
                return false;
        }
        remote->ring_count++;
        return true;
}

bool remote_add_vcpu(struct remote_recording *remote, struct hwaccl_error *error)
{
        unsigned number = remote->vcpu_count;

        if (number == REMOTE_VCPU_MAX)
                return hwaccl_error_set(error, "more than %u vCPUs", REMOTE_VCPU_MAX);
        remote->vcpu[number] = (uint8_t)remote->ring_count;
        if (!add_ring(remote, number, 0, error))
                return false;
        atomic_store(&remote->vcpu_count, number + 1);
        return true;
}

bool remote_add_thread(struct remote_recording *remote, struct hwaccl_error *error)
{
        unsigned number = remote->thread_count;

        if (number == REMOTE_THREAD_MAX)
                return hwaccl_error_set(error, "more than %u threads", REMOTE_THREAD_MAX);
        remote->thread[number] = (uint8_t)remote->ring_count;
        if (!add_ring(remote, LANE_THREAD_FIRST + number, REMOTE_THREAD_RING_SIZE, error))
                return false;
        atomic_store(&remote->thread_count, number + 1);
        return true;
}

unsigned remote_thread_count(const struct remote_recording *remote)
{
        return atomic_load(&remote->thread_count);
}

int remote_ring_fd(const struct remote_recording *remote, unsigned vcpu)
{
        return vcpu < remote_vcpu_count(remote) ? remote->ring[remote->vcpu[vcpu]].fd : -1;
}

int remote_thread_fd(const struct remote_recording *remote, unsigned thread)
{
        return thread < remote_thread_count(remote) ? remote->ring[remote->thread[thread]].fd : -1;
}

void remote_produce(struct remote_recording *remote, unsigned vcpu, struct ring_producer *producer)
{
        ring_producer_init(producer, &remote->ring[remote->vcpu[vcpu]]);
}

struct remote_keyframes remote_keyframes(const struct remote_recording *remote)
{
        return (struct remote_keyframes){remote->config.keyframe_interval, remote->keyframe_bytes};
}

void remote_dump(struct remote_recording *remote)
{
        remote->sink->ops->dump(remote->sink);
}

uint64_t remote_exits(const struct remote_recording *remote)
{
        uint64_t exits = 0;

        for (unsigned i = 0; i < remote_vcpu_count(remote); i++)
                exits += atomic_load_explicit(&remote->ring[remote->vcpu[i]].header->completed, memory_order_relaxed);
        return exits;
}

uint64_t remote_ms_since(const struct remote_recording *remote, uint64_t stamp)
{
        const struct ring_header *header = remote->ring[0].header;
        enum stamp_kind kind = header->stamp_kind == STAMP_TSC ? STAMP_TSC : STAMP_MONOTONIC;
        uint64_t khz = atomic_load_explicit(&header->stamp_khz, memory_order_relaxed);
        uint64_t now = stamp_now(kind);

        return khz && now > stamp ? (now - stamp) / khz : 0;
}

/* Continues where the producer has stopped: an annotation may stand anywhere. */
void remote_annotate(struct remote_recording *remote, const char *name, const char *value)
{
        struct lane lane = {.stopped = false};

        lane_init(&lane, stamp_kind_detect(), remote->config.keyframe_interval, UINT64_MAX);
        ring_producer_init(&lane.producer, &remote->ring[0]);
        (void)lane_annotation(&lane, name, value);
}

bool remote_finish(struct remote_recording *remote, unsigned end, uint64_t end_code, const char *end_message,
                   struct hwaccl_error *error)
{
        const struct recording_end how = {.end = end, .code = end_code, .message = end_message};
        bool good = remote->sink->ops->finish(remote->sink, &how, error);

        destroy(remote);
        return good;
}
