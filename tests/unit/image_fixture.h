/* Kernel images made in the test, and looking at what a loader made of them. */
#ifndef IMAGE_FIXTURE_H
#define IMAGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "machine/loader/loader_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_ROOM     0x8000u
#define IMAGE_MIB      UINT64_C(0x100000)
#define IMAGE_MEMORY   (16 * IMAGE_MIB)
#define IMAGE_CONTENTS 0x400u /* where an ELF image's first segment is */

struct image {
        uint8_t data[IMAGE_ROOM];
        size_t size;
        bool wide;
};

/* Offsets of an ELF header's fields, by class. */
static inline unsigned elf_entry_at(void)
{
        return 24;
}

static inline unsigned elf_segments_at(const struct image *image)
{
        return image->wide ? 32 : 28;
}

static inline unsigned elf_sections_at(const struct image *image)
{
        return image->wide ? 40 : 32;
}

/* e_phentsize; e_phnum, e_shentsize, e_shnum and e_shstrndx follow */
static inline unsigned elf_counts_at(const struct image *image)
{
        return image->wide ? 54 : 42;
}

static inline unsigned elf_header_size(const struct image *image)
{
        return image->wide ? 64 : 52;
}

static inline unsigned elf_segment_size(const struct image *image)
{
        return image->wide ? 56 : 32;
}

static inline unsigned elf_section_size(const struct image *image)
{
        return image->wide ? 64 : 40;
}

/* A field that is as wide as an address of the class. */
static inline void elf_store(struct image *image, size_t offset, uint64_t value)
{
        if (image->wide)
                hwaccl_store64(image->data + offset, value);
        else
                hwaccl_store32(image->data + offset, (uint32_t)value);
}

static inline void elf_begin(struct image *image, bool wide, uint64_t entry)
{
        static const uint8_t magic[] = {0x7f, 'E', 'L', 'F', 0, 1, 1};

        memset(image, 0, sizeof(*image));
        image->wide = wide;
        image->size = IMAGE_CONTENTS;
        memcpy(image->data, magic, sizeof(magic));
        image->data[4] = wide ? 2 : 1;
        hwaccl_store16(image->data + 16, 2);
        hwaccl_store16(image->data + 18, wide ? 62 : 3);
        hwaccl_store32(image->data + 20, 1);
        elf_store(image, elf_entry_at(), entry);
        elf_store(image, elf_segments_at(image), elf_header_size(image));
        hwaccl_store16(image->data + elf_counts_at(image) - 2, (uint16_t)elf_header_size(image));
        hwaccl_store16(image->data + elf_counts_at(image), (uint16_t)elf_segment_size(image));
        hwaccl_store16(image->data + elf_counts_at(image) + 4, (uint16_t)elf_section_size(image));
}

/* Where a segment's header has its fields, by class. */
enum elf_field { ELF_OFFSET, ELF_VIRTUAL, ELF_PHYSICAL, ELF_FILE_SIZE, ELF_MEMORY_SIZE, ELF_ALIGNMENT };

static inline size_t elf_field_at(const struct image *image, unsigned segment, enum elf_field field)
{
        static const unsigned narrow[] = {4, 8, 12, 16, 20, 28};
        static const unsigned wide[] = {8, 16, 24, 32, 40, 48};

        return elf_header_size(image) + segment * elf_segment_size(image) + (image->wide ? wide : narrow)[field];
}

/* Appends the content to the file; the segment's number. */
static inline unsigned elf_add(struct image *image, uint32_t type, uint64_t address, const void *content,
                               size_t file_size, size_t memory_size)
{
        uint8_t *count = image->data + elf_counts_at(image) + 2;
        unsigned index = hwaccl_load16(count);

        hwaccl_store16(count, (uint16_t)(index + 1));
        assert_true(elf_field_at(image, index + 1, ELF_OFFSET) <= IMAGE_CONTENTS);
        assert_true(image->size + file_size <= IMAGE_ROOM);
        hwaccl_store32(image->data + elf_field_at(image, index, ELF_OFFSET) - (image->wide ? 8 : 4), type);
        elf_store(image, elf_field_at(image, index, ELF_OFFSET), image->size);
        elf_store(image, elf_field_at(image, index, ELF_VIRTUAL), address);
        elf_store(image, elf_field_at(image, index, ELF_PHYSICAL), address);
        elf_store(image, elf_field_at(image, index, ELF_FILE_SIZE), file_size);
        elf_store(image, elf_field_at(image, index, ELF_MEMORY_SIZE), memory_size);
        elf_store(image, elf_field_at(image, index, ELF_ALIGNMENT), 4);
        memcpy(image->data + image->size, content, file_size);
        image->size = (image->size + file_size + 15) & ~(size_t)15;
        return index;
}

/* The section headers go to the file's end: @count of them, zeroed. Returns where the first one is */
static inline size_t elf_add_sections(struct image *image, unsigned count, unsigned names)
{
        size_t offset = image->size;

        image->size += (size_t)count * elf_section_size(image);
        assert_true(image->size <= IMAGE_ROOM);
        elf_store(image, elf_sections_at(image), offset);
        hwaccl_store16(image->data + elf_counts_at(image) + 6, (uint16_t)count);
        hwaccl_store16(image->data + elf_counts_at(image) + 8, (uint16_t)names);
        return offset;
}

static inline void elf_set_section(struct image *image, size_t header, uint32_t type, uint64_t address, uint64_t offset,
                                   uint64_t size)
{
        hwaccl_store32(image->data + header + 4, type);
        elf_store(image, header + (image->wide ? 16 : 12), address);
        elf_store(image, header + (image->wide ? 24 : 16), offset);
        elf_store(image, header + (image->wide ? 32 : 20), size);
}

/* The image in memory of its own size, so that a sanitizer sees a read beyond it. */
static inline struct hwaccl_loader_input image_input(const struct image *image)
{
        uint8_t *copy = malloc(image->size ? image->size : 1);

        assert_non_null(copy);
        memcpy(copy, image->data, image->size);
        return (struct hwaccl_loader_input){.kernel = copy, .kernel_size = image->size, .memory_size = IMAGE_MEMORY};
}

static inline void image_input_free(const struct hwaccl_loader_input *input)
{
        free((uint8_t *)(uintptr_t)input->kernel);
}

/* What a piece has at a guest-physical address; fails the test when none has @size bytes there. */
static inline const uint8_t *loaded_at(const struct hwaccl_loaded *loaded, uint64_t address, size_t size)
{
        for (size_t i = 0; i < loaded->piece_count; i++) {
                const struct hwaccl_loaded_piece *piece = &loaded->piece[i];
                if (address >= piece->address && address - piece->address < piece->size &&
                    size <= piece->size - (address - piece->address))
                        return piece->data + (address - piece->address);
        }
        fail_msg("nothing was loaded at 0x%llx", (unsigned long long)address);
        return NULL;
}

static inline bool loaded_anything_at(const struct hwaccl_loaded *loaded, uint64_t address)
{
        for (size_t i = 0; i < loaded->piece_count; i++)
                if (address >= loaded->piece[i].address && address - loaded->piece[i].address < loaded->piece[i].size)
                        return true;
        return false;
}

static inline void expect_good(const struct hwaccl_loader_input *input, struct hwaccl_loaded *loaded)
{
        struct hwaccl_error error = {""};

        if (!hwaccl_loader_load(input, loaded, &error))
                fail_msg("%s", error.message);
}

/* Refused, in one line that says @mention. */
static inline void expect_refused_input(const struct hwaccl_loader_input *input, const char *mention)
{
        struct hwaccl_error error = {""};
        struct hwaccl_loaded loaded;

        if (hwaccl_loader_load(input, &loaded, &error)) {
                hwaccl_loader_free(&loaded);
                fail_msg("taken, but expected: %s", mention);
        }
        if (!strstr(error.message, mention) || strchr(error.message, '\n'))
                fail_msg("refused with '%s', but expected: %s", error.message, mention);
}

static inline void expect_refused(const struct image *image, const char *mention)
{
        struct hwaccl_loader_input input = image_input(image);
        expect_refused_input(&input, mention);
        image_input_free(&input);
}

#endif
