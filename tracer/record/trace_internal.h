/* A recording of another VMM: one writer, and for each vCPU the producer's half of a recorder. */
#ifndef HWACCL_TRACER_TRACE_INTERNAL_H
#define HWACCL_TRACER_TRACE_INTERNAL_H

#include "hwaccl/trace.h"

#include "hwaccl/known_fields.h"
#include "tracer/record/recorder_internal.h"

/* Known fields as masks of the state's words: made again when they change, which is rare. */
struct word_masks {
        struct hwaccl_known_fields fields;
        uint64_t keep[STATE_WORDS];
};

/* A vector on its way into the guest. */
struct trace_offer {
        bool there;
        uint8_t vector;
        bool settled;
        bool taken;
        uint64_t stamp;
};

struct hwaccl_trace_vcpu {
        struct hwaccl_recorder recorder;
        struct hwaccl_known_fields last_known; /* of recorder.last */
        struct word_masks entry_masks;
        struct word_masks exit_masks;
        struct trace_offer next;    /* for the next entry */
        struct trace_offer current; /* of the entry that was recorded last */
        uint64_t clock;             /* the guest's, as it was told last: it never goes back */
};

struct hwaccl_trace {
        struct recorder_sink *sink;
        uint32_t vcpu_count;
        struct hwaccl_trace_vcpu *vcpu;
};

#endif
