/*
 * Events of one thread: a ring of perf_event_open(2), into which the kernel writes each time that the thread passes one
 * of the trace points. Its time stamps are made those of the recording's rings.
 */
#ifndef HWACCL_TRACER_KERNEL_PERF_THREAD_H
#define HWACCL_TRACER_KERNEL_PERF_THREAD_H

#include "tracer/kernel/kvm_event.h"
#include "tracer/ring/timestamps.h"

#include <sys/types.h>

struct perf_thread;

/** perf_open_event - a descriptor of one trace point's events of a thread; -1 with errno set. @monotonic: time is
 * CLOCK_MONOTONIC, else perf's own */
int perf_open_event(uint32_t id, pid_t thread, bool monotonic);

/** perf_open_counter - a descriptor from which the number of a trace point's events of a thread is read; -1 with errno
 * set */
int perf_open_counter(uint32_t id, pid_t thread);

/** perf_open_error - why perf_event_open(2) failed, and what to do. Returns false */
bool perf_open_error(int reason, struct hwaccl_error *error);

/** perf_thread_open - from now on. NULL with *error set; *@reason is errno then */
struct perf_thread *perf_thread_open(const struct kvm_formats *formats, pid_t number, enum stamp_kind stamps,
                                     int *reason, struct hwaccl_error *error);
void perf_thread_close(struct perf_thread *thread);

/** perf_thread_read - pass what the kernel has written since the last call to @take, in order; an event of the kind
 * LOST where it had no room. False where @take was false */
bool perf_thread_read(struct perf_thread *thread, bool (*take)(void *opaque, const struct kvm_event *event),
                      void *opaque);

/** perf_thread_number - of the thread */
pid_t perf_thread_number(const struct perf_thread *thread);

#endif
