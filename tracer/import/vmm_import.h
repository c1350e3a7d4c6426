/*
 * Second pass of an import of a VMM's recorder (lttng_records.h): events `record` of all its lanes become the records
 * that they were, which are checked as those of a ring that is not trusted, and go through a decoder for each lane.
 *
 * Where a lane lost events, the exit in which it did is left out, and all up to its next keyframe; of a thread that
 * runs no vCPU, up to its next call.
 */
#ifndef HWACCL_TRACER_IMPORT_VMM_IMPORT_H
#define HWACCL_TRACER_IMPORT_VMM_IMPORT_H

#include "tracer/import/trace_survey.h"

#include "tracer/database/decoder.h"

struct vmm_lane;

struct vmm_import {
        sqlite3 *db;
        const struct survey *survey;
        uint32_t pid;
        struct vmm_lane *lane; /* as many as the survey has streams; those of other processes are not used */

        uint64_t taken; /* events */
        uint64_t lost;
        uint64_t gaps;    /* ranges of exits */
        uint64_t missing; /* exits */
        bool ended;
        struct trace_end end; /* of any lane; message in end_message */
        char end_message[256];
};

/** vmm_import_init - rows of all lanes but the vCPU of @first; always call vmm_import_free() afterwards */
bool vmm_import_init(struct vmm_import *import, sqlite3 *db, const struct survey *survey,
                     const struct survey_stream *first, struct hwaccl_error *error);

/** vmm_import_take - the next event of the process; false with *error set if it is invalid */
bool vmm_import_take(struct vmm_import *import, const struct trace_event *event, struct hwaccl_error *error);

/** vmm_import_close - end of the events */
bool vmm_import_close(struct vmm_import *import, struct hwaccl_error *error);
void vmm_import_free(struct vmm_import *import);

#endif
