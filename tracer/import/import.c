#include "tracer/import/import.h"

#include "tracer/database/writer_database.h"
#include "tracer/import/trace_import.h"
#include "tracer/import/vmm_import.h"
#include "tracer/ring/ring_files.h"

#include "hwaccl/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_INTERVAL 65536u /* events */

struct import_run {
        const struct import_source *source;
        const struct hwaccl_import_config *config;
        struct hwaccl_import_result *result;
        struct survey survey;
        const struct survey_stream *stream;
        struct trace_import *import;
        struct vmm_import vmm; /* instead of it, if the stream is one of a VMM's lanes */
        bool of_vmm;
        uint64_t events; /* of the second pass */
        char *output;    /* temporary name of the recording */
};

/* "process 12 vCPU 0, process 13 vCPU 0": the candidates for the selection. */
static void list_streams(const struct import_run *run, bool all, char *text, size_t room)
{
        const struct hwaccl_import_config *config = run->config;
        size_t used = 0;

        text[0] = '\0';
        for (size_t i = 0; i < run->survey.stream_count && used < room; i++) {
                const struct survey_stream *stream = &run->survey.stream[i];
                if (!all && config->pid_given && stream->pid != config->pid)
                        continue;
                used += (size_t)snprintf(text + used, room - used, "%sprocess %" PRIu32 " vCPU %" PRIu32,
                                         used ? ", " : "", stream->pid, stream->vcpu);
        }
}

static bool recorded_twice(const struct import_run *run, struct hwaccl_error *error)
{
        const struct survey_stream *stream = run->stream;

        return hwaccl_error_set(error, "%s: process %" PRIu32 " recorded vCPU %" PRIu32 " %" PRIu64 " times",
                                run->config->directory, stream->pid, stream->vcpu, stream->beginnings);
}

static bool of_vmm(const struct import_run *run, uint32_t pid)
{
        for (size_t i = 0; i < run->survey.stream_count; i++)
                if (run->survey.stream[i].pid == pid && run->survey.stream[i].records)
                        return true;
        return false;
}

/* A VMM's lanes are imported together; the first one has the options. */
static bool choose_vmm(struct import_run *run, struct hwaccl_error *error)
{
        const struct survey_stream *first = NULL;

        for (size_t i = 0; i < run->survey.stream_count; i++) {
                const struct survey_stream *stream = &run->survey.stream[i];
                if (stream->pid != run->stream->pid)
                        continue;
                if (!first || stream->vcpu < first->vcpu)
                        first = stream;
                if (stream->beginnings > 1)
                        run->stream = stream; /* refused below */
        }
        if (run->stream->beginnings > 1)
                return recorded_twice(run, error);
        run->stream = first;
        run->of_vmm = true;
        if (run->config->vcpu_given)
                return hwaccl_error_set(error,
                                        "%s: process %" PRIu32 " recorded a VMM, whose vCPUs are imported together",
                                        run->config->directory, first->pid);
        if (!first->begun || first->vcpu >= LANE_THREAD_FIRST)
                return hwaccl_error_set(
                        error, "%s: process %" PRIu32 " has no event begin of a vCPU; trace all events (hwaccl:*)",
                        run->config->directory, first->pid);
        return true;
}

static bool choose_stream(struct import_run *run, struct hwaccl_error *error)
{
        const struct hwaccl_import_config *config = run->config;
        size_t matches = 0;
        uint32_t vmm = 0; /* a process whose lanes were counted as one */
        char list[300];

        for (size_t i = 0; i < run->survey.stream_count; i++) {
                const struct survey_stream *stream = &run->survey.stream[i];
                if ((config->pid_given && stream->pid != config->pid) ||
                    (config->vcpu_given && stream->vcpu != config->vcpu))
                        continue;
                run->stream = stream;
                matches += !of_vmm(run, stream->pid) || vmm != stream->pid;
                vmm = of_vmm(run, stream->pid) ? stream->pid : vmm;
        }
        list_streams(run, matches == 0, list, sizeof(list));
        if (run->survey.stream_count == 0)
                return hwaccl_error_set(error, "%s: contains no events of hwaccl%s", config->directory,
                                        run->survey.discarded_events ? ": LTTng discarded them" : "");
        if (matches == 0)
                return hwaccl_error_set(error, "%s: no such process or vCPU (available: %s)", config->directory, list);
        if (matches > 1)
                return hwaccl_error_set(error,
                                        "%s: contains several virtual CPUs; select one with --pid and --vcpu: %s",
                                        config->directory, list);
        const struct survey_stream *stream = run->stream;
        if (stream->beginnings > 1)
                return recorded_twice(run, error);
        if (of_vmm(run, stream->pid))
                return choose_vmm(run, error);
        if (stream->keyframe_interval == 0)
                return hwaccl_error_set(error, "%s: process %" PRIu32 " has no keyframe; trace all events (hwaccl:*)",
                                        config->directory, stream->pid);
        return true;
}

static bool take(void *opaque, const struct trace_event *event, struct hwaccl_error *error)
{
        struct import_run *run = opaque;

        if (event->pid != run->stream->pid || (!run->of_vmm && event->vcpu != run->stream->vcpu))
                return true;
        if (++run->events % PROGRESS_INTERVAL == 0 && run->config->progress)
                run->config->progress(run->config->opaque, event->exit, run->stream->last_exit);
        return run->of_vmm ? vmm_import_take(&run->vmm, event, error) : import_take(run->import, event, error);
}

static void ignore_discarded(void *opaque, bool packets, uint64_t count)
{
        (void)opaque;
        (void)packets;
        (void)count;
}

/* What both kinds of imports come to. */
struct outcome {
        uint64_t taken, lost, gaps, missing;
        bool ended;
        bool handling;
        bool snapshots_lost;
        const struct trace_end *end;
};

/* Why the recording is incomplete; "" if it is complete. */
static void explain(const struct import_run *run, const struct outcome *outcome, char *text, size_t room)
{
        const struct survey_stream *stream = run->stream;

        text[0] = '\0';
        if (outcome->gaps)
                (void)snprintf(text, room,
                               "the trace lost %" PRIu64 " events: %" PRIu64 " exits in %" PRIu64
                               " ranges are missing (table gap)",
                               outcome->lost, outcome->missing, outcome->gaps);
        else if (!outcome->ended)
                (void)snprintf(text, room, "the trace ends before the guest%s",
                               outcome->handling ? ", while an exit was handled" : "");
        else if (outcome->snapshots_lost)
                (void)snprintf(text, room, "the trace lost %" PRIu64 " events: a device state is missing",
                               outcome->lost);
        else if (!stream->begun || stream->option_count < stream->markers)
                (void)snprintf(text, room, "the trace lost %" PRIu64 " events: options of the recording are missing",
                               outcome->lost);
        else if (run->of_vmm && outcome->lost)
                (void)snprintf(text, room, "the trace lost %" PRIu64 " events: calls of the VMM may be missing",
                               outcome->lost);
}

static bool import_exits(struct import_run *run, sqlite3 *db, struct outcome *outcome, struct hwaccl_error *error)
{
        const struct trace_sink sink = {run, take, ignore_discarded};
        struct trace_import *import = run->import;

        if (!import_init(import, db, run->stream, error) || !run->source->read(run->source->opaque, &sink, error) ||
            !import_close(import, error))
                return false;
        *outcome = (struct outcome){.taken = import->taken,
                                    .lost = import->lost,
                                    .gaps = import->gaps,
                                    .missing = import->missing,
                                    .ended = import->ended,
                                    .handling = import->phase == IMPORT_HANDLING,
                                    .snapshots_lost = import->snapshots_lost,
                                    .end = &import->end};
        return true;
}

static bool import_vmm(struct import_run *run, sqlite3 *db, struct outcome *outcome, struct hwaccl_error *error)
{
        const struct trace_sink sink = {run, take, ignore_discarded};
        struct vmm_import *import = &run->vmm;

        if (!vmm_import_init(import, db, &run->survey, run->stream, error) ||
            !run->source->read(run->source->opaque, &sink, error) || !vmm_import_close(import, error))
                return false;
        *outcome = (struct outcome){.taken = import->taken,
                                    .lost = import->lost,
                                    .gaps = import->gaps,
                                    .missing = import->missing,
                                    .ended = import->ended,
                                    .end = &import->end};
        return true;
}

static bool second_pass(struct import_run *run, sqlite3 *db, struct hwaccl_error *error)
{
        struct hwaccl_import_result *result = run->result;
        struct outcome outcome = {.ended = false};

        if (!(run->of_vmm ? import_vmm(run, db, &outcome, error) : import_exits(run, db, &outcome, error)))
                return false;
        explain(run, &outcome, result->problem, sizeof(result->problem));
        result->complete = result->problem[0] == '\0';
        result->events = outcome.taken;
        result->lost = outcome.lost;
        result->gaps = outcome.gaps;
        result->missing = outcome.missing;
        int64_t exits = 0;
        if (!database_integer(db, "SELECT count(*) FROM exit", 0, &exits, error))
                return false;
        result->exits = (uint64_t)exits;
        const struct trace_end *how = outcome.end;
        const struct recording_end end = {
                .end = outcome.ended && how->end < HWACCL_END_COUNT ? how->end : HWACCL_END_NONE,
                .code = outcome.ended ? how->code : 0,
                .message = outcome.ended && *how->message ? how->message : NULL,
        };
        return writer_database_status(db, &end, result->complete ? NULL : result->problem, true, error);
}

static bool make_recording(struct import_run *run, struct hwaccl_error *error)
{
        const struct survey_stream *stream = run->stream;
        const struct recording_head head = {
                .vcpu = stream->vcpu,
                .vcpu_count = 1,
                .options = stream->option,
                .option_count = stream->option_count,
                .keyframe_interval = stream->keyframe_interval,
        };
        sqlite3 *db = writer_database_create(run->output, true, run->config->mode, error);
        struct hwaccl_error late;

        if (!db)
                return false;
        run->import = aligned_alloc(64, (sizeof(*run->import) + 63) & ~(size_t)63);
        bool good = run->import || hwaccl_error_set(error, "out of memory");
        if (run->import) {
                memset(run->import, 0, sizeof(*run->import));
                good = writer_database_fill(db, &head, error) && second_pass(run, db, error);
                import_free(run->import);
                free(run->import);
                if (run->of_vmm)
                        vmm_import_free(&run->vmm);
        }
        return writer_database_close(db, good ? error : &late) && good;
}

static bool import_run(struct import_run *run, struct hwaccl_error *error)
{
        const struct hwaccl_import_config *config = run->config;
        const struct trace_sink survey = {&run->survey, survey_take, survey_discarded};

        if (!config->force && access(config->output, F_OK) == 0)
                return hwaccl_error_set(error, "%s: already exists; use --force to replace it", config->output);
        if (!ring_files_check(config->output, config->force, error))
                return false;
        if (!run->source->read(run->source->opaque, &survey, error) || !choose_stream(run, error))
                return false;
        run->result->pid = run->stream->pid;
        run->result->vcpu = run->stream->vcpu;
        run->result->discarded_events = run->survey.discarded_events;
        run->result->discarded_packets = run->survey.discarded_packets;
        if (asprintf(&run->output, "%s.import-%ld", config->output, (long)getpid()) < 0) {
                run->output = NULL;
                return hwaccl_error_set(error, "out of memory");
        }
        /* an existing file is replaced only when the new one is complete */
        if (make_recording(run, error) && ring_files_clear(config->output, config->force, error) &&
            writer_database_place(run->output, config->output, true, error))
                return true;
        writer_database_remove(run->output);
        return false;
}

bool import_from(const struct import_source *source, const struct hwaccl_import_config *config,
                 struct hwaccl_import_result *result, struct hwaccl_error *error)
{
        struct import_run *run = calloc(1, sizeof(*run));

        memset(result, 0, sizeof(*result));
        if (!run)
                return hwaccl_error_set(error, "out of memory");
        run->source = source;
        run->config = config;
        run->result = result;
        bool good = import_run(run, error);
        survey_free(&run->survey);
        free(run->output);
        free(run);
        return good;
}

#define PASSES 2u /* over the trace: survey and import */

struct ctf_source {
        const char *directory;
        struct trace_process process[PASSES];
        unsigned pass;
};

static bool read_directory(void *opaque, const struct trace_sink *sink, struct hwaccl_error *error)
{
        struct ctf_source *ctf = opaque;

        return trace_read(&ctf->process[ctf->pass++], ctf->directory, sink, error);
}

/* All that is to be started is started first: what reads their output must not be able to start anything. */
static bool start_all(struct ctf_source *ctf, const struct hwaccl_import_config *config, struct hwaccl_error *error)
{
        pid_t pid[PASSES];

        for (unsigned i = 0; i < PASSES; i++) {
                if (!trace_start(&ctf->process[i], ctf->directory, error))
                        return false;
                pid[i] = ctf->process[i].pid;
        }
        return !config->started || config->started(config->opaque, pid, PASSES, error);
}

bool hwaccl_import_ctf(const struct hwaccl_import_config *config, struct hwaccl_import_result *result,
                       struct hwaccl_error *error)
{
        struct ctf_source ctf = {.directory = config->directory};
        const struct import_source source = {&ctf, read_directory};
        bool good = start_all(&ctf, config, error) && import_from(&source, config, result, error);

        for (unsigned i = 0; i < PASSES; i++)
                trace_stop(&ctf.process[i]);
        return good;
}
