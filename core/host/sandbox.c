#include "core/host/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPEN_FILES_MAX 1024 /* a trace has a file for each processor */

/* Rights that Debian 12's headers do not have; the kernel tells by its version which it knows. */
#define ACCESS_FS_REFER    (UINT64_C(1) << 13) /* from version 2 on */
#define ACCESS_FS_TRUNCATE (UINT64_C(1) << 14) /* 3 */
#define ACCESS_FS_DEVICE   (UINT64_C(1) << 15) /* 5 */
#define ACCESS_NET_BOTH    UINT64_C(3)         /* 4: bind and connect TCP sockets */
#define SCOPE_SOCKETS      UINT64_C(1)         /* 6: no abstract Unix sockets of others */
#define SCOPE_SIGNALS      UINT64_C(2)         /* 6: no signals to others */

#define ACCESS_FS_FIRST ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) /* all of version 1 */
#define ACCESS_FS_READ  (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_FS_WRITE                                                                                                \
        (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |                \
         LANDLOCK_ACCESS_FS_REMOVE_DIR | ACCESS_FS_REFER | ACCESS_FS_TRUNCATE)
/* Rights that a rule for a file, not for a directory, may have. */
#define ACCESS_FS_OF_FILE                                                                                              \
        (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |                   \
         ACCESS_FS_TRUNCATE | ACCESS_FS_DEVICE)

/* The kernel's struct landlock_ruleset_attr, with the members that came after Debian 12. */
struct ruleset {
        uint64_t handled_access_fs;
        uint64_t handled_access_net;
        uint64_t scoped;
};

static size_t describe_ruleset(long version, bool children, struct ruleset *ruleset)
{
        *ruleset = (struct ruleset){.handled_access_fs = ACCESS_FS_FIRST};
        if (version >= 2)
                ruleset->handled_access_fs |= ACCESS_FS_REFER;
        if (version >= 3)
                ruleset->handled_access_fs |= ACCESS_FS_TRUNCATE;
        if (version >= 5)
                ruleset->handled_access_fs |= ACCESS_FS_DEVICE;
        if (version < 4)
                return offsetof(struct ruleset, handled_access_net);
        ruleset->handled_access_net = ACCESS_NET_BOTH;
        if (version < 6)
                return offsetof(struct ruleset, scoped);
        /* seccomp limits the signals where there are children: these are outside */
        ruleset->scoped = SCOPE_SOCKETS | (children ? 0 : SCOPE_SIGNALS);
        return sizeof(*ruleset);
}

static bool allow_path(int ruleset, uint64_t handled, const struct hwaccl_sandbox_path *path,
                       struct hwaccl_error *error)
{
        struct landlock_path_beneath_attr rule = {.parent_fd = open(path->path, O_PATH | O_CLOEXEC)};
        struct stat status;

        if (rule.parent_fd < 0)
                return errno == ENOENT || errno == ENOTDIR || errno == EACCES ||
                       hwaccl_error_set(error, "%s: %s", path->path, strerror(errno));
        rule.allowed_access = (ACCESS_FS_READ | (path->write ? ACCESS_FS_WRITE : 0)) & handled;
        if (fstat(rule.parent_fd, &status) == 0 && !S_ISDIR(status.st_mode))
                rule.allowed_access &= ACCESS_FS_OF_FILE;
        long result = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
        int reason = errno;
        (void)close(rule.parent_fd);
        return result == 0 || hwaccl_error_set(error, "%s: Landlock: %s", path->path, strerror(reason));
}

static bool restrict_files(const struct hwaccl_sandbox *sandbox, struct hwaccl_error *error)
{
        struct ruleset ruleset;
        long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

        if (version < 1)
                return true; /* built without it, or switched off */
        size_t size = describe_ruleset(version, sandbox->child_count > 0, &ruleset);
        long fd = syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
        if (fd < 0)
                return hwaccl_error_set(error, "Landlock: %s", strerror(errno));
        bool good = true;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        good = allow_path((int)fd, ruleset.handled_access_fs, &(struct hwaccl_sandbox_path){"/proc", false}, error);
#endif
        for (size_t i = 0; good && i < sandbox->path_count; i++)
                good = allow_path((int)fd, ruleset.handled_access_fs, &sandbox->path[i], error);
        if (good && syscall(SYS_landlock_restrict_self, fd, 0) != 0)
                good = hwaccl_error_set(error, "Landlock: %s", strerror(errno));
        (void)close((int)fd);
        return good;
}

/* What reading a file, computing and printing take. Files are opened under Landlock's eyes. */
static const int allowed_calls[] = {
        /* files */
        SCMP_SYS(read),
        SCMP_SYS(readv),
        SCMP_SYS(pread64),
        SCMP_SYS(preadv),
        SCMP_SYS(write),
        SCMP_SYS(writev),
        SCMP_SYS(pwrite64),
        SCMP_SYS(open),
        SCMP_SYS(openat),
        SCMP_SYS(close),
        SCMP_SYS(lseek),
        SCMP_SYS(stat),
        SCMP_SYS(fstat),
        SCMP_SYS(lstat),
        SCMP_SYS(newfstatat),
        SCMP_SYS(statx),
        SCMP_SYS(access),
        SCMP_SYS(faccessat),
        SCMP_SYS(faccessat2),
        SCMP_SYS(fcntl),
        SCMP_SYS(flock),
        SCMP_SYS(ftruncate),
        SCMP_SYS(fallocate),
        SCMP_SYS(fsync),
        SCMP_SYS(fdatasync),
        SCMP_SYS(fadvise64),
        SCMP_SYS(getdents64),
        SCMP_SYS(readlink),
        SCMP_SYS(readlinkat),
        SCMP_SYS(getcwd),
        SCMP_SYS(unlink),
        SCMP_SYS(unlinkat),
        SCMP_SYS(rmdir),
        SCMP_SYS(rename),
        SCMP_SYS(renameat),
        SCMP_SYS(renameat2),
        SCMP_SYS(dup),
        SCMP_SYS(poll),
        SCMP_SYS(ppoll),
        SCMP_SYS(fchmod),
        SCMP_SYS(fchown),
        SCMP_SYS(umask),
        SCMP_SYS(statfs),
        SCMP_SYS(fstatfs),
        /* memory */
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(madvise),
        SCMP_SYS(brk),
        SCMP_SYS(membarrier),
        /* time, threads that are there, signals */
        SCMP_SYS(clock_gettime),
        SCMP_SYS(clock_getres),
        SCMP_SYS(gettimeofday),
        SCMP_SYS(time),
        SCMP_SYS(nanosleep),
        SCMP_SYS(clock_nanosleep),
        SCMP_SYS(futex),
        SCMP_SYS(sched_yield),
        SCMP_SYS(sched_getaffinity),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(rt_sigtimedwait),
        SCMP_SYS(sigaltstack),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(set_robust_list),
        SCMP_SYS(rseq),
        /* about oneself */
        SCMP_SYS(getpid),
        SCMP_SYS(gettid),
        SCMP_SYS(getppid),
        SCMP_SYS(getuid),
        SCMP_SYS(geteuid),
        SCMP_SYS(getgid),
        SCMP_SYS(getegid),
        SCMP_SYS(getrusage),
        SCMP_SYS(getrandom),
        SCMP_SYS(uname),
        SCMP_SYS(sysinfo),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
};

/* A call where one of its arguments, masked, is a value. */
struct allowed_argument {
        int call;
        unsigned argument;
        uint64_t mask;
        uint64_t value;
};

#define ALL UINT64_MAX
#define INT UINT32_MAX /* the part that the kernel looks at */

static const struct allowed_argument allowed_arguments[] = {
        /* memory, but no code */
        {SCMP_SYS(mmap), 2, PROT_EXEC, 0},
        {SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
        /* limits: only a look */
        {SCMP_SYS(prlimit64), 2, ALL, 0},
        /* is it a terminal, and how wide; TIOCSTI would type into the user's shell */
        {SCMP_SYS(ioctl), 1, INT, TCGETS},
        {SCMP_SYS(ioctl), 1, INT, TIOCGWINSZ},
        {SCMP_SYS(ioctl), 1, INT, FIONREAD},
        /* does a recorder live: no signal */
        {SCMP_SYS(kill), 1, INT, 0},
#if defined(__SANITIZE_ADDRESS__)
        /* The search for leaks at the end: a thread of its own (clone, PR_SET_PTRACER), which shares the memory, finds
         * the others (getdents of /proc/self/task), stops them (attach, wait4), reads their registers and lets them go.
         * No process can be made, and no other request of ptrace. */
        {SCMP_SYS(clone), 0, CLONE_VM, CLONE_VM},
        {SCMP_SYS(prctl), 0, INT, PR_SET_PTRACER},
        {SCMP_SYS(getdents), 0, 0, 0},
        {SCMP_SYS(ptrace), 0, INT, PTRACE_ATTACH},
        {SCMP_SYS(wait4), 2, __WALL, __WALL},
        {SCMP_SYS(ptrace), 0, INT, PTRACE_GETREGSET},
        {SCMP_SYS(ptrace), 0, INT, PTRACE_DETACH},
#endif
};

static bool allow_argument(scmp_filter_ctx filter, const struct allowed_argument *allowed)
{
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed->call, 1,
                                SCMP_CMP64(allowed->argument, SCMP_CMP_MASKED_EQ, allowed->mask, allowed->value)) == 0;
}

/* A call whose first argument is that process. */
static bool allow_process(scmp_filter_ctx filter, int call, pid_t process)
{
        return allow_argument(filter, &(struct allowed_argument){call, 0, INT, (uint32_t)process});
}

static bool allow_calls(scmp_filter_ctx filter, const struct hwaccl_sandbox *sandbox)
{
        bool good = true;

        for (size_t i = 0; good && i < sizeof(allowed_calls) / sizeof(allowed_calls[0]); i++)
                good = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0) == 0;
        for (size_t i = 0; good && i < sizeof(allowed_arguments) / sizeof(allowed_arguments[0]); i++)
                good = allow_argument(filter, &allowed_arguments[i]);
        for (size_t i = 0; good && i < sandbox->child_count; i++)
                good = allow_process(filter, SCMP_SYS(kill), sandbox->child[i]) &&
                       allow_process(filter, SCMP_SYS(wait4), sandbox->child[i]);
        return good && allow_process(filter, SCMP_SYS(tgkill), getpid()); /* raise(3), abort(3) */
}

static bool restrict_calls(const struct hwaccl_sandbox *sandbox, struct hwaccl_error *error)
{
        if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
                return true; /* a kernel without */
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        if (!filter)
                return hwaccl_error_set(error, "out of memory");
        bool good = allow_calls(filter, sandbox);
        if (!good)
                hwaccl_error_set(error, "out of memory");
        int result = good ? seccomp_load(filter) : 0;
        seccomp_release(filter);
        /* an outer sandbox may forbid inner ones */
        if (result == -EINVAL || result == -ENOSYS || result == -EPERM || result == -ECANCELED)
                result = 0;
        if (result < 0)
                return hwaccl_error_set(error, "seccomp: %s", strerror(-result));
        return good;
}

static void lower(struct rlimit *limit, rlim_t most)
{
        if (limit->rlim_max > most)
                limit->rlim_max = most;
        if (limit->rlim_cur > most)
                limit->rlim_cur = most;
}

/* A help, no condition: where a limit cannot be set, the reader works as well. */
static void lower_limits(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_CORE, &limit) == 0) {
                lower(&limit, 0);
                (void)setrlimit(RLIMIT_CORE, &limit);
        }
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                lower(&limit, OPEN_FILES_MAX);
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}

bool hwaccl_sandbox_enter(const struct hwaccl_sandbox *sandbox, struct hwaccl_error *error)
{
        lower_limits();
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
                return true; /* older than Linux 3.5: it has nothing of the following */
        return restrict_files(sandbox, error) && restrict_calls(sandbox, error);
}
