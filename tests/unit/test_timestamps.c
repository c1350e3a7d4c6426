/* Conversion of the vCPU thread's time stamps: samples of two clocks that disagree a little never turn time back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/ring/timestamps.h"

/* A clock whose last two samples are given: stamps count half nanoseconds. */
static struct stamp_clock clock_between(uint64_t stamp0, uint64_t ns0, uint64_t stamp1, uint64_t ns1)
{
        struct stamp_clock clock = {.kind = STAMP_TSC};

        clock.stamp[0] = stamp0;
        clock.ns[0] = ns0;
        clock.stamp[1] = stamp1;
        clock.ns[1] = ns1;
        return clock;
}

static void a_stamp_between_two_samples_is_interpolated(void **state)
{
        struct stamp_clock clock = clock_between(1000, 500, 3000, 1500);

        (void)state;
        assert_int_equal(stamp_clock_ns(&clock, 1000), 500);
        assert_int_equal(stamp_clock_ns(&clock, 2000), 1000);
        assert_int_equal(stamp_clock_ns(&clock, 3000), 1500);
}

static void a_sample_that_shows_a_slower_rate_does_not_turn_time_back(void **state)
{
        struct stamp_clock clock = clock_between(1000, 500, 3000, 1500);

        (void)state;
        assert_int_equal(stamp_clock_ns(&clock, 2900), 1450);
        clock.stamp[1] = 4000;
        clock.ns[1] = 1600; /* 2901 would be 1197 on the new line */
        assert_int_equal(stamp_clock_ns(&clock, 2901), 1450);
        assert_int_equal(stamp_clock_ns(&clock, 4000), 1600);
}

static void an_older_stamp_never_lies_behind_a_later_one(void **state)
{
        struct stamp_clock clock = clock_between(1000, 500, 3000, 1500);

        (void)state;
        uint64_t late = stamp_clock_ns(&clock, 2900);
        clock.stamp[1] = 3001;
        clock.ns[1] = 9000;
        assert_true(stamp_clock_ns(&clock, 2899) <= late);
}

static void a_span_has_the_mean_rate_wherever_the_last_samples_lie(void **state)
{
        struct stamp_clock clock = clock_between(1000, 500, 3000, 1500);

        (void)state;
        assert_int_equal(stamp_clock_span(&clock, 900, 1100), 100); /* across the older sample */
        clock.stamp[0] = 2999;                                      /* a steep last line: 1 stamp, 700 ns */
        clock.ns[0] = 800;
        assert_int_equal(stamp_clock_span(&clock, 2998, 3000), 1);
        assert_int_equal(stamp_clock_span(&clock, 5000, 5200), 100); /* later than both samples */
        assert_int_equal(stamp_clock_span(&clock, 10, 10), 0);
        assert_int_equal(stamp_clock_span(&clock, 11, 10), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_stamp_between_two_samples_is_interpolated),
                cmocka_unit_test(a_sample_that_shows_a_slower_rate_does_not_turn_time_back),
                cmocka_unit_test(a_span_has_the_mean_rate_wherever_the_last_samples_lie),
                cmocka_unit_test(an_older_stamp_never_lies_behind_a_later_one),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
