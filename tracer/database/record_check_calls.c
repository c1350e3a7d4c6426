/* Records of a ring file that is not trusted: those of calls. */
#include "tracer/database/decoder_internal.h"

static bool fits(size_t size, size_t head, uint64_t data)
{
        return data <= RING_CALL_PIECE && size == head + RING_WORD_ROUND((size_t)data);
}

/* The first piece has all that there is, or all that one record may have. */
static bool first_piece_is_good(uint64_t total, uint64_t size)
{
        return total <= INT64_MAX && size == (total < RING_CALL_PIECE ? total : RING_CALL_PIECE);
}

static const char *lane_problem(const struct ring_lane *record, size_t size)
{
        if (size < sizeof(*record) || record->size > RING_LANE_NAME_MAX ||
            size != sizeof(*record) + RING_WORD_ROUND((size_t)record->size))
                return "a lane's thread of another length";
        return record->process <= INT32_MAX && record->thread <= INT32_MAX ? NULL : "a lane's thread that cannot be";
}

static const char *call_problem(const struct decoder *decoder, const struct ring_call *record, size_t size)
{
        const unsigned role = record->record.extra & ~(unsigned)RING_CALL_NUMBER;

        if (size < sizeof(*record) || !fits(size, sizeof(*record), record->size) ||
            !first_piece_is_good(record->total, record->size))
                return "a call of another length";
        if (role >= RING_CALL_ROLE_COUNT || record->sequence == 0 || record->sequence > INT64_MAX)
                return "a call that there is not";
        return decoder_stamp_is_good(decoder, record->stamp) ? NULL : "a time that cannot be";
}

static const char *called_problem(const struct decoder *decoder, const struct ring_called *record, size_t size)
{
        if (size < sizeof(*record) || !fits(size, sizeof(*record), record->size) ||
            !first_piece_is_good(record->total, record->size) || record->error > INT32_MAX ||
            record->record.extra > RING_CALL_OUTPUT)
                return "a call's end of another length";
        bool older = decoder->cutting && record->sequence < decoder->cut; /* than the window */
        if (record->sequence == 0 || (!older && !decoder_has_call(&decoder->state, record->sequence)))
                return "the end of a call that was not made";
        return decoder_stamp_is_good(decoder, record->stamp) ? NULL : "a time that cannot be";
}

static const char *data_problem(const struct decoder *decoder, const struct ring_call_data *record, size_t size)
{
        const struct decoder_state *state = &decoder->state;

        if (size < sizeof(*record) || record->size < 1 || !fits(size, sizeof(*record), record->size))
                return "a call's data of another length";
        return record->record.extra == state->call_data.side && record->sequence == state->call_data.sequence &&
                               record->offset == state->call_data.offset && record->size <= state->call_data.rest
                       ? NULL
                       : "data without its call";
}

const char *decoder_call_problem(const struct decoder *decoder, const struct ring_record *record, size_t size)
{
        const void *body = record;

        switch ((enum ring_record_type)record->type) {
        case RING_RECORD_LANE: return lane_problem(body, size);
        case RING_RECORD_CALL: return call_problem(decoder, body, size);
        case RING_RECORD_CALLED: return called_problem(decoder, body, size);
        default: return data_problem(decoder, body, size);
        }
}
