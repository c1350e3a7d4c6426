/* Instructions and page walks: each once, and its id in the exits. */
#include "tracer/database/rows_internal.h"

#include "core/exit/emulate/emulator.h"

#include <string.h>

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
