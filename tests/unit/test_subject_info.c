#include "hwaccl/subject_info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Built by byte offsets, not through the structs: the layout itself is under test. */
#define RESOURCES 40
#define REGIONS   (RESOURCES + 255 * 72)
#define CHANNELS  (REGIONS + 255 * 24)
#define DEVICES   (CHANNELS + 255 * 8)
#define PAGE_SIZE (DEVICES + 255 * 8)

static uint8_t page[PAGE_SIZE];
static struct hwaccl_subject_info info;
static struct hwaccl_error error;

static void put(size_t offset, uint64_t value, size_t size)
{
        for (size_t i = 0; i < size; i++)
                page[offset + i] = (uint8_t)(value >> (8 * i));
}

static void put_resource(unsigned number, const char *name, uint8_t region, uint8_t channel)
{
        size_t at = RESOURCES + number * 72;
        page[at] = (uint8_t)strlen(name);
        memcpy(&page[at + 1], name, strlen(name));
        page[at + 64] = region;
        page[at + 65] = channel;
}

static int fill_page(void **state)
{
        (void)state;
        memset(page, 0, sizeof(page));
        memcpy(page, "muinfo\0\1", 8);
        page[8] = 4;  /* resources */
        page[9] = 2;  /* memory regions */
        page[10] = 1; /* channels */
        page[11] = 1; /* devices */
        put(16, 2400000, 8);
        put(24, 111, 8);
        put(32, 222, 8);
        put_resource(0, "monitor_state", 1, 0);
        put_resource(1, "console", 0, 1);
        put_resource(2, "both", 2, 1);
        put_resource(3, "neither", 0, 0);
        put(REGIONS, 0x1e0000000, 8);
        put(REGIONS + 8, 0x1000, 8);
        page[REGIONS + 16] = 1;
        put(REGIONS + 24, 0x2000, 8);
        put(REGIONS + 32, 0x3000, 8);
        page[REGIONS + 40] = 2;
        page[CHANNELS] = 3;
        page[CHANNELS + 1] = 7;
        page[CHANNELS + 2] = 0x40;
        put(DEVICES, 0x1234, 2);
        put(DEVICES + 2, 0x5678, 2);
        page[DEVICES + 4] = 9;
        page[DEVICES + 5] = 2;
        page[DEVICES + 6] = 1;
        return 0;
}

static bool open_page(void)
{
        memset(&error, 0, sizeof(error));
        return hwaccl_subject_info_open(&info, page, sizeof(page), &error);
}

static void the_structure_is_as_long_as_its_arrays(void **state)
{
        (void)state;
        assert_int_equal(PAGE_SIZE, HWACCL_SUBJECT_INFO_SIZE);
        assert_int_equal(HWACCL_SUBJECT_INFO_MAGIC, UINT64_C(0x01006f666e69756d));
}

static void the_header_is_read(void **state)
{
        (void)state;
        assert_true(open_page());
        assert_int_equal(info.tsc_khz, 2400000);
        assert_int_equal(info.schedule_start, 111);
        assert_int_equal(info.schedule_end, 222);
        assert_int_equal(info.resource_count, 4);
        assert_int_equal(info.region_count, 2);
        assert_int_equal(info.channel_count, 1);
        assert_int_equal(info.device_count, 1);
        assert_int_equal(info.device[0].source_id, 0x1234);
        assert_int_equal(info.device[0].irte_start, 0x5678);
        assert_int_equal(info.device[0].irq_start, 9);
        assert_int_equal(info.device[0].irq_count, 2);
        assert_int_equal(info.device[0].flags, HWACCL_SUBJECT_DEVICE_MSI);
}

static void regions_and_channels_are_found_by_name(void **state)
{
        (void)state;
        assert_true(open_page());
        const struct hwaccl_subject_region *region = hwaccl_subject_info_find_region(&info, "monitor_state");
        assert_non_null(region);
        assert_int_equal(region->address, 0x1e0000000);
        assert_int_equal(region->size, 0x1000);
        assert_int_equal(region->flags, HWACCL_SUBJECT_REGION_WRITABLE);

        const struct hwaccl_subject_channel *channel = hwaccl_subject_info_find_channel(&info, "console");
        assert_non_null(channel);
        assert_int_equal(channel->flags, HWACCL_SUBJECT_CHANNEL_EVENT | HWACCL_SUBJECT_CHANNEL_VECTOR);
        assert_int_equal(channel->event, 7);
        assert_int_equal(channel->vector, 0x40);

        assert_ptr_equal(hwaccl_subject_info_find_region(&info, "both"), &info.region[1]);
        assert_ptr_equal(hwaccl_subject_info_find_channel(&info, "both"), &info.channel[0]);
}

static void index_zero_means_none(void **state)
{
        (void)state;
        assert_true(open_page());
        assert_null(hwaccl_subject_info_find_region(&info, "console"));
        assert_null(hwaccl_subject_info_find_channel(&info, "monitor_state"));
        assert_null(hwaccl_subject_info_find_region(&info, "neither"));
        assert_null(hwaccl_subject_info_find_channel(&info, "neither"));
}

static void names_are_compared_exactly(void **state)
{
        (void)state;
        assert_true(open_page());
        assert_null(hwaccl_subject_info_find_region(&info, "monitor_stat"));
        assert_null(hwaccl_subject_info_find_region(&info, "monitor_state2"));
        assert_null(hwaccl_subject_info_find_region(&info, "Monitor_state"));
        assert_null(hwaccl_subject_info_find_region(&info, ""));
}

static void a_name_of_63_bytes_is_found_and_one_of_64_is_an_error(void **state)
{
        (void)state;
        char name[64];
        memset(name, 'n', 63);
        name[63] = '\0';
        put_resource(0, name, 1, 0);
        assert_true(open_page());
        assert_ptr_equal(hwaccl_subject_info_find_region(&info, name), &info.region[0]);

        for (unsigned length = 64; length < 256; length++) {
                page[RESOURCES] = (uint8_t)length;
                assert_false(open_page());
        }
        assert_string_equal(error.message, "subject info: resource 0 has a name of 255 bytes, at most 63 fit");
}

static void every_wrong_byte_of_the_magic_is_an_error(void **state)
{
        (void)state;
        for (size_t i = 0; i < 8; i++) {
                for (unsigned bit = 0; bit < 8; bit++) {
                        page[i] ^= (uint8_t)(1u << bit);
                        assert_false(open_page());
                        assert_non_null(strstr(error.message, "magic"));
                        page[i] ^= (uint8_t)(1u << bit);
                }
        }
        assert_true(open_page());
}

static void every_page_that_is_too_short_is_an_error(void **state)
{
        (void)state;
        for (size_t size = 0; size < sizeof(page); size++) {
                /* a block of exactly that size, so that a sanitizer sees a read past its end */
                if (size > 64 && size % 997 && size != sizeof(page) - 1)
                        continue;
                uint8_t *part = malloc(size ? size : 1);
                assert_non_null(part);
                memcpy(part, page, size);
                assert_false(hwaccl_subject_info_open(&info, part, size, &error));
                free(part);
        }
        assert_string_equal(error.message, "subject info: 28599 bytes, expected 28600");
}

static void an_index_beyond_its_count_is_an_error(void **state)
{
        (void)state;
        for (unsigned index = 0; index < 256; index++) {
                page[RESOURCES + 64] = (uint8_t)index;
                assert_int_equal(open_page(), index <= 2);
        }
        assert_string_equal(error.message, "subject info: resource 0 refers to memory region 255 of 2");
        page[RESOURCES + 64] = 0;
        for (unsigned index = 0; index < 256; index++) {
                page[RESOURCES + 72 + 65] = (uint8_t)index;
                assert_int_equal(open_page(), index <= 1);
        }
        assert_string_equal(error.message, "subject info: resource 1 refers to channel 255 of 1");
}

static void a_count_below_an_index_in_use_is_an_error(void **state)
{
        (void)state;
        page[9] = 1;
        assert_false(open_page());
        page[9] = 2;
        page[10] = 0;
        assert_false(open_page());
}

static void full_arrays_are_accepted(void **state)
{
        (void)state;
        for (unsigned i = 0; i < 255; i++) {
                char name[16];
                (void)snprintf(name, sizeof(name), "resource%u", i);
                put_resource(i, name, (uint8_t)(i + 1), (uint8_t)(255 - i));
        }
        memset(&page[8], 255, 4);
        assert_true(open_page());
        assert_ptr_equal(hwaccl_subject_info_find_region(&info, "resource254"), &info.region[254]);
        assert_ptr_equal(hwaccl_subject_info_find_channel(&info, "resource0"), &info.channel[254]);
}

static void entries_beyond_the_count_are_not_looked_at(void **state)
{
        (void)state;
        put_resource(4, "beyond", 1, 0);
        assert_true(open_page());
        page[RESOURCES + 4 * 72] = 200;
        put(REGIONS + 2 * 24, UINT64_MAX, 8);
        put(REGIONS + 2 * 24 + 8, UINT64_MAX, 8);
        assert_true(open_page());
        assert_null(hwaccl_subject_info_find_region(&info, "beyond"));
}

static void a_region_that_wraps_is_an_error(void **state)
{
        (void)state;
        put(REGIONS, UINT64_MAX - 0xfff, 8);
        put(REGIONS + 8, 0xfff, 8);
        assert_true(open_page());
        put(REGIONS + 8, 0x1000, 8);
        assert_false(open_page());
        assert_non_null(strstr(error.message, "wraps"));
}

static void a_refused_page_leaves_the_callers_copy_alone(void **state)
{
        (void)state;
        assert_true(open_page());
        struct hwaccl_subject_info before = info;
        put(16, 1, 8);
        page[0] = 0;
        assert_false(open_page());
        assert_memory_equal(&info, &before, sizeof(info));
}

static void every_single_byte_change_is_refused_or_stays_within_the_page(void **state)
{
        (void)state;
        for (size_t i = 8; i < REGIONS + 64; i++) {
                uint8_t good = page[i];
                const uint8_t values[] = {0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xff};
                for (size_t v = 0; v < sizeof(values); v++) {
                        page[i] = values[v];
                        if (!open_page()) {
                                assert_true(strlen(error.message) > 0);
                                continue;
                        }
                        const struct hwaccl_subject_region *region = hwaccl_subject_info_find_region(&info, "both");
                        assert_true(!region || (region >= info.region && region < info.region + info.region_count));
                }
                page[i] = good;
        }
}

static void the_cpu_frequency_is_a_thousand_times_the_khz(void **state)
{
        (void)state;
        uint64_t hz = 0;
        assert_true(open_page());
        assert_true(hwaccl_subject_info_cpu_frequency(&info, &hz, &error));
        assert_int_equal(hz, UINT64_C(2400000000));
}

static void a_cpu_frequency_of_zero_or_beyond_64_bits_is_an_error(void **state)
{
        (void)state;
        uint64_t hz = 1;
        put(16, 0, 8);
        assert_true(open_page());
        assert_false(hwaccl_subject_info_cpu_frequency(&info, &hz, &error));
        assert_string_equal(error.message, "subject info: the frequency of the TSC is zero");
        put(16, UINT64_MAX / 1000 + 1, 8);
        assert_true(open_page());
        assert_false(hwaccl_subject_info_cpu_frequency(&info, &hz, &error));
        assert_int_equal(hz, 1);
        put(16, UINT64_MAX / 1000, 8);
        assert_true(open_page());
        assert_true(hwaccl_subject_info_cpu_frequency(&info, &hz, &error));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fill_page)
        const struct CMUnitTest tests[] = {
                TEST(the_structure_is_as_long_as_its_arrays),
                TEST(the_header_is_read),
                TEST(regions_and_channels_are_found_by_name),
                TEST(index_zero_means_none),
                TEST(names_are_compared_exactly),
                TEST(a_name_of_63_bytes_is_found_and_one_of_64_is_an_error),
                TEST(every_wrong_byte_of_the_magic_is_an_error),
                TEST(every_page_that_is_too_short_is_an_error),
                TEST(an_index_beyond_its_count_is_an_error),
                TEST(a_count_below_an_index_in_use_is_an_error),
                TEST(full_arrays_are_accepted),
                TEST(entries_beyond_the_count_are_not_looked_at),
                TEST(a_region_that_wraps_is_an_error),
                TEST(a_refused_page_leaves_the_callers_copy_alone),
                TEST(every_single_byte_change_is_refused_or_stays_within_the_page),
                TEST(the_cpu_frequency_is_a_thousand_times_the_khz),
                TEST(a_cpu_frequency_of_zero_or_beyond_64_bits_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
