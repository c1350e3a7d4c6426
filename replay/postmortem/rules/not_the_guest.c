/* What ended the recording was not the guest. */
#include "replay/postmortem/rules.h"

#include <inttypes.h>
#include <string.h>

#define LONG_NS UINT64_C(1000000000)

/* Time in which the host did not run the vCPU among the last exits. */
static void look_for_pauses(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        for (size_t i = 1; i < evidence->exit_count; i++) {
                const struct evidence_exit *before = &evidence->exits[i - 1], *exit = &evidence->exits[i];
                uint64_t left = before->entry_ns + before->guest_ns + before->handler_ns;
                if (exit->entry_ns > left && exit->entry_ns - left > LONG_NS)
                        finding_fact(finding, exit->number,
                                     "%" PRIu64
                                     " ms passed between the handling of the exit before and this entry: the "
                                     "host did not run the vCPU",
                                     (exit->entry_ns - left) / 1000000);
        }
}

static void stopped(const struct hwaccl_evidence *evidence, uint64_t exit, struct hwaccl_finding *finding)
{
        static const char *const texts[] = {
                [HWACCL_STOP_NONE] = "stopped from outside",
                [HWACCL_STOP_INTERRUPTED] = "interrupted: Ctrl-C or a signal ended the recording",
                [HWACCL_STOP_TIMEOUT] = "the time limit ended the recording",
                [HWACCL_STOP_MAX_EXITS] = "the limit on exits ended the recording",
                [HWACCL_STOP_UNTIL] = "the text that was waited for was printed",
        };
        uint64_t code = evidence->info->end_code;
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        char at[160] = "an unknown address";

        if (last)
                evidence_at(last, at, sizeof(at));
        finding_title(finding, code == HWACCL_STOP_UNTIL ? WEIGHT_CERTAIN : WEIGHT_HINT,
                      code == HWACCL_STOP_UNTIL ? JUDGEMENT_GOOD : JUDGEMENT_UNKNOWN, exit, "%s; the guest was at %s",
                      code < sizeof(texts) / sizeof(texts[0]) ? texts[code] : texts[0], at);
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
        char at[160] = "an unknown address";

        if (last)
                evidence_at(last, at, sizeof(at));
        if (info->end == HWACCL_END_STOPPED)
                stopped(evidence, exit, finding);
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
                finding_title(finding, WEIGHT_HINT, JUDGEMENT_FAILED, exit, "the VMM gave up: %s",
                              info->end_message ? info->end_message : "it left no message");
        if (finding->weight)
                look_for_pauses(evidence, finding);
}

const struct hwaccl_rule hwaccl_rule_not_the_guest = {
        .id = "not-the-guest",
        .title = "what ended the recording was not the guest",
        .source = "the recording's status",
        .evaluate = evaluate,
};
