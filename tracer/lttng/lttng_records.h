/*
 * The records of a recorder of another VMM (record_tap.h) as LTTng events, of the recorder's process: what is loaded
 * into the VMM knows nothing of it. Each record is an event `record` with its bytes, from which `hwaccl import ctf`
 * makes the recording again, and each exit an event `vmm_exit` besides. Each lane is a stream with `begin` and `end`
 * (trace_event.h); the options are in that of lane 0.
 */
#ifndef HWACCL_LTTNG_RECORDS_H
#define HWACCL_LTTNG_RECORDS_H

#include "hwaccl/error.h"
#include "hwaccl/recording.h"
#include "tracer/lttng/trace_event.h"
#include "tracer/ring/record_tap.h"

#include <stdbool.h>
#include <stddef.h>

struct lttng_records;

struct lttng_records_config {
        const struct hwaccl_recording_option *options; /* of the recording; copied */
        size_t option_count;
        uint32_t keyframe_interval; /* exits; 0: the default */
};

/** lttng_records_create - load LTTng, as hwaccl_lttng_create() does; the environment stays as it is, because the VMM
 * inherits it. NULL with *error set */
struct lttng_records *lttng_records_create(const struct lttng_records_config *config, struct hwaccl_error *error);

/** lttng_records_create_with - the same with a given provider */
struct lttng_records *lttng_records_create_with(const struct lttng_records_config *config,
                                                const struct trace_provider *provider, struct hwaccl_error *error);

/** lttng_records_tap - valid until lttng_records_finish() */
struct record_tap *lttng_records_tap(struct lttng_records *records);

/** lttng_records_traced - whether a session traces records now */
bool lttng_records_traced(const struct lttng_records *records);

/** lttng_records_finish - trace the end of each lane and free @records, after the recorder has finished; the arguments
 * are those of hwaccl_recorder_finish(). Returns how many events were emitted */
uint64_t lttng_records_finish(struct lttng_records *records, unsigned end, uint64_t end_code, const char *end_message);

#endif
