/* What ended the guest, as a VMM's message and its numbers say. */
#include "replay/postmortem/state/state_rules_internal.h"

#include "hwaccl/exit_reason.h"
#include "replay/postmortem/words/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SOURCE_KVM "Linux, include/uapi/linux/kvm.h"

enum { SUBERROR_EMULATION = 1, SUBERROR_SIMULTANEOUS = 2, SUBERROR_DELIVERY = 3, SUBERROR_UNEXPECTED = 4 };

#define SVM_CODES_FROM 0x60u /* VMX has no basic reasons from here on; KVM reports such a code from SVM alone */

/* An exit reason of KVM's extra data: of VMX, or SVM's code. */
static void describe_reason(uint64_t reason, const uint64_t *qualification, const uint64_t *address, char *text,
                            size_t room)
{
        struct hwaccl_subject_state state = {.exit_reason = reason};
        struct hwaccl_known_fields known = hwaccl_known_fields_none();

        hwaccl_known_fields_add(&known, HWACCL_FIELD_INDEX_exit_reason);
        if (qualification) {
                state.exit_qualification = *qualification;
                hwaccl_known_fields_add(&known, HWACCL_FIELD_INDEX_exit_qualification);
        }
        if (address) {
                state.guest_physical_address = *address;
                hwaccl_known_fields_add(&known, HWACCL_FIELD_INDEX_guest_physical_address);
        }
        if (reason >= SVM_CODES_FROM && hwaccl_svm_exit_describe(reason, text, room))
                return;
        hwaccl_exit_describe(&state, &known, text, room);
}

/* Flags, then (flag 0) the instruction in two words, then the exit that led to the emulation in five. */
static void judge_emulation(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        bool bytes = dump->extra_count && (dump->extra[0] & 1);
        unsigned first = bytes ? 3 : 1;
        char reason[160] = "", instruction[80] = "";
        struct hwaccl_code_line line;

        if (hwaccl_code_at_rip(&dump->code, dump->state.rip, hwaccl_mode_code_bits(&dump->state, &dump->known), &line))
                (void)snprintf(instruction, sizeof(instruction), " '%s'", line.text);
        if (dump->extra_count >= first + 5 && dump->extra[0] <= 1) {
                const uint64_t *information = dump->extra + first;
                char exit[128];
                describe_reason(information[0], &information[1], NULL, exit, sizeof(exit));
                (void)snprintf(reason, sizeof(reason), "; the exit was: %s", exit);
        }
        state_add(findings, HWACCL_SEVERITY_BROKEN, "emulation-failure", SOURCE_KVM,
                  "KVM could not emulate the guest's instruction%s (suberror 1)%s. KVM emulates where the guest "
                  "reaches no RAM (device memory, a hole), and in modes that the processor cannot run",
                  instruction, reason);
}

static void judge_simultaneous(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        char delivered[80], raised[80];

        if (dump->extra_count < 2) {
                state_add(findings, HWACCL_SEVERITY_BROKEN, "simultaneous-exceptions", SOURCE_KVM,
                          "an exception was raised while the processor delivered an event (suberror 2)");
                return;
        }
        state_add(findings, HWACCL_SEVERITY_BROKEN, "simultaneous-exceptions", SOURCE_KVM,
                  "%s was raised while the processor delivered %s (suberror 2; vectoring information %" PRIx64
                  ", interruption information %" PRIx64 "): look at IDT, TSS and stack of the guest, and at their "
                  "mapping",
                  hwaccl_interruption_describe(dump->extra[1], raised, sizeof(raised)),
                  hwaccl_interruption_describe(dump->extra[0], delivered, sizeof(delivered)), dump->extra[0],
                  dump->extra[1]);
}

/* Vectoring information, exit reason, qualification, guest-physical address (newer kernels, or an EPT
 * misconfiguration), processor. */
static void judge_delivery(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        const char *advice = ": an exit at an instruction cannot happen during a delivery; suspect the processor's "
                             "microcode or the host's kernel";
        char delivered[80], exit[128], address[48] = "";
        uint64_t reason = dump->extra[1] & HWACCL_EXIT_REASON_BASIC_MASK;

        if (dump->extra_count < 2) {
                state_add(findings, HWACCL_SEVERITY_BROKEN, "delivery-event", SOURCE_KVM,
                          "the processor left the guest while it delivered an event (suberror 3)");
                return;
        }
        bool memory =
                reason == HWACCL_EXIT_EPT_VIOLATION || reason == HWACCL_EXIT_EPT_MISCONFIGURATION || reason == 0x400;
        if (memory)
                advice = ": the IDT, the TSS or the stack of the handler lies where the guest has no RAM, or in memory "
                         "that its VMM took away";
        if (dump->extra_count >= 5 && memory)
                (void)snprintf(address, sizeof(address), " at guest-physical %" PRIx64, dump->extra[3]);
        describe_reason(dump->extra[1], memory ? NULL : &dump->extra[2], NULL, exit, sizeof(exit));
        state_add(findings, HWACCL_SEVERITY_BROKEN, "delivery-event", SOURCE_KVM,
                  "while the processor delivered %s (%" PRIx64 "), it left the guest for %s%s (suberror 3)%s",
                  hwaccl_interruption_describe(dump->extra[0], delivered, sizeof(delivered)), dump->extra[0], exit,
                  address, advice);
}

static void judge_unexpected(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        char exit[128] = "not known";

        if (dump->extra_count)
                describe_reason(dump->extra[0], NULL, NULL, exit, sizeof(exit));
        state_add(findings, HWACCL_SEVERITY_BROKEN, "unexpected-exit", SOURCE_KVM,
                  "KVM has no handler for the exit (suberror 4): %s (%" PRIx64 ")", exit,
                  dump->extra_count ? dump->extra[0] : 0);
}

void state_judge_kvm_error(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        if (!hwaccl_dump_has(dump, HWACCL_DUMP_SUBERROR))
                return;
        switch (dump->word[HWACCL_DUMP_SUBERROR]) {
        case SUBERROR_EMULATION: judge_emulation(dump, findings); return;
        case SUBERROR_SIMULTANEOUS: judge_simultaneous(dump, findings); return;
        case SUBERROR_DELIVERY: judge_delivery(dump, findings); return;
        case SUBERROR_UNEXPECTED: judge_unexpected(dump, findings); return;
        default:
                state_add(findings, HWACCL_SEVERITY_BROKEN, "kvm-internal-error", SOURCE_KVM,
                          "KVM internal error with suberror %" PRIu64 ", which has no name here",
                          dump->word[HWACCL_DUMP_SUBERROR]);
        }
}

/* VirtualBox numbers the checks of its own that found the guest's state invalid: VMX_IGS_V86_… begin at 554. */
static void judge_virtualbox(uint64_t error, struct hwaccl_state_findings *findings)
{
        static const char *const segments[] = {"CS", "SS", "DS", "ES", "FS", "GS"};
        static const char *const parts[] = {"base is not selector * 16", "limit is not ffff",
                                            "access rights are not f3"};
        const uint64_t first = 554, count = 18;

        if (error - first < count)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-failure", "VirtualBox, include/VBox/vmm/hm_vmx.h",
                          "VirtualBox says (HM error %" PRIu64 "): %s %s in virtual-8086 mode", error,
                          segments[(error - first) / 3], parts[(error - first) % 3]);
        else
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-failure", "VirtualBox, include/VBox/vmm/hm_vmx.h",
                          "VirtualBox found the guest's state invalid: HM error %" PRIu64, error);
}

static bool has_broken(const struct hwaccl_state_findings *findings, const char *id)
{
        for (size_t i = 0; i < findings->count; i++)
                if (findings->finding[i].severity == HWACCL_SEVERITY_BROKEN && strcmp(findings->finding[i].id, id) == 0)
                        return true;
        return false;
}

static void judge_hardware_error(uint64_t error, struct hwaccl_state_findings *findings)
{
        const char *text = hwaccl_vm_instruction_error(error);
        char exit[96];

        if (text)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-failure", "SDM 3C, 31.4",
                          "VM entry failed with VM-instruction error %" PRIu64 ": %s. That is the VMM's doing, or the "
                          "outer VMM's",
                          error, text);
        else if (hwaccl_svm_exit_describe(error, exit, sizeof(exit)) && error > UINT16_MAX)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-failure", "APM 2, 15.5.1", "%s", exit);
        else if (error != 0x80000021)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-failure", SOURCE_KVM,
                          "KVM could not enter the guest: hardware error %" PRIx64, error);
}

/* The message itself; behind the rules that say why. */
void state_judge_failure(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        char exit[160] = "the processor refused the guest's state";
        bool why = has_broken(findings, "entry-check") || has_broken(findings, "event-injection") ||
                   has_broken(findings, "real-mode-segment");

        if (hwaccl_dump_has(dump, HWACCL_DUMP_VIRTUALBOX_ERROR))
                judge_virtualbox(dump->word[HWACCL_DUMP_VIRTUALBOX_ERROR], findings);
        if (hwaccl_dump_has(dump, HWACCL_DUMP_HARDWARE_ERROR))
                judge_hardware_error(dump->word[HWACCL_DUMP_HARDWARE_ERROR], findings);
        if (!state_refused(dump))
                return;
        if (state_has(dump, HWACCL_FIELD_INDEX_exit_reason) &&
            (dump->state.exit_reason & HWACCL_EXIT_REASON_BASIC_MASK) != HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE)
                hwaccl_exit_describe(&dump->state, &dump->known, exit, sizeof(exit));
        state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-failure", "SDM 3C, 27.8", "%s%s", exit,
                  why ? ""
                      : ": of the fields that the dump shows none breaks a rule; look at those that it does not show "
                        "(PDPTEs, MSRs to load, controls)");
}

void state_judge_exit(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        uint64_t reason = dump->state.exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
        char text[160];

        if (dump->triple_fault ||
            (state_has(dump, HWACCL_FIELD_INDEX_exit_reason) && reason == HWACCL_EXIT_TRIPLE_FAULT) ||
            (hwaccl_dump_has(dump, HWACCL_DUMP_SVM_EXIT_CODE) && dump->word[HWACCL_DUMP_SVM_EXIT_CODE] == 0x7f))
                state_add(findings, HWACCL_SEVERITY_BROKEN, "triple-fault", "SDM 3A, 6.15",
                          "triple fault: an exception could not be delivered, nor the double fault that it led to");
        if (hwaccl_dump_has(dump, HWACCL_DUMP_SVM_EXIT_CODE)) {
                uint64_t code = dump->word[HWACCL_DUMP_SVM_EXIT_CODE];
                bool invalid = (uint32_t)code == UINT32_MAX, bhyve = dump->format == HWACCL_DUMP_BHYVE;
                if (!hwaccl_svm_exit_describe(code, text, sizeof(text)))
                        (void)snprintf(text, sizeof(text), "a code without a name");
                state_add(findings, invalid || bhyve ? HWACCL_SEVERITY_BROKEN : HWACCL_SEVERITY_NOTE,
                          invalid ? "entry-failure" : "exit", "APM 2, appendix C", "SVM exit code %" PRIx64 "h: %s%s",
                          code, text, bhyve ? "; bhyve has no handler for it and ended the guest" : "");
        } else if (state_has(dump, HWACCL_FIELD_INDEX_exit_reason) && !state_refused(dump)) {
                hwaccl_exit_describe(&dump->state, &dump->known, text, sizeof(text));
                bool bhyve = dump->format == HWACCL_DUMP_BHYVE;
                state_add(findings, bhyve ? HWACCL_SEVERITY_BROKEN : HWACCL_SEVERITY_NOTE, "exit", "SDM 3D, appendix C",
                          "exit reason %" PRIu64 ": %s%s", reason, text,
                          bhyve ? "; bhyve has no handler for it and ended the guest" : "");
        }
}
