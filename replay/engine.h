/*
 * Internals of the replay engine. It implements three of the core's four interfaces: the accelerator (its hardware is
 * the recording), the inputs (the recorded ones, in order) and the probe (which compares instead of writing).
 *
 * One engine replays one virtual CPU, with its own machine and cursor; several can run in parallel.
 */
#ifndef HWACCL_REPLAY_ENGINE_H
#define HWACCL_REPLAY_ENGINE_H

#include "core/loop/vcpu.h"
#include "core/machine/machine.h"
#include "hwaccl/replay.h"
#include "replay/comparison.h"

#include <stddef.h>

/* What the handling of an exit did. */
struct replay_effects {
        struct hwaccl_effect *effect; /* without data until replay_effects_give() */
        size_t count, room;
        uint8_t *bytes;
        size_t size, bytes_room;
        bool lost; /* out of memory */
};

struct replay_engine {
        struct hwaccl_accel accel;
        struct hwaccl_inputs inputs;
        struct hwaccl_probe probe;
        struct hwaccl_machine *machine;
        struct hwaccl_vcpu *vcpu;

        struct replay_comparison comparison; /* with the exit that is replayed */
        bool offered;
        uint8_t offered_vector;
        bool refused; /* the devices' state at this keyframe cannot be: the replay ends */
        struct hwaccl_error refusal;

        bool follow;           /* after a divergence, go on from the machine's own state; keep the results */
        bool devices_differed; /* at this exit's keyframe */
        enum hwaccl_verdict verdict;
        enum hwaccl_outcome outcome;
        struct replay_effects effects;

        /* The next transfer in. */
        enum hwaccl_moment moment;                   /* HWACCL_MOMENT_ENTRY or _HANDLED */
        const struct hwaccl_subject_state *expected; /* NULL: it is not compared */
        struct hwaccl_known_fields expected_known;
        bool transferred; /* it was done */

        /* The machine's own states around the exit; NULL: there is none (yet). They point into the machine, to what was
         * recorded where that is the same, or here. */
        const struct hwaccl_subject_state *state[HWACCL_MOMENT_COUNT];
        struct hwaccl_subject_state own[HWACCL_MOMENT_COUNT];
};

extern const struct hwaccl_accel_ops replay_accel_ops;

/** replay_floating_point_read - inputs.c: the recorded registers; false where the next input is another: an accelerator
 * that did not give them */
bool replay_floating_point_read(struct hwaccl_accel *accel, struct hwaccl_floating_point *state,
                                struct hwaccl_error *error);
extern const struct hwaccl_inputs_ops replay_inputs_ops;
extern const struct hwaccl_probe_ops replay_probe_ops;

#define REPLAY_ENGINE_OF(pointer, member)                                                                              \
        ((struct replay_engine *)(void *)((char *)(pointer)-offsetof(struct replay_engine, member)))

/* engine.c: one exit. */

/** replay_engine_build - build a machine at reset; always call replay_engine_destroy() afterwards */
bool replay_engine_build(struct replay_engine *engine, const struct hwaccl_machine_config *config,
                         struct hwaccl_error *error);
void replay_engine_destroy(struct replay_engine *engine);

/** replay_engine_stand - make the state before the next entry the machine's only state */
void replay_engine_stand(struct replay_engine *engine);

/** replay_engine_run - the entry, the exit, and its handling */
void replay_engine_run(struct replay_engine *engine, const struct hwaccl_recorded_exit *exit, bool compare_entry);

/** replay_engine_settle - compare the state after the handling with @after, and continue from there; NULL: not recorded
 */
void replay_engine_settle(struct replay_engine *engine, const struct hwaccl_subject_state *after,
                          const struct hwaccl_known_fields *known);

/** replay_refuse_gap - set the error for a gap: a replay needs consecutive exits. It names the part that can be
 * replayed. Returns false */
bool replay_refuse_gap(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t start,
                       const struct hwaccl_recording_gap *gap, struct hwaccl_error *error);

/* effects.c: what handling did, where that is kept. */

/** replay_effects_add - append a copy */
void replay_effects_add(struct replay_effects *effects, const struct hwaccl_effect *effect);

/** replay_effects_give - those since replay_effects_clear(), valid until then; NULL: out of memory */
const struct hwaccl_effect *replay_effects_give(struct replay_effects *effects, size_t *count);
void replay_effects_clear(struct replay_effects *effects);
void replay_effects_release(struct replay_effects *effects);

/* devices.c: device state at keyframes. */

/** replay_devices_load - load the saved state into the devices; fields missing in the recording are unchanged */
bool replay_devices_load(struct hwaccl_machine *machine, const struct hwaccl_recorded_device_field *fields,
                         size_t count, struct hwaccl_error *error);

/** replay_devices_compare - add differences to the report. Returns true if there are none */
bool replay_devices_compare(struct hwaccl_machine *machine, const struct hwaccl_recorded_device_field *fields,
                            size_t count, struct replay_report *report);

/* engine_probe.c */

/** replay_load_state - load a recorded state; no interrupt is pending. False with *error set if the state
 * violates the ABI */
bool replay_load_state(struct replay_engine *engine, const struct hwaccl_subject_state *recorded,
                       const struct hwaccl_known_fields *known, struct hwaccl_error *error);

/** replay_resynchronise - continue from the recorded state: the context determines what the next exit offers and
 * handles */
void replay_resynchronise(struct replay_engine *engine, const struct hwaccl_subject_state *recorded,
                          const struct hwaccl_known_fields *known);

#endif
