#include "core/machine/loader/elf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CLASS_32           1u
#define CLASS_64           2u
#define LITTLE_ENDIAN_2    1u /* two's complement */
#define VERSION_CURRENT    1u
#define TYPE_EXECUTABLE    2u
#define TYPE_SHARED        3u
#define MACHINE_386        3u
#define MACHINE_X86_64     62u
#define HEADER_SIZE_32     52u
#define HEADER_SIZE_64     64u
#define SEGMENT_SIZE_32    32u
#define SEGMENT_SIZE_64    56u
#define SECTION_SIZE_32    40u
#define SECTION_SIZE_64    64u
#define SECTION_ADDRESS_32 12u
#define SECTION_ADDRESS_64 16u

static const uint8_t magic[] = {0x7f, 'E', 'L', 'F'};

bool hwaccl_elf_recognize(const uint8_t *data, size_t size)
{
        return size >= sizeof(magic) && memcmp(data, magic, sizeof(magic)) == 0;
}

bool hwaccl_elf_in_file(const struct hwaccl_elf *elf, uint64_t offset, uint64_t size)
{
        return offset <= elf->size && size <= elf->size - offset;
}

/* e_ident, e_type, e_machine and e_version, which have the same offsets in both classes. */
static bool check_identity(struct hwaccl_elf *elf, struct hwaccl_error *error)
{
        const uint8_t *data = elf->data;

        if (!hwaccl_elf_recognize(data, elf->size) || elf->size < HEADER_SIZE_32)
                return hwaccl_error_set(error, "truncated ELF image: %zu bytes, but the header has %u", elf->size,
                                        HEADER_SIZE_32);
        unsigned class = data[4], type = hwaccl_load16(data + 16), machine = hwaccl_load16(data + 18);
        if (class != CLASS_32 && class != CLASS_64)
                return hwaccl_error_set(error, "ELF class is %u; expected 1 (32-bit) or 2 (64-bit)", class);
        elf->wide = class == CLASS_64;
        if (data[5] != LITTLE_ENDIAN_2)
                return hwaccl_error_set(error, "ELF data encoding is %u; expected 1 (little endian)", data[5]);
        if (data[6] != VERSION_CURRENT || hwaccl_load32(data + 20) != VERSION_CURRENT)
                return hwaccl_error_set(error, "ELF version is %u and %" PRIu32 "; expected 1", data[6],
                                        hwaccl_load32(data + 20));
        if (type != TYPE_EXECUTABLE && type != TYPE_SHARED)
                return hwaccl_error_set(error, "ELF type is %u; expected 2 (executable) or 3 (shared)", type);
        if (machine != (elf->wide ? MACHINE_X86_64 : MACHINE_386))
                return hwaccl_error_set(error, "ELF machine is %u; expected %u for a %s-bit image", machine,
                                        elf->wide ? MACHINE_X86_64 : MACHINE_386, elf->wide ? "64" : "32");
        if (elf->wide && elf->size < HEADER_SIZE_64)
                return hwaccl_error_set(error, "truncated ELF image: %zu bytes, but the header has %u", elf->size,
                                        HEADER_SIZE_64);
        return true;
}

static bool check_tables(const struct hwaccl_elf *elf, struct hwaccl_error *error)
{
        unsigned segment = elf->wide ? SEGMENT_SIZE_64 : SEGMENT_SIZE_32;
        unsigned section = elf->wide ? SECTION_SIZE_64 : SECTION_SIZE_32;

        if (!elf->segment_count)
                return hwaccl_error_set(error, "the ELF image has no program headers: there is nothing to load");
        if (elf->segment_size != segment)
                return hwaccl_error_set(error, "ELF program headers of %u bytes; expected %u", elf->segment_size,
                                        segment);
        if (!hwaccl_elf_in_file(elf, elf->segment_offset, (uint64_t)elf->segment_count * segment))
                return hwaccl_error_set(
                        error, "%u ELF program headers at offset 0x%" PRIx64 " are not within the image of 0x%zx bytes",
                        elf->segment_count, elf->segment_offset, elf->size);
        if (!elf->section_count)
                return true;
        if (elf->section_size != section)
                return hwaccl_error_set(error, "ELF section headers of %u bytes; expected %u", elf->section_size,
                                        section);
        if (!hwaccl_elf_in_file(elf, elf->section_offset, (uint64_t)elf->section_count * section))
                return hwaccl_error_set(
                        error, "%u ELF section headers at offset 0x%" PRIx64 " are not within the image of 0x%zx bytes",
                        elf->section_count, elf->section_offset, elf->size);
        return true;
}

bool hwaccl_elf_open(struct hwaccl_elf *elf, const uint8_t *data, size_t size, struct hwaccl_error *error)
{
        memset(elf, 0, sizeof(*elf));
        elf->data = data;
        elf->size = size;
        if (!check_identity(elf, error))
                return false;
        if (elf->wide) {
                elf->entry = hwaccl_load64(data + 24);
                elf->segment_offset = hwaccl_load64(data + 32);
                elf->section_offset = hwaccl_load64(data + 40);
        } else {
                elf->entry = hwaccl_load32(data + 24);
                elf->segment_offset = hwaccl_load32(data + 28);
                elf->section_offset = hwaccl_load32(data + 32);
        }
        const uint8_t *counts = data + (elf->wide ? 54 : 42);
        elf->segment_size = hwaccl_load16(counts);
        elf->segment_count = hwaccl_load16(counts + 2);
        elf->section_size = hwaccl_load16(counts + 4);
        elf->section_count = elf->section_offset ? hwaccl_load16(counts + 6) : 0;
        elf->section_names = hwaccl_load16(counts + 8);
        return check_tables(elf, error);
}

void hwaccl_elf_segment(const struct hwaccl_elf *elf, unsigned index, struct hwaccl_elf_segment *segment)
{
        const uint8_t *header = elf->data + elf->segment_offset + (uint64_t)index * elf->segment_size;

        segment->type = hwaccl_load32(header);
        if (elf->wide) {
                segment->offset = hwaccl_load64(header + 8);
                segment->virtual_address = hwaccl_load64(header + 16);
                segment->physical_address = hwaccl_load64(header + 24);
                segment->file_size = hwaccl_load64(header + 32);
                segment->memory_size = hwaccl_load64(header + 40);
                segment->alignment = hwaccl_load64(header + 48);
        } else {
                segment->offset = hwaccl_load32(header + 4);
                segment->virtual_address = hwaccl_load32(header + 8);
                segment->physical_address = hwaccl_load32(header + 12);
                segment->file_size = hwaccl_load32(header + 16);
                segment->memory_size = hwaccl_load32(header + 20);
                segment->alignment = hwaccl_load32(header + 28);
        }
}

void hwaccl_elf_section(const struct hwaccl_elf *elf, unsigned index, struct hwaccl_elf_section *section)
{
        const uint8_t *header = elf->data + elf->section_offset + (uint64_t)index * elf->section_size;

        section->type = hwaccl_load32(header + 4);
        if (elf->wide) {
                section->address = hwaccl_load64(header + SECTION_ADDRESS_64);
                section->offset = hwaccl_load64(header + 24);
                section->size = hwaccl_load64(header + 32);
                section->alignment = hwaccl_load64(header + 48);
        } else {
                section->address = hwaccl_load32(header + SECTION_ADDRESS_32);
                section->offset = hwaccl_load32(header + 16);
                section->size = hwaccl_load32(header + 20);
                section->alignment = hwaccl_load32(header + 32);
        }
}

void hwaccl_elf_set_section_address(const struct hwaccl_elf *elf, uint8_t *header, uint64_t address)
{
        if (elf->wide)
                hwaccl_store64(header + SECTION_ADDRESS_64, address);
        else
                hwaccl_store32(header + SECTION_ADDRESS_32, (uint32_t)address);
}

static bool load_segment(const struct hwaccl_elf *elf, unsigned index, struct hwaccl_layout *layout,
                         struct hwaccl_error *error)
{
        struct hwaccl_elf_segment segment;
        char what[48];

        hwaccl_elf_segment(elf, index, &segment);
        if (segment.type != HWACCL_ELF_LOAD || !segment.memory_size)
                return true;
        (void)snprintf(what, sizeof(what), "segment %u of the kernel", index);
        if (segment.file_size > segment.memory_size)
                return hwaccl_error_set(error,
                                        "%s has 0x%" PRIx64 " bytes in the file but only 0x%" PRIx64 " in memory", what,
                                        segment.file_size, segment.memory_size);
        if (!hwaccl_elf_in_file(elf, segment.offset, segment.file_size))
                return hwaccl_error_set(error,
                                        "%s, 0x%" PRIx64 " bytes at offset 0x%" PRIx64
                                        ", is not within the image of 0x%zx bytes",
                                        what, segment.file_size, segment.offset, elf->size);
        if (!hwaccl_layout_reserve(layout, what, segment.physical_address, segment.memory_size, error))
                return false;
        if (!segment.file_size)
                return true;
        uint8_t *bytes = hwaccl_layout_fill(layout, segment.physical_address, segment.file_size, error);
        if (!bytes)
                return false;
        memcpy(bytes, elf->data + segment.offset, segment.file_size);
        return true;
}

bool hwaccl_elf_load(const struct hwaccl_elf *elf, struct hwaccl_layout *layout, struct hwaccl_error *error)
{
        for (unsigned i = 0; i < elf->segment_count; i++)
                if (!load_segment(elf, i, layout, error))
                        return false;
        return layout->loaded->piece_count ||
               hwaccl_error_set(error, "none of the %u ELF program headers is of a segment to load",
                                elf->segment_count);
}

/* Whether @address is in the @size bytes at @start. False for a segment that wraps around. */
static bool within(uint64_t address, uint64_t start, uint64_t size)
{
        return address >= start && address - start < size;
}

bool hwaccl_elf_holds(const struct hwaccl_elf *elf, uint64_t address)
{
        for (unsigned i = 0; i < elf->segment_count; i++) {
                struct hwaccl_elf_segment segment;
                hwaccl_elf_segment(elf, i, &segment);
                if (segment.type == HWACCL_ELF_LOAD && within(address, segment.physical_address, segment.memory_size))
                        return true;
        }
        return false;
}

bool hwaccl_elf_physical_entry(const struct hwaccl_elf *elf, uint64_t *entry, struct hwaccl_error *error)
{
        for (unsigned i = 0; i < elf->segment_count; i++) {
                struct hwaccl_elf_segment segment;
                hwaccl_elf_segment(elf, i, &segment);
                if (segment.type != HWACCL_ELF_LOAD ||
                    !within(elf->entry, segment.virtual_address, segment.memory_size))
                        continue;
                *entry = elf->entry - segment.virtual_address + segment.physical_address;
                return true;
        }
        *entry = elf->entry;
        return hwaccl_elf_holds(elf, elf->entry) ||
               hwaccl_error_set(error, "ELF entry 0x%" PRIx64 " is not in a loaded segment", elf->entry);
}
