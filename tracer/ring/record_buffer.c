#include "tracer/ring/record_buffer.h"

#include <stdlib.h>

void record_buffer_init(struct record_buffer *buffer, struct ring_producer *producer, uint64_t size_max)
{
        memset(buffer, 0, sizeof(*buffer));
        buffer->size_max = size_max;
        *producer = (struct ring_producer){.buffer = buffer, .mask = UINT64_MAX, .header = &buffer->header};
}

void record_buffer_free(struct record_buffer *buffer)
{
        free(buffer->data);
        buffer->data = NULL;
}

const struct ring_record *record_buffer_at(const struct ring_producer *producer, uint64_t position)
{
        return position < producer->head ? (const struct ring_record *)(const void *)(producer->data + position) : NULL;
}

void record_buffer_clear(struct ring_producer *producer)
{
        producer->head = 0;
}

bool record_buffer_grow(struct ring_producer *producer, size_t size)
{
        struct record_buffer *buffer = producer->buffer;
        uint64_t wanted = producer->head + size;

        if (wanted > buffer->size_max)
                return false;
        uint64_t room = wanted + wanted / 2 + 4096;
        uint8_t *more = realloc(buffer->data, room);
        if (!more)
                return false;
        memset(more + buffer->size, 0, room - buffer->size);
        buffer->data = producer->data = more;
        buffer->size = room;
        producer->limit = room < buffer->size_max ? room : buffer->size_max;
        return true;
}
