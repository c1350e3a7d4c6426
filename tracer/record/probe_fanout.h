/* Attaches several probes to one machine: each sees every call, in order. */
#ifndef HWACCL_PROBE_FANOUT_H
#define HWACCL_PROBE_FANOUT_H

#include "core/host/probe.h"

#include <stddef.h>

#define HWACCL_PROBE_FANOUT_MAX 4u

struct hwaccl_probe_fanout {
        struct hwaccl_probe probe;
        struct hwaccl_probe *member[HWACCL_PROBE_FANOUT_MAX];
        size_t count;
};

/**
 * hwaccl_probe_join - combine several probes into one
 * @probes: @count of them, at most HWACCL_PROBE_FANOUT_MAX; NULL is skipped
 *
 * A single probe is returned as it is, without added cost; NULL if there is none. Nothing is owned: probes and
 * *fanout must outlive the run. handled() calls all of them and returns the first failure.
 */
struct hwaccl_probe *hwaccl_probe_join(struct hwaccl_probe_fanout *fanout, struct hwaccl_probe *const *probes,
                                       size_t count);

#endif
