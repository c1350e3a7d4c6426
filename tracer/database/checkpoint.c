#include "tracer/database/checkpoint.h"

#include "core/subject/pending_interrupts.h"

#include <stdlib.h>
#include <string.h>

static struct decoder_clock save_clock(const struct stamp_clock *clock)
{
        return (struct decoder_clock){clock->kind,     clock->origin_ns, clock->origin_stamp, clock->ns[1],
                                      clock->stamp[1], clock->latest_ns, clock->latest_stamp};
}

static void resume_clock(struct stamp_clock *clock, const struct decoder_clock *from)
{
        clock->kind = (enum stamp_kind)from->kind;
        clock->origin_ns = from->origin_ns;
        clock->origin_stamp = from->origin_stamp;
        clock->stamp[0] = clock->stamp[1] = from->sample_stamp;
        clock->ns[0] = clock->ns[1] = from->sample_ns;
        clock->latest_ns = from->latest_ns;
        clock->latest_stamp = from->latest_stamp;
}

bool checkpoint_write(struct decoder *decoder, uint64_t ring, uint64_t position, struct hwaccl_error *error)
{
        const struct checkpoint_row row = {.vcpu = decoder->vcpu,
                                           .ring = ring,
                                           .position = position,
                                           .decoder = &decoder->state,
                                           .decoder_size = DECODER_STATE_SIZE,
                                           .devices = decoder->device_state,
                                           .devices_size = decoder->device_bytes};

        decoder->state.time = save_clock(&decoder->clock);
        return rows_checkpoint(&decoder->rows, &row, error);
}

static bool column_is_good(const struct exit_row *row, enum exit_column column, int64_t count)
{
        return !(row->known >> column & 1) || (row->column[column] >= 0 && row->column[column] < count);
}

static bool row_is_good(const struct decoder_state *from)
{
        const struct exit_row *row = &from->row;

        return row->known >> EXIT_COLUMN_COUNT == 0 && (!from->row_open || from->exits > from->first) &&
               (from->phase != DECODER_HANDLING || from->row_open) &&
               column_is_good(row, EXIT_VERDICT, HWACCL_VERDICT_COUNT) &&
               column_is_good(row, EXIT_OUTCOME, HWACCL_OUTCOME_COUNT);
}

static bool time_is_good(const struct decoder_state *from)
{
        const struct decoder_clock *time = &from->time;
        uint64_t limit = UINT64_MAX - STAMP_SECONDS_MAX * STAMP_KHZ_MAX * 1000;

        return time->kind <= STAMP_MONOTONIC && time->sample_stamp >= time->origin_stamp &&
               time->sample_stamp <= limit && time->sample_ns <= INT64_MAX / 4 && time->latest_ns <= INT64_MAX / 4 &&
               from->base_host_entry <= INT64_MAX / 4 && from->handoff.host_offered <= INT64_MAX / 4 &&
               from->handoff.host_settled <= INT64_MAX / 4 && from->thread_time.host_time <= INT64_MAX / 4 &&
               from->thread_time.host_cpu <= INT64_MAX / 4 && from->thread_time.moment <= RING_THREAD_END;
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

static bool is_good(const struct decoder_state *from)
{
        bool flags = (from->row_open | from->handoff_open | from->handoff.settled | from->handoff.taken |
                      from->thread_time_open | from->system_written | from->segment_written | from->snapshots |
                      from->run_there | from->run_known) <= 1;

        return flags && from->vector <= HWACCL_VECTOR_COUNT && from->phase <= DECODER_HANDLING &&
               from->first <= from->exits && from->exits <= EXIT_NUMBER_MAX &&
               from->handoff.vector < HWACCL_VECTOR_COUNT && from->inputs <= INT64_MAX && from->effects <= INT64_MAX &&
               from->marks <= EXIT_NUMBER_MAX && from->call_data.rest <= RING_CALL_DATA_MAX &&
               walk_is_good(&from->walk) && row_is_good(from) && time_is_good(from);
}

/* What follows from other members, or of which bits have no meaning. */
static void complete(struct decoder_state *state, uint32_t vcpu)
{
        state->row.id = exit_id(vcpu, state->exits) - (state->exits > 0);
        state->handoff.id = exit_id(vcpu, state->exits - (state->phase == DECODER_HANDLING));
        state->now_known = hwaccl_known_fields_of_words(state->now_known.bits);
        state->entry_known = hwaccl_known_fields_of_words(state->entry_known.bits);
        state->base_known = hwaccl_known_fields_of_words(state->base_known.bits);
        state->never_based = hwaccl_known_fields_of_words(state->never_based.bits);
        state->group_known = hwaccl_known_fields_of_words(state->group_known.bits);
        state->row.state_known = hwaccl_known_fields_of_words(state->row.state_known.bits);
}

/* The exits that the checkpoint counts are those of the database, but for the one in hand. */
static bool exits_agree(struct decoder *decoder, const struct decoder_state *from, struct hwaccl_error *error)
{
        sqlite3 *db = decoder->rows.db;
        char sql[128];
        int64_t last = 0;
        int64_t base = exit_id(decoder->vcpu, 0);

        (void)sqlite3_snprintf(sizeof(sql), sql, "SELECT max(id) FROM exit WHERE id BETWEEN %lld AND %lld",
                               (long long)base, (long long)exit_id(decoder->vcpu, EXIT_NUMBER_MAX));
        if (!database_integer(db, sql, base - 1, &last, error))
                return false;
        int64_t expected = base + (int64_t)from->exits - 1 - (int64_t)from->row_open;
        return last == expected || hwaccl_error_set(error, "table checkpoint counts %lld exits, table exit has %lld",
                                                    (long long)(expected - base + 1), (long long)(last - base + 1));
}

static enum checkpoint_result read_row(struct decoder *decoder, sqlite3_stmt *row, uint64_t *ring, uint64_t *position,
                                       struct hwaccl_error *error)
{
        struct decoder_state state;
        int result = sqlite3_step(row);

        if (result == SQLITE_DONE)
                return CHECKPOINT_NONE;
        if (result != SQLITE_ROW) {
                (void)database_error(decoder->rows.db, error, "cannot read");
                return CHECKPOINT_BAD;
        }
        const void *blob = sqlite3_column_blob(row, 2);
        const void *devices = sqlite3_column_blob(row, 3);
        memset(&state, 0, sizeof(state));
        if (blob && sqlite3_column_bytes(row, 2) == (int)DECODER_STATE_SIZE)
                memcpy(&state, blob, DECODER_STATE_SIZE);
        if (state.version != DECODER_STATE_VERSION) {
                hwaccl_error_set(error, "table checkpoint: its layout is not version %u: use the hwaccl that recorded",
                                 (unsigned)DECODER_STATE_VERSION);
                return CHECKPOINT_BAD;
        }
        if (sqlite3_column_bytes(row, 3) != (int)decoder->device_bytes || (!devices && decoder->device_bytes)) {
                hwaccl_error_set(error, "table checkpoint: the state of the devices has %d bytes; expected %zu",
                                 sqlite3_column_bytes(row, 3), decoder->device_bytes);
                return CHECKPOINT_BAD;
        }
        if (!is_good(&state)) {
                hwaccl_error_set(error, "table checkpoint: a number is out of range");
                return CHECKPOINT_BAD;
        }
        if (!exits_agree(decoder, &state, error))
                return CHECKPOINT_BAD;
        complete(&state, decoder->vcpu);
        if (!block_is_good(&state.block, exit_id(decoder->vcpu, state.first), state.row.id - (int64_t)state.row_open)) {
                hwaccl_error_set(error, "table checkpoint: its block of exits is damaged");
                return CHECKPOINT_BAD;
        }
        decoder->state = state;
        resume_clock(&decoder->clock, &state.time);
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
