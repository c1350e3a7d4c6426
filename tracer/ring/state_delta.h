/* The difference of two subject states: a bitmap of the 64-bit words that differ, and those words. */
#ifndef HWACCL_TRACER_STATE_DELTA_H
#define HWACCL_TRACER_STATE_DELTA_H

#include "hwaccl/subject_state.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define STATE_WORDS 64

union state_words {
        struct hwaccl_subject_state state;
        uint64_t word[STATE_WORDS];
} __attribute__((aligned(64)));

/*
 * Which words of a state are looked at: @keep has a bit for each bit of the state that is known, NULL: all. What is not
 * known is 0 in the state, or, if @merge is set, as in the base. Inlined with constants for both, so that a whole state
 * costs no masks.
 */
#define STATE_DELTA_INLINE static inline __attribute__((always_inline))

/* Two words of the state, and of the base to compare them with. SSE2 compares 32 bits: both halves must agree. */
STATE_DELTA_INLINE __m128 state_delta_equal2(const __m128i *a, const __m128i *b, const __m128i *keep, bool merge)
{
        __m128i state = _mm_loadu_si128(a);
        __m128i base = _mm_load_si128(b);

        if (keep) {
                __m128i mask = _mm_load_si128(keep);
                state = _mm_and_si128(state, mask);
                base = merge ? _mm_and_si128(base, mask) : base;
        }
        return _mm_castsi128_ps(_mm_cmpeq_epi32(state, base));
}

/* Four 64-bit comparisons as four 32-bit flags. */
STATE_DELTA_INLINE __m128i state_delta_equal4(const __m128i *a, const __m128i *b, const __m128i *keep, bool merge)
{
        __m128 first = state_delta_equal2(a, b, keep, merge);
        __m128 second = state_delta_equal2(a + 1, b + 1, keep ? keep + 1 : NULL, merge);

        return _mm_castps_si128(_mm_and_ps(_mm_shuffle_ps(first, second, 0x88), _mm_shuffle_ps(first, second, 0xdd)));
}

STATE_DELTA_INLINE __m128i state_delta_equal8(const __m128i *a, const __m128i *b, const __m128i *keep, bool merge)
{
        return _mm_packs_epi32(state_delta_equal4(a, b, keep, merge),
                               state_delta_equal4(a + 2, b + 2, keep ? keep + 2 : NULL, merge));
}

/** state_delta_bitmap_known - bit i is set where word i of @state differs from @base's. Every x86-64 has SSE2. */
STATE_DELTA_INLINE uint64_t state_delta_bitmap_known(const struct hwaccl_subject_state *state,
                                                     const union state_words *base, const union state_words *keep,
                                                     bool merge)
{
        const __m128i *a = (const __m128i *)(const void *)state;
        const __m128i *b = (const __m128i *)(const void *)base;
        const __m128i *k = (const __m128i *)(const void *)keep;
        uint64_t bitmap = 0;

        for (unsigned i = 0; i < 32; i += 8) {
                __m128i low = state_delta_equal8(a + i, b + i, k ? k + i : NULL, merge);
                __m128i high = state_delta_equal8(a + i + 4, b + i + 4, k ? k + i + 4 : NULL, merge);
                unsigned equal = (unsigned)_mm_movemask_epi8(_mm_packs_epi16(low, high));
                bitmap |= (uint64_t)(~equal & 0xffffu) << 2 * i;
        }
        return bitmap;
}

#define STATE_DELTA_AVX2 __attribute__((target("avx2")))

/** state_delta_bitmap_known_avx2 - the same with 256-bit registers, in half the time */
STATE_DELTA_INLINE STATE_DELTA_AVX2 uint64_t state_delta_bitmap_known_avx2(const struct hwaccl_subject_state *state,
                                                                           const union state_words *base,
                                                                           const union state_words *keep, bool merge)
{
        const __m256i *a = (const __m256i *)(const void *)state;
        const __m256i *b = (const __m256i *)(const void *)base;
        const __m256i *k = (const __m256i *)(const void *)keep;
        uint64_t equal = 0;

        for (unsigned i = 0; i < STATE_WORDS / 4; i++) {
                __m256i left = _mm256_loadu_si256(a + i);
                __m256i right = _mm256_load_si256(b + i);
                if (keep) {
                        __m256i mask = _mm256_load_si256(k + i);
                        left = _mm256_and_si256(left, mask);
                        right = merge ? _mm256_and_si256(right, mask) : right;
                }
                __m256i same = _mm256_cmpeq_epi64(left, right);
                equal |= (uint64_t)(unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(same)) << (4 * i);
        }
        return ~equal;
}

/** state_delta_bitmap, state_delta_bitmap_avx2 - the same of a state that is known as a whole */
static inline uint64_t state_delta_bitmap(const struct hwaccl_subject_state *state, const union state_words *base)
{
        return state_delta_bitmap_known(state, base, NULL, false);
}

static inline STATE_DELTA_AVX2 uint64_t state_delta_bitmap_avx2(const struct hwaccl_subject_state *state,
                                                                const union state_words *base)
{
        return state_delta_bitmap_known_avx2(state, base, NULL, false);
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

/** state_delta_pack_known - write the words that @bitmap names to @to and into @base, which then equals the state */
STATE_DELTA_INLINE uint64_t *state_delta_pack_known(uint64_t bitmap, const struct hwaccl_subject_state *state,
                                                    union state_words *base, const union state_words *keep, bool merge,
                                                    uint64_t *to)
{
        while (bitmap) {
                unsigned i = (unsigned)__builtin_ctzll(bitmap);
                uint64_t word;
                memcpy(&word, (const unsigned char *)state + 8 * (size_t)i, sizeof(word));
                if (keep)
                        word = (word & keep->word[i]) | (merge ? base->word[i] & ~keep->word[i] : 0);
                *to++ = word;
                base->word[i] = word;
                bitmap &= bitmap - 1;
        }
        return to;
}

static inline uint64_t *state_delta_pack(uint64_t bitmap, const struct hwaccl_subject_state *state,
                                         union state_words *base, uint64_t *to)
{
        return state_delta_pack_known(bitmap, state, base, NULL, false, to);
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
