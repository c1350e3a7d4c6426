/* Shared by the decoder's files. */
#ifndef HWACCL_TRACER_DATABASE_DECODER_INTERNAL_H
#define HWACCL_TRACER_DATABASE_DECODER_INTERNAL_H

#include "tracer/database/decoder.h"

static inline void exit_row_set(struct exit_row *row, enum exit_column column, int64_t value)
{
        row->known |= UINT64_C(1) << column;
        row->column[column] = value;
}

static inline bool exit_row_has(const struct exit_row *row, enum exit_column column)
{
        return row->known >> column & 1;
}

/* decoder_events.c */

/** decoder_flush_walk - the reads were not a page walk that led to an instruction: rows of table input */
bool decoder_flush_walk(struct decoder *decoder, struct hwaccl_error *error);

bool decoder_take_walk(struct decoder *decoder, const struct ring_walk *walk, struct hwaccl_error *error);
bool decoder_take_input(struct decoder *decoder, unsigned kind, const struct ring_event *record,
                        struct hwaccl_error *error);
bool decoder_take_clock(struct decoder *decoder, uint64_t value, struct hwaccl_error *error);
bool decoder_take_effect(struct decoder *decoder, const struct ring_event *record, struct hwaccl_error *error);

#endif
