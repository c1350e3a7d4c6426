/*
 * A copy of a recording with other results: what handling left, decided and did. What it read, and the guest's states
 * at its exits, stay as they are. The copy takes the recording's place at the end, at once; until then the file is only
 * read.
 */
#ifndef HWACCL_TRACER_RECORDING_ACCEPT_H
#define HWACCL_TRACER_RECORDING_ACCEPT_H

#include "hwaccl/recording.h"

struct recording_accept;

/* Results of the handling of one exit. */
struct recording_results {
        const struct hwaccl_subject_state *exit;     /* the state at the exit, as recorded */
        const struct hwaccl_subject_state *recorded; /* that after its handling, as recorded; NULL: it was not */
        const struct hwaccl_subject_state *after;    /* as it is now */
        enum hwaccl_verdict verdict;
        enum hwaccl_outcome outcome, recorded_outcome;
        const struct hwaccl_effect *effects;
        size_t effect_count;
};

/**
 * hwaccl_recording_accept_begin - make the copy, FILE-accept.PID beside the file, with this version's schema
 * @recording: all of it was checked when it was opened; must outlive the copy
 *
 * Returns NULL with *error set, also where a recorder or its recovery is at work or due.
 */
struct recording_accept *hwaccl_recording_accept_begin(struct hwaccl_recording *recording, struct hwaccl_error *error);

/** hwaccl_recording_accept_exit - replace the results of an exit */
bool hwaccl_recording_accept_exit(struct recording_accept *accept, uint32_t vcpu, uint64_t number,
                                  const struct recording_results *results, struct hwaccl_error *error);

/** hwaccl_recording_accept_device - the value of a device's field after an exit that is a keyframe; in ascending order
 * of exits, as the values of later keyframes rest on it */
bool hwaccl_recording_accept_device(struct recording_accept *accept, uint32_t vcpu, uint64_t number,
                                    const struct hwaccl_recorded_device_field *value, struct hwaccl_error *error);

/** hwaccl_recording_accept_path - finish the copy, so that it can be read: its name, or NULL with *error set */
const char *hwaccl_recording_accept_path(struct recording_accept *accept, struct hwaccl_error *error);

/** hwaccl_recording_accept_finish - put the finished copy in the recording's place; it is on the disk before it is
 * there. Releases @accept, also when it fails */
bool hwaccl_recording_accept_finish(struct recording_accept *accept, struct hwaccl_error *error);

/** hwaccl_recording_accept_abandon - remove the copy; NULL is allowed */
void hwaccl_recording_accept_abandon(struct recording_accept *accept);

#endif
