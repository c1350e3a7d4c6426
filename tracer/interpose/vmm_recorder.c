#include "tracer/interpose/vmm_recorder.h"

#include "tracer/interpose/control.h"
#include "tracer/interpose/futex.h"
#include "tracer/interpose/processes.h"
#include "tracer/interpose/program.h"
#include "tracer/kernel/kernel_merge.h"
#include "tracer/record/remote.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Static_assert(VMM_RECORDER_VCPU_MAX == INTERPOSE_SLOT_MAX, "one for each slot");

struct vmm_recorder {
        struct interpose_control *control;
        int fd;        /* of its memory */
        char path[64]; /* of that */
        struct remote_recording *remote;
        struct kernel_merge *kernel;               /* NULL: what the kernel handles is not recorded */
        struct kernel_merge_counts *kernel_counts; /* of the caller, for the end; or NULL */
        unsigned unwatched;                        /* threads that could not be watched; of the server */
        struct hwaccl_error watch_error;
        pthread_t server;
        _Atomic bool closing;
        struct vmm_process process[INTERPOSE_SLOT_MAX]; /* of the slots' vCPUs */
        struct vmm_process thread_process[INTERPOSE_THREAD_MAX];
        int64_t guest_ms[INTERPOSE_SLOT_MAX]; /* for how long a vCPU was in the guest when its process ended; -1: not */
        bool end_known[INTERPOSE_SLOT_MAX];
        _Atomic(char *) maps[INTERPOSE_SLOT_MAX]; /* of the first vCPU's process of each */
};

static void destroy(struct vmm_recorder *recorder)
{
        if (recorder->control)
                (void)munmap(recorder->control, sizeof(*recorder->control));
        for (unsigned i = 0; i < INTERPOSE_SLOT_MAX; i++)
                vmm_process_release(&recorder->process[i]);
        for (unsigned i = 0; i < INTERPOSE_SLOT_MAX; i++)
                free(atomic_load(&recorder->maps[i]));
        for (unsigned i = 0; i < INTERPOSE_THREAD_MAX; i++)
                vmm_process_release(&recorder->thread_process[i]);
        if (recorder->fd >= 0)
                (void)close(recorder->fd);
        kernel_merge_destroy(recorder->kernel);
        free(recorder);
}

/* Robust: when this process dies, the kernel tells those that try to take it. */
static bool lock_alive(pthread_mutex_t *alive)
{
        pthread_mutexattr_t attributes;
        bool good;

        if (pthread_mutexattr_init(&attributes) != 0)
                return false;
        good = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0 &&
               pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0 &&
               pthread_mutex_init(alive, &attributes) == 0 && pthread_mutex_lock(alive) == 0;
        (void)pthread_mutexattr_destroy(&attributes);
        return good;
}

static bool make_control(struct vmm_recorder *recorder, uint64_t max_exits, struct hwaccl_error *error)
{
        const size_t size = sizeof(*recorder->control);

        recorder->fd = memfd_create("hwaccl-record", MFD_CLOEXEC);
        void *memory = MAP_FAILED;
        if (recorder->fd >= 0 && ftruncate(recorder->fd, (off_t)size) == 0)
                memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, recorder->fd, 0);
        if (memory == MAP_FAILED)
                return hwaccl_error_set(error, "cannot create memory to share with the VMM: %s", strerror(errno));
        recorder->control = memory;
        recorder->control->max_exits = max_exits;
        recorder->control->size = size;
        if (!lock_alive(&recorder->control->alive))
                return hwaccl_error_set(error, "cannot create a robust mutex");
        (void)snprintf(recorder->path, sizeof(recorder->path), "/proc/%ld/fd/%d", (long)getpid(), recorder->fd);
        recorder->control->magic = INTERPOSE_MAGIC;
        return true;
}

/* Which files a process consists of: while it waits for its first ring. */
static void take_maps(struct vmm_recorder *recorder, uint32_t number, pid_t pid)
{
        char path[40], *text = NULL;
        size_t size = 0;

        for (uint32_t i = 0; i < number; i++)
                if (atomic_load(&recorder->process[i].pid) == pid)
                        return;
        (void)snprintf(path, sizeof(path), "/proc/%ld/maps", (long)pid);
        FILE *file = fopen(path, "re");
        if (!file)
                return;
        if (getdelim(&text, &size, '\0', file) > 0) {
                atomic_store(&recorder->maps[number], text);
                text = NULL;
        }
        free(text);
        (void)fclose(file);
}

/* It takes a slot, then writes its number there, then waits for the ring. */
static pid_t take_process(struct vmm_process *process, const struct interpose_slot *slot)
{
        pid_t pid = 0;

        for (unsigned i = 0; i < 1000 && (pid = atomic_load(&slot->pid)) <= 0; i++)
                (void)sched_yield();
        if (pid > 0)
                vmm_process_take(process, pid);
        return pid;
}

static void answer(struct interpose_slot *slot, bool good, uint32_t number, int ring)
{
        if (good) {
                slot->number = number;
                (void)snprintf(slot->ring_path, sizeof(slot->ring_path), "/proc/%ld/fd/%d", (long)getpid(), ring);
        }
        atomic_store_explicit(&slot->state, good ? INTERPOSE_SLOT_READY : INTERPOSE_SLOT_REFUSED, memory_order_release);
        futex_wake(&slot->state);
}

/* vCPU 0 has its ring already. */
static void serve(struct vmm_recorder *recorder, uint32_t number)
{
        struct hwaccl_error error;
        bool good = number == 0 || remote_add_vcpu(recorder->remote, &error);

        pid_t pid = take_process(&recorder->process[number], &recorder->control->slot[number]);
        if (pid > 0)
                take_maps(recorder, number, pid);
        uint32_t vcpu = remote_vcpu_count(recorder->remote) - 1;

        answer(&recorder->control->slot[number], good, vcpu, remote_ring_fd(recorder->remote, vcpu));
}

static void serve_thread(struct vmm_recorder *recorder, uint32_t number)
{
        struct hwaccl_error error;
        bool good = remote_add_thread(recorder->remote, &error);

        (void)take_process(&recorder->thread_process[number], &recorder->control->thread_slot[number]);
        uint32_t thread = remote_thread_count(recorder->remote) - 1;

        answer(&recorder->control->thread_slot[number], good, thread, remote_thread_fd(recorder->remote, thread));
}

/* A thread that runs the vCPU waits for its answer, which comes in any case. */
static void watch(struct vmm_recorder *recorder, struct interpose_slot *slot)
{
        int32_t thread = atomic_load_explicit(&slot->thread, memory_order_acquire);
        struct hwaccl_error error;

        if (thread == 0 || (uint32_t)thread == atomic_load_explicit(&slot->watched, memory_order_relaxed))
                return;
        if (!kernel_merge_watch(recorder->kernel, slot->number, thread, stamp_kind_detect(), &error)) {
                if (!recorder->unwatched)
                        recorder->watch_error = error;
                recorder->unwatched++;
        }
        atomic_store_explicit(&slot->watched, (uint32_t)thread, memory_order_release);
        futex_wake(&slot->watched);
}

static void *serve_slots(void *opaque)
{
        struct vmm_recorder *recorder = opaque;
        struct interpose_control *control = recorder->control;
        /* a thread whose system calls are restricted cannot wake this one */
        const long poll = recorder->kernel ? 5 : 1000;
        uint32_t vcpus = 0, threads = 0;

        while (!atomic_load(&recorder->closing)) {
                uint32_t asked = atomic_load_explicit(&control->asked, memory_order_acquire);
                while (vcpus < atomic_load(&control->wanted) && vcpus < INTERPOSE_SLOT_MAX)
                        serve(recorder, vcpus++);
                while (threads < atomic_load(&control->threads) && threads < INTERPOSE_THREAD_MAX)
                        serve_thread(recorder, threads++);
                for (uint32_t i = 0; recorder->kernel && i < vcpus; i++)
                        watch(recorder, &control->slot[i]);
                futex_wait(&control->asked, asked, poll);
        }
        return NULL;
}

static bool start_server(struct vmm_recorder *recorder, struct hwaccl_error *error)
{
        sigset_t all, before;

        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        int result = pthread_create(&recorder->server, NULL, serve_slots, recorder);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return result == 0 || hwaccl_error_set(error, "cannot start a thread: %s", strerror(result));
}

/* First what can be refused, so that nothing is left behind. */
static bool open_kernel(struct vmm_recorder *recorder, struct hwaccl_recorder_config *config, uint32_t interval,
                        struct hwaccl_error *error)
{
        recorder->kernel = kernel_merge_create(interval, error);
        if (!recorder->kernel)
                return false;
        config->merge = kernel_merge_source(recorder->kernel);
        recorder->control->kernel_exits = 1;
        return true;
}

struct vmm_recorder *vmm_recorder_create(const struct hwaccl_recorder_config *wanted, uint64_t max_exits,
                                         bool kernel_exits, struct hwaccl_error *error)
{
        struct vmm_recorder *recorder = calloc(1, sizeof(*recorder));
        struct hwaccl_recorder_config settings = *wanted, *config = &settings;
        uint32_t interval = config->keyframe_interval ? config->keyframe_interval : HWACCL_KEYFRAME_INTERVAL_DEFAULT;

        if (!recorder) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        recorder->fd = -1;
        if (make_control(recorder, max_exits, error) &&
            (!kernel_exits || open_kernel(recorder, config, interval, error)))
                recorder->remote = remote_create(config, error);
        if (recorder->remote) {
                const struct remote_keyframes keyframes = remote_keyframes(recorder->remote);
                recorder->control->keyframe_interval = keyframes.interval;
                recorder->control->keyframe_bytes = keyframes.bytes;
        }
        if (recorder->remote && start_server(recorder, error))
                return recorder;
        if (recorder->remote)
                (void)remote_finish(recorder->remote, HWACCL_END_ERROR, 0, error->message, &(struct hwaccl_error){""});
        destroy(recorder);
        return NULL;
}

bool vmm_recorder_environment(const struct vmm_recorder *recorder, const char *library)
{
        const char *others = getenv("LD_PRELOAD");
        char *list = NULL;

        if (asprintf(&list, "%s%s%s", library, others && *others ? ":" : "", others ? others : "") < 0)
                return false;
        bool good = setenv("LD_PRELOAD", list, 1) == 0 && setenv(INTERPOSE_VARIABLE, recorder->path, 1) == 0;
        free(list);
        return good;
}

/* Its process has ended: what the vCPU did then. */
static void note_end(struct vmm_recorder *recorder, unsigned i)
{
        const struct interpose_slot *slot = &recorder->control->slot[i];
        uint64_t entered = atomic_load(&slot->entered);

        if (!recorder->end_known[i])
                recorder->guest_ms[i] = entered ? (int64_t)remote_ms_since(recorder->remote, entered) : -1;
        recorder->end_known[i] = true;
}

/* Slots of vCPUs, then those of other threads. */
static const struct vmm_process *process_of(const struct vmm_recorder *recorder, unsigned i)
{
        return i < INTERPOSE_SLOT_MAX ? &recorder->process[i] : &recorder->thread_process[i - INTERPOSE_SLOT_MAX];
}

static bool came_before(const struct vmm_recorder *recorder, unsigned i, pid_t pid)
{
        while (i-- > 0)
                if (atomic_load(&process_of(recorder, i)->pid) == pid)
                        return true;
        return false;
}

unsigned vmm_recorder_signal(struct vmm_recorder *recorder, int number)
{
        unsigned alive = 0;

        for (unsigned i = 0; i < INTERPOSE_SLOT_MAX + INTERPOSE_THREAD_MAX; i++) {
                const struct vmm_process *process = process_of(recorder, i);
                pid_t pid = atomic_load(&process->pid);
                if (pid <= 0)
                        continue;
                if (!vmm_process_lives(process)) {
                        if (i < INTERPOSE_SLOT_MAX)
                                note_end(recorder, i);
                } else if (!came_before(recorder, i, pid)) {
                        alive++;
                        if (number)
                                vmm_process_signal(process, number);
                }
        }
        return alive;
}

void vmm_recorder_dump(struct vmm_recorder *recorder)
{
        remote_dump(recorder->remote);
}

bool vmm_recorder_reached_limit(const struct vmm_recorder *recorder)
{
        const struct interpose_control *control = recorder->control;

        return control->max_exits && atomic_load(&control->exits) >= control->max_exits;
}

struct vmm_recorder_counts vmm_recorder_counts(const struct vmm_recorder *recorder)
{
        const struct interpose_control *control = recorder->control;
        uint32_t wanted = atomic_load(&control->wanted);

        return (struct vmm_recorder_counts){
                .exits = remote_exits(recorder->remote),
                .vcpus = wanted ? remote_vcpu_count(recorder->remote) : 0,
                .processes = atomic_load(&control->processes),
                .kvm = atomic_load(&control->kvm_processes),
                .unrecorded = atomic_load(&control->unrecorded),
        };
}

size_t vmm_recorder_unfit(const struct vmm_recorder *recorder, char *text, size_t room)
{
        const struct interpose_control *control = recorder->control;
        enum interpose_program reason = atomic_load(&control->unfit);

        if (reason == PROGRAM_GOOD)
                return 0;
        int length = snprintf(text, room, "%.*s: %s", (int)sizeof(control->unfit_path) - 1, control->unfit_path,
                              interpose_program_reason(reason));
        return length > 0 ? (size_t)length : 0;
}

struct vmm_recorder_kernel vmm_recorder_kernel(struct vmm_recorder *recorder, struct kernel_merge_counts *counts)
{
        recorder->kernel_counts = counts;
        return (struct vmm_recorder_kernel){recorder->unwatched,
                                            recorder->unwatched ? recorder->watch_error.message : NULL};
}

void vmm_recorder_note_ends(struct vmm_recorder *recorder)
{
        const uint32_t unrecorded = atomic_load(&recorder->control->unrecorded_calls);
        char number[16];

        (void)snprintf(number, sizeof(number), "%" PRIu32, unrecorded);
        if (unrecorded)
                remote_annotate(recorder->remote, "host_unrecorded_calls", number);
        for (unsigned i = 0; i < INTERPOSE_SLOT_MAX; i++) {
                const struct interpose_slot *slot = &recorder->control->slot[i];
                char name[32], text[48] = "not in the guest";
                if (atomic_load(&slot->state) != INTERPOSE_SLOT_READY)
                        continue;
                note_end(recorder, i);
                (void)snprintf(name, sizeof(name), "host_vcpu_%u_end", slot->number);
                if (recorder->guest_ms[i] >= 0)
                        (void)snprintf(text, sizeof(text), "in the guest for %" PRId64 " ms", recorder->guest_ms[i]);
                remote_annotate(recorder->remote, name, text);
        }
}

bool vmm_recorder_file(const struct vmm_recorder *recorder, unsigned index, char *path, size_t room, pid_t *pid)
{
        const struct interpose_control *control = recorder->control;
        const struct interpose_file *file = &control->file[index < INTERPOSE_FILE_MAX ? index : 0];

        if (index >= INTERPOSE_FILE_MAX || index >= atomic_load(&control->files) ||
            !atomic_load_explicit(&file->ready, memory_order_acquire))
                return false;
        *pid = atomic_load(&file->pid);
        (void)snprintf(path, room, "%.*s", (int)sizeof(file->path) - 1, file->path);
        return true;
}

unsigned vmm_recorder_files_lost(const struct vmm_recorder *recorder)
{
        const uint32_t files = atomic_load(&recorder->control->files);

        return files > INTERPOSE_FILE_MAX ? files - INTERPOSE_FILE_MAX : 0;
}

const char *vmm_recorder_maps(const struct vmm_recorder *recorder, unsigned index)
{
        return atomic_load(&recorder->maps[index]);
}

void vmm_recorder_annotate(struct vmm_recorder *recorder, const char *name, const char *value)
{
        remote_annotate(recorder->remote, name, value);
}

bool vmm_recorder_finish(struct vmm_recorder *recorder, unsigned end, uint64_t end_code, const char *end_message,
                         struct hwaccl_error *error)
{
        atomic_store(&recorder->closing, true);
        futex_wake(&recorder->control->asked);
        (void)pthread_join(recorder->server, NULL);
        (void)pthread_mutex_unlock(&recorder->control->alive);
        bool good = remote_finish(recorder->remote, end, end_code, end_message, error);
        if (recorder->kernel && recorder->kernel_counts)
                *recorder->kernel_counts = kernel_merge_counts(recorder->kernel);
        destroy(recorder);
        return good;
}
