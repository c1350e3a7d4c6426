/*
 * What tracing costs the vCPU thread beside recording: the same exits go to no probe, to the recorder, to the LTTng
 * probe and to both; and LTTng's own cost for an event of the same payload. Prints one JSON object.
 *
 *      bench-lttng-cost EXITS DATABASE
 *
 * Whether LTTng's figures are those of traced events is for who starts it: scripts/lttng-session, or nothing.
 */
#include "tracer/lttng/lttng.h"
#include "tracer/record/probe_fanout.h"
#include "tracer/record/recorder.h"

#include "tests/bench/firmware_mix.h"

#include <inttypes.h>

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "tests/bench/peer_events.h"

#define PEER_WORDS 25u /* 200 bytes: what the recorder packs for an exit of the mix */

static struct hwaccl_recorder *create_recorder(const char *path)
{
        const struct hwaccl_recorder_config config = {.path = path, .force = true};
        struct hwaccl_error error;
        struct hwaccl_recorder *recorder = hwaccl_recorder_create(&config, &error);

        if (!recorder)
                die("create", &error);
        return recorder;
}

static struct hwaccl_lttng *create_lttng(void)
{
        const struct hwaccl_lttng_config config = {.vcpu = 0};
        struct hwaccl_error error;
        struct hwaccl_lttng *lttng = hwaccl_lttng_create(&config, &error);

        if (!lttng)
                die("LTTng", &error);
        return lttng;
}

/* ns of this thread's processor time per exit; recording and tracing as asked */
static double measure(uint64_t exits, const char *database, bool traced)
{
        static struct hwaccl_probe nobody = {&ignoring};
        struct hwaccl_recorder *recorder = database ? create_recorder(database) : NULL;
        struct hwaccl_lttng *lttng = traced ? create_lttng() : NULL;
        struct hwaccl_probe *const probes[] = {lttng ? hwaccl_lttng_probe(lttng) : NULL,
                                               recorder ? hwaccl_recorder_probe(recorder) : NULL};
        struct hwaccl_probe_fanout fanout;
        struct hwaccl_probe *probe = hwaccl_probe_join(&fanout, probes, 2);
        struct hwaccl_error error;

        uint64_t begin = now(CLOCK_THREAD_CPUTIME_ID);
        run_mix(probe ? probe : &nobody, exits);
        uint64_t spent = now(CLOCK_THREAD_CPUTIME_ID) - begin;
        if (lttng)
                (void)hwaccl_lttng_finish(lttng, 0, 0, NULL);
        if (recorder && !hwaccl_recorder_finish(recorder, 0, 0, NULL, &error))
                die("finish", &error);
        return (double)spent / (double)exits;
}

static double measure_peer(uint64_t exits)
{
        uint64_t words[PEER_WORDS];

        memset(words, 0x5a, sizeof(words));
        uint64_t begin = now(CLOCK_THREAD_CPUTIME_ID);
        for (uint64_t i = 0; i < exits; i++) {
                words[0] = i;
                lttng_ust_tracepoint(hwaccl_bench, payload, words, PEER_WORDS);
        }
        return (double)(now(CLOCK_THREAD_CPUTIME_ID) - begin) / (double)exits;
}

int main(int argc, char **argv)
{
        uint64_t exits = argc == 3 ? strtoull(argv[1], NULL, 10) : 0;

        if (exits == 0) {
                (void)fprintf(stderr, "usage: bench-lttng-cost EXITS DATABASE\n");
                return 2;
        }
        (void)measure(exits, NULL, false);
        double none = measure(exits, NULL, false);
        double database = measure(exits, argv[2], false);
        double lttng = measure(exits, NULL, true);
        double both = measure(exits, argv[2], true);
        double peer = measure_peer(exits);
        printf("{\"none\": %.1f, \"database\": %.1f, \"lttng\": %.1f, \"both\": %.1f, \"peer\": %.1f, \"traced\": "
               "%s}\n",
               none, database - none, lttng - none, both - none, peer,
               lttng_ust_tracepoint_enabled(hwaccl_bench, payload) ? "true" : "false");
        return 0;
}
