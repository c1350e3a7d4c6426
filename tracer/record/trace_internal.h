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

#define TRACE_SNAPSHOT_PARTS_MAX 16u

struct hwaccl_trace_vcpu {
        struct lane lane;
        struct trace_offer next;    /* for the next entry */
        struct trace_offer current; /* of the entry that was recorded last */
        uint32_t snapshots;         /* parts recorded for the next entry */
        char snapshot[TRACE_SNAPSHOT_PARTS_MAX][HWACCL_TRACE_SNAPSHOT_NAME_MAX + 1]; /* their names */
        bool run_there; /* the exit that is handled has its fields of kvm_run */
        bool due;       /* the next entry begins a keyframe */
        uint64_t clock; /* last recorded guest clock; it never decreases */
        struct ring ring;
        struct lane_masks masks; /* of the lane */
};

struct hwaccl_trace {
        struct recorder_sink *sink;
        uint32_t vcpu_count;
        struct hwaccl_trace_vcpu *vcpu;
};

#endif
