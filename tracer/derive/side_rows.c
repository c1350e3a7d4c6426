#include "tracer/derive/side_rows.h"

#include "tracer/ring/exit_id.h"

#include <inttypes.h>
#include <stddef.h>

bool side_rows_next(struct side_rows *rows, struct hwaccl_error *error)
{
        int result = sqlite3_step(rows->row);

        rows->there = result == SQLITE_ROW;
        if (!rows->there)
                return result == SQLITE_DONE || database_error(rows->db, error, rows->table);
        rows->exit = sqlite3_column_int64(rows->row, 0);
        return true;
}

bool side_rows_open(struct side_rows *rows, sqlite3 *db, const char *table, const char *sql, int64_t first,
                    int64_t last, struct hwaccl_error *error)
{
        rows->db = db;
        rows->table = table;
        return database_prepare(db, sql, &rows->row, error) &&
               ((sqlite3_bind_int64(rows->row, 1, first) == SQLITE_OK &&
                 sqlite3_bind_int64(rows->row, 2, last) == SQLITE_OK) ||
                database_error(db, error, "cannot bind a value")) &&
               side_rows_next(rows, error);
}

void side_rows_close(struct side_rows *rows)
{
        (void)sqlite3_finalize(rows->row);
        rows->row = NULL;
        rows->there = false;
}

bool side_rows_number(const struct side_rows *rows, int column, int64_t max, uint64_t *number,
                      struct hwaccl_error *error)
{
        int64_t value = sqlite3_column_int64(rows->row, column);

        if (sqlite3_column_type(rows->row, column) != SQLITE_INTEGER || value < 0 || value > max)
                return hwaccl_error_set(error, "%s of exit %" PRIu64 ": %s is no number from 0 to %" PRId64,
                                        rows->table, exit_number(rows->exit), sqlite3_column_name(rows->row, column),
                                        max);
        *number = (uint64_t)value;
        return true;
}
