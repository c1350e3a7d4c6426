#include "replay/accept.h"

#include "replay/replay_session.h"
#include "tracer/read/recording_accept.h"

#include <inttypes.h>
#include <string.h>

struct accepting {
        struct hwaccl_recording *recording;
        struct replay_session *session;
        struct recording_accept *copy; /* NULL: nothing differs yet */
        bool devices_differ;           /* since a keyframe */
        void (*accepted)(void *opaque, const struct hwaccl_divergence *divergence);
        void *opaque;
        struct hwaccl_accept_result *result;
};

static bool begins_with(const char *text, const char *start)
{
        return strncmp(text, start, strlen(start)) == 0;
}

/* Differences after which the recorded inputs, or what the guest did then, are not those of this handling. */
static bool is_refused(const char *what)
{
        static const char suffix[] = " before entry";
        size_t length = strlen(what);

        return begins_with(what, "input ") || begins_with(what, "offered vector") || strcmp(what, "handling") == 0 ||
               strcmp(what, "entry") == 0 || strcmp(what, "next entry") == 0 || strcmp(what, "state") == 0 ||
               (length >= sizeof(suffix) && strcmp(what + length - (sizeof(suffix) - 1), suffix) == 0);
}

static bool stops(const struct hwaccl_effect *effects, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (effects[i].kind == HWACCL_EFFECT_STOP)
                        return true;
        return false;
}

static bool check(const struct accepting *accepting, const struct hwaccl_divergence *divergence,
                  const struct replay_session_results *results, struct hwaccl_error *error)
{
        const struct hwaccl_recorded_exit *exit = replay_session_exit(accepting->session);

        for (unsigned i = 0; i < divergence->difference_count; i++) {
                const struct hwaccl_difference *difference = &divergence->difference[i];
                if (is_refused(difference->what))
                        return hwaccl_error_set(error, "exit %" PRIu64 ": %s: recorded %s, replayed %s; record again",
                                                divergence->exit, difference->what, difference->recorded,
                                                difference->replayed);
        }
        if (!results->effects)
                return hwaccl_error_set(error, "out of memory");
        if (stops(exit->effects, exit->effect_count) != stops(results->effects, results->effect_count))
                return hwaccl_error_set(error, "exit %" PRIu64 ": the guest %s here; record again", divergence->exit,
                                        stops(results->effects, results->effect_count) ? "ends" : "no longer ends");
        return true;
}

static bool open_copy(struct accepting *accepting, struct hwaccl_error *error)
{
        if (!accepting->copy)
                accepting->copy = hwaccl_recording_accept_begin(accepting->recording, error);
        return accepting->copy != NULL;
}

static bool accept_exit(struct accepting *accepting, const struct hwaccl_divergence *divergence,
                        const struct replay_session_results *from, struct hwaccl_error *error)
{
        const struct hwaccl_recorded_exit *exit = replay_session_exit(accepting->session);
        const struct recording_results results = {
                .exit = exit->exit,
                .recorded = from->recorded,
                .after = replay_session_state(accepting->session, HWACCL_MOMENT_HANDLED),
                .verdict = from->verdict,
                .outcome = from->outcome,
                .recorded_outcome = exit->outcome,
                .effects = from->effects,
                .effect_count = from->effect_count,
        };

        if (results.recorded && !results.after)
                return hwaccl_error_set(error, "exit %" PRIu64 ": no state after its handling; record again",
                                        divergence->exit);
        return open_copy(accepting, error) &&
               hwaccl_recording_accept_exit(accepting->copy, exit->vcpu, exit->number, &results, error);
}

/* One field as the machine has it. */
static const void *machine_field(struct hwaccl_machine *machine, const struct hwaccl_recorded_device_field *recorded)
{
        size_t count;
        struct hwaccl_device *const *device = hwaccl_machine_devices(machine, &count);

        for (size_t i = 0; i < count; i++) {
                const struct hwaccl_device_ops *ops = device[i]->ops;
                for (size_t k = 0; strcmp(ops->name, recorded->device) == 0 && k < ops->field_count; k++)
                        if (strcmp(ops->fields[k].name, recorded->field) == 0 && ops->fields[k].size == recorded->size)
                                return (const uint8_t *)device[i] + ops->fields[k].offset;
        }
        return NULL;
}

/* After the first difference all later keyframes are looked at: their rows hold only what changed. */
static bool accept_devices(struct accepting *accepting, struct hwaccl_error *error)
{
        const struct hwaccl_recorded_exit *exit = replay_session_exit(accepting->session);
        struct hwaccl_machine *machine = replay_session_machine(accepting->session);

        if (!exit->keyframe || !accepting->devices_differ)
                return true;
        if (!open_copy(accepting, error))
                return false;
        for (size_t i = 0; i < exit->device_field_count; i++) {
                struct hwaccl_recorded_device_field value = exit->device_fields[i];
                value.data = machine_field(machine, &value);
                if (!value.data)
                        return hwaccl_error_set(error, "exit %" PRIu64 ": device state %s.%s is no more; record again",
                                                exit->number, value.device, value.field);
                if (!hwaccl_recording_accept_device(accepting->copy, exit->vcpu, exit->number, &value, error))
                        return false;
        }
        return true;
}

static bool take_step(struct accepting *accepting, struct hwaccl_error *error)
{
        const struct hwaccl_divergence *divergence = replay_session_divergence(accepting->session);
        const struct replay_session_results results = replay_session_results(accepting->session);

        accepting->result->exits++;
        accepting->devices_differ |= results.devices_differed;
        if (divergence) {
                if (!check(accepting, divergence, &results, error) ||
                    !accept_exit(accepting, divergence, &results, error))
                        return false;
                accepting->result->accepted++;
                if (accepting->accepted)
                        accepting->accepted(accepting->opaque, divergence);
        }
        return accept_devices(accepting, error);
}

static bool replay_all(struct accepting *accepting, struct hwaccl_error *error)
{
        for (;;) {
                enum replay_step step = replay_session_step(accepting->session, error);
                if (step == REPLAY_STEP_FAILED)
                        return false;
                if (step == REPLAY_STEP_END)
                        return true;
                if (!take_step(accepting, error))
                        return false;
        }
}

/* The copy replays without a divergence: what was written is what was meant. */
static bool verify(const char *path, uint32_t vcpu, uint64_t first, struct hwaccl_error *error)
{
        struct hwaccl_recording *copy = hwaccl_recording_open(path, error);
        const struct hwaccl_replay_config config = {.vcpu = vcpu, .first = first, .last = UINT64_MAX};
        struct hwaccl_replay_result result;

        if (!copy)
                return false;
        bool good = hwaccl_replay_run(copy, &config, &result, error);
        if (good && result.divergences)
                good = hwaccl_error_set(error,
                                        "exit %" PRIu64 ": diverges with the accepted results too: its handling does "
                                        "not depend on the recording alone; nothing was changed",
                                        result.first_divergence);
        hwaccl_recording_close(copy);
        return good;
}

static bool finish(struct accepting *accepting, uint32_t vcpu, uint64_t first, struct hwaccl_error *error)
{
        struct recording_accept *copy = accepting->copy;

        if (!copy)
                return true;
        const char *made = hwaccl_recording_accept_path(copy, error);
        if (!made || !verify(made, vcpu, first, error))
                return false;
        accepting->copy = NULL;
        return hwaccl_recording_accept_finish(copy, error);
}

bool hwaccl_accept_run(struct hwaccl_recording *recording,
                       void (*accepted)(void *opaque, const struct hwaccl_divergence *divergence), void *opaque,
                       struct hwaccl_accept_result *result, struct hwaccl_error *error)
{
        struct accepting accepting = {.recording = recording, .accepted = accepted, .opaque = opaque, .result = result};
        const uint32_t vcpu = 0;
        uint64_t first, end;

        memset(result, 0, sizeof(*result));
        if (!hwaccl_recording_range(recording, vcpu, &first, &end, error))
                return false;
        accepting.session = replay_session_open(recording, vcpu, error);
        if (!accepting.session)
                return false;
        replay_session_follow(accepting.session);
        bool good = replay_session_seek(accepting.session, first, error) && replay_all(&accepting, error);
        replay_session_close(accepting.session);
        good = good && finish(&accepting, vcpu, first, error);
        hwaccl_recording_accept_abandon(accepting.copy);
        return good;
}
