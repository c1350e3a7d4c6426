#include "writer_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* How long records may wait for their commit while the guest does little, so that a reader sees them. */
#define COMMIT_INTERVAL_NS UINT64_C(200000000)

#define SMALL_RING (UINT64_C(2) << 20)

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
static bool commit(struct writer *writer)
{
        if (writer->in_transaction) {
                if (!database_execute(writer->db, "COMMIT", &writer->error))
                        return false;
                writer->in_transaction = false;
        }
        struct decoder *decoder = &writer->decoder;
        writer->commit_ns = stamp_monotonic();
        writer->committed = decoder->state;
        memcpy(writer->committed_devices, decoder->device_state, decoder->device_bytes);
        writer->committed_position = writer->position;
        uint64_t kept = writer->position - decoder->state.start;
        ring_release(writer->ring, kept >= writer->ring->size / 2 ? writer->position : decoder->state.start);
        return true;
}

static void roll_back(struct writer *writer)
{
        (void)sqlite3_exec(writer->db, "ROLLBACK", NULL, NULL, NULL);
        writer->in_transaction = false;
        writer->decoder.state = writer->committed;
        memcpy(writer->decoder.device_state, writer->committed_devices, writer->decoder.device_bytes);
        writer->position = writer->committed_position;
        rows_forget(&writer->decoder.rows);
}

/* Everything up to @head, in transactions of @step bytes. */
static bool drain(struct writer *writer, uint64_t head, uint64_t step)
{
        while (writer->position < head) {
                const struct ring_record *record = ring_at(writer->ring, writer->position, head);
                if (!record)
                        return hwaccl_error_set(&writer->error, "ring: a torn record at %llu",
                                                (unsigned long long)writer->position);
                if (!begin(writer) || !decoder_take(&writer->decoder, record, writer->position, &writer->error))
                        return false;
                writer->position += (uint64_t)record->words * 8;
                if (writer->position - writer->committed_position >= step && !commit(writer))
                        return false;
        }
        return true;
}

/*
 * Polling keeps system calls off the vCPU thread; rarely, as each wake-up may take the processor from it. The producer
 * fills some 0.4 MB in this time. Only the end of the recording is signalled.
 */
static void rest(struct writer *writer)
{
        struct timespec until = {0, 0};

        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += writer->ring->size < SMALL_RING ? 500000 : 5000000;
        if (until.tv_nsec >= 1000000000) {
                until.tv_sec++;
                until.tv_nsec -= 1000000000;
        }
        (void)pthread_mutex_lock(&writer->lock);
        if (!atomic_load_explicit(&writer->closing, memory_order_acquire))
                (void)pthread_cond_timedwait(&writer->wake, &writer->lock, &until);
        (void)pthread_mutex_unlock(&writer->lock);
}

static bool finish_rows(struct writer *writer)
{
        return begin(writer) && decoder_flush(&writer->decoder, &writer->error) && commit(writer);
}

static bool run(struct writer *writer)
{
        for (;;) {
                bool closing = atomic_load_explicit(&writer->closing, memory_order_acquire);
                uint64_t head = ring_head(writer->ring);
                stamp_clock_sample(&writer->decoder.clock);
                if (head != writer->position) {
                        if (!drain(writer, head, writer->transaction))
                                return false;
                        if (ring_head(writer->ring) - writer->position >= writer->ring->size / 4)
                                continue;
                }
                if (closing && head == writer->position && head == ring_head(writer->ring))
                        return finish_rows(writer);
                if (writer->in_transaction && stamp_monotonic() - writer->commit_ns > COMMIT_INTERVAL_NS &&
                    !commit(writer))
                        return false;
                rest(writer);
        }
}

static void wait_for_producer(struct writer *writer)
{
        while (!atomic_load_explicit(&writer->closing, memory_order_acquire))
                rest(writer);
}

/*
 * The ring's contents go to memory and its file away: on a full disk that is the room which the rest of the recording
 * needs. The producer has stopped.
 */
static bool copy_ring(const struct ring *ring, uint8_t **copy)
{
        uint8_t *data = mmap(NULL, 2 * (size_t)ring->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (data == MAP_FAILED)
                return false;
        memcpy(data, ring->data, 2 * (size_t)ring->size);
        *copy = data;
        return true;
}

/* After a failure: what the ring still holds, in small transactions, until it fails again. True: all of it. */
static bool salvage(struct writer *writer)
{
        struct ring *ring = writer->ring;
        uint64_t head = ring_head(ring);
        uint64_t size = ring->size;
        uint8_t *copy = NULL;
        struct ring_header header;

        if (!copy_ring(ring, &copy))
                return false;
        memset(&header, 0, sizeof(header));
        struct ring memory = {.header = &header, .data = copy, .size = size, .fd = -1};
        ring_destroy(ring, true);
        writer->ring = &memory;
        /* one transaction needs the least room; if there is not enough, small ones leave the least behind */
        bool good = drain(writer, head, UINT64_MAX) && finish_rows(writer);
        if (!good) {
                roll_back(writer);
                good = drain(writer, head, SALVAGE_STEP) && finish_rows(writer);
        }
        if (!good)
                roll_back(writer);
        writer->ring = ring;
        (void)munmap(copy, 2 * (size_t)size);
        return good;
}

static void *main_loop(void *opaque)
{
        struct writer *writer = opaque;

        if (!run(writer)) {
                roll_back(writer);
                ring_fail(writer->ring);
                wait_for_producer(writer);
        }
        return NULL;
}

/* Signals are the main thread's business; a write beyond a file-size limit must be an error, not a SIGXFSZ. */
static bool start_thread(struct writer *writer, struct hwaccl_error *error)
{
        sigset_t all;
        sigset_t before;

        (void)sigfillset(&all);
        int result = pthread_sigmask(SIG_SETMASK, &all, &before);
        if (result == 0) {
                result = pthread_create(&writer->thread, NULL, main_loop, writer);
                (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        }
        return result == 0 || hwaccl_error_set(error, "cannot start the writer thread: %s", strerror(result));
}

/* A write beyond a file-size limit must be an error here too. True when the signal was not blocked before. */
static bool block_file_size_signal(void)
{
        sigset_t file_size;
        sigset_t before;

        (void)sigemptyset(&file_size);
        (void)sigaddset(&file_size, SIGXFSZ);
        return pthread_sigmask(SIG_BLOCK, &file_size, &before) == 0 && !sigismember(&before, SIGXFSZ);
}

static void unblock_file_size_signal(bool mine)
{
        const struct timespec at_once = {0, 0};
        sigset_t file_size;

        if (!mine)
                return;
        (void)sigemptyset(&file_size);
        (void)sigaddset(&file_size, SIGXFSZ);
        (void)sigtimedwait(&file_size, NULL, &at_once); /* what our writes raised has been reported */
        (void)pthread_sigmask(SIG_UNBLOCK, &file_size, NULL);
}

static bool init_wake(struct writer *writer, struct hwaccl_error *error)
{
        pthread_condattr_t attributes;

        if (pthread_condattr_init(&attributes) != 0)
                return hwaccl_error_set(error, "out of memory");
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        int result = pthread_cond_init(&writer->wake, &attributes);
        (void)pthread_condattr_destroy(&attributes);
        if (result == 0)
                result = pthread_mutex_init(&writer->lock, NULL);
        return result == 0 || hwaccl_error_set(error, "cannot make a condition variable: %s", strerror(result));
}

static void destroy(struct writer *writer)
{
        (void)pthread_cond_destroy(&writer->wake);
        (void)pthread_mutex_destroy(&writer->lock);
        free(writer->committed_devices);
        free(writer);
}

static void discard(struct writer *writer)
{
        decoder_finish(&writer->decoder);
        (void)sqlite3_close(writer->db);
        destroy(writer);
}

struct writer *writer_create(const struct hwaccl_recorder_config *config, struct ring *ring, enum stamp_kind stamps,
                             struct hwaccl_error *error)
{
        struct writer *writer = calloc(1, sizeof(*writer));

        if (!writer) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        writer->ring = ring;
        writer->transaction = ring->size / 4;
        if (!init_wake(writer, error)) {
                free(writer);
                return NULL;
        }
        writer->db = writer_database_create(config, error);
        if (!writer->db) {
                destroy(writer);
                return NULL;
        }
        stamp_clock_start(&writer->decoder.clock, stamps);
        bool good = decoder_init(&writer->decoder, writer->db, config->vcpu, config->keyframe_interval, config->devices,
                                 config->device_count, error);
        writer->committed_devices = good ? calloc(1, writer->decoder.device_bytes + 1) : NULL;
        if (good && !writer->committed_devices)
                good = hwaccl_error_set(error, "out of memory");
        ring->header->stamp_kind = stamps;
        ring->header->stamp_origin = writer->decoder.clock.origin_stamp;
        if (good)
                good = start_thread(writer, error);
        if (good)
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
        struct ring *ring = writer->ring;
        struct hwaccl_error late;

        (void)pthread_mutex_lock(&writer->lock);
        atomic_store_explicit(&writer->closing, true, memory_order_release);
        (void)pthread_cond_signal(&writer->wake);
        (void)pthread_mutex_unlock(&writer->lock);
        (void)pthread_join(writer->thread, NULL);
        bool mine = block_file_size_signal();

        bool failed = ring_failed(ring);
        if (failed) {
                hwaccl_error_set(error, "%s", writer->error.message);
                if (!salvage(writer))
                        (void)hwaccl_error_prefix(error, "the recording ends early");
        }
        decoder_finish(&writer->decoder);
        bool good = writer_database_status(writer->db, end, failed ? error->message : NULL, failed ? &late : error);
        good = writer_database_close(writer->db, good && !failed ? error : &late) && good;
        ring_destroy(ring, true);
        destroy(writer);
        unblock_file_size_signal(mine);
        return good && !failed;
}
