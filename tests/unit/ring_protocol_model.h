/*
 * The model of test_ring_protocol.c: the production sources of both sides of the ring, with what they ask of the world
 * (locks, time, the database) answered here. Include once, after cmocka.h.
 */
#ifndef HWACCL_TESTS_RING_PROTOCOL_MODEL_H
#define HWACCL_TESTS_RING_PROTOCOL_MODEL_H

#include "checkpoint.h"
#include "recorder_internal.h"
#include "timestamps.h"
#include "writer_internal.h"

#include <sqlite3.h>

/* What the production sources see instead of the world. */
static int model_wait(void);
static int model_post(void);
static int model_join(pthread_t thread, void **result);
static void model_look_again(void);
static uint64_t model_time(void);
static bool model_execute(sqlite3 *db, const char *sql, struct hwaccl_error *error);
static int model_roll_back(void);
static bool model_take(struct decoder *decoder, const struct ring_record *record, struct hwaccl_error *error);
static bool model_checkpoint(struct decoder *decoder, uint64_t ring, uint64_t position, struct hwaccl_error *error);

#define sem_clockwait(semaphore, clock, until) ((void)(semaphore), (void)(until), model_wait())
#define sem_post(semaphore)                    ((void)(semaphore), model_post())
#define pthread_join                           model_join
#define nanosleep(time, left)                  ((void)(time), model_look_again(), 0)
#define __builtin_ia32_pause()                 model_look_again()
#define clock_gettime(clock, to)               ((void)(clock), memset((to), 0, sizeof(*(to))), 0)
#define stamp_monotonic()                      model_time()
#define stamp_now(kind)                        ((void)(kind), UINT64_C(1))
#define stamp_clock_sample(clock)              ((void)(clock))
#define database_execute                       model_execute
#define sqlite3_exec(db, sql, row, opaque, to) model_roll_back()
#define decoder_take                           model_take
#define decoder_flush(decoder, error)          ((void)(decoder), (void)(error), true)
#define checkpoint_write                       model_checkpoint

/* NOLINTBEGIN(bugprone-suspicious-include): the sources themselves are what is checked */
#include "consumer.c"
#include "recorder_probe.c"
#include "ring.c"
#include "writer.c"
/* NOLINTEND(bugprone-suspicious-include) */

/* An exit is three records, 1104 bytes: not four of them fit. */
#define SIZE  4096u
#define STACK 65536u

enum { PRODUCER, CONSUMER, SIDES, NOBODY = SIDES };

/* Everything of the model that changes. */
static struct model {
        unsigned running; /* PRODUCER, CONSUMER, NOBODY */
        bool done[SIDES];
        bool joining;       /* the producer waits for the consumer's end */
        bool waiting;       /* the consumer waits for the semaphore, or for the time to pass */
        unsigned posts;     /* of the semaphore */
        bool looking_again; /* the producer polls; nothing to see until something changes */
        uint64_t seen_tail;
        bool seen_failed;
        bool late;         /* the commit interval is over: chosen by the search */
        unsigned failures; /* commits that may still fail */
        bool asking;       /* whether a commit fails */
        bool answer;
        /* the database */
        bool in_transaction;
        unsigned taken; /* records, those of the transaction included */
        unsigned committed;
        uint64_t position; /* of the checkpoint */
        uint64_t uncommitted_position;
        const char *problem; /* what a side saw that cannot be */
} model;

static unsigned exits; /* that are recorded */
static struct hwaccl_recorder recorder;
static struct writer writer;
static struct writer_lane lane;
static _Alignas(64) uint8_t header_page[RING_HEADER_SIZE];
static uint8_t *data;
static _Alignas(64) uint8_t stack[SIDES][STACK];
static ucontext_t context[SIDES];
static ucontext_t search;

static struct ring_header *header(void)
{
        return (struct ring_header *)(void *)header_page;
}

/* Back to the search; it goes on here when it wants to. */
static void yield(void)
{
        unsigned side = model.running;

        model.running = NOBODY;
        (void)swapcontext(&context[side], &search);
}

void hwaccl_step(const char *name)
{
        if (model.running == NOBODY)
                return;
        bool producer = model.running == PRODUCER;
        yield();
        if (!producer || strcmp(name, "producer looks for room") == 0)
                return;
        /* a round of polling begins, or what it saw does not matter any more */
        bool looks = strcmp(name, "look for failure") == 0;
        model.seen_tail = looks ? header()->tail : 0;
        model.seen_failed = looks && header()->consumer_failed;
}

static int model_wait(void)
{
        yield(); /* what was seen before may change before the wait begins */
        if (model.posts == 0) {
                model.waiting = true;
                yield();
                model.waiting = false;
        }
        if (model.posts == 0)
                return -1;
        model.posts--;
        return 0;
}

static int model_post(void)
{
        yield();
        model.posts++;
        return 0;
}

static int model_join(pthread_t thread, void **result)
{
        (void)thread;
        (void)result;
        model.joining = true;
        yield();
        model.joining = false;
        return 0;
}

/* A round of polling that sees what the last one saw changes nothing: the next one comes when there is something new.
 */
static void model_look_again(void)
{
        model.looking_again = true;
        yield();
        model.looking_again = false;
}

static uint64_t model_time(void)
{
        return model.late ? COMMIT_INTERVAL_NS + 1 : 0;
}

static bool model_execute(sqlite3 *db, const char *sql, struct hwaccl_error *error)
{
        (void)db;
        if (strcmp(sql, "BEGIN IMMEDIATE") == 0) {
                if (model.in_transaction)
                        model.problem = "a transaction in a transaction";
                model.in_transaction = true;
                return true;
        }
        if (model.failures) {
                model.asking = true;
                yield();
                model.asking = false;
                if (model.answer) {
                        model.failures--;
                        return hwaccl_error_set(error, "the disk is full");
                }
        }
        model.late = false;
        model.in_transaction = false;
        model.committed = model.taken;
        model.position = model.uncommitted_position;
        return true;
}

static int model_roll_back(void)
{
        model.in_transaction = false;
        model.taken = model.committed;
        return 0;
}

static bool model_checkpoint(struct decoder *decoder, uint64_t ring, uint64_t position, struct hwaccl_error *error)
{
        (void)decoder;
        (void)ring;
        (void)error;
        model.uncommitted_position = position;
        return true;
}

/* Every word of an exit's states says which it is. */
static uint64_t word_of_exit(unsigned exit, bool left, unsigned word)
{
        return (uint64_t)(2 * exit + left + 1) << 32 | word;
}

static bool words_are(const uint64_t *words, unsigned exit, bool left)
{
        for (unsigned i = 0; i < STATE_WORDS; i++)
                if (words[i] != word_of_exit(exit, left, i))
                        return false;
        return true;
}

/* Is it the record with that number, whole? */
static bool is_record(const struct ring_record *record, unsigned number)
{
        const void *body = record;

        switch (number % 3) {
        case 0:
                return record->type == RING_RECORD_ENTRY &&
                       words_are(((const struct ring_entry *)body)->words, number / 3, false);
        case 1:
                return record->type == RING_RECORD_EXIT &&
                       words_are(((const struct ring_exit *)body)->words, number / 3, true);
        default: return record->type == RING_RECORD_HANDLED && record->extra == HWACCL_OUTCOME_COMPLETED;
        }
}

static bool model_take(struct decoder *decoder, const struct ring_record *record, struct hwaccl_error *error)
{
        (void)decoder;
        (void)error;
        if (!model.in_transaction)
                model.problem = "a row without a transaction";
        if (!is_record(record, model.taken))
                model.problem = "another record than the next one was decoded";
        model.taken++;
        return true;
}

/* The two sides, as the vCPU thread and the writer's thread run them. */
static void produce(void)
{
        struct hwaccl_probe *probe = &recorder.probe;
        const struct hwaccl_pending_interrupts none = {{0}};
        struct hwaccl_error error;
        union state_words words;

        for (unsigned exit = 0; exit < exits; exit++) {
                for (unsigned i = 0; i < STATE_WORDS; i++)
                        words.word[i] = word_of_exit(exit, false, i);
                recorder_probe_ops.transfer_in(probe, &words.state);
                for (unsigned i = 0; i < STATE_WORDS; i++)
                        words.word[i] = word_of_exit(exit, true, i);
                recorder_probe_ops.exit(probe, &words.state, &none);
                if (!recorder_probe_ops.handled(probe, HWACCL_OUTCOME_COMPLETED, &error))
                        break;
        }
        recorder_close_exit(&recorder);
        consumer_join(&writer.consumer);
        if (ring_failed(&recorder.ring))
                (void)salvage(&writer);
}

static void run_side(unsigned side)
{
        if (side == PRODUCER)
                produce();
        else
                (void)main_loop(&writer);
        for (;;) {
                model.done[side] = true;
                yield();
        }
}

#endif
