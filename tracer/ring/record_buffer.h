/*
 * Records in memory, in the form of a ring: for a producer whose records are examined before they are
 * passed on. The producer writes as into a ring that grows.
 */
#ifndef HWACCL_TRACER_RECORD_BUFFER_H
#define HWACCL_TRACER_RECORD_BUFFER_H

#include "tracer/ring/ring.h"

struct record_buffer {
        struct ring_header header; /* for the producer; not read */
        uint8_t *data;
        uint64_t size; /* bytes of data */
        uint64_t size_max;
};

/** record_buffer_init - make @producer write to the empty buffer, of at most @size_max bytes. Both
 * must not move */
void record_buffer_init(struct record_buffer *buffer, struct ring_producer *producer, uint64_t size_max);
void record_buffer_free(struct record_buffer *buffer);

/** record_buffer_at - the record at @position; NULL at the end */
const struct ring_record *record_buffer_at(const struct ring_producer *producer, uint64_t position);

/** record_buffer_clear - remove all records */
void record_buffer_clear(struct ring_producer *producer);

/** record_buffer_grow - make room for @size more bytes, as ring_look() does for a ring. False if out of memory, or
 * size_max is reached */
bool record_buffer_grow(struct ring_producer *producer, size_t size);

#endif
