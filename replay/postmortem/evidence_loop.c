/* A loop at the end: the last exits repeat a sequence. What the host caused in between is passed over. */
#include "replay/postmortem/evidence.h"
#include "replay/postmortem/evidence_internal.h"
#include "replay/postmortem/evidence_query.h"

#include "core/assert.h"
#include "tracer/ring/exit_id.h"

#include <string.h>

#define ROUNDS_MIN 8u

/* What two rounds have in common. */
struct step {
        uint64_t reason;
        uint64_t rip;
        uint64_t qualification;
        uint64_t physical;
        size_t index; /* of evidence.exits */
};

static bool same_step(const struct step *a, const struct step *b)
{
        return a->reason == b->reason && a->rip == b->rip && a->qualification == b->qualification &&
               a->physical == b->physical;
}

static struct step step_of(const struct hwaccl_evidence *evidence, size_t index)
{
        const struct evidence_exit *exit = &evidence->exits[index];
        uint64_t reason = evidence_reason(exit);
        bool memory = reason == HWACCL_EXIT_EPT_VIOLATION;

        return (struct step){reason, exit->exit.rip, exit->exit.exit_qualification,
                             memory ? exit->exit.guest_physical_address : 0, index};
}

static size_t rounds_of(const struct step *step, size_t count, unsigned period)
{
        size_t same = period;

        while (same < count && same_step(&step[count - 1 - same], &step[count - 1 - same + period]))
                same++;
        return same / period;
}

/* How far back the loop reaches. */
struct reach {
        const struct step *round;
        unsigned period;
        uint64_t rip_min, rip_max; /* of the round */
        int64_t begun;             /* id of its first exit so far */
        uint64_t members;          /* exits that are not the host's */
        bool ended;                /* an exit before it is not of the loop */
};

static bool is_member(const struct reach *reach, uint64_t reason, uint64_t rip, uint64_t qualification)
{
        for (unsigned i = 0; i < reach->period; i++)
                if (reach->round[i].reason == reason && reach->round[i].rip == rip &&
                    reach->round[i].qualification == qualification)
                        return true;
        return false;
}

/* Back through the rows of exits @first to @last (ids), as long as they are the loop's or the host's. */
static void reach_rows(const struct hwaccl_evidence *evidence, struct reach *reach, int64_t first, int64_t last)
{
        static const char sql[] = "SELECT id, exit_reason & 0xffff, rip, exit_qualification FROM exit WHERE id BETWEEN "
                                  "max(?1, ?3) AND min(?2, ?4) ORDER BY id DESC LIMIT 100000";
        sqlite3_stmt *row = evidence_query(evidence, sql);

        if (!row || sqlite3_bind_int64(row, 3, first) != SQLITE_OK || sqlite3_bind_int64(row, 4, last) != SQLITE_OK) {
                (void)sqlite3_finalize(row);
                return;
        }
        while (!reach->ended && evidence_row(row)) {
                uint64_t reason = (uint64_t)sqlite3_column_int64(row, 1);
                bool member = is_member(reach, reason, (uint64_t)sqlite3_column_int64(row, 2),
                                        (uint64_t)sqlite3_column_int64(row, 3));
                reach->ended = !member && reason != HWACCL_EXIT_EXTERNAL_INTERRUPT &&
                               reason != HWACCL_EXIT_PREEMPTION_TIMER && reason != HWACCL_EXIT_INTERRUPT_WINDOW;
                if (!reach->ended)
                        reach->begun = sqlite3_column_int64(row, 0);
                reach->members += member;
        }
        (void)sqlite3_finalize(row);
}

/* Did the loop begin before the last exits? Blocks whose RIPs are all in its range are its own. */
static void extend(struct hwaccl_evidence *evidence, const struct step *round)
{
        static const char sql[] =
                "SELECT id, last, exits, rip_min, rip_max FROM block WHERE id BETWEEN ?1 AND ?2 ORDER BY id "
                "DESC";
        struct evidence_loop *loop = &evidence->loop;
        struct reach reach = {.round = round, .period = loop->period, .rip_min = UINT64_MAX};
        int64_t next = exit_id(evidence->vcpu, evidence->end) - 1; /* the newest that was not looked at */

        hwaccl_assert(loop->period > 0);
        for (unsigned i = 0; i < loop->period; i++) {
                reach.rip_min = round[i].rip < reach.rip_min ? round[i].rip : reach.rip_min;
                reach.rip_max = round[i].rip > reach.rip_max ? round[i].rip : reach.rip_max;
        }
        reach.begun = next + 1;
        sqlite3_stmt *row = evidence_query(evidence, sql);
        while (!reach.ended && evidence_row(row)) {
                int64_t first = sqlite3_column_int64(row, 0), last = sqlite3_column_int64(row, 1);
                if (next > last)
                        reach_rows(evidence, &reach, last + 1, next);
                if (reach.ended)
                        break;
                if ((uint64_t)sqlite3_column_int64(row, 3) >= reach.rip_min &&
                    (uint64_t)sqlite3_column_int64(row, 4) <= reach.rip_max) {
                        reach.begun = first;
                        reach.members += (uint64_t)sqlite3_column_int64(row, 2);
                } else {
                        reach_rows(evidence, &reach, first, last);
                }
                next = first - 1;
        }
        (void)sqlite3_finalize(row);
        if (!reach.ended)
                reach_rows(evidence, &reach, 0, next);
        loop->first = exit_number(reach.begun);
        loop->since_known = reach.ended || loop->first == evidence->first;
        loop->rounds = reach.members / loop->period;
}

void evidence_find_loop(struct hwaccl_evidence *evidence)
{
        struct step step[EVIDENCE_EXITS];
        size_t count = 0;

        for (size_t i = 0; i < evidence->exit_count; i++)
                if (!evidence_of_host(&evidence->exits[i]))
                        step[count++] = step_of(evidence, i);
        for (unsigned period = 1; period <= EVIDENCE_PERIOD_MAX && period * 2 <= count; period++) {
                size_t rounds = rounds_of(step, count, period);
                if (rounds < ROUNDS_MIN || rounds * period < 16)
                        continue;
                const struct step *round = &step[count - period];
                evidence->loop =
                        (struct evidence_loop){.period = period,
                                               .first = evidence->exits[step[count - rounds * period].index].number,
                                               .rounds = rounds,
                                               .start = round->index};
                extend(evidence, round);
                return;
        }
}
