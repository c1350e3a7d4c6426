#include "trace_event.h"

#include "hwaccl/assert.h"

const char *trace_event_name(enum trace_event_kind kind)
{
        static const char *const names[] = {
#define X(identifier, name) #name,
                TRACE_EVENTS(X)
#undef X
        };
        hwaccl_assert((unsigned)kind < TRACE_EVENT_COUNT);
        return names[kind];
}
