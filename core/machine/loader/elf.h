/*
 * ELF images of kernels, 32- and 64-bit, little endian, for x86 (System V ABI, chapters 4 and 5). Nothing that the
 * image states is used before it is checked against the image's size.
 */
#ifndef HWACCL_MACHINE_LOADER_ELF_H
#define HWACCL_MACHINE_LOADER_ELF_H

#include "core/machine/loader/loader_internal.h"

#define HWACCL_ELF_LOAD 1u /* PT_LOAD */
#define HWACCL_ELF_NOTE 4u /* PT_NOTE */

#define HWACCL_ELF_SECTION_SYMBOLS 2u /* SHT_SYMTAB */
#define HWACCL_ELF_SECTION_STRINGS 3u /* SHT_STRTAB */
#define HWACCL_ELF_SECTION_NOTE    7u /* SHT_NOTE */

struct hwaccl_elf {
        const uint8_t *data;
        size_t size;
        bool wide; /* 64-bit */
        uint64_t entry;
        uint64_t segment_offset;
        unsigned segment_count;
        unsigned segment_size; /* of one header */
        uint64_t section_offset;
        unsigned section_count; /* 0: none, or none that can be used */
        unsigned section_size;  /* of one header */
        unsigned section_names; /* the section that holds the names of the others */
};

/* A program header. */
struct hwaccl_elf_segment {
        uint32_t type;
        uint64_t offset;
        uint64_t virtual_address;
        uint64_t physical_address;
        uint64_t file_size;
        uint64_t memory_size;
        uint64_t alignment;
};

/* The parts of a section header that a loader needs. */
struct hwaccl_elf_section {
        uint32_t type;
        uint64_t address;
        uint64_t offset;
        uint64_t size;
        uint64_t alignment;
};

/** hwaccl_elf_recognize - whether it begins with the ELF magic number */
bool hwaccl_elf_recognize(const uint8_t *data, size_t size);

/** hwaccl_elf_open - check the image's header and that both tables are in it; @data is borrowed */
bool hwaccl_elf_open(struct hwaccl_elf *elf, const uint8_t *data, size_t size, struct hwaccl_error *error);

/** hwaccl_elf_segment, hwaccl_elf_section - the header at @index, below the count; offset and size are unchecked */
void hwaccl_elf_segment(const struct hwaccl_elf *elf, unsigned index, struct hwaccl_elf_segment *segment);
void hwaccl_elf_section(const struct hwaccl_elf *elf, unsigned index, struct hwaccl_elf_section *section);

/** hwaccl_elf_set_section_address - in a copy of a section header */
void hwaccl_elf_set_section_address(const struct hwaccl_elf *elf, uint8_t *header, uint64_t address);

/** hwaccl_elf_in_file - whether these bytes are within the image */
bool hwaccl_elf_in_file(const struct hwaccl_elf *elf, uint64_t offset, uint64_t size);

/** hwaccl_elf_load - every segment that is to be loaded, at its physical address */
bool hwaccl_elf_load(const struct hwaccl_elf *elf, struct hwaccl_layout *layout, struct hwaccl_error *error);

/** hwaccl_elf_physical_entry - the entry's physical address: in the segment whose virtual addresses hold it, or as it
 * is in one whose physical addresses do */
bool hwaccl_elf_physical_entry(const struct hwaccl_elf *elf, uint64_t *entry, struct hwaccl_error *error);

/** hwaccl_elf_holds - whether the physical address is within a segment */
bool hwaccl_elf_holds(const struct hwaccl_elf *elf, uint64_t address);

#endif
