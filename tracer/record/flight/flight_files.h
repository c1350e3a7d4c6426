/*
 * A window's files, for the flight recorder that writes them and for the recovery that reads what it left: the
 * directory RECORDING-flight with segments of raw records of one vCPU, each beginning where a decoder may start, with a
 * frame, a recording without exits that holds what the segments do not say, and with the records that every window has.
 * With several vCPUs the window begins at the time that the header of the first ring says; without it where the
 * segments begin.
 */
#ifndef HWACCL_TRACER_FLIGHT_FILES_H
#define HWACCL_TRACER_FLIGHT_FILES_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stdint.h>

#define FLIGHT_FRAME       "frame.db"
#define FLIGHT_SUFFIX      "-flight"              /* of the directory, behind the recording's name */
#define FLIGHT_KEPT        "kept"                 /* records that every window has */
#define FLIGHT_NEW         "new.db"               /* a recording while it is made, in the directory */
#define FLIGHT_OPTION_RING "flight_recorder_ring" /* identity of the ring: which run a window is of */

#define FLIGHT_NAME_SIZE 24 /* room for a segment's name */

#define FLIGHT_MAGIC       "hwaccl-f" /* 8 bytes, without a terminator */
#define FLIGHT_VERSION     4u
#define FLIGHT_VERSION_MIN 1u /* that is still read: its records are those of rings of version 2 */
#define FLIGHT_HEADER_SIZE 64u

/* A segment file: this header, then records as in the ring, each with the mark of its position there. */
struct flight_header {
        char magic[8];
        uint32_t version;
        uint32_t vcpu;
        uint64_t first;    /* number of the first exit */
        uint64_t position; /* of the first record: a SNAPSHOT, or else the THREAD_TIME or ENTRY of a keyframe */
        uint64_t stamp_origin;
        uint64_t stamp_khz; /* estimate when the segment was begun */
        uint32_t stamp_kind;
        uint32_t keyframe_interval;
        uint64_t unused;
};

/* Before each record in the file FLIGHT_KEPT. The mark of a record there says nothing. */
struct flight_kept {
        uint32_t vcpu;
        uint32_t size; /* bytes of the record */
};

#define FLIGHT_KEPT_MAX (UINT64_C(4) << 20) /* bytes */

_Static_assert(sizeof(struct flight_header) == FLIGHT_HEADER_SIZE, "the layout of a segment file");

/** flight_is_segment - whether it is the name of a segment file */
bool flight_is_segment(const char *name);

/** flight_directory_remove - remove a window's directory and its files; other files stay and are an error */
bool flight_directory_remove(const char *directory, struct hwaccl_error *error);

#endif
