/* The recovery of a recording (recover.c) and of a flight recorder's window (flight_recover.c), and what both need. */
#ifndef HWACCL_TRACER_RECOVER_INTERNAL_H
#define HWACCL_TRACER_RECOVER_INTERNAL_H

#include "tracer/recover/recovery.h"

#include "tracer/database/decoder.h"
#include "tracer/ring/ring_reader.h"

#define RECOVERY_LANE_MAX 64u /* vCPUs of a recording */

struct recovery {
        char *database;
        char *ring; /* of the first vCPU; those of the others have .1, .2 … behind */
        struct ring_reader reader[RECOVERY_LANE_MAX]; /* one for each vCPU */
        int64_t vcpu[RECOVERY_LANE_MAX];
        unsigned lane_count;
        sqlite3 *db;
        struct decoder decoder; /* of one vCPU after the other */
        bool stopped;           /* the guest had ended, in an exit that was handled */
        struct hwaccl_recovery *result;
};

/* recover_records.c */

/** recovery_take_records - decode what a ring holds behind @position. A record that cannot be ends it, and is told in
 * the result: what follows has no meaning */
bool recovery_take_records(struct recovery *recovery, struct ring_reader *reader, uint64_t position,
                           struct hwaccl_error *error);

/** recovery_find_stop - how the guest ended, from the last exit of the vCPU in hand */
bool recovery_find_stop(struct recovery *recovery, struct hwaccl_error *error);

/** recovery_find_end - the end of the run. @known: the recorder itself wrote it */
bool recovery_find_end(struct recovery *recovery, bool *known, struct hwaccl_error *error);

/** recovery_write_status - the row of the status table, of which the recorder wrote the end when it is @known */
bool recovery_write_status(struct recovery *recovery, bool known, struct hwaccl_error *error);

/* flight_recover.c */

/** recovery_has_window - did a flight recorder leave segments beside the ring? */
bool recovery_has_window(const struct recovery *recovery);

/** recovery_of_window - the recording from segments and ring; the segments go, the ring stays for the caller */
bool recovery_of_window(struct recovery *recovery, struct hwaccl_error *error);

#endif
