/* Second of an import's two passes: the events of one virtual CPU, through the decoder, into the database. */
#ifndef HWACCL_TRACER_LTTNG_TRACE_IMPORT_H
#define HWACCL_TRACER_LTTNG_TRACE_IMPORT_H

#include "tracer/import/trace_survey.h"

#include "tracer/database/decoder.h"
#include "tracer/import/import.h"
#include "tracer/ring/lane.h"
#include "tracer/ring/record_buffer.h"

/* Where in an exit the events stand. */
enum import_phase {
        IMPORT_LOST,    /* nothing is known until a keyframe */
        IMPORT_BETWEEN, /* exits */
        IMPORT_ENTERED,
        IMPORT_LEFT, /* vm_exit was there, transfer_out was not */
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
        struct trace_vm_exit left; /* the half of an exit that vm_exit has */
        uint64_t pending[4];
        bool offered;
        uint8_t *device_state; /* seen while lost, at exit device_exit, by the event before the next one */
        uint32_t device_size;
        uint64_t device_exit;
        bool device_waits;
        struct survey_devices *devices; /* of the decoder */
        bool device_known;              /* every field's name and size are */

        uint64_t taken; /* events */
        uint64_t lost;
        uint64_t lost_here; /* in the gap that is open */
        uint64_t gaps;
        uint64_t missing; /* exits */
        bool snapshots_lost;
        bool ended;
        struct trace_end end;
        char end_message[256];
};

/* Where the events come from: called twice. */
struct import_source {
        void *opaque;
        bool (*read)(void *opaque, const struct trace_sink *sink, struct hwaccl_error *error);
};

/** import_from - hwaccl_import_ctf() from somewhere else; config->directory is its name in messages */
bool import_from(const struct import_source *source, const struct hwaccl_import_config *config,
                 struct hwaccl_import_result *result, struct hwaccl_error *error);

/** import_init - import_free() is due in either case; *import is zeroed */
bool import_init(struct trace_import *import, sqlite3 *db, const struct survey_stream *stream,
                 struct hwaccl_error *error);

/** import_take - the next event of that virtual CPU; false with *error set when it cannot be */
bool import_take(struct trace_import *import, const struct trace_event *event, struct hwaccl_error *error);

/** import_close - nothing follows */
bool import_close(struct trace_import *import, struct hwaccl_error *error);
void import_free(struct trace_import *import);

/* import_records.c: events as ring records. False with *error set when a value cannot be, or memory is short. */
void import_hold_init(struct trace_import *import);
bool import_hold_keyframe(struct trace_import *import, const struct hwaccl_subject_state *state,
                          struct hwaccl_error *error);
bool import_hold_entry(struct trace_import *import, const struct trace_transfer *transfer, struct hwaccl_error *error);
bool import_hold_irq(struct trace_import *import, bool reclaim, const struct trace_irq *irq,
                     struct hwaccl_error *error);
bool import_hold_exit(struct trace_import *import, const struct trace_transfer *transfer, struct hwaccl_error *error);
bool import_hold_value(struct trace_import *import, bool effect, const struct trace_value *value,
                       struct hwaccl_error *error);
bool import_hold_handled(struct trace_import *import, const struct trace_handled *handled, struct hwaccl_error *error);
bool import_hold_snapshot(struct trace_import *import, const uint8_t *data, uint32_t size, struct hwaccl_error *error);

/** import_feed - what is held goes to the decoder, or only the first record of it; nothing is held afterwards */
bool import_feed(struct trace_import *import, bool first_only, struct hwaccl_error *error);

#endif
