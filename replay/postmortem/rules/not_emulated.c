/* The VMM met an instruction or an exit that it does not handle; what the guest asked for last, and did not get. */
#include "replay/postmortem/rules.h"
#include "replay/postmortem/words/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOOK_BACK 64 /* exits in which a refusal may have caused the end */

static void unknown_exit(const struct evidence_exit *last, const char *at, struct hwaccl_finding *finding)
{
        uint64_t reason = evidence_reason(last);
        const char *name = hwaccl_exit_reason_name(reason);
        char words[96];

        finding_title(finding, WEIGHT_CERTAIN + 8, JUDGEMENT_FAILED, last->number,
                      "the VMM does not handle exit reason %" PRIu64 " (%s), at %s", reason,
                      name ? name : "no reason of VMX", at);
        if (!name && hwaccl_svm_exit_describe(reason, words, sizeof(words)))
                finding_guess(finding, last->number, "%" PRIx64 "h is SVM's exit code of %s: the VMM runs on SVM",
                              reason, words);
        if (last->exit.interrupt_information >> 31 & 1) {
                finding_fact(finding, last->number, "interruption information %" PRIx64 "h: %s",
                             last->exit.interrupt_information,
                             hwaccl_interruption_describe(last->exit.interrupt_information, words, sizeof(words)));
        }
}

/* Why the instruction had to be emulated at all. */
static void why_emulated(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                         struct hwaccl_finding *finding)
{
        struct evidence_access access = evidence_access(evidence, evidence->exit_count - 1);

        if (access.kind != ACCESS_MEMORY) {
                const char *reason = hwaccl_exit_reason_name(evidence_reason(last));
                finding_fact(finding, last->number, "the exit is %s", reason ? reason : "of an unknown reason");
                return;
        }
        const char *owner = evidence_memory_owner(evidence, access.address);
        finding_fact(finding, last->number, "its operand is at guest-physical %" PRIx64 "h, which is %s%s%s",
                     access.address,
                     owner && *owner ? "registers of the device " : evidence_region(evidence, access.address),
                     owner && *owner ? owner : "", owner && !*owner ? "; no device claims it" : "");
        finding_advise(finding,
                       owner && *owner
                               ? "device registers are accessed with MOV: why does the guest use this instruction?"
                               : "is the address right? Memory mapped there (a larger --memory) would let the "
                                 "processor execute it");
}

static bool failed_emulation(const struct hwaccl_evidence *evidence)
{
        const char *message = evidence->info->end_message;

        return evidence->info->end == HWACCL_END_ERROR && message && strncmp(message, "cannot emulate", 14) == 0;
}

/* Ports, leaves and MSRs that the guest asked for shortly before it failed, and did not get. */
static void refusals(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        size_t begin = evidence->exit_count > LOOK_BACK ? evidence->exit_count - LOOK_BACK : 0;

        for (size_t i = evidence->exit_count; i-- > begin;) {
                const struct evidence_exit *exit = &evidence->exits[i];
                struct evidence_access access = evidence_access(evidence, i);
                char at[160];
                evidence_at(exit, at, sizeof(at));
                if (exit->outcome_known && exit->outcome == HWACCL_OUTCOME_EXCEPTION && access.kind == ACCESS_MSR)
                        finding_fact(finding, exit->number,
                                     "%s of MSR %" PRIx64 "h was refused with an exception, at %s",
                                     access.write ? "WRMSR" : "RDMSR", access.address, at);
                else if (exit->outcome_known && exit->outcome == HWACCL_OUTCOME_EXCEPTION)
                        finding_fact(finding, exit->number, "the instruction was refused with an exception: %s", at);
                else
                        continue;
                finding_title(finding, WEIGHT_HINT, JUDGEMENT_UNKNOWN, exit->number,
                              "shortly before the end, exit %" PRIu64 " of %" PRIu64
                              ", the guest got an exception at %s",
                              exit->number, last->number, at);
                return;
        }
}

static bool guest_failed(const struct hwaccl_evidence *evidence)
{
        switch (evidence->info->end) {
        case HWACCL_END_HALTED:
        case HWACCL_END_TRIPLE_FAULT:
        case HWACCL_END_RESET:
        case HWACCL_END_ERROR: return true;
        default: return false;
        }
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        char at[160];

        if (!last)
                return;
        evidence_at(last, at, sizeof(at));
        if (failed_emulation(evidence)) {
                finding_title(finding, WEIGHT_CERTAIN, JUDGEMENT_FAILED, last->number,
                              "the VMM does not emulate the instruction at %s", at);
                finding_fact(finding, last->number, "the VMM says: %s", evidence->info->end_message);
                why_emulated(evidence, last, finding);
        } else if (evidence->info->end != HWACCL_END_NONE && evidence_reason(last) != UINT64_MAX &&
                   (!hwaccl_exit_reason_name(evidence_reason(last)) ||
                    (evidence->info->end == HWACCL_END_ERROR &&
                     hwaccl_exit_reason_verdict((uint32_t)evidence_reason(last)) == HWACCL_VERDICT_UNKNOWN))) {
                unknown_exit(last, at, finding);
        } else if (guest_failed(evidence)) {
                refusals(evidence, finding);
        }
}

const struct hwaccl_rule hwaccl_rule_not_emulated = {
        .id = "not-emulated",
        .title = "the VMM met an instruction or an exit that it does not handle",
        .source = "SDM 3D, appendix C; AMD APM 2, appendix C; hwaccl(1), DEVICE MEMORY",
        .evaluate = evaluate,
};
