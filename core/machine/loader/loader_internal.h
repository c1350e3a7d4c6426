/*
 * Shared by the loaders: a layout of guest memory that is filled piece by piece. Every range that a loader uses is in
 * it, so that no two overlap and none is outside RAM; errors name both.
 */
#ifndef HWACCL_MACHINE_LOADER_INTERNAL_H
#define HWACCL_MACHINE_LOADER_INTERNAL_H

#include "core/machine/loader/loader.h"

/* Selectors of the flat segments: those that Linux' boot protocol names (__BOOT_CS, __BOOT_DS). */
#define HWACCL_LOADER_CODE_SELECTOR 0x10u
#define HWACCL_LOADER_DATA_SELECTOR 0x18u

#define HWACCL_LOADER_GDT_SIZE      32u
#define HWACCL_LOADER_IDENTITY_SIZE (6u * 4096u) /* PML4, page directory pointers, four page directories: 4 GiB */

struct hwaccl_layout {
        struct hwaccl_loaded *loaded;
        uint64_t memory_size;
        bool apic;
};

/** hwaccl_layout_begin - @loaded becomes empty, of that format; the layout is its RAM */
void hwaccl_layout_begin(struct hwaccl_layout *layout, const struct hwaccl_loader_input *input,
                         enum hwaccl_image_format format, struct hwaccl_loaded *loaded);

/**
 * hwaccl_layout_reserve - use a range without giving it bytes: it stays zero, as RAM is
 * @what: name for errors; truncated if too long
 *
 * False with *error set when the range is not wholly RAM or overlaps another. An empty range is none.
 */
bool hwaccl_layout_reserve(struct hwaccl_layout *layout, const char *what, uint64_t address, uint64_t size,
                           struct hwaccl_error *error);

/** hwaccl_layout_fill - make a piece of a range that has been reserved. Its zeroed bytes, or NULL with *error set */
uint8_t *hwaccl_layout_fill(struct hwaccl_layout *layout, uint64_t address, uint64_t size, struct hwaccl_error *error);

/** hwaccl_layout_add - reserve a range and make a piece of it. Its zeroed bytes, or NULL with *error set; no empty ones
 */
uint8_t *hwaccl_layout_add(struct hwaccl_layout *layout, const char *what, uint64_t address, uint64_t size,
                           struct hwaccl_error *error);

/** hwaccl_layout_copy - the same with the bytes of @data */
bool hwaccl_layout_copy(struct hwaccl_layout *layout, const char *what, uint64_t address, const void *data, size_t size,
                        struct hwaccl_error *error);

/**
 * hwaccl_layout_find_below, hwaccl_layout_find_above - the highest, or lowest, free place between two addresses
 * @alignment: a power of 2
 * @lowest, @limit: the place lies in [lowest, limit)
 *
 * Reserves nothing. False with *error set when there is none.
 */
bool hwaccl_layout_find_below(const struct hwaccl_layout *layout, const char *what, uint64_t size, uint64_t alignment,
                              uint64_t lowest, uint64_t limit, uint64_t *address, struct hwaccl_error *error);
bool hwaccl_layout_find_above(const struct hwaccl_layout *layout, const char *what, uint64_t size, uint64_t alignment,
                              uint64_t lowest, uint64_t limit, uint64_t *address, struct hwaccl_error *error);

/** hwaccl_layout_enter - the entry's mode and instruction, with the descriptors of its flat segments at @gdt */
bool hwaccl_layout_enter(struct hwaccl_layout *layout, enum hwaccl_entry_mode mode, uint64_t rip, uint64_t gdt,
                         struct hwaccl_error *error);

/** hwaccl_layout_add_identity_tables - page tables at @address, a multiple of the page size, that map the first 4 GiB
 * to themselves in pages of 2 MiB; the entry's CR3 */
bool hwaccl_layout_add_identity_tables(struct hwaccl_layout *layout, uint64_t address, struct hwaccl_error *error);

/* One entry of the map of memory that a kernel is handed, as every one of the boot protocols has it. */
struct hwaccl_memory_map_entry {
        uint64_t address;
        uint64_t size;
        uint32_t type;
};
#define HWACCL_MEMORY_MAP_RAM      1u
#define HWACCL_MEMORY_MAP_RESERVED 2u
#define HWACCL_MEMORY_MAP_MAX      3u

/** hwaccl_layout_memory_map - RAM below a0000h, the BIOS area as reserved, RAM from 1 MiB; returns how many */
size_t hwaccl_layout_memory_map(const struct hwaccl_layout *layout,
                                struct hwaccl_memory_map_entry map[HWACCL_MEMORY_MAP_MAX]);

/* Fields of an image: little endian, anywhere. The caller has checked that they are there. */
uint16_t hwaccl_load16(const uint8_t *data);
uint32_t hwaccl_load32(const uint8_t *data);
uint64_t hwaccl_load64(const uint8_t *data);
void hwaccl_store16(uint8_t *data, uint16_t value);
void hwaccl_store32(uint8_t *data, uint32_t value);
void hwaccl_store64(uint8_t *data, uint64_t value);

/* By the magic numbers alone; for hwaccl_loader_format(). */
bool hwaccl_image_is_multiboot(const uint8_t *kernel, size_t size);
bool hwaccl_image_is_pvh(const uint8_t *kernel, size_t size);

/** hwaccl_multiboot_explain - whether there is a Multiboot header with a wrong checksum, or one of Multiboot2; *error
 * then says so */
bool hwaccl_multiboot_explain(const uint8_t *kernel, size_t size, struct hwaccl_error *error);

#endif
