#include "tracer/attach/attach.h"

#include "tracer/interpose/processes.h"
#include "tracer/kernel/kvm_tracing.h"
#include "tracer/kernel/perf_thread.h"
#include "tracer/record/remote.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUND_NS    5000000L /* between two readings of the kernel's rings */
#define SCAN_ROUNDS 8u       /* between two looks for threads */

/* A thread of the VMM. Only those that run vCPUs have rings; of the others entries are counted. */
struct watched {
        struct attach_thread thread;
        struct perf_thread *events; /* NULL: it is not known to run a vCPU */
        int counter;                /* -1: there is none */
        bool there;                 /* at this look */
        bool gone;                  /* at the last one */
};

struct vmm_attach {
        struct kvm_formats formats;
        struct vmm_process process;
        struct remote_recording *remote;
        enum stamp_kind stamps;
        struct attach_lanes lanes;
        struct watched **watched;
        size_t count;
        struct attach_thread **running; /* those with rings: room for all */
        pid_t *number;                  /* room for a look */
        pthread_t reader;
        struct hwaccl_error problem; /* of the first thread that could not be watched */
        _Atomic bool closing;
        pthread_mutex_t lock; /* of the following */
        struct vmm_attach_state state;
};

static void release(struct vmm_attach *attach, struct watched *watched)
{
        attach_lanes_forget(&attach->lanes, &watched->thread);
        perf_thread_close(watched->events);
        if (watched->counter >= 0)
                (void)close(watched->counter);
        exit_stream_free(&watched->thread.stream);
        free(watched);
}

static void destroy(struct vmm_attach *attach)
{
        for (size_t i = 0; i < attach->count; i++)
                release(attach, attach->watched[i]);
        attach_lanes_free(&attach->lanes);
        vmm_process_release(&attach->process);
        (void)pthread_mutex_destroy(&attach->lock);
        free(attach->watched);
        free(attach->running);
        free(attach->number);
        free(attach);
}

/* The next vCPU's ring; the recording has that of vCPU 0 from the beginning. */
static bool begin_lane(void *opaque, uint32_t number, struct lane *lane)
{
        struct vmm_attach *attach = opaque;
        const struct remote_keyframes keyframes = remote_keyframes(attach->remote);
        struct hwaccl_error error;

        if (number > 0 && !remote_add_vcpu(attach->remote, &error))
                return false;
        lane_init(lane, attach->stamps, keyframes.interval, keyframes.bytes);
        remote_produce(attach->remote, number, &lane->producer);
        return true;
}

static void unwatched(struct vmm_attach *attach, const struct hwaccl_error *error)
{
        (void)pthread_mutex_lock(&attach->lock);
        if (!attach->state.unwatched++)
                attach->problem = *error;
        (void)pthread_mutex_unlock(&attach->lock);
}

/* From now on. A thread that has gone meanwhile is no problem. */
static void open_events(struct vmm_attach *attach, struct watched *watched)
{
        struct hwaccl_error error;
        int reason;

        watched->events = perf_thread_open(&attach->formats, watched->thread.number, attach->stamps, &reason, &error);
        if (!watched->events && reason != ESRCH)
                unwatched(attach, &error);
        if (watched->counter >= 0)
                (void)close(watched->counter);
        watched->counter = -1;
}

static void open_counter(struct vmm_attach *attach, struct watched *watched)
{
        struct hwaccl_error error;

        watched->counter = perf_open_counter(attach->formats.format[KERNEL_EVENT_ENTRY].id, watched->thread.number);
        if (watched->counter >= 0 || errno == ESRCH)
                return;
        (void)perf_open_error(errno, &error);
        unwatched(attach, &error);
}

static struct watched *find(const struct vmm_attach *attach, pid_t number)
{
        for (size_t i = 0; i < attach->count; i++)
                if (attach->watched[i]->thread.number == number)
                        return attach->watched[i];
        return NULL;
}

static void watch(struct vmm_attach *attach, pid_t number)
{
        const pid_t process = atomic_load(&attach->process.pid);
        struct watched *watched = attach->count < KVM_PROCESS_THREAD_MAX ? calloc(1, sizeof(*watched)) : NULL;

        if (!watched) {
                unwatched(attach, &(struct hwaccl_error){"too many threads, or out of memory"});
                return;
        }
        watched->thread.number = number;
        watched->there = true;
        watched->counter = -1;
        kvm_process_thread_name(process, number, watched->thread.name, sizeof(watched->thread.name));
        attach->watched[attach->count++] = watched;
        if (kvm_process_thread_runs(process, number))
                open_events(attach, watched);
        else
                open_counter(attach, watched);
}

/* Threads that begin, and that have ended: what these left in their rings is read before the next look. */
static void look_for_threads(struct vmm_attach *attach)
{
        size_t found = kvm_process_threads(atomic_load(&attach->process.pid), attach->number, KVM_PROCESS_THREAD_MAX);
        size_t kept = 0;

        for (size_t i = 0; i < found && i < KVM_PROCESS_THREAD_MAX; i++) {
                struct watched *watched = find(attach, attach->number[i]);
                if (watched)
                        watched->there = true;
                else
                        watch(attach, attach->number[i]);
        }
        for (size_t i = 0; i < attach->count; i++) {
                struct watched *watched = attach->watched[i];
                const struct exit_stream *stream = &watched->thread.stream;
                if (watched->gone && !watched->there && stream->first == stream->count) {
                        release(attach, watched);
                        continue;
                }
                watched->gone = !watched->there;
                watched->there = false;
                attach->watched[kept++] = watched;
        }
        attach->count = kept;
}

/* Entries of a thread that was not known to run a vCPU: it is watched from now on. */
static void look_at_counters(struct vmm_attach *attach)
{
        for (size_t i = 0; i < attach->count; i++) {
                struct watched *watched = attach->watched[i];
                uint64_t entries = 0;
                if (watched->counter >= 0 &&
                    read(watched->counter, &entries, sizeof(entries)) == (ssize_t)sizeof(entries) && entries > 0)
                        open_events(attach, watched);
        }
}

struct put {
        struct vmm_attach *attach;
        struct exit_stream *stream;
};

static bool put_event(void *opaque, const struct kvm_event *event)
{
        struct put *put = opaque;

        if (!exit_stream_put(put->stream, event))
                put->attach->lanes.counts.lost++; /* out of memory */
        return true;
}

/* The number of threads with rings, which are in attach->running then. */
static size_t read_events(struct vmm_attach *attach)
{
        size_t count = 0;

        for (size_t i = 0; i < attach->count; i++) {
                struct watched *watched = attach->watched[i];
                struct put put = {attach, &watched->thread.stream};
                if (!watched->events)
                        continue;
                (void)perf_thread_read(watched->events, put_event, &put);
                attach->running[count++] = &watched->thread;
        }
        return count;
}

static void note(struct vmm_attach *attach, bool good)
{
        struct vmm_attach_state *state = &attach->state;

        (void)pthread_mutex_lock(&attach->lock);
        state->counts = attach->lanes.counts;
        state->vcpus = attach->lanes.count;
        state->reached = attach_lanes_reached(&attach->lanes);
        state->failed = !good;
        (void)pthread_mutex_unlock(&attach->lock);
}

/* What was read in a round is written in the next one: then the events of all threads up to its beginning are there. */
static void *read_rounds(void *opaque)
{
        struct vmm_attach *attach = opaque;
        const struct timespec rest = {0, ROUND_NS};
        struct attach_until until = {0, 0, false};
        uint64_t before = 0;
        bool good = true;

        for (unsigned round = 0; good && !until.all; round++) {
                until.all = atomic_load(&attach->closing);
                uint64_t now = stamp_now(attach->stamps);
                if (round % SCAN_ROUNDS == 0)
                        look_for_threads(attach);
                look_at_counters(attach);
                size_t count = read_events(attach);
                good = attach_lanes_write(&attach->lanes, attach->running, count, &until);
                note(attach, good);
                until.open = before;
                until.complete = before = now;
                if (!until.all)
                        (void)nanosleep(&rest, NULL);
        }
        return NULL;
}

/* Signals are the caller's. */
static bool start_reader(struct vmm_attach *attach, struct hwaccl_error *error)
{
        sigset_t all, before;

        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        int result = pthread_create(&attach->reader, NULL, read_rounds, attach);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return result == 0 || hwaccl_error_set(error, "cannot start a thread: %s", strerror(result));
}

static bool allocate(struct vmm_attach *attach, struct hwaccl_error *error)
{
        attach->watched = calloc(KVM_PROCESS_THREAD_MAX, sizeof(struct watched *));
        attach->running = calloc(KVM_PROCESS_THREAD_MAX, sizeof(struct attach_thread *));
        attach->number = calloc(KVM_PROCESS_THREAD_MAX, sizeof(*attach->number));
        return (attach->watched && attach->running && attach->number) || hwaccl_error_set(error, "out of memory");
}

static bool begin(struct vmm_attach *attach, const struct hwaccl_recorder_config *wanted,
                  const struct kvm_process *found, struct hwaccl_error *error)
{
        attach->remote = remote_create(wanted, error);
        if (!attach->remote)
                return false;
        for (unsigned i = 0; i < found->vcpus; i++)
                if (!attach_lanes_add(&attach->lanes, found->vcpu[i]))
                        return hwaccl_error_set(error, "cannot create the rings of %u vCPUs", found->vcpus);
        look_for_threads(attach);
        if (attach->count == 0)
                return hwaccl_error_set(error, "the process has ended");
        if (attach->count == attach->state.unwatched)
                return hwaccl_error_set(error, "%s", attach->problem.message);
        return start_reader(attach, error);
}

struct vmm_attach *vmm_attach_create(const struct hwaccl_recorder_config *wanted, pid_t process,
                                     const struct kvm_process *found, uint64_t max_exits, struct hwaccl_error *error)
{
        struct vmm_attach *attach = calloc(1, sizeof(*attach));

        if (!attach || pthread_mutex_init(&attach->lock, NULL) != 0) {
                hwaccl_error_set(error, "out of memory");
                free(attach);
                return NULL;
        }
        attach->stamps = stamp_kind_detect();
        attach->lanes = (struct attach_lanes){.several = found->several,
                                              .process = process,
                                              .exits_max = max_exits,
                                              .begin = begin_lane,
                                              .opaque = attach};
        vmm_process_take(&attach->process, process);
        if (allocate(attach, error) && kvm_tracing_open(&attach->formats, NULL, error) &&
            begin(attach, wanted, found, error))
                return attach;
        if (attach->remote)
                (void)remote_finish(attach->remote, HWACCL_END_ERROR, 0, error->message, &(struct hwaccl_error){""});
        destroy(attach);
        return NULL;
}

struct vmm_attach_state vmm_attach_state(struct vmm_attach *attach)
{
        (void)pthread_mutex_lock(&attach->lock);
        struct vmm_attach_state state = attach->state;
        (void)pthread_mutex_unlock(&attach->lock);
        state.vmm_ended = !vmm_process_lives(&attach->process);
        return state;
}

void vmm_attach_dump(struct vmm_attach *attach)
{
        remote_dump(attach->remote);
}

static void annotate(struct vmm_attach *attach)
{
        struct remote_recording *remote = attach->remote;
        char name[32], text[sizeof(attach->problem.message) + 64];

        for (unsigned i = 0; i < attach->lanes.count; i++) {
                (void)snprintf(name, sizeof(name), "host_vcpu_%u", i);
                (void)snprintf(text, sizeof(text), "process %ld, KVM vCPU %" PRIu32,
                               (long)atomic_load(&attach->process.pid), attach_lanes_vcpu_id(&attach->lanes, i));
                remote_annotate(remote, name, text);
        }
        (void)snprintf(text, sizeof(text), "%" PRIu64, attach->lanes.counts.lost);
        if (attach->lanes.counts.lost)
                remote_annotate(remote, "host_kernel_events_lost", text);
        (void)snprintf(text, sizeof(text), "of %u threads, the first: %s", attach->state.unwatched,
                       attach->problem.message);
        if (attach->state.unwatched)
                remote_annotate(remote, "host_kernel_exits_missing", text);
}

bool vmm_attach_finish(struct vmm_attach *attach, unsigned end, uint64_t end_code, const char *end_message,
                       struct vmm_attach_state *last, struct hwaccl_error *error)
{
        atomic_store(&attach->closing, true);
        (void)pthread_join(attach->reader, NULL);
        *last = vmm_attach_state(attach);
        annotate(attach);
        bool good = remote_finish(attach->remote, end, end_code, end_message, error);
        destroy(attach);
        return good;
}
