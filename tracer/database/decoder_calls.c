/* Records of what a VMM does beside its exits: rows of lane and vmm_call. */
#include "tracer/database/decoder_internal.h"

static uint64_t recorded_bytes(uint64_t total)
{
        return total < RING_CALL_DATA_MAX ? total : RING_CALL_DATA_MAX;
}

static void expect_data(struct decoder_state *state, uint64_t sequence, enum ring_call_side side, uint64_t total,
                        uint64_t size)
{
        state->call_data.sequence = sequence;
        state->call_data.side = side;
        state->call_data.offset = size;
        state->call_data.rest = recorded_bytes(total) - size;
}

bool decoder_has_call(const struct decoder_state *state, uint64_t sequence)
{
        for (unsigned i = 0; i < RING_CALL_NESTED_MAX; i++)
                if (state->call[i] == sequence)
                        return true;
        return false;
}

/* A call that a signal handler left with siglongjmp(3) never returns: it has to make room some time. */
static void open_call(struct decoder_state *state, uint64_t sequence)
{
        for (unsigned i = RING_CALL_NESTED_MAX - 1; i > 0; i--)
                state->call[i] = state->call[i - 1];
        state->call[0] = sequence;
}

static void close_call(struct decoder_state *state, uint64_t sequence)
{
        unsigned kept = 0;

        for (unsigned i = 0; i < RING_CALL_NESTED_MAX; i++)
                if (state->call[i] != sequence)
                        state->call[kept++] = state->call[i];
        while (kept < RING_CALL_NESTED_MAX)
                state->call[kept++] = 0;
}

bool decoder_take_lane(struct decoder *decoder, const struct ring_lane *record, struct hwaccl_error *error)
{
        return call_rows_lane(&decoder->call_rows, decoder->vcpu, record, error);
}

bool decoder_take_call(struct decoder *decoder, const struct ring_call *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;

        open_call(state, record->sequence);
        expect_data(state, record->sequence, RING_CALL_INPUT, record->total, record->size);
        return call_rows_call(&decoder->call_rows, decoder->vcpu, state->exits > state->first ? state->row.id : -1,
                              record, stamp_clock_ns(&decoder->clock, record->stamp), error);
}

bool decoder_take_called(struct decoder *decoder, const struct ring_called *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;

        close_call(state, record->sequence);
        expect_data(state, record->sequence, (enum ring_call_side)record->record.extra, record->total, record->size);
        return call_rows_called(&decoder->call_rows, decoder->vcpu, record,
                                stamp_clock_ns(&decoder->clock, record->stamp), error);
}

bool decoder_take_call_data(struct decoder *decoder, const struct ring_call_data *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;

        state->call_data.offset += record->size;
        state->call_data.rest -= record->size;
        return call_rows_data(&decoder->call_rows, decoder->vcpu, record, error);
}

void decoder_pass_call(struct decoder *decoder, const struct ring_record *record)
{
        struct decoder_state *state = &decoder->state;
        const void *body = record;

        switch (record->type) {
        case RING_RECORD_CALL: {
                const struct ring_call *call = body;
                open_call(state, call->sequence);
                expect_data(state, call->sequence, RING_CALL_INPUT, call->total, call->size);
                break;
        }
        case RING_RECORD_CALLED: {
                const struct ring_called *called = body;
                close_call(state, called->sequence);
                expect_data(state, called->sequence, RING_CALL_OUTPUT, called->total, called->size);
                break;
        }
        default: {
                const struct ring_call_data *data = body;
                state->call_data.offset += data->size;
                state->call_data.rest -= data->size;
        }
        }
}
