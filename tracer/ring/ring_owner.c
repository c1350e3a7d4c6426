#include "tracer/ring/ring_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct flock range(enum ring_lock lock)
{
        struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)lock, .l_len = 1};

        return range;
}

bool ring_lock(int fd, enum ring_lock lock)
{
        struct flock wanted = range(lock);

        return fcntl(fd, F_OFD_SETLK, &wanted) == 0;
}

/* Queries the lock without taking it. */
static bool is_locked(int fd, enum ring_lock lock)
{
        struct flock wanted = range(lock);

        return fcntl(fd, F_OFD_GETLK, &wanted) != 0 || wanted.l_type != F_UNLCK;
}

bool ring_is_held(int fd, const struct ring_header *header)
{
        return is_locked(fd, RING_LOCK_RECOVERY) || (is_locked(fd, RING_LOCK_RECORDER) && !ring_owner_is_gone(header));
}

static bool read_text(const char *path, char *text, size_t room)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? -1 : read(fd, text, room - 1);

        if (fd >= 0)
                (void)close(fd);
        if (got <= 0)
                return false;
        text[got] = '\0';
        return true;
}

/* PIDs are valid only within a namespace; 0 if the namespace is unknown. */
static uint64_t name_space(const char *path)
{
        struct stat status;

        return stat(path, &status) == 0 ? status.st_ino : 0;
}

static void find_place(struct ring_owner *owner)
{
        char text[64];

        if (read_text("/proc/sys/kernel/random/boot_id", text, sizeof(text)))
                memcpy(owner->boot, text, strnlen(text, sizeof(owner->boot)));
        owner->pid_namespace = name_space("/proc/self/ns/pid");
        owner->time_namespace = name_space("/proc/self/ns/time");
}

/* proc(5): the fields of /proc/PID/stat after the name, which may contain spaces and parentheses. */
struct process {
        char state;
        uint64_t threads;
        uint64_t start;
};

static bool look_at(uint32_t number, struct process *process)
{
        enum { STATE = 3, THREADS = 20, START = 22 };
        char path[32];
        char text[1024];

        (void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", number);
        if (!read_text(path, text, sizeof(text)))
                return false;
        const char *at = strrchr(text, ')');
        for (unsigned field = STATE; at && field <= START; field++) {
                at = strchr(at, ' ');
                if (!at)
                        return false;
                at++;
                if (field == STATE)
                        process->state = *at;
                else if (field == THREADS)
                        process->threads = strtoull(at, NULL, 10);
                else if (field == START)
                        process->start = strtoull(at, NULL, 10);
        }
        return at != NULL;
}

void ring_owner_set(struct ring_header *header)
{
        struct ring_owner owner = {0};
        struct process process;

        header->process = (uint32_t)getpid();
        find_place(&owner);
        if (look_at(header->process, &process))
                owner.start = process.start;
        header->owner = owner;
}

bool ring_owner_is_gone(const struct ring_header *header)
{
        struct ring_owner here = {0};
        struct process process;

        if (header->owner.start == 0 || header->process == 0 || header->process > INT32_MAX)
                return false;
        find_place(&here);
        here.start = header->owner.start;
        if (here.boot[0] == '\0' || here.pid_namespace == 0 || memcmp(&here, &header->owner, sizeof(here)) != 0)
                return false; /* of another host or container, or unknown */
        if (kill((pid_t)header->process, 0) != 0 && errno == ESRCH)
                return true;
        if (!look_at(header->process, &process))
                return false;
        /* the PID was reused, or the process is a zombie without other threads */
        return process.start != header->owner.start || (process.state == 'Z' && process.threads <= 1);
}
