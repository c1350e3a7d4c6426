/*
 * A ring of variable-length records between one producer thread and one consumer thread, in a shared, file-backed
 * mapping. The data part is mapped twice in a row, so that every record is contiguous. A full ring blocks the producer;
 * no record is dropped.
 *
 * The file outlives the process. Positions count bytes since the ring was created and never wrap: the byte at position
 * p is at offset RING_HEADER_SIZE + p % data_size of the file. All records in [tail, head) are complete; tail advances
 * when the consumer has made them durable. Each record begins with a mark derived from its position, which
 * distinguishes it from an older record at the same place. The recorder holds a lock on the file (ring_owner.h); a ring
 * without a lock was left by a recorder that died.
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

#define RING_SUFFIX      "-ring"    /* appended to the name of the database */
#define RING_MAGIC       "hwaccl-r" /* 8 bytes, without a terminator */
#define RING_VERSION     6u
#define RING_VERSION_MIN 2u /* oldest version that is read; it has no records of type WALK, THREAD_TIME or FAULT */
#define RING_HEADER_SIZE 4096u
#define RING_FILES_MAX   192u /* of a recording: 64 vCPUs and 128 other threads */
#define RING_SIZE_MIN    (256u << 10)
#define RING_SIZE_MAX    (1u << 30)

/* Identifies the recorder's process; 0: unknown. */
struct ring_owner {
        uint64_t start;         /* proc(5): starttime, in clock ticks after boot */
        char boot[16];          /* of the host: beginning of its boot_id */
        uint64_t pid_namespace; /* inode of /proc/PID/ns/pid */
        uint64_t time_namespace;
};

/* First page of the file. Little endian. */
struct ring_header {
        char magic[8]; /* written last: see ring_announce() */
        uint32_t version;
        uint32_t header_size; /* RING_HEADER_SIZE */
        uint64_t data_size;   /* bytes, a power of two */
        uint32_t vcpu;        /* number of its lane: the vCPU, or LANE_THREAD_FIRST and more */
        uint32_t keyframe_interval;
        /* kind of the time stamps in records; stamp_origin is the stamp of the recording's time 0 */
        uint32_t stamp_kind; /* enum stamp_kind of timestamps.h */
        uint32_t process;    /* PID of the recorder */
        uint64_t stamp_origin;
        _Atomic uint64_t stamp_khz; /* measured rate of the stamps; 0: not measured yet */
        uint64_t identity;          /* random; also in the database's checkpoint */
        _Alignas(64) _Atomic uint64_t head;
        _Atomic uint64_t completed; /* exits before head that are completely recorded */
        _Alignas(64) _Atomic uint64_t tail;
        _Alignas(64) _Atomic uint32_t consumer_failed; /* the producer must stop */
        uint32_t unused;
        struct ring_owner owner;
        /* of a flight recorder with several lanes, in the first ring: where in the sequence over all lanes its window
         * begins (ring_exit_order()); 0: it has all exits */
        _Atomic uint64_t window_begin;
};

struct consumer;

struct ring {
        struct ring_header *header;
        uint8_t *data;
        uint64_t size;
        int fd;
        char *path;
        struct consumer *consumer;   /* woken when the ring fills; NULL: it has no long rests */
        bool (*consumer_gone)(void); /* whether the consumer's process has ended; NULL: it is the producer's */
        bool (*may_sleep)(void);     /* whether the producer may make system calls while it waits; NULL: it may */
};

/**
 * ring_create - create the ring file; fails if it exists, because it may hold the exits of a crashed recorder
 * @size: bytes, a power of two from RING_SIZE_MIN to RING_SIZE_MAX; @mode: hwaccl_file_create()
 *
 * Allocates the disk space, so that a full disk is an error now and not a SIGBUS later. The caller fills in the rest of
 * the header and then calls ring_announce().
 */
bool ring_create(struct ring *ring, const char *path, uint64_t size, unsigned mode, struct hwaccl_error *error);

/** ring_attach - map a ring that another process created, for its producer. Keeps neither @fd nor the path, so
 * ring_destroy() unmaps only */
bool ring_attach(struct ring *ring, int fd, struct hwaccl_error *error);

/** ring_announce - mark the header as complete. Recovery treats a ring without the mark as never used */
void ring_announce(struct ring *ring);

/** ring_file_path - path of a recording's ring: RECORDING-ring, RECORDING-ring.1 …; NULL if out of memory; the caller
 * frees it */
char *ring_file_path(const char *recording, unsigned index);

/** ring_destroy - unmap, close, and with @remove remove the file (before its lock is released) */
void ring_destroy(struct ring *ring, bool remove);

/** ring_trim - free the disk space of records that were read. The producer must have stopped */
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

/* The producer's side. Reserved records become visible to the consumer with ring_publish(). */
struct ring_producer {
        struct ring *ring;
        struct record_buffer *buffer; /* that it writes to instead: record_buffer.h. NULL: the ring */
        uint64_t head;                /* end of what was reserved */
        uint64_t limit;               /* call ring_look() before a reservation ends beyond this position */
        /* copies from the ring, for speed */
        uint8_t *data;
        uint64_t mask;
        struct ring_header *header;
};

void ring_producer_init(struct ring_producer *producer, struct ring *ring);

/**
 * ring_look - check the consumer: wake it from a long rest, wait until @size bytes are free
 *
 * Called each time another quarter of the ring is full: this adds no cost per record, and a resting consumer has
 * the remaining space as time to wake up. Publishes first. Returns false if the consumer has failed.
 */
bool ring_look(struct ring_producer *producer, size_t size);

static inline void ring_publish(struct ring_producer *producer)
{
        STEP("publish");
        atomic_store_explicit(&producer->header->head, producer->head, memory_order_release);
}

/** ring_complete - the published records contain @exits complete exits */
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

/** ring_head - end of the published records; for the consumer */
uint64_t ring_head(const struct ring *ring);

/** ring_at - the record at @position, which is before @head; NULL if it is torn (invalid mark or size) */
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
