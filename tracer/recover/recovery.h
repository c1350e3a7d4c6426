/*
 * Recovery: completing the recording of a recorder that died, from the ring that it left beside the database
 * (RECORDING-ring). Everything in the ring is checked before it is used.
 */
#ifndef HWACCL_RECOVERY_H
#define HWACCL_RECOVERY_H

#include "hwaccl/error.h"
#include "tracer/ring/ring_status.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * hwaccl_recovery_state - is there a ring beside the recording @path?
 * @process: the process that wrote it, 0 when that cannot be told; may be NULL
 */
enum hwaccl_ring_state hwaccl_recovery_state(const char *path, uint32_t *process);

enum hwaccl_recovery_outcome {
        HWACCL_RECOVERY_DONE,     /* the ring's exits are in the database */
        HWACCL_RECOVERY_NOTHING,  /* the recording was complete; a ring that was left beside it is gone */
        HWACCL_RECOVERY_NO_EXITS, /* the recorder died before it began to record: its files are gone */
};

struct hwaccl_recovery {
        enum hwaccl_recovery_outcome outcome;
        uint64_t exits;     /* of the recording, now */
        uint64_t recovered; /* of them from the ring */
        uint64_t lost;    /* that the vCPU thread had completed and the ring does not give any more: 0 but for damage */
        uint32_t process; /* that died */
        bool unfinished;  /* the last exit's handling was not finished */
        bool cut;         /* behind the last exit there was half a record */
        uint64_t damaged_at; /* position in the ring of a record that cannot be; UINT64_MAX: none */
        char damage[64];     /* what was wrong with it */
        bool ended;          /* the guest had ended: the recording is complete */
        unsigned end;        /* enum hwaccl_end */
        uint64_t end_code;
};

/**
 * hwaccl_recover - complete the recording @path from its ring
 * @path: of the database, or of the ring file beside it
 *
 * A flight recorder leaves segments (RECORDING-flight) and no database: the recording is made of them and the ring, and
 * has their window.
 *
 * All exits that the vCPU thread completed are in the database afterwards, and the one that it was at, as far as it
 * came. The database changes in one transaction that is on the disk before the ring goes: a recovery that dies can be
 * run again. Returns false with *error set when nothing could be done: the recorder still lives, the ring or the
 * database cannot be read or written, or they do not belong together; ring and database are then as they were.
 */
bool hwaccl_recover(const char *path, struct hwaccl_recovery *recovery, struct hwaccl_error *error);

#endif
