/* One exit on the machine of a replay: before it, its handling, and what that left. */
#include "replay/engine.h"

#include <stdio.h>
#include <string.h>

bool replay_engine_build(struct replay_engine *engine, const struct hwaccl_machine_config *config,
                         struct hwaccl_error *error)
{
        memset(engine, 0, sizeof(*engine));
        engine->accel.ops = &replay_accel_ops;
        engine->inputs.ops = &replay_inputs_ops;
        engine->probe.ops = &replay_probe_ops;
        engine->machine = hwaccl_machine_create(config, error);
        engine->vcpu = engine->machine ? hwaccl_vcpu_create(engine->machine, error) : NULL;
        if (!engine->vcpu)
                return false;
        hwaccl_vcpu_attach(engine->vcpu, &engine->accel, &engine->inputs, &engine->probe);
        return true;
}

void replay_engine_destroy(struct replay_engine *engine)
{
        hwaccl_vcpu_destroy(engine->vcpu);
        hwaccl_machine_destroy(engine->machine);
        engine->vcpu = NULL;
        engine->machine = NULL;
        replay_effects_release(&engine->effects);
}

/* The transfer in to come, compared with @expected; NULL: with nothing. */
static void expect(struct replay_engine *engine, enum hwaccl_moment moment, const struct hwaccl_subject_state *expected,
                   const struct hwaccl_known_fields *known)
{
        engine->transferred = false;
        engine->moment = moment;
        engine->expected = expected;
        if (expected)
                engine->expected_known = *known;
}

void replay_engine_stand(struct replay_engine *engine)
{
        struct hwaccl_error error;

        expect(engine, HWACCL_MOMENT_ENTRY, NULL, NULL);
        memset(engine->state, 0, sizeof(engine->state));
        (void)hwaccl_vcpu_close(engine->vcpu, &error); /* where it fails, the next step says so */
}

static void begin_exit(struct replay_engine *engine, const struct hwaccl_recorded_exit *exit)
{
        replay_comparison_begin(&engine->comparison, exit, exit->outcome_known);
        engine->offered = false;
        engine->refused = false;
        engine->devices_differed = false;
        replay_effects_clear(&engine->effects);
        memset(engine->state, 0, sizeof(engine->state));
}

/* Checks at the end of the handling: inputs that were not read, and a guest that ended only in the replay.
 */
static void finish_exit(struct replay_engine *engine, bool ended, const struct hwaccl_error *error)
{
        const struct hwaccl_recorded_exit *exit = engine->comparison.exit;
        enum hwaccl_end end = hwaccl_machine_end(engine->machine);

        if (engine->comparison.cut_short || !exit->outcome_known)
                return;
        replay_comparison_inputs_end(&engine->comparison);
        bool failed = ended && (end == HWACCL_END_ERROR || end == HWACCL_END_ENTRY_FAILURE);
        if (failed && !engine->comparison.inputs_lost && exit->outcome != HWACCL_OUTCOME_FAILED)
                replay_report_texts(&engine->comparison.report, "handling", hwaccl_outcome_name(exit->outcome),
                                    error->message);
}

void replay_engine_run(struct replay_engine *engine, const struct hwaccl_recorded_exit *exit, bool compare_entry)
{
        struct hwaccl_error error = {""};

        if (hwaccl_machine_end(engine->machine) != HWACCL_END_NONE) /* in the replay only: that exit was reported */
                hwaccl_vcpu_resume(engine->vcpu);
        begin_exit(engine, exit);
        expect(engine, HWACCL_MOMENT_ENTRY, compare_entry ? exit->entry : NULL, &exit->entry_known);
        bool more = hwaccl_vcpu_step(engine->vcpu, &error);
        if (engine->transferred)
                finish_exit(engine, !more, &error);
        else
                replay_report_texts(&engine->comparison.report, "entry", "possible", error.message);
}

void replay_engine_settle(struct replay_engine *engine, const struct hwaccl_subject_state *after,
                          const struct hwaccl_known_fields *known)
{
        struct hwaccl_error error = {""};

        expect(engine, HWACCL_MOMENT_HANDLED, engine->comparison.cut_short ? NULL : after, known);
        bool possible = hwaccl_vcpu_close(engine->vcpu, &error);
        if (!after || (possible && !engine->comparison.cut_short))
                return;
        if (!possible)
                replay_report_texts(&engine->comparison.report, "next entry", "possible", error.message);
        if (!engine->follow)
                replay_resynchronise(engine, after, known);
}
