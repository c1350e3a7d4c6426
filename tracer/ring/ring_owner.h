/*
 * Ownership of a ring file: its recorder, and after the recorder's death a recovery. Each holds its own lock on the
 * file, an open file description lock (fcntl(2)), which ends when the last process that has the file open
 * ends. That process may be a child that a VMM forked. Therefore the header identifies the recorder's process, and a
 * ring whose recorder has certainly ended is free, even if another process holds the lock.
 */
#ifndef HWACCL_TRACER_RING_OWNER_H
#define HWACCL_TRACER_RING_OWNER_H

#include "tracer/ring/ring.h"

enum ring_lock {
        RING_LOCK_RECORDER = 0, /* the byte of the file that it locks */
        RING_LOCK_RECOVERY = 1,
};

/** ring_lock - take the lock; false if it is held (errno is EAGAIN or EACCES) or cannot be taken */
bool ring_lock(int fd, enum ring_lock lock);

/** ring_is_held - whether a live recorder or a recovery holds it. @header: an untrusted copy */
bool ring_is_held(int fd, const struct ring_header *header);

/** ring_owner_set - record this process as the owner. Unknown values stay 0; then the lock alone decides */
void ring_owner_set(struct ring_header *header);

/** ring_owner_is_gone - whether the owner has certainly ended: it ran on this host since boot, and no longer does */
bool ring_owner_is_gone(const struct ring_header *header);

#endif
