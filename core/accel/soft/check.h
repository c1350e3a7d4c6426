/* Segment limits and types, checked before each instruction where segments do not allow everything. */
#ifndef HWACCL_SOFT_CHECK_H
#define HWACCL_SOFT_CHECK_H

#include "core/accel/soft/soft.h"

/** soft_check_begin - look at the segments of the subject state, and choose the engine that it is to be loaded into */
void soft_check_begin(struct soft *soft);

/**
 * soft_check_block - may the block run in this engine?
 * @segments: struct soft_block's
 *
 * False when the engine was stopped.
 */
bool soft_check_block(struct soft *soft, uint64_t address, uint32_t size, uint8_t segments);

/** soft_check_instruction - may it run in this engine? False when the engine was stopped. */
bool soft_check_instruction(struct soft *soft, struct soft_site *site);

/** soft_check_branch - behind SOFT_STOP_BRANCH: may the instruction run, because the branch is not taken? */
bool soft_check_branch(struct soft *soft);

#endif
