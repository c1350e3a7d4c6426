/* The subject directory: pages mapped, subject info read, memory put together. */
#include "accel/muen/muen.h"
#include "hwaccl/assert.h"
#include "hwaccl/guest_memory.h"
#include "hwaccl/static_region.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TSC_KHZ_MIN       UINT64_C(1000)
#define TSC_KHZ_MAX       UINT64_C(100000000)
#define FIRMWARE_UNIT     (UINT64_C(64) << 10)
#define FIRMWARE_SIZE_MAX (UINT64_C(16) << 20)
#define ONE_MIB           (UINT64_C(1) << 20)

static size_t whole_pages(uint64_t size)
{
        return (size_t)((size + HWACCL_PAGE_SIZE - 1) / HWACCL_PAGE_SIZE * HWACCL_PAGE_SIZE);
}

/* Map @size bytes of a file or device, at @place if it is not NULL. A device has no size to check. */
static bool map_file(const char *directory, const char *name, uint64_t size, bool writable, void *place, void **mapped,
                     struct hwaccl_error *error)
{
        char path[PATH_MAX];
        struct stat status;
        int length = snprintf(path, sizeof(path), "%s/%s", directory, name);

        if (length < 0 || (size_t)length >= sizeof(path))
                return hwaccl_error_set(error, "%.64s…/%s: the name is too long", directory, name);
        /* what is no page may wait for somebody when it is opened */
        int file = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
        if (file < 0 || fstat(file, &status) != 0) {
                hwaccl_error_set(error, "%s: cannot open: %s", path, strerror(errno));
                if (file >= 0)
                        (void)close(file);
                return false;
        }
        bool good = false;
        if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode)) {
                hwaccl_error_set(error, "%s: is neither a file nor a device", path);
        } else if (S_ISREG(status.st_mode) && (uint64_t)status.st_size < size) {
                hwaccl_error_set(error, "%s: has %jd bytes, %" PRIu64 " are needed", path, (intmax_t)status.st_size,
                                 size);
        } else {
                *mapped = mmap(place, whole_pages(size), PROT_READ | (writable ? PROT_WRITE : 0),
                               MAP_SHARED | (place ? MAP_FIXED : 0), file, 0);
                good = *mapped != MAP_FAILED;
                if (!good)
                        hwaccl_error_set(error, "%s: cannot be mapped: %s", path, strerror(errno));
        }
        (void)close(file);
        return good;
}

static bool map(struct muen_mapping *mapping, const char *directory, const char *name, uint64_t size, bool writable,
                struct hwaccl_error *error)
{
        void *address;

        if (!map_file(directory, name, size, writable, NULL, &address, error))
                return false;
        *mapping = (struct muen_mapping){address, whole_pages(size)};
        return true;
}

static void unmap(struct muen_mapping *mapping)
{
        if (mapping->address)
                hwaccl_assert(munmap(mapping->address, mapping->size) == 0);
        mapping->address = NULL;
}

/* A page of the two sides: named by subject info, and there. */
static bool map_page(struct muen_mapping *mapping, const char *directory, const struct hwaccl_subject_info *info,
                     const char *name, struct hwaccl_error *error)
{
        const struct hwaccl_subject_region *region = hwaccl_subject_info_find_region(info, name);

        if (!region)
                return hwaccl_error_set(error, "subject info has no memory region %s", name);
        if (region->size < HWACCL_PAGE_SIZE)
                return hwaccl_error_set(error, "memory region %s has %" PRIu64 " bytes, %u are needed", name,
                                        region->size, HWACCL_PAGE_SIZE);
        return map(mapping, directory, name, HWACCL_PAGE_SIZE, true, error);
}

/* VM RAM is handed out as one region, and so its parts have to follow each other. */
static bool check_ram(const struct hwaccl_subject_info *info, uint64_t address, uint64_t size,
                      struct hwaccl_error *error)
{
        uint64_t next = address;

        if (size < HWACCL_MEMORY_SIZE_MIN || size > HWACCL_MEMORY_SIZE_MAX)
                return hwaccl_error_set(error, "VM RAM has %" PRIu64 " bytes, not between %u and %" PRIu64, size,
                                        HWACCL_MEMORY_SIZE_MIN, HWACCL_MEMORY_SIZE_MAX);
        for (unsigned i = 1; i <= MUEN_RAM_REGIONS; i++) {
                char name[16];
                (void)snprintf(name, sizeof(name), "vm_ram_%u", i);
                const struct hwaccl_subject_region *region = hwaccl_subject_info_find_region(info, name);
                if (!region)
                        return hwaccl_error_set(error, "VM RAM: subject info has no memory region %s", name);
                if (region->address != next)
                        return hwaccl_error_set(error,
                                                "VM RAM: %s begins at %" PRIx64 "h, where %" PRIx64 "h would follow",
                                                name, region->address, next);
                if (!region->size || region->size % HWACCL_PAGE_SIZE || region->size > size)
                        return hwaccl_error_set(error,
                                                "VM RAM: %s has %" PRIu64 " bytes, which are no whole pages of it",
                                                name, region->size);
                if (!(region->flags & HWACCL_SUBJECT_REGION_WRITABLE))
                        return hwaccl_error_set(error, "VM RAM: %s is not writable", name);
                next += region->size;
        }
        return true;
}

static bool map_ram(struct hwaccl_muen *muen, const char *directory, const struct hwaccl_subject_info *info,
                    struct hwaccl_error *error)
{
        struct hwaccl_static_regions regions;
        uint64_t address;

        /* of the static regions the guest gets VM RAM only, which is not cleared */
        if (!hwaccl_static_regions_init(&regions, info, NULL, NULL, error) ||
            !hwaccl_static_regions_hand_out(&regions, 0, &address, error))
                return false;
        uint64_t size = regions.region[0].size;
        if (!check_ram(info, address, size, error))
                return false;

        void *place = mmap(NULL, (size_t)size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (place == MAP_FAILED)
                return hwaccl_error_set(error, "no address space for %" PRIu64 " bytes of VM RAM: %s", size,
                                        strerror(errno));
        muen->ram = (struct muen_mapping){place, (size_t)size};
        muen->subject.ram = place;
        muen->subject.ram_size = size;
        uint64_t done = 0;
        for (unsigned i = 1; i <= MUEN_RAM_REGIONS; i++) {
                char name[16];
                void *mapped;
                (void)snprintf(name, sizeof(name), "vm_ram_%u", i);
                uint64_t part = hwaccl_subject_info_find_region(info, name)->size;
                if (!map_file(directory, name, part, true, (uint8_t *)place + done, &mapped, error))
                        return false;
                done += part;
        }
        return true;
}

static bool find_firmware(struct hwaccl_muen *muen, const char *directory, const struct hwaccl_subject_region *region,
                          struct hwaccl_error *error)
{
        if (!region->size || region->size > FIRMWARE_SIZE_MAX || region->size % FIRMWARE_UNIT)
                return hwaccl_error_set(error,
                                        "memory region vm_firmware has %" PRIu64 " bytes, not a multiple of 64 KiB "
                                        "between 64 KiB and 16 MiB",
                                        region->size);
        if (!map(&muen->firmware, directory, "vm_firmware", region->size, false, error))
                return false;
        muen->subject.firmware = muen->firmware.address;
        muen->subject.firmware_size = (size_t)region->size;
        return true;
}

/* What the guest starts with: firmware, or an image in its RAM. */
static bool find_start(struct hwaccl_muen *muen, const char *directory, const struct hwaccl_subject_info *info,
                       struct hwaccl_error *error)
{
        const struct hwaccl_subject_region *firmware = hwaccl_subject_info_find_region(info, "vm_firmware");
        const struct hwaccl_subject_region *image = hwaccl_subject_info_find_region(info, "vm_image");

        if (firmware)
                return find_firmware(muen, directory, firmware, error);
        if (!image)
                return hwaccl_error_set(error, "subject info has neither a memory region vm_firmware nor vm_image: the "
                                               "guest has nothing to run");
        if (image->address >= ONE_MIB || image->size > muen->subject.ram_size - image->address)
                return hwaccl_error_set(error,
                                        "memory region vm_image, %" PRIu64 " bytes at %" PRIx64
                                        "h, does not begin below 1 MiB or does not end in VM RAM",
                                        image->size, image->address);
        muen->subject.image_address = image->address;
        muen->subject.image_size = image->size;
        return true;
}

static bool read_info(struct hwaccl_muen *muen, const char *directory, struct hwaccl_subject_info *info,
                      struct hwaccl_error *error)
{
        uint64_t hz;

        if (!map(&muen->info, directory, "subject_info_page", HWACCL_SUBJECT_INFO_SIZE, false, error))
                return false;
        if (!hwaccl_subject_info_open(info, muen->info.address, HWACCL_SUBJECT_INFO_SIZE, error) ||
            !hwaccl_subject_info_cpu_frequency(info, &hz, error))
                return hwaccl_error_prefix(error, "%s/subject_info_page", directory);
        if (info->tsc_khz < TSC_KHZ_MIN || info->tsc_khz > TSC_KHZ_MAX)
                return hwaccl_error_set(
                        error, "%s/subject_info_page: a TSC of %" PRIu64 " kHz, not of %" PRIu64 " to %" PRIu64,
                        directory, info->tsc_khz, TSC_KHZ_MIN, TSC_KHZ_MAX);
        muen->subject.tsc_khz = info->tsc_khz;
        return true;
}

static bool open_subject(struct hwaccl_muen *muen, const struct hwaccl_muen_config *config,
                         struct hwaccl_subject_info *info, struct hwaccl_error *error)
{
        const char *directory = config->directory;

        return read_info(muen, directory, info, error) &&
               map_page(&muen->state, directory, info, "monitor_state", error) &&
               map_page(&muen->interrupts, directory, info, "monitor_interrupts", error) &&
               map_page(&muen->timed_event, directory, info, "monitor_timed_event", error) &&
               map_ram(muen, directory, info, error) && find_start(muen, directory, info, error) &&
               muen_bells_open(&muen->bells, directory, config->doorbells, error);
}

struct hwaccl_muen *hwaccl_muen_open(const struct hwaccl_muen_config *config, struct hwaccl_error *error)
{
        struct hwaccl_muen *muen = calloc(1, sizeof(*muen));
        struct hwaccl_subject_info *info = malloc(sizeof(*info));
        bool good = muen && info;

        if (!good)
                hwaccl_error_set(error, "no memory for the subject");
        if (muen) {
                muen->bells = (struct muen_bells){.fd = {-1, -1, -1, -1}, .wake = -1};
                muen->bells.timeout_ns =
                        config->answer_timeout_ns ? config->answer_timeout_ns : HWACCL_MUEN_ANSWER_TIMEOUT_NS;
        }
        good = good && open_subject(muen, config, info, error);
        free(info);
        if (good)
                return muen;
        hwaccl_muen_close(muen);
        return NULL;
}

const struct hwaccl_muen_subject *hwaccl_muen_subject(const struct hwaccl_muen *muen)
{
        return &muen->subject;
}

void hwaccl_muen_close(struct hwaccl_muen *muen)
{
        if (!muen)
                return;
        muen_bells_close(&muen->bells);
        unmap(&muen->info);
        unmap(&muen->state);
        unmap(&muen->interrupts);
        unmap(&muen->timed_event);
        unmap(&muen->ram);
        unmap(&muen->firmware);
        free(muen);
}
