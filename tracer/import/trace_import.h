/* Second pass of an import: the events of one virtual CPU, through the decoder, into the database. */
#ifndef HWACCL_TRACER_LTTNG_TRACE_IMPORT_H
#define HWACCL_TRACER_LTTNG_TRACE_IMPORT_H

#include "tracer/import/trace_survey.h"

#include "tracer/database/decoder.h"
#include "tracer/import/import.h"
#include "tracer/ring/lane.h"
#include "tracer/ring/record_buffer.h"

/* Position within an exit. */
enum import_phase {
        IMPORT_LOST,    /* waiting for a keyframe */
        IMPORT_BETWEEN, /* exits */
        IMPORT_ENTERED,
        IMPORT_LEFT, /* after vm_exit, before transfer_out */
        IMPORT_HANDLING,
};

struct trace_import {
        const struct survey_stream *stream;
        sqlite3 *db;
        struct decoder decoder;
        enum import_phase phase;
        uint64_t expected;         /* sequence number of the next event */
        struct lane lane;          /* into held */
        struct record_buffer held; /* records that wait until it is certain that their exit is whole */
        union state_words now;     /* as the trace has it */
        struct trace_vm_exit left; /* the part of an exit that is in vm_exit */
        uint64_t pending[4];
        bool offered;
        uint8_t *device_state; /* last device state seen while lost, at exit device_exit */
        uint32_t device_size;
        uint64_t device_exit;
        bool device_waits;
        struct survey_devices *devices; /* of the decoder */
        bool device_known;              /* names and sizes of all fields are known */

        uint64_t taken; /* events */
        uint64_t lost;
        uint64_t lost_here; /* in the current gap */
        uint64_t gaps;
        uint64_t missing; /* exits */
        bool snapshots_lost;
        bool ended;
        struct trace_end end;
        char end_message[256];
};

/* Source of the events; called twice. */
struct import_source {
        void *opaque;
        bool (*read)(void *opaque, const struct trace_sink *sink, struct hwaccl_error *error);
};

/** import_from - hwaccl_import_ctf() with another source of events; config->directory is its name in messages */
bool import_from(const struct import_source *source, const struct hwaccl_import_config *config,
                 struct hwaccl_import_result *result, struct hwaccl_error *error);

/** import_init - initialize; always call import_free() afterwards */
bool import_init(struct trace_import *import, sqlite3 *db, const struct survey_stream *stream,
                 struct hwaccl_error *error);

/** import_take - process the next event of the virtual CPU; false with *error set if it is invalid */
bool import_take(struct trace_import *import, const struct trace_event *event, struct hwaccl_error *error);

/** import_close - end of the events */
bool import_close(struct trace_import *import, struct hwaccl_error *error);
void import_free(struct trace_import *import);

/* import_records.c: events as ring records. False with *error set for an invalid value or if out of memory. */
void import_hold_init(struct trace_import *import);
bool import_hold_keyframe(struct trace_import *import, const struct hwaccl_subject_state *state,
                          struct hwaccl_error *error);
bool import_hold_entry(struct trace_import *import, const struct trace_transfer *transfer, struct hwaccl_error *error);
bool import_hold_irq(struct trace_import *import, bool reclaim, const struct trace_irq *irq,
                     struct hwaccl_error *error);
bool import_hold_exit(struct trace_import *import, const struct trace_transfer *transfer, struct hwaccl_error *error);
bool import_hold_value(struct trace_import *import, bool effect, const struct trace_value *value,
                       struct hwaccl_error *error);
bool import_hold_fault(struct trace_import *import, const struct trace_fault *fault, struct hwaccl_error *error);
bool import_hold_handled(struct trace_import *import, const struct trace_handled *handled, struct hwaccl_error *error);
bool import_hold_thread_time(struct trace_import *import, const struct trace_thread_time *time,
                             struct hwaccl_error *error);
bool import_hold_snapshot(struct trace_import *import, const uint8_t *data, uint32_t size, struct hwaccl_error *error);

/** import_feed - pass the held records, or only the first of them, to the decoder, and drop the rest */
bool import_feed(struct trace_import *import, bool first_only, struct hwaccl_error *error);

#endif
