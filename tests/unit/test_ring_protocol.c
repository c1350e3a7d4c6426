/*
 * The ring's protocol, in every interleaving of its two sides: an explicit-state model checker that runs the production
 * sources themselves. ring.c, consumer.c and writer.c are compiled into this program with STEP(), the mutex, the
 * condition variable and sleeping replaced by points where the other side may run; the database and the decoder are
 * replaced by a list of what was committed. Producer and writer are coroutines on stacks of their own. All memory that
 * they can change, stacks included, is one block: a state is a copy of it, states that were seen are not explored
 * again, and so the search ends. What is compared is what the code did, not a description of it: a change of the
 * protocol is a change of what is checked.
 *
 * Steps are sequentially consistent. What the processor and the compiler may reorder is the thread sanitizer's part.
 * At every state a death is tried: what recovery would find there must be whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* Sanitizers do not know stacks that are put back to what they were. */
static void not_with_a_sanitizer(void **state)
{
        (void)state;
        skip();
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(not_with_a_sanitizer)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
#else

#define HWACCL_STEPS

#include "checkpoint.h"
#include "recorder_internal.h"
#include "timestamps.h"
#include "writer_internal.h"

#include <sqlite3.h>

/* What the production sources see instead of the world. */
static int model_lock(pthread_mutex_t *mutex);
static int model_unlock(pthread_mutex_t *mutex);
static int model_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until);
static int model_signal(pthread_cond_t *condition);
static int model_join(pthread_t thread, void **result);
static void model_look_again(void);
static uint64_t model_time(void);
static bool model_execute(sqlite3 *db, const char *sql, struct hwaccl_error *error);
static int model_roll_back(void);
static bool model_take(struct decoder *decoder, const struct ring_record *record, struct hwaccl_error *error);
static bool model_checkpoint(struct decoder *decoder, uint64_t ring, uint64_t position, struct hwaccl_error *error);

#define pthread_mutex_lock                     model_lock
#define pthread_mutex_unlock                   model_unlock
#define pthread_cond_timedwait                 model_wait
#define pthread_cond_signal                    model_signal
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
#define SIZE    4096u
#define EXITS   5u
#define RECORDS (3u * EXITS)
#define STACK   65536u

enum { PRODUCER, CONSUMER, SIDES, NOBODY = SIDES };

/* Everything of the model that changes. */
static struct model {
        unsigned running; /* PRODUCER, CONSUMER, NOBODY */
        bool done[SIDES];
        bool blocked_on_mutex[SIDES];
        bool joining;       /* the producer waits for the consumer's end */
        bool waiting;       /* the consumer waits for the condition */
        bool signalled;     /* it has come */
        bool timed_out;     /* or too much time passed: chosen by the search */
        bool looking_again; /* the producer polls; nothing to see until something changes */
        uint64_t seen_tail;
        bool seen_failed;
        unsigned owner;    /* of the mutex */
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

static int model_lock(pthread_mutex_t *mutex)
{
        unsigned side = model.running;

        (void)mutex;
        model.blocked_on_mutex[side] = true;
        yield();
        model.blocked_on_mutex[side] = false;
        if (model.owner != NOBODY)
                model.problem = "a mutex was taken twice";
        model.owner = side;
        return 0;
}

static int model_unlock(pthread_mutex_t *mutex)
{
        (void)mutex;
        model.owner = NOBODY;
        return 0;
}

static int model_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
        (void)condition;
        (void)until;
        yield(); /* what the condition was found to be may change before the wait begins */
        (void)model_unlock(mutex);
        model.waiting = true;
        model.signalled = model.timed_out = false;
        yield();
        model.waiting = false;
        (void)model_lock(mutex);
        return model.timed_out ? ETIMEDOUT : 0;
}

static int model_signal(pthread_cond_t *condition)
{
        (void)condition;
        if (model.waiting)
                model.signalled = true;
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
        if (strcmp(sql, "BEGIN") == 0) {
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

        for (unsigned exit = 0; exit < EXITS; exit++) {
                for (unsigned i = 0; i < STATE_WORDS; i++)
                        words.word[i] = word_of_exit(exit, false, i);
                recorder_probe_ops.transfer_in(probe, &words.state);
                recorder_probe_ops.entry(probe);
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

/* A state: copies of all that changes. Of a stack only what is in use. */
struct region {
        void *memory;
        size_t size;
};

static unsigned regions(struct region *region)
{
        unsigned count = 0;

        region[count++] = (struct region){&model, sizeof(model)};
        region[count++] = (struct region){&recorder, sizeof(recorder)};
        region[count++] = (struct region){&writer, sizeof(writer)};
        region[count++] = (struct region){&lane.position, sizeof(lane.position)};
        region[count++] = (struct region){&lane.committed_position, sizeof(lane.committed_position)};
        region[count++] = (struct region){header_page, sizeof(struct ring_header)};
        region[count++] = (struct region){data, SIZE};
        for (unsigned side = 0; side < SIDES; side++) {
                uint8_t *top = (uint8_t *)(uintptr_t)context[side].uc_mcontext.gregs[REG_RSP];
                region[count++] = (struct region){top, (size_t)(stack[side] + STACK - top)};
        }
        return count;
}

#define REGION_MAX 16

struct snapshot {
        ucontext_t context[SIDES];
        uint8_t bytes[];
};

static struct snapshot *save(void)
{
        struct region region[REGION_MAX];
        unsigned count = regions(region);
        size_t size = 0;

        for (unsigned i = 0; i < count; i++)
                size += region[i].size;
        struct snapshot *snapshot = malloc(sizeof(*snapshot) + size);
        assert_non_null(snapshot);
        memcpy(snapshot->context, context, sizeof(context));
        uint8_t *to = snapshot->bytes;
        for (unsigned i = 0; i < count; i++) {
                memcpy(to, region[i].memory, region[i].size);
                to += region[i].size;
        }
        return snapshot;
}

static void restore(const struct snapshot *snapshot)
{
        struct region region[REGION_MAX];

        memcpy(context, snapshot->context, sizeof(context));
        unsigned count = regions(region);
        const uint8_t *from = snapshot->bytes;
        for (unsigned i = 0; i < count; i++) {
                memcpy(region[i].memory, from, region[i].size);
                from += region[i].size;
        }
}

struct hash {
        uint64_t a, b;
};

static void mix(struct hash *hash, const void *memory, size_t size)
{
        const uint8_t *from = memory;
        uint64_t word;

        for (; size >= 8; size -= 8, from += 8) {
                memcpy(&word, from, 8);
                hash->a = (hash->a ^ word) * UINT64_C(0x9e3779b97f4a7c15);
                hash->a ^= hash->a >> 29;
                hash->b = (hash->b + word) * UINT64_C(0xbf58476d1ce4e5b9);
                hash->b ^= hash->b >> 32;
        }
        for (; size; size--, from++)
                hash->a = (hash->a ^ *from) * UINT64_C(0x100000001b3);
}

static struct hash hash_state(void)
{
        static const int kept[] = {REG_RBX, REG_RBP, REG_R12, REG_R13, REG_R14, REG_R15, REG_RSP, REG_RIP};
        struct region region[REGION_MAX];
        struct hash hash = {1, 2};
        unsigned count = regions(region);

        for (unsigned i = 0; i < count; i++)
                mix(&hash, region[i].memory, region[i].size);
        for (unsigned side = 0; side < SIDES; side++)
                for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
                        mix(&hash, &context[side].uc_mcontext.gregs[kept[i]], sizeof(greg_t));
        return hash;
}

/* States that were seen, with their edges: from every one the end must be within reach. */
#define STATE_MAX  (1u << 20)
static struct hash seen[2 * STATE_MAX];
static uint32_t seen_id[2 * STATE_MAX];
static struct {
        uint32_t from, to;
} * edge;
static size_t edges, edge_room;
static bool is_end[STATE_MAX];
static bool reaches_end[STATE_MAX];
static uint32_t states;
static unsigned deaths;

/* The id of a state; *new when it was not there. */
static uint32_t enter(struct hash hash, bool *new)
{
        size_t slot = hash.a % (2 * STATE_MAX);

        while (seen_id[slot] && (seen[slot].a != hash.a || seen[slot].b != hash.b))
                slot = (slot + 1) % (2 * STATE_MAX);
        *new = !seen_id[slot];
        if (*new) {
                if (states + 1 == STATE_MAX)
                        fail_msg("more than %u states", STATE_MAX);
                seen[slot] = hash;
                seen_id[slot] = ++states;
        }
        return seen_id[slot];
}

static void connect(uint32_t from, uint32_t to)
{
        if (edges == edge_room) {
                edge_room = edge_room ? 2 * edge_room : 4096;
                edge = realloc(edge, edge_room * sizeof(*edge));
                assert_non_null(edge);
        }
        edge[edges].from = from;
        edge[edges++].to = to;
}

/* What recovery finds when everything stops now: the rows, and the records behind the checkpoint. */
static void check_death(void)
{
        const uint64_t head = header()->head;
        const uint64_t tail = header()->tail;
        uint64_t position = model.position;
        unsigned found = model.committed;

        deaths++;
        if (model.problem)
                fail_msg("%s", model.problem);
        if (tail > position || position > head || head - tail > SIZE)
                fail_msg("tail %llu, checkpoint %llu, head %llu", (unsigned long long)tail,
                         (unsigned long long)position, (unsigned long long)head);
        while (position < head) {
                const struct ring_record *record =
                        (const struct ring_record *)(const void *)(data + (position & (SIZE - 1)));
                if (record->mark != ring_mark(position) || !record->words ||
                    position + (uint64_t)record->words * 8 > head || found == RECORDS || !is_record(record, found))
                        fail_msg("record %u at %llu is torn", found, (unsigned long long)position);
                position += (uint64_t)record->words * 8;
                found++;
        }
        if (found < 3 * header()->completed)
                fail_msg("%u records of %llu completed exits", found, (unsigned long long)header()->completed);
}

static bool enabled(unsigned side)
{
        if (model.done[side])
                return false;
        if (model.blocked_on_mutex[side] && model.owner != NOBODY)
                return false;
        if (side == PRODUCER)
                return !(model.joining && !model.done[CONSUMER]) &&
                       !(model.looking_again && header()->tail == model.seen_tail &&
                         (header()->consumer_failed != 0) == model.seen_failed);
        return true;
}

/* How many ways a side can go on: a wait ends by the signal, by time, or by so much time that a commit is due. */
static unsigned ways(unsigned side)
{
        if (model.asking)
                return 2;
        if (side == CONSUMER && model.waiting)
                return model.signalled ? 1 : 2;
        return 1;
}

static void go(unsigned side, unsigned way)
{
        model.answer = way == 1;
        if (side == CONSUMER && model.waiting && !model.signalled) {
                model.timed_out = true;
                model.late = way == 1;
        }
        model.running = side;
        (void)swapcontext(&search, &context[side]);
}

static void check_terminal(void)
{
        if (!model.done[PRODUCER] || !model.done[CONSUMER])
                fail_msg("both sides wait for each other");
        if (!header()->consumer_failed && (model.committed != RECORDS || header()->tail != header()->head))
                fail_msg("%u of %u records are in the database at the end", model.committed, RECORDS);
}

static uint32_t explore(void)
{
        bool new;
        uint32_t id = enter(hash_state(), &new);

        if (!new)
                return id;
        check_death();
        if (model.waiting && !model.signalled && model.joining)
                fail_msg("the wake-up at the end was lost: only time ends the wait");
        struct snapshot *snapshot = save();
        bool stuck = true;
        for (unsigned side = 0; side < SIDES; side++) {
                /* whoever asks goes on alone: the answer is no step of its own */
                for (unsigned way = 0; enabled(side) && way < ways(side); way++) {
                        stuck = false;
                        go(side, way);
                        connect(id, explore());
                        restore(snapshot);
                }
        }
        if (stuck) {
                check_terminal();
                is_end[id] = true;
        }
        free(snapshot);
        return id;
}

static void check_that_every_state_reaches_the_end(void)
{
        bool more = true;

        memcpy(reaches_end, is_end, sizeof(is_end));
        while (more) {
                more = false;
                for (size_t i = edges; i-- > 0;) {
                        if (reaches_end[edge[i].to] && !reaches_end[edge[i].from])
                                more = reaches_end[edge[i].from] = true;
                }
        }
        for (uint32_t id = 1; id <= states; id++)
                if (!reaches_end[id])
                        fail_msg("state %u of %u never comes to an end", id, states);
}

static void make_data(void)
{
        int fd = memfd_create("ring", 0);

        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, SIZE), 0);
        data = mmap(NULL, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(data, MAP_FAILED);
        for (unsigned i = 0; i < 2; i++)
                assert_ptr_equal(
                        mmap(data + (size_t)i * SIZE, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
                        data + (size_t)i * SIZE);
        (void)close(fd);
}

static void explore_all(unsigned failures)
{
        static uint8_t no_devices[1];
        static uint8_t committed_devices[1];

        if (!data)
                make_data();
        memset(&model, 0, sizeof(model));
        memset(&recorder, 0, sizeof(recorder));
        memset(&writer, 0, sizeof(writer));
        memset(header_page, 0, sizeof(header_page));
        memset(data, 0, SIZE);
        memset(stack, 0, sizeof(stack));
        memset(seen_id, 0, sizeof(seen_id));
        memset(is_end, 0, sizeof(is_end));
        edges = states = deaths = 0;
        model.running = model.owner = NOBODY;
        model.failures = failures;
        recorder.probe.ops = &recorder_probe_ops;
        recorder.keyframe_interval = recorder.until_snapshot = 1000;
        recorder.whole_entry = true;
        recorder.writer = &writer;
        recorder.ring = (struct ring){.header = header(), .data = data, .size = SIZE, .fd = -1};
        writer.lane = &lane;
        writer.lane_count = 1;
        lane.ring = &recorder.ring;
        lane.position = lane.committed_position = 0;
        lane.decoder.device_state = no_devices;
        lane.committed_devices = committed_devices;
        ring_producer_init(&recorder.producer, &recorder.ring);
        for (unsigned side = 0; side < SIDES; side++) {
                assert_int_equal(getcontext(&context[side]), 0);
                context[side].uc_stack.ss_sp = stack[side];
                context[side].uc_stack.ss_size = STACK;
                makecontext(&context[side], (void (*)(void))(uintptr_t)run_side, 1, side);
        }
        (void)explore();
        check_that_every_state_reaches_the_end();
        print_message("%u states, %zu steps, %u deaths\n", states, edges, deaths);
        assert_true(states > 1000);
}

static void no_interleaving_loses_or_doubles_or_tears_a_record(void **state)
{
        (void)state;
        explore_all(0);
}

static void a_writer_that_fails_at_any_commit_stops_the_producer_and_keeps_the_ring(void **state)
{
        (void)state;
        explore_all(2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_interleaving_loses_or_doubles_or_tears_a_record),
                cmocka_unit_test(a_writer_that_fails_at_any_commit_stops_the_producer_and_keeps_the_ring),
        };
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        free(edge);
        return failed;
}
#endif
