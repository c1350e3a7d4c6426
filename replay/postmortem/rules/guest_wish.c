/* The guest asked to be reset or switched off, or said how it ended. */
#include "replay/postmortem/rules.h"
#include "replay/postmortem/vmm_mark.h"

#include "core/exit/registers.h"
#include "hwaccl/fault_chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EXITS_BEFORE 5

/* What a write to a port of a PC asks for; NULL: nothing of the kind. */
static const char *wish_of_port(const struct evidence_access *access)
{
        switch (access->address) {
        case 0x64: return "command feh of the keyboard controller (port 64h) pulses the reset line";
        case 0x60: return "the keyboard controller's output port gets bit 0, the reset line, clear (port 60h)";
        case 0x92: return "bit 0 of port 92h is the fast reset";
        case 0xcf9: return "bit 2 of the PIIX's reset control register (port cf9h) resets the machine";
        case 0xf4:
        case 0x501: return "this port is isa-debug-exit: the value is an exit code";
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
                finding_fact(finding, last->number, "%s", wish);
        else if (!reset)
                finding_fact(finding, last->number, "this is ACPI: SLP_EN with the sleep type of S5 in PM1_CNT");
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

/* Ports by which guests end a machine that other machines have: "power off" or "reset"; NULL: none of them. */
static const char *attempt_of(const struct evidence_access *access)
{
        static const struct {
                uint16_t port;
                uint16_t bits; /* that the value must have */
                const char *what;
        } ports[] = {
                {0x604, 0x2000, "power off"},  /* PM1a_CNT of QEMU's PCs */
                {0xb004, 0x2000, "power off"}, /* of Bochs and old QEMU */
                {0x4004, 0x2000, "power off"}, /* of VirtualBox */
                {0x600, 0x34, "power off"},    /* of Cloud Hypervisor */
                {0x8900, 0, "power off"},      /* Bochs: the text Shutdown */
                {0x501, 0, "end with an exit code (isa-debug-exit)"},
                {0xf4, 0, "end with an exit code (isa-debug-exit)"},
                {0xcf9, 0x04, "reset"},
                {0x92, 0x01, "reset"},
                {0x64, 0xfe, "reset"},
        };

        if (access->kind != ACCESS_PORT || !access->write || !access->value_known)
                return NULL;
        for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
                if (access->address == ports[i].port && (access->value & ports[i].bits) == ports[i].bits)
                        return ports[i].what;
        return NULL;
}

/* Is the exit part of the wait behind the attempt? */
static bool waits(const struct hwaccl_evidence *evidence, const struct evidence_exit *exit)
{
        return evidence_of_host(exit) || evidence_reason(exit) == HWACCL_EXIT_HLT ||
               (evidence->loop.period && exit->number >= evidence->loop.first);
}

/* The last thing that the guest did before it stood still was to end the machine, in ways that the machine lacks. */
static void in_vain(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        for (size_t i = evidence->exit_count; i-- > 0;) {
                const struct evidence_exit *exit = &evidence->exits[i];
                struct evidence_access access = evidence_access(evidence, i);
                const char *what = attempt_of(&access);
                char at[160];
                if (!what && !finding->weight && waits(evidence, exit))
                        continue;
                if (!what)
                        return;
                const char *owner = evidence_port_owner(evidence, (uint16_t)access.address);
                if (!finding->weight)
                        finding_title(finding, WEIGHT_CERTAIN + 1, JUDGEMENT_UNKNOWN, exit->number,
                                      "the guest tried to %s (OUT %" PRIx64 "h, %" PRIx64 "h): %s%s", what,
                                      access.address, access.value,
                                      !owner   ? "nothing came of it"
                                      : *owner ? "nothing came of it at device "
                                               : "no device claims this port",
                                      owner ? owner : "");
                evidence_at(exit, at, sizeof(at));
                finding_fact(finding, exit->number, "%s: OUT %" PRIx64 "h, %" PRIx64 "h at %s", what, access.address,
                             access.value, at);
        }
}

static void vain_attempt(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        in_vain(evidence, finding);
        if (!finding->weight)
                return;
        report_output(evidence, finding);
        finding_advise(finding, "the machine ends by PM1a_CNT as its FADT says, by port cf9h or by port 64h, FEh");
}

/* A last line like "Restarting system", which does not follow a panic. */
static bool said_to_reset(const struct hwaccl_evidence *evidence)
{
        const char *last = evidence->line_count ? evidence->line[evidence->line_count - 1].text : "";

        for (size_t i = hwaccl_evidence_shown(evidence); i < evidence->line_count; i++)
                if (strcasestr(evidence->line[i].text, "panic"))
                        return false;
        return strcasestr(last, "reboot") || strcasestr(last, "restart") || strcasestr(last, "reset");
}

/* INT n, INT3 or UD2 right behind a LIDT with a table of no gate: the processor shuts down, and a PC resets. */
static void triple_fault_on_purpose(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                                    struct hwaccl_finding *finding)
{
        struct hwaccl_fault_chain chain = {.count = 0};
        bool bounded;

        if (!hwaccl_recording_faults(evidence->recording, evidence->vcpu, last->number, &chain, NULL) || !chain.count)
                return;
        const struct hwaccl_fault_link *link = &chain.link[0];
        bool provoked = link->source == HWACCL_EVENT_SOFTWARE ||
                        (link->source == HWACCL_EVENT_EXCEPTION && (link->vector == 3 || link->vector == 6));
        if (!provoked || last->exit.idtr.limit >= 3)
                return;
        bool says_so = said_to_reset(evidence);
        uint64_t since = evidence_bits_since(evidence, HWACCL_FIELD_INDEX_idtr_limit, UINT64_MAX, &bounded);
        finding_title(finding, says_so ? WEIGHT_CERTAIN + 1 : WEIGHT_POSSIBLE,
                      says_so ? JUDGEMENT_GOOD : JUDGEMENT_UNKNOWN, last->number,
                      "the guest reset the machine on purpose by a triple fault%s",
                      says_so ? ", as it said" : ", it seems: an instruction raised it with an empty IDT");
        finding_fact(finding, bounded ? EVIDENCE_NEVER : since, "IDTR has limit %xh: no vector has a gate",
                     last->exit.idtr.limit);
        finding_guess(finding, last->number,
                      "INT n, INT3 or UD2 (vector %u) with an empty IDT is how kernels reset a PC "
                      "when other ways fail",
                      link->vector);
        report_output(evidence, finding);
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        int status;

        switch (evidence->info->end) {
        case HWACCL_END_EXIT_CODE:
                if (!vmm_wait_status(evidence, &status)) /* else it is the VMM's, which may end as it likes */
                        exit_code(evidence, last, finding);
                break;
        case HWACCL_END_RESET:
        case HWACCL_END_POWER_OFF:
                if (last)
                        asked(evidence, last, finding);
                break;
        case HWACCL_END_TRIPLE_FAULT:
                if (last)
                        triple_fault_on_purpose(evidence, last, finding);
                break;
        case HWACCL_END_STOPPED:
        case HWACCL_END_HALTED:
                if (!vmm_is_attached(evidence)) /* else it is not known what came of it */
                        vain_attempt(evidence, finding);
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
