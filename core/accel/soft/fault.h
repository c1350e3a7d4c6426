/*
 * Page faults of the engine: memory that is not mapped yet, the guest's own page faults, and accesses that leave the
 * guest's memory (EPT violations).
 */
#ifndef HWACCL_SOFT_FAULT_H
#define HWACCL_SOFT_FAULT_H

#include "core/accel/soft/soft.h"

/** soft_fault - the engine's page fault at a linear address: map, deliver or exit */
enum soft_result soft_fault(struct soft *soft, uint64_t linear);

#endif
