/* The image of a disk, in a file or on a block device of the host. */
#ifndef HWACCL_LIVE_DISK_H
#define HWACCL_LIVE_DISK_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hwaccl_live_disk;

enum hwaccl_disk_mode {
        HWACCL_DISK_READ_WRITE,    /* exclusive lock */
        HWACCL_DISK_READ_ONLY,     /* shared lock: other readers are allowed */
        HWACCL_DISK_COPY_ON_WRITE, /* shared lock; writes go to an unnamed temporary file in $TMPDIR (else
                                     /var/tmp, else /tmp) and are discarded when the disk is closed */
};

/**
 * hwaccl_live_disk_open - open and lock an image
 *
 * A regular file or a block device, not empty, with a multiple of 512 bytes. The lock is an open file description lock
 * of the whole file (fcntl(2), F_OFD_SETLK). Returns NULL with *error set; the message begins with @path.
 */
struct hwaccl_live_disk *hwaccl_live_disk_open(const char *path, enum hwaccl_disk_mode mode,
                                               struct hwaccl_error *error);

/** hwaccl_live_disk_close - accepts NULL */
void hwaccl_live_disk_close(struct hwaccl_live_disk *disk);

/** hwaccl_live_disk_size - bytes, when it was opened */
uint64_t hwaccl_live_disk_size(const struct hwaccl_live_disk *disk);

/** hwaccl_live_disk_modified - last modification of the image before it was opened: seconds since 1970 */
int64_t hwaccl_live_disk_modified(const struct hwaccl_live_disk *disk);

/**
 * hwaccl_live_disk_read, hwaccl_live_disk_write, hwaccl_live_disk_flush - access whole sectors of 512 bytes
 *
 * False on a host error: an I/O error, a full file system, a truncated image. Flush
 * waits until writes are on stable storage; it does nothing for a disk that is not read-write.
 */
bool hwaccl_live_disk_read(struct hwaccl_live_disk *disk, uint64_t offset, void *buffer, size_t size);
bool hwaccl_live_disk_write(struct hwaccl_live_disk *disk, uint64_t offset, const void *data, size_t size);
bool hwaccl_live_disk_flush(struct hwaccl_live_disk *disk);

/** hwaccl_live_disk_faults - number of failed calls; @first: errno of the first, 0 for a truncated image */
uint64_t hwaccl_live_disk_faults(const struct hwaccl_live_disk *disk, int *first);

#endif
