#include "tracer/database/digest.h"

#include "tracer/database/database.h"
#include "tracer/ring/exit_id.h"

#include <string.h>

#define STRINGIFY(x) #x
#define EXPAND(x)    STRINGIFY(x)
#define VCPU_FIRST   "(v.id << " EXPAND(VCPU_SHIFT) ")"
#define VCPU_END     "((v.id + 1) << " EXPAND(VCPU_SHIFT) ")"

/* Neither the rows of blocks, which their digests stand for, nor what follows from them or from the schema: `hwaccl
 * check` derives block, block_count and names anew. */
static const char other_tables[] =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT "
        "IN "
        "('exit', 'handler_change', 'keyframe', 'system_registers', 'segment_registers', 'pending', 'irq_handoff', "
        "'input', 'effect', 'entry_state', 'device_snapshot', 'device_state', 'fault', 'kvm_run', 'vmm_state', "
        "'thread_time', 'kernel_exit', 'instruction', 'walk', 'walk_read', 'block', 'block_count', 'block_digest', "
        "'seal', "
        "'checkpoint', 'names', 'moment') ORDER BY name";

/* What of them is content. */
static const char *const content_queries[] = {
        "SELECT 0, name, value FROM option WHERE substr(name, 1, 5) <> 'host_' ORDER BY name",
        "SELECT 0, keyframe_interval, end_status, end_code, end_message FROM status ORDER BY id",
        "SELECT 0, id FROM vcpu ORDER BY id",
        "SELECT 0, id, device, field, size FROM device_field ORDER BY id",
        "SELECT 0, first, last, events FROM gap ORDER BY first",
        "SELECT 0, id, vcpu, exit, text FROM mark ORDER BY id",
};

/* Rows of a query, whose column 0 says nothing, and how many there are. */
static bool hash_query(crypto_generichash_state *state, sqlite3 *db, const char *sql, struct hwaccl_error *error)
{
        struct canonical row = {.bytes = NULL};
        sqlite3_stmt *statement;
        uint64_t rows = 0;
        int result;

        if (!database_prepare(db, sql, &statement, error))
                return false;
        while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
                canonical_empty(&row);
                canonical_statement(&row, 0, ~UINT64_C(0), ~UINT64_C(0), statement);
                (void)crypto_generichash_update(state, row.bytes, row.size);
                rows++;
        }
        canonical_empty(&row);
        canonical_number(&row, rows);
        (void)crypto_generichash_update(state, row.bytes, row.size);
        bool good = result == SQLITE_DONE ? !row.lost || hwaccl_error_set(error, "out of memory")
                                          : database_error(db, error, "cannot read");
        (void)sqlite3_finalize(statement);
        canonical_release(&row);
        return good;
}

/* The statement has column 0, which says nothing, and then those of the table, all of which it is ordered by. */
static char *ordered(sqlite3 *db, const char *name, struct hwaccl_error *error)
{
        char *sql = sqlite3_mprintf("SELECT 0, * FROM \"%w\"", name);
        sqlite3_stmt *columns = NULL;
        bool good = sql ? database_prepare(db, sql, &columns, error) : hwaccl_error_set(error, "out of memory");

        for (int i = 1; good && sql && i < sqlite3_column_count(columns); i++)
                sql = sqlite3_mprintf("%z%s%d", sql, i == 1 ? " ORDER BY " : ", ", i + 1);
        (void)sqlite3_finalize(columns);
        if (good && sql)
                return sql;
        sqlite3_free(sql);
        if (good)
                hwaccl_error_set(error, "out of memory");
        return NULL;
}

static bool hash_table(crypto_generichash_state *state, sqlite3 *db, const char *name, struct hwaccl_error *error)
{
        char *sql = ordered(db, name, error);
        bool good = sql != NULL;

        (void)crypto_generichash_update(state, (const uint8_t *)name, strlen(name) + 1);
        good = good && hash_query(state, db, sql, error);
        sqlite3_free(sql);
        return good;
}

static bool hash_tables(crypto_generichash_state *state, sqlite3 *db, struct hwaccl_error *error)
{
        sqlite3_stmt *names;
        bool good = true;
        int result = SQLITE_DONE;

        if (!database_prepare(db, other_tables, &names, error))
                return false;
        while (good && (result = sqlite3_step(names)) == SQLITE_ROW)
                good = hash_table(state, db, (const char *)sqlite3_column_text(names, 0), error);
        if (good && result != SQLITE_DONE)
                good = database_error(db, error, "cannot read its schema");
        (void)sqlite3_finalize(names);
        return good;
}

static void begin(crypto_generichash_state *state, const char *name)
{
        (void)crypto_generichash_init(state, NULL, 0, DIGEST_SIZE);
        (void)crypto_generichash_update(state, (const uint8_t *)name, strlen(name) + 1);
}

bool digest_content_read(sqlite3 *db, uint8_t content[DIGEST_SIZE], struct hwaccl_error *error)
{
        crypto_generichash_state state;

        if (sodium_init() < 0)
                return hwaccl_error_set(error, "libsodium cannot be initialized");
        begin(&state, "hwaccl recording content 1");
        for (size_t i = 0; i < sizeof(content_queries) / sizeof(content_queries[0]); i++)
                if (!hash_query(&state, db, content_queries[i], error))
                        return false;
        if (!hash_query(&state, db, "SELECT 0, id, content FROM block_digest ORDER BY id", error))
                return false;
        (void)crypto_generichash_final(&state, content, DIGEST_SIZE);
        return true;
}

bool digest_roots_read(sqlite3 *db, struct digest_roots *roots, struct hwaccl_error *error)
{
        crypto_generichash_state state;

        if (!digest_content_read(db, roots->content, error))
                return false;
        begin(&state, "hwaccl recording seal 1");
        (void)crypto_generichash_update(&state, roots->content, DIGEST_SIZE);
        if (!hash_query(&state, db, "SELECT 0, id, host_digest FROM block_digest ORDER BY id", error) ||
            !hash_query(&state, db, "SELECT 0, host_origin FROM seal", error) || !hash_tables(&state, db, error))
                return false;
        (void)crypto_generichash_final(&state, roots->seal, DIGEST_SIZE);
        return true;
}

bool digest_block_put(sqlite3 *db, int64_t id, const struct digest_pair *digest, struct hwaccl_error *error)
{
        sqlite3_stmt *insert;

        if (!database_prepare(db, "INSERT OR REPLACE INTO block_digest(id, content, host_digest) VALUES (?1, ?2, ?3)",
                              &insert, error))
                return false;
        int result = sqlite3_bind_int64(insert, 1, id) |
                     sqlite3_bind_blob(insert, 2, digest->part[DIGEST_CONTENT], DIGEST_SIZE, SQLITE_STATIC) |
                     sqlite3_bind_blob(insert, 3, digest->part[DIGEST_HOST], DIGEST_SIZE, SQLITE_STATIC);
        bool good = result == SQLITE_OK ? database_step_done(db, insert, error)
                                        : database_error(db, error, "cannot bind a value");
        (void)sqlite3_finalize(insert);
        return good;
}

/* A block begins at each keyframe. The first one of a vCPU has all its rows before, too, and the last one all behind.
 */
static struct digest_range range_of(sqlite3_stmt *row)
{
        const int64_t id = sqlite3_column_int64(row, 0), vcpu = id >> VCPU_SHIFT;
        struct digest_range range = {id, exit_id((uint32_t)vcpu, 0), exit_id((uint32_t)vcpu + 1, 0)};

        if (sqlite3_column_type(row, 1) == SQLITE_INTEGER && sqlite3_column_int64(row, 1) >> VCPU_SHIFT == vcpu)
                range.first = id;
        if (sqlite3_column_type(row, 2) == SQLITE_INTEGER && sqlite3_column_int64(row, 2) >> VCPU_SHIFT == vcpu)
                range.end = sqlite3_column_int64(row, 2);
        return range;
}

/* Digests of blocks that have none. */
static bool fill(sqlite3 *db, struct hwaccl_error *error)
{
        static const char sql[] =
                "WITH start(id) AS (SELECT id FROM keyframe UNION SELECT " VCPU_FIRST " FROM vcpu v WHERE NOT EXISTS "
                "(SELECT 1 FROM keyframe k WHERE k.id >= " VCPU_FIRST " AND k.id < " VCPU_END ")) "
                "SELECT id, lag(id) OVER (ORDER BY id), lead(id) OVER (ORDER BY id), "
                "EXISTS (SELECT 1 FROM block_digest d WHERE d.id = start.id) FROM start ORDER BY 1";
        struct digest_block *block = digest_block_create(db, false, error);
        sqlite3_stmt *row = NULL;
        int result = SQLITE_DONE;
        bool good = block && database_prepare(db, sql, &row, error);

        while (good && (result = sqlite3_step(row)) == SQLITE_ROW) {
                const struct digest_range range = range_of(row);
                struct digest_pair digest;
                if (!sqlite3_column_int(row, 3))
                        good = digest_block_of_rows(block, range.id, range.first, range.end, &digest, error) &&
                               digest_block_put(db, range.id, &digest, error);
        }
        if (good && result != SQLITE_DONE)
                good = database_error(db, error, "cannot read");
        (void)sqlite3_finalize(row);
        digest_block_destroy(block);
        return good;
}

bool digest_seal(sqlite3 *db, enum digest_how how, struct hwaccl_error *error)
{
        static const char *const prepare[] = {
                [DIGEST_REST] = "",
                [DIGEST_ANEW] = "DELETE FROM block_digest; DELETE FROM seal",
                [DIGEST_DERIVED] = "DELETE FROM block_digest; UPDATE seal SET host_origin = host_seal",
        };
        static const char put[] =
                "INSERT INTO seal(id, content, host_seal) VALUES (1, ?1, ?2) ON CONFLICT (id) DO UPDATE "
                "SET content = ?1, host_seal = ?2, host_key = NULL, host_signature = NULL";
        struct digest_roots roots;
        sqlite3_stmt *insert;

        if (!database_execute(db, prepare[how], error) ||
            /* the row is there before its digests are made: its origin is among what they are of */
            !database_execute(db, "INSERT OR IGNORE INTO seal(id, content, host_seal) VALUES (1, x'', x'')", error) ||
            !fill(db, error) || !digest_roots_read(db, &roots, error) || !database_prepare(db, put, &insert, error))
                return false;
        int result = sqlite3_bind_blob(insert, 1, roots.content, DIGEST_SIZE, SQLITE_STATIC) |
                     sqlite3_bind_blob(insert, 2, roots.seal, DIGEST_SIZE, SQLITE_STATIC);
        bool good = result == SQLITE_OK ? database_step_done(db, insert, error)
                                        : database_error(db, error, "cannot bind a value");
        (void)sqlite3_finalize(insert);
        return good;
}

static bool is_digest(sqlite3_stmt *row, int column, const uint8_t *digest)
{
        return sqlite3_column_type(row, column) == SQLITE_BLOB &&
               sqlite3_column_bytes(row, column) == (int)DIGEST_SIZE &&
               memcmp(sqlite3_column_blob(row, column), digest, DIGEST_SIZE) == 0;
}

bool digest_blocks_compare(sqlite3 *db, bool pages, void (*differs)(void *opaque, const struct digest_range *range),
                           void *opaque, struct hwaccl_error *error)
{
        struct digest_block *block = digest_block_create(db, pages, error);
        sqlite3_stmt *row = NULL;
        int result = SQLITE_DONE;
        bool good = block && database_prepare(db,
                                              "SELECT id, lag(id) OVER (ORDER BY id), lead(id) OVER (ORDER BY id), "
                                              "content, host_digest FROM block_digest ORDER BY 1",
                                              &row, error);

        while (good && (result = sqlite3_step(row)) == SQLITE_ROW) {
                const struct digest_range range = range_of(row);
                struct digest_pair digest;
                struct hwaccl_error reason;
                if (!digest_block_of_rows(block, range.id, range.first, range.end, &digest, &reason) ||
                    !is_digest(row, 3, digest.part[DIGEST_CONTENT]) || !is_digest(row, 4, digest.part[DIGEST_HOST]))
                        differs(opaque, &range);
        }
        if (good && result != SQLITE_DONE)
                good = database_error(db, error, "cannot read table block_digest");
        (void)sqlite3_finalize(row);
        digest_block_destroy(block);
        return good;
}

/* In a recording that was not finished some blocks may have none: there a keyframe ends the one before all the same. */
#define NEIGHBOUR(which, relation)                                                                                     \
        "(SELECT " which "(id) FROM (SELECT " which "(id) AS id FROM block_digest WHERE id " relation                  \
        " d.id UNION ALL SELECT " which "(id) FROM keyframe WHERE id " relation                                        \
        " d.id AND NOT EXISTS (SELECT 1 FROM seal)))"

static bool find(struct digest_block *block, int64_t id, struct digest_range *range, struct digest_pair *recorded)
{
        sqlite3_stmt *row = block->find;

        if (sqlite3_bind_int64(row, 1, id) != SQLITE_OK)
                return false;
        int result = sqlite3_step(row);
        if (result == SQLITE_ROW) {
                *range = range_of(row);
                for (unsigned part = 0; part < DIGEST_PARTS; part++) {
                        memset(recorded->part[part], 0, DIGEST_SIZE);
                        if (sqlite3_column_bytes(row, 3 + (int)part) == (int)DIGEST_SIZE)
                                memcpy(recorded->part[part], sqlite3_column_blob(row, 3 + (int)part), DIGEST_SIZE);
                }
        }
        return result == SQLITE_ROW || result == SQLITE_DONE;
}

bool digest_block_find(struct digest_block *block, int64_t id, struct digest_range *range, struct digest_pair *recorded,
                       bool *found, struct hwaccl_error *error)
{
        static const char sql[] = "SELECT d.id, " NEIGHBOUR("max", "<") ", " NEIGHBOUR(
                "min",
                ">") ", d.content, d.host_digest FROM block_digest d WHERE d.id <= ?1 ORDER BY d.id DESC LIMIT 1";

        *range = (struct digest_range){.end = INT64_MIN};
        if (!block->find && !database_prepare(block->db, sql, &block->find, error))
                return false;
        bool good =
                find(block, id, range, recorded) || database_error(block->db, error, "cannot read table block_digest");
        (void)sqlite3_reset(block->find);
        *found = range->end > id;
        return good;
}
