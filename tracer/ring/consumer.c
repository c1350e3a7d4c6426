#include "tracer/ring/consumer.h"

#include "tracer/ring/steps.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define SMALL_RING (UINT64_C(2) << 20)
#define SLOW_SHARE 256u /* share of the ring; a rest that fills less is slow */

bool consumer_init(struct consumer *consumer, long long_rest, struct hwaccl_error *error)
{
        consumer->long_rest = long_rest;
        consumer->last_rest = 1;
        return sem_init(&consumer->wake, 0, 0) == 0 ||
               hwaccl_error_set(error, "cannot create a semaphore: %s", strerror(errno));
}

void consumer_destroy(struct consumer *consumer)
{
        (void)sem_destroy(&consumer->wake);
}

void consumer_attach(struct consumer *consumer, struct ring *ring)
{
        ring->consumer = consumer;
}

/* A write beyond a file-size limit must be an error, not a SIGXFSZ: blocked with all others. */
bool consumer_start(struct consumer *consumer, void *(*main_loop)(void *), void *opaque, struct hwaccl_error *error)
{
        sigset_t all;
        sigset_t before;

        (void)sigfillset(&all);
        int result = pthread_sigmask(SIG_SETMASK, &all, &before);
        if (result == 0) {
                result = pthread_create(&consumer->thread, NULL, main_loop, opaque);
                (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        }
        return result == 0 || hwaccl_error_set(error, "cannot start the writer thread: %s", strerror(result));
}

bool consumer_is_slow(const struct consumer *consumer, const struct ring *ring, uint64_t bytes)
{
        return bytes < ring->size / SLOW_SHARE * consumer->last_rest;
}

void consumer_rest(struct consumer *consumer, const struct ring *ring, bool slow)
{
        struct timespec until = {0, 0};
        const long usual = ring->size < SMALL_RING ? 500000 : 5000000;
        const long rest = slow ? consumer->long_rest : usual;

        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += rest;
        if (until.tv_nsec >= 1000000000) {
                until.tv_sec++;
                until.tv_nsec -= 1000000000;
        }
        STEP("rest begins");
        atomic_store_explicit(&consumer->resting, slow, memory_order_relaxed);
        if (!consumer_is_closing(consumer))
                (void)sem_clockwait(&consumer->wake, CLOCK_MONOTONIC, &until);
        STEP("rest ends");
        bool woken = slow && !atomic_exchange_explicit(&consumer->resting, false, memory_order_relaxed);
        /* a producer that wakes the consumer is not slow, however long it took */
        consumer->last_rest = woken ? 1 : (unsigned)(rest / usual);
}

void consumer_wake(struct consumer *consumer)
{
        STEP("wake");
        if (atomic_exchange_explicit(&consumer->resting, false, memory_order_relaxed))
                consumer_call(consumer);
}

/* The semaphore remembers the call: one that comes before the rest, or after its timeout, makes the next rest end at
 * once. */
void consumer_call(struct consumer *consumer)
{
        (void)sem_post(&consumer->wake);
}

bool consumer_is_closing(struct consumer *consumer)
{
        STEP("consumer looks for the end");
        return atomic_load_explicit(&consumer->closing, memory_order_acquire);
}

void consumer_join(struct consumer *consumer)
{
        STEP("closing");
        atomic_store_explicit(&consumer->closing, true, memory_order_release);
        consumer_call(consumer);
        (void)pthread_join(consumer->thread, NULL);
}

bool consumer_block_file_size_signal(void)
{
        sigset_t file_size;
        sigset_t before;

        (void)sigemptyset(&file_size);
        (void)sigaddset(&file_size, SIGXFSZ);
        return pthread_sigmask(SIG_BLOCK, &file_size, &before) == 0 && !sigismember(&before, SIGXFSZ);
}

void consumer_unblock_file_size_signal(bool mine)
{
        const struct timespec at_once = {0, 0};
        sigset_t file_size;

        if (!mine)
                return;
        (void)sigemptyset(&file_size);
        (void)sigaddset(&file_size, SIGXFSZ);
        (void)sigtimedwait(&file_size, NULL, &at_once); /* the failed write has been reported as an error */
        (void)pthread_sigmask(SIG_UNBLOCK, &file_size, NULL);
}
