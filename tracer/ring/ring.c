#include "tracer/ring/ring.h"

#include "core/assert.h"
#include "core/host/file.h"
#include "tracer/ring/consumer.h"
#include "tracer/ring/record_buffer.h"
#include "tracer/ring/ring_owner.h"
#include "tracer/ring/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The producer checks the consumer each time 1/LOOK_SHARE of the ring has filled. */
#define LOOK_SHARE 4u

/* Map the header page and two consecutive views of the data. */
static bool map(struct ring *ring)
{
        size_t whole = RING_HEADER_SIZE + 2 * (size_t)ring->size;
        uint8_t *base = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (base == MAP_FAILED)
                return false;
        const int flags = MAP_SHARED | MAP_FIXED;
        if (mmap(base, RING_HEADER_SIZE + (size_t)ring->size, PROT_READ | PROT_WRITE, flags, ring->fd, 0) ==
                    MAP_FAILED ||
            mmap(base + RING_HEADER_SIZE + ring->size, (size_t)ring->size, PROT_READ | PROT_WRITE, flags, ring->fd,
                 RING_HEADER_SIZE) == MAP_FAILED) {
                int reason = errno;
                (void)munmap(base, whole);
                errno = reason;
                return false;
        }
        ring->header = (struct ring_header *)(void *)base;
        ring->data = base + RING_HEADER_SIZE;
        return true;
}

/* A first touch of a page costs microseconds, more under a hypervisor: do it before the vCPU thread does. */
static void populate(struct ring *ring)
{
#ifdef MADV_POPULATE_WRITE
        (void)madvise(ring->data, (size_t)ring->size,
                      MADV_POPULATE_WRITE); /* optimization; older kernels do not know it */
#endif
        memset(ring->data, 0, (size_t)ring->size);
}

static bool fill_header(struct ring *ring, struct hwaccl_error *error)
{
        struct ring_header *header = ring->header;

        header->version = RING_VERSION;
        header->header_size = RING_HEADER_SIZE;
        header->data_size = ring->size;
        ring_owner_set(header);
        if (getrandom(&header->identity, sizeof(header->identity), 0) != (ssize_t)sizeof(header->identity))
                return hwaccl_error_set(error, "%s: cannot get random bytes: %s", ring->path, strerror(errno));
        return true;
}

void ring_announce(struct ring *ring)
{
        STEP("ring header filled");
        /* the header must be written before the magic, in program order: the process may die in between
         * better */
        atomic_signal_fence(memory_order_release);
        memcpy(ring->header->magic, RING_MAGIC, sizeof(ring->header->magic));
        STEP("ring made");
}

static bool allocate(struct ring *ring, struct hwaccl_error *error)
{
        struct stat status;

        if (!ring_lock(ring->fd, RING_LOCK_RECORDER))
                return hwaccl_error_set(error, "%s: cannot lock: %s", ring->path, strerror(errno));
        STEP("ring locked");
        if (fstat(ring->fd, &status) != 0 || status.st_nlink == 0)
                return hwaccl_error_set(error, "%s: removed by 'hwaccl recover' while it was created", ring->path);
        int result = posix_fallocate(ring->fd, 0, (off_t)(RING_HEADER_SIZE + ring->size));
        if (result)
                return hwaccl_error_set(error, "%s: cannot allocate %llu bytes: %s", ring->path,
                                        (unsigned long long)(RING_HEADER_SIZE + ring->size), strerror(result));
        STEP("ring allocated");
        if (!map(ring))
                return hwaccl_error_set(error, "%s: cannot map: %s", ring->path, strerror(errno));
        populate(ring);
        return fill_header(ring, error);
}

char *ring_file_path(const char *recording, unsigned index)
{
        size_t room = strlen(recording) + sizeof(RING_SUFFIX ".4294967295");
        char *path = malloc(room);

        if (path && index == 0)
                (void)snprintf(path, room, "%s" RING_SUFFIX, recording);
        else if (path)
                (void)snprintf(path, room, "%s" RING_SUFFIX ".%u", recording, index);
        return path;
}

bool ring_create(struct ring *ring, const char *path, uint64_t size, unsigned mode, struct hwaccl_error *error)
{
        memset(ring, 0, sizeof(*ring));
        ring->fd = -1;
        if (size < RING_SIZE_MIN || size > RING_SIZE_MAX || (size & (size - 1)))
                return hwaccl_error_set(error, "ring size %llu is not a power of two from %u to %u",
                                        (unsigned long long)size, RING_SIZE_MIN, RING_SIZE_MAX);
        ring->size = size;
        ring->path = strdup(path);
        if (!ring->path)
                return hwaccl_error_set(error, "out of memory");
        ring->fd = hwaccl_file_create(AT_FDCWD, path, O_RDWR | O_EXCL, mode);
        if (ring->fd < 0) {
                if (errno == EEXIST)
                        hwaccl_error_set(error, "%s: exists", path);
                else
                        hwaccl_error_set(error, "%s: cannot create: %s", path, strerror(errno));
                ring_destroy(ring, false);
                return false;
        }
        STEP("ring file made");
        if (allocate(ring, error))
                return true;
        ring_destroy(ring, true);
        return false;
}

bool ring_attach(struct ring *ring, int fd, struct hwaccl_error *error)
{
        struct stat status;

        memset(ring, 0, sizeof(*ring));
        ring->fd = -1;
        if (fstat(fd, &status) != 0)
                return hwaccl_error_set(error, "cannot read the ring's size: %s", strerror(errno));
        uint64_t size = (uint64_t)status.st_size - RING_HEADER_SIZE;
        if (status.st_size < (off_t)RING_HEADER_SIZE || size < RING_SIZE_MIN || size > RING_SIZE_MAX ||
            (size & (size - 1)))
                return hwaccl_error_set(error, "not a ring: %lld bytes", (long long)status.st_size);
        ring->size = size;
        ring->fd = fd;
        bool mapped = map(ring);
        ring->fd = -1;
        return mapped || hwaccl_error_set(error, "cannot map the ring: %s", strerror(errno));
}

void ring_destroy(struct ring *ring, bool remove)
{
        /* remove it first: once the lock is released, the name may belong to another ring */
        if (remove && ring->path)
                (void)unlink(ring->path);
        if (ring->header)
                (void)munmap(ring->header, RING_HEADER_SIZE + 2 * (size_t)ring->size);
        if (ring->fd >= 0)
                (void)close(ring->fd);
        free(ring->path);
        memset(ring, 0, sizeof(*ring));
        ring->fd = -1;
}

static void punch(struct ring *ring, uint64_t from, uint64_t to)
{
        const uint64_t page = 4096;

        from = (from + page - 1) / page * page;
        to = to / page * page;
        if (to > from)
                (void)fallocate(ring->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(RING_HEADER_SIZE + from),
                                (off_t)(to - from));
}

void ring_trim(struct ring *ring)
{
        uint64_t head = atomic_load_explicit(&ring->header->head, memory_order_relaxed) & (ring->size - 1);
        uint64_t tail = atomic_load_explicit(&ring->header->tail, memory_order_relaxed) & (ring->size - 1);

        if (ring_head(ring) - atomic_load_explicit(&ring->header->tail, memory_order_relaxed) == ring->size)
                return;
        if (head <= tail) {
                punch(ring, head, tail);
                if (head == tail) {
                        punch(ring, 0, head);
                        punch(ring, head, ring->size);
                }
        } else {
                punch(ring, 0, tail);
                punch(ring, head, ring->size);
        }
}

void ring_producer_init(struct ring_producer *producer, struct ring *ring)
{
        producer->ring = ring;
        producer->buffer = NULL;
        producer->data = ring->data;
        producer->mask = ring->size - 1;
        producer->header = ring->header;
        producer->head = atomic_load_explicit(&ring->header->head, memory_order_relaxed);
        producer->limit = producer->head;
}

/* Set the limit to the end of the free space, or to the point of the next check. */
static bool set_limit(struct ring_producer *producer, size_t size)
{
        const struct ring *ring = producer->ring;
        uint64_t end = atomic_load_explicit(&ring->header->tail, memory_order_acquire) + ring->size;
        uint64_t look = producer->head + (size > ring->size / LOOK_SHARE ? size : ring->size / LOOK_SHARE);

        producer->limit = look < end ? look : end;
        return producer->head + size <= end;
}

/* A commit takes milliseconds; short sleeps here are cheaper than a futex on the common path. */
bool ring_look(struct ring_producer *producer, size_t size)
{
        struct ring *ring = producer->ring;

        if (producer->buffer)
                return record_buffer_grow(producer, size);
        hwaccl_assert(size <= ring->size / 2);
        ring_publish(producer);
        for (unsigned round = 0;; round++) {
                if (ring->consumer)
                        consumer_wake(ring->consumer);
                if (ring_failed(ring))
                        return false;
                STEP("producer looks for room");
                if (set_limit(producer, size))
                        return true;
                if (ring->consumer_gone && ring->consumer_gone())
                        return false;
                if (round < 64 || (ring->may_sleep && !ring->may_sleep())) {
                        __builtin_ia32_pause();
                } else {
                        struct timespec wait = {0, round < 256 ? 20000 : 200000};
                        (void)nanosleep(&wait, NULL);
                }
        }
}

uint64_t ring_head(const struct ring *ring)
{
        STEP("consumer looks for records");
        return atomic_load_explicit(&ring->header->head, memory_order_acquire);
}

const struct ring_record *ring_at(const struct ring *ring, uint64_t position, uint64_t head)
{
        const struct ring_record *record =
                (const struct ring_record *)(const void *)(ring->data + (position & (ring->size - 1)));

        if (head - position < sizeof(*record) || record->mark != ring_mark(position) || record->words == 0 ||
            (uint64_t)record->words * 8 > head - position)
                return NULL;
        return record;
}

void ring_release(struct ring *ring, uint64_t position)
{
        STEP("release");
        atomic_store_explicit(&ring->header->tail, position, memory_order_release);
}

void ring_fail(struct ring *ring)
{
        STEP("consumer fails");
        atomic_store_explicit(&ring->header->consumer_failed, 1, memory_order_release);
}
