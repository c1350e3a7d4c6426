/* A fault that could not be delivered, while a double fault could not be delivered. */
#include "replay/postmortem/derive.h"
#include "replay/postmortem/rules.h"
#include "replay/postmortem/rules/fault_details.h"
#include "replay/postmortem/rules/interrupt_blocks.h"
#include "replay/postmortem/words/words.h"

#include "core/exit/registers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RFLAGS_IF       UINT64_C(0x200)
#define REAL_MODE_LIMIT 0x3ffu
#define RESET_LIMIT     0xffffu

/* Bytes of a gate (SDM 3A, 6.11 and 6.14.1; in real mode a far pointer). */
static unsigned gate_size(const struct hwaccl_subject_state *state)
{
        if (!(state->cr0 & HWACCL_CR0_PE))
                return 4;
        return state->efer & HWACCL_EFER_LMA ? 16 : 8;
}

static bool beyond_limit(const struct hwaccl_subject_state *state, unsigned vector)
{
        return (vector + 1) * gate_size(state) - 1 > state->idtr.limit;
}

static bool real_mode_table(const struct hwaccl_subject_state *state)
{
        return state->cr0 & HWACCL_CR0_PE && state->idtr.base == 0 &&
               (state->idtr.limit == REAL_MODE_LIMIT || state->idtr.limit == RESET_LIMIT);
}

static void table_facts(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                        struct hwaccl_finding *finding)
{
        const struct hwaccl_subject_state *state = &last->exit;
        bool handler, bounded;
        uint64_t base = evidence_writer(evidence, HWACCL_FIELD_INDEX_idtr_base, &handler);
        uint64_t limit = evidence_writer(evidence, HWACCL_FIELD_INDEX_idtr_limit, &handler);
        uint64_t since = base == EVIDENCE_NEVER || (limit != EVIDENCE_NEVER && limit > base) ? limit : base;

        finding_fact(finding, since, "IDTR %" PRIx64 "h:%xh%s, entries of %u bytes: room for %u", state->idtr.base,
                     state->idtr.limit, since == EVIDENCE_NEVER ? "" : ", loaded before this exit", gate_size(state),
                     (state->idtr.limit + 1) / gate_size(state));
        if (real_mode_table(state)) {
                uint64_t mode = evidence_bits_since(evidence, HWACCL_FIELD_INDEX_cr0, HWACCL_CR0_PE, &bounded);
                finding_fact(finding, mode,
                             "CR0.PE is set from here on, and IDTR still holds the real-mode table 0:%xh: its far "
                             "pointers are no gates",
                             state->idtr.limit);
                finding_advise(finding, "load an IDT (LIDT) before interrupts or faults can happen in protected mode");
        } else if (beyond_limit(state, 13)) {
                finding_fact(
                        finding, EVIDENCE_NEVER,
                        "the gates of #DF (vector 8)%s and #GP (vector 13) are beyond IDTR's limit: no fault can be "
                        "delivered",
                        beyond_limit(state, 8) ? "" : ", which is within it,");
                finding_advise(finding, "who loaded IDTR with limit %xh?", state->idtr.limit);
        }
}

/* Why an event could not be delivered, in the words of a title. */
static const char *why_undelivered(const struct hwaccl_fault_link *link)
{
        bool zero = link->has & HWACCL_FAULT_HAS_VALUE && !link->value;

        switch (link->step) {
        case HWACCL_DELIVERY_GATE_TYPE:
                return zero ? "its entry of the IDT is empty" : "its entry of the IDT is no gate";
        case HWACCL_DELIVERY_GATE_ABSENT: return "its entry of the IDT is not present";
        case HWACCL_DELIVERY_TABLE_LIMIT: return "its entry is beyond the IDT's limit";
        case HWACCL_DELIVERY_TASK: return "the task of its task gate could not be entered";
        default: return hwaccl_delivery_step_name(link->step);
        }
}

/* The first link whose delivery failed. */
static size_t first_failed(const struct hwaccl_fault_chain *chain)
{
        for (unsigned i = 0; i < chain->count; i++)
                if (chain->link[i].step != HWACCL_DELIVERY_DELIVERED)
                        return i;
        return 0;
}

/* The interrupt with which the faults began: the first link of the chain, or what was injected last. */
static bool interrupted(const struct hwaccl_fault_chain *chain, const struct evidence_exit *last, uint8_t *vector)
{
        size_t first = first_failed(chain);

        if (chain->count) {
                *vector = chain->link[first].vector;
                return chain->link[first].source == HWACCL_EVENT_EXTERNAL;
        }
        *vector = last->vector;
        return last->offered && (!last->settled || last->taken);
}

static void interrupt_facts(const struct hwaccl_evidence *evidence, const struct evidence_exit *exit,
                            const struct hwaccl_fault_chain *chain, uint8_t vector, struct hwaccl_finding *finding)
{
        bool bounded;
        uint64_t since = evidence_bits_since(evidence, HWACCL_FIELD_INDEX_rflags, RFLAGS_IF, &bounded);
        char place[64];

        evidence_place(&exit->entry, &exit->entry_known, place, sizeof(place));
        finding_fact(finding, exit->number, "vector %02xh, %s, was injected at the entry before this exit, at %s",
                     vector, interrupt_vector_source(evidence, vector), place);
        if (exit->exit.rflags & RFLAGS_IF) {
                const struct evidence_exit *first = NULL;
                for (size_t i = 0; i < evidence->exit_count && !first; i++)
                        if (evidence->exits[i].number == since)
                                first = &evidence->exits[i];
                if (first)
                        evidence_place(&first->exit, &first->exit_known, place, sizeof(place));
                finding_fact(finding, since, "RFLAGS.IF is 1 at every exit from here on%s%s: the guest set it %s%s",
                             first ? ", at " : "", first ? place : "",
                             bounded ? "before" : "between this exit and the one before",
                             bounded ? " the exits that were looked at" : "");
        }
        if (chain->count && !real_mode_table(&exit->exit) &&
            chain->link[first_failed(chain)].step != HWACCL_DELIVERY_TABLE_LIMIT)
                finding_advise(finding, "who should have set the IDT's entry of vector %02xh, or have masked %s?",
                               vector, interrupt_vector_source(evidence, vector));
        else
                finding_advise(finding,
                               "keep interrupts off (CLI) until the IDT of the new mode is loaded; what set IF?");
}

/* "#GP (vector 13, error code 202h)", "page fault at 10h", "vector 40h, IRQ 0 (timer)" */
static void name_event(const struct hwaccl_evidence *evidence, uint8_t source, uint8_t vector,
                       const uint32_t *error_code, const uint64_t *cr2, char *text, size_t room)
{
        const char *name = source == HWACCL_EVENT_EXCEPTION ? hwaccl_vector_name(vector) : NULL;
        char code[40] = "", address[40] = "";

        if (error_code)
                (void)snprintf(code, sizeof(code), ", error code %" PRIx32 "h", *error_code);
        if (cr2)
                (void)snprintf(address, sizeof(address), ", address %" PRIx64 "h", *cr2);
        if (source == HWACCL_EVENT_EXTERNAL)
                (void)snprintf(text, room, "vector %02xh, %s", vector, interrupt_vector_source(evidence, vector));
        else if (source == HWACCL_EVENT_SOFTWARE)
                (void)snprintf(text, room, "INT %02xh", vector);
        else
                (void)snprintf(text, room, "%s (vector %u%s%s)", name ? name : "exception", vector, code, address);
}

static void name_link(const struct hwaccl_evidence *evidence, const struct hwaccl_fault_link *link, char *text,
                      size_t room)
{
        name_event(evidence, link->source, link->vector,
                   link->has & HWACCL_FAULT_HAS_ERROR_CODE ? &link->error_code : NULL,
                   link->has & HWACCL_FAULT_HAS_CR2 ? &link->cr2 : NULL, text, room);
}

/* Each event, and the step of its delivery that failed. */
static void chain_facts(const struct hwaccl_evidence *evidence, const struct hwaccl_fault_chain *chain, uint64_t exit,
                        struct hwaccl_finding *finding)
{
        for (unsigned i = 0; i < chain->count; i++) {
                const struct hwaccl_fault_link *link = &chain->link[i];
                char event[96], looked[96] = "", limit[48] = "", raised[96] = "nothing";
                name_link(evidence, link, event, sizeof(event));
                if (link->step == HWACCL_DELIVERY_DELIVERED) {
                        finding_fact(finding, exit, "%s at %04x:%" PRIx64 "h was delivered, to %" PRIx64 "h", event,
                                     link->cs, link->rip, link->address);
                        continue;
                }
                if (link->has & HWACCL_FAULT_HAS_VALUE)
                        (void)snprintf(looked, sizeof(looked), " (%" PRIx64 "h holds %" PRIx64 "h)", link->address,
                                       link->value);
                else if (link->has & HWACCL_FAULT_HAS_ADDRESS)
                        (void)snprintf(looked, sizeof(looked), " (at %" PRIx64 "h)", link->address);
                if (link->has & HWACCL_FAULT_HAS_LIMIT)
                        (void)snprintf(limit, sizeof(limit), ", limit %" PRIx64 "h", link->limit);
                if (link->has & HWACCL_FAULT_HAS_RAISED)
                        name_event(evidence, HWACCL_EVENT_EXCEPTION, link->raised,
                                   link->has & HWACCL_FAULT_HAS_RAISED_ERROR_CODE ? &link->raised_error_code : NULL,
                                   link->has & HWACCL_FAULT_HAS_RAISED_CR2 ? &link->raised_cr2 : NULL, raised,
                                   sizeof(raised));
                finding_fact(finding, exit, "%s at %04x:%" PRIx64 "h was not delivered: %s%s%s; this raised %s", event,
                             link->cs, link->rip, why_undelivered(link), looked, limit, raised);
        }
}

/* Where to look, by the step that failed first. */
static void chain_advice(const struct evidence_exit *last, const struct hwaccl_fault_chain *chain,
                         struct hwaccl_finding *finding)
{
        const struct hwaccl_fault_link *link = &chain->link[first_failed(chain)];

        if (!chain->count || link->source != HWACCL_EVENT_EXCEPTION)
                return;
        if (link->step == HWACCL_DELIVERY_GATE_TYPE || link->step == HWACCL_DELIVERY_GATE_ABSENT)
                finding_advise(finding, "who should have set the IDT's entries of vectors %u and 8 (#DF)?",
                               link->vector);
        else if (link->step == HWACCL_DELIVERY_FRAME_SEGMENT || link->step == HWACCL_DELIVERY_FRAME_WRITE ||
                 link->step == HWACCL_DELIVERY_STACK_POINTER)
                finding_advise(
                        finding,
                        "the stack pointer, %" PRIx64
                        "h: a stack that overflowed, or is not mapped? A stack of its own for #DF (a task gate, or "
                        "in 64-bit mode the IST) would let its handler run",
                        last->exit.rsp);
}

static void fault_title(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                        const struct hwaccl_fault_chain *chain, struct hwaccl_finding *finding)
{
        const struct hwaccl_subject_state *state = &last->exit;
        char at[160], why[160] = "", what[128] = "a fault";
        size_t first = first_failed(chain);
        uint8_t vector;

        evidence_at(last, at, sizeof(at));
        if (chain->count)
                name_link(evidence, &chain->link[first], what, sizeof(what));
        else if (interrupted(chain, last, &vector))
                name_event(evidence, HWACCL_EVENT_EXTERNAL, vector, NULL, NULL, what, sizeof(what));
        if (real_mode_table(state))
                (void)snprintf(why, sizeof(why), ": IDTR still holds the real-mode table 0:%xh in protected mode",
                               state->idtr.limit);
        else if (chain->count)
                (void)snprintf(why, sizeof(why), ": %s; nor could the double fault",
                               why_undelivered(&chain->link[first]));
        else if (beyond_limit(state, 13) && beyond_limit(state, 8))
                (void)snprintf(why, sizeof(why), ": IDTR's limit %xh ends before its gate and that of #DF (vector 8)",
                               state->idtr.limit);
        finding_title(finding, WEIGHT_CERTAIN, JUDGEMENT_FAILED, last->number,
                      "triple fault at %s: %s could not be delivered%s", at, what, why);
}

/* The processor does not show the chain: what the following facts rest on. */
static void derived_facts(const struct hwaccl_derived_faults *derived, uint64_t exit, struct hwaccl_finding *finding)
{
        if (derived->chain.count && derived->guess)
                finding_guess(
                        finding, exit,
                        "the faults below are derived from the registers at the entry, as the processor leaves no "
                        "others, and from the memory at the end: they happened between this entry and the end");
        else if (derived->chain.count)
                finding_fact(
                        finding, exit,
                        "the processor does not show the faults: those below are derived from the registers at the "
                        "exit and the memory at the end");
        if (derived->problem)
                finding_fact(finding, exit, "the faults cannot be derived%s: %s",
                             derived->chain.count ? " further" : "", derived->problem);
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        bool ended = evidence->info->end == HWACCL_END_TRIPLE_FAULT;
        struct hwaccl_fault_chain chain = {.count = 0};
        uint8_t vector;

        if (!last || (!ended && evidence_reason(last) != HWACCL_EXIT_TRIPLE_FAULT))
                return;
        struct hwaccl_derived_faults derived = {.problem = NULL};
        if (!hwaccl_recording_faults(evidence->recording, evidence->vcpu, last->number, &chain, NULL))
                chain.count = 0;
        bool shown = chain.count > 0;
        if (!shown && hwaccl_derive_faults(evidence->recording, evidence->vcpu, last->number, &derived, NULL))
                chain = derived.chain;
        fault_title(evidence, last, &chain, finding);
        if (!shown)
                derived_facts(&derived, last->number, finding);
        chain_facts(evidence, &chain, last->number, finding);
        if (chain.count)
                fault_detail_facts(evidence, &chain.link[first_failed(&chain)], finding);
        if (interrupted(&chain, last, &vector))
                interrupt_facts(evidence, last, &chain, vector, finding);
        table_facts(evidence, last, finding);
        chain_advice(last, &chain, finding);
        if (!chain.count && last->exit.cr2 != last->entry.cr2)
                finding_guess(finding, last->number,
                              "CR2 changed to %" PRIx64
                              "h since the entry: a page fault at this address was among the faults",
                              last->exit.cr2);
}

const struct hwaccl_rule hwaccl_rule_triple_fault = {
        .id = "triple-fault",
        .title = "a fault could not be delivered, and neither could the double fault",
        .source = "SDM 3A, 6.11, 6.12, 6.14 and 6.15 (interrupt 8)",
        .evaluate = evaluate,
};
