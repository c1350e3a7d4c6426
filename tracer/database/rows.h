/* Rows of a recording on their way into the database: one prepared statement for each table. */
#ifndef HWACCL_TRACER_ROWS_H
#define HWACCL_TRACER_ROWS_H

#include "core/machine/board/device.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/known_fields.h"
#include "tracer/database/database.h"
#include "tracer/database/field_sets.h"
#include "tracer/ring/exit_id.h"
#include "tracer/ring/state_delta.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Column numbers of table exit behind the fields of FIELD_SET_PAGE. */
enum exit_column {
        EXIT_RIP_ADVANCE,
        EXIT_NEXT_RAX,
        EXIT_VERDICT,
        EXIT_OUTCOME,
        EXIT_CLOCK,
        EXIT_INSTRUCTION,
        EXIT_INSTRUCTION_INPUT,
        EXIT_HOST_ENTRY,
        EXIT_HOST_GUEST,
        EXIT_HOST_HANDLER,
        EXIT_WALK,
        EXIT_COLUMN_COUNT
};

struct exit_row {
        int64_t id;
        union state_words state; /* at the exit */
        struct hwaccl_known_fields state_known;
        const union state_words *base; /* of the keyframe */
        struct hwaccl_known_fields base_known;
        bool known[EXIT_COLUMN_COUNT];
        int64_t column[EXIT_COLUMN_COUNT];
};

/* What a handler reads of page tables to find the instruction: two walks of four levels for one that crosses pages. */
#define WALK_MAX        8u
#define WALK_CACHE_SIZE 1024u

struct walk {
        uint64_t count;
        struct {
                uint64_t address;
                uint64_t size; /* 4 or 8 bytes */
                uint8_t data[8];
        } read[WALK_MAX];
};

struct cached_walk {
        struct walk walk;
        int64_t id; /* 0: an empty slot */
};

#define INSTRUCTION_SIZE_MAX   15u
#define INSTRUCTION_CACHE_SIZE 4096u

struct cached_instruction {
        uint64_t address;
        uint8_t bytes[INSTRUCTION_SIZE_MAX];
        uint8_t size; /* 0: an empty slot */
        uint8_t code_bits;
        int64_t id;
};

struct rows {
        sqlite3 *db;
        struct field_set set[FIELD_SET_COUNT];
        uint8_t page_word[HWACCL_FIELD_COUNT]; /* FIELD_SET_PAGE as words of the state */
        uint64_t page_always;                  /* those of them that are never left NULL */
        sqlite3_stmt *exit;
        uint64_t exit_bound; /* parameters of exit, from the third on, that are not NULL */
        sqlite3_stmt *handler_change;
        sqlite3_stmt *keyframe;
        sqlite3_stmt *system;
        sqlite3_stmt *segment;
        sqlite3_stmt *pending;
        sqlite3_stmt *irq_handoff;
        sqlite3_stmt *instruction_find;
        sqlite3_stmt *instruction_add;
        sqlite3_stmt *walk_find;
        sqlite3_stmt *walk_add;
        sqlite3_stmt *walk_read;
        sqlite3_stmt *input;
        sqlite3_stmt *effect;
        sqlite3_stmt *device_field;
        sqlite3_stmt *snapshot;
        sqlite3_stmt *device_state;
        sqlite3_stmt *option;
        sqlite3_stmt *mark;
        sqlite3_stmt *entry_state;
        sqlite3_stmt *checkpoint;
        struct cached_instruction instruction[INSTRUCTION_CACHE_SIZE];
        struct cached_walk walk[WALK_CACHE_SIZE];
};

/** rows_prepare - rows_finalize() is due in either case */
bool rows_prepare(struct rows *rows, sqlite3 *db, struct hwaccl_error *error);
void rows_finalize(struct rows *rows);

/** rows_forget - after a rollback: ids of instructions and walks that were added no longer hold */
void rows_forget(struct rows *rows);

bool rows_exit(struct rows *rows, const struct exit_row *row, struct hwaccl_error *error);

/** rows_handler_change - the @known words of @bitmap that have a column; nothing when there are none */
bool rows_handler_change(struct rows *rows, int64_t id, uint64_t bitmap, const union state_words *next,
                         const struct hwaccl_known_fields *known, struct hwaccl_error *error);

/* Fields that are not in @known become NULL. */
bool rows_keyframe(struct rows *rows, int64_t id, uint64_t clock, uint64_t host_entry, const union state_words *entry,
                   const struct hwaccl_known_fields *known, struct hwaccl_error *error);

/** rows_entry_state - the fields of FIELD_SET_PAGE that are in @fields; nothing when there are none */
bool rows_entry_state(struct rows *rows, int64_t id, const union state_words *entry,
                      const struct hwaccl_known_fields *fields, struct hwaccl_error *error);

/** rows_group - a full row of system or segment registers; one that is there already is replaced */
bool rows_group(struct rows *rows, enum field_set_name set, int64_t at, const union state_words *state,
                const struct hwaccl_known_fields *known, struct hwaccl_error *error);

bool rows_pending(struct rows *rows, int64_t id, const uint64_t words[4], struct hwaccl_error *error);

struct handoff_row {
        int64_t id;
        uint8_t vector;
        bool settled;
        bool taken;
        uint64_t host_offered;
        uint64_t host_settled;
};
bool rows_irq_handoff(struct rows *rows, const struct handoff_row *row, struct hwaccl_error *error);

/** rows_instruction - the dictionary's id of an instruction, added if it is new; @size at most INSTRUCTION_SIZE_MAX */
bool rows_instruction(struct rows *rows, uint64_t address, unsigned code_bits, const uint8_t *bytes, size_t size,
                      int64_t *id, struct hwaccl_error *error);

/** rows_walk - the dictionary's id of a walk that is not empty, added if it is new */
bool rows_walk(struct rows *rows, const struct walk *walk, int64_t *id, struct hwaccl_error *error);

struct event_row {
        int64_t exit;
        uint64_t sequence;
        unsigned kind;
        uint64_t address;
        uint64_t value;
        const void *data; /* or NULL */
        uint32_t size;
};
bool rows_event(struct rows *rows, sqlite3_stmt *table, const struct event_row *row, struct hwaccl_error *error);

bool rows_device_field(struct rows *rows, int64_t id, const char *device, const struct hwaccl_device_field *field,
                       struct hwaccl_error *error);
bool rows_snapshot(struct rows *rows, int64_t exit, struct hwaccl_error *error);
bool rows_device_state(struct rows *rows, int64_t exit, int64_t field, const uint8_t *data, size_t size,
                       struct hwaccl_error *error);

struct mark_row {
        int64_t id; /* as those of exits: vCPU and number */
        uint32_t vcpu;
        bool exit_known; /* there was one before it */
        int64_t exit;
        uint64_t host_time;
        const char *text;
        size_t size;
};
bool rows_mark(struct rows *rows, const struct mark_row *row, struct hwaccl_error *error);

bool rows_option(struct rows *rows, const char *name, const char *value, struct hwaccl_error *error);

#endif
