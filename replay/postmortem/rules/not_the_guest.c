/* What ended the recording was not the guest. */
#include "replay/postmortem/rules.h"
#include "replay/postmortem/vmm_mark.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SILENT_NS UINT64_C(1000000000)

/* Times in which the host did not run the vCPU. */
static void pause_facts(const struct evidence_pauses *pauses, struct hwaccl_finding *finding)
{
        for (size_t i = 0; i < pauses->count; i++) {
                const struct evidence_pause *pause = &pauses->pause[i];
                finding_fact(finding, pause->to,
                             "the host did not run the vCPU's thread for %" PRIu64 " of %" PRIu64
                             " ms between exits %" PRIu64 " and %" PRIu64 ", and it did not wait in HLT",
                             pause->idle_ns / 1000000, pause->elapsed_ns / 1000000, pause->from, pause->to);
        }
        if (pauses->count)
                finding_advise(finding, "the host at that time: was it suspended, or busy with something else?");
}

/* A vCPU that makes no exits while others do. */
static void silence_fact(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                         struct hwaccl_finding *finding)
{
        if (last && evidence->silent_ns >= SILENT_NS)
                finding_fact(finding, last->number,
                             "no exit of this vCPU follows, while others made exits for %" PRIu64 " ms: %s",
                             evidence->silent_ns / 1000000,
                             vmm_waits_in_hlt(evidence, last)
                                     ? "it waits in HLT"
                                     : "it runs without exits, or the VMM did not enter it again");
}

static void stopped(const struct hwaccl_evidence *evidence, const struct evidence_pauses *pauses, uint64_t exit,
                    struct hwaccl_finding *finding)
{
        static const char *const texts[] = {
                [HWACCL_STOP_NONE] = "the recording was stopped from outside",
                [HWACCL_STOP_INTERRUPTED] = "interrupted: Ctrl-C or a signal ended the recording",
                [HWACCL_STOP_TIMEOUT] = "the time limit ended the recording",
                [HWACCL_STOP_MAX_EXITS] = "the limit on exits ended the recording",
                [HWACCL_STOP_UNTIL] = "the text that was waited for was printed",
                [HWACCL_STOP_VMM_ENDED] = "the VMM that the recorder was attached to ended",
        };
        uint64_t code = evidence->info->end_code;
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        char at[160] = "its start: it made no exit", paused[80] = "";
        const char *text = code < sizeof(texts) / sizeof(texts[0]) ? texts[code] : texts[0];

        if (last)
                evidence_at(last, at, sizeof(at));
        bool starved = pauses->idle_ns > pauses->elapsed_ns / 2;
        if (starved)
                (void)snprintf(paused, sizeof(paused),
                               "; the host did not run the guest for %" PRIu64 " of %" PRIu64 " ms",
                               pauses->idle_ns / 1000000, pauses->elapsed_ns / 1000000);
        if (evidence->ended_by_other)
                text = "another vCPU ended the run";
        finding_title(finding,
                      code == HWACCL_STOP_UNTIL ? WEIGHT_CERTAIN
                      : starved                 ? WEIGHT_HINT + 10
                                                : WEIGHT_HINT,
                      code == HWACCL_STOP_UNTIL ? JUDGEMENT_GOOD : JUDGEMENT_UNKNOWN, exit, "%s%s; the guest was at %s",
                      text, paused, at);
        silence_fact(evidence, last, finding);
        if (evidence->loop.period)
                finding_fact(finding, evidence->loop.first, "from here%s on, %u exit%s repeat%s, %" PRIu64 " times",
                             evidence->loop.since_known ? "" : " or earlier", evidence->loop.period,
                             evidence->loop.period == 1 ? "" : "s", evidence->loop.period == 1 ? "s" : "",
                             evidence->loop.rounds);
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct hwaccl_recording_info *info = evidence->info;
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        uint64_t exit = last ? last->number : EVIDENCE_NEVER;
        char at[160] = "its start: it made no exit";
        struct evidence_pauses pauses;

        evidence_find_pauses(evidence, &pauses);
        if (last)
                evidence_at(last, at, sizeof(at));
        if (info->end == HWACCL_END_STOPPED)
                stopped(evidence, &pauses, exit, finding);
        else if (info->end == HWACCL_END_RECORDER_DIED)
                finding_title(finding, WEIGHT_CERTAIN, JUDGEMENT_UNKNOWN, exit,
                              "the recorder died; the last exit that it completed was at %s", at);
        else if (info->status == HWACCL_RECORDING_RUNNING)
                finding_title(
                        finding, WEIGHT_CERTAIN, JUDGEMENT_UNKNOWN, exit,
                        "the recording is not finished: it is being written, or its recorder died; the guest was at %s",
                        at);
        else if (info->status == HWACCL_RECORDING_INCOMPLETE)
                finding_title(finding, WEIGHT_CERTAIN, JUDGEMENT_UNKNOWN, exit,
                              "the recording ended before the guest%s%s; the guest was at %s",
                              *evidence->problem ? ": " : "", evidence->problem, at);
        else if (info->end == HWACCL_END_ERROR && info->end_message && strstr(info->end_message, "accelerator"))
                finding_title(finding, WEIGHT_CERTAIN, JUDGEMENT_UNKNOWN, exit, "the accelerator gave up: %s",
                              info->end_message);
        else if (info->end == HWACCL_END_ERROR)
                finding_title(finding, WEIGHT_POSSIBLE, JUDGEMENT_FAILED, exit, "the VMM gave up: %s",
                              info->end_message ? info->end_message : "it left no message");
        else if (pauses.count)
                finding_title(finding, WEIGHT_HINT, JUDGEMENT_UNKNOWN, pauses.pause[0].to,
                              "the host did not run the guest for %" PRIu64 " ms between exits %" PRIu64
                              " and %" PRIu64,
                              pauses.pause[0].idle_ns / 1000000, pauses.pause[0].from, pauses.pause[0].to);
        if (finding->weight)
                pause_facts(&pauses, finding);
}

const struct hwaccl_rule hwaccl_rule_not_the_guest = {
        .id = "not-the-guest",
        .title = "what ended the recording was not the guest",
        .source = "the recording's status; thread_times",
        .evaluate = evaluate,
};
