/* Counts of exits in a recording: of whole blocks from their table, of the rest from rows. */
#ifndef HWACCL_TRACER_RECORDING_BLOCKS_H
#define HWACCL_TRACER_RECORDING_BLOCKS_H

#include "hwaccl/recording.h"
#include "tracer/database/block.h"

/**
 * hwaccl_recording_count - call @take with counts of exits @first to @last of a vCPU by values of @kind
 *
 * A value may come several times, with other exits; @take adds them up: block_count_merge(). Returns false with *error
 * set when the recording cannot be read or @take returns false.
 */
bool hwaccl_recording_count(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t first, uint64_t last,
                            enum block_kind kind,
                            bool (*take)(void *opaque, const struct block_count *count, struct hwaccl_error *error),
                            void *opaque, struct hwaccl_error *error);

#endif
