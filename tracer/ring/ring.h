/*
 * A ring of variable-length records between one producer thread and one consumer thread, in a shared, file-backed
 * mapping. The data part is mapped twice in a row, so that every record is contiguous. The ring blocks rather than
 * drops.
 *
 * The file outlives the process. Positions count bytes since the ring was made and never wrap: the byte at position p
 * lies at offset RING_HEADER_SIZE + p % data_size of the file. Everything in [tail, head) is complete; tail moves only
 * when the consumer has made what it read durable. Each record begins with a mark made of its position, which tells it
 * from what an earlier lap left at the same place. Whoever writes the file holds it for as long as it lives
 * (ring_owner.h); a ring that nobody holds was left by a recorder that died.
 */
#ifndef HWACCL_TRACER_RING_H
#define HWACCL_TRACER_RING_H

#include "hwaccl/error.h"

#include "tracer/ring/steps.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RING_SUFFIX      "-ring"    /* of the file, behind the database's name */
#define RING_MAGIC       "hwaccl-r" /* 8 bytes, without a terminator */
#define RING_VERSION     3u
#define RING_VERSION_MIN 2u /* that is still read: it has no records of type WALK */
#define RING_HEADER_SIZE 4096u
#define RING_SIZE_MIN    (256u << 10)
#define RING_SIZE_MAX    (1u << 30)

/* What tells the recorder's process from every other one; 0: unknown. */
struct ring_owner {
        uint64_t start;         /* proc(5): starttime, in clock ticks after boot */
        char boot[16];          /* of the host: beginning of its boot_id */
        uint64_t pid_namespace; /* inode of /proc/PID/ns/pid */
        uint64_t time_namespace;
};

/* First page of the file. Little endian. */
struct ring_header {
        char magic[8]; /* it comes last: see ring_announce() */
        uint32_t version;
        uint32_t header_size; /* RING_HEADER_SIZE */
        uint64_t data_size;   /* bytes, a power of two */
        uint32_t vcpu;
        uint32_t keyframe_interval;
        /* time stamps in records are of this kind; stamp_origin is that of the recording's time 0 */
        uint32_t stamp_kind; /* enum stamp_kind of timestamps.h */
        uint32_t process;    /* that wrote it */
        uint64_t stamp_origin;
        _Atomic uint64_t stamp_khz; /* rate of the stamps as last measured; 0: not yet */
        uint64_t identity;          /* random: the database's checkpoint names it */
        _Alignas(64) _Atomic uint64_t head;
        _Atomic uint64_t completed; /* exits whose handling is recorded to its end, before head */
        _Alignas(64) _Atomic uint64_t tail;
        _Alignas(64) _Atomic uint32_t consumer_failed; /* the producer must stop */
        uint32_t unused;
        struct ring_owner owner;
};

struct consumer;

struct ring {
        struct ring_header *header;
        uint8_t *data;
        uint64_t size;
        int fd;
        char *path;
        struct consumer *consumer; /* to be woken when it rests and the ring fills; NULL: it never rests for long */
};

/**
 * ring_create - make the ring file; one that exists is an error, as it may hold what a crash left
 * @size: bytes, a power of two from RING_SIZE_MIN to RING_SIZE_MAX
 *
 * Disk space is allocated here, so that a full disk is an error now and no SIGBUS later. The caller fills the rest of
 * the header in and then calls ring_announce().
 */
bool ring_create(struct ring *ring, const char *path, uint64_t size, struct hwaccl_error *error);

/** ring_announce - the header is whole. To recovery, a file that did not come to this was never used */
void ring_announce(struct ring *ring);

/** ring_file_path - of a recording's ring: RECORDING-ring, RECORDING-ring.1 …; NULL without memory, else free it */
char *ring_file_path(const char *recording, unsigned index);

/** ring_destroy - unmap, close, and remove the file if @remove, while it is still held */
void ring_destroy(struct ring *ring, bool remove);

/** ring_trim - give the disk space back in which nothing waits to be read. The producer has stopped for good */
void ring_trim(struct ring *ring);

/* One record's first 8 bytes. */
struct ring_record {
        uint16_t words; /* of 8 bytes, this header included */
        uint8_t type;
        uint8_t extra;
        uint32_t mark;
};

_Static_assert(sizeof(struct ring_record) == 8, "a record header is one word");

#define RING_RECORD_SIZE_MAX ((size_t)UINT16_MAX * 8)

static inline uint32_t ring_mark(uint64_t position)
{
        return (uint32_t)(position >> 3) ^ UINT32_C(0x5ac3e617);
}

struct record_buffer;

/* The producer's side. What it writes after reserving becomes visible with ring_publish(). */
struct ring_producer {
        struct ring *ring;
        struct record_buffer *buffer; /* that it writes to instead: record_buffer.h. NULL: the ring */
        uint64_t head;                /* end of what was reserved */
        uint64_t limit;               /* before a reservation may end behind this, ring_look() */
        /* the ring's, at hand: each record needs them */
        uint8_t *data;
        uint64_t mask;
        struct ring_header *header;
};

void ring_producer_init(struct ring_producer *producer, struct ring *ring);

/**
 * ring_look - how far the consumer is: wake it if it rests, wait until @size more bytes are free
 *
 * It is due whenever another quarter of the ring is full: that costs no record anything, and a consumer that rests has
 * the rest of the ring before it is missed. Publishes first. False when the consumer has failed.
 */
bool ring_look(struct ring_producer *producer, size_t size);

static inline void ring_publish(struct ring_producer *producer)
{
        STEP("publish");
        atomic_store_explicit(&producer->header->head, producer->head, memory_order_release);
}

/** ring_complete - everything that was published holds @exits whole exits */
static inline void ring_complete(struct ring_producer *producer, uint64_t exits)
{
        STEP("complete");
        atomic_store_explicit(&producer->header->completed, exits, memory_order_release);
}

/**
 * ring_reserve - room for one record of @size bytes (a multiple of 8, at most half the ring), its header filled in
 *
 * Returns NULL when the consumer has failed, or the buffer cannot grow.
 */
static inline struct ring_record *ring_reserve(struct ring_producer *producer, size_t size, uint8_t type, uint8_t extra)
{
        if (__builtin_expect(producer->head + size > producer->limit, 0) && !ring_look(producer, size))
                return NULL;
        void *at = producer->data + (producer->head & producer->mask);
        const struct ring_record record = {(uint16_t)(size / 8), type, extra, ring_mark(producer->head)};
        memcpy(at, &record, sizeof(record)); /* one store */
        producer->head += size;
        return at;
}

/** ring_head - end of what may be read: consumer's side */
uint64_t ring_head(const struct ring *ring);

/** ring_at - the record at @position, which lies before @head; NULL when it is torn: a mark or size that cannot be */
const struct ring_record *ring_at(const struct ring *ring, uint64_t position, uint64_t head);

/** ring_release - everything before @position is durable; the producer may overwrite it */
void ring_release(struct ring *ring, uint64_t position);

void ring_fail(struct ring *ring);

static inline bool ring_header_failed(const struct ring_header *header)
{
        STEP("look for failure");
        return atomic_load_explicit(&header->consumer_failed, memory_order_acquire) != 0;
}

static inline bool ring_failed(const struct ring *ring)
{
        return ring_header_failed(ring->header);
}

#endif
