/* What recoveries have in common: the ring's records into rows, and the row that says how the run ended. */
#include "tracer/recover/recover_internal.h"

#include "hwaccl/event.h"
#include "hwaccl/recording.h"
#include "tracer/ring/steps.h"

#include <inttypes.h>
#include <stdio.h>

/* Decode the records after @position. Stops at an invalid record, because the following ones are meaningless. */
bool recovery_take_records(struct recovery *recovery, struct ring_reader *reader, uint64_t position,
                           struct hwaccl_error *error)
{
        struct hwaccl_recovery *result = recovery->result;

        while (position < reader->head) {
                const struct ring_record *record = ring_reader_at(reader, position, error);
                if (!record && error->message[0])
                        return false;
                const char *problem =
                        record ? ring_record_problem(&recovery->decoder, record) : "a record without a valid mark";
                if (problem) {
                        result->damaged_at = position;
                        (void)snprintf(result->damage, sizeof(result->damage), "%s", problem);
                        return true;
                }
                if (!decoder_take(&recovery->decoder, record, error))
                        return false;
                position += (uint64_t)record->words * 8;
                STEP("recovery decoded");
        }
        result->cut |= ring_reader_half_record(reader);
        return true;
}

/* Determine how the guest ended from a vCPU's last exit. */
bool recovery_find_stop(struct recovery *recovery, struct hwaccl_error *error)
{
        struct hwaccl_recovery *result = recovery->result;
        sqlite3_stmt *row;
        char sql[256];

        (void)snprintf(sql, sizeof(sql),
                       "SELECT address, value FROM effect WHERE exit = %" PRId64 " AND kind = %d "
                       "AND address BETWEEN 1 AND %d",
                       recovery->decoder.state.row.id, HWACCL_EFFECT_STOP, HWACCL_END_COUNT - 1);
        if (!database_prepare(recovery->db, sql, &row, error))
                return false;
        int step = sqlite3_step(row);
        if (step == SQLITE_ROW && recovery->decoder.state.phase != DECODER_HANDLING) {
                recovery->stopped = true;
                result->end = (unsigned)sqlite3_column_int(row, 0);
                result->end_code = (uint64_t)sqlite3_column_int64(row, 1);
        }
        (void)sqlite3_finalize(row);
        return step == SQLITE_ROW || step == SQLITE_DONE || database_error(recovery->db, error, "cannot read");
}

/* Keep the end that the recorder itself wrote, if it did. */
bool recovery_find_end(struct recovery *recovery, bool *known, struct hwaccl_error *error)
{
        struct hwaccl_recovery *result = recovery->result;
        int64_t end = 0;

        if (!database_integer(recovery->db, "SELECT end_status FROM status", HWACCL_END_NONE, &end, error))
                return false;
        *known = end > HWACCL_END_NONE && end < HWACCL_END_COUNT;
        if (*known) {
                result->end = (unsigned)end;
                return true; /* the recorder's word on whether it is complete stays too */
        }
        if (recovery->stopped && result->damaged_at == UINT64_MAX && !result->lost) {
                result->ended = result->complete = true;
                return true;
        }
        result->end = HWACCL_END_RECORDER_DIED;
        result->end_code = 0;
        return true;
}

/* What the kernel wrote last was only in memory of the dead recorder: an exit that the ring has is not preceded by
 * those that the kernel handled. */
static bool note_kernel_exits(struct recovery *recovery, struct hwaccl_error *error)
{
        int64_t there = 0;

        if (!database_integer(recovery->db, "SELECT count(*) FROM option WHERE name = 'kernel_exits' AND value = 'yes'",
                              0, &there, error))
                return false;
        recovery->result->kernel_exits_missing = there > 0;
        return !there || database_execute_format(recovery->db, error,
                                                 "INSERT OR REPLACE INTO option(name, value) VALUES "
                                                 "('host_kernel_exits_missing', 'those of the last moments: the "
                                                 "recorder died before it read them')");
}

/* @known: the row already has the end and why the recording is incomplete. */
bool recovery_write_status(struct recovery *recovery, bool known, struct hwaccl_error *error)
{
        const struct hwaccl_recovery *result = recovery->result;

        if (!note_kernel_exits(recovery, error))
                return false;
        bool damaged = result->damaged_at != UINT64_MAX;
        bool silent = result->ended || (known && !damaged);
        char text[256];
        const char *problem = silent ? NULL : text;
        const long long recovered = (long long)result->recovered;

        (void)snprintf(text, sizeof(text), "the recorder, process %" PRIu32 ", died%s%s", result->process,
                       damaged ? ", and its ring was damaged: " : "", damaged ? result->damage : "");
        if (known)
                return database_execute_format(
                        recovery->db, error,
                        "UPDATE status SET problem = coalesce(problem || '; ' || %Q, problem, %Q), recovered = %lld",
                        problem, problem, recovered);
        return database_execute_format(recovery->db, error,
                                       "UPDATE status SET status = %d, end_status = %u, end_code = %lld, "
                                       "problem = %Q, recovered = %lld",
                                       result->ended ? HWACCL_RECORDING_COMPLETE : HWACCL_RECORDING_INCOMPLETE,
                                       result->end, (long long)result->end_code, problem, recovered);
}
