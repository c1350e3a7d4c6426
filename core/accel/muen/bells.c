/* Doorbells: FIFOs, devices and eventfds, which differ in how they are opened and how the other side's end shows. */
#include "core/accel/muen/muen.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS_PER_SECOND UINT64_C(1000000000)

static const char gone[] = "the subject's side is gone";

static bool bell_path(char *path, size_t room, const char *directory, const char *name, struct hwaccl_error *error)
{
        int length = snprintf(path, room, "%s/%s", directory, name);
        return (length >= 0 && (size_t)length < room) ||
               hwaccl_error_set(error, "%.64s…/%s: the name is too long", directory, name);
}

/* A FIFO or a device; opened without waiting for the other side. */
static bool open_bell(const char *path, int flags, int *bell, struct hwaccl_error *error)
{
        struct stat status;

        *bell = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (*bell < 0 || fstat(*bell, &status) != 0)
                return hwaccl_error_set(error, "%s: cannot open: %s", path, strerror(errno));
        if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
                return hwaccl_error_set(error, "%s: not a FIFO or a device", path);
        return true;
}

static bool is_fifo(const char *path)
{
        struct stat status;
        return stat(path, &status) == 0 && S_ISFIFO(status.st_mode);
}

/* With an end for reading of our own, ringing raises no SIGPIPE; whether the other side has one is seen before. */
static bool open_ringing(const char *directory, const char *name, int *bell, struct hwaccl_error *error)
{
        char path[PATH_MAX];

        if (!bell_path(path, sizeof(path), directory, name, error))
                return false;
        bool fifo = is_fifo(path);
        int probe = fifo ? open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) : -1;
        if (fifo && probe < 0 && errno == ENXIO)
                return hwaccl_error_set(
                        error, "%s: no process has it open for reading: the subject's side is not running", path);
        bool good = open_bell(path, O_RDWR, bell, error);
        /* not before: the other side takes a FIFO that is not open for writing as our end */
        if (probe >= 0)
                (void)close(probe);
        return good;
}

/* A FIFO that was never open for writing has no end of file later, so this is the only time to see it. */
static bool open_awaited(const char *directory, const char *name, int *bell, struct hwaccl_error *error)
{
        char path[PATH_MAX];
        uint64_t early;

        if (!bell_path(path, sizeof(path), directory, name, error) || !open_bell(path, O_RDONLY, bell, error))
                return false;
        ssize_t got = read(*bell, &early, sizeof(early));
        if (got == 0)
                return hwaccl_error_set(
                        error, "%s: no process has it open for writing: the subject's side is not running", path);
        if (got > 0)
                return hwaccl_error_set(error, "%s: was rung before the subject ran", path);
        return errno == EAGAIN || errno == EINTR ||
               hwaccl_error_set(error, "%s: cannot read: %s", path, strerror(errno));
}

bool muen_bells_open(struct muen_bells *bells, const char *directory, const struct hwaccl_muen_doorbells *handed_over,
                     struct hwaccl_error *error)
{
        bells->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (bells->wake < 0)
                return hwaccl_error_set(error, "creating an eventfd: %s", strerror(errno));
        if (handed_over) {
                bells->fd = *handed_over;
                return true;
        }
        bells->owned = true;
        return open_awaited(directory, "doorbell_exit", &bells->fd.exit, error) &&
               open_ringing(directory, "doorbell_run", &bells->fd.run, error) &&
               open_ringing(directory, "doorbell_poke", &bells->fd.poke, error);
}

void muen_bells_close(struct muen_bells *bells)
{
        const int opened[] = {bells->wake, bells->owned ? bells->fd.run : -1, bells->owned ? bells->fd.exit : -1,
                              bells->owned ? bells->fd.poke : -1};

        for (size_t i = 0; i < sizeof(opened) / sizeof(opened[0]); i++)
                if (opened[i] >= 0)
                        (void)close(opened[i]);
}

/* False with errno set. Anything that can be rung at all takes 8 bytes whole. */
static bool ring(int bell)
{
        const uint64_t one = 1;
        ssize_t written;

        do {
                written = write(bell, &one, sizeof(one));
        } while (written < 0 && errno == EINTR);
        if (written >= 0 && written != (ssize_t)sizeof(one))
                errno = EIO;
        return written == (ssize_t)sizeof(one);
}

bool muen_bells_ring_run(struct muen_bells *bells, struct hwaccl_error *error)
{
        if (ring(bells->fd.run))
                return true;
        if (errno == EPIPE)
                return hwaccl_error_set(error, "%s: doorbell_run has no reader", gone);
        return hwaccl_error_set(error, "ringing doorbell_run: %s", strerror(errno));
}

/* A full bell has been rung already; one without a reader is noticed at the exit doorbell. */
void muen_bells_kick(struct muen_bells *bells)
{
        struct pollfd room = {bells->fd.poke, POLLOUT, 0};
        int kept = errno;

        if (poll(&room, 1, 0) == 1 && (room.revents & (POLLOUT | POLLERR | POLLHUP)) == POLLOUT)
                (void)ring(bells->fd.poke);
        (void)ring(bells->wake);
        errno = kept;
}

/* What poll() saw may be gone: the other side can read its own ring again, of an eventfd that blocks. */
static ssize_t read_now(int bell, void *buffer, size_t size)
{
        struct iovec part = {buffer, size};
        ssize_t got = preadv2(bell, &part, 1, -1, RWF_NOWAIT);

        /* descriptors without this flag were opened by this side as nonblocking */
        return got < 0 && errno == EOPNOTSUPP ? read(bell, buffer, size) : got;
}

enum taken { TAKEN_NOTHING, TAKEN_RING, TAKEN_ERROR };

/* Two numbers: a FIFO that was rung twice gives both, an eventfd their sum in the first. */
static enum taken take_ring(struct muen_bells *bells, struct hwaccl_error *error)
{
        uint64_t count[2] = {0, 0};
        ssize_t got = read_now(bells->fd.exit, count, sizeof(count));

        if (got < 0 && (errno == EINTR || errno == EAGAIN))
                return TAKEN_NOTHING;
        if (got == (ssize_t)sizeof(count[0]) && count[0] == 1)
                return TAKEN_RING;
        if (got < 0)
                hwaccl_error_set(error, "waiting at doorbell_exit: %s", strerror(errno));
        else if (got == 0)
                hwaccl_error_set(error, "%s: doorbell_exit was closed", gone);
        else if (got % (ssize_t)sizeof(count[0]))
                hwaccl_error_set(error, "a ring of doorbell_exit is 8 bytes, not %zd", got);
        else
                hwaccl_error_set(error, "the subject's side rang doorbell_exit %" PRIu64 " times for one exit",
                                 count[0] + count[1]);
        return TAKEN_ERROR;
}

/* Time left until the subject should have answered; NULL: it need not. */
static const struct timespec *time_left(const struct muen_bells *bells, uint64_t due_ns, uint64_t now_ns,
                                        struct timespec *left)
{
        if (due_ns > UINT64_MAX - bells->timeout_ns)
                return NULL;
        uint64_t limit = due_ns + bells->timeout_ns;
        uint64_t rest = limit > now_ns ? limit - now_ns : 0;
        *left = (struct timespec){(time_t)(rest / NANOSECONDS_PER_SECOND), (long)(rest % NANOSECONDS_PER_SECOND)};
        return left;
}

static bool kicked(struct muen_bells *bells)
{
        uint64_t count;
        return read(bells->wake, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

bool muen_bells_await_exit(struct muen_bells *bells, uint64_t due_ns, uint64_t (*clock)(void *opaque), void *opaque,
                           struct hwaccl_error *error)
{
        for (;;) {
                struct pollfd watched[3] = {
                        {bells->fd.exit, POLLIN, 0},
                        {bells->wake, POLLIN, 0},
                        {bells->fd.alive, POLLIN, 0},
                };
                struct timespec left;
                int ready = ppoll(watched, 3, time_left(bells, due_ns, clock(opaque), &left), NULL);
                if (ready < 0 && errno != EINTR)
                        return hwaccl_error_set(error, "waiting at doorbell_exit: %s", strerror(errno));
                if (ready < 0)
                        continue;
                if (ready == 0)
                        return hwaccl_error_set(error,
                                                "the subject's side does not answer: it was asked to exit %.1f s ago",
                                                (double)(clock(opaque) - due_ns) / (double)NANOSECONDS_PER_SECOND);
                if (watched[1].revents && kicked(bells)) {
                        uint64_t now = clock(opaque);
                        due_ns = now < due_ns ? now : due_ns;
                }
                if (watched[0].revents) {
                        enum taken taken = take_ring(bells, error);
                        if (taken != TAKEN_NOTHING)
                                return taken == TAKEN_RING;
                } else if (watched[2].revents) {
                        return hwaccl_error_set(error, "%s: its process has ended", gone);
                }
        }
}
