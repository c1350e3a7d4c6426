/* The interface for other VMMs, used wrongly: a call that cannot be is refused, and what was recorded stays whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/trace_fixture.h"

#include "core/host/inputs.h"
#include "hwaccl/exit_reason.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void calls_at_the_wrong_place_change_nothing(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);
        static const char data[HWACCL_TRACE_DATA_MAX + 1];
        struct hwaccl_trace_state again = {.known = {0, 0}};

        (void)state;
        assert_false(hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_RESUMED));
        assert_false(hwaccl_trace_vcpu_verdict(vcpu, HWACCL_VERDICT_RESUME));
        assert_false(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_CLOCK, 0, 1, NULL, 0));
        assert_false(hwaccl_trace_vcpu_irq_taken(vcpu, 1));
        assert_true(hwaccl_trace_vcpu_exit(vcpu, NULL)); /* an entry of which nothing is known came before */
        assert_false(hwaccl_trace_vcpu_verdict(vcpu, HWACCL_VERDICT_COUNT));
        assert_false(hwaccl_trace_vcpu_input(vcpu, HWACCL_INPUT_KIND_COUNT, 0, 0, NULL, 0));
        assert_false(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_MEMORY, 0, 0, data, sizeof(data)));
        assert_false(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_MEMORY, 0, 0, NULL, 1));
        assert_false(hwaccl_trace_vcpu_effect(vcpu, HWACCL_EFFECT_KIND_COUNT, 0, 0, NULL, 0));
        assert_false(hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COUNT));
        assert_true(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_MEMORY, 0, 0, data, HWACCL_TRACE_DATA_MAX));
        assert_true(hwaccl_trace_vcpu_entry(vcpu, NULL)); /* the handling had no end */
        hwaccl_trace_put(&again, rip, 0x1000);
        assert_false(hwaccl_trace_vcpu_entry(vcpu, &again)); /* it is in the guest already */
        assert_true(hwaccl_trace_vcpu_exit(vcpu, NULL));
        assert_true(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_CLOCK, 0, 7, NULL, 0));
        assert_true(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_CLOCK, 0, 7, NULL, 0));
        assert_false(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_CLOCK, 0, 6, NULL, 0)); /* it does not go back */
        close_trace(trace);                                                                   /* nor has this one */
        struct hwaccl_recording *recording = open_recording(path);
        assert_string_equal(ask(recording, "SELECT count(*) || ' ' || count(reason) || ' ' || count(outcome) || ' ' || "
                                           "count(detail) || ' ' || count(rip) FROM exits"),
                            "2 0 0 0 0");
        assert_string_equal(ask(recording, "SELECT count(*) FROM inputs"), "3");
        assert_string_equal(ask(recording, "SELECT exits FROM exit_statistics WHERE reason IS NULL"), "2");
        assert_checks(recording);
        hwaccl_recording_close(recording);
}

static void refused(const char *where, const struct hwaccl_trace_config *config, const char *because)
{
        struct hwaccl_error error = {""};

        assert_null(hwaccl_trace_open(where, config, &error));
        if (!strstr(error.message, because))
                fail_msg("the message is: %s", error.message);
        assert_null(hwaccl_trace_open(where, config, NULL));
}

static void what_cannot_be_recorded_is_an_error_and_leaves_nothing(void **state)
{
        struct hwaccl_trace_config config = {.size = sizeof(config), .vmm = "test"};
        const struct hwaccl_trace_option own = {"host_kernel", "mine"};
        struct {
                struct hwaccl_trace_config config;
                uint64_t newer;
        } extended = {.config = config};
        char elsewhere[sizeof(path) + 32];

        (void)state;
        (void)snprintf(elsewhere, sizeof(elsewhere), "%s/no/such/vmm.db", directory);
        refused(elsewhere, &config, "No such file");
        refused(NULL, &config, "path is missing");
        refused("", &config, "path is missing");
        refused(path, NULL, "config is missing");
        config.option_count = 1;
        refused(path, &config, "config.options is missing");
        config.option_count = 0;
        config.vcpu_count = HWACCL_TRACE_VCPU_MAX + 1;
        refused(path, &config, "vcpu_count");
        config.vcpu_count = 3;
        config.ring_size = 12345;
        refused(path, &config, "ring size");
        config.ring_size = 0;
        config.file_mode = 0400;
        refused(path, &config, "file_mode is 0400");
        config.file_mode = 01600;
        refused(path, &config, "file_mode");
        config.file_mode = 0;
        config.vmm = NULL;
        refused(path, &config, "vmm");
        config.vmm = "test";
        config.size = 4;
        refused(path, &config, "size");
        config.size = sizeof(config);
        config.options = &own;
        config.option_count = 1;
        refused(path, &config, "host_kernel");
        extended.config.size = sizeof(extended);
        extended.newer = 1;
        refused(path, &extended.config, "does not know");
        extended.newer = 0;
        struct hwaccl_trace *trace = hwaccl_trace_open(path, &extended.config, NULL);
        assert_non_null(trace);
        assert_true(hwaccl_trace_error(trace, NULL));
        close_trace(trace);
        config.option_count = 0;
        refused(path, &config, "exists");
        config.force = 1;
        trace = hwaccl_trace_open(path, &config, NULL);
        assert_non_null(trace);
        close_trace(trace);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(directory), 0); /* there is nothing else in it */
        assert_int_equal(mkdir(directory, 0700), 0);
}

static bool is_ours(int fd)
{
        char name[32], target[256] = "";

        (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        return readlink(name, target, sizeof(target) - 1) > 0 && strstr(target, directory);
}

/* What a VMM prints to its closed standard output must not go into the ring. */
static void closed_standard_descriptors_are_not_reused(void **state)
{
        pid_t child = fork();
        int status = 0;

        (void)state;
        assert_true(child >= 0);
        if (child == 0) {
                const struct hwaccl_trace_config config = {.size = sizeof(config), .vmm = "test", .file_mode = 0640};
                struct stat file;
                (void)umask(0777);
                for (int fd = 0; fd < 3; fd++)
                        (void)close(fd);
                struct hwaccl_trace *trace = hwaccl_trace_open(path, &config, NULL);
                bool good = trace && !is_ours(0) && !is_ours(1) && !is_ours(2) && stat(path, &file) == 0 &&
                            (file.st_mode & 07777) == 0640;
                good = hwaccl_trace_close(trace, HWACCL_TRACE_END_EXIT_CODE, 0, NULL, NULL) && good;
                _exit(good ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

/* The signal would end a VMM that does not know that its recording is larger than a file may be. */
static void a_file_size_limit_is_an_error_and_no_signal(void **state)
{
        pid_t child = fork();
        int status = 0;

        (void)state;
        assert_true(child >= 0);
        if (child == 0) {
                const struct hwaccl_trace_config config = {.size = sizeof(config), .vmm = "test"};
                const struct rlimit limit = {65536, 65536};
                struct hwaccl_error error = {""};
                if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
                        _exit(2);
                struct hwaccl_trace *trace = hwaccl_trace_open(path, &config, &error);
                _exit(!trace && strstr(error.message, "File too large") ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

/* A VMM whose recording could not be made goes on without. */
static void nothing_is_a_handle_that_records_nothing(void **state)
{
        const struct hwaccl_trace_state at_exit = {.known = {0, 0}};
        struct hwaccl_error error = {""};

        (void)state;
        assert_null(hwaccl_trace_vcpu(NULL, 0));
        assert_false(hwaccl_trace_vcpu_entry(NULL, NULL));
        assert_false(hwaccl_trace_vcpu_exit(NULL, &at_exit));
        assert_false(hwaccl_trace_vcpu_verdict(NULL, HWACCL_VERDICT_RESUME));
        assert_false(hwaccl_trace_vcpu_input(NULL, HWACCL_TRACE_INPUT_CLOCK, 0, 1, NULL, 0));
        assert_false(hwaccl_trace_vcpu_effect(NULL, HWACCL_TRACE_EFFECT_IRQ_LINE, 0, 1, NULL, 0));
        assert_false(hwaccl_trace_vcpu_irq_offered(NULL, 1));
        assert_false(hwaccl_trace_vcpu_irq_injected(NULL, 1));
        assert_false(hwaccl_trace_vcpu_irq_taken(NULL, 1));
        assert_false(hwaccl_trace_vcpu_irq_returned(NULL, 1));
        assert_false(hwaccl_trace_vcpu_handled(NULL, HWACCL_OUTCOME_RESUMED));
        assert_false(hwaccl_trace_vcpu_mark(NULL, "text"));
        assert_false(hwaccl_trace_error(NULL, &error));
        assert_string_equal(error.message, "no recording (NULL handle)");
        assert_false(hwaccl_trace_error(NULL, NULL));
        assert_false(hwaccl_trace_close(NULL, HWACCL_TRACE_END_HALTED, 0, NULL, NULL));
        struct hwaccl_trace *trace = open_trace(path, 1);
        assert_false(hwaccl_trace_vcpu_mark(hwaccl_trace_vcpu(trace, 0), NULL));
        close_trace(trace);
}

static uint64_t next_random(uint64_t *random)
{
        *random ^= *random << 13;
        *random ^= *random >> 7;
        return *random ^= *random << 17;
}

/* Values of every size, the extremes among them. */
static uint64_t any_value(uint64_t *random)
{
        static const uint64_t extreme[] = {0, UINT64_MAX, UINT64_C(1) << 63, INT64_MAX};
        uint64_t choice = next_random(random) % 8;

        return choice < 4 ? extreme[choice] : next_random(random) >> (choice % 4 * 16);
}

static void any_state(uint64_t *random, struct hwaccl_trace_state *state)
{
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++)
                hwaccl_field_put(&state->values, (enum hwaccl_field_index)i,
                                 next_random(random) % 3 ? 0 : any_value(random));
        for (unsigned i = 0; i < 2; i++)
                state->known[i] = next_random(random) % 3 ? next_random(random) : UINT64_MAX;
}

static bool any_call(struct hwaccl_trace_vcpu *vcpu, uint64_t *random)
{
        static const char data[2 * HWACCL_TRACE_DATA_MAX];
        struct hwaccl_trace_state some;
        unsigned kind = (unsigned)(next_random(random) % 20 ? next_random(random) % 12 : any_value(random));
        uint8_t vector = (uint8_t)(next_random(random) % 4);
        size_t size = next_random(random) % (next_random(random) % 50 ? 20 : sizeof(data));
        char text[] = "\xff\x80 text";

        any_state(random, &some);
        text[next_random(random) % sizeof(text)] = '\0';
        const void *bytes = next_random(random) % 4 ? data : NULL;
        switch (next_random(random) % 14) {
        case 0: return hwaccl_trace_vcpu_entry(vcpu, NULL);
        case 1: return hwaccl_trace_vcpu_entry(vcpu, &some);
        case 2: return hwaccl_trace_vcpu_exit(vcpu, next_random(random) % 8 ? &some : NULL);
        case 3: return hwaccl_trace_vcpu_exit(vcpu, &some);
        case 4: return hwaccl_trace_vcpu_verdict(vcpu, kind);
        case 5:
        case 6: return hwaccl_trace_vcpu_handled(vcpu, kind);
        case 7: return hwaccl_trace_vcpu_irq_offered(vcpu, vector);
        case 8: return hwaccl_trace_vcpu_irq_injected(vcpu, vector);
        case 9: return hwaccl_trace_vcpu_irq_taken(vcpu, vector);
        case 10: return hwaccl_trace_vcpu_irq_returned(vcpu, vector);
        case 11: return hwaccl_trace_vcpu_input(vcpu, kind, any_value(random), any_value(random), bytes, size);
        case 12: return hwaccl_trace_vcpu_effect(vcpu, kind, any_value(random), any_value(random), bytes, size);
        default: return hwaccl_trace_vcpu_mark(vcpu, text);
        }
}

/* Every row is then read once, in order, by a cursor: what no exit reads is a finding. */
static void calls_in_any_order_leave_a_recording_that_checks(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 6; seed++) {
                uint64_t random = seed * 2654435761;
                unsigned taken = 0;
                struct hwaccl_trace *trace = open_trace(path, 2);
                for (unsigned i = 0; i < 4000; i++)
                        taken += any_call(hwaccl_trace_vcpu(trace, next_random(&random) % 2), &random);
                assert_in_range(taken, 1000, 3000);
                close_trace(trace);
                struct hwaccl_recording *recording = open_recording(path);
                assert_true(hwaccl_recording_info(recording)->exit_count > 400);
                assert_checks(recording);
                hwaccl_recording_close(recording);
                (void)remove_files(NULL);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(calls_at_the_wrong_place_change_nothing, remove_files),
                cmocka_unit_test_teardown(what_cannot_be_recorded_is_an_error_and_leaves_nothing, remove_files),
                cmocka_unit_test_teardown(closed_standard_descriptors_are_not_reused, remove_files),
                cmocka_unit_test_teardown(a_file_size_limit_is_an_error_and_no_signal, remove_files),
                cmocka_unit_test_teardown(nothing_is_a_handle_that_records_nothing, remove_files),
                cmocka_unit_test_teardown(calls_in_any_order_leave_a_recording_that_checks, remove_files),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
