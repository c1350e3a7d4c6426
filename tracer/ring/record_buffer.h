/*
 * Records in memory, as they would lie in a ring: for a producer whose records are looked at before anybody else gets
 * them. It writes as into a ring that grows; only the step at its end is another.
 */
#ifndef HWACCL_TRACER_RECORD_BUFFER_H
#define HWACCL_TRACER_RECORD_BUFFER_H

#include "tracer/ring/ring.h"

struct record_buffer {
        struct ring_header header; /* that the producer publishes to; nobody reads it */
        uint8_t *data;
        uint64_t size; /* bytes of data */
        uint64_t size_max;
};

/** record_buffer_init - make @producer write to the buffer, which takes @size_max bytes at most, and is empty. Both
 * stay where they are */
void record_buffer_init(struct record_buffer *buffer, struct ring_producer *producer, uint64_t size_max);
void record_buffer_free(struct record_buffer *buffer);

/** record_buffer_at - the record at @position; NULL at the end */
const struct ring_record *record_buffer_at(const struct ring_producer *producer, uint64_t position);

/** record_buffer_clear - the next record is the first one */
void record_buffer_clear(struct ring_producer *producer);

/** record_buffer_grow - room for @size bytes more: what ring_look() is for a ring. False when there is no memory, or
 * size_max is reached */
bool record_buffer_grow(struct ring_producer *producer, size_t size);

#endif
