/* Lanes of an embedding VMM's threads that run no vCPU: added while the others record. */
#include "tracer/record/trace_internal.h"

#include "tracer/record/recorder_internal.h"
#include "tracer/record/writer.h"
#include "tracer/ring/consumer.h"

#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(HWACCL_TRACE_THREAD_NAME_MAX == RING_LANE_NAME_MAX, "name of a thread");
_Static_assert(HWACCL_TRACE_VCPU_MAX + HWACCL_TRACE_THREAD_MAX <= RING_FILES_MAX, "a ring for each");

static bool open_ring(struct hwaccl_trace *trace, struct ring *ring, struct hwaccl_error *error)
{
        const struct hwaccl_recorder_config config = {.path = trace->path,
                                                      .mode = trace->mode,
                                                      .keyframe_interval = trace->keyframe_interval,
                                                      .ring_size = TRACE_THREAD_RING_SIZE,
                                                      .sink = &recorder_writer};
        const uint32_t number = trace->thread_count;

        bool mine = consumer_block_file_size_signal();
        bool good = recorder_create_ring(ring, &config, trace->vcpu_count + number, LANE_THREAD_FIRST + number, error);
        consumer_unblock_file_size_signal(mine);
        if (!good)
                return false;
        if (trace->sink->ops->add(trace->sink, ring, error))
                return true;
        ring_destroy(ring, true);
        return false;
}

/* Who writes the lane is its first record. */
static void introduce(struct lane *lane, const char *name)
{
        char known[RING_LANE_NAME_MAX + 1] = "";

        if (!name)
                (void)pthread_getname_np(pthread_self(), known, sizeof(known));
        else
                memcpy(known, name, trace_text_size(name, RING_LANE_NAME_MAX));
        (void)lane_thread(lane, (uint64_t)getpid(), (uint64_t)syscall(SYS_gettid), known);
}

static struct hwaccl_trace_thread *add_thread(struct hwaccl_trace *trace, const char *name, struct hwaccl_error *error)
{
        struct hwaccl_trace_thread *thread = &trace->thread[trace->thread_count];

        memset(thread, 0, sizeof(*thread));
        if (!open_ring(trace, &thread->ring, error))
                return NULL;
        trace->thread_count++;
        lane_init(&thread->lane, trace->vcpu[0].lane.stamp_kind, trace->keyframe_interval, UINT64_MAX);
        thread->lane.sequence = &trace->sequence;
        ring_producer_init(&thread->lane.producer, &thread->ring);
        introduce(&thread->lane, name);
        return thread;
}

struct hwaccl_trace_thread *hwaccl_trace_thread(struct hwaccl_trace *trace, const char *name,
                                                struct hwaccl_error *error)
{
        struct hwaccl_trace_thread *thread = NULL;

        if (!trace) {
                hwaccl_error_set(error, "no recording (NULL handle)");
                return NULL;
        }
        if (pthread_mutex_lock(&trace->lock) != 0) {
                hwaccl_error_set(error, "cannot lock the recording");
                return NULL;
        }
        if (trace->thread_count == trace->thread_max)
                hwaccl_error_set(error, "there are %u threads already: config.thread_max", trace->thread_max);
        else
                thread = add_thread(trace, name, error);
        (void)pthread_mutex_unlock(&trace->lock);
        return thread;
}

void trace_end_threads(struct hwaccl_trace *trace)
{
        for (uint32_t i = 0; i < trace->thread_count; i++)
                lane_end(&trace->thread[i].lane);
}
