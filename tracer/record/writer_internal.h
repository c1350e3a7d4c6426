/* The writer thread. */
#ifndef HWACCL_TRACER_WRITER_INTERNAL_H
#define HWACCL_TRACER_WRITER_INTERNAL_H

#include "tracer/record/merge.h"
#include "tracer/record/writer.h"

#include "tracer/database/decoder.h"
#include "tracer/database/writer_database.h"
#include "tracer/ring/consumer.h"

/* State per vCPU. */
struct writer_lane {
        struct ring *ring;
        struct decoder decoder;
        struct decoder_state committed;
        uint8_t *committed_devices;
        uint64_t position; /* records before this position were read */
        uint64_t committed_position;
};

struct writer {
        struct recorder_sink sink;
        sqlite3 *db;
        struct writer_lane *lane;
        unsigned lane_count;
        unsigned lane_max;
        struct record_tap *tap;     /* NULL: none */
        struct record_merge *merge; /* NULL: the rings have all exits */
        uint32_t keyframe_interval;
        _Atomic(struct ring *) joining; /* to be added; NULL: none, or it was */
        uint64_t commit_ns;             /* CLOCK_MONOTONIC of the last commit */
        bool in_transaction;
        bool trimming; /* free the rings' disk space with every commit */
        struct consumer consumer;
        _Atomic bool failed;       /* the rings' own mark is for producers, and of another process's memory */
        struct hwaccl_error error; /* valid if it failed */
};

#endif
