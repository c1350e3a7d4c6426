/* A transition that neither guest nor correct handling can make. */
#include "replay/postmortem/evidence_query.h"
#include "replay/postmortem/rules.h"

#include "tracer/ring/exit_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RFLAGS_IF UINT64_C(0x200)
#define ROWS_MAX  500000
#define EXTERNAL  32u /* vectors from here on are interrupts */

struct advance {
        uint64_t exit, advance, length;
};

/* The first exit whose RIP was advanced by twice the instruction's length. */
static bool advanced_twice(const struct hwaccl_evidence *evidence, struct advance *advance)
{
        static const char sql[] =
                "SELECT id, rip_advance, instruction_length FROM exit WHERE id BETWEEN max(?1, ?2 - ?3) AND "
                "?2 AND rip_advance = 2 * instruction_length AND instruction_length > 0 AND (outcome = 1 OR "
                "outcome IS NULL) AND exit_reason & 0xffff IN (10, 13, 16, 18, 28, 29, 30, 31, 32, 40, 51, 54, "
                "55) ORDER BY id LIMIT 1";
        sqlite3_stmt *row = evidence_query(evidence, sql);
        bool found = row && sqlite3_bind_int64(row, 3, ROWS_MAX) == SQLITE_OK && evidence_row(row);

        if (found)
                *advance = (struct advance){exit_number(sqlite3_column_int64(row, 0)),
                                            (uint64_t)sqlite3_column_int64(row, 1),
                                            (uint64_t)sqlite3_column_int64(row, 2)};
        (void)sqlite3_finalize(row);
        return found;
}

/* What a difference in RIP amounts to: @rip is that of the exit. */
static void rip_pattern(uint64_t rip, const struct evidence_divergence *divergence, char *text, size_t room)
{
        uint64_t recorded = strtoull(divergence->recorded, NULL, 16) - rip;
        uint64_t right = strtoull(divergence->replayed, NULL, 16) - rip;

        if (right && recorded == 2 * right)
                (void)snprintf(text, room, "RIP was advanced by 2 x %" PRIu64 ": the instruction's length twice",
                               right);
        else if (right && recorded == 0)
                (void)snprintf(text, room, "RIP was not advanced; the instruction has %" PRIu64 " bytes", right);
        else if (right == 0)
                (void)snprintf(text, room,
                               "RIP was advanced by %" PRId64 ", and should have stayed (a fault, or a repetition)",
                               (int64_t)recorded);
        else
                (void)snprintf(text, room, "RIP was advanced by %" PRId64 ", not by %" PRId64, (int64_t)recorded,
                               (int64_t)right);
}

static bool is_about_interrupts(const char *what)
{
        return strncmp(what, "offered", 7) == 0 || strncmp(what, "pending", 7) == 0;
}

static void describe(const struct hwaccl_evidence *evidence, const struct evidence_divergence *divergence, char *text,
                     size_t room)
{
        struct hwaccl_subject_state state;
        struct hwaccl_known_fields known;
        enum hwaccl_field_index field;

        if (strcmp(divergence->what, "rip") == 0 &&
            hwaccl_recording_state(evidence->recording, evidence->vcpu, divergence->exit, HWACCL_MOMENT_EXIT, &state,
                                   &known, NULL))
                rip_pattern(state.rip, divergence, text, room);
        else if (is_about_interrupts(divergence->what))
                (void)snprintf(text, room, "an interrupt was lost or invented: %s is recorded as %s and should be %s",
                               divergence->what, divergence->recorded, divergence->replayed);
        else if (hwaccl_field_find(divergence->what, &field))
                (void)snprintf(text, room,
                               "%s changed where neither guest nor handler may change it: recorded %s, should be %s",
                               divergence->what, divergence->recorded, divergence->replayed);
        else
                (void)snprintf(text, room, "%s is recorded as %s and should be %s", divergence->what,
                               divergence->recorded, divergence->replayed);
}

static void diverged(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_divergence *first = &evidence->divergence[0];
        char text[240];

        describe(evidence, first, text, sizeof(text));
        finding_title(finding, WEIGHT_CERTAIN + 5, JUDGEMENT_FAILED, first->exit,
                      "the VMM's handling of exit %" PRIu64 " is at fault: %s", first->exit, text);
        for (size_t i = 0; i < evidence->divergence_count; i++) {
                const struct evidence_divergence *divergence = &evidence->divergence[i];
                finding_fact(finding, divergence->exit, "replay of the handling: %s recorded %s, replayed %s",
                             divergence->what, divergence->recorded, divergence->replayed);
        }
        finding_advise(finding,
                       "'hwaccl explain FILE %" PRIu64
                       "': the exit in words. A recording that another version made may differ here, too",
                       first->exit);
}

/* An interrupt injected while the guest cannot take it; where handling cannot be replayed. */
static const struct evidence_exit *injected_blocked(const struct hwaccl_evidence *evidence)
{
        const uint64_t blocking = HWACCL_INTERRUPTIBILITY_STI | HWACCL_INTERRUPTIBILITY_MOV_SS;

        for (size_t i = 0; i < evidence->exit_count; i++) {
                const struct evidence_exit *exit = &evidence->exits[i];
                bool flags = hwaccl_known_fields_has(&exit->entry_known, HWACCL_FIELD_INDEX_rflags);
                bool shadow = hwaccl_known_fields_has(&exit->entry_known, HWACCL_FIELD_INDEX_interruptibility);
                if (exit->offered && exit->settled && exit->taken && exit->vector >= EXTERNAL &&
                    ((flags && !(exit->entry.rflags & RFLAGS_IF)) ||
                     (shadow && exit->entry.interruptibility & blocking)))
                        return exit;
        }
        return NULL;
}

/* The length that the exit has is not that of the instruction. Handlers that trust it go wrong. */
static void wrong_length(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        for (size_t i = 0; i < evidence->exit_count; i++) {
                const struct evidence_exit *exit = &evidence->exits[i];
                uint64_t length = exit->exit.instruction_length, next = evidence_next_rip(evidence, i);
                if (!exit->outcome_known || exit->outcome != HWACCL_OUTCOME_COMPLETED || !length || !exit->code_size ||
                    evidence_reason(exit) != HWACCL_EXIT_EPT_VIOLATION || next == exit->exit.rip + length ||
                    next - exit->exit.rip != exit->code_size)
                        continue;
                char at[160];
                evidence_at(exit, at, sizeof(at));
                finding_title(finding, WEIGHT_LIKELY, JUDGEMENT_UNKNOWN, exit->number,
                              "the exit at %s gives an instruction length of %" PRIu64 "; the instruction has %u bytes",
                              at, length, exit->code_size);
                finding_fact(finding, exit->number,
                             "the length is undefined on EPT violations; processors that fuse CMP or TEST with a Jcc "
                             "give that "
                             "of both. The instruction was decoded, and RIP advanced by %u",
                             exit->code_size);
                finding_advise(
                        finding,
                        "a handler that adds the exit's length to RIP skips the next instruction: decode instead");
                return;
        }
}

static void report_twice(const struct advance *advance, struct hwaccl_finding *finding)
{
        finding_title(finding, WEIGHT_LIKELY, JUDGEMENT_FAILED, advance->exit,
                      "the VMM's handling of exit %" PRIu64 " is at fault: RIP was advanced by 2 x %" PRIu64
                      ": the instruction's length twice",
                      advance->exit, advance->length);
        finding_fact(finding, advance->exit,
                     "RIP at the next entry is %" PRIu64 " further, and the instruction has %" PRIu64 " bytes",
                     advance->advance, advance->length);
        finding_advise(finding, "who advances RIP: the kernel, or the VMM's handler, or both?");
}

static void report_blocked(const struct evidence_exit *blocked, struct hwaccl_finding *finding)
{
        char place[64];

        evidence_place(&blocked->entry, &blocked->entry_known, place, sizeof(place));
        finding_title(finding, WEIGHT_LIKELY, JUDGEMENT_FAILED, blocked->number,
                      "the VMM injected vector %02xh before exit %" PRIu64
                      " while the guest cannot take interrupts (RFLAGS %" PRIx64 "h, interruptibility %" PRIx64 "h)",
                      blocked->vector, blocked->number, blocked->entry.rflags, blocked->entry.interruptibility);
        finding_fact(finding, blocked->number, "at the entry, at %s, %s", place,
                     blocked->entry.rflags & RFLAGS_IF ? "STI or MOV SS blocked interrupts for one instruction"
                                                       : "IF (bit 9 of RFLAGS) was 0");
        finding_advise(finding, "the VMM's injection: does it wait for the interrupt-window exit?");
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        struct advance advance;
        const struct evidence_exit *blocked;

        if (evidence->divergence_count)
                diverged(evidence, finding);
        else if (!evidence->machine && advanced_twice(evidence, &advance))
                report_twice(&advance, finding);
        else if (!evidence->machine && (blocked = injected_blocked(evidence)) != NULL)
                report_blocked(blocked, finding);
        else
                wrong_length(evidence, finding);
}

const struct hwaccl_rule hwaccl_rule_handler_fault = {
        .id = "handler-fault",
        .title = "a transition that neither guest nor correct handling can make",
        .source = "SDM 3C, 28.2.5 (instruction length) and 27.6 (event injection); replay of the handling",
        .evaluate = evaluate,
};
