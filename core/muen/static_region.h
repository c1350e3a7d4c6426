/*
 * Static memory regions: guest memory whose place the separation kernel fixed. The VMM asks for memory in a fixed
 * order, and gets these regions in that order.
 */
#ifndef HWACCL_STATIC_REGION_H
#define HWACCL_STATIC_REGION_H

#include "hwaccl/error.h"
#include "hwaccl/subject_info.h"

#include <stdbool.h>
#include <stdint.h>

#define HWACCL_STATIC_REGION_COUNT 9

struct hwaccl_static_region {
        const char *name; /* what it becomes in the guest */
        uint64_t address;
        uint64_t size; /* bytes */
        bool keep;     /* not zeroed when handed out: VM RAM */
};

struct hwaccl_static_regions {
        struct hwaccl_static_region region[HWACCL_STATIC_REGION_COUNT];
        unsigned handed_out; /* the next request gets this one */
        /* fill [address, address + size) with zeros; false when that memory cannot be written */
        bool (*zero)(void *opaque, uint64_t address, uint64_t size);
        void *opaque;
};

/**
 * hwaccl_static_regions_init - lay the regions out: VM RAM from vm_ram_1 to the end of vm_ram_4, the rest is fixed
 *
 * Returns false with *error set when one of the two is not in @info or the second does not end behind the start of the
 * first.
 */
bool hwaccl_static_regions_init(struct hwaccl_static_regions *regions, const struct hwaccl_subject_info *info,
                                bool (*zero)(void *opaque, uint64_t address, uint64_t size), void *opaque,
                                struct hwaccl_error *error);

/**
 * hwaccl_static_regions_hand_out - the next region in order
 * @size: bytes wanted, at most the region's
 *
 * Returns false with *error set, and hands nothing out, when the region is smaller than that, there is none left, or it
 * cannot be zeroed. The whole region is zeroed, VM RAM excepted.
 */
bool hwaccl_static_regions_hand_out(struct hwaccl_static_regions *regions, uint64_t size, uint64_t *address,
                                    struct hwaccl_error *error);

/** hwaccl_static_regions_revoke - give a region back. Always succeeds and does nothing: the layout is static */
bool hwaccl_static_regions_revoke(struct hwaccl_static_regions *regions, uint64_t address);

#endif
