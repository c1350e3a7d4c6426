/* The guest waits in HLT, and nothing can end the wait. */
#include "replay/postmortem/rules.h"
#include "replay/postmortem/rules/interrupt_blocks.h"
#include "replay/postmortem/vmm_mark.h"

#include <inttypes.h>
#include <string.h>

#define RFLAGS_IF UINT64_C(0x200)

/* The last exit that the guest caused, if it waits there. */
static const struct evidence_exit *waiting(const struct hwaccl_evidence *evidence)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);

        if (!last)
                return NULL;
        uint64_t reason = evidence_reason(last);
        return reason == HWACCL_EXIT_HLT || reason == HWACCL_EXIT_MWAIT ? last : NULL;
}

/* "System halted": an operating system that was asked to halt says so. */
static const struct evidence_line *said_so(const struct hwaccl_evidence *evidence)
{
        const struct evidence_line *last = evidence->line_count ? &evidence->line[evidence->line_count - 1] : NULL;

        return last && (strstr(last->text, "ystem halted") || strstr(last->text, "ystem has halted") ||
                        strstr(last->text, "operating system has halted"))
                       ? last
                       : NULL;
}

static void last_line(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_line *line = evidence->line_count ? &evidence->line[evidence->line_count - 1] : NULL;

        if (line)
                finding_fact(finding, line->exit, "the last line printed: %s", line->text);
}

static void interrupts_off(const struct hwaccl_evidence *evidence, const struct evidence_exit *last, const char *place,
                           struct hwaccl_finding *finding)
{
        bool bounded;
        uint64_t since = evidence_bits_since(evidence, HWACCL_FIELD_INDEX_rflags, RFLAGS_IF, &bounded);

        const struct evidence_line *said = said_so(evidence);

        if (said) {
                finding_title(finding, WEIGHT_GOOD_END, JUDGEMENT_GOOD, last->number, "halted at %s, as it said: %s",
                              place, said->text);
                return;
        }
        if (evidence->info->vcpu_count > 1 && evidence->info->end != HWACCL_END_HALTED) {
                finding_title(
                        finding, WEIGHT_POSSIBLE, JUDGEMENT_UNKNOWN, last->number,
                        "halted at %s with interrupts off (RFLAGS.IF is 0): only an NMI or INIT of another vCPU ends "
                        "this, as processors wait that are not started or were stopped",
                        place);
                return;
        }
        finding_title(finding, WEIGHT_CERTAIN, JUDGEMENT_FAILED, last->number,
                      "halted for good at %s: interrupts are off (RFLAGS.IF is 0)%s", place,
                      evidence->info->vmm ? "" : ", and no device of the machine raises NMI");
        finding_fact(finding, last->number, "HLT with RFLAGS %" PRIx64 "h: IF (bit 9) is 0", last->exit.rflags);
        if (bounded)
                finding_fact(finding, since, "IF is 0 in all exits that were looked at");
        else
                finding_fact(finding, since, "IF is 0 at every exit from here on");
        last_line(evidence, finding);
        finding_advise(finding,
                       "the code that leads to %s: a CLI; HLT loop is how kernels and firmware stop after a failure",
                       place);
}

static void interrupts_on(const struct hwaccl_evidence *evidence, const struct evidence_exit *last, const char *place,
                          struct hwaccl_finding *finding)
{
        struct interrupt_blocks blocks;
        bool ended = evidence->info->end == HWACCL_END_HALTED;

        interrupt_blocks_find(evidence, &blocks);
        const struct interrupt_block *main = interrupt_blocks_main(&blocks);
        if (!main && !ended)
                return;
        finding_title(finding, ended ? WEIGHT_CERTAIN : WEIGHT_LIKELY, ended ? JUDGEMENT_FAILED : JUDGEMENT_UNKNOWN,
                      last->number, "%s at %s with interrupts on: %s", ended ? "halted for good" : "waits in HLT",
                      place, main ? main->text : "no device can interrupt the processor");
        finding_fact(finding, last->number, "HLT with RFLAGS %" PRIx64 "h: IF (bit 9) is 1", last->exit.rflags);
        last_line(evidence, finding);
        interrupt_blocks_report(&blocks, finding);
        if (!evidence->machine)
                finding_fact(finding, EVIDENCE_NEVER, "the devices' state is not known: %s", evidence->no_replay);
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = waiting(evidence);
        unsigned end = evidence->info->end;
        char place[160];

        if (!last || (end != HWACCL_END_HALTED && end != HWACCL_END_STOPPED))
                return;
        if (last->outcome_known && !vmm_waits_in_hlt(evidence, last))
                return;
        evidence_at(last, place, sizeof(place));
        if (!hwaccl_known_fields_has(&last->exit_known, HWACCL_FIELD_INDEX_rflags))
                finding_title(finding, WEIGHT_LIKELY, JUDGEMENT_FAILED, last->number,
                              "halted at %s; RFLAGS is not known", place);
        else if (!(last->exit.rflags & RFLAGS_IF))
                interrupts_off(evidence, last, place, finding);
        else
                interrupts_on(evidence, last, place, finding);
}

const struct hwaccl_rule hwaccl_rule_dead_halt = {
        .id = "dead-halt",
        .title = "the guest waits in HLT, and nothing can end the wait",
        .source = "SDM 2A, HLT; Intel 8259A data sheet 231468-003; SDM 3A, 11.8; MC146818A data sheet, register C",
        .evaluate = evaluate,
};
