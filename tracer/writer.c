#include "writer_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* How long records may wait for their commit while the guest does little, so that a reader sees them. */
#define COMMIT_INTERVAL_NS UINT64_C(200000000)

/* Bytes of the ring in a transaction when there is hardly room left. */
#define SALVAGE_STEP 16384

static bool begin(struct writer *writer)
{
        if (writer->in_transaction)
                return true;
        writer->in_transaction = database_execute(writer->db, "BEGIN", &writer->error);
        return writer->in_transaction;
}

/*
 * The exit in hand is written when its successor's entry is known, so the ring keeps it: a commit releases what lies
 * before it. An exit that takes half the ring by itself is released in its middle, or the producer would wait for ever.
 */
static void lane_committed(struct writer_lane *lane)
{
        struct decoder *decoder = &lane->decoder;

        lane->committed = decoder->state;
        memcpy(lane->committed_devices, decoder->device_state, decoder->device_bytes);
        lane->committed_position = lane->position;
        uint64_t kept = lane->position - decoder->state.start;
        ring_release(lane->ring, kept >= lane->ring->size / 2 ? lane->position : decoder->state.start);
}

static bool commit(struct writer *writer)
{
        if (writer->in_transaction) {
                if (!database_execute(writer->db, "COMMIT", &writer->error))
                        return false;
                writer->in_transaction = false;
        }
        writer->commit_ns = stamp_monotonic();
        for (unsigned i = 0; i < writer->lane_count; i++)
                lane_committed(&writer->lane[i]);
        return true;
}

static void roll_back(struct writer *writer)
{
        (void)sqlite3_exec(writer->db, "ROLLBACK", NULL, NULL, NULL);
        writer->in_transaction = false;
        for (unsigned i = 0; i < writer->lane_count; i++) {
                struct writer_lane *lane = &writer->lane[i];
                lane->decoder.state = lane->committed;
                memcpy(lane->decoder.device_state, lane->committed_devices, lane->decoder.device_bytes);
                lane->position = lane->committed_position;
                rows_forget(&lane->decoder.rows);
        }
}

/* A lane's records up to @head, in transactions of @step bytes. */
static bool drain(struct writer *writer, struct writer_lane *lane, uint64_t head, uint64_t step)
{
        while (lane->position < head) {
                const struct ring_record *record = ring_at(lane->ring, lane->position, head);
                if (!record)
                        return hwaccl_error_set(&writer->error, "ring: a torn record at %llu",
                                                (unsigned long long)lane->position);
                if (!begin(writer) || !decoder_take(&lane->decoder, record, lane->position, &writer->error))
                        return false;
                lane->position += (uint64_t)record->words * 8;
                if (lane->position - lane->committed_position >= step && !commit(writer))
                        return false;
        }
        return true;
}

static bool finish_rows(struct writer *writer)
{
        if (!begin(writer))
                return false;
        for (unsigned i = 0; i < writer->lane_count; i++)
                if (!decoder_flush(&writer->lane[i].decoder, &writer->error))
                        return false;
        return commit(writer);
}

/* What the lanes hold now. *more: a producer is that far ahead again that there is no time to rest. */
static bool drain_lanes(struct writer *writer, bool *more)
{
        *more = false;
        for (unsigned i = 0; i < writer->lane_count; i++) {
                struct writer_lane *lane = &writer->lane[i];
                uint64_t head = ring_head(lane->ring);
                stamp_clock_sample(&lane->decoder.clock);
                if (head == lane->position)
                        continue;
                if (!drain(writer, lane, head, lane->ring->size / 4))
                        return false;
                *more |= ring_head(lane->ring) - lane->position >= lane->ring->size / 4;
        }
        return true;
}

static bool all_drained(const struct writer *writer)
{
        for (unsigned i = 0; i < writer->lane_count; i++)
                if (writer->lane[i].position != ring_head(writer->lane[i].ring))
                        return false;
        return true;
}

static bool run(struct writer *writer)
{
        for (;;) {
                bool closing = consumer_is_closing(&writer->consumer);
                bool more;
                if (!drain_lanes(writer, &more))
                        return false;
                if (more)
                        continue;
                if (closing && all_drained(writer))
                        return finish_rows(writer);
                if (writer->in_transaction && stamp_monotonic() - writer->commit_ns > COMMIT_INTERVAL_NS &&
                    !commit(writer))
                        return false;
                consumer_rest(&writer->consumer, writer->lane[0].ring);
        }
}

static void wait_for_producer(struct writer *writer)
{
        while (!consumer_is_closing(&writer->consumer))
                consumer_rest(&writer->consumer, writer->lane[0].ring);
}

/*
 * The rings' contents go to memory and their files away: on a full disk that is the room which the rest of the
 * recording needs. The producers have stopped.
 */
struct ring_copy {
        struct ring ring;
        struct ring_header header;
        struct ring *original;
        uint64_t head;
};

static bool copy_ring(struct ring_copy *copy, struct ring *ring)
{
        uint8_t *data = mmap(NULL, 2 * (size_t)ring->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (data == MAP_FAILED)
                return false;
        memcpy(data, ring->data, 2 * (size_t)ring->size);
        copy->ring = (struct ring){.header = &copy->header, .data = data, .size = ring->size, .fd = -1};
        copy->head = ring_head(ring);
        copy->original = ring;
        return true;
}

static bool salvage_rows(struct writer *writer, const struct ring_copy *copy, uint64_t step)
{
        for (unsigned i = 0; i < writer->lane_count; i++)
                if (!drain(writer, &writer->lane[i], copy[i].head, step))
                        return false;
        return finish_rows(writer);
}

/* After a failure: what the rings still hold, in small transactions, until it fails again. True: all of it. */
static bool salvage(struct writer *writer)
{
        struct ring_copy *copy = calloc(writer->lane_count, sizeof(*copy));
        unsigned copied = 0;
        bool good = false;

        while (copy && copied < writer->lane_count && copy_ring(&copy[copied], writer->lane[copied].ring))
                copied++;
        if (copied == writer->lane_count) {
                for (unsigned i = 0; i < copied; i++) {
                        ring_destroy(copy[i].original, true);
                        writer->lane[i].ring = &copy[i].ring;
                }
                /* one transaction needs the least room; if there is not enough, small ones leave the least behind */
                good = salvage_rows(writer, copy, UINT64_MAX);
                if (!good) {
                        roll_back(writer);
                        good = salvage_rows(writer, copy, SALVAGE_STEP);
                }
                if (!good)
                        roll_back(writer);
        }
        for (unsigned i = 0; i < copied; i++) {
                writer->lane[i].ring = copy[i].original;
                (void)munmap(copy[i].ring.data, 2 * (size_t)copy[i].ring.size);
        }
        free(copy);
        return good;
}

static void *main_loop(void *opaque)
{
        struct writer *writer = opaque;

        if (!run(writer)) {
                roll_back(writer);
                for (unsigned i = 0; i < writer->lane_count; i++)
                        ring_fail(writer->lane[i].ring);
                wait_for_producer(writer);
        }
        return NULL;
}

static void destroy(struct writer *writer)
{
        consumer_destroy(&writer->consumer);
        for (unsigned i = 0; i < writer->lane_count; i++)
                free(writer->lane[i].committed_devices);
        free(writer->lane);
        free(writer);
}

static void discard(struct writer *writer)
{
        for (unsigned i = 0; i < writer->lane_count; i++)
                decoder_finish(&writer->lane[i].decoder);
        (void)sqlite3_close(writer->db);
        destroy(writer);
}

/* All lanes count time from the same moment. */
static bool init_lane(struct writer *writer, unsigned index, const struct hwaccl_recorder_config *config,
                      struct ring *ring, enum stamp_kind stamps, struct hwaccl_error *error)
{
        struct writer_lane *lane = &writer->lane[index];

        lane->ring = ring;
        if (index == 0)
                stamp_clock_start(&lane->decoder.clock, stamps);
        else
                lane->decoder.clock = writer->lane[0].decoder.clock;
        ring->header->stamp_kind = stamps;
        ring->header->stamp_origin = lane->decoder.clock.origin_stamp;
        writer->lane_count = index + 1;
        if (!decoder_init(&lane->decoder, writer->db, config->vcpu + index, config->keyframe_interval, config->devices,
                          config->device_count, error))
                return false;
        lane->committed_devices = calloc(1, lane->decoder.device_bytes + 1);
        return lane->committed_devices || hwaccl_error_set(error, "out of memory");
}

struct writer *writer_create(const struct hwaccl_recorder_config *config, struct ring *const *rings,
                             unsigned ring_count, enum stamp_kind stamps, struct hwaccl_error *error)
{
        struct writer *writer = calloc(1, sizeof(*writer));

        if (!writer) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        if (!consumer_init(&writer->consumer, error)) {
                free(writer);
                return NULL;
        }
        writer->lane = calloc(ring_count, sizeof(*writer->lane));
        if (!writer->lane)
                hwaccl_error_set(error, "out of memory");
        else
                writer->db = writer_database_create(config, ring_count, error);
        if (!writer->db) {
                destroy(writer);
                return NULL;
        }
        bool good = true;
        for (unsigned i = 0; good && i < ring_count; i++)
                good = init_lane(writer, i, config, rings[i], stamps, error);
        if (good && consumer_start(&writer->consumer, main_loop, writer, error))
                return writer;
        discard(writer);
        return NULL;
}

bool writer_error(struct writer *writer, struct hwaccl_error *error)
{
        return hwaccl_error_set(error, "%s", writer->error.message);
}

bool writer_finish(struct writer *writer, const struct writer_end *end, struct hwaccl_error *error)
{
        struct hwaccl_error late;

        consumer_join(&writer->consumer);
        bool mine = consumer_block_file_size_signal();

        bool failed = ring_failed(writer->lane[0].ring);
        if (failed) {
                hwaccl_error_set(error, "%s", writer->error.message);
                if (!salvage(writer))
                        (void)hwaccl_error_prefix(error, "the recording ends early");
        }
        for (unsigned i = 0; i < writer->lane_count; i++)
                decoder_finish(&writer->lane[i].decoder);
        bool good = writer_database_status(writer->db, end, failed ? error->message : NULL, failed ? &late : error);
        good = writer_database_close(writer->db, good && !failed ? error : &late) && good;
        for (unsigned i = 0; i < writer->lane_count; i++)
                ring_destroy(writer->lane[i].ring, true);
        destroy(writer);
        consumer_unblock_file_size_signal(mine);
        return good && !failed;
}
