/* ELF images with a PVH entry made here: the start info of good ones, and what is refused. */
#include "tests/fixtures/image_fixture.h"

#define KERNEL     IMAGE_MIB
#define ENTRY      (KERNEL + 0x20)
#define CODE_SIZE  0x100u
#define NOTE       4u
#define NOTE_ENTRY 18u

/* A note as the ABI has it, padded to @pad; its size. */
static size_t make_note(uint8_t *note, const char *name, uint32_t type, uint64_t value, uint32_t size, size_t pad)
{
        size_t name_size = strlen(name) + 1;
        size_t descriptor = (12 + name_size + pad - 1) & ~(pad - 1);

        memset(note, 0, 64);
        hwaccl_store32(note, (uint32_t)name_size);
        hwaccl_store32(note + 4, size);
        hwaccl_store32(note + 8, type);
        memcpy(note + 12, name, name_size);
        hwaccl_store64(note + descriptor, value);
        return descriptor + ((size + pad - 1) & ~(pad - 1));
}

static void make_image(struct image *image, bool wide, const uint8_t *note, size_t note_size)
{
        uint8_t code[CODE_SIZE];

        for (unsigned i = 0; i < CODE_SIZE; i++)
                code[i] = (uint8_t)(i ^ 0x5a);
        elf_begin(image, wide, 0);
        elf_add(image, 1, KERNEL, code, CODE_SIZE, 0x1000);
        if (note_size)
                elf_add(image, NOTE, 0, note, note_size, note_size);
}

static void make_good(struct image *image, bool wide)
{
        uint8_t note[64];
        make_image(image, wide, note, make_note(note, "Xen", NOTE_ENTRY, ENTRY, wide ? 8 : 4, 4));
}

static void is_loaded(const struct image *image)
{
        struct hwaccl_loader_input input = image_input(image);
        struct hwaccl_loaded loaded;

        assert_int_equal(hwaccl_loader_format(input.kernel, input.kernel_size), HWACCL_IMAGE_PVH);
        expect_good(&input, &loaded);
        assert_int_equal(loaded.format, HWACCL_IMAGE_PVH);
        assert_int_equal(loaded.entry.mode, HWACCL_ENTRY_PROTECTED);
        assert_int_equal(loaded.entry.rip, ENTRY);
        assert_memory_equal(loaded_at(&loaded, KERNEL, CODE_SIZE), image->data + IMAGE_CONTENTS, CODE_SIZE);
        assert_int_equal(hwaccl_load32(loaded_at(&loaded, loaded.entry.rbx, 4)), 0x336ec578);
        hwaccl_loader_free(&loaded);
        image_input_free(&input);
}

static void elf_of_both_classes_is_loaded(void **state)
{
        struct image image;

        (void)state;
        for (int wide = 0; wide < 2; wide++) {
                make_good(&image, wide);
                is_loaded(&image);
        }
}

static void the_note_is_found_behind_others(void **state)
{
        struct image image;
        uint8_t notes[4 * 64];
        size_t size;

        (void)state;
        size = make_note(notes, "GNU", NOTE_ENTRY, 1, 4, 4);
        size += make_note(notes + size, "Xen", 3, 2, 8, 4);
        size += make_note(notes + size, "Xenon", NOTE_ENTRY, 3, 5, 4);
        size += make_note(notes + size, "Xen", NOTE_ENTRY, ENTRY, 4, 4);
        make_image(&image, true, notes, size);
        is_loaded(&image);
}

static void notes_may_be_aligned_to_8(void **state)
{
        struct image image;
        uint8_t notes[2 * 64];
        size_t size;

        (void)state;
        size = make_note(notes, "Long name", 1, 2, 4, 8);
        size += make_note(notes + size, "Xen", NOTE_ENTRY, ENTRY, 8, 8);
        make_image(&image, true, notes, size);
        elf_store(&image, elf_field_at(&image, 1, ELF_ALIGNMENT), 8);
        is_loaded(&image);
}

static void the_note_may_be_a_section_only(void **state)
{
        (void)state;
        for (int wide = 0; wide < 2; wide++) {
                struct image image;
                uint8_t note[64];
                size_t size = make_note(note, "Xen", NOTE_ENTRY, ENTRY, 4, 4);

                make_image(&image, wide, note, size);
                size_t offset = wide ? (size_t)hwaccl_load64(image.data + elf_field_at(&image, 1, ELF_OFFSET))
                                     : hwaccl_load32(image.data + elf_field_at(&image, 1, ELF_OFFSET));
                hwaccl_store16(image.data + elf_counts_at(&image) + 2, 1); /* no segment of notes */
                size_t headers = elf_add_sections(&image, 2, 0);
                elf_set_section(&image, headers + elf_section_size(&image), 7, 0, offset, size);
                is_loaded(&image);
        }
}

static void start_info_is_what_the_abi_says(void **state)
{
        static const uint8_t content[] = "a module's bytes";
        static const struct hwaccl_loader_module module[] = {{content, sizeof(content), "its text"},
                                                             {content, 4, NULL}};
        struct image image;
        struct hwaccl_loaded loaded;

        (void)state;
        make_good(&image, true);
        struct hwaccl_loader_input input = image_input(&image);
        input.command_line = "the line";
        input.module = module;
        input.module_count = 2;
        expect_good(&input, &loaded);
        const uint8_t *start = loaded_at(&loaded, loaded.entry.rbx, 56);
        assert_int_equal(hwaccl_load32(start + 4), 1);
        assert_int_equal(hwaccl_load32(start + 8), 0);
        assert_int_equal(hwaccl_load32(start + 12), 2);
        assert_string_equal((const char *)loaded_at(&loaded, hwaccl_load64(start + 24), 9), "the line");
        assert_memory_equal(loaded_at(&loaded, hwaccl_load64(start + 32), 8), "RSD PTR ", 8);
        assert_int_equal(hwaccl_load32(start + 48), 3);
        const uint8_t *list = loaded_at(&loaded, hwaccl_load64(start + 16), 2 * (size_t)32);
        for (unsigned i = 0; i < 2; i++) {
                uint64_t address = hwaccl_load64(list + i * 32);
                assert_int_equal(address % 4096, 0);
                assert_int_equal(hwaccl_load64(list + i * 32 + 8), module[i].size);
                assert_memory_equal(loaded_at(&loaded, address, module[i].size), content, module[i].size);
                assert_int_equal(hwaccl_load64(list + i * 32 + 24), 0);
        }
        assert_string_equal((const char *)loaded_at(&loaded, hwaccl_load64(list + 16), 9), "its text");
        assert_int_equal(hwaccl_load64(list + 32 + 16), 0);
        static const uint64_t expected[3][3] = {{0, 0xa0000, 1}, {0xf0000, 0x10000, 2}, {0x100000, 0xf00000, 1}};
        const uint8_t *map = loaded_at(&loaded, hwaccl_load64(start + 40), 3 * (size_t)24);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(hwaccl_load64(map + i * 24), expected[i][0]);
                assert_int_equal(hwaccl_load64(map + i * 24 + 8), expected[i][1]);
                assert_int_equal(hwaccl_load32(map + i * 24 + 16), expected[i][2]);
        }
        hwaccl_loader_free(&loaded);
        image_input_free(&input);
}

static void what_is_not_there_is_0(void **state)
{
        struct image image;
        struct hwaccl_loaded loaded;

        (void)state;
        make_good(&image, false);
        struct hwaccl_loader_input input = image_input(&image);
        input.memory_size = IMAGE_MIB + 0x1000;
        expect_good(&input, &loaded);
        const uint8_t *start = loaded_at(&loaded, loaded.entry.rbx, 56);
        assert_int_equal(hwaccl_load32(start + 12), 0);
        assert_int_equal(hwaccl_load64(start + 16), 0);
        assert_int_equal(hwaccl_load64(start + 24), 0);
        hwaccl_loader_free(&loaded);
        image_input_free(&input);
}

static void malformed_notes_are_refused(void **state)
{
        struct image image;
        uint8_t note[64];

        (void)state;
        make_image(&image, true, note, make_note(note, "Xen", NOTE_ENTRY, ENTRY, 2, 4));
        expect_refused(&image, "the PVH entry note has 2 bytes; expected 4 or 8");
        make_image(&image, true, note, make_note(note, "Xen", NOTE_ENTRY, ENTRY, 16, 4));
        expect_refused(&image, "the PVH entry note has 16 bytes");
        make_image(&image, true, note, make_note(note, "Xen", NOTE_ENTRY, KERNEL - 1, 4, 4));
        expect_refused(&image, "the PVH entry 0xfffff is not in a loaded segment");
        make_image(&image, true, note, make_note(note, "Xen", NOTE_ENTRY, UINT64_MAX, 8, 4));
        expect_refused(&image, "the PVH entry 0xffffffffffffffff is not in a loaded segment");

        /* none at all, another one, one whose sizes lead out of the segment, and a segment out of the file */
        make_image(&image, true, note, 0);
        expect_refused(&image, "neither a Multiboot header in its first 8192 bytes nor a PVH entry note");
        make_image(&image, true, note, make_note(note, "Xen", 17, ENTRY, 4, 4));
        expect_refused(&image, "nor a PVH entry note");
        size_t size = make_note(note, "Xen", NOTE_ENTRY, ENTRY, 4, 4);
        hwaccl_store32(note + 4, UINT32_MAX);
        make_image(&image, true, note, size);
        expect_refused(&image, "nor a PVH entry note");
        size = make_note(note, "Xen", NOTE_ENTRY, ENTRY, 4, 4);
        hwaccl_store32(note, UINT32_MAX - 2);
        make_image(&image, true, note, size);
        expect_refused(&image, "nor a PVH entry note");
        make_good(&image, true);
        elf_store(&image, elf_field_at(&image, 1, ELF_OFFSET), UINT64_MAX - 3);
        expect_refused(&image, "nor a PVH entry note");
}

static void malformed_tables_of_sections_are_refused(void **state)
{
        struct image image;

        (void)state;
        make_good(&image, true);
        (void)elf_add_sections(&image, 2, 0);
        image.size--;
        expect_refused(&image, "2 ELF section headers at offset");
        make_good(&image, true);
        (void)elf_add_sections(&image, 2, 0);
        hwaccl_store16(image.data + elf_counts_at(&image) + 4, 63);
        expect_refused(&image, "ELF section headers of 63 bytes; expected 64");
}

static void too_many_segments_are_refused(void **state)
{
        struct image image;
        uint8_t note[64], byte = 1;

        (void)state;
        elf_begin(&image, false, 0);
        size_t size = make_note(note, "Xen", NOTE_ENTRY, ENTRY, 4, 4);
        elf_add(&image, NOTE, 0, note, size, size);
        /* a table of its own: one page with a byte each, more of them than a layout has pieces */
        size_t table = image.size, count = HWACCL_LOADER_PIECE_MAX + 1;
        memcpy(image.data + table, image.data + elf_header_size(&image), elf_segment_size(&image));
        for (size_t i = 1; i <= count; i++) {
                uint8_t *header = image.data + table + i * 32;
                hwaccl_store32(header, 1);
                hwaccl_store32(header + 4, (uint32_t)table);
                hwaccl_store32(header + 12, (uint32_t)(KERNEL + i * 4096));
                hwaccl_store32(header + 16, byte);
                hwaccl_store32(header + 20, byte);
        }
        hwaccl_store32(image.data + table + 32 + 12, (uint32_t)ENTRY);
        elf_store(&image, elf_segments_at(&image), table);
        hwaccl_store16(image.data + elf_counts_at(&image) + 2, (uint16_t)(count + 1));
        image.size = table + (count + 1) * 32;
        expect_refused(&image, "too many pieces: at most 64");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(elf_of_both_classes_is_loaded),
                cmocka_unit_test(the_note_is_found_behind_others),
                cmocka_unit_test(notes_may_be_aligned_to_8),
                cmocka_unit_test(the_note_may_be_a_section_only),
                cmocka_unit_test(start_info_is_what_the_abi_says),
                cmocka_unit_test(what_is_not_there_is_0),
                cmocka_unit_test(malformed_notes_are_refused),
                cmocka_unit_test(malformed_tables_of_sections_are_refused),
                cmocka_unit_test(too_many_segments_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
