/*
 * The threads of this process. One that runs a vCPU writes the lane of that; another one that makes calls of KVM has a
 * lane of its own, from its first call on. After fork(2) the child has none.
 */
#ifndef HWACCL_INTERPOSE_THREADS_H
#define HWACCL_INTERPOSE_THREADS_H

#include "tracer/interpose/control.h"
#include "tracer/ring/lane.h"

/* The library is loaded with the program: the thread's memory has room, and an address costs no function call. */
#define THREAD_LOCAL static __thread __attribute__((tls_model("initial-exec")))

/** thread_lane - this thread's own lane, made if there is none; NULL if it cannot have one. Its calls' data may be put
 * into the *buffer of RING_CALL_DATA_MAX bytes */
struct lane *thread_lane(struct interpose_control *control, uint8_t **buffer);

/** thread_introduce - write into a lane which thread writes it */
void thread_introduce(struct lane *lane);

#endif
