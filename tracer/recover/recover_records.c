/* What recoveries have in common: the ring's records into rows, and the row that says how the run ended. */
#include "tracer/recover/recover_internal.h"

#include "hwaccl/event.h"
#include "hwaccl/recording.h"
#include "tracer/ring/steps.h"

#include <inttypes.h>
#include <stdio.h>

/* Decodes what a ring holds behind @position. A record that cannot be ends it: what follows has no meaning. */
bool recovery_take_records(struct recovery *recovery, struct ring_reader *reader, uint64_t position,
                           struct hwaccl_error *error)
{
        struct hwaccl_recovery *result = recovery->result;

        while (position < reader->head) {
                const struct ring_record *record = ring_reader_at(reader, position, error);
                if (!record && error->message[0])
                        return false;
                const char *problem =
                        record ? ring_record_problem(&recovery->decoder, record) : "a record without its mark";
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

/* How the guest ended, from a vCPU's last exit. */
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

/* What the recorder itself wrote of the end, when it lived long enough for that: it stands. */
bool recovery_find_end(struct recovery *recovery, bool *known, struct hwaccl_error *error)
{
        struct hwaccl_recovery *result = recovery->result;
        int64_t end = 0;

        if (!database_integer(recovery->db, "SELECT end_status FROM status", HWACCL_END_NONE, &end, error))
                return false;
        *known = end > HWACCL_END_NONE && end < HWACCL_END_COUNT;
        if (*known) {
                result->end = (unsigned)end;
                return true;
        }
        if (recovery->stopped && result->damaged_at == UINT64_MAX && !result->lost) {
                result->ended = true;
                return true;
        }
        result->end = HWACCL_END_RECORDER_DIED;
        result->end_code = 0;
        return true;
}

/* @known: the row says already how it ended, and why it is incomplete. */
bool recovery_write_status(struct recovery *recovery, bool known, struct hwaccl_error *error)
{
        const struct hwaccl_recovery *result = recovery->result;
        bool damaged = result->damaged_at != UINT64_MAX;
        char problem[256];
        sqlite3_stmt *statement;

        if (!database_prepare(recovery->db,
                              known ? "UPDATE status SET problem = coalesce(problem || '; ' || ?4, problem, ?4), "
                                      "recovered = ?5"
                                    : "UPDATE status SET status = ?1, end_status = ?2, end_code = ?3, problem = ?4, "
                                      "recovered = ?5",
                              &statement, error))
                return false;
        (void)snprintf(problem, sizeof(problem), "the recorder, process %" PRIu32 ", died%s%s", result->process,
                       damaged ? ", and its ring was damaged: " : "", damaged ? result->damage : "");
        bool silent = result->ended || (known && !damaged);
        int bound = sqlite3_bind_int64(statement, 5, (int64_t)result->recovered) |
                    (silent ? sqlite3_bind_null(statement, 4)
                            : sqlite3_bind_text(statement, 4, problem, -1, SQLITE_STATIC));
        if (!known)
                bound |= sqlite3_bind_int(statement, 1,
                                          result->ended ? HWACCL_RECORDING_COMPLETE : HWACCL_RECORDING_INCOMPLETE) |
                         sqlite3_bind_int64(statement, 2, result->end) |
                         sqlite3_bind_int64(statement, 3, (int64_t)result->end_code);
        bool good = bound == SQLITE_OK ? database_step_done(recovery->db, statement, error)
                                       : database_error(recovery->db, error, "cannot bind a value");
        (void)sqlite3_finalize(statement);
        return good;
}
