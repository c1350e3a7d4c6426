/* An interrupt or INT n went through an empty entry of the vector table. In real mode, or where the gate's offset is 0,
 * the guest then runs through low memory; else it ends in a triple fault. */
#include "replay/postmortem/derive.h"
#include "replay/postmortem/rules.h"
#include "replay/postmortem/rules/interrupt_blocks.h"
#include "replay/postmortem/rules/vector_table.h"

#include "hwaccl/fault_chain.h"

#include <inttypes.h>
#include <stdio.h>

/* Is the exit below every image, as the way from address 0 is? */
static bool is_low(const struct hwaccl_evidence *evidence, const struct evidence_exit *exit)
{
        uint64_t rip = exit->exit.rip;

        if (evidence_real_mode(&exit->exit) && exit->exit.cs.base != 0)
                return false;
        for (size_t i = 0; i < evidence->image_count; i++)
                if (evidence->image[i].address <= rip)
                        return false;
        return evidence->image_count > 0;
}

/* A guest that copied itself there executes instructions of its own there. */
static bool low_code_exits(const struct hwaccl_evidence *evidence)
{
        for (size_t i = 0; i < evidence->exit_count; i++)
                if (!evidence_of_host(&evidence->exits[i]) && is_low(evidence, &evidence->exits[i]))
                        return true;
        return false;
}

/* Bytes that the delivery of a vector without a change of privilege pushes: FLAGS, CS and IP, or their wider forms; in
 * 64-bit mode SS and RSP as well. */
static bool pushed_frame(const struct hwaccl_subject_state *state, uint64_t before, uint64_t after)
{
        switch (evidence_code_bits(state)) {
        case 16: return ((before - after) & 0xffff) == 6;
        case 32: return before - after == 12;
        default: return (before & ~UINT64_C(15)) - after == 40;
        }
}

/* What the memory at the end has in the vector's place. False: a handler, so that this rule does not explain the end.
 */
static bool entry_fact(const struct hwaccl_evidence *evidence, uint8_t vector, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        bool real = evidence_real_mode(&last->exit);
        struct vector_entry entry;

        if (!vector_table_read(evidence, &last->exit, vector, &entry)) {
                finding_guess(finding, last->number,
                              real ? "its entry of the vector table is 0000:0000h: from there the guest runs through "
                                     "the table"
                                   : "the gate's offset is 0: from there the guest runs through zeros");
                return true;
        }
        if (entry.offset || (real && entry.selector))
                return false;
        if (real)
                finding_fact(finding, last->number,
                             "its entry of the interrupt vector table, at %04" PRIx64
                             "h, is 0000:0000h: from there the guest runs through the table",
                             entry.address);
        else
                finding_fact(finding, last->number,
                             "its entry of the IDT, at %" PRIx64
                             "h, has offset 0: from there the guest runs through low memory",
                             entry.address);
        return true;
}

static void advise(const struct hwaccl_evidence *evidence, int vector, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        char what[32] = "that vector";

        if (vector >= 0)
                (void)snprintf(what, sizeof(what), "vector %02xh", (unsigned)vector);
        finding_advise(finding, "who should have set the entry of %s in the %s%s?", what,
                       vector_table_name(&last->exit),
                       evidence_real_mode(&last->exit) ? " (4 bytes a vector, at 0)" : "");
}

/* @vector: -1: not known. */
static void report(const struct hwaccl_evidence *evidence, const struct evidence_exit *first, const char *what,
                   int vector, uint64_t stack, bool certain, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        char place[64];

        evidence_place(&last->exit, &last->exit_known, place, sizeof(place));
        finding_title(finding, WEIGHT_CERTAIN + 1, JUDGEMENT_FAILED, first->number,
                      "%s has no handler%s: the guest runs through low memory, now at %s", what,
                      certain ? "" : ", it seems", place);
        finding_fact(finding, first->number,
                     "the stack pointer went from %" PRIx64 "h to %" PRIx64
                     "h: the frame of one delivery and nothing else",
                     stack, last->exit.rsp);
        if (vector < 0)
                finding_guess(
                        finding, first->number,
                        "its entry of the vector table is 0000:0000h: from there the guest runs through the table");
        else if (!entry_fact(evidence, (uint8_t)vector, finding))
                finding->weight = 0;
        advise(evidence, vector, finding);
}

/* The frame on the stack tells which INT n, or which instruction that faulted. */
static void report_frame(const struct hwaccl_evidence *evidence, const struct evidence_exit *first, uint64_t stack,
                         struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        struct vector_frame frame;
        char what[160];

        if (!vector_frame_read(evidence, &last->exit, &frame)) {
                report(evidence, first, "an INT n or an exception", -1, stack, false, finding);
                return;
        }
        (void)snprintf(what, sizeof(what), "vector %02xh, raised by %s at %04x:%04" PRIx64 "h,", frame.vector,
                       frame.text, frame.selector, frame.address);
        report(evidence, first, what, frame.vector, stack, true, finding);
        if (finding->weight)
                finding_fact(finding, last->number, "the frame on the stack is that of %s at %04x:%04" PRIx64 "h",
                             frame.text, frame.selector, frame.address);
}

static void runs_through_low_memory(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        size_t begin = evidence->exit_count;
        char what[64];

        if (low_code_exits(evidence))
                return;
        while (begin > 0 && evidence_of_host(&evidence->exits[begin - 1]) &&
               is_low(evidence, &evidence->exits[begin - 1]))
                begin--;
        if (begin == evidence->exit_count)
                return;
        const struct evidence_exit *first = &evidence->exits[begin], *last = hwaccl_evidence_last(evidence);
        for (size_t i = evidence->exit_count; i-- > begin;) {
                const struct evidence_exit *exit = &evidence->exits[i];
                if (!exit->offered || !exit->settled || !exit->taken)
                        continue;
                (void)snprintf(what, sizeof(what), "vector %02xh, taken before exit %" PRIu64 ",", exit->vector,
                               exit->number);
                if (pushed_frame(&last->exit, exit->entry.rsp, last->exit.rsp))
                        report(evidence, exit, what, exit->vector, exit->entry.rsp, true, finding);
                return;
        }
        /* a stack pointer that was not seen before begins at a round address */
        bool known = begin > 0 || first->entry.rsp - last->exit.rsp == 6;
        bool frame = known ? pushed_frame(&last->exit, first->entry.rsp, last->exit.rsp)
                           : evidence_code_bits(&last->exit) == 16 && (last->exit.rsp + 6) % 256 == 0;
        if (evidence_real_mode(&last->exit) && frame)
                report_frame(evidence, first, last->exit.rsp + 6, finding);
}

static void name_link(const struct hwaccl_evidence *evidence, const struct hwaccl_fault_link *link, char *text,
                      size_t room)
{
        if (link->source == HWACCL_EVENT_EXTERNAL)
                (void)snprintf(text, room, "vector %02xh, %s,", link->vector,
                               interrupt_vector_source(evidence, link->vector));
        else
                (void)snprintf(text, room, "vector %02xh", link->vector);
}

/* What the chain of faults says: a vector delivered to offset 0, or an interrupt or INT n whose entry is empty. */
static void ends_in_triple_fault(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        struct hwaccl_fault_chain chain = {.count = 0};
        char what[96], place[64];

        if (!hwaccl_known_faults(evidence->recording, evidence->vcpu, last->number, &chain))
                return;
        const struct hwaccl_fault_link *link = &chain.link[0];
        name_link(evidence, link, what, sizeof(what));
        evidence_place(&last->exit, &last->exit_known, place, sizeof(place));
        if (link->step == HWACCL_DELIVERY_DELIVERED && link->address == 0 && chain.count > 1) {
                finding_title(finding, WEIGHT_CERTAIN + 1, JUDGEMENT_FAILED, last->number,
                              "%s has no handler: it was delivered to address 0, and the guest ran through low memory "
                              "into a triple fault at %s",
                              what, place);
                finding_fact(finding, last->number, "it came at %04x:%" PRIx64 "h, and the first instruction was at 0",
                             link->cs, link->rip);
                (void)entry_fact(evidence, link->vector, finding);
                advise(evidence, link->vector, finding);
        } else if (link->source != HWACCL_EVENT_EXCEPTION &&
                   ((link->step == HWACCL_DELIVERY_GATE_TYPE && link->has & HWACCL_FAULT_HAS_VALUE && !link->value) ||
                    link->step == HWACCL_DELIVERY_GATE_ABSENT || link->step == HWACCL_DELIVERY_TABLE_LIMIT)) {
                finding_title(finding, WEIGHT_LIKELY, JUDGEMENT_FAILED, last->number,
                              "%s has no handler: its entry of "
                              "the IDT, at %" PRIx64 "h, is %s",
                              what, link->address,
                              link->step == HWACCL_DELIVERY_TABLE_LIMIT ? "beyond its limit"
                              : link->value                             ? "not present"
                                                                        : "empty");
                advise(evidence, link->vector, finding);
        }
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        if (evidence->info->end == HWACCL_END_STOPPED)
                runs_through_low_memory(evidence, finding);
        else if (evidence->info->end == HWACCL_END_TRIPLE_FAULT && evidence->exit_count)
                ends_in_triple_fault(evidence, finding);
}

const struct hwaccl_rule hwaccl_rule_vector_without_handler = {
        .id = "vector-without-handler",
        .title = "a vector's entry is empty, or leads to address 0",
        .source = "SDM 3A, 6.11, 6.12 and 20.1.4",
        .evaluate = evaluate,
};
