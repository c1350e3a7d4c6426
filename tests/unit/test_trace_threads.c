/* The interface for other VMMs: threads that run no vCPU, and calls of the hypervisor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/trace_fixture.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static struct hwaccl_trace *open_threads(uint32_t vcpus, uint32_t threads)
{
        const struct hwaccl_trace_config config = {.size = sizeof(config),
                                                   .vmm = "test 1",
                                                   .vcpu_count = vcpus,
                                                   .keyframe_interval = 8,
                                                   .ring_size = 256 << 10,
                                                   .thread_max = threads};
        struct hwaccl_error error = {""};
        struct hwaccl_trace *trace = hwaccl_trace_open(path, &config, &error);

        if (!trace)
                fail_msg("%s", error.message);
        return trace;
}

static struct hwaccl_trace_thread *new_thread(struct hwaccl_trace *trace, const char *name)
{
        struct hwaccl_error error = {""};
        struct hwaccl_trace_thread *thread = hwaccl_trace_thread(trace, name, &error);

        if (!thread)
                fail_msg("%s", error.message);
        return thread;
}

static const struct hwaccl_trace_call get_msrs = {.request = (uint32_t)KVM_GET_MSRS,
                                                  .role = HWACCL_TRACE_ROLE_VCPU,
                                                  .object = 1,
                                                  .input = "msrs",
                                                  .input_size = 4};
static const struct hwaccl_trace_call create_vm = {.request = KVM_CREATE_VM,
                                                   .role = HWACCL_TRACE_ROLE_SYSTEM,
                                                   .object = HWACCL_TRACE_OBJECT_NONE,
                                                   .is_number = 1,
                                                   .argument = 7};

static void what_a_thread_asks_is_recorded_with_its_answer(void **state)
{
        struct hwaccl_trace *trace = open_threads(1, 2);
        struct hwaccl_trace_thread *thread = new_thread(trace, "main loop");

        (void)state;
        uint64_t first = hwaccl_trace_thread_call(thread, &create_vm);
        assert_int_equal(first, 1);
        assert_true(hwaccl_trace_thread_called(thread, first, 9, 0, NULL, 0));
        one_exit(hwaccl_trace_vcpu(trace, 0), HWACCL_EXIT_HLT); /* number 2 */
        uint64_t third = hwaccl_trace_vcpu_call(hwaccl_trace_vcpu(trace, 0), &get_msrs);
        assert_int_equal(third, 3);
        assert_true(hwaccl_trace_vcpu_called(hwaccl_trace_vcpu(trace, 0), third, -1, EFAULT, "out", 3));
        uint64_t open = hwaccl_trace_thread_call(thread, &get_msrs); /* which does not return */
        assert_int_equal(open, 4);
        close_trace(trace);

        struct hwaccl_recording *recording = open_recording(path);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT sequence FROM exit"), "2");
        assert_string_equal(ask(recording, "SELECT name FROM lane WHERE id = 65536"), "main loop");
        assert_string_equal(
                ask(recording,
                    "SELECT group_concat(sequence || ' ' || lane || ' ' || role || ' ' || coalesce(object, '-') "
                    "|| ' ' || coalesce(argument, '-') || ' ' || coalesce(input, '-') || ' ' || "
                    "coalesce(output, '-') || ' ' || coalesce(result, '-') || ' ' || coalesce(error, '-'), "
                    "', ') FROM (SELECT * FROM vmm_call ORDER BY sequence)"),
                "1 65536 1 - 7 - - 9 -, 3 0 3 1 - msrs out -1 14, 4 65536 3 1 - msrs - - -");
        hwaccl_recording_close(recording);
}

static void lines_and_messages_are_in_their_views(void **state)
{
        struct hwaccl_trace *trace = open_threads(1, 1);
        struct hwaccl_trace_thread *thread = new_thread(trace, NULL);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);
        char requests[64];

        (void)state;
        assert_true(hwaccl_trace_thread_irq_line(thread, 0, 14, 1));
        assert_true(hwaccl_trace_vcpu_irq_line(vcpu, 0, 14, 0));
        assert_false(hwaccl_trace_vcpu_irq_line(vcpu, 0, 14, 2));
        assert_true(hwaccl_trace_thread_msi(thread, 0, 0x100fee01000, 0x4051, true));
        assert_true(hwaccl_trace_vcpu_msi(vcpu, 0, 0xfee00000, 0x40, false));
        one_exit(vcpu, HWACCL_EXIT_HLT);
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT group_concat(lane || ' ' || gsi || ' ' || level, ', ') FROM "
                                           "(SELECT * FROM irq_line_changes ORDER BY sequence)"),
                            "65536 14 1, 0 14 0");
        assert_string_equal(ask(recording, "SELECT group_concat(lane || ' ' || address || ' ' || data || ' ' || "
                                           "delivered, ', ') FROM (SELECT * FROM msi_messages ORDER BY sequence)"),
                            "65536 0x100fee01000 0x4051 1, 0 0xfee00000 0x40 0");
        (void)snprintf(requests, sizeof(requests), "%u %zu, %u %zu", (unsigned)KVM_IRQ_LINE,
                       sizeof(struct kvm_irq_level), (unsigned)KVM_SIGNAL_MSI, sizeof(struct kvm_msi));
        assert_string_equal(ask(recording, "SELECT group_concat(request || ' ' || size, ', ') FROM (SELECT DISTINCT "
                                           "request, length(input) AS size FROM vmm_call ORDER BY request)"),
                            requests);
        assert_string_equal(ask(recording, "SELECT length(name) > 0 FROM lane WHERE id = 65536"), "1");
        hwaccl_recording_close(recording);
}

static void a_recording_without_threads_has_no_numbers(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);
        struct hwaccl_error error = {""};

        (void)state;
        assert_int_equal(hwaccl_trace_vcpu_call(vcpu, &create_vm), 0);
        assert_false(hwaccl_trace_vcpu_irq_line(vcpu, 0, 1, 1));
        assert_null(hwaccl_trace_thread(trace, "one", &error));
        assert_string_equal(error.message, "there are 0 threads already: config.thread_max");
        one_exit(vcpu, HWACCL_EXIT_HLT);
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        assert_string_equal(ask(recording, "SELECT count(*) || count(sequence) FROM exit"), "10");
        assert_string_equal(ask(recording, "SELECT count(*) FROM vmm_call"), "0");
        hwaccl_recording_close(recording);
}

static void what_cannot_be_is_refused(void **state)
{
        struct hwaccl_trace *trace = open_threads(1, 2);
        struct hwaccl_trace_thread *thread = new_thread(trace, ""), *other = new_thread(trace, "other");
        struct hwaccl_trace_call bad;
        uint64_t number[6];

        (void)state;
        assert_null(hwaccl_trace_thread(trace, "third", NULL));
        assert_null(hwaccl_trace_thread(NULL, "none", NULL));
        assert_int_equal(hwaccl_trace_thread_call(NULL, &create_vm), 0);
        assert_int_equal(hwaccl_trace_vcpu_call(NULL, &create_vm), 0);
        assert_false(hwaccl_trace_thread_called(NULL, 1, 0, 0, NULL, 0));
        assert_int_equal(hwaccl_trace_thread_call(thread, NULL), 0);
        bad = create_vm, bad.role = 5;
        assert_int_equal(hwaccl_trace_thread_call(thread, &bad), 0);
        bad = create_vm, bad.is_number = 2;
        assert_int_equal(hwaccl_trace_thread_call(thread, &bad), 0);
        bad = get_msrs, bad.argument = 1;
        assert_int_equal(hwaccl_trace_thread_call(thread, &bad), 0);
        bad = get_msrs, bad.input = NULL;
        assert_int_equal(hwaccl_trace_thread_call(thread, &bad), 0);
        for (unsigned i = 0; i < 6; i++)
                assert_int_equal(number[i] = hwaccl_trace_thread_call(thread, &create_vm), i + 1);
        assert_false(hwaccl_trace_thread_called(thread, number[0], 0, 0, NULL, 0)); /* four younger ones */
        assert_false(hwaccl_trace_thread_called(other, number[5], 0, 0, NULL, 0));
        assert_false(hwaccl_trace_thread_called(thread, 0, 0, 0, NULL, 0));
        assert_false(hwaccl_trace_thread_called(thread, number[3], 0, UINT32_MAX, NULL, 0));
        assert_false(hwaccl_trace_thread_called(thread, number[3], 0, 0, NULL, 1));
        assert_true(hwaccl_trace_thread_called(thread, number[3], 0, 0, NULL, 0));
        assert_false(hwaccl_trace_thread_called(thread, number[3], 0, 0, NULL, 0));
        assert_true(hwaccl_trace_thread_called(thread, number[2], 0, 0, NULL, 0));
        assert_true(hwaccl_trace_thread_called(thread, number[5], 0, 0, NULL, 0));
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT group_concat(sequence) FROM (SELECT sequence FROM vmm_call WHERE "
                                           "result IS NOT NULL ORDER BY sequence)"),
                            "3,4,6");
        hwaccl_recording_close(recording);
}

static void too_many_threads_are_an_error(void **state)
{
        const struct hwaccl_trace_config config = {
                .size = sizeof(config), .vmm = "test 1", .thread_max = HWACCL_TRACE_THREAD_MAX + 1};
        struct hwaccl_error error = {""};

        (void)state;
        assert_null(hwaccl_trace_open(path, &config, &error));
        assert_string_equal(error.message, "config.thread_max is 129, expected at most 128");
}

static void long_data_is_truncated_and_its_size_is_not(void **state)
{
        struct hwaccl_trace *trace = open_threads(1, 1);
        struct hwaccl_trace_thread *thread = new_thread(trace, NULL);
        static char data[HWACCL_TRACE_CALL_DATA_MAX + 9];
        struct hwaccl_trace_call call = get_msrs;

        (void)state;
        memset(data, 'x', sizeof(data));
        call.input = data;
        call.input_size = sizeof(data);
        uint64_t number = hwaccl_trace_thread_call(thread, &call);
        assert_int_equal(number, 1);
        assert_true(hwaccl_trace_thread_called(thread, number, 0, 0, data, sizeof(data) - 9));
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        assert_string_equal(ask(recording, "SELECT length(input) || ' ' || input_size || ' ' || length(output) || ' ' "
                                           "|| output_size FROM vmm_call"),
                            "262144 262153 262144 262144");
        hwaccl_recording_close(recording);
}

/* Threads that begin, record and wait while others do: their order is one. */
#define THREADS 8u
#define CALLS   2000u

static struct hwaccl_trace *shared;

static void *record_calls(void *opaque)
{
        struct hwaccl_trace_thread *thread = hwaccl_trace_thread(shared, opaque, NULL);
        uint64_t last = 0;

        for (unsigned i = 0; thread && i < CALLS; i++) {
                uint64_t number = hwaccl_trace_thread_call(thread, &get_msrs);
                if (number <= last || !hwaccl_trace_thread_called(thread, number, i, 0, &i, sizeof(i)))
                        return NULL;
                last = number;
        }
        return thread;
}

static void *record_exits(void *opaque)
{
        const struct hwaccl_trace_state state = {.known = {0, 0}};
        struct hwaccl_trace_vcpu *vcpu = opaque;

        for (unsigned i = 0; i < CALLS; i++)
                if (!hwaccl_trace_vcpu_entry(vcpu, NULL) || !hwaccl_trace_vcpu_exit(vcpu, &state) ||
                    !hwaccl_trace_vcpu_irq_line(vcpu, 0, 1, i & 1) ||
                    !hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED))
                        return NULL;
        return vcpu;
}

static void threads_and_vcpus_record_at_the_same_time(void **state)
{
        pthread_t thread[THREADS], vcpu[2];
        void *good;

        (void)state;
        shared = open_threads(2, THREADS);
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&vcpu[i], NULL, record_exits, hwaccl_trace_vcpu(shared, i)), 0);
        for (unsigned i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&thread[i], NULL, record_calls, "worker"), 0);
        for (unsigned i = 0; i < THREADS; i++) {
                assert_int_equal(pthread_join(thread[i], &good), 0);
                assert_non_null(good);
        }
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(pthread_join(vcpu[i], &good), 0);
                assert_non_null(good);
        }
        close_trace(shared);
        struct hwaccl_recording *recording = open_recording(path);
        assert_checks(recording);
        assert_string_equal(ask(recording,
                                "SELECT min(sequence) || ' ' || max(sequence) || ' ' || "
                                "count(DISTINCT sequence) || ' ' || count(*) FROM (SELECT sequence FROM exit "
                                "UNION ALL SELECT sequence FROM vmm_call)"),
                            "1 24000 24000 24000");
        assert_string_equal(ask(recording, "SELECT count(DISTINCT lane) FROM vmm_call"), "10");
        hwaccl_recording_close(recording);
}

/* Such a thread has no memory of malloc(3) and may do no more than end: anything else kills it. */
static _Atomic bool recorded;

static void *record_without_system_calls(void *opaque)
{
        struct hwaccl_trace_thread *thread = opaque;
        bool good = true;

        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
                return NULL;
        for (unsigned i = 0; i < 500; i++) {
                uint64_t number = hwaccl_trace_thread_call(thread, &get_msrs);
                good = good && hwaccl_trace_thread_called(thread, number, 0, 0, &i, sizeof(i));
                good = good && hwaccl_trace_thread_irq_line(thread, 0, 1, i & 1);
                good = good && hwaccl_trace_thread_msi(thread, 0, 0xfee00000, i, true);
        }
        recorded = good;
        (void)syscall(SYS_exit, 0);
        return NULL;
}

static void recording_allocates_nothing_and_calls_no_kernel(void **state)
{
        struct hwaccl_trace *trace = open_threads(1, 1);
        struct hwaccl_trace_thread *thread = new_thread(trace, "confined");
        pthread_t confined;

        (void)state;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) /* their libraries make system calls */
        close_trace(trace);
        (void)thread;
        (void)confined;
        skip();
#endif
        recorded = false;
        assert_int_equal(pthread_create(&confined, NULL, record_without_system_calls, thread), 0);
        assert_int_equal(pthread_join(confined, NULL), 0);
        close_trace(trace);
        assert_true(recorded);
        struct hwaccl_recording *recording = open_recording(path);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT count(*) FROM vmm_call WHERE result IS NOT NULL"), "1500");
        hwaccl_recording_close(recording);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(what_a_thread_asks_is_recorded_with_its_answer, remove_files),
                cmocka_unit_test_teardown(lines_and_messages_are_in_their_views, remove_files),
                cmocka_unit_test_teardown(a_recording_without_threads_has_no_numbers, remove_files),
                cmocka_unit_test_teardown(what_cannot_be_is_refused, remove_files),
                cmocka_unit_test_teardown(too_many_threads_are_an_error, remove_files),
                cmocka_unit_test_teardown(long_data_is_truncated_and_its_size_is_not, remove_files),
                cmocka_unit_test_teardown(recording_allocates_nothing_and_calls_no_kernel, remove_files),
                cmocka_unit_test_teardown(threads_and_vcpus_record_at_the_same_time, remove_files),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
