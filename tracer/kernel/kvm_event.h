/*
 * Events of the kernel's KVM: what is taken of its trace points kvm:*. The numbers and the order of the fields are
 * recorded and never change meaning.
 */
#ifndef HWACCL_TRACER_KERNEL_KVM_EVENT_H
#define HWACCL_TRACER_KERNEL_KVM_EVENT_H

#include "tracer/kernel/event_format.h"
#include "tracer/ring/kernel_events.h"

/* What the kernel says of one event, or that it has lost some. */
struct kvm_event {
        enum kernel_event_kind kind;
        uint32_t thread;
        uint64_t stamp;
        uint32_t known; /* bit i: value[i] */
        uint32_t unused;
        uint64_t value[KERNEL_EVENT_VALUE_MAX];
};

/* Values of the events that are not recorded as such, but make exits. */
enum kvm_exit_value {
        EXIT_EVENT_CODE,
        EXIT_EVENT_RIP,
        EXIT_EVENT_ISA,
        EXIT_EVENT_INFO1,
        EXIT_EVENT_INFO2,
        EXIT_EVENT_INTERRUPT_INFORMATION,
        EXIT_EVENT_ERROR_CODE,
        EXIT_EVENT_VCPU,
};

enum kvm_entry_value {
        ENTRY_EVENT_VCPU,
        ENTRY_EVENT_RIP,
};

enum kvm_userspace_exit_value {
        USER_EVENT_REASON, /* KVM_EXIT_* of struct kvm_run */
        USER_EVENT_ERROR,  /* 0, or -errno */
};

/* The trace points of one kernel. */
struct kvm_formats {
        bool there[KERNEL_EVENT_COUNT];
        struct event_format format[KERNEL_EVENT_COUNT];
        struct event_field field[KERNEL_EVENT_COUNT][KERNEL_EVENT_VALUE_MAX]; /* size 0: it has none */
};

/** kvm_event_name - of the trace point, such as kvm_exit */
const char *kvm_event_name(enum kernel_event_kind kind);

/** kvm_event_is_needed - without it no exits are recorded */
bool kvm_event_is_needed(enum kernel_event_kind kind);

/** kvm_formats_add - the format of a trace point of that kind; false with *error set if it is none, or lacks a field
 * without which it is of no use */
bool kvm_formats_add(struct kvm_formats *formats, enum kernel_event_kind kind, const char *text, size_t size,
                     struct hwaccl_error *error);

/** kvm_event_decode - *event from a raw sample, but for stamp and thread; false if it is of no known trace point, or
 * too short */
bool kvm_event_decode(const struct kvm_formats *formats, const uint8_t *raw, size_t size, struct kvm_event *event);

#endif
