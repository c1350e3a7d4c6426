/*
 * Accepting an intended change: the results that the handling of a recording's exits has now take the place of the
 * recorded ones. What the handling read stays: where it asks for an input that was not recorded, or the guest would
 * have gone on otherwise, the recording is of no use for it, and has to be made again.
 */
#ifndef HWACCL_ACCEPT_H
#define HWACCL_ACCEPT_H

#include "hwaccl/replay.h"

struct hwaccl_accept_result {
        uint64_t exits;    /* of the recording */
        uint64_t accepted; /* exits with other results */
};

/**
 * hwaccl_accept_run - replay a recording's first vCPU, and rewrite the file with the results of the replay
 * @accepted: called for each exit with other results; may be NULL
 *
 * The new file is written beside the old one, replayed without a divergence, and then takes its place at once. Where
 * nothing differs the file stays as it is. False with *error set, and the file as it was, if it is refused or fails.
 */
bool hwaccl_accept_run(struct hwaccl_recording *recording,
                       void (*accepted)(void *opaque, const struct hwaccl_divergence *divergence), void *opaque,
                       struct hwaccl_accept_result *result, struct hwaccl_error *error);

#endif
