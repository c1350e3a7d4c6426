/* A loop at the end: the last exits repeat a sequence. What the host caused in between is passed over. */
#include "replay/postmortem/evidence.h"
#include "replay/postmortem/evidence_internal.h"
#include "replay/postmortem/evidence_query.h"

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

/* Did the loop begin before the last exits? Back through the rows, of which each must be one of the loop's, or one that
 * the host caused. */
static void extend(struct hwaccl_evidence *evidence, const struct step *round)
{
        static const char sql[] = "SELECT id, exit_reason & 0xffff, rip, exit_qualification FROM exit WHERE id BETWEEN "
                                  "max(?1, ?2 - 2000000) AND ?2 ORDER BY id DESC";
        struct evidence_loop *loop = &evidence->loop;
        sqlite3_stmt *row = evidence_query(evidence, sql);
        uint64_t counted = 0, first_seen = 0;

        while (evidence_row(row)) {
                uint64_t reason = (uint64_t)sqlite3_column_int64(row, 1), rip = (uint64_t)sqlite3_column_int64(row, 2);
                bool member = false;
                for (unsigned i = 0; i < loop->period && !member; i++)
                        member = round[i].reason == reason && round[i].rip == rip &&
                                 round[i].qualification == (uint64_t)sqlite3_column_int64(row, 3);
                bool host = reason == HWACCL_EXIT_EXTERNAL_INTERRUPT || reason == HWACCL_EXIT_PREEMPTION_TIMER ||
                            reason == HWACCL_EXIT_INTERRUPT_WINDOW;
                if (!member && !host) {
                        loop->since_known = true;
                        break;
                }
                first_seen = exit_number(sqlite3_column_int64(row, 0));
                if (member) {
                        loop->first = first_seen;
                        counted++;
                }
        }
        (void)sqlite3_finalize(row);
        loop->since_known = loop->since_known || first_seen == evidence->first;
        loop->rounds = counted / loop->period;
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
