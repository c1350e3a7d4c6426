#include "core/host/live_inputs.h"

#include "core/assert.h"
#include "core/host/guest_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS_PER_SECOND UINT64_C(1000000000)
#define TYPED_ROOM             4096u

/* Bytes from the console's file descriptor to the guest: a reader thread fills it, the vCPU thread empties it. A file
 * with the virtual clock is read by the vCPU thread itself, so that the result does not depend on thread scheduling. */
struct typed {
        atomic_size_t head; /* bytes ever written */
        atomic_size_t tail; /* bytes ever read */
        atomic_bool full;   /* the reader waits for space */
        atomic_bool fresh;  /* bytes arrived since the guest last read or waited */
        unsigned char bytes[TYPED_ROOM];
};

struct hwaccl_live_inputs {
        struct hwaccl_inputs inputs;
        struct hwaccl_live_inputs_config config;
        _Atomic(struct hwaccl_accel *) accel;
        atomic_int kicking;   /* calls of accel->kick under way */
        atomic_int stop;      /* enum hwaccl_stop_request */
        _Atomic bool started; /* start_ns is known */
        uint64_t start_ns;
        uint64_t last_ns;
        uint64_t waited_ns; /* --clock virtual: time skipped in waits */
        uint64_t exits;
        int wake_fd;    /* ends a wait of the vCPU thread */
        int helper_fd;  /* wakes the helper's poll: there is space for typed bytes, or it must end */
        bool from_file; /* the vCPU thread reads what is typed */
        bool file_ended;
        bool has_helper;
        pthread_t helper;
        atomic_bool quit;
        struct typed typed;
};

static struct hwaccl_live_inputs *live_of(struct hwaccl_inputs *inputs)
{
        return (struct hwaccl_live_inputs *)inputs; /* first member */
}

static uint64_t monotonic_ns(void)
{
        struct timespec now;
        hwaccl_assert(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
        return (uint64_t)now.tv_sec * NANOSECONDS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* The counter of an eventfd overflows only after 2^64 - 2 posts; it is then readable anyway. */
static void post(int fd)
{
        uint64_t one = 1;
        ssize_t written = write(fd, &one, sizeof(one));
        (void)written;
}

static void drain(int fd)
{
        uint64_t count;
        ssize_t got = read(fd, &count, sizeof(count));
        (void)got;
}

/* From any thread or signal handler. The count lets detaching wait for a kick that is under way. */
static void kick(struct hwaccl_live_inputs *live)
{
        atomic_fetch_add(&live->kicking, 1);
        struct hwaccl_accel *accel = atomic_load(&live->accel);
        if (accel)
                accel->ops->kick(accel);
        atomic_fetch_sub(&live->kicking, 1);
        post(live->wake_fd);
}

void hwaccl_live_inputs_stop(struct hwaccl_live_inputs *live, enum hwaccl_stop_request request)
{
        int saved_errno = errno;
        int none = HWACCL_STOP_NONE;

        (void)atomic_compare_exchange_strong(&live->stop, &none, (int)request);
        kick(live);
        errno = saved_errno;
}

bool hwaccl_live_inputs_stopping(const struct hwaccl_live_inputs *live)
{
        return atomic_load(&live->stop) != HWACCL_STOP_NONE;
}

void hwaccl_live_inputs_attach(struct hwaccl_live_inputs *live, struct hwaccl_accel *accel)
{
        atomic_store(&live->accel, accel);
        if (!accel) {
                while (atomic_load(&live->kicking))
                        ;
                return;
        }
        if (!atomic_load(&live->started)) {
                live->start_ns = monotonic_ns();
                atomic_store(&live->started, true);
                if (live->config.timeout_ns)
                        post(live->helper_fd);
        }
        if (atomic_load(&live->stop) != HWACCL_STOP_NONE)
                kick(live);
}

static bool guest_clock(struct hwaccl_live_inputs *live, uint64_t *now_ns)
{
        struct hwaccl_accel *accel = atomic_load_explicit(&live->accel, memory_order_relaxed);
        uint64_t now;

        if (!accel) {
                now = 0;
        } else if (live->config.clock == HWACCL_CLOCK_HOST) {
                now = monotonic_ns();
                now = now > live->start_ns ? now - live->start_ns : 0; /* it may go back */
        } else {
                now = accel->ops->virtual_ns(accel);
                if (now == UINT64_MAX)
                        return false;
                now = now * live->config.virtual_rate + live->waited_ns;
        }
        if (now > live->last_ns)
                live->last_ns = now;
        *now_ns = live->last_ns;
        return true;
}

uint64_t hwaccl_live_inputs_clock(void *opaque)
{
        struct hwaccl_live_inputs *live = opaque;
        uint64_t now;
        return guest_clock(live, &now) ? now : live->last_ns;
}

static bool no_virtual_clock(struct hwaccl_live_inputs *live, struct hwaccl_error *error)
{
        return hwaccl_error_set(error, "the %s accelerator has no virtual clock; use --clock host",
                                atomic_load(&live->accel)->ops->name);
}

/* Called once per exit, so exits are counted here. */
static bool read_clock(struct hwaccl_inputs *inputs, uint64_t *now_ns, struct hwaccl_error *error)
{
        struct hwaccl_live_inputs *live = live_of(inputs);

        live->exits++;
        return guest_clock(live, now_ns) || no_virtual_clock(live, error);
}

/* Whether an event ends a wait. Typed bytes end one wait each time some arrive, whether the guest reads them
 * or not: a guest that ignores its console must not spin. */
static bool woken(struct hwaccl_live_inputs *live)
{
        return atomic_exchange(&live->typed.fresh, false) || hwaccl_live_inputs_stopping(live);
}

static bool sleep_until(struct hwaccl_live_inputs *live, uint64_t deadline_ns, struct hwaccl_error *error)
{
        for (;;) {
                drain(live->wake_fd);
                uint64_t now = hwaccl_live_inputs_clock(live);
                if (woken(live) || now >= deadline_ns)
                        return true;

                uint64_t rest = deadline_ns - now;
                struct timespec timeout = {(time_t)(rest / NANOSECONDS_PER_SECOND),
                                           (long)(rest % NANOSECONDS_PER_SECOND)};
                struct pollfd wake = {live->wake_fd, POLLIN, 0};
                if (ppoll(&wake, 1, deadline_ns == UINT64_MAX ? NULL : &timeout, NULL) < 0 && errno != EINTR)
                        return hwaccl_error_set(error, "waiting for an event: %s", strerror(errno));
        }
}

static bool wait_until(struct hwaccl_inputs *inputs, uint64_t deadline_ns, uint64_t *now_ns, struct hwaccl_error *error)
{
        struct hwaccl_live_inputs *live = live_of(inputs);

        if (!guest_clock(live, now_ns))
                return no_virtual_clock(live, error);
        if (live->config.clock == HWACCL_CLOCK_VIRTUAL && deadline_ns != UINT64_MAX) {
                if (deadline_ns > *now_ns)
                        live->waited_ns += deadline_ns - *now_ns;
        } else if (!sleep_until(live, deadline_ns, error)) {
                return false;
        }
        return guest_clock(live, now_ns) || no_virtual_clock(live, error);
}

static bool read_memory(struct hwaccl_inputs *inputs, enum hwaccl_input_kind kind, uint64_t address, void *buffer,
                        size_t size, struct hwaccl_error *error)
{
        (void)kind;
        if (!hwaccl_guest_memory_read(live_of(inputs)->config.memory, address, buffer, size))
                return hwaccl_error_set(error, "guest memory at %" PRIx64 " cannot be read: %zu bytes", address, size);
        return true;
}

/* One read of typed bytes, as many as there is space for. */
static ssize_t read_typed(struct hwaccl_live_inputs *live)
{
        struct typed *typed = &live->typed;
        size_t head = atomic_load_explicit(&typed->head, memory_order_relaxed);
        size_t room = TYPED_ROOM - (head - atomic_load(&typed->tail));
        size_t till_end = TYPED_ROOM - head % TYPED_ROOM;

        ssize_t got =
                read(live->config.console_fd, &typed->bytes[head % TYPED_ROOM], room < till_end ? room : till_end);
        if (got > 0) {
                atomic_store(&typed->head, head + (size_t)got);
                atomic_store(&typed->fresh, true);
        }
        return got;
}

static void fill_from_file(struct hwaccl_live_inputs *live)
{
        struct typed *typed = &live->typed;

        while (live->from_file && !live->file_ended &&
               atomic_load(&typed->head) - atomic_load(&typed->tail) < TYPED_ROOM) {
                ssize_t got = read_typed(live);
                live->file_ended = got == 0 || (got < 0 && errno != EINTR);
        }
}

static bool read_console(struct hwaccl_inputs *inputs, enum hwaccl_channel channel, void *buffer, size_t *size,
                         struct hwaccl_error *error)
{
        struct hwaccl_live_inputs *live = live_of(inputs);
        struct typed *typed = &live->typed;
        size_t tail = atomic_load_explicit(&typed->tail, memory_order_relaxed);
        size_t count = atomic_load_explicit(&typed->head, memory_order_acquire) - tail;

        (void)error;
        if (channel != HWACCL_CHANNEL_SERIAL || !count) {
                *size = 0;
                return true;
        }
        if (count > *size)
                count = *size;
        for (size_t i = 0; i < count; i++)
                ((unsigned char *)buffer)[i] = typed->bytes[(tail + i) % TYPED_ROOM];
        atomic_store(&typed->tail, tail + count);
        if (atomic_load(&typed->full))
                post(live->helper_fd);
        fill_from_file(live);
        *size = count;
        return true;
}

static bool read_wall_time(struct hwaccl_inputs *inputs, uint64_t *seconds, struct hwaccl_error *error)
{
        (void)error;
        *seconds = live_of(inputs)->config.wall_time;
        return true;
}

static bool read_stop(struct hwaccl_inputs *inputs, enum hwaccl_stop_request *request, struct hwaccl_error *error)
{
        struct hwaccl_live_inputs *live = live_of(inputs);

        (void)error;
        if (live->config.max_exits && live->exits >= live->config.max_exits) {
                int none = HWACCL_STOP_NONE;
                (void)atomic_compare_exchange_strong(&live->stop, &none, HWACCL_STOP_MAX_EXITS);
        }
        *request = (enum hwaccl_stop_request)atomic_load_explicit(&live->stop, memory_order_relaxed);
        return true;
}

static struct hwaccl_live_disk *disk_of(struct hwaccl_inputs *inputs, unsigned number)
{
        const struct hwaccl_live_inputs *live = live_of(inputs);

        hwaccl_assert(number < live->config.disk_count);
        return live->config.disk[number];
}

static bool read_disk(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, void *buffer, size_t size,
                      bool *fault, struct hwaccl_error *error)
{
        (void)error;
        *fault = !hwaccl_live_disk_read(disk_of(inputs, disk), offset, buffer, size);
        return true;
}

static bool write_disk(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, const void *data, size_t size,
                       bool *fault, struct hwaccl_error *error)
{
        (void)error;
        *fault = !hwaccl_live_disk_write(disk_of(inputs, disk), offset, data, size);
        return true;
}

static bool flush_disk(struct hwaccl_inputs *inputs, unsigned disk, bool *fault, struct hwaccl_error *error)
{
        (void)error;
        *fault = !hwaccl_live_disk_flush(disk_of(inputs, disk));
        return true;
}

static const struct hwaccl_inputs_ops live_ops = {
        .clock = read_clock,
        .wait = wait_until,
        .memory_read = read_memory,
        .console_read = read_console,
        .wall_time = read_wall_time,
        .stop_requested = read_stop,
        .disk_read = read_disk,
        .disk_write = write_disk,
        .disk_flush = flush_disk,
};

/* Returns false at the end of the input. */
static bool take_typed(struct hwaccl_live_inputs *live)
{
        ssize_t got = read_typed(live);

        if (got > 0)
                kick(live);
        return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Whether there is space for typed bytes. Sets typed.full before the last check, so that no wake-up is lost. */
static bool has_room(struct hwaccl_live_inputs *live)
{
        struct typed *typed = &live->typed;
        for (int last = 0; last < 2; last++) {
                if (atomic_load(&typed->head) - atomic_load(&typed->tail) < TYPED_ROOM) {
                        atomic_store(&typed->full, false);
                        return true;
                }
                atomic_store(&typed->full, true);
        }
        return false;
}

/* Helper thread: watches the console and the time limit, so that the vCPU thread needs no system call per exit. */
static void *help(void *opaque)
{
        struct hwaccl_live_inputs *live = opaque;
        bool typing = live->config.console_fd >= 0 && !live->from_file;
        bool timing = live->config.timeout_ns != 0;

        while (!atomic_load(&live->quit) && (typing || timing)) {
                struct timespec timeout = {0, 0};
                const bool limited = timing && atomic_load(&live->started);
                if (limited) {
                        uint64_t now = monotonic_ns();
                        uint64_t passed = now > live->start_ns ? now - live->start_ns : 0; /* it may go back */
                        if (passed >= live->config.timeout_ns) {
                                hwaccl_live_inputs_stop(live, HWACCL_STOP_TIMEOUT);
                                timing = false;
                                continue;
                        }
                        uint64_t rest = live->config.timeout_ns - passed;
                        timeout.tv_sec = (time_t)(rest / NANOSECONDS_PER_SECOND);
                        timeout.tv_nsec = (long)(rest % NANOSECONDS_PER_SECOND);
                }
                struct pollfd watched[2] = {
                        {live->helper_fd, POLLIN, 0},
                        {typing && has_room(live) ? live->config.console_fd : -1, POLLIN, 0},
                };
                if (ppoll(watched, 2, limited ? &timeout : NULL, NULL) <= 0)
                        continue;
                if (watched[0].revents)
                        drain(live->helper_fd);
                if (watched[1].revents)
                        typing = take_typed(live);
        }
        return NULL;
}

/* The helper blocks all signals; the main thread handles them. */
static bool start_helper(struct hwaccl_live_inputs *live, struct hwaccl_error *error)
{
        sigset_t all;
        sigset_t before;

        hwaccl_assert(sigfillset(&all) == 0);
        int status = pthread_sigmask(SIG_SETMASK, &all, &before);
        if (!status) {
                status = pthread_create(&live->helper, NULL, help, live);
                hwaccl_assert(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
        }
        if (status)
                return hwaccl_error_set(error, "starting a thread for the console and the time limit: %s",
                                        strerror(status));
        live->has_helper = true;
        return true;
}

static bool is_file(int fd)
{
        struct stat status;
        return fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

struct hwaccl_live_inputs *hwaccl_live_inputs_create(const struct hwaccl_live_inputs_config *config,
                                                     struct hwaccl_error *error)
{
        struct hwaccl_live_inputs *live = calloc(1, sizeof(*live));

        if (!live) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        live->inputs.ops = &live_ops;
        live->config = *config;
        live->inputs.sleeps = config->clock == HWACCL_CLOCK_HOST;
        if (!live->config.virtual_rate)
                live->config.virtual_rate = 1;
        live->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        live->helper_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (live->wake_fd < 0 || live->helper_fd < 0) {
                hwaccl_error_set(error, "creating an eventfd: %s", strerror(errno));
                hwaccl_live_inputs_destroy(live);
                return NULL;
        }
        live->from_file = config->clock == HWACCL_CLOCK_VIRTUAL && is_file(config->console_fd);
        fill_from_file(live);
        bool watches = config->console_fd >= 0 && !live->from_file;
        if ((watches || config->timeout_ns) && !start_helper(live, error)) {
                hwaccl_live_inputs_destroy(live);
                return NULL;
        }
        return live;
}

void hwaccl_live_inputs_destroy(struct hwaccl_live_inputs *live)
{
        if (!live)
                return;
        if (live->has_helper) {
                atomic_store(&live->quit, true);
                post(live->helper_fd);
                hwaccl_assert(pthread_join(live->helper, NULL) == 0);
        }
        if (live->wake_fd >= 0)
                (void)close(live->wake_fd);
        if (live->helper_fd >= 0)
                (void)close(live->helper_fd);
        free(live);
}

struct hwaccl_inputs *hwaccl_live_inputs_interface(struct hwaccl_live_inputs *live)
{
        return &live->inputs;
}
