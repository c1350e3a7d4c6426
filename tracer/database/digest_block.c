#include "tracer/database/digest_block.h"

#include "tracer/database/database.h"
#include "tracer/ring/exit_id.h"

#include <stdlib.h>
#include <string.h>

static const struct {
        const char *name;
        const char *key; /* of an exit, or of what exits refer to */
        const char *order;
        bool doubled;  /* the key is twice the exit's, or one more */
        bool integers; /* nothing else, and a rowid: pages can be read */
        bool host;     /* all of it */
} tables[DIGEST_TABLES] = {
        [DIGEST_EXIT] = {"exit", "id", "1", .integers = true},
        [DIGEST_HANDLER_CHANGE] = {"handler_change", "id", "1", .integers = true},
        [DIGEST_KEYFRAME] = {"keyframe", "id", "1", .integers = true},
        [DIGEST_SYSTEM] = {"system_registers", "at", "1", .doubled = true, .integers = true},
        [DIGEST_SEGMENT] = {"segment_registers", "at", "1", .doubled = true, .integers = true},
        [DIGEST_PENDING] = {"pending", "id", "1", .integers = true},
        [DIGEST_IRQ_HANDOFF] = {"irq_handoff", "id", "1", .integers = true},
        [DIGEST_INPUT] = {"input", "exit", "1, 2"},
        [DIGEST_EFFECT] = {"effect", "exit", "1, 2"},
        [DIGEST_INSTRUCTION] = {"instruction", "id", "1"},
        [DIGEST_WALK] = {"walk", "id", "1"},
        [DIGEST_WALK_READ] = {"walk_read", "walk", "1, 2"},
        [DIGEST_ENTRY_STATE] = {"entry_state", "id", "1", .integers = true},
        [DIGEST_DEVICE_SNAPSHOT] = {"device_snapshot", "exit", "1", .integers = true},
        [DIGEST_DEVICE_STATE] = {"device_state", "exit", "1, 2"},
        [DIGEST_FAULT] = {"fault", "exit", "1, 2"},
        [DIGEST_KVM_RUN] = {"kvm_run", "id", "1", .integers = true},
        [DIGEST_VMM_STATE] = {"vmm_state", "exit", "1, 2, 3"},
        [DIGEST_THREAD_TIME] = {"thread_time", "exit", "1, 2", .host = true},
        [DIGEST_KERNEL_EXIT] = {"kernel_exit", "id", "1", .integers = true},
};

/* Keyed by its place among what exits refer to, not by exit. */
static bool is_definition(unsigned table)
{
        return table >= DIGEST_STREAMED && table < DIGEST_READ;
}

/* Order over all threads is the host's. */
static bool is_host(enum digest_table table, const char *column)
{
        return tables[table].host || strncmp(column, "host_", 5) == 0 ||
               (table == DIGEST_EXIT && strcmp(column, "sequence") == 0);
}

static bool find_columns(struct digest_columns *columns, enum digest_table table, struct hwaccl_error *error)
{
        columns->count = (unsigned)sqlite3_column_count(columns->statement);
        if (columns->count > PAGE_ROWS_COLUMNS)
                return hwaccl_error_set(error, "table %s has more columns than %u", tables[table].name,
                                        PAGE_ROWS_COLUMNS);
        memset(columns->place, PAGE_ROWS_NOWHERE, sizeof(columns->place));
        for (unsigned i = 0; i < columns->count; i++) {
                const char *name = sqlite3_column_name(columns->statement, (int)i);
                const char *type = sqlite3_column_decltype(columns->statement, (int)i);
                if (!name || !type)
                        return hwaccl_error_set(error, "out of memory");
                columns->place[i] = (uint8_t)i;
                columns->part[is_host(table, name) ? DIGEST_HOST : DIGEST_CONTENT] |= UINT64_C(1) << i;
                if (strcmp(type, "ANY") == 0)
                        columns->any |= UINT64_C(1) << i;
                if (table == DIGEST_EXIT && strcmp(name, "instruction") == 0)
                        columns->instruction = i;
                if (table == DIGEST_EXIT && strcmp(name, "walk") == 0)
                        columns->walk = i;
        }
        return true;
}

static bool prepare_table(struct digest_block *block, enum digest_table table, bool pages, struct hwaccl_error *error)
{
        struct digest_columns *columns = &block->table[table];
        char *sql = sqlite3_mprintf("SELECT * FROM %s WHERE %s BETWEEN ?1 AND ?2 ORDER BY %s", tables[table].name,
                                    tables[table].key, tables[table].order);
        bool good = sql ? database_prepare(block->db, sql, &columns->statement, error)
                        : hwaccl_error_set(error, "out of memory");

        sqlite3_free(sql);
        return good && find_columns(columns, table, error) &&
               (!pages || !tables[table].integers ||
                page_rows_open(block->db, tables[table].name, &columns->pages, error));
}

static bool prepare(struct digest_block *block, bool pages, struct hwaccl_error *error)
{
        if (sodium_init() < 0)
                return hwaccl_error_set(error, "libsodium cannot be initialized");
        for (unsigned i = 0; i < DIGEST_TABLES; i++)
                if (!prepare_table(block, (enum digest_table)i, pages, error))
                        return false;
        return true;
}

struct digest_block *digest_block_create(sqlite3 *db, bool pages, struct hwaccl_error *error)
{
        struct digest_block *block = aligned_alloc(_Alignof(struct digest_block), sizeof(*block));

        if (!block) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        memset(block, 0, sizeof(*block));
        block->db = db;
        if (prepare(block, pages, error))
                return block;
        digest_block_destroy(block);
        return NULL;
}

void digest_block_destroy(struct digest_block *block)
{
        if (!block)
                return;
        for (unsigned i = 0; i < DIGEST_TABLES; i++) {
                (void)sqlite3_finalize(block->table[i].statement);
                page_rows_close(block->table[i].pages);
        }
        (void)sqlite3_finalize(block->find);
        id_list_release(&block->instructions);
        id_list_release(&block->walks);
        canonical_release(&block->row);
        free(block);
}

void digest_block_begin(struct digest_block *block, int64_t first)
{
        for (unsigned i = 0; i < DIGEST_TABLES; i++) {
                block->section[i][DIGEST_CONTENT].rows = block->section[i][DIGEST_HOST].rows = 0;
                block->last_key[i] = is_definition(i) ? 0 : tables[i].doubled ? 2 * first : first;
        }
        id_list_clear(&block->instructions);
        id_list_clear(&block->walks);
        for (unsigned i = 0; i < DIGEST_STREAMED; i++)
                if (block->held[i].there && block->held[i].row.value[0] < (tables[i].doubled ? 2 * first : first))
                        block->held[i].there = false;
        block->first = first;
        if (block->lost)
                block->lost--;
}

void digest_block_lose(struct digest_block *block)
{
        block->lost = 2;
        memset(block->held, 0, sizeof(block->held));
}

static void hash(struct digest_block *block, enum digest_table table, enum digest_part part)
{
        struct digest_section *section = &block->section[table][part];

        if (section->rows++ == 0)
                (void)crypto_generichash_init(&section->state, NULL, 0, DIGEST_SIZE);
        (void)crypto_generichash_update(&section->state, block->row.bytes, block->row.size);
}

/* The ids of a dictionary say nothing: other recordings of the same run may have others. */
static void put_places(struct digest_block *block, struct row_integers *row)
{
        const struct digest_columns *columns = &block->table[DIGEST_EXIT];
        const struct {
                unsigned column;
                struct id_list *list;
        } reference[] = {{columns->instruction, &block->instructions}, {columns->walk, &block->walks}};

        for (size_t i = 0; i < 2; i++) {
                int64_t *value = &row->value[reference[i].column];
                if (!(row->known >> reference[i].column & 1))
                        continue;
                *value = (int64_t)id_list_place(reference[i].list, *value);
                block->row.lost |= *value == 0;
        }
}

/* Each row of the content is in it, even if it has no columns but its key. */
static bool has_part(const struct digest_block *block, enum digest_table table, unsigned part)
{
        return part == DIGEST_CONTENT ? !tables[table].host
                                      : !block->content_only && (block->table[table].part[part] & ~UINT64_C(1)) != 0;
}

static void add_integers(struct digest_block *block, enum digest_table table, int64_t key,
                         const struct row_integers *row)
{
        const struct digest_columns *columns = &block->table[table];
        const int64_t distance = (int64_t)((uint64_t)key - (uint64_t)block->last_key[table]);

        block->last_key[table] = key;
        for (unsigned part = 0; part < DIGEST_PARTS; part++) {
                if (!has_part(block, table, part))
                        continue;
                canonical_empty(&block->row);
                canonical_integers(&block->row, distance, columns->part[part], 0, row);
                hash(block, table, (enum digest_part)part);
        }
}

void digest_block_integers(struct digest_block *block, enum digest_table table, struct row_integers *row)
{
        if (block->lost)
                return;
        if (table == DIGEST_EXIT)
                put_places(block, row);
        add_integers(block, table, row->value[0], row);
}

void digest_block_held(struct digest_block *block, enum digest_table table, const struct row_integers *row)
{
        if (block->held[table].there && block->held[table].row.value[0] != row->value[0])
                digest_block_integers(block, table, &block->held[table].row);
        block->held[table].there = true;
        block->held[table].row = *row;
}

void digest_block_event(struct digest_block *block, enum digest_table table, const struct row_integers *row,
                        const void *data, size_t size)
{
        const struct digest_columns *columns = &block->table[table];
        const int64_t distance = row->value[0] - block->last_key[table];
        const uint64_t data_column = data ? UINT64_C(1) << (columns->count - 1) : 0;

        if (block->lost)
                return;
        block->last_key[table] = row->value[0];
        canonical_empty(&block->row);
        canonical_integers(&block->row, distance, columns->part[DIGEST_CONTENT], data_column, row);
        if (data)
                canonical_bytes(&block->row, data, size);
        hash(block, table, DIGEST_CONTENT);
}

static void add_statement(struct digest_block *block, enum digest_table table, int64_t key)
{
        const struct digest_columns *columns = &block->table[table];
        const int64_t distance = (int64_t)((uint64_t)key - (uint64_t)block->last_key[table]);

        block->last_key[table] = key;
        for (unsigned part = 0; part < DIGEST_PARTS; part++) {
                if (!has_part(block, table, part))
                        continue;
                canonical_empty(&block->row);
                canonical_statement(&block->row, distance, columns->part[part], columns->any, columns->statement);
                hash(block, table, (enum digest_part)part);
        }
}

static bool unreadable(struct digest_block *block, enum digest_table table, struct hwaccl_error *error)
{
        const struct page_rows *pages = block->table[table].pages;

        if (!pages)
                return database_error(block->db, error, "cannot read");
        return hwaccl_error_set(error, "cannot read table %s: page %u: %s", tables[table].name,
                                (unsigned)pages->problem_page, pages->problem);
}

/* A column that is not an integer is none that a writer wrote. */
static bool read_pages(struct digest_block *block, enum digest_table table, int64_t first, int64_t last,
                       struct hwaccl_error *error)
{
        struct digest_columns *columns = &block->table[table];
        struct row_integers row;
        int found;

        if (!page_rows_seek(columns->pages, first))
                return unreadable(block, table, error);
        while ((found = page_rows_next(columns->pages)) > 0 && columns->pages->key <= last) {
                if (!page_rows_integers(columns->pages, columns->place, columns->count, &row))
                        return unreadable(block, table, error);
                if (row.other)
                        return hwaccl_error_set(error, "table %s, row %lld: a column is not an integer",
                                                tables[table].name, (long long)row.value[0]);
                digest_block_integers(block, table, &row);
        }
        return found >= 0 || unreadable(block, table, error);
}

static void take_exit(struct digest_block *block, sqlite3_stmt *statement)
{
        struct row_integers row;

        memset(&row, 0, sizeof(row));
        for (unsigned i = 0; i < block->table[DIGEST_EXIT].count; i++) {
                if (sqlite3_column_type(statement, (int)i) != SQLITE_INTEGER)
                        continue;
                row.known |= UINT64_C(1) << i;
                row.value[i] = sqlite3_column_int64(statement, (int)i);
        }
        digest_block_integers(block, DIGEST_EXIT, &row);
}

static bool read_statement(struct digest_block *block, enum digest_table table, int64_t first, int64_t last,
                           int64_t key, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = block->table[table].statement;
        int result = sqlite3_bind_int64(statement, 1, first) | sqlite3_bind_int64(statement, 2, last);

        while (result == SQLITE_OK && (result = sqlite3_step(statement)) == SQLITE_ROW) {
                if (table == DIGEST_EXIT)
                        take_exit(block, statement);
                else
                        add_statement(block, table, is_definition(table) ? key : sqlite3_column_int64(statement, 0));
                result = SQLITE_OK;
        }
        bool good = result == SQLITE_DONE || database_error(block->db, error, "cannot read");
        (void)sqlite3_reset(statement);
        return good;
}

static bool read_tables(struct digest_block *block, unsigned from, unsigned to, int64_t first, int64_t end,
                        struct hwaccl_error *error)
{
        for (unsigned i = from; i < to; i++) {
                const enum digest_table table = (enum digest_table)i;
                const int64_t low = tables[i].doubled ? 2 * first : first;
                const int64_t high = tables[i].doubled ? 2 * end - 1 : end - 1;
                if (block->content_only && tables[i].host)
                        continue;
                if (!(block->table[i].pages ? read_pages(block, table, low, high, error)
                                            : read_statement(block, table, low, high, 0, error)))
                        return false;
        }
        return true;
}

bool digest_block_read(struct digest_block *block, int64_t first, int64_t end, struct hwaccl_error *error)
{
        return read_tables(block, DIGEST_READ, DIGEST_TABLES, first, end, error);
}

/* What exits refer to, each once. */
static bool read_definitions(struct digest_block *block, enum digest_table table, const struct id_list *list,
                             struct hwaccl_error *error)
{
        for (size_t i = 0; i < list->count; i++)
                if (!read_statement(block, table, list->id[i], list->id[i], (int64_t)i + 1, error))
                        return false;
        return true;
}

/* Rows that were held: those of this block are its last ones, the others wait. */
static void give_held(struct digest_block *block, int64_t end)
{
        for (unsigned i = 0; i < DIGEST_STREAMED; i++) {
                if (!block->held[i].there || block->held[i].row.value[0] >= (tables[i].doubled ? 2 * end : end))
                        continue;
                digest_block_integers(block, (enum digest_table)i, &block->held[i].row);
                block->held[i].there = false;
        }
}

static void put_word(crypto_generichash_state *state, uint64_t value)
{
        uint8_t bytes[8];

        for (unsigned i = 0; i < 8; i++)
                bytes[i] = (uint8_t)(value >> 8 * i);
        (void)crypto_generichash_update(state, bytes, sizeof(bytes));
}

/* Name, version and part; the first exit; of each table with rows: number, rows, digest of their canonical form. */
static void sum(struct digest_block *block, enum digest_part part, uint8_t digest[DIGEST_SIZE])
{
        static const char name[DIGEST_PARTS][16] = {"hwaccl content 1", "hwaccl host    1"};
        crypto_generichash_state state;

        (void)crypto_generichash_init(&state, NULL, 0, DIGEST_SIZE);
        (void)crypto_generichash_update(&state, (const uint8_t *)name[part], sizeof(name[part]));
        put_word(&state, (uint64_t)block->first);
        for (unsigned i = 0; i < DIGEST_TABLES; i++) {
                struct digest_section *section = &block->section[i][part];
                uint8_t rows[DIGEST_SIZE];
                if (!section->rows)
                        continue;
                (void)crypto_generichash_final(&section->state, rows, sizeof(rows));
                put_word(&state, i);
                put_word(&state, section->rows);
                (void)crypto_generichash_update(&state, rows, sizeof(rows));
        }
        (void)crypto_generichash_final(&state, digest, DIGEST_SIZE);
}

bool digest_block_end(struct digest_block *block, int64_t end, struct digest_pair *digest, struct hwaccl_error *error)
{
        give_held(block, end);
        if (!read_definitions(block, DIGEST_INSTRUCTION, &block->instructions, error) ||
            !read_definitions(block, DIGEST_WALK, &block->walks, error) ||
            !read_definitions(block, DIGEST_WALK_READ, &block->walks, error))
                return false;
        if (block->row.lost)
                return hwaccl_error_set(error, "out of memory");
        for (unsigned part = 0; part < DIGEST_PARTS; part++)
                sum(block, (enum digest_part)part, digest->part[part]);
        return true;
}

bool digest_block_of_rows(struct digest_block *block, int64_t id, int64_t first, int64_t end,
                          struct digest_pair *digest, struct hwaccl_error *error)
{
        memset(block->held, 0, sizeof(block->held));
        block->lost = 0;
        digest_block_begin(block, id);
        return read_tables(block, 0, DIGEST_STREAMED, first, end, error) &&
               digest_block_read(block, first, end, error) && digest_block_end(block, end, digest, error);
}

char *digest_stray_rows(void)
{
        char *sql = NULL;

        for (unsigned i = 0; i < DIGEST_TABLES; i++) {
                if (is_definition(i))
                        continue;
                sql = sqlite3_mprintf("%z%sSELECT '%s: ' || count(*) || ' rows of a vCPU that is not in table vcpu' "
                                      "FROM %s WHERE %s >> %u NOT IN (SELECT id FROM vcpu) HAVING count(*) > 0",
                                      sql, sql ? " UNION ALL " : "", tables[i].name, tables[i].name, tables[i].key,
                                      VCPU_SHIFT + tables[i].doubled);
        }
        return sql;
}
