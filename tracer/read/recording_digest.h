/* Whether the rows of a recording are those that were sealed. */
#ifndef HWACCL_TRACER_RECORDING_DIGEST_H
#define HWACCL_TRACER_RECORDING_DIGEST_H

#include "tracer/read/recording_internal.h"

/** recording_check_digests - for hwaccl_recording_check(): every block, and the seal */
bool recording_check_digests(struct hwaccl_recording *recording, void (*finding)(void *opaque, const char *text),
                             void *opaque, struct hwaccl_error *error);

#endif
