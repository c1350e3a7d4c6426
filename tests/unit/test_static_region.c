#include "core/muen/static_region.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct hwaccl_subject_info info;
static struct hwaccl_static_regions regions;
static struct hwaccl_error error;

static unsigned zeroed_count;
static uint64_t zeroed_address;
static uint64_t zeroed_size;
static bool zero_works;

static bool zero(void *opaque, uint64_t address, uint64_t size)
{
        assert_ptr_equal(opaque, &zeroed_count);
        zeroed_count++;
        zeroed_address = address;
        zeroed_size = size;
        return zero_works;
}

static void add_region(const char *name, uint64_t address, uint64_t size)
{
        struct hwaccl_subject_resource *resource = &info.resource[info.resource_count++];
        info.region[info.region_count++] = (struct hwaccl_subject_region){.address = address, .size = size};
        resource->name_length = (uint8_t)strlen(name);
        memcpy(resource->name, name, strlen(name));
        resource->region_index = info.region_count;
}

static int fill_info(void **state)
{
        (void)state;
        memset(&info, 0, sizeof(info));
        info.magic = HWACCL_SUBJECT_INFO_MAGIC;
        add_region("vm_ram_1", 0x100000000, 0x10000000);
        add_region("vm_ram_2", 0x110000000, 0x10000000);
        add_region("vm_ram_3", 0x120000000, 0x10000000);
        add_region("vm_ram_4", 0x130000000, 0x8000000);
        zeroed_count = 0;
        zero_works = true;
        return 0;
}

static bool init(void)
{
        return hwaccl_static_regions_init(&regions, &info, zero, &zeroed_count, &error);
}

static const struct {
        uint64_t address;
        uint64_t size;
} expected[] = {
        {0x100000000, 0x38000000}, /* from vm_ram_1 to the end of vm_ram_4 */
        {0x810000000, 0x1000},     {0x820000000, 0x10000},   {0x830000000, 0x10000}, {0x840000000, 0x400000},
        {0x850000000, 0x4000},     {0x860000000, 0x8000000}, {0x870000000, 0x9000},  {0x880000000, 0x1000},
};
#define EXPECTED_COUNT (sizeof(expected) / sizeof(expected[0]))

static void regions_come_in_their_fixed_order_and_whole(void **state)
{
        (void)state;
        assert_true(init());
        assert_int_equal(EXPECTED_COUNT, HWACCL_STATIC_REGION_COUNT);
        for (size_t i = 0; i < EXPECTED_COUNT; i++) {
                uint64_t address = 0;
                assert_true(hwaccl_static_regions_hand_out(&regions, expected[i].size, &address, &error));
                assert_int_equal(address, expected[i].address);
        }
}

static void all_but_vm_ram_are_zeroed_when_handed_out(void **state)
{
        (void)state;
        assert_true(init());
        assert_int_equal(zeroed_count, 0);
        for (unsigned i = 0; i < EXPECTED_COUNT; i++) {
                uint64_t address;
                assert_true(hwaccl_static_regions_hand_out(&regions, 1, &address, &error));
                assert_int_equal(zeroed_count, i);
                if (i) {
                        assert_int_equal(zeroed_address, expected[i].address);
                        assert_int_equal(zeroed_size, expected[i].size);
                }
        }
}

static void a_request_larger_than_the_region_is_an_error_and_takes_nothing(void **state)
{
        (void)state;
        assert_true(init());
        for (size_t i = 0; i < EXPECTED_COUNT; i++) {
                uint64_t address = 1;
                assert_false(hwaccl_static_regions_hand_out(&regions, expected[i].size + 1, &address, &error));
                assert_int_equal(address, 1);
                assert_true(hwaccl_static_regions_hand_out(&regions, expected[i].size, &address, &error));
        }
        assert_string_equal(error.message, "static memory region 8 (ACPI at e0000h) has 1000h bytes, 1001h are wanted");
}

static void a_request_past_the_last_is_an_error(void **state)
{
        (void)state;
        uint64_t address;
        assert_true(init());
        for (size_t i = 0; i < EXPECTED_COUNT; i++)
                assert_true(hwaccl_static_regions_hand_out(&regions, 1, &address, &error));
        assert_false(hwaccl_static_regions_hand_out(&regions, 1, &address, &error));
        assert_string_equal(error.message, "no static memory region is left: all 9 are in use");
}

static void a_region_that_cannot_be_zeroed_is_an_error_and_is_not_handed_out(void **state)
{
        (void)state;
        uint64_t address;
        assert_true(init());
        zero_works = false;
        assert_true(hwaccl_static_regions_hand_out(&regions, 1, &address, &error)); /* VM RAM is not zeroed */
        assert_false(hwaccl_static_regions_hand_out(&regions, 1, &address, &error));
        zero_works = true;
        assert_true(hwaccl_static_regions_hand_out(&regions, 1, &address, &error));
        assert_int_equal(address, 0x810000000);
}

static void revoking_always_succeeds_and_changes_nothing(void **state)
{
        (void)state;
        uint64_t address;
        assert_true(init());
        assert_true(hwaccl_static_regions_revoke(&regions, 0x100000000));
        assert_true(hwaccl_static_regions_revoke(&regions, 12345));
        assert_true(hwaccl_static_regions_hand_out(&regions, 1, &address, &error));
        assert_true(hwaccl_static_regions_revoke(&regions, address));
        assert_true(hwaccl_static_regions_hand_out(&regions, 1, &address, &error));
        assert_int_equal(address, 0x810000000);
}

static void vm_ram_that_is_absent_or_inside_out_is_an_error(void **state)
{
        (void)state;
        info.resource[3].name[7] = '5';
        assert_false(init());
        assert_string_equal(error.message, "VM RAM: subject info has no memory region vm_ram_4");
        info.resource[3].name[7] = '4';
        info.resource[0].name[7] = '5';
        assert_false(init());
        assert_string_equal(error.message, "VM RAM: subject info has no memory region vm_ram_1");
        info.resource[0].name[7] = '1';
        info.region[3].address = 0x100000000 - 0x8000000;
        assert_false(init());
        assert_non_null(strstr(error.message, "before vm_ram_1 begins"));
        info.region[3].address += 0x1000;
        assert_true(init());
        assert_int_equal(regions.region[0].size, 0x1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fill_info)
        const struct CMUnitTest tests[] = {
                TEST(regions_come_in_their_fixed_order_and_whole),
                TEST(all_but_vm_ram_are_zeroed_when_handed_out),
                TEST(a_request_larger_than_the_region_is_an_error_and_takes_nothing),
                TEST(a_request_past_the_last_is_an_error),
                TEST(a_region_that_cannot_be_zeroed_is_an_error_and_is_not_handed_out),
                TEST(revoking_always_succeeds_and_changes_nothing),
                TEST(vm_ram_that_is_absent_or_inside_out_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
