/*
 * What a replay costs: opens a recording, reads the rows of all its exits, or replays them; COUNT times. Prints one
 * JSON object. The instructions of the parts are counted outside (scripts/bench).
 *
 *      bench-replay-cost open|rows|replay DATABASE COUNT
 */
#include "hwaccl/recording.h"
#include "hwaccl/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now(void)
{
        struct timespec time = {0, 0};

        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static bool read_rows(struct hwaccl_recording *recording, uint64_t *exits, struct hwaccl_error *error)
{
        const struct hwaccl_recorded_exit *exit;
        const struct hwaccl_subject_state *after;
        struct hwaccl_known_fields known;
        uint64_t first, end;
        int more = 1;

        if (!hwaccl_recording_range(recording, 0, &first, &end, error))
                return false;
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, 0, first, error);
        if (!cursor)
                return false;
        while (more > 0 && (more = hwaccl_exit_cursor_next(cursor, &exit, error)) > 0) {
                ++*exits;
                more = hwaccl_exit_cursor_after(cursor, &after, &known, error) ? 1 : -1;
        }
        hwaccl_exit_cursor_close(cursor);
        return more == 0;
}

static bool replay(struct hwaccl_recording *recording, uint64_t *exits, struct hwaccl_error *error)
{
        const struct hwaccl_replay_config config = {.last = UINT64_MAX};
        struct hwaccl_replay_result result;

        if (!hwaccl_replay_run(recording, &config, &result, error))
                return false;
        *exits += result.exits;
        return !result.divergences || hwaccl_error_set(error, "the replay diverged");
}

int main(int argc, char **argv)
{
        struct hwaccl_error error = {""};
        uint64_t exits = 0;

        if (argc != 4) {
                (void)fprintf(stderr, "usage: bench-replay-cost open|rows|replay DATABASE COUNT\n");
                return 2;
        }
        const uint64_t count = strtoull(argv[3], NULL, 10), begin = now();
        for (uint64_t i = 0; i < count; i++) {
                struct hwaccl_recording *recording = hwaccl_recording_open(argv[2], &error);
                bool good = recording != NULL;
                if (good && strcmp(argv[1], "rows") == 0)
                        good = read_rows(recording, &exits, &error);
                else if (good && strcmp(argv[1], "replay") == 0)
                        good = replay(recording, &exits, &error);
                hwaccl_recording_close(recording);
                if (!good) {
                        (void)fprintf(stderr, "bench-replay-cost: %s\n", error.message);
                        return 2;
                }
        }
        printf("{\"exits\": %" PRIu64 ", \"us\": %.1f}\n", exits, (double)(now() - begin) / 1e3 / (double)count);
        return 0;
}
