/* The Muen accelerator whose other side goes, or takes pages away. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <termios.h>

#include <cmocka.h>

#include "tests/fixtures/muen_other_side.h"

static void on_bus_error(int number, siginfo_t *signal_info, void *context)
{
        (void)context;
        errno = ERANGE; /* whoever is interrupted keeps its own */
        if (!muen || !hwaccl_muen_replace_page(muen, signal_info->si_addr) || errno != ERANGE)
                (void)signal(number, SIG_DFL);
}

/* In each test: cmocka has a handler of its own there. */
static void catch_bus_errors(void)
{
        struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
        assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
}

static void cut(const char *name, size_t size)
{
        assert_int_equal(truncate(path_of(name), (off_t)size), 0);
}

static void cut_state(void)
{
        leave_exit();
        cut("monitor_state", 0);
        other.act = NULL;
}

static void a_state_that_is_taken_away_ends_the_guest(void **state)
{
        (void)state;
        catch_bus_errors();
        other.act = cut_state;
        fails("/monitor_state: its page at 0h is gone");
        fails("/monitor_state: its page at 0h is gone");
        assert_false(was_rung(run_bell)); /* the second time */
}

static void cut_interrupts(void)
{
        leave_exit();
        cut("monitor_interrupts", 0);
        other.act = NULL;
}

static void interrupts_that_are_taken_away_end_the_guest(void **state)
{
        (void)state;
        catch_bus_errors();
        hwaccl_pending_interrupts_set(&pending, 64);
        other.act = cut_interrupts;
        fails("/monitor_interrupts: its page at 0h is gone");
}

static void a_timed_event_that_is_taken_away_ends_the_guest(void **state)
{
        (void)state;
        catch_bus_errors();
        cut("monitor_timed_event", 0);
        fails("/monitor_timed_event: its page at 0h is gone");
        assert_false(was_rung(run_bell));
}

static void memory_that_is_taken_away_reads_as_zeros_and_ends_the_guest(void **state)
{
        const struct hwaccl_muen_subject *lent = hwaccl_muen_subject(muen);
        uint8_t *page = lent->ram + 2 * RAM_PART + 0x2000; /* of vm_ram_3 */
        (void)state;

        catch_bus_errors();
        memset(page - 0x1000, 'x', 0x3000);
        assert_true(hwaccl_muen_check(muen, &error));
        cut("vm_ram_3", 0x2000);
        assert_int_equal(page[0xfff], 0);
        page[0] = 1;
        assert_int_equal(page[0], 1);
        assert_int_equal(page[-1], 'x');
        assert_int_equal(page[0x1000], 0);
        assert_false(hwaccl_muen_check(muen, &error));
        assert_non_null(strstr(error.message, "/vm_ram_3: its page at 2000h is gone"));
        fails("/vm_ram_3: its page at 2000h is gone");
}

static void firmware_that_is_taken_away_reads_as_zeros(void **state)
{
        (void)make_directory(state);
        add_region("vm_firmware", 0, 0x20000);
        write_info();
        write_file("vm_firmware", "firm", 4, 0x20000);
        attach(config());
        catch_bus_errors();
        cut("vm_firmware", 4);
        assert_memory_equal(hwaccl_muen_subject(muen)->firmware, "firm", 5);
        assert_true(hwaccl_muen_check(muen, &error)); /* the page is there */
        assert_int_equal(hwaccl_muen_subject(muen)->firmware[0x1fff0], 0);
        assert_false(hwaccl_muen_check(muen, &error));
        assert_non_null(strstr(error.message, "/vm_firmware: its page at 1f000h is gone"));
}

static void what_is_not_the_subjects_is_not_replaced(void **state)
{
        uint8_t *end = hwaccl_muen_subject(muen)->ram + 4 * RAM_PART;
        (void)state;
        assert_false(hwaccl_muen_replace_page(muen, &end));
        assert_false(hwaccl_muen_replace_page(muen, end));
        assert_false(hwaccl_muen_replace_page(muen, state_page)); /* the test's own */
        assert_false(hwaccl_muen_replace_page(muen, NULL));
        assert_true(hwaccl_muen_check(muen, &error));
        assert_true(run());
        assert_true(hwaccl_muen_replace_page(muen, end - 1));
        assert_false(hwaccl_muen_check(muen, &error));
}

static void an_other_side_that_ends_before_the_first_run_is_noticed(void **state)
{
        (void)state;
        int *const bells[] = {&run_bell, &exit_bell, &poke_bell};
        for (size_t i = 0; i < 3; i++) {
                (void)close(*bells[i]);
                *bells[i] = -1;
        }
        fails("gone: doorbell_exit was closed");
}

/* Devices as doorbells: here pseudo-terminals. */

static void make_device(const char *name, int *bell)
{
        struct termios raw;

        *bell = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
        assert_true(*bell >= 0);
        assert_int_equal(grantpt(*bell), 0);
        assert_int_equal(unlockpt(*bell), 0);
        assert_int_equal(tcgetattr(*bell, &raw), 0);
        cfmakeraw(&raw);
        assert_int_equal(tcsetattr(*bell, TCSANOW, &raw), 0);
        assert_int_equal(unlink(path_of(name)), 0);
        assert_int_equal(symlink(ptsname(*bell), path_of(name)), 0);
}

/* In one write: a terminal may give its reader the first of two before the second has arrived. */
static void leave_exit_and_ring_twice(void)
{
        const uint64_t rings[2] = {1, 1};

        memcpy(state_page, &other.left, sizeof(other.left));
        assert_int_equal(write(exit_bell, rings, sizeof(rings)), sizeof(rings));
}

static void devices_do_as_doorbells(void **state)
{
        (void)make_subject(state);
        accel->ops->destroy(accel);
        hwaccl_muen_close(muen);
        accel = NULL;
        muen = NULL;
        int *const bells[] = {&run_bell, &exit_bell, &poke_bell};
        static const char *const names[] = {"doorbell_run", "doorbell_exit", "doorbell_poke"};
        for (size_t i = 0; i < 3; i++) {
                (void)close(*bells[i]);
                make_device(names[i], bells[i]);
        }
        muen = hwaccl_muen_open(config(), &error);
        if (!muen)
                fail_msg("%s", error.message);
        accel = hwaccl_accel_muen_create(muen, look_at_clock, NULL, &error);
        assert_non_null(accel);
        for (unsigned i = 0; i < 3; i++) {
                assert_true(run());
                assert_memory_equal(&subject, &other.left, sizeof(subject));
        }
        accel->ops->kick(accel);
        assert_true(was_rung(poke_bell));
        other.act = leave_exit_and_ring_twice;
        fails("rang doorbell_exit 2 times");
        (void)close(exit_bell);
        exit_bell = -1;
        other.act = NULL;
        fails("gone: doorbell_exit was closed");
}

/* A ring that is there when the run looks, and gone when it takes it: an eventfd's other side can read it again. */

static int stolen_bell;
static unsigned looks;

static uint64_t ring_and_steal(void *opaque)
{
        uint64_t count = 1;
        (void)opaque;

        if (looks == 0) /* before the run waits */
                assert_int_equal(write(stolen_bell, &count, sizeof(count)), sizeof(count));
        else if (looks == 1) /* when it has been woken, for which the kick is seen to first */
                assert_int_equal(read(stolen_bell, &count, sizeof(count)), sizeof(count));
        return looks++ * HWACCL_MUEN_ANSWER_TIMEOUT_NS;
}

static void a_ring_that_is_taken_back_does_not_catch_the_run(void **state)
{
        struct hwaccl_muen_doorbells bells = {eventfd(0, 0), eventfd(0, 0), eventfd(0, 0), -1};
        struct hwaccl_muen_config handed_over = {.directory = directory, .doorbells = &bells};

        (void)make_subject(state);
        accel->ops->destroy(accel);
        hwaccl_muen_close(muen);
        muen = hwaccl_muen_open(&handed_over, &error);
        assert_non_null(muen);
        stolen_bell = bells.exit;
        looks = 0;
        accel = hwaccl_accel_muen_create(muen, ring_and_steal, NULL, &error);
        assert_non_null(accel);
        accel->ops->kick(accel);
        (void)alarm(60); /* a read that waits ends the test so */
        fails("does not answer");
        (void)alarm(0);
        const int made[] = {bells.run, bells.exit, bells.poke};
        for (size_t i = 0; i < 3; i++)
                (void)close(made[i]);
}

int main(void)
{
#define RUNNING(test) cmocka_unit_test_setup_teardown(test, make_subject, remove_directory)
        const struct CMUnitTest tests[] = {
                RUNNING(a_state_that_is_taken_away_ends_the_guest),
                RUNNING(interrupts_that_are_taken_away_end_the_guest),
                RUNNING(a_timed_event_that_is_taken_away_ends_the_guest),
                RUNNING(memory_that_is_taken_away_reads_as_zeros_and_ends_the_guest),
                cmocka_unit_test_teardown(firmware_that_is_taken_away_reads_as_zeros, remove_directory),
                RUNNING(what_is_not_the_subjects_is_not_replaced),
                RUNNING(an_other_side_that_ends_before_the_first_run_is_noticed),
                cmocka_unit_test_teardown(devices_do_as_doorbells, remove_directory),
                cmocka_unit_test_teardown(a_ring_that_is_taken_back_does_not_catch_the_run, remove_directory),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
