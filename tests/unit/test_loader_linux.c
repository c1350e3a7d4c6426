/* The bzImage loader: what it leaves in guest memory, how it enters, and what it refuses. */
#include "core/machine/loader/loader.h"
#include "hwaccl/error.h"
#include "tests/fixtures/linux_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB         (UINT64_C(1) << 20)
#define MEMORY_SIZE (64 * MIB)

static uint8_t image[LINUX_IMAGE_SIZE];
static struct hwaccl_loader_input input;
static struct hwaccl_loader_module module;
static struct hwaccl_loaded loaded;

static int begin(void **state)
{
        (void)state;
        linux_image_fill(image);
        memset(&loaded, 0, sizeof(loaded));
        memset(&module, 0, sizeof(module));
        input = (struct hwaccl_loader_input){.kernel = image, .kernel_size = sizeof(image), .memory_size = MEMORY_SIZE};
        return 0;
}

static int end(void **state)
{
        (void)state;
        hwaccl_loader_free(&loaded);
        return 0;
}

static void load(void)
{
        struct hwaccl_error error = {""};

        if (!hwaccl_loader_load(&input, &loaded, &error))
                fail_msg("%s", error.message);
        assert_int_equal(loaded.format, HWACCL_IMAGE_LINUX);
}

static void refused(const char *part)
{
        struct hwaccl_error error = {""};

        if (hwaccl_loader_load_linux(&input, &loaded, &error))
                fail_msg("was loaded; \"%s\" was expected", part);
        if (!strstr(error.message, part) || strchr(error.message, '\n'))
                fail_msg("\"%s\" does not say \"%s\"", error.message, part);
        for (size_t i = 0; i < loaded.piece_count; i++)
                assert_null(loaded.piece[i].data);
}

/* What a loaded guest's memory holds; zero where nothing was put. */
static uint64_t memory_at(uint64_t address, unsigned size)
{
        uint64_t value = 0;

        for (size_t i = 0; i < loaded.piece_count; i++) {
                const struct hwaccl_loaded_piece *piece = &loaded.piece[i];
                if (address >= piece->address && address - piece->address + size <= piece->size)
                        memcpy(&value, piece->data + (address - piece->address), size);
        }
        return value;
}

static const uint8_t *piece_at(uint64_t address, size_t size)
{
        for (size_t i = 0; i < loaded.piece_count; i++)
                if (loaded.piece[i].address == address && loaded.piece[i].size >= size)
                        return loaded.piece[i].data;
        fail_msg("no piece of %zu bytes at %lx", size, (unsigned long)address);
        return NULL;
}

static uint64_t param(unsigned offset, unsigned size)
{
        return memory_at(loaded.entry.rsi + offset, size);
}

static const char *command_line(void)
{
        return (const char *)piece_at(param(0x228, 4), 1);
}

static void the_kernel_lies_at_its_preferred_address(void **state)
{
        (void)state;
        load();
        const uint8_t *code = piece_at(LINUX_IMAGE_PREF, LINUX_IMAGE_CODE);
        assert_memory_equal(code, image + LINUX_IMAGE_SETUP, LINUX_IMAGE_CODE);
        assert_int_equal(param(0x214, 4), LINUX_IMAGE_PREF);
}

static void it_is_entered_in_64_bit_mode_when_it_can_be(void **state)
{
        (void)state;
        load();
        const struct hwaccl_entry_point *entry = &loaded.entry;
        assert_int_equal(entry->mode, HWACCL_ENTRY_LONG);
        assert_int_equal(entry->rip, LINUX_IMAGE_PREF + 0x200);
        assert_int_equal(entry->code_selector, 0x10);
        assert_int_equal(entry->data_selector, 0x18);
        assert_true(entry->gdt_limit >= 0x1f);
        assert_int_equal(memory_at(entry->gdt_base + 0x10, 8), UINT64_C(0x00af9b000000ffff));
        /* identity: the fourth GiB's last page of 2 MiB */
        uint64_t pointers = memory_at(entry->cr3, 8) & ~UINT64_C(0xfff);
        uint64_t directory = memory_at(pointers + 3 * 8, 8) & ~UINT64_C(0xfff);
        assert_int_equal(memory_at(directory + 511 * 8, 8), UINT64_C(0xffe00083));
}

static void it_is_entered_in_32_bit_mode_when_asked_or_when_it_cannot_else(void **state)
{
        (void)state;
        for (unsigned i = 0; i < 3; i++) {
                begin(state);
                if (i == 0)
                        input.entry_32 = true;
                else if (i == 1)
                        image_put(image, 0x236, 2, 2);
                else
                        image_put(image, 0x206, 2, 0x20b); /* has no xloadflags yet */
                load();
                assert_int_equal(loaded.entry.mode, HWACCL_ENTRY_PROTECTED);
                assert_int_equal(loaded.entry.rip, LINUX_IMAGE_PREF);
                assert_int_equal(memory_at(loaded.entry.gdt_base + 0x10, 8), UINT64_C(0x00cf9b000000ffff));
                assert_int_equal(memory_at(loaded.entry.gdt_base + 0x18, 8), UINT64_C(0x00cf93000000ffff));
                hwaccl_loader_free(&loaded);
        }
}

static void boot_params_is_the_header_and_zero_but_for_what_the_loader_says(void **state)
{
        (void)state;
        uint8_t expected[4096] = {0};

        memset(image, 0xee, 0x1f1); /* real-mode code is not for boot_params */
        memset(image + 0x26c, 0xee, 0x20);
        image_put(image, 0x250, 8, 0x1234); /* setup_data is the loader's */
        image_put(image, 0x218, 8, UINT64_C(0x1122334455667788));
        load();
        memcpy(expected + 0x1f1, image + 0x1f1, 0x26c - 0x1f1);
        expected[0x210] = 0xff;
        image_put(expected, 0x214, 4, LINUX_IMAGE_PREF);
        image_put(expected, 0x218, 8, 0);
        image_put(expected, 0x228, 4, 0x20000);
        image_put(expected, 0x250, 8, 0);
        image_put(expected, 0x070, 8, 0xf0000);
        expected[0x1e8] = 3;
        static const uint64_t map[3][3] = {
                {0, 0xa0000, 1}, {0xf0000, 0x10000, 2}, {0x100000, MEMORY_SIZE - 0x100000, 1}};
        for (unsigned i = 0; i < 3; i++) {
                image_put(expected, 0x2d0 + i * 20, 8, map[i][0]);
                image_put(expected, 0x2d8 + i * 20, 8, map[i][1]);
                image_put(expected, 0x2e0 + i * 20, 4, map[i][2]);
        }
        assert_memory_equal(piece_at(loaded.entry.rsi, 4096), expected, 4096);
}

static void the_place_of_the_rsdp_is_told_from_protocol_2_14_on(void **state)
{
        (void)state;
        image_put(image, 0x206, 2, 0x20d);
        load();
        assert_int_equal(param(0x70, 8), 0);
}

static void an_old_kernel_lies_at_one_mebibyte(void **state)
{
        (void)state;
        image_put(image, 0x206, 2, 0x206);
        image_put(image, 0x201, 1, 0x3a); /* the header ends behind cmdline_size */
        image_put(image, 0x234, 1, 0);
        load();
        assert_int_equal(loaded.entry.mode, HWACCL_ENTRY_PROTECTED);
        assert_int_equal(loaded.entry.rip, 0x100000);
}

static void the_command_line_goes_in_whole(void **state)
{
        (void)state;
        char text[LINUX_IMAGE_CMDLINE + 2];

        load();
        assert_string_equal(command_line(), HWACCL_LINUX_COMMAND_LINE);
        hwaccl_loader_free(&loaded);

        memset(text, 'x', sizeof(text));
        text[LINUX_IMAGE_CMDLINE] = '\0';
        input.command_line = text;
        load();
        assert_string_equal(command_line(), text);
        hwaccl_loader_free(&loaded);

        text[LINUX_IMAGE_CMDLINE] = 'x';
        text[LINUX_IMAGE_CMDLINE + 1] = '\0';
        refused("command line of 256 characters; this Linux kernel takes at most 255");

        input.command_line = "";
        load();
        assert_string_equal(command_line(), "");
}

static void the_initrd_lies_as_high_as_it_may(void **state)
{
        (void)state;
        static const uint8_t initrd[5000] = {1, 2, 3};
        const struct {
                uint64_t memory_size;
                uint32_t limit;
                uint16_t xloadflags;
                uint64_t address;
        } cases[] = {
                {MEMORY_SIZE, 0x7fffffff, 1, MEMORY_SIZE - 0x2000},
                {MEMORY_SIZE, 0x2ffffff, 1, 0x3000000 - 0x2000},
                {MEMORY_SIZE, 0x17fffff, 1, 0x1800000 - 0x2000},
                {MEMORY_SIZE, 0x10fffff, 1, 0x1000000 - 0x2000}, /* below the kernel: nothing is free above it */
                {MEMORY_SIZE, 0x2ffffff, 3, MEMORY_SIZE - 0x2000},
                {3072 * MIB, 0x7fffffff, 1, 0x80000000 - 0x2000},
                {3072 * MIB, 0x7fffffff, 3, 3072 * MIB - 0x2000},
        };
        module = (struct hwaccl_loader_module){initrd, sizeof(initrd), NULL};
        input.module = &module;
        input.module_count = 1;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                input.memory_size = cases[i].memory_size;
                image_put(image, 0x22c, 4, cases[i].limit);
                image_put(image, 0x236, 2, cases[i].xloadflags);
                load();
                assert_int_equal(param(0x218, 4), cases[i].address);
                assert_int_equal(param(0x21c, 4), sizeof(initrd));
                assert_memory_equal(piece_at(cases[i].address, sizeof(initrd)), initrd, sizeof(initrd));
                hwaccl_loader_free(&loaded);
        }
}

static void the_acpi_tables_add_up_and_lead_to_each_other(void **state)
{
        (void)state;
        load();
        const uint8_t *tables = piece_at(0xf0000, 1024);
        assert_memory_equal(tables, "RSD PTR ", 8);
        const uint64_t extended = memory_at(0xf0000 + 24, 8), root = memory_at(0xf0000 + 16, 4);
        const uint64_t description = memory_at(extended + 36, 8);
        assert_int_equal(memory_at(root + 36, 4), description);
        const uint64_t definition = memory_at(description + 40, 4);
        assert_int_equal(memory_at(description + 140, 8), definition);
        const struct {
                const char *signature;
                uint64_t address;
                uint64_t size;
        } table[] = {
                {"RSD PTR ", 0xf0000, 36},
                {"RSDT", root, memory_at(root + 4, 4)},
                {"XSDT", extended, memory_at(extended + 4, 4)},
                {"FACP", description, memory_at(description + 4, 4)},
                {"DSDT", definition, memory_at(definition + 4, 4)},
        };
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                uint8_t sum = 0;
                uint64_t place = table[i].address - 0xf0000;
                assert_true(table[i].address >= 0xf0000 && place + table[i].size <= 1024);
                assert_memory_equal(tables + place, table[i].signature, strlen(table[i].signature));
                for (uint64_t j = 0; j < table[i].size; j++)
                        sum = (uint8_t)(sum + tables[place + j]);
                assert_int_equal(sum, 0);
        }
        uint64_t sleeping = memory_at(description + 36, 4);
        assert_int_equal(sleeping % 64, 0);
        assert_memory_equal(tables + (sleeping - 0xf0000), "FACS", 4);
        assert_memory_equal(tables + (definition - 0xf0000) + 36, "\x08_S5_\x12\x06\x04\0\0\0\0", 12);
}

static void a_malformed_image_is_refused_with_its_reason(void **state)
{
        static const struct {
                unsigned offset, size;
                uint64_t value;
                const char *part;
        } cases[] = {
                {0x1fe, 2, 0, "not a Linux bzImage"},
                {0x202, 4, 0, "not a Linux bzImage"},
                {0x206, 2, 0x205, "boot protocol 2.05; 2.06"},
                {0x201, 1, 0x61, "header ends at 0x263; boot protocol 2.15 has it end between 0x264 and 0x290"},
                {0x201, 1, 0x8f, "header ends at 0x291"},
                {0x211, 1, 0, "a zImage"},
                {0x1f4, 4, 0, "syssize 0"},
                {0x1f4, 4, LINUX_IMAGE_CODE / 16 + 1, "is cut short"},
                {0x1f4, 4, UINT32_MAX, "is cut short"},
                {0x1f1, 1, 0xff, "is cut short"},
                {0x1f1, 1, 0, "is cut short"}, /* means 4 */
                {0x230, 4, 0, "kernel_alignment 0x0 is not a power of 2"},
                {0x230, 4, 0x300000, "kernel_alignment 0x300000 is not a power of 2"},
                {0x260, 4, 0x1000, "init_size 0x1000 is less than the code"},
                {0x260, 4, 0xf0000000, "does not fit"},
                {0x258, 8, UINT64_MAX, "does not fit"},
                {0x258, 8, MEMORY_SIZE, "does not fit"},
                {0x238, 4, 3, "takes at most 3"},
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                begin(state);
                image_put(image, cases[i].offset, cases[i].size, cases[i].value);
                refused(cases[i].part);
        }
        begin(state);
        image_put(image, 0x234, 1, 0); /* not relocatable, and where the tables are */
        image_put(image, 0x258, 8, 0x11000);
        image_put(image, 0x260, 4, LINUX_IMAGE_CODE);
        refused("overlaps");
        begin(state);
        image_put(image, 0x1f4, 4, 32);
        refused("entered at 0x200 of its 0x200 bytes");
}

/* In a buffer of its own size, so that a sanitizer sees a read beyond it. */
static void a_truncated_image_is_refused_at_every_length(void **state)
{
        (void)state;
        for (size_t size = 0; size < LINUX_IMAGE_SIZE; size += size < 0x400 ? 1 : 1021) {
                struct hwaccl_error error = {""};
                uint8_t *part = malloc(size ? size : 1);
                assert_non_null(part);
                memcpy(part, image, size);
                input.kernel = part;
                input.kernel_size = size;
                assert_false(hwaccl_loader_load_linux(&input, &loaded, &error));
                assert_true(error.message[0]);
                free(part);
        }
}

static void an_initrd_that_does_not_fit_is_refused(void **state)
{
        (void)state;
        static uint8_t data[2];
        struct hwaccl_loader_module modules[2] = {{data, 48 * MIB, NULL}, {data, 1, NULL}};

        input.module = modules;
        input.module_count = 1;
        refused("the initrd, 0x3000000 bytes, does not fit");
        input.module_count = 2;
        refused("one initrd: 2 modules");
        modules[0] = (struct hwaccl_loader_module){data, 1, "text"};
        input.module_count = 1;
        refused("no command line of its own");
}

static void memory_too_small_for_the_kernel_is_said(void **state)
{
        (void)state;
        input.memory_size = 16 * MIB;
        refused("the Linux kernel, 0x200000 bytes, does not fit");
}

/* Debian's kernel, where scripts/kvm-box has fetched it. */
static void a_real_kernel_is_loaded(void **state)
{
        (void)state;
        const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
        char path[4096];

        (void)snprintf(path, sizeof(path), "%s%s/hwaccl/kvm-box/kernel/vmlinuz",
                       cache  ? cache
                       : home ? home
                              : "",
                       cache ? "" : "/.cache");
        FILE *file = fopen(path, "rb");
        if (!file)
                skip();
        static uint8_t kernel[64 << 20];
        input.kernel = kernel;
        input.kernel_size = fread(kernel, 1, sizeof(kernel), file);
        assert_int_equal(fclose(file), 0);
        input.memory_size = 256 * MIB;
        load();
        assert_int_equal(loaded.entry.mode, HWACCL_ENTRY_LONG);
        assert_true(loaded.entry.rip >= MIB && loaded.entry.rip % 0x200000 == 0x200);
        assert_true(param(0x206, 2) >= 0x20f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static void the_last_paragraph_of_code_may_be_a_part(void **state)
{
        (void)state;
        input.kernel_size -= 15;
        load();
        hwaccl_loader_free(&loaded);
        input.kernel_size--;
        refused("is cut short");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(the_last_paragraph_of_code_may_be_a_part),
                TEST(the_kernel_lies_at_its_preferred_address),
                TEST(it_is_entered_in_64_bit_mode_when_it_can_be),
                TEST(it_is_entered_in_32_bit_mode_when_asked_or_when_it_cannot_else),
                TEST(boot_params_is_the_header_and_zero_but_for_what_the_loader_says),
                TEST(the_place_of_the_rsdp_is_told_from_protocol_2_14_on),
                TEST(an_old_kernel_lies_at_one_mebibyte),
                TEST(the_command_line_goes_in_whole),
                TEST(the_initrd_lies_as_high_as_it_may),
                TEST(the_acpi_tables_add_up_and_lead_to_each_other),
                TEST(a_malformed_image_is_refused_with_its_reason),
                TEST(a_truncated_image_is_refused_at_every_length),
                TEST(an_initrd_that_does_not_fit_is_refused),
                TEST(memory_too_small_for_the_kernel_is_said),
                TEST(a_real_kernel_is_loaded),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
