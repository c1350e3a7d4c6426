#include "tracer/database/checkpoint.h"

#include "core/subject/pending_interrupts.h"

#include <stdlib.h>
#include <string.h>

enum checkpoint_flag {
        FLAG_ROW_OPEN = 1,
        FLAG_HANDOFF_OPEN = 2,
        FLAG_HANDOFF_SETTLED = 4,
        FLAG_HANDOFF_TAKEN = 8,
        FLAG_SYSTEM_WRITTEN = 16,
        FLAG_SEGMENT_WRITTEN = 32,
        FLAG_SNAPSHOTS = 64,
        FLAG_ALL = 127,
};

/* struct decoder_state and the clock, in words. */
struct checkpoint {
        uint64_t now[STATE_WORDS];
        uint64_t entry[STATE_WORDS];
        uint64_t base[STATE_WORDS];
        uint64_t row_state[STATE_WORDS];
        /* which fields of the states are known */
        struct hwaccl_known_fields now_known;
        struct hwaccl_known_fields entry_known;
        struct hwaccl_known_fields base_known;
        struct hwaccl_known_fields never_based;
        struct hwaccl_known_fields group_known;
        struct hwaccl_known_fields row_state_known;
        uint64_t row_known; /* bit for each column */
        uint64_t row_column[EXIT_COLUMN_COUNT];
        uint64_t flags;
        uint64_t phase;
        uint64_t handoff_vector;
        uint64_t handoff_offered;
        uint64_t handoff_settled;
        uint64_t first;
        uint64_t exits;
        uint64_t clock;
        uint64_t base_clock;
        uint64_t base_host_entry;
        uint64_t exit_stamp;
        uint64_t inputs;
        struct walk walk;
        uint64_t effects;
        uint64_t marks;
        uint64_t stamp_kind;
        uint64_t origin_stamp;
        uint64_t origin_ns;
        uint64_t sample_stamp;
        uint64_t sample_ns;
        uint64_t latest_stamp;
        uint64_t latest_ns;
};

static void pack(const struct decoder *decoder, struct checkpoint *to)
{
        const struct decoder_state *state = &decoder->state;
        const struct stamp_clock *clock = &decoder->clock;

        memset(to, 0, sizeof(*to));
        memcpy(to->now, state->now.word, sizeof(to->now));
        memcpy(to->entry, state->entry.word, sizeof(to->entry));
        memcpy(to->base, state->base.word, sizeof(to->base));
        memcpy(to->row_state, state->row.state.word, sizeof(to->row_state));
        to->now_known = state->now_known;
        to->entry_known = state->entry_known;
        to->base_known = state->base_known;
        to->never_based = state->never_based;
        to->group_known = state->group_known;
        to->row_state_known = state->row.state_known;
        for (unsigned i = 0; i < EXIT_COLUMN_COUNT; i++) {
                to->row_known |= (uint64_t)state->row.known[i] << i;
                to->row_column[i] = (uint64_t)state->row.column[i];
        }
        to->flags = (state->row_open ? FLAG_ROW_OPEN : 0u) | (state->handoff_open ? FLAG_HANDOFF_OPEN : 0u) |
                    (state->handoff.settled ? FLAG_HANDOFF_SETTLED : 0u) |
                    (state->handoff.taken ? FLAG_HANDOFF_TAKEN : 0u) |
                    (state->system_written ? FLAG_SYSTEM_WRITTEN : 0u) |
                    (state->segment_written ? FLAG_SEGMENT_WRITTEN : 0u) | (state->snapshots ? FLAG_SNAPSHOTS : 0u);
        to->phase = state->phase;
        to->handoff_vector = state->handoff.vector;
        to->handoff_offered = state->handoff.host_offered;
        to->handoff_settled = state->handoff.host_settled;
        to->first = state->first;
        to->exits = state->exits;
        to->clock = state->clock;
        to->base_clock = state->base_clock;
        to->base_host_entry = state->base_host_entry;
        to->exit_stamp = state->exit_stamp;
        to->inputs = state->inputs;
        to->walk = state->walk;
        to->effects = state->effects;
        to->marks = state->marks;
        to->stamp_kind = clock->kind;
        to->origin_stamp = clock->origin_stamp;
        to->origin_ns = clock->origin_ns;
        to->sample_stamp = clock->stamp[1];
        to->sample_ns = clock->ns[1];
        to->latest_stamp = clock->latest_stamp;
        to->latest_ns = clock->latest_ns;
}

bool checkpoint_write(struct decoder *decoder, uint64_t ring, uint64_t position, struct hwaccl_error *error)
{
        struct checkpoint checkpoint;
        sqlite3_stmt *statement = decoder->rows.checkpoint;

        pack(decoder, &checkpoint);
        int result =
                sqlite3_bind_int64(statement, 1, decoder->vcpu) | sqlite3_bind_int64(statement, 2, (int64_t)ring) |
                sqlite3_bind_int64(statement, 3, (int64_t)position) |
                sqlite3_bind_blob(statement, 4, &checkpoint, sizeof(checkpoint), SQLITE_TRANSIENT) |
                sqlite3_bind_blob(statement, 5, decoder->device_state, (int)decoder->device_bytes, SQLITE_TRANSIENT);
        if (result != SQLITE_OK)
                return database_error(decoder->rows.db, error, "cannot bind a value");
        return database_step_done(decoder->rows.db, statement, error);
}

static bool row_is_good(const struct checkpoint *from)
{
        const uint64_t known = from->row_known;
        bool open = from->flags & FLAG_ROW_OPEN;

        if (known >> EXIT_COLUMN_COUNT || (open && from->exits == 0) || (from->phase == DECODER_HANDLING && !open))
                return false;
        if ((known >> EXIT_VERDICT & 1 && from->row_column[EXIT_VERDICT] >= HWACCL_VERDICT_COUNT) ||
            (known >> EXIT_OUTCOME & 1 && from->row_column[EXIT_OUTCOME] >= HWACCL_OUTCOME_COUNT))
                return false;
        return true;
}

static bool clock_is_good(const struct checkpoint *from)
{
        uint64_t limit = UINT64_MAX - STAMP_SECONDS_MAX * STAMP_KHZ_MAX * 1000;

        return from->stamp_kind <= STAMP_MONOTONIC && from->sample_stamp >= from->origin_stamp &&
               from->sample_stamp <= limit && from->sample_ns <= INT64_MAX / 4 && from->latest_ns <= INT64_MAX / 4 &&
               from->base_host_entry <= INT64_MAX / 4 && from->handoff_offered <= INT64_MAX / 4 &&
               from->handoff_settled <= INT64_MAX / 4;
}

static bool walk_is_good(const struct walk *walk)
{
        if (walk->count > WALK_MAX)
                return false;
        for (size_t i = 0; i < walk->count; i++)
                if (walk->read[i].size != 4 && walk->read[i].size != 8)
                        return false;
        return true;
}

static bool is_good(const struct checkpoint *from)
{
        return walk_is_good(&from->walk) && from->flags <= FLAG_ALL && from->phase <= DECODER_HANDLING &&
               from->first <= from->exits && from->exits <= EXIT_NUMBER_MAX &&
               from->handoff_vector < HWACCL_VECTOR_COUNT && from->inputs <= INT64_MAX && from->effects <= INT64_MAX &&
               from->marks <= EXIT_NUMBER_MAX && row_is_good(from) && clock_is_good(from);
}

static void unpack(struct decoder *decoder, const struct checkpoint *from)
{
        struct decoder_state *state = &decoder->state;
        struct stamp_clock *clock = &decoder->clock;

        memcpy(state->now.word, from->now, sizeof(from->now));
        memcpy(state->entry.word, from->entry, sizeof(from->entry));
        memcpy(state->base.word, from->base, sizeof(from->base));
        memcpy(state->row.state.word, from->row_state, sizeof(from->row_state));
        state->now_known = hwaccl_known_fields_of_words(from->now_known.bits);
        state->entry_known = hwaccl_known_fields_of_words(from->entry_known.bits);
        state->base_known = hwaccl_known_fields_of_words(from->base_known.bits);
        state->never_based = hwaccl_known_fields_of_words(from->never_based.bits);
        state->group_known = hwaccl_known_fields_of_words(from->group_known.bits);
        state->row.state_known = hwaccl_known_fields_of_words(from->row_state_known.bits);
        for (unsigned i = 0; i < EXIT_COLUMN_COUNT; i++) {
                state->row.known[i] = from->row_known >> i & 1;
                state->row.column[i] = (int64_t)from->row_column[i];
        }
        state->row_open = from->flags & FLAG_ROW_OPEN;
        state->row.id = exit_id(decoder->vcpu, from->exits - state->row_open);
        state->phase = (enum decoder_phase)from->phase;
        state->handoff_open = from->flags & FLAG_HANDOFF_OPEN;
        state->handoff.id = exit_id(decoder->vcpu, from->exits - (state->phase == DECODER_HANDLING));
        state->handoff.vector = (uint8_t)from->handoff_vector;
        state->handoff.settled = from->flags & FLAG_HANDOFF_SETTLED;
        state->handoff.taken = from->flags & FLAG_HANDOFF_TAKEN;
        state->handoff.host_offered = from->handoff_offered;
        state->handoff.host_settled = from->handoff_settled;
        state->system_written = from->flags & FLAG_SYSTEM_WRITTEN;
        state->segment_written = from->flags & FLAG_SEGMENT_WRITTEN;
        state->snapshots = from->flags & FLAG_SNAPSHOTS;
        state->first = from->first;
        state->exits = from->exits;
        state->clock = from->clock;
        state->base_clock = from->base_clock;
        state->base_host_entry = from->base_host_entry;
        state->exit_stamp = from->exit_stamp;
        state->inputs = from->inputs;
        state->walk = from->walk;
        state->effects = from->effects;
        state->marks = from->marks;
        clock->kind = (enum stamp_kind)from->stamp_kind;
        clock->origin_stamp = from->origin_stamp;
        clock->origin_ns = from->origin_ns;
        clock->stamp[0] = clock->stamp[1] = from->sample_stamp;
        clock->ns[0] = clock->ns[1] = from->sample_ns;
        clock->latest_stamp = from->latest_stamp;
        clock->latest_ns = from->latest_ns;
}

/* The exits that the checkpoint counts are those of the database, but for the one in hand. */
static bool exits_agree(struct decoder *decoder, const struct checkpoint *from, struct hwaccl_error *error)
{
        sqlite3 *db = decoder->rows.db;
        char sql[128];
        int64_t last = 0;
        int64_t base = exit_id(decoder->vcpu, 0);

        (void)sqlite3_snprintf(sizeof(sql), sql, "SELECT max(id) FROM exit WHERE id BETWEEN %lld AND %lld",
                               (long long)base, (long long)exit_id(decoder->vcpu, EXIT_NUMBER_MAX));
        if (!database_integer(db, sql, base - 1, &last, error))
                return false;
        int64_t expected = base + (int64_t)from->exits - 1 - ((from->flags & FLAG_ROW_OPEN) != 0);
        return last == expected || hwaccl_error_set(error, "table checkpoint counts %lld exits, table exit has %lld",
                                                    (long long)(expected - base + 1), (long long)(last - base + 1));
}

static enum checkpoint_result read_row(struct decoder *decoder, sqlite3_stmt *row, uint64_t *ring, uint64_t *position,
                                       struct hwaccl_error *error)
{
        struct checkpoint checkpoint;
        int result = sqlite3_step(row);

        if (result == SQLITE_DONE)
                return CHECKPOINT_NONE;
        if (result != SQLITE_ROW) {
                (void)database_error(decoder->rows.db, error, "cannot read");
                return CHECKPOINT_BAD;
        }
        const void *blob = sqlite3_column_blob(row, 2);
        const void *devices = sqlite3_column_blob(row, 3);
        if (!blob || sqlite3_column_bytes(row, 2) != (int)sizeof(checkpoint) ||
            sqlite3_column_bytes(row, 3) != (int)decoder->device_bytes || (!devices && decoder->device_bytes)) {
                hwaccl_error_set(error, "table checkpoint: a BLOB of another length");
                return CHECKPOINT_BAD;
        }
        memcpy(&checkpoint, blob, sizeof(checkpoint));
        if (!is_good(&checkpoint)) {
                hwaccl_error_set(error, "table checkpoint: a number out of range");
                return CHECKPOINT_BAD;
        }
        if (!exits_agree(decoder, &checkpoint, error))
                return CHECKPOINT_BAD;
        unpack(decoder, &checkpoint);
        if (devices)
                memcpy(decoder->device_state, devices, decoder->device_bytes);
        *ring = (uint64_t)sqlite3_column_int64(row, 0);
        *position = (uint64_t)sqlite3_column_int64(row, 1);
        return CHECKPOINT_READ;
}

enum checkpoint_result checkpoint_read(struct decoder *decoder, uint64_t *ring, uint64_t *position,
                                       struct hwaccl_error *error)
{
        sqlite3_stmt *row;

        if (!database_prepare(decoder->rows.db, "SELECT ring, position, decoder, devices FROM checkpoint WHERE id = ?1",
                              &row, error))
                return CHECKPOINT_BAD;
        if (sqlite3_bind_int64(row, 1, decoder->vcpu) != SQLITE_OK) {
                (void)database_error(decoder->rows.db, error, "cannot bind a value");
                (void)sqlite3_finalize(row);
                return CHECKPOINT_BAD;
        }
        enum checkpoint_result result = read_row(decoder, row, ring, position, error);
        (void)sqlite3_finalize(row);
        return result;
}
