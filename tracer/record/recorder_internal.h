/* The recorder's two halves: the probe on the vCPU thread, the writer on its own. They share the ring only. */
#ifndef HWACCL_TRACER_RECORDER_INTERNAL_H
#define HWACCL_TRACER_RECORDER_INTERNAL_H

#include "tracer/record/recorder.h"

#include "tracer/record/writer.h"
#include "tracer/ring/ring_records.h"
#include "tracer/ring/timestamps.h"

enum recorder_phase {
        RECORDER_BETWEEN, /* exits */
        RECORDER_IN_GUEST,
        RECORDER_HANDLING,
};

struct hwaccl_recorder {
        struct hwaccl_probe probe;
        struct hwaccl_probe_ops ops; /* the probe's: a copy that lies in the page with the rest */
        struct ring_producer producer;
        union state_words last; /* transferred */
        uint64_t entry_stamp;
        enum stamp_kind stamp_kind;
        enum recorder_phase phase;
        bool stopped; /* the writer failed: nothing more is written */
        bool verdict_known;
        enum hwaccl_verdict verdict;
        uint64_t completed;      /* exits */
        uint32_t until_snapshot; /* exits */
        uint64_t snapshot_bytes; /* of records, after which there is one more */
        uint64_t snapshot_head;  /* ring position of the last one */
        bool whole_entry;        /* the next entry has all words */
        uint32_t keyframe_interval;
        struct hwaccl_device *const *devices;
        size_t device_count;
        size_t device_bytes; /* of all together */
        struct ring ring;
        struct recorder_sink *sink;
};

extern const struct hwaccl_probe_ops recorder_probe_ops;

/** recorder_start_probe - give it the operations that are the quickest on this processor */
void recorder_start_probe(struct hwaccl_recorder *recorder);

/** recorder_create_ring - the ring file of vCPU config->vcpu + @index, beside the database: PATH-ring, PATH-ring.1 … */
bool recorder_create_ring(struct ring *ring, const struct hwaccl_recorder_config *config, unsigned index,
                          struct hwaccl_error *error);

/** recorder_reserve - room for a record of @size bytes, a multiple of 8; NULL when the writer failed */
void *recorder_reserve(struct hwaccl_recorder *recorder, size_t size, enum ring_record_type type, uint8_t extra);

/** recorder_put_bytes - a SNAPSHOT or ANNOTATION record of @size bytes to be filled in; NULL when the writer failed */
uint8_t *recorder_put_bytes(struct hwaccl_recorder *recorder, enum ring_record_type type, size_t size);

/** recorder_close_exit - the run ended in an exit's handling: say so in the ring */
void recorder_close_exit(struct hwaccl_recorder *recorder);

#endif
