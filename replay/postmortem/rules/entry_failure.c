/* The processor refused to enter the guest. */
#include "replay/postmortem/rules.h"
#include "replay/postmortem/vmm_mark.h"
#include "replay/postmortem/words/words.h"

#include "core/exit/control_register.h"
#include "core/exit/dispatch.h"

#include <inttypes.h>
#include <stdio.h>

#define RULES_MAX 8

struct broken_rules {
        bool kvm; /* the state is that of KVM, which sets CR0.NE and CR4.VMXE for the processor */
        struct hwaccl_broken_rule rule[RULES_MAX];
        size_t count;
};

static void take_rule(void *opaque, const struct hwaccl_broken_rule *rule)
{
        struct broken_rules *rules = opaque;
        uint64_t missing = rule->value ^ rule->right;

        if (rules->kvm && ((rule->field == HWACCL_FIELD_INDEX_cr0 && missing == HWACCL_CR0_NE) ||
                           (rule->field == HWACCL_FIELD_INDEX_cr4 && missing == HWACCL_CR4_VMXE)))
                return;
        if (rules->count < RULES_MAX)
                rules->rule[rules->count++] = *rule;
}

/* Since when, and by whom, a field has its value. */
static void field_history(const struct hwaccl_evidence *evidence, const struct hwaccl_broken_rule *rule,
                          struct hwaccl_finding *finding)
{
        const char *name = hwaccl_subject_fields[rule->field].name;
        bool by_handler, bounded;
        uint64_t writer = evidence_writer(evidence, rule->field, &by_handler);
        uint64_t since = evidence_bits_since(evidence, rule->field, UINT64_MAX, &bounded);
        char right[48] = "";

        if (rule->right != rule->value)
                (void)snprintf(right, sizeof(right), "; %" PRIx64 "h would be right", rule->right);
        finding_fact(finding, finding->exit, "%s: %s is %" PRIx64 "h%s", rule->text, name, rule->value, right);
        if (writer != EVIDENCE_NEVER && by_handler)
                finding_fact(finding, writer, "handling of this exit gave %s its value", name);
        else if (writer != EVIDENCE_NEVER)
                finding_fact(finding, writer, "the guest gave %s its value before this exit, with no exit of its own",
                             name);
        else if (bounded)
                finding_fact(finding, since, "%s has this value at every exit that was looked at", name);
        else
                finding_fact(finding, since, "%s has this value at every exit from here on", name);
        finding_advise(finding, "who gives %s this value: the guest, or the VMM when it restores or emulates?", name);
}

static bool is_entry_failure(const struct evidence_exit *exit)
{
        uint64_t reason = exit->exit.exit_reason;
        uint64_t defined = HWACCL_EXIT_REASON_BASIC_MASK;

        defined |= HWACCL_EXIT_REASON_ENTRY_FAILURE;
        return !(reason & ~defined) &&
               (reason & HWACCL_EXIT_REASON_ENTRY_FAILURE ||
                hwaccl_exit_reason_verdict((uint32_t)evidence_reason(exit)) == HWACCL_VERDICT_ENTRY_FAILURE);
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        struct broken_rules rules = {.kvm = evidence->info->vmm != NULL};
        char place[64];

        if (!last || !hwaccl_known_fields_has(&last->exit_known, HWACCL_FIELD_INDEX_exit_reason) ||
            (!is_entry_failure(last) && evidence->info->end != HWACCL_END_ENTRY_FAILURE))
                return;
        if (!hwaccl_entry_check(&last->exit, &last->exit_known, take_rule, &rules))
                (void)hwaccl_entry_check(&last->entry, &last->entry_known, take_rule, &rules);
        const char *name = hwaccl_exit_reason_name(evidence_reason(last));
        evidence_place(&last->exit, &last->exit_known, place, sizeof(place));
        finding_title(finding, WEIGHT_CERTAIN + 9, JUDGEMENT_FAILED, last->number,
                      "the processor refused to enter the guest at %s (%s): %s%s", place, name ? name : "entry failure",
                      rules.count ? rules.rule[0].text
                      : evidence_reason(last) == HWACCL_EXIT_ENTRY_FAILURE_MSR_LOADING
                              ? "an entry of the MSR-load area"
                              : "no rule for registers and segments is broken",
                      rules.count > 1 ? ", and more" : "");
        for (size_t i = 0; i < rules.count; i++)
                field_history(evidence, &rules.rule[i], finding);
        if (evidence_reason(last) == HWACCL_EXIT_ENTRY_FAILURE_MSR_LOADING)
                finding_fact(finding, last->number,
                             "the exit qualification, %" PRIu64
                             ", is the number of the MSR-load entry that was refused",
                             last->exit.exit_qualification);
        if (last->exit.interrupt_information & INTERRUPTION_VALID) {
                char words[96];
                finding_fact(finding, last->number, "interruption information %" PRIx64 "h: %s",
                             last->exit.interrupt_information,
                             hwaccl_interruption_describe(last->exit.interrupt_information, words, sizeof(words)));
        }
        if (evidence->info->end_message)
                finding_fact(finding, last->number, "the VMM says: %s", evidence->info->end_message);
        char mark[VMM_MARK_ROOM];
        if (vmm_mark(evidence, last->number, mark))
                finding_fact(finding, last->number, "KVM says: %s", mark);
        if (last->offered)
                finding_fact(finding, last->number, "vector %02xh was to be injected at this entry", last->vector);
}

const struct hwaccl_rule hwaccl_rule_entry_failure = {
        .id = "entry-failure",
        .title = "the processor refused to enter the guest",
        .source = "SDM 3C, 27.3.1 (checks on the guest-state area) and 27.8",
        .evaluate = evaluate,
};
