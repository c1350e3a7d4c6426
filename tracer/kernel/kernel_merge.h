/*
 * The kernel's exits in the recording of a VMM (record/merge.h). An exit that reaches the VMM is seen twice: the ring's
 * has the registers, the kernel's adds its codes and times. Those that the kernel handled go between.
 */
#ifndef HWACCL_TRACER_KERNEL_MERGE_H
#define HWACCL_TRACER_KERNEL_MERGE_H

#include "tracer/kernel/kvm_event.h"
#include "tracer/record/merge.h"
#include "tracer/ring/timestamps.h"

#include <sys/types.h>

struct kernel_merge;

#define KERNEL_MERGE_VCPU_MAX   64u
#define KERNEL_MERGE_THREAD_MAX 8u /* of one vCPU, in the course of time */

struct kernel_merge_counts {
        uint64_t exits;     /* that the kernel handled */
        uint64_t matched;   /* that the VMM got, and the kernel described */
        uint64_t lost;      /* events */
        uint64_t discarded; /* events, after the database could not be written */
};

/** kernel_merge_create - NULL with *error set if the kernel's exits cannot be recorded: kvm_tracing_open() */
struct kernel_merge *kernel_merge_create(uint32_t keyframe_interval, struct hwaccl_error *error);

/** kernel_merge_destroy - after the writer has ended */
void kernel_merge_destroy(struct kernel_merge *merge);

/** kernel_merge_source - for the recorder's configuration */
struct record_merge *kernel_merge_source(struct kernel_merge *merge);

/** kernel_merge_watch - @thread runs @vcpu from now on. From any thread */
bool kernel_merge_watch(struct kernel_merge *merge, uint32_t vcpu, pid_t thread, enum stamp_kind stamps,
                        struct hwaccl_error *error);

/** kernel_merge_counts - from any thread */
struct kernel_merge_counts kernel_merge_counts(struct kernel_merge *merge);

/** kernel_merge_formats - the kernel's trace points */
const struct kvm_formats *kernel_merge_formats(const struct kernel_merge *merge);

/** kernel_merge_put - an event of a vCPU, as a thread's ring would give it: for tests */
bool kernel_merge_put(struct kernel_merge *merge, uint32_t vcpu, const struct kvm_event *event);

/** kernel_merge_create_without - no kernel is asked: for tests */
struct kernel_merge *kernel_merge_create_without(uint32_t keyframe_interval);

#endif
