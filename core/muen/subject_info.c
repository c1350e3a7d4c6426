#include "hwaccl/subject_info.h"

#include <inttypes.h>
#include <string.h>

static bool check_resource(const struct hwaccl_subject_info *info, unsigned number, struct hwaccl_error *error)
{
        const struct hwaccl_subject_resource *resource = &info->resource[number];

        if (resource->name_length > HWACCL_SUBJECT_INFO_NAME_SIZE)
                return hwaccl_error_set(error, "subject info: resource %u has a name of %u bytes, at most %d fit",
                                        number, resource->name_length, HWACCL_SUBJECT_INFO_NAME_SIZE);
        if (resource->region_index > info->region_count)
                return hwaccl_error_set(error, "subject info: resource %u refers to memory region %u of %u", number,
                                        resource->region_index, info->region_count);
        if (resource->channel_index > info->channel_count)
                return hwaccl_error_set(error, "subject info: resource %u refers to channel %u of %u", number,
                                        resource->channel_index, info->channel_count);
        return true;
}

/* The counts themselves are bytes: no value of theirs is beyond the arrays' 255 entries. */
_Static_assert(HWACCL_SUBJECT_INFO_ENTRIES == UINT8_MAX, "a count of one byte is in range");

static bool check(const struct hwaccl_subject_info *info, struct hwaccl_error *error)
{
        if (info->magic != HWACCL_SUBJECT_INFO_MAGIC)
                return hwaccl_error_set(error, "subject info: magic is %016" PRIx64 ", expected %016" PRIx64,
                                        info->magic, HWACCL_SUBJECT_INFO_MAGIC);
        for (unsigned i = 0; i < info->resource_count; i++)
                if (!check_resource(info, i, error))
                        return false;
        for (unsigned i = 0; i < info->region_count; i++)
                if (info->region[i].size > UINT64_MAX - info->region[i].address)
                        return hwaccl_error_set(error,
                                                "subject info: memory region %u, %" PRIx64 "h bytes at %" PRIx64
                                                "h, wraps round the end of the address space",
                                                i, info->region[i].size, info->region[i].address);
        return true;
}

bool hwaccl_subject_info_open(struct hwaccl_subject_info *info, const void *page, size_t size,
                              struct hwaccl_error *error)
{
        if (size < sizeof(*info))
                return hwaccl_error_set(error, "subject info: %zu bytes, expected %zu", size, sizeof(*info));

        /* A copy: what was checked cannot change any more, even if the page is shared. */
        struct hwaccl_subject_info copy;
        memcpy(&copy, page, sizeof(copy));
        if (!check(&copy, error))
                return false;
        *info = copy;
        return true;
}

static const struct hwaccl_subject_resource *find(const struct hwaccl_subject_info *info, const char *name)
{
        size_t length = strlen(name);

        for (unsigned i = 0; i < info->resource_count; i++) {
                const struct hwaccl_subject_resource *resource = &info->resource[i];
                if (resource->name_length == length && memcmp(resource->name, name, length) == 0)
                        return resource;
        }
        return NULL;
}

const struct hwaccl_subject_region *hwaccl_subject_info_find_region(const struct hwaccl_subject_info *info,
                                                                    const char *name)
{
        const struct hwaccl_subject_resource *resource = find(info, name);
        return resource && resource->region_index ? &info->region[resource->region_index - 1] : NULL;
}

const struct hwaccl_subject_channel *hwaccl_subject_info_find_channel(const struct hwaccl_subject_info *info,
                                                                      const char *name)
{
        const struct hwaccl_subject_resource *resource = find(info, name);
        return resource && resource->channel_index ? &info->channel[resource->channel_index - 1] : NULL;
}

bool hwaccl_subject_info_cpu_frequency(const struct hwaccl_subject_info *info, uint64_t *hz, struct hwaccl_error *error)
{
        if (!info->tsc_khz)
                return hwaccl_error_set(error, "subject info: the frequency of the TSC is zero");
        if (info->tsc_khz > UINT64_MAX / 1000)
                return hwaccl_error_set(error,
                                        "subject info: the frequency of the TSC, %" PRIu64 " kHz, is out of range",
                                        info->tsc_khz);
        *hz = info->tsc_khz * 1000;
        return true;
}
