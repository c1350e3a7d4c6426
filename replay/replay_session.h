/*
 * A replay session replays one exit of a recording with each step. It reruns the handling on a
 * machine of its own, without guest and accelerator, and compares every state field, pending bit, verdict, requested
 * input, effect, the state after the handling, and at keyframes the device state, with the recording.
 *
 * Any number of sessions can be open; they share only the recording on which they were opened. An open recording
 * belongs to one thread: sessions in several threads open the file once each.
 */
#ifndef HWACCL_REPLAY_SESSION_H
#define HWACCL_REPLAY_SESSION_H

#include "core/machine/machine.h"
#include "hwaccl/error.h"
#include "hwaccl/recording.h"
#include "hwaccl/replay.h"

#include <stdbool.h>
#include <stdint.h>

struct replay_session;

/* Why replay_session_step() returned. */
enum replay_step {
        REPLAY_STEP_CLEAN,    /* replayed, no difference */
        REPLAY_STEP_DIVERGED, /* replayed, with differences: replay_session_divergence() */
        REPLAY_STEP_END,      /* no further exit; the session stays after the last one */
        REPLAY_STEP_FAILED,   /* *error says why; continue with a seek */
};

/**
 * replay_session_open - open a session on the exits of one vCPU
 *
 * The machine is built from the recording's options. Without a seek the first step is at the first exit. @recording
 * must outlive the session. Returns NULL with *error set if the recording's exits cannot be replayed: those of another
 * VMM (trace.h) were not handled by hwaccl.
 */
struct replay_session *replay_session_open(struct hwaccl_recording *recording, uint32_t vcpu,
                                           struct hwaccl_error *error);
void replay_session_close(struct replay_session *session);

/**
 * replay_session_seek - set the position before exit @exit, forwards or backwards
 *
 * Starts at the previous keyframe, or at the current position if that is nearer, and replays the exits
 * in between without reporting differences. Returns false with *error set if there is no such exit, or no
 * replay can begin before it.
 */
bool replay_session_seek(struct replay_session *session, uint64_t exit, struct hwaccl_error *error);

/**
 * replay_session_step - replay the next exit and compare it, including the state after its handling
 *
 * After a divergence the machine is set to the recorded state, so that the next exit is replayed from there.
 */
enum replay_step replay_session_step(struct replay_session *session, struct hwaccl_error *error);

/** replay_session_divergence - differences of the last step, valid until the session moves; NULL if there were none */
const struct hwaccl_divergence *replay_session_divergence(const struct replay_session *session);

/** replay_session_exit - recorded data of the exit that the last step replayed, valid until the session moves; NULL
 * after a seek */
const struct hwaccl_recorded_exit *replay_session_exit(const struct replay_session *session);

/* What the handling of an exit gave, beside the state. */
struct replay_session_results {
        const struct hwaccl_subject_state *recorded; /* the state after it, as recorded; NULL: it was not */
        enum hwaccl_verdict verdict;
        enum hwaccl_outcome outcome;
        const struct hwaccl_effect *effects; /* NULL: out of memory */
        size_t effect_count;
        bool devices_differed; /* at a keyframe: device state as recorded differs from the machine's */
};

/** replay_session_follow - from now on the machine goes on from its own state after a divergence, and devices from
 * theirs at a keyframe: what it would do with its own results. Inputs and the guest's states at exits are still the
 * recorded ones */
void replay_session_follow(struct replay_session *session);

/** replay_session_results - of the exit that the last step replayed, when the session follows; valid until it moves */
struct replay_session_results replay_session_results(struct replay_session *session);

/** replay_session_next - number of the exit that the next step replays */
uint64_t replay_session_next(const struct replay_session *session);

/**
 * replay_session_state - the machine's state of the exit that the last step replayed, valid until the session moves
 *
 * After a seek there is only that before the entry of the next exit. NULL if there is none: the exit
 * was not reached, or the context is not valid for an entry.
 */
const struct hwaccl_subject_state *replay_session_state(const struct replay_session *session,
                                                        enum hwaccl_moment moment);

/** replay_session_machine - devices and processor as they are now. NULL where the session stands nowhere */
struct hwaccl_machine *replay_session_machine(const struct replay_session *session);

#endif
