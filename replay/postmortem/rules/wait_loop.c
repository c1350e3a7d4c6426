/* The guest polls a device that does not change. */
#include "replay/postmortem/evidence_memory.h"
#include "replay/postmortem/rules.h"
#include "replay/postmortem/rules/polled_device.h"
#include "replay/postmortem/rules/spin.h"

#include "core/exit/emulate/emulator.h"

#include <inttypes.h>
#include <stdio.h>

#define RFLAGS_IF UINT64_C(0x200)
#define POST_PORT 0x80u /* its reads are delays */

/* The read of the loop on which it turns: the last one of a round. */
static bool find_read(const struct hwaccl_evidence *evidence, struct poll *poll, size_t *index)
{
        const struct evidence_loop *loop = &evidence->loop;
        unsigned left = loop->period;

        for (size_t i = loop->start; i < evidence->exit_count && left; i++) {
                if (evidence_of_host(&evidence->exits[i]))
                        continue;
                left--;
                struct evidence_access access = evidence_access(evidence, i);
                if (access.kind == ACCESS_NONE || access.write || access.fetch)
                        continue;
                if (poll->exit && access.kind == ACCESS_PORT && access.address == POST_PORT)
                        continue;
                *index = i;
                poll->access = access;
                poll->exit = &evidence->exits[i];
        }
        return poll->exit != NULL;
}

/* The values that it read, in the last exits. */
static void collect_values(const struct hwaccl_evidence *evidence, struct poll *poll)
{
        for (size_t i = 0; i < evidence->exit_count; i++) {
                const struct evidence_exit *exit = &evidence->exits[i];
                if (exit->number < evidence->loop.first || exit->exit.rip != poll->exit->exit.rip ||
                    evidence_reason(exit) != evidence_reason(poll->exit))
                        continue;
                struct evidence_access access = evidence_access(evidence, i);
                if (!access.value_known || access.address != poll->access.address)
                        continue;
                poll->always &= access.value;
                poll->ever |= access.value;
                poll->last = access.value;
                poll->reads++;
        }
}

/* A register, not that which gets the value, that differs in every round: it counts, and may end the loop. */
static const char *counter_of(const struct hwaccl_evidence *evidence, const struct poll *poll)
{
        static const enum hwaccl_field_index registers[] = {
                HWACCL_FIELD_INDEX_rbx, HWACCL_FIELD_INDEX_rcx, HWACCL_FIELD_INDEX_rdx, HWACCL_FIELD_INDEX_rsi,
                HWACCL_FIELD_INDEX_rdi, HWACCL_FIELD_INDEX_rbp, HWACCL_FIELD_INDEX_r8,  HWACCL_FIELD_INDEX_r9,
                HWACCL_FIELD_INDEX_r10, HWACCL_FIELD_INDEX_r11, HWACCL_FIELD_INDEX_r12, HWACCL_FIELD_INDEX_r13,
                HWACCL_FIELD_INDEX_r14, HWACCL_FIELD_INDEX_r15,
        };

        for (size_t r = 0; r < sizeof(registers) / sizeof(registers[0]); r++) {
                const struct evidence_exit *later = NULL;
                unsigned rounds = 0;
                int64_t step = 0;
                for (size_t i = evidence->exit_count; i-- > 0 && rounds < 6;) {
                        const struct evidence_exit *exit = &evidence->exits[i];
                        if (exit->exit.rip != poll->exit->exit.rip || evidence_of_host(exit))
                                continue;
                        int64_t change = later ? (int64_t)(hwaccl_field_get(&later->exit, registers[r]) -
                                                           hwaccl_field_get(&exit->exit, registers[r]))
                                               : 0;
                        if (later && (change == 0 || (step && change != step)))
                                break;
                        step = change;
                        later = exit;
                        rounds++;
                }
                if (rounds == 6)
                        return hwaccl_subject_fields[registers[r]].name;
        }
        return NULL;
}

/* The instructions behind the read, which decide whether it is repeated. */
static void test_behind(const struct hwaccl_evidence *evidence, const struct poll *poll, struct hwaccl_finding *finding)
{
        const struct hwaccl_subject_state *state = &poll->exit->exit;
        unsigned bits = evidence_code_bits(state);
        uint8_t bytes[48];
        char text[3][64], first[64];

        if (!poll->exit->code_size ||
            !evidence_read_linear(evidence, state, evidence_linear_rip(state), bytes, sizeof(bytes)))
                return;
        size_t at = hwaccl_instruction_disassemble(bytes, sizeof(bytes), state->rip, bits, first, sizeof(first));
        for (unsigned i = 0; i < 3; i++) {
                unsigned length = hwaccl_instruction_disassemble(bytes + at, sizeof(bytes) - at, state->rip + at, bits,
                                                                 text[i], sizeof(text[i]));
                if (!length)
                        return;
                at += length;
        }
        finding_fact(finding, poll->exit->number, "after the read, in the memory at the end: %s; %s; %s", text[0],
                     text[1], text[2]);
}

static void values_fact(const struct poll *poll, struct hwaccl_finding *finding)
{
        if (poll->always == poll->ever)
                finding_fact(finding, poll->exit->number, "%" PRIu64 " reads among the last exits gave %" PRIx64 "h",
                             poll->reads, poll->last);
        else
                finding_fact(finding, poll->exit->number,
                             "%" PRIu64 " reads among the last exits: bits %" PRIx64 "h were always 1, bits %" PRIx64
                             "h changed",
                             poll->reads, poll->always, poll->always ^ poll->ever);
}

/* Each exit of a round once. */
static void list_round(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_loop *loop = &evidence->loop;
        unsigned listed = 0;

        for (size_t i = loop->start; i < evidence->exit_count && listed < loop->period && listed < 8; i++) {
                const struct evidence_exit *exit = &evidence->exits[i];
                if (evidence_of_host(exit))
                        continue;
                const char *reason = hwaccl_exit_reason_name(evidence_reason(exit));
                struct evidence_access access = evidence_access(evidence, i);
                char at[160], value[48] = "";
                evidence_at(exit, at, sizeof(at));
                if (access.value_known)
                        (void)snprintf(value, sizeof(value), ", %s %" PRIx64 "h", access.write ? "writes" : "reads",
                                       access.value);
                finding_fact(finding, exit->number, "%s at %s%s", reason ? reason : "unknown exit", at, value);
                listed++;
        }
}

static void loop_title(const struct hwaccl_evidence *evidence, const struct poll *poll,
                       const struct poll_answer *answer, const char *counter, struct hwaccl_finding *finding)
{
        const struct evidence_loop *loop = &evidence->loop;
        bool may_end = answer->input || counter || answer->no_state;
        enum hwaccl_judgement judgement = may_end ? JUDGEMENT_UNKNOWN : JUDGEMENT_FAILED;
        char place[64];

        evidence_place(&poll->exit->exit, &poll->exit->exit_known, place, sizeof(place));
        finding_title(finding, *answer->why && !may_end ? WEIGHT_LIKELY : WEIGHT_POSSIBLE, judgement,
                      poll->exit->number, "%s at %s: %s%" PRIu64 " times it %s %s%s%s",
                      answer->no_state ? "loop" : "wait loop", place, loop->since_known ? "" : "more than ",
                      loop->rounds, answer->no_state ? "reads" : "polls", answer->what, *answer->why ? "; " : "",
                      answer->why);
}

/* A loop without exits: what it reads can change only by an interrupt's handler, a device or another processor. */
static void spins(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        struct spin spin;
        char place[64];

        if (!spin_find(evidence, &spin))
                return;
        bool alone = evidence->info->vcpu_count == 1, off = !(last->exit.rflags & RFLAGS_IF);
        evidence_place(&last->exit, &last->exit_known, place, sizeof(place));
        finding_title(finding, WEIGHT_POSSIBLE, off && (alone || !*spin.read) ? JUDGEMENT_FAILED : JUDGEMENT_UNKNOWN,
                      last->number, "the guest spins at %s (%s)%s", place, *spin.read ? spin.read : spin.jump,
                      off && !*spin.read ? " with interrupts off: nothing ends this loop"
                      : off && alone     ? " with interrupts off: no handler can change what it reads"
                      : *spin.read       ? ": it waits until memory changes"
                                         : ": only interrupt handlers run besides");
        finding_fact(finding, last->number, "the loop, in the memory at the end: %" PRIx64 "h to %" PRIx64 "h, %s%s%s",
                     spin.first, spin.last, spin.read, *spin.read ? "; " : "", spin.jump);
        finding_fact(finding, last->number, "RFLAGS %" PRIx64 "h: IF (bit 9) is %d", last->exit.rflags, !off);
        if (*spin.read)
                finding_advise(finding, "who should write the memory that '%s' reads?", spin.read);
        else
                finding_advise(
                        finding,
                        "the code that leads to %s: an endless loop is how kernels and firmware stop after a failure",
                        place);
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        struct poll poll = {.always = UINT64_MAX};
        struct poll_answer answer;
        unsigned end = evidence->info->end;
        size_t index = 0;

        if (!evidence->loop.period && end == HWACCL_END_STOPPED)
                spins(evidence, finding);
        if (!evidence->loop.period || (end != HWACCL_END_STOPPED && end != HWACCL_END_NONE) ||
            !find_read(evidence, &poll, &index))
                return;
        collect_values(evidence, &poll);
        const char *counter = counter_of(evidence, &poll);
        polled_test_find(evidence, index, counter != NULL, &poll);
        if (!polled_device_explain(evidence, &poll, &answer))
                return;
        loop_title(evidence, &poll, &answer, counter, finding);
        if (counter)
                finding_fact(finding, poll.exit->number, "%s counts in each round: the loop may end by it", counter);
        finding_fact(finding, evidence->loop.first, "the loop of %u exit%s a round begins here%s",
                     evidence->loop.period, evidence->loop.period == 1 ? "" : "s",
                     evidence->loop.since_known ? "" : ", or earlier");
        list_round(evidence, finding);
        if (poll.reads)
                values_fact(&poll, finding);
        if (poll.test == POLL_TESTED && !poll.exact && !answer.no_state)
                finding_fact(finding, poll.exit->number,
                             "by the flags at the next exit, the bits that the guest tests are %s",
                             poll.awaited ? "all 0" : "not all 0");
        if (answer.no_state)
                finding_fact(finding, EVIDENCE_NEVER, "no state of a device that could end the loop is known there");
        test_behind(evidence, &poll, finding);
        if (*answer.why && answer.exit != EVIDENCE_NEVER)
                finding_fact(finding, answer.exit, "%s", answer.why);
        if (*answer.advice)
                finding_advise(finding, "%s", answer.advice);
}

const struct hwaccl_rule hwaccl_rule_wait_loop = {
        .id = "wait-loop",
        .title = "the guest polls a device that does not change",
        .source = "Intel 8254, 8259A and 82371AB data sheets; PC16550D; MC146818A; ATA/ATAPI-6, 9; SDM 3A, 11",
        .evaluate = evaluate,
};
