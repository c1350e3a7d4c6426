/* A piece of a recording that is a recording itself, and replays as the piece does. */
#ifndef HWACCL_REPLAY_SLICE_H
#define HWACCL_REPLAY_SLICE_H

#include "hwaccl/recording.h"

#include <stdbool.h>
#include <stdint.h>

struct hwaccl_slice_config {
        const char *output; /* path of the new recording */
        const char *name;   /* of the recording, as the slice shall have it */
        bool force;         /* replace an existing file when the slice is complete */
        unsigned mode;      /* permissions: hwaccl_file_create() */
        uint32_t vcpu;
        uint64_t first; /* exits of the vCPU; both are in it */
        uint64_t last;
};

struct hwaccl_slice_result {
        uint64_t first; /* less than that asked for, where a replay cannot begin there */
        uint64_t last;
        uint64_t exits;       /* of all vCPUs */
        bool replays;         /* a replay is possible */
        uint64_t divergences; /* of its replay, as of the same exits in the original */
};

/**
 * hwaccl_slice_run - make it
 *
 * A replay begins at the first exit: of hwaccl's own exits at any, as they are replayed up to there; of another VMM's
 * where its state was recorded, before or at @first. Of other vCPUs it has the exits in the same span of time.
 * Before the slice gets its name it was read, and where it can be replayed, it was, with the original's result.
 *
 * Returns false with *error set, and leaves no new file.
 */
bool hwaccl_slice_run(struct hwaccl_recording *recording, const struct hwaccl_slice_config *config,
                      struct hwaccl_slice_result *result, struct hwaccl_error *error);

#endif
