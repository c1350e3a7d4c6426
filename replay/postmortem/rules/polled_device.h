/* What a guest that polls a register waits for, and why it does not come. */
#ifndef HWACCL_POSTMORTEM_POLLED_DEVICE_H
#define HWACCL_POSTMORTEM_POLLED_DEVICE_H

#include "replay/postmortem/finding.h"

/* What the guest does with the value. */
enum poll_test {
        POLL_UNKNOWN,
        POLL_TESTED,   /* bits of it */
        POLL_COMPARED, /* with a value, or several bits at once */
};

/* The read that is repeated. */
struct poll {
        const struct evidence_exit *exit; /* the last time; NULL: none */
        struct evidence_access access;
        uint64_t reads;  /* of which the value is known */
        uint64_t always; /* bits that are 1 in all values */
        uint64_t ever;   /* bits that are 1 in one of them */
        uint64_t last;
        enum poll_test test;
        uint64_t candidates; /* POLL_TESTED: bits that the test can be about */
        bool exact;          /* it is about all of them */
        bool awaited;        /* POLL_TESTED: the loop ends when one becomes 1; else, when all become 0 */
        bool wanted_known;   /* POLL_COMPARED: the loop ends when the bits candidates are those of wanted */
        bool wanted_other;   /* when they are not */
        uint64_t wanted;
};

struct poll_answer {
        char what[280];   /* "port 61h for bit 5 (OUT of counter 2)" */
        char why[240];    /* "gate of counter 2 is off"; empty: not known */
        uint64_t exit;    /* of the reason; EVIDENCE_NEVER */
        char advice[200]; /* empty: none */
        bool input;       /* it waits for somebody to type */
        bool no_state;    /* nothing is known of the register that could change */
};

/**
 * polled_test_find - what the guest tests behind the read at @index of evidence.exits
 * @flags_count: the flags at the next exit are those of a counter
 */
void polled_test_find(const struct hwaccl_evidence *evidence, size_t index, bool flags_count, struct poll *poll);

/** polled_code_find - the same from the instructions behind the read; false where the memory at the end was not kept,
 * or they are too involved. poll->exit and poll->access are known */
bool polled_code_find(const struct hwaccl_evidence *evidence, struct poll *poll);

/** polled_device_explain - false where nothing is known about the register */
bool polled_device_explain(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer);

#endif
