#include "tracer/database/call_rows.h"

/* The operator || makes text of two BLOBs, byte for byte. */
#define APPEND(column)                                                                                                 \
        "UPDATE vmm_call SET " #column " = CAST(coalesce(" #column ", x'') || ?3 AS BLOB) "                            \
        "WHERE sequence = ?1 AND lane = ?2"

#define CALLED(column)                                                                                                 \
        "UPDATE vmm_call SET result = ?3, error = ?4, " #column " = ?5, " #column "_size = ?6, "                       \
        "host_duration = max(?7 - host_time, 0) WHERE sequence = ?1 AND lane = ?2"

bool call_rows_prepare(struct call_rows *rows, sqlite3 *db, struct hwaccl_error *error)
{
        rows->db = db;
        return database_prepare(db,
                                "INSERT OR REPLACE INTO lane(id, host_process, host_thread, name) "
                                "VALUES (?1, ?2, ?3, ?4)",
                                &rows->lane, error) &&
               database_prepare(
                       db,
                       "INSERT OR REPLACE INTO vmm_call(sequence, lane, exit, role, object, request, argument, "
                       "input, input_size, output_size, host_time) "
                       "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10)",
                       &rows->call, error) &&
               database_prepare(db, CALLED(input), &rows->called[RING_CALL_INPUT], error) &&
               database_prepare(db, CALLED(output), &rows->called[RING_CALL_OUTPUT], error) &&
               database_prepare(db, APPEND(input), &rows->data[RING_CALL_INPUT], error) &&
               database_prepare(db, APPEND(output), &rows->data[RING_CALL_OUTPUT], error);
}

void call_rows_finalize(struct call_rows *rows)
{
        (void)sqlite3_finalize(rows->lane);
        (void)sqlite3_finalize(rows->call);
        (void)sqlite3_finalize(rows->called[RING_CALL_INPUT]);
        (void)sqlite3_finalize(rows->called[RING_CALL_OUTPUT]);
        (void)sqlite3_finalize(rows->data[RING_CALL_INPUT]);
        (void)sqlite3_finalize(rows->data[RING_CALL_OUTPUT]);
}

static bool step(struct call_rows *rows, sqlite3_stmt *row, int result, struct hwaccl_error *error)
{
        return result == SQLITE_OK ? database_step_done(rows->db, row, error)
                                   : database_error(rows->db, error, "cannot bind a value");
}

static int bind_or_null(sqlite3_stmt *row, int parameter, bool there, int64_t value)
{
        return there ? sqlite3_bind_int64(row, parameter, value) : sqlite3_bind_null(row, parameter);
}

static int bind_data(sqlite3_stmt *row, int parameter, const uint8_t *data, uint64_t size)
{
        return size ? sqlite3_bind_blob(row, parameter, data, (int)size, SQLITE_STATIC)
                    : sqlite3_bind_null(row, parameter);
}

bool call_rows_lane(struct call_rows *rows, uint32_t lane, const struct ring_lane *record, struct hwaccl_error *error)
{
        sqlite3_stmt *row = rows->lane;
        int result = sqlite3_bind_int64(row, 1, lane) |
                     bind_or_null(row, 2, record->process != 0, (int64_t)record->process) |
                     bind_or_null(row, 3, record->thread != 0, (int64_t)record->thread) |
                     sqlite3_bind_text(row, 4, record->data, (int)record->size, SQLITE_STATIC);

        return step(rows, row, result, error);
}

bool call_rows_call(struct call_rows *rows, uint32_t lane, int64_t exit, const struct ring_call *record, uint64_t time,
                    struct hwaccl_error *error)
{
        sqlite3_stmt *row = rows->call;
        const bool number = record->record.extra & RING_CALL_NUMBER;
        int result = sqlite3_bind_int64(row, 1, (int64_t)record->sequence) | sqlite3_bind_int64(row, 2, lane) |
                     bind_or_null(row, 3, exit >= 0, exit) |
                     sqlite3_bind_int64(row, 4, record->record.extra & ~RING_CALL_NUMBER) |
                     bind_or_null(row, 5, record->object != RING_CALL_OBJECT_NONE, record->object) |
                     sqlite3_bind_int64(row, 6, record->request) |
                     bind_or_null(row, 7, number, (int64_t)record->argument) |
                     bind_data(row, 8, record->data, record->size) |
                     sqlite3_bind_int64(row, 9, (int64_t)record->total) | sqlite3_bind_int64(row, 10, (int64_t)time);

        return step(rows, row, result, error);
}

bool call_rows_called(struct call_rows *rows, uint32_t lane, const struct ring_called *record, uint64_t time,
                      struct hwaccl_error *error)
{
        /* without data it leaves the input as it is */
        sqlite3_stmt *row = rows->called[record->total ? record->record.extra : RING_CALL_OUTPUT];
        int result = sqlite3_bind_int64(row, 1, (int64_t)record->sequence) | sqlite3_bind_int64(row, 2, lane) |
                     sqlite3_bind_int64(row, 3, record->result) |
                     bind_or_null(row, 4, record->error != 0, (int64_t)record->error) |
                     bind_data(row, 5, record->data, record->size) |
                     sqlite3_bind_int64(row, 6, (int64_t)record->total) | sqlite3_bind_int64(row, 7, (int64_t)time);

        return step(rows, row, result, error);
}

bool call_rows_data(struct call_rows *rows, uint32_t lane, const struct ring_call_data *record,
                    struct hwaccl_error *error)
{
        sqlite3_stmt *row = rows->data[record->record.extra];
        int result = sqlite3_bind_int64(row, 1, (int64_t)record->sequence) | sqlite3_bind_int64(row, 2, lane) |
                     bind_data(row, 3, record->data, record->size);

        return step(rows, row, result, error);
}
