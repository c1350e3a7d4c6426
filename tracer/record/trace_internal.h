/* A recording of another VMM: one sink, and for each vCPU a lane with its ring. */
#ifndef HWACCL_TRACER_TRACE_INTERNAL_H
#define HWACCL_TRACER_TRACE_INTERNAL_H

#include "hwaccl/trace.h"

#include "tracer/record/sink.h"
#include "tracer/ring/lane.h"

#include <pthread.h>

/* A vector offered to the guest. */
struct trace_offer {
        bool there;
        uint8_t vector;
        bool settled;
        bool taken;
        uint64_t stamp;
};

#define TRACE_SNAPSHOT_PARTS_MAX 16u

/* Calls that have not returned, the latest first: those that the decoder accepts an end of. */
struct trace_calls {
        uint64_t open[RING_CALL_NESTED_MAX];
};

struct hwaccl_trace_vcpu {
        struct lane lane;
        struct trace_offer next;    /* for the next entry */
        struct trace_offer current; /* of the entry that was recorded last */
        uint32_t snapshots;         /* parts recorded for the next entry */
        char snapshot[TRACE_SNAPSHOT_PARTS_MAX][HWACCL_TRACE_SNAPSHOT_NAME_MAX + 1]; /* their names */
        bool run_there; /* the exit that is handled has its fields of kvm_run */
        bool due;       /* the next entry begins a keyframe */
        uint64_t clock; /* last recorded guest clock; it never decreases */
        struct trace_calls calls;
        struct ring ring;
        struct lane_masks masks; /* of the lane */
};

/* A thread that runs no vCPU. */
struct hwaccl_trace_thread {
        struct lane lane;
        struct trace_calls calls;
        struct ring ring;
};

#define TRACE_THREAD_RING_SIZE (UINT64_C(1) << 20)

struct hwaccl_trace {
        struct recorder_sink *sink;
        uint32_t vcpu_count;
        struct hwaccl_trace_vcpu *vcpu;
        /* what follows is of threads, and of interest with thread_max only */
        uint32_t thread_max;
        uint32_t thread_count; /* changed by one thread at a time: lock */
        pthread_mutex_t lock;
        struct hwaccl_trace_thread *thread;
        char *path; /* of the recording, and the mode of its files, for further rings */
        unsigned mode;
        uint32_t keyframe_interval;
        _Alignas(64) _Atomic uint64_t sequence; /* the last number that an exit or call has */
};

/** trace_end_threads - the end of all threads' lanes */
void trace_end_threads(struct hwaccl_trace *trace);

/** trace_text_size - bytes of a text that is truncated to @most bytes, at the boundary of a character */
size_t trace_text_size(const char *text, size_t most);

#endif
