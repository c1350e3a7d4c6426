/*
 * A ring seen from another process: whether it is in use, and how full it is while a recorder runs. The ring's file
 * lies beside the recording; only its header is read, and it is untrusted.
 */
#ifndef HWACCL_RING_STATUS_H
#define HWACCL_RING_STATUS_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stdint.h>

enum hwaccl_ring_state {
        HWACCL_RING_NONE,   /* no ring: the recording is finished, or none was begun */
        HWACCL_RING_IN_USE, /* held by a live recorder or by a recovery */
        HWACCL_RING_LEFT,   /* left by a recorder that died */
};

struct hwaccl_ring_status {
        uint32_t vcpu;
        uint64_t size; /* bytes */
        uint64_t used; /* bytes not yet durable in the database */
        bool failed;   /* the writer has failed */
        bool alive;    /* a recorder holds it */
};

enum hwaccl_ring_look {
        HWACCL_RING_SEEN,
        HWACCL_RING_ABSENT,     /* no such file: the recording is finished, or has fewer vCPUs */
        HWACCL_RING_UNREADABLE, /* not a ring; *error says why */
};

/**
 * hwaccl_ring_status_read - read the status of one ring of a recording
 * @recording: path of the database
 * @index: 0 for the first vCPU's ring, and so on
 */
enum hwaccl_ring_look hwaccl_ring_status_read(const char *recording, unsigned index, struct hwaccl_ring_status *status,
                                              struct hwaccl_error *error);

#endif
