/* The writer thread's parts: the loop with its transactions (writer.c) and the database file (writer_database.c). */
#ifndef HWACCL_TRACER_WRITER_INTERNAL_H
#define HWACCL_TRACER_WRITER_INTERNAL_H

#include "tracer/record/writer.h"

#include "tracer/database/decoder.h"
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
        sqlite3 *db;
        struct writer_lane *lane;
        unsigned lane_count;
        uint64_t commit_ns; /* CLOCK_MONOTONIC of the last commit */
        bool in_transaction;
        bool trimming; /* every commit gives the rings' disk space back */
        struct consumer consumer;
        struct writer_end end;
        struct hwaccl_error error; /* valid when the ring says failed */
};

/** writer_database_create - a new database with its schema, empty; NULL with *error set */
sqlite3 *writer_database_create(const struct hwaccl_recorder_config *config, struct hwaccl_error *error);

/** writer_database_create_whole - the same for one that nobody sees before it is whole: without a log, which would take
 * as much space and time again, and without bringing it to the disk. When it fails it is to be removed */
sqlite3 *writer_database_create_whole(const struct hwaccl_recorder_config *config, struct hwaccl_error *error);

/** writer_database_fill - options, status and @vcpu_count vCPUs: with these, in one transaction, it is a recording */
bool writer_database_fill(sqlite3 *db, const struct hwaccl_recorder_config *config, unsigned vcpu_count,
                          struct hwaccl_error *error);

/** writer_database_remove - one that was just made, and could not be filled */
void writer_database_remove(const char *path);

/** writer_database_close - leave write-ahead logging, so that the recording is one file, and close */
bool writer_database_close(sqlite3 *db, struct hwaccl_error *error);

/**
 * writer_database_status - the row of the status table
 * @problem: why it is incomplete, or NULL
 * @finished: everything is in it; else the checkpoint stays, so that it can be recovered
 */
bool writer_database_status(sqlite3 *db, const struct writer_end *end, const char *problem, bool finished,
                            struct hwaccl_error *error);

#endif
