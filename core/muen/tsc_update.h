/* TSC update: a callback every given number of microseconds, on a thread of its own, for a VMM that keeps a clock. */
#ifndef HWACCL_TSC_UPDATE_H
#define HWACCL_TSC_UPDATE_H

#include "hwaccl/error.h"

#include <stdint.h>

struct hwaccl_tsc_update;

/**
 * hwaccl_tsc_update_start - call @update every @microseconds until hwaccl_tsc_update_stop()
 * @microseconds: not 0, at most 2^32 - 1
 * @update: called on a thread that takes no signals; calls never overlap. One that comes late does not shift the ones
 *          after it: the periods that it missed are skipped
 *
 * Returns NULL with *error set when the period is 0 or there is no memory or thread to be had.
 */
struct hwaccl_tsc_update *hwaccl_tsc_update_start(uint32_t microseconds, void (*update)(void *opaque), void *opaque,
                                                  struct hwaccl_error *error);

/** hwaccl_tsc_update_stop - no call is made, or under way, when this returns; not from the callback. Accepts NULL */
void hwaccl_tsc_update_stop(struct hwaccl_tsc_update *tsc_update);

#endif
