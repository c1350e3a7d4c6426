/* Internals of the LTTng probe, for its two files and for tests, which use their own provider. */
#ifndef HWACCL_TRACER_LTTNG_TRACE_PROBE_H
#define HWACCL_TRACER_LTTNG_TRACE_PROBE_H

#include "tracer/lttng/lttng.h"

#include "tracer/database/rows.h"
#include "tracer/lttng/trace_event.h"
#include "tracer/ring/ring_records.h"

#define TRACE_CONTEXT_KEYFRAMES 16u /* keyframes between two full contexts, for traces that lost their beginning */

struct hwaccl_lttng {
        struct hwaccl_probe probe;
        const struct trace_provider *provider;
        struct trace_event event; /* pid and vcpu are constant */
        uint64_t sequence;        /* of the next event */
        uint64_t emitted;
        uint64_t exit; /* number of the current or the next exit */
        uint64_t idle; /* while idle: first exit that was not traced */

        union state_words last; /* last transferred state in the trace */
        bool attached;          /* every transfer since the last keyframe was traced */
        uint64_t clock;         /* guest clock, last one read */
        uint64_t entered;       /* time of the entry */
        bool handling;          /* an exit is being handled */
        uint64_t rip;           /* of the exit */
        uint8_t verdict;
        uint8_t code[INSTRUCTION_SIZE_MAX]; /* that the handler read */
        uint32_t code_size;

        uint64_t time; /* 0 of the recording's times */
        uint32_t keyframe_interval;
        uint32_t until_keyframe; /* exits */
        uint32_t until_context;  /* keyframes */
        struct hwaccl_recording_option *options;
        size_t option_count;
        struct hwaccl_device *const *devices;
        size_t device_count;
        uint32_t device_fields;
        size_t device_bytes;
        uint8_t *device_state;
};

/** trace_probe_create - hwaccl_lttng_create() with a given provider */
struct hwaccl_lttng *trace_probe_create(const struct hwaccl_lttng_config *config, const struct trace_provider *provider,
                                        struct hwaccl_error *error);

extern const struct hwaccl_probe_ops trace_probe_ops;

/** trace_probe_idle - no event is traced: only check for that from now on */
void trace_probe_idle(struct hwaccl_lttng *lttng);

/** trace_probe_wake - leave the idle state, if in it */
void trace_probe_wake(struct hwaccl_lttng *lttng);

static inline bool trace_probe_on(const struct hwaccl_lttng *lttng, enum trace_event_kind kind)
{
        return __builtin_expect(__atomic_load_n(lttng->provider->enabled[kind], __ATOMIC_RELAXED) != 0, 0);
}

/** trace_probe_any - whether any event is traced */
static inline bool trace_probe_any(const struct hwaccl_lttng *lttng)
{
        bool any = false;

        for (unsigned i = 0; i < TRACE_EVENT_COUNT; i++)
                any |= trace_probe_on(lttng, (enum trace_event_kind)i);
        return any;
}

/** trace_probe_begin - count an event; returns it to be filled in, or NULL if it is not traced */
static inline struct trace_event *trace_probe_begin(struct hwaccl_lttng *lttng, enum trace_event_kind kind)
{
        uint64_t sequence = lttng->sequence++;

        if (!trace_probe_on(lttng, kind))
                return NULL;
        lttng->event.kind = kind;
        lttng->event.exit = lttng->exit;
        lttng->event.sequence = sequence;
        return &lttng->event;
}

static inline void trace_probe_emit(struct hwaccl_lttng *lttng)
{
        lttng->emitted++;
        lttng->provider->emit[lttng->event.kind](&lttng->event);
}

/** trace_probe_context - trace what a reader needs without earlier events: begin, options, device fields */
void trace_probe_context(struct hwaccl_lttng *lttng, bool again);

/** trace_probe_marker - an option, the same as a row of a recording's option table */
void trace_probe_marker(struct hwaccl_lttng *lttng, const char *name, const char *value);

/** trace_probe_thread_time - trace when the host ran this thread */
void trace_probe_thread_time(struct hwaccl_lttng *lttng, enum ring_thread_moment moment);

/** trace_probe_device_state - trace the device state after exit @exit */
void trace_probe_device_state(struct hwaccl_lttng *lttng, uint64_t exit);

#endif
