/*
 * The states around one exit after the other: as the guest was entered, as it left, and what the handling left. Rows
 * count from their keyframe, so the states at any exit take that keyframe and one row before it.
 */
#ifndef HWACCL_TRACER_STATE_READER_H
#define HWACCL_TRACER_STATE_READER_H

#include "tracer/read/stream.h"

#include "tracer/database/rows.h"
#include "tracer/ring/state_delta.h"

#define PAGE_MAX 32 /* columns of FIELD_SET_PAGE */

struct state_reader {
        struct hwaccl_recording *recording;
        struct stream exit;
        struct stream keyframe;
        struct stream change;
        struct stream entry_state;
        struct stream system;
        struct stream segment;

        unsigned page_count;
        uint8_t page_word[PAGE_MAX];
        struct hwaccl_known_fields page_bit[PAGE_MAX]; /* the field's bit */

        /* All below is of one place in the recording: state_reader_seek() begins anew. */
        struct state_place {
                uint64_t base[PAGE_MAX]; /* of the keyframe */
                struct hwaccl_known_fields base_known;
                uint64_t base_clock;
                uint64_t base_host_entry;
                bool started; /* base is valid */

                /* the exit at which the reader stands */
                int64_t id;
                uint64_t missing; /* exits before it that are in a gap */
                union state_words entry;
                union state_words at_exit;
                struct hwaccl_known_fields entry_known;
                struct hwaccl_known_fields exit_known;
                int64_t column[EXIT_COLUMN_COUNT];
                bool known[EXIT_COLUMN_COUNT];

                /* what its handling left; from state_reader_complete() on with what the next entry shows of it */
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

/** state_reader_prepare - stands nowhere; state_reader_close() is due in either case */
bool state_reader_prepare(struct state_reader *reader, struct hwaccl_recording *recording, struct hwaccl_error *error);
void state_reader_close(struct state_reader *reader);

/** state_reader_seek - stand before exit @id */
bool state_reader_seek(struct state_reader *reader, int64_t id, struct hwaccl_error *error);

/** state_reader_next - 1: stands at the next exit; 0: there is none; -1: *error says what is wrong */
int state_reader_next(struct state_reader *reader, struct hwaccl_error *error);

/**
 * state_reader_complete - bring what the handling left to what the next entry shows, where that one follows
 *
 * At the last exit and before a gap it stays what the row says; at.next_there tells whether there is anything.
 */
bool state_reader_complete(struct state_reader *reader, struct hwaccl_error *error);

/** state_reader_rest - let go of the database; the states stay */
void state_reader_rest(struct state_reader *reader);

#endif
