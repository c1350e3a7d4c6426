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

#include <stddef.h>

/* Differences of the exit being replayed. */
struct replay_report {
        uint8_t code[15]; /* of the instruction, those that were read */
        uint8_t code_size;
        struct hwaccl_divergence divergence;
        char name[HWACCL_DIFFERENCE_MAX][48]; /* for generated names */
};

struct replay_engine {
        struct hwaccl_accel accel;
        struct hwaccl_inputs inputs;
        struct hwaccl_probe probe;
        struct hwaccl_machine *machine;
        struct hwaccl_vcpu *vcpu;

        const struct hwaccl_recorded_exit *exit; /* the one being replayed */
        size_t input_next;                       /* next in exit->inputs */
        size_t effect_next;                      /* next in exit->effects */
        bool offered;
        uint8_t offered_vector;
        bool inputs_lost; /* a wrong input was requested: suppress consequential differences */
        bool cut_short;   /* the recording ends during this exit's handling: do not compare further */
        bool refused;     /* the devices' state at this keyframe cannot be: the replay ends */
        struct hwaccl_error refusal;
        struct replay_report report;

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

/* report.c: the differences of one exit. */

/** replay_report_open - begin the report of an exit */
void replay_report_open(struct replay_report *report);

/** replay_report_code - save bytes of the instruction for the report */
void replay_report_code(struct replay_report *report, const void *data, size_t size);

/** replay_report_name - generate the name of the next difference, printf style; valid until the report is opened again
 */
const char *replay_report_name(struct replay_report *report, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/** replay_report_add - add a difference for the caller to fill in; NULL if there are too many */
struct hwaccl_difference *replay_report_add(struct replay_report *report, const char *what);

/** replay_report_numbers, replay_report_texts - add a difference of two numbers (hexadecimal), of two texts */
void replay_report_numbers(struct replay_report *report, const char *what, uint64_t recorded, uint64_t replayed);
void replay_report_texts(struct replay_report *report, const char *what, const char *recorded, const char *replayed);

/** replay_report_bytes - add a difference of two byte arrays: the bytes from the first that differs */
void replay_report_bytes(struct replay_report *report, const char *what, const void *recorded, const void *replayed,
                         size_t size);

/** replay_report_close - set the exit of the differences. Returns true if there are any */
bool replay_report_close(struct replay_report *report, const struct hwaccl_recorded_exit *exit);

/** replay_format_bytes - "41 42 43 …", as many as fit */
void replay_format_bytes(char *text, size_t room, const void *data, size_t size);

/* devices.c: device state at keyframes. */

/** replay_devices_load - load the saved state into the devices; fields missing in the recording are unchanged */
bool replay_devices_load(struct hwaccl_machine *machine, const struct hwaccl_recorded_device_field *fields,
                         size_t count, struct hwaccl_error *error);

/** replay_devices_compare - add differences to the report. Returns true if there are none */
bool replay_devices_compare(struct hwaccl_machine *machine, const struct hwaccl_recorded_device_field *fields,
                            size_t count, struct replay_report *report);

/* compare.c */

/** replay_load_state - load a recorded state; no interrupt is pending. False with *error set if the state
 * violates the ABI */
bool replay_load_state(struct replay_engine *engine, const struct hwaccl_subject_state *recorded,
                       const struct hwaccl_known_fields *known, struct hwaccl_error *error);

/** replay_resynchronise - continue from the recorded state: the context determines what the next exit offers and
 * handles */
void replay_resynchronise(struct replay_engine *engine, const struct hwaccl_subject_state *recorded,
                          const struct hwaccl_known_fields *known);

#endif
