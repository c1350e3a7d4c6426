/* Values on the command line. */
#include "replay/cli/parse.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void numbers_are_decimal_or_hexadecimal_and_nothing_else(void **state)
{
        (void)state;
        uint64_t number;
        assert_true(cli_parse_number("0", &number));
        assert_int_equal(number, 0);
        assert_true(cli_parse_number("010", &number));
        assert_int_equal(number, 10);
        assert_true(cli_parse_number("0x7c00", &number));
        assert_int_equal(number, 0x7c00);
        assert_true(cli_parse_number("18446744073709551615", &number));
        assert_true(number == UINT64_MAX);

        static const char *const wrong[] = {"",   "-1",  "+1",  " 1",  "1 ",
                                            "0x", "0xg", "1e3", "12a", "18446744073709551616"};
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_false(cli_parse_number(wrong[i], &number));
}

static void sizes_have_binary_suffixes(void **state)
{
        (void)state;
        uint64_t size;
        assert_true(cli_parse_size("4096", &size));
        assert_int_equal(size, 4096);
        assert_true(cli_parse_size("64k", &size));
        assert_int_equal(size, 65536);
        assert_true(cli_parse_size("128M", &size));
        assert_int_equal(size, 128 << 20);
        assert_true(cli_parse_size("3G", &size));
        assert_true(size == UINT64_C(3) << 30);

        static const char *const wrong[] = {"", "M", "1T", "1MB", "1.5G", "-1M", "99999999999G", "18014398509481984K"};
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_false(cli_parse_size(wrong[i], &size));
}

static void seconds_may_have_a_fraction(void **state)
{
        (void)state;
        uint64_t nanoseconds;
        assert_true(cli_parse_seconds("2.5", &nanoseconds));
        assert_int_equal(nanoseconds, 2500000000);
        assert_true(cli_parse_seconds("0", &nanoseconds));
        assert_int_equal(nanoseconds, 0);

        static const char *const wrong[] = {"", "-1", "inf", "nan", "0x10", "1s", "1e30", ".", "1..2"};
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_false(cli_parse_seconds(wrong[i], &nanoseconds));
}

static void ranges_include_both_ends_and_may_be_open(void **state)
{
        (void)state;
        uint64_t first, last;
        assert_true(cli_parse_range("100..200", &first, &last));
        assert_int_equal(first, 100);
        assert_int_equal(last, 200);
        assert_true(cli_parse_range("7..", &first, &last));
        assert_int_equal(first, 7);
        assert_true(last == UINT64_MAX);
        assert_true(cli_parse_range("..7", &first, &last));
        assert_int_equal(first, 0);
        assert_int_equal(last, 7);
        assert_true(cli_parse_range("5", &first, &last));
        assert_int_equal(first, 5);
        assert_int_equal(last, 5);
        assert_true(cli_parse_range("0x10..0x1f", &first, &last));
        assert_int_equal(last, 31);

        static const char *const wrong[] = {"", "..", "2..1", "a..b", "1...2", "1-2", "1..2x", "..x"};
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_false(cli_parse_range(wrong[i], &first, &last));
}

static void times_are_seconds_or_utc_dates(void **state)
{
        (void)state;
        uint64_t seconds;
        assert_true(cli_parse_time("946684800", &seconds));
        assert_int_equal(seconds, 946684800);
        assert_true(cli_parse_time("2000-01-01T00:00:00", &seconds));
        assert_int_equal(seconds, 946684800);
        assert_true(cli_parse_time("2026-11-22T20:34:00Z", &seconds));
        assert_int_equal(seconds, 1795379640);

        static const char *const wrong[] = {"",           "yesterday",           "2000-13-01T00:00:00",
                                            "2000-01-01", "1969-01-01T00:00:00", "999999999999999"};
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_false(cli_parse_time(wrong[i], &seconds));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_are_decimal_or_hexadecimal_and_nothing_else),
                cmocka_unit_test(sizes_have_binary_suffixes),
                cmocka_unit_test(seconds_may_have_a_fraction),
                cmocka_unit_test(ranges_include_both_ends_and_may_be_open),
                cmocka_unit_test(times_are_seconds_or_utc_dates),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
