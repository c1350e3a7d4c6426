/*
 * Reads a ring file whose recorder has died. The file is untrusted: its header is checked when it is opened, and each
 * record is copied to memory before it is examined.
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
        uint8_t *buffer; /* contents of the file from start on */
        uint64_t start;
        uint64_t filled; /* bytes */
};

enum ring_reader_result {
        RING_READER_OPEN,   /* open and locked */
        RING_READER_UNUSED, /* locked; its header was not completed and is all zeros */
        RING_READER_NONE,   /* there is no such file */
        RING_READER_IN_USE, /* another process holds its lock */
        RING_READER_BAD,    /* *error says what is wrong */
};

/** ring_reader_open - open and lock; always call ring_reader_close() afterwards */
enum ring_reader_result ring_reader_open(struct ring_reader *reader, const char *path, struct hwaccl_error *error);
void ring_reader_close(struct ring_reader *reader);

/**
 * ring_reader_at - the record at @position, in [tail, head); valid until the next call
 *
 * Returns NULL with an empty *error if the record is torn (invalid mark or size); NULL with *error set if the file
 * cannot be read.
 */
const struct ring_record *ring_reader_at(struct ring_reader *reader, uint64_t position, struct hwaccl_error *error);

/** ring_reader_half_record - whether a partly written record follows the last published one */
bool ring_reader_half_record(struct ring_reader *reader);

/** ring_state - whether a ring file exists and is held. @process: see hwaccl_recovery_state() */
enum hwaccl_ring_state ring_state(const char *path, uint32_t *process);

/** ring_reader_read - @size bytes of a file from @offset on; false with errno set, which is 0 at the file's end */
bool ring_reader_read(int fd, void *buffer, size_t size, uint64_t offset);

/** ring_reader_process - PID of the recorder, without taking the lock; 0 if unknown */
uint32_t ring_reader_process(int fd);

/** ring_reader_is_dead - whether that recorder has certainly ended */
bool ring_reader_is_dead(int fd);

#endif
