/* The window of a VMM with several threads: all lanes have every exit and call from one number in the sequence on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/recording_assert.h"
#include "tests/fixtures/trace_fixture.h"

#include "tracer/record/flight/flight_recorder.h"
#include "tracer/record/remote.h"
#include "tracer/recover/recovery.h"
#include "tracer/ring/lane.h"

#include <pthread.h>
#include <stdatomic.h>

#define LANES  3u
#define WINDOW 320

struct producer {
        struct ring ring;
        struct lane lane;
        struct lane_masks masks;
        uint64_t exits;
        uint64_t left_open; /* sequence number of a call that has not returned; 0: none */
};

struct run {
        struct remote_recording *remote;
        struct producer *producer; /* two vCPUs, and a thread that runs none */
        _Atomic uint64_t sequence;
        uint64_t random;
        char said[256];
        _Atomic unsigned said_count;
};

static void notice(void *opaque, const char *text)
{
        struct run *run = opaque;

        (void)snprintf(run->said, sizeof(run->said), "%s", text);
        atomic_fetch_add(&run->said_count, 1);
}

static void attach(struct run *run, unsigned index, int fd)
{
        struct producer *producer = &run->producer[index];
        const struct remote_keyframes keyframes = remote_keyframes(run->remote);
        struct hwaccl_error error = {""};

        memset(producer, 0, sizeof(*producer));
        if (!ring_attach(&producer->ring, fd, &error))
                fail_msg("%s", error.message);
        lane_init(&producer->lane, (enum stamp_kind)producer->ring.header->stamp_kind, keyframes.interval,
                  keyframes.bytes);
        producer->lane.masks = &producer->masks;
        producer->lane.sequence = &run->sequence;
        ring_producer_init(&producer->lane.producer, &producer->ring);
}

static void start(struct run *run, const char *window, const char *trigger)
{
        static const struct hwaccl_recording_option options[] = {{HWACCL_OPTION_VMM, "another"}};
        struct hwaccl_flight_trigger triggers[1];
        struct hwaccl_flight_config flight = {.text = window, .trigger = triggers, .notice = notice, .opaque = run};
        struct hwaccl_error error = {""};

        memset(run, 0, sizeof(*run));
        assert_true(hwaccl_flight_window_parse(window, &flight.window, &error));
        if (trigger) {
                assert_true(hwaccl_flight_trigger_parse(trigger, &triggers[0], &error));
                flight.trigger_count = 1;
        }
        const struct hwaccl_recorder_config config = {.path = path,
                                                      .options = options,
                                                      .option_count = 1,
                                                      .sink = &hwaccl_flight_recorder,
                                                      .sink_settings = &flight};
        run->remote = remote_create(&config, &error);
        if (!run->remote || !remote_add_vcpu(run->remote, &error) || !remote_add_thread(run->remote, &error))
                fail_msg("%s", error.message);
        run->producer = aligned_alloc(64, LANES * ((sizeof(*run->producer) + 63) & ~(size_t)63));
        assert_non_null(run->producer);
        attach(run, 0, remote_ring_fd(run->remote, 0));
        attach(run, 1, remote_ring_fd(run->remote, 1));
        attach(run, 2, remote_thread_fd(run->remote, 0));
        assert_true(lane_thread(&run->producer[2].lane, 7, 8, "main"));
        assert_true(lane_annotation(&run->producer[1].lane, "early", "yes"));
}

static void put_exit(struct producer *producer, uint32_t reason)
{
        struct hwaccl_trace_state state = {.known = {0, 0}};
        struct lane *lane = &producer->lane;

        hwaccl_trace_put_exit(&state, reason, 0, 1);
        hwaccl_trace_put(&state, rip, producer->exits);
        hwaccl_trace_put(&state, cr3, producer->exits / 1000 * 4096);
        const struct hwaccl_known_fields known = hwaccl_known_fields_of_words(state.known);
        (void)lane_entry(lane, (struct hwaccl_known_state){NULL, NULL});
        lane->entry_stamp = lane_now(lane);
        lane->exit_sequence = lane_next(lane);
        (void)lane_exit(lane, (struct hwaccl_known_state){&state.values, &known}, NULL, lane_now(lane));
        (void)lane_handled(lane, HWACCL_OUTCOME_HALTED, lane_now(lane));
        (void)lane_keyframe_due(lane);
        lane_complete(lane);
        assert_false(lane_failed(lane));
        producer->exits++;
}

static uint64_t begin_call(struct producer *producer)
{
        const struct lane_call call = {.sequence = lane_next(&producer->lane),
                                       .request = 0x4020aea5,
                                       .object = RING_CALL_OBJECT_NONE,
                                       .role = RING_CALL_VM};

        assert_true(lane_call(&producer->lane, &call, "input", 5, lane_now(&producer->lane)));
        return call.sequence;
}

static void end_call(struct producer *producer, uint64_t sequence)
{
        const struct lane_called called = {.sequence = sequence, .result = 1};

        assert_true(lane_called(&producer->lane, &called, NULL, 0, lane_now(&producer->lane)));
}

static uint64_t next(struct run *run)
{
        run->random = run->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return run->random >> 33;
}

/* Exits of the first vCPU, of the second one @rarely, and calls of all, also within others and such as never return. */
static void produce(struct run *run, unsigned events, unsigned rarely)
{
        for (unsigned i = 0; i < events; i++) {
                uint64_t which = next(run) % 100;
                struct producer *producer = &run->producer[next(run) % rarely == 0 ? 1 : 0];
                if (which < 60) {
                        put_exit(producer, HWACCL_EXIT_HLT);
                        continue;
                }
                if (which < 90)
                        producer = &run->producer[2];
                if (producer->left_open && which % 2) {
                        end_call(producer, producer->left_open);
                        producer->left_open = 0;
                }
                uint64_t call = begin_call(producer);
                if (which % 8 == 0)
                        producer->left_open = call;
                else
                        end_call(producer, call);
        }
}

static void finish(struct run *run)
{
        struct hwaccl_error error = {""};

        for (unsigned i = 0; i < LANES; i++)
                ring_destroy(&run->producer[i].ring, false);
        free(run->producer);
        if (!remote_finish(run->remote, HWACCL_END_STOPPED, 0, NULL, &error))
                fail_msg("%s", error.message);
}

/* Every number from the first one to @last (0: whatever it is) is there once; how many there are. */
static long assert_sequence(const char *database, uint64_t last)
{
        struct hwaccl_recording *recording = open_recording(database);
        long count = 0;
        char text[64];

        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT count(*) = 1 + max(sequence) - min(sequence) AND count(*) = "
                                           "count(DISTINCT sequence) FROM (SELECT sequence FROM exit UNION ALL SELECT "
                                           "sequence FROM vmm_call)"),
                            "1");
        assert_string_equal(ask(recording, "SELECT count(*) FROM exits WHERE rip <> printf('0x%x', exit)"), "0");
        assert_string_equal(ask(recording, "SELECT count(*) FROM vmm_call WHERE input <> x'696e707574'"), "0");
        assert_string_equal(ask(recording, "SELECT id || host_process || host_thread || name FROM lane"),
                            "6553678main");
        assert_string_equal(option_of(recording, "early"), "yes");
        if (last) {
                (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)last);
                assert_string_equal(ask(recording,
                                        "SELECT max(sequence) FROM (SELECT sequence FROM exit UNION ALL SELECT "
                                        "sequence FROM vmm_call)"),
                                    text);
        }
        count = strtol(ask(recording, "SELECT (SELECT count(*) FROM exit) + (SELECT count(*) FROM vmm_call)"), NULL,
                       10);
        hwaccl_recording_close(recording);
        return count;
}

static void every_exit_and_call_since_one_number_is_there(void **state)
{
        static const unsigned events[] = {1, 100, 319, 1000, 5000, 20000};
        static const unsigned rarely[] = {2, 50, 3000};

        (void)state;
        for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
                for (size_t j = 0; j < sizeof(rarely) / sizeof(rarely[0]); j++) {
                        struct run run;
                        start(&run, "320exits", NULL);
                        put_exit(&run.producer[0], HWACCL_EXIT_HLT);
                        produce(&run, events[i], rarely[j]);
                        finish(&run);
                        long count = assert_sequence(path, run.sequence);
                        if (events[i] < WINDOW)
                                assert_int_equal(count, run.sequence);
                        else
                                assert_in_range(count, WINDOW, WINDOW / 16 * (16 + 1 + LANES));
                        (void)remove_files(NULL);
                }
}

static void windows_of_bytes_and_time(void **state)
{
        struct run run;

        (void)state;
        start(&run, "4M", NULL);
        produce(&run, 100000, 20);
        finish(&run);
        assert_in_range(assert_sequence(path, run.sequence), 10000, run.sequence - 1000);
        (void)remove_files(NULL);
        start(&run, "1s", NULL);
        produce(&run, 1000, 20);
        finish(&run);
        assert_int_equal(assert_sequence(path, run.sequence), run.sequence);
}

static void a_trigger_ends_the_window_of_all_lanes_at_its_exit(void **state)
{
        char beside[sizeof(path) + 8], number[64];
        struct run run;

        (void)state;
        start(&run, "320exits", "reason=triple_fault");
        produce(&run, 3000, 50);
        put_exit(&run.producer[1], HWACCL_EXIT_TRIPLE_FAULT);
        const uint64_t sequence = run.sequence;
        produce(&run, 3000, 50);
        finish(&run);
        (void)snprintf(beside, sizeof(beside), "%s/vmm-1.db", directory);
        assert_int_equal(run.said_count, 1);
        assert_non_null(strstr(run.said, "(trigger reason=triple_fault at exit "));
        assert_in_range(assert_sequence(beside, 0), WINDOW, WINDOW / 16 * (16 + 1 + LANES));
        struct hwaccl_recording *recording = open_recording(beside);
        (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)sequence);
        assert_string_equal(ask(recording,
                                "SELECT e.sequence FROM exit e JOIN exits USING (id) WHERE reason_number = 2 "
                                "AND id = (SELECT max(id) FROM exit)"),
                            number);
        hwaccl_recording_close(recording);
}

struct thread {
        pthread_t thread;
        struct producer *producer;
        bool vcpu;
        const _Atomic bool *stop;
        _Atomic bool begun;
};

static void *produce_always(void *opaque)
{
        struct thread *thread = opaque;

        while (!atomic_load(thread->stop)) {
                for (unsigned i = 0; thread->vcpu && i < 20; i++)
                        put_exit(thread->producer, HWACCL_EXIT_HLT);
                end_call(thread->producer, begin_call(thread->producer));
                atomic_store(&thread->begun, true);
        }
        return NULL;
}

/* A dump takes numbers that are being given. */
static void windows_written_while_all_threads_run_are_whole(void **state)
{
        struct thread thread[LANES];
        char beside[sizeof(path) + 8];
        _Atomic bool stop = false;
        struct run run;

        (void)state;
        start(&run, "2000exits", "rip=0x1000");
        for (unsigned i = 0; i < LANES; i++) {
                thread[i] = (struct thread){.producer = &run.producer[i], .vcpu = i < 2, .stop = &stop};
                assert_int_equal(pthread_create(&thread[i].thread, NULL, produce_always, &thread[i]), 0);
        }
        for (unsigned i = 0; i < LANES; i++)
                while (!atomic_load(&thread[i].begun))
                        (void)usleep(100);
        while (atomic_load(&run.said_count) < 1) /* the trigger */
                (void)usleep(1000);
        for (unsigned i = 2; i < 6; i++) {
                remote_dump(run.remote);
                while (atomic_load(&run.said_count) < i)
                        (void)usleep(1000);
        }
        atomic_store(&stop, true);
        for (unsigned i = 0; i < LANES; i++)
                assert_int_equal(pthread_join(thread[i].thread, NULL), 0);
        finish(&run);
        for (unsigned i = 1; i < 6; i++) {
                (void)snprintf(beside, sizeof(beside), "%s/vmm-%u.db", directory, i);
                assert_in_range(assert_sequence(beside, 0), 2000, 100000); /* and what the rings held */
        }
        (void)assert_sequence(path, run.sequence);
}

/* From then on it changes nothing. */
static void wait_until_drained(const struct producer *producer)
{
        const struct ring_header *header = producer->ring.header;

        while (atomic_load(&header->tail) != atomic_load(&header->head))
                (void)usleep(1000);
}

/* A copy of what a recorder that dies leaves; each lane has begun. */
static void a_dead_recorder_s_window_is_recovered(void **state)
{
        char database[sizeof(path) + 8], command[3 * sizeof(path) + 64];
        struct hwaccl_recovery result;
        struct hwaccl_error error = {""};
        struct run run;

        (void)state;
        for (unsigned events = 100; events < 10000; events *= 3) {
                start(&run, "320exits", NULL);
                put_exit(&run.producer[1], HWACCL_EXIT_HLT);
                produce(&run, events, 50);
                for (unsigned i = 0; i < LANES; i++)
                        wait_until_drained(&run.producer[i]);
                (void)snprintf(command, sizeof(command), "cd %s && mkdir left && cp -r vmm.db-* left", directory);
                assert_int_equal(system(command), 0);
                const uint64_t sequence = run.sequence;
                finish(&run);
                (void)snprintf(database, sizeof(database), "%s/left/vmm.db", directory);
                if (!hwaccl_recover(database, &result, &error))
                        fail_msg("%s", error.message);
                assert_int_equal(result.damaged_at, UINT64_MAX);
                assert_int_equal(result.lost, 0);
                (void)assert_sequence(database, sequence);
                (void)remove_files(NULL);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(every_exit_and_call_since_one_number_is_there, remove_files),
                cmocka_unit_test_teardown(windows_of_bytes_and_time, remove_files),
                cmocka_unit_test_teardown(a_trigger_ends_the_window_of_all_lanes_at_its_exit, remove_files),
                cmocka_unit_test_teardown(windows_written_while_all_threads_run_are_whole, remove_files),
                cmocka_unit_test_teardown(a_dead_recorder_s_window_is_recovered, remove_files),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
