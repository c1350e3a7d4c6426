#include "tracer/database/kernel_rows.h"

#define EVENT_VALUES 6u /* columns */

bool kernel_rows_prepare(struct kernel_rows *rows, sqlite3 *db, struct hwaccl_error *error)
{
        rows->db = db;
        return database_prepare(db,
                                "INSERT OR REPLACE INTO kernel_exit(id, handled, isa, code, info1, info2, "
                                "interrupt_information, error_code) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                                &rows->exit, error) &&
               database_prepare(db,
                                "INSERT INTO kernel_event(vcpu, exit, kind, host_time, host_thread, value1, value2, "
                                "value3, value4, value5, value6) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                                &rows->event, error);
}

void kernel_rows_finalize(struct kernel_rows *rows)
{
        (void)sqlite3_finalize(rows->exit);
        (void)sqlite3_finalize(rows->event);
}

static bool insert(struct kernel_rows *rows, sqlite3_stmt *statement, int result, struct hwaccl_error *error)
{
        return result == SQLITE_OK ? database_step_done(rows->db, statement, error)
                                   : database_error(rows->db, error, "cannot bind a value");
}

bool kernel_rows_exit(struct kernel_rows *rows, int64_t id, const struct ring_kernel_exit *record,
                      struct hwaccl_error *error)
{
        sqlite3_stmt *row = rows->exit;
        const bool event = record->record.extra & RING_KERNEL_EXIT_EVENT;
        int result = sqlite3_bind_int64(row, 1, id) |
                     sqlite3_bind_int(row, 2, !(record->record.extra & RING_KERNEL_EXIT_USER)) |
                     sqlite3_bind_int64(row, 3, record->isa) | sqlite3_bind_int64(row, 4, record->code) |
                     sqlite3_bind_int64(row, 5, (int64_t)record->info1) |
                     sqlite3_bind_int64(row, 6, (int64_t)record->info2);

        result |= event ? sqlite3_bind_int64(row, 7, record->interrupt_information) |
                                  sqlite3_bind_int64(row, 8, record->error_code)
                        : sqlite3_bind_null(row, 7) | sqlite3_bind_null(row, 8);
        return insert(rows, row, result, error);
}

bool kernel_rows_event(struct kernel_rows *rows, uint32_t vcpu, int64_t exit, const struct ring_kernel_event *record,
                       uint64_t time, struct hwaccl_error *error)
{
        sqlite3_stmt *row = rows->event;
        const uint64_t *value = record->value;
        int result = sqlite3_bind_int64(row, 1, vcpu) |
                     (exit < 0 ? sqlite3_bind_null(row, 2) : sqlite3_bind_int64(row, 2, exit)) |
                     sqlite3_bind_int(row, 3, record->record.extra) | sqlite3_bind_int64(row, 4, (int64_t)time) |
                     (record->thread ? sqlite3_bind_int64(row, 5, record->thread) : sqlite3_bind_null(row, 5));

        for (unsigned i = 0; i < EVENT_VALUES; i++) {
                const int parameter = 6 + (int)i;
                result |= record->known >> i & 1 ? sqlite3_bind_int64(row, parameter, (int64_t)*value)
                                                 : sqlite3_bind_null(row, parameter);
                value += record->known >> i & 1;
        }
        return insert(rows, row, result, error);
}
