/* The Muen accelerator against another side within the test: in the guest clock's callback, at which a run looks before
 * it waits, or in a thread. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cmocka.h>

#include "tests/fixtures/muen_other_side.h"

static void the_state_goes_over_and_comes_back(void **state)
{
        (void)state;
        struct hwaccl_subject_state given = subject;
        assert_true(run());
        given.exit_reason = HWACCL_MUEN_RUNNING;
        assert_memory_equal(&other.seen, &given, sizeof(given));
        assert_memory_equal(&subject, &other.left, sizeof(subject));
        /* where the page has what, by number */
        assert_int_equal(word(state_page, 0), other.left.cr2);
        assert_int_equal(word(state_page, 128), HWACCL_EXIT_CPUID);
        assert_int_equal(word(state_page, 176), other.left.rip);
        assert_int_equal(word(state_page, 272), other.left.cs.selector);
        assert_int_equal(word(state_page, 488 + 8), other.left.idtr.base);
        assert_false(was_rung(poke_bell));
        assert_true(run());
}

static void a_virtual_clock_is_not_had(void **state)
{
        (void)state;
        assert_true(accel->ops->virtual_ns(accel) == UINT64_MAX);
}

static void see_vector_40(void)
{
        assert_int_equal(word(interrupts_page, 8), 1); /* vector 64: bit 0 of the second word */
        leave_exit();
}

static void take_vector_40(void)
{
        see_vector_40();
        memset(interrupts_page, 0, 32);
}

static void a_delivered_interrupt_is_cleared_and_another_taken_back(void **state)
{
        (void)state;
        hwaccl_pending_interrupts_set(&pending, 64);
        other.act = take_vector_40;
        assert_true(run());
        assert_int_equal(hwaccl_pending_interrupts_highest(&pending), -1);

        hwaccl_pending_interrupts_set(&pending, 64);
        other.act = see_vector_40;
        assert_true(run());
        assert_int_equal(hwaccl_pending_interrupts_highest(&pending), 64);
        assert_int_equal(word(interrupts_page, 8), 0); /* ours again */
}

static void set_foreign_bits(void)
{
        memset(interrupts_page, 0xff, 4096);
        leave_exit();
}

static void interrupts_of_others_stay_theirs(void **state)
{
        (void)state;
        hwaccl_pending_interrupts_set(&pending, 200);
        other.act = set_foreign_bits;
        assert_true(run());
        assert_int_equal(hwaccl_pending_interrupts_highest(&pending), 200);
        assert_true(hwaccl_pending_interrupts_test(&pending, 200));
        assert_false(hwaccl_pending_interrupts_test(&pending, 199));
        assert_true(word(interrupts_page, 0) == UINT64_MAX);
        assert_true(word(interrupts_page, 24) == (UINT64_MAX & ~(UINT64_C(1) << (200 - 192))));
        assert_int_equal(interrupts_page[32], 0xff);
}

static void the_timed_event_is_in_ticks_of_the_tsc(void **state)
{
        (void)state;
        other.now_ns = 5000;
        assert_true(run());
        assert_true(word(timed_event_page, 0) == UINT64_MAX);
        assert_int_equal(timed_event_page[8], 30);
        assert_int_equal(word(timed_event_page, 16), 0);

        request.deadline_ns = other.now_ns + UINT64_C(1000000000000); /* 1000 s */
        uint64_t before = __builtin_ia32_rdtsc();
        assert_true(run());
        uint64_t after = __builtin_ia32_rdtsc();
        uint64_t trigger = word(timed_event_page, 0);
        assert_true(trigger >= before + UINT64_C(2000000000000) && trigger <= after + UINT64_C(2000000000000));
        assert_true(run());
        assert_int_equal(word(timed_event_page, 0), trigger); /* the same deadline, the same trigger */

        /* it came too early, as far as the guest clock goes: another is computed */
        other.left.exit_reason = HWACCL_EXIT_PREEMPTION_TIMER;
        assert_true(run());
        assert_int_equal(word(timed_event_page, 0), trigger);
        assert_true(run());
        assert_int_not_equal(word(timed_event_page, 0), trigger);

        request.deadline_ns = other.now_ns; /* now */
        assert_true(run());
        assert_true(word(timed_event_page, 0) <= __builtin_ia32_rdtsc());
        request.deadline_ns = UINT64_MAX - 1; /* beyond what the TSC counts to */
        assert_true(run());
        assert_true(word(timed_event_page, 0) > __builtin_ia32_rdtsc());
        request.deadline_ns = FOREVER;
        assert_true(run());
        assert_true(word(timed_event_page, 0) == UINT64_MAX);
}

static void an_interrupt_window_is_asked_for(void **state)
{
        (void)state;
        request.interrupt_window = true;
        assert_true(run());
        assert_int_equal(word(timed_event_page, 16), 4);
        request.interrupt_window = false;
        assert_true(run());
        assert_int_equal(word(timed_event_page, 16), 0);
}

/* The first looks at the clock are before the wait; the kick comes with the first of it. */
static void kick_then_leave(void)
{
        accel->ops->kick(accel);
        assert_true(was_rung(poke_bell));
        other.left.exit_reason = HWACCL_EXIT_EXTERNAL_INTERRUPT;
        leave_exit();
}

static void a_kick_rings_the_doorbell(void **state)
{
        (void)state;
        accel->ops->kick(accel); /* before the run: the other side keeps it */
        assert_true(was_rung(poke_bell));
        other.act = kick_then_leave;
        assert_true(run());
        assert_int_equal(subject.exit_reason, HWACCL_EXIT_EXTERNAL_INTERRUPT);
        for (unsigned i = 0; i < 20000; i++) /* a doorbell that nobody hears does not block */
                accel->ops->kick(accel);
}

static void two_rings_for_an_exit_are_an_error(void **state)
{
        (void)state;
        other.rings = 2;
        fails("rang doorbell_exit 2 times for one exit");
}

static void a_ring_without_an_exit_is_an_error(void **state)
{
        (void)state;
        other.left.exit_reason = UINT64_MAX;
        fails("without an exit");
}

static void ring_half(void)
{
        assert_int_equal(write(exit_bell, "four", 4), 4);
}

static void half_a_ring_is_an_error(void **state)
{
        (void)state;
        other.act = ring_half;
        fails("a ring of doorbell_exit is 8 bytes, not 4");
}

static void what_is_the_vmms_must_be_as_it_was(void **state)
{
        (void)state;
        other.left.cr0 &= ~UINT64_C(0x20);
        fails("CR0");
        other.left.cr0 |= 0x20;
        other.left.rflags = 0;
        fails("RFLAGS");
}

static void leave(void)
{
        (void)close(exit_bell);
        exit_bell = -1;
}

static void an_other_side_that_ends_is_noticed(void **state)
{
        (void)state;
        other.act = leave;
        fails("gone");
}

static uint64_t real_clock(void *opaque)
{
        struct timespec now;
        (void)opaque;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void attach_with_timeout(void)
{
        struct hwaccl_muen_config impatient = {.directory = directory, .answer_timeout_ns = 20000000};
        accel->ops->destroy(accel);
        hwaccl_muen_close(muen);
        muen = hwaccl_muen_open(&impatient, &error);
        assert_non_null(muen);
        accel = hwaccl_accel_muen_create(muen, real_clock, NULL, &error);
        assert_non_null(accel);
}

static void a_deadline_that_passes_without_an_exit_is_an_error(void **state)
{
        (void)state;
        attach_with_timeout();
        request.deadline_ns = real_clock(NULL) + 1000000;
        fails("does not answer");
}

static void a_kick_that_is_not_answered_is_an_error(void **state)
{
        (void)state;
        attach_with_timeout();
        accel->ops->kick(accel);
        fails("does not answer");
}

/* Doorbells that were handed over. */

static void eventfds_do_as_doorbells(void **state)
{
        int alive[2];
        struct hwaccl_muen_doorbells bells = {eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK),
                                              eventfd(0, EFD_NONBLOCK), -1};
        struct hwaccl_muen_config handed_over = {.directory = directory, .doorbells = &bells};
        (void)state;

        (void)make_subject(state);
        assert_int_equal(pipe(alive), 0);
        bells.alive = alive[0];
        accel->ops->destroy(accel);
        hwaccl_muen_close(muen);
        muen = hwaccl_muen_open(&handed_over, &error);
        assert_non_null(muen);
        accel = hwaccl_accel_muen_create(muen, look_at_clock, NULL, &error);
        assert_non_null(accel);
        int *const mine[] = {&run_bell, &exit_bell, &poke_bell};
        const int theirs[] = {bells.run, bells.exit, bells.poke};
        for (size_t i = 0; i < 3; i++) {
                (void)close(*mine[i]);
                *mine[i] = dup(theirs[i]);
        }
        assert_true(run());
        assert_memory_equal(&subject, &other.left, sizeof(subject));
        accel->ops->kick(accel);
        assert_true(was_rung(poke_bell));
        other.rings = 3;
        fails("rang doorbell_exit 3 times");

        other.rings = 1;
        (void)close(alive[1]);
        assert_true(run()); /* the last exit of one that has ended is an exit */
        other.act = NULL;
        fails("gone: its process has ended");
        accel->ops->destroy(accel);
        accel = NULL;
        hwaccl_muen_close(muen);
        muen = NULL;
        assert_true(fcntl(bells.run, F_GETFD) >= 0); /* still ours */
        for (size_t i = 0; i < 3; i++)
                (void)close(theirs[i]);
        (void)close(alive[0]);
}

/* Another thread as the other side, and kicks from a third: for the thread sanitizer, mostly. */

static void *serve(void *opaque)
{
        unsigned *exits = opaque;
        uint64_t count;

        for (;;) {
                if (read(run_bell, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
                        (void)usleep(20);
                        continue;
                }
                struct hwaccl_subject_state seen;
                memcpy(&seen, state_page, sizeof(seen));
                if (seen.rip == 0)
                        return NULL;
                seen.rip++;
                seen.exit_reason = HWACCL_EXIT_CPUID;
                memcpy(state_page, &seen, sizeof(seen));
                ++*exits;
                ring(exit_bell);
        }
}

static atomic_bool poking;

static void *keep_kicking(void *opaque)
{
        (void)opaque;
        while (atomic_load(&poking)) {
                accel->ops->kick(accel);
                (void)usleep(50);
        }
        return NULL;
}

static void runs_and_kicks_go_on_at_the_same_time(void **state)
{
        unsigned exits = 0;
        pthread_t server, kicker;
        (void)state;

        other.act = NULL;
        subject.rip = 1;
        atomic_store(&poking, true);
        assert_int_equal(pthread_create(&server, NULL, serve, &exits), 0);
        assert_int_equal(pthread_create(&kicker, NULL, keep_kicking, NULL), 0);
        for (uint64_t i = 0; i < 300; i++) {
                assert_true(run());
                assert_int_equal(subject.rip, i + 2);
        }
        atomic_store(&poking, false);
        assert_int_equal(pthread_join(kicker, NULL), 0);
        subject.rip = 0;
        subject.exit_reason = 0;
        memcpy(state_page, &subject, sizeof(subject));
        int bell = open(path_of("doorbell_run"), O_WRONLY);
        ring(bell);
        (void)close(bell);
        assert_int_equal(pthread_join(server, NULL), 0);
        assert_int_equal(exits, 300);
}

int main(void)
{
#define RUNNING(test) cmocka_unit_test_setup_teardown(test, make_subject, remove_directory)
        const struct CMUnitTest tests[] = {
                RUNNING(the_state_goes_over_and_comes_back),
                RUNNING(a_virtual_clock_is_not_had),
                RUNNING(a_delivered_interrupt_is_cleared_and_another_taken_back),
                RUNNING(interrupts_of_others_stay_theirs),
                RUNNING(the_timed_event_is_in_ticks_of_the_tsc),
                RUNNING(an_interrupt_window_is_asked_for),
                RUNNING(a_kick_rings_the_doorbell),
                RUNNING(two_rings_for_an_exit_are_an_error),
                RUNNING(a_ring_without_an_exit_is_an_error),
                RUNNING(half_a_ring_is_an_error),
                RUNNING(what_is_the_vmms_must_be_as_it_was),
                RUNNING(an_other_side_that_ends_is_noticed),
                RUNNING(a_deadline_that_passes_without_an_exit_is_an_error),
                RUNNING(a_kick_that_is_not_answered_is_an_error),
                cmocka_unit_test_teardown(eventfds_do_as_doorbells, remove_directory),
                RUNNING(runs_and_kicks_go_on_at_the_same_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
