#include "core/subject/pending_interrupts.h"

static uint64_t vector_bit(uint8_t vector)
{
        return UINT64_C(1) << (vector % 64);
}

bool hwaccl_pending_interrupts_test(const struct hwaccl_pending_interrupts *pending, uint8_t vector)
{
        return (pending->bits[vector / 64] & vector_bit(vector)) != 0;
}

void hwaccl_pending_interrupts_set(struct hwaccl_pending_interrupts *pending, uint8_t vector)
{
        pending->bits[vector / 64] |= vector_bit(vector);
}

void hwaccl_pending_interrupts_clear(struct hwaccl_pending_interrupts *pending, uint8_t vector)
{
        pending->bits[vector / 64] &= ~vector_bit(vector);
}

int hwaccl_pending_interrupts_highest(const struct hwaccl_pending_interrupts *pending)
{
        for (int word = HWACCL_VECTOR_COUNT / 64 - 1; word >= 0; word--) {
                uint64_t bits = pending->bits[word];
                if (bits)
                        return word * 64 + 63 - __builtin_clzll(bits);
        }
        return -1;
}
