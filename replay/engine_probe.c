/* The probe that compares instead of writing, and the accelerator whose hardware is the recording. */
#include "replay/engine.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* @state := what of @recorded is known. Returns true when that is all. */
static bool put_known(struct hwaccl_subject_state *state, const struct hwaccl_subject_state *recorded,
                      const struct hwaccl_known_fields *known)
{
        if (hwaccl_known_fields_equal(*known, hwaccl_known_fields_all())) {
                *state = *recorded;
                return true;
        }
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++)
                if (hwaccl_known_fields_has(known, i))
                        hwaccl_field_put(state, (enum hwaccl_field_index)i,
                                         hwaccl_field_get(recorded, (enum hwaccl_field_index)i));
        return false;
}

bool replay_load_state(struct replay_engine *engine, const struct hwaccl_subject_state *recorded,
                       const struct hwaccl_known_fields *known, struct hwaccl_error *error)
{
        struct hwaccl_subject_state state = *hwaccl_vcpu_state(engine->vcpu);

        put_known(&state, recorded, known);
        return hwaccl_vcpu_load_state(engine->vcpu, &state, error);
}

void replay_resynchronise(struct replay_engine *engine, const struct hwaccl_subject_state *recorded,
                          const struct hwaccl_known_fields *known)
{
        struct hwaccl_error error;

        if (!replay_load_state(engine, recorded, known, &error))
                replay_report_texts(&engine->comparison.report, "state", "accepted", error.message);
}

static struct replay_engine *probe_engine(struct hwaccl_probe *probe)
{
        return REPLAY_ENGINE_OF(probe, probe);
}

/* The machine is about to be entered, or its exit has been handled. */
static void transfer_in(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state)
{
        struct replay_engine *engine = probe_engine(probe);
        struct hwaccl_subject_state *own = &engine->own[engine->moment];
        bool same = !engine->expected || memcmp(engine->expected, state, sizeof(*state)) == 0 ||
                    replay_comparison_fields(&engine->comparison, engine->expected, &engine->expected_known, state,
                                             engine->moment == HWACCL_MOMENT_ENTRY ? " before entry" : "");

        engine->transferred = true;
        engine->state[engine->moment] = state;
        if (same && engine->moment == HWACCL_MOMENT_HANDLED)
                return; /* it stays there until the next entry */
        if (!same && engine->moment == HWACCL_MOMENT_ENTRY)
                replay_resynchronise(engine, engine->expected, &engine->expected_known);
        *own = *state;
        engine->state[engine->moment] = own;
        if (!same && engine->moment == HWACCL_MOMENT_HANDLED && !engine->follow)
                replay_resynchronise(engine, engine->expected, &engine->expected_known);
}

static void irq_offer(struct hwaccl_probe *probe, uint8_t vector)
{
        struct replay_engine *engine = probe_engine(probe);
        engine->offered = true;
        engine->offered_vector = vector;
}

static void entry(struct hwaccl_probe *probe)
{
        struct replay_engine *engine = probe_engine(probe);

        replay_comparison_offer(&engine->comparison, engine->offered, engine->offered_vector);
}

static void exit_observed(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                          const struct hwaccl_pending_interrupts *pending)
{
        /* Both were set by the accelerator below. */
        (void)probe;
        (void)state;
        (void)pending;
}

static void verdict(struct hwaccl_probe *probe, enum hwaccl_verdict replayed)
{
        struct replay_engine *engine = probe_engine(probe);
        engine->verdict = replayed;
        if (engine->comparison.exit->verdict_known && engine->comparison.exit->verdict != replayed)
                replay_report_texts(&engine->comparison.report, "verdict",
                                    hwaccl_verdict_name(engine->comparison.exit->verdict),
                                    hwaccl_verdict_name(replayed));
}

static void irq_reclaim(struct hwaccl_probe *probe, uint8_t vector, bool taken)
{
        struct replay_engine *engine = probe_engine(probe);
        if (engine->comparison.exit->settled && engine->comparison.exit->offered_vector == vector &&
            engine->comparison.exit->taken != taken)
                replay_report_texts(&engine->comparison.report, "offered vector taken",
                                    engine->comparison.exit->taken ? "yes" : "no", taken ? "yes" : "no");
}

static void input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        /* replay_inputs_ops returned it, and compared the request. */
        (void)probe;
        (void)input;
}

static void table_walk(struct hwaccl_probe *probe, const struct hwaccl_table_entry *entry, size_t count, uint32_t size)
{
        (void)probe;
        (void)entry;
        (void)count;
        (void)size;
}

static void effect(struct hwaccl_probe *probe, const struct hwaccl_effect *replayed)
{
        struct replay_engine *engine = probe_engine(probe);

        if (hwaccl_vcpu_host_failed(engine->vcpu))
                return; /* a failure of the host was reported with its input */
        if (engine->follow)
                replay_effects_add(&engine->effects, replayed);
        replay_comparison_effect(&engine->comparison, replayed);
}

static bool handled(struct hwaccl_probe *probe, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        struct replay_engine *engine = probe_engine(probe);
        const struct hwaccl_recorded_exit *exit = engine->comparison.exit;
        (void)error;

        engine->outcome = outcome;
        if (engine->comparison.cut_short)
                return true;
        replay_comparison_outcome(&engine->comparison, outcome);
        replay_comparison_effects_end(&engine->comparison);
        if (!exit->keyframe)
                return true;

        engine->devices_differed = !replay_devices_compare(engine->machine, exit->device_fields,
                                                           exit->device_field_count, &engine->comparison.report);
        engine->refused =
                engine->devices_differed && !engine->follow &&
                !replay_devices_load(engine->machine, exit->device_fields, exit->device_field_count, &engine->refusal);
        return true;
}

const struct hwaccl_probe_ops replay_probe_ops = {
        .transfer_in = transfer_in,
        .irq_offer = irq_offer,
        .entry = entry,
        .exit = exit_observed,
        .verdict = verdict,
        .irq_reclaim = irq_reclaim,
        .input = input,
        .table_walk = table_walk,
        .effect = effect,
        .handled = handled,
};

/* The hardware: to "run" the guest is to return the recorded exit. */
static bool run(struct hwaccl_accel *accel, struct hwaccl_subject_state *state,
                struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request,
                struct hwaccl_error *error)
{
        struct replay_engine *engine = REPLAY_ENGINE_OF(accel, accel);
        const struct hwaccl_recorded_exit *exit = engine->comparison.exit;
        (void)request;

        (void)error;
        if (put_known(state, exit->exit, &exit->exit_known)) {
                engine->state[HWACCL_MOMENT_EXIT] = exit->exit;
        } else {
                engine->own[HWACCL_MOMENT_EXIT] = *state;
                engine->state[HWACCL_MOMENT_EXIT] = &engine->own[HWACCL_MOMENT_EXIT];
        }
        for (size_t i = 0; i < sizeof(pending->bits) / sizeof(pending->bits[0]); i++)
                atomic_store_explicit(&pending->bits[i], exit->pending[i], memory_order_relaxed);
        return true;
}

static void kick(struct hwaccl_accel *accel)
{
        (void)accel; /* asynchronous events are in the recording */
}

static uint64_t virtual_ns(const struct hwaccl_accel *accel)
{
        (void)accel;
        return UINT64_MAX;
}

/* The effect is compared by the probe. */
static bool floating_point_write(struct hwaccl_accel *accel, const struct hwaccl_floating_point *state,
                                 struct hwaccl_error *error)
{
        (void)accel;
        (void)state;
        (void)error;
        return true;
}

static void destroy(struct hwaccl_accel *accel)
{
        (void)accel;
}

const struct hwaccl_accel_ops replay_accel_ops = {
        .name = "replay",
        .run = run,
        .kick = kick,
        .virtual_ns = virtual_ns,
        .floating_point_read = replay_floating_point_read,
        .floating_point_write = floating_point_write,
        .destroy = destroy,
};
