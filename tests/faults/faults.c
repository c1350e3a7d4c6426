/*
 * Beside the command's own sources in the test program hwaccl-faults: it dies at a named step, and calls of the
 * system's and of SQLite's libraries fail or stall.
 *
 *   HWACCL_KILL_AT=NAME:N     SIGKILL when step NAME (tracer/steps.h) or call NAME is reached for the N-th time
 *   HWACCL_FAIL=CALL:N[:all]  the N-th call fails; all: every later one too
 *   HWACCL_STALL=CALL:N:MS    the N-th call takes MS milliseconds longer
 *   HWACCL_COUNT=FILE         at the end, a line "CALL COUNT" for every call that can fail
 */
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

void hwaccl_step(const char *name);

enum call {
        CALL_open,
        CALL_write,
        CALL_pwrite,
        CALL_fsync,
        CALL_ftruncate,
        CALL_fallocate,
        CALL_mmap,
        CALL_unlink,
        CALL_openat,
        CALL_unlinkat,
        CALL_renameat2,
        CALL_pthread_create,
        CALL_sqlite3_open,
        CALL_sqlite3_prepare,
        CALL_sqlite3_step,
        CALL_sqlite3_exec,
        CALL_sqlite3_bind,
        CALL_COUNT
};

static const char *const call_name[CALL_COUNT] = {
        "open",         "write",           "pwrite",       "fsync",        "ftruncate",    "fallocate",
        "mmap",         "unlink",          "openat",       "unlinkat",     "renameat2",    "pthread_create",
        "sqlite3_open", "sqlite3_prepare", "sqlite3_step", "sqlite3_exec", "sqlite3_bind",
};

static _Atomic unsigned long counted[CALL_COUNT];
static _Atomic unsigned long steps;

/* "NAME:N:REST" of the environment: N and what follows it, when NAME is the one that is asked about. */
static bool setting(const char *variable, const char *name, unsigned long *number, const char **rest)
{
        const char *value = getenv(variable);
        size_t length = strlen(name);
        char *end;

        if (!value || strncmp(value, name, length) != 0 || value[length] != ':')
                return false;
        *number = strtoul(value + length + 1, &end, 10);
        *rest = *end == ':' ? end + 1 : "";
        return true;
}

void hwaccl_step(const char *name)
{
        unsigned long wanted;
        const char *rest;

        if (setting("HWACCL_KILL_AT", name, &wanted, &rest) && atomic_fetch_add(&steps, 1) + 1 == wanted)
                (void)raise(SIGKILL);
}

/* Is this call to fail? */
static bool fails(enum call call)
{
        unsigned long number = atomic_fetch_add(&counted[call], 1) + 1;
        unsigned long wanted;
        const char *rest;

        hwaccl_step(call_name[call]);
        if (setting("HWACCL_STALL", call_name[call], &wanted, &rest) && number == wanted) {
                unsigned long ms = strtoul(rest, NULL, 10);
                struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
                (void)nanosleep(&time, NULL);
        }
        return setting("HWACCL_FAIL", call_name[call], &wanted, &rest) &&
               (number == wanted || (number > wanted && strcmp(rest, "all") == 0));
}

__attribute__((destructor)) static void report(void)
{
        const char *path = getenv("HWACCL_COUNT");
        FILE *file = path ? fopen(path, "w") : NULL;

        for (unsigned i = 0; file && i < CALL_COUNT; i++)
                (void)fprintf(file, "%s %lu\n", call_name[i], atomic_load(&counted[i]));
        if (file)
                (void)fclose(file);
}

/* The function of that name behind ours. */
static void *behind(const char *name)
{
        void *found = dlsym(RTLD_NEXT, name);

        if (!found)
                abort();
        return found;
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
                static int (*next)(int);                                                                               \
                if (!next)                                                                                             \
                        *(void **)(&next) = behind(#name);                                                             \
                return fails(CALL_fsync) ? fail_with(EIO) : next(fd);                                                  \
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

int sqlite3_step(sqlite3_stmt *statement)
{
        static int (*next)(sqlite3_stmt *);
        if (!next)
                *(void **)(&next) = behind("sqlite3_step");
        return fails(CALL_sqlite3_step) ? SQLITE_IOERR : next(statement);
}

int sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **), void *opaque, char **message)
{
        static int (*next)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);
        if (!next)
                *(void **)(&next) = behind("sqlite3_exec");
        return fails(CALL_sqlite3_exec) ? SQLITE_IOERR : next(db, sql, row, opaque, message);
}

int sqlite3_bind_int64(sqlite3_stmt *statement, int parameter, sqlite3_int64 value)
{
        static int (*next)(sqlite3_stmt *, int, sqlite3_int64);
        if (!next)
                *(void **)(&next) = behind("sqlite3_bind_int64");
        return fails(CALL_sqlite3_bind) ? SQLITE_NOMEM : next(statement, parameter, value);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
