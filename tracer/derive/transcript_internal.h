/* Shared by the transcript's files. */
#ifndef HWACCL_TRACER_TRANSCRIPT_INTERNAL_H
#define HWACCL_TRACER_TRANSCRIPT_INTERNAL_H

#include "tracer/derive/transcript.h"

#include "tracer/database/decoder.h"
#include "tracer/derive/side_rows.h"
#include "tracer/ring/lane.h"
#include "tracer/ring/record_buffer.h"

/* What the cursor of exits does not have. */
enum side_table { SIDE_HANDOFF, SIDE_THREAD_TIME, SIDE_FAULT, SIDE_VMM_STATE, SIDE_MARK, SIDE_SEQUENCE, SIDE_TABLES };

/* A field of a device's state, as the recording declares it. */
struct transcript_field {
        char *device;
        char *field;
        uint32_t size;
};

struct transcript {
        struct hwaccl_recording *source;
        sqlite3 *db;
        char *path;
        struct transcript_field *field; /* in the order of a snapshot */
        size_t field_count;
        uint64_t first_sequence; /* of the exits taken, over all lanes; 0: none has one */
        uint64_t last_sequence;
        unsigned vcpus;   /* taken */
        unsigned to_ends; /* of them, up to their last exit */
};

/* One range, while it is taken. */
struct transcript_lane {
        struct transcript *transcript;
        const struct transcript_range *range;
        struct decoder decoder;
        struct lane lane; /* into held */
        struct lane_masks masks;
        struct record_buffer held; /* the records of one exit */
        struct side_rows side[SIDE_TABLES];
};

/* transcript_exit.c */

/** transcript_exit - one exit with all that belongs to it, through the decoder */
bool transcript_exit(struct transcript_lane *to, const struct hwaccl_recorded_exit *exit, struct hwaccl_error *error);

/** transcript_devices - the state of the devices after the exit before */
bool transcript_devices(struct transcript_lane *to, const struct hwaccl_recorded_device_field *field, size_t count,
                        struct hwaccl_error *error);

/** transcript_marks - those behind @exit, an exit.id */
bool transcript_marks(struct transcript_lane *to, int64_t exit, struct hwaccl_error *error);

/** transcript_close - the closing state of the vCPU, and what stands behind its last exit */
bool transcript_close(struct transcript_lane *to, const struct hwaccl_subject_state *state,
                      const struct hwaccl_known_fields *known, struct hwaccl_error *error);

/** transcript_feed - the held records to the decoder */
bool transcript_feed(struct transcript_lane *to, struct hwaccl_error *error);

#endif
