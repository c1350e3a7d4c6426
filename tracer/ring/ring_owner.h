/*
 * Who may write a ring file: its recorder, and after that one's death a recovery. Each holds a lock of its own on the
 * file, an open file description lock (fcntl(2)), which ends when the last process that has the file open or mapped
 * ends. That may be a child that a VMM forked and that outlives it: so the header says which process records, and a
 * ring whose recorder is gone for certain belongs to nobody, whoever else holds its lock.
 */
#ifndef HWACCL_TRACER_RING_OWNER_H
#define HWACCL_TRACER_RING_OWNER_H

#include "tracer/ring/ring.h"

enum ring_lock {
        RING_LOCK_RECORDER = 0, /* the byte of the file that it locks */
        RING_LOCK_RECOVERY = 1,
};

/** ring_lock - false when somebody has the lock (errno is EAGAIN or EACCES), or it cannot be taken */
bool ring_lock(int fd, enum ring_lock lock);

/** ring_is_held - by a recorder that lives, or by a recovery. @header: a copy, not trusted */
bool ring_is_held(int fd, const struct ring_header *header);

/** ring_owner_set - this process is the recorder. What cannot be told stays 0: then the lock alone decides */
void ring_owner_set(struct ring_header *header);

/** ring_owner_is_gone - for certain: it ran on this host since it was booted, and does not any more */
bool ring_owner_is_gone(const struct ring_header *header);

#endif
