/*
 * Subject info (Muen's sinfo, variant 1): what the separation kernel tells a subject about its memory regions, channels
 * and devices. The page is untrusted: it is copied whole and checked whole before anything in it is used. Stable: the
 * layout is Muen's.
 */
#ifndef HWACCL_SUBJECT_INFO_H
#define HWACCL_SUBJECT_INFO_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HWACCL_SUBJECT_INFO_MAGIC     UINT64_C(0x01006f666e69756d) /* "muinfo", 0, 1 */
#define HWACCL_SUBJECT_INFO_ENTRIES   255
#define HWACCL_SUBJECT_INFO_NAME_SIZE 63
#define HWACCL_SUBJECT_INFO_SIZE      28600u /* bytes of the whole structure */

#define HWACCL_SUBJECT_REGION_WRITABLE   1u
#define HWACCL_SUBJECT_REGION_EXECUTABLE 2u
#define HWACCL_SUBJECT_CHANNEL_EVENT     1u
#define HWACCL_SUBJECT_CHANNEL_VECTOR    2u
#define HWACCL_SUBJECT_DEVICE_MSI        1u

/* Index 0 means none; index i names entry i - 1. A resource may be a memory region and a channel at once. */
struct hwaccl_subject_resource {
        uint8_t name_length; /* bytes of name in use, at most HWACCL_SUBJECT_INFO_NAME_SIZE */
        char name[HWACCL_SUBJECT_INFO_NAME_SIZE];
        uint8_t region_index;
        uint8_t channel_index;
        uint8_t padding[6];
};

struct hwaccl_subject_region {
        uint64_t address; /* guest-physical */
        uint64_t size;    /* bytes */
        uint8_t flags;
        uint8_t padding[7];
};

struct hwaccl_subject_channel {
        uint8_t flags;
        uint8_t event;  /* to trigger; holds with HWACCL_SUBJECT_CHANNEL_EVENT */
        uint8_t vector; /* raised on arrival; holds with HWACCL_SUBJECT_CHANNEL_VECTOR */
        uint8_t padding[5];
};

struct hwaccl_subject_device {
        uint16_t source_id;
        uint16_t irte_start;
        uint8_t irq_start;
        uint8_t irq_count;
        uint8_t flags;
        uint8_t padding;
};

struct hwaccl_subject_info {
        uint64_t magic;
        uint8_t resource_count;
        uint8_t region_count;
        uint8_t channel_count;
        uint8_t device_count;
        uint8_t padding[4];
        uint64_t tsc_khz;
        uint64_t schedule_start; /* TSC values of the current minor frame */
        uint64_t schedule_end;
        struct hwaccl_subject_resource resource[HWACCL_SUBJECT_INFO_ENTRIES];
        struct hwaccl_subject_region region[HWACCL_SUBJECT_INFO_ENTRIES];
        struct hwaccl_subject_channel channel[HWACCL_SUBJECT_INFO_ENTRIES];
        struct hwaccl_subject_device device[HWACCL_SUBJECT_INFO_ENTRIES];
};

_Static_assert(sizeof(struct hwaccl_subject_resource) == 72, "a resource is 72 bytes");
_Static_assert(sizeof(struct hwaccl_subject_region) == 24, "a memory region is 24 bytes");
_Static_assert(sizeof(struct hwaccl_subject_channel) == 8, "a channel is 8 bytes");
_Static_assert(sizeof(struct hwaccl_subject_device) == 8, "a device is 8 bytes");
_Static_assert(offsetof(struct hwaccl_subject_info, tsc_khz) == 16, "tsc_khz lies at 16");
_Static_assert(offsetof(struct hwaccl_subject_info, resource) == 40, "resources start at 40");
_Static_assert(offsetof(struct hwaccl_subject_info, region) == 18400, "memory regions start at 18400");
_Static_assert(offsetof(struct hwaccl_subject_info, channel) == 24520, "channels start at 24520");
_Static_assert(offsetof(struct hwaccl_subject_info, device) == 26560, "devices start at 26560");
_Static_assert(sizeof(struct hwaccl_subject_info) == HWACCL_SUBJECT_INFO_SIZE, "subject info is 28600 bytes");

/**
 * hwaccl_subject_info_open - copy and check a subject info page
 * @info: the caller's; filled only on success
 * @page: @size bytes, any alignment
 *
 * Returns false with *error set when the page is shorter than HWACCL_SUBJECT_INFO_SIZE, its magic is wrong, a resource
 * that counts has a name longer than 63 bytes or an index beyond the count it refers to, or a memory region that counts
 * wraps round the end of the address space. Entries beyond the counts are not looked at.
 */
bool hwaccl_subject_info_open(struct hwaccl_subject_info *info, const void *page, size_t size,
                              struct hwaccl_error *error);

/**
 * hwaccl_subject_info_find_region - look a memory region up by name
 * @info: a subject info that hwaccl_subject_info_open() filled
 * @name: at most 63 bytes; compared exactly
 *
 * Returns the region, valid as long as @info is; NULL if there is no resource of that name or it is no memory region.
 */
const struct hwaccl_subject_region *hwaccl_subject_info_find_region(const struct hwaccl_subject_info *info,
                                                                    const char *name);

/** hwaccl_subject_info_find_channel - the same for channels */
const struct hwaccl_subject_channel *hwaccl_subject_info_find_channel(const struct hwaccl_subject_info *info,
                                                                      const char *name);

/** hwaccl_subject_info_cpu_frequency - ticks per second of the TSC; false with *error set when the page says zero, or
 * more than 64 bits of Hz */
bool hwaccl_subject_info_cpu_frequency(const struct hwaccl_subject_info *info, uint64_t *hz,
                                       struct hwaccl_error *error);

#endif
