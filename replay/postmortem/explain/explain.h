/*
 * One exit in sentences: what the guest did, what its handling read, wrote and decided, what the devices did, and when.
 * What is recorded comes from the recording, the devices from a replay of this one exit (device_state.h). What is not
 * known is said to be so.
 */
#ifndef HWACCL_POSTMORTEM_EXPLAIN_H
#define HWACCL_POSTMORTEM_EXPLAIN_H

#include "hwaccl/error.h"
#include "hwaccl/recording.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a sentence is about: X(identifier, name). The names are stable: JSON has them. */
#define HWACCL_TOPICS(X)                                                                                               \
        X(GUEST, "guest")                                                                                              \
        X(INTERRUPT, "interrupt")                                                                                      \
        X(READ, "read")                                                                                                \
        X(WROTE, "wrote")                                                                                              \
        X(DECIDED, "decided")                                                                                          \
        X(REGISTER, "register")                                                                                        \
        X(DEVICE, "device")                                                                                            \
        X(TIME, "time")

enum hwaccl_topic {
#define X(identifier, name) HWACCL_TOPIC_##identifier,
        HWACCL_TOPICS(X)
#undef X
                HWACCL_TOPIC_COUNT
};

struct hwaccl_sentence {
        enum hwaccl_topic topic;
        char text[400]; /* safe to print */
};

#define HWACCL_SENTENCE_MAX   128
#define HWACCL_TOPIC_LINE_MAX 24 /* of one topic */

struct hwaccl_exit_explanation {
        struct hwaccl_sentence sentence[HWACCL_SENTENCE_MAX];
        size_t count;
        unsigned left_out[HWACCL_TOPIC_COUNT]; /* sentences that had no room */
        bool diverged;                         /* today's handling differs from the recorded one */
};

/** hwaccl_exit_explain_recorded - explain exit @number; false with *error set when it cannot be read */
bool hwaccl_exit_explain_recorded(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                  struct hwaccl_exit_explanation *explanation, struct hwaccl_error *error);

/** hwaccl_topic_name - "guest" */
const char *hwaccl_topic_name(enum hwaccl_topic topic);

#endif
