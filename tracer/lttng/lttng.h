/*
 * The LTTng probe: it gives every exit of one virtual CPU to LTTng-UST as events of the provider "hwaccl". A trace of
 * all of them holds what a recording holds; hwaccl_import_ctf() makes one of it.
 *
 * LTTng's library starts threads and waits for the session daemon when it is loaded, so it is linked to a module that
 * hwaccl_lttng_create() loads. A program that never calls it has nothing to do with LTTng.
 */
#ifndef HWACCL_LTTNG_H
#define HWACCL_LTTNG_H

#include "core/host/probe.h"
#include "core/machine/board/device.h"
#include "hwaccl/error.h"
#include "hwaccl/recording.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hwaccl_lttng;

struct hwaccl_lttng_config {
        uint32_t vcpu; /* number of the virtual CPU that this probe watches */
        /* what a recording would have in its option table; copied */
        const struct hwaccl_recording_option *options;
        size_t option_count;
        /* whose state is traced with keyframes; each has a unique name. Not owned; must outlive the probe */
        struct hwaccl_device *const *devices;
        size_t device_count;
        uint32_t keyframe_interval; /* exits; 0: the default */
};

/**
 * hwaccl_lttng_create - load LTTng and give it the recording's beginning
 *
 * Waits for the session daemon, if one runs, as long as LTTNG_UST_REGISTER_TIMEOUT says, so that the first events are
 * traced too. LTTNG_UST_ALLOW_BLOCKING is set to 1 unless it is set: a channel that was made to block then does.
 *
 * Adds a line with the numbers of the process and the virtual CPU to the file that HWACCL_LTTNG_PROCESSES names, if it
 * names one: a trace in which the process is missing has lost all of its events, which nobody else would know.
 *
 * Returns NULL with *error set when this build has no LTTng, the module cannot be loaded, or memory is short. That
 * nobody traces is no error: see hwaccl_lttng_traced().
 */
struct hwaccl_lttng *hwaccl_lttng_create(const struct hwaccl_lttng_config *config, struct hwaccl_error *error);

/** hwaccl_lttng_probe - the probe to attach; lives until hwaccl_lttng_finish(). It never refuses to go on */
struct hwaccl_probe *hwaccl_lttng_probe(struct hwaccl_lttng *lttng);

/** hwaccl_lttng_traced - does a session trace exits now? Without one, events cost a branch each */
bool hwaccl_lttng_traced(const struct hwaccl_lttng *lttng);

/** hwaccl_lttng_annotate - an option that became known late, or a mark; from the vCPU thread or after the run */
void hwaccl_lttng_annotate(struct hwaccl_lttng *lttng, const char *name, const char *value);

/**
 * hwaccl_lttng_finish - trace the end and free the probe
 * @end: enum hwaccl_end; @end_code: its code; @end_message: one line, or NULL
 *
 * Returns how many events were given to LTTng, which is how many a trace that lost none has.
 */
uint64_t hwaccl_lttng_finish(struct hwaccl_lttng *lttng, unsigned end, uint64_t end_code, const char *end_message);

#endif
