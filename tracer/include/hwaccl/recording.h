/*
 * Not stable: may change between versions. Reads a recording. A recording is untrusted: it is opened read-only with
 * SQLite's defensive settings, and every length and range is checked before use. Errors are one line that names file,
 * row and field.
 *
 * Structs may gain members: compile with the header of the library that is linked.
 */
#ifndef HWACCL_RECORDING_H
#define HWACCL_RECORDING_H

#include "hwaccl/error.h"
#include "hwaccl/event.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/fault_chain.h"
#include "hwaccl/known_fields.h"
#include "hwaccl/kvm_run.h"
#include "hwaccl/subject_fields.h"
#include "hwaccl/subject_state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hwaccl_recording;

#define HWACCL_OPTION_VMM       "vmm"   /* option with the name of the embedding VMM */
#define HWACCL_OPTION_SLICE     "slice" /* option that names the exits and the recording that a slice was made of */
#define HWACCL_OPTION_VALUE_MAX 65536u  /* bytes, without the terminating zero */

/* A name and value of the recording's option table: everything that a replay needs to build the same machine, and
 * everything that a reader wants to know (host, versions, image digests). */
struct hwaccl_recording_option {
        const char *name;
        const char *value;
};

/* A named part of a device's state at a keyframe; data as packed by hwaccl_device_save(). */
struct hwaccl_recorded_device_field {
        const char *device;
        const char *field;
        const void *data;
        uint32_t size;
};

enum hwaccl_recording_status {
        HWACCL_RECORDING_COMPLETE = 0,
        HWACCL_RECORDING_INCOMPLETE = 1, /* it ended before the guest (disk full, crash); its exits are valid */
        HWACCL_RECORDING_RUNNING = 2,    /* being written now, or its recorder died */
};

struct hwaccl_recording_info {
        uint32_t vcpu_count;
        uint64_t exit_count; /* sum of all vCPUs */
        uint32_t keyframe_interval;
        enum hwaccl_recording_status status;
        unsigned end; /* enum hwaccl_end */
        uint64_t end_code;
        const char *end_message; /* one line, or NULL */
        const char *vmm;         /* name of the VMM that handled the exits; NULL: hwaccl */
};

/* One exit with all inputs and effects of its handling. Pointers are valid until the cursor moves. */
struct hwaccl_recorded_exit {
        uint32_t vcpu;
        uint64_t number;
        uint64_t missing;                         /* number of exits in a gap before this one */
        const struct hwaccl_subject_state *entry; /* state at the entry */
        const struct hwaccl_subject_state *exit;  /* state at the exit */
        struct hwaccl_known_fields entry_known;
        struct hwaccl_known_fields exit_known;
        bool pending_known;
        uint64_t pending[4]; /* pending-interrupts page at the exit */
        bool offered;
        uint8_t offered_vector;
        bool settled; /* it is known whether the vector was taken */
        bool taken;
        bool verdict_known;
        enum hwaccl_verdict verdict;
        bool outcome_known; /* false for the last exit of a recording that ended during its handling */
        enum hwaccl_outcome outcome;
        uint64_t entry_time_ns;            /* host clock of the entry, ns since the recording started */
        uint64_t guest_ns;                 /* host time in the guest */
        uint64_t handler_ns;               /* host time of the handling */
        const struct hwaccl_input *inputs; /* in the order of reading, including the clock */
        size_t input_count;
        const struct hwaccl_effect *effects; /* in order */
        size_t effect_count;
        bool kvm_run_known; /* another VMM recorded it */
        struct hwaccl_kvm_run kvm_run;
        bool keyframe; /* device state was saved after this exit was handled */
        const struct hwaccl_recorded_device_field *device_fields; /* if keyframe: all known fields */
        size_t device_field_count;
};

/** hwaccl_recording_open - open for reading. Returns NULL with *error set for other, truncated, damaged and newer files
 */
struct hwaccl_recording *hwaccl_recording_open(const char *path, struct hwaccl_error *error);

/**
 * hwaccl_recording_open_running - the same for a brief look at a running recording
 *
 * Does not check every page. A recorder that finishes waits up to a second for its readers: close it soon.
 */
struct hwaccl_recording *hwaccl_recording_open_running(const char *path, struct hwaccl_error *error);

void hwaccl_recording_close(struct hwaccl_recording *recording);
const struct hwaccl_recording_info *hwaccl_recording_info(const struct hwaccl_recording *recording);

/** hwaccl_recording_vcpu_number - of the vCPU with @index, 0 to vcpu_count - 1, in ascending order */
uint32_t hwaccl_recording_vcpu_number(const struct hwaccl_recording *recording, uint32_t index);

/**
 * hwaccl_recording_range - exits of a vCPU: @first to @end - 1; equal if there are none
 *
 * The first is 0, except in the window of a flight recorder.
 */
bool hwaccl_recording_range(const struct hwaccl_recording *recording, uint32_t vcpu, uint64_t *first, uint64_t *end,
                            struct hwaccl_error *error);

/* Missing exits within a recording: the imported trace had lost them.
 */
struct hwaccl_recording_gap {
        uint64_t first; /* exit numbers */
        uint64_t last;
        uint64_t events; /* number of lost events of the trace */
};

/** hwaccl_recording_gap - find the first gap of a vCPU within exits @from to @to; false if there is none */
bool hwaccl_recording_gap(const struct hwaccl_recording *recording, uint32_t vcpu, uint64_t from, uint64_t to,
                          struct hwaccl_recording_gap *gap);

/**
 * hwaccl_recording_option - look one option up by its name
 * @value: of the option, valid as long as the recording; NULL: there is none
 *
 * Returns false with *error set when it is no text, has a zero byte in it, or is longer than HWACCL_OPTION_VALUE_MAX.
 */
bool hwaccl_recording_option(struct hwaccl_recording *recording, const char *name, const char **value,
                             struct hwaccl_error *error);

/** hwaccl_recording_database - the sqlite3 handle (struct sqlite3 *), for queries of the documented views */
struct sqlite3 *hwaccl_recording_database(const struct hwaccl_recording *recording);

struct hwaccl_exit_cursor;

/**
 * hwaccl_exit_cursor_open - create a cursor before exit @first of @vcpu
 *
 * The state at @first is computed from the previous keyframe. Returns NULL with *error set if there is no such
 * exit. Memory use does not depend on the length of the recording. Free with hwaccl_exit_cursor_close().
 */
struct hwaccl_exit_cursor *hwaccl_exit_cursor_open(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t first,
                                                   struct hwaccl_error *error);
void hwaccl_exit_cursor_close(struct hwaccl_exit_cursor *cursor);

/** hwaccl_exit_cursor_next - advance: 1: *exit is the next exit; 0: no more; -1: damaged recording, *error says where
 */
int hwaccl_exit_cursor_next(struct hwaccl_exit_cursor *cursor, const struct hwaccl_recorded_exit **exit,
                            struct hwaccl_error *error);

/**
 * hwaccl_exit_cursor_after - state after the handling of the cursor's exit
 * @state: that of the next entry; after the last exit and before a gap, the closing state. NULL: not recorded
 *
 * Valid until the cursor moves, like the result of hwaccl_exit_cursor_next(). Returns false with *error set if the
 * recording is damaged there.
 */
bool hwaccl_exit_cursor_after(struct hwaccl_exit_cursor *cursor, const struct hwaccl_subject_state **state,
                              struct hwaccl_known_fields *known, struct hwaccl_error *error);

/* The three states of one exit. */
enum hwaccl_moment {
        HWACCL_MOMENT_ENTRY,   /* at the entry */
        HWACCL_MOMENT_EXIT,    /* at the exit */
        HWACCL_MOMENT_HANDLED, /* after the handling: that of the next entry, or the closing state */
        HWACCL_MOMENT_COUNT
};

/**
 * hwaccl_recording_state - the state of one vCPU at one moment
 * @known: known fields of *state; none if the state was not recorded
 *
 * Reads the previous keyframe and one row, independently of the length of the recording: about 10 us. Several states of
 * the same exit cost as much as one. Returns false with *error set if there is no such exit or the recording is damaged
 * there.
 */
bool hwaccl_recording_state(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t exit, enum hwaccl_moment moment,
                            struct hwaccl_subject_state *state, struct hwaccl_known_fields *known,
                            struct hwaccl_error *error);

/**
 * hwaccl_recording_replay_start - latest exit at or before @number at which a replay can start, after a keyframe with
 * device state
 *
 * *start is 0, where the machine is at reset, or the exit after the keyframe. Returns false with *error set if there is
 * none.
 */
bool hwaccl_recording_replay_start(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number, uint64_t *start,
                                   struct hwaccl_error *error);

/** hwaccl_recording_replay_after - *start is the first exit after @number at which a replay can start; false without
 * an error (empty message) if there is none */
bool hwaccl_recording_replay_after(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number, uint64_t *start,
                                   struct hwaccl_error *error);

/** hwaccl_recording_device_fields - device state after exit @number, which must be a keyframe; valid until the next
 * call */
bool hwaccl_recording_device_fields(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                    const struct hwaccl_recorded_device_field **fields, size_t *count,
                                    struct hwaccl_error *error);

/* A part of another VMM's own state, in its format. */
struct hwaccl_recorded_vmm_part {
        char *name;
        void *data;
        size_t size;
        size_t total; /* the same */
};

#define HWACCL_RECORDED_VMM_PARTS_MAX 16u

/* The state before the entry that led to an exit. */
struct hwaccl_recorded_vmm_state {
        struct hwaccl_recorded_vmm_part part[HWACCL_RECORDED_VMM_PARTS_MAX]; /* by name */
        size_t count;
};

/** hwaccl_recording_vmm_state_before - the latest exit at or before @number with a state of the VMM; false without an
 * error (empty message) if there is none */
bool hwaccl_recording_vmm_state_before(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                       uint64_t *exit, struct hwaccl_error *error);

/** hwaccl_recording_vmm_state_after - the same, the first one after @number */
bool hwaccl_recording_vmm_state_after(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                      uint64_t *exit, struct hwaccl_error *error);

/** hwaccl_recording_vmm_state - read it; no parts where there is none. Free it after use. Returns false with *error set
 * if it is damaged; there is then nothing to free */
bool hwaccl_recording_vmm_state(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                struct hwaccl_recorded_vmm_state *state, struct hwaccl_error *error);
void hwaccl_recorded_vmm_state_free(struct hwaccl_recorded_vmm_state *state);

/**
 * hwaccl_recording_faults - the fault chain of an exit
 * @chain: link count is 0 where none was recorded: no triple fault, or the processor did not show it
 *
 * Returns false with *error set if the recording is damaged there.
 */
bool hwaccl_recording_faults(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                             struct hwaccl_fault_chain *chain, struct hwaccl_error *error);

/** hwaccl_recording_memory_range - one of the ranges of guest-physical memory that were kept, in ascending order; false
 * when there are no more: @index is 0 where none was kept */
bool hwaccl_recording_memory_range(struct hwaccl_recording *recording, size_t index, uint64_t *address, uint64_t *size,
                                   bool *writable);

/** hwaccl_recording_memory_read - guest-physical memory at the end of the run. False where a byte is not known: it was
 * not kept, or its page is damaged */
bool hwaccl_recording_memory_read(struct hwaccl_recording *recording, uint64_t address, void *buffer, size_t size);

/**
 * hwaccl_recording_check - check every row: ranges of numbers, gaps, references, sizes
 * @finding: called with one line, without a newline, for each problem
 *
 * Returns false with *error set if the recording cannot be read; findings are no error.
 */
bool hwaccl_recording_check(struct hwaccl_recording *recording, void (*finding)(void *opaque, const char *text),
                            void *opaque, struct hwaccl_error *error);

/**
 * hwaccl_recording_upgrade - bring the file itself to this version's schema; nothing else changes it
 * @from: set to the schema version that it had
 *
 * A recording of an older version is read as it is, through a private view that is migrated each time it is opened;
 * this saves that. Returns false with *error set when the file is no recording, is being written, or cannot be written.
 */
bool hwaccl_recording_upgrade(const char *path, unsigned *from, struct hwaccl_error *error);

/** hwaccl_recording_sqlite_version - version of the loaded library, such as "3.40.1" */
const char *hwaccl_recording_sqlite_version(void);

#endif
