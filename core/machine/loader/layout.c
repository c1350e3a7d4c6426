/* The layout of guest memory that a loader fills. */
#include "core/assert.h"
#include "core/host/guest_memory.h"
#include "core/machine/loader/loader_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ONE_MIB       UINT64_C(0x100000)
#define BIOS_START    UINT64_C(0xf0000)
#define PAGE          4096u
#define LARGE_PAGE    UINT64_C(0x200000)
#define ENTRY_TABLE   UINT64_C(0x3)  /* present, writable */
#define ENTRY_LARGE   UINT64_C(0x83) /* and a page by itself */
#define CODE_32       UINT64_C(0x00cf9b000000ffff)
#define CODE_64       UINT64_C(0x00af9b000000ffff)
#define DATA_FLAT     UINT64_C(0x00cf93000000ffff)
#define DIRECTORY_MAX 4u

uint16_t hwaccl_load16(const uint8_t *data)
{
        return (uint16_t)(data[0] | data[1] << 8);
}

uint32_t hwaccl_load32(const uint8_t *data)
{
        return hwaccl_load16(data) | (uint32_t)hwaccl_load16(data + 2) << 16;
}

uint64_t hwaccl_load64(const uint8_t *data)
{
        return hwaccl_load32(data) | (uint64_t)hwaccl_load32(data + 4) << 32;
}

void hwaccl_store16(uint8_t *data, uint16_t value)
{
        data[0] = (uint8_t)value;
        data[1] = (uint8_t)(value >> 8);
}

void hwaccl_store32(uint8_t *data, uint32_t value)
{
        hwaccl_store16(data, (uint16_t)value);
        hwaccl_store16(data + 2, (uint16_t)(value >> 16));
}

void hwaccl_store64(uint8_t *data, uint64_t value)
{
        hwaccl_store32(data, (uint32_t)value);
        hwaccl_store32(data + 4, (uint32_t)(value >> 32));
}

void hwaccl_layout_begin(struct hwaccl_layout *layout, const struct hwaccl_loader_input *input,
                         enum hwaccl_image_format format, struct hwaccl_loaded *loaded)
{
        memset(loaded, 0, sizeof(*loaded));
        loaded->format = format;
        layout->loaded = loaded;
        layout->memory_size = input->memory_size;
        layout->apic = input->apic;
}

void hwaccl_loader_free(struct hwaccl_loaded *loaded)
{
        for (size_t i = 0; i < loaded->piece_count; i++) {
                free(loaded->piece[i].data);
                loaded->piece[i].data = NULL;
        }
}

static bool within(uint64_t address, uint64_t size, uint64_t start, uint64_t end)
{
        return address >= start && address < end && size <= end - address;
}

static bool is_ram(const struct hwaccl_layout *layout, uint64_t address, uint64_t size)
{
        return within(address, size, 0, HWACCL_LOW_MEMORY_END) ||
               within(address, size, HWACCL_HIGH_MEMORY_START, layout->memory_size);
}

static const struct hwaccl_loaded_range *overlapping(const struct hwaccl_layout *layout, uint64_t address,
                                                     uint64_t size)
{
        for (size_t i = 0; i < layout->loaded->range_count; i++) {
                const struct hwaccl_loaded_range *range = &layout->loaded->range[i];
                if (address < range->address + range->size && range->address < address + size)
                        return range;
        }
        return NULL;
}

bool hwaccl_layout_reserve(struct hwaccl_layout *layout, const char *what, uint64_t address, uint64_t size,
                           struct hwaccl_error *error)
{
        if (!size)
                return true;
        if (!is_ram(layout, address, size))
                return hwaccl_error_set(error,
                                        "%s, 0x%" PRIx64 " bytes at 0x%" PRIx64
                                        ", is not within guest RAM: 0 to 0x%" PRIx64 " and 0x%" PRIx64 " to 0x%" PRIx64,
                                        what, size, address, HWACCL_LOW_MEMORY_END, HWACCL_HIGH_MEMORY_START,
                                        layout->memory_size);
        const struct hwaccl_loaded_range *other = overlapping(layout, address, size);
        if (other)
                return hwaccl_error_set(error,
                                        "%s, 0x%" PRIx64 " bytes at 0x%" PRIx64 ", overlaps %s, 0x%" PRIx64
                                        " bytes at 0x%" PRIx64,
                                        what, size, address, other->what, other->size, other->address);
        if (layout->loaded->range_count == HWACCL_LOADER_RANGE_MAX)
                return hwaccl_error_set(error, "%s: too many memory ranges (at most %u)", what,
                                        HWACCL_LOADER_RANGE_MAX);
        struct hwaccl_loaded_range *range = &layout->loaded->range[layout->loaded->range_count++];
        range->address = address;
        range->size = size;
        (void)snprintf(range->what, sizeof(range->what), "%s", what);
        return true;
}

uint8_t *hwaccl_layout_fill(struct hwaccl_layout *layout, uint64_t address, uint64_t size, struct hwaccl_error *error)
{
        struct hwaccl_loaded *loaded = layout->loaded;

        hwaccl_assert(size && overlapping(layout, address, size));
        if (loaded->piece_count == HWACCL_LOADER_PIECE_MAX) {
                hwaccl_error_set(error, "the image has too many pieces: at most %u can be loaded",
                                 HWACCL_LOADER_PIECE_MAX);
                return NULL;
        }
        uint8_t *data = calloc(1, size);
        if (!data) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        loaded->piece[loaded->piece_count++] = (struct hwaccl_loaded_piece){address, data, size};
        return data;
}

uint8_t *hwaccl_layout_add(struct hwaccl_layout *layout, const char *what, uint64_t address, uint64_t size,
                           struct hwaccl_error *error)
{
        if (!hwaccl_layout_reserve(layout, what, address, size, error))
                return NULL;
        return hwaccl_layout_fill(layout, address, size, error);
}

bool hwaccl_layout_copy(struct hwaccl_layout *layout, const char *what, uint64_t address, const void *data, size_t size,
                        struct hwaccl_error *error)
{
        if (!size)
                return true;
        uint8_t *bytes = hwaccl_layout_add(layout, what, address, size, error);
        if (!bytes)
                return false;
        memcpy(bytes, data, size);
        return true;
}

static uint64_t least(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

static bool no_place(const struct hwaccl_layout *layout, const char *what, uint64_t size, uint64_t lowest,
                     uint64_t limit, struct hwaccl_error *error)
{
        return hwaccl_error_set(error,
                                "%s, 0x%" PRIx64 " bytes, does not fit between 0x%" PRIx64 " and 0x%" PRIx64
                                ": the guest has 0x%" PRIx64 " bytes of memory",
                                what, size, lowest, least(limit, layout->memory_size), layout->memory_size);
}

/* Candidates are the end of RAM and the start of every range; each is tried as the end of the place. */
static uint64_t highest_below(const struct hwaccl_layout *layout, uint64_t size, uint64_t alignment, uint64_t lowest,
                              uint64_t end, uint64_t best)
{
        if (end < size)
                return best;
        uint64_t address = (end - size) & ~(alignment - 1);
        bool good = address >= lowest && is_ram(layout, address, size) && !overlapping(layout, address, size);
        return good && (best == UINT64_MAX || address > best) ? address : best;
}

static uint64_t greatest(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

bool hwaccl_layout_find_below(const struct hwaccl_layout *layout, const char *what, uint64_t size, uint64_t alignment,
                              uint64_t lowest, uint64_t limit, uint64_t *address, struct hwaccl_error *error)
{
        uint64_t best = UINT64_MAX;

        best = highest_below(layout, size, alignment, lowest, least(limit, layout->memory_size), best);
        best = highest_below(layout, size, alignment, lowest, least(limit, HWACCL_LOW_MEMORY_END), best);
        for (size_t i = 0; i < layout->loaded->range_count; i++)
                best = highest_below(layout, size, alignment, lowest, least(limit, layout->loaded->range[i].address),
                                     best);
        if (best == UINT64_MAX)
                return no_place(layout, what, size, lowest, limit, error);
        *address = best;
        return true;
}

static uint64_t lowest_above(const struct hwaccl_layout *layout, uint64_t size, uint64_t alignment, uint64_t start,
                             uint64_t limit, uint64_t best)
{
        if (start > UINT64_MAX - alignment)
                return best;
        uint64_t address = (start + alignment - 1) & ~(alignment - 1);
        bool good = address < limit && size <= limit - address && is_ram(layout, address, size) &&
                    !overlapping(layout, address, size);
        return good && address < best ? address : best;
}

bool hwaccl_layout_find_above(const struct hwaccl_layout *layout, const char *what, uint64_t size, uint64_t alignment,
                              uint64_t lowest, uint64_t limit, uint64_t *address, struct hwaccl_error *error)
{
        uint64_t best = UINT64_MAX;

        best = lowest_above(layout, size, alignment, lowest, limit, best);
        best = lowest_above(layout, size, alignment, greatest(lowest, HWACCL_HIGH_MEMORY_START), limit, best);
        for (size_t i = 0; i < layout->loaded->range_count; i++)
                best = lowest_above(layout, size, alignment,
                                    greatest(lowest, layout->loaded->range[i].address + layout->loaded->range[i].size),
                                    limit, best);
        if (best == UINT64_MAX)
                return no_place(layout, what, size, lowest, limit, error);
        *address = best;
        return true;
}

bool hwaccl_layout_enter(struct hwaccl_layout *layout, enum hwaccl_entry_mode mode, uint64_t rip, uint64_t gdt,
                         struct hwaccl_error *error)
{
        struct hwaccl_entry_point *entry = &layout->loaded->entry;

        uint8_t *table = hwaccl_layout_add(layout, "the table of segments", gdt, HWACCL_LOADER_GDT_SIZE, error);
        if (!table)
                return false;
        hwaccl_store64(table + HWACCL_LOADER_CODE_SELECTOR, mode == HWACCL_ENTRY_LONG ? CODE_64 : CODE_32);
        hwaccl_store64(table + HWACCL_LOADER_DATA_SELECTOR, DATA_FLAT);
        entry->mode = mode;
        entry->rip = rip;
        entry->gdt_base = gdt;
        entry->gdt_limit = HWACCL_LOADER_GDT_SIZE - 1;
        entry->code_selector = HWACCL_LOADER_CODE_SELECTOR;
        entry->data_selector = HWACCL_LOADER_DATA_SELECTOR;
        return true;
}

bool hwaccl_layout_add_identity_tables(struct hwaccl_layout *layout, uint64_t address, struct hwaccl_error *error)
{
        hwaccl_assert(address % PAGE == 0);
        uint8_t *table = hwaccl_layout_add(layout, "the page tables", address, HWACCL_LOADER_IDENTITY_SIZE, error);
        if (!table)
                return false;
        hwaccl_store64(table, (address + PAGE) | ENTRY_TABLE);
        for (uint64_t i = 0; i < DIRECTORY_MAX; i++)
                hwaccl_store64(table + PAGE + i * 8, (address + (2 + i) * PAGE) | ENTRY_TABLE);
        for (uint64_t i = 0; i < DIRECTORY_MAX * PAGE / 8; i++)
                hwaccl_store64(table + UINT64_C(2) * PAGE + i * 8, i * LARGE_PAGE | ENTRY_LARGE);
        layout->loaded->entry.cr3 = address;
        return true;
}

size_t hwaccl_layout_memory_map(const struct hwaccl_layout *layout,
                                struct hwaccl_memory_map_entry map[HWACCL_MEMORY_MAP_MAX])
{
        size_t count = 0;

        map[count++] = (struct hwaccl_memory_map_entry){0, HWACCL_LOW_MEMORY_END, HWACCL_MEMORY_MAP_RAM};
        map[count++] = (struct hwaccl_memory_map_entry){BIOS_START, ONE_MIB - BIOS_START, HWACCL_MEMORY_MAP_RESERVED};
        if (layout->memory_size > ONE_MIB)
                map[count++] =
                        (struct hwaccl_memory_map_entry){ONE_MIB, layout->memory_size - ONE_MIB, HWACCL_MEMORY_MAP_RAM};
        return count;
}
