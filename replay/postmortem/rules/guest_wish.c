/* The guest asked to be reset or switched off, or said how it ended. */
#include "replay/postmortem/rules.h"

#include <inttypes.h>
#include <stdio.h>

#define EXITS_BEFORE 5

/* What a write to a port of a PC asks for; NULL: nothing of the kind. */
static const char *wish_of_port(const struct evidence_access *access)
{
        switch (access->address) {
        case 0x64: return "pulse the reset line through the keyboard controller (port 64h)";
        case 0x60: return "write the keyboard controller's output port with bit 0, the reset line, clear (port 60h)";
        case 0x92: return "set bit 0 of port 92h, fast reset";
        case 0xcf9: return "reset through the PIIX's reset control register (port cf9h)";
        case 0xf4:
        case 0x501: return "end with an exit code (isa-debug-exit)";
        default: return NULL;
        }
}

static void list_before(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        size_t count = evidence->exit_count;
        size_t begin = count > EXITS_BEFORE + 1 ? count - EXITS_BEFORE - 1 : 0;

        for (size_t i = begin; i + 1 < count; i++) {
                const struct evidence_exit *exit = &evidence->exits[i];
                const char *reason = hwaccl_exit_reason_name(evidence_reason(exit));
                char at[160];
                evidence_at(exit, at, sizeof(at));
                finding_fact(finding, exit->number, "before it: %s at %s", reason ? reason : "unknown exit", at);
        }
}

static void report_output(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        if (!evidence->printed)
                finding_fact(finding, EVIDENCE_NEVER, "nothing was printed before: this is not an orderly end");
        else if (evidence->line_count)
                finding_fact(finding, evidence->line[evidence->line_count - 1].exit, "the last line printed: %s",
                             evidence->line[evidence->line_count - 1].text);
}

static void asked(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                  struct hwaccl_finding *finding)
{
        struct evidence_access access = evidence_access(evidence, evidence->exit_count - 1);
        bool reset = evidence->info->end == HWACCL_END_RESET;
        enum hwaccl_judgement judgement = evidence->printed ? JUDGEMENT_GOOD : JUDGEMENT_FAILED;
        const char *wish = access.kind == ACCESS_PORT && access.write ? wish_of_port(&access) : NULL;
        char at[160], value[96] = "";

        evidence_at(last, at, sizeof(at));
        if (access.kind == ACCESS_PORT && access.value_known)
                (void)snprintf(value, sizeof(value), " (OUT %" PRIx64 "h, %" PRIx64 "h)", access.address, access.value);
        finding_title(finding, evidence->printed ? WEIGHT_GOOD_END : WEIGHT_CERTAIN, judgement, last->number,
                      "the guest asked %s%s at %s%s", reset ? "for a reset" : "to be switched off", value, at,
                      evidence->printed ? "" : "; nothing was printed before");
        if (wish)
                finding_fact(finding, last->number, "it did so to %s", wish);
        else if (!reset)
                finding_fact(finding, last->number, "it did so by ACPI: SLP_EN with the sleep type of S5 in PM1_CNT");
        report_output(evidence, finding);
        list_before(evidence, finding);
        if (!evidence->printed)
                finding_advise(finding, "what led to %s: firmware and kernels reset where they give up early", at);
}

static void exit_code(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                      struct hwaccl_finding *finding)
{
        uint64_t code = evidence->info->end_code;
        char at[160] = "an unknown address";

        if (last)
                evidence_at(last, at, sizeof(at));
        finding_title(finding, code ? WEIGHT_CERTAIN : WEIGHT_GOOD_END, code ? JUDGEMENT_FAILED : JUDGEMENT_GOOD,
                      last ? last->number : EVIDENCE_NEVER, "the guest ended with exit code %" PRIu64 " at %s%s", code,
                      at, code ? ": it reports a failure" : "");
        report_output(evidence, finding);
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);

        switch (evidence->info->end) {
        case HWACCL_END_EXIT_CODE: exit_code(evidence, last, finding); break;
        case HWACCL_END_RESET:
        case HWACCL_END_POWER_OFF:
                if (last)
                        asked(evidence, last, finding);
                break;
        default: break;
        }
}

const struct hwaccl_rule hwaccl_rule_guest_wish = {
        .id = "guest-wish",
        .title = "the guest asked for its end",
        .source = "IBM PC/AT Technical Reference (8042, port 92h); 82371AB data sheet, RST_CNT; ACPI 6.4, 4.8.3.2",
        .evaluate = evaluate,
};
