/* The VMM met an instruction or an exit that it does not handle; what the guest asked for last, and did not get. */
#include "replay/postmortem/rules.h"
#include "replay/postmortem/words/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define POST_PORT 0x80u /* whose writes are delays */
#define LOOK_BACK 64    /* exits in which a refusal may have caused the end */

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

/* An exception instead of what the guest asked for. */
static bool refused(const struct hwaccl_evidence *evidence, size_t index, char *text, size_t room)
{
        const struct evidence_exit *exit = &evidence->exits[index];
        struct evidence_access access = evidence_access(evidence, index);
        bool fault = exit->outcome == HWACCL_OUTCOME_EXCEPTION || exit->outcome == HWACCL_OUTCOME_TRIPLE_FAULT;
        char at[160];

        if (!exit->outcome_known || !fault || evidence_reason(exit) == HWACCL_EXIT_TRIPLE_FAULT)
                return false;
        evidence_at(exit, at, sizeof(at));
        if (access.kind == ACCESS_MSR)
                (void)snprintf(text, room, "%s of MSR %" PRIx64 "h was refused with an exception, at %s",
                               access.write ? "WRMSR" : "RDMSR", access.address, at);
        else
                (void)snprintf(text, room, "the instruction was refused with an exception: %s", at);
        return true;
}

/* A port or address that no device has. */
static bool unclaimed(const struct hwaccl_evidence *evidence, size_t index, char *text, size_t room)
{
        struct evidence_access access = evidence_access(evidence, index);
        const char *owner = access.kind == ACCESS_PORT ? evidence_port_owner(evidence, (uint16_t)access.address)
                            : access.kind == ACCESS_MEMORY && !access.fetch
                                    ? evidence_memory_owner(evidence, access.address)
                                    : NULL;
        char at[160];

        if (!owner || *owner || (access.kind == ACCESS_PORT && access.address == POST_PORT))
                return false;
        evidence_at(&evidence->exits[index], at, sizeof(at));
        (void)snprintf(text, room, "no device has %s %" PRIx64 "h, which the guest %s at %s",
                       access.kind == ACCESS_PORT ? "port" : "address", access.address,
                       access.write ? "wrote to" : "read", at);
        return true;
}

static bool asked_leaf(const struct hwaccl_evidence *evidence, size_t index, char *text, size_t room)
{
        const struct evidence_exit *exit = &evidence->exits[index];
        const struct hwaccl_subject_state *next =
                index + 1 < evidence->exit_count ? &evidence->exits[index + 1].entry : &evidence->state;
        char at[160];

        if (evidence_reason(exit) != HWACCL_EXIT_CPUID ||
            !hwaccl_known_fields_has(&exit->exit_known, HWACCL_FIELD_INDEX_rax))
                return false;
        evidence_at(exit, at, sizeof(at));
        (void)snprintf(text, room,
                       "CPUID leaf %" PRIx64 "h, subleaf %" PRIx64 "h: EAX %08" PRIx64 "h, EBX %08" PRIx64
                       "h, ECX %08" PRIx64 "h, EDX %08" PRIx64 "h, at %s",
                       exit->exit.rax & UINT32_MAX, exit->exit.rcx & UINT32_MAX, next->rax & UINT32_MAX,
                       next->rbx & UINT32_MAX, next->rcx & UINT32_MAX, next->rdx & UINT32_MAX, at);
        return true;
}

/* What the guest asked for shortly before it failed, and did not get: the latest of each kind. */
static void refusals(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        static const struct {
                bool (*matches)(const struct hwaccl_evidence *evidence, size_t index, char *text, size_t room);
                const char *what;
        } kinds[] = {{refused, "the guest got an exception"},
                     {unclaimed, "the guest accessed what no device has"},
                     {asked_leaf, "the guest asked for a CPUID leaf"}};
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        size_t begin = evidence->exit_count > LOOK_BACK ? evidence->exit_count - LOOK_BACK : 0;
        char text[280];

        for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
                for (size_t i = evidence->exit_count; i-- > begin;) {
                        if (!kinds[kind].matches(evidence, i, text, sizeof(text)))
                                continue;
                        uint64_t number = evidence->exits[i].number;
                        if (!finding->weight)
                                finding_title(finding, WEIGHT_HINT - 2, JUDGEMENT_UNKNOWN, number,
                                              "shortly before the end, exit %" PRIu64 " of %" PRIu64 ", %s", number,
                                              last->number, kinds[kind].what);
                        finding_fact(finding, number, "%s", text);
                        break;
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
        } else if (evidence->info->end != HWACCL_END_NONE && evidence_reason(last) < HWACCL_EXIT_KVM_FIRST &&
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
