/*
 * Beside the command's own sources in the test program hwaccl-faults: it dies at a named step, and calls of the
 * system's and of SQLite's libraries fail or stall. A test program that does many such runs in itself has a plan
 * instead (faults.h). Nothing is brought to the disk for good: no test lets the power fail.
 *
 *   HWACCL_KILL_AT=NAME:N     SIGKILL when step NAME (tracer/ring/steps.h) or call NAME is reached for the N-th time
 *   HWACCL_FAIL=CALL:N[:all]  the N-th call fails; all: every later one too
 *   HWACCL_HOLD=NAME:N:STEP:M the N-th NAME waits until step or call STEP has been reached for the M-th time
 *   HWACCL_GATE=NAME:N:FIFO   the N-th NAME opens FIFO and reads to its end: who opens it for writing knows that the
 * process is there, and holds it there until he closes it. Several of them: with commas between HWACCL_COUNT=FILE at
 * the end, a line "CALL COUNT" for every call that can fail
 */
#include "tests/faults/faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): ours are words, the headers' are __names */

#define GATES 4u

void hwaccl_step(const char *name);

const char *const fault_call_name[CALL_COUNT] = {
        "open",         "read",           "write",        "pwrite",          "fsync",        "ftruncate",
        "fallocate",    "mmap",           "unlink",       "openat",          "unlinkat",     "renameat2",
        "mkdir",        "pthread_create", "sqlite3_open", "sqlite3_prepare", "sqlite3_step", "sqlite3_exec",
        "sqlite3_bind",
};

static struct fault_plan plan;
static bool planned; /* else the environment says what to do */
static _Atomic unsigned long counted[CALL_COUNT];
static _Atomic unsigned long steps;

void faults_begin(const struct fault_plan *wanted)
{
        plan = *wanted;
        planned = true;
        steps = 0;
        for (unsigned i = 0; i < CALL_COUNT; i++)
                counted[i] = 0;
}

unsigned long faults_counted(enum fault_call call)
{
        return counted[call];
}

unsigned long faults_steps(void)
{
        return steps;
}

/* "NAME:N:REST": N and what follows it, when NAME is the one that is asked about. */
static bool is_setting(const char *value, const char *name, unsigned long *number, const char **rest)
{
        size_t length = strlen(name);
        char *end;

        if (!value || strncmp(value, name, length) != 0 || value[length] != ':')
                return false;
        *number = strtoul(value + length + 1, &end, 10);
        *rest = *end == ':' ? end + 1 : "";
        return true;
}

static bool setting(const char *variable, const char *name, unsigned long *number, const char **rest)
{
        return is_setting(getenv(variable), name, number, rest);
}

/* The function of that name behind ours. */
static void *behind(const char *name)
{
        void *found = dlsym(RTLD_NEXT, name);

        if (!found)
                abort();
        return found;
}

static void hold(const char *name)
{
        static _Atomic unsigned long held;
        static _Atomic unsigned long awaited;
        const struct timespec moment = {0, 1000000};
        const char *value = getenv("HWACCL_HOLD");
        const char *step = value ? strchr(value, ':') : NULL;
        const char *rest;
        unsigned long number;

        if (!step || !(step = strchr(step + 1, ':')))
                return;
        if (is_setting(step + 1, name, &number, &rest))
                (void)atomic_fetch_add(&awaited, 1);
        if (!is_setting(value, name, &number, &rest) || atomic_fetch_add(&held, 1) + 1 != number)
                return;
        const char *wanted = strrchr(rest, ':');
        while (wanted && atomic_load(&awaited) < strtoul(wanted + 1, NULL, 10))
                (void)nanosleep(&moment, NULL);
}

static void pass_gate(const char *name)
{
        static _Atomic unsigned long passed[GATES];
        const char *gate = getenv("HWACCL_GATE");
        const char *path;
        unsigned long number;
        char fifo[4096];
        char byte;

        for (unsigned i = 0; gate && i < GATES; i++) {
                if (is_setting(gate, name, &number, &path) && atomic_fetch_add(&passed[i], 1) + 1 == number) {
                        int (*open_behind)(const char *, int, ...);
                        *(void **)(&open_behind) = behind("open");
                        (void)snprintf(fifo, sizeof(fifo), "%.*s", (int)strcspn(path, ","), path);
                        int fd = open_behind(fifo, O_RDONLY | O_CLOEXEC);
                        ssize_t (*read_behind)(int, void *, size_t);
                        *(void **)(&read_behind) = behind("read");
                        while (fd >= 0 && read_behind(fd, &byte, 1) > 0)
                                ;
                        (void)close(fd);
                }
                gate = strchr(gate, ',');
                gate = gate ? gate + 1 : NULL;
        }
}

void hwaccl_step(const char *name)
{
        unsigned long wanted = plan.kill_at;
        const char *rest;

        if ((planned || setting("HWACCL_KILL_AT", name, &wanted, &rest)) && atomic_fetch_add(&steps, 1) + 1 == wanted)
                (void)raise(SIGKILL);
        if (!planned) {
                hold(name);
                pass_gate(name);
        }
}

/* Is this call to fail? */
static bool fails(enum fault_call call)
{
        unsigned long number = atomic_fetch_add(&counted[call], 1) + 1;
        unsigned long wanted;
        const char *rest;

        hwaccl_step(fault_call_name[call]);
        if (planned)
                return call == plan.call && (number == plan.fail_at || (plan.persistent && number > plan.fail_at));
        return setting("HWACCL_FAIL", fault_call_name[call], &wanted, &rest) &&
               (number == wanted || (number > wanted && strcmp(rest, "all") == 0));
}

__attribute__((destructor)) static void report(void)
{
        const char *path = getenv("HWACCL_COUNT");
        FILE *file = path ? fopen(path, "w") : NULL;

        for (unsigned i = 0; file && i < CALL_COUNT; i++)
                (void)fprintf(file, "%s %lu\n", fault_call_name[i], atomic_load(&counted[i]));
        if (file)
                (void)fclose(file);
}

static int fail_with(int reason)
{
        errno = reason;
        return -1;
}

#define OPEN(name)                                                                                                     \
        int name(const char *path, int flags, ...)                                                                     \
        {                                                                                                              \
                static int (*next)(const char *, int, ...);                                                            \
                va_list arguments;                                                                                     \
                va_start(arguments, flags);                                                                            \
                mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                                         \
                va_end(arguments);                                                                                     \
                if (!next)                                                                                             \
                        *(void **)(&next) = behind(#name);                                                             \
                return fails(CALL_open) ? fail_with(EACCES) : next(path, flags, mode);                                 \
        }
OPEN(open)
OPEN(open64)

ssize_t read(int fd, void *data, size_t size)
{
        static ssize_t (*next)(int, void *, size_t);
        if (!next)
                *(void **)(&next) = behind("read");
        return fd > STDERR_FILENO && fails(CALL_read) ? fail_with(EIO) : next(fd, data, size);
}

#define PREAD(name, offset_type)                                                                                       \
        ssize_t name(int fd, void *data, size_t size, offset_type offset)                                              \
        {                                                                                                              \
                static ssize_t (*next)(int, void *, size_t, offset_type);                                              \
                if (!next)                                                                                             \
                        *(void **)(&next) = behind(#name);                                                             \
                return fails(CALL_read) ? fail_with(EIO) : next(fd, data, size, offset);                               \
        }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

ssize_t write(int fd, const void *data, size_t size)
{
        static ssize_t (*next)(int, const void *, size_t);
        if (!next)
                *(void **)(&next) = behind("write");
        return fd > STDERR_FILENO && fails(CALL_write) ? fail_with(ENOSPC) : next(fd, data, size);
}

#define PWRITE(name, offset_type)                                                                                      \
        ssize_t name(int fd, const void *data, size_t size, offset_type offset)                                        \
        {                                                                                                              \
                static ssize_t (*next)(int, const void *, size_t, offset_type);                                        \
                if (!next)                                                                                             \
                        *(void **)(&next) = behind(#name);                                                             \
                return fails(CALL_pwrite) ? fail_with(ENOSPC) : next(fd, data, size, offset);                          \
        }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define SYNC(name)                                                                                                     \
        int name(int fd)                                                                                               \
        {                                                                                                              \
                (void)fd;                                                                                              \
                return fails(CALL_fsync) ? fail_with(EIO) : 0;                                                         \
        }
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(name, offset_type)                                                                                    \
        int name(int fd, offset_type size)                                                                             \
        {                                                                                                              \
                static int (*next)(int, offset_type);                                                                  \
                if (!next)                                                                                             \
                        *(void **)(&next) = behind(#name);                                                             \
                return fails(CALL_ftruncate) ? fail_with(EIO) : next(fd, size);                                        \
        }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int posix_fallocate(int fd, off_t offset, off_t size)
{
        static int (*next)(int, off_t, off_t);
        if (!next)
                *(void **)(&next) = behind("posix_fallocate");
        return fails(CALL_fallocate) ? ENOSPC : next(fd, offset, size);
}

#define MMAP(name, offset_type)                                                                                        \
        void *name(void *address, size_t size, int protection, int flags, int fd, offset_type offset)                  \
        {                                                                                                              \
                static void *(*next)(void *, size_t, int, int, int, offset_type);                                      \
                if (!next)                                                                                             \
                        *(void **)(&next) = behind(#name);                                                             \
                /* a translator that gets no room for its code ends the process: that is none of ours */               \
                if (protection & PROT_EXEC || !fails(CALL_mmap))                                                       \
                        return next(address, size, protection, flags, fd, offset);                                     \
                errno = ENOMEM;                                                                                        \
                return MAP_FAILED;                                                                                     \
        }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

int unlink(const char *path)
{
        static int (*next)(const char *);
        if (!next)
                *(void **)(&next) = behind("unlink");
        return fails(CALL_unlink) ? fail_with(EACCES) : next(path);
}

#define OPENAT(name)                                                                                                   \
        int name(int directory, const char *path, int flags, ...)                                                      \
        {                                                                                                              \
                static int (*next)(int, const char *, int, ...);                                                       \
                va_list arguments;                                                                                     \
                va_start(arguments, flags);                                                                            \
                mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                                         \
                va_end(arguments);                                                                                     \
                if (!next)                                                                                             \
                        *(void **)(&next) = behind(#name);                                                             \
                return fails(CALL_openat) ? fail_with(EMFILE) : next(directory, path, flags, mode);                    \
        }
OPENAT(openat)
OPENAT(openat64)

int unlinkat(int directory, const char *path, int flags)
{
        static int (*next)(int, const char *, int);
        if (!next)
                *(void **)(&next) = behind("unlinkat");
        return fails(CALL_unlinkat) ? fail_with(EACCES) : next(directory, path, flags);
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags)
{
        static int (*next)(int, const char *, int, const char *, unsigned);
        if (!next)
                *(void **)(&next) = behind("renameat2");
        return fails(CALL_renameat2) ? fail_with(EIO) : next(from_directory, from, to_directory, to, flags);
}

int mkdir(const char *path, mode_t mode)
{
        static int (*next)(const char *, mode_t);
        if (!next)
                *(void **)(&next) = behind("mkdir");
        return fails(CALL_mkdir) ? fail_with(ENOSPC) : next(path, mode);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
        static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
        if (!next)
                *(void **)(&next) = behind("pthread_create");
        return fails(CALL_pthread_create) ? EAGAIN : next(thread, attributes, start, argument);
}

int sqlite3_open_v2(const char *path, sqlite3 **db, int flags, const char *vfs)
{
        static int (*next)(const char *, sqlite3 **, int, const char *);
        if (!next)
                *(void **)(&next) = behind("sqlite3_open_v2");
        if (!fails(CALL_sqlite3_open))
                return next(path, db, flags, vfs);
        *db = NULL;
        return SQLITE_NOMEM;
}

int sqlite3_prepare_v3(sqlite3 *db, const char *sql, int size, unsigned flags, sqlite3_stmt **statement,
                       const char **tail)
{
        static int (*next)(sqlite3 *, const char *, int, unsigned, sqlite3_stmt **, const char **);
        if (!next)
                *(void **)(&next) = behind("sqlite3_prepare_v3");
        if (!fails(CALL_sqlite3_prepare))
                return next(db, sql, size, flags, statement, tail);
        *statement = NULL;
        return SQLITE_NOMEM;
}

/* SQLite calls these itself, and then asks the statement how it ended, which would not know of a failure of ours. */
static _Thread_local bool inside;

int sqlite3_step(sqlite3_stmt *statement)
{
        static int (*next)(sqlite3_stmt *);
        if (!next)
                *(void **)(&next) = behind("sqlite3_step");
        if (inside)
                return next(statement);
        if (fails(CALL_sqlite3_step))
                return SQLITE_IOERR;
        inside = true;
        int result = next(statement);
        inside = false;
        return result;
}

int sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **), void *opaque, char **message)
{
        static int (*next)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);
        if (!next)
                *(void **)(&next) = behind("sqlite3_exec");
        if (inside)
                return next(db, sql, row, opaque, message);
        if (fails(CALL_sqlite3_exec))
                return SQLITE_IOERR;
        inside = true;
        int result = next(db, sql, row, opaque, message);
        inside = false;
        return result;
}

int sqlite3_bind_int64(sqlite3_stmt *statement, int parameter, sqlite3_int64 value)
{
        static int (*next)(sqlite3_stmt *, int, sqlite3_int64);
        if (!next)
                *(void **)(&next) = behind("sqlite3_bind_int64");
        return fails(CALL_sqlite3_bind) ? SQLITE_NOMEM : next(statement, parameter, value);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
