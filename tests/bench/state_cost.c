/*
 * What the state at an exit costs: asks a recording for the states around exits here and there. Prints one JSON object.
 *
 *      bench-state-cost DATABASE COUNT
 */
#include "hwaccl/recording.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t now(void)
{
        struct timespec time = {0, 0};

        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static void die(const struct hwaccl_error *error)
{
        (void)fprintf(stderr, "bench-state-cost: %s\n", error->message);
        exit(2);
}

static int by_size(const void *a, const void *b)
{
        const uint64_t *one = a, *other = b;
        return (*one > *other) - (*one < *other);
}

int main(int argc, char **argv)
{
        struct hwaccl_error error = {"out of memory"};
        struct hwaccl_subject_state state;
        struct hwaccl_known_fields known;
        uint64_t first, end, random = 1;

        if (argc != 3) {
                (void)fprintf(stderr, "usage: bench-state-cost DATABASE COUNT\n");
                return 2;
        }
        size_t count = strtoull(argv[2], NULL, 10);
        uint64_t *took = calloc(count + 1, sizeof(*took));
        struct hwaccl_recording *recording = hwaccl_recording_open(argv[1], &error);
        if (!recording || !took || !hwaccl_recording_range(recording, 0, &first, &end, &error))
                die(&error);
        for (size_t i = 0; i < count; i++) {
                random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
                uint64_t exit = first + (random >> 20) % (end - first), begin = now();
                for (unsigned moment = 0; moment < HWACCL_MOMENT_COUNT; moment++)
                        if (!hwaccl_recording_state(recording, 0, exit, (enum hwaccl_moment)moment, &state, &known,
                                                    &error))
                                die(&error);
                took[i] = now() - begin;
        }
        qsort(took, count, sizeof(*took), by_size);
        printf("{\"exits\": %" PRIu64 ", \"median_us\": %.2f, \"most_us\": %.2f}\n", end - first,
               (double)took[count / 2] / 1e3, (double)took[count ? count - 1 : 0] / 1e3);
        hwaccl_recording_close(recording);
        free(took);
        return 0;
}
