#include "replay/postmortem/rules.h"

#include <stdlib.h>
#include <string.h>

const struct hwaccl_rule *const hwaccl_rules[] = {
        &hwaccl_rule_entry_failure,
        &hwaccl_rule_handler_fault,
        &hwaccl_rule_triple_fault,
        &hwaccl_rule_not_emulated,
        &hwaccl_rule_vector_without_handler,
        &hwaccl_rule_runs_off,
        &hwaccl_rule_dead_halt,
        &hwaccl_rule_storm,
        &hwaccl_rule_wait_loop,
        &hwaccl_rule_interrupts,
        &hwaccl_rule_guest_wish,
        &hwaccl_rule_panic_text,
        &hwaccl_rule_vmm_end,
        &hwaccl_rule_raised_line,
        &hwaccl_rule_not_the_guest,
        NULL,
};

_Static_assert(sizeof(hwaccl_rules) / sizeof(hwaccl_rules[0]) <= HWACCL_RULE_MAX, "there is room for all findings");

static const struct hwaccl_rule no_rule = {"none", "no rule matches", "", NULL};

static int by_weight(const void *a, const void *b)
{
        const struct hwaccl_finding *first = a, *second = b;

        return (first->weight < second->weight) - (first->weight > second->weight);
}

static void find_nothing(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        char place[128] = "before its first exit";

        if (last)
                evidence_place(&last->exit, &last->exit_known, place, sizeof(place));
        finding_title(finding, 1, JUDGEMENT_UNKNOWN, last ? last->number : EVIDENCE_NEVER,
                      "no rule matches: the recording ends (%s) with the guest at %s",
                      hwaccl_end_name(evidence->info->end), place);
}

size_t hwaccl_diagnose(const struct hwaccl_evidence *evidence, struct hwaccl_finding *findings)
{
        size_t count = 0;

        for (const struct hwaccl_rule *const *rule = hwaccl_rules; *rule; rule++) {
                struct hwaccl_finding *finding = &findings[count];
                memset(finding, 0, sizeof(*finding));
                finding->rule = *rule;
                (*rule)->evaluate(evidence, finding);
                count += finding->weight > 0;
        }
        if (count == 0) {
                memset(findings, 0, sizeof(*findings));
                findings->rule = &no_rule;
                find_nothing(evidence, findings);
                return 1;
        }
        qsort(findings, count, sizeof(*findings), by_weight);
        if (findings->weight <= WEIGHT_HINT)
                finding_fact(findings, EVIDENCE_NEVER, "no rule about the guest matches");
        return count;
}
