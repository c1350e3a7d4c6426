/*
 * Preloaded into a command (LD_PRELOAD): when it is about to look into a file from elsewhere for the first time, this
 * tries what a sandbox must deny, and writes to descriptor HWACCL_FORBIDDEN what came of it, as values of errno:
 * "hwaccl open 13 socket 1 execve 1 fork 1". With HWACCL_NO_SANDBOX the kernel has nothing that a sandbox is made of.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef void function(void);

/* ISO C has no conversion from void * to a function. */
static function *next(const char *name)
{
        void *found = dlsym(RTLD_NEXT, name);
        function *result;

        if (!found)
                abort();
        memcpy(&result, &found, sizeof(result));
        return result;
}

static int error_of(int result)
{
        if (result < 0)
                return errno;
        (void)close(result);
        return 0;
}

static int try_fork(void)
{
        pid_t child = fork();

        if (child == 0)
                _exit(0);
        return child < 0 ? errno : 0;
}

static void try_all(void)
{
        static bool done;
        const char *to = getenv("HWACCL_FORBIDDEN");
        char *const arguments[] = {NULL};

        if (done || !to)
                return;
        done = true;
        int before = errno;
        int opened = error_of(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
        int connected = error_of(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        int executed =
                execve("/", arguments, arguments) < 0 ? errno : 0; /* a directory: EACCES where it is not denied */
        int forked = try_fork();
        (void)dprintf(atoi(to), "%s open %d socket %d execve %d fork %d\n", program_invocation_short_name, opened,
                      connected, executed, forked);
        errno = before;
}

int sqlite3_open_v2(const char *name, void **db, int flags, const char *vfs);
int sqlite3_open_v2(const char *name, void **db, int flags, const char *vfs)
{
        try_all();
        return ((int (*)(const char *, void **, int, const char *))next("sqlite3_open_v2"))(name, db, flags, vfs);
}

/* `hwaccl explain-state` */
ssize_t read(int file, void *buffer, size_t size)
{
        if (strcmp(program_invocation_short_name, "hwaccl") == 0)
                try_all();
        return ((ssize_t(*)(int, void *, size_t))next("read"))(file, buffer, size);
}

/* `hwaccl import` waits so for the first bytes of hwaccl-ctf */
int poll(struct pollfd *descriptors, nfds_t count, int milliseconds)
{
        if (strcmp(program_invocation_short_name, "hwaccl") == 0)
                try_all();
        return ((int (*)(struct pollfd *, nfds_t, int))next("poll"))(descriptors, count, milliseconds);
}

/* hwaccl-ctf */
void *bt_graph_create(unsigned long version);
void *bt_graph_create(unsigned long version)
{
        try_all();
        return ((void *(*)(unsigned long))next("bt_graph_create"))(version);
}

int prctl(int option, ...)
{
        unsigned long value[4];
        va_list values;

        va_start(values, option);
        for (unsigned i = 0; i < 4; i++)
                value[i] = va_arg(values, unsigned long);
        va_end(values);
        if (option == PR_SET_NO_NEW_PRIVS && getenv("HWACCL_NO_SANDBOX")) {
                errno = EINVAL;
                return -1;
        }
        return ((int (*)(int, unsigned long, unsigned long, unsigned long, unsigned long))next("prctl"))(
                option, value[0], value[1], value[2], value[3]);
}
