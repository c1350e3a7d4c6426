/*
 * A second source of a vCPU's exits: what the kernel says of those that the producer of the ring does not see. The
 * writer asks it before each exit of a ring, and it passes its own to the decoder, so that all are rows in the order of
 * time.
 */
#ifndef HWACCL_TRACER_MERGE_H
#define HWACCL_TRACER_MERGE_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stdint.h>

struct decoder;
struct ring_exit;

/* Implementations embed this as their first member. All are called by the writer's thread; decoder->vcpu says for whom.
 */
struct record_merge {
        /* Read what is there; whether rest() has something to do */
        bool (*ready)(struct record_merge *merge, const struct decoder *decoder);

        /* Between exits: pass to the decoder all that precedes @exit, whose entry is the next record of the ring */
        bool (*before)(struct record_merge *merge, struct decoder *decoder, const struct ring_exit *exit,
                       struct hwaccl_error *error);

        /* When the ring had no further exit: pass what happened until ready() was called; not in the midst of an exit.
         * @end: no further one comes */
        bool (*rest)(struct record_merge *merge, struct decoder *decoder, bool end, struct hwaccl_error *error);

        /* Pass @exit to the decoder, with what belongs to it */
        bool (*exit)(struct record_merge *merge, struct decoder *decoder, const struct ring_exit *exit,
                     struct hwaccl_error *error);

        /* What was passed since the last commit is not in the database, and does not come again */
        void (*rolled_back)(struct record_merge *merge);
};

#endif
