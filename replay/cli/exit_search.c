#include "replay/cli/exit_search.h"

#include "tracer/database/database.h"

#include <inttypes.h>
#include <stdio.h>

static bool any_rip(const struct exit_filter *filter)
{
        return filter->rip_first == 0 && filter->rip_last == UINT64_MAX;
}

/* " AND BEFORE1, 2, 3AFTER"; nothing where any value will do. */
static void add_condition(sqlite3_str *sql, const struct exit_filter *filter, enum block_kind kind, const char *before,
                          const char *after)
{
        for (size_t i = 0; i < filter->wanted[kind].count; i++)
                sqlite3_str_appendf(sql, "%s%u", i ? ", " : before, filter->wanted[kind].value[i]);
        if (filter->wanted[kind].count)
                sqlite3_str_appendall(sql, after);
}

static bool prepare(sqlite3 *db, sqlite3_str *text, sqlite3_stmt **statement, struct hwaccl_error *error)
{
        char *sql = sqlite3_str_finish(text);
        bool good = sql ? database_prepare(db, sql, statement, error) : hwaccl_error_set(error, "out of memory");

        sqlite3_free(sql);
        return good;
}

static bool prepare_rows(struct exit_search *search, const char *columns, struct hwaccl_error *error)
{
        static const char *const condition[BLOCK_KIND_COUNT] = {
                [BLOCK_REASON] = " AND reason_number IN (",
                [BLOCK_PORT] = " AND io_port IN (",
                [BLOCK_VECTOR] = " AND EXISTS (SELECT 1 FROM irq_handoff h WHERE h.id = exits.id AND h.vector IN (",
                [BLOCK_OUTCOME] = " AND EXISTS (SELECT 1 FROM exit x WHERE x.id = exits.id AND x.outcome IN ("};
        sqlite3_str *sql = sqlite3_str_new(search->db);

        sqlite3_str_appendf(sql, "SELECT %s%s FROM exits WHERE id BETWEEN ?1 AND ?2", columns,
                            any_rip(search->filter) ? "" : ", (SELECT x.rip FROM exit x WHERE x.id = exits.id)");
        for (unsigned kind = 0; kind < BLOCK_KIND_COUNT; kind++)
                add_condition(sql, search->filter, kind, condition[kind], kind >= BLOCK_VECTOR ? "))" : ")");
        sqlite3_str_appendall(sql, " ORDER BY id");
        return prepare(search->db, sql, &search->row, error);
}

/* Blocks that have a value of each kind, and the exits without a block. */
static bool prepare_parts(struct exit_search *search, struct hwaccl_error *error)
{
        const int64_t vcpu = search->first >> VCPU_SHIFT;
        sqlite3_str *sql = sqlite3_str_new(search->db);
        char condition[96];

        sqlite3_str_appendf(sql,
                            "SELECT id, last, 1, rip_min, rip_max FROM block WHERE id BETWEEN %lld AND %lld "
                            "AND last >= %lld",
                            (long long)vcpu << VCPU_SHIFT, (long long)search->last, (long long)search->first);
        for (unsigned kind = 0; kind < BLOCK_KIND_COUNT; kind++) {
                (void)snprintf(condition, sizeof(condition),
                               " AND id IN (SELECT block FROM block_count WHERE kind = %u AND value IN (", kind);
                add_condition(sql, search->filter, kind, condition, "))");
        }
        sqlite3_str_appendf(sql, " UNION ALL SELECT first, last, 0, 0, 0 FROM unsummed WHERE vcpu = %lld ORDER BY 1",
                            (long long)vcpu);
        return prepare(search->db, sql, &search->part, error);
}

bool exit_search_open(struct exit_search *search, struct hwaccl_recording *recording, const struct cli_exits *exits,
                      const struct exit_filter *filter, const char *columns, struct hwaccl_error *error)
{
        bool all = any_rip(filter);

        *search = (struct exit_search){
                .filter = filter,
                .db = hwaccl_recording_database(recording),
                .first = exit_id(exits->vcpu, exits->first),
                .last = exit_id(exits->vcpu, exits->last < EXIT_NUMBER_MAX ? exits->last : EXIT_NUMBER_MAX),
        };
        for (unsigned kind = 0; kind < BLOCK_KIND_COUNT; kind++)
                all = all && filter->wanted[kind].count == 0;
        return prepare_rows(search, columns, error) && (all || prepare_parts(search, error));
}

void exit_search_close(struct exit_search *search)
{
        (void)sqlite3_finalize(search->part);
        (void)sqlite3_finalize(search->row);
}

static bool has_rip(const struct exit_search *search)
{
        if (any_rip(search->filter) || !sqlite3_column_int(search->part, 2))
                return true;
        return sqlite3_column_type(search->part, 3) == SQLITE_INTEGER &&
               (uint64_t)sqlite3_column_int64(search->part, 3) <= search->filter->rip_last &&
               (uint64_t)sqlite3_column_int64(search->part, 4) >= search->filter->rip_first;
}

/* The next range of exits: as the results of exit_search_next(). */
static int next_part(struct exit_search *search, struct hwaccl_error *error)
{
        int64_t first = search->first, last = search->last;
        int more = SQLITE_ROW;

        (void)sqlite3_reset(search->row);
        if (search->part) {
                while ((more = sqlite3_step(search->part)) == SQLITE_ROW && !has_rip(search))
                        ;
                if (more == SQLITE_ROW) {
                        int64_t from = sqlite3_column_int64(search->part, 0);
                        int64_t to = sqlite3_column_int64(search->part, 1);
                        first = from > first ? from : first;
                        last = to < last ? to : last;
                }
        } else if (search->within) {
                more = SQLITE_DONE;
        }
        if (more == SQLITE_DONE)
                return 0;
        search->within = true;
        if (more == SQLITE_ROW &&
            (sqlite3_bind_int64(search->row, 1, first) | sqlite3_bind_int64(search->row, 2, last)) == SQLITE_OK)
                return 1;
        return database_error(search->db, error, "cannot read") - 1;
}

/* RIP is the column behind the caller's. It is unsigned, as no number of SQL is. */
static bool passes(const struct exit_search *search)
{
        int columns = sqlite3_column_count(search->row);

        if (any_rip(search->filter))
                return true;
        uint64_t rip = (uint64_t)sqlite3_column_int64(search->row, columns - 1);
        return sqlite3_column_type(search->row, columns - 1) == SQLITE_INTEGER && rip >= search->filter->rip_first &&
               rip <= search->filter->rip_last;
}

int exit_search_next(struct exit_search *search, struct hwaccl_error *error)
{
        for (;;) {
                int result = search->within ? sqlite3_step(search->row) : SQLITE_DONE;
                if (result == SQLITE_ROW && passes(search))
                        return 1;
                if (result != SQLITE_ROW && result != SQLITE_DONE) {
                        hwaccl_error_set(error, "%s", sqlite3_errmsg(search->db));
                        return -1;
                }
                int more = result == SQLITE_DONE ? next_part(search, error) : 1;
                if (more <= 0)
                        return more;
        }
}
