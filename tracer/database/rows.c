#include "tracer/database/rows.h"

#include "core/exit/emulate/emulator.h"
#include "tracer/database/schema.h"

#include <stdlib.h>
#include <string.h>

/*
 * The columns of each statement, in the order of its parameters: X(prefix, column). A parameter is called
 * PREFIX_column; the first one behind them, PREFIX_fields, is that of the fields of the state in some tables.
 */
#define EXIT_ROW(X)       X(EXIT_ROW, id)
#define HANDLER_CHANGE(X) X(HANDLER_CHANGE, id)
#define KEYFRAME(X)       X(KEYFRAME, id) X(KEYFRAME, clock) X(KEYFRAME, host_entry)
#define ENTRY_STATE(X)    X(ENTRY_STATE, id)
#define GROUP(X)          X(GROUP, at)
#define PENDING(X)        X(PENDING, id) X(PENDING, word0) X(PENDING, word1) X(PENDING, word2) X(PENDING, word3)
#define IRQ_HANDOFF(X)                                                                                                 \
        X(IRQ_HANDOFF, id)                                                                                             \
        X(IRQ_HANDOFF, vector) X(IRQ_HANDOFF, taken) X(IRQ_HANDOFF, host_offered) X(IRQ_HANDOFF, host_settled)
#define INSTRUCTION(X)                                                                                                 \
        X(INSTRUCTION, id)                                                                                             \
        X(INSTRUCTION, address) X(INSTRUCTION, code_bits) X(INSTRUCTION, bytes) X(INSTRUCTION, text)
#define WALK(X)      X(WALK, id) X(WALK, reads)
#define WALK_READ(X) X(WALK_READ, walk) X(WALK_READ, sequence) X(WALK_READ, address) X(WALK_READ, data)
#define EVENT(X)     X(EVENT, exit) X(EVENT, sequence) X(EVENT, kind) X(EVENT, address) X(EVENT, value) X(EVENT, data)
#define FAULT(X)                                                                                                       \
        X(FAULT, exit)                                                                                                 \
        X(FAULT, sequence)                                                                                             \
        X(FAULT, source)                                                                                               \
        X(FAULT, vector)                                                                                               \
        X(FAULT, error_code)                                                                                           \
        X(FAULT, cr2)                                                                                                  \
        X(FAULT, cs)                                                                                                   \
        X(FAULT, rip)                                                                                                  \
        X(FAULT, step)                                                                                                 \
        X(FAULT, address)                                                                                              \
        X(FAULT, value)                                                                                                \
        X(FAULT, bound)                                                                                                \
        X(FAULT, raised) X(FAULT, raised_error_code) X(FAULT, raised_cr2)
#define DEVICE_FIELD(X)    X(DEVICE_FIELD, id) X(DEVICE_FIELD, device) X(DEVICE_FIELD, field) X(DEVICE_FIELD, size)
#define DEVICE_SNAPSHOT(X) X(DEVICE_SNAPSHOT, exit)
#define DEVICE_STATE(X)    X(DEVICE_STATE, exit) X(DEVICE_STATE, field) X(DEVICE_STATE, value)
#define OPTION(X)          X(OPTION, name) X(OPTION, value)
#define MARK(X)            X(MARK, id) X(MARK, vcpu) X(MARK, exit) X(MARK, host_time) X(MARK, text)
#define GAP(X)             X(GAP, first) X(GAP, last) X(GAP, events)
#define CHECKPOINT(X)                                                                                                  \
        X(CHECKPOINT, id)                                                                                              \
        X(CHECKPOINT, ring) X(CHECKPOINT, position) X(CHECKPOINT, decoder) X(CHECKPOINT, devices)
#define THREAD_TIME(X)      X(THREAD_TIME, exit) X(THREAD_TIME, moment) X(THREAD_TIME, host_time) X(THREAD_TIME, host_cpu)
#define FIND_INSTRUCTION(X) X(FIND_INSTRUCTION, address) X(FIND_INSTRUCTION, code_bits) X(FIND_INSTRUCTION, bytes)
#define FIND_WALK(X)        X(FIND_WALK, reads)

#define PARAMETER(prefix, column) prefix##_##column,
#define PARAMETERS(columns)       enum { columns##_none, columns(PARAMETER) columns##_fields }
PARAMETERS(EXIT_ROW);
PARAMETERS(HANDLER_CHANGE);
PARAMETERS(KEYFRAME);
PARAMETERS(ENTRY_STATE);
PARAMETERS(GROUP);
PARAMETERS(PENDING);
PARAMETERS(IRQ_HANDOFF);
PARAMETERS(INSTRUCTION);
PARAMETERS(WALK);
PARAMETERS(WALK_READ);
PARAMETERS(EVENT);
PARAMETERS(FAULT);
PARAMETERS(DEVICE_FIELD);
PARAMETERS(DEVICE_SNAPSHOT);
PARAMETERS(DEVICE_STATE);
PARAMETERS(OPTION);
PARAMETERS(MARK);
PARAMETERS(GAP);
PARAMETERS(CHECKPOINT);
PARAMETERS(THREAD_TIME);
PARAMETERS(FIND_INSTRUCTION);
PARAMETERS(FIND_WALK);

#define COLUMN(prefix, column)          "," #column
#define EXIT_COLUMN(identifier, column) "," #column
#define CONDITION(prefix, column)       " AND " #column " = ?"

/* Replacing lets the tail of a recording whose recorder died be written again. */
static const struct {
        const char *table;
        const char *columns; /* each behind a comma */
} inserts[ROWS_INSERT_COUNT] = {
        [ROWS_EXIT] = {"exit", EXIT_ROW(COLUMN) ",@page($)@" EXIT_COLUMNS(EXIT_COLUMN)},
        [ROWS_HANDLER_CHANGE] = {"handler_change", HANDLER_CHANGE(COLUMN) ",@handled($)@"},
        [ROWS_KEYFRAME] = {"keyframe", KEYFRAME(COLUMN) ",@page($)@"},
        [ROWS_ENTRY_STATE] = {"entry_state", ENTRY_STATE(COLUMN) ",@page($)@"},
        [ROWS_SYSTEM] = {"system_registers", GROUP(COLUMN) ",@system($)@"},
        [ROWS_SEGMENT] = {"segment_registers", GROUP(COLUMN) ",@segment($)@"},
        [ROWS_PENDING] = {"pending", PENDING(COLUMN)},
        [ROWS_IRQ_HANDOFF] = {"irq_handoff", IRQ_HANDOFF(COLUMN)},
        [ROWS_INSTRUCTION] = {"instruction", INSTRUCTION(COLUMN)},
        [ROWS_WALK] = {"walk", WALK(COLUMN)},
        [ROWS_WALK_READ] = {"walk_read", WALK_READ(COLUMN)},
        [ROWS_INPUT] = {"input", EVENT(COLUMN)},
        [ROWS_EFFECT] = {"effect", EVENT(COLUMN)},
        [ROWS_FAULT] = {"fault", FAULT(COLUMN)},
        [ROWS_DEVICE_FIELD] = {"device_field", DEVICE_FIELD(COLUMN)},
        [ROWS_DEVICE_SNAPSHOT] = {"device_snapshot", DEVICE_SNAPSHOT(COLUMN)},
        [ROWS_DEVICE_STATE] = {"device_state", DEVICE_STATE(COLUMN)},
        [ROWS_OPTION] = {"option", OPTION(COLUMN)},
        [ROWS_MARK] = {"mark", MARK(COLUMN)},
        [ROWS_GAP] = {"gap", GAP(COLUMN)},
        [ROWS_CHECKPOINT] = {"checkpoint", CHECKPOINT(COLUMN)},
        [ROWS_THREAD_TIME] = {"thread_time", THREAD_TIME(COLUMN)},
};

static bool prepare_insert(struct rows *rows, enum rows_statement name, struct hwaccl_error *error)
{
        char *columns = schema_expand(inserts[name].columns, SCHEMA_FIELDS_NOW);
        char parameters[2 * (HWACCL_FIELD_COUNT + 16)] = "";
        size_t used = 0;

        for (const char *comma = columns; comma && (comma = strchr(comma, ',')); comma++, used += 2)
                memcpy(parameters + used, ",?", 3);
        char *sql = columns ? sqlite3_mprintf("INSERT OR REPLACE INTO %s(%s) VALUES (%s)", inserts[name].table,
                                              columns + 1, parameters + 1)
                            : NULL;
        bool good = sql ? database_prepare(rows->db, sql, &rows->statement[name], error)
                        : hwaccl_error_set(error, "out of memory");
        sqlite3_free(sql);
        free(columns);
        return good;
}

/* Fields that every row has, also when they equal the keyframe's: queries use them without a join. */
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

        for (unsigned i = 0; i < ROWS_INSERT_COUNT; i++)
                if (!prepare_insert(rows, (enum rows_statement)i, error))
                        return false;
        return database_prepare(db, "SELECT id FROM instruction WHERE 1" FIND_INSTRUCTION(CONDITION),
                                &rows->statement[ROWS_FIND_INSTRUCTION], error) &&
               database_prepare(db, "SELECT id FROM walk WHERE 1" FIND_WALK(CONDITION),
                                &rows->statement[ROWS_FIND_WALK], error);
}

void rows_finalize(struct rows *rows)
{
        for (unsigned i = 0; i < ROWS_STATEMENT_COUNT; i++)
                (void)sqlite3_finalize(rows->statement[i]);
}

void rows_forget(struct rows *rows)
{
        memset(rows->instruction, 0, sizeof(rows->instruction));
        memset(rows->walk, 0, sizeof(rows->walk));
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

/* @result: of binding the row */
static bool insert(struct rows *rows, enum rows_statement name, int result, struct hwaccl_error *error)
{
        return bound(rows, result, error) && database_step_done(rows->db, rows->statement[name], error);
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

/* Most columns are NULL in row after row: only those that change between NULL and a value are bound. */
bool rows_exit(struct rows *rows, const struct exit_row *row, const union state_words *base,
               const struct hwaccl_known_fields *base_known, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_EXIT];
        const unsigned page = rows->set[FIELD_SET_PAGE].count;
        int result = bind(statement, EXIT_ROW_id, row->id);
        const uint64_t known = page_columns(rows, &row->state_known);
        const uint64_t as_in_base = page_columns(rows, base_known) & ~rows->page_always;
        uint64_t there = row->known << page;

        for (unsigned i = 0; i < page; i++) {
                unsigned word = rows->page_word[i];
                if (!(known >> i & 1) || (as_in_base >> i & 1 && row->state[word] == base->word[word]))
                        continue;
                there |= UINT64_C(1) << i;
                result |= bind(statement, EXIT_ROW_fields + (int)i, (int64_t)row->state[word]);
        }
        for (unsigned i = 0; i < EXIT_COLUMN_COUNT; i++)
                if (row->known >> i & 1)
                        result |= bind(statement, EXIT_ROW_fields + (int)(page + i), row->column[i]);
        for (uint64_t gone = rows->exit_bound & ~there; gone; gone &= gone - 1)
                result |= sqlite3_bind_null(statement, EXIT_ROW_fields + __builtin_ctzll(gone));
        rows->exit_bound = there;
        return insert(rows, ROWS_EXIT, result, error);
}

bool rows_handler_change(struct rows *rows, int64_t id, uint64_t bitmap, const union state_words *next,
                         const struct hwaccl_known_fields *known, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_HANDLER_CHANGE];
        const struct field_set *set = &rows->set[FIELD_SET_HANDLED];
        int result = SQLITE_OK;
        bool any = false;

        for (unsigned i = 0; i < set->count; i++) {
                unsigned word = hwaccl_subject_fields[set->index[i]].offset / 8u;
                if (!(bitmap >> word & 1) || !hwaccl_known_fields_has(known, set->index[i]))
                        continue;
                if (!any)
                        result |= sqlite3_clear_bindings(statement);
                any = true;
                result |= bind(statement, HANDLER_CHANGE_fields + (int)i, (int64_t)next->word[word]);
        }
        if (!any)
                return true;
        result |= bind(statement, HANDLER_CHANGE_id, id);
        return insert(rows, ROWS_HANDLER_CHANGE, result, error);
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
        sqlite3_stmt *statement = rows->statement[ROWS_KEYFRAME];
        int result = bind(statement, KEYFRAME_id, id) | bind(statement, KEYFRAME_clock, (int64_t)clock) |
                     bind(statement, KEYFRAME_host_entry, (int64_t)host_entry) |
                     bind_fields(statement, KEYFRAME_fields, &rows->set[FIELD_SET_PAGE], entry, known);

        return insert(rows, ROWS_KEYFRAME, result, error);
}

bool rows_entry_state(struct rows *rows, int64_t id, const union state_words *entry,
                      const struct hwaccl_known_fields *fields, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_ENTRY_STATE];

        if (page_columns(rows, fields) == 0)
                return true;
        int result = bind(statement, ENTRY_STATE_id, id) |
                     bind_fields(statement, ENTRY_STATE_fields, &rows->set[FIELD_SET_PAGE], entry, fields);
        return insert(rows, ROWS_ENTRY_STATE, result, error);
}

bool rows_group(struct rows *rows, enum field_set_name set, int64_t at, const union state_words *state,
                const struct hwaccl_known_fields *known, struct hwaccl_error *error)
{
        enum rows_statement name = set == FIELD_SET_SYSTEM ? ROWS_SYSTEM : ROWS_SEGMENT;
        sqlite3_stmt *statement = rows->statement[name];
        int result =
                bind(statement, GROUP_at, at) | bind_fields(statement, GROUP_fields, &rows->set[set], state, known);

        return insert(rows, name, result, error);
}

bool rows_pending(struct rows *rows, int64_t id, const uint64_t words[4], struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_PENDING];
        int result = bind(statement, PENDING_id, id) | bind(statement, PENDING_word0, (int64_t)words[0]) |
                     bind(statement, PENDING_word1, (int64_t)words[1]) |
                     bind(statement, PENDING_word2, (int64_t)words[2]) |
                     bind(statement, PENDING_word3, (int64_t)words[3]);

        return insert(rows, ROWS_PENDING, result, error);
}

bool rows_irq_handoff(struct rows *rows, const struct handoff_row *row, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_IRQ_HANDOFF];
        int result = sqlite3_clear_bindings(statement) | bind(statement, IRQ_HANDOFF_id, row->id) |
                     bind(statement, IRQ_HANDOFF_vector, (int64_t)row->vector) |
                     bind(statement, IRQ_HANDOFF_host_offered, (int64_t)row->host_offered);

        if (row->settled)
                result |= bind(statement, IRQ_HANDOFF_taken, (int64_t)row->taken) |
                          bind(statement, IRQ_HANDOFF_host_settled, (int64_t)row->host_settled);
        return insert(rows, ROWS_IRQ_HANDOFF, result, error);
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
        sqlite3_stmt *statement = rows->statement[ROWS_INSTRUCTION];
        char text[128];

        hwaccl_instruction_disassemble(instruction->bytes, instruction->size, instruction->address,
                                       instruction->code_bits, text, sizeof(text));
        int result =
                sqlite3_bind_null(statement, INSTRUCTION_id) |
                bind(statement, INSTRUCTION_address, (int64_t)instruction->address) |
                bind(statement, INSTRUCTION_code_bits, instruction->code_bits) |
                sqlite3_bind_blob(statement, INSTRUCTION_bytes, instruction->bytes, instruction->size, SQLITE_STATIC) |
                sqlite3_bind_text(statement, INSTRUCTION_text, text, -1, SQLITE_STATIC);
        if (!insert(rows, ROWS_INSTRUCTION, result, error))
                return false;
        *id = sqlite3_last_insert_rowid(rows->db);
        return true;
}

/* The id that a statement finds: 0 when there is none. @result: of binding what it looks for */
static bool find(struct rows *rows, enum rows_statement name, int result, int64_t *id, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[name];

        if (!bound(rows, result, error))
                return false;
        result = sqlite3_step(statement);
        *id = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
        if (result != SQLITE_ROW && result != SQLITE_DONE)
                (void)database_error(rows->db, error, "cannot read");
        (void)sqlite3_reset(statement);
        return result == SQLITE_ROW || result == SQLITE_DONE;
}

static bool find_or_add(struct rows *rows, struct cached_instruction *instruction, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_FIND_INSTRUCTION];
        int result = bind(statement, FIND_INSTRUCTION_address, (int64_t)instruction->address) |
                     bind(statement, FIND_INSTRUCTION_code_bits, instruction->code_bits) |
                     sqlite3_bind_blob(statement, FIND_INSTRUCTION_bytes, instruction->bytes, instruction->size,
                                       SQLITE_STATIC);

        return find(rows, ROWS_FIND_INSTRUCTION, result, &instruction->id, error) &&
               (instruction->id || add_instruction(rows, instruction, &instruction->id, error));
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
        sqlite3_stmt *statement = rows->statement[ROWS_WALK_READ];
        int result = sqlite3_bind_null(rows->statement[ROWS_WALK], WALK_id) |
                     bind_reads(rows->statement[ROWS_WALK], WALK_reads, walk);

        if (!insert(rows, ROWS_WALK, result, error))
                return false;
        *id = sqlite3_last_insert_rowid(rows->db);
        for (size_t i = 0; i < walk->count; i++) {
                result = bind(statement, WALK_READ_walk, *id) | bind(statement, WALK_READ_sequence, (int64_t)i) |
                         bind(statement, WALK_READ_address, (int64_t)walk->read[i].address) |
                         sqlite3_bind_blob(statement, WALK_READ_data, walk->read[i].data, (int)walk->read[i].size,
                                           SQLITE_STATIC);
                if (!insert(rows, ROWS_WALK_READ, result, error))
                        return false;
        }
        return true;
}

static bool find_or_add_walk(struct rows *rows, const struct walk *walk, int64_t *id, struct hwaccl_error *error)
{
        int result = bind_reads(rows->statement[ROWS_FIND_WALK], FIND_WALK_reads, walk);

        return find(rows, ROWS_FIND_WALK, result, id, error) && (*id || add_walk(rows, walk, id, error));
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

bool rows_event(struct rows *rows, enum rows_statement table, const struct event_row *row, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[table];
        int result = bind(statement, EVENT_exit, row->exit) | bind(statement, EVENT_sequence, (int64_t)row->sequence) |
                     bind(statement, EVENT_kind, row->kind) | bind(statement, EVENT_address, (int64_t)row->address) |
                     bind(statement, EVENT_value, (int64_t)row->value);

        if (!row->data)
                result |= sqlite3_bind_null(statement, EVENT_data);
        else
                result |= sqlite3_bind_blob(statement, EVENT_data, row->data, (int)row->size, SQLITE_STATIC);
        return insert(rows, table, result, error);
}

bool rows_fault(struct rows *rows, int64_t exit, unsigned sequence, const struct hwaccl_fault_link *link,
                struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_FAULT];
        const struct {
                int parameter;
                unsigned has; /* enum hwaccl_fault_has; 0: always */
                uint64_t value;
        } columns[] = {
                {FAULT_exit, 0, (uint64_t)exit},
                {FAULT_sequence, 0, sequence},
                {FAULT_source, 0, link->source},
                {FAULT_vector, 0, link->vector},
                {FAULT_error_code, HWACCL_FAULT_HAS_ERROR_CODE, link->error_code},
                {FAULT_cr2, HWACCL_FAULT_HAS_CR2, link->cr2},
                {FAULT_cs, 0, link->cs},
                {FAULT_rip, 0, link->rip},
                {FAULT_step, 0, link->step},
                {FAULT_address, HWACCL_FAULT_HAS_ADDRESS, link->address},
                {FAULT_value, HWACCL_FAULT_HAS_VALUE, link->value},
                {FAULT_bound, HWACCL_FAULT_HAS_LIMIT, link->limit},
                {FAULT_raised, HWACCL_FAULT_HAS_RAISED, link->raised},
                {FAULT_raised_error_code, HWACCL_FAULT_HAS_RAISED_ERROR_CODE, link->raised_error_code},
                {FAULT_raised_cr2, HWACCL_FAULT_HAS_RAISED_CR2, link->raised_cr2},
        };
        int result = SQLITE_OK;

        for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
                result |= columns[i].has && !(link->has & columns[i].has)
                                  ? sqlite3_bind_null(statement, columns[i].parameter)
                                  : bind(statement, columns[i].parameter, (int64_t)columns[i].value);
        return insert(rows, ROWS_FAULT, result, error);
}

bool rows_device_field(struct rows *rows, int64_t id, const char *device, const struct hwaccl_device_field *field,
                       struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_DEVICE_FIELD];
        int result = bind(statement, DEVICE_FIELD_id, id) |
                     sqlite3_bind_text(statement, DEVICE_FIELD_device, device, -1, SQLITE_STATIC) |
                     sqlite3_bind_text(statement, DEVICE_FIELD_field, field->name, -1, SQLITE_STATIC) |
                     bind(statement, DEVICE_FIELD_size, field->size);

        return insert(rows, ROWS_DEVICE_FIELD, result, error);
}

bool rows_snapshot(struct rows *rows, int64_t exit, struct hwaccl_error *error)
{
        int result = bind(rows->statement[ROWS_DEVICE_SNAPSHOT], DEVICE_SNAPSHOT_exit, exit);

        return insert(rows, ROWS_DEVICE_SNAPSHOT, result, error);
}

bool rows_device_state(struct rows *rows, int64_t exit, int64_t field, const uint8_t *data, size_t size,
                       struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_DEVICE_STATE];
        int result = bind(statement, DEVICE_STATE_exit, exit) | bind(statement, DEVICE_STATE_field, field);
        uint64_t value = 0;

        if (size == 1 || size == 2 || size == 4 || size == 8) {
                memcpy(&value, data, size); /* little endian */
                result |= bind(statement, DEVICE_STATE_value, (int64_t)value);
        } else {
                result |= sqlite3_bind_blob(statement, DEVICE_STATE_value, data, (int)size, SQLITE_STATIC);
        }
        return insert(rows, ROWS_DEVICE_STATE, result, error);
}

bool rows_mark(struct rows *rows, const struct mark_row *row, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_MARK];
        int result =
                bind(statement, MARK_id, row->id) | bind(statement, MARK_vcpu, row->vcpu) |
                (row->exit_known ? bind(statement, MARK_exit, row->exit) : sqlite3_bind_null(statement, MARK_exit)) |
                bind(statement, MARK_host_time, (int64_t)row->host_time) |
                sqlite3_bind_text(statement, MARK_text, row->text, (int)row->size, SQLITE_STATIC);

        return insert(rows, ROWS_MARK, result, error);
}

bool rows_option(struct rows *rows, const char *name, const char *value, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_OPTION];
        int result = sqlite3_bind_text(statement, OPTION_name, name, -1, SQLITE_STATIC) |
                     sqlite3_bind_text(statement, OPTION_value, value, -1, SQLITE_STATIC);

        return insert(rows, ROWS_OPTION, result, error);
}

bool rows_thread_time(struct rows *rows, const struct thread_time_row *row, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_THREAD_TIME];
        int result = bind(statement, THREAD_TIME_exit, row->exit) |
                     bind(statement, THREAD_TIME_moment, (int64_t)row->moment) |
                     bind(statement, THREAD_TIME_host_time, (int64_t)row->host_time) |
                     bind(statement, THREAD_TIME_host_cpu, (int64_t)row->host_cpu);

        return insert(rows, ROWS_THREAD_TIME, result, error);
}

bool rows_gap(struct rows *rows, int64_t first, int64_t last, uint64_t events, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_GAP];
        int result = bind(statement, GAP_first, first) | bind(statement, GAP_last, last) |
                     bind(statement, GAP_events, (int64_t)events);

        return insert(rows, ROWS_GAP, result, error);
}

bool rows_checkpoint(struct rows *rows, const struct checkpoint_row *row, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = rows->statement[ROWS_CHECKPOINT];
        int result =
                bind(statement, CHECKPOINT_id, row->vcpu) | bind(statement, CHECKPOINT_ring, (int64_t)row->ring) |
                bind(statement, CHECKPOINT_position, (int64_t)row->position) |
                sqlite3_bind_blob(statement, CHECKPOINT_decoder, row->decoder, (int)row->decoder_size, SQLITE_STATIC) |
                sqlite3_bind_blob(statement, CHECKPOINT_devices, row->devices, (int)row->devices_size, SQLITE_STATIC);

        return insert(rows, ROWS_CHECKPOINT, result, error);
}
