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

/* decoder_cut.c */

/** decoder_passes - whether a record, while no exit of the window was there yet, is older than that or belongs to such
 * an exit */
bool decoder_passes(const struct decoder *decoder, const struct ring_record *record);

/** decoder_pass_over - take such a record */
bool decoder_pass_over(struct decoder *decoder, const struct ring_record *record, struct hwaccl_error *error);

/* decoder_events.c */

/** decoder_flush_walk - the reads were not a page walk that led to an instruction: rows of table input */
bool decoder_flush_walk(struct decoder *decoder, struct hwaccl_error *error);

bool decoder_take_walk(struct decoder *decoder, const struct ring_walk *walk, struct hwaccl_error *error);
bool decoder_take_input(struct decoder *decoder, unsigned kind, const struct ring_event *record,
                        struct hwaccl_error *error);
bool decoder_take_clock(struct decoder *decoder, uint64_t value, struct hwaccl_error *error);
bool decoder_take_effect(struct decoder *decoder, const struct ring_event *record, struct hwaccl_error *error);

/* decoder_calls.c */

bool decoder_take_lane(struct decoder *decoder, const struct ring_lane *record, struct hwaccl_error *error);
bool decoder_take_call(struct decoder *decoder, const struct ring_call *record, struct hwaccl_error *error);
bool decoder_take_called(struct decoder *decoder, const struct ring_called *record, struct hwaccl_error *error);
bool decoder_take_call_data(struct decoder *decoder, const struct ring_call_data *record, struct hwaccl_error *error);

/** decoder_has_call - whether a call has not returned yet */
bool decoder_has_call(const struct decoder_state *state, uint64_t sequence);

/* record_check.c */

static inline bool decoder_stamp_is_good(const struct decoder *decoder, uint64_t stamp)
{
        return stamp <= decoder->clock.stamp[1]; /* one before the beginning is of a clock that went back */
}

/** decoder_call_problem - ring_record_problem() of records of calls and lanes (record_check_calls.c) */
const char *decoder_call_problem(const struct decoder *decoder, const struct ring_record *record, size_t size);

/** decoder_pass_call - RING_RECORD_CALL, CALLED or CALL_DATA, without rows */
void decoder_pass_call(struct decoder *decoder, const struct ring_record *record);

#endif
