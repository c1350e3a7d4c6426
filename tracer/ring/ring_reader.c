#include "tracer/ring/ring_reader.h"

#include "tracer/ring/exit_id.h"
#include "tracer/ring/ring_owner.h"
#include "tracer/ring/timestamps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW (2 * RING_RECORD_SIZE_MAX)

bool ring_reader_read(int fd, void *buffer, size_t size, uint64_t offset)
{
        uint8_t *to = buffer;

        while (size) {
                ssize_t got = pread(fd, to, size, (off_t)offset);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0) {
                        if (got == 0)
                                errno = 0;
                        return false;
                }
                to += got;
                size -= (size_t)got;
                offset += (uint64_t)got;
        }
        return true;
}

static bool cannot_read(const struct ring_reader *reader, struct hwaccl_error *error)
{
        return hwaccl_error_set(error, "%s: cannot read: %s", reader->path,
                                errno ? strerror(errno) : "file is truncated");
}

/* Zeros when there is none. */
static void read_header(int fd, struct ring_header *header)
{
        if (!ring_reader_read(fd, header, sizeof(*header), 0) ||
            memcmp(header->magic, RING_MAGIC, sizeof(header->magic)) != 0)
                memset(header, 0, sizeof(*header));
}

uint32_t ring_reader_process(int fd)
{
        struct ring_header header;

        read_header(fd, &header);
        return header.process;
}

bool ring_reader_is_dead(int fd)
{
        struct ring_header header;

        read_header(fd, &header);
        return ring_owner_is_gone(&header);
}

enum hwaccl_ring_state ring_state(const char *path, uint32_t *process)
{
        struct ring_header header;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (process)
                *process = 0;
        if (fd < 0)
                return errno == ENOENT ? HWACCL_RING_NONE : HWACCL_RING_LEFT;
        read_header(fd, &header);
        bool used = ring_is_held(fd, &header);
        if (process)
                *process = header.process;
        (void)close(fd);
        return used ? HWACCL_RING_IN_USE : HWACCL_RING_LEFT;
}

static const char *header_problem(const struct ring_reader *reader)
{
        const struct ring_header *header = &reader->header;
        uint64_t used = reader->head - reader->tail;

        if (header->header_size != RING_HEADER_SIZE)
                return "header_size";
        if (header->data_size < RING_SIZE_MIN || header->data_size > RING_SIZE_MAX ||
            (header->data_size & (header->data_size - 1)))
                return "data_size";
        if (header->vcpu > VCPU_MAX)
                return "vcpu";
        if (header->keyframe_interval == 0)
                return "keyframe_interval";
        if (header->stamp_kind > STAMP_MONOTONIC || header->stamp_khz > STAMP_KHZ_MAX)
                return "stamp_kind or stamp_khz";
        if (reader->head < reader->tail || used > header->data_size || (reader->head | reader->tail) & 7 ||
            reader->head > INT64_MAX)
                return "head or tail";
        return NULL;
}

static bool version_is_read(const struct ring_header *header)
{
        return header->version >= RING_VERSION_MIN && header->version <= RING_VERSION;
}

/* A ring that was created but not announced. The check is strict, because such a file is removed.
 */
static bool was_never_used(const struct ring_header *header)
{
        static const char none[sizeof(header->magic)];

        return memcmp(header->magic, none, sizeof(none)) == 0 && (header->version == 0 || version_is_read(header)) &&
               (header->header_size == 0 || header->header_size == RING_HEADER_SIZE) && header->head == 0 &&
               header->completed == 0 && header->tail == 0 && header->consumer_failed == 0;
}

static enum ring_reader_result check(struct ring_reader *reader, struct hwaccl_error *error)
{
        struct ring_header *header = &reader->header;
        struct stat status;

        if (fstat(reader->fd, &status) != 0) {
                (void)cannot_read(reader, error);
                return RING_READER_BAD;
        }
        if (!S_ISREG(status.st_mode)) {
                hwaccl_error_set(error, "%s: is not a regular file", reader->path);
                return RING_READER_BAD;
        }
        size_t size = status.st_size < (off_t)sizeof(*header) ? (size_t)status.st_size : sizeof(*header);
        if (!ring_reader_read(reader->fd, header, size, 0)) {
                (void)cannot_read(reader, error);
                return RING_READER_BAD;
        }
        if (was_never_used(header)) {
                memset(header, 0, sizeof(*header));
                return RING_READER_UNUSED;
        }
        if (memcmp(header->magic, RING_MAGIC, sizeof(header->magic)) != 0) {
                hwaccl_error_set(error, "%s: not a ring of hwaccl", reader->path);
                return RING_READER_BAD;
        }
        if (!version_is_read(header)) {
                hwaccl_error_set(error, "%s: ring version %" PRIu32 " is not supported (expected %u to %u)",
                                 reader->path, header->version, RING_VERSION_MIN, RING_VERSION);
                return RING_READER_BAD;
        }
        reader->head = header->head;
        reader->tail = header->tail;
        const char *problem = header_problem(reader);
        if (!problem && status.st_size < (off_t)(RING_HEADER_SIZE + header->data_size))
                problem = "length";
        if (problem) {
                hwaccl_error_set(error, "%s: damaged: invalid %s", reader->path, problem);
                return RING_READER_BAD;
        }
        return RING_READER_OPEN;
}

static enum ring_reader_result cannot_lock(const struct ring_reader *reader, struct hwaccl_error *error)
{
        if (errno == EAGAIN || errno == EACCES)
                return RING_READER_IN_USE;
        hwaccl_error_set(error, "%s: cannot lock: %s", reader->path, strerror(errno));
        return RING_READER_BAD;
}

/* Take the recovery's lock; fails if another recovery, or a recorder that is creating the file, holds it. */
static enum ring_reader_result hold(const struct ring_reader *reader, struct hwaccl_error *error)
{
        struct stat status;

        if (!ring_lock(reader->fd, RING_LOCK_RECOVERY))
                return cannot_lock(reader, error);
        if (!ring_lock(reader->fd, RING_LOCK_RECORDER)) {
                struct ring_header header;
                enum ring_reader_result result = cannot_lock(reader, error);
                read_header(reader->fd, &header);
                if (result == RING_READER_BAD || !ring_owner_is_gone(&header))
                        return result;
        }
        /* another recovery may have completed and removed the file between open and lock */
        return fstat(reader->fd, &status) == 0 && status.st_nlink == 0 ? RING_READER_NONE : RING_READER_OPEN;
}

enum ring_reader_result ring_reader_open(struct ring_reader *reader, const char *path, struct hwaccl_error *error)
{
        memset(reader, 0, sizeof(*reader));
        reader->path = strdup(path);
        reader->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (reader->fd < 0 && errno == ENOENT)
                return RING_READER_NONE;
        if (reader->fd < 0 || !reader->path) {
                hwaccl_error_set(error, "%s: cannot open: %s", path, strerror(errno));
                return RING_READER_BAD;
        }
        enum ring_reader_result result = hold(reader, error);
        if (result == RING_READER_OPEN)
                result = check(reader, error);
        if (result != RING_READER_OPEN)
                return result;
        reader->buffer = malloc(WINDOW);
        if (reader->buffer)
                return RING_READER_OPEN;
        hwaccl_error_set(error, "out of memory");
        return RING_READER_BAD;
}

void ring_reader_close(struct ring_reader *reader)
{
        if (reader->fd >= 0)
                (void)close(reader->fd);
        free(reader->path);
        free(reader->buffer);
}

/* The file's bytes from @position on, as many as the buffer takes and the ring has; the data part wraps. */
static bool fill(struct ring_reader *reader, uint64_t position, struct hwaccl_error *error)
{
        const uint64_t size = reader->header.data_size;
        uint64_t want = WINDOW < size ? WINDOW : size;
        uint64_t offset = position & (size - 1);
        uint64_t first = want < size - offset ? want : size - offset;

        reader->start = position;
        reader->filled = 0;
        if (!ring_reader_read(reader->fd, reader->buffer, (size_t)first, RING_HEADER_SIZE + offset) ||
            !ring_reader_read(reader->fd, reader->buffer + first, (size_t)(want - first), RING_HEADER_SIZE))
                return cannot_read(reader, error);
        reader->filled = want;
        return true;
}

static bool holds(const struct ring_reader *reader, uint64_t position, uint64_t size)
{
        return position >= reader->start && position - reader->start + size <= reader->filled;
}

/* The record's first word, or all of it, in the buffer. */
static const struct ring_record *look(struct ring_reader *reader, uint64_t position, uint64_t size,
                                      struct hwaccl_error *error)
{
        if (!holds(reader, position, size) && (!fill(reader, position, error) || !holds(reader, position, size)))
                return NULL;
        return (const struct ring_record *)(const void *)(reader->buffer + (position - reader->start));
}

const struct ring_record *ring_reader_at(struct ring_reader *reader, uint64_t position, struct hwaccl_error *error)
{
        const uint64_t room = reader->head - position;
        const struct ring_record *record;

        error->message[0] = '\0';
        if (room < sizeof(*record))
                return NULL;
        record = look(reader, position, sizeof(*record), error);
        if (!record || record->mark != ring_mark(position) || record->words == 0 || (uint64_t)record->words * 8 > room)
                return NULL;
        return look(reader, position, (uint64_t)record->words * 8, error);
}

bool ring_reader_half_record(struct ring_reader *reader)
{
        struct hwaccl_error ignored;
        const struct ring_record *record;

        if (reader->head - reader->tail == reader->header.data_size)
                return false; /* no space for another record */
        record = look(reader, reader->head, sizeof(*record), &ignored);
        return record && record->mark == ring_mark(reader->head) && record->words;
}
