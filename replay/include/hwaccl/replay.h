/*
 * Not stable: may change between versions. The replay engine: reruns the exit handling of a recording without guest and
 * accelerator, and compares every state field, pending bit, verdict, requested input and effect, and at keyframes the
 * device state, with the recording.
 *
 * Structs may gain members: compile with the header of the library that is linked.
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

/* One exit with differences. */
struct hwaccl_divergence {
        uint32_t vcpu;
        uint64_t exit;
        uint64_t exit_reason;
        uint64_t qualification; /* of the exit */
        uint64_t rip;
        char instruction[96]; /* disassembly, or "" */
        struct hwaccl_difference difference[HWACCL_DIFFERENCE_MAX];
        unsigned difference_count;
};

struct hwaccl_replay_config {
        uint32_t vcpu;
        uint64_t first; /* exits to compare, inclusive; the replay starts at an earlier keyframe */
        uint64_t last;  /* UINT64_MAX: to the end */
        bool stop_at_first;
        /* called before a divergence is counted: removes the differences that are intended, and the exit does not count
         * if none is left; may be NULL */
        void (*allow)(void *opaque, struct hwaccl_divergence *divergence);
        /* called at each divergence, and periodically with progress; may be NULL */
        void (*diverged)(void *opaque, const struct hwaccl_divergence *divergence);
        void (*progress)(void *opaque, uint64_t exits);
        void *opaque;
};

struct hwaccl_replay_result {
        uint64_t exits;            /* compared */
        uint64_t divergences;      /* exits with at least one difference */
        uint64_t allowed;          /* exits with differences, all of which were removed; not among the divergences */
        uint64_t first_divergence; /* exit number, if divergences > 0 */
        double seconds;
};

/**
 * hwaccl_replay_run - replay a range of exits; false with *error set if that is not possible. Divergences are no error
 *
 * Recordings of other VMMs (trace.h) cannot be replayed: their exit handling is not part of hwaccl.
 */
bool hwaccl_replay_run(struct hwaccl_recording *recording, const struct hwaccl_replay_config *config,
                       struct hwaccl_replay_result *result, struct hwaccl_error *error);

/**
 * hwaccl_replay_check_keyframes - could a replay begin at every keyframe? Each has a state of all devices
 * @finding: called with one line, without a newline, for each state that a device refuses
 *
 * Part of `hwaccl check`. Returns false with *error set if a state cannot be read; problems are no error.
 */
bool hwaccl_replay_check_keyframes(struct hwaccl_recording *recording, void (*finding)(void *opaque, const char *text),
                                   void *opaque, struct hwaccl_error *error);

#endif
