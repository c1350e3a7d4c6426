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

static void attach(struct producer *producer, const struct remote_recording *remote, unsigned vcpu, uint64_t exits)
{
        struct hwaccl_error error = {""};

        memset(producer, 0, sizeof(*producer));
        producer->exits = exits;
        if (!ring_attach(&producer->ring, remote_ring_fd(remote, vcpu), &error))
                fail_msg("%s", error.message);
        lane_init(&producer->lane, (enum stamp_kind)producer->ring.header->stamp_kind, 8, UINT64_MAX);
        producer->lane.masks = &producer->masks;
        ring_producer_init(&producer->lane.producer, &producer->ring);
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(vcpus_are_added_while_others_run, remove_files),
                cmocka_unit_test_teardown(a_ring_that_a_producer_marks_as_failed_is_finished, remove_files),
                cmocka_unit_test_teardown(a_full_ring_stops_a_producer_whose_recorder_has_gone, remove_files),
                cmocka_unit_test_teardown(what_is_no_ring_is_not_attached, remove_files),
                cmocka_unit_test_teardown(recovery_removes_the_ring_of_a_vcpu_that_was_not_yet_there, remove_files),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
