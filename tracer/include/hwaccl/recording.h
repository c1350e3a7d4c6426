/*
 * Reading a recording. A recording from elsewhere is untrusted: it is opened read-only with SQLite's defensive
 * settings, and every length and range is checked before use; whatever is wrong comes back as one line that names file,
 * row and field.
 *
 * Not stable: structs may gain members, so compile with the header of the library that is linked.
 */
#ifndef HWACCL_RECORDING_H
#define HWACCL_RECORDING_H

#include "hwaccl/error.h"
#include "hwaccl/event.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/known_fields.h"
#include "hwaccl/subject_fields.h"
#include "hwaccl/subject_state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hwaccl_recording;

#define HWACCL_OPTION_VMM "vmm" /* option that names the VMM which embeds the tracer */

/* A name and value of the recording's option table: everything that a replay needs to build the same machine, and
 * everything that a reader wants to know (host, versions, image digests). */
struct hwaccl_recording_option {
        const char *name;
        const char *value;
};

/* A named part of a device's state, as at the last keyframe; layout of data as hwaccl_device_save() packs it. */
struct hwaccl_recorded_device_field {
        const char *device;
        const char *field;
        const void *data;
        uint32_t size;
};

enum hwaccl_recording_status {
        HWACCL_RECORDING_COMPLETE = 0,
        HWACCL_RECORDING_INCOMPLETE = 1, /* it stopped before the guest did: disk full, crash. What is there is good */
        HWACCL_RECORDING_RUNNING = 2,    /* being written now, or its recorder died */
};

struct hwaccl_recording_info {
        uint32_t vcpu_count;
        uint64_t exit_count; /* of all vCPUs */
        uint32_t keyframe_interval;
        enum hwaccl_recording_status status;
        unsigned end; /* enum hwaccl_end */
        uint64_t end_code;
        const char *end_message; /* one line, or NULL */
        const char *vmm;         /* the other VMM that handled these exits and recorded them; NULL: hwaccl did */
};

/* One exit with everything that its handling read and did. Pointers are valid until the cursor moves. */
struct hwaccl_recorded_exit {
        uint32_t vcpu;
        uint64_t number;
        uint64_t missing;                         /* exits before this one that are in a gap */
        const struct hwaccl_subject_state *entry; /* as the guest was entered */
        const struct hwaccl_subject_state *exit;  /* as it left */
        struct hwaccl_known_fields entry_known;
        struct hwaccl_known_fields exit_known;
        bool pending_known;
        uint64_t pending[4]; /* pending-interrupts page at the exit */
        bool offered;
        uint8_t offered_vector;
        bool settled; /* it is known what became of the vector */
        bool taken;
        bool verdict_known;
        enum hwaccl_verdict verdict;
        bool outcome_known; /* false for the last exit of a recording that stopped in its handling */
        enum hwaccl_outcome outcome;
        uint64_t entry_time_ns;            /* host clock of the entry, ns since the recording started */
        uint64_t guest_ns;                 /* host time in the guest */
        uint64_t handler_ns;               /* host time of handling */
        const struct hwaccl_input *inputs; /* in the order in which they were read; the clock among them */
        size_t input_count;
        const struct hwaccl_effect *effects; /* in the order in which they happened */
        size_t effect_count;
        bool keyframe; /* device state was saved after this exit was handled */
        const struct hwaccl_recorded_device_field *device_fields; /* all that are known, when keyframe */
        size_t device_field_count;
};

/** hwaccl_recording_open - open for reading. Foreign, truncated, empty and newer-schema files are errors */
struct hwaccl_recording *hwaccl_recording_open(const char *path, struct hwaccl_error *error);

/**
 * hwaccl_recording_open_running - the same for a short look at one that is being written
 *
 * Does without looking at every page. A recorder that finishes waits for its readers (a second at most): close soon.
 */
struct hwaccl_recording *hwaccl_recording_open_running(const char *path, struct hwaccl_error *error);

void hwaccl_recording_close(struct hwaccl_recording *recording);
const struct hwaccl_recording_info *hwaccl_recording_info(const struct hwaccl_recording *recording);

/**
 * hwaccl_recording_range - the exits that a vCPU has: @first to @end - 1; equal when there are none
 *
 * The first is 0, unless the recording is a window that a flight recorder kept.
 */
bool hwaccl_recording_range(const struct hwaccl_recording *recording, uint32_t vcpu, uint64_t *first, uint64_t *end,
                            struct hwaccl_error *error);

/* Exits that are not there although the recording goes on behind them: the trace that it was imported from lost them.
 */
struct hwaccl_recording_gap {
        uint64_t first; /* exit numbers */
        uint64_t last;
        uint64_t events; /* of the trace that were lost */
};

/** hwaccl_recording_gap - the first gap of a vCPU that touches exits @from to @to; false when none does */
bool hwaccl_recording_gap(const struct hwaccl_recording *recording, uint32_t vcpu, uint64_t from, uint64_t to,
                          struct hwaccl_recording_gap *gap);

/** hwaccl_recording_option - an option's value, valid as long as the recording; NULL when it has none of that name */
const char *hwaccl_recording_option(const struct hwaccl_recording *recording, const char *name);

/** hwaccl_recording_database - the sqlite3 handle (struct sqlite3 *), for queries of the documented views */
struct sqlite3 *hwaccl_recording_database(const struct hwaccl_recording *recording);

struct hwaccl_exit_cursor;

/**
 * hwaccl_exit_cursor_open - stand before exit @first of @vcpu
 *
 * The states at @first are rebuilt from the keyframe before it. Returns NULL with *error set when there is no such
 * exit. Memory does not depend on the recording's length.
 */
struct hwaccl_exit_cursor *hwaccl_exit_cursor_open(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t first,
                                                   struct hwaccl_error *error);
void hwaccl_exit_cursor_close(struct hwaccl_exit_cursor *cursor);

/** hwaccl_exit_cursor_next - 1: *exit is the next one; 0: there is none; -1: the recording is broken, *error says where
 */
int hwaccl_exit_cursor_next(struct hwaccl_exit_cursor *cursor, const struct hwaccl_recorded_exit **exit,
                            struct hwaccl_error *error);

/**
 * hwaccl_exit_cursor_after - the state that the handling of the exit left at which the cursor stands
 * @state: what the next entry shows; after the last exit and before a gap, the closing state. NULL: it was not recorded
 *
 * Valid until the cursor moves, as what hwaccl_exit_cursor_next() gave still is. Returns false with *error set when the
 * recording is broken there.
 */
bool hwaccl_exit_cursor_after(struct hwaccl_exit_cursor *cursor, const struct hwaccl_subject_state **state,
                              struct hwaccl_known_fields *known, struct hwaccl_error *error);

/* When a state held: a trip round the loop has three. */
enum hwaccl_moment {
        HWACCL_MOMENT_ENTRY,   /* before the guest was entered */
        HWACCL_MOMENT_EXIT,    /* after it left */
        HWACCL_MOMENT_HANDLED, /* after its exit was handled: the next entry's, or the closing state */
        HWACCL_MOMENT_COUNT
};

/**
 * hwaccl_recording_state - the state of one vCPU at one moment
 * @known: which fields of *state are; none when that moment was not recorded
 *
 * Takes the keyframe before it and one row, however long the recording is: some ten microseconds. Moments of the same
 * exit come at the price of one. Returns false with *error set when there is no such exit or the recording is broken
 * there.
 */
bool hwaccl_recording_state(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t exit, enum hwaccl_moment moment,
                            struct hwaccl_subject_state *state, struct hwaccl_known_fields *known,
                            struct hwaccl_error *error);

/**
 * hwaccl_recording_replay_start - after the last keyframe whose device state lets a replay start at or before exit
 * @number
 *
 * *start is the exit with which a replay begins: 0, or the one after a keyframe. At 0 the machine is at reset.
 */
bool hwaccl_recording_replay_start(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number, uint64_t *start,
                                   struct hwaccl_error *error);

/** hwaccl_recording_replay_after - *start is the first exit after @number with which a replay can begin; false without
 * an error (an empty message) when there is none */
bool hwaccl_recording_replay_after(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number, uint64_t *start,
                                   struct hwaccl_error *error);

/** hwaccl_recording_device_fields - device state as saved after exit @number, which must be a keyframe */
bool hwaccl_recording_device_fields(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                    const struct hwaccl_recorded_device_field **fields, size_t *count,
                                    struct hwaccl_error *error);

/**
 * hwaccl_recording_check - look at every row: numbers in range, no gaps, references that hold, blobs of their length
 * @finding: called with one line, without a newline, for each problem
 *
 * Returns false with *error set when the recording cannot be read to its end; problems are no error.
 */
bool hwaccl_recording_check(struct hwaccl_recording *recording, void (*finding)(void *opaque, const char *text),
                            void *opaque, struct hwaccl_error *error);

/** hwaccl_recording_sqlite_version - "3.40.1", of the library that is loaded */
const char *hwaccl_recording_sqlite_version(void);

#endif
