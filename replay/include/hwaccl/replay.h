/*
 * The replay engine: reruns the exit handling of a recording without guest and accelerator, and compares every state
 * field, pending bit, verdict, input asked for, effect, and at keyframes every device's state with what was recorded.
 *
 * Not stable: structs may gain members, so compile with the header of the library that is linked.
 */
#ifndef HWACCL_REPLAY_H
#define HWACCL_REPLAY_H

#include "hwaccl/error.h"
#include "hwaccl/recording.h"

#include <stdbool.h>
#include <stdint.h>

/* One difference between the recording and the replay. */
struct hwaccl_difference {
        const char *what; /* "rax", "verdict", "effect 2", "pic.irr", "input 1 address" … */
        char recorded[96];
        char replayed[96];
};

#define HWACCL_DIFFERENCE_MAX 96

/* One exit at which they differ. */
struct hwaccl_divergence {
        uint32_t vcpu;
        uint64_t exit;
        uint64_t exit_reason;
        uint64_t rip;
        char instruction[96]; /* disassembly, or "" */
        struct hwaccl_difference difference[HWACCL_DIFFERENCE_MAX];
        unsigned difference_count;
};

struct hwaccl_replay_config {
        uint32_t vcpu;
        uint64_t first; /* exits to compare, both included; an earlier keyframe is where the replay starts */
        uint64_t last;  /* UINT64_MAX: to the end */
        bool stop_at_first;
        /* called at each divergence, and now and then with progress; either may be NULL */
        void (*diverged)(void *opaque, const struct hwaccl_divergence *divergence);
        void (*progress)(void *opaque, uint64_t exits);
        void *opaque;
};

struct hwaccl_replay_result {
        uint64_t exits;            /* compared */
        uint64_t divergences;      /* exits with at least one difference */
        uint64_t first_divergence; /* exit number, when divergences */
        double seconds;
};

/**
 * hwaccl_replay_run - false with *error set when the recording cannot be replayed; divergences are no error
 *
 * Recordings of other VMMs (trace.h) cannot: their exits were handled by code that is not here.
 */
bool hwaccl_replay_run(struct hwaccl_recording *recording, const struct hwaccl_replay_config *config,
                       struct hwaccl_replay_result *result, struct hwaccl_error *error);

#endif
