#include "core/muen/tsc_update.h"

#include "core/assert.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NANOSECONDS_PER_SECOND      UINT64_C(1000000000)
#define NANOSECONDS_PER_MICROSECOND UINT64_C(1000)

struct hwaccl_tsc_update {
        void (*update)(void *opaque);
        void *opaque;
        uint64_t period_ns;
        pthread_t thread;
        pthread_mutex_t mutex;
        pthread_cond_t stopped;
        bool stop; /* under the mutex */
};

static uint64_t monotonic_ns(void)
{
        struct timespec now;
        hwaccl_assert(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
        return (uint64_t)now.tv_sec * NANOSECONDS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Returns false when the updates are to end. */
static bool sleep_until(struct hwaccl_tsc_update *tsc_update, uint64_t deadline_ns)
{
        struct timespec deadline = {(time_t)(deadline_ns / NANOSECONDS_PER_SECOND),
                                    (long)(deadline_ns % NANOSECONDS_PER_SECOND)};
        int status = 0;

        hwaccl_assert(pthread_mutex_lock(&tsc_update->mutex) == 0);
        while (!tsc_update->stop && status != ETIMEDOUT)
                status = pthread_cond_timedwait(&tsc_update->stopped, &tsc_update->mutex, &deadline);
        bool go_on = !tsc_update->stop;
        hwaccl_assert(pthread_mutex_unlock(&tsc_update->mutex) == 0);
        return go_on;
}

static void *update_periodically(void *opaque)
{
        struct hwaccl_tsc_update *tsc_update = opaque;
        uint64_t next = monotonic_ns() + tsc_update->period_ns;

        while (sleep_until(tsc_update, next)) {
                tsc_update->update(tsc_update->opaque);
                uint64_t now = monotonic_ns();
                next += tsc_update->period_ns;
                if (next <= now)
                        next += (now - next) / tsc_update->period_ns * tsc_update->period_ns + tsc_update->period_ns;
        }
        return NULL;
}

static int start_thread(struct hwaccl_tsc_update *tsc_update)
{
        sigset_t all;
        sigset_t before;

        hwaccl_assert(sigfillset(&all) == 0);
        int status = pthread_sigmask(SIG_SETMASK, &all, &before);
        if (status)
                return status;
        status = pthread_create(&tsc_update->thread, NULL, update_periodically, tsc_update);
        hwaccl_assert(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
        return status;
}

static int init_condition(pthread_cond_t *condition)
{
        pthread_condattr_t attributes;
        int status = pthread_condattr_init(&attributes);

        if (status)
                return status;
        status = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (!status)
                status = pthread_cond_init(condition, &attributes);
        (void)pthread_condattr_destroy(&attributes);
        return status;
}

struct hwaccl_tsc_update *hwaccl_tsc_update_start(uint32_t microseconds, void (*update)(void *opaque), void *opaque,
                                                  struct hwaccl_error *error)
{
        if (!microseconds) {
                hwaccl_error_set(error, "TSC update: a period of 0 microseconds");
                return NULL;
        }
        struct hwaccl_tsc_update *tsc_update = calloc(1, sizeof(*tsc_update));
        if (!tsc_update) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        tsc_update->update = update;
        tsc_update->opaque = opaque;
        tsc_update->period_ns = microseconds * NANOSECONDS_PER_MICROSECOND;

        int status = pthread_mutex_init(&tsc_update->mutex, NULL);
        if (!status) {
                status = init_condition(&tsc_update->stopped);
                if (!status) {
                        status = start_thread(tsc_update);
                        if (!status)
                                return tsc_update;
                        (void)pthread_cond_destroy(&tsc_update->stopped);
                }
                (void)pthread_mutex_destroy(&tsc_update->mutex);
        }
        hwaccl_error_set(error, "TSC update: starting a thread: %s", strerror(status));
        free(tsc_update);
        return NULL;
}

void hwaccl_tsc_update_stop(struct hwaccl_tsc_update *tsc_update)
{
        if (!tsc_update)
                return;
        hwaccl_assert(pthread_mutex_lock(&tsc_update->mutex) == 0);
        tsc_update->stop = true;
        hwaccl_assert(pthread_cond_signal(&tsc_update->stopped) == 0);
        hwaccl_assert(pthread_mutex_unlock(&tsc_update->mutex) == 0);
        hwaccl_assert(pthread_join(tsc_update->thread, NULL) == 0);
        hwaccl_assert(pthread_cond_destroy(&tsc_update->stopped) == 0);
        hwaccl_assert(pthread_mutex_destroy(&tsc_update->mutex) == 0);
        free(tsc_update);
}
