/*
 * Page faults of the engine: memory that is not mapped yet, the guest's own page faults, and accesses that leave the
 * guest's memory (EPT violations).
 */
#ifndef HWACCL_SOFT_FAULT_H
#define HWACCL_SOFT_FAULT_H

#include "core/accel/soft/soft.h"
#include "core/exit/guest_access.h"

/** soft_fault - the engine's page fault at a linear address: map, deliver or exit */
enum soft_result soft_fault(struct soft *soft, uint64_t linear);

/**
 * soft_access_failed - what becomes of an instruction whose soft_access() failed: the guest's exception, or the exit of
 * an access outside memory
 */
enum soft_result soft_access_failed(struct soft *soft, enum hwaccl_segment_register segment, uint64_t offset,
                                    unsigned size, bool write, const struct hwaccl_exception *exception);

/** soft_fault_cover - device memory lies over RAM there, from now on; 0: nowhere */
void soft_fault_cover(struct soft *soft, uint64_t device_page);

#endif
