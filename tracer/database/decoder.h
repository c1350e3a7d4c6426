/* Decodes records of a ring into rows of the database: the state machine of the writer thread. */
#ifndef HWACCL_TRACER_DECODER_H
#define HWACCL_TRACER_DECODER_H

#include "hwaccl/known_fields.h"
#include "tracer/database/block.h"
#include "tracer/database/call_rows.h"
#include "tracer/database/kernel_rows.h"
#include "tracer/database/rows.h"
#include "tracer/database/vmm_rows.h"
#include "tracer/ring/record_tap.h"
#include "tracer/ring/timestamps.h"

/* The phase of an exit. */
enum decoder_phase {
        DECODER_BETWEEN = 0,  /* between exits: the last one is handled, or there was none yet */
        DECODER_ENTERED = 1,  /* the guest was entered */
        DECODER_HANDLING = 2, /* it exited */
};

/* The part of a stamp_clock (timestamps.h) with which another process continues to convert. */
struct decoder_clock {
        uint64_t kind; /* enum stamp_kind */
        uint64_t origin_ns;
        uint64_t origin_stamp;
        uint64_t sample_ns; /* the last one */
        uint64_t sample_stamp;
        uint64_t latest_ns;
        uint64_t latest_stamp;
};

/*
 * The state of decoding between two records. A rollback restores the copy that was made at the commit; the same bytes
 * are in table checkpoint (checkpoint.h), so all members are 64-bit words, little endian, without padding. A change of
 * the layout needs a new DECODER_STATE_VERSION.
 */
#define DECODER_STATE_VERSION UINT64_C(4)

struct decoder_state {
        uint64_t version; /* DECODER_STATE_VERSION */
        uint64_t phase;   /* enum decoder_phase */
        uint64_t first;   /* exit number that reading started at */
        uint64_t exits;   /* seen, those before the first included */
        uint64_t clock;   /* last one read */
        uint64_t base_clock;
        uint64_t base_host_entry;
        uint64_t last_stamp;     /* of the last exit, then of the end of its handling */
        union state_words now;   /* the last transfer, in or out */
        union state_words entry; /* of the current exit */
        union state_words base;  /* of the last keyframe */
        struct hwaccl_known_fields now_known;
        struct hwaccl_known_fields entry_known;
        struct hwaccl_known_fields base_known;
        struct hwaccl_known_fields never_based; /* unknown at some moment: in no keyframe */
        struct hwaccl_known_fields group_known; /* in the last rows of system and segment registers */
        struct exit_row row;                    /* the current exit; the last one until the next entry */
        struct walk walk; /* inputs 1 to count, until it is known whether the instruction follows */
        struct handoff_row handoff;
        struct thread_time_row thread_time; /* before the entry: for the row of a keyframe */
        uint64_t vector;                    /* 1 + the one that was offered before the exit of the row; 0: none */
        struct block block;
        struct hwaccl_kvm_run run;           /* of the row */
        struct hwaccl_kvm_run run_written;   /* in the last row of its table */
        uint64_t run_there;                  /* 0 or 1, as the following */
        uint64_t run_known;                  /* that last row has values */
        uint64_t call[RING_CALL_NESTED_MAX]; /* sequence numbers of those that have not returned, the newest first; or 0
                                              */
        struct {
                uint64_t sequence;
                uint64_t side;   /* enum ring_call_side */
                uint64_t offset; /* bytes that were there */
                uint64_t rest;   /* bytes that follow */
        } call_data;             /* of the last call or return */
        uint64_t inputs;         /* of the current exit */
        uint64_t effects;
        uint64_t marks;    /* seen */
        uint64_t row_open; /* 0 or 1, as the following */
        uint64_t handoff_open;
        uint64_t thread_time_open;
        uint64_t system_written; /* at the last entry */
        uint64_t segment_written;
        uint64_t snapshots;        /* there was a snapshot */
        struct decoder_clock time; /* as of the checkpoint; it is never rolled back */
};

/* Bytes that are saved: without the padding at its end, which alignment adds. */
#define DECODER_STATE_SIZE (offsetof(struct decoder_state, time) + sizeof(struct decoder_clock))

struct decoder {
        struct rows rows;
        struct block_rows block_rows;
        struct vmm_rows vmm_rows;
        struct kernel_rows kernel_rows;
        struct call_rows call_rows;
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
        uint64_t cut;           /* see decoder_cut() */
        bool cutting;           /* no exit that is not older was there yet */
        struct record_tap *tap; /* gets each record first; NULL: none */
        uint8_t cut_entry;      /* enum ring_entry_extra of the last entry that was passed over */
};

/** decoder_init - *decoder is zero except for clock and tap. Call decoder_finish() also when it fails */
bool decoder_init(struct decoder *decoder, sqlite3 *db, uint32_t vcpu, uint32_t keyframe_interval,
                  struct hwaccl_error *error);
void decoder_finish(struct decoder *decoder);

/** decoder_declare_devices - write the rows of device_field: the fields of a snapshot, in order */
bool decoder_declare_devices(struct decoder *decoder, struct hwaccl_device *const *devices, size_t count,
                             struct hwaccl_error *error);

/** decoder_start_at - the next entry, or the snapshot before it, is that of exit @first: a keyframe */
void decoder_start_at(struct decoder *decoder, uint64_t first);

/** decoder_cut - after decoder_start_at(): leave out exits that were entered before @order, and what belongs
 * to them; the first one that is not becomes a keyframe */
void decoder_cut(struct decoder *decoder, uint64_t order);

/** decoder_find_devices - read those rows, as a recorder wrote them; they are checked */
bool decoder_find_devices(struct decoder *decoder, struct hwaccl_error *error);

/** decoder_take - decode one record, which is trusted: see ring_record_problem() */
bool decoder_take(struct decoder *decoder, const struct ring_record *record, struct hwaccl_error *error);

/** decoder_flush - write the rows that wait for further records */
bool decoder_flush(struct decoder *decoder, struct hwaccl_error *error);

/**
 * ring_record_problem - what is wrong with a record of a ring that is not trusted; NULL when it may be taken
 * @record: with all its words in memory
 *
 * Looks at type, lengths, numbers, and the order of records after those that the decoder has taken.
 */
const char *ring_record_problem(const struct decoder *decoder, const struct ring_record *record);

#endif
