/* Rows of a table that belong to some exits, read beside the exits in their order. The recording is not trusted. */
#ifndef HWACCL_TRACER_SIDE_ROWS_H
#define HWACCL_TRACER_SIDE_ROWS_H

#include "hwaccl/error.h"
#include "tracer/database/database.h"

#include <stdbool.h>
#include <stdint.h>

struct side_rows {
        sqlite3 *db;
        const char *table;
        sqlite3_stmt *row;
        int64_t exit; /* of the row; column 0 */
        bool there;
};

/** side_rows_open - @sql: the table's rows with exit.id ?1 to ?2, by exit, which is column 0. The first row is read.
 * Call side_rows_close() also when it fails */
bool side_rows_open(struct side_rows *rows, sqlite3 *db, const char *table, const char *sql, int64_t first,
                    int64_t last, struct hwaccl_error *error);

/** side_rows_next - the next row */
bool side_rows_next(struct side_rows *rows, struct hwaccl_error *error);
void side_rows_close(struct side_rows *rows);

/** side_rows_at - whether the row is one of @exit */
static inline bool side_rows_at(const struct side_rows *rows, int64_t exit)
{
        return rows->there && rows->exit == exit;
}

/** side_rows_number - an integer from 0 to @max in @column; false with *error set for another value */
bool side_rows_number(const struct side_rows *rows, int column, int64_t max, uint64_t *number,
                      struct hwaccl_error *error);

#endif
