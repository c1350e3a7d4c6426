/*
 * The neutral form of a trace's events, between the probe and the LTTng provider, and between a CTF trace and the
 * importer. It is independent of LTTng and Babeltrace, which are used on demand (module.h).
 *
 * In the order of the probe's calls: begin, marker and device_field at the start and periodically; then for each exit
 * [keyframe thread_time] transfer_in [irq_offer] vm_exit transfer_out [control_register] input, effect and thread_time
 * as they happen [fault] [irq_reclaim] [emulate] handled [device_state]; device_state thread_time end. Every event has
 * the number of the exit that it belongs to (that of the next one between two exits), and a consecutive sequence
 * number, which also counts events that are not traced (an exit without any traced event counts as one).
 *
 * The recorder of another VMM (lttng_records.h) has a stream for each lane, whose number is in vcpu: begin and marker,
 * then a record for each record of the lane, and vmm_exit before that of an exit; end.
 */
#ifndef HWACCL_TRACER_LTTNG_TRACE_EVENT_H
#define HWACCL_TRACER_LTTNG_TRACE_EVENT_H

#include "hwaccl/fault_chain.h"
#include "hwaccl/subject_state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(identifier, name of the event) */
#define TRACE_EVENTS(X)                                                                                                \
        X(BEGIN, begin)                                                                                                \
        X(MARKER, marker)                                                                                              \
        X(DEVICE_FIELD, device_field)                                                                                  \
        X(KEYFRAME, keyframe)                                                                                          \
        X(TRANSFER_IN, transfer_in)                                                                                    \
        X(IRQ_OFFER, irq_offer)                                                                                        \
        X(VM_EXIT, vm_exit)                                                                                            \
        X(TRANSFER_OUT, transfer_out)                                                                                  \
        X(CONTROL_REGISTER, control_register)                                                                          \
        X(INPUT, input)                                                                                                \
        X(EFFECT, effect)                                                                                              \
        X(FAULT, fault)                                                                                                \
        X(IRQ_RECLAIM, irq_reclaim)                                                                                    \
        X(EMULATE, emulate)                                                                                            \
        X(HANDLED, handled)                                                                                            \
        X(DEVICE_STATE, device_state)                                                                                  \
        X(THREAD_TIME, thread_time)                                                                                    \
        X(END, end)                                                                                                    \
        X(RECORD, record)                                                                                              \
        X(VMM_EXIT, vmm_exit)

enum trace_event_kind {
#define X(identifier, name) TRACE_##identifier,
        TRACE_EVENTS(X)
#undef X
                TRACE_EVENT_COUNT
};

/** trace_event_name - "vm_exit" */
const char *trace_event_name(enum trace_event_kind kind);

#define TRACE_UNKNOWN 255u /* a verdict or outcome that was not reached */

/* Times are ns of CLOCK_MONOTONIC. Pointers are valid during the call that passes the event. */
struct trace_begin {
        const char *version;        /* of hwaccl */
        uint64_t time;              /* 0 of the recording's times */
        uint32_t keyframe_interval; /* exits */
        uint32_t markers;           /* in every context: options known at the start */
        uint32_t device_fields;
        uint8_t again; /* 0: the recording begins here */
};

struct trace_marker { /* a row of the recording's option table */
        const char *name;
        const char *value;
};

struct trace_device_field {
        uint32_t id; /* from 1, in the order in which device_state has them */
        const char *device;
        const char *field;
        uint32_t size; /* bytes */
};

struct trace_keyframe { /* the state with which the guest will be entered */
        const struct hwaccl_subject_state *state;
        uint64_t clock; /* guest clock, last one read */
        uint32_t interval;
};

struct trace_transfer {        /* what changed since the transfer before */
        uint64_t bitmap;       /* of 64-bit words of the state page */
        const uint64_t *words; /* one for each bit that is set, in ascending order */
        unsigned count;
};

struct trace_irq {
        uint64_t time;
        uint8_t vector;
        uint8_t taken; /* irq_reclaim */
};

struct trace_vm_exit {
        const struct hwaccl_subject_state *state;
        uint64_t entered; /* times */
        uint64_t left;
        const uint64_t *pending; /* words of the pending-interrupts page */
        unsigned pending_count;  /* 4, or 0 when the page is empty */
};

struct trace_control_register { /* from the exit qualification: SDM 3C, table 28-3 */
        uint8_t number;
        uint8_t access; /* 0 MOV to, 1 MOV from, 2 CLTS, 3 LMSW */
        uint8_t general_register;
        uint64_t value; /* that MOV and LMSW write; 0 else */
};

struct trace_value { /* input, effect */
        uint8_t kind;
        uint64_t address;
        uint64_t value;
        uint8_t has_data;
        const uint8_t *data;
        uint32_t size;
};

struct trace_fault {
        uint8_t index; /* in the chain */
        struct hwaccl_fault_link link;
};

struct trace_emulate {
        uint64_t rip;
        uint8_t outcome;
        const uint8_t *code; /* the instruction's bytes that the handler read */
        uint32_t size;
};

struct trace_handled {
        uint8_t verdict;
        uint8_t outcome; /* TRACE_UNKNOWN: the run ended during the handling */
        uint64_t time;
};

struct trace_device_state { /* after the handling of the event's exit */
        const uint8_t *data;
        uint32_t size;
};

struct trace_thread_time {
        uint8_t moment; /* enum ring_thread_moment */
        uint64_t time;
        uint64_t cpu; /* ns of processor time of the vCPU's thread */
};

struct trace_end {
        uint32_t end; /* enum hwaccl_end */
        uint64_t code;
        const char *message; /* or "" */
        uint64_t exits;
        uint64_t emitted; /* number of traced events, including this one */
};

#define TRACE_RECORD_PIECE 8192u /* bytes of a record in one event, at most: LTTng's smallest buffers hold them */

struct trace_record { /* or a piece of one: ring_records.h. Its stamps are times, its mark is 0 */
        uint8_t type;
        uint32_t total;  /* bytes of the record */
        uint32_t offset; /* of the piece in it */
        const uint8_t *data;
        uint32_t size;
};

struct trace_vmm_exit {
        const struct hwaccl_subject_state *state;
        uint8_t unknown; /* bits: 1 RIP, 2 and following the exit information in the order of the field table */
        uint64_t order;  /* number in the sequence over all lanes; 0: it has none */
        uint64_t entered;
        uint64_t left;
};

struct trace_event {
        enum trace_event_kind kind;
        uint32_t pid;
        uint32_t vcpu;
        uint64_t exit;
        uint64_t sequence;
        union {
                struct trace_begin begin;
                struct trace_marker marker;
                struct trace_device_field device_field;
                struct trace_keyframe keyframe;
                struct trace_transfer transfer; /* in and out */
                struct trace_irq irq;           /* offer and reclaim */
                struct trace_vm_exit vm_exit;
                struct trace_control_register control_register;
                struct trace_value value; /* input and effect */
                struct trace_fault fault;
                struct trace_emulate emulate;
                struct trace_handled handled;
                struct trace_device_state device_state;
                struct trace_thread_time thread_time;
                struct trace_end end;
                struct trace_record record;
                struct trace_vmm_exit vmm_exit;
        } as;
};

/* Interface of the provider module. The symbol TRACE_PROVIDER_SYMBOL is a function without arguments that returns it.
 */
struct trace_provider {
        const char *version;                   /* HWACCL_VERSION that it was built with */
        const int *enabled[TRACE_EVENT_COUNT]; /* not 0: the event is traced; may change at any time */
        void (*emit[TRACE_EVENT_COUNT])(const struct trace_event *event);
};

#define TRACE_PROVIDER_SYMBOL "hwaccl_trace_provider"

#endif
