/*
 * Reading a ring file that nobody writes any more. It is not trusted: its header is checked when it is opened, and each
 * record is copied to memory, with all its words, before anybody looks at it.
 */
#ifndef HWACCL_TRACER_RING_READER_H
#define HWACCL_TRACER_RING_READER_H

#include "tracer/ring/ring.h"
#include "tracer/ring/ring_status.h"

struct ring_reader {
        int fd;
        char *path;
        struct ring_header header; /* a copy */
        uint64_t head;
        uint64_t tail;
        uint8_t *buffer; /* what the file holds from start on */
        uint64_t start;
        uint64_t filled; /* bytes */
};

enum ring_reader_result {
        RING_READER_OPEN,   /* and locked: nobody else will write or recover it */
        RING_READER_UNUSED, /* it was not made to its end; locked, its header is all zeros */
        RING_READER_NONE,   /* there is no such file */
        RING_READER_IN_USE, /* its lock is held */
        RING_READER_BAD,    /* *error says what is wrong */
};

/** ring_reader_open - ring_reader_close() is due in every case */
enum ring_reader_result ring_reader_open(struct ring_reader *reader, const char *path, struct hwaccl_error *error);
void ring_reader_close(struct ring_reader *reader);

/**
 * ring_reader_at - the record at @position, in [tail, head); valid until the next call
 *
 * NULL with an empty *error when it is torn: a mark or size that cannot be; NULL with *error set when the file cannot
 * be read.
 */
const struct ring_record *ring_reader_at(struct ring_reader *reader, uint64_t position, struct hwaccl_error *error);

/** ring_reader_half_record - was a record begun behind the last one that was published? */
bool ring_reader_half_record(struct ring_reader *reader);

/** ring_state - is there a ring file, and does anybody hold it? @process: as of hwaccl_recovery_state() */
enum hwaccl_ring_state ring_state(const char *path, uint32_t *process);

/** ring_reader_read - @size bytes of a file from @offset on; false with errno set, which is 0 at the file's end */
bool ring_reader_read(int fd, void *buffer, size_t size, uint64_t offset);

/** ring_reader_process - the process that wrote the file, without taking its lock; 0 when that cannot be told */
uint32_t ring_reader_process(int fd);

#endif
