#include "replay/postmortem/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the findings say together: the heaviest that tells. */
static enum hwaccl_judgement judge(const struct hwaccl_finding *findings, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (findings[i].judgement != JUDGEMENT_UNKNOWN && findings[i].weight >= WEIGHT_POSSIBLE)
                        return findings[i].judgement;
        return JUDGEMENT_UNKNOWN;
}

/* Diagnose @vcpu, in place of what the report has. */
static bool diagnose(struct hwaccl_report *report, struct hwaccl_recording *recording, uint32_t vcpu,
                     struct hwaccl_error *error)
{
        hwaccl_evidence_free(report->evidence);
        report->evidence = hwaccl_evidence_gather(recording, vcpu, report->replayed, error);
        if (!report->evidence)
                return false;
        report->finding_count = hwaccl_diagnose(report->evidence, report->finding);
        report->judgement = judge(report->finding, report->finding_count);
        return true;
}

static void note_vcpu(const struct hwaccl_report *report, struct hwaccl_report_vcpu *vcpu)
{
        const struct evidence_exit *last = hwaccl_evidence_last(report->evidence);

        vcpu->number = report->evidence->vcpu;
        vcpu->exit = last ? last->number : EVIDENCE_NEVER;
        vcpu->time_ns = last ? last->entry_ns + last->guest_ns : UINT64_MAX;
        vcpu->silent_ns = report->evidence->silent_ns;
        if (last)
                evidence_at(last, vcpu->place, sizeof(vcpu->place));
        vcpu->reason = last ? hwaccl_exit_reason_name(evidence_reason(last)) : NULL;
        vcpu->judgement = report->judgement;
        memcpy(vcpu->title, report->finding[0].title, sizeof(vcpu->title));
}

/* Of those that failed, else of all, the one whose last exit was first. */
static uint32_t failed_first(const struct hwaccl_report *report)
{
        const struct hwaccl_report_vcpu *first = &report->vcpu[0];

        for (size_t i = 1; i < report->vcpu_count; i++) {
                const struct hwaccl_report_vcpu *vcpu = &report->vcpu[i];
                bool failed = vcpu->judgement == JUDGEMENT_FAILED, best = first->judgement == JUDGEMENT_FAILED;
                if (failed != best ? failed : vcpu->time_ns < first->time_ns)
                        first = vcpu;
        }
        return first->number;
}

static bool fill(struct hwaccl_report *report, struct hwaccl_recording *recording, uint32_t wanted,
                 struct hwaccl_error *error)
{
        const struct hwaccl_recording_info *info = hwaccl_recording_info(recording);
        bool found = wanted == REPORT_ANY_VCPU;

        if (info->vcpu_count == 0)
                return hwaccl_error_set(error, "the recording has no virtual CPU");
        report->vcpu = calloc(info->vcpu_count, sizeof(*report->vcpu));
        if (!report->vcpu)
                return hwaccl_error_set(error, "out of memory");
        for (uint32_t i = 0; i < info->vcpu_count; i++) {
                if (!diagnose(report, recording, hwaccl_recording_vcpu_number(recording, i), error))
                        return false;
                note_vcpu(report, &report->vcpu[report->vcpu_count++]);
                found = found || report->evidence->vcpu == wanted;
        }
        if (!found)
                return hwaccl_error_set(error, "no virtual CPU %" PRIu32, wanted);
        uint32_t vcpu = wanted == REPORT_ANY_VCPU ? failed_first(report) : wanted;
        return report->evidence->vcpu == vcpu || diagnose(report, recording, vcpu, error);
}

struct hwaccl_report *hwaccl_report_create(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t replayed,
                                           struct hwaccl_error *error)
{
        struct hwaccl_report *report = calloc(1, sizeof(*report));

        if (!report) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        report->replayed = replayed;
        if (fill(report, recording, vcpu, error))
                return report;
        hwaccl_report_free(report);
        return NULL;
}

void hwaccl_report_free(struct hwaccl_report *report)
{
        if (!report)
                return;
        hwaccl_evidence_free(report->evidence);
        free(report->vcpu);
        free(report);
}
