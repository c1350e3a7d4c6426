/*
 * The LTTng probe: sends every exit of one virtual CPU to LTTng-UST as events of the provider "hwaccl". A trace of
 * all events is equivalent to a recording; hwaccl_import_ctf() converts it.
 *
 * LTTng's library starts threads and waits for the session daemon when it is loaded, so it is linked to a module that
 * hwaccl_lttng_create() loads. A program that does not call it does not load LTTng.
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
        uint32_t vcpu; /* number of the virtual CPU of this probe */
        /* options of the recording; copied */
        const struct hwaccl_recording_option *options;
        size_t option_count;
        /* devices whose state is traced with keyframes; names are unique. Not owned; must outlive the probe */
        struct hwaccl_device *const *devices;
        size_t device_count;
        uint32_t keyframe_interval; /* exits; 0: the default */
};

/**
 * hwaccl_lttng_create - load LTTng and trace the beginning of the recording
 *
 * Waits for the session daemon, if one runs, as long as LTTNG_UST_REGISTER_TIMEOUT says, so that the first events are
 * traced too. Sets LTTNG_UST_ALLOW_BLOCKING to 1 unless it is set: blocking channels then block.
 *
 * Appends a line with process and virtual CPU to the file named by HWACCL_LTTNG_PROCESSES, if it
 * is set, so that a trace without any event of the process is detected.
 *
 * Returns NULL with *error set if this build has no LTTng, the module cannot be loaded, or if out of memory. A missing
 * session is no error: see hwaccl_lttng_traced().
 */
struct hwaccl_lttng *hwaccl_lttng_create(const struct hwaccl_lttng_config *config, struct hwaccl_error *error);

/** hwaccl_lttng_probe - the probe to attach; valid until hwaccl_lttng_finish(). It never stops the guest */
struct hwaccl_probe *hwaccl_lttng_probe(struct hwaccl_lttng *lttng);

/** hwaccl_lttng_traced - whether a session traces exits now. Without one, each event costs a branch */
bool hwaccl_lttng_traced(const struct hwaccl_lttng *lttng);

/** hwaccl_lttng_annotate - trace an option or a mark; from the vCPU thread or after the run */
void hwaccl_lttng_annotate(struct hwaccl_lttng *lttng, const char *name, const char *value);

/**
 * hwaccl_lttng_finish - trace the end and free the probe
 * @end: enum hwaccl_end; @end_code: its code; @end_message: one line, or NULL
 *
 * Returns the number of emitted events, which a complete trace contains.
 */
uint64_t hwaccl_lttng_finish(struct hwaccl_lttng *lttng, unsigned end, uint64_t end_code, const char *end_message);

#endif
