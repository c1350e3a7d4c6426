/* The subject directory: pages mapped, subject info read, memory put together. */
#include "accel/muen/muen.h"
#include "hwaccl/assert.h"
#include "hwaccl/guest_memory.h"

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

static bool map_ram(struct hwaccl_muen *muen, const char *directory, const struct hwaccl_subject_info *info,
                    struct hwaccl_error *error)
{
        uint64_t size = muen->subject.ram_size;
        void *place = mmap(NULL, (size_t)size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (place == MAP_FAILED)
                return hwaccl_error_set(error, "no address space for %" PRIu64 " bytes of VM RAM: %s", size,
                                        strerror(errno));
        muen->ram = (struct muen_mapping){place, (size_t)size};
        muen->subject.ram = place;
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

static bool read_info(struct hwaccl_muen *muen, const char *directory, struct hwaccl_subject_info *info,
                      struct hwaccl_error *error)
{
        return map(&muen->info, directory, "subject_info_page", HWACCL_SUBJECT_INFO_SIZE, false, error) &&
               ((hwaccl_subject_info_open(info, muen->info.address, HWACCL_SUBJECT_INFO_SIZE, error) &&
                 muen_layout_read(info, &muen->subject, error)) ||
                hwaccl_error_prefix(error, "%s/subject_info_page", directory));
}

static bool map_firmware(struct hwaccl_muen *muen, const char *directory, struct hwaccl_error *error)
{
        size_t size = muen->subject.firmware_size;

        if (size && !map(&muen->firmware, directory, "vm_firmware", size, false, error))
                return false;
        muen->subject.firmware = muen->firmware.address;
        return true;
}

static bool open_subject(struct hwaccl_muen *muen, const struct hwaccl_muen_config *config,
                         struct hwaccl_subject_info *info, struct hwaccl_error *error)
{
        const char *directory = config->directory;

        return read_info(muen, directory, info, error) &&
               map(&muen->state, directory, "monitor_state", HWACCL_PAGE_SIZE, true, error) &&
               map(&muen->interrupts, directory, "monitor_interrupts", HWACCL_PAGE_SIZE, true, error) &&
               map(&muen->timed_event, directory, "monitor_timed_event", HWACCL_PAGE_SIZE, true, error) &&
               map_ram(muen, directory, info, error) && map_firmware(muen, directory, error) &&
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
