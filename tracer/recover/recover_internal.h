/* The recovery of a recording (recover.c) and of a flight recorder's window (flight_recover.c), and what both need. */
#ifndef HWACCL_TRACER_RECOVER_INTERNAL_H
#define HWACCL_TRACER_RECOVER_INTERNAL_H

#include "tracer/recover/recovery.h"

#include "tracer/database/decoder.h"
#include "tracer/ring/ring_reader.h"

#define RECOVERY_LANE_MAX RING_FILES_MAX

struct recovery {
        char *database;
        char *ring;                                   /* the first one; the others have the suffix .1, .2 … */
        struct ring_reader reader[RECOVERY_LANE_MAX]; /* one for each lane */
        int64_t vcpu[RECOVERY_LANE_MAX];              /* numbers of the lanes, ascending */
        unsigned lane_count;
        sqlite3 *db;
        struct decoder decoder; /* used for one vCPU after the other */
        bool stopped;           /* the guest had ended in an exit that was handled */
        struct hwaccl_recovery *result;
};

/* recover.c */

/** recovery_open_ring - open the ring of a vCPU but the first; *there: it is one that was used */
bool recovery_open_ring(struct recovery *recovery, unsigned lane, bool *there, struct hwaccl_error *error);

/* recover_records.c */

/** recovery_take_records - decode the records of a ring after @position. Stops at an invalid record, and reports it in
 * the result */
bool recovery_take_records(struct recovery *recovery, struct ring_reader *reader, uint64_t position,
                           struct hwaccl_error *error);

/** recovery_find_stop - determine how the guest ended from the last exit of the current vCPU */
bool recovery_find_stop(struct recovery *recovery, struct hwaccl_error *error);

/** recovery_find_end - the end of the run. @known: the recorder itself wrote it */
bool recovery_find_end(struct recovery *recovery, bool *known, struct hwaccl_error *error);

/** recovery_write_status - write the row of the status table; @known: the recorder wrote the end */
bool recovery_write_status(struct recovery *recovery, bool known, struct hwaccl_error *error);

/* flight_recover.c */

/** recovery_has_window - whether a flight recorder left segments */
bool recovery_has_window(const struct recovery *recovery);

/** recovery_of_window - make the recording from segments and ring; removes the segments, the caller removes the ring */
bool recovery_of_window(struct recovery *recovery, struct hwaccl_error *error);

#endif
