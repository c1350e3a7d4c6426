/* The sandbox: what it denies, what goes on working in it, and kernels that have nothing of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/host/sandbox.h"

#include <errno.h>
#include <fcntl.h>

#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool without_landlock;
static bool without_seccomp;
static bool without_anything;

/* The kernel's answers where it lacks a part. */
long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
        if (without_landlock && number == SYS_landlock_create_ruleset) {
                errno = ENOSYS;
                return -1;
        }
        return __real_syscall(number, a, b, c, d, e, f);
}

int __real_seccomp_load(scmp_filter_ctx filter);
int __wrap_seccomp_load(scmp_filter_ctx filter);
int __wrap_seccomp_load(scmp_filter_ctx filter)
{
        return without_seccomp ? -EINVAL : __real_seccomp_load(filter);
}

int __real_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
        if (without_anything && option == PR_SET_NO_NEW_PRIVS) {
                errno = EINVAL;
                return -1;
        }
        return __real_prctl(option, a, b, c, d);
}

static pid_t known_child[1]; /* 0: none */
static char directory[64];
static char given[96], written[96], other[96], folder[96], inside[128];

static void make(const char *path)
{
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        (void)fputs("text", file);
        assert_int_equal(fclose(file), 0);
}

static int begin(void **state)
{
        (void)state;
        without_landlock = without_seccomp = without_anything = false;
        known_child[0] = 0;
        (void)snprintf(directory, sizeof(directory), "/tmp/hwaccl-sandbox.XXXXXX");
        assert_non_null(mkdtemp(directory));
        (void)snprintf(given, sizeof(given), "%s/given", directory);
        (void)snprintf(written, sizeof(written), "%s/written", directory);
        (void)snprintf(other, sizeof(other), "%s/other", directory);
        (void)snprintf(folder, sizeof(folder), "%s/folder", directory);
        (void)snprintf(inside, sizeof(inside), "%s/inside", folder);
        assert_int_equal(mkdir(folder, 0700), 0);
        make(given);
        make(written);
        make(other);
        make(inside);
        return 0;
}

static int end(void **state)
{
        char command[96];

        (void)state;
        (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command);
}

/* A process that has entered the sandbox does @act: its exit status. 100: it could not enter. */
static int in_sandbox(int (*act)(void))
{
        int status = 0;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                const struct hwaccl_sandbox_path paths[] = {
                        {given, false}, {written, true}, {folder, true}, {"/no/such/file", false}};
                const struct hwaccl_sandbox sandbox = {paths, sizeof(paths) / sizeof(paths[0]), known_child,
                                                       known_child[0] ? 1 : 0};
                struct hwaccl_error error = {""};
                if (!hwaccl_sandbox_enter(&sandbox, &error)) {
                        (void)fprintf(stderr, "%s\n", error.message);
                        _exit(100);
                }
                _exit(act());
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int try_open(const char *path, int flags)
{
        int fd = open(path, flags | O_CLOEXEC, 0600);

        if (fd < 0)
                return errno;
        (void)close(fd);
        return 0;
}

static int open_given(void)
{
        char byte;
        int fd = open(given, O_RDONLY | O_CLOEXEC);

        return fd >= 0 && read(fd, &byte, 1) == 1 && byte == 't' ? 0 : 1;
}

static int open_other(void)
{
        return try_open(other, O_RDONLY);
}

static int open_passwords(void)
{
        return try_open("/etc/passwd", O_RDONLY);
}

static int write_given(void)
{
        return try_open(given, O_RDWR);
}

static int write_written(void)
{
        return try_open(written, O_RDWR);
}

static int make_beside(void)
{
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/new", directory);
        return try_open(path, O_WRONLY | O_CREAT);
}

static int work_in_folder(void)
{
        char path[128], path2[128];

        (void)snprintf(path, sizeof(path), "%s/new", folder);
        (void)snprintf(path2, sizeof(path2), "%s/newer", folder);
        return try_open(inside, O_RDWR) || try_open(path, O_WRONLY | O_CREAT) || rename(path, path2) || unlink(path2);
}

static int make_socket(void)
{
        return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int make_unix_socket(void)
{
        return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int start_program(void)
{
        char *const arguments[] = {(char *)(uintptr_t) "true", NULL};

        (void)execv("/bin/true", arguments);
        return errno;
}

static int start_process(void)
{
        pid_t child = fork();

        if (child == 0)
                _exit(0);
        return child < 0 ? errno : 0;
}

static int make_code(void)
{
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return page == MAP_FAILED ? errno : 0;
}

static int turn_into_code(void)
{
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0 ? errno : 0;
}

static int trace(void)
{
        return ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 ? errno : 0;
}

static int kill_parent(void)
{
        return kill(getppid(), SIGWINCH) != 0 ? errno : 0; /* which it ignores */
}

static int type_into_terminal(void)
{
        return ioctl(0, TIOCSTI, "x") != 0 ? errno : 0;
}

static int change_limit(void)
{
        const struct rlimit limit = {0, 0};

        return setrlimit(RLIMIT_CPU, &limit) != 0 ? errno : 0;
}

static int compute(void)
{
        struct rlimit limit;
        void *memory = malloc(64 << 20);

        if (!memory)
                return 1;
        memset(memory, 1, 64 << 20);
        free(memory);
        (void)printf("%s", "");
        return fflush(stdout) != 0 || getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max != 0;
}

static void opens_what_is_named_and_nothing_else(void **state)
{
        (void)state;
        assert_int_equal(in_sandbox(open_given), 0);
        assert_int_equal(in_sandbox(write_written), 0);
        assert_int_equal(in_sandbox(work_in_folder), 0);
        assert_int_equal(in_sandbox(open_other), EACCES);
        assert_int_equal(in_sandbox(open_passwords), EACCES);
        assert_int_equal(in_sandbox(write_given), EACCES);
        assert_int_equal(in_sandbox(make_beside), EACCES);
}

static void denies_calls_that_reading_does_not_need(void **state)
{
        (void)state;
        assert_int_equal(in_sandbox(make_socket), EPERM);
        assert_int_equal(in_sandbox(make_unix_socket), EPERM);
        assert_int_equal(in_sandbox(start_program), EPERM);
        assert_int_equal(in_sandbox(type_into_terminal), EPERM);
        assert_int_equal(in_sandbox(kill_parent), EPERM);
        assert_int_equal(in_sandbox(start_process), EPERM);
        assert_int_equal(in_sandbox(make_code), EPERM);
        assert_int_equal(in_sandbox(turn_into_code), EPERM);
        assert_int_equal(in_sandbox(trace), EPERM);
        assert_int_equal(in_sandbox(change_limit), EPERM);
        assert_int_equal(in_sandbox(compute), 0);
}

static int kill_known_child(void)
{
        return kill(known_child[0], SIGWINCH) != 0 ? errno : 0;
}

static int wait_for_another(void)
{
        return waitpid(getppid(), NULL, WNOHANG) < 0 ? errno : 0;
}

static int wait_for_known_child(void)
{
        return waitpid(known_child[0], NULL, WNOHANG) < 0 ? errno : 0;
}

static void may_end_the_processes_that_it_names(void **state)
{
        (void)state;
        known_child[0] = fork();
        assert_true(known_child[0] >= 0);
        if (known_child[0] == 0) {
                (void)pause();
                _exit(0);
        }
        assert_int_equal(in_sandbox(kill_known_child), 0);
        assert_int_equal(in_sandbox(kill_parent), EPERM);
        assert_int_equal(in_sandbox(wait_for_known_child), ECHILD); /* the call is made: it is this process's */
        assert_int_equal(in_sandbox(wait_for_another), EPERM);
        assert_int_equal(kill(known_child[0], SIGKILL), 0);
        assert_int_equal(waitpid(known_child[0], NULL, 0), known_child[0]);
}

static pid_t ended;

static int look_for_ended(void)
{
        return kill(ended, 0) != 0 ? errno : 0;
}

static void sees_that_a_process_has_ended(void **state)
{
        (void)state;
        ended = fork();
        assert_true(ended >= 0);
        if (ended == 0)
                _exit(0);
        assert_int_equal(waitpid(ended, NULL, 0), ended);
        assert_int_equal(in_sandbox(look_for_ended), ESRCH);
}

static void needs_no_landlock(void **state)
{
        (void)state;
        without_landlock = true;
        assert_int_equal(in_sandbox(open_given), 0);
        assert_int_equal(in_sandbox(open_other), 0);
        assert_int_equal(in_sandbox(make_socket), EPERM);
}

static void needs_no_seccomp(void **state)
{
        (void)state;
        without_seccomp = true;
        assert_int_equal(in_sandbox(open_given), 0);
        assert_int_equal(in_sandbox(open_other), EACCES);
        assert_int_equal(in_sandbox(make_unix_socket), 0);
}

static void needs_nothing_of_the_kernel(void **state)
{
        (void)state;
        without_anything = true;
        assert_int_equal(in_sandbox(open_given), 0);
        assert_int_equal(in_sandbox(open_other), 0);
        assert_int_equal(in_sandbox(make_unix_socket), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(opens_what_is_named_and_nothing_else, begin, end),
                cmocka_unit_test_setup_teardown(denies_calls_that_reading_does_not_need, begin, end),
                cmocka_unit_test_setup_teardown(may_end_the_processes_that_it_names, begin, end),
                cmocka_unit_test_setup_teardown(sees_that_a_process_has_ended, begin, end),
                cmocka_unit_test_setup_teardown(needs_no_landlock, begin, end),
                cmocka_unit_test_setup_teardown(needs_no_seccomp, begin, end),
                cmocka_unit_test_setup_teardown(needs_nothing_of_the_kernel, begin, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
