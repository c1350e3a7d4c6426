/* A recording whose producers map its rings: vCPUs that are added while others run, and a recorder that has gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/recording_assert.h"
#include "tests/fixtures/trace_fixture.h"

#include "tracer/record/remote.h"
#include "tracer/recover/recovery.h"
#include "tracer/ring/lane.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

struct producer {
        struct ring ring;
        struct lane lane;
        struct lane_masks masks;
        uint64_t exits;
        _Atomic bool begun;
        pthread_t thread;
};

static struct remote_recording *create(void)
{
        static const struct hwaccl_recording_option options[] = {{HWACCL_OPTION_VMM, "another"}};
        const struct hwaccl_recorder_config config = {
                .path = path, .ring_size = 256 << 10, .keyframe_interval = 8, .options = options, .option_count = 1};
        struct hwaccl_error error = {""};
        struct remote_recording *remote = remote_create(&config, &error);

        if (!remote)
                fail_msg("%s", error.message);
        return remote;
}

static void attach_ring(struct producer *producer, int fd)
{
        struct hwaccl_error error = {""};

        memset(producer, 0, sizeof(*producer));
        if (!ring_attach(&producer->ring, fd, &error))
                fail_msg("%s", error.message);
        lane_init(&producer->lane, (enum stamp_kind)producer->ring.header->stamp_kind, 8, UINT64_MAX);
        producer->lane.masks = &producer->masks;
        ring_producer_init(&producer->lane.producer, &producer->ring);
}

static void attach(struct producer *producer, const struct remote_recording *remote, unsigned vcpu, uint64_t exits)
{
        attach_ring(producer, remote_ring_fd(remote, vcpu));
        producer->exits = exits;
}

/* False when the lane has stopped. */
static bool put_exit(struct lane *lane, uint64_t number)
{
        struct hwaccl_trace_state state = {.known = {0, 0}};

        hwaccl_trace_put_exit(&state, HWACCL_EXIT_HLT, 0, 1);
        hwaccl_trace_put(&state, rip, number);
        const struct hwaccl_known_fields known = hwaccl_known_fields_of_words(state.known);
        (void)lane_entry(lane, (struct hwaccl_known_state){NULL, NULL});
        lane->entry_stamp = lane_now(lane);
        lane->exit_sequence = lane_next(lane);
        (void)lane_exit(lane, (struct hwaccl_known_state){&state.values, &known}, NULL, lane_now(lane));
        (void)lane_handled(lane, HWACCL_OUTCOME_HALTED, lane_now(lane));
        (void)lane_keyframe_due(lane);
        lane_complete(lane);
        return !lane_failed(lane);
}

static void *produce(void *opaque)
{
        struct producer *producer = opaque;

        for (uint64_t i = 0; i < producer->exits; i++) {
                if (!put_exit(&producer->lane, i))
                        break;
                atomic_store(&producer->begun, true);
        }
        return NULL;
}

static void vcpus_are_added_while_others_run(void **state)
{
        struct remote_recording *remote = create();
        struct hwaccl_error error = {""};
        struct producer *producer = aligned_alloc(64, 3 * ((sizeof(*producer) + 63) & ~(size_t)63));

        (void)state;
        assert_non_null(producer);
        assert_int_equal(remote_ring_fd(remote, 1), -1);
        for (unsigned i = 0; i < 3; i++) {
                if (i > 0 && !remote_add_vcpu(remote, &error))
                        fail_msg("%s", error.message);
                assert_int_equal(remote_vcpu_count(remote), i + 1);
                attach(&producer[i], remote, i, 20000);
                assert_int_equal(pthread_create(&producer[i].thread, NULL, produce, &producer[i]), 0);
                while (!atomic_load(&producer[i].begun))
                        (void)usleep(100);
        }
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(pthread_join(producer[i].thread, NULL), 0);
                ring_destroy(&producer[i].ring, true);
        }
        assert_int_equal(remote_exits(remote), 60000);
        remote_annotate(remote, "late", "yes");
        if (!remote_finish(remote, HWACCL_END_EXIT_CODE, 3, NULL, &error))
                fail_msg("%s", error.message);
        struct hwaccl_recording *recording = open_recording(path);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT group_concat(exits, ' ') FROM (SELECT count(*) AS exits FROM exits "
                                           "GROUP BY vcpu ORDER BY vcpu)"),
                            "20000 20000 20000");
        assert_string_equal(ask(recording, "SELECT rip FROM exits WHERE vcpu = 2 ORDER BY id DESC LIMIT 1"), "0x4e1f");
        assert_string_equal(option_of(recording, "late"), "yes");
        hwaccl_recording_close(recording);
        free(producer);
}

/* What a VMM writes into its rings' headers by mistake does not make the recorder fail. */
static void a_ring_that_a_producer_marks_as_failed_is_finished(void **state)
{
        struct remote_recording *remote = create();
        struct hwaccl_error error = {""};
        struct producer *producer = aligned_alloc(64, 2 * ((sizeof(*producer) + 63) & ~(size_t)63));

        (void)state;
        assert_non_null(producer);
        attach(&producer[0], remote, 0, 100);
        (void)produce(&producer[0]);
        atomic_store(&producer[0].ring.header->consumer_failed, 1);
        if (!remote_add_vcpu(remote, &error))
                fail_msg("not added: '%s'", error.message);
        attach(&producer[1], remote, 1, 100);
        (void)produce(&producer[1]);
        ring_destroy(&producer[0].ring, false);
        ring_destroy(&producer[1].ring, false);
        if (!remote_finish(remote, HWACCL_END_EXIT_CODE, 3, NULL, &error))
                fail_msg("%s", error.message);
        struct hwaccl_recording *recording = open_recording(path);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT count(*) FROM exits"), "200");
        hwaccl_recording_close(recording);
        free(producer);
}

static bool gone(void)
{
        return true;
}

static void a_full_ring_stops_a_producer_whose_recorder_has_gone(void **state)
{
        struct hwaccl_error error = {""};
        struct ring ring;
        struct producer producer = {.exits = 0};
        char name[sizeof(path) + 8];

        (void)state;
        (void)snprintf(name, sizeof(name), "%s-ring", path);
        assert_true(ring_create(&ring, name, RING_SIZE_MIN, 0600, &error));
        assert_true(ring_attach(&producer.ring, ring.fd, &error));
        producer.ring.consumer_gone = gone;
        lane_init(&producer.lane, STAMP_TSC, 8, UINT64_MAX);
        producer.lane.masks = &producer.masks;
        ring_producer_init(&producer.lane.producer, &producer.ring);
        uint64_t exits = 0;
        while (put_exit(&producer.lane, exits) && exits < 1000000)
                exits++;
        assert_in_range(exits, 100, 10000);
        ring_destroy(&producer.ring, false);
        ring_destroy(&ring, true);
}

static void what_is_no_ring_is_not_attached(void **state)
{
        struct hwaccl_error error = {""};
        struct ring ring;
        int fd = open(path, O_RDWR | O_CREAT, 0600);

        (void)state;
        assert_true(fd >= 0);
        assert_false(ring_attach(&ring, fd, &error));
        assert_string_equal(error.message, "not a ring: 0 bytes");
        assert_int_equal(ftruncate(fd, RING_HEADER_SIZE + RING_SIZE_MIN + 8), 0);
        assert_false(ring_attach(&ring, fd, &error));
        (void)close(fd);
        assert_false(ring_attach(&ring, -1, &error));
}

/* The recorder died after it had made a ring, and before the recording had that vCPU. */
static void recovery_removes_the_ring_of_a_vcpu_that_was_not_yet_there(void **state)
{
        struct remote_recording *remote = create();
        struct hwaccl_recovery result;
        struct hwaccl_error error = {""};
        char from[sizeof(path) + 8], command[3 * sizeof(path) + 64];

        (void)state;
        (void)snprintf(from, sizeof(from), "%s-ring", path);
        /* copies: the recorder that runs here keeps its own */
        (void)snprintf(command, sizeof(command),
                       "cd %s && mkdir left && cp vmm.db* left && cp left/vmm.db-ring left/vmm.db-ring.1", directory);
        assert_int_equal(system(command), 0);
        assert_true(remote_finish(remote, HWACCL_END_STOPPED, 0, NULL, &error));
        (void)snprintf(command, sizeof(command), "%s/left/vmm.db", directory);
        /* the copied header names this process, which lives; no lock is held on the copy */
        if (!hwaccl_recover(command, &result, &error))
                fail_msg("%s", error.message);
        (void)snprintf(from, sizeof(from), "%s/left", directory);
        (void)snprintf(command, sizeof(command), "test \"$(ls %s/left)\" = vmm.db", directory);
        assert_int_equal(system(command), 0);
}

static void put_call(struct lane *lane, _Atomic uint64_t *sequence, const char *input, bool returns)
{
        const struct lane_call call = {.sequence = atomic_fetch_add(sequence, 1) + 1,
                                       .request = 0x4020aea5,
                                       .object = RING_CALL_OBJECT_NONE,
                                       .role = RING_CALL_VM};
        const struct lane_called called = {.sequence = call.sequence, .result = 1};

        assert_true(lane_call(lane, &call, input, strlen(input), lane_now(lane)));
        if (returns)
                assert_true(lane_called(lane, &called, NULL, 0, lane_now(lane)));
}

/* A thread without a vCPU between two vCPUs. @left: a copy of the files is made before the recording is finished */
static void record_a_thread(bool left)
{
        struct remote_recording *remote = create();
        struct hwaccl_error error = {""};
        struct producer *producer = aligned_alloc(64, 3 * ((sizeof(*producer) + 63) & ~(size_t)63));
        _Atomic uint64_t sequence = 0;
        char command[2 * sizeof(path) + 64];

        assert_non_null(producer);
        assert_int_equal(remote_thread_fd(remote, 0), -1);
        if (!remote_add_thread(remote, &error) || !remote_add_vcpu(remote, &error))
                fail_msg("%s", error.message);
        assert_int_equal(remote_vcpu_count(remote), 2);
        attach(&producer[0], remote, 0, 0);
        attach(&producer[1], remote, 1, 0);
        attach_ring(&producer[2], remote_thread_fd(remote, 0));
        producer[0].lane.sequence = producer[1].lane.sequence = &sequence;
        assert_true(lane_thread(&producer[2].lane, 7, 8, "main"));
        put_call(&producer[2].lane, &sequence, "set up", true);
        for (unsigned i = 0; i < 20; i++) {
                (void)put_exit(&producer[i % 2].lane, i);
                put_call(&producer[2].lane, &sequence, "line", true);
        }
        put_call(&producer[0].lane, &sequence, "own", true);
        put_call(&producer[2].lane, &sequence, "killed in it", false);
        if (left) {
                (void)snprintf(command, sizeof(command), "cd %s && mkdir left && cp vmm.db* left", directory);
                assert_int_equal(system(command), 0);
        }
        for (unsigned i = 0; i < 3; i++)
                ring_destroy(&producer[i].ring, false);
        assert_int_equal(remote_exits(remote), 20);
        if (!remote_finish(remote, HWACCL_END_STOPPED, 0, NULL, &error))
                fail_msg("%s", error.message);
        free(producer);
}

static void assert_thread(const char *database)
{
        struct hwaccl_recording *recording = open_recording(database);

        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT group_concat(id) FROM vcpu"), "0,1");
        assert_string_equal(ask(recording, "SELECT id || host_process || host_thread || name FROM lane"),
                            "6553678main");
        assert_string_equal(ask(recording, "SELECT count(*) || ' ' || min(sequence) || ' ' || max(sequence) || ' ' || "
                                           "count(DISTINCT sequence) FROM (SELECT sequence FROM exit UNION ALL "
                                           "SELECT sequence FROM vmm_call)"),
                            "43 1 43 43");
        assert_string_equal(ask(recording, "SELECT group_concat(lane || coalesce(exit, '-') || input || "
                                           "coalesce(result, '-')) FROM vmm_call WHERE input <> x'6c696e65'"),
                            "65536-set up1,09own1,65536-killed in it-");
        hwaccl_recording_close(recording);
}

static void calls_of_another_thread_are_in_a_lane_of_their_own(void **state)
{
        (void)state;
        record_a_thread(false);
        assert_thread(path);
}

static void calls_in_the_rings_of_a_dead_recorder_are_recovered(void **state)
{
        struct hwaccl_recovery result;
        struct hwaccl_error error = {""};
        char database[sizeof(path) + 8], command[sizeof(path) + 64];

        (void)state;
        record_a_thread(true);
        (void)snprintf(database, sizeof(database), "%s/left/vmm.db", directory);
        if (!hwaccl_recover(database, &result, &error))
                fail_msg("%s", error.message);
        assert_int_equal(result.exits, 20);
        assert_int_equal(result.damaged_at, UINT64_MAX);
        assert_thread(database);
        (void)snprintf(command, sizeof(command), "test \"$(ls %s/left)\" = vmm.db", directory);
        assert_int_equal(system(command), 0);
}

static void a_missing_ring_of_a_thread_is_an_error(void **state)
{
        struct hwaccl_recovery result;
        struct hwaccl_error error = {""};
        char database[sizeof(path) + 8], ring[sizeof(path) + 16];

        (void)state;
        record_a_thread(true);
        (void)snprintf(database, sizeof(database), "%s/left/vmm.db", directory);
        (void)snprintf(ring, sizeof(ring), "%s-ring.1", database);
        assert_int_equal(unlink(ring), 0);
        assert_false(hwaccl_recover(database, &result, &error));
        assert_non_null(strstr(error.message, "the ring of thread 65536 is missing"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(vcpus_are_added_while_others_run, remove_files),
                cmocka_unit_test_teardown(a_ring_that_a_producer_marks_as_failed_is_finished, remove_files),
                cmocka_unit_test_teardown(a_full_ring_stops_a_producer_whose_recorder_has_gone, remove_files),
                cmocka_unit_test_teardown(what_is_no_ring_is_not_attached, remove_files),
                cmocka_unit_test_teardown(recovery_removes_the_ring_of_a_vcpu_that_was_not_yet_there, remove_files),
                cmocka_unit_test_teardown(calls_of_another_thread_are_in_a_lane_of_their_own, remove_files),
                cmocka_unit_test_teardown(calls_in_the_rings_of_a_dead_recorder_are_recovered, remove_files),
                cmocka_unit_test_teardown(a_missing_ring_of_a_thread_is_an_error, remove_files),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
