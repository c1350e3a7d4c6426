#include "tracer/ring/ring_status.h"

#include "tracer/ring/ring_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_BYTES 512 /* of the header's page: all of its members */

_Static_assert(sizeof(struct ring_header) <= HEADER_BYTES, "the header's members");

static uint32_t number32(const uint8_t *header, size_t offset)
{
        uint32_t value;

        memcpy(&value, header + offset, sizeof(value));
        return value;
}

static uint64_t number64(const uint8_t *header, size_t offset)
{
        uint64_t value;

        memcpy(&value, header + offset, sizeof(value));
        return value;
}

/* Read, not mapped: if the file is truncated meanwhile, the result is a short read and not a SIGBUS. */
static const char *read_header(int fd, uint8_t *header, struct hwaccl_ring_status *status)
{
        struct stat file;

        if (fstat(fd, &file) != 0)
                return strerror(errno);
        if (!S_ISREG(file.st_mode))
                return "is not a regular file";
        if (pread(fd, header, HEADER_BYTES, 0) != HEADER_BYTES ||
            memcmp(header + offsetof(struct ring_header, magic), RING_MAGIC, 8) != 0)
                return "not a ring";
        uint32_t version = number32(header, offsetof(struct ring_header, version));
        if (version < RING_VERSION_MIN || version > RING_VERSION ||
            number32(header, offsetof(struct ring_header, header_size)) != RING_HEADER_SIZE)
                return "ring of another version";
        uint64_t size = number64(header, offsetof(struct ring_header, data_size));
        /* the producer may advance head during the read; tail follows head in the page and is copied with or after it
         */
        uint64_t head = number64(header, offsetof(struct ring_header, head));
        uint64_t tail = number64(header, offsetof(struct ring_header, tail));
        if (size < RING_SIZE_MIN || size > RING_SIZE_MAX || (size & (size - 1)) ||
            (uint64_t)file.st_size < RING_HEADER_SIZE + size)
                return "ring with an invalid size";
        status->size = size;
        status->used = head > tail ? head - tail : 0;
        if (status->used > size)
                return "ring with invalid positions";
        return NULL;
}

static bool is_held(int fd, const uint8_t *bytes)
{
        struct ring_header header;

        memcpy(&header, bytes, sizeof(header));
        return ring_is_held(fd, &header);
}

enum hwaccl_ring_look hwaccl_ring_status_read(const char *recording, unsigned index, struct hwaccl_ring_status *status,
                                              struct hwaccl_error *error)
{
        uint8_t header[HEADER_BYTES];
        char *path = ring_file_path(recording, index);

        memset(status, 0, sizeof(*status));
        if (!path) {
                hwaccl_error_set(error, "out of memory");
                return HWACCL_RING_UNREADABLE;
        }
        enum hwaccl_ring_look found = HWACCL_RING_UNREADABLE;
        const char *problem = NULL;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 && errno == ENOENT) {
                found = HWACCL_RING_ABSENT;
        } else {
                problem = fd < 0 ? strerror(errno) : read_header(fd, header, status);
                if (problem)
                        hwaccl_error_set(error, "%s: %s", path, problem);
        }
        if (found != HWACCL_RING_ABSENT && !problem) {
                status->vcpu = number32(header, offsetof(struct ring_header, vcpu));
                status->failed = number32(header, offsetof(struct ring_header, consumer_failed)) != 0;
                status->alive = is_held(fd, header);
                found = HWACCL_RING_SEEN;
        }
        if (fd >= 0)
                (void)close(fd);
        free(path);
        return found;
}
