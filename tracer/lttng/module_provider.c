/* hwaccl-lttng.so: the LTTng-UST provider. A separate module, because its library starts threads when it is loaded. */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "tracer/lttng/provider_events.h"

#define X(identifier, name)                                                                                            \
        static void emit_##name(const struct trace_event *event)                                                       \
        {                                                                                                              \
                lttng_ust_do_tracepoint(hwaccl, name, event);                                                          \
        }
TRACE_EVENTS(X)
#undef X

__attribute__((visibility("default"))) const struct trace_provider *hwaccl_trace_provider(void);

const struct trace_provider *hwaccl_trace_provider(void)
{
        static const struct trace_provider provider = {.version = HWACCL_VERSION,
#define X(identifier, name) .enabled[TRACE_##identifier] = &lttng_ust_tracepoint_hwaccl___##name.state,
                                                       TRACE_EVENTS(X)
#undef X
#define X(identifier, name) .emit[TRACE_##identifier] = emit_##name,
                                                               TRACE_EVENTS(X)
#undef X
        };
        return &provider;
}
