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

static bool compare_fields(struct replay_engine *engine, const struct hwaccl_subject_state *replayed)
{
        const char *suffix = engine->moment == HWACCL_MOMENT_ENTRY ? " before entry" : "";
        struct replay_report *report = &engine->report;
        bool same = true;

        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                uint64_t a = hwaccl_field_get(engine->expected, (enum hwaccl_field_index)i);
                uint64_t b = hwaccl_field_get(replayed, (enum hwaccl_field_index)i);
                if (a == b || !hwaccl_known_fields_has(&engine->expected_known, i))
                        continue;
                same = false;
                replay_report_numbers(
                        report,
                        *suffix ? replay_report_name(report, "%s%s", hwaccl_subject_fields[i].name, suffix)
                                : hwaccl_subject_fields[i].name,
                        a, b);
        }
        return same;
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
                replay_report_texts(&engine->report, "state", "accepted", error.message);
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
                    compare_fields(engine, state);

        engine->transferred = true;
        engine->state[engine->moment] = state;
        if (same && engine->moment == HWACCL_MOMENT_HANDLED)
                return; /* it stays there until the next entry */
        if (!same && engine->moment == HWACCL_MOMENT_ENTRY)
                replay_resynchronise(engine, engine->expected, &engine->expected_known);
        *own = *state;
        engine->state[engine->moment] = own;
        if (!same && engine->moment == HWACCL_MOMENT_HANDLED)
                replay_resynchronise(engine, engine->expected, &engine->expected_known);
}

static void irq_offer(struct hwaccl_probe *probe, uint8_t vector)
{
        struct replay_engine *engine = probe_engine(probe);
        engine->offered = true;
        engine->offered_vector = vector;
}

static void report_offer(struct replay_engine *engine)
{
        char recorded[16] = "none", replayed[16] = "none";
        if (engine->exit->offered)
                (void)snprintf(recorded, sizeof(recorded), "0x%02x", engine->exit->offered_vector);
        if (engine->offered)
                (void)snprintf(replayed, sizeof(replayed), "0x%02x", engine->offered_vector);
        replay_report_texts(&engine->report, "offered vector", recorded, replayed);
}

static void entry(struct hwaccl_probe *probe)
{
        struct replay_engine *engine = probe_engine(probe);
        const struct hwaccl_recorded_exit *exit = engine->exit;

        if (exit->offered != engine->offered || (exit->offered && exit->offered_vector != engine->offered_vector))
                report_offer(engine);
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
        if (engine->exit->verdict_known && engine->exit->verdict != replayed)
                replay_report_texts(&engine->report, "verdict", hwaccl_verdict_name(engine->exit->verdict),
                                    hwaccl_verdict_name(replayed));
}

static void irq_reclaim(struct hwaccl_probe *probe, uint8_t vector, bool taken)
{
        struct replay_engine *engine = probe_engine(probe);
        if (engine->exit->settled && engine->exit->offered_vector == vector && engine->exit->taken != taken)
                replay_report_texts(&engine->report, "offered vector taken", engine->exit->taken ? "yes" : "no",
                                    taken ? "yes" : "no");
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

static bool same_effect(const struct hwaccl_effect *a, const struct hwaccl_effect *b)
{
        return a->kind == b->kind && a->address == b->address && a->value == b->value && a->size == b->size &&
               (!a->size || memcmp(a->data, b->data, a->size) == 0);
}

/* "write 0x500+4: 01 02 03 04", the bytes from @from on. */
static void describe_effect(char *text, size_t room, const struct hwaccl_effect *effect, size_t from)
{
        int used = 0;
        switch (effect->kind) {
        case HWACCL_EFFECT_MEMORY:
                used = snprintf(text, room, "memory 0x%" PRIx64 "+%" PRIu32 ":", effect->address, effect->size);
                break;
        case HWACCL_EFFECT_CONSOLE:
                used = snprintf(text, room, "console %" PRIu64 "+%" PRIu32 ":", effect->address, effect->size);
                break;
        case HWACCL_EFFECT_IRQ_LINE:
                (void)snprintf(text, room, "IRQ line %" PRIu64 " %s", effect->address, effect->value ? "up" : "down");
                return;
        case HWACCL_EFFECT_STOP:
                (void)snprintf(text, room, "guest ends: %s (%" PRIu64 ")", hwaccl_end_name((unsigned)effect->address),
                               effect->value);
                return;
        case HWACCL_EFFECT_DISK_WRITE:
                used = snprintf(text, room, "disk %" PRIu64 " at 0x%" PRIx64 "+%" PRIu32 ":", effect->value,
                                effect->address, effect->size);
                break;
        case HWACCL_EFFECT_PORT_READ:
                used = snprintf(text, room, "port 0x%" PRIx64 "+%" PRIu32 ":", effect->address, effect->size);
                break;
        case HWACCL_EFFECT_MMIO_READ:
                used = snprintf(text, room, "device 0x%" PRIx64 "+%" PRIu32 ":", effect->address, effect->size);
                break;
        case HWACCL_EFFECT_FLOATING_POINT: used = snprintf(text, room, "floating point:"); break;
        case HWACCL_EFFECT_DISK_FLUSH: (void)snprintf(text, room, "disk %" PRIu64 " flushed", effect->value); return;
        default: (void)snprintf(text, room, "kind %u", (unsigned)effect->kind); return;
        }
        if (from)
                used += snprintf(text + used, room - (size_t)used, " from byte %zu:", from);
        used += snprintf(text + used, room - (size_t)used, " ");
        replay_format_bytes(text + used, room - (size_t)used, (const uint8_t *)effect->data + from,
                            effect->size - from);
}

static void report_effect(struct replay_engine *engine, size_t number, const struct hwaccl_effect *recorded,
                          const struct hwaccl_effect *replayed)
{
        const char *name = replay_report_name(&engine->report, "effect %zu", number);
        struct hwaccl_difference *difference = replay_report_add(&engine->report, name);
        if (!difference)
                return;

        /* of two long writes to the same address, show the bytes that differ */
        size_t from = 0;
        if (recorded && replayed && recorded->kind == replayed->kind && recorded->size == replayed->size) {
                const uint8_t *a = recorded->data, *b = replayed->data;
                while (from < recorded->size && a[from] == b[from])
                        from++;
                if (from < 16 || from == recorded->size)
                        from = 0;
        }
        (void)snprintf(difference->recorded, sizeof(difference->recorded), "none");
        (void)snprintf(difference->replayed, sizeof(difference->replayed), "none");
        if (recorded)
                describe_effect(difference->recorded, sizeof(difference->recorded), recorded, from);
        if (replayed)
                describe_effect(difference->replayed, sizeof(difference->replayed), replayed, from);
}

static void effect(struct hwaccl_probe *probe, const struct hwaccl_effect *replayed)
{
        struct replay_engine *engine = probe_engine(probe);
        const struct hwaccl_recorded_exit *exit = engine->exit;

        if (engine->cut_short || hwaccl_vcpu_host_failed(engine->vcpu))
                return; /* a failure of the host was reported with its input */
        size_t next = engine->effect_next;
        if (next >= exit->effect_count) {
                if (!exit->outcome_known)
                        engine->cut_short = true;
                else
                        report_effect(engine, next, NULL, replayed);
                return;
        }
        engine->effect_next++;
        if (same_effect(&exit->effects[next], replayed))
                return;
        if (next + 1 < exit->effect_count && same_effect(&exit->effects[next + 1], replayed)) {
                report_effect(engine, next, &exit->effects[next], NULL);
                engine->effect_next++;
                return;
        }
        report_effect(engine, next, &exit->effects[next], replayed);
}

static bool handled(struct hwaccl_probe *probe, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        struct replay_engine *engine = probe_engine(probe);
        const struct hwaccl_recorded_exit *exit = engine->exit;
        (void)error;

        if (engine->cut_short)
                return true;
        if (exit->outcome_known && exit->outcome != outcome)
                replay_report_texts(&engine->report, "outcome", hwaccl_outcome_name(exit->outcome),
                                    hwaccl_outcome_name(outcome));
        for (; exit->outcome_known && engine->effect_next < exit->effect_count; engine->effect_next++)
                report_effect(engine, engine->effect_next, &exit->effects[engine->effect_next], NULL);
        if (!exit->keyframe)
                return true;

        engine->refused =
                !replay_devices_compare(engine->machine, exit->device_fields, exit->device_field_count,
                                        &engine->report) &&
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
        const struct hwaccl_recorded_exit *exit = engine->exit;
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
