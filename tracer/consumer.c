#include "consumer.h"

#include "steps.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#define SMALL_RING (UINT64_C(2) << 20)
#define SLOW_SHARE 256u /* of the ring, in one rest */

bool consumer_init(struct consumer *consumer, long long_rest, struct hwaccl_error *error)
{
        pthread_condattr_t attributes;

        consumer->long_rest = long_rest;
        consumer->last_rest = 1;
        if (pthread_condattr_init(&attributes) != 0)
                return hwaccl_error_set(error, "out of memory");
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        int result = pthread_cond_init(&consumer->wake, &attributes);
        (void)pthread_condattr_destroy(&attributes);
        if (result == 0) {
                result = pthread_mutex_init(&consumer->lock, NULL);
                if (result != 0)
                        (void)pthread_cond_destroy(&consumer->wake);
        }
        return result == 0 || hwaccl_error_set(error, "cannot make a condition variable: %s", strerror(result));
}

void consumer_destroy(struct consumer *consumer)
{
        (void)pthread_cond_destroy(&consumer->wake);
        (void)pthread_mutex_destroy(&consumer->lock);
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
        (void)pthread_mutex_lock(&consumer->lock);
        /* whoever wakes us needs the lock for it, and gets that when we wait; taking it is the step before */
        atomic_store_explicit(&consumer->resting, slow, memory_order_relaxed);
        if (!consumer_is_closing(consumer))
                (void)pthread_cond_timedwait(&consumer->wake, &consumer->lock, &until);
        bool woken = slow && !atomic_exchange_explicit(&consumer->resting, false, memory_order_relaxed);
        (void)pthread_mutex_unlock(&consumer->lock);
        /* one that wakes us is not slow, however long that took */
        consumer->last_rest = woken ? 1 : (unsigned)(rest / usual);
}

void consumer_wake(struct consumer *consumer)
{
        STEP("wake");
        if (!atomic_exchange_explicit(&consumer->resting, false, memory_order_relaxed))
                return;
        (void)pthread_mutex_lock(&consumer->lock);
        (void)pthread_cond_signal(&consumer->wake);
        (void)pthread_mutex_unlock(&consumer->lock);
}

bool consumer_is_closing(struct consumer *consumer)
{
        STEP("consumer looks for the end");
        return atomic_load_explicit(&consumer->closing, memory_order_acquire);
}

void consumer_join(struct consumer *consumer)
{
        (void)pthread_mutex_lock(&consumer->lock);
        STEP("closing");
        atomic_store_explicit(&consumer->closing, true, memory_order_release);
        (void)pthread_cond_signal(&consumer->wake);
        (void)pthread_mutex_unlock(&consumer->lock);
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
        (void)sigtimedwait(&file_size, NULL, &at_once); /* what our writes raised has been reported */
        (void)pthread_sigmask(SIG_UNBLOCK, &file_size, NULL);
}
