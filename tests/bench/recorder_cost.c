/*
 * What recorder and reader cost by themselves: a mix of exits like that of a firmware's boot goes through the probe to
 * the real writer, and is read back. Prints one JSON object.
 *
 *      bench-recorder-cost EXITS DATABASE [RING MIB]
 */
#include "hwaccl/recording.h"
#include "tracer/record/recorder.h"

#include "tests/bench/firmware_mix.h"

#include <inttypes.h>
#include <sys/stat.h>

static void read_back(const char *path, uint64_t exits)
{
        struct hwaccl_error error;
        uint64_t begin = now(CLOCK_MONOTONIC);
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        if (!recording)
                die("open", &error);
        uint64_t opened = now(CLOCK_MONOTONIC);
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, 0, 0, &error);
        if (!cursor)
                die("cursor", &error);
        const struct hwaccl_recorded_exit *exit;
        uint64_t count = 0;
        int result;
        while ((result = hwaccl_exit_cursor_next(cursor, &exit, &error)) == 1)
                count++;
        if (result != 0 || count != exits)
                die("read", &error);
        uint64_t end = now(CLOCK_MONOTONIC);
        hwaccl_exit_cursor_close(cursor);
        hwaccl_recording_close(recording);
        printf("\"open_ms\": %.2f, \"read_exits_per_s\": %.0f}\n", (double)(opened - begin) / 1e6,
               (double)exits * 1e9 / (double)(end - opened));
}

int main(int argc, char **argv)
{
        uint64_t exits = argc == 3 || argc == 4 ? strtoull(argv[1], NULL, 10) : 0;
        size_t ring_size = argc == 4 ? strtoull(argv[3], NULL, 10) << 20 : 0;
        struct hwaccl_error error;

        if (exits == 0) {
                (void)fprintf(stderr, "usage: bench-recorder-cost EXITS DATABASE [RING MIB]\n");
                return 2;
        }
        struct hwaccl_probe nobody = {&ignoring};
        run_mix(&nobody, exits);
        uint64_t thread = now(CLOCK_THREAD_CPUTIME_ID);
        run_mix(&nobody, exits);
        uint64_t without = now(CLOCK_THREAD_CPUTIME_ID) - thread;

        const struct hwaccl_recorder_config config = {.path = argv[2], .force = true, .ring_size = ring_size};
        struct hwaccl_recorder *recorder = hwaccl_recorder_create(&config, &error);
        if (!recorder)
                die("create", &error);
        uint64_t wall = now(CLOCK_MONOTONIC);
        uint64_t process = now(CLOCK_PROCESS_CPUTIME_ID);
        thread = now(CLOCK_THREAD_CPUTIME_ID);
        run_mix(hwaccl_recorder_probe(recorder), exits);
        uint64_t with = now(CLOCK_THREAD_CPUTIME_ID) - thread;
        uint64_t ran = now(CLOCK_MONOTONIC) - wall;
        if (!hwaccl_recorder_finish(recorder, 0, 0, NULL, &error))
                die("finish", &error);
        uint64_t writer = now(CLOCK_PROCESS_CPUTIME_ID) - process - with;
        uint64_t finished = now(CLOCK_MONOTONIC) - wall;
        struct stat status;
        if (stat(argv[2], &status) != 0)
                return 2;
        printf("{\"exits\": %" PRIu64 ", \"thread_ns_per_exit\": %.1f, \"wall_ns_per_exit\": %.1f, "
               "\"write_ns_per_exit\": %.1f, \"writer_cpu_ns_per_exit\": %.1f, \"bytes_per_exit\": %.1f, ",
               exits, ((double)with - (double)without) / (double)exits, (double)ran / (double)exits,
               (double)finished / (double)exits, (double)writer / (double)exits,
               (double)status.st_size / (double)exits);
        read_back(argv[2], exits);
        return 0;
}
