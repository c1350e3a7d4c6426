#include "core/host/guest_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PAGE HWACCL_PAGE_SIZE

static struct hwaccl_guest_memory memory;
static struct hwaccl_error error;

static int open_memory(void **state)
{
        (void)state;
        hwaccl_guest_memory_init(&memory, true);
        return 0;
}

static int close_memory(void **state)
{
        (void)state;
        hwaccl_guest_memory_destroy(&memory);
        return 0;
}

static bool add(uint64_t address, uint64_t size, bool writable)
{
        return hwaccl_guest_memory_add(&memory, address, size, writable, &error);
}

static void runs_are_kept_in_address_order(void **state)
{
        (void)state;
        assert_true(add(4 * PAGE, PAGE, true));
        assert_true(add(0, PAGE, true));
        assert_true(add(2 * PAGE, PAGE, false));
        assert_int_equal(memory.run_count, 3);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(memory.run[i].address, i * 2 * PAGE);
}

static void overlapping_runs_are_refused(void **state)
{
        (void)state;
        assert_true(add(4 * PAGE, 2 * PAGE, true));
        for (uint64_t first = 0; first < 10; first++) {
                for (uint64_t count = 1; first + count < 10; count++) {
                        bool overlaps = first < 6 && first + count > 4;
                        struct hwaccl_guest_memory before = memory;
                        bool added = add(first * PAGE, count * PAGE, true);
                        assert_int_equal(added, !overlaps);
                        if (!added) {
                                assert_memory_equal(&memory, &before, sizeof(before));
                                continue;
                        }
                        hwaccl_guest_memory_destroy(&memory);
                        assert_true(add(4 * PAGE, 2 * PAGE, true));
                }
        }
}

static void runs_are_made_of_whole_pages(void **state)
{
        (void)state;
        assert_false(add(0, 0, true));
        assert_false(add(1, PAGE, true));
        assert_false(add(0, PAGE + 1, true));
        assert_false(add(UINT64_MAX - PAGE + 1, 2 * PAGE, true));
        assert_string_equal(error.message, "memory run 0xfffffffffffff000+0x2000 is not page-aligned");
        assert_int_equal(memory.run_count, 0);
}

static void more_runs_than_fit_are_refused(void **state)
{
        (void)state;
        for (uint64_t i = 0; i < HWACCL_MEMORY_RUN_MAX; i++)
                assert_true(add(i * 2 * PAGE, PAGE, true));
        assert_false(add(1000 * PAGE, PAGE, true));
        assert_string_equal(error.message, "more than 16 memory runs");
}

static void memory_that_the_host_does_not_have_is_an_error(void **state)
{
        (void)state;
        assert_false(add(0, UINT64_C(1) << 60, true));
        assert_non_null(strstr(error.message, "cannot allocate"));
        assert_int_equal(memory.run_count, 0);
}

static void new_memory_is_zero(void **state)
{
        (void)state;
        static const uint8_t zeros[2 * PAGE];
        uint8_t bytes[2 * PAGE];
        assert_true(add(0, sizeof(bytes), true));
        memset(bytes, 1, sizeof(bytes));
        assert_true(hwaccl_guest_memory_read(&memory, 0, bytes, sizeof(bytes)));
        assert_memory_equal(bytes, zeros, sizeof(bytes));
}

static void find_knows_the_first_and_last_byte_of_a_run(void **state)
{
        (void)state;
        assert_true(add(PAGE, PAGE, true));
        assert_null(hwaccl_guest_memory_find(&memory, PAGE - 1));
        assert_ptr_equal(hwaccl_guest_memory_find(&memory, PAGE), &memory.run[0]);
        assert_ptr_equal(hwaccl_guest_memory_find(&memory, 2 * PAGE - 1), &memory.run[0]);
        assert_null(hwaccl_guest_memory_find(&memory, 2 * PAGE));
        assert_null(hwaccl_guest_memory_find(&memory, UINT64_MAX));
}

static void runs_that_touch_count_as_one(void **state)
{
        (void)state;
        assert_true(add(0, PAGE, true));
        assert_true(add(PAGE, PAGE, false));
        assert_true(add(3 * PAGE, PAGE, true));
        assert_true(hwaccl_guest_memory_covers(&memory, 0, 2 * PAGE));
        assert_true(hwaccl_guest_memory_covers(&memory, PAGE - 1, 2));
        assert_false(hwaccl_guest_memory_covers(&memory, 0, 2 * PAGE + 1));
        assert_false(hwaccl_guest_memory_covers(&memory, PAGE, 2 * PAGE));
        assert_false(hwaccl_guest_memory_covers(&memory, 2 * PAGE, 1));
        assert_true(hwaccl_guest_memory_covers(&memory, 3 * PAGE, PAGE));
        assert_true(hwaccl_guest_memory_covers(&memory, 0, 0));
}

static void nothing_wraps_round_the_end_of_the_address_space(void **state)
{
        (void)state;
        assert_true(add(0, PAGE, true));
        assert_true(hwaccl_guest_memory_add(&memory, UINT64_MAX - 2 * PAGE + 1, PAGE, true, &error));
        assert_false(hwaccl_guest_memory_covers(&memory, UINT64_MAX - PAGE + 1, PAGE + 1));
        assert_false(hwaccl_guest_memory_covers(&memory, UINT64_MAX - 2 * PAGE + 1, UINT64_MAX));
        assert_false(hwaccl_guest_memory_covers(&memory, 0, UINT64_MAX));
}

static void copies_go_across_runs_and_are_whole_or_nothing(void **state)
{
        (void)state;
        assert_true(add(0, PAGE, true));
        assert_true(add(PAGE, PAGE, true));
        char text[8] = "?";
        assert_true(hwaccl_guest_memory_write(&memory, PAGE - 4, "abcdefg", 8, false));
        assert_true(hwaccl_guest_memory_read(&memory, PAGE - 4, text, 8));
        assert_string_equal(text, "abcdefg");
        assert_memory_equal(memory.run[1].host, "efg", 4);

        assert_false(hwaccl_guest_memory_write(&memory, 2 * PAGE - 4, "abcdefg", 8, false));
        assert_memory_equal(memory.run[1].host + PAGE - 4, "\0\0\0\0", 4);
        assert_false(hwaccl_guest_memory_read(&memory, 2 * PAGE - 4, text, 8));
        assert_string_equal(text, "abcdefg");
}

static void rom_is_written_by_loaders_only(void **state)
{
        (void)state;
        assert_true(add(0, PAGE, true));
        assert_true(add(PAGE, PAGE, false));
        assert_false(hwaccl_guest_memory_write(&memory, PAGE, "rom", 3, false));
        assert_false(hwaccl_guest_memory_write(&memory, PAGE - 1, "rom", 3, false));
        assert_true(hwaccl_guest_memory_write(&memory, PAGE, "rom", 3, true));
        assert_memory_equal(memory.run[1].host, "rom", 3);
        assert_true(hwaccl_guest_memory_write(&memory, PAGE - 3, "ram", 3, false));
}

static void a_map_without_bytes_covers_but_does_not_copy(void **state)
{
        (void)state;
        struct hwaccl_guest_memory map;
        char byte;
        hwaccl_guest_memory_init(&map, false);
        assert_true(hwaccl_guest_memory_add(&map, 0, UINT64_C(1) << 40, true, &error));
        assert_null(map.run[0].host);
        assert_true(hwaccl_guest_memory_covers(&map, 0, UINT64_C(1) << 40));
        assert_false(hwaccl_guest_memory_read(&map, 0, &byte, 1));
        assert_false(hwaccl_guest_memory_write(&map, 0, "x", 1, true));
        hwaccl_guest_memory_destroy(&map);
        assert_int_equal(map.run_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_memory, close_memory)
        const struct CMUnitTest tests[] = {
                TEST(runs_are_kept_in_address_order),
                TEST(overlapping_runs_are_refused),
                TEST(runs_are_made_of_whole_pages),
                TEST(more_runs_than_fit_are_refused),
                TEST(memory_that_the_host_does_not_have_is_an_error),
                TEST(new_memory_is_zero),
                TEST(find_knows_the_first_and_last_byte_of_a_run),
                TEST(runs_that_touch_count_as_one),
                TEST(nothing_wraps_round_the_end_of_the_address_space),
                TEST(copies_go_across_runs_and_are_whole_or_nothing),
                TEST(rom_is_written_by_loaders_only),
                TEST(a_map_without_bytes_covers_but_does_not_copy),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
