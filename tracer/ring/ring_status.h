/*
 * A ring seen from another process: whether it is in use, and how full it is while a recorder runs. The ring's file
 * lies beside the recording; only its header is read, and nothing in it is trusted.
 */
#ifndef HWACCL_RING_STATUS_H
#define HWACCL_RING_STATUS_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stdint.h>

enum hwaccl_ring_state {
        HWACCL_RING_NONE,   /* there is none: the recording was finished, or none was ever made */
        HWACCL_RING_IN_USE, /* by a recorder that lives, or by a recovery */
        HWACCL_RING_LEFT,   /* by a recorder that died */
};

struct hwaccl_ring_status {
        uint32_t vcpu;
        uint64_t size; /* bytes */
        uint64_t used; /* bytes that the writer has not made durable yet */
        bool failed;   /* the writer could not go on */
        bool alive;    /* somebody records into it */
};

enum hwaccl_ring_look {
        HWACCL_RING_SEEN,
        HWACCL_RING_ABSENT,     /* no such file: the recording is finished, or has fewer vCPUs */
        HWACCL_RING_UNREADABLE, /* *error says why: it is no ring */
};

/**
 * hwaccl_ring_status_read - look at one ring of a recording
 * @recording: path of the database
 * @index: 0 for the first vCPU's ring, and so on
 */
enum hwaccl_ring_look hwaccl_ring_status_read(const char *recording, unsigned index, struct hwaccl_ring_status *status,
                                              struct hwaccl_error *error);

#endif
