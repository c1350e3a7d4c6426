#include "tracer/record/kept_memory.h"

#include "tracer/database/database.h"
#include "tracer/record/recorder_internal.h"

#include <pthread.h>
#include <sha256.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zstd.h>

#define PAGE        HWACCL_PAGE_SIZE
#define BATCH_PAGES 256u
#define BATCH_BYTES ((uint64_t)BATCH_PAGES * PAGE)
#define WORKERS_MAX 8u
#define SLOT_COUNT  (2 * WORKERS_MAX)
#define LEVEL       1 /* of zstd; the same on every host, so that recordings are the same */

struct page {
        uint64_t address;
        size_t size; /* compressed */
        const uint8_t *data;
        uint8_t sha256[SHA256_DIGEST_LENGTH];
};

/* Pages of one stretch of memory, compressed. */
struct batch {
        uint64_t number; /* of the stretch; UINT64_MAX: being compressed, or free */
        bool failed;
        bool gone; /* memory that was lent was taken away */
        size_t count;
        struct page page[BATCH_PAGES];
        uint8_t data[BATCH_PAGES * ZSTD_COMPRESSBOUND(PAGE)];
};

/* Batch number n is in slot n % SLOT_COUNT. A worker takes numbers in order, and waits until their slot is free. */
struct pool {
        const struct hwaccl_guest_memory *memory;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint64_t next;     /* number to be taken */
        uint64_t consumed; /* numbers below were written */
        uint64_t end;
        bool stop;
        struct batch *slot;
};

/* Ids of pages that were written, by content: open addressing. */
struct known_page {
        uint8_t sha256[SHA256_DIGEST_LENGTH];
        int64_t id; /* 0: an empty slot */
};

struct kept_writer {
        sqlite3 *db;
        sqlite3_stmt *page;
        sqlite3_stmt *place;
        bool gone;
        struct known_page *known;
        size_t room; /* a power of two, twice what can be in it */
        int64_t last_id;
};

static uint64_t batches_of(const struct hwaccl_memory_run *run)
{
        return (run->size + BATCH_BYTES - 1) / BATCH_BYTES;
}

static bool compress_page(ZSTD_CCtx *context, struct batch *batch, size_t *used, uint64_t address, const uint8_t *host)
{
        struct page *page = &batch->page[batch->count];
        size_t room = sizeof(batch->data) - *used;
        size_t size = ZSTD_compressCCtx(context, batch->data + *used, room, host, PAGE, LEVEL);
        SHA2_CTX digest;

        if (ZSTD_isError(size))
                return false;
        SHA256Init(&digest);
        SHA256Update(&digest, host, PAGE);
        SHA256Final(page->sha256, &digest);
        page->address = address;
        page->data = batch->data + *used;
        page->size = size;
        *used += size;
        batch->count++;
        return true;
}

/* A copy, by the kernel: of memory that another process lent and cut short, reading would end in SIGBUS. */
static bool copy(const uint8_t *host, uint8_t *to, size_t size)
{
        const struct iovec local = {to, size};
        const struct iovec remote = {(void *)(uintptr_t)host, size};

        return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* @bytes: room for a stretch; NULL: there is no memory for it */
static void compress(const struct pool *pool, ZSTD_CCtx *context, uint8_t *bytes, uint64_t number, struct batch *batch)
{
        static const uint8_t zeros[PAGE];
        const struct hwaccl_memory_run *run = pool->memory->run;
        size_t used = 0;

        batch->count = 0;
        batch->failed = !context || !bytes;
        for (uint64_t batches; number >= (batches = batches_of(run)); run++)
                number -= batches;
        uint64_t offset = number * BATCH_BYTES;
        uint64_t size = run->size - offset < BATCH_BYTES ? run->size - offset : BATCH_BYTES;
        batch->gone = !batch->failed && !copy(run->host + offset, bytes, size);
        for (uint64_t i = 0; !batch->failed && !batch->gone && i < size; i += PAGE)
                if (memcmp(bytes + i, zeros, PAGE) != 0)
                        batch->failed = !compress_page(context, batch, &used, run->address + offset + i, bytes + i);
}

static void *work(void *opaque)
{
        struct pool *pool = opaque;
        ZSTD_CCtx *context = ZSTD_createCCtx();
        uint8_t *bytes = malloc(BATCH_BYTES);

        (void)pthread_mutex_lock(&pool->lock);
        for (;;) {
                while (!pool->stop && pool->next < pool->end && pool->next >= pool->consumed + SLOT_COUNT)
                        (void)pthread_cond_wait(&pool->changed, &pool->lock);
                if (pool->stop || pool->next >= pool->end)
                        break;
                uint64_t number = pool->next++;
                struct batch *batch = &pool->slot[number % SLOT_COUNT];
                (void)pthread_mutex_unlock(&pool->lock);
                compress(pool, context, bytes, number, batch);
                (void)pthread_mutex_lock(&pool->lock);
                batch->number = number;
                (void)pthread_cond_broadcast(&pool->changed);
        }
        (void)pthread_mutex_unlock(&pool->lock);
        free(bytes);
        (void)ZSTD_freeCCtx(context);
        return NULL;
}

/* The workers block all signals: the handlers are the main thread's. */
static unsigned start_workers(struct pool *pool, pthread_t *worker)
{
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        unsigned wanted = processors < 1 ? 1 : processors > (long)WORKERS_MAX ? WORKERS_MAX : (unsigned)processors;
        unsigned count = 0;
        sigset_t all, before;

        (void)sigfillset(&all);
        if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
                return 0;
        while (count < wanted && pthread_create(&worker[count], NULL, work, pool) == 0)
                count++;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return count;
}

/* 0 for a page that is new; its slot is then *slot. */
static int64_t find(const struct kept_writer *writer, const uint8_t *sha256, size_t *slot)
{
        uint64_t hash;

        memcpy(&hash, sha256, sizeof(hash));
        for (*slot = (size_t)hash & (writer->room - 1); writer->known[*slot].id;
             *slot = (*slot + 1) & (writer->room - 1))
                if (memcmp(writer->known[*slot].sha256, sha256, SHA256_DIGEST_LENGTH) == 0)
                        return writer->known[*slot].id;
        return 0;
}

static bool put_page(struct kept_writer *writer, const struct page *page, struct hwaccl_error *error)
{
        size_t slot;
        int64_t id = find(writer, page->sha256, &slot);

        if (!id) {
                id = ++writer->last_id;
                memcpy(writer->known[slot].sha256, page->sha256, sizeof(page->sha256));
                writer->known[slot].id = id;
                if (sqlite3_bind_int64(writer->page, 1, id) |
                    sqlite3_bind_blob(writer->page, 2, page->sha256, sizeof(page->sha256), SQLITE_STATIC) |
                    sqlite3_bind_blob(writer->page, 3, page->data, (int)page->size, SQLITE_STATIC))
                        return database_error(writer->db, error, "cannot bind a value");
                if (!database_step_done(writer->db, writer->page, error))
                        return false;
        }
        if (sqlite3_bind_int64(writer->place, 1, (int64_t)page->address) | sqlite3_bind_int64(writer->place, 2, id))
                return database_error(writer->db, error, "cannot bind a value");
        return database_step_done(writer->db, writer->place, error);
}

/* In the order of addresses, so that the rows do not depend on the threads. */
static bool put_batches(struct kept_writer *writer, struct pool *pool, bool threads, struct hwaccl_error *error)
{
        ZSTD_CCtx *context = threads ? NULL : ZSTD_createCCtx();
        uint8_t *bytes = threads ? NULL : malloc(BATCH_BYTES);
        bool good = true;

        for (uint64_t number = 0; good && !writer->gone && number < pool->end; number++) {
                struct batch *batch = &pool->slot[number % SLOT_COUNT];
                if (!threads)
                        compress(pool, context, bytes, number, batch);
                (void)pthread_mutex_lock(&pool->lock);
                while (threads && batch->number != number)
                        (void)pthread_cond_wait(&pool->changed, &pool->lock);
                (void)pthread_mutex_unlock(&pool->lock);
                good = !batch->failed || hwaccl_error_set(error, "cannot compress a page: out of memory");
                writer->gone = batch->gone;
                for (size_t i = 0; good && i < batch->count; i++)
                        good = put_page(writer, &batch->page[i], error);
                (void)pthread_mutex_lock(&pool->lock);
                pool->consumed++;
                (void)pthread_cond_broadcast(&pool->changed);
                (void)pthread_mutex_unlock(&pool->lock);
        }
        free(bytes);
        (void)ZSTD_freeCCtx(context);
        return good;
}

static bool put_pages(struct kept_writer *writer, const struct hwaccl_guest_memory *memory, struct hwaccl_error *error)
{
        struct pool pool = {.memory = memory,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER,
                            .slot = malloc(SLOT_COUNT * sizeof(*pool.slot))};
        pthread_t worker[WORKERS_MAX];

        if (!pool.slot)
                return hwaccl_error_set(error, "out of memory");
        for (unsigned i = 0; i < SLOT_COUNT; i++)
                pool.slot[i].number = UINT64_MAX;
        for (size_t i = 0; i < memory->run_count; i++)
                pool.end += batches_of(&memory->run[i]);
        unsigned workers = start_workers(&pool, worker);
        bool good = put_batches(writer, &pool, workers > 0, error);
        (void)pthread_mutex_lock(&pool.lock);
        pool.stop = true;
        (void)pthread_cond_broadcast(&pool.changed);
        (void)pthread_mutex_unlock(&pool.lock);
        for (unsigned i = 0; i < workers; i++)
                (void)pthread_join(worker[i], NULL);
        free(pool.slot);
        return good;
}

static bool put_ranges(sqlite3 *db, const struct hwaccl_guest_memory *memory, struct hwaccl_error *error)
{
        sqlite3_stmt *range = NULL;
        bool good = database_prepare(db, "INSERT INTO memory_range VALUES (?1, ?2, ?3)", &range, error);

        for (size_t i = 0; good && i < memory->run_count; i++) {
                const struct hwaccl_memory_run *run = &memory->run[i];
                if (sqlite3_bind_int64(range, 1, (int64_t)run->address) |
                    sqlite3_bind_int64(range, 2, (int64_t)run->size) | sqlite3_bind_int64(range, 3, run->writable))
                        good = database_error(db, error, "cannot bind a value");
                good = good && database_step_done(db, range, error);
        }
        (void)sqlite3_finalize(range);
        return good;
}

static bool write_memory(const struct hwaccl_guest_memory *memory, sqlite3 *db, struct hwaccl_error *error)
{
        struct kept_writer writer = {.db = db, .room = 1024};
        uint64_t pages = 0;

        for (size_t i = 0; i < memory->run_count; i++)
                pages += memory->run[i].size / PAGE;
        while (writer.room < 2 * pages)
                writer.room *= 2;
        writer.known = calloc(writer.room, sizeof(*writer.known)); /* touched as far as it is used */
        bool good = (writer.known || hwaccl_error_set(error, "out of memory")) && put_ranges(db, memory, error) &&
                    database_prepare(db, "INSERT INTO page VALUES (?1, ?2, ?3)", &writer.page, error) &&
                    database_prepare(db, "INSERT INTO memory_page VALUES (?1, ?2)", &writer.place, error) &&
                    put_pages(&writer, memory, error);
        (void)sqlite3_finalize(writer.page);
        (void)sqlite3_finalize(writer.place);
        free(writer.known);
        if (good && writer.gone) /* then nothing of it is known */
                good = database_execute(db, "DELETE FROM memory_range; DELETE FROM memory_page; DELETE FROM page",
                                        error);
        return good;
}

void hwaccl_recorder_keep_memory(struct hwaccl_recorder *recorder, const struct hwaccl_guest_memory *memory)
{
        recorder->write_memory = write_memory;
        recorder->memory = memory;
}
