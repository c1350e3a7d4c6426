/* Multiboot specification 0.6.96: the header, and the information that the kernel is handed. */
#include "core/host/guest_memory.h"
#include "core/machine/loader/elf.h"
#include "core/machine/loader/handover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The image's header (3.1). */
#define SEARCH_SIZE        8192u
#define HEADER_MAGIC       0x1badb002u
#define HEADER_SIZE        12u
#define HEADER_SIZE_PLACED 32u
#define FLAG_VIDEO         0x4u
#define FLAG_PLACED        0x10000u /* the address fields are valid */
#define FLAGS_REQUIRED     0xffffu
#define FLAGS_GIVEN        0x3u /* page-aligned modules, memory information: both always */

#define VERSION_2_MAGIC       0xe85250d6u
#define VERSION_2_HEADER_SIZE 16u
#define VERSION_2_SEARCH_SIZE 32768u

/* The machine's state (3.2) and the information (3.3). */
#define BOOT_MAGIC        0x2badb002u
#define INFO_SIZE         116u
#define INFO_MEMORY       0x1u
#define INFO_COMMAND_LINE 0x4u
#define INFO_MODULES      0x8u
#define INFO_SECTIONS     0x20u
#define INFO_MEMORY_MAP   0x40u
#define INFO_LOADER_NAME  0x200u
#define MODULE_SIZE       16u
#define MEMORY_MAP_SIZE   24u /* of which the first four bytes, this size without them, do not count */

#define ONE_MIB UINT64_C(0x100000)
#define KIB     1024u

static const char loader_name[] = "hwaccl";

struct header {
        size_t offset;
        uint32_t flags;
        uint32_t address, load, load_end, bss_end, entry; /* with FLAG_PLACED */
};

static size_t search_size(size_t size)
{
        return size < SEARCH_SIZE ? size : SEARCH_SIZE;
}

static bool find_header(const uint8_t *kernel, size_t size, size_t *offset)
{
        for (size_t at = 0; at + HEADER_SIZE <= search_size(size); at += 4) {
                if (hwaccl_load32(kernel + at) != HEADER_MAGIC ||
                    hwaccl_load32(kernel + at) + hwaccl_load32(kernel + at + 4) + hwaccl_load32(kernel + at + 8) != 0)
                        continue;
                *offset = at;
                return true;
        }
        return false;
}

bool hwaccl_image_is_multiboot(const uint8_t *kernel, size_t size)
{
        size_t offset;
        return find_header(kernel, size, &offset);
}

/* Multiboot2 specification 2.0, 3.1.1: another header, and another information for the kernel. */
static bool explain_version_2(const uint8_t *kernel, size_t size, struct hwaccl_error *error)
{
        for (size_t at = 0; at + VERSION_2_HEADER_SIZE <= size && at < VERSION_2_SEARCH_SIZE; at += 8) {
                const uint8_t *header = kernel + at;
                uint32_t sum = hwaccl_load32(header) + hwaccl_load32(header + 4) + hwaccl_load32(header + 8) +
                               hwaccl_load32(header + 12);
                if (hwaccl_load32(header) != VERSION_2_MAGIC || sum != 0)
                        continue;
                (void)hwaccl_error_set(error,
                                       "the kernel has a Multiboot2 header, at offset 0x%zx, and none of Multiboot 1, "
                                       "which is needed",
                                       at);
                return true;
        }
        return false;
}

bool hwaccl_multiboot_explain(const uint8_t *kernel, size_t size, struct hwaccl_error *error)
{
        for (size_t at = 0; at + HEADER_SIZE <= search_size(size); at += 4) {
                if (hwaccl_load32(kernel + at) != HEADER_MAGIC)
                        continue;
                uint32_t flags = hwaccl_load32(kernel + at + 4), checksum = hwaccl_load32(kernel + at + 8);
                (void)hwaccl_error_set(error,
                                       "the Multiboot header at offset 0x%zx has checksum 0x%08" PRIx32
                                       "; expected 0x%08" PRIx32 " with flags 0x%08" PRIx32,
                                       at, checksum, (uint32_t)(0 - HEADER_MAGIC - flags), flags);
                return true;
        }
        return explain_version_2(kernel, size, error);
}

static bool check_flags(const struct header *header, struct hwaccl_error *error)
{
        if (header->flags & FLAG_VIDEO)
                return hwaccl_error_set(error,
                                        "Multiboot header flags 0x%08" PRIx32
                                        " require a video mode (bit 2); the machine has no display",
                                        header->flags);
        if (header->flags & FLAGS_REQUIRED & ~FLAGS_GIVEN)
                return hwaccl_error_set(error,
                                        "Multiboot header flags 0x%08" PRIx32
                                        " require unknown features (known bits of 15:0: 0x7)",
                                        header->flags);
        return true;
}

static bool read_header(const struct hwaccl_loader_input *input, struct header *header, struct hwaccl_error *error)
{
        memset(header, 0, sizeof(*header));
        if (!find_header(input->kernel, input->kernel_size, &header->offset))
                return hwaccl_error_set(error, "no Multiboot header in the first %u bytes", SEARCH_SIZE);
        const uint8_t *data = input->kernel + header->offset;
        header->flags = hwaccl_load32(data + 4);
        if (!check_flags(header, error))
                return false;
        if (!(header->flags & FLAG_PLACED))
                return true;
        if (header->offset + HEADER_SIZE_PLACED > search_size(input->kernel_size))
                return hwaccl_error_set(
                        error,
                        "the Multiboot header at offset 0x%zx is truncated: with addresses it has %u bytes, "
                        "within the first %u of the image",
                        header->offset, HEADER_SIZE_PLACED, SEARCH_SIZE);
        header->address = hwaccl_load32(data + 12);
        header->load = hwaccl_load32(data + 16);
        header->load_end = hwaccl_load32(data + 20);
        header->bss_end = hwaccl_load32(data + 24);
        header->entry = hwaccl_load32(data + 28);
        return true;
}

/* The bytes of the file from its first one at @load on, and zeros up to bss_end. */
static bool load_placed(const struct hwaccl_loader_input *input, const struct header *header,
                        struct hwaccl_layout *layout, struct hwaccl_error *error)
{
        if (header->address < header->load || header->address - header->load > header->offset)
                return hwaccl_error_set(error,
                                        "Multiboot load_addr 0x%" PRIx32 " and header_addr 0x%" PRIx32
                                        " put the start of the load before the file: the header is at offset 0x%zx",
                                        header->load, header->address, header->offset);
        size_t start = header->offset - (header->address - header->load);
        uint64_t rest = input->kernel_size - start;
        uint64_t load_end = header->load_end ? header->load_end : header->load + rest;
        if (load_end <= header->load || load_end - header->load > rest)
                return hwaccl_error_set(error,
                                        "Multiboot load_end_addr 0x%" PRIx64 ": from load_addr 0x%" PRIx32
                                        " the image has 0x%" PRIx64 " bytes to load",
                                        load_end, header->load, rest);
        uint64_t end = header->bss_end ? header->bss_end : load_end;
        if (end < load_end)
                return hwaccl_error_set(error, "Multiboot bss_end_addr 0x%" PRIx64 " is below load_end_addr 0x%" PRIx64,
                                        end, load_end);
        if (header->entry < header->load || header->entry >= end)
                return hwaccl_error_set(error,
                                        "Multiboot entry_addr 0x%" PRIx32 " is not within what is loaded, 0x%" PRIx32
                                        " to 0x%" PRIx64,
                                        header->entry, header->load, end);
        if (!hwaccl_layout_reserve(layout, "the kernel", header->load, end - header->load, error))
                return false;
        uint8_t *bytes = hwaccl_layout_fill(layout, header->load, load_end - header->load, error);
        if (!bytes)
                return false;
        memcpy(bytes, input->kernel + start, load_end - header->load);
        return true;
}

/* What an image's sections take in memory: the headers, and the symbols and texts that no segment loaded. */
static bool is_wanted(const struct hwaccl_elf_section *section)
{
        return !section->address && section->size &&
               (section->type == HWACCL_ELF_SECTION_SYMBOLS || section->type == HWACCL_ELF_SECTION_STRINGS);
}

static bool measure_sections(const struct hwaccl_elf *elf, uint64_t *size, struct hwaccl_error *error)
{
        *size = hwaccl_handover_room((size_t)elf->section_count * elf->section_size);
        for (unsigned i = 0; i < elf->section_count; i++) {
                struct hwaccl_elf_section section;
                hwaccl_elf_section(elf, i, &section);
                if (!is_wanted(&section))
                        continue;
                if (!hwaccl_elf_in_file(elf, section.offset, section.size))
                        return hwaccl_error_set(error,
                                                "section %u of the kernel, 0x%" PRIx64 " bytes at offset 0x%" PRIx64
                                                ", is not within the image of 0x%zx bytes",
                                                i, section.size, section.offset, elf->size);
                *size += hwaccl_handover_room(section.size);
        }
        return true;
}

static bool load_sections(const struct hwaccl_elf *elf, struct hwaccl_layout *layout, uint64_t *address,
                          struct hwaccl_error *error)
{
        static const char what[] = "the kernel's ELF sections";
        struct hwaccl_handover block = {0};

        if (!elf->section_count)
                return true;
        if (!measure_sections(elf, &block.size, error) ||
            !hwaccl_layout_find_above(layout, what, block.size, HWACCL_PAGE_SIZE, ONE_MIB, layout->memory_size,
                                      &block.address, error))
                return false;
        block.data = hwaccl_layout_add(layout, what, block.address, block.size, error);
        if (!block.data)
                return false;
        uint8_t *headers = hwaccl_handover_take(&block, (size_t)elf->section_count * elf->section_size, address);
        memcpy(headers, elf->data + elf->section_offset, (size_t)elf->section_count * elf->section_size);
        for (unsigned i = 0; i < elf->section_count; i++) {
                struct hwaccl_elf_section section;
                uint64_t place;
                hwaccl_elf_section(elf, i, &section);
                if (!is_wanted(&section))
                        continue;
                memcpy(hwaccl_handover_take(&block, section.size, &place), elf->data + section.offset, section.size);
                hwaccl_elf_set_section_address(elf, headers + (size_t)i * elf->section_size, place);
        }
        return true;
}

/* The kernel's name comes first, as from QEMU: kernels skip it. NULL: out of memory. */
static char *make_command_line(const struct hwaccl_loader_input *input)
{
        const char *arguments = input->command_line ? input->command_line : "";
        const char *name = input->kernel_name ? input->kernel_name : "";
        const size_t size = strlen(name) + 1 + strlen(arguments) + 1;
        char *line = malloc(size);

        if (line)
                (void)snprintf(line, size, "%s%s%s", name, *name ? " " : "", arguments);
        return line;
}

static size_t info_size(const struct hwaccl_loader_input *input, const char *command_line)
{
        size_t size = hwaccl_handover_room(INFO_SIZE) + hwaccl_handover_room(HWACCL_MEMORY_MAP_MAX * MEMORY_MAP_SIZE) +
                      hwaccl_handover_text_room(loader_name) + hwaccl_handover_text_room(command_line);

        for (size_t i = 0; i < input->module_count; i++)
                size += hwaccl_handover_room(MODULE_SIZE) + hwaccl_handover_text_room(input->module[i].command_line);
        return size;
}

static void add_memory_map(const struct hwaccl_layout *layout, struct hwaccl_handover *block, uint8_t *info)
{
        struct hwaccl_memory_map_entry map[HWACCL_MEMORY_MAP_MAX];
        uint64_t address;
        size_t count = hwaccl_layout_memory_map(layout, map);
        uint8_t *table = hwaccl_handover_take(block, count * MEMORY_MAP_SIZE, &address);

        hwaccl_store32(info + 44, (uint32_t)(count * MEMORY_MAP_SIZE));
        hwaccl_store32(info + 48, (uint32_t)address);
        for (size_t i = 0; i < count; i++) {
                hwaccl_store32(table + i * MEMORY_MAP_SIZE, MEMORY_MAP_SIZE - 4);
                hwaccl_store64(table + i * MEMORY_MAP_SIZE + 4, map[i].address);
                hwaccl_store64(table + i * MEMORY_MAP_SIZE + 12, map[i].size);
                hwaccl_store32(table + i * MEMORY_MAP_SIZE + 20, map[i].type);
        }
        hwaccl_store32(info + 4, (uint32_t)(HWACCL_LOW_MEMORY_END / KIB));
        hwaccl_store32(info + 8, (uint32_t)((layout->memory_size - ONE_MIB) / KIB));
}

static void add_modules(const struct hwaccl_loader_input *input, const uint64_t *module, struct hwaccl_handover *block,
                        uint8_t *info)
{
        uint64_t address = 0;
        uint8_t *list =
                input->module_count ? hwaccl_handover_take(block, input->module_count * MODULE_SIZE, &address) : NULL;

        hwaccl_store32(info + 20, (uint32_t)input->module_count);
        hwaccl_store32(info + 24, (uint32_t)address);
        for (size_t i = 0; i < input->module_count; i++) {
                uint8_t *entry = list + i * MODULE_SIZE;
                hwaccl_store32(entry, (uint32_t)module[i]);
                hwaccl_store32(entry + 4, (uint32_t)(module[i] + input->module[i].size));
                hwaccl_store32(entry + 8, (uint32_t)hwaccl_handover_text(block, input->module[i].command_line));
        }
}

static bool load_kernel(const struct hwaccl_loader_input *input, const struct header *header, struct hwaccl_elf *elf,
                        struct hwaccl_layout *layout, uint64_t *entry, struct hwaccl_error *error)
{
        *entry = header->entry;
        if (header->flags & FLAG_PLACED)
                return load_placed(input, header, layout, error);
        if (!hwaccl_elf_recognize(input->kernel, input->kernel_size))
                return hwaccl_error_set(error,
                                        "Multiboot header flags 0x%08" PRIx32
                                        " have no addresses (bit 16), and the image is not ELF",
                                        header->flags);
        return hwaccl_elf_open(elf, input->kernel, input->kernel_size, error) && hwaccl_elf_load(elf, layout, error) &&
               hwaccl_elf_physical_entry(elf, entry, error);
}

static bool load(const struct hwaccl_loader_input *input, const char *command_line, struct hwaccl_layout *layout,
                 struct hwaccl_error *error)
{
        uint64_t module[HWACCL_LOADER_MODULE_MAX], entry, sections = 0, rsdp, address;
        struct hwaccl_elf elf = {0};
        struct hwaccl_handover block;
        struct header header;

        if (!read_header(input, &header, error) || !load_kernel(input, &header, &elf, layout, &entry, error) ||
            !hwaccl_handover_modules(layout, input, module, error) || !hwaccl_handover_bios(layout, &rsdp, error) ||
            !load_sections(&elf, layout, &sections, error) ||
            !hwaccl_handover_begin(layout, &block, "the Multiboot information", info_size(input, command_line), error))
                return false;
        uint8_t *info = hwaccl_handover_take(&block, INFO_SIZE, &address);
        uint32_t flags = INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME;
        add_modules(input, module, &block, info);
        add_memory_map(layout, &block, info);
        hwaccl_store32(info + 16, (uint32_t)hwaccl_handover_text(&block, command_line));
        hwaccl_store32(info + 64, (uint32_t)hwaccl_handover_text(&block, loader_name));
        if (elf.section_count) {
                flags |= INFO_SECTIONS;
                hwaccl_store32(info + 28, elf.section_count);
                hwaccl_store32(info + 32, elf.section_size);
                hwaccl_store32(info + 36, (uint32_t)sections);
                hwaccl_store32(info + 40, elf.section_names);
        }
        hwaccl_store32(info, flags);
        layout->loaded->entry.rax = BOOT_MAGIC;
        return hwaccl_handover_enter(layout, &block, entry, error);
}

bool hwaccl_loader_load_multiboot(const struct hwaccl_loader_input *input, struct hwaccl_loaded *loaded,
                                  struct hwaccl_error *error)
{
        struct hwaccl_layout layout;

        hwaccl_layout_begin(&layout, input, HWACCL_IMAGE_MULTIBOOT, loaded);
        char *command_line = make_command_line(input);
        bool done = command_line ? load(input, command_line, &layout, error) : hwaccl_error_set(error, "out of memory");
        free(command_line);
        if (done)
                return true;
        hwaccl_loader_free(loaded);
        return false;
}
