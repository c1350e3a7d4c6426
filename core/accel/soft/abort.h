/*
 * Code that Unicorn's translator calls abort(3) for: LOCK before CMP with a memory operand, or before CMPS. No hook
 * comes before the translation, so the run goes on from there: the program's handler of SIGABRT gives the call of the
 * library up (hwaccl_accel_soft_recover()), the engine, whose registers are those at the start of the block, is
 * replaced by another, and the guest is stepped up to the instruction, which raises #UD.
 */
#ifndef HWACCL_SOFT_ABORT_H
#define HWACCL_SOFT_ABORT_H

#include "core/accel/soft/soft.h"

/** soft_abort_start - run the engine; soft->stop is SOFT_STOP_ABORT when the translator aborted */
uc_err soft_abort_start(struct soft *soft);

/** soft_abort_find - the translator aborted at the block at RIP: what is it that it cannot translate? */
bool soft_abort_find(struct soft *soft);

/** soft_abort_reached - RIP is where that instruction is; otherwise, while it lies ahead, the next start is a step */
bool soft_abort_reached(struct soft *soft);

#endif
