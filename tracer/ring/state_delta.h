/* The difference of two subject states: a bitmap of the 64-bit words that differ, and those words. */
#ifndef HWACCL_TRACER_STATE_DELTA_H
#define HWACCL_TRACER_STATE_DELTA_H

#include "hwaccl/subject_state.h"

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define STATE_WORDS 64

union state_words {
        struct hwaccl_subject_state state;
        uint64_t word[STATE_WORDS];
} __attribute__((aligned(64)));

/* Four 64-bit comparisons as four 32-bit flags. SSE2 compares 32 bits: both halves must agree. */
static inline __m128i state_delta_equal4(const __m128i *a, const __m128i *b)
{
        __m128 first = _mm_castsi128_ps(_mm_cmpeq_epi32(_mm_loadu_si128(a), _mm_load_si128(b)));
        __m128 second = _mm_castsi128_ps(_mm_cmpeq_epi32(_mm_loadu_si128(a + 1), _mm_load_si128(b + 1)));

        return _mm_castps_si128(_mm_and_ps(_mm_shuffle_ps(first, second, 0x88), _mm_shuffle_ps(first, second, 0xdd)));
}

/** state_delta_bitmap - bit i is set where word i of @state differs from @base's. Every x86-64 has SSE2. */
static inline uint64_t state_delta_bitmap(const struct hwaccl_subject_state *state, const union state_words *base)
{
        const __m128i *a = (const __m128i *)(const void *)state;
        const __m128i *b = (const __m128i *)(const void *)base;
        uint64_t bitmap = 0;

        for (unsigned group = 0; group < 4; group++, a += 8, b += 8) {
                __m128i low = _mm_packs_epi32(state_delta_equal4(a, b), state_delta_equal4(a + 2, b + 2));
                __m128i high = _mm_packs_epi32(state_delta_equal4(a + 4, b + 4), state_delta_equal4(a + 6, b + 6));
                unsigned equal = (unsigned)_mm_movemask_epi8(_mm_packs_epi16(low, high));
                bitmap |= (uint64_t)(~equal & 0xffffu) << (16 * group);
        }
        return bitmap;
}

/** state_delta_bitmap_avx2 - the same with 256-bit registers, in half the time */
static inline __attribute__((target("avx2"))) uint64_t state_delta_bitmap_avx2(const struct hwaccl_subject_state *state,
                                                                               const union state_words *base)
{
        const __m256i *a = (const __m256i *)(const void *)state;
        const __m256i *b = (const __m256i *)(const void *)base;
        uint64_t equal = 0;

        for (unsigned i = 0; i < STATE_WORDS / 4; i++) {
                __m256i same = _mm256_cmpeq_epi64(_mm256_loadu_si256(a + i), _mm256_load_si256(b + i));
                equal |= (uint64_t)(unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(same)) << (4 * i);
        }
        return ~equal;
}

/** state_delta_count - words that @bitmap names. In place: without -mpopcnt the compiler calls a function */
static inline size_t state_delta_count(uint64_t bitmap)
{
        bitmap -= (bitmap >> 1) & UINT64_C(0x5555555555555555);
        bitmap = (bitmap & UINT64_C(0x3333333333333333)) + ((bitmap >> 2) & UINT64_C(0x3333333333333333));
        bitmap = (bitmap + (bitmap >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
        return (size_t)((bitmap * UINT64_C(0x0101010101010101)) >> 56);
}

/** state_delta_size - bytes that state_delta_pack() writes */
static inline size_t state_delta_size(uint64_t bitmap)
{
        return 8 * state_delta_count(bitmap);
}

/** state_delta_pack - write the words that @bitmap names to @to and into @base, which then equals @state */
static inline uint64_t *state_delta_pack(uint64_t bitmap, const struct hwaccl_subject_state *state,
                                         union state_words *base, uint64_t *to)
{
        while (bitmap) {
                unsigned i = (unsigned)__builtin_ctzll(bitmap);
                uint64_t word;
                memcpy(&word, (const unsigned char *)state + 8 * (size_t)i, sizeof(word));
                *to++ = word;
                base->word[i] = word;
                bitmap &= bitmap - 1;
        }
        return to;
}

/** state_delta_apply - the reverse: returns what follows the words */
static inline const uint64_t *state_delta_apply(uint64_t bitmap, const uint64_t *from, union state_words *state)
{
        while (bitmap) {
                state->word[__builtin_ctzll(bitmap)] = *from++;
                bitmap &= bitmap - 1;
        }
        return from;
}

#endif
