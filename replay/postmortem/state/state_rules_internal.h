/* Between the rules on a state. */
#ifndef HWACCL_POSTMORTEM_STATE_RULES_INTERNAL_H
#define HWACCL_POSTMORTEM_STATE_RULES_INTERNAL_H

#include "replay/postmortem/state/state_rules.h"

/** state_add - one more finding; one too many is left out */
void state_add(struct hwaccl_state_findings *findings, enum hwaccl_severity severity, const char *id,
               const char *source, const char *format, ...) __attribute__((format(printf, 5, 6)));

/** state_refused - did the processor refuse to enter the guest, as far as the dump says? */
bool state_refused(const struct hwaccl_dump *dump);

static inline bool state_has(const struct hwaccl_dump *dump, unsigned field)
{
        return hwaccl_known_fields_has(&dump->known, field);
}

typedef void state_rule(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings);

state_rule state_judge_entry, state_judge_event_injection, state_judge_controls, state_judge_svm, state_judge_failure;
state_rule state_judge_kvm_error, state_judge_exit;
state_rule state_judge_place, state_judge_code, state_judge_segments, state_judge_halt;

#endif
