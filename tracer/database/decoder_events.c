/* Records of what the handling of an exit read and did: rows of input and effect, dictionaries, columns of the exit. */
#include "tracer/database/decoder_internal.h"

/* The reads were not a page walk that led to an instruction: rows of table input. */
bool decoder_flush_walk(struct decoder *decoder, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        uint64_t count = state->walk.count;

        state->walk.count = 0;
        for (uint64_t i = 0; i < count; i++) {
                struct event_row row = {state->row.id,
                                        1 + i,
                                        HWACCL_INPUT_MEMORY,
                                        state->walk.read[i].address,
                                        0,
                                        state->walk.read[i].data,
                                        (uint32_t)state->walk.read[i].size};
                if (!rows_event(&decoder->rows, ROWS_INPUT, &row, error))
                        return false;
        }
        return true;
}

static unsigned code_bits(const struct exit_row *row)
{
        const struct hwaccl_subject_state *state = (const struct hwaccl_subject_state *)(const void *)row->state;
        const uint64_t efer_lma = UINT64_C(1) << 10;
        const uint32_t long_code = 1u << 13;
        const uint32_t big = 1u << 14;

        if ((state->efer & efer_lma) && (state->cs.access_rights & long_code))
                return 64;
        return state->cs.access_rights & big ? 32 : 16;
}

/* Page-table entries follow the clock; the instruction follows them. */
static bool walks_on(const struct decoder_state *state, uint64_t sequence)
{
        return exit_row_has(&state->row, EXIT_CLOCK) && !exit_row_has(&state->row, EXIT_INSTRUCTION) &&
               sequence == 1 + state->walk.count && state->walk.count < WALK_MAX;
}

/* Data of @size bytes, 4 or 8, that was read at @address of guest memory. */
static bool take_entry_or_word(struct decoder *decoder, uint64_t address, const void *data, uint32_t size,
                               struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        uint64_t sequence = state->inputs++;

        if (walks_on(state, sequence)) {
                size_t i = state->walk.count++;
                memset(&state->walk.read[i], 0, sizeof(state->walk.read[i]));
                state->walk.read[i].address = address;
                state->walk.read[i].size = size;
                memcpy(state->walk.read[i].data, data, size);
                return true;
        }
        struct event_row row = {state->row.id, sequence, HWACCL_INPUT_MEMORY, address, 0, data, size};
        return decoder_flush_walk(decoder, error) && rows_event(&decoder->rows, ROWS_INPUT, &row, error);
}

bool decoder_take_walk(struct decoder *decoder, const struct ring_walk *walk, struct hwaccl_error *error)
{
        size_t count = ((size_t)walk->record.words * 8 - sizeof(*walk)) / sizeof(walk->entry[0]);

        for (size_t i = 0; i < count; i++)
                if (!take_entry_or_word(decoder, walk->entry[i].address, &walk->entry[i].value, walk->record.extra,
                                        error))
                        return false;
        return true;
}

static bool take_instruction(struct decoder *decoder, uint64_t sequence, const struct ring_event *record,
                             struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        int64_t id = 0;

        if (state->walk.count && sequence == 1 + state->walk.count) {
                if (!rows_walk(&decoder->rows, &state->walk, &id, error))
                        return false;
                state->walk.count = 0;
                exit_row_set(&state->row, EXIT_WALK, id);
        } else if (sequence != 1) {
                exit_row_set(&state->row, EXIT_INSTRUCTION_INPUT, (int64_t)sequence);
        }
        if (!decoder_flush_walk(decoder, error) ||
            !rows_instruction(&decoder->rows, record->address, code_bits(&state->row), record->data, record->size, &id,
                              error))
                return false;
        exit_row_set(&state->row, EXIT_INSTRUCTION, id);
        return true;
}

bool decoder_take_input(struct decoder *decoder, unsigned kind, const struct ring_event *record,
                        struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;

        if (kind == HWACCL_INPUT_MEMORY && record->value == 0 && record->has_data &&
            (record->size == 4 || record->size == 8))
                return take_entry_or_word(decoder, record->address, record->data, record->size, error);
        uint64_t sequence = state->inputs++;
        bool mode_known = hwaccl_known_fields_has(&state->row.state_known, HWACCL_FIELD_INDEX_efer) &&
                          hwaccl_known_fields_has(&state->row.state_known, HWACCL_FIELD_INDEX_cs_access_rights);

        if (kind == HWACCL_INPUT_INSTRUCTION && !exit_row_has(&state->row, EXIT_INSTRUCTION) && record->value == 0 &&
            record->size >= 1 && record->size <= INSTRUCTION_SIZE_MAX && mode_known)
                return take_instruction(decoder, sequence, record, error);
        if (!decoder_flush_walk(decoder, error))
                return false;
        struct event_row row = {state->row.id,   sequence,      kind,
                                record->address, record->value, record->has_data ? record->data : NULL,
                                record->size};
        return rows_event(&decoder->rows, ROWS_INPUT, &row, error);
}

bool decoder_take_clock(struct decoder *decoder, uint64_t value, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;

        if (state->inputs == 0) {
                state->inputs = 1;
                state->clock = value;
                exit_row_set(&state->row, EXIT_CLOCK, (int64_t)(value - state->base_clock));
                return true;
        }
        struct event_row row = {state->row.id, state->inputs++, HWACCL_INPUT_CLOCK, 0, value, NULL, 0};
        return decoder_flush_walk(decoder, error) && rows_event(&decoder->rows, ROWS_INPUT, &row, error);
}

bool decoder_take_effect(struct decoder *decoder, const struct ring_event *record, struct hwaccl_error *error)
{
        struct decoder_state *state = &decoder->state;
        struct event_row row = {state->row.id,   state->effects++, record->record.extra,
                                record->address, record->value,    record->has_data ? record->data : NULL,
                                record->size};

        return rows_event(&decoder->rows, ROWS_EFFECT, &row, error);
}
