/*
 * Rules on one state of a guest, without a recording: what in it is broken, unusual or worth knowing. The state is that
 * of a dump (dump/dump.h), or any with known fields.
 */
#ifndef HWACCL_POSTMORTEM_STATE_RULES_H
#define HWACCL_POSTMORTEM_STATE_RULES_H

#include "replay/postmortem/dump/dump.h"

enum hwaccl_severity {
        HWACCL_SEVERITY_NOTE,
        HWACCL_SEVERITY_UNUSUAL,
        HWACCL_SEVERITY_BROKEN, /* this ends a guest, or has ended it */
};

struct hwaccl_state_finding {
        const char *id; /* never changes: scripts look for it */
        enum hwaccl_severity severity;
        const char *source; /* "SDM 3C, 27.3.1" */
        char text[320];
};

#define HWACCL_STATE_FINDING_MAX 48

struct hwaccl_state_findings {
        struct hwaccl_state_finding finding[HWACCL_STATE_FINDING_MAX];
        size_t count;
};

/** hwaccl_state_judge - apply every rule; the worst come first, in the order of the rules */
void hwaccl_state_judge(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings);

/** hwaccl_severity_name - "broken" */
const char *hwaccl_severity_name(enum hwaccl_severity severity);

/** hwaccl_entry_rule_describe - a broken rule of the entry checks in words: with the field's value and a right one */
struct hwaccl_broken_rule;
void hwaccl_entry_rule_describe(const struct hwaccl_broken_rule *rule, char *text, size_t room);

/** hwaccl_state_linear_rip - linear address of the instruction; false where it is not known */
bool hwaccl_state_linear_rip(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known,
                             uint64_t *linear);

/** hwaccl_place_name - what a PC has at a linear address below 1 MiB or below 4 GiB that is no plain RAM; NULL: nothing
 * known. *is_code: code is usual there */
const char *hwaccl_place_name(uint64_t linear, bool *is_code);

#endif
