#include "core/muen/static_region.h"

#include <inttypes.h>
#include <string.h>

static const struct hwaccl_static_region layout[HWACCL_STATIC_REGION_COUNT] = {
        {"VM RAM", 0, 0, true},
        {"PC BIOS at e1000h", UINT64_C(0x810000000), 0x1000, false},
        {"PC BIOS at f0000h", UINT64_C(0x820000000), 0x10000, false},
        {"PC BIOS at ffff0000h", UINT64_C(0x830000000), 0x10000, false},
        {"VMM device, 4 MiB", UINT64_C(0x840000000), 0x400000, false},
        {"VMM device, 16 KiB", UINT64_C(0x850000000), 0x4000, false},
        {"VGA", UINT64_C(0x860000000), 0x8000000, false},
        {"VGA BIOS at c0000h", UINT64_C(0x870000000), 0x9000, false},
        {"ACPI at e0000h", UINT64_C(0x880000000), 0x1000, false},
};

bool hwaccl_static_regions_init(struct hwaccl_static_regions *regions, const struct hwaccl_subject_info *info,
                                bool (*zero)(void *opaque, uint64_t address, uint64_t size), void *opaque,
                                struct hwaccl_error *error)
{
        const struct hwaccl_subject_region *first = hwaccl_subject_info_find_region(info, "vm_ram_1");
        const struct hwaccl_subject_region *last = hwaccl_subject_info_find_region(info, "vm_ram_4");

        if (!first || !last)
                return hwaccl_error_set(error, "VM RAM: subject info has no memory region %s",
                                        first ? "vm_ram_4" : "vm_ram_1");
        uint64_t end = last->address + last->size; /* hwaccl_subject_info_open() has seen that it does not wrap */
        if (end <= first->address)
                return hwaccl_error_set(error,
                                        "VM RAM: vm_ram_4 ends at %" PRIx64 "h, before vm_ram_1 begins at %" PRIx64 "h",
                                        end, first->address);
        memcpy(regions->region, layout, sizeof(layout));
        regions->region[0].address = first->address;
        regions->region[0].size = end - first->address;
        regions->handed_out = 0;
        regions->zero = zero;
        regions->opaque = opaque;
        return true;
}

bool hwaccl_static_regions_hand_out(struct hwaccl_static_regions *regions, uint64_t size, uint64_t *address,
                                    struct hwaccl_error *error)
{
        if (regions->handed_out >= HWACCL_STATIC_REGION_COUNT)
                return hwaccl_error_set(error, "no static memory region is left: all %d are in use",
                                        HWACCL_STATIC_REGION_COUNT);
        const struct hwaccl_static_region *region = &regions->region[regions->handed_out];
        if (size > region->size)
                return hwaccl_error_set(error,
                                        "static memory region %u (%s) has %" PRIx64 "h bytes, %" PRIx64 "h are wanted",
                                        regions->handed_out, region->name, region->size, size);
        if (!region->keep && !regions->zero(regions->opaque, region->address, region->size))
                return hwaccl_error_set(error, "static memory region %u (%s) cannot be written", regions->handed_out,
                                        region->name);
        regions->handed_out++;
        *address = region->address;
        return true;
}

bool hwaccl_static_regions_revoke(struct hwaccl_static_regions *regions, uint64_t address)
{
        (void)regions;
        (void)address;
        return true;
}
