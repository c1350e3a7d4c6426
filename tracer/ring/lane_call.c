/* Records of what a thread of the VMM does beside exits. */
#include "tracer/ring/lane.h"

#include <string.h>

bool lane_thread(struct lane *lane, uint64_t process, uint64_t thread, const char *name)
{
        size_t size = strnlen(name, RING_LANE_NAME_MAX);
        struct ring_lane *record = lane_reserve(lane, sizeof(*record) + RING_WORD_ROUND(size), RING_RECORD_LANE, 0);

        if (!record)
                return false;
        record->process = process;
        record->thread = thread;
        record->size = size;
        memcpy(record->data, name, size);
        ring_publish(&lane->producer);
        return true;
}

static size_t piece_at(size_t offset, size_t size)
{
        return size - offset < RING_CALL_PIECE ? size - offset : RING_CALL_PIECE;
}

/* What the first record had no room for. */
static bool put_rest(struct lane *lane, uint64_t sequence, enum ring_call_side side, const uint8_t *data, size_t size)
{
        size_t offset = piece_at(0, size);

        while (offset < size) {
                size_t piece = piece_at(offset, size);
                struct ring_call_data *record = lane_reserve(lane, sizeof(*record) + RING_WORD_ROUND(piece),
                                                             RING_RECORD_CALL_DATA, (uint8_t)side);
                if (!record)
                        return false;
                STEP("call data");
                record->sequence = sequence;
                record->offset = offset;
                record->size = piece;
                memcpy(record->data, data + offset, piece);
                offset += piece;
        }
        ring_publish(&lane->producer); /* the process may die in the call */
        return true;
}

static size_t truncate_size(size_t size)
{
        return size < RING_CALL_DATA_MAX ? size : RING_CALL_DATA_MAX;
}

bool lane_call(struct lane *lane, const struct lane_call *call, const void *data, size_t size, uint64_t stamp)
{
        size_t recorded = truncate_size(size);
        size_t piece = piece_at(0, recorded);
        struct ring_call *record = lane_reserve(lane, sizeof(*record) + RING_WORD_ROUND(piece), RING_RECORD_CALL,
                                                (uint8_t)(call->role | (call->number ? RING_CALL_NUMBER : 0)));

        if (!record)
                return false;
        STEP("call");
        record->sequence = call->sequence;
        record->stamp = stamp;
        record->argument = call->argument;
        record->request = call->request;
        record->object = call->object;
        record->total = size;
        record->size = piece;
        lane_copy(record->data, data, (uint32_t)piece);
        return put_rest(lane, call->sequence, RING_CALL_INPUT, data, recorded);
}

bool lane_called(struct lane *lane, const struct lane_called *called, const void *data, size_t size, uint64_t stamp)
{
        size_t recorded = truncate_size(size);
        size_t piece = piece_at(0, recorded);
        struct ring_called *record =
                lane_reserve(lane, sizeof(*record) + RING_WORD_ROUND(piece), RING_RECORD_CALLED, (uint8_t)called->side);

        if (!record)
                return false;
        STEP("called");
        record->sequence = called->sequence;
        record->stamp = stamp;
        record->result = called->result;
        record->error = called->error;
        record->total = size;
        record->size = piece;
        lane_copy(record->data, data, (uint32_t)piece);
        return put_rest(lane, called->sequence, called->side, data, recorded);
}
