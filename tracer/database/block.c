#include "tracer/database/block.h"

#include "hwaccl/exit_reason.h"

#include <string.h>

static void span_add(struct block_span *span, uint64_t value, bool first)
{
        span->sum += value;
        if (first || value < span->min)
                span->min = value;
        if (first || value > span->max)
                span->max = value;
}

void block_classify(struct block_exit *exit, const uint64_t *reason, const uint64_t *qualification)
{
        exit->counted[BLOCK_REASON] = true;
        exit->value[BLOCK_REASON] = reason ? (int64_t)(*reason & HWACCL_EXIT_REASON_BASIC_MASK) : BLOCK_UNKNOWN;
        exit->counted[BLOCK_PORT] = exit->value[BLOCK_REASON] == HWACCL_EXIT_IO_INSTRUCTION && qualification;
        exit->value[BLOCK_PORT] = exit->counted[BLOCK_PORT] ? (int64_t)(*qualification >> 16 & 0xffff) : 0;
        exit->counted[BLOCK_OUTCOME] = true;
}

bool block_is_full(const struct block *block)
{
        return block->counts + BLOCK_KIND_COUNT > BLOCK_COUNT_MAX;
}

static struct block_count *find_count(struct block *block, int64_t kind, int64_t value)
{
        uint64_t hash = ((uint64_t)value * BLOCK_KIND_COUNT + (uint64_t)kind) * UINT64_C(0x9e3779b97f4a7c15);
        struct block_count *count = &block->count[hash >> (64 - BLOCK_SLOT_BITS)];

        while (count->exits && (count->value != value || count->kind != kind))
                count = &block->count[(size_t)(count - block->count + 1) % BLOCK_SLOTS];
        if (!count->exits) {
                block->counts++;
                count->kind = kind;
                count->value = value;
        }
        return count;
}

void block_add(struct block *block, const struct block_exit *exit)
{
        if (block->exits++ == 0)
                block->first = exit->id;
        block->last = exit->id;
        if (exit->rip_known) {
                if (block->rips == 0 || exit->rip < block->rip_min)
                        block->rip_min = exit->rip;
                if (block->rips == 0 || exit->rip > block->rip_max)
                        block->rip_max = exit->rip;
                block->rips++;
        }
        for (unsigned kind = 0; kind < BLOCK_KIND_COUNT; kind++) {
                if (!exit->counted[kind])
                        continue;
                struct block_count *count = find_count(block, kind, exit->value[kind]);
                span_add(&count->guest, exit->guest_ns, count->exits == 0);
                if (exit->timed)
                        span_add(&count->handler, exit->handler_ns, count->timed == 0);
                count->exits++;
                count->timed += exit->timed;
        }
}

void block_add_row(struct block *block, const struct exit_row *row, uint64_t vector)
{
        const struct hwaccl_subject_state *state = (const struct hwaccl_subject_state *)(const void *)row->state;
        const struct hwaccl_known_fields *known = &row->state_known;
        const uint64_t reason = state->exit_reason;
        struct block_exit exit = {
                .id = row->id,
                .guest_ns = (uint64_t)row->column[EXIT_HOST_GUEST],
                .timed = row->known >> EXIT_HOST_HANDLER & 1,
                .handler_ns = (uint64_t)row->column[EXIT_HOST_HANDLER],
        };

        block_classify(&exit, hwaccl_known_fields_has(known, HWACCL_FIELD_INDEX_exit_reason) ? &reason : NULL,
                       hwaccl_known_fields_has(known, HWACCL_FIELD_INDEX_exit_qualification)
                               ? &state->exit_qualification
                               : NULL);
        exit.rip_known = hwaccl_known_fields_has(known, HWACCL_FIELD_INDEX_rip);
        exit.rip = state->rip;
        exit.counted[BLOCK_VECTOR] = vector != 0;
        exit.value[BLOCK_VECTOR] = (int64_t)vector - 1;
        exit.value[BLOCK_OUTCOME] = row->known >> EXIT_OUTCOME & 1 ? row->column[EXIT_OUTCOME] : BLOCK_UNKNOWN;
        block_add(block, &exit);
}

static void span_merge(struct block_span *span, const struct block_span *from, bool first)
{
        span->sum += from->sum;
        if (first || from->min < span->min)
                span->min = from->min;
        if (first || from->max > span->max)
                span->max = from->max;
}

void block_count_merge(struct block_count *count, const struct block_count *from)
{
        if (from->exits)
                span_merge(&count->guest, &from->guest, count->exits == 0);
        if (from->timed)
                span_merge(&count->handler, &from->handler, count->timed == 0);
        count->exits += from->exits;
        count->timed += from->timed;
}

/* Slots that no probe finds are harmless: check compares them with rows. */
bool block_is_good(const struct block *block, int64_t first, int64_t last)
{
        uint64_t used = 0;

        for (size_t i = 0; i < BLOCK_SLOTS; i++) {
                const struct block_count *count = &block->count[i];
                used += count->exits != 0;
                if (count->kind < 0 || count->kind >= BLOCK_KIND_COUNT || count->exits > block->exits)
                        return false;
        }
        return block->counts == used && used <= BLOCK_COUNT_MAX && block->rips <= block->exits &&
               (block->exits == 0 || (block->first >= first && block->first <= last && block->last == last));
}

bool block_rows_prepare(struct block_rows *rows, sqlite3 *db, struct hwaccl_error *error)
{
        rows->db = db;
        return database_prepare(db,
                                "INSERT OR REPLACE INTO block(id, last, exits, rip_min, rip_max) "
                                "VALUES (?1, ?2, ?3, ?4, ?5)",
                                &rows->block, error) &&
               database_prepare(db,
                                "INSERT OR REPLACE INTO block_count(kind, value, block, exits, timed, host_guest, "
                                "host_guest_min, host_guest_max, host_handler, host_handler_min, host_handler_max) "
                                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                                &rows->count, error);
}

void block_rows_finalize(struct block_rows *rows)
{
        (void)sqlite3_finalize(rows->block);
        (void)sqlite3_finalize(rows->count);
}

static int bind_all(sqlite3_stmt *statement, const int64_t *value, int count)
{
        int result = SQLITE_OK;

        for (int i = 0; i < count; i++)
                result |= sqlite3_bind_int64(statement, i + 1, value[i]);
        return result;
}

static bool step(struct block_rows *rows, sqlite3_stmt *statement, int result, struct hwaccl_error *error)
{
        return result == SQLITE_OK ? database_step_done(rows->db, statement, error)
                                   : database_error(rows->db, error, "cannot bind a value");
}

static bool put_count(struct block_rows *rows, int64_t block, const struct block_count *count,
                      struct hwaccl_error *error)
{
        const int64_t value[] = {count->kind,
                                 count->value,
                                 block,
                                 (int64_t)count->exits,
                                 (int64_t)count->timed,
                                 (int64_t)count->guest.sum,
                                 (int64_t)count->guest.min,
                                 (int64_t)count->guest.max,
                                 (int64_t)count->handler.sum,
                                 (int64_t)count->handler.min,
                                 (int64_t)count->handler.max};

        return step(rows, rows->count, bind_all(rows->count, value, sizeof(value) / sizeof(value[0])), error);
}

bool block_rows_put(struct block_rows *rows, struct block *block, struct hwaccl_error *error)
{
        const int64_t value[] = {block->first, block->last, (int64_t)block->exits, (int64_t)block->rip_min,
                                 (int64_t)block->rip_max};

        if (block->exits == 0)
                return true;
        int result = bind_all(rows->block, value, sizeof(value) / sizeof(value[0]));
        if (block->rips == 0)
                result |= sqlite3_bind_null(rows->block, 4) | sqlite3_bind_null(rows->block, 5);
        if (!step(rows, rows->block, result, error))
                return false;
        for (size_t i = 0; i < BLOCK_SLOTS; i++)
                if (block->count[i].exits && !put_count(rows, block->first, &block->count[i], error))
                        return false;
        memset(block, 0, sizeof(*block));
        return true;
}
