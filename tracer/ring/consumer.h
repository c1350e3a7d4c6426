/* The thread that drains a ring: it polls, rests (sleeps) in between, and ends after the producer has stopped. */
#ifndef HWACCL_TRACER_CONSUMER_H
#define HWACCL_TRACER_CONSUMER_H

#include "hwaccl/error.h"

#include "tracer/ring/ring.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

struct consumer {
        pthread_t thread;
        sem_t wake;           /* ends a rest */
        _Atomic bool closing; /* the producer has stopped */
        _Atomic bool resting; /* in a long rest, not woken yet */
        long long_rest;       /* ns */
        unsigned last_rest;   /* length, in units of a usual rest */
};

/**
 * consumer_init - initialize; after success call consumer_destroy()
 * @long_rest: ns, less than 1 s: how long records of a slow producer may wait
 */
bool consumer_init(struct consumer *consumer, long long_rest, struct hwaccl_error *error);
void consumer_destroy(struct consumer *consumer);

/**
 * consumer_attach - add @ring, before its producer is initialized and the thread is started
 *
 * A consumer may have several rings. Their producers wake it from long rests.
 */
void consumer_attach(struct consumer *consumer, struct ring *ring);

/** consumer_start - run @main_loop in a new thread, with all signals blocked */
bool consumer_start(struct consumer *consumer, void *(*main_loop)(void *), void *opaque, struct hwaccl_error *error);

/**
 * consumer_rest - sleep until the ring may hold more records, or the end is near
 * @slow: little was in the ring after the last rest: consumer_is_slow()
 *
 * Polling avoids system calls on the vCPU thread. The consumer polls rarely, because each wake-up may take the
 * processor or cache contents from the vCPU thread. A producer fills about 0.4 MB in this time. For a slow producer the
 * rest is long; the producer ends it with consumer_wake() when it becomes fast. Closing and consumer_call() end any
 * rest.
 */
void consumer_rest(struct consumer *consumer, const struct ring *ring, bool slow);

/** consumer_wake - end a long rest; without one, no system call. From any thread */
void consumer_wake(struct consumer *consumer);

/** consumer_call - end the current or else the next rest. From any thread or signal handler */
void consumer_call(struct consumer *consumer);

/** consumer_is_slow - whether a producer that filled @bytes of the ring during the last rest counts as slow */
bool consumer_is_slow(const struct consumer *consumer, const struct ring *ring, uint64_t bytes);

/** consumer_is_closing - true when the producer has published its last record */
bool consumer_is_closing(struct consumer *consumer);

/** consumer_join - announce that the producer has stopped, and wait for the thread to end */
void consumer_join(struct consumer *consumer);

/** consumer_block_file_size_signal - for a thread that writes in place of the consumer: a write beyond the file-size
 * limit must be an error, not a signal. Returns true if the signal was unblocked before; pass that to the counterpart.
 */
bool consumer_block_file_size_signal(void);
void consumer_unblock_file_size_signal(bool mine);

#endif
