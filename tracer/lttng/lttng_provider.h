/* Loading hwaccl-lttng.so, for those who emit events. */
#ifndef HWACCL_TRACER_LTTNG_PROVIDER_H
#define HWACCL_TRACER_LTTNG_PROVIDER_H

#include "hwaccl/error.h"
#include "tracer/lttng/trace_event.h"

#include <stdbool.h>

/** lttng_announce - append process and virtual CPU to the file HWACCL_LTTNG_PROCESSES, if that is set: they must be in
 * the trace */
bool lttng_announce(uint32_t vcpu, struct hwaccl_error *error);

/** lttng_load_provider - load LTTng: hwaccl_lttng_create() says more. NULL with *error set */
const struct trace_provider *lttng_load_provider(struct hwaccl_error *error);

#endif
