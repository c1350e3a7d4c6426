/*
 * A flight recorder that runs for long: EXITS exits go through a window of 100,000 within fixed disk space and memory,
 * a window is written out on the way, and the last one is whole. Prints what it took; exit status 1 when it was more
 * than may be.
 *
 *      flight_endurance EXITS
 */
#include "core/machine/machine.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/recording.h"
#include "tracer/record/flight/flight_recorder.h"
#include "tracer/record/recorder.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW   UINT64_C(100000)
#define INTERVAL 256u

/* Records of these exits: about 130 bytes each, a 512-byte entry every 256 exits and the device's state. */
#define DISK_MOST   (WINDOW * 150 * 12 / 10 + (UINT64_C(2) << 20))
#define MEMORY_MOST (UINT64_C(32) << 20) /* most of it SQLite's cache while a window is written out */

static char directory[] = "/tmp/hwaccl-endurance-XXXXXX";
static _Atomic unsigned windows;

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail(const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vfprintf(stderr, format, arguments);
        va_end(arguments);
        (void)fputc('\n', stderr);
        exit(1);
}

static void written(void *opaque, const char *text)
{
        (void)opaque;
        (void)printf("%s\n", text);
        atomic_fetch_add(&windows, 1);
}

static uint64_t size_of_files(const char *name)
{
        uint64_t sum = 0;
        struct dirent *entry;
        DIR *files = opendir(name);

        while (files && (entry = readdir(files))) {
                struct stat status;
                char inner[PATH_MAX];
                if (entry->d_name[0] == '.' || fstatat(dirfd(files), entry->d_name, &status, 0) != 0)
                        continue;
                (void)snprintf(inner, sizeof(inner), "%s/%s", name, entry->d_name);
                if (S_ISDIR(status.st_mode))
                        sum += size_of_files(inner);
                else if (!strstr(entry->d_name, ".db") || strstr(entry->d_name, "-ring"))
                        sum += (uint64_t)status.st_size; /* what was written out is the user's */
        }
        if (files)
                (void)closedir(files);
        return sum;
}

/* Anonymous memory of this process, bytes: the ring and segments are files. */
static uint64_t memory(void)
{
        FILE *status = fopen("/proc/self/status", "r");
        char line[256];
        uint64_t kib = 0;

        while (status && fgets(line, sizeof(line), status))
                if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1)
                        break;
        if (status)
                (void)fclose(status);
        return kib * 1024;
}

struct counter {
        struct hwaccl_device device;
        uint64_t value;
};

static const struct hwaccl_device_field fields[] = {HWACCL_DEVICE_FIELD(struct counter, value)};
static const struct hwaccl_device_ops counter_ops = {.name = "counter", .fields = fields, .field_count = 1};

static void one_exit(struct hwaccl_probe *probe, struct hwaccl_subject_state *state, uint64_t number)
{
        static const struct hwaccl_pending_interrupts none = {{0, 0, 0, 0}};
        struct hwaccl_input clock = {.kind = HWACCL_INPUT_CLOCK, .value = 1000 * number};
        struct hwaccl_error error;

        probe->ops->transfer_in(probe, state);
        hwaccl_probe_entry(probe);
        state->exit_reason = HWACCL_EXIT_IO_INSTRUCTION;
        state->exit_qualification = (number & 0xff) << 16;
        state->rip += 2;
        state->rax = number;
        probe->ops->exit(probe, state, &none);
        probe->ops->input(probe, &clock);
        probe->ops->verdict(probe, HWACCL_VERDICT_EMULATE);
        if (!probe->ops->handled(probe, HWACCL_OUTCOME_COMPLETED, &error))
                fail("%s", error.message);
}

static struct hwaccl_recorder *start(const char *path, struct counter *counter)
{
        static struct hwaccl_device *devices[1];
        struct hwaccl_error error;
        struct hwaccl_flight_config flight = {.window = {.exits = WINDOW}, .text = "100000exits", .notice = written};
        struct hwaccl_flight_trigger trigger;

        devices[0] = &counter->device;
        if (!hwaccl_flight_trigger_parse("rip=0xc0df", &trigger, &error))
                fail("%s", error.message);
        flight.trigger = &trigger;
        flight.trigger_count = 1;
        struct hwaccl_recorder_config config = {.path = path,
                                                .devices = devices,
                                                .device_count = 1,
                                                .keyframe_interval = INTERVAL,
                                                .sink = &hwaccl_flight_recorder,
                                                .sink_settings = &flight};
        struct hwaccl_recorder *recorder = hwaccl_recorder_create(&config, &error);
        if (!recorder)
                fail("%s", error.message);
        return recorder;
}

static void found(void *opaque, const char *text)
{
        (void)opaque;
        fail("%s", text);
}

/* The window is whole: the newest exits, each with its own number in RAX. */
static void read_back(const char *path, uint64_t exits)
{
        struct hwaccl_error error;
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        const struct hwaccl_recorded_exit *exit;
        uint64_t first, end;

        if (!recording || !hwaccl_recording_range(recording, 0, &first, &end, &error) ||
            !hwaccl_recording_check(recording, found, NULL, &error))
                fail("%s", error.message);
        if (end != exits || end - first < WINDOW || end - first > WINDOW + WINDOW / 16 + INTERVAL)
                fail("the window is %" PRIu64 " to %" PRIu64, first, end);
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, 0, first, &error);
        uint64_t number = first;
        while (cursor && hwaccl_exit_cursor_next(cursor, &exit, &error) == 1) {
                if (exit->number != number || exit->exit->rax != number)
                        fail("exit %" PRIu64 " is number %" PRIu64 ", its RAX %" PRIu64, number, exit->number,
                             exit->exit->rax);
                number++;
        }
        if (number != end)
                fail("the window ends at exit %" PRIu64, number);
        hwaccl_exit_cursor_close(cursor);
        hwaccl_recording_close(recording);
}

static void clean(const char *path)
{
        char beside[sizeof(directory) + 32];

        (void)unlink(path);
        for (unsigned i = 1; i <= 2; i++) {
                (void)snprintf(beside, sizeof(beside), "%s/long-%u.db", directory, i);
                (void)unlink(beside);
        }
        if (rmdir(directory) != 0)
                fail("%s: something was left behind", directory);
}

int main(int argc, char **argv)
{
        uint64_t exits = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
        char path[sizeof(directory) + 16];
        struct counter counter = {.device = {.ops = &counter_ops}};
        struct hwaccl_subject_state state;
        struct hwaccl_error error;
        uint64_t disk = 0, most = 0;

        if (exits < 4 * WINDOW || !mkdtemp(directory))
                fail("usage: flight_endurance EXITS, at least %" PRIu64, 4 * WINDOW);
        (void)snprintf(path, sizeof(path), "%s/long.db", directory);
        memset(&state, 0, sizeof(state));
        struct hwaccl_recorder *recorder = start(path, &counter);
        struct hwaccl_probe *probe = hwaccl_recorder_probe(recorder);
        for (uint64_t i = 0; i < exits; i++) {
                counter.value = i;
                state.rip = i == exits / 2 ? 0xc0df - 2 : 2 * (i & 0xffff);
                if (i == exits / 2 + WINDOW)
                        hwaccl_recorder_dump(recorder);
                one_exit(probe, &state, i);
                if (i % (exits / 64) == 0) {
                        uint64_t now = size_of_files(directory);
                        disk = now > disk ? now : disk;
                        now = memory();
                        most = now > most ? now : most;
                }
        }
        if (!hwaccl_recorder_finish(recorder, HWACCL_END_EXIT_CODE, 0, NULL, &error))
                fail("%s", error.message);
        read_back(path, exits);
        (void)printf("%" PRIu64 " exits: at most %" PRIu64 " KiB on disk, %" PRIu64 " KiB of memory\n", exits,
                     disk >> 10, most >> 10);
        if (disk > DISK_MOST)
                fail("that is more than %" PRIu64 " KiB on disk", DISK_MOST >> 10);
#ifdef __SANITIZE_ADDRESS__
        most = 0; /* what is freed is kept, to find who uses it */
#endif
        if (most > MEMORY_MOST)
                fail("that is more than %" PRIu64 " KiB of memory", MEMORY_MOST >> 10);
        if (atomic_load(&windows) != 2)
                fail("%u windows were written on the way, not 2", atomic_load(&windows));
        clean(path);
        return 0;
}
