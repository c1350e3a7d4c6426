/* The recorder's two halves: the probe on the vCPU thread, the sink on its own. They share the ring only. */
#ifndef HWACCL_TRACER_RECORDER_INTERNAL_H
#define HWACCL_TRACER_RECORDER_INTERNAL_H

#include "tracer/record/recorder.h"

#include "tracer/database/database.h"
#include "tracer/ring/lane.h"

struct hwaccl_guest_memory;

struct hwaccl_recorder {
        struct hwaccl_probe probe;
        struct hwaccl_probe_ops ops; /* copy of the probe's operations, in the same page as the rest */
        struct lane lane;
        struct hwaccl_device *const *devices;
        size_t device_count;
        size_t device_bytes; /* total */
        struct ring ring;
        struct recorder_sink *sink;
        /* of struct recording_end */
        bool (*write_memory)(const struct hwaccl_guest_memory *memory, sqlite3 *db, struct hwaccl_error *error);
        const struct hwaccl_guest_memory *memory;
};

extern const struct hwaccl_probe_ops recorder_probe_ops;

/** recorder_start_probe - select the fastest operations for this processor */
void recorder_start_probe(struct hwaccl_recorder *recorder);

/** recorder_snapshot - record the state of the devices. @end: of the run */
void recorder_snapshot(struct hwaccl_recorder *recorder, bool end);

/** recorder_create_ring - the ring file of a lane, beside the database: PATH-ring, PATH-ring.1 … for @index 0, 1 … */
bool recorder_create_ring(struct ring *ring, const struct hwaccl_recorder_config *config, unsigned index, uint32_t lane,
                          struct hwaccl_error *error);

#endif
