/*
 * A REX prefix that stands before another prefix is ignored (SDM 2A, 2.2.1). The engine heeds it. So such an
 * instruction is stepped over by itself, and while the engine does so another byte covers the REX prefix in memory: the
 * prefix behind it once more, which changes nothing.
 */
#ifndef HWACCL_SOFT_COVER_H
#define HWACCL_SOFT_COVER_H

#include "core/accel/soft/soft.h"

/** soft_cover - the engine stopped before soft->site, which has such a prefix: the next start is that step */
enum soft_result soft_cover(struct soft *soft);

/** soft_cover_settle - after each part of a run: memory is as the guest has it again, unless the step still comes */
void soft_cover_settle(struct soft *soft, enum soft_result result);

#endif
