#include "tracer/database/block_scan.h"

#include "tracer/ring/exit_id.h"

#include <string.h>

/* Columns of the query. */
enum {
        COLUMN_ID,
        COLUMN_REASON,
        COLUMN_QUALIFICATION,
        COLUMN_RIP,
        COLUMN_OUTCOME,
        COLUMN_GUEST,
        COLUMN_HANDLER,
        COLUMN_VECTOR,
        COLUMN_KEYFRAME
};

static const char query[] =
        "SELECT e.id, e.exit_reason, e.exit_qualification, e.rip, e.outcome, e.host_guest, e.host_handler, "
        "(SELECT h.vector FROM irq_handoff h WHERE h.id = e.id), (SELECT 1 FROM keyframe k WHERE k.id = e.id) "
        "FROM exit e WHERE e.id BETWEEN ?1 AND ?2 ORDER BY e.id";

static bool column(sqlite3_stmt *row, int number, uint64_t *value)
{
        *value = (uint64_t)sqlite3_column_int64(row, number);
        return sqlite3_column_type(row, number) == SQLITE_INTEGER;
}

/* A clock that went back, before that was clamped, left times below 0. */
static bool time_column(sqlite3_stmt *row, int number, uint64_t *value)
{
        bool known = column(row, number, value);

        if ((int64_t)*value < 0)
                *value = 0;
        return known;
}

static struct block_exit read_exit(sqlite3_stmt *row)
{
        struct block_exit exit = {.id = sqlite3_column_int64(row, COLUMN_ID)};
        uint64_t reason, qualification, value;
        bool reason_known = column(row, COLUMN_REASON, &reason);
        bool qualification_known = column(row, COLUMN_QUALIFICATION, &qualification);

        block_classify(&exit, reason_known ? &reason : NULL, qualification_known ? &qualification : NULL);
        exit.value[BLOCK_OUTCOME] = column(row, COLUMN_OUTCOME, &value) ? (int64_t)value : BLOCK_UNKNOWN;
        exit.counted[BLOCK_VECTOR] = column(row, COLUMN_VECTOR, &value);
        exit.value[BLOCK_VECTOR] = (int64_t)value;
        exit.rip_known = column(row, COLUMN_RIP, &exit.rip);
        (void)time_column(row, COLUMN_GUEST, &exit.guest_ns);
        exit.timed = time_column(row, COLUMN_HANDLER, &exit.handler_ns);
        return exit;
}

static bool begins_block(const struct block *block, const struct block_exit *exit, sqlite3_stmt *row)
{
        return block->exits && (sqlite3_column_type(row, COLUMN_KEYFRAME) != SQLITE_NULL || block_is_full(block) ||
                                exit->id >> VCPU_SHIFT != block->last >> VCPU_SHIFT);
}

bool block_scan(sqlite3 *db, int64_t first, int64_t last,
                bool (*take)(void *opaque, struct block *block, struct hwaccl_error *error), void *opaque,
                struct hwaccl_error *error)
{
        struct block block = {0};
        sqlite3_stmt *row;
        int result = SQLITE_DONE;

        if (!database_prepare(db, query, &row, error))
                return false;
        bool good = (sqlite3_bind_int64(row, 1, first) | sqlite3_bind_int64(row, 2, last)) == SQLITE_OK ||
                    database_error(db, error, "cannot bind a value");
        while (good && (result = sqlite3_step(row)) == SQLITE_ROW) {
                const struct block_exit exit = read_exit(row);
                if (begins_block(&block, &exit, row)) {
                        good = take(opaque, &block, error);
                        memset(&block, 0, sizeof(block));
                }
                block_add(&block, &exit);
        }
        if (good && result != SQLITE_DONE)
                good = database_error(db, error, "cannot read");
        (void)sqlite3_finalize(row);
        return good && (block.exits == 0 || take(opaque, &block, error));
}

static bool write_block(void *opaque, struct block *block, struct hwaccl_error *error)
{
        return block_rows_put(opaque, block, error);
}

static bool fill_ranges(sqlite3 *db, struct block_rows *rows, struct hwaccl_error *error)
{
        sqlite3_stmt *range;
        int result = SQLITE_DONE;
        bool good = true;

        if (!database_prepare(db, "SELECT first, last FROM unsummed", &range, error))
                return false;
        while (good && (result = sqlite3_step(range)) == SQLITE_ROW)
                good = block_scan(db, sqlite3_column_int64(range, 0), sqlite3_column_int64(range, 1), write_block, rows,
                                  error);
        if (good && result != SQLITE_DONE)
                good = database_error(db, error, "cannot read");
        (void)sqlite3_finalize(range);
        return good;
}

bool block_fill(sqlite3 *db, struct hwaccl_error *error)
{
        struct block_rows rows = {0};
        bool good = block_rows_prepare(&rows, db, error) && fill_ranges(db, &rows, error);

        block_rows_finalize(&rows);
        return good;
}
