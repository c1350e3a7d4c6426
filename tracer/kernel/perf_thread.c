#include "tracer/kernel/perf_thread.h"

#include "tracer/kernel/perf_record.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* About 100 bytes for each event: 160 ms of 250,000 exits a second. Without CAP_IPC_LOCK there may be less. */
#define RING_BYTES_MOST  (UINT64_C(8) << 20)
#define RING_BYTES_LEAST (UINT64_C(64) << 10)

struct perf_thread {
        pid_t number;
        const struct kvm_formats *formats;
        enum stamp_kind stamps;
        bool monotonic; /* times are of CLOCK_MONOTONIC */
        int fd[KERNEL_EVENT_COUNT];
        struct perf_event_mmap_page *page; /* of the first event */
        const uint8_t *data;               /* behind it */
        uint64_t size;                     /* of that, a power of two */
        uint8_t *copy;                     /* of what was not read yet, in one piece */
        uint64_t first_stamp, first_ns;    /* where stamps are not of a clock that perf has */
};

int perf_open_event(uint32_t id, pid_t thread, bool monotonic)
{
        struct perf_event_attr attributes;

        memset(&attributes, 0, sizeof(attributes));
        attributes.size = sizeof(attributes);
        attributes.type = PERF_TYPE_TRACEPOINT;
        attributes.config = id;
        attributes.sample_period = 1;
        attributes.sample_type = PERF_RECORD_SAMPLE_TYPE;
        attributes.sample_id_all = 1;
        attributes.use_clockid = monotonic;
        attributes.clockid = monotonic ? CLOCK_MONOTONIC : 0;
        return (int)syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* A vCPU has as many descriptors as there are trace points. */
static void raise_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}

int perf_open_counter(uint32_t id, pid_t thread)
{
        struct perf_event_attr attributes;

        memset(&attributes, 0, sizeof(attributes));
        attributes.size = sizeof(attributes);
        attributes.type = PERF_TYPE_TRACEPOINT;
        attributes.config = id;
        int fd = (int)syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
        if (fd >= 0 || errno != EMFILE)
                return fd;
        raise_limit();
        return (int)syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static int paranoid(void)
{
        char text[16] = "";
        int fd = open("/proc/sys/kernel/perf_event_paranoid", O_RDONLY | O_CLOEXEC);

        if (fd >= 0) {
                (void)!read(fd, text, sizeof(text) - 1);
                (void)close(fd);
        }
        return (int)strtol(text, NULL, 10);
}

bool perf_open_error(int reason, struct hwaccl_error *error)
{
        if (reason == EACCES || reason == EPERM)
                return hwaccl_error_set(error,
                                        "no permission for the kernel's events: they need CAP_PERFMON (root), or "
                                        "kernel.perf_event_paranoid -1 (it is %d)",
                                        paranoid());
        if (reason == ENOSYS || reason == EOPNOTSUPP)
                return hwaccl_error_set(error, "this kernel has no perf events: perf_event_open: %s", strerror(reason));
        return hwaccl_error_set(error, "perf_event_open: %s", strerror(reason));
}

pid_t perf_thread_number(const struct perf_thread *thread)
{
        return thread->number;
}

static void close_events(struct perf_thread *thread)
{
        if (thread->page)
                (void)munmap(thread->page, (size_t)(thread->size + (uint64_t)sysconf(_SC_PAGESIZE)));
        thread->page = NULL;
        for (unsigned i = 0; i < KERNEL_EVENT_COUNT; i++) {
                if (thread->fd[i] >= 0)
                        (void)close(thread->fd[i]);
                thread->fd[i] = -1;
        }
}

void perf_thread_close(struct perf_thread *thread)
{
        if (!thread)
                return;
        close_events(thread);
        free(thread->copy);
        free(thread);
}

static int open_one(struct perf_thread *thread, unsigned kind)
{
        const uint32_t id = thread->formats->format[kind].id;
        int fd = perf_open_event(id, thread->number, thread->monotonic);

        if (fd < 0 && errno == EMFILE) {
                raise_limit();
                fd = perf_open_event(id, thread->number, thread->monotonic);
        }
        return fd;
}

static bool map_ring(struct perf_thread *thread)
{
        const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

        for (thread->size = RING_BYTES_MOST; thread->size >= RING_BYTES_LEAST; thread->size /= 2) {
                void *memory = mmap(NULL, (size_t)(thread->size + page), PROT_READ | PROT_WRITE, MAP_SHARED,
                                    thread->fd[KERNEL_EVENT_EXIT], 0);
                if (memory != MAP_FAILED) {
                        thread->page = memory;
                        thread->data = (const uint8_t *)memory + page;
                        return true;
                }
                if (errno != EPERM && errno != ENOMEM)
                        break;
        }
        return false;
}

/* All events into the ring of one. 0, or errno. */
static int open_events(struct perf_thread *thread)
{
        const int *first = &thread->fd[KERNEL_EVENT_EXIT];

        for (unsigned i = KERNEL_EVENT_EXIT; i < KERNEL_EVENT_COUNT; i++) {
                if (!thread->formats->there[i])
                        continue;
                thread->fd[i] = open_one(thread, i);
                if (thread->fd[i] < 0)
                        return errno;
                if (i == KERNEL_EVENT_EXIT ? !map_ring(thread)
                                           : ioctl(thread->fd[i], PERF_EVENT_IOC_SET_OUTPUT, *first) != 0)
                        return errno;
        }
        return 0;
}

/* Perf's own clock is the time-stamp counter in other units where the kernel says so. */
static int open_with_clock(struct perf_thread *thread)
{
        int reason = open_events(thread);

        if (reason || thread->stamps != STAMP_TSC || thread->page->cap_user_time_zero || thread->monotonic)
                return reason;
        close_events(thread);
        thread->monotonic = true;
        return open_events(thread);
}

/* Opening them takes milliseconds: until all were open, a running thread's exits lacked what the others would have said
 * of them, such as that the VMM got one. */
static void discard(struct perf_thread *thread)
{
        uint64_t head = __atomic_load_n(&thread->page->data_head, __ATOMIC_ACQUIRE);

        __atomic_store_n(&thread->page->data_tail, head, __ATOMIC_RELEASE);
}

struct perf_thread *perf_thread_open(const struct kvm_formats *formats, pid_t number, enum stamp_kind stamps,
                                     int *reason, struct hwaccl_error *error)
{
        struct perf_thread *thread = calloc(1, sizeof(*thread));

        *reason = ENOMEM;
        if (!thread) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        thread->number = number;
        thread->formats = formats;
        thread->stamps = stamps;
        thread->monotonic = stamps == STAMP_MONOTONIC;
        for (unsigned i = 0; i < KERNEL_EVENT_COUNT; i++)
                thread->fd[i] = -1;
        *reason = open_with_clock(thread);
        if (*reason == 0)
                thread->copy = malloc((size_t)thread->size);
        if (*reason || !thread->copy) {
                (void)(*reason ? perf_open_error(*reason, error) : hwaccl_error_set(error, "out of memory"));
                perf_thread_close(thread);
                return NULL;
        }
        discard(thread);
        thread->first_stamp = stamp_now(stamps);
        thread->first_ns = stamp_monotonic();
        return thread;
}

struct clock {
        uint64_t stamp, ns; /* now */
        uint64_t zero;
        uint32_t multiplier;
        uint16_t shift;
};

/* The kernel changes these together, under a counter. */
static struct clock read_clock(const struct perf_thread *thread)
{
        volatile struct perf_event_mmap_page *page = thread->page;
        struct clock clock;
        uint32_t lock;

        do {
                lock = page->lock;
                atomic_signal_fence(memory_order_seq_cst);
                clock.zero = page->time_zero;
                clock.multiplier = page->time_mult;
                clock.shift = page->time_shift;
                atomic_signal_fence(memory_order_seq_cst);
        } while (page->lock != lock);
        clock.stamp = stamp_now(thread->stamps);
        clock.ns = stamp_monotonic();
        return clock;
}

/* Without a common clock the counter's mean rate since the beginning. */
static uint64_t stamp_of(const struct perf_thread *thread, const struct clock *clock, uint64_t time)
{
        if (thread->stamps == STAMP_MONOTONIC)
                return time;
        if (!thread->monotonic)
                return perf_time_to_tsc(time, clock->zero, clock->multiplier, clock->shift);
        if (clock->ns <= thread->first_ns)
                return clock->stamp;
        double rate = (double)(clock->stamp - thread->first_stamp) / (double)(clock->ns - thread->first_ns);
        double ago = ((double)clock->ns - (double)time) * rate;
        return ago < 0 ? clock->stamp : clock->stamp - (uint64_t)ago;
}

/* The part that is not read yet, in thread->copy; its length. */
static size_t copy_new(struct perf_thread *thread)
{
        struct perf_event_mmap_page *page = thread->page;
        uint64_t tail = page->data_tail;
        uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);

        if (head - tail > thread->size)
                tail = head - thread->size; /* the kernel never does that */
        size_t length = (size_t)(head - tail), at = (size_t)(tail & (thread->size - 1));
        size_t here = length < (size_t)thread->size - at ? length : (size_t)thread->size - at;
        memcpy(thread->copy, thread->data + at, here);
        memcpy(thread->copy + here, thread->data, length - here);
        __atomic_store_n(&page->data_tail, head, __ATOMIC_RELEASE);
        return length;
}

bool perf_thread_read(struct perf_thread *thread, bool (*take)(void *opaque, const struct kvm_event *event),
                      void *opaque)
{
        size_t size = copy_new(thread), at = 0;
        struct perf_item item;
        bool good = true;

        if (size == 0)
                return true;
        const struct clock clock = read_clock(thread);
        while (good && perf_record_next(thread->copy, size, &at, &item)) {
                struct kvm_event event = {.kind = KERNEL_EVENT_LOST, .thread = item.thread, .known = 1};
                if (item.kind == PERF_ITEM_OTHER ||
                    (item.kind == PERF_ITEM_SAMPLE &&
                     !kvm_event_decode(thread->formats, item.raw, item.raw_size, &event)))
                        continue;
                if (item.kind != PERF_ITEM_SAMPLE)
                        event.value[0] = item.kind == PERF_ITEM_LOST ? item.lost : 1;
                event.stamp = item.kind == PERF_ITEM_BAD ? clock.stamp : stamp_of(thread, &clock, item.time);
                good = take(opaque, &event);
        }
        return good;
}
