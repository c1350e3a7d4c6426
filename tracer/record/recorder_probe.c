/*
 * The probe: packs what it sees into the ring. No allocation, and no system call unless the ring fills. An exit, what
 * its handling read and what it did are published as they are told: a process that dies in the handling leaves all of
 * them behind.
 */
#include "tracer/record/recorder_internal.h"

#include "tracer/ring/steps.h"

#include <string.h>

/* The exit loop runs through these at every exit, with cold caches: they lie together, in one page. */
#define EXIT_LOOP __attribute__((section(".text.hwaccl_exit_loop")))
__asm__(".pushsection .text.hwaccl_exit_loop, \"ax\", @progbits\n\t.p2align 12\n\t.popsection");

#define AVX2 __attribute__((target("avx2")))

#define WORD_ROUND(size) (((size) + 7) & ~(size_t)7)

static struct hwaccl_recorder *of(struct hwaccl_probe *probe)
{
        return (struct hwaccl_recorder *)(void *)probe;
}

static inline void *reserve(struct hwaccl_recorder *recorder, size_t size, enum ring_record_type type, uint8_t extra)
{
        if (recorder->stopped)
                return NULL;
        ring_publish(&recorder->producer); /* what came before is complete */
        STEP("reserve");
        struct ring_record *record = ring_reserve(&recorder->producer, size, (uint8_t)type, extra);
        if (!record)
                recorder->stopped = true;
        return record;
}

static inline void put_entry(struct hwaccl_recorder *recorder, const struct hwaccl_subject_state *state,
                             uint64_t bitmap)
{
        struct ring_entry *entry = reserve(recorder, sizeof(*entry) + state_delta_size(bitmap), RING_RECORD_ENTRY, 0);

        recorder->phase = RECORDER_IN_GUEST;
        if (!entry)
                return;
        STEP("entry");
        entry->bitmap = bitmap;
        (void)state_delta_pack(bitmap, state, &recorder->last, entry->words);
        recorder->verdict_known = false;
        recorder->whole_entry = false;
        recorder->entry_stamp = stamp_now(recorder->stamp_kind);
}

static void transfer_in(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state)
{
        struct hwaccl_recorder *recorder = of(probe);

        put_entry(recorder, state, recorder->whole_entry ? ~UINT64_C(0) : state_delta_bitmap(state, &recorder->last));
}

static EXIT_LOOP AVX2 void transfer_in_avx2(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state)
{
        struct hwaccl_recorder *recorder = of(probe);

        put_entry(recorder, state,
                  recorder->whole_entry ? ~UINT64_C(0) : state_delta_bitmap_avx2(state, &recorder->last));
}

static EXIT_LOOP void irq_offer(struct hwaccl_probe *probe, uint8_t vector)
{
        struct hwaccl_recorder *recorder = of(probe);
        struct ring_stamped *record = reserve(recorder, sizeof(*record), RING_RECORD_OFFER, vector);

        recorder->entry_stamp = stamp_now(recorder->stamp_kind);
        if (record)
                record->stamp = recorder->entry_stamp;
}

static inline void put_exit(struct hwaccl_recorder *recorder, const struct hwaccl_subject_state *state,
                            const struct hwaccl_pending_interrupts *pending, uint64_t stamp, uint64_t bitmap)
{
        uint64_t words[4];
        uint64_t any = 0;

        for (unsigned i = 0; i < 4; i++)
                any |= words[i] = pending->bits[i];
        struct ring_exit *record =
                reserve(recorder, sizeof(*record) + state_delta_size(bitmap) + (any ? sizeof(words) : 0),
                        RING_RECORD_EXIT, any != 0);
        if (!record)
                return;
        STEP("exit");
        recorder->phase = RECORDER_HANDLING;
        record->entry_stamp = recorder->entry_stamp;
        record->exit_stamp = stamp;
        record->bitmap = bitmap;
        uint64_t *end = state_delta_pack(bitmap, state, &recorder->last, record->words);
        if (any)
                memcpy(end, words, sizeof(words));
        ring_publish(&recorder->producer);
}

static void exit_(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                  const struct hwaccl_pending_interrupts *pending)
{
        struct hwaccl_recorder *recorder = of(probe);
        uint64_t stamp = stamp_now(recorder->stamp_kind);

        put_exit(recorder, state, pending, stamp, state_delta_bitmap(state, &recorder->last));
}

static EXIT_LOOP AVX2 void exit_avx2(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                                     const struct hwaccl_pending_interrupts *pending)
{
        struct hwaccl_recorder *recorder = of(probe);
        uint64_t stamp = stamp_now(recorder->stamp_kind);

        put_exit(recorder, state, pending, stamp, state_delta_bitmap_avx2(state, &recorder->last));
}

/* Most data is a word of guest memory or an instruction: without a call, and without touching the C library's pages. */
static inline void copy(uint8_t *to, const uint8_t *from, uint32_t size)
{
        if (size >= 8 && size <= 16) {
                memcpy(to, from, 8);
                memcpy(to + size - 8, from + size - 8, 8);
        } else if (size) {
                memcpy(to, from, size);
        }
}

static EXIT_LOOP void event(struct hwaccl_recorder *recorder, enum ring_record_type type, uint8_t kind,
                            uint64_t address, uint64_t value, const void *data, uint32_t size)
{
        struct ring_event *record = reserve(recorder, sizeof(*record) + WORD_ROUND(size), type, kind);

        if (!record)
                return;
        record->address = address;
        record->value = value;
        record->size = size;
        record->has_data = data != NULL;
        STEP("event");
        copy(record->data, data, size);
        ring_publish(&recorder->producer);
}

static EXIT_LOOP void input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        struct hwaccl_recorder *recorder = of(probe);

        if (input->kind == HWACCL_INPUT_CLOCK && input->address == 0 && !input->data) {
                struct ring_clock *clock = reserve(recorder, sizeof(*clock), RING_RECORD_CLOCK, 0);
                if (!clock)
                        return;
                clock->value = input->value;
                ring_publish(&recorder->producer);
                return;
        }
        event(recorder, RING_RECORD_INPUT, (uint8_t)input->kind, input->address, input->value, input->data,
              input->data ? input->size : 0);
}

static EXIT_LOOP void table_walk(struct hwaccl_probe *probe, const struct hwaccl_table_entry *entry, size_t count,
                                 uint32_t size)
{
        struct hwaccl_recorder *recorder = of(probe);
        struct ring_walk *walk =
                reserve(recorder, sizeof(*walk) + count * sizeof(*entry), RING_RECORD_WALK, (uint8_t)size);

        if (!walk)
                return;
        STEP("event");
        for (size_t i = 0; i < count; i++)
                walk->entry[i] = entry[i];
        ring_publish(&recorder->producer);
}

static EXIT_LOOP void effect(struct hwaccl_probe *probe, const struct hwaccl_effect *effect)
{
        event(of(probe), RING_RECORD_EFFECT, (uint8_t)effect->kind, effect->address, effect->value, effect->data,
              effect->data ? effect->size : 0);
}

static EXIT_LOOP void verdict(struct hwaccl_probe *probe, enum hwaccl_verdict verdict)
{
        struct hwaccl_recorder *recorder = of(probe);

        recorder->verdict = verdict;
        recorder->verdict_known = true;
}

static EXIT_LOOP void irq_reclaim(struct hwaccl_probe *probe, uint8_t vector, bool taken)
{
        struct hwaccl_recorder *recorder = of(probe);
        struct ring_stamped *record = reserve(recorder, sizeof(*record), RING_RECORD_RECLAIM, taken);

        (void)vector; /* the one that was offered */
        if (!record)
                return;
        record->stamp = stamp_now(recorder->stamp_kind);
        ring_publish(&recorder->producer);
}

uint8_t *recorder_put_bytes(struct hwaccl_recorder *recorder, enum ring_record_type type, size_t size)
{
        struct ring_bytes *record = reserve(recorder, sizeof(*record) + WORD_ROUND(size), type, 0);

        if (!record)
                return NULL;
        record->size = size;
        return record->data;
}

static void snapshot(struct hwaccl_recorder *recorder)
{
        recorder->snapshot_head = recorder->producer.head;
        recorder->whole_entry = true;
        if (recorder->device_count == 0)
                return;
        uint8_t *to = recorder_put_bytes(recorder, RING_RECORD_SNAPSHOT, recorder->device_bytes);
        STEP("snapshot");
        for (size_t i = 0; to && i < recorder->device_count; i++) {
                hwaccl_device_save(recorder->devices[i], to);
                to += hwaccl_device_state_size(recorder->devices[i]);
        }
}

static inline void end_handling(struct hwaccl_recorder *recorder, enum ring_record_type type, uint8_t extra)
{
        uint64_t stamp = stamp_now(recorder->stamp_kind);
        struct ring_handled *record = reserve(recorder, sizeof(*record), type, extra);

        recorder->phase = RECORDER_BETWEEN;
        if (!record)
                return;
        STEP("handled");
        record->stamp = stamp;
        record->verdict = recorder->verdict_known ? (uint64_t)recorder->verdict : RING_VERDICT_UNKNOWN;
}

static EXIT_LOOP bool handled(struct hwaccl_probe *probe, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        struct hwaccl_recorder *recorder = of(probe);

        end_handling(recorder, RING_RECORD_HANDLED, (uint8_t)outcome);
        /* one for size comes between those of the interval, which stay where they are */
        if (--recorder->until_snapshot == 0) {
                recorder->until_snapshot = recorder->keyframe_interval;
                snapshot(recorder);
        } else if (recorder->producer.head - recorder->snapshot_head >= recorder->snapshot_bytes) {
                snapshot(recorder);
        }
        ring_publish(&recorder->producer);
        if (!recorder->stopped)
                ring_complete(&recorder->producer, ++recorder->completed);
        if (__builtin_expect(recorder->stopped || ring_failed(&recorder->ring), 0)) {
                recorder->stopped = true;
                return recorder->sink->ops->error(recorder->sink, error);
        }
        return true;
}

void *recorder_reserve(struct hwaccl_recorder *recorder, size_t size, enum ring_record_type type, uint8_t extra)
{
        return reserve(recorder, size, type, extra);
}

void recorder_close_exit(struct hwaccl_recorder *recorder)
{
        if (recorder->phase == RECORDER_HANDLING)
                end_handling(recorder, RING_RECORD_UNHANDLED, recorder->verdict_known);
        if (!recorder->stopped)
                ring_publish(&recorder->producer);
}

const struct hwaccl_probe_ops recorder_probe_ops = {
        .transfer_in = transfer_in,
        .irq_offer = irq_offer,
        .exit = exit_,
        .verdict = verdict,
        .irq_reclaim = irq_reclaim,
        .input = input,
        .table_walk = table_walk,
        .effect = effect,
        .handled = handled,
};

void recorder_start_probe(struct hwaccl_recorder *recorder)
{
        recorder->ops = recorder_probe_ops;
        if (__builtin_cpu_supports("avx2")) {
                recorder->ops.transfer_in = transfer_in_avx2;
                recorder->ops.exit = exit_avx2;
        }
        recorder->probe.ops = &recorder->ops;
}
