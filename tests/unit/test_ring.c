/* The ring between vCPU thread and writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/ring/consumer.h"
#include "tracer/ring/ring.h"
#include "tracer/ring/state_delta.h"
#include "tracer/ring/timestamps.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIZE RING_SIZE_MIN

static char path[] = "/tmp/hwaccl-ring-XXXXXX";

static struct ring ring;

static int make_ring(void **state)
{
        struct hwaccl_error error = {""};

        (void)state;
        (void)unlink(path);
        if (ring_create(&ring, path, SIZE, 0, &error))
                return 0;
        print_error("%s\n", error.message);
        return -1;
}

static int drop_ring(void **state)
{
        (void)state;
        ring_destroy(&ring, true);
        return 0;
}

struct numbered {
        struct ring_record record;
        uint64_t number;
        uint64_t filling[];
};

#define RECORD_MOST (sizeof(struct numbered) + 8 * 599)

/* Sizes from two words to some kilobytes, a function of the number. */
static size_t size_of(uint64_t number)
{
        return sizeof(struct numbered) + 8 * ((number * 7919) % 600);
}

static bool push(struct ring_producer *producer, uint64_t number)
{
        size_t size = size_of(number);
        struct numbered *record = (struct numbered *)(void *)ring_reserve(producer, size, (uint8_t)number, 0);

        if (!record)
                return false;
        record->number = number;
        for (size_t i = 0; i < size / 8 - 2; i++)
                record->filling[i] = number ^ i;
        ring_publish(producer);
        return true;
}

static void assert_record(const struct ring_record *found, uint64_t number)
{
        const struct numbered *record = (const struct numbered *)(const void *)found;

        assert_non_null(found);
        assert_int_equal(found->words * 8, size_of(number));
        assert_int_equal(found->type, (uint8_t)number);
        assert_int_equal(record->number, number);
        for (size_t i = 0; i < size_of(number) / 8 - 2; i++)
                assert_int_equal(record->filling[i], number ^ i);
}

static void records_are_contiguous_across_the_end(void **state)
{
        struct ring_producer producer;
        uint64_t position = 0;

        (void)state;
        ring_producer_init(&producer, &ring);
        for (uint64_t i = 0; i < 2000; i++) {
                assert_true(push(&producer, i));
                const struct ring_record *record = ring_at(&ring, position, ring_head(&ring));
                assert_record(record, i);
                position += (uint64_t)record->words * 8;
                ring_release(&ring, position);
        }
        assert_true(position > 8 * SIZE);
}

struct reader {
        uint64_t records;
        bool dies;
};

static void *consume(void *opaque)
{
        struct reader *reader = opaque;
        uint64_t position = 0;
        const struct timespec wait = {0, 1000000};

        for (uint64_t i = 0; i < reader->records; i++) {
                while (ring_head(&ring) == position)
                        (void)nanosleep(&wait, NULL);
                const struct ring_record *record = ring_at(&ring, position, ring_head(&ring));
                assert_record(record, i);
                position += (uint64_t)record->words * 8;
                if (i % 16 == 0)
                        ring_release(&ring, position);
        }
        if (reader->dies)
                ring_fail(&ring);
        return NULL;
}

static void a_slow_consumer_blocks_the_producer_and_nothing_is_lost(void **state)
{
        struct ring_producer producer;
        struct reader reader = {3000, false};
        pthread_t thread;

        (void)state;
        ring_producer_init(&producer, &ring);
        assert_int_equal(pthread_create(&thread, NULL, consume, &reader), 0);
        for (uint64_t i = 0; i < reader.records; i++)
                assert_true(push(&producer, i));
        assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_dead_consumer_stops_the_producer(void **state)
{
        struct ring_producer producer;
        struct reader reader = {10, true};
        pthread_t thread;
        uint64_t pushed = 0;

        (void)state;
        ring_producer_init(&producer, &ring);
        assert_int_equal(pthread_create(&thread, NULL, consume, &reader), 0);
        while (pushed < 100000 && push(&producer, pushed))
                pushed++;
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(pushed >= 10 && pushed < 100000);
}

static void make_consumer(struct consumer *consumer)
{
        struct hwaccl_error error = {""};

        memset(consumer, 0, sizeof(*consumer));
        assert_true(consumer_init(consumer, 999999999, &error));
        consumer_attach(consumer, &ring);
}

static void a_rest_ends_when_a_quarter_of_the_ring_has_filled(void **state)
{
        static struct consumer consumer;
        struct ring_producer producer;
        uint64_t number = 0, begin;

        (void)state;
        make_consumer(&consumer);
        ring_producer_init(&producer, &ring);
        assert_true(push(&producer, number++));
        for (unsigned quarter = 1; quarter <= 8; quarter++) {
                begin = producer.head;
                atomic_store(&consumer.resting, true);
                while (atomic_load(&consumer.resting))
                        assert_true(push(&producer, number++));
                assert_in_range(producer.head - begin, SIZE / 4 - RECORD_MOST, SIZE / 4 + RECORD_MOST);
                ring_release(&ring, producer.head);
        }
        consumer_destroy(&consumer);
}

/* However often the time of its rest is over, it releases the ring only when it was woken. */
static void *release_when_woken(void *opaque)
{
        struct consumer *consumer = opaque;

        while (!consumer_is_closing(consumer)) {
                consumer_rest(consumer, &ring, true);
                if (consumer->last_rest == 1)
                        ring_release(&ring, ring_head(&ring));
        }
        return NULL;
}

static void a_full_ring_is_waited_for_and_its_consumer_is_woken(void **state)
{
        static struct consumer consumer;
        struct hwaccl_error error = {""};
        struct ring_producer producer;

        (void)state;
        make_consumer(&consumer);
        ring_producer_init(&producer, &ring);
        assert_true(consumer_start(&consumer, release_when_woken, &consumer, &error));
        for (uint64_t number = 0; producer.head < 16 * SIZE; number++)
                assert_true(push(&producer, number));
        consumer_join(&consumer);
        consumer_destroy(&consumer);
}

static void a_call_before_the_rest_is_remembered(void **state)
{
        static struct consumer consumer;
        int calls;

        (void)state;
        make_consumer(&consumer);
        consumer_call(&consumer);
        consumer_rest(&consumer, &ring, true);
        assert_int_equal(sem_getvalue(&consumer.wake, &calls), 0);
        assert_int_equal(calls, 0);          /* that ended the rest */
        assert_true(consumer.last_rest > 1); /* and the producer did not */
        assert_false(atomic_load(&consumer.resting));
        consumer_wake(&consumer); /* nobody rests: nothing to remember */
        assert_int_equal(sem_getvalue(&consumer.wake, &calls), 0);
        assert_int_equal(calls, 0);
        consumer_destroy(&consumer);
}

static void what_is_reserved_is_not_seen_before_it_is_published(void **state)
{
        struct ring_producer producer;

        (void)state;
        ring_producer_init(&producer, &ring);
        assert_non_null(ring_reserve(&producer, 16, 1, 0));
        assert_int_equal(ring_head(&ring), 0);
        ring_publish(&producer);
        assert_int_equal(ring_head(&ring), 16);
}

static void torn_records_are_told_from_whole_ones(void **state)
{
        struct ring_producer producer;

        (void)state;
        ring_producer_init(&producer, &ring);
        for (uint64_t i = 0; i < 3; i++)
                assert_true(push(&producer, i));
        uint64_t head = ring_head(&ring);
        assert_non_null(ring_at(&ring, 0, head));
        assert_null(ring_at(&ring, 8, head));           /* no record begins there */
        assert_null(ring_at(&ring, 0, size_of(0) - 8)); /* it would end behind the head */
        assert_null(ring_at(&ring, head, head));
        assert_null(ring_at(&ring, SIZE, SIZE + head)); /* the same bytes, but of the lap before */
        struct ring_record *record = (struct ring_record *)(void *)ring.data;
        record->words = 0;
        assert_null(ring_at(&ring, 0, head));
}

static void the_file_describes_itself(void **state)
{
        struct ring_producer producer;
        union {
                struct ring_header header;
                char bytes[RING_HEADER_SIZE];
        } file;

        (void)state;
        ring_producer_init(&producer, &ring);
        ring_announce(&ring);
        assert_true(push(&producer, 5));
        FILE *stream = fopen(path, "rb");
        assert_non_null(stream);
        assert_int_equal(fread(&file, 1, sizeof(file), stream), sizeof(file));
        assert_memory_equal(file.header.magic, RING_MAGIC, 8);
        assert_int_equal(file.header.version, RING_VERSION);
        assert_int_equal(file.header.data_size, SIZE);
        assert_int_equal(file.header.head, size_of(5));
        struct ring_record record;
        assert_int_equal(fread(&record, 1, sizeof(record), stream), sizeof(record));
        assert_int_equal(record.mark, ring_mark(0));
        (void)fclose(stream);
}

static void sizes_and_files_that_cannot_be_are_refused(void **state)
{
        struct ring other;
        struct hwaccl_error error = {""};

        (void)state;
        assert_false(ring_create(&other, path, SIZE, 0, &error));
        assert_non_null(strstr(error.message, "exists"));
        assert_int_equal(access(path, F_OK), 0);
        assert_false(ring_create(&other, "/nonexistent/ring", SIZE, 0, &error));
        assert_false(ring_create(&other, path, SIZE + 4096, 0, &error));
        assert_false(ring_create(&other, path, SIZE / 2, 0, &error));
        assert_false(ring_create(&other, path, UINT64_C(1) << 40, 0, &error));
}

static void a_delta_holds_exactly_the_words_that_differ(void **state)
{
        static union state_words base;
        static union state_words state_now;
        static union state_words rebuilt;
        uint64_t words[STATE_WORDS];

        (void)state;
        for (unsigned round = 0; round < 5000; round++) {
                rebuilt = base;
                state_now = base;
                uint64_t expected = 0;
                for (unsigned i = 0; i < STATE_WORDS; i++) {
                        if (rand() % (1 + (int)(round % 70)) != 0)
                                continue;
                        /* one bit, in either half */
                        state_now.word[i] ^= UINT64_C(1) << (rand() % 64);
                        expected |= UINT64_C(1) << i;
                }
                uint64_t bitmap = state_delta_bitmap(&state_now.state, &base);
                assert_int_equal(bitmap, expected);
                uint64_t *end = state_delta_pack(bitmap, &state_now.state, &base, words);
                assert_int_equal(end - words, __builtin_popcountll(bitmap));
                assert_memory_equal(&base, &state_now, sizeof(base));
                assert_ptr_equal(state_delta_apply(bitmap, words, &rebuilt), end);
                assert_memory_equal(&rebuilt, &state_now, sizeof(base));
        }
}

static void time_stamps_agree_with_the_monotonic_clock(void **state)
{
        const struct timespec wait = {0, 20000000};
        struct stamp_clock clock;

        (void)state;
        for (unsigned kind = 0; kind < 2; kind++) {
                stamp_clock_start(&clock, (enum stamp_kind)kind);
                /* the other clock, read before and after: it does not matter for how long this thread does not run */
                uint64_t before_begin = stamp_monotonic();
                uint64_t begin = stamp_now((enum stamp_kind)kind);
                uint64_t after_begin = stamp_monotonic();
                (void)nanosleep(&wait, NULL);
                uint64_t before_end = stamp_monotonic();
                uint64_t end = stamp_now((enum stamp_kind)kind);
                uint64_t after_end = stamp_monotonic();
                stamp_clock_sample(&clock);
                uint64_t measured = stamp_clock_ns(&clock, end) - stamp_clock_ns(&clock, begin);
                assert_in_range(measured, (before_end - after_begin) * 9 / 10, (after_end - before_begin) * 11 / 10);
                /* a stamp from before the last two samples */
                (void)nanosleep(&wait, NULL);
                stamp_clock_sample(&clock);
                (void)nanosleep(&wait, NULL);
                stamp_clock_sample(&clock);
                uint64_t late = stamp_clock_ns(&clock, end) - stamp_clock_ns(&clock, begin);
                assert_in_range(late, measured * 8 / 10, measured * 12 / 10);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(records_are_contiguous_across_the_end, make_ring, drop_ring),
                cmocka_unit_test_setup_teardown(a_slow_consumer_blocks_the_producer_and_nothing_is_lost, make_ring,
                                                drop_ring),
                cmocka_unit_test_setup_teardown(a_dead_consumer_stops_the_producer, make_ring, drop_ring),
                cmocka_unit_test_setup_teardown(a_rest_ends_when_a_quarter_of_the_ring_has_filled, make_ring,
                                                drop_ring),
                cmocka_unit_test_setup_teardown(a_full_ring_is_waited_for_and_its_consumer_is_woken, make_ring,
                                                drop_ring),
                cmocka_unit_test_setup_teardown(a_call_before_the_rest_is_remembered, make_ring, drop_ring),
                cmocka_unit_test_setup_teardown(what_is_reserved_is_not_seen_before_it_is_published, make_ring,
                                                drop_ring),
                cmocka_unit_test_setup_teardown(torn_records_are_told_from_whole_ones, make_ring, drop_ring),
                cmocka_unit_test_setup_teardown(the_file_describes_itself, make_ring, drop_ring),
                cmocka_unit_test_setup_teardown(sizes_and_files_that_cannot_be_are_refused, make_ring, drop_ring),
                cmocka_unit_test(a_delta_holds_exactly_the_words_that_differ),
                cmocka_unit_test(time_stamps_agree_with_the_monotonic_clock),
        };
        int fd = mkstemp(path);
        if (fd < 0)
                return 1;
        (void)close(fd);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
