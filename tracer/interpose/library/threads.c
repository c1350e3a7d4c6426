#include "tracer/interpose/library/threads.h"

#include "tracer/interpose/library/descriptors.h"
#include "tracer/interpose/library/process.h"
#include "tracer/interpose/library/slot.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct thread {
        const void *owner; /* address of a variable of the thread */
        struct lane lane;
        struct ring ring;
        uint8_t buffer[RING_CALL_DATA_MAX];
};

struct threads {
        struct thread room[INTERPOSE_THREAD_MAX];
};

/* What is known of this thread without a system call. */
struct identity {
        bool known;
        uint64_t process;
        uint64_t thread;
        char name[16];
};

static _Atomic(struct threads *) threads;
THREAD_LOCAL struct thread *own;
THREAD_LOCAL struct identity identity;
THREAD_LOCAL uint64_t refused; /* the process in which this thread has no lane */

static struct threads *get_threads(void)
{
        struct threads *known = atomic_load_explicit(&threads, memory_order_acquire);

        if (known)
                return known;
        struct threads *made = map_zeros(sizeof(*made));
        if (!made || atomic_compare_exchange_strong(&threads, &known, made))
                return made;
        (void)next_munmap(made, sizeof(*made));
        return known;
}

/* "PROCESS/task/THREAD". /proc is the recorder's, because the recorder was found in it. */
static void identify(void)
{
        char text[64];
        ssize_t length = readlink("/proc/thread-self", text, sizeof(text) - 1);
        char *rest = text;

        memset(&identity, 0, sizeof(identity));
        if (length > 0) {
                text[length] = '\0';
                identity.process = strtoul(text, &rest, 10);
                if (strncmp(rest, "/task/", 6) == 0)
                        identity.thread = strtoul(rest + 6, NULL, 10);
        }
        (void)pthread_getname_np(pthread_self(), identity.name, sizeof(identity.name));
        identity.known = true;
}

void thread_introduce(struct lane *lane)
{
        if (!identity.known && process_may_sleep())
                identify();
        (void)lane_thread(lane, identity.process, identity.thread, identity.name);
}

static struct thread *make(struct interpose_control *control)
{
        struct threads *known = get_threads();

        /* a filter of system calls may not allow what a ring needs */
        if (!known || process_recorder_gone() || !process_may_sleep())
                return NULL;
        uint32_t number = slot_take(control, &control->threads);
        if (number >= INTERPOSE_THREAD_MAX)
                return NULL;
        struct thread *thread = &known->room[number];
        if (!slot_attach(&control->thread_slot[number], control, &thread->ring, &thread->lane))
                return NULL;
        thread->owner = &own;
        identify();
        thread_introduce(&thread->lane);
        return thread;
}

struct lane *thread_lane(struct interpose_control *control, uint8_t **buffer)
{
        /* zeros in a child of fork(2), which has its parent's pointers */
        if (!own || own->owner != &own) {
                const uint64_t process = (uint64_t)getpid();
                if (refused == process)
                        return NULL;
                own = make(control);
                refused = own ? 0 : process;
        }
        if (!own || lane_failed(&own->lane) || process_recorder_gone())
                return NULL;
        *buffer = own->buffer;
        return &own->lane;
}
