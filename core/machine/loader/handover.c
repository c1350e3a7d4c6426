#include "machine/loader/handover.h"

#include "hwaccl/assert.h"
#include "hwaccl/machine.h"

#include <stdio.h>
#include <string.h>

#define ONE_MIB   UINT64_C(0x100000)
#define LOWEST    UINT64_C(0x10000) /* below are what a BIOS keeps, and where kernels start their other processors */
#define ALIGNMENT 8u

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

        for (size_t i = 0; i < layout->range_count; i++)
                if (layout->range[i].address + layout->range[i].size > end)
                        end = layout->range[i].address + layout->range[i].size;
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
