#include "core/machine/loader/handover.h"

#include "core/assert.h"
#include "core/host/guest_memory.h"
#include "core/machine/loader/acpi_tables.h"

#include <stdio.h>
#include <string.h>

#define ONE_MIB   UINT64_C(0x100000)
#define LOWEST    UINT64_C(0x10000) /* below are BIOS data, and the start-up code for other processors */
#define ALIGNMENT 8u

/* Behind the ACPI tables. The last instruction is the whole service of a hardware interrupt. */
#define SERVICE_CODE    UINT64_C(0xf1000)
#define SERVICE_IGNORED (SERVICE_CODE + 8)
#define BIOS_VECTORS    256u

#define BIOS_DATA        UINT64_C(0x400)
#define BIOS_DATA_SIZE   256u
#define BIOS_DATA_COM1   0u
#define BIOS_DATA_MEMORY 0x13u /* KiB below the video memory */
#define COM1             0x3f8u
#define KIB              1024u

size_t hwaccl_handover_room(size_t size)
{
        return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t hwaccl_handover_text_room(const char *text)
{
        return text ? hwaccl_handover_room(strlen(text) + 1) : 0;
}

static bool find_place(const struct hwaccl_layout *layout, const char *what, uint64_t size, uint64_t *address,
                       struct hwaccl_error *error)
{
        return hwaccl_layout_find_above(layout, what, size, ALIGNMENT, LOWEST, HWACCL_LOW_MEMORY_END, address, error) ||
               hwaccl_layout_find_above(layout, what, size, ALIGNMENT, ONE_MIB, layout->memory_size, address, error);
}

bool hwaccl_handover_begin(struct hwaccl_layout *layout, struct hwaccl_handover *block, const char *what, size_t size,
                           struct hwaccl_error *error)
{
        block->size = size;
        block->used = 0;
        if (!find_place(layout, what, size, &block->address, error))
                return false;
        block->data = hwaccl_layout_add(layout, what, block->address, size, error);
        return block->data != NULL;
}

uint8_t *hwaccl_handover_take(struct hwaccl_handover *block, size_t size, uint64_t *address)
{
        size_t room = hwaccl_handover_room(size);

        hwaccl_assert(room <= block->size - block->used);
        uint8_t *part = block->data + block->used;
        *address = block->address + block->used;
        block->used += room;
        return part;
}

uint64_t hwaccl_handover_text(struct hwaccl_handover *block, const char *text)
{
        uint64_t address;

        if (!text)
                return 0;
        memcpy(hwaccl_handover_take(block, strlen(text) + 1, &address), text, strlen(text) + 1);
        return address;
}

static uint64_t end_of_ranges(const struct hwaccl_layout *layout)
{
        uint64_t end = ONE_MIB;

        for (size_t i = 0; i < layout->loaded->range_count; i++) {
                const struct hwaccl_loaded_range *range = &layout->loaded->range[i];
                if (range->address + range->size > end)
                        end = range->address + range->size;
        }
        return end;
}

bool hwaccl_handover_modules(struct hwaccl_layout *layout, const struct hwaccl_loader_input *input,
                             uint64_t address[HWACCL_LOADER_MODULE_MAX], struct hwaccl_error *error)
{
        for (size_t i = 0; i < input->module_count; i++) {
                const struct hwaccl_loader_module *module = &input->module[i];
                char what[48];

                (void)snprintf(what, sizeof(what), "module %zu", i);
                if (!hwaccl_layout_find_above(layout, what, module->size, HWACCL_PAGE_SIZE, end_of_ranges(layout),
                                              layout->memory_size, &address[i], error) &&
                    !hwaccl_layout_find_above(layout, what, module->size, HWACCL_PAGE_SIZE, ONE_MIB,
                                              layout->memory_size, &address[i], error))
                        return false;
                if (!hwaccl_layout_copy(layout, what, address[i], module->data, module->size, error))
                        return false;
        }
        return true;
}

/* Add a range unless the kernel occupies it: then *bytes is NULL. */
static bool add_optional(struct hwaccl_layout *layout, const char *what, uint64_t address, size_t size, uint8_t **bytes,
                         struct hwaccl_error *error)
{
        *bytes = NULL;
        if (!hwaccl_layout_reserve(layout, what, address, size, NULL))
                return true;
        *bytes = hwaccl_layout_fill(layout, address, size, error);
        return *bytes != NULL;
}

/* Kernels that go back to real mode to ask a BIOS (Xen for its map of memory) get an answer: not supported. */
static void write_vectors(uint8_t *table)
{
        for (size_t i = 0; i < BIOS_VECTORS; i++) {
                bool hardware = (i >= 0x08 && i <= 0x0f) || (i >= 0x70 && i <= 0x77);
                hwaccl_store16(table + i * 4, hardware ? SERVICE_IGNORED - SERVICE_CODE : 0);
                hwaccl_store16(table + i * 4 + 2, SERVICE_CODE >> 4);
        }
}

static bool add_services(struct hwaccl_layout *layout, struct hwaccl_error *error)
{
        static const uint8_t code[] = {
                0x55,                   /* push bp */
                0x89, 0xe5,             /* mov bp, sp */
                0x80, 0x4e, 0x06, 0x01, /* or byte [bp + 6], 1: the caller's CF */
                0x5d,                   /* pop bp */
                0xcf,                   /* iret */
        };
        uint8_t *bytes, *table;

        if (!add_optional(layout, "the BIOS services", SERVICE_CODE, sizeof(code), &bytes, error))
                return false;
        if (!bytes)
                return true;
        memcpy(bytes, code, sizeof(code));
        if (!add_optional(layout, "the interrupt table", 0, BIOS_VECTORS * 4, &table, error))
                return false;
        if (table)
                write_vectors(table);
        return true;
}

bool hwaccl_handover_bios(struct hwaccl_layout *layout, uint64_t *rsdp, struct hwaccl_error *error)
{
        uint8_t *data, *tables, content[HWACCL_LOADER_ACPI_SIZE];
        size_t size = hwaccl_loader_acpi_tables(content, layout->apic);

        if (!add_services(layout, error) ||
            !add_optional(layout, "the BIOS data area", BIOS_DATA, BIOS_DATA_SIZE, &data, error) ||
            !add_optional(layout, "the ACPI tables", HWACCL_LOADER_ACPI_ADDRESS, size, &tables, error))
                return false;
        if (data) {
                hwaccl_store16(data + BIOS_DATA_COM1, COM1);
                hwaccl_store16(data + BIOS_DATA_MEMORY, (uint16_t)(HWACCL_LOW_MEMORY_END / KIB));
        }
        if (tables)
                memcpy(tables, content, size);
        *rsdp = tables ? HWACCL_LOADER_ACPI_ADDRESS : 0;
        return true;
}

bool hwaccl_handover_enter(struct hwaccl_layout *layout, const struct hwaccl_handover *block, uint64_t rip,
                           struct hwaccl_error *error)
{
        uint64_t gdt;

        if (!find_place(layout, "the table of segments", HWACCL_LOADER_GDT_SIZE, &gdt, error) ||
            !hwaccl_layout_enter(layout, HWACCL_ENTRY_PROTECTED, rip, gdt, error))
                return false;
        layout->loaded->entry.rbx = block->address;
        return true;
}
