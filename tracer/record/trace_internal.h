/* A recording of another VMM: one sink, and for each vCPU a lane with its ring. */
#ifndef HWACCL_TRACER_TRACE_INTERNAL_H
#define HWACCL_TRACER_TRACE_INTERNAL_H

#include "hwaccl/trace.h"

#include "tracer/record/sink.h"
#include "tracer/ring/lane.h"

/* A vector offered to the guest. */
struct trace_offer {
        bool there;
        uint8_t vector;
        bool settled;
        bool taken;
        uint64_t stamp;
};

struct hwaccl_trace_vcpu {
        struct lane lane;
        struct trace_offer next;    /* for the next entry */
        struct trace_offer current; /* of the entry that was recorded last */
        uint64_t clock;             /* last recorded guest clock; it never decreases */
        struct ring ring;
        struct lane_masks masks; /* of the lane */
};

struct hwaccl_trace {
        struct recorder_sink *sink;
        uint32_t vcpu_count;
        struct hwaccl_trace_vcpu *vcpu;
};

#endif
