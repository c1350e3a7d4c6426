/* From the ring's records to the database's rows: the state machine of the writer thread. */
#ifndef HWACCL_TRACER_DECODER_H
#define HWACCL_TRACER_DECODER_H

#include "hwaccl/known_fields.h"
#include "tracer/database/rows.h"
#include "tracer/ring/ring_records.h"
#include "tracer/ring/timestamps.h"

/* Where an exit stands. */
enum decoder_phase {
        DECODER_BETWEEN = 0,  /* exits: its handling is done, or there was none yet */
        DECODER_ENTERED = 1,  /* the guest was entered */
        DECODER_HANDLING = 2, /* it left */
};

/* What a rollback must bring back: copied at every commit, and written into the database with it (checkpoint.h). */
struct decoder_state {
        union state_words now;   /* the last that was transferred, in or out */
        union state_words entry; /* of the exit in hand */
        union state_words base;  /* of the last keyframe */
        struct hwaccl_known_fields now_known;
        struct hwaccl_known_fields entry_known;
        struct hwaccl_known_fields base_known;
        struct hwaccl_known_fields never_based; /* those that were unknown once are in no keyframe any more */
        struct hwaccl_known_fields group_known; /* in the last rows of system and segment registers */
        struct exit_row row; /* the exit in hand, or the last one while its successor's entry is not there yet */
        bool row_open;
        struct handoff_row handoff;
        bool handoff_open;
        bool system_written; /* at the last entry */
        bool segment_written;
        enum decoder_phase phase;
        uint64_t first; /* exit number that reading started at */
        uint64_t exits; /* seen, those before the first included */
        uint64_t clock; /* last one read */
        uint64_t base_clock;
        uint64_t base_host_entry;
        uint64_t exit_stamp;
        uint64_t inputs;  /* of the exit in hand */
        struct walk walk; /* inputs 1 to count, until it is known whether the instruction follows */
        uint64_t effects;
        uint64_t marks; /* seen */
        bool snapshots; /* there was one */
};

struct decoder {
        struct rows rows;
        struct decoder_state state;
        struct stamp_clock clock;
        uint32_t vcpu;
        uint32_t keyframe_interval;
        uint64_t system_mask; /* words of the state */
        uint64_t segment_mask;
        struct hwaccl_known_fields system_fields;
        struct hwaccl_known_fields segment_fields;
        uint16_t *field_size; /* of all devices' fields, in the order of a snapshot */
        size_t field_count;
        uint8_t *device_state; /* as last written */
        size_t device_bytes;
};

/** decoder_init - *decoder is zeroed but for clock; decoder_finish() is due in either case */
bool decoder_init(struct decoder *decoder, sqlite3 *db, uint32_t vcpu, uint32_t keyframe_interval,
                  struct hwaccl_error *error);
void decoder_finish(struct decoder *decoder);

/** decoder_declare_devices - write the rows of device_field: snapshots hold these fields */
bool decoder_declare_devices(struct decoder *decoder, struct hwaccl_device *const *devices, size_t count,
                             struct hwaccl_error *error);

/** decoder_start_at - the next entry, or the snapshot before it, is that of exit @first: a keyframe */
void decoder_start_at(struct decoder *decoder, uint64_t first);

/** decoder_find_devices - the same from the rows that a recorder wrote; they are checked */
bool decoder_find_devices(struct decoder *decoder, struct hwaccl_error *error);

/** decoder_take - one record, which is trusted: see ring_record_problem() */
bool decoder_take(struct decoder *decoder, const struct ring_record *record, struct hwaccl_error *error);

/** decoder_flush - write what is in hand: nothing follows it */
bool decoder_flush(struct decoder *decoder, struct hwaccl_error *error);

/**
 * ring_record_problem - what is wrong with a record of a ring that is not trusted; NULL when it may be taken
 * @record: with all its words in memory
 *
 * Looks at type, lengths, numbers, and the order of records after those that the decoder has taken.
 */
const char *ring_record_problem(const struct decoder *decoder, const struct ring_record *record);

#endif
