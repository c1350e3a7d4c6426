#include "tracer/kernel/kernel_merge.h"

#include "tracer/database/decoder.h"
#include "tracer/kernel/exit_stream.h"
#include "tracer/kernel/kvm_tracing.h"
#include "tracer/kernel/perf_thread.h"
#include "tracer/ring/lane.h"
#include "tracer/ring/record_buffer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX (UINT64_C(64) << 20) /* bytes, of one exit and its events */

/* Stamps that the kernel's clock is converted to are off by less; two runs of a vCPU are further apart. */
#define TOLERANCE UINT64_C(500)

struct merge_vcpu {
        struct perf_thread *thread[KERNEL_MERGE_THREAD_MAX];
        unsigned thread_count;
        struct exit_stream stream;
        union state_words now; /* the decoder's, between records from here: each source codes against its own */
        struct lane lane;      /* writes to the buffer */
        struct lane_masks masks;
        struct record_buffer buffer;
        bool matched;          /* the stream's first item is of the ring's next exit */
        bool shared;           /* its thread runs other vCPUs too, whose events are in the stream */
        uint64_t patched[128]; /* that exit's record, with the kernel's times */
};

struct kernel_merge {
        struct record_merge source;
        struct kvm_formats formats;
        pthread_mutex_t lock; /* of the following */
        struct kernel_merge_counts counts;
        uint32_t keyframe_interval;
        struct merge_vcpu *vcpu[KERNEL_MERGE_VCPU_MAX];
};

static struct kernel_merge *of(struct record_merge *source)
{
        return (struct kernel_merge *)(void *)source;
}

static struct merge_vcpu *find(struct kernel_merge *merge, uint32_t number)
{
        return number < KERNEL_MERGE_VCPU_MAX ? merge->vcpu[number] : NULL;
}

static struct merge_vcpu *find_or_make(struct kernel_merge *merge, uint32_t number)
{
        struct merge_vcpu *vcpu = find(merge, number);

        if (vcpu || number >= KERNEL_MERGE_VCPU_MAX)
                return vcpu;
        vcpu = aligned_alloc(64, (sizeof(*vcpu) + 63) & ~(size_t)63);
        if (!vcpu)
                return NULL;
        memset(vcpu, 0, sizeof(*vcpu));
        lane_init(&vcpu->lane, STAMP_TSC, merge->keyframe_interval, UINT64_MAX);
        vcpu->lane.masks = &vcpu->masks;
        record_buffer_init(&vcpu->buffer, &vcpu->lane.producer, RECORDS_MAX);
        return merge->vcpu[number] = vcpu;
}

struct put {
        struct kernel_merge *merge;
        struct merge_vcpu *vcpu;
};

static bool put_event(void *opaque, const struct kvm_event *event)
{
        struct put *put = opaque;

        if (event->kind == KERNEL_EVENT_LOST)
                put->merge->counts.lost += event->value[0];
        if (exit_stream_put(&put->vcpu->stream, event))
                return true;
        put->merge->counts.lost++;
        return true; /* out of memory */
}

static void read_events(struct kernel_merge *merge, struct merge_vcpu *vcpu)
{
        struct put put = {merge, vcpu};

        for (unsigned i = 0; i < vcpu->thread_count; i++)
                (void)perf_thread_read(vcpu->thread[i], put_event, &put);
}

static bool ready(struct record_merge *source, const struct decoder *decoder)
{
        struct kernel_merge *merge = of(source);

        (void)pthread_mutex_lock(&merge->lock);
        struct merge_vcpu *vcpu = find(merge, decoder->vcpu);
        if (vcpu)
                read_events(merge, vcpu);
        bool there = vcpu && vcpu->stream.first < vcpu->stream.count;
        (void)pthread_mutex_unlock(&merge->lock);
        return there;
}

/* The lane's records so far, each against the state that this source passed last. */
static bool pass(struct merge_vcpu *vcpu, struct decoder *decoder, struct hwaccl_error *error)
{
        const union state_words rings = decoder->state.now;
        const struct ring_record *record;
        bool good = true;

        decoder->state.now = vcpu->now;
        for (uint64_t at = 0; good && (record = record_buffer_at(&vcpu->lane.producer, at)) != NULL;
             at += (uint64_t)record->words * 8)
                good = decoder_take(decoder, record, error);
        vcpu->now = decoder->state.now;
        decoder->state.now = rings;
        record_buffer_clear(&vcpu->lane.producer);
        return good;
}

static bool pass_item(struct kernel_merge *merge, struct merge_vcpu *vcpu, struct decoder *decoder,
                      const struct exit_item *item, struct hwaccl_error *error)
{
        merge->counts.exits += item->exit != NULL;
        if (!exit_item_write(item, &vcpu->lane))
                return hwaccl_error_set(error, "out of memory");
        return pass(vcpu, decoder, error);
}

/* The kernel gave this exit to the VMM after it had handled another one: that one is passed, what follows stays. */
static struct exit_item without_exit(const struct exit_item *item)
{
        struct exit_item rest = *item;

        rest.event = item->user;
        rest.count = 1;
        rest.entry = rest.exit = NULL;
        return rest;
}

static bool take_match(struct kernel_merge *merge, struct merge_vcpu *vcpu, struct decoder *decoder,
                       struct exit_item *item, struct hwaccl_error *error)
{
        vcpu->matched = true;
        if (!item->exit || exit_item_reached_user(item))
                return true;
        struct exit_item handled = *item;
        handled.user = NULL;
        handled.count--;
        if (!pass_item(merge, vcpu, decoder, &handled, error))
                return false;
        vcpu->stream.first += handled.count;
        *item = without_exit(item);
        return true;
}

static bool pass_until(struct kernel_merge *merge, struct merge_vcpu *vcpu, struct decoder *decoder,
                       const struct ring_exit *exit, struct hwaccl_error *error)
{
        struct exit_item item;

        vcpu->matched = false;
        while (exit_stream_next(&vcpu->stream, false, &item)) {
                if (item.user && item.user->stamp + TOLERANCE >= exit->entry_stamp)
                        return item.user->stamp > exit->exit_stamp + TOLERANCE ||
                               take_match(merge, vcpu, decoder, &item, error);
                if (item.event->stamp > exit->exit_stamp + TOLERANCE)
                        return true;
                /* KVM_RUN may have come back with nothing to record: then the kernel has handled its exit */
                bool others = vcpu->shared && item.event->stamp + TOLERANCE < exit->entry_stamp;
                if (!others && !pass_item(merge, vcpu, decoder, &item, error))
                        return false;
                exit_stream_drop(&vcpu->stream, &item);
        }
        return true;
}

/* What was given to the VMM will be in the ring. */
static bool pass_rest(struct kernel_merge *merge, struct merge_vcpu *vcpu, struct decoder *decoder, bool end,
                      struct hwaccl_error *error)
{
        struct exit_item item;

        while (!vcpu->shared && exit_stream_next(&vcpu->stream, end, &item) && (end || !item.user)) {
                if (!pass_item(merge, vcpu, decoder, &item, error))
                        return false;
                exit_stream_drop(&vcpu->stream, &item);
        }
        return true;
}

/* Of all vCPUs: the last one's value is the recording's. */
static bool pass_losses(struct kernel_merge *merge, struct merge_vcpu *vcpu, struct decoder *decoder,
                        struct hwaccl_error *error)
{
        char text[32];

        (void)snprintf(text, sizeof(text), "%" PRIu64, merge->counts.lost);
        if ((merge->counts.lost && !lane_annotation(&vcpu->lane, "host_kernel_events_lost", text)) ||
            (merge->counts.discarded &&
             !lane_annotation(&vcpu->lane, "host_kernel_events_discarded", "the database could not be written once")))
                return hwaccl_error_set(error, "out of memory");
        return pass(vcpu, decoder, error);
}

static bool before(struct record_merge *source, struct decoder *decoder, const struct ring_exit *exit,
                   struct hwaccl_error *error)
{
        struct kernel_merge *merge = of(source);
        bool good = true;

        (void)pthread_mutex_lock(&merge->lock);
        struct merge_vcpu *vcpu = find(merge, decoder->vcpu);
        if (vcpu) {
                read_events(merge, vcpu); /* all until the exit: its record was written later */
                good = pass_until(merge, vcpu, decoder, exit, error);
        }
        (void)pthread_mutex_unlock(&merge->lock);
        return good;
}

static bool rest(struct record_merge *source, struct decoder *decoder, bool end, struct hwaccl_error *error)
{
        struct kernel_merge *merge = of(source);

        (void)pthread_mutex_lock(&merge->lock);
        struct merge_vcpu *vcpu = find(merge, decoder->vcpu);
        bool good = !vcpu || decoder->state.phase != DECODER_BETWEEN || pass_rest(merge, vcpu, decoder, end, error);
        if (vcpu && end && good)
                good = pass_losses(merge, vcpu, decoder, error);
        (void)pthread_mutex_unlock(&merge->lock);
        return good;
}

static const struct ring_record *with_times(struct merge_vcpu *vcpu, const struct ring_exit *exit,
                                            const struct exit_item *item)
{
        const size_t size = (size_t)exit->record.words * 8;
        struct ring_exit *patched = (struct ring_exit *)(void *)vcpu->patched;

        if (!item->exit || size > sizeof(vcpu->patched))
                return &exit->record;
        memcpy(patched, exit, size);
        const uint64_t entered = item->entry ? item->entry->stamp : exit->entry_stamp;
        if (entered > exit->entry_stamp && item->exit->stamp >= entered && item->exit->stamp < exit->exit_stamp) {
                patched->entry_stamp = entered;
                patched->exit_stamp = item->exit->stamp;
        }
        return &patched->record;
}

static bool take_exit(struct record_merge *source, struct decoder *decoder, const struct ring_exit *exit,
                      struct hwaccl_error *error)
{
        struct kernel_merge *merge = of(source);
        struct exit_item item;

        (void)pthread_mutex_lock(&merge->lock);
        struct merge_vcpu *vcpu = find(merge, decoder->vcpu);
        bool matched = vcpu && vcpu->matched && exit_stream_next(&vcpu->stream, false, &item) && item.user;
        bool good = decoder_take(decoder, matched ? with_times(vcpu, exit, &item) : &exit->record, error);
        if (matched) {
                merge->counts.matched += item.exit != NULL;
                good = good &&
                       (exit_item_write_details(&item, &vcpu->lane) || hwaccl_error_set(error, "out of memory")) &&
                       pass(vcpu, decoder, error);
                exit_stream_drop(&vcpu->stream, &item);
                vcpu->matched = false;
        }
        (void)pthread_mutex_unlock(&merge->lock);
        return good;
}

static void rolled_back(struct record_merge *source)
{
        struct kernel_merge *merge = of(source);

        (void)pthread_mutex_lock(&merge->lock);
        merge->counts.discarded++;
        (void)pthread_mutex_unlock(&merge->lock);
}

struct kernel_merge *kernel_merge_create_without(uint32_t keyframe_interval)
{
        struct kernel_merge *merge = calloc(1, sizeof(*merge));

        if (!merge)
                return NULL;
        if (pthread_mutex_init(&merge->lock, NULL) != 0) {
                free(merge);
                return NULL;
        }
        merge->source = (struct record_merge){ready, before, rest, take_exit, rolled_back};
        merge->keyframe_interval = keyframe_interval;
        return merge;
}

struct kernel_merge *kernel_merge_create(uint32_t keyframe_interval, struct hwaccl_error *error)
{
        struct kernel_merge *merge = kernel_merge_create_without(keyframe_interval);

        if (!merge)
                hwaccl_error_set(error, "out of memory");
        else if (kvm_tracing_open(&merge->formats, NULL, error))
                return merge;
        kernel_merge_destroy(merge);
        return NULL;
}

void kernel_merge_destroy(struct kernel_merge *merge)
{
        for (unsigned i = 0; merge && i < KERNEL_MERGE_VCPU_MAX; i++) {
                struct merge_vcpu *vcpu = merge->vcpu[i];
                for (unsigned t = 0; vcpu && t < vcpu->thread_count; t++)
                        perf_thread_close(vcpu->thread[t]);
                if (!vcpu)
                        continue;
                exit_stream_free(&vcpu->stream);
                record_buffer_free(&vcpu->buffer);
                free(vcpu);
        }
        if (merge)
                (void)pthread_mutex_destroy(&merge->lock);
        free(merge);
}

struct record_merge *kernel_merge_source(struct kernel_merge *merge)
{
        return &merge->source;
}

const struct kvm_formats *kernel_merge_formats(const struct kernel_merge *merge)
{
        return &merge->formats;
}

static bool add_thread(struct merge_vcpu *vcpu, struct perf_thread *thread, struct hwaccl_error *error)
{
        if (!vcpu)
                return hwaccl_error_set(error, "out of memory");
        if (vcpu->thread_count == KERNEL_MERGE_THREAD_MAX)
                return hwaccl_error_set(error, "more than %u threads run one vCPU", KERNEL_MERGE_THREAD_MAX);
        vcpu->thread[vcpu->thread_count++] = thread;
        return true;
}

static bool is_watched(const struct merge_vcpu *vcpu, pid_t thread)
{
        for (unsigned i = 0; vcpu && i < vcpu->thread_count; i++)
                if (perf_thread_number(vcpu->thread[i]) == thread)
                        return true;
        return false;
}

/* A thread that runs several vCPUs has a ring for each, with the events of all. */
static void note_sharing(struct kernel_merge *merge, struct merge_vcpu *vcpu, pid_t thread)
{
        for (unsigned i = 0; i < KERNEL_MERGE_VCPU_MAX; i++)
                if (merge->vcpu[i] && merge->vcpu[i] != vcpu && is_watched(merge->vcpu[i], thread))
                        merge->vcpu[i]->shared = vcpu->shared = true;
}

bool kernel_merge_watch(struct kernel_merge *merge, uint32_t vcpu, pid_t thread, enum stamp_kind stamps,
                        struct hwaccl_error *error)
{
        int reason;

        (void)pthread_mutex_lock(&merge->lock);
        bool there = is_watched(find(merge, vcpu), thread);
        (void)pthread_mutex_unlock(&merge->lock);
        if (there)
                return true;
        struct perf_thread *opened = perf_thread_open(&merge->formats, thread, stamps, &reason, error);
        if (!opened)
                return false;
        (void)pthread_mutex_lock(&merge->lock);
        struct merge_vcpu *made = find_or_make(merge, vcpu);
        bool good = add_thread(made, opened, error);
        if (good)
                note_sharing(merge, made, thread);
        (void)pthread_mutex_unlock(&merge->lock);
        if (!good)
                perf_thread_close(opened);
        return good;
}

struct kernel_merge_counts kernel_merge_counts(struct kernel_merge *merge)
{
        (void)pthread_mutex_lock(&merge->lock);
        const struct kernel_merge_counts counts = merge->counts;
        (void)pthread_mutex_unlock(&merge->lock);
        return counts;
}

bool kernel_merge_put(struct kernel_merge *merge, uint32_t vcpu, const struct kvm_event *event)
{
        struct put put = {merge, NULL};

        (void)pthread_mutex_lock(&merge->lock);
        put.vcpu = find_or_make(merge, vcpu);
        bool good = put.vcpu && put_event(&put, event);
        (void)pthread_mutex_unlock(&merge->lock);
        return good;
}
