#include "tracer/record/writer_internal.h"

#include "tracer/database/checkpoint.h"
#include "tracer/record/recorder.h"
#include "tracer/ring/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Maximum delay of a commit while the guest does little, so that readers see recent exits. */
#define COMMIT_INTERVAL_NS UINT64_C(200000000)

/* Long rest: each wake-up disturbs a guest that shares the processor or its caches with the writer. */
#define REST_NS 100000000L

/* The same while producers in other processes cannot end it: a ring must not fill. */
#define REST_REMOTE_NS 20000000L

/* About 40,000 exits of 200 bytes: half a boot of a firmware, or a slow commit. A larger one takes longer to create. */
#define RING_SIZE_DEFAULT (UINT64_C(8) << 20)

/* Bytes of the ring per transaction when the disk is almost full. */
#define SALVAGE_STEP 16384

static struct writer *writer_of(struct recorder_sink *sink)
{
        return (struct writer *)(void *)sink;
}

static bool begin(struct writer *writer)
{
        if (writer->in_transaction)
                return true;
        writer->in_transaction = database_execute(writer->db, "BEGIN IMMEDIATE", &writer->error);
        return writer->in_transaction;
}

static void lane_committed(struct writer_lane *lane, bool trimming)
{
        struct decoder *decoder = &lane->decoder;

        lane->committed = decoder->state;
        memcpy(lane->committed_devices, decoder->device_state, decoder->device_bytes);
        lane->committed_position = lane->position;
        ring_release(lane->ring, lane->position);
        if (trimming)
                ring_trim(lane->ring);
}

/* Commit rows together with their checkpoints: recovery continues from here. */
static bool commit_rows(struct writer *writer)
{
        STEP("checkpoint");
        for (unsigned i = 0; i < writer->lane_count; i++) {
                struct writer_lane *lane = &writer->lane[i];
                if (!checkpoint_write(&lane->decoder, lane->ring->header->identity, lane->position, &writer->error))
                        return false;
        }
        STEP("commit");
        if (!database_execute(writer->db, "COMMIT", &writer->error))
                return false;
        STEP("committed");
        writer->in_transaction = false;
        return true;
}

static bool commit(struct writer *writer)
{
        if (writer->in_transaction && !commit_rows(writer))
                return false;
        writer->commit_ns = stamp_monotonic();
        for (unsigned i = 0; i < writer->lane_count; i++)
                lane_committed(&writer->lane[i], writer->trimming);
        return true;
}

static void roll_back(struct writer *writer)
{
        (void)sqlite3_exec(writer->db, "ROLLBACK", NULL, NULL, NULL);
        writer->in_transaction = false;
        for (unsigned i = 0; i < writer->lane_count; i++) {
                struct writer_lane *lane = &writer->lane[i];
                lane->decoder.tap = NULL; /* the records come again */
                lane->decoder.state = lane->committed;
                memcpy(lane->decoder.device_state, lane->committed_devices, lane->decoder.device_bytes);
                lane->position = lane->committed_position;
                rows_forget(&lane->decoder.rows);
        }
        if (writer->merge)
                writer->merge->rolled_back(writer->merge);
}

/* The exit that the entry at the lane's position leads to. */
static const struct ring_exit *next_exit(const struct writer_lane *lane, uint64_t head)
{
        const struct ring_record *record;

        for (uint64_t at = lane->position; at < head && (record = ring_at(lane->ring, at, head)) != NULL;
             at += (uint64_t)record->words * 8) {
                if (record->type == RING_RECORD_EXIT)
                        return (const struct ring_exit *)(const void *)record;
                if (record->type == RING_RECORD_ENTRY && at > lane->position)
                        break; /* the first was replaced */
        }
        return NULL;
}

/* An entry waits for its exit, because the other source's exits come before both. */
static bool must_wait(struct writer *writer, const struct writer_lane *lane, const struct ring_record *record,
                      uint64_t head)
{
        return writer->merge && record->type == RING_RECORD_ENTRY && !next_exit(lane, head) &&
               !consumer_is_closing(&writer->consumer);
}

static bool take(struct writer *writer, struct writer_lane *lane, const struct ring_record *record, uint64_t head)
{
        struct record_merge *merge = writer->merge;

        if (merge && record->type == RING_RECORD_EXIT)
                return merge->exit(merge, &lane->decoder, (const struct ring_exit *)(const void *)record,
                                   &writer->error);
        if (merge && record->type == RING_RECORD_ENTRY) {
                const struct ring_exit *exit = next_exit(lane, head);
                if (exit && !merge->before(merge, &lane->decoder, exit, &writer->error))
                        return false;
        }
        return decoder_take(&lane->decoder, record, &writer->error);
}

/* Decode a lane's records up to @head, in transactions of @step bytes. */
static bool drain(struct writer *writer, struct writer_lane *lane, uint64_t head, uint64_t step)
{
        while (lane->position < head) {
                const struct ring_record *record = ring_at(lane->ring, lane->position, head);
                if (!record)
                        return hwaccl_error_set(&writer->error, "ring: a torn record at %llu",
                                                (unsigned long long)lane->position);
                if (must_wait(writer, lane, record, head))
                        return true;
                if (!begin(writer) || !take(writer, lane, record, head))
                        return false;
                lane->position += (uint64_t)record->words * 8;
                STEP("decoded");
                if (lane->position - lane->committed_position >= step && !commit(writer))
                        return false;
        }
        return true;
}

/* Recovery converts stamps with the rate in the ring's header. */
static void sample_clock(struct writer_lane *lane)
{
        struct stamp_clock *clock = &lane->decoder.clock;

        stamp_clock_sample(clock);
        if (clock->ns[1] >= 100000) /* in less time the cost of reading the clocks would distort the rate */
                atomic_store_explicit(&lane->ring->header->stamp_khz, stamp_clock_khz(clock), memory_order_relaxed);
}

/* All lanes have the same time 0. */
static bool init_lane(struct writer *writer, struct ring *ring, const struct hwaccl_recorder_config *devices,
                      struct hwaccl_error *error)
{
        unsigned index = writer->lane_count++;
        struct writer_lane *lane = &writer->lane[index];
        struct decoder *decoder = &lane->decoder;

        lane->ring = ring;
        consumer_attach(&writer->consumer, ring);
        decoder->tap = writer->tap;
        if (index > 0)
                decoder->clock = writer->lane[0].decoder.clock;
        ring->header->stamp_kind = decoder->clock.kind;
        ring->header->stamp_origin = decoder->clock.origin_stamp;
        if (!decoder_init(decoder, writer->db, ring->header->vcpu, writer->keyframe_interval, error) ||
            !decoder_declare_devices(decoder, devices ? devices->devices : NULL, devices ? devices->device_count : 0,
                                     error))
                return false;
        lane->committed_devices = calloc(1, decoder->device_bytes + 1);
        if (!lane->committed_devices)
                return hwaccl_error_set(error, "out of memory");
        lane->committed = decoder->state;
        sample_clock(lane);
        return checkpoint_write(decoder, ring->header->identity, 0, error);
}

static void drop_last_lane(struct writer *writer)
{
        struct writer_lane *lane = &writer->lane[--writer->lane_count];

        decoder_finish(&lane->decoder);
        free(lane->committed_devices);
        memset(lane, 0, sizeof(*lane));
}

/* A vCPU or thread that appeared while others run. Its row and its checkpoint are committed before its ring is used, so
 * that recovery finds the ring. */
static bool take_joining(struct writer *writer)
{
        struct ring *ring = atomic_load_explicit(&writer->joining, memory_order_acquire);

        if (!ring)
                return true;
        if (!begin(writer) || !writer_database_add(writer->db, ring->header->vcpu, &writer->error))
                return false;
        if (!init_lane(writer, ring, NULL, &writer->error) || !commit(writer)) {
                drop_last_lane(writer);
                return false;
        }
        STEP("lane added");
        atomic_store_explicit(&writer->joining, NULL, memory_order_release);
        return true;
}

enum pace {
        PACE_SLOW,   /* all producers */
        PACE_STEADY, /* none of those */
        PACE_FAST,   /* a producer has filled so much that there is no time to rest */
};

/* What the other source has before the lane's next exit: after ready(), and the lane is drained. */
static bool merge_rest(struct writer *writer, struct writer_lane *lane, bool end)
{
        return begin(writer) && writer->merge->rest(writer->merge, &lane->decoder, end, &writer->error);
}

static bool finish_rows(struct writer *writer)
{
        if (!begin(writer))
                return false;
        for (unsigned i = 0; i < writer->lane_count; i++)
                if ((writer->merge && (writer->merge->ready(writer->merge, &writer->lane[i].decoder),
                                       !merge_rest(writer, &writer->lane[i], true))) ||
                    !decoder_flush(&writer->lane[i].decoder, &writer->error))
                        return false;
        return commit(writer);
}

/* Drain the current contents of all lanes. */
static bool drain_lanes(struct writer *writer, enum pace *pace)
{
        *pace = PACE_SLOW;
        for (unsigned i = 0; i < writer->lane_count; i++) {
                struct writer_lane *lane = &writer->lane[i];
                bool more = writer->merge && writer->merge->ready(writer->merge, &lane->decoder);
                uint64_t head = ring_head(lane->ring);
                sample_clock(lane);
                if (head == lane->position) {
                        if (more && !merge_rest(writer, lane, false))
                                return false;
                        continue;
                }
                if (!consumer_is_slow(&writer->consumer, lane->ring, head - lane->position) && *pace == PACE_SLOW)
                        *pace = PACE_STEADY;
                if (!drain(writer, lane, head, lane->ring->size / 4) || (more && !merge_rest(writer, lane, false)))
                        return false;
                if (ring_head(lane->ring) - lane->position >= lane->ring->size / 4)
                        *pace = PACE_FAST;
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
                enum pace pace;
                if (!take_joining(writer) || !drain_lanes(writer, &pace))
                        return false;
                if (pace == PACE_FAST)
                        continue;
                if (closing && all_drained(writer))
                        return finish_rows(writer);
                if (writer->in_transaction && stamp_monotonic() - writer->commit_ns > COMMIT_INTERVAL_NS &&
                    !commit(writer))
                        return false;
                consumer_rest(&writer->consumer, writer->lane[0].ring, pace == PACE_SLOW);
        }
}

static void wait_for_producer(struct writer *writer)
{
        while (!consumer_is_closing(&writer->consumer))
                consumer_rest(&writer->consumer, writer->lane[0].ring, true);
}

static bool drain_all(struct writer *writer, uint64_t step)
{
        for (unsigned i = 0; i < writer->lane_count; i++)
                if (!drain(writer, &writer->lane[i], ring_head(writer->lane[i].ring), step))
                        return false;
        return finish_rows(writer);
}

/*
 * After a failure, most often a full disk: write the remaining records. First free the parts of the ring files that
 * were read. Returns true if everything is in the database; otherwise the rings keep the rest.
 */
static bool salvage(struct writer *writer)
{
        for (unsigned i = 0; i < writer->lane_count; i++)
                ring_trim(writer->lane[i].ring);
        /* one transaction needs the least disk space; if it fails, small ones write as much as possible */
        bool good = drain_all(writer, UINT64_MAX);
        if (!good) {
                roll_back(writer);
                writer->trimming = true;
                good = drain_all(writer, SALVAGE_STEP);
        }
        if (!good)
                roll_back(writer);
        return good;
}

static void *main_loop(void *opaque)
{
        struct writer *writer = opaque;

        if (!run(writer)) {
                roll_back(writer);
                atomic_store_explicit(&writer->failed, true, memory_order_release);
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
        if (writer->lane)
                (void)munmap(writer->lane, writer->lane_max * sizeof(*writer->lane));
        free(writer);
}

static void discard(struct writer *writer, const char *path)
{
        for (unsigned i = 0; i < writer->lane_count; i++)
                decoder_finish(&writer->lane[i].decoder);
        (void)sqlite3_close(writer->db);
        writer_database_remove(path);
        destroy(writer);
}

/* One commit makes the file a recording that recovery can continue. */
static bool begin_recording(struct writer *writer, const struct hwaccl_recorder_config *config,
                            struct ring *const *rings, unsigned ring_count, struct hwaccl_error *error)
{
        const struct recording_head head = {config->vcpu, ring_count, config->keyframe_interval, config->options,
                                            config->option_count};

        if (!database_execute(writer->db, "BEGIN", error) || !writer_database_fill(writer->db, &head, error))
                return false;
        for (unsigned i = 0; i < ring_count; i++)
                if (!init_lane(writer, rings[i], config, error))
                        return false;
        STEP("recording filled");
        if (!database_execute(writer->db, "COMMIT", error))
                return false;
        STEP("recording begun");
        return true;
}

static struct recorder_sink *create(const struct hwaccl_recorder_config *config, struct ring *const *rings,
                                    unsigned ring_count, enum stamp_kind stamps, struct hwaccl_error *error)
{
        struct writer *writer = calloc(1, sizeof(*writer));

        if (!writer) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        writer->sink.ops = &recorder_writer;
        writer->keyframe_interval = config->keyframe_interval;
        writer->merge = config->merge;
        writer->tap = config->tap;
        writer->lane_max = (config->vcpu_max > ring_count ? config->vcpu_max : ring_count) + config->thread_max;
        if (!consumer_init(&writer->consumer, config->vcpu_max ? REST_REMOTE_NS : REST_NS, error)) {
                free(writer);
                return NULL;
        }
        /* pages of zeros: a remote recording uses few of its lanes */
        void *lanes = mmap(NULL, writer->lane_max * sizeof(*writer->lane), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (lanes == MAP_FAILED) {
                hwaccl_error_set(error, "out of memory");
                destroy(writer);
                return NULL;
        }
        writer->lane = lanes;
        stamp_clock_start(&writer->lane[0].decoder.clock, stamps);
        writer->db = writer_database_create(config->path, config->force, config->mode, error);
        if (!writer->db) {
                destroy(writer);
                return NULL;
        }
        if (begin_recording(writer, config, rings, ring_count, error) &&
            consumer_start(&writer->consumer, main_loop, writer, error))
                return &writer->sink;
        discard(writer, config->path);
        return NULL;
}

static bool add(struct recorder_sink *sink, struct ring *ring, struct hwaccl_error *error)
{
        struct writer *writer = writer_of(sink);
        const struct timespec wait = {0, 200000};

        /* only this function makes the thread add lanes: their number does not change meanwhile */
        if (writer->lane_count == writer->lane_max)
                return hwaccl_error_set(error, "more than %u lanes", writer->lane_max);
        atomic_store_explicit(&writer->joining, ring, memory_order_release);
        consumer_call(&writer->consumer);
        while (atomic_load_explicit(&writer->joining, memory_order_acquire)) {
                if (atomic_load_explicit(&writer->failed, memory_order_acquire))
                        return hwaccl_error_set(error, "%s", writer->error.message);
                (void)nanosleep(&wait, NULL);
        }
        return true;
}

static bool why_it_stopped(struct recorder_sink *sink, struct hwaccl_error *error)
{
        return hwaccl_error_set(error, "%s", writer_of(sink)->error.message);
}

/* Every exit is on its way into the recording anyway. */
static void dump(struct recorder_sink *sink)
{
        (void)sink;
}

/* The records that could not be written are still in the rings. */
static void say_how_to_recover(const struct ring *ring, struct hwaccl_error *error)
{
        char reason[sizeof(error->message)];

        (void)snprintf(reason, sizeof(reason), "%s", error->message);
        hwaccl_error_set(error, "%.300s; the remaining exits are in the ring; run 'hwaccl recover %.*s'", reason,
                         (int)(strlen(ring->path) - strlen(RING_SUFFIX)), ring->path);
}

/* Destroy the first ring last: recovery finds the others through it. */
static void destroy_rings(struct writer *writer, bool remove)
{
        for (unsigned i = writer->lane_count; i-- > 0;) {
                ring_destroy(writer->lane[i].ring, remove);
                STEP("ring destroyed");
        }
}

static bool finish(struct recorder_sink *sink, const struct recording_end *end, struct hwaccl_error *error)
{
        struct writer *writer = writer_of(sink);
        struct hwaccl_error late;

        consumer_join(&writer->consumer);
        bool mine = consumer_block_file_size_signal();

        bool failed = atomic_load_explicit(&writer->failed, memory_order_acquire);
        bool all = !failed;
        if (failed) {
                hwaccl_error_set(error, "%s", writer->error.message);
                all = salvage(writer);
        }
        for (unsigned i = 0; i < writer->lane_count; i++)
                decoder_finish(&writer->lane[i].decoder);
        bool good =
                writer_database_status(writer->db, end, failed ? error->message : NULL, all, failed ? &late : error) &&
                all;
        bool kept = failed || writer_database_memory(writer->db, end, error);
        bool gone = failed && good;
        if (gone)
                destroy_rings(writer, true); /* closing the database may need their disk space */
        good = writer_database_close(writer->db, good && kept && !failed ? error : &late) && good;
        STEP("database closed");
        if (!gone) {
                if (!good)
                        say_how_to_recover(writer->lane[0].ring, error);
                destroy_rings(writer, good);
        }
        destroy(writer);
        consumer_unblock_file_size_signal(mine);
        return good && kept && !failed;
}

static uint64_t ring_size(const void *settings)
{
        (void)settings;
        return RING_SIZE_DEFAULT;
}

static uint32_t keyframe_interval(const void *settings, uint32_t asked)
{
        (void)settings;
        return asked;
}

static uint64_t keyframe_bytes(const void *settings)
{
        (void)settings;
        return UINT64_MAX;
}

const struct recorder_sink_ops recorder_writer = {
        .ring_size = ring_size,
        .keyframe_interval = keyframe_interval,
        .keyframe_bytes = keyframe_bytes,
        .create = create,
        .add = add,
        .error = why_it_stopped,
        .dump = dump,
        .finish = finish,
};
