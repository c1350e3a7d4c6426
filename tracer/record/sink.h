/*
 * A sink consumes a recorder's records: a thread that drains the rings, behind a table of operations. The writer
 * (writer.h) makes rows of every exit; the flight recorder (flight/flight_recorder.h) keeps a window of the newest.
 */
#ifndef HWACCL_TRACER_SINK_H
#define HWACCL_TRACER_SINK_H

#include "hwaccl/error.h"

#include "tracer/ring/ring.h"
#include "tracer/ring/timestamps.h"

#include <stdbool.h>
#include <stdint.h>

struct hwaccl_recorder_config;
struct recording_end;
struct recorder_sink;

struct recorder_sink_ops {
        /* Values for the sink's settings (struct hwaccl_recorder_config, sink_settings): bytes of a ring, exits between
         * keyframes if @asked are requested, and the maximum bytes of records between two keyframes */
        uint64_t (*ring_size)(const void *settings);
        uint32_t (*keyframe_interval)(const void *settings, uint32_t asked);
        uint64_t (*keyframe_bytes)(const void *settings);

        /* Start the thread, which is the rings' consumer: they are one for each vCPU, numbered from config->vcpu on,
         * and outlive it. NULL with *error set, and nothing left behind */
        struct recorder_sink *(*create)(const struct hwaccl_recorder_config *config, struct ring *const *rings,
                                        unsigned ring_count, enum stamp_kind stamps, struct hwaccl_error *error);

        /* Drain one more @ring, of the vCPU after the last one; returns when the recording has that vCPU. Not from two
         * threads at a time, and only with config->vcpu_max or thread_max. On failure *error is set and the ring is the
         * caller's. NULL: the sink has the rings that it was created with */
        bool (*add)(struct recorder_sink *sink, struct ring *ring, struct hwaccl_error *error);

        /* Why the thread stopped, if a ring is marked as failed. Returns false */
        bool (*error)(struct recorder_sink *sink, struct hwaccl_error *error);

        /* Write the window now: hwaccl_recorder_dump(). From any thread or signal handler */
        void (*dump)(struct recorder_sink *sink);

        /* Drain the rings, write the end, join and free. The producers have stopped. The rings are destroyed; their
         * files stay when they hold what could not be written, and *error says how to recover. False when the recording
         * is not complete */
        bool (*finish)(struct recorder_sink *sink, const struct recording_end *end, struct hwaccl_error *error);
};

/* Implementations embed this as their first member. */
struct recorder_sink {
        const struct recorder_sink_ops *ops;
};

#endif
