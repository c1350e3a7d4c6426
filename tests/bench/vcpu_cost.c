/*
 * What recording costs on the vCPU thread: boots a firmware until it has printed a text, by turns unrecorded and
 * recorded, under the virtual clock, so that every run makes the same exits, and takes the thread's own processor time.
 * Prints one JSON object. Used by scripts/bench.
 *
 *      bench-vcpu-cost FIRMWARE TEXT RUNS DATABASE
 */
#include "hwaccl/live_inputs.h"
#include "hwaccl/machine.h"
#include "hwaccl/recorder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS_MAX 99

struct image {
        uint8_t *data;
        size_t size;
};

struct watch {
        const char *text;
        size_t matched;
        struct hwaccl_live_inputs *live;
};

struct cost {
        uint64_t exits;
        uint64_t thread_ns;
        uint64_t wall_ns;
};

static void die(const char *what, const struct hwaccl_error *error)
{
        (void)fprintf(stderr, "bench-vcpu-cost: %s%s%s\n", what, error ? ": " : "", error ? error->message : "");
        exit(2);
}

static uint64_t now(clockid_t clock)
{
        struct timespec time;
        if (clock_gettime(clock, &time) != 0)
                die("clock_gettime failed", NULL);
        return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static struct image load(const char *path)
{
        struct image image = {NULL, 0};
        FILE *file = fopen(path, "rb");
        if (!file || fseek(file, 0, SEEK_END) != 0)
                die("the firmware cannot be read", NULL);
        long size = ftell(file);
        if (size <= 0 || fseek(file, 0, SEEK_SET) != 0)
                die("the firmware is empty", NULL);
        image.size = (size_t)size;
        image.data = malloc(image.size);
        if (!image.data || fread(image.data, 1, image.size, file) != image.size)
                die("the firmware cannot be read", NULL);
        (void)fclose(file);
        return image;
}

static void watch_console(void *opaque, enum hwaccl_channel channel, const void *data, size_t size)
{
        struct watch *watch = opaque;
        const char *text = data;

        for (size_t i = 0; channel == HWACCL_CHANNEL_DEBUG_402 && i < size; i++) {
                watch->matched = text[i] == watch->text[watch->matched] ? watch->matched + 1 : 0;
                if (watch->text[watch->matched] == '\0') {
                        hwaccl_live_inputs_stop(watch->live, HWACCL_STOP_UNTIL);
                        watch->matched = 0;
                }
        }
}

static struct cost boot(const struct image *firmware, const char *text, const char *database)
{
        struct hwaccl_error error;
        const struct hwaccl_machine_config config = {
                .memory_size = UINT64_C(128) << 20,
                .tsc_khz = 1000000,
                .backed = true,
                .firmware = firmware->data,
                .firmware_size = firmware->size,
        };
        struct hwaccl_machine *machine = hwaccl_machine_create(&config, &error);
        if (!machine)
                die("no machine", &error);
        struct hwaccl_accel *accel = hwaccl_accel_soft_create(&machine->memory, NULL, NULL, &error);
        if (!accel)
                die("no accelerator", &error);
        const struct hwaccl_live_inputs_config inputs = {
                .clock = HWACCL_CLOCK_VIRTUAL,
                .memory = &machine->memory,
                .wall_time = 946684800,
                .console_fd = -1,
        };
        struct hwaccl_live_inputs *live = hwaccl_live_inputs_create(&inputs, &error);
        if (!live)
                die("no inputs", &error);
        hwaccl_live_inputs_attach(live, accel);
        struct hwaccl_recorder *recorder = NULL;
        if (database) {
                const struct hwaccl_recorder_config recording = {
                        .path = database,
                        .force = true,
                        .devices = machine->device,
                        .device_count = machine->device_count,
                };
                recorder = hwaccl_recorder_create(&recording, &error);
                if (!recorder)
                        die("no recorder", &error);
        }
        hwaccl_machine_attach(machine, accel, hwaccl_live_inputs_interface(live),
                              recorder ? hwaccl_recorder_probe(recorder) : NULL);
        struct watch watch = {text, 0, live};
        machine->host.console = watch_console;
        machine->host.console_opaque = &watch;

        struct cost cost;
        uint64_t wall = now(CLOCK_MONOTONIC);
        uint64_t thread = now(CLOCK_THREAD_CPUTIME_ID);
        enum hwaccl_end end = hwaccl_machine_run(machine, &error);
        cost.thread_ns = now(CLOCK_THREAD_CPUTIME_ID) - thread;
        cost.wall_ns = now(CLOCK_MONOTONIC) - wall;
        cost.exits = machine->vcpu.exit_count;
        if (end != HWACCL_END_STOPPED)
                die("the guest did not print the text", end == HWACCL_END_ERROR ? &error : NULL);
        if (recorder && !hwaccl_recorder_finish(recorder, end, machine->exit_code, NULL, &error))
                die("the recording failed", &error);
        hwaccl_live_inputs_destroy(live);
        accel->ops->destroy(accel);
        hwaccl_machine_destroy(machine);
        return cost;
}

static int ascending(const void *left, const void *right)
{
        uint64_t a = *(const uint64_t *)left;
        uint64_t b = *(const uint64_t *)right;
        return (a > b) - (a < b);
}

static uint64_t median(uint64_t *values, size_t count)
{
        qsort(values, count, sizeof(*values), ascending);
        return values[count / 2];
}

int main(int argc, char **argv)
{
        long runs = argc == 5 ? strtol(argv[3], NULL, 10) : 0;
        if (runs < 1 || runs > RUNS_MAX) {
                (void)fprintf(stderr, "usage: bench-vcpu-cost FIRMWARE TEXT RUNS DATABASE (1 to %d runs)\n", RUNS_MAX);
                return 2;
        }
        struct image firmware = load(argv[1]);
        uint64_t thread[2][RUNS_MAX];
        uint64_t wall[2][RUNS_MAX];
        uint64_t exits = 0;

        (void)boot(&firmware, argv[2], NULL); /* warms caches, counts for nothing */
        for (long run = 0; run < runs; run++) {
                for (int recorded = 0; recorded < 2; recorded++) {
                        struct cost cost = boot(&firmware, argv[2], recorded ? argv[4] : NULL);
                        if (exits && cost.exits != exits)
                                die("two runs under the virtual clock made different numbers of exits", NULL);
                        exits = cost.exits;
                        thread[recorded][run] = cost.thread_ns;
                        wall[recorded][run] = cost.wall_ns;
                }
        }
        free(firmware.data);
        uint64_t plain = median(thread[0], (size_t)runs);
        uint64_t recorded = median(thread[1], (size_t)runs);
        printf("{\"exits\": %" PRIu64 ", \"unrecorded_thread_ns\": %" PRIu64 ", \"recorded_thread_ns\": %" PRIu64
               ", \"unrecorded_wall_ns\": %" PRIu64 ", \"recorded_wall_ns\": %" PRIu64
               ", \"record_ns_per_exit\": %.1f}\n",
               exits, plain, recorded, median(wall[0], (size_t)runs), median(wall[1], (size_t)runs),
               ((double)recorded - (double)plain) / (double)exits);
        return 0;
}
