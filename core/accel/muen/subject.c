/* The subject directory: mapping its pages, reading subject info, assembling guest RAM. */
#include "core/accel/muen/muen.h"
#include "core/assert.h"
#include "core/host/guest_memory.h"

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

/* A file or device of @size bytes at least, which is not checked of a device. -1 with *error set. */
static int open_page(const char *directory, const char *name, uint64_t size, bool writable, bool *is_device,
                     struct hwaccl_error *error)
{
        char path[PATH_MAX];
        struct stat status;
        int length = snprintf(path, sizeof(path), "%s/%s", directory, name);

        if (length < 0 || (size_t)length >= sizeof(path)) {
                hwaccl_error_set(error, "%.64s…/%s: the name is too long", directory, name);
                return -1;
        }
        /* opening a FIFO may block */
        int file = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (file < 0 || fstat(file, &status) != 0)
                hwaccl_error_set(error, "%s: cannot open: %s", path, strerror(errno));
        else if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode))
                hwaccl_error_set(error, "%s: not a file or a device", path);
        else if (S_ISREG(status.st_mode) && (uint64_t)status.st_size < size)
                hwaccl_error_set(error, "%s: has %jd bytes, %" PRIu64 " are needed", path, (intmax_t)status.st_size,
                                 size);
        else {
                *is_device = S_ISCHR(status.st_mode);
                return file;
        }
        if (file >= 0)
                (void)close(file);
        return -1;
}

/* Map @size bytes of a file or device, at @place if it is not NULL. */
static bool map_file(const char *directory, const char *name, uint64_t size, bool writable, void *place, void **mapped,
                     struct hwaccl_error *error)
{
        bool is_device;
        int file = open_page(directory, name, size, writable, &is_device, error);

        if (file < 0)
                return false;
        *mapped = mmap(place, whole_pages(size), PROT_READ | (writable ? PROT_WRITE : 0),
                       MAP_SHARED | (place ? MAP_FIXED : 0), file, 0);
        bool good = *mapped != MAP_FAILED;
        if (!good)
                hwaccl_error_set(error, "%s/%s: cannot be mapped: %s", directory, name, strerror(errno));
        (void)close(file);
        return good;
}

static bool map(struct hwaccl_muen *muen, enum muen_page page, const char *name, uint64_t size, bool writable,
                struct hwaccl_error *error)
{
        void *address;

        if (!map_file(muen->directory, name, size, writable, NULL, &address, error))
                return false;
        muen->mapping[page] = (struct muen_mapping){name, address, whole_pages(size)};
        return true;
}

static bool map_ram(struct hwaccl_muen *muen, const struct hwaccl_subject_info *info, struct hwaccl_error *error)
{
        uint64_t size = muen->subject.ram_size;
        void *place = mmap(NULL, (size_t)size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (place == MAP_FAILED)
                return hwaccl_error_set(error, "no address space for %" PRIu64 " bytes of VM RAM: %s", size,
                                        strerror(errno));
        muen->subject.ram = place;
        uint64_t done = 0;
        for (unsigned i = 0; i < MUEN_RAM_REGIONS; i++) {
                void *mapped;
                uint64_t part = hwaccl_subject_info_find_region(info, muen_ram_name[i])->size;
                if (!map_file(muen->directory, muen_ram_name[i], part, true, muen->subject.ram + done, &mapped, error))
                        return false;
                muen->mapping[MUEN_RAM + i] = (struct muen_mapping){muen_ram_name[i], mapped, (size_t)part};
                done += part;
        }
        return true;
}

/* Only a copy is used. A file is read rather than mapped: it could become shorter before SIGBUS can be attributed to
 * it. */
static bool copy_info(const char *directory, struct hwaccl_subject_info *info, struct hwaccl_error *error)
{
        static const char name[] = "subject_info_page";
        bool is_device;
        int file = open_page(directory, name, sizeof(*info), false, &is_device, error);
        bool good = false;

        if (file < 0)
                return false;
        if (is_device) {
                void *page = mmap(NULL, sizeof(*info), PROT_READ, MAP_SHARED, file, 0);
                good = page != MAP_FAILED;
                if (good) {
                        memcpy(info, page, sizeof(*info));
                        int unmapped = munmap(page, sizeof(*info));
                        hwaccl_assert(unmapped == 0);
                }
        } else {
                errno = ENODATA; /* of a short read */
                good = pread(file, info, sizeof(*info), 0) == (ssize_t)sizeof(*info);
        }
        if (!good)
                hwaccl_error_set(error, "%s/%s: cannot read: %s", directory, name, strerror(errno));
        (void)close(file);
        return good;
}

static bool read_info(struct hwaccl_muen *muen, struct hwaccl_subject_info *info, struct hwaccl_error *error)
{
        return copy_info(muen->directory, info, error) &&
               ((hwaccl_subject_info_open(info, info, sizeof(*info), error) &&
                 muen_layout_read(info, &muen->subject, error)) ||
                hwaccl_error_prefix(error, "%s/subject_info_page", muen->directory));
}

static bool map_firmware(struct hwaccl_muen *muen, struct hwaccl_error *error)
{
        size_t size = muen->subject.firmware_size;

        if (size && !map(muen, MUEN_FIRMWARE, "vm_firmware", size, false, error))
                return false;
        muen->subject.firmware = muen->mapping[MUEN_FIRMWARE].address;
        return true;
}

static bool open_subject(struct hwaccl_muen *muen, const struct hwaccl_muen_config *config,
                         struct hwaccl_subject_info *info, struct hwaccl_error *error)
{
        return read_info(muen, info, error) && map(muen, MUEN_STATE, "monitor_state", HWACCL_PAGE_SIZE, true, error) &&
               map(muen, MUEN_INTERRUPTS, "monitor_interrupts", HWACCL_PAGE_SIZE, true, error) &&
               map(muen, MUEN_TIMED_EVENT, "monitor_timed_event", HWACCL_PAGE_SIZE, true, error) &&
               map_ram(muen, info, error) && map_firmware(muen, error) &&
               muen_bells_open(&muen->bells, muen->directory, config->doorbells, error);
}

struct hwaccl_muen *hwaccl_muen_open(const struct hwaccl_muen_config *config, struct hwaccl_error *error)
{
        struct hwaccl_muen *muen = calloc(1, sizeof(*muen));
        struct hwaccl_subject_info *info = malloc(sizeof(*info));

        if (muen) {
                muen->directory = strdup(config->directory);
                muen->bells = (struct muen_bells){.fd = {-1, -1, -1, -1}, .wake = -1};
                muen->bells.timeout_ns =
                        config->answer_timeout_ns ? config->answer_timeout_ns : HWACCL_MUEN_ANSWER_TIMEOUT_NS;
        }
        bool good = muen && muen->directory && info;
        if (!good)
                hwaccl_error_set(error, "out of memory");
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

static const struct muen_mapping *find_mapping(const struct hwaccl_muen *muen, uintptr_t address)
{
        for (unsigned i = 0; i < MUEN_MAPPINGS; i++) {
                const struct muen_mapping *mapping = &muen->mapping[i];
                if (mapping->address && address - (uintptr_t)mapping->address < mapping->size)
                        return mapping;
        }
        return NULL;
}

bool hwaccl_muen_replace_page(struct hwaccl_muen *muen, const void *address)
{
        uintptr_t page = (uintptr_t)address & ~(uintptr_t)(HWACCL_PAGE_SIZE - 1);
        uintptr_t none = 0;
        int kept = errno;

        if (!find_mapping(muen, page))
                return false;
        bool placed = mmap((void *)page, HWACCL_PAGE_SIZE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
        errno = kept;
        if (!placed)
                return false;
        (void)atomic_compare_exchange_strong(&muen->lost, &none, page);
        return true;
}

bool hwaccl_muen_check(const struct hwaccl_muen *muen, struct hwaccl_error *error)
{
        atomic_signal_fence(memory_order_seq_cst); /* what was accessed before may have raised the signal */
        uintptr_t lost = atomic_load(&muen->lost);

        if (!lost)
                return true;
        const struct muen_mapping *mapping = find_mapping(muen, lost);
        hwaccl_assert(mapping);
        return hwaccl_error_set(error,
                                "%s/%s: its page at %zxh is gone: the file has become shorter, or its file system is "
                                "full",
                                muen->directory, mapping->name, (size_t)(lost - (uintptr_t)mapping->address));
}

void hwaccl_muen_close(struct hwaccl_muen *muen)
{
        if (!muen)
                return;
        muen_bells_close(&muen->bells);
        for (unsigned i = 0; i < MUEN_RAM; i++)
                if (muen->mapping[i].address)
                        hwaccl_assert(munmap(muen->mapping[i].address, muen->mapping[i].size) == 0);
        if (muen->subject.ram)
                hwaccl_assert(munmap(muen->subject.ram, (size_t)muen->subject.ram_size) == 0);
        free(muen->directory);
        free(muen);
}
