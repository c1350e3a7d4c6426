/* The functions of the C library that copy and close descriptors: what a number names is followed through them. */
#include "tracer/interpose/library/descriptors.h"
#include "tracer/interpose/library/process.h"

#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct {
        int (*close)(int);
        int (*close_range)(unsigned, unsigned, int);
        void (*closefrom)(int);
        int (*dup)(int);
        int (*dup2)(int, int);
        int (*dup3)(int, int, int);
        int (*fcntl)(int, int, ...);
        int (*fcntl64)(int, int, ...);
} next;

/* Other libraries' constructors may call these functions first; after it they may be called by a signal's handler. */
__attribute__((constructor)) static void find_all(void)
{
        *(void **)&next.close = process_find("close");
        *(void **)&next.close_range = process_find("close_range");
        *(void **)&next.closefrom = process_find("closefrom");
        *(void **)&next.dup = process_find("dup");
        *(void **)&next.dup2 = process_find("dup2");
        *(void **)&next.dup3 = process_find("dup3");
        *(void **)&next.fcntl = process_find("fcntl");
        *(void **)&next.fcntl64 = process_find("fcntl64");
}

#define FIND(function) (__builtin_expect(next.function != NULL, 1) ? (void)0 : find_all())

/* The number is free for another thread's file as soon as the kernel has closed it: forget it before. A close that the
 * kernel refuses is one of no file. */
EXPORT int close(int fd)
{
        FIND(close);
        descriptor_closed(fd);
        return next.close(fd);
}

EXPORT int close_range(unsigned fd, unsigned max_fd, int flags)
{
        FIND(close_range);
        if (!(flags & (int)CLOSE_RANGE_CLOEXEC))
                descriptor_closed_range(fd, max_fd);
        return next.close_range(fd, max_fd, flags);
}

EXPORT void closefrom(int lowfd)
{
        FIND(closefrom);
        descriptor_closed_range(lowfd < 0 ? 0 : (unsigned)lowfd, ~0u);
        next.closefrom(lowfd);
}

EXPORT int dup(int fd)
{
        FIND(dup);
        int copy = next.dup(fd);

        if (copy >= 0)
                descriptor_copied(fd, copy);
        return copy;
}

EXPORT int dup2(int fd, int fd2)
{
        FIND(dup2);
        int copy = next.dup2(fd, fd2);

        if (copy >= 0)
                descriptor_copied(fd, copy);
        return copy;
}

EXPORT int dup3(int fd, int fd2, int flags)
{
        FIND(dup3);
        int copy = next.dup3(fd, fd2, flags);

        if (copy >= 0)
                descriptor_copied(fd, copy);
        return copy;
}

/* All its third arguments fit into a pointer. */
#define CONTROL(function)                                                                                              \
        EXPORT int function(int fd, int cmd, ...)                                                                      \
        {                                                                                                              \
                va_list arguments;                                                                                     \
                FIND(function);                                                                                        \
                va_start(arguments, cmd);                                                                              \
                void *argument = va_arg(arguments, void *);                                                            \
                va_end(arguments);                                                                                     \
                int result = next.function(fd, cmd, argument);                                                         \
                if (result >= 0 && (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC))                                         \
                        descriptor_copied(fd, result);                                                                 \
                return result;                                                                                         \
        }
CONTROL(fcntl)
CONTROL(fcntl64)
