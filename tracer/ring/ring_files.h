/* All ring files of one recording, one per vCPU: what they say about a file that is to take its place. */
#ifndef HWACCL_TRACER_RING_FILES_H
#define HWACCL_TRACER_RING_FILES_H

#include "hwaccl/error.h"

#include <stdbool.h>

/**
 * ring_files_check - whether @recording may be replaced
 * @discard: accept rings that a dead recorder left; false: refuse, because they hold exits
 *
 * Rings of a live recorder or a recovery are refused, always. Nothing is changed.
 */
bool ring_files_check(const char *recording, bool discard, struct hwaccl_error *error);

/** ring_files_clear - ring_files_check(), then remove the rings that were left: also those of vCPUs that the new
 * recording does not have, which a later recovery would take for its own */
bool ring_files_clear(const char *recording, bool discard, struct hwaccl_error *error);

#endif
