/* The flight recorder's parts: its thread (flight.c), keeping the window (flight_window.c) in files (flight_segment.c),
 * what stays of older records (flight_kept.c), writing it out (flight_dump.c), and looking at exits (flight_trigger.c).
 */
#ifndef HWACCL_TRACER_FLIGHT_INTERNAL_H
#define HWACCL_TRACER_FLIGHT_INTERNAL_H

#include "tracer/record/flight/flight_recorder.h"

#include "tracer/database/decoder.h"
#include "tracer/database/writer_database.h"
#include "tracer/record/flight/flight_files.h"
#include "tracer/record/recorder.h"
#include "tracer/ring/consumer.h"
#include "tracer/ring/ring_records.h"

#include <stdatomic.h>

struct flight_segment {
        uint64_t number;   /* names the file */
        uint64_t first;    /* exit */
        uint64_t position; /* in the ring's count of bytes */
        uint64_t bytes;    /* of records */
        uint64_t event;    /* how many events the lane had before */
        uint64_t begun;    /* stamp of the first exit's entry, or of the call; 0: not seen yet */
        uint64_t order;    /* of it: ring_exit_order() */
};

#define FLIGHT_SHARES       16u                  /* the window is evicted in steps of one share */
#define FLIGHT_SEGMENT_MOST (UINT64_C(64) << 20) /* bytes: a recovery has a segment in memory */

/* One thread of the VMM. An event is an exit or a call. */
struct flight_lane {
        struct ring *ring;
        uint32_t vcpu;                  /* or the lane's number: LANE_THREAD_FIRST */
        struct flight_segment *segment; /* oldest first; the last one is being written */
        size_t segment_count;
        size_t segment_room;
        int fd; /* of the last segment, or -1 */

        uint64_t position; /* records before this position were examined */
        uint64_t written;  /* records before this position are in segments */
        uint64_t exits;    /* seen */
        uint64_t events;
        uint64_t head;       /* of the ring, when it was last looked at */
        uint64_t time;       /* stamp of the last examined record that has one */
        bool keyframe_begun; /* by the last record */

        const struct hwaccl_flight_trigger *met; /* by the current exit, whose handling has not ended */
        bool met_waited;                         /* for that, a whole rest */
        const struct hwaccl_flight_trigger *due; /* trigger of the last examined exit, to be served */
        union state_words now;                   /* the current exit, for triggers */

        uint64_t order;    /* of the last event: ring_record_order() */
        uint64_t dump_end; /* during a dump: records before this position belong to it */
        uint64_t dumped;   /* during a dump: records before this position are written; segments may be removed */
};

struct flight {
        struct recorder_sink sink;
        struct hwaccl_recorder_config config; /* a copy; strings owned, devices not */
        struct hwaccl_recording_option *option;
        struct hwaccl_flight_window window;
        char *window_text;
        struct hwaccl_flight_trigger trigger[HWACCL_FLIGHT_TRIGGER_MAX];
        bool triggered[HWACCL_FLIGHT_TRIGGER_MAX];
        size_t trigger_count;
        void (*notice)(void *opaque, const char *text);
        void *opaque;

        struct flight_lane *lane;
        unsigned lane_count;
        unsigned lane_max;
        _Atomic(struct ring *) joining; /* to be added; NULL: none, or it was */

        char *directory;
        int directory_fd;
        uint64_t next_number;
        int kept_fd; /* of the file of kept records */
        uint8_t *kept;
        size_t kept_size;

        uint64_t newest; /* stamp of the last entry of any lane */
        uint64_t cut;    /* stamp: all lanes have their exits from here on; 0: nothing was evicted yet */
        bool dumping;
        struct stamp_clock clock;

        _Atomic bool dump_asked;
        unsigned dump_number; /* last number tried */
        struct consumer consumer;
        _Atomic bool failed;       /* the rings' own mark is for producers, and may be of another process's memory */
        struct hwaccl_error error; /* valid if it failed */
};

/* flight_segment.c: error goes to flight->error, all return false then. */

/** flight_segments_open - create the directory; an existing one is an error, or is removed with @force */
bool flight_segments_open(struct flight *flight, const char *path, bool force, struct hwaccl_error *error);
/** flight_segments_close - @remove: with all files and the directory */
void flight_segments_close(struct flight *flight, bool remove);
/** flight_segment_begin - end the last segment of a lane, begin one with the records from @position on */
bool flight_segment_begin(struct flight *flight, struct flight_lane *lane, uint64_t position);
/** flight_segment_write - append records [lane->written, @end) of the ring to the last segment, release them in the
 * ring, and evict segments older than the window */
bool flight_segment_write(struct flight *flight, struct flight_lane *lane, uint64_t end);
/** flight_age - ns from a segment's first entry to the newest one */
uint64_t flight_age(const struct flight *flight, const struct flight_segment *segment);
/** flight_segments_trim - remove the oldest segments that neither the window nor a dump needs */
bool flight_segments_trim(struct flight *flight);
/** flight_segments_crowded - whether a dump holds more than a share of segments that the window no longer
 * needs */
bool flight_segments_crowded(const struct flight *flight);
/** flight_segment_map - a segment's records, mapped read-only: *size bytes, unmapped with flight_segment_unmap() */
const uint8_t *flight_segment_map(const struct flight *flight, const struct flight_segment *segment, size_t *size,
                                  struct hwaccl_error *error);
void flight_segment_unmap(const uint8_t *records, size_t size);

/** flight_write_all - write(2) until all is written; false with errno set */
bool flight_write_all(int fd, const void *data, size_t size);

/* flight_kept.c */

/** flight_kept_open - create the file; after flight_segments_open() */
bool flight_kept_open(struct flight *flight, struct hwaccl_error *error);
void flight_kept_close(struct flight *flight);
/** flight_keep - a record that every window has, however old it is. False with flight->error set */
bool flight_keep(struct flight *flight, const struct flight_lane *lane, const struct ring_record *record);
/** flight_kept_take - decode those of a lane */
bool flight_kept_take(const struct flight *flight, struct decoder *decoder, struct hwaccl_error *error);

/* flight_trigger.c */

/** flight_trigger_look - examine one record; returns a trigger that is met for the first time, or NULL */
const struct hwaccl_flight_trigger *flight_trigger_look(struct flight *flight, struct flight_lane *lane,
                                                        const struct ring_record *record);
/** flight_trigger_wait - before a rest: the trigger of an exit whose handling takes longer than a rest becomes due.
 * Whether one did */
bool flight_trigger_wait(struct flight *flight);
/** flight_trigger_due - the lane whose trigger was due first; NULL: none is */
struct flight_lane *flight_trigger_due(const struct flight *flight);

/* flight_window.c */

/** flight_absorb - move the records in the rings into segments, up to a lane's trigger that is due; during a dump too
 */
bool flight_absorb(struct flight *flight);
/** flight_catch_up - before a dump: what all lanes recorded until now, but no lane beyond a trigger that is due.
 * Nothing is evicted before flight->dumping is reset */
bool flight_catch_up(struct flight *flight);

/* flight_dump.c */

struct flight_dump {
        const char *path;
        const char *reason; /* for the recording's options */
        bool force;         /* replace an existing file */
        uint64_t last;      /* in the sequence: no event after this one; 0: all */
        const struct recording_end *how;
};

/** flight_dump_frame - write what a recovery needs besides the segments into the directory: options and device fields
 */
bool flight_dump_frame(struct flight *flight, struct hwaccl_error *error);

/** flight_dump - write the window, up to the last examined exits; on an error no file is left at the path */
bool flight_dump(struct flight *flight, const struct flight_dump *dump, struct hwaccl_error *error);

/** flight_dump_beside - write the window to the next free name (boot-1.db, …), and report the result; after
 * flight_catch_up(). @last: as in struct flight_dump */
void flight_dump_beside(struct flight *flight, const char *reason, uint64_t last);

/** flight_last_exit - "exit 12", "exit 12 of vCPU 1"; @lane: NULL: of all */
void flight_last_exit(const struct flight *flight, const struct flight_lane *lane, char *text, size_t room);

#endif
