#include "hwaccl/replay.h"

#include "replay/engine.h"
#include "replay/machine_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROGRESS_INTERVAL 8192u /* exits */

static double now(void)
{
        struct timespec time;
        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Stand before exit @start as the recording does: devices as saved after the exit before it, the context as the guest
 * is about to be entered with. */
static bool load_start(struct replay_engine *engine, struct hwaccl_recording *recording, uint64_t start,
                       struct hwaccl_error *error)
{
        const struct hwaccl_recorded_device_field *fields;
        size_t count;

        if (!hwaccl_recording_device_fields(recording, engine->config->vcpu, start - 1, &fields, &count, error))
                return false;
        if (!replay_devices_load(engine->machine, fields, count, error))
                return hwaccl_error_prefix(error, "keyframe after exit %" PRIu64, start - 1);
        return true;
}

static bool load_context(struct hwaccl_vcpu *vcpu, const struct hwaccl_recorded_exit *exit, struct hwaccl_error *error)
{
        return hwaccl_vcpu_load_state(vcpu, exit->entry, error) ||
               hwaccl_error_prefix(error, "state before exit %" PRIu64, exit->number);
}

/* What can be said only when the step is over: inputs that nobody read, and a guest that ended although it went on. */
static void finish_exit(struct replay_engine *engine, bool ended, const struct hwaccl_error *error)
{
        const struct hwaccl_recorded_exit *exit = engine->exit;
        enum hwaccl_end end = hwaccl_machine_end(engine->machine);

        if (engine->cut_short || !exit->outcome_known)
                return;
        if (engine->input_next < exit->input_count && !engine->inputs_lost) {
                char unread[64];
                (void)snprintf(unread, sizeof(unread), "%zu more", exit->input_count - engine->input_next);
                replay_report_texts(&engine->report,
                                    replay_report_name(&engine->report, "input %zu", engine->input_next), unread,
                                    "not read");
        }
        bool failed = ended && (end == HWACCL_END_ERROR || end == HWACCL_END_ENTRY_FAILURE);
        if (failed && !engine->inputs_lost && exit->outcome != HWACCL_OUTCOME_FAILED)
                replay_report_texts(&engine->report, "handling", hwaccl_outcome_name(exit->outcome), error->message);
}

static void begin_exit(struct replay_engine *engine, const struct hwaccl_recorded_exit *exit)
{
        engine->exit = exit;
        engine->input_next = 0;
        engine->effect_next = 0;
        engine->offered = false;
        engine->inputs_lost = false;
        engine->cut_short = false;
        engine->entered = false;
}

/* The state that the last exit's handling left: the next entry's, or the closing one. */
static bool close_last(struct replay_engine *engine, struct hwaccl_exit_cursor *cursor, struct hwaccl_error *error)
{
        if (!engine->report.open)
                return true;
        if (!hwaccl_exit_cursor_after(cursor, &engine->closing, &engine->closing_known, error))
                return false;
        engine->exit = NULL;
        if (engine->closing)
                hwaccl_vcpu_close(engine->vcpu);
        (void)replay_report_close(engine);
        return true;
}

/* The previous exit's handling left a context with which no guest can be entered, so this exit cannot be replayed. */
static void refuse_entry(struct replay_engine *engine, const struct hwaccl_error *error)
{
        const struct hwaccl_recorded_exit *exit = engine->exit;

        replay_report_texts(&engine->report, "next entry", "possible", error->message);
        if (replay_report_close(engine) && engine->config->stop_at_first)
                engine->stopping = true;
        replay_report_open(&engine->report, exit);
        replay_resynchronise(engine, exit->exit, &exit->exit_known);
}

static int step(struct replay_engine *engine, const struct hwaccl_recorded_exit *exit)
{
        struct hwaccl_error error = {""};

        /* a guest that ended in the replay only: its exit was reported; go on as the recording does */
        if (hwaccl_machine_end(engine->machine) != HWACCL_END_NONE)
                hwaccl_vcpu_resume(engine->vcpu);
        begin_exit(engine, exit);
        bool more = hwaccl_vcpu_step(engine->vcpu, &error);
        if (!engine->entered)
                refuse_entry(engine, &error);
        if (engine->stopping)
                return 0;
        finish_exit(engine, !more, &error);
        return 1;
}

/* Exits one after the other, until the range is done. Before one is replayed, what it shows of the previous one's
 * handling is compared. */
static bool run_exits(struct replay_engine *engine, struct hwaccl_exit_cursor *cursor, uint64_t start,
                      struct hwaccl_error *error)
{
        const struct hwaccl_replay_config *config = engine->config;
        const struct hwaccl_recorded_exit *exit;
        uint64_t steps = 0;

        for (;;) {
                int more = hwaccl_exit_cursor_next(cursor, &exit, error);
                if (more < 0)
                        return false;
                if (more == 0)
                        return close_last(engine, cursor, error);
                if (steps == 0 && start > 0 && !load_context(engine->vcpu, exit, error))
                        return false;
                if (!step(engine, exit))
                        return true;
                if (exit->number == config->last)
                        return close_last(engine, cursor, error);
                if (++steps % PROGRESS_INTERVAL == 0 && config->progress)
                        config->progress(config->opaque, engine->result->exits);
        }
}

/* What a replay needs is a chain of exits: it says which part of the range it can do. */
static bool refuse_gap(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t start,
                       const struct hwaccl_recording_gap *gap, struct hwaccl_error *error)
{
        char before[48] = "", after[48] = "";
        struct hwaccl_error failed;
        uint64_t resumed;

        if (gap->first > start)
                (void)snprintf(before, sizeof(before), " up to %" PRIu64, gap->first - 1);
        if (hwaccl_recording_replay_after(recording, vcpu, gap->last, &resumed, &failed))
                (void)snprintf(after, sizeof(after), "%s from %" PRIu64 " on", *before ? ", or" : "", resumed);
        else if (failed.message[0])
                return hwaccl_error_set(error, "%s", failed.message);
        return hwaccl_error_set(error, "exits %" PRIu64 " to %" PRIu64 " are missing (the trace lost them)%s%s%s",
                                gap->first, gap->last, *before || *after ? "; replay is possible" : "", before, after);
}

static bool run_engine(struct replay_engine *engine, struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        const struct hwaccl_replay_config *config = engine->config;
        uint64_t start = 0;

        if (config->first > 0 && !hwaccl_recording_replay_start(recording, config->vcpu, config->first, &start, error))
                return false;
        if (start > 0 && !load_start(engine, recording, start, error))
                return false;
        struct hwaccl_recording_gap gap;
        if (hwaccl_recording_gap(recording, config->vcpu, start, config->last, &gap))
                return refuse_gap(recording, config->vcpu, start, &gap, error);
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, config->vcpu, start, error);
        if (!cursor)
                return false;
        bool done = run_exits(engine, cursor, start, error);
        hwaccl_exit_cursor_close(cursor);
        return done;
}

bool hwaccl_replay_run(struct hwaccl_recording *recording, const struct hwaccl_replay_config *config,
                       struct hwaccl_replay_result *result, struct hwaccl_error *error)
{
        struct hwaccl_machine_config machine_config;

        memset(result, 0, sizeof(*result));
        if (config->first > config->last)
                return hwaccl_error_set(error, "exits %" PRIu64 " to %" PRIu64 " are no range", config->first,
                                        config->last);
        if (hwaccl_recording_info(recording)->vmm)
                return hwaccl_error_set(error, "another VMM (%s) handled these exits",
                                        hwaccl_recording_info(recording)->vmm);
        if (!hwaccl_machine_options_read(recording, &machine_config, error))
                return false;
        struct replay_engine *engine = calloc(1, sizeof(*engine));
        if (!engine)
                return hwaccl_error_set(error, "out of memory");
        engine->accel.ops = &replay_accel_ops;
        engine->inputs.ops = &replay_inputs_ops;
        engine->probe.ops = &replay_probe_ops;
        engine->config = config;
        engine->result = result;
        engine->machine = hwaccl_machine_create(&machine_config, error);
        if (engine->machine)
                engine->vcpu = hwaccl_vcpu_create(engine->machine, error);
        bool done = false;
        if (engine->vcpu) {
                double start = now();
                hwaccl_vcpu_attach(engine->vcpu, &engine->accel, &engine->inputs, &engine->probe);
                done = run_engine(engine, recording, error);
                result->seconds = now() - start;
        }
        hwaccl_vcpu_destroy(engine->vcpu);
        hwaccl_machine_destroy(engine->machine);
        free(engine);
        return done;
}
