/*
 * Reads the states of one exit after the other: at the entry, at the exit, and after the handling. Rows
 * are relative to their keyframe, so the states of any exit need only that keyframe and one earlier row.
 */
#ifndef HWACCL_TRACER_STATE_READER_H
#define HWACCL_TRACER_STATE_READER_H

#include "tracer/read/integer_stream.h"

#include "tracer/database/rows.h"
#include "tracer/ring/state_delta.h"

#define PAGE_MAX 32 /* columns of FIELD_SET_PAGE */

struct state_reader {
        struct hwaccl_recording *recording;
        struct integer_stream exit;
        struct integer_stream keyframe;
        struct integer_stream change;
        struct integer_stream entry_state;
        struct integer_stream system;
        struct integer_stream segment;

        unsigned page_count;
        uint64_t page_columns; /* a bit for each */
        uint8_t page_word[PAGE_MAX];
        struct hwaccl_known_fields page_bit[PAGE_MAX]; /* the field's bit */

        /* Position in the recording; reset by state_reader_seek(). */
        struct state_place {
                uint64_t base[PAGE_MAX]; /* of the keyframe */
                struct hwaccl_known_fields base_known;
                uint64_t base_clock;
                uint64_t base_host_entry;
                bool started; /* base is valid */

                /* the current exit */
                int64_t id;
                uint64_t missing; /* number of exits in a gap before it */
                union state_words entry;
                union state_words at_exit;
                struct hwaccl_known_fields entry_known;
                struct hwaccl_known_fields exit_known;
                int64_t column[EXIT_COLUMN_COUNT];
                bool known[EXIT_COLUMN_COUNT];

                /* state after its handling; completed from the next entry by state_reader_complete() */
                union state_words next;
                struct hwaccl_known_fields next_known;
                bool next_there;
                bool next_complete;
                struct hwaccl_known_fields group_known; /* system and segment registers */
                int64_t system_at;                      /* key of the row that holds: at a keyframe, its own */
                int64_t segment_at;
                int64_t expected; /* id of the next exit */
        } at;
};

/** state_reader_prepare - initialize, without a position; always call state_reader_close() afterwards */
bool state_reader_prepare(struct state_reader *reader, struct hwaccl_recording *recording, struct hwaccl_error *error);
void state_reader_close(struct state_reader *reader);

/** state_reader_seek - set the position before exit @id */
bool state_reader_seek(struct state_reader *reader, int64_t id, struct hwaccl_error *error);

/** state_reader_next - advance: 1: at the next exit; 0: no more; -1: *error is set */
int state_reader_next(struct state_reader *reader, struct hwaccl_error *error);

/**
 * state_reader_complete - complete the state after the handling from the next entry, if that one follows
 *
 * At the last exit and before a gap it remains that of the row; at.next_there is whether there is any.
 */
bool state_reader_complete(struct state_reader *reader, struct hwaccl_error *error);

/** state_reader_rest - release the database; the states remain */
void state_reader_rest(struct state_reader *reader);

#endif
