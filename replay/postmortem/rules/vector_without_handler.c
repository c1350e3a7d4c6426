/* An interrupt or INT n went through an empty entry of the vector table, and the guest runs through low memory. */
#include "replay/postmortem/rules.h"

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

static void report(const struct hwaccl_evidence *evidence, const struct evidence_exit *first, const char *what,
                   uint64_t stack, bool certain, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        bool real = evidence_real_mode(&last->exit);
        char place[64], frame[160];

        evidence_place(&last->exit, &last->exit_known, place, sizeof(place));
        finding_title(finding, WEIGHT_CERTAIN + 1, JUDGEMENT_FAILED, first->number,
                      "%s has no handler%s: the guest runs through low memory, now at %s", what,
                      certain ? "" : ", it seems", place);
        (void)snprintf(frame, sizeof(frame), "the stack pointer went from %" PRIx64 "h to %" PRIx64 "h", stack,
                       last->exit.rsp);
        finding_fact(finding, first->number, "%s: the frame of one delivery and nothing else", frame);
        finding_guess(finding, first->number,
                      real ? "its entry of the vector table is 0000:0000h: from there the guest runs through the table"
                           : "the gate's offset is 0: from there the guest runs through zeros");
        finding_advise(finding, "who should have set the entry of %s in the %s, or have masked it?", what,
                       real ? "interrupt vector table (4 bytes a vector, at 0)" : "IDT");
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        size_t begin = evidence->exit_count;

        if (evidence->info->end != HWACCL_END_STOPPED || low_code_exits(evidence))
                return;
        while (begin > 0 && evidence_of_host(&evidence->exits[begin - 1]) &&
               is_low(evidence, &evidence->exits[begin - 1]))
                begin--;
        if (begin == evidence->exit_count)
                return;
        const struct evidence_exit *first = &evidence->exits[begin], *last = hwaccl_evidence_last(evidence);
        char what[64] = "an INT n or an exception";
        for (size_t i = evidence->exit_count; i-- > begin;) {
                const struct evidence_exit *exit = &evidence->exits[i];
                if (!exit->offered || !exit->settled || !exit->taken)
                        continue;
                (void)snprintf(what, sizeof(what), "vector %02xh, taken before exit %" PRIu64 ",", exit->vector,
                               exit->number);
                if (pushed_frame(&last->exit, exit->entry.rsp, last->exit.rsp))
                        report(evidence, exit, what, exit->entry.rsp, true, finding);
                return;
        }
        /* a stack pointer that was not seen before begins at a round address */
        bool known = begin > 0 || first->entry.rsp - last->exit.rsp == 6;
        bool frame = known ? pushed_frame(&last->exit, first->entry.rsp, last->exit.rsp)
                           : evidence_code_bits(&last->exit) == 16 && (last->exit.rsp + 6) % 256 == 0;
        if (evidence_real_mode(&last->exit) && frame)
                report(evidence, first, what, last->exit.rsp + 6, false, finding);
}

const struct hwaccl_rule hwaccl_rule_vector_without_handler = {
        .id = "vector-without-handler",
        .title = "a vector's entry leads to address 0",
        .source = "SDM 3A, 6.12 and 20.1.4",
        .evaluate = evaluate,
};
