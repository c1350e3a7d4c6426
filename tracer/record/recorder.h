/*
 * The recorder: a probe that writes every exit of one virtual CPU into an SQLite database. The vCPU thread packs one
 * record per exit into a shared, file-backed ring; a writer thread drains it. The ring blocks rather than drops.
 */
#ifndef HWACCL_RECORDER_H
#define HWACCL_RECORDER_H

#include "core/host/probe.h"
#include "core/machine/board/device.h"
#include "hwaccl/error.h"
#include "hwaccl/recording.h"
#include "tracer/record/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hwaccl_recorder;
struct record_merge;
struct record_tap;

struct hwaccl_recorder_config {
        const char *path; /* of the database */
        bool force;       /* replace an existing file; else an existing path is an error */
        unsigned mode;    /* permissions of all files: hwaccl_file_create() */
        uint32_t vcpu;    /* number of the virtual CPU that this recorder watches */
        const struct hwaccl_recording_option *options;
        size_t option_count;
        /* devices whose state is saved at keyframes; names are unique. Not owned; must outlive the recorder */
        struct hwaccl_device *const *devices;
        size_t device_count;
        uint32_t keyframe_interval; /* exits; 0: the default */
        size_t ring_size;           /* bytes, a power of two; 0: the default */
        unsigned vcpu_max; /* the producers are in other processes, and there may be so many; 0: they are in this one */
        unsigned thread_max;                  /* lanes of this process that may be added; for the writer */
        const struct recorder_sink_ops *sink; /* NULL: the writer, which keeps every exit */
        const void *sink_settings;            /* as the sink says. Lent for the call */
        struct record_tap *tap;               /* gets the records of all lanes; NULL: none. Lent until the end */
        struct record_merge *merge; /* another source of exits, for the writer; NULL: none. Lent until the end */
};

#define HWACCL_KEYFRAME_INTERVAL_DEFAULT 256u

/** hwaccl_recorder_create - create the database and ring file and start the writer. NULL with *error set, nothing left
 * behind */
struct hwaccl_recorder *hwaccl_recorder_create(const struct hwaccl_recorder_config *config, struct hwaccl_error *error);

/** hwaccl_recorder_probe - the probe to attach to a machine; lives as long as the recorder */
struct hwaccl_probe *hwaccl_recorder_probe(struct hwaccl_recorder *recorder);

/** hwaccl_recorder_annotate - set an option during or after the run, from the vCPU thread. @name is truncated
 * to 1024 bytes, @value to 65536 */
void hwaccl_recorder_annotate(struct hwaccl_recorder *recorder, const char *name, const char *value);

/**
 * hwaccl_recorder_dump - write the window now, to a file named after the recording: boot-1.db, boot-2.db … for boot.db
 *
 * From any thread or signal handler; returns at once, and the recorder's thread writes it. Requests
 * during a dump are merged into one. No effect without a flight recorder.
 */
void hwaccl_recorder_dump(struct hwaccl_recorder *recorder);

/**
 * hwaccl_recorder_finish - drain the ring, write the end status, close the database, free the recorder
 * @end: enum hwaccl_end; @end_code: its code; @end_message: one line, or NULL
 *
 * Returns false with *error set when something could not be written: what was recorded is kept and marked incomplete.
 */
bool hwaccl_recorder_finish(struct hwaccl_recorder *recorder, unsigned end, uint64_t end_code, const char *end_message,
                            struct hwaccl_error *error);

#endif
