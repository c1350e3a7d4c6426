/*
 * Xen's PVH boot ABI (xen/include/public/arch-x86/hvm/start_info.h, version 1; docs/misc/pvh.pandoc): an ELF image with
 * a note that names its 32-bit physical entry, at which EBX points to the start info.
 */
#include "core/machine/loader/elf.h"
#include "core/machine/loader/handover.h"

#include <inttypes.h>
#include <string.h>

#define NOTE_HEADER       12u
#define NOTE_PHYS32_ENTRY 18u
#define START_MAGIC       0x336ec578u
#define START_VERSION     1u
#define START_SIZE        56u
#define MODULE_SIZE       32u
#define MEMORY_MAP_SIZE   24u

struct note {
        const uint8_t *descriptor;
        uint32_t descriptor_size;
};

/* Names and descriptors are padded to 4 bytes, or to 8 in notes that are aligned to 8. */
static bool find_in(const uint8_t *data, uint64_t size, uint64_t alignment, struct note *note)
{
        uint64_t pad = alignment == 8 ? 7 : 3;

        for (uint64_t at = 0; at < size && size - at >= NOTE_HEADER;) {
                uint64_t name_size = hwaccl_load32(data + at);
                uint32_t descriptor_size = hwaccl_load32(data + at + 4);
                uint64_t descriptor = at + ((NOTE_HEADER + name_size + pad) & ~pad);
                if (descriptor > size || descriptor_size > size - descriptor)
                        return false;
                if (hwaccl_load32(data + at + 8) == NOTE_PHYS32_ENTRY && name_size == 4 &&
                    memcmp(data + at + NOTE_HEADER, "Xen", 4) == 0) {
                        *note = (struct note){data + descriptor, descriptor_size};
                        return true;
                }
                at = descriptor + ((descriptor_size + pad) & ~pad);
        }
        return false;
}

/* In the segments of notes first, then in the sections: an image may have either. */
static bool find_note(const struct hwaccl_elf *elf, struct note *note)
{
        for (unsigned i = 0; i < elf->segment_count; i++) {
                struct hwaccl_elf_segment segment;
                hwaccl_elf_segment(elf, i, &segment);
                if (segment.type == HWACCL_ELF_NOTE && hwaccl_elf_in_file(elf, segment.offset, segment.file_size) &&
                    find_in(elf->data + segment.offset, segment.file_size, segment.alignment, note))
                        return true;
        }
        for (unsigned i = 0; i < elf->section_count; i++) {
                struct hwaccl_elf_section section;
                hwaccl_elf_section(elf, i, &section);
                if (section.type == HWACCL_ELF_SECTION_NOTE && hwaccl_elf_in_file(elf, section.offset, section.size) &&
                    find_in(elf->data + section.offset, section.size, section.alignment, note))
                        return true;
        }
        return false;
}

bool hwaccl_image_is_pvh(const uint8_t *kernel, size_t size)
{
        struct hwaccl_elf elf;
        struct note note;

        return hwaccl_elf_recognize(kernel, size) && hwaccl_elf_open(&elf, kernel, size, NULL) &&
               find_note(&elf, &note);
}

static bool find_entry(const struct hwaccl_elf *elf, uint64_t *entry, struct hwaccl_error *error)
{
        struct note note;

        if (!find_note(elf, &note))
                return hwaccl_error_set(error, "the ELF image has no note of type %u from \"Xen\", the PVH entry",
                                        NOTE_PHYS32_ENTRY);
        if (note.descriptor_size != 4 && note.descriptor_size != 8)
                return hwaccl_error_set(error, "the PVH entry note has %" PRIu32 " bytes; expected 4 or 8",
                                        note.descriptor_size);
        *entry = note.descriptor_size == 8 ? hwaccl_load64(note.descriptor) : hwaccl_load32(note.descriptor);
        return hwaccl_elf_holds(elf, *entry) ||
               hwaccl_error_set(error, "the PVH entry 0x%" PRIx64 " is not in a loaded segment", *entry);
}

static size_t start_info_size(const struct hwaccl_loader_input *input)
{
        size_t size = hwaccl_handover_room(START_SIZE) + hwaccl_handover_room(HWACCL_MEMORY_MAP_MAX * MEMORY_MAP_SIZE) +
                      hwaccl_handover_text_room(input->command_line);

        for (size_t i = 0; i < input->module_count; i++)
                size += hwaccl_handover_room(MODULE_SIZE) + hwaccl_handover_text_room(input->module[i].command_line);
        return size;
}

static void add_memory_map(const struct hwaccl_layout *layout, struct hwaccl_handover *block, uint8_t *start)
{
        struct hwaccl_memory_map_entry map[HWACCL_MEMORY_MAP_MAX];
        uint64_t address;
        size_t count = hwaccl_layout_memory_map(layout, map);
        uint8_t *table = hwaccl_handover_take(block, count * MEMORY_MAP_SIZE, &address);

        hwaccl_store64(start + 40, address);
        hwaccl_store32(start + 48, (uint32_t)count);
        for (size_t i = 0; i < count; i++) {
                hwaccl_store64(table + i * MEMORY_MAP_SIZE, map[i].address);
                hwaccl_store64(table + i * MEMORY_MAP_SIZE + 8, map[i].size);
                hwaccl_store32(table + i * MEMORY_MAP_SIZE + 16, map[i].type);
        }
}

static void add_modules(const struct hwaccl_loader_input *input, const uint64_t *module, struct hwaccl_handover *block,
                        uint8_t *start)
{
        uint64_t address;

        if (!input->module_count)
                return;
        uint8_t *list = hwaccl_handover_take(block, input->module_count * MODULE_SIZE, &address);
        hwaccl_store32(start + 12, (uint32_t)input->module_count);
        hwaccl_store64(start + 16, address);
        for (size_t i = 0; i < input->module_count; i++) {
                hwaccl_store64(list + i * MODULE_SIZE, module[i]);
                hwaccl_store64(list + i * MODULE_SIZE + 8, input->module[i].size);
                hwaccl_store64(list + i * MODULE_SIZE + 16, hwaccl_handover_text(block, input->module[i].command_line));
        }
}

static bool load(const struct hwaccl_loader_input *input, struct hwaccl_layout *layout, struct hwaccl_error *error)
{
        uint64_t module[HWACCL_LOADER_MODULE_MAX], entry = 0, rsdp, address;
        struct hwaccl_handover block;
        struct hwaccl_elf elf;

        if (!hwaccl_elf_open(&elf, input->kernel, input->kernel_size, error) || !find_entry(&elf, &entry, error) ||
            !hwaccl_elf_load(&elf, layout, error) || !hwaccl_handover_modules(layout, input, module, error) ||
            !hwaccl_handover_bios(layout, &rsdp, error) ||
            !hwaccl_handover_begin(layout, &block, "the start info", start_info_size(input), error))
                return false;
        uint8_t *start = hwaccl_handover_take(&block, START_SIZE, &address);
        hwaccl_store32(start, START_MAGIC);
        hwaccl_store32(start + 4, START_VERSION);
        add_modules(input, module, &block, start);
        hwaccl_store64(start + 24, hwaccl_handover_text(&block, input->command_line));
        hwaccl_store64(start + 32, rsdp);
        add_memory_map(layout, &block, start);
        return hwaccl_handover_enter(layout, &block, entry, error);
}

bool hwaccl_loader_load_pvh(const struct hwaccl_loader_input *input, struct hwaccl_loaded *loaded,
                            struct hwaccl_error *error)
{
        struct hwaccl_layout layout;

        hwaccl_layout_begin(&layout, input, HWACCL_IMAGE_PVH, loaded);
        if (load(input, &layout, error))
                return true;
        hwaccl_loader_free(loaded);
        return false;
}
