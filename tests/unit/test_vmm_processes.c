/* Processes that are watched by handle: a zombie has ended, and a number that is used again is another process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/interpose/processes.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that waits for a signal. */
static pid_t start(void)
{
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                for (;;)
                        (void)pause();
        }
        return child;
}

static void wait_until_it_is_a_zombie(pid_t pid)
{
        siginfo_t info;

        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void a_zombie_has_ended(void **state)
{
        struct vmm_process process = {0};
        pid_t child = start();

        (void)state;
        assert_false(vmm_process_lives(&process));
        vmm_process_take(&process, child);
        assert_true(vmm_process_lives(&process));
        vmm_process_signal(&process, 0);
        assert_true(vmm_process_lives(&process));
        vmm_process_signal(&process, SIGTERM);
        wait_until_it_is_a_zombie(child);
        assert_int_equal(kill(child, 0), 0); /* its number is still there */
        assert_false(vmm_process_lives(&process));
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_false(vmm_process_lives(&process));
        vmm_process_release(&process);
        assert_false(vmm_process_lives(&process));
}

static void a_signal_does_not_reach_the_next_process_of_a_number(void **state)
{
        struct vmm_process process = {0};
        pid_t first = start();
        int status;

        (void)state;
        vmm_process_take(&process, first);
        assert_int_equal(kill(first, SIGKILL), 0);
        assert_int_equal(waitpid(first, NULL, 0), first);
        /* the same number again: what the handle is for */
        pid_t next = start();
        atomic_store(&process.pid, next);
        vmm_process_signal(&process, SIGKILL);
        assert_int_equal(waitpid(next, &status, WNOHANG), 0);
        assert_false(vmm_process_lives(&process));
        assert_int_equal(kill(next, SIGKILL), 0);
        assert_int_equal(waitpid(next, NULL, 0), next);
        vmm_process_release(&process);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_zombie_has_ended),
                cmocka_unit_test(a_signal_does_not_reach_the_next_process_of_a_number),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
