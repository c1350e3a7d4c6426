/* The writer thread. */
#ifndef HWACCL_TRACER_WRITER_INTERNAL_H
#define HWACCL_TRACER_WRITER_INTERNAL_H

#include "tracer/record/writer.h"

#include "tracer/database/decoder.h"
#include "tracer/database/writer_database.h"
#include "tracer/ring/consumer.h"

/* One vCPU's way into the database. */
struct writer_lane {
        struct ring *ring;
        struct decoder decoder;
        struct decoder_state committed;
        uint8_t *committed_devices;
        uint64_t position; /* read up to here */
        uint64_t committed_position;
};

struct writer {
        struct recorder_sink sink;
        sqlite3 *db;
        struct writer_lane *lane;
        unsigned lane_count;
        uint64_t commit_ns; /* CLOCK_MONOTONIC of the last commit */
        bool in_transaction;
        bool trimming; /* every commit gives the rings' disk space back */
        struct consumer consumer;
        struct hwaccl_error error; /* valid when the ring says failed */
};

#endif
