/* Writes rows of a recording: one prepared statement for each table, with its columns by name. */
#ifndef HWACCL_TRACER_ROWS_H
#define HWACCL_TRACER_ROWS_H

#include "core/machine/board/device.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/fault_chain.h"
#include "hwaccl/known_fields.h"
#include "tracer/database/database.h"
#include "tracer/database/field_sets.h"
#include "tracer/ring/exit_id.h"
#include "tracer/ring/state_delta.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The columns of table exit behind its id and the fields of FIELD_SET_PAGE: X(identifier, column). */
#define EXIT_COLUMNS(X)                                                                                                \
        X(RIP_ADVANCE, rip_advance)                                                                                    \
        X(NEXT_RAX, next_rax)                                                                                          \
        X(VERDICT, verdict)                                                                                            \
        X(OUTCOME, outcome)                                                                                            \
        X(CLOCK, clock)                                                                                                \
        X(INSTRUCTION, instruction)                                                                                    \
        X(INSTRUCTION_INPUT, instruction_input)                                                                        \
        X(HOST_ENTRY, host_entry)                                                                                      \
        X(HOST_GUEST, host_guest)                                                                                      \
        X(HOST_HANDLER, host_handler)                                                                                  \
        X(WALK, walk)                                                                                                  \
        X(SEQUENCE, sequence)

enum exit_column {
#define X(identifier, column) EXIT_##identifier,
        EXIT_COLUMNS(X)
#undef X
                EXIT_COLUMN_COUNT
};

/* Whole words without padding, as the following ones: decoder_state consists of them (decoder.h). */
struct exit_row {
        uint64_t state[STATE_WORDS]; /* at the exit */
        struct hwaccl_known_fields state_known;
        int64_t id;
        uint64_t known; /* bit for each column */
        int64_t column[EXIT_COLUMN_COUNT];
};

/* Page-table entries that a handler reads to find the instruction: two walks of four levels if it crosses pages. */
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

enum rows_statement {
        ROWS_EXIT,
        ROWS_HANDLER_CHANGE,
        ROWS_KEYFRAME,
        ROWS_ENTRY_STATE,
        ROWS_SYSTEM,
        ROWS_SEGMENT,
        ROWS_PENDING,
        ROWS_IRQ_HANDOFF,
        ROWS_INSTRUCTION,
        ROWS_WALK,
        ROWS_WALK_READ,
        ROWS_INPUT,
        ROWS_EFFECT,
        ROWS_FAULT,
        ROWS_DEVICE_FIELD,
        ROWS_DEVICE_SNAPSHOT,
        ROWS_DEVICE_STATE,
        ROWS_OPTION,
        ROWS_MARK,
        ROWS_GAP,
        ROWS_CHECKPOINT,
        ROWS_THREAD_TIME,
        ROWS_INSERT_COUNT,
        ROWS_FIND_INSTRUCTION = ROWS_INSERT_COUNT,
        ROWS_FIND_WALK,
        ROWS_STATEMENT_COUNT
};

struct rows {
        sqlite3 *db;
        struct field_set set[FIELD_SET_COUNT];
        uint8_t page_word[HWACCL_FIELD_COUNT]; /* FIELD_SET_PAGE as words of the state */
        uint64_t page_always;                  /* those of them that are never left NULL */
        sqlite3_stmt *statement[ROWS_STATEMENT_COUNT];
        uint64_t exit_bound; /* columns of ROWS_EXIT behind its id that are not NULL */
        struct cached_instruction instruction[INSTRUCTION_CACHE_SIZE];
        struct cached_walk walk[WALK_CACHE_SIZE];
};

/** rows_prepare - prepare all statements. Call rows_finalize() also when it fails */
bool rows_prepare(struct rows *rows, sqlite3 *db, struct hwaccl_error *error);
void rows_finalize(struct rows *rows);

/** rows_forget - after a rollback: forget the ids of instructions and walks, whose rows may be gone */
void rows_forget(struct rows *rows);

/** rows_exit - @base: of its keyframe; fields that are known there and the same are left NULL */
bool rows_exit(struct rows *rows, const struct exit_row *row, const union state_words *base,
               const struct hwaccl_known_fields *base_known, struct hwaccl_error *error);

/** rows_handler_change - the @known words of @bitmap that have a column; nothing when there are none */
bool rows_handler_change(struct rows *rows, int64_t id, uint64_t bitmap, const union state_words *next,
                         const struct hwaccl_known_fields *known, struct hwaccl_error *error);

/* Fields that are not in @known are NULL. */
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
        uint64_t vector;
        uint64_t settled; /* 0 or 1, as taken */
        uint64_t taken;
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
/** rows_event - @table: ROWS_INPUT or ROWS_EFFECT */
bool rows_event(struct rows *rows, enum rows_statement table, const struct event_row *row, struct hwaccl_error *error);

/** rows_fault - link @sequence of the exit's fault chain */
bool rows_fault(struct rows *rows, int64_t exit, unsigned sequence, const struct hwaccl_fault_link *link,
                struct hwaccl_error *error);

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

struct thread_time_row {
        int64_t exit;
        uint64_t moment; /* enum ring_thread_moment */
        uint64_t host_time;
        uint64_t host_cpu;
};
bool rows_thread_time(struct rows *rows, const struct thread_time_row *row, struct hwaccl_error *error);

/** rows_gap - exits @first to @last, which are ids, are missing: an imported trace lost @events events of theirs */
bool rows_gap(struct rows *rows, int64_t first, int64_t last, uint64_t events, struct hwaccl_error *error);

struct checkpoint_row {
        uint32_t vcpu;
        uint64_t ring;
        uint64_t position;
        const void *decoder;
        size_t decoder_size;
        const void *devices; /* BLOB of no bytes when devices_size is 0 */
        size_t devices_size;
};
bool rows_checkpoint(struct rows *rows, const struct checkpoint_row *row, struct hwaccl_error *error);

#endif
