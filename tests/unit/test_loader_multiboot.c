/* Multiboot images made here: good ones of each kind are laid out as the specification says, the others refused. */
#include "tests/fixtures/image_fixture.h"

#define MAGIC       0x1badb002u
#define BOOT_MAGIC  0x2badb002u
#define PLACED      0x10000u
#define HEADER_SIZE 32u
#define KERNEL      IMAGE_MIB
#define KERNEL_SIZE 0x200u
#define BSS_SIZE    0x3000u

/* What is loaded: the header, then bytes that differ. */
static void make_content(uint8_t content[KERNEL_SIZE], uint32_t flags)
{
        for (unsigned i = 0; i < KERNEL_SIZE; i++)
                content[i] = (uint8_t)(i * 7 + 1);
        hwaccl_store32(content, MAGIC);
        hwaccl_store32(content + 4, flags);
        hwaccl_store32(content + 8, 0 - MAGIC - flags);
}

static void make_elf(struct image *image, bool wide, uint32_t flags)
{
        uint8_t content[KERNEL_SIZE];

        make_content(content, flags);
        elf_begin(image, wide, KERNEL + 0x40);
        elf_add(image, 1, KERNEL, content, KERNEL_SIZE, KERNEL_SIZE + BSS_SIZE);
}

/* No ELF: the header is 40h bytes into the file, the load starts 10h bytes before it. */
static void make_placed(struct image *image)
{
        memset(image, 0, sizeof(*image));
        make_content(image->data + 0x40, PLACED);
        image->size = 0x40 + KERNEL_SIZE;
        hwaccl_store32(image->data + 0x40 + 12, (uint32_t)KERNEL + 0x10);
        hwaccl_store32(image->data + 0x40 + 16, (uint32_t)KERNEL);
        hwaccl_store32(image->data + 0x40 + 20, (uint32_t)KERNEL + 0x180);
        hwaccl_store32(image->data + 0x40 + 24, (uint32_t)KERNEL + 0x1000);
        hwaccl_store32(image->data + 0x40 + 28, (uint32_t)KERNEL + 0x100);
}

static const uint8_t *text_at(const struct hwaccl_loaded *loaded, uint32_t address, const char *text)
{
        const uint8_t *bytes = loaded_at(loaded, address, strlen(text) + 1);
        assert_string_equal((const char *)bytes, text);
        return bytes;
}

static void is_entered(const struct hwaccl_loaded *loaded, uint64_t rip)
{
        const struct hwaccl_entry_point *entry = &loaded->entry;

        assert_int_equal(loaded->format, HWACCL_IMAGE_MULTIBOOT);
        assert_int_equal(entry->mode, HWACCL_ENTRY_PROTECTED);
        assert_int_equal(entry->rip, rip);
        assert_int_equal(entry->rax, BOOT_MAGIC);
        assert_true(entry->rbx != 0);
        assert_true(hwaccl_load64(loaded_at(loaded, entry->gdt_base + entry->code_selector, 8)) ==
                    UINT64_C(0x00cf9b000000ffff));
        assert_true(hwaccl_load64(loaded_at(loaded, entry->gdt_base + entry->data_selector, 8)) ==
                    UINT64_C(0x00cf93000000ffff));
}

static void elf_of_both_classes_is_loaded(void **state)
{
        (void)state;
        for (int wide = 0; wide < 2; wide++) {
                struct image image;
                struct hwaccl_loaded loaded;
                uint8_t content[KERNEL_SIZE];

                make_elf(&image, wide, 3);
                make_content(content, 3);
                struct hwaccl_loader_input input = image_input(&image);
                assert_int_equal(hwaccl_loader_format(input.kernel, input.kernel_size), HWACCL_IMAGE_MULTIBOOT);
                expect_good(&input, &loaded);
                is_entered(&loaded, KERNEL + 0x40);
                assert_memory_equal(loaded_at(&loaded, KERNEL, KERNEL_SIZE), content, KERNEL_SIZE);
                assert_false(loaded_anything_at(&loaded, KERNEL + KERNEL_SIZE));
                hwaccl_loader_free(&loaded);
                hwaccl_loader_free(&loaded);
                image_input_free(&input);
        }
}

static void entry_is_translated_to_its_physical_address(void **state)
{
        struct image image;
        struct hwaccl_loaded loaded;

        (void)state;
        make_elf(&image, true, 0);
        elf_store(&image, elf_field_at(&image, 0, ELF_VIRTUAL), UINT64_C(0xffffffff80000000));
        elf_store(&image, elf_entry_at(), UINT64_C(0xffffffff80000040));
        struct hwaccl_loader_input input = image_input(&image);
        expect_good(&input, &loaded);
        is_entered(&loaded, KERNEL + 0x40);
        hwaccl_loader_free(&loaded);
        image_input_free(&input);

        /* a physical entry in an image whose virtual addresses are elsewhere */
        elf_store(&image, elf_entry_at(), KERNEL + 0x60);
        input = image_input(&image);
        expect_good(&input, &loaded);
        is_entered(&loaded, KERNEL + 0x60);
        hwaccl_loader_free(&loaded);
        image_input_free(&input);
}

static void addresses_in_the_header_place_an_image(void **state)
{
        struct image image;
        struct hwaccl_loaded loaded;

        (void)state;
        make_placed(&image);
        struct hwaccl_loader_input input = image_input(&image);
        expect_good(&input, &loaded);
        is_entered(&loaded, KERNEL + 0x100);
        assert_memory_equal(loaded_at(&loaded, KERNEL, 0x180), image.data + 0x30, 0x180);
        assert_false(loaded_anything_at(&loaded, KERNEL + 0x180));
        assert_int_equal(hwaccl_load32(loaded_at(&loaded, loaded.entry.rbx, 4)) & 0x30, 0);
        hwaccl_loader_free(&loaded);
        image_input_free(&input);

        /* no load_end_addr: to the end of the file; no bss_end_addr: nothing behind it */
        hwaccl_store32(image.data + 0x40 + 20, 0);
        hwaccl_store32(image.data + 0x40 + 24, 0);
        input = image_input(&image);
        expect_good(&input, &loaded);
        assert_memory_equal(loaded_at(&loaded, KERNEL, image.size - 0x30), image.data + 0x30, image.size - 0x30);
        hwaccl_loader_free(&loaded);
        image_input_free(&input);
}

static void addresses_come_before_elf(void **state)
{
        struct image image;
        struct hwaccl_loaded loaded;

        (void)state;
        make_elf(&image, false, PLACED);
        hwaccl_store32(image.data + IMAGE_CONTENTS + 12, 0x300000);
        hwaccl_store32(image.data + IMAGE_CONTENTS + 16, 0x300000);
        hwaccl_store32(image.data + IMAGE_CONTENTS + 20, 0x300100);
        hwaccl_store32(image.data + IMAGE_CONTENTS + 24, 0);
        hwaccl_store32(image.data + IMAGE_CONTENTS + 28, 0x300020);
        struct hwaccl_loader_input input = image_input(&image);
        expect_good(&input, &loaded);
        is_entered(&loaded, 0x300020);
        assert_false(loaded_anything_at(&loaded, KERNEL));
        hwaccl_loader_free(&loaded);
        image_input_free(&input);
}

static void header_is_found_in_the_first_8192_bytes_only(void **state)
{
        static const struct {
                size_t offset;
                bool found;
        } cases[] = {{0, true}, {4, true}, {6, false}, {8180, true}, {8184, false}, {8192, false}};

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                static struct image image;
                memset(&image, 0, sizeof(image));
                image.size = 0x3000;
                hwaccl_store32(image.data + cases[i].offset, MAGIC);
                hwaccl_store32(image.data + cases[i].offset + 8, 0 - MAGIC);
                assert_int_equal(hwaccl_loader_format(image.data, image.size),
                                 cases[i].found ? HWACCL_IMAGE_MULTIBOOT : HWACCL_IMAGE_UNKNOWN);
        }
}

static void information_says_what_memory_there_is(void **state)
{
        struct image image;
        struct hwaccl_loaded loaded;

        (void)state;
        make_elf(&image, false, 3);
        struct hwaccl_loader_input input = image_input(&image);
        expect_good(&input, &loaded);
        const uint8_t *info = loaded_at(&loaded, loaded.entry.rbx, 116);
        assert_int_equal(hwaccl_load32(info), 0x24d);
        assert_int_equal(hwaccl_load32(info + 4), 640);
        assert_int_equal(hwaccl_load32(info + 8), 15 * 1024);
        assert_int_equal(hwaccl_load32(info + 44), 3 * 24);
        const uint8_t *map = loaded_at(&loaded, hwaccl_load32(info + 48), 3 * (size_t)24);
        static const uint32_t expected[3][3] = {{0, 0xa0000, 1}, {0xf0000, 0x10000, 2}, {0x100000, 0xf00000, 1}};
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(hwaccl_load32(map + i * 24), 20);
                assert_int_equal(hwaccl_load64(map + i * 24 + 4), expected[i][0]);
                assert_int_equal(hwaccl_load64(map + i * 24 + 12), expected[i][1]);
                assert_int_equal(hwaccl_load32(map + i * 24 + 20), expected[i][2]);
        }
        (void)text_at(&loaded, hwaccl_load32(info + 64), "hwaccl");
        (void)text_at(&loaded, hwaccl_load32(info + 16), "");
        assert_int_equal(hwaccl_load32(info + 20), 0);
        hwaccl_loader_free(&loaded);
        image_input_free(&input);
}

static void modules_are_page_aligned_in_order_with_their_texts(void **state)
{
        static const uint8_t first[] = "first module", third[5000] = {1, 2, 3};
        static const struct hwaccl_loader_module module[] = {
                {first, sizeof(first), "one"}, {first, 0, NULL}, {third, sizeof(third), ""}};
        struct image image;
        struct hwaccl_loaded loaded;
        uint64_t end = KERNEL + KERNEL_SIZE + BSS_SIZE;

        (void)state;
        make_elf(&image, false, 3);
        struct hwaccl_loader_input input = image_input(&image);
        input.kernel_name = "a/kernel";
        input.command_line = "its line";
        input.module = module;
        input.module_count = 3;
        expect_good(&input, &loaded);
        const uint8_t *info = loaded_at(&loaded, loaded.entry.rbx, 116);
        (void)text_at(&loaded, hwaccl_load32(info + 16), "a/kernel its line");
        assert_int_equal(hwaccl_load32(info + 20), 3);
        const uint8_t *list = loaded_at(&loaded, hwaccl_load32(info + 24), 3 * (size_t)16);
        for (unsigned i = 0; i < 3; i++) {
                uint32_t start = hwaccl_load32(list + i * 16), size = hwaccl_load32(list + i * 16 + 4) - start;
                assert_int_equal(start % 4096, 0);
                assert_true(start >= end);
                assert_int_equal(size, module[i].size);
                assert_int_equal(hwaccl_load32(list + i * 16 + 12), 0);
                if (size)
                        assert_memory_equal(loaded_at(&loaded, start, size), module[i].data, size);
                if (module[i].command_line)
                        (void)text_at(&loaded, hwaccl_load32(list + i * 16 + 8), module[i].command_line);
                else
                        assert_int_equal(hwaccl_load32(list + i * 16 + 8), 0);
                end = start + size;
        }
        hwaccl_loader_free(&loaded);
        input.command_line = NULL;
        expect_good(&input, &loaded);
        (void)text_at(&loaded, hwaccl_load32(loaded_at(&loaded, loaded.entry.rbx, 116) + 16), "a/kernel ");
        hwaccl_loader_free(&loaded);
        image_input_free(&input);
}

static void modules_go_below_a_kernel_at_the_end_of_memory(void **state)
{
        static const uint8_t content[4096] = {1};
        static const struct hwaccl_loader_module module = {content, sizeof(content), NULL};
        struct image image;
        struct hwaccl_loaded loaded;

        (void)state;
        make_elf(&image, false, 3);
        elf_store(&image, elf_field_at(&image, 0, ELF_PHYSICAL), IMAGE_MEMORY - KERNEL_SIZE - BSS_SIZE);
        struct hwaccl_loader_input input = image_input(&image);
        input.module = &module;
        input.module_count = 1;
        expect_good(&input, &loaded);
        assert_int_equal(loaded_at(&loaded, IMAGE_MIB, sizeof(content))[0], 1);
        hwaccl_loader_free(&loaded);
        image_input_free(&input);
}

static void symbols_and_names_of_sections_are_loaded(void **state)
{
        (void)state;
        for (int wide = 0; wide < 2; wide++) {
                struct image image;
                struct hwaccl_loaded loaded;

                make_elf(&image, wide, 3);
                unsigned size = elf_section_size(&image);
                size_t headers = elf_add_sections(&image, 4, 3);
                elf_set_section(&image, headers + size, 1, KERNEL, IMAGE_CONTENTS, KERNEL_SIZE);
                elf_set_section(&image, headers + 2 * (size_t)size, 2, 0, IMAGE_CONTENTS + 0x20, 0x30);
                elf_set_section(&image, headers + 3 * (size_t)size, 3, 0, IMAGE_CONTENTS + 0x60, 0x21);
                struct hwaccl_loader_input input = image_input(&image);
                expect_good(&input, &loaded);
                const uint8_t *info = loaded_at(&loaded, loaded.entry.rbx, 116);
                assert_int_equal(hwaccl_load32(info) & 0x20, 0x20);
                assert_int_equal(hwaccl_load32(info + 28), 4);
                assert_int_equal(hwaccl_load32(info + 32), size);
                assert_int_equal(hwaccl_load32(info + 40), 3);
                const uint8_t *table = loaded_at(&loaded, hwaccl_load32(info + 36), 4 * (size_t)size);
                unsigned address = wide ? 16 : 12;
                assert_int_equal(hwaccl_load32(table + size + address), KERNEL);
                assert_memory_equal(loaded_at(&loaded, hwaccl_load32(table + 2 * (size_t)size + address), 0x30),
                                    image.data + IMAGE_CONTENTS + 0x20, 0x30);
                assert_memory_equal(loaded_at(&loaded, hwaccl_load32(table + 3 * (size_t)size + address), 0x21),
                                    image.data + IMAGE_CONTENTS + 0x60, 0x21);
                hwaccl_loader_free(&loaded);
                image_input_free(&input);

                elf_set_section(&image, headers + 2 * (size_t)size, 2, 0, image.size - 8, 0x30);
                expect_refused(&image, "section 2 of the kernel, 0x30 bytes at offset");
                elf_set_section(&image, headers + 2 * (size_t)size, 2, 0, UINT32_MAX, 0x30);
                expect_refused(&image, "is not within the image of");
        }
}

static void a_kernel_where_a_bios_would_be_does_without_it(void **state)
{
        struct image image;
        struct hwaccl_loaded loaded;

        (void)state;
        make_elf(&image, false, 3);
        struct hwaccl_loader_input input = image_input(&image);
        expect_good(&input, &loaded);
        assert_memory_equal(loaded_at(&loaded, 0xf0000, 8), "RSD PTR ", 8);
        assert_int_equal(hwaccl_load16(loaded_at(&loaded, 0x413, 2)), 640);
        /* INT 15h: push bp; … ; iret */
        uint64_t service = hwaccl_load16(loaded_at(&loaded, 0x15 * 4, 2)) +
                           ((uint64_t)hwaccl_load16(loaded_at(&loaded, 0x15 * 4 + 2, 2)) << 4);
        assert_int_equal(*loaded_at(&loaded, service, 1), 0x55);
        assert_int_equal(*loaded_at(&loaded, service + hwaccl_load16(loaded_at(&loaded, 8 * 4, 2)), 1), 0xcf);
        hwaccl_loader_free(&loaded);
        image_input_free(&input);

        static const uint64_t places[] = {0, 0x400, 0xf0000, 0xf0f00, 0x10000};
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
                elf_store(&image, elf_field_at(&image, 0, ELF_PHYSICAL), places[i]);
                elf_store(&image, elf_field_at(&image, 0, ELF_VIRTUAL), places[i]);
                elf_store(&image, elf_entry_at(), places[i]);
                input = image_input(&image);
                expect_good(&input, &loaded);
                assert_int_equal(loaded.entry.rip, places[i]);
                hwaccl_loader_free(&loaded);
                image_input_free(&input);
        }
}

static void flags_that_cannot_be_met_are_refused(void **state)
{
        struct image image;
        struct hwaccl_loaded loaded;

        (void)state;
        make_elf(&image, false, 4);
        expect_refused(&image, "require a video mode (bit 2)");
        make_elf(&image, false, 8);
        expect_refused(&image, "flags 0x00000008 require unknown features");
        make_elf(&image, false, 0x8000);
        expect_refused(&image, "flags 0x00008000");
        make_elf(&image, false, 0xfffe0003); /* optional ones */
        struct hwaccl_loader_input input = image_input(&image);
        expect_good(&input, &loaded);
        hwaccl_loader_free(&loaded);
        image_input_free(&input);
}

static void a_wrong_checksum_is_explained(void **state)
{
        struct image image;

        (void)state;
        make_elf(&image, false, 3);
        image.data[IMAGE_CONTENTS + 8] ^= 1;
        expect_refused(&image, "offset 0x400 has checksum 0xe4524ffa; expected 0xe4524ffb with flags 0x00000003");
}

static void a_kernel_of_multiboot2_is_explained(void **state)
{
        struct image image;

        (void)state;
        memset(&image, 0, sizeof(image));
        image.size = 5000;
        hwaccl_store32(image.data + 64, 0xe85250d6);
        hwaccl_store32(image.data + 72, 24);
        expect_refused(&image, "not a Linux bzImage");
        hwaccl_store32(image.data + 76, 0u - 0xe85250d6u - 24u);
        expect_refused(&image, "has a Multiboot2 header, at offset 0x40, and none of Multiboot 1");
}

/* One field of the header set to a value, and what the refusal says. */
static void malformed_addresses_are_refused(void **state)
{
        static const struct {
                unsigned field;
                uint32_t value;
                const char *mention;
        } cases[] = {
                {12, (uint32_t)KERNEL - 1, "header_addr 0xfffff"},
                {12, (uint32_t)KERNEL + 0x41, "put the start of the load before the file"},
                {16, (uint32_t)KERNEL + 0x11, "load_addr 0x100011"},
                {16, 0, "put the start of the load before the file"},
                {20, (uint32_t)KERNEL, "load_end_addr 0x100000"},
                {20, (uint32_t)KERNEL + 0x211, "has 0x210 bytes to load"},
                {20, (uint32_t)KERNEL + 0x400, "has 0x210 bytes to load"},
                {20, UINT32_MAX, "load_end_addr 0xffffffff"},
                {24, (uint32_t)KERNEL + 0x17f, "bss_end_addr 0x10017f is below load_end_addr 0x100180"},
                {24, (uint32_t)IMAGE_MEMORY + 1, "is not within guest RAM"},
                {24, UINT32_MAX, "is not within guest RAM"},
                {28, (uint32_t)KERNEL - 1, "entry_addr 0xfffff"},
                {28, (uint32_t)KERNEL + 0x1000, "entry_addr 0x101000"},
        };
        struct image image;

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                make_placed(&image);
                hwaccl_store32(image.data + 0x40 + cases[i].field, cases[i].value);
                expect_refused(&image, cases[i].mention);
        }
        make_placed(&image);
        image.size = 0x40 + HEADER_SIZE - 1;
        expect_refused(&image, "is truncated: with addresses it has 32 bytes");
        make_placed(&image);
        hwaccl_store32(image.data + 0x44, 0);
        hwaccl_store32(image.data + 0x48, 0 - MAGIC);
        expect_refused(&image, "no addresses (bit 16), and the image is not ELF");
}

static void malformed_elf_is_refused(void **state)
{
        (void)state;
        for (int wide = 0; wide < 2; wide++) {
                struct image good, image;
                make_elf(&good, wide, 3);
                unsigned counts = elf_counts_at(&good);
                const struct {
                        unsigned offset;
                        unsigned width;
                        uint64_t value;
                        const char *mention;
                } cases[] = {
                        {4, 1, 3, "ELF class is 3"},
                        {5, 1, 2, "ELF data encoding is 2"},
                        {6, 1, 0, "ELF version is 0 and 1"},
                        {20, 4, 2, "ELF version is 1 and 2"},
                        {16, 2, 1, "ELF type is 1"},
                        {18, 2, 40, "ELF machine is 40"},
                        {elf_entry_at(), 8, KERNEL - 1, "ELF entry 0xfffff is not in a loaded segment"},
                        {elf_segments_at(&good), 8, IMAGE_ROOM, "1 ELF program headers at offset 0x8000"},
                        {elf_segments_at(&good), 8, UINT64_MAX, "ELF program headers at offset 0x"},
                        {counts, 2, 31, "ELF program headers of 31 bytes"},
                        {counts + 2, 2, 0, "no program headers"},
                        {counts + 2, 2, 65535, "65535 ELF program headers"},
                        {(unsigned)elf_field_at(&good, 0, ELF_OFFSET) - (wide ? 8 : 4), 4, 2, "none of the 1 ELF"},
                        {(unsigned)elf_field_at(&good, 0, ELF_OFFSET), 8, 0x7000, "segment 0 of the kernel, 0x200"},
                        {(unsigned)elf_field_at(&good, 0, ELF_OFFSET), 8, UINT64_MAX, "segment 0 of the kernel"},
                        {(unsigned)elf_field_at(&good, 0, ELF_FILE_SIZE), 8, 0x3201, "but only 0x3200 in memory"},
                        {(unsigned)elf_field_at(&good, 0, ELF_MEMORY_SIZE), 8, 0x1ff, "but only 0x1ff in memory"},
                        {(unsigned)elf_field_at(&good, 0, ELF_MEMORY_SIZE), 8, UINT64_MAX, "not within guest RAM"},
                        {(unsigned)elf_field_at(&good, 0, ELF_MEMORY_SIZE), 8, IMAGE_MEMORY, "not within guest RAM"},
                        {(unsigned)elf_field_at(&good, 0, ELF_PHYSICAL), 8, 0x9ff00, "not within guest RAM"},
                        {(unsigned)elf_field_at(&good, 0, ELF_PHYSICAL), 8, 0xb0000, "not within guest RAM"},
                        {(unsigned)elf_field_at(&good, 0, ELF_PHYSICAL), 8, UINT64_MAX, "not within guest RAM"},
                };
                for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                        image = good;
                        if (cases[i].width == 8)
                                elf_store(&image, cases[i].offset, cases[i].value);
                        else if (cases[i].width == 4)
                                hwaccl_store32(image.data + cases[i].offset, (uint32_t)cases[i].value);
                        else if (cases[i].width == 2)
                                hwaccl_store16(image.data + cases[i].offset, (uint16_t)cases[i].value);
                        else
                                image.data[cases[i].offset] = (uint8_t)cases[i].value;
                        expect_refused(&image, cases[i].mention);
                }
        }
}

static void an_image_that_is_cut_anywhere_is_refused(void **state)
{
        struct image image;

        (void)state;
        for (int wide = 0; wide < 2; wide++) {
                make_elf(&image, wide, 3);
                for (size_t size = 0; size < IMAGE_CONTENTS + KERNEL_SIZE; size++) {
                        image.size = size;
                        expect_refused(&image, "");
                }
        }
}

static void overlaps_are_refused_by_name(void **state)
{
        uint8_t content[16] = {1};
        struct image image;

        (void)state;
        make_elf(&image, false, 3);
        elf_add(&image, 1, KERNEL + KERNEL_SIZE + BSS_SIZE - 1, content, 1, 1); /* in the zeroed part */
        expect_refused(&image, "segment 1 of the kernel, 0x1 bytes at 0x1031ff, overlaps segment 0 of the kernel");
}

static void what_does_not_fit_is_refused(void **state)
{
        static uint8_t big[0x2000];
        struct hwaccl_loader_module module[HWACCL_LOADER_MODULE_MAX + 1];
        struct image image;

        (void)state;
        make_elf(&image, false, 3);
        struct hwaccl_loader_input input = image_input(&image);
        for (size_t i = 0; i <= HWACCL_LOADER_MODULE_MAX; i++)
                module[i] = (struct hwaccl_loader_module){big, sizeof(big), NULL};
        input.module = module;
        input.module_count = HWACCL_LOADER_MODULE_MAX + 1;
        expect_refused_input(&input, "33 modules, at most 32");
        input.module_count = 4;
        input.memory_size = IMAGE_MIB + 0x8000;
        expect_refused_input(&input, "module 2, 0x2000 bytes, does not fit");
        input.memory_size = IMAGE_MIB;
        expect_refused_input(&input, "segment 0 of the kernel");
        input.memory_size = IMAGE_MIB - 4096;
        expect_refused_input(&input, "memory size 1044480");
        input.memory_size = UINT64_MAX;
        expect_refused_input(&input, "memory size");

        /* a command line that needs more than all of low memory goes above it, or nowhere */
        char *line = malloc(0xa0001);
        assert_non_null(line);
        memset(line, 'x', 0xa0000);
        line[0xa0000] = '\0';
        input.module_count = 0;
        input.command_line = line;
        input.memory_size = IMAGE_MIB + 0x8000;
        expect_refused_input(&input, "the Multiboot information");
        struct hwaccl_loaded loaded;
        input.memory_size = 2 * IMAGE_MIB;
        expect_good(&input, &loaded);
        assert_true(loaded.entry.rbx > IMAGE_MIB);
        hwaccl_loader_free(&loaded);
        free(line);
        image_input_free(&input);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(elf_of_both_classes_is_loaded),
                cmocka_unit_test(entry_is_translated_to_its_physical_address),
                cmocka_unit_test(addresses_in_the_header_place_an_image),
                cmocka_unit_test(addresses_come_before_elf),
                cmocka_unit_test(header_is_found_in_the_first_8192_bytes_only),
                cmocka_unit_test(information_says_what_memory_there_is),
                cmocka_unit_test(modules_are_page_aligned_in_order_with_their_texts),
                cmocka_unit_test(modules_go_below_a_kernel_at_the_end_of_memory),
                cmocka_unit_test(symbols_and_names_of_sections_are_loaded),
                cmocka_unit_test(a_kernel_where_a_bios_would_be_does_without_it),
                cmocka_unit_test(flags_that_cannot_be_met_are_refused),
                cmocka_unit_test(a_wrong_checksum_is_explained),
                cmocka_unit_test(a_kernel_of_multiboot2_is_explained),
                cmocka_unit_test(malformed_addresses_are_refused),
                cmocka_unit_test(malformed_elf_is_refused),
                cmocka_unit_test(an_image_that_is_cut_anywhere_is_refused),
                cmocka_unit_test(overlaps_are_refused_by_name),
                cmocka_unit_test(what_does_not_fit_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
