/* Events of a VMM's threads, made exits of its vCPUs: the recorder that is attached to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/kernel_events.h"
#include "tests/fixtures/recording_assert.h"
#include "tests/fixtures/trace_fixture.h"

#include "hwaccl/exit_reason.h"
#include "tracer/attach/attach_lanes.h"
#include "tracer/kernel/vendor_exit.h"
#include "tracer/record/flight/flight_recorder.h"
#include "tracer/record/remote.h"
#include "tracer/recover/recovery.h"

#include <linux/kvm.h>
#include <stdlib.h>

#define THREADS 3u

/* Exits, the first and the last number, and how many come before an earlier one. */
#define ORDERED                                                                                                        \
        "SELECT count(*) || ' ' || min(sequence) || ' ' || max(sequence) || ' ' || sum(before > at) FROM (SELECT "     \
        "x.sequence, entry_ns + guest_ns AS at, lag(entry_ns + guest_ns, 1, 0) OVER (ORDER BY x.sequence) AS before "  \
        "FROM exits JOIN exit x USING (id))"

static struct attaching {
        struct remote_recording *remote;
        struct attach_lanes lanes;
        struct attach_thread thread[THREADS], *threads[THREADS];
        uint64_t origin; /* of the stamps */
        unsigned vcpu_max;
} attaching;

static bool begin_lane(void *opaque, uint32_t number, struct lane *lane)
{
        struct attaching *all = opaque;
        const struct remote_keyframes keyframes = remote_keyframes(all->remote);
        struct hwaccl_error error = {""};

        if (number >= all->vcpu_max)
                return false;
        if (number > 0 && !remote_add_vcpu(all->remote, &error))
                fail_msg("%s", error.message);
        lane_init(lane, stamp_kind_detect(), keyframes.interval, keyframes.bytes);
        remote_produce(all->remote, number, &lane->producer);
        return true;
}

static void begin(const struct hwaccl_flight_config *window)
{
        static const struct hwaccl_recording_option options[] = {{HWACCL_OPTION_VMM, "attached"},
                                                                 {"kernel_exits", "yes"}};
        const struct hwaccl_recorder_config config = {.path = path,
                                                      .ring_size = 256 << 10,
                                                      .keyframe_interval = 8,
                                                      .options = options,
                                                      .option_count = 2,
                                                      .sink = window ? &hwaccl_flight_recorder : NULL,
                                                      .sink_settings = window};
        struct hwaccl_error error = {""};

        memset(&attaching, 0, sizeof(attaching));
        attaching.origin = stamp_now(stamp_kind_detect());
        attaching.remote = remote_create(&config, &error);
        if (!attaching.remote)
                fail_msg("%s", error.message);
        attaching.vcpu_max = 8;
        attaching.lanes = (struct attach_lanes){.process = 100, .begin = begin_lane, .opaque = &attaching};
        for (unsigned i = 0; i < THREADS; i++) {
                attaching.thread[i].number = 101 + (pid_t)i;
                (void)snprintf(attaching.thread[i].name, sizeof(attaching.thread[i].name), "CPU %u/KVM", i);
                attaching.threads[i] = &attaching.thread[i];
        }
}

/* @at: after the beginning */
static void put(unsigned thread, struct kvm_event event, uint64_t at)
{
        event.stamp = attaching.origin + at;
        assert_true(exit_stream_put(&attaching.thread[thread].stream, &event));
}

static struct kvm_event entry_of(uint32_t vcpu)
{
        struct kvm_event event = event_of(KERNEL_EVENT_ENTRY, 0);

        event.value[ENTRY_EVENT_VCPU] = vcpu;
        return event;
}

static struct kvm_event vcpu_exit(uint32_t vcpu, uint64_t code)
{
        struct kvm_event event = exit_of(VENDOR_VMX, code, 0xe90000, 0, 0);

        event.value[EXIT_EVENT_VCPU] = vcpu;
        return event;
}

static void write_until(uint64_t complete, uint64_t open, bool all)
{
        const struct attach_until until = {attaching.origin + complete, attaching.origin + open, all};

        assert_true(attach_lanes_write(&attaching.lanes, attaching.threads, THREADS, &until));
}

static void end(void)
{
        struct hwaccl_error error = {""};

        attach_lanes_free(&attaching.lanes);
        for (unsigned i = 0; i < THREADS; i++)
                exit_stream_free(&attaching.thread[i].stream);
        if (!remote_finish(attaching.remote, HWACCL_END_STOPPED, HWACCL_STOP_INTERRUPTED, NULL, &error))
                fail_msg("%s", error.message);
}

static void expect_text(const char *sql, const char *expected)
{
        struct hwaccl_recording *recording = open_recording(path);

        assert_checks(recording);
        assert_string_equal(ask(recording, sql), expected);
        hwaccl_recording_close(recording);
}

/* A CPUID of the kernel, and a port for the VMM, whose handling the next entry ends. */
static void put_round(unsigned thread, uint32_t vcpu, uint64_t at)
{
        put(thread, entry_of(vcpu), at);
        put(thread, vcpu_exit(vcpu, HWACCL_EXIT_CPUID), at + 1000);
        put(thread, entry_of(vcpu), at + 2000);
        put(thread, vcpu_exit(vcpu, HWACCL_EXIT_IO_INSTRUCTION), at + 3000);
        put(thread, user_of(KVM_EXIT_IO, 0, 0), at + 4000);
}

static void exits_of_all_threads_are_in_one_order(void **state)
{
        (void)state;
        begin(NULL);
        for (uint64_t i = 0; i < 10; i++) {
                put_round(0, 0, i * 10000);
                put_round(1, 1, i * 10000 + 500);
        }
        write_until(1000000, 0, false);
        assert_int_equal(attaching.lanes.counts.exits, 40);
        assert_int_equal(attaching.lanes.counts.user, 20);
        write_until(0, 0, true);
        end();
        expect_text("SELECT group_concat(vcpu || ' ' || reason || ' ' || handled_by || ' ' || count) FROM (SELECT "
                    "vcpu, reason, handled_by, count(*) AS count FROM exits JOIN (SELECT id, handled_by FROM "
                    "kernel_exits) USING (id) GROUP BY 1, "
                    "2, 3 ORDER BY 1, 2)",
                    "0 CPUID kernel 10,0 I/O instruction VMM 10,1 CPUID kernel 10,1 I/O instruction VMM 10");
        expect_text(ORDERED, "40 1 40 0");
        expect_text("SELECT group_concat(id || ' ' || host_process || ' ' || host_thread || ' ' || name) FROM lane",
                    "0 100 101 CPU 0/KVM,1 100 102 CPU 1/KVM");
}

/* What the kernel handles ends at the next entry, and so does what the VMM was given. */
static void handling_ends_at_the_next_entry(void **state)
{
        (void)state;
        begin(NULL);
        put_round(0, 0, 10000000);
        put(0, entry_of(0), 90000000);
        put(0, vcpu_exit(0, HWACCL_EXIT_HLT), 91000000);
        put(0, user_of(KVM_EXIT_INTR, -4, 0), 92000000); /* after the HLT */
        put(0, entry_of(0), 99000000);
        put(0, vcpu_exit(0, HWACCL_EXIT_IO_INSTRUCTION), 99001000);
        put(0, user_of(KVM_EXIT_IO, 0, 0), 99002000);
        write_until(0, 0, true);
        end();
        expect_text("SELECT group_concat(reason || ' ' || (outcome IS NULL) || ' ' || coalesce(handler_ns > 5000000, "
                    "'-')) FROM "
                    "exits",
                    "CPUID 0 0,I/O instruction 0 1,HLT 0 0,I/O instruction 1 -");
}

static void an_exit_that_lasts_is_not_kept_back(void **state)
{
        (void)state;
        begin(NULL);
        put(0, entry_of(0), 1000);
        put(0, vcpu_exit(0, HWACCL_EXIT_HLT), 2000);
        put_round(1, 1, 3000);
        write_until(10000, 1999, false); /* the other thread's exits wait for its end, or for that time */
        assert_int_equal(attaching.lanes.counts.exits, 0);
        write_until(10000, 2000, false);
        assert_int_equal(attaching.lanes.counts.exits, 3);
        put(0, event_of(KERNEL_EVENT_INJECT_INTERRUPT, 0), 50000);
        put(0, entry_of(0), 60000);
        put(0, vcpu_exit(0, HWACCL_EXIT_CPUID), 61000);
        write_until(0, 0, true);
        end();
        expect_text(
                "SELECT group_concat(vcpu || ' ' || reason || ' ' || events) FROM (SELECT e.id, vcpu, reason, (SELECT "
                "count(*) FROM kernel_event v WHERE v.exit = e.id) AS events FROM exits e JOIN exit USING (id) ORDER "
                "BY exit.sequence)",
                "0 HLT 1,1 CPUID 0,1 I/O instruction 0,0 CPUID 0");
        expect_text(ORDERED, "4 1 4 0");
}

/* The host took the processor away before the kernel said that the VMM gets the exit. */
static void an_exit_for_the_vmm_is_not_taken_for_the_kernels(void **state)
{
        (void)state;
        begin(NULL);
        assert_true(attach_lanes_add(&attaching.lanes, 0));
        put(0, entry_of(0), 1000);
        put(0, vcpu_exit(0, HWACCL_EXIT_IO_INSTRUCTION), 2000);
        put_round(1, 1, 3000);
        write_until(10000, 2000, false); /* the other thread does not wait for ever */
        assert_int_equal(attaching.lanes.counts.exits, 2);
        put(0, user_of(KVM_EXIT_IO, 0, 0), 50000000);
        write_until(0, 0, true);
        end();
        expect_text("SELECT group_concat(vcpu || ' ' || reason || ' ' || handled_by) FROM exits JOIN (SELECT id, "
                    "handled_by FROM kernel_exits) USING (id)",
                    "0 I/O instruction VMM,1 CPUID kernel,1 I/O instruction VMM");
}

static void a_vcpu_may_change_its_thread(void **state)
{
        (void)state;
        begin(NULL);
        put_round(0, 0, 0);
        put_round(1, 0, 10000);
        put_round(0, 0, 20000);
        write_until(0, 0, true);
        assert_int_equal(attaching.lanes.count, 1);
        end();
        expect_text("SELECT count(*) || ' ' || count(DISTINCT vcpu) FROM exits", "6 1");
        expect_text(ORDERED, "6 1 6 0");
}

static void vcpus_of_several_vms_are_apart(void **state)
{
        (void)state;
        begin(NULL);
        attaching.lanes.several = true;
        assert_true(attach_lanes_add(&attaching.lanes, 0));
        assert_true(attach_lanes_add(&attaching.lanes, 1));
        put_round(0, 0, 0);
        put_round(1, 0, 500);
        put_round(2, 1, 700);
        put_round(1, 0, 10000);
        write_until(0, 0, true);
        assert_int_equal(attaching.lanes.count, 3);
        end();
        expect_text("SELECT group_concat(vcpu || ' ' || n) FROM (SELECT vcpu, count(*) AS n FROM exits GROUP BY vcpu "
                    "ORDER BY vcpu)",
                    "0 2,1 2,2 4");
        expect_text("SELECT group_concat(id || ' ' || host_thread) FROM lane", "0 101,1 103,2 102");
}

/* Older kernels' kvm_exit has no number of the vCPU: it is the entry's. */
static void an_exit_is_of_the_vcpu_that_was_entered(void **state)
{
        struct kvm_event exit = vcpu_exit(7, HWACCL_EXIT_CPUID);

        (void)state;
        exit.known &= ~(1u << EXIT_EVENT_VCPU);
        begin(NULL);
        put(0, exit, 500); /* attached in the midst: of whom is not known */
        put(0, entry_of(1), 1000);
        put(0, exit, 2000);
        put(0, entry_of(0), 3000);
        put(0, exit, 4000);
        put(0, exit, 5000); /* the entry before was lost */
        write_until(0, 0, true);
        assert_int_equal(attaching.lanes.counts.astray, 1);
        assert_int_equal(attach_lanes_vcpu_id(&attaching.lanes, 0), 1);
        end();
        expect_text("SELECT group_concat(vcpu || ' ' || n) FROM (SELECT vcpu, count(*) AS n FROM exits GROUP BY vcpu "
                    "ORDER BY vcpu)",
                    "0 1,1 2");
}

static void what_is_not_recorded_is_counted(void **state)
{
        struct kvm_event lost = event_of(KERNEL_EVENT_LOST, 0);

        (void)state;
        begin(NULL);
        attaching.vcpu_max = 1;
        put_round(0, 0, 0);
        put(0, lost, 6000);
        attaching.thread[0].stream.event[5].value[0] = 42;
        put_round(0, 0, 7000);
        put_round(1, 1, 1000);
        put(2, event_of(KERNEL_EVENT_SET_LINE, 0), 1500); /* a thread that runs no vCPU */
        write_until(0, 0, true);
        assert_int_equal(attaching.lanes.counts.astray, 2);
        assert_int_equal(attaching.lanes.counts.lost, 42);
        end();
        expect_text("SELECT text FROM marks", "the kernel had no room for 42 events: exits are missing here");
        expect_text("SELECT count(*) FROM exits", "4");
}

static void the_limit_is_exact(void **state)
{
        (void)state;
        begin(NULL);
        attaching.lanes.exits_max = 7;
        for (uint64_t i = 0; i < 10; i++) {
                put_round(0, 0, i * 10000);
                put_round(1, 1, i * 10000 + 500);
                write_until((i + 1) * 10000, 0, false);
                assert_int_equal(attach_lanes_reached(&attaching.lanes), i >= 1);
        }
        end();
        expect_text(ORDERED, "7 1 7 0");
}

static void a_window_begins_at_one_number(void **state)
{
        struct hwaccl_flight_config flight = {.text = "64exits"};
        struct hwaccl_error error = {""};

        (void)state;
        assert_true(hwaccl_flight_window_parse(flight.text, &flight.window, &error));
        begin(&flight);
        for (uint64_t i = 0; i < 500; i++) {
                put_round(0, 0, i * 10000);
                if (i % 3 == 0)
                        put_round(1, 1, i * 10000 + 500);
                write_until(i * 10000, 0, false);
        }
        write_until(0, 0, true);
        assert_int_equal(attaching.lanes.counts.exits, 1334);
        end();
        expect_text("SELECT max(sequence) || ' ' || (max(sequence) - min(sequence) + 1 = count(*)) || ' ' || (count(*) "
                    "BETWEEN 64 AND 80) || ' ' || count(DISTINCT id >> 40) FROM exit",
                    "1334 1 1 2");
        expect_text("SELECT count(*) FROM exit LEFT JOIN kernel_exit k USING (id) WHERE k.id IS NULL", "0");
}

static void recovery_says_what_died_with_the_recorder(void **state)
{
        struct hwaccl_recovery result;
        struct hwaccl_error error = {""};
        char left[sizeof(path) + 8], command[sizeof(path) + 64];

        (void)state;
        begin(NULL);
        put_round(0, 0, 0);
        put_round(0, 0, 10000);
        write_until(0, 0, true);
        (void)snprintf(command, sizeof(command), "cd %s && mkdir left && cp vmm.db* left", directory);
        assert_int_equal(system(command), 0); /* what a recorder that is killed now leaves */
        end();
        (void)snprintf(left, sizeof(left), "%s/left/vmm.db", directory);
        if (!hwaccl_recover(left, &result, &error))
                fail_msg("%s", error.message);
        assert_int_equal(result.exits, 4);
        assert_true(result.kernel_exits_missing);
        struct hwaccl_recording *recording = open_recording(left);
        assert_string_equal(option_of(recording, "host_kernel_exits_missing"),
                            "those of the last moments: the recorder died before it read them");
        hwaccl_recording_close(recording);
        expect_text("SELECT count(*) FROM option WHERE name = 'host_kernel_exits_missing'", "0");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(exits_of_all_threads_are_in_one_order, remove_files),
                cmocka_unit_test_teardown(handling_ends_at_the_next_entry, remove_files),
                cmocka_unit_test_teardown(an_exit_that_lasts_is_not_kept_back, remove_files),
                cmocka_unit_test_teardown(an_exit_for_the_vmm_is_not_taken_for_the_kernels, remove_files),
                cmocka_unit_test_teardown(a_vcpu_may_change_its_thread, remove_files),
                cmocka_unit_test_teardown(vcpus_of_several_vms_are_apart, remove_files),
                cmocka_unit_test_teardown(an_exit_is_of_the_vcpu_that_was_entered, remove_files),
                cmocka_unit_test_teardown(what_is_not_recorded_is_counted, remove_files),
                cmocka_unit_test_teardown(the_limit_is_exact, remove_files),
                cmocka_unit_test_teardown(a_window_begins_at_one_number, remove_files),
                cmocka_unit_test_teardown(recovery_says_what_died_with_the_recorder, remove_files),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
