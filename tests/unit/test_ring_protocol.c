/*
 * The ring's protocol, in every interleaving of its two sides: an explicit-state model checker that runs the production
 * sources themselves. ring.c, consumer.c and writer.c are compiled into this program with STEP(), the semaphore
 * and sleeping replaced by points where the other side may run; the database and the decoder are
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
#include <malloc.h>
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

#include "tests/fixtures/ring_protocol_model.h"

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
#define STATE_MAX  (1u << 22)
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
                    position + (uint64_t)record->words * 8 > head || found == 3 * exits || !is_record(record, found))
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
        if (side == PRODUCER)
                return !(model.joining && !model.done[CONSUMER]) &&
                       !(model.looking_again && header()->tail == model.seen_tail &&
                         (header()->consumer_failed != 0) == model.seen_failed);
        return true;
}

/* How many ways a side can go on: a wait ends by the semaphore, by time, or by so much time that a commit is due. */
static unsigned ways(unsigned side)
{
        if (model.asking)
                return 2;
        if (side == CONSUMER && model.waiting)
                return model.posts ? 1 : 2;
        return 1;
}

static void go(unsigned side, unsigned way)
{
        model.answer = way == 1;
        if (side == CONSUMER && model.waiting && !model.posts)
                model.late = way == 1;
        model.running = side;
        (void)swapcontext(&search, &context[side]);
}

static void check_terminal(void)
{
        if (!model.done[PRODUCER] || !model.done[CONSUMER])
                fail_msg("both sides wait for each other");
        if (!header()->consumer_failed && (model.committed != 3 * exits || header()->tail != header()->head))
                fail_msg("%u of %u records are in the database at the end", model.committed, 3 * exits);
}

static uint32_t explore(void)
{
        bool new;
        uint32_t id = enter(hash_state(), &new);

        if (!new)
                return id;
        check_death();
        if (model.waiting && !model.posts && model.joining)
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

static void explore_all(unsigned exit_count, unsigned failures)
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
        model.running = NOBODY;
        model.failures = failures;
        exits = exit_count;
        recorder.probe.ops = &recorder_probe_ops;
        lane_init(&recorder.lane, STAMP_TSC, 1000, UINT64_MAX);
        writer.sink.ops = &recorder_writer;
        recorder.sink = &writer.sink;
        recorder.ring = (struct ring){.header = header(), .data = data, .size = SIZE, .fd = -1};
        recorder.ring.consumer = &writer.consumer;
        writer.consumer.long_rest = 2000000;
        writer.lane = &lane;
        writer.lane_count = 1;
        lane.ring = &recorder.ring;
        lane.position = lane.committed_position = 0;
        lane.decoder.device_state = no_devices;
        lane.committed_devices = committed_devices;
        ring_producer_init(&recorder.lane.producer, &recorder.ring);
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
        explore_all(5, 0);
}

static void a_writer_that_fails_at_any_commit_stops_the_producer_and_keeps_the_ring(void **state)
{
        (void)state;
        explore_all(5, 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_interleaving_loses_or_doubles_or_tears_a_record),
                cmocka_unit_test(a_writer_that_fails_at_any_commit_stops_the_producer_and_keeps_the_ring),
        };
        (void)mallopt(M_TOP_PAD, 64 << 20); /* copies come and go by the million: not from the kernel each time */
        (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        free(edge);
        return failed;
}
#endif
