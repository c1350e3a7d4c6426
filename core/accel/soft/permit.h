/*
 * Instructions that the engine performs, after the accelerator has looked at what the engine does not check: far
 * transfers, loads of SS and of the descriptor tables' registers, SSE operands that must be aligned. The engine stops
 * before such a site; when the processor would not fault it is permitted, and stepped over.
 */
#ifndef HWACCL_SOFT_PERMIT_H
#define HWACCL_SOFT_PERMIT_H

#include "core/accel/soft/soft.h"

/** soft_is_permitted - the engine is stepping over this very site, which was looked at */
bool soft_is_permitted(const struct soft *soft, const struct soft_site *site);

/**
 * soft_may_be_misaligned - in the hook of a site with an aligned operand: must the engine stop before it?
 *
 * True also where the base of a segment may have changed since the engine started.
 */
bool soft_may_be_misaligned(struct soft *soft, const struct soft_site *site);

/**
 * soft_check_aligned - at the start of a block: may it run with its aligned operands? False when the engine was stopped
 *
 * Where one is not aligned the block is stepped through, and the engine stops before that one.
 */
bool soft_check_aligned(struct soft *soft, uint64_t address, const struct soft_aligned *aligned);

/** soft_permit_run - the engine stopped before soft->site: permit it, or raise what the processor raises */
enum soft_result soft_permit_run(struct soft *soft);

#endif
