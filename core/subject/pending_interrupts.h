/*
 * The pending-interrupts page: a bitmap indexed by vector, bit set = pending. Shared with the accelerator of the
 * subject, which clears a vector's bit when it delivers it, so every access is atomic.
 */
#ifndef HWACCL_PENDING_INTERRUPTS_H
#define HWACCL_PENDING_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

#define HWACCL_VECTOR_COUNT 256

struct hwaccl_pending_interrupts {
        _Atomic uint64_t bits[HWACCL_VECTOR_COUNT / 64]; /* vector v: bit v % 64 of word v / 64 */
};

_Static_assert(sizeof(struct hwaccl_pending_interrupts) == 32, "256 vectors are 32 bytes");

bool hwaccl_pending_interrupts_test(const struct hwaccl_pending_interrupts *pending, uint8_t vector);
void hwaccl_pending_interrupts_set(struct hwaccl_pending_interrupts *pending, uint8_t vector);
void hwaccl_pending_interrupts_clear(struct hwaccl_pending_interrupts *pending, uint8_t vector);

/** hwaccl_pending_interrupts_highest - the pending vector of highest priority (the greatest), or -1 when none is
 * pending */
int hwaccl_pending_interrupts_highest(const struct hwaccl_pending_interrupts *pending);

#endif
