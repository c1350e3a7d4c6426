/* The flight recorder's parts: its thread (flight.c), keeping the window (flight_window.c) in files (flight_segment.c),
 * writing it out (flight_dump.c), and looking at exits (flight_trigger.c). */
#ifndef HWACCL_TRACER_FLIGHT_INTERNAL_H
#define HWACCL_TRACER_FLIGHT_INTERNAL_H

#include "tracer/record/flight/flight_recorder.h"

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
        uint64_t begun;    /* stamp of the first exit's entry; 0: not seen yet */
};

struct flight_annotation {
        char *name;
        char *value;
};

#define FLIGHT_ANNOTATION_MAX 1024u
#define FLIGHT_ANNOTATION_MAX 1024u

#define FLIGHT_SHARES       16u                  /* the window is evicted in steps of one share */
#define FLIGHT_SEGMENT_MOST (UINT64_C(64) << 20) /* bytes: a recovery has a segment in memory */

struct flight {
        struct recorder_sink sink;
        struct ring *ring;
        struct hwaccl_recorder_config config; /* a copy; strings owned, devices not */
        struct hwaccl_recording_option *option;
        struct hwaccl_flight_window window;
        char *window_text;
        struct hwaccl_flight_trigger trigger[HWACCL_FLIGHT_TRIGGER_MAX];
        bool triggered[HWACCL_FLIGHT_TRIGGER_MAX];
        size_t trigger_count;
        void (*notice)(void *opaque, const char *text);
        void *opaque;

        char *directory;
        int directory_fd;
        struct flight_segment *segment; /* oldest first; the last one is being written */
        size_t segment_count;
        size_t segment_room;
        uint64_t next_number;
        int fd; /* of the last segment, or -1 */

        uint64_t position;                       /* records before this position were examined */
        uint64_t written;                        /* records before this position are in segments */
        uint64_t exits;                          /* seen */
        uint64_t newest;                         /* stamp of the last one's entry */
        bool keyframe_begun;                     /* by the last record */
        const struct hwaccl_flight_trigger *due; /* trigger of the last examined exit, to be served */
        bool dumping;
        uint64_t dumped; /* during a dump: records before this position are written; segments may be removed */
        struct stamp_clock clock;
        struct flight_annotation *annotation;
        size_t annotation_count;

        /* the current exit, for triggers */
        union state_words now;

        _Atomic bool dump_asked;
        unsigned dump_number; /* last number tried */
        struct consumer consumer;
        struct hwaccl_error error; /* valid if the ring is marked as failed */
};

/* flight_segment.c: error goes to flight->error, all return false then. */

/** flight_segments_open - create the directory; an existing one is an error, or is removed with @force */
bool flight_segments_open(struct flight *flight, const char *path, bool force, struct hwaccl_error *error);
/** flight_segments_close - @remove: with all files and the directory */
void flight_segments_close(struct flight *flight, bool remove);
/** flight_segment_begin - end the last segment, begin one with the records from @position on */
bool flight_segment_begin(struct flight *flight, uint64_t position);
/** flight_segment_write - append records [flight->written, @end) of the ring to the last segment, release them in the
 * ring, and evict segments older than the window */
bool flight_segment_write(struct flight *flight, uint64_t end);
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

/* flight_trigger.c */

/** flight_trigger_look - examine one record; returns a trigger that is met for the first time, or NULL */
const struct hwaccl_flight_trigger *flight_trigger_look(struct flight *flight, const struct ring_record *record);

/* flight_window.c */

/** flight_absorb - move the records in the ring into segments; during a dump */
bool flight_absorb(struct flight *flight);

/* flight_dump.c */

struct flight_dump {
        const char *path;
        const char *reason; /* for the recording's options */
        bool force;         /* replace an existing file */
        uint64_t end;       /* ring position: records before it */
        const struct recording_end *how;
};

/** flight_dump_frame - write what a recovery needs besides the segments into the directory: options and device fields
 */
bool flight_dump_frame(struct flight *flight, struct hwaccl_error *error);

/** flight_dump - write the window; on an error no file is left at the path */
bool flight_dump(struct flight *flight, const struct flight_dump *dump, struct hwaccl_error *error);

/** flight_dump_beside - write the window to the next free name (boot-1.db, …), and report the result */
void flight_dump_beside(struct flight *flight, const char *reason, uint64_t end);

#endif
