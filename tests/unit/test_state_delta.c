/* The difference of two subject states: every word is seen by both ways of comparing, and a delta applied gives the
 * state back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/ring/state_delta.h"

#include <stdbool.h>
#include <stdlib.h>

typedef uint64_t (*bitmap_function)(const struct hwaccl_subject_state *state, const union state_words *base);

static bool has_avx2(void)
{
        return __builtin_cpu_supports("avx2");
}

static uint64_t word_by_word(const union state_words *a, const union state_words *b)
{
        uint64_t bitmap = 0;

        for (unsigned i = 0; i < STATE_WORDS; i++)
                bitmap |= (uint64_t)(a->word[i] != b->word[i]) << i;
        return bitmap;
}

static union state_words random_words(unsigned seed)
{
        union state_words words;

        srand(seed);
        for (unsigned i = 0; i < STATE_WORDS; i++)
                words.word[i] = (uint64_t)rand() << 33 ^ (uint64_t)rand();
        return words;
}

static void each_bit_of_each_word_is_seen(bitmap_function bitmap)
{
        const union state_words base = random_words(1);
        union state_words state = base;

        assert_int_equal(bitmap(&state.state, &base), 0);
        for (unsigned bit = 0; bit < STATE_WORDS * 64; bit++) {
                state.word[bit / 64] ^= UINT64_C(1) << bit % 64;
                assert_int_equal(bitmap(&state.state, &base), UINT64_C(1) << bit / 64);
                state.word[bit / 64] = base.word[bit / 64];
        }
}

static void any_set_of_words_is_seen(bitmap_function bitmap)
{
        const union state_words base = random_words(2);

        for (unsigned round = 0; round < 10000; round++) {
                union state_words state = base;
                uint64_t changed = (uint64_t)rand() << 40 ^ (uint64_t)rand() << 20 ^ (uint64_t)rand();
                for (unsigned i = 0; i < STATE_WORDS; i++)
                        if (changed >> i & 1)
                                state.word[i] ^= UINT64_C(1) << rand() % 64;
                assert_int_equal(bitmap(&state.state, &base), changed);
                assert_int_equal(changed, word_by_word(&state, &base));
                assert_int_equal(state_delta_count(changed), __builtin_popcountll(changed));
        }
}

/* The accelerator's state need not be aligned to more than its words. */
static void a_state_may_lie_at_any_word(bitmap_function bitmap)
{
        const union state_words base = random_words(3);
        _Alignas(64) uint64_t room[1 + STATE_WORDS];
        struct hwaccl_subject_state *state = (struct hwaccl_subject_state *)(void *)&room[1];

        memcpy(state, &base, sizeof(base));
        assert_int_equal(bitmap(state, &base), 0);
        room[STATE_WORDS] ^= 1;
        assert_int_equal(bitmap(state, &base), UINT64_C(1) << 63);
}

static void comparing_with_sse2(void **state)
{
        (void)state;
        each_bit_of_each_word_is_seen(state_delta_bitmap);
        any_set_of_words_is_seen(state_delta_bitmap);
        a_state_may_lie_at_any_word(state_delta_bitmap);
}

static void comparing_with_avx2(void **state)
{
        (void)state;
        if (!has_avx2()) {
                print_message("this processor has no AVX2\n");
                skip();
        }
        each_bit_of_each_word_is_seen(state_delta_bitmap_avx2);
        any_set_of_words_is_seen(state_delta_bitmap_avx2);
        a_state_may_lie_at_any_word(state_delta_bitmap_avx2);
}

static void a_delta_applied_to_its_base_gives_the_state(void **state)
{
        (void)state;
        for (unsigned seed = 0; seed < 100; seed++) {
                union state_words from = random_words(seed);
                const union state_words to = random_words(seed + 1000);
                union state_words packed_base = from;
                uint64_t words[STATE_WORDS];
                uint64_t bitmap = word_by_word(&to, &from);
                assert_ptr_equal(state_delta_pack(bitmap, &to.state, &packed_base, words),
                                 words + state_delta_count(bitmap));
                assert_memory_equal(&packed_base, &to, sizeof(to));
                assert_ptr_equal(state_delta_apply(bitmap, words, &from), words + state_delta_count(bitmap));
                assert_memory_equal(&from, &to, sizeof(to));
        }
}

typedef uint64_t (*masked_function)(const struct hwaccl_subject_state *state, const union state_words *base,
                                    const union state_words *keep, bool merge);

static uint64_t masked_sse2(const struct hwaccl_subject_state *state, const union state_words *base,
                            const union state_words *keep, bool merge)
{
        return state_delta_bitmap_known(state, base, keep, merge);
}

static STATE_DELTA_AVX2 uint64_t masked_avx2(const struct hwaccl_subject_state *state, const union state_words *base,
                                             const union state_words *keep, bool merge)
{
        return state_delta_bitmap_known_avx2(state, base, keep, merge);
}

static void what_is_not_known_is_zero_or_the_bases(masked_function bitmap)
{
        for (unsigned seed = 0; seed < 100; seed++) {
                union state_words base = random_words(seed);
                union state_words state = random_words(seed + 1000);
                union state_words keep = random_words(seed + 2000);
                union state_words merged;
                uint64_t words[STATE_WORDS];
                bool merge = seed & 1;
                for (unsigned i = 0; i < STATE_WORDS; i++) {
                        keep.word[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? UINT64_MAX : keep.word[i] & 0xffffffff;
                        if (i % 5 == 0)
                                base.word[i] = merge ? state.word[i] : state.word[i] & keep.word[i];
                        merged.word[i] = (state.word[i] & keep.word[i]) | (merge ? base.word[i] & ~keep.word[i] : 0);
                }
                uint64_t changed = word_by_word(&merged, &base);
                assert_int_equal(bitmap(&state.state, &base, &keep, merge), changed);
                (void)state_delta_pack_known(changed, &state.state, &base, &keep, merge, words);
                assert_memory_equal(&base, &merged, sizeof(merged));
        }
}

static void comparing_what_is_known(void **state)
{
        (void)state;
        what_is_not_known_is_zero_or_the_bases(masked_sse2);
        if (has_avx2())
                what_is_not_known_is_zero_or_the_bases(masked_avx2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(comparing_with_sse2),
                cmocka_unit_test(comparing_with_avx2),
                cmocka_unit_test(comparing_what_is_known),
                cmocka_unit_test(a_delta_applied_to_its_base_gives_the_state),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
