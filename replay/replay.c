#include "hwaccl/replay.h"

#include "replay/engine.h"
#include "replay/replay_session.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define PROGRESS_INTERVAL 8192u /* exits */

static double now(void)
{
        struct timespec time;
        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* False: all its differences are intended. */
static bool count_divergence(const struct replay_session *session, const struct hwaccl_replay_config *config,
                             struct hwaccl_replay_result *result)
{
        struct hwaccl_divergence divergence = *replay_session_divergence(session);

        if (config->allow)
                config->allow(config->opaque, &divergence);
        if (!divergence.difference_count) {
                result->allowed++;
                return false;
        }
        if (!result->divergences++)
                result->first_divergence = divergence.exit;
        if (config->diverged)
                config->diverged(config->opaque, &divergence);
        return true;
}

static bool run_exits(struct replay_session *session, const struct hwaccl_replay_config *config,
                      struct hwaccl_replay_result *result, struct hwaccl_error *error)
{
        while (replay_session_next(session) <= config->last) {
                enum replay_step step = replay_session_step(session, error);
                if (step == REPLAY_STEP_FAILED)
                        return false;
                if (step == REPLAY_STEP_END)
                        return true;
                result->exits++;
                if (step == REPLAY_STEP_DIVERGED && count_divergence(session, config, result) && config->stop_at_first)
                        return true;
                if (result->exits % PROGRESS_INTERVAL == 0 && config->progress)
                        config->progress(config->opaque, result->exits);
        }
        return true;
}

static bool run_range(struct replay_session *session, struct hwaccl_recording *recording,
                      const struct hwaccl_replay_config *config, struct hwaccl_replay_result *result,
                      struct hwaccl_error *error)
{
        struct hwaccl_recording_gap gap;

        if (!replay_session_seek(session, config->first, error))
                return false;
        if (hwaccl_recording_gap(recording, config->vcpu, config->first, config->last, &gap))
                return replay_refuse_gap(recording, config->vcpu, config->first, &gap, error);
        return run_exits(session, config, result, error);
}

bool hwaccl_replay_run(struct hwaccl_recording *recording, const struct hwaccl_replay_config *config,
                       struct hwaccl_replay_result *result, struct hwaccl_error *error)
{
        memset(result, 0, sizeof(*result));
        if (config->first > config->last)
                return hwaccl_error_set(error, "exits %" PRIu64 " to %" PRIu64 " are not a range", config->first,
                                        config->last);
        struct replay_session *session = replay_session_open(recording, config->vcpu, error);
        if (!session)
                return false;
        double start = now();
        bool done = run_range(session, recording, config, result, error);
        result->seconds = now() - start;
        replay_session_close(session);
        return done;
}
