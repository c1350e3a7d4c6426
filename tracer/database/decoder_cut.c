/* A lane whose window begins between two of its keyframes: exits and calls before it leave their state, and no rows. */
#include "tracer/database/decoder_internal.h"

#include <string.h>

void decoder_cut(struct decoder *decoder, uint64_t order)
{
        decoder->cut = order;
        decoder->cutting = true;
}

bool decoder_passes(const struct decoder *decoder, const struct ring_record *record)
{
        const void *body = record;

        switch ((enum ring_record_type)record->type) {
        case RING_RECORD_OFFER: return false; /* nothing is written before its exit */
        case RING_RECORD_ANNOTATION:
        case RING_RECORD_LANE: return false;
        case RING_RECORD_CALL: return ((const struct ring_call *)body)->sequence < decoder->cut;
        case RING_RECORD_CALLED: return ((const struct ring_called *)body)->sequence < decoder->cut;
        case RING_RECORD_CALL_DATA: return ((const struct ring_call_data *)body)->sequence < decoder->cut;
        default: return true;
        }
}

static void pass_entry(struct decoder *decoder, const struct ring_entry *record)
{
        struct decoder_state *state = &decoder->state;
        const uint64_t *end = state_delta_apply(record->bitmap, record->words, &state->now);

        decoder->cut_entry = record->record.extra;
        if (record->record.extra == RING_ENTRY_PARTIAL)
                state->entry_known = hwaccl_known_fields_of_words(end);
        state->phase = DECODER_ENTERED;
}

static void pass_exit(struct decoder *decoder, const struct ring_exit *record)
{
        struct decoder_state *state = &decoder->state;

        (void)state_delta_apply(record->bitmap, record->words, &state->now);
        state->phase = DECODER_HANDLING;
        state->exits++;
        state->first++;
}

/* The first exit of the window: its entry with all words, as a keyframe has it. */
static bool begin(struct decoder *decoder, const struct ring_exit *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        uint64_t room[(sizeof(struct ring_entry) + sizeof(state->now) + sizeof(state->entry_known)) / 8];
        struct ring_entry *entry = (struct ring_entry *)(void *)room;

        memset(room, 0, sizeof(room));
        entry->record =
                (struct ring_record){.words = sizeof(room) / 8, .type = RING_RECORD_ENTRY, .extra = decoder->cut_entry};
        entry->bitmap = ~UINT64_C(0);
        memcpy(entry->words, state->now.word, sizeof(state->now.word));
        memcpy(entry->words + STATE_WORDS, &state->entry_known, sizeof(state->entry_known));
        decoder->cutting = false;
        decoder_start_at(decoder, state->exits);
        return decoder_take(decoder, &entry->record, error) && decoder_take(decoder, &record->record, error);
}

bool decoder_pass_over(struct decoder *decoder, const struct ring_record *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        const void *body = record;

        switch ((enum ring_record_type)record->type) {
        case RING_RECORD_ENTRY: pass_entry(decoder, body); break;
        case RING_RECORD_EXIT: {
                const struct ring_exit *exit = body;
                if (ring_exit_order(exit) >= decoder->cut)
                        return begin(decoder, exit, error);
                pass_exit(decoder, exit);
                break;
        }
        case RING_RECORD_RECLAIM: state->handoff_open = false; break;
        case RING_RECORD_HANDLED:
        case RING_RECORD_UNHANDLED:
                state->phase = DECODER_BETWEEN;
                state->handoff_open = false;
                break;
        case RING_RECORD_CALL:
        case RING_RECORD_CALLED:
        case RING_RECORD_CALL_DATA: decoder_pass_call(decoder, record); break;
        default: break;
        }
        return true;
}
