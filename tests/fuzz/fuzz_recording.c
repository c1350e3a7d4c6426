/*
 * Bytes as a database file: opening, iterating from both ends, asking for devices and checking never crash. The input
 * is laid over a good recording: four bytes of offset, then what stands there; without that nearly every input would
 * end at SQLite's header. An input that begins with "SQLite" is taken as the whole file.
 */
#include "hwaccl/recording.h"
#include "tracer/record/recorder.h"

#include "tests/fixtures/synthetic_exits.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/hwaccl-fuzz-XXXXXX";
static char path[sizeof(directory) + 16];
static uint8_t *good;
static size_t good_size;

static void fail(const char *what)
{
        perror(what);
        abort();
}

static void record(void)
{
        static struct synthetic synthetic;
        struct hwaccl_error error = {""};

        synthetic_start(&synthetic, 1);
        struct hwaccl_device *devices[2] = {&synthetic.device[0].device, &synthetic.device[1].device};
        const struct hwaccl_recorder_config config = {
                .path = path, .devices = devices, .device_count = 2, .keyframe_interval = 8, .ring_size = 256 << 10};
        struct hwaccl_recorder *recorder = hwaccl_recorder_create(&config, &error);
        if (!recorder)
                fail(error.message);
        struct hwaccl_probe *probe = hwaccl_recorder_probe(recorder);
        for (unsigned i = 0; i < 40; i++) {
                synthetic_next(&synthetic);
                (void)synthetic_observe(&synthetic, probe, true, &error);
        }
        probe->ops->transfer_in(probe, &synthetic.state);
        if (!hwaccl_recorder_finish(recorder, 0, 0, NULL, &error))
                fail(error.message);
}

static void make_good(void)
{
        struct stat status;

        if (!mkdtemp(directory))
                fail("mkdtemp");
        (void)snprintf(path, sizeof(path), "%s/good.hwr", directory);
        record();
        int fd = open(path, O_RDONLY);
        if (fd < 0 || fstat(fd, &status) != 0)
                fail(path);
        good_size = (size_t)status.st_size;
        good = malloc(good_size);
        if (!good || read(fd, good, good_size) != (ssize_t)good_size)
                fail(path);
        (void)close(fd);
        (void)unlink(path);
}

static void ignore(void *opaque, const char *text)
{
        (void)opaque;
        (void)text;
}

static bool read_recording(void)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        const struct hwaccl_recorded_device_field *fields;
        size_t count;
        const struct hwaccl_subject_state *after;
        struct hwaccl_subject_state state;
        struct hwaccl_known_fields known;
        uint64_t start;

        if (!recording)
                return false;
        for (uint64_t first = 0; first < 40; first += 13) {
                struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, 0, first, &error);
                const struct hwaccl_recorded_exit *exit;
                for (unsigned i = 0; cursor && i < 100 && hwaccl_exit_cursor_next(cursor, &exit, &error) == 1; i++)
                        ;
                if (cursor)
                        (void)hwaccl_exit_cursor_after(cursor, &after, &known, &error);
                hwaccl_exit_cursor_close(cursor);
                (void)hwaccl_recording_state(recording, 0, first, HWACCL_MOMENT_HANDLED, &state, &known, &error);
                (void)hwaccl_recording_replay_start(recording, 0, first, &start, &error);
        }
        (void)hwaccl_recording_device_fields(recording, 0, 15, &fields, &count, &error);
        (void)hwaccl_recording_check(recording, ignore, NULL, &error);
        struct hwaccl_fault_chain chain;
        for (uint64_t number = 0; number < 40; number++)
                (void)hwaccl_recording_faults(recording, 0, number, &chain, &error);
        uint8_t memory[64];
        uint64_t address, size;
        bool writable;
        for (size_t i = 0; hwaccl_recording_memory_range(recording, i, &address, &size, &writable); i++)
                (void)hwaccl_recording_memory_read(recording, address, memory, sizeof(memory));
        hwaccl_recording_close(recording);
        return true;
}

static void clean_up(void)
{
        (void)unlink(path);
        (void)rmdir(directory);
        free(good);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static int fd = -1;

        if (!good) {
                make_good();
                if ((fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0 || atexit(clean_up) != 0)
                        fail(path);
                if (pwrite(fd, good, good_size, 0) != (ssize_t)good_size || !read_recording())
                        fail("the good recording cannot be read");
        }
        if (ftruncate(fd, 0) != 0)
                fail("ftruncate");
        bool whole = size >= 6 && memcmp(data, "SQLite", 6) == 0;
        if (whole) {
                if (pwrite(fd, data, size, 0) != (ssize_t)size)
                        fail("pwrite");
        } else {
                uint32_t offset = 0;
                if (pwrite(fd, good, good_size, 0) != (ssize_t)good_size)
                        fail("pwrite");
                if (size >= sizeof(offset)) {
                        memcpy(&offset, data, sizeof(offset));
                        data += sizeof(offset);
                        size -= sizeof(offset);
                }
                offset %= (uint32_t)good_size;
                if (size > good_size - offset)
                        size = good_size - offset;
                if (pwrite(fd, data, size, (off_t)offset) != (ssize_t)size)
                        fail("pwrite");
        }
        (void)read_recording();
        return 0;
}
