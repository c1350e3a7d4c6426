/* The image of a disk, in a file or on a block device of the host. */
#ifndef HWACCL_LIVE_DISK_H
#define HWACCL_LIVE_DISK_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hwaccl_live_disk;

enum hwaccl_disk_mode {
        HWACCL_DISK_READ_WRITE,    /* locked: nobody else may use the image */
        HWACCL_DISK_READ_ONLY,     /* shared lock: others may read it */
        HWACCL_DISK_COPY_ON_WRITE, /* the same; what is written goes to a nameless temporary file in $TMPDIR (else
                                      /var/tmp, else /tmp) and is gone when the disk is closed */
};

/**
 * hwaccl_live_disk_open - open and lock an image
 *
 * A regular file or a block device, not empty, with a multiple of 512 bytes. The lock is an open file description lock
 * of the whole file (fcntl(2), F_OFD_SETLK). Returns NULL with *error set, which begins with @path.
 */
struct hwaccl_live_disk *hwaccl_live_disk_open(const char *path, enum hwaccl_disk_mode mode,
                                               struct hwaccl_error *error);

/** hwaccl_live_disk_close - accepts NULL */
void hwaccl_live_disk_close(struct hwaccl_live_disk *disk);

/** hwaccl_live_disk_size - bytes, as they were when it was opened */
uint64_t hwaccl_live_disk_size(const struct hwaccl_live_disk *disk);

/** hwaccl_live_disk_modified - when the image was modified last before it was opened: seconds since 1970 */
int64_t hwaccl_live_disk_modified(const struct hwaccl_live_disk *disk);

/**
 * hwaccl_live_disk_read, hwaccl_live_disk_write, hwaccl_live_disk_flush - whole sectors of 512 bytes
 *
 * False when the host could not: an I/O error, a full file system, an image that became shorter than it was. Flush
 * waits until what was written is on stable storage; it has nothing to do for a disk that is not read-write.
 */
bool hwaccl_live_disk_read(struct hwaccl_live_disk *disk, uint64_t offset, void *buffer, size_t size);
bool hwaccl_live_disk_write(struct hwaccl_live_disk *disk, uint64_t offset, const void *data, size_t size);
bool hwaccl_live_disk_flush(struct hwaccl_live_disk *disk);

/** hwaccl_live_disk_faults - how many of these failed; @first: set to the errno of the first, 0 for a short image */
uint64_t hwaccl_live_disk_faults(const struct hwaccl_live_disk *disk, int *first);

#endif
