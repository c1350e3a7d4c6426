#include "core/host/live_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512u

struct hwaccl_live_disk {
        int file;
        enum hwaccl_disk_mode mode;
        uint64_t size;
        int64_t modified;
        int copy;         /* copy on write: the temporary file, or -1 */
        uint8_t *written; /* copy on write: a bit for each sector that is in the copy */
        uint64_t faults;
        int first_fault;
};

/* O_NONBLOCK: opening a FIFO by mistake must not block. */
static bool open_image(struct hwaccl_live_disk *disk, const char *path, struct hwaccl_error *error)
{
        int access = disk->mode == HWACCL_DISK_READ_WRITE ? O_RDWR : O_RDONLY;
        struct stat status;

        disk->file = open(path, access | O_CLOEXEC | O_NONBLOCK);
        if (disk->file < 0 && errno == EISDIR)
                return hwaccl_error_set(error, "%s: is a directory, not a disk image", path);
        if (disk->file < 0 && (errno == EACCES || errno == EROFS || errno == EPERM) && access == O_RDWR)
                return hwaccl_error_set(error,
                                        "%s: cannot open for writing: %s (use ro or cow to leave the image unchanged)",
                                        path, strerror(errno));
        if (disk->file < 0 || fstat(disk->file, &status) < 0)
                return hwaccl_error_set(error, "%s: cannot open: %s", path, strerror(errno));
        if (S_ISDIR(status.st_mode))
                return hwaccl_error_set(error, "%s: is a directory, not a disk image", path);
        if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
                return hwaccl_error_set(error, "%s: not a regular file or block device", path);
        off_t end = lseek(disk->file, 0, SEEK_END); /* a block device has no st_size */
        if (end < 0)
                return hwaccl_error_set(error, "%s: cannot determine its size: %s", path, strerror(errno));
        if (end == 0)
                return hwaccl_error_set(error, "%s: is empty; expected at least one sector of 512 bytes", path);
        if (end % SECTOR)
                return hwaccl_error_set(error, "%s: size of %jd bytes; expected a multiple of 512", path,
                                        (intmax_t)end);
        disk->size = (uint64_t)end;
        disk->modified = status.st_mtime;
        return true;
}

static bool lock_image(struct hwaccl_live_disk *disk, const char *path, struct hwaccl_error *error)
{
        bool exclusive = disk->mode == HWACCL_DISK_READ_WRITE;
        struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};

        if (fcntl(disk->file, F_OFD_SETLK, &lock) == 0)
                return true;
        if (errno != EAGAIN && errno != EACCES)
                return hwaccl_error_set(error, "%s: cannot lock: %s", path, strerror(errno));
        return hwaccl_error_set(error,
                                exclusive ? "%s: is in use: another program or disk has locked it (ro and cow share it "
                                            "with others that do not write)"
                                          : "%s: is in use: another program or disk has locked it for writing",
                                path);
}

/* An unnamed temporary file, which always vanishes on close. Returns -1 with errno set. */
static int open_nameless(const char *directory)
{
        char path[4096];
        int file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        if (file >= 0)
                return file;
        int length = snprintf(path, sizeof(path), "%s/hwaccl-disk-XXXXXX", directory);
        if (length < 0 || (size_t)length >= sizeof(path)) {
                errno = ENAMETOOLONG;
                return -1;
        }
        file = mkostemp(path, O_CLOEXEC); /* not every file system supports O_TMPFILE */
        if (file >= 0)
                (void)unlink(path);
        return file;
}

/* A guest may write much, so /tmp, which is often in memory, is the last choice. */
static int open_temporary(struct hwaccl_error *error)
{
        const char *directory = getenv("TMPDIR");
        bool named = directory && *directory;
        int file = open_nameless(named ? directory : "/var/tmp");

        if (file < 0 && !named)
                file = open_nameless("/tmp");
        if (file < 0)
                hwaccl_error_set(error, "cannot create a temporary file in %s for a cow disk: %s",
                                 named ? directory : "/var/tmp or /tmp", strerror(errno));
        return file;
}

static bool open_copy(struct hwaccl_live_disk *disk, const char *path, struct hwaccl_error *error)
{
        uint64_t sectors = disk->size / SECTOR;

        if (disk->mode != HWACCL_DISK_COPY_ON_WRITE)
                return true;
        disk->copy = open_temporary(error);
        if (disk->copy < 0)
                return hwaccl_error_prefix(error, "%s", path);
        disk->written = calloc(1, (size_t)(sectors / 8 + 1));
        return disk->written || hwaccl_error_set(error, "%s: out of memory", path);
}

struct hwaccl_live_disk *hwaccl_live_disk_open(const char *path, enum hwaccl_disk_mode mode, struct hwaccl_error *error)
{
        struct hwaccl_live_disk *disk = calloc(1, sizeof(*disk));

        if (!disk) {
                hwaccl_error_set(error, "%s: out of memory", path);
                return NULL;
        }
        disk->mode = mode;
        disk->file = disk->copy = -1;
        if (open_image(disk, path, error) && lock_image(disk, path, error) && open_copy(disk, path, error))
                return disk;
        hwaccl_live_disk_close(disk);
        return NULL;
}

void hwaccl_live_disk_close(struct hwaccl_live_disk *disk)
{
        if (!disk)
                return;
        if (disk->file >= 0)
                (void)close(disk->file);
        if (disk->copy >= 0)
                (void)close(disk->copy);
        free(disk->written);
        free(disk);
}

uint64_t hwaccl_live_disk_size(const struct hwaccl_live_disk *disk)
{
        return disk->size;
}

int64_t hwaccl_live_disk_modified(const struct hwaccl_live_disk *disk)
{
        return disk->modified;
}

static bool fault(struct hwaccl_live_disk *disk, int number)
{
        if (disk->faults++ == 0)
                disk->first_fault = number;
        return false;
}

static bool read_from(struct hwaccl_live_disk *disk, int file, uint64_t offset, uint8_t *buffer, size_t size)
{
        while (size) {
                ssize_t part = pread(file, buffer, size, (off_t)offset);
                if (part < 0 && errno == EINTR)
                        continue;
                if (part <= 0)
                        return fault(disk, part < 0 ? errno : 0);
                buffer += part;
                offset += (uint64_t)part;
                size -= (size_t)part;
        }
        return true;
}

static bool write_to(struct hwaccl_live_disk *disk, int file, uint64_t offset, const uint8_t *data, size_t size)
{
        while (size) {
                ssize_t part = pwrite(file, data, size, (off_t)offset);
                if (part < 0 && errno == EINTR)
                        continue;
                if (part <= 0)
                        return fault(disk, part < 0 ? errno : ENOSPC);
                data += part;
                offset += (uint64_t)part;
                size -= (size_t)part;
        }
        return true;
}

static bool inside(const struct hwaccl_live_disk *disk, uint64_t offset, size_t size)
{
        return offset % SECTOR == 0 && size % SECTOR == 0 && offset <= disk->size && size <= disk->size - offset;
}

static bool is_written(const struct hwaccl_live_disk *disk, uint64_t sector)
{
        return disk->written && disk->written[sector / 8] >> (sector % 8) & 1;
}

/* Consecutive sectors in the same file are read in one call. */
bool hwaccl_live_disk_read(struct hwaccl_live_disk *disk, uint64_t offset, void *buffer, size_t size)
{
        uint8_t *to = buffer;

        if (!inside(disk, offset, size))
                return fault(disk, EINVAL);
        while (size) {
                bool copied = is_written(disk, offset / SECTOR);
                size_t part = SECTOR;
                while (part < size && is_written(disk, (offset + part) / SECTOR) == copied)
                        part += SECTOR;
                if (!read_from(disk, copied ? disk->copy : disk->file, offset, to, part))
                        return false;
                to += part;
                offset += part;
                size -= part;
        }
        return true;
}

bool hwaccl_live_disk_write(struct hwaccl_live_disk *disk, uint64_t offset, const void *data, size_t size)
{
        if (!inside(disk, offset, size))
                return fault(disk, EINVAL);
        if (disk->mode == HWACCL_DISK_READ_ONLY)
                return fault(disk, EROFS);
        if (disk->mode == HWACCL_DISK_READ_WRITE)
                return write_to(disk, disk->file, offset, data, size);
        if (!write_to(disk, disk->copy, offset, data, size))
                return false;
        for (uint64_t sector = offset / SECTOR; sector < (offset + size) / SECTOR; sector++)
                disk->written[sector / 8] |= (uint8_t)(1u << (sector % 8));
        return true;
}

bool hwaccl_live_disk_flush(struct hwaccl_live_disk *disk)
{
        if (disk->mode == HWACCL_DISK_READ_WRITE && fdatasync(disk->file) < 0)
                return fault(disk, errno);
        return true;
}

uint64_t hwaccl_live_disk_faults(const struct hwaccl_live_disk *disk, int *first)
{
        *first = disk->first_fault;
        return disk->faults;
}
