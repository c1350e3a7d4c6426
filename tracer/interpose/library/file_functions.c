/*
 * The functions of the C library that open files: which files a VMM reads (firmware, kernel, disks) belongs to what it
 * did. Only the path is noted here; the recorder looks at the file. Not noted: what is opened for writing only, what
 * lies below /dev, /proc and /sys, what another function or system call opens, and anything once the process filters
 * its system calls, because readlink(2) may not be permitted.
 */
#include "tracer/interpose/library/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct {
        int (*open)(const char *, int, ...);
        int (*open64)(const char *, int, ...);
        int (*openat)(int, const char *, int, ...);
        int (*openat64)(int, const char *, int, ...);
        FILE *(*fopen)(const char *, const char *);
        FILE *(*fopen64)(const char *, const char *);
} next;

__attribute__((constructor)) static void find_all(void)
{
        *(void **)&next.open = process_find("open");
        *(void **)&next.open64 = process_find("open64");
        *(void **)&next.openat = process_find("openat");
        *(void **)&next.openat64 = process_find("openat64");
        *(void **)&next.fopen = process_find("fopen");
        *(void **)&next.fopen64 = process_find("fopen64");
}

#define FIND(function) (__builtin_expect(next.function != NULL, 1) ? (void)0 : find_all())

static bool begins_with(const char *text, const char *begin)
{
        return strncmp(text, begin, strlen(begin)) == 0;
}

static uint64_t hash_of(const char *path, size_t length)
{
        uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

        for (size_t i = 0; i < length; i++)
                hash = (hash ^ (unsigned char)path[i]) * UINT64_C(0x100000001b3);
        return hash | 1;
}

static bool is_noted(struct interpose_control *control, uint64_t hash)
{
        uint32_t count = atomic_load_explicit(&control->files, memory_order_acquire);

        for (uint32_t i = 0; i < count && i < INTERPOSE_FILE_MAX; i++)
                if (atomic_load_explicit(&control->file[i].hash, memory_order_relaxed) == hash)
                        return true;
        return false;
}

static void note_path(struct interpose_control *control, const char *path, size_t length)
{
        const uint64_t hash = hash_of(path, length);

        if (is_noted(control, hash))
                return;
        uint32_t number = atomic_fetch_add(&control->files, 1);
        if (number >= INTERPOSE_FILE_MAX)
                return;
        struct interpose_file *file = &control->file[number];
        atomic_store_explicit(&file->hash, hash, memory_order_relaxed);
        atomic_store_explicit(&file->pid, (int32_t)getpid(), memory_order_relaxed);
        memcpy(file->path, path, length);
        atomic_store_explicit(&file->ready, 1, memory_order_release);
}

/* @name: as it was given; this library itself opens rings by names below /proc */
static void note(int fd, const char *name, int flags)
{
        struct interpose_control *control = process_control();
        char link[40], path[sizeof(control->file[0].path)];

        if (fd < 0 || !control || begins_with(name, "/proc/") || !process_may_sleep() ||
            (flags & O_ACCMODE) == O_WRONLY || flags & (O_DIRECTORY | O_PATH) ||
            atomic_load_explicit(&control->files, memory_order_relaxed) >= INTERPOSE_FILE_MAX)
                return;
        int before = errno;
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof(path) - 1);
        errno = before;
        if (length <= 0 || (size_t)length >= sizeof(path) - 1 || path[0] != '/')
                return;
        path[length] = '\0';
        if (!begins_with(path, "/dev/") && !begins_with(path, "/proc/") && !begins_with(path, "/sys/") &&
            !begins_with(path, "/memfd:"))
                note_path(control, path, (size_t)length);
}

static bool has_mode(int flags)
{
        return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

#define OPEN(function)                                                                                                 \
        EXPORT int function(const char *file, int oflag, ...)                                                          \
        {                                                                                                              \
                mode_t mode = 0;                                                                                       \
                FIND(function);                                                                                        \
                if (has_mode(oflag)) {                                                                                 \
                        va_list arguments;                                                                             \
                        va_start(arguments, oflag);                                                                    \
                        mode = va_arg(arguments, mode_t);                                                              \
                        va_end(arguments);                                                                             \
                }                                                                                                      \
                int fd = next.function(file, oflag, mode);                                                             \
                note(fd, file, oflag);                                                                                 \
                return fd;                                                                                             \
        }
OPEN(open)
OPEN(open64)

#define OPEN_AT(function)                                                                                              \
        EXPORT int function(int fd, const char *file, int oflag, ...)                                                  \
        {                                                                                                              \
                mode_t mode = 0;                                                                                       \
                FIND(function);                                                                                        \
                if (has_mode(oflag)) {                                                                                 \
                        va_list arguments;                                                                             \
                        va_start(arguments, oflag);                                                                    \
                        mode = va_arg(arguments, mode_t);                                                              \
                        va_end(arguments);                                                                             \
                }                                                                                                      \
                int opened = next.function(fd, file, oflag, mode);                                                     \
                note(opened, file, oflag);                                                                             \
                return opened;                                                                                         \
        }
OPEN_AT(openat)
OPEN_AT(openat64)

#define OPEN_STREAM(function)                                                                                          \
        EXPORT FILE *function(const char *filename, const char *modes)                                                 \
        {                                                                                                              \
                FIND(function);                                                                                        \
                FILE *stream = next.function(filename, modes);                                                         \
                if (stream)                                                                                            \
                        note(fileno(stream), filename, modes[0] == 'r' ? O_RDONLY : O_WRONLY);                         \
                return stream;                                                                                         \
        }
OPEN_STREAM(fopen)
OPEN_STREAM(fopen64)

/* What fortified programs call: no mode. */
int __open_2(const char *file, int oflag);
int __open64_2(const char *file, int oflag);
int __openat_2(int fd, const char *file, int oflag);
int __openat64_2(int fd, const char *file, int oflag);

EXPORT int __open_2(const char *file, int oflag)
{
        return open(file, oflag);
}

EXPORT int __open64_2(const char *file, int oflag)
{
        return open64(file, oflag);
}

EXPORT int __openat_2(int fd, const char *file, int oflag)
{
        return openat(fd, file, oflag);
}

EXPORT int __openat64_2(int fd, const char *file, int oflag)
{
        return openat64(fd, file, oflag);
}
