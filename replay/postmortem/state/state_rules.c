#include "replay/postmortem/state/state_rules_internal.h"

#include "hwaccl/exit_reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_FAILURE_REASON 0x80000021u

/* Causes before their signs: of two that are equally bad the first comes first. */
static state_rule *const rules[] = {
        state_judge_place,    state_judge_code,    state_judge_kvm_error,
        state_judge_segments, state_judge_entry,   state_judge_event_injection,
        state_judge_controls, state_judge_svm,     state_judge_exit,
        state_judge_halt,     state_judge_failure,
};

void state_add(struct hwaccl_state_findings *findings, enum hwaccl_severity severity, const char *id,
               const char *source, const char *format, ...)
{
        va_list values;

        if (findings->count == HWACCL_STATE_FINDING_MAX)
                return;
        struct hwaccl_state_finding *finding = &findings->finding[findings->count++];
        finding->severity = severity;
        finding->id = id;
        finding->source = source;
        va_start(values, format);
        (void)vsnprintf(finding->text, sizeof(finding->text), format, values);
        va_end(values);
}

bool state_refused(const struct hwaccl_dump *dump)
{
        uint64_t reason = dump->state.exit_reason;
        bool vmx = state_has(dump, HWACCL_FIELD_INDEX_exit_reason) &&
                   ((reason & HWACCL_EXIT_REASON_ENTRY_FAILURE) || reason == HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE);
        bool kvm = hwaccl_dump_has(dump, HWACCL_DUMP_HARDWARE_ERROR) &&
                   dump->word[HWACCL_DUMP_HARDWARE_ERROR] == ENTRY_FAILURE_REASON;

        return dump->entry_refused || vmx || kvm || hwaccl_dump_has(dump, HWACCL_DUMP_VIRTUALBOX_ERROR);
}

/* Stable: the order of the rules is kept. */
static void sort(struct hwaccl_state_findings *findings)
{
        struct hwaccl_state_findings sorted = {.count = 0};

        for (int severity = HWACCL_SEVERITY_BROKEN; severity >= HWACCL_SEVERITY_NOTE; severity--)
                for (size_t i = 0; i < findings->count; i++)
                        if ((int)findings->finding[i].severity == severity)
                                sorted.finding[sorted.count++] = findings->finding[i];
        *findings = sorted;
}

void hwaccl_state_judge(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        findings->count = 0;
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
                rules[i](dump, findings);
        sort(findings);
}

const char *hwaccl_severity_name(enum hwaccl_severity severity)
{
        static const char *const names[] = {"note", "unusual", "broken"};
        return names[severity];
}
