/* The layout that loaders fill: what is RAM, what overlaps, where there is room; segments and page tables. */
#include "tests/fixtures/image_fixture.h"

#include "core/machine/machine.h"

struct fixture {
        struct hwaccl_layout layout;
        struct hwaccl_loaded loaded;
        struct hwaccl_error error;
};

static int set_up(void **state)
{
        static struct fixture fixture;
        struct hwaccl_loader_input input = {.memory_size = IMAGE_MEMORY};

        hwaccl_layout_begin(&fixture.layout, &input, HWACCL_IMAGE_PVH, &fixture.loaded);
        *state = &fixture;
        return 0;
}

static int tear_down(void **state)
{
        hwaccl_loader_free(&((struct fixture *)*state)->loaded);
        return 0;
}

static void only_ram_can_be_reserved(void **state)
{
        static const struct {
                uint64_t address, size;
                bool good;
        } cases[] = {
                {0, 0xa0000, true},          {0xc0000, IMAGE_MEMORY - 0xc0000, true},
                {0x9ffff, 1, true},          {0x9ffff, 2, false},
                {0xa0000, 1, false},         {0xbffff, 2, false},
                {IMAGE_MEMORY - 1, 1, true}, {IMAGE_MEMORY - 1, 2, false},
                {IMAGE_MEMORY, 1, false},    {0, IMAGE_MEMORY, false},
                {UINT64_MAX, 1, false},      {UINT64_MAX, UINT64_MAX, false},
                {1, UINT64_MAX, false},      {0xc0000, UINT64_MAX - 0xc0000 + 2, false},
                {UINT64_MAX, 0, true}, /* nothing is anywhere */
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                (void)set_up(state);
                bool good = hwaccl_layout_reserve(&f->layout, "it", cases[i].address, cases[i].size, &f->error);
                assert_int_equal(good, cases[i].good);
                if (!good)
                        assert_non_null(strstr(f->error.message, "is not within guest RAM: 0 to 0xa0000 and 0xc0000 to "
                                                                 "0x1000000"));
        }
}

static void ranges_that_touch_do_not_overlap(void **state)
{
        struct fixture *f = *state;

        assert_true(hwaccl_layout_reserve(&f->layout, "first", 0x2000, 0x1000, &f->error));
        assert_true(hwaccl_layout_reserve(&f->layout, "second", 0x3000, 0x1000, &f->error));
        assert_true(hwaccl_layout_reserve(&f->layout, "third", 0x1fff, 1, &f->error));
        assert_false(hwaccl_layout_reserve(&f->layout, "fourth", 0x1000, 0x5000, &f->error));
        assert_false(hwaccl_layout_reserve(&f->layout, "fifth", 0x3fff, 1, &f->error));
        assert_string_equal(f->error.message, "fifth, 0x1 bytes at 0x3fff, overlaps second, 0x1000 bytes at 0x3000");
        assert_true(hwaccl_layout_reserve(&f->layout, "sixth", 0x4000, 1, &f->error));
}

static void there_is_an_end_to_ranges(void **state)
{
        struct fixture *f = *state;

        for (unsigned i = 0; i < HWACCL_LOADER_RANGE_MAX; i++)
                assert_true(hwaccl_layout_reserve(&f->layout, "range", i * 16, 1, &f->error));
        assert_false(hwaccl_layout_reserve(&f->layout, "last", 0x9000, 1, &f->error));
        assert_string_equal(f->error.message, "last: too many memory ranges (at most 128)");
}

static void below_is_the_highest_place(void **state)
{
        struct fixture *f = *state;
        struct hwaccl_layout *layout = &f->layout;
        uint64_t address;

        assert_true(hwaccl_layout_find_below(layout, "it", 0x1001, 4096, 0, UINT64_MAX, &address, &f->error));
        assert_int_equal(address, IMAGE_MEMORY - 0x2000);
        assert_true(hwaccl_layout_reserve(layout, "end", IMAGE_MEMORY - 0x3000, 0x3000, &f->error));
        assert_true(hwaccl_layout_find_below(layout, "it", 0x1001, 4096, 0, UINT64_MAX, &address, &f->error));
        assert_int_equal(address, IMAGE_MEMORY - 0x5000);
        /* below the video memory */
        assert_true(hwaccl_layout_find_below(layout, "it", 16, 16, 0, 0xc0000, &address, &f->error));
        assert_int_equal(address, 0x9fff0);
        assert_true(hwaccl_layout_find_below(layout, "it", 16, 16, 0, 0xb8000, &address, &f->error));
        assert_int_equal(address, 0x9fff0);
        assert_true(hwaccl_layout_find_below(layout, "it", 16, 16, 0, 0xc0010, &address, &f->error));
        assert_int_equal(address, 0xc0000);
        /* not below the lowest address */
        assert_false(hwaccl_layout_find_below(layout, "it", 0x100000, 16, 0x10000, 0xc0000, &address, &f->error));
        assert_false(hwaccl_layout_find_below(layout, "it", 16, 16, 0xa0000, 0xc0000, &address, &f->error));
        assert_string_equal(f->error.message, "it, 0x10 bytes, does not fit between 0xa0000 and 0xc0000: the guest has "
                                              "0x1000000 bytes of memory");
        assert_false(hwaccl_layout_find_below(layout, "it", UINT64_MAX, 1, 0, UINT64_MAX, &address, &f->error));
}

static void above_is_the_lowest_place(void **state)
{
        struct fixture *f = *state;
        struct hwaccl_layout *layout = &f->layout;
        uint64_t address;

        assert_true(hwaccl_layout_reserve(layout, "start", 0, 0x1234, &f->error));
        assert_true(hwaccl_layout_find_above(layout, "it", 16, 4096, 0, UINT64_MAX, &address, &f->error));
        assert_int_equal(address, 0x2000);
        /* what is too large for low memory goes behind the video memory */
        assert_true(hwaccl_layout_find_above(layout, "it", 0xa0000, 4096, 0, UINT64_MAX, &address, &f->error));
        assert_int_equal(address, 0xc0000);
        assert_true(hwaccl_layout_find_above(layout, "it", 16, 16, 0xa0000, UINT64_MAX, &address, &f->error));
        assert_int_equal(address, 0xc0000);
        assert_false(hwaccl_layout_find_above(layout, "it", 16, 16, 0xa0000, 0xc000f, &address, &f->error));
        assert_false(
                hwaccl_layout_find_above(layout, "it", 16, 16, IMAGE_MEMORY - 15, UINT64_MAX, &address, &f->error));
        assert_false(hwaccl_layout_find_above(layout, "it", 16, 4096, UINT64_MAX, UINT64_MAX, &address, &f->error));
        assert_false(hwaccl_layout_find_above(layout, "it", UINT64_MAX, 1, 0, UINT64_MAX, &address, &f->error));
}

static void segments_are_flat(void **state)
{
        static const struct {
                enum hwaccl_entry_mode mode;
                uint64_t code;
        } cases[] = {{HWACCL_ENTRY_PROTECTED, UINT64_C(0x00cf9b000000ffff)},
                     {HWACCL_ENTRY_LONG, UINT64_C(0x00af9b000000ffff)}};
        struct fixture *f = *state;

        for (size_t i = 0; i < 2; i++) {
                uint64_t gdt = 0x1000 + i * 0x1000;
                assert_true(hwaccl_layout_enter(&f->layout, cases[i].mode, 0x123456, gdt, &f->error));
                assert_int_equal(f->loaded.entry.rip, 0x123456);
                assert_int_equal(f->loaded.entry.mode, cases[i].mode);
                assert_int_equal(f->loaded.entry.gdt_limit, 31);
                const uint8_t *table = loaded_at(&f->loaded, gdt, 32);
                assert_int_equal(hwaccl_load64(table), 0);
                assert_true(hwaccl_load64(table + f->loaded.entry.code_selector) == cases[i].code);
                assert_true(hwaccl_load64(table + f->loaded.entry.data_selector) == UINT64_C(0x00cf93000000ffff));
        }
}

static void page_tables_map_4_gib_to_themselves(void **state)
{
        struct fixture *f = *state;
        const uint64_t base = 0x9000;

        assert_true(hwaccl_layout_add_identity_tables(&f->layout, base, &f->error));
        assert_int_equal(f->loaded.entry.cr3, base);
        for (uint64_t address = 0; address < UINT64_C(0x100000000); address += 0x1ff000) {
                uint64_t table = base, entry = 0;
                for (unsigned level = 0; level < 3; level++) {
                        uint64_t index = address >> (39 - 9 * level) & 511;
                        entry = hwaccl_load64(loaded_at(&f->loaded, table + index * 8, 8));
                        assert_int_equal(entry & 0xfff, level < 2 ? 3 : 0x83);
                        table = entry & ~UINT64_C(0xfff);
                }
                assert_true((entry & ~UINT64_C(0x1fffff)) == (address & ~UINT64_C(0x1fffff)));
        }
}

static void files_that_are_no_kernel_are_refused(void **state)
{
        struct image image;

        (void)state;
        memset(&image, 0, sizeof(image));
        expect_refused(&image, "not a Linux bzImage");
        image.size = 5000;
        expect_refused(&image, "no \"HdrS\" at 0x202");
        memcpy(image.data, "#!/bin/sh\n", 10);
        expect_refused(&image, "no Multiboot header in its first 8192 bytes");
}

static void a_compressed_kernel_is_to_be_decompressed(void **state)
{
        static const struct {
                uint8_t magic[6];
                const char *with;
        } cases[] = {
                {{0x1f, 0x8b, 8}, "with gzip -d first"},
                {{'B', 'Z', 'h', '9'}, "with bzip2 -d first"},
                {{0xfd, '7', 'z', 'X', 'Z', 0}, "with xz -d first"},
                {{0x28, 0xb5, 0x2f, 0xfd}, "with zstd -d first"},
                {{0x04, 0x22, 0x4d, 0x18}, "with lz4 -d first"},
        };
        struct image image;

        (void)state;
        memset(&image, 0, sizeof(image));
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                memcpy(image.data, cases[i].magic, sizeof(cases[i].magic));
                image.size = 5000;
                expect_refused(&image, cases[i].with);
                image.size = 1;
                expect_refused(&image, "not a Linux bzImage");
        }
}

static void formats_have_names(void **state)
{
        (void)state;
        assert_string_equal(hwaccl_image_format_name(HWACCL_IMAGE_LINUX), "linux");
        assert_string_equal(hwaccl_image_format_name(HWACCL_IMAGE_MULTIBOOT), "multiboot");
        assert_string_equal(hwaccl_image_format_name(HWACCL_IMAGE_PVH), "pvh");
        assert_string_equal(hwaccl_image_format_name(HWACCL_IMAGE_UNKNOWN), "unknown");
        assert_string_equal(hwaccl_image_format_name(77), "unknown");
        assert_string_equal(hwaccl_entry_mode_name(HWACCL_ENTRY_LONG), "long");
        assert_string_equal(hwaccl_entry_mode_name(3), "unknown");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(only_ram_can_be_reserved, set_up, tear_down),
                cmocka_unit_test_setup_teardown(ranges_that_touch_do_not_overlap, set_up, tear_down),
                cmocka_unit_test_setup_teardown(there_is_an_end_to_ranges, set_up, tear_down),
                cmocka_unit_test_setup_teardown(below_is_the_highest_place, set_up, tear_down),
                cmocka_unit_test_setup_teardown(above_is_the_lowest_place, set_up, tear_down),
                cmocka_unit_test_setup_teardown(segments_are_flat, set_up, tear_down),
                cmocka_unit_test_setup_teardown(page_tables_map_4_gib_to_themselves, set_up, tear_down),
                cmocka_unit_test(files_that_are_no_kernel_are_refused),
                cmocka_unit_test(a_compressed_kernel_is_to_be_decompressed),
                cmocka_unit_test(formats_have_names),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
