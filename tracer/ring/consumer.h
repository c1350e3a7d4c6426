/* The thread that empties a ring: it polls, rests in between, and is told when the producer has stopped. */
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
        _Atomic bool resting; /* for long: nobody has woken it yet */
        long long_rest;       /* ns */
        unsigned last_rest;   /* how long it was, in usual rests */
};

/**
 * consumer_init - consumer_destroy() is due when it returned true
 * @long_rest: ns, less than 1 s: for which what a slow producer writes may wait
 */
bool consumer_init(struct consumer *consumer, long long_rest, struct hwaccl_error *error);
void consumer_destroy(struct consumer *consumer);

/**
 * consumer_attach - give @ring to the consumer, before its producer is made and its thread runs
 *
 * It may have several. The producers wake it from long rests.
 */
void consumer_attach(struct consumer *consumer, struct ring *ring);

/** consumer_start - run @main_loop with every signal blocked: signals are other threads' business */
bool consumer_start(struct consumer *consumer, void *(*main_loop)(void *), void *opaque, struct hwaccl_error *error);

/**
 * consumer_rest - until some more may be in the ring, or the end is near
 * @slow: little was in the ring after the last rest: consumer_is_slow()
 *
 * Polling keeps system calls off the vCPU thread; rarely, as each wake-up may take the processor, or what its caches
 * hold, from it. The producer fills some 0.4 MB in this time. One that is slow gets the long rest, and wakes us when it
 * becomes quick: consumer_wake(). The end, and consumer_call(), end any rest.
 */
void consumer_rest(struct consumer *consumer, const struct ring *ring, bool slow);

/** consumer_wake - end a long rest, if there is one: no system call otherwise. For any thread */
void consumer_wake(struct consumer *consumer);

/** consumer_call - end this rest, or the next one if there is none now. For any thread and signal handler */
void consumer_call(struct consumer *consumer);

/** consumer_is_slow - whoever filled @bytes of the ring in the last rest, for as long as that was */
bool consumer_is_slow(const struct consumer *consumer, const struct ring *ring, uint64_t bytes);

/** consumer_is_closing - everything that the producer will ever publish has been published */
bool consumer_is_closing(struct consumer *consumer);

/** consumer_join - say that the producer has stopped, and wait for the thread */
void consumer_join(struct consumer *consumer);

/** consumer_block_file_size_signal - for a thread that writes what the consumer's did not: a write beyond a file-size
 * limit must be an error there too. True when the signal was not blocked before; hand that to the other. */
bool consumer_block_file_size_signal(void);
void consumer_unblock_file_size_signal(bool mine);

#endif
