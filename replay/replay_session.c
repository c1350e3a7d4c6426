#include "replay/replay_session.h"

#include "replay/engine.h"
#include "replay/machine_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct replay_session {
        struct replay_engine engine;
        struct hwaccl_recording *recording;
        struct hwaccl_machine_config config;
        struct hwaccl_exit_cursor *cursor; /* NULL: it stands nowhere */
        const struct hwaccl_recorded_exit *exit;
        uint32_t vcpu;
        uint64_t next;
        bool fresh;    /* the machine is at reset */
        bool entering; /* no exit was replayed since the machine was put here: its entry is to be compared too */
        bool failed;   /* a seek is due */
        bool follow;   /* also after the machine was built anew */
};

struct replay_session *replay_session_open(struct hwaccl_recording *recording, uint32_t vcpu,
                                           struct hwaccl_error *error)
{
        const char *vmm = hwaccl_recording_info(recording)->vmm;
        struct replay_session *session = calloc(1, sizeof(*session));

        if (!session) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        session->recording = recording;
        session->vcpu = vcpu;
        session->fresh = true;
        if (vmm)
                hwaccl_error_set(error, "another VMM (%s) handled these exits", vmm);
        else if (hwaccl_machine_options_read(recording, &session->config, error) &&
                 replay_engine_build(&session->engine, &session->config, error))
                return session;
        replay_session_close(session);
        return NULL;
}

static void stand_nowhere(struct replay_session *session)
{
        hwaccl_exit_cursor_close(session->cursor);
        session->cursor = NULL;
        session->exit = NULL;
}

void replay_session_close(struct replay_session *session)
{
        if (!session)
                return;
        stand_nowhere(session);
        replay_engine_destroy(&session->engine);
        free(session);
}

bool replay_refuse_gap(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t start,
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

/* Devices as saved after the exit before @start, the context as the guest was entered with. */
static bool load_start(struct replay_session *session, uint64_t start, struct hwaccl_error *error)
{
        const struct hwaccl_recorded_device_field *fields;
        struct hwaccl_subject_state state;
        struct hwaccl_known_fields known;
        size_t count;

        if (!hwaccl_recording_device_fields(session->recording, session->vcpu, start - 1, &fields, &count, error))
                return false;
        if (!replay_devices_load(session->engine.machine, fields, count, error))
                return hwaccl_error_prefix(error, "keyframe after exit %" PRIu64, start - 1);
        if (!hwaccl_recording_state(session->recording, session->vcpu, start, HWACCL_MOMENT_ENTRY, &state, &known,
                                    error))
                return false;
        return replay_load_state(&session->engine, &state, &known, error) ||
               hwaccl_error_prefix(error, "state before exit %" PRIu64, start);
}

/* A machine as it was before exit @start, where a replay can begin. */
static bool restart(struct replay_session *session, uint64_t start, struct hwaccl_error *error)
{
        stand_nowhere(session);
        if (!session->fresh) {
                replay_engine_destroy(&session->engine);
                if (!replay_engine_build(&session->engine, &session->config, error))
                        return false;
                session->engine.follow = session->follow;
        }
        session->fresh = false;
        if (start > 0 && !load_start(session, start, error))
                return false;
        session->cursor = hwaccl_exit_cursor_open(session->recording, session->vcpu, start, error);
        session->next = start;
        session->entering = true;
        return session->cursor != NULL;
}

bool replay_session_seek(struct replay_session *session, uint64_t exit, struct hwaccl_error *error)
{
        struct hwaccl_recording_gap gap;
        uint64_t start;

        if (!hwaccl_recording_replay_start(session->recording, session->vcpu, exit, &start, error))
                return false;
        if (hwaccl_recording_gap(session->recording, session->vcpu, start, exit, &gap))
                return replay_refuse_gap(session->recording, session->vcpu, start, &gap, error);
        bool on_the_way = session->cursor && session->next >= start && session->next <= exit;
        if (!on_the_way && !restart(session, start, error))
                return false;
        while (session->next < exit) {
                enum replay_step step = replay_session_step(session, error);
                if (step == REPLAY_STEP_END)
                        return hwaccl_error_set(error, "exit %" PRIu64 " is missing", session->next);
                if (step == REPLAY_STEP_FAILED)
                        return false;
        }
        session->exit = NULL;
        session->failed = false;
        replay_engine_stand(&session->engine);
        return true;
}

static enum replay_step fail(struct replay_session *session)
{
        stand_nowhere(session);
        session->failed = true;
        return REPLAY_STEP_FAILED;
}

static bool seek_first(struct replay_session *session, struct hwaccl_error *error)
{
        uint64_t first, end;

        if (session->failed)
                return hwaccl_error_set(error, "the replay failed before exit %" PRIu64, session->next);
        return hwaccl_recording_range(session->recording, session->vcpu, &first, &end, error) &&
               replay_session_seek(session, first, error);
}

enum replay_step replay_session_step(struct replay_session *session, struct hwaccl_error *error)
{
        const struct hwaccl_recorded_exit *exit;
        struct replay_engine *engine = &session->engine;

        if (!session->cursor && !seek_first(session, error))
                return fail(session);
        int more = hwaccl_exit_cursor_next(session->cursor, &exit, error);
        if (more == 0)
                return REPLAY_STEP_END;
        if (more < 0)
                return fail(session);
        if (exit->missing) {
                const struct hwaccl_recording_gap gap = {session->next, exit->number - 1, 0};
                (void)replay_refuse_gap(session->recording, session->vcpu, 0, &gap, error);
                return fail(session);
        }
        session->exit = exit;
        replay_engine_run(engine, exit, session->entering);
        session->entering = false;
        if (engine->refused) {
                hwaccl_error_set(error, "keyframe after exit %" PRIu64 ": %s", exit->number, engine->refusal.message);
                return fail(session);
        }

        const struct hwaccl_subject_state *after;
        struct hwaccl_known_fields known;
        if (!hwaccl_exit_cursor_after(session->cursor, &after, &known, error))
                return fail(session);
        replay_engine_settle(engine, after, &known);
        session->next = exit->number + 1;
        return replay_report_close(&engine->comparison.report, exit) ? REPLAY_STEP_DIVERGED : REPLAY_STEP_CLEAN;
}

const struct hwaccl_divergence *replay_session_divergence(const struct replay_session *session)
{
        const struct hwaccl_divergence *divergence = &session->engine.comparison.report.divergence;

        return session->exit && divergence->difference_count ? divergence : NULL;
}

const struct hwaccl_recorded_exit *replay_session_exit(const struct replay_session *session)
{
        return session->exit;
}

void replay_session_follow(struct replay_session *session)
{
        session->follow = true;
        session->engine.follow = true;
}

struct replay_session_results replay_session_results(struct replay_session *session)
{
        struct replay_engine *engine = &session->engine;
        struct replay_session_results results = {
                .recorded = engine->expected,
                .verdict = engine->verdict,
                .outcome = engine->outcome,
                .devices_differed = engine->devices_differed,
        };

        results.effects = replay_effects_give(&engine->effects, &results.effect_count);
        return results;
}

uint64_t replay_session_next(const struct replay_session *session)
{
        return session->next;
}

const struct hwaccl_subject_state *replay_session_state(const struct replay_session *session, enum hwaccl_moment moment)
{
        return session->cursor ? session->engine.state[moment] : NULL;
}

struct hwaccl_machine *replay_session_machine(const struct replay_session *session)
{
        return session->cursor ? session->engine.machine : NULL;
}
