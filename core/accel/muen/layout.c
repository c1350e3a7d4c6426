/* The guest as subject info describes it, checked before anything is mapped. */
#include "core/accel/muen/muen.h"
#include "core/host/guest_memory.h"
#include "core/muen/static_region.h"

#include <inttypes.h>

#define TSC_KHZ_MIN       UINT64_C(1000)
#define TSC_KHZ_MAX       UINT64_C(100000000)
#define FIRMWARE_UNIT     (UINT64_C(64) << 10)
#define FIRMWARE_SIZE_MAX (UINT64_C(16) << 20)
#define ONE_MIB           (UINT64_C(1) << 20)

const char *const muen_ram_name[MUEN_RAM_REGIONS] = {"vm_ram_1", "vm_ram_2", "vm_ram_3", "vm_ram_4"};

/* The pages of the two sides. */
static bool check_pages(const struct hwaccl_subject_info *info, struct hwaccl_error *error)
{
        static const char *const names[] = {"monitor_state", "monitor_interrupts", "monitor_timed_event"};

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                const struct hwaccl_subject_region *region = hwaccl_subject_info_find_region(info, names[i]);
                if (!region)
                        return hwaccl_error_set(error, "there is no memory region %s", names[i]);
                if (region->size < HWACCL_PAGE_SIZE || !(region->flags & HWACCL_SUBJECT_REGION_WRITABLE))
                        return hwaccl_error_set(error, "memory region %s is not a writable page: %" PRIu64 " bytes%s",
                                                names[i], region->size,
                                                region->flags & HWACCL_SUBJECT_REGION_WRITABLE ? "" : ", not writable");
        }
        return true;
}

/* VM RAM is handed out as one region, and so its parts have to follow each other. */
static bool check_ram(const struct hwaccl_subject_info *info, uint64_t address, uint64_t size,
                      struct hwaccl_error *error)
{
        uint64_t next = address;

        if (size < HWACCL_MEMORY_SIZE_MIN || size > HWACCL_MEMORY_SIZE_MAX)
                return hwaccl_error_set(error, "VM RAM has %" PRIu64 " bytes, not between %u and %" PRIu64, size,
                                        HWACCL_MEMORY_SIZE_MIN, HWACCL_MEMORY_SIZE_MAX);
        for (unsigned i = 0; i < MUEN_RAM_REGIONS; i++) {
                const char *name = muen_ram_name[i];
                const struct hwaccl_subject_region *region = hwaccl_subject_info_find_region(info, name);
                if (!region)
                        return hwaccl_error_set(error, "VM RAM: there is no memory region %s", name);
                if (region->address != next)
                        return hwaccl_error_set(error,
                                                "VM RAM: %s begins at %" PRIx64 "h, where %" PRIx64 "h would follow",
                                                name, region->address, next);
                if (!region->size || region->size % HWACCL_PAGE_SIZE || region->size > size)
                        return hwaccl_error_set(error,
                                                "VM RAM: %s has %" PRIu64 " bytes, not a multiple of the page size",
                                                name, region->size);
                if (!(region->flags & HWACCL_SUBJECT_REGION_WRITABLE))
                        return hwaccl_error_set(error, "VM RAM: %s is not writable", name);
                next += region->size;
        }
        return true;
}

static bool read_ram(const struct hwaccl_subject_info *info, uint64_t *size, struct hwaccl_error *error)
{
        struct hwaccl_static_regions regions;
        uint64_t address;

        /* of the static regions the guest gets VM RAM only, which is not cleared */
        if (!hwaccl_static_regions_init(&regions, info, NULL, NULL, error) ||
            !hwaccl_static_regions_hand_out(&regions, 0, &address, error))
                return false;
        *size = regions.region[0].size;
        return check_ram(info, address, *size, error);
}

/* What the guest starts with: firmware, an image in its RAM, or a kernel that is loaded later. */
static bool read_start(const struct hwaccl_subject_info *info, struct hwaccl_muen_subject *subject,
                       struct hwaccl_error *error)
{
        const struct hwaccl_subject_region *firmware = hwaccl_subject_info_find_region(info, "vm_firmware");
        const struct hwaccl_subject_region *image = hwaccl_subject_info_find_region(info, "vm_image");

        if (firmware && (!firmware->size || firmware->size > FIRMWARE_SIZE_MAX || firmware->size % FIRMWARE_UNIT))
                return hwaccl_error_set(error,
                                        "memory region vm_firmware has %" PRIu64 " bytes, not a multiple of 64 KiB "
                                        "between 64 KiB and 16 MiB",
                                        firmware->size);
        subject->firmware_size = firmware ? (size_t)firmware->size : 0;
        subject->image_address = subject->image_size = 0;
        if (firmware || !image)
                return true;
        if (image->address >= ONE_MIB || !image->size || image->size > subject->ram_size - image->address)
                return hwaccl_error_set(error,
                                        "memory region vm_image, %" PRIu64 " bytes at %" PRIx64
                                        "h, is empty, does not begin below 1 MiB or does not end in VM RAM",
                                        image->size, image->address);
        subject->image_address = image->address;
        subject->image_size = image->size;
        return true;
}

bool muen_layout_read(const struct hwaccl_subject_info *info, struct hwaccl_muen_subject *subject,
                      struct hwaccl_error *error)
{
        uint64_t hz;

        if (!hwaccl_subject_info_cpu_frequency(info, &hz, error))
                return false;
        if (info->tsc_khz < TSC_KHZ_MIN || info->tsc_khz > TSC_KHZ_MAX)
                return hwaccl_error_set(error, "a TSC of %" PRIu64 " kHz, not of %" PRIu64 " to %" PRIu64,
                                        info->tsc_khz, TSC_KHZ_MIN, TSC_KHZ_MAX);
        subject->tsc_khz = info->tsc_khz;
        return check_pages(info, error) && read_ram(info, &subject->ram_size, error) &&
               read_start(info, subject, error);
}
