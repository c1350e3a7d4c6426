/* A recording of synthetic exits in a directory of its own. Include after cmocka.h. */
#ifndef HWACCL_TESTS_RECORDING_FIXTURE_H
#define HWACCL_TESTS_RECORDING_FIXTURE_H

#include "hwaccl/machine.h"
#include "hwaccl/recorder.h"
#include "hwaccl/recording.h"

#include "synthetic_exits.h"

#include <stdio.h>
#include <unistd.h>

static char directory[] = "/tmp/hwaccl-recorder-XXXXXX";
static char path[sizeof(directory) + 16];

static inline int make_directory(void **state)
{
        (void)state;
        if (!mkdtemp(directory))
                return -1;
        (void)snprintf(path, sizeof(path), "%s/guest.hwr", directory);
        return 0;
}

static inline int remove_directory(void **state)
{
        (void)state;
        return rmdir(directory);
}

/* Of the recording's files: "-ring" and the like. */
static inline bool exists(const char *suffix)
{
        char file[sizeof(path) + 32];

        (void)snprintf(file, sizeof(file), "%s%s", path, suffix);
        return access(file, F_OK) == 0;
}

static inline int remove_recording(void **state)
{
        static const char *const suffix[] = {"", "-wal", "-shm", "-journal", "-ring"};

        (void)state;
        for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
                char file[sizeof(path) + 16];
                (void)snprintf(file, sizeof(file), "%s%s", path, suffix[i]);
                (void)unlink(file);
        }
        return 0;
}

static inline struct hwaccl_recorder *create(struct synthetic *synthetic, uint32_t keyframe_interval, size_t ring_size)
{
        static struct hwaccl_device *devices[2];
        static const struct hwaccl_recording_option options[] = {{"memory", "64M"}, {"clock", "virtual"}};
        struct hwaccl_error error = {""};

        devices[0] = &synthetic->device[0].device;
        devices[1] = &synthetic->device[1].device;
        struct hwaccl_recorder_config config = {.path = path,
                                                .options = options,
                                                .option_count = 2,
                                                .devices = devices,
                                                .device_count = 2,
                                                .keyframe_interval = keyframe_interval,
                                                .ring_size = ring_size};
        struct hwaccl_recorder *recorder = hwaccl_recorder_create(&config, &error);
        if (!recorder)
                fail_msg("%s", error.message);
        return recorder;
}

static inline void record(uint64_t seed, uint64_t exits, uint32_t keyframe_interval, size_t ring_size)
{
        struct synthetic synthetic;
        struct hwaccl_error error = {""};

        synthetic_start(&synthetic, seed);
        struct hwaccl_recorder *recorder = create(&synthetic, keyframe_interval, ring_size);
        struct hwaccl_probe *probe = hwaccl_recorder_probe(recorder);
        for (uint64_t i = 0; i < exits; i++) {
                synthetic_next(&synthetic);
                assert_true(synthetic_observe(&synthetic, probe, true, &error));
        }
        probe->ops->transfer_in(probe, &synthetic.state);
        hwaccl_recorder_annotate(recorder, "digest", "0123");
        if (!hwaccl_recorder_finish(recorder, HWACCL_END_EXIT_CODE, 42, NULL, &error))
                fail_msg("%s", error.message);
}

static inline struct hwaccl_recording *open_recording(void)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);

        if (!recording)
                fail_msg("%s", error.message);
        return recording;
}

#endif
