/* The processor refused to enter the guest. */
#include "replay/postmortem/rules.h"

#include "core/exit/dispatch.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The field of the state that a rule's text begins with: "GS limit is not …", "CR4.VMXE is clear". */
static bool field_of(const char *rule, enum hwaccl_field_index *field)
{
        char name[32];
        size_t length = 0;

        if (strncmp(rule, "interruptibility", 16) == 0)
                return hwaccl_field_find("interruptibility", field);
        while (length + 1 < sizeof(name) && (isalnum((unsigned char)rule[length]) || rule[length] == '_')) {
                name[length] = (char)tolower((unsigned char)rule[length]);
                length++;
        }
        name[length] = '\0';
        if (hwaccl_field_find(name, field))
                return true;
        const char *part = strncmp(rule + length, " limit", 6) == 0      ? "_limit"
                           : strncmp(rule + length, " base", 5) == 0     ? "_base"
                           : strncmp(rule + length, " selector", 9) == 0 ? "_selector"
                                                                         : "_access_rights";
        if (length + strlen(part) >= sizeof(name))
                return false;
        memcpy(name + length, part, strlen(part) + 1);
        return hwaccl_field_find(name, field);
}

/* Since when, and by whom, a field has its value. */
static void field_history(const struct hwaccl_evidence *evidence, enum hwaccl_field_index field, const char *rule,
                          uint64_t value, struct hwaccl_finding *finding)
{
        const char *name = hwaccl_subject_fields[field].name;
        bool by_handler, bounded;
        uint64_t writer = evidence_writer(evidence, field, &by_handler);
        uint64_t since = evidence_bits_since(evidence, field, UINT64_MAX, &bounded);

        finding_fact(finding, finding->exit, "%s: %s is %" PRIx64 "h", rule, name, value);
        if (writer != EVIDENCE_NEVER && by_handler)
                finding_fact(finding, writer, "handling of this exit gave %s its value", name);
        else if (writer != EVIDENCE_NEVER)
                finding_fact(finding, writer, "the guest gave %s its value before this exit, with no exit of its own",
                             name);
        else if (bounded)
                finding_fact(finding, since, "%s has this value at every exit that was looked at", name);
        else
                finding_fact(finding, since, "%s has this value at every exit from here on", name);
        finding_advise(finding, "what loads %s: a guest state for VM entry must hold the rule", name);
}

static void broken_rules(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state, char *rules,
                         struct hwaccl_finding *finding)
{
        char *next = NULL;

        for (char *rule = rules; rule && *rule; rule = next) {
                enum hwaccl_field_index field;
                next = strstr(rule, "; ");
                if (next) {
                        *next = '\0';
                        next += 2;
                }
                if (field_of(rule, &field))
                        field_history(evidence, field, rule, hwaccl_field_get(state, field), finding);
                else
                        finding_fact(finding, finding->exit, "%s", rule);
        }
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);

        if (!last || !hwaccl_known_fields_has(&last->exit_known, HWACCL_FIELD_INDEX_exit_reason))
                return;
        uint64_t reason = evidence_reason(last);
        if (last->exit.exit_reason & ~(UINT64_C(0) | HWACCL_EXIT_REASON_BASIC_MASK | HWACCL_EXIT_REASON_ENTRY_FAILURE))
                return;
        bool failed = last->exit.exit_reason & HWACCL_EXIT_REASON_ENTRY_FAILURE ||
                      hwaccl_exit_reason_verdict((uint32_t)reason) == HWACCL_VERDICT_ENTRY_FAILURE;
        if (!failed && evidence->info->end != HWACCL_END_ENTRY_FAILURE)
                return;
        char rules[600] = "", place[64];
        const struct hwaccl_subject_state *state = &last->exit;
        if (!hwaccl_entry_failure_describe(state, rules, sizeof(rules))) {
                state = &last->entry;
                (void)hwaccl_entry_failure_describe(state, rules, sizeof(rules));
        }
        const char *name = hwaccl_exit_reason_name(reason);
        evidence_place(state, &last->exit_known, place, sizeof(place));
        finding_title(finding, WEIGHT_CERTAIN + 9, JUDGEMENT_FAILED, last->number,
                      "the processor refused to enter the guest at %s (%s): %s", place, name ? name : "entry failure",
                      *rules ? rules : "no rule for registers and segments is broken");
        broken_rules(evidence, state, rules, finding);
        if (state->interrupt_information >> 31 & 1) {
                char words[96];
                evidence_interruption(state->interrupt_information, words, sizeof(words));
                finding_fact(finding, last->number, "interruption information %" PRIx64 "h: %s",
                             state->interrupt_information, words);
        }
        if (evidence->info->end_message)
                finding_fact(finding, last->number, "the VMM says: %s", evidence->info->end_message);
        if (last->offered)
                finding_fact(finding, last->number, "vector %02xh was to be injected at this entry", last->vector);
}

const struct hwaccl_rule hwaccl_rule_entry_failure = {
        .id = "entry-failure",
        .title = "the processor refused to enter the guest",
        .source = "SDM 3C, 27.3.1 (checks on the guest-state area) and 27.8",
        .evaluate = evaluate,
};
