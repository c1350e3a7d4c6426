/* Subject info pages of any content: refused, or every name in them can be looked up, and the guest that the Muen
 * accelerator takes from them is within bounds. */
#include "core/accel/muen/muen.h"
#include "core/host/guest_memory.h"
#include "core/muen/static_region.h"
#include "hwaccl/subject_info.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool zero(void *opaque, uint64_t address, uint64_t size)
{
        (void)opaque;
        (void)address;
        (void)size;
        return true;
}

static void look_up(const struct hwaccl_subject_info *info)
{
        for (unsigned i = 0; i < info->resource_count; i++) {
                const struct hwaccl_subject_resource *resource = &info->resource[i];
                char name[HWACCL_SUBJECT_INFO_NAME_SIZE + 1] = {0};

                memcpy(name, resource->name, resource->name_length);
                const struct hwaccl_subject_region *region = hwaccl_subject_info_find_region(info, name);
                if (region && (region < info->region || region >= info->region + info->region_count))
                        abort();
                const struct hwaccl_subject_channel *channel = hwaccl_subject_info_find_channel(info, name);
                if (channel && (channel < info->channel || channel >= info->channel + info->channel_count))
                        abort();
        }
}

static void lay_out(const struct hwaccl_subject_info *info)
{
        struct hwaccl_muen_subject subject = {0};
        struct hwaccl_error error;

        if (!muen_layout_read(info, &subject, &error))
                return;
        if (!subject.tsc_khz || subject.ram_size < HWACCL_MEMORY_SIZE_MIN ||
            subject.ram_size > HWACCL_MEMORY_SIZE_MAX || subject.ram_size % HWACCL_PAGE_SIZE ||
            subject.image_address + subject.image_size > subject.ram_size)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct hwaccl_subject_info info;
        struct hwaccl_static_regions regions;
        struct hwaccl_error error;
        uint8_t *page = NULL;

        /* short inputs stand for pages whose tail is zero, so that the fuzzer need not invent 28600 bytes */
        if (size < HWACCL_SUBJECT_INFO_SIZE && size >= 8) {
                page = calloc(1, HWACCL_SUBJECT_INFO_SIZE);
                if (!page)
                        return 0;
                memcpy(page, data, size);
                data = page;
                size = HWACCL_SUBJECT_INFO_SIZE;
        }
        if (hwaccl_subject_info_open(&info, data, size, &error)) {
                uint64_t value;
                look_up(&info);
                lay_out(&info);
                (void)hwaccl_subject_info_cpu_frequency(&info, &value, &error);
                if (hwaccl_static_regions_init(&regions, &info, zero, NULL, &error))
                        while (hwaccl_static_regions_hand_out(&regions, 0x1000, &value, &error))
                                ;
        }
        free(page);
        return 0;
}
