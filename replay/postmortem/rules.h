/* The diagnosis: a table of rules. Each looks at the evidence and says what it finds; several may stand. */
#ifndef HWACCL_POSTMORTEM_RULES_H
#define HWACCL_POSTMORTEM_RULES_H

#include "replay/postmortem/finding.h"

struct hwaccl_rule {
        const char *id;     /* never changes: scripts look for it */
        const char *title;  /* what it is about */
        const char *source; /* of what it knows about processor and devices */
        void (*evaluate)(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding);
};

extern const struct hwaccl_rule hwaccl_rule_entry_failure, hwaccl_rule_handler_fault, hwaccl_rule_triple_fault,
        hwaccl_rule_not_emulated, hwaccl_rule_vector_without_handler, hwaccl_rule_runs_off, hwaccl_rule_dead_halt,
        hwaccl_rule_storm, hwaccl_rule_wait_loop, hwaccl_rule_interrupts, hwaccl_rule_guest_wish,
        hwaccl_rule_panic_text, hwaccl_rule_vmm_end, hwaccl_rule_raised_line, hwaccl_rule_not_the_guest;

#define HWACCL_RULE_MAX 16

/* Ends with NULL. */
extern const struct hwaccl_rule *const hwaccl_rules[];

/**
 * hwaccl_diagnose - the findings of all rules that match, heaviest first; where none does, one that says so
 * @findings: room for HWACCL_RULE_MAX
 *
 * Returns how many there are, at least 1.
 */
size_t hwaccl_diagnose(const struct hwaccl_evidence *evidence, struct hwaccl_finding *findings);

#endif
