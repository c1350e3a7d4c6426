/*
 * A replay session: stands at an exit of a recording and replays one exit with each step. It reruns the handling on a
 * machine of its own, without guest and accelerator, and compares every state field, pending bit, verdict, input asked
 * for, effect, the state that the handling left, and at keyframes every device's state with what was recorded.
 *
 * Any number of sessions can be open; they share nothing but the recording that they were opened on. A recording that
 * is open belongs to one thread: sessions in several threads open the file once each.
 */
#ifndef HWACCL_SESSION_H
#define HWACCL_SESSION_H

#include "hwaccl/error.h"
#include "hwaccl/recording.h"
#include "hwaccl/replay.h"

#include <stdbool.h>
#include <stdint.h>

struct hwaccl_session;

/* Why hwaccl_session_step() returned. */
enum hwaccl_step {
        HWACCL_STEP_CLEAN,    /* the exit is replayed; nothing differs */
        HWACCL_STEP_DIVERGED, /* the exit is replayed; what differs: hwaccl_session_divergence() */
        HWACCL_STEP_END,      /* the recording has no further exit; the session stays behind the last one */
        HWACCL_STEP_FAILED,   /* *error says why; only a seek can go on from here */
};

/**
 * hwaccl_session_open - a session on the exits of one vCPU
 *
 * The machine is built from the recording's options. Without a seek the first step is at the first exit. @recording
 * must outlive the session. Returns NULL with *error set when the recording's exits cannot be replayed: another VMM's
 * (trace.h) were handled by code that is not here.
 */
struct hwaccl_session *hwaccl_session_open(struct hwaccl_recording *recording, uint32_t vcpu,
                                           struct hwaccl_error *error);
void hwaccl_session_close(struct hwaccl_session *session);

/**
 * hwaccl_session_seek - stand before exit @exit, forwards or backwards
 *
 * Starts at the keyframe before it, or goes on from where the session stands when that is nearer, and replays the exits
 * on the way; what differs in them is not reported. Returns false with *error set when there is no such exit, or no
 * replay can begin before it.
 */
bool hwaccl_session_seek(struct hwaccl_session *session, uint64_t exit, struct hwaccl_error *error);

/**
 * hwaccl_session_step - replay the next exit and compare it, the state that its handling left included
 *
 * After a divergence the machine is put to what was recorded, so that the next exit is replayed from there.
 */
enum hwaccl_step hwaccl_session_step(struct hwaccl_session *session, struct hwaccl_error *error);

/** hwaccl_session_divergence - what the last step found, until the session moves; NULL when it was clean */
const struct hwaccl_divergence *hwaccl_session_divergence(const struct hwaccl_session *session);

/** hwaccl_session_exit - what was recorded of the exit that the last step replayed, until the session moves; NULL after
 * a seek */
const struct hwaccl_recorded_exit *hwaccl_session_exit(const struct hwaccl_session *session);

/** hwaccl_session_next - number of the exit that the next step replays */
uint64_t hwaccl_session_next(const struct hwaccl_session *session);

/**
 * hwaccl_session_state - the machine's own state around the exit that the last step replayed, until the session moves
 *
 * After a seek there is only the one before the entry of the exit that comes next. NULL when there is none: the exit
 * was not reached, or the context is one with which no guest can be entered.
 */
const struct hwaccl_subject_state *hwaccl_session_state(const struct hwaccl_session *session,
                                                        enum hwaccl_moment moment);

#endif
