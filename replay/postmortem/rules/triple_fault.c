/* A fault that could not be delivered, while a double fault could not be delivered. */
#include "replay/postmortem/rules.h"
#include "replay/postmortem/rules/interrupt_blocks.h"

#include "core/exit/registers.h"
#include "core/machine/devices/pic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RFLAGS_IF       UINT64_C(0x200)
#define REAL_MODE_LIMIT 0x3ffu

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
        return state->cr0 & HWACCL_CR0_PE && state->idtr.base == 0 && state->idtr.limit == REAL_MODE_LIMIT;
}

static void table_facts(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                        struct hwaccl_finding *finding)
{
        const struct hwaccl_subject_state *state = &last->exit;
        bool bounded;
        uint64_t since = evidence_bits_since(evidence, HWACCL_FIELD_INDEX_idtr_base, UINT64_MAX, &bounded);

        finding_fact(finding, since, "IDTR %" PRIx64 "h:%xh%s, gates of %u bytes: room for vectors up to %d",
                     state->idtr.base, state->idtr.limit, bounded ? " as at the start" : "", gate_size(state),
                     (int)((state->idtr.limit + 1) / gate_size(state)) - 1);
        if (real_mode_table(state)) {
                uint64_t mode = evidence_bits_since(evidence, HWACCL_FIELD_INDEX_cr0, HWACCL_CR0_PE, &bounded);
                finding_fact(finding, mode,
                             "CR0.PE is set, and IDTR still holds the real-mode table 0:3ffh: its far pointers are no "
                             "gates");
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

/* "IRQ 0 (timer)" for a vector of the 8259s; "" for others. */
static const char *source_of(const struct hwaccl_evidence *evidence, uint8_t vector)
{
        const struct hwaccl_pic *pic = evidence_device(evidence, "pic");

        if (pic && vector - (unsigned)pic->master.base < 8)
                return interrupt_line_source(vector - (unsigned)pic->master.base);
        if (pic && vector - (unsigned)pic->slave.base < 8)
                return interrupt_line_source(8 + vector - (unsigned)pic->slave.base);
        return "an interrupt";
}

/* The vector that was injected before the fault, if one was. */
static const struct evidence_exit *interrupted(const struct hwaccl_evidence *evidence)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);

        return last && last->offered && (!last->settled || last->taken) ? last : NULL;
}

static void interrupt_facts(const struct hwaccl_evidence *evidence, const struct evidence_exit *exit,
                            struct hwaccl_finding *finding)
{
        bool bounded;
        uint64_t since = evidence_bits_since(evidence, HWACCL_FIELD_INDEX_rflags, RFLAGS_IF, &bounded);
        char place[64];

        evidence_place(&exit->entry, &exit->entry_known, place, sizeof(place));
        finding_fact(finding, exit->number, "vector %02xh, %s, was delivered at the entry before this exit, at %s",
                     exit->vector, source_of(evidence, exit->vector), place);
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
        finding_advise(finding, "keep interrupts off (CLI) until the IDT of the new mode is loaded; what set IF?");
}

static void fault_title(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                        struct hwaccl_finding *finding)
{
        const struct hwaccl_subject_state *state = &last->exit;
        const struct evidence_exit *interrupt = interrupted(evidence);
        char at[160], why[160] = "", what[128] = "a fault";

        evidence_at(last, at, sizeof(at));
        if (interrupt)
                (void)snprintf(what, sizeof(what), "vector %02xh, %s,", interrupt->vector,
                               source_of(evidence, interrupt->vector));
        if (real_mode_table(state))
                (void)snprintf(why, sizeof(why), ": IDTR still holds the real-mode table 0:3ffh in protected mode");
        else if (beyond_limit(state, 13) && beyond_limit(state, 8))
                (void)snprintf(why, sizeof(why), ": IDTR's limit %xh ends before its gate and that of #DF (vector 8)",
                               state->idtr.limit);
        finding_title(finding, WEIGHT_CERTAIN, JUDGEMENT_FAILED, last->number,
                      "triple fault at %s: %s could not be delivered%s", at, what, why);
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        bool ended = evidence->info->end == HWACCL_END_TRIPLE_FAULT;

        if (!last || (!ended && evidence_reason(last) != HWACCL_EXIT_TRIPLE_FAULT))
                return;
        fault_title(evidence, last, finding);
        if (interrupted(evidence))
                interrupt_facts(evidence, last, finding);
        table_facts(evidence, last, finding);
        if (last->exit.cr2 != last->entry.cr2)
                finding_fact(finding, last->number,
                             "CR2 changed to %" PRIx64 "h since the entry: a page fault (vector 14) at "
                             "this address was among them",
                             last->exit.cr2);
}

const struct hwaccl_rule hwaccl_rule_triple_fault = {
        .id = "triple-fault",
        .title = "a fault could not be delivered, and neither could the double fault",
        .source = "SDM 3A, 6.11, 6.12, 6.14 and 6.15 (interrupt 8)",
        .evaluate = evaluate,
};
