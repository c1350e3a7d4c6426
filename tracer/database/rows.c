#include "tracer/database/rows.h"

#include "core/exit/emulate/emulator.h"

#include <stdio.h>
#include <string.h>

/* "INSERT OR REPLACE INTO table VALUES (?, ?, …)": replacing lets a crashed recording's tail be written again. */
static bool prepare_insert(struct rows *rows, const char *table, unsigned columns, sqlite3_stmt **statement,
                           struct hwaccl_error *error)
{
        char sql[64 + 2 * HWACCL_FIELD_COUNT + 64];
        int used = snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO %s VALUES (?", table);

        for (unsigned i = 1; i < columns; i++)
                used += snprintf(sql + used, sizeof(sql) - (size_t)used, ",?");
        (void)snprintf(sql + used, sizeof(sql) - (size_t)used, ")");
        return database_prepare(rows->db, sql, statement, error);
}

/* What every reader of a row wants to see stands in every row, even when it is as in the keyframe. */
static bool always_written(unsigned field)
{
        return field == HWACCL_FIELD_INDEX_exit_reason || field == HWACCL_FIELD_INDEX_exit_qualification ||
               field == HWACCL_FIELD_INDEX_instruction_length || field == HWACCL_FIELD_INDEX_rip;
}

bool rows_prepare(struct rows *rows, sqlite3 *db, struct hwaccl_error *error)
{
        memset(rows, 0, sizeof(*rows));
        rows->db = db;
        field_sets_init(rows->set);
        unsigned page = rows->set[FIELD_SET_PAGE].count;
        for (unsigned i = 0; i < page; i++) {
                unsigned field = rows->set[FIELD_SET_PAGE].index[i];
                rows->page_word[i] = (uint8_t)(hwaccl_subject_fields[field].offset / 8);
                if (always_written(field))
                        rows->page_always |= UINT64_C(1) << i;
        }

        const struct {
                const char *table;
                unsigned columns;
                sqlite3_stmt **statement;
        } inserts[] = {
                {"exit", 1 + page + EXIT_COLUMN_COUNT, &rows->exit},
                {"handler_change", 1 + rows->set[FIELD_SET_HANDLED].count, &rows->handler_change},
                {"keyframe", 3 + page, &rows->keyframe},
                {"system_registers", 1 + rows->set[FIELD_SET_SYSTEM].count, &rows->system},
                {"segment_registers", 1 + rows->set[FIELD_SET_SEGMENT].count, &rows->segment},
                {"pending", 5, &rows->pending},
                {"irq_handoff", 5, &rows->irq_handoff},
                {"instruction", 5, &rows->instruction_add},
                {"walk", 2, &rows->walk_add},
                {"walk_read", 4, &rows->walk_read},
                {"input", 6, &rows->input},
                {"effect", 6, &rows->effect},
                {"device_field", 4, &rows->device_field},
                {"device_snapshot", 1, &rows->snapshot},
                {"device_state", 3, &rows->device_state},
                {"option", 2, &rows->option},
                {"mark", 5, &rows->mark},
                {"entry_state", 1 + page, &rows->entry_state},
                {"checkpoint", 5, &rows->checkpoint},
        };
        for (size_t i = 0; i < sizeof(inserts) / sizeof(inserts[0]); i++)
                if (!prepare_insert(rows, inserts[i].table, inserts[i].columns, inserts[i].statement, error))
                        return false;
        return database_prepare(db, "SELECT id FROM instruction WHERE address = ?1 AND code_bits = ?2 AND bytes = ?3",
                                &rows->instruction_find, error) &&
               database_prepare(db, "SELECT id FROM walk WHERE reads = ?1", &rows->walk_find, error);
}

void rows_finalize(struct rows *rows)
{
        sqlite3_stmt *const statements[] = {
                rows->exit,      rows->handler_change, rows->keyframe,   rows->system,           rows->segment,
                rows->pending,   rows->irq_handoff,    rows->input,      rows->effect,           rows->device_field,
                rows->snapshot,  rows->device_state,   rows->option,     rows->instruction_find, rows->instruction_add,
                rows->mark,      rows->entry_state,    rows->checkpoint, rows->walk_find,        rows->walk_add,
                rows->walk_read,
        };
        for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
                (void)sqlite3_finalize(statements[i]);
}

void rows_forget(struct rows *rows)
{
        memset(rows->instruction, 0, sizeof(rows->instruction));
        memset(rows->walk, 0, sizeof(rows->walk));
}

static bool step(struct rows *rows, sqlite3_stmt *statement, struct hwaccl_error *error)
{
        return database_step_done(rows->db, statement, error);
}

/* Binding to a parameter that exists fails only when memory is short; the step then reports a NOT NULL or nothing, so
 * results are gathered and looked at once per row. */
static int bind(sqlite3_stmt *statement, int parameter, int64_t value)
{
        return sqlite3_bind_int64(statement, parameter, value);
}

static bool bound(struct rows *rows, int result, struct hwaccl_error *error)
{
        return result == SQLITE_OK || database_error(rows->db, error, "cannot bind a value");
}

/* Columns of FIELD_SET_PAGE whose fields are known. */
static uint64_t page_columns(const struct rows *rows, const struct hwaccl_known_fields *known)
{
        const struct field_set *page = &rows->set[FIELD_SET_PAGE];
        uint64_t columns = 0;

        if (hwaccl_known_fields_equal(*known, hwaccl_known_fields_all()))
                return ~UINT64_C(0);
        for (unsigned i = 0; i < page->count; i++)
                columns |= (uint64_t)hwaccl_known_fields_has(known, page->index[i]) << i;
        return columns;
}

/* Most columns are NULL from row to row: only those that change between NULL and a value are bound. */
bool rows_exit(struct rows *rows, const struct exit_row *row, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->exit;
        const unsigned page = rows->set[FIELD_SET_PAGE].count;
        int result = bind(statement, 1, row->id);
        const uint64_t known = page_columns(rows, &row->state_known);
        const uint64_t as_in_base = page_columns(rows, &row->base_known) & ~rows->page_always;
        uint64_t there = 0;

        for (unsigned i = 0; i < page; i++) {
                unsigned word = rows->page_word[i];
                if (!(known >> i & 1) || (as_in_base >> i & 1 && row->state.word[word] == row->base->word[word]))
                        continue;
                there |= UINT64_C(1) << i;
                result |= bind(statement, 2 + (int)i, (int64_t)row->state.word[word]);
        }
        for (unsigned i = 0; i < EXIT_COLUMN_COUNT; i++) {
                if (!row->known[i])
                        continue;
                there |= UINT64_C(1) << (page + i);
                result |= bind(statement, 2 + (int)(page + i), row->column[i]);
        }
        for (uint64_t gone = rows->exit_bound & ~there; gone; gone &= gone - 1)
                result |= sqlite3_bind_null(statement, 2 + __builtin_ctzll(gone));
        rows->exit_bound = there;
        return bound(rows, result, error) && step(rows, statement, error);
}

bool rows_handler_change(struct rows *rows, int64_t id, uint64_t bitmap, const union state_words *next,
                         const struct hwaccl_known_fields *known, struct hwaccl_error *error)
{
        const struct field_set *set = &rows->set[FIELD_SET_HANDLED];
        int result = SQLITE_OK;
        bool any = false;

        for (unsigned i = 0; i < set->count; i++) {
                unsigned word = hwaccl_subject_fields[set->index[i]].offset / 8u;
                if (!(bitmap >> word & 1) || !hwaccl_known_fields_has(known, set->index[i]))
                        continue;
                if (!any)
                        result |= sqlite3_clear_bindings(rows->handler_change);
                any = true;
                result |= bind(rows->handler_change, 2 + (int)i, (int64_t)next->word[word]);
        }
        if (!any)
                return true;
        result |= bind(rows->handler_change, 1, id);
        return bound(rows, result, error) && step(rows, rows->handler_change, error);
}

static int bind_fields(sqlite3_stmt *statement, int first, const struct field_set *set, const union state_words *state,
                       const struct hwaccl_known_fields *known)
{
        int result = SQLITE_OK;

        for (unsigned i = 0; i < set->count; i++) {
                if (!hwaccl_known_fields_has(known, set->index[i])) {
                        result |= sqlite3_bind_null(statement, first + (int)i);
                        continue;
                }
                uint64_t value = hwaccl_field_get(&state->state, (enum hwaccl_field_index)set->index[i]);
                result |= bind(statement, first + (int)i, (int64_t)value);
        }
        return result;
}

bool rows_keyframe(struct rows *rows, int64_t id, uint64_t clock, uint64_t host_entry, const union state_words *entry,
                   const struct hwaccl_known_fields *known, struct hwaccl_error *error)
{
        int result = bind(rows->keyframe, 1, id) | bind(rows->keyframe, 2, (int64_t)clock) |
                     bind(rows->keyframe, 3, (int64_t)host_entry) |
                     bind_fields(rows->keyframe, 4, &rows->set[FIELD_SET_PAGE], entry, known);

        return bound(rows, result, error) && step(rows, rows->keyframe, error);
}

bool rows_entry_state(struct rows *rows, int64_t id, const union state_words *entry,
                      const struct hwaccl_known_fields *fields, struct hwaccl_error *error)
{
        int result = bind(rows->entry_state, 1, id) |
                     bind_fields(rows->entry_state, 2, &rows->set[FIELD_SET_PAGE], entry, fields);

        if (page_columns(rows, fields) == 0)
                return true;
        return bound(rows, result, error) && step(rows, rows->entry_state, error);
}

bool rows_group(struct rows *rows, enum field_set_name set, int64_t at, const union state_words *state,
                const struct hwaccl_known_fields *known, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = set == FIELD_SET_SYSTEM ? rows->system : rows->segment;
        int result = bind(statement, 1, at) | bind_fields(statement, 2, &rows->set[set], state, known);

        return bound(rows, result, error) && step(rows, statement, error);
}

bool rows_pending(struct rows *rows, int64_t id, const uint64_t words[4], struct hwaccl_error *error)
{
        int result = bind(rows->pending, 1, id);

        for (int i = 0; i < 4; i++)
                result |= bind(rows->pending, 2 + i, (int64_t)words[i]);
        return bound(rows, result, error) && step(rows, rows->pending, error);
}

bool rows_irq_handoff(struct rows *rows, const struct handoff_row *row, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->irq_handoff;
        int result = sqlite3_clear_bindings(statement) | bind(statement, 1, row->id) | bind(statement, 2, row->vector) |
                     bind(statement, 4, (int64_t)row->host_offered);

        if (row->settled)
                result |= bind(statement, 3, row->taken) | bind(statement, 5, (int64_t)row->host_settled);
        return bound(rows, result, error) && step(rows, statement, error);
}

static uint32_t instruction_hash(uint64_t address, unsigned code_bits, const uint8_t *bytes, size_t size)
{
        uint64_t hash = address * UINT64_C(0x9e3779b97f4a7c15) ^ (size << 8 | code_bits);

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
        return (uint32_t)(hash >> 20) % INSTRUCTION_CACHE_SIZE;
}

/* The text as the disassembler gives it, for the table. */
static bool add_instruction(struct rows *rows, const struct cached_instruction *instruction, int64_t *id,
                            struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->instruction_add;
        char text[128];

        hwaccl_instruction_disassemble(instruction->bytes, instruction->size, instruction->address,
                                       instruction->code_bits, text, sizeof(text));
        int result = sqlite3_bind_null(statement, 1) | bind(statement, 2, (int64_t)instruction->address) |
                     bind(statement, 3, instruction->code_bits) |
                     sqlite3_bind_blob(statement, 4, instruction->bytes, instruction->size, SQLITE_STATIC) |
                     sqlite3_bind_text(statement, 5, text, -1, SQLITE_STATIC);
        if (!bound(rows, result, error) || !step(rows, statement, error))
                return false;
        *id = sqlite3_last_insert_rowid(rows->db);
        return true;
}

static bool find_or_add(struct rows *rows, struct cached_instruction *instruction, struct hwaccl_error *error)
{
        sqlite3_stmt *find = rows->instruction_find;
        int result = bind(find, 1, (int64_t)instruction->address) | bind(find, 2, instruction->code_bits) |
                     sqlite3_bind_blob(find, 3, instruction->bytes, instruction->size, SQLITE_STATIC);

        if (!bound(rows, result, error))
                return false;
        result = sqlite3_step(find);
        if (result == SQLITE_ROW)
                instruction->id = sqlite3_column_int64(find, 0);
        (void)sqlite3_reset(find);
        if (result == SQLITE_ROW)
                return true;
        if (result != SQLITE_DONE)
                return database_error(rows->db, error, "cannot read");
        return add_instruction(rows, instruction, &instruction->id, error);
}

bool rows_instruction(struct rows *rows, uint64_t address, unsigned code_bits, const uint8_t *bytes, size_t size,
                      int64_t *id, struct hwaccl_error *error)
{
        struct cached_instruction *slot = &rows->instruction[instruction_hash(address, code_bits, bytes, size)];

        if (slot->size != size || slot->address != address || slot->code_bits != code_bits ||
            memcmp(slot->bytes, bytes, size) != 0) {
                struct cached_instruction instruction = {
                        .address = address, .size = (uint8_t)size, .code_bits = (uint8_t)code_bits};
                memcpy(instruction.bytes, bytes, size);
                if (!find_or_add(rows, &instruction, error))
                        return false;
                *slot = instruction;
        }
        *id = slot->id;
        return true;
}

static uint32_t walk_hash(const struct walk *walk)
{
        uint64_t hash = walk->count;

        for (size_t i = 0; i < walk->count; i++) {
                uint64_t data;
                memcpy(&data, walk->read[i].data, sizeof(data));
                hash = (hash ^ walk->read[i].address) * UINT64_C(0x9e3779b97f4a7c15);
                hash = (hash ^ hash >> 32 ^ data) * UINT64_C(0x9e3779b97f4a7c15);
        }
        return (uint32_t)(hash >> 40) % WALK_CACHE_SIZE;
}

static int bind_reads(sqlite3_stmt *statement, int parameter, const struct walk *walk)
{
        return sqlite3_bind_blob(statement, parameter, walk->read, (int)(walk->count * sizeof(walk->read[0])),
                                 SQLITE_STATIC);
}

static bool add_walk(struct rows *rows, const struct walk *walk, int64_t *id, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->walk_read;
        int result = sqlite3_bind_null(rows->walk_add, 1) | bind_reads(rows->walk_add, 2, walk);

        if (!bound(rows, result, error) || !step(rows, rows->walk_add, error))
                return false;
        *id = sqlite3_last_insert_rowid(rows->db);
        for (size_t i = 0; i < walk->count; i++) {
                result = bind(statement, 1, *id) | bind(statement, 2, (int64_t)i) |
                         bind(statement, 3, (int64_t)walk->read[i].address) |
                         sqlite3_bind_blob(statement, 4, walk->read[i].data, (int)walk->read[i].size, SQLITE_STATIC);
                if (!bound(rows, result, error) || !step(rows, statement, error))
                        return false;
        }
        return true;
}

static bool find_or_add_walk(struct rows *rows, const struct walk *walk, int64_t *id, struct hwaccl_error *error)
{
        sqlite3_stmt *find = rows->walk_find;

        if (!bound(rows, bind_reads(find, 1, walk), error))
                return false;
        int result = sqlite3_step(find);
        if (result == SQLITE_ROW)
                *id = sqlite3_column_int64(find, 0);
        (void)sqlite3_reset(find);
        if (result == SQLITE_ROW)
                return true;
        return result == SQLITE_DONE ? add_walk(rows, walk, id, error) : database_error(rows->db, error, "cannot read");
}

bool rows_walk(struct rows *rows, const struct walk *walk, int64_t *id, struct hwaccl_error *error)
{
        struct cached_walk *slot = &rows->walk[walk_hash(walk)];

        if (!slot->id || slot->walk.count != walk->count ||
            memcmp(slot->walk.read, walk->read, walk->count * sizeof(walk->read[0])) != 0) {
                slot->id = 0;
                if (!find_or_add_walk(rows, walk, id, error))
                        return false;
                slot->walk = *walk;
                slot->id = *id;
        }
        *id = slot->id;
        return true;
}

bool rows_event(struct rows *rows, sqlite3_stmt *table, const struct event_row *row, struct hwaccl_error *error)
{
        int result = bind(table, 1, row->exit) | bind(table, 2, (int64_t)row->sequence) | bind(table, 3, row->kind) |
                     bind(table, 4, (int64_t)row->address) | bind(table, 5, (int64_t)row->value);

        if (!row->data)
                result |= sqlite3_bind_null(table, 6);
        else
                result |= sqlite3_bind_blob(table, 6, row->data, (int)row->size, SQLITE_STATIC);
        return bound(rows, result, error) && step(rows, table, error);
}

bool rows_device_field(struct rows *rows, int64_t id, const char *device, const struct hwaccl_device_field *field,
                       struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->device_field;
        int result = bind(statement, 1, id) | sqlite3_bind_text(statement, 2, device, -1, SQLITE_STATIC) |
                     sqlite3_bind_text(statement, 3, field->name, -1, SQLITE_STATIC) | bind(statement, 4, field->size);

        return bound(rows, result, error) && step(rows, statement, error);
}

bool rows_snapshot(struct rows *rows, int64_t exit, struct hwaccl_error *error)
{
        return bound(rows, bind(rows->snapshot, 1, exit), error) && step(rows, rows->snapshot, error);
}

bool rows_device_state(struct rows *rows, int64_t exit, int64_t field, const uint8_t *data, size_t size,
                       struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->device_state;
        int result = bind(statement, 1, exit) | bind(statement, 2, field);
        uint64_t value = 0;

        if (size == 1 || size == 2 || size == 4 || size == 8) {
                memcpy(&value, data, size); /* little endian */
                result |= bind(statement, 3, (int64_t)value);
        } else {
                result |= sqlite3_bind_blob(statement, 3, data, (int)size, SQLITE_STATIC);
        }
        return bound(rows, result, error) && step(rows, statement, error);
}

bool rows_mark(struct rows *rows, const struct mark_row *row, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->mark;
        int result = bind(statement, 1, row->id) | bind(statement, 2, row->vcpu) |
                     (row->exit_known ? bind(statement, 3, row->exit) : sqlite3_bind_null(statement, 3)) |
                     bind(statement, 4, (int64_t)row->host_time) |
                     sqlite3_bind_text(statement, 5, row->text, (int)row->size, SQLITE_STATIC);

        return bound(rows, result, error) && step(rows, statement, error);
}

bool rows_option(struct rows *rows, const char *name, const char *value, struct hwaccl_error *error)
{
        int result = sqlite3_bind_text(rows->option, 1, name, -1, SQLITE_STATIC) |
                     sqlite3_bind_text(rows->option, 2, value, -1, SQLITE_STATIC);

        return bound(rows, result, error) && step(rows, rows->option, error);
}
