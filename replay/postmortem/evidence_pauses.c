/* Time in which the host did not run the vCPU's thread: its clock went on, and the thread's processor time did not. */
#include "replay/postmortem/evidence.h"
#include "replay/postmortem/evidence_query.h"

#include "tracer/ring/exit_id.h"
#include "tracer/ring/ring_records.h"

#include <string.h>

/* A row of thread_time. */
struct moment {
        int64_t exit; /* id */
        int kind;
        int64_t host, cpu;
};

/* With this accelerator the guest runs on another processor, while the thread waits for it. */
static bool runs_elsewhere(const struct hwaccl_evidence *evidence)
{
        struct hwaccl_error error = {""};
        const char *accel = NULL;

        return hwaccl_recording_option(evidence->recording, "accel", &accel, &error) && accel &&
               strcmp(accel, "muen") == 0;
}

static bool marks_waits(const struct hwaccl_evidence *evidence)
{
        sqlite3_stmt *row = evidence_query(
                evidence, "SELECT 1 FROM thread_time WHERE exit BETWEEN ?1 AND ?2 AND moment = 1 LIMIT 1");
        bool found = evidence_row(row);

        (void)sqlite3_finalize(row);
        return found;
}

/* Of a VMM that does not mark its waits: the time of HLT and MWAIT before exit @to. */
static uint64_t waited(const struct hwaccl_evidence *evidence, int64_t from, int64_t to)
{
        sqlite3_stmt *row = evidence_query(
                evidence, "SELECT total(host_handler) + total(host_guest) FROM exit WHERE id BETWEEN max(?1, ?3) AND "
                          "min(?2, ?4 - 1) AND exit_reason & 0xffff IN (12, 36)");
        double sum = 0;

        if (row && sqlite3_bind_int64(row, 3, from) == SQLITE_OK && sqlite3_bind_int64(row, 4, to) == SQLITE_OK &&
            evidence_row(row))
                sum = sqlite3_column_double(row, 0);
        (void)sqlite3_finalize(row);
        return sum > 0 && sum < 1e18 ? (uint64_t)sum : 0;
}

static void take(struct evidence_pauses *pauses, const struct evidence_pause *pause)
{
        size_t at = pauses->count;

        while (at > 0 && pauses->pause[at - 1].idle_ns < pause->idle_ns)
                at--;
        if (at == EVIDENCE_PAUSES)
                return;
        size_t last = pauses->count < EVIDENCE_PAUSES ? pauses->count : EVIDENCE_PAUSES - 1;
        memmove(&pauses->pause[at + 1], &pauses->pause[at], (last - at) * sizeof(*pause));
        pauses->pause[at] = *pause;
        pauses->count = last + 1;
}

static void look_between(const struct hwaccl_evidence *evidence, const struct moment *a, const struct moment *b,
                         bool marked, struct evidence_pauses *pauses)
{
        uint64_t elapsed = b->host > a->host ? (uint64_t)b->host - (uint64_t)a->host : 0;
        uint64_t ran = b->cpu > a->cpu ? (uint64_t)b->cpu - (uint64_t)a->cpu : 0;

        if (b->kind == RING_THREAD_RESUMED) /* it waited for an interrupt */
                return;
        pauses->elapsed_ns += elapsed;
        if (elapsed <= ran)
                return;
        uint64_t idle = elapsed - ran;
        if (idle >= EVIDENCE_PAUSE_NS && !marked) {
                uint64_t halted = waited(evidence, a->exit, b->exit + (b->kind == RING_THREAD_END));
                idle = idle > halted ? idle - halted : 0;
        }
        if (idle < EVIDENCE_PAUSE_NS || idle < elapsed / 4) /* a busy host takes a little all the time */
                return;
        pauses->idle_ns += idle;
        take(pauses, &(struct evidence_pause){exit_number(a->exit), exit_number(b->exit), elapsed, idle});
}

void evidence_find_pauses(const struct hwaccl_evidence *evidence, struct evidence_pauses *pauses)
{
        struct moment before = {.kind = -1}, now;

        memset(pauses, 0, sizeof(*pauses));
        if (runs_elsewhere(evidence))
                return;
        bool marked = marks_waits(evidence);
        sqlite3_stmt *row = evidence_query(evidence, "SELECT exit, moment, host_time, host_cpu FROM thread_time WHERE "
                                                     "exit BETWEEN ?1 AND ?2 ORDER BY exit, moment");
        while (evidence_row(row)) {
                now = (struct moment){sqlite3_column_int64(row, 0), sqlite3_column_int(row, 1),
                                      sqlite3_column_int64(row, 2), sqlite3_column_int64(row, 3)};
                if (before.kind >= 0)
                        look_between(evidence, &before, &now, marked, pauses);
                before = now;
        }
        (void)sqlite3_finalize(row);
}
