#include "tracer/read/recording_blocks.h"

#include "tracer/database/block_scan.h"
#include "tracer/read/recording_internal.h"

#include <inttypes.h>
#include <stdio.h>

struct counting {
        sqlite3 *db;
        enum block_kind kind;
        bool (*take)(void *opaque, const struct block_count *count, struct hwaccl_error *error);
        void *opaque;
};

static bool take_scanned(void *opaque, struct block *block, struct hwaccl_error *error)
{
        const struct counting *counting = opaque;

        for (size_t i = 0; i < BLOCK_SLOTS; i++)
                if (block->count[i].exits && block->count[i].kind == (int64_t)counting->kind &&
                    !counting->take(counting->opaque, &block->count[i], error))
                        return false;
        return true;
}

static bool read_count(enum block_kind kind, sqlite3_stmt *row, struct block_count *count, struct hwaccl_error *error)
{
        uint64_t number[9];

        for (int i = 0; i < 9; i++) {
                number[i] = (uint64_t)sqlite3_column_int64(row, i);
                if (i > 0 && (int64_t)number[i] < 0)
                        return hwaccl_error_set(error, "table block_count: a number is negative");
        }
        *count = (struct block_count){.kind = kind,
                                      .value = (int64_t)number[0],
                                      .exits = number[1],
                                      .timed = number[2],
                                      .guest = {number[3], number[4], number[5]},
                                      .handler = {number[6], number[7], number[8]}};
        return true;
}

/* The minimum of times of no exit is not 0, but none. */
static const char sums[] =
        "SELECT value, sum(exits), sum(timed), sum(host_guest), min(host_guest_min), max(host_guest_max), "
        "sum(host_handler), coalesce(min(iif(timed, host_handler_min, NULL)), 0), max(host_handler_max) "
        "FROM block_count WHERE kind = ?1 AND block BETWEEN ?2 AND ?3 GROUP BY value";

static bool count_blocks(const struct counting *counting, int64_t first, int64_t last, struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        int result = SQLITE_DONE;

        if (!database_prepare(counting->db, sums, &row, error))
                return false;
        bool good = (sqlite3_bind_int64(row, 1, counting->kind) | sqlite3_bind_int64(row, 2, first) |
                     sqlite3_bind_int64(row, 3, last)) == SQLITE_OK ||
                    database_error(counting->db, error, "cannot bind a value");
        while (good && (result = sqlite3_step(row)) == SQLITE_ROW) {
                struct block_count count;
                good = read_count(counting->kind, row, &count, error) &&
                       counting->take(counting->opaque, &count, error);
        }
        if (good && result != SQLITE_DONE)
                good = database_error(counting->db, error, "cannot read table block_count");
        (void)sqlite3_finalize(row);
        return good;
}

/* The first and last block within exits @first to @last, and the last one's last exit. No block: *from is -1. */
static bool find_blocks(sqlite3 *db, int64_t first, int64_t last, int64_t *from, int64_t *to, int64_t *end,
                        struct hwaccl_error *error)
{
        char sql[160];

        (void)snprintf(sql, sizeof(sql), "SELECT min(id) FROM block WHERE id BETWEEN %" PRId64 " AND %" PRId64, first,
                       last);
        if (!database_integer(db, sql, -1, from, error))
                return false;
        (void)snprintf(sql, sizeof(sql),
                       "SELECT id FROM block WHERE id BETWEEN %" PRId64 " AND %" PRId64 " AND last <= %" PRId64
                       " ORDER BY id DESC LIMIT 1",
                       first, last, last);
        if (!database_integer(db, sql, -1, to, error))
                return false;
        (void)snprintf(sql, sizeof(sql), "SELECT last FROM block WHERE id = %" PRId64, *to);
        if (*to < 0)
                *from = -1;
        return database_integer(db, sql, -1, end, error);
}

bool hwaccl_recording_count(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t first, uint64_t last,
                            enum block_kind kind,
                            bool (*take)(void *opaque, const struct block_count *count, struct hwaccl_error *error),
                            void *opaque, struct hwaccl_error *error)
{
        struct counting counting = {recording->db, kind, take, opaque};
        int64_t begin = exit_id(vcpu, first);
        int64_t stop = exit_id(vcpu, last < EXIT_NUMBER_MAX ? last : EXIT_NUMBER_MAX);
        int64_t from = -1, to = -1, end = -1;

        if (!find_blocks(recording->db, begin, stop, &from, &to, &end, error))
                return false;
        if (from < 0)
                return block_scan(recording->db, begin, stop, take_scanned, &counting, error);
        return (from == begin || block_scan(recording->db, begin, from - 1, take_scanned, &counting, error)) &&
               count_blocks(&counting, from, to, error) &&
               (end >= stop || block_scan(recording->db, end + 1, stop, take_scanned, &counting, error));
}
