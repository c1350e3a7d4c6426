/* The writer: a thread that drains the rings of one recording into its database. */
#ifndef HWACCL_TRACER_WRITER_H
#define HWACCL_TRACER_WRITER_H

#include "tracer/record/recorder.h"

#include "tracer/ring/ring.h"
#include "tracer/ring/timestamps.h"

struct writer;

/**
 * writer_create - make the database and start the thread
 * @rings: one for each vCPU, numbered from config->vcpu on; they outlive the writer, whose thread is their consumer
 *
 * Returns NULL with *error set, no database left behind.
 */
struct writer *writer_create(const struct hwaccl_recorder_config *config, struct ring *const *rings,
                             unsigned ring_count, enum stamp_kind stamps, struct hwaccl_error *error);

/** writer_error - why the writer stopped, once a ring says that it did. Returns false. */
bool writer_error(struct writer *writer, struct hwaccl_error *error);

struct writer_end {
        unsigned end;
        uint64_t code;
        const char *message; /* or NULL */
};

/**
 * writer_finish - drain the rings, write the end, close the database, join and free
 *
 * The producers have stopped. When the disk is full, the rings' files give back what is not needed of them, which
 * usually makes room for the rest. The rings are destroyed in either case; their files stay when they hold what the
 * database does not, and *error says how to recover. False when the recording is not complete.
 */
bool writer_finish(struct writer *writer, const struct writer_end *end, struct hwaccl_error *error);

#endif
