/* The registers of FPU and SSE, which only the engine holds. */
#ifndef HWACCL_SOFT_FLOATING_POINT_H
#define HWACCL_SOFT_FLOATING_POINT_H

#include "core/accel/soft/engine.h"
#include "core/subject/floating_point.h"

/** soft_floating_point_reset - as after a reset of the processor (SDM 3A, table 10-1), which the engine forgets */
bool soft_floating_point_reset(const struct soft_engine *engine, struct hwaccl_error *error);

bool soft_floating_point_read(const struct soft_engine *engine, struct hwaccl_floating_point *state,
                              struct hwaccl_error *error);
bool soft_floating_point_write(const struct soft_engine *engine, const struct hwaccl_floating_point *state,
                               struct hwaccl_error *error);

#endif
