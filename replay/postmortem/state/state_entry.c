/* The checks of a VM entry (SDM 3C, 27.2.1.3 and 27.3.1; APM 2, 15.5.1) on a state from a dump. */
#include "replay/postmortem/state/state_rules_internal.h"

#include "core/exit/control_register.h"
#include "core/exit/dispatch.h"
#include "core/exit/registers.h"
#include "replay/postmortem/words/words.h"

#include <inttypes.h>
#include <stdio.h>

#define SOURCE_GUEST_STATE "SDM 3C, 27.3.1"
#define SOURCE_INJECTION   "SDM 3C, 27.2.1.3 and 27.3.1"

#define PHYSICAL_BITS_LEAST 39 /* of the processors that are about */

#define ENTRY_LOAD_DEBUG       UINT64_C(0x4)
#define ENTRY_IA32E            UINT64_C(0x200)
#define ENTRY_LOAD_EFER        UINT64_C(0x8000)
#define PROCESSOR_SECONDARY    UINT64_C(0x80000000)
#define SECONDARY_EPT          UINT64_C(0x2)
#define SECONDARY_UNRESTRICTED UINT64_C(0x80)
#define PIN_VIRTUAL_NMI        UINT64_C(0x20)
#define PENDING_BS             UINT64_C(0x4000)
#define DEBUG_CONTROL_BTF      UINT64_C(0x2)
#define ACTIVITY_HLT           1u
#define ACTIVITY_MAX           3u
#define SVM_EFER_SVME          UINT64_C(0x1000)
#define RIGHTS_DPL             0x60u

void hwaccl_entry_rule_describe(const struct hwaccl_broken_rule *rule, char *text, size_t room)
{
        char right[40] = "";

        if (rule->right != rule->value)
                (void)snprintf(right, sizeof(right), "; %" PRIx64 " would be right", rule->right);
        (void)snprintf(text, room, "%s (%s is %" PRIx64 "%s)", rule->text, hwaccl_subject_fields[rule->field].name,
                       rule->value, right);
}

struct judged {
        struct hwaccl_state_findings *findings;
        enum hwaccl_severity severity;
};

static void add_rule(void *opaque, const struct hwaccl_broken_rule *rule)
{
        const struct judged *judged = opaque;
        char text[200];

        hwaccl_entry_rule_describe(rule, text, sizeof(text));
        state_add(judged->findings, judged->severity, "entry-check", SOURCE_GUEST_STATE, "%s", text);
}

static bool is_svm(const struct hwaccl_dump *dump)
{
        return dump->format == HWACCL_DUMP_VMCB || hwaccl_dump_has(dump, HWACCL_DUMP_SVM_EXIT_CODE) ||
               (hwaccl_dump_has(dump, HWACCL_DUMP_HARDWARE_ERROR) &&
                (uint32_t)dump->word[HWACCL_DUMP_HARDWARE_ERROR] == UINT32_MAX);
}

/* A guest that ran has broken no rule: what a dump of it shows against one is how its VMM keeps the state. */
void state_judge_entry(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        bool guest_view = hwaccl_dump_is_guest_view(dump);
        struct judged judged = {findings, HWACCL_SEVERITY_BROKEN};
        struct hwaccl_subject_state state = dump->state;
        struct hwaccl_known_fields known = dump->known;

        if (is_svm(dump) || (guest_view && !state_refused(dump)))
                return;
        if (guest_view && hwaccl_mode(&state, &known) == HWACCL_MODE_REAL)
                for (unsigned field = HWACCL_FIELD_INDEX_cs_selector; field < HWACCL_FIELD_INDEX_tr_selector; field++)
                        hwaccl_known_fields_remove(&known, field); /* the VMM has its own for the entry */
        if (guest_view) {
                state.cr0 |= HWACCL_CR0_NE;
                state.cr4 |= HWACCL_CR4_VMXE;
        }
        (void)hwaccl_entry_check(&state, &known, add_rule, &judged);
        if (state_refused(dump) && state_has(dump, HWACCL_FIELD_INDEX_cr3) && state.cr3 >> PHYSICAL_BITS_LEAST &&
            !(state.cr3 >> 52))
                state_add(findings, HWACCL_SEVERITY_UNUSUAL, "entry-check", SOURCE_GUEST_STATE,
                          "CR3 is %" PRIx64 ": a processor refuses bits beyond its physical-address width, which the "
                          "dump does not show; many have %d bits",
                          state.cr3, PHYSICAL_BITS_LEAST);
}

static bool word_is(const struct hwaccl_dump *dump, enum hwaccl_dump_word word, uint64_t mask, uint64_t bits)
{
        return hwaccl_dump_has(dump, word) && (dump->word[word] & mask) == bits;
}

static bool field_is(const struct hwaccl_dump *dump, enum hwaccl_field_index field, uint64_t mask, uint64_t bits)
{
        return state_has(dump, field) && (hwaccl_field_get(&dump->state, field) & mask) == bits;
}

/* Is the guest's delivery of the vector one with an error code? */
static bool has_error_code(unsigned vector)
{
        return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

static void judge_external(const struct hwaccl_dump *dump, const char *event, struct hwaccl_state_findings *findings)
{
        if (field_is(dump, HWACCL_FIELD_INDEX_rflags, RFLAGS_IF, 0))
                state_add(findings, HWACCL_SEVERITY_BROKEN, "event-injection", SOURCE_INJECTION,
                          "the entry injects an %s, but RFLAGS.IF is clear (rflags is %" PRIx64
                          "): the VMM may offer it only while IF is set",
                          event, dump->state.rflags);
        if (!field_is(dump, HWACCL_FIELD_INDEX_interruptibility,
                      HWACCL_INTERRUPTIBILITY_STI | HWACCL_INTERRUPTIBILITY_MOV_SS, 0) &&
            state_has(dump, HWACCL_FIELD_INDEX_interruptibility))
                state_add(findings, HWACCL_SEVERITY_BROKEN, "event-injection", SOURCE_INJECTION,
                          "the entry injects an %s while interrupts are blocked by %s (interruptibility is %" PRIx64
                          ")",
                          event, dump->state.interruptibility & HWACCL_INTERRUPTIBILITY_STI ? "STI" : "MOV SS",
                          dump->state.interruptibility);
}

static void judge_nmi(const struct hwaccl_dump *dump, unsigned vector, struct hwaccl_state_findings *findings)
{
        uint64_t blocking = dump->state.interruptibility;

        if (vector != 2)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "event-injection", SOURCE_INJECTION,
                          "the entry injects an NMI with vector %u; 2 would be right", vector);
        if (!state_has(dump, HWACCL_FIELD_INDEX_interruptibility))
                return;
        if (blocking & HWACCL_INTERRUPTIBILITY_MOV_SS)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "event-injection", SOURCE_INJECTION,
                          "the entry injects an NMI while blocking by MOV SS");
        if ((blocking & HWACCL_INTERRUPTIBILITY_NMI) &&
            word_is(dump, HWACCL_DUMP_PIN_CONTROLS, PIN_VIRTUAL_NMI, PIN_VIRTUAL_NMI))
                state_add(findings, HWACCL_SEVERITY_BROKEN, "event-injection", SOURCE_INJECTION,
                          "the entry injects an NMI while NMIs are blocked (interruptibility is %" PRIx64 ")",
                          blocking);
}

static void judge_exception(const struct hwaccl_dump *dump, uint64_t word, struct hwaccl_state_findings *findings)
{
        unsigned vector = word & INTERRUPTION_VECTOR;
        bool delivers = (word & INTERRUPTION_ERROR_CODE) != 0;
        bool should = has_error_code(vector) && !field_is(dump, HWACCL_FIELD_INDEX_cr0, HWACCL_CR0_PE, 0);

        if (vector > 31)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "event-injection", SOURCE_INJECTION,
                          "the entry injects a hardware exception with vector %xh; exceptions have vectors 0 to 31",
                          vector);
        else if (delivers != should && state_has(dump, HWACCL_FIELD_INDEX_cr0) && vector != 21)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "event-injection", SOURCE_INJECTION,
                          "the entry injects exception %u %s an error code, which %s in this mode", vector,
                          delivers ? "with" : "without", should ? "it has" : "it does not have");
}

void state_judge_event_injection(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        uint64_t word = dump->word[HWACCL_DUMP_ENTRY_INFORMATION];
        char event[80];

        if (!hwaccl_dump_has(dump, HWACCL_DUMP_ENTRY_INFORMATION) || !(word & INTERRUPTION_VALID))
                return;
        (void)hwaccl_interruption_describe(word, event, sizeof(event));
        switch (interruption_type(word)) {
        case INTERRUPTION_EXTERNAL: judge_external(dump, event, findings); return;
        case INTERRUPTION_NMI: judge_nmi(dump, word & INTERRUPTION_VECTOR, findings); return;
        case INTERRUPTION_HARDWARE_EXCEPTION: judge_exception(dump, word, findings); return;
        case INTERRUPTION_RESERVED:
                state_add(findings, HWACCL_SEVERITY_BROKEN, "event-injection", SOURCE_INJECTION,
                          "the entry injects an event of reserved type 1 (%" PRIx64 ")", word);
                return;
        default:
                if (hwaccl_dump_has(dump, HWACCL_DUMP_ENTRY_LENGTH) && dump->word[HWACCL_DUMP_ENTRY_LENGTH] > 15)
                        state_add(findings, HWACCL_SEVERITY_BROKEN, "event-injection", SOURCE_INJECTION,
                                  "the entry injects a %s with an instruction length of %" PRIu64
                                  "; at most 15 would be right",
                                  event, dump->word[HWACCL_DUMP_ENTRY_LENGTH]);
        }
}

static void judge_activity(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        uint64_t activity = dump->word[HWACCL_DUMP_ACTIVITY], blocking = dump->state.interruptibility;

        if (!hwaccl_dump_has(dump, HWACCL_DUMP_ACTIVITY) || activity == 0)
                return;
        if (activity > ACTIVITY_MAX)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-check", SOURCE_GUEST_STATE,
                          "activity state is %" PRIx64 "; at most 3 (wait for SIPI) would be right", activity);
        if (activity == ACTIVITY_HLT && state_has(dump, HWACCL_FIELD_INDEX_ss_access_rights) &&
            (dump->state.ss.access_rights & RIGHTS_DPL))
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-check", SOURCE_GUEST_STATE,
                          "activity state is HLT but SS DPL is not 0 (access rights %" PRIx32 ")",
                          dump->state.ss.access_rights);
        if (state_has(dump, HWACCL_FIELD_INDEX_interruptibility) &&
            (blocking & (HWACCL_INTERRUPTIBILITY_STI | HWACCL_INTERRUPTIBILITY_MOV_SS)))
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-check", SOURCE_GUEST_STATE,
                          "activity state is %" PRIx64 " while interrupts are blocked by %s; active (0) would be right",
                          activity, blocking & HWACCL_INTERRUPTIBILITY_STI ? "STI" : "MOV SS");
}

/* A single step that STI, MOV SS or HLT put off must be pending, and no other may be. */
static void judge_pending_debug(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        bool known = hwaccl_dump_has(dump, HWACCL_DUMP_PENDING_DEBUG) &&
                     hwaccl_dump_has(dump, HWACCL_DUMP_DEBUG_CONTROL) &&
                     state_has(dump, HWACCL_FIELD_INDEX_interruptibility) && state_has(dump, HWACCL_FIELD_INDEX_rflags);
        bool blocked = (dump->state.interruptibility & 3u) || word_is(dump, HWACCL_DUMP_ACTIVITY, UINT64_MAX, 1);
        bool step = (dump->state.rflags & RFLAGS_TF) && !(dump->word[HWACCL_DUMP_DEBUG_CONTROL] & DEBUG_CONTROL_BTF);
        bool pending = (dump->word[HWACCL_DUMP_PENDING_DEBUG] & PENDING_BS) != 0;

        if (known && blocked && step != pending)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-check", SOURCE_GUEST_STATE,
                          "pending debug exceptions %s BS (bit 14), but interrupts are blocked or the guest halts and "
                          "RFLAGS.TF is %s (pending debug exceptions are %" PRIx64 ", rflags %" PRIx64 ")",
                          pending ? "have" : "lack", step ? "set" : "clear or branches are stepped",
                          dump->word[HWACCL_DUMP_PENDING_DEBUG], dump->state.rflags);
}

static void judge_ia32e(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        uint64_t controls = dump->word[HWACCL_DUMP_ENTRY_CONTROLS];
        bool ia32e = (controls & ENTRY_IA32E) != 0;

        if (!hwaccl_dump_has(dump, HWACCL_DUMP_ENTRY_CONTROLS))
                return;
        if (ia32e && (field_is(dump, HWACCL_FIELD_INDEX_cr0, HWACCL_CR0_PG, 0) ||
                      field_is(dump, HWACCL_FIELD_INDEX_cr4, HWACCL_CR4_PAE, 0)))
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-check", SOURCE_GUEST_STATE,
                          "the VM-entry control \"IA-32e mode guest\" is set (%" PRIx64
                          ") but CR0.PG or CR4.PAE is clear (cr0 is %" PRIx64 ", cr4 is %" PRIx64 ")",
                          controls, dump->state.cr0, dump->state.cr4);
        if ((controls & ENTRY_LOAD_EFER) && state_has(dump, HWACCL_FIELD_INDEX_efer) &&
            ia32e != ((dump->state.efer & HWACCL_EFER_LMA) != 0))
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-check", SOURCE_GUEST_STATE,
                          "EFER.LMA is %s but the VM-entry control \"IA-32e mode guest\" is %s (efer is %" PRIx64
                          ", entry controls are %" PRIx64 ")",
                          ia32e ? "clear" : "set", ia32e ? "set" : "clear", dump->state.efer, controls);
        if ((controls & ENTRY_LOAD_DEBUG) && hwaccl_dump_has(dump, HWACCL_DUMP_DR7) &&
            dump->word[HWACCL_DUMP_DR7] >> 32)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-check", SOURCE_GUEST_STATE,
                          "DR7 bits 63:32 are not 0 (DR7 is %" PRIx64 ")", dump->word[HWACCL_DUMP_DR7]);
}

static void judge_unrestricted(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        bool off = word_is(dump, HWACCL_DUMP_PROCESSOR_CONTROLS, PROCESSOR_SECONDARY, 0) ||
                   word_is(dump, HWACCL_DUMP_SECONDARY_CONTROLS, SECONDARY_UNRESTRICTED, 0);
        uint64_t needed = HWACCL_CR0_PE | HWACCL_CR0_PG;

        if (off && state_has(dump, HWACCL_FIELD_INDEX_cr0) && (dump->state.cr0 & needed) != needed)
                state_add(
                        findings, HWACCL_SEVERITY_BROKEN, "entry-check", SOURCE_GUEST_STATE,
                        "CR0.%s is clear, which needs the VM-execution control \"unrestricted guest\" (cr0 is %" PRIx64
                        "; %" PRIx64 " would be right)",
                        dump->state.cr0 & HWACCL_CR0_PE ? "PG" : "PE", dump->state.cr0, dump->state.cr0 | needed);
        if (word_is(dump, HWACCL_DUMP_SECONDARY_CONTROLS, SECONDARY_UNRESTRICTED | SECONDARY_EPT,
                    SECONDARY_UNRESTRICTED))
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-check", "SDM 3C, 27.2.1.1",
                          "\"unrestricted guest\" is set but \"enable EPT\" is clear (secondary controls are %" PRIx64
                          ")",
                          dump->word[HWACCL_DUMP_SECONDARY_CONTROLS]);
}

void state_judge_controls(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        uint64_t link = dump->word[HWACCL_DUMP_LINK_POINTER];

        judge_activity(dump, findings);
        judge_pending_debug(dump, findings);
        judge_ia32e(dump, findings);
        judge_unrestricted(dump, findings);
        if (hwaccl_dump_has(dump, HWACCL_DUMP_LINK_POINTER) && link != UINT64_MAX && (link & 0xfff))
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-check", SOURCE_GUEST_STATE,
                          "the VMCS link pointer has bits 11:0 (it is %" PRIx64 "; all ones would be right)", link);
}

/* APM 2, 15.5.1: what VMRUN checks. */
void state_judge_svm(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        const struct hwaccl_subject_state *state = &dump->state;
        bool paging = field_is(dump, HWACCL_FIELD_INDEX_cr0, HWACCL_CR0_PG, HWACCL_CR0_PG);
        bool lme = field_is(dump, HWACCL_FIELD_INDEX_efer, HWACCL_EFER_LME, HWACCL_EFER_LME);
        const struct {
                bool broken;
                enum hwaccl_field_index field;
                const char *text;
        } checks[] = {
                {field_is(dump, HWACCL_FIELD_INDEX_efer, SVM_EFER_SVME, 0), HWACCL_FIELD_INDEX_efer,
                 "EFER.SVME is clear"},
                {field_is(dump, HWACCL_FIELD_INDEX_cr0, HWACCL_CR0_CD | HWACCL_CR0_NW, HWACCL_CR0_NW),
                 HWACCL_FIELD_INDEX_cr0, "CR0.NW is set but CD is clear"},
                {state_has(dump, HWACCL_FIELD_INDEX_cr0) && state->cr0 >> 32, HWACCL_FIELD_INDEX_cr0,
                 "CR0 bits 63:32 are not 0"},
                {lme && paging && field_is(dump, HWACCL_FIELD_INDEX_cr4, HWACCL_CR4_PAE, 0), HWACCL_FIELD_INDEX_cr4,
                 "EFER.LME and CR0.PG are set but CR4.PAE is clear"},
                {lme && paging && !(state->cr0 & HWACCL_CR0_PE), HWACCL_FIELD_INDEX_cr0,
                 "EFER.LME and CR0.PG are set but CR0.PE is clear"},
                {lme && paging && field_is(dump, HWACCL_FIELD_INDEX_cs_access_rights, 0x6000, 0x6000),
                 HWACCL_FIELD_INDEX_cs_access_rights, "CS has both L and D set in long mode"},
        };

        if (dump->format != HWACCL_DUMP_VMCB)
                return;
        for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
                if (checks[i].broken)
                        state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-check", "APM 2, 15.5.1",
                                  "%s (%s is %" PRIx64 ")", checks[i].text, hwaccl_subject_fields[checks[i].field].name,
                                  hwaccl_field_get(state, checks[i].field));
        if (word_is(dump, HWACCL_DUMP_SVM_ASID, UINT64_MAX, 0))
                state_add(findings, HWACCL_SEVERITY_BROKEN, "entry-check", "APM 2, 15.5.1", "the guest's ASID is 0");
}
