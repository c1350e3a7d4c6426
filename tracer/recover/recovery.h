/*
 * Recovery: completes the recording of a recorder that died, from its ring file
 * (RECORDING-ring). The ring is untrusted: everything is checked before use.
 */
#ifndef HWACCL_RECOVERY_H
#define HWACCL_RECOVERY_H

#include "hwaccl/error.h"
#include "tracer/ring/ring_status.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * hwaccl_recovery_state - whether the recording @path has a ring, and who holds it
 * @process: PID of its recorder, 0 if unknown; may be NULL
 */
enum hwaccl_ring_state hwaccl_recovery_state(const char *path, uint32_t *process);

/** hwaccl_recovery_is_begun - whether the database @path is there and has a recording's first rows. Beside a ring: if
 * not, the recorder is about to write them, or died before it did */
bool hwaccl_recovery_is_begun(const char *path);

enum hwaccl_recovery_outcome {
        HWACCL_RECOVERY_DONE,     /* the ring's exits are in the database */
        HWACCL_RECOVERY_NOTHING,  /* nothing was missing; a leftover ring was removed */
        HWACCL_RECOVERY_NO_EXITS, /* the recorder died before it began to record; its files were removed */
};

struct hwaccl_recovery {
        enum hwaccl_recovery_outcome outcome;
        uint64_t exits;     /* of the recording, now */
        uint64_t recovered; /* from the ring */
        uint64_t lost; /* exits that the vCPU thread had completed but the ring no longer has: 0 unless it is damaged */
        uint32_t process;          /* PID of the dead recorder */
        bool unfinished;           /* the last exit's handling was not finished */
        bool cut;                  /* a truncated trailing record was discarded */
        uint64_t damaged_at;       /* ring position of an invalid record; UINT64_MAX: none */
        char damage[64];           /* what was wrong with it */
        bool ended;                /* the guest had ended: the recording is complete */
        bool complete;             /* the recording, now: it has all exits up to the guest's end */
        bool kernel_exits_missing; /* what the kernel handled in the last moments is not in the recording */
        unsigned end;              /* enum hwaccl_end */
        uint64_t end_code;
};

/**
 * hwaccl_recover - complete the recording @path from its ring
 * @path: of the database, or of the ring file beside it
 *
 * A flight recorder leaves segments (RECORDING-flight) and no database: the recording is made from them and the ring,
 * and contains the window.
 *
 * Afterwards the database contains all exits that the vCPU thread completed, and what is known of the current
 * one. The database changes in one transaction that is synced before the ring is removed: a recovery that dies can be
 * run again. Returns false with *error set on failure: the recorder is still running, the ring or the
 * database cannot be read or written, or they do not belong together; ring and database are then unchanged.
 */
bool hwaccl_recover(const char *path, struct hwaccl_recovery *recovery, struct hwaccl_error *error);

#endif
