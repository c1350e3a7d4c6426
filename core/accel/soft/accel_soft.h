/* The soft accelerator: the guest runs on Unicorn, which translates its code. Needs no privileges. */
#ifndef HWACCL_ACCEL_SOFT_H
#define HWACCL_ACCEL_SOFT_H

#include "core/accel/accel.h"

/**
 * hwaccl_accel_soft_create - load Unicorn and make an accelerator on it
 * @memory: the guest's memory; must outlive the accelerator
 * @clock: reads the guest clock in ns, with which the deadline of a run is compared; from the thread that runs the
 * guest only, and mid-run too. With --clock virtual it is this accelerator's virtual_ns plus the waits of a halted
 *         guest. NULL: virtual_ns alone, for a guest that never waits
 *
 * Returns NULL with *error set when the library is not installed, or does not behave as it must.
 */
struct hwaccl_accel *hwaccl_accel_soft_create(struct hwaccl_guest_memory *memory, uint64_t (*clock)(void *opaque),
                                              void *opaque, struct hwaccl_error *error);

/**
 * hwaccl_accel_soft_recover - for a handler of SIGABRT, in the thread that runs the guest
 *
 * Unicorn's translator calls abort(3) for some code. When it is Unicorn that runs just now this does not return: the
 * guest goes on. The signal mask stays, so the handler must not block SIGABRT (SA_NODEFER). It does nothing for other
 * accelerators.
 */
void hwaccl_accel_soft_recover(struct hwaccl_accel *accel);

/** hwaccl_accel_soft_version - of the Unicorn that is loaded, not of its headers; false before the first create */
bool hwaccl_accel_soft_version(unsigned *major, unsigned *minor);

#endif
