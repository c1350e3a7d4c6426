/* What a guest that polls a register waits for, and why it does not come. */
#ifndef HWACCL_POSTMORTEM_POLLED_DEVICE_H
#define HWACCL_POSTMORTEM_POLLED_DEVICE_H

#include "replay/postmortem/finding.h"

/* The read that is repeated. */
struct poll {
        const struct evidence_exit *exit; /* the last time; NULL: none */
        struct evidence_access access;
        uint64_t reads;  /* of which the value is known */
        uint64_t always; /* bits that are 1 in all values */
        uint64_t ever;   /* bits that are 1 in one of them */
        uint64_t last;
        bool zero; /* RFLAGS.ZF when it is read again: the test in between gave zero */
};

struct poll_answer {
        char what[160];   /* "port 61h for bit 5 (OUT of counter 2)" */
        char why[240];    /* "gate of counter 2 is off"; empty: not known */
        uint64_t exit;    /* of the reason; EVIDENCE_NEVER */
        char advice[200]; /* empty: none */
        bool input;       /* it waits for somebody to type */
};

/** polled_device_explain - false where nothing is known about the register */
bool polled_device_explain(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer);

#endif
