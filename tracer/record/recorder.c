#include "tracer/record/recorder_internal.h"

#include "core/assert.h"
#include "tracer/database/writer_database.h"
#include "tracer/record/writer.h"
#include "tracer/ring/consumer.h"
#include "tracer/ring/exit_id.h"
#include "tracer/ring/ring_files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A recorder is within one page, because its data is cold after the guest ran. */
#define RECORDER_ALIGNMENT 1024u
_Static_assert(sizeof(struct hwaccl_recorder) <= RECORDER_ALIGNMENT, "the alignment is its room");

/* A record takes at most half of the smallest ring. */
#define RECORD_SIZE_MAX (RING_SIZE_MIN / 2 - sizeof(struct ring_bytes))

static bool check_devices(const struct hwaccl_recorder_config *config, struct hwaccl_error *error)
{
        size_t together = 0;

        for (size_t i = 0; i < config->device_count; i++) {
                const char *name = config->devices[i]->ops->name;
                if (hwaccl_device_state_size(config->devices[i]) > HWACCL_DEVICE_STATE_MAX)
                        return hwaccl_error_set(error, "device %s: its state is larger than %u bytes", name,
                                                HWACCL_DEVICE_STATE_MAX);
                together += hwaccl_device_state_size(config->devices[i]);
                for (size_t j = 0; j < i; j++)
                        if (strcmp(config->devices[j]->ops->name, name) == 0)
                                return hwaccl_error_set(error, "duplicate device name: %s", name);
        }
        return together <= RECORD_SIZE_MAX ||
               hwaccl_error_set(error, "the total device state is larger than %zu bytes", RECORD_SIZE_MAX);
}

bool recorder_create_ring(struct ring *ring, const struct hwaccl_recorder_config *config, unsigned index, uint32_t lane,
                          struct hwaccl_error *error)
{
        char *path = ring_file_path(config->path, index);

        if (!path)
                return hwaccl_error_set(error, "out of memory");
        uint64_t size = config->ring_size ? config->ring_size : config->sink->ring_size(config->sink_settings);
        bool good = (index > 0 || ring_files_clear(config->path, config->force, error)) &&
                    ring_create(ring, path, size, config->mode, error);
        free(path);
        if (good) {
                ring->header->vcpu = lane;
                ring->header->keyframe_interval = config->keyframe_interval;
                ring_announce(ring);
        }
        return good;
}

static bool make_files(struct hwaccl_recorder *recorder, const struct hwaccl_recorder_config *config,
                       struct hwaccl_error *error)
{
        if (!recorder_create_ring(&recorder->ring, config, 0, config->vcpu, error))
                return false;
        recorder->sink =
                config->sink->create(config, &(struct ring *){&recorder->ring}, 1, recorder->lane.stamp_kind, error);
        if (recorder->sink)
                ring_producer_init(&recorder->lane.producer, &recorder->ring);
        else
                ring_destroy(&recorder->ring, true);
        return recorder->sink != NULL;
}

struct hwaccl_recorder *hwaccl_recorder_create(const struct hwaccl_recorder_config *config, struct hwaccl_error *error)
{
        struct hwaccl_recorder_config settings = *config;

        if (settings.keyframe_interval == 0)
                settings.keyframe_interval = HWACCL_KEYFRAME_INTERVAL_DEFAULT;
        if (!settings.sink)
                settings.sink = &recorder_writer;
        settings.keyframe_interval =
                settings.sink->keyframe_interval(settings.sink_settings, settings.keyframe_interval);
        if (settings.vcpu > VCPU_MAX) {
                hwaccl_error_set(error, "vCPU number %u is greater than %u", settings.vcpu, VCPU_MAX);
                return NULL;
        }
        if (!check_devices(&settings, error))
                return NULL;
        struct hwaccl_recorder *recorder = aligned_alloc(RECORDER_ALIGNMENT, RECORDER_ALIGNMENT);
        if (!recorder) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        memset(recorder, 0, sizeof(*recorder));
        lane_init(&recorder->lane, stamp_kind_detect(), settings.keyframe_interval,
                  settings.sink->keyframe_bytes(settings.sink_settings));
        recorder->lane.own_times = true;
        recorder_start_probe(recorder);
        recorder->devices = settings.devices;
        recorder->device_count = settings.device_count;
        for (size_t i = 0; i < settings.device_count; i++)
                recorder->device_bytes += hwaccl_device_state_size(settings.devices[i]);
        bool mine = consumer_block_file_size_signal();
        bool good = make_files(recorder, &settings, error);
        consumer_unblock_file_size_signal(mine);
        if (good)
                return recorder;
        free(recorder);
        return NULL;
}

struct hwaccl_probe *hwaccl_recorder_probe(struct hwaccl_recorder *recorder)
{
        return &recorder->probe;
}

void hwaccl_recorder_annotate(struct hwaccl_recorder *recorder, const char *name, const char *value)
{
        (void)lane_annotation(&recorder->lane, name, value);
}

bool hwaccl_recorder_finish(struct hwaccl_recorder *recorder, unsigned end, uint64_t end_code, const char *end_message,
                            struct hwaccl_error *error)
{
        struct recording_end how = {end, end_code, end_message, recorder->write_memory, recorder->memory};
        struct hwaccl_error ignored;

        /* in the middle of an exit's handling devices may be between two states */
        bool whole = recorder->lane.phase != LANE_HANDLING;
        lane_end(&recorder->lane);
        if (whole)
                recorder_snapshot(recorder, true);
        (void)lane_thread_time(&recorder->lane, RING_THREAD_END);
        lane_end(&recorder->lane); /* publish these too */
        bool good = recorder->sink->ops->finish(recorder->sink, &how, error ? error : &ignored);
        free(recorder);
        return good;
}

void hwaccl_recorder_dump(struct hwaccl_recorder *recorder)
{
        recorder->sink->ops->dump(recorder->sink);
}
