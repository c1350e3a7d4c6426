/* Waiting for a word that several processes share. */
#ifndef HWACCL_TRACER_INTERPOSE_FUTEX_H
#define HWACCL_TRACER_INTERPOSE_FUTEX_H

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/** futex_wait - until woken, or for @milliseconds at most; returns at once if the word is not @value */
static inline void futex_wait(_Atomic uint32_t *word, uint32_t value, long milliseconds)
{
        const struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000};

        (void)syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, NULL, 0);
}

static inline void futex_wake(_Atomic uint32_t *word)
{
        (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

#endif
