/* What KVM and the VMM's parent say of the end: an exit of KVM's own, an error of KVM_RUN, a signal, a vCPU that did
 * not come back. */
#include "replay/postmortem/evidence_query.h"
#include "replay/postmortem/rules.h"
#include "replay/postmortem/vmm_mark.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define LONG_NS UINT64_C(1000000000)

static bool begins_with(const char *text, const char *prefix)
{
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const char *option(const struct hwaccl_evidence *evidence, const char *name)
{
        struct hwaccl_error error;
        const char *value;

        return hwaccl_recording_option(evidence->recording, name, &value, &error) ? value : NULL;
}

static void internal_error(const struct evidence_exit *last, const char *at, const char *text,
                           struct hwaccl_finding *finding)
{
        finding_title(finding, WEIGHT_CERTAIN + 8, JUDGEMENT_FAILED, last->number,
                      "KVM could not run the guest further at %s: %s", at, text);
        if (strstr(text, "suberror 1 "))
                finding_fact(finding, last->number,
                             "the kernel's emulator does not know the instruction there: it is "
                             "needed for devices' memory, and without EPT for more");
        else if (strstr(text, "suberror 3 "))
                finding_fact(finding, last->number,
                             "an exit came while an event was delivered to the guest: often the "
                             "IDT, GDT or stack is in a device's memory");
        finding_advise(finding, "the kernel's log (dmesg) may say more; the VMM's own dump has code and registers");
}

static void system_event(const struct evidence_exit *last, const char *at, const char *text,
                         struct hwaccl_finding *finding)
{
        bool crash = strstr(text, "(crash)") != NULL;
        bool shutdown = strstr(text, "(shutdown)") != NULL;

        finding_title(finding, crash ? WEIGHT_CERTAIN : WEIGHT_GOOD_END,
                      crash      ? JUDGEMENT_FAILED
                      : shutdown ? JUDGEMENT_GOOD
                                 : JUDGEMENT_UNKNOWN,
                      last->number, "the guest told KVM so at %s: %s", at, text);
}

/* The exit that is not handled any more: the signal came in between. */
static void killed(const struct evidence_exit *last, const char *at, int number, struct hwaccl_finding *finding)
{
        bool handling = !last->outcome_known;
        bool own = number == SIGSEGV || number == SIGABRT || number == SIGBUS || number == SIGILL || number == SIGFPE;

        finding_title(finding, own ? WEIGHT_LIKELY + 5 : WEIGHT_POSSIBLE + 1, JUDGEMENT_FAILED, last->number,
                      "the VMM was killed by signal %d (%s) %s; the guest was at %s", number, strsignal(number),
                      handling ? "while it handled this exit" : "while the guest ran", at);
        if (own)
                finding_fact(finding, last->number, "the signal is one that a program gets for an error of its own");
        finding_advise(finding, own ? "the VMM's core dump and its standard error"
                                    : "who sent the signal; the kernel's log, for SIGKILL where memory was short");
}

/* The guest did not exit until the VMM interrupted it, or until the end. */
static void silent(const struct hwaccl_evidence *evidence, const struct evidence_exit *last, const char *at,
                   struct hwaccl_finding *finding)
{
        char name[48];

        (void)snprintf(name, sizeof(name), "host_vcpu_%" PRIu32 "_end", evidence->vcpu);
        const char *end = option(evidence, name);
        uint64_t ms = end && begins_with(end, "in the guest for ") ? strtoull(end + 17, NULL, 10) : 0;
        if (ms >= LONG_NS / 1000000)
                finding_title(finding, WEIGHT_POSSIBLE, JUDGEMENT_UNKNOWN, last->number,
                              "vCPU %" PRIu32 " ran for %" PRIu64
                              " ms without an exit, up to the end; its last exit was at %s",
                              evidence->vcpu, ms, at);
        else if (evidence_of_host(last) && last->guest_ns >= LONG_NS)
                finding_title(finding, WEIGHT_POSSIBLE, JUDGEMENT_UNKNOWN, last->number,
                              "vCPU %" PRIu32 " ran for %" PRIu64 " ms without an exit, until it was interrupted at %s",
                              evidence->vcpu, last->guest_ns / 1000000, at);
        if (finding->weight)
                finding_fact(finding, last->number,
                             "the guest waits or loops without a device: HLT, PAUSE and what the "
                             "kernel's interrupt controllers do make no exit that the VMM sees");
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        char text[VMM_MARK_ROOM], at[160];

        if (!evidence->info->vmm || !last)
                return;
        evidence_at(last, at, sizeof(at));
        if (vmm_mark(evidence, last->number, text)) {
                if (begins_with(text, "KVM_EXIT_INTERNAL_ERROR"))
                        internal_error(last, at, text, finding);
                else if (begins_with(text, "KVM_EXIT_SYSTEM_EVENT"))
                        system_event(last, at, text, finding);
                else if (begins_with(text, "KVM_RUN failed"))
                        finding_title(finding, WEIGHT_CERTAIN + 8, JUDGEMENT_FAILED, last->number,
                                      "%s, after the exit at %s", text, at);
                if (finding->weight)
                        return;
        }
        int status = 0;
        bool outside = vmm_wait_status(evidence, &status);
        if (outside && evidence->info->end == HWACCL_END_ERROR && WIFSIGNALED(status))
                killed(last, at, WTERMSIG(status), finding);
        else
                silent(evidence, last, at, finding);
        if (!finding->weight && outside && evidence->info->end == HWACCL_END_EXIT_CODE)
                finding_title(finding, WEIGHT_HINT, JUDGEMENT_UNKNOWN, last->number,
                              "the VMM ended by itself with exit status %d; the guest was at %s", WEXITSTATUS(status),
                              at);
}

const struct hwaccl_rule hwaccl_rule_vmm_end = {
        .id = "vmm-end",
        .title = "what KVM and the VMM's end say",
        .source = "Linux, Documentation/virt/kvm/api.rst, 5 (struct kvm_run); wait(2)",
        .evaluate = evaluate,
};
