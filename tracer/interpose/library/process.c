#include "tracer/interpose/library/process.h"

#include "tracer/interpose/ioctl_capture.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct {
        int (*ioctl)(int, unsigned long, ...);
        void *(*mmap)(void *, size_t, int, int, int, off_t);
        int (*munmap)(void *, size_t);
        int (*prctl)(int, ...);
} next;

static struct interpose_control *control;
static _Atomic bool gone;
static _Atomic bool filtered;
static _Atomic bool same_numbers; /* the recorder's PID namespace is this process's */

int next_ioctl(int fd, unsigned long request, void *argument)
{
        return next.ioctl ? next.ioctl(fd, request, argument) : (int)syscall(SYS_ioctl, fd, request, argument);
}

void *next_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
        if (next.mmap)
                return next.mmap(address, size, protection, flags, fd, offset);
        long result = syscall(SYS_mmap, address, size, protection, flags, fd, offset);
        return result == -1 ? MAP_FAILED : (void *)result; /* NOLINT(performance-no-int-to-ptr) */
}

int next_munmap(void *address, size_t size)
{
        return next.munmap ? next.munmap(address, size) : (int)syscall(SYS_munmap, address, size);
}

int next_prctl(int option, const unsigned long argument[4])
{
        return next.prctl ? next.prctl(option, argument[0], argument[1], argument[2], argument[3])
                          : (int)syscall(SYS_prctl, option, argument[0], argument[1], argument[2], argument[3]);
}

void process_note_filter(void)
{
        memory_note_filter();
        atomic_store_explicit(&filtered, true, memory_order_relaxed);
}

bool process_may_sleep(void)
{
        return !atomic_load_explicit(&filtered, memory_order_relaxed);
}

struct interpose_control *process_control(void)
{
        return control;
}

/* The kernel marks a robust mutex whose owner died. The next owner that does not repair it leaves it unrecoverable for
 * all; a recorder that ends by itself leaves it free. */
bool process_recorder_gone(void)
{
        if (!control || atomic_load_explicit(&gone, memory_order_relaxed))
                return true;
        int result = pthread_mutex_trylock(&control->alive);
        if (result == EBUSY)
                return false;
        if (result == 0 || result == EOWNERDEAD)
                (void)pthread_mutex_unlock(&control->alive);
        atomic_store_explicit(&gone, true, memory_order_relaxed);
        return true;
}

/* /proc is the recorder's, because the recorder was found in it. */
pid_t process_number(void)
{
        char text[16];
        ssize_t length = readlink("/proc/self", text, sizeof(text) - 1);

        if (length <= 0)
                return getpid();
        text[length] = '\0';
        pid_t number = (pid_t)strtol(text, NULL, 10);
        atomic_store_explicit(&same_numbers, number == getpid(), memory_order_relaxed);
        return number;
}

/* The C library makes a thread's clock of its number. */
static pid_t own_thread_number(void)
{
        clockid_t clock;

        return pthread_getcpuclockid(pthread_self(), &clock) == 0 ? (pid_t) ~((unsigned)clock >> 3 | 7u << 29) : 0;
}

pid_t process_thread_number(void)
{
        static const char task[] = "/task/";
        char text[48];

        if (!process_may_sleep())
                return atomic_load_explicit(&same_numbers, memory_order_relaxed) ? own_thread_number() : 0;
        ssize_t length = readlink("/proc/thread-self", text, sizeof(text) - 1);
        if (length <= 0)
                return 0;
        text[length] = '\0';
        const char *number = strstr(text, task);
        return number ? (pid_t)strtol(number + sizeof(task) - 1, NULL, 10) : 0;
}

void *process_find(const char *name)
{
        return dlsym(RTLD_NEXT, name);
}

static struct interpose_control *connect_recorder(const char *path)
{
        int fd = open(path, O_RDWR | O_CLOEXEC);
        void *memory = MAP_FAILED;
        off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

        if (size == (off_t)sizeof(struct interpose_control))
                memory = next_mmap(NULL, sizeof(struct interpose_control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (fd >= 0)
                (void)close(fd);
        if (memory == MAP_FAILED)
                return NULL;
        struct interpose_control *found = memory;
        if (found->magic == INTERPOSE_MAGIC && found->size == sizeof(*found))
                return found;
        (void)next_munmap(memory, sizeof(*found));
        return NULL;
}

/* Whatever happens here, the program runs: without a recorder unrecorded. */
__attribute__((constructor)) static void begin(void)
{
        const char *path = getenv(INTERPOSE_VARIABLE);
        int before = errno;

        *(void **)&next.ioctl = process_find("ioctl");
        *(void **)&next.mmap = process_find("mmap");
        *(void **)&next.munmap = process_find("munmap");
        *(void **)&next.prctl = process_find("prctl");
        struct interpose_control *found = path ? connect_recorder(path) : NULL;
        if (found)
                atomic_fetch_add(&found->processes, 1);
        control = found;
        errno = before;
}
