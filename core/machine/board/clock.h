/* Guest clock and device ticks. Integers only, no overflow for any 64-bit number of nanoseconds and clocks below 16
 * GHz. */
#ifndef HWACCL_MACHINE_CLOCK_H
#define HWACCL_MACHINE_CLOCK_H

#include <stdint.h>

#define HWACCL_NS_PER_SECOND UINT64_C(1000000000)

/** hwaccl_clock_ticks - whole ticks of a clock of @hz that fit into @ns */
static inline uint64_t hwaccl_clock_ticks(uint64_t ns, uint64_t hz)
{
        return ns / HWACCL_NS_PER_SECOND * hz + ns % HWACCL_NS_PER_SECOND * hz / HWACCL_NS_PER_SECOND;
}

/** hwaccl_clock_tick_ns - the first ns at which hwaccl_clock_ticks() gives @tick; UINT64_MAX where that overflows */
static inline uint64_t hwaccl_clock_tick_ns(uint64_t tick, uint64_t hz)
{
        uint64_t seconds = tick / hz;
        uint64_t rest = (tick % hz * HWACCL_NS_PER_SECOND + hz - 1) / hz;

        return seconds > UINT64_MAX / HWACCL_NS_PER_SECOND - 1 ? UINT64_MAX : seconds * HWACCL_NS_PER_SECOND + rest;
}

#endif
