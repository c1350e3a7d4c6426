/*
 * The core's probe: what it sees goes through a lane into the ring. No allocation, and no system call unless the ring
 * fills. An exit, its inputs and its effects are published immediately, so that they survive if the process dies in the
 * handling.
 */
#include "tracer/record/recorder_internal.h"

/* These functions run at every exit with cold caches; one section keeps them in one page. */
#define EXIT_LOOP __attribute__((section(".text.hwaccl_exit_loop")))
__asm__(".pushsection .text.hwaccl_exit_loop, \"ax\", @progbits\n\t.p2align 12\n\t.popsection");

static struct hwaccl_recorder *of(struct hwaccl_probe *probe)
{
        return (struct hwaccl_recorder *)(void *)probe;
}

static struct lane *lane_of(struct hwaccl_probe *probe)
{
        return &of(probe)->lane;
}

/* The core knows its state as a whole. */
static inline struct hwaccl_known_state all_of(const struct hwaccl_subject_state *state)
{
        return (struct hwaccl_known_state){state, NULL};
}

static void transfer_in(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state)
{
        struct lane *lane = lane_of(probe);

        if (lane_entry_sse2(lane, all_of(state)))
                lane->entry_stamp = lane_now(lane);
}

static EXIT_LOOP STATE_DELTA_AVX2 void transfer_in_avx2(struct hwaccl_probe *probe,
                                                        const struct hwaccl_subject_state *state)
{
        struct lane *lane = lane_of(probe);

        if (lane_entry_avx2(lane, all_of(state)))
                lane->entry_stamp = lane_now(lane);
}

static EXIT_LOOP void irq_offer(struct hwaccl_probe *probe, uint8_t vector)
{
        struct lane *lane = lane_of(probe);

        lane->entry_stamp = lane_now(lane);
        (void)lane_offer(lane, vector, lane->entry_stamp);
}

/* NULL: no interrupt is pending. */
static inline const uint64_t *pending_words(const struct hwaccl_pending_interrupts *pending, uint64_t words[4])
{
        uint64_t any = 0;

        for (unsigned i = 0; i < 4; i++)
                any |= words[i] = pending->bits[i];
        return any ? words : NULL;
}

static void exit_(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                  const struct hwaccl_pending_interrupts *pending)
{
        struct lane *lane = lane_of(probe);
        uint64_t stamp = lane_now(lane);
        uint64_t words[4];

        (void)lane_exit_sse2(lane, all_of(state), pending_words(pending, words), stamp);
}

static EXIT_LOOP STATE_DELTA_AVX2 void exit_avx2(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                                                 const struct hwaccl_pending_interrupts *pending)
{
        struct lane *lane = lane_of(probe);
        uint64_t stamp = lane_now(lane);
        uint64_t words[4];

        (void)lane_exit_avx2(lane, all_of(state), pending_words(pending, words), stamp);
}

static EXIT_LOOP void input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        (void)lane_input(lane_of(probe), input);
}

static EXIT_LOOP void table_walk(struct hwaccl_probe *probe, const struct hwaccl_table_entry *entry, size_t count,
                                 uint32_t size)
{
        (void)lane_page_walk(lane_of(probe), entry, count, size);
}

static EXIT_LOOP void effect(struct hwaccl_probe *probe, const struct hwaccl_effect *effect)
{
        (void)lane_effect(lane_of(probe), effect);
}

static void fault(struct hwaccl_probe *probe, unsigned index, const struct hwaccl_fault_link *link)
{
        (void)lane_fault(lane_of(probe), index, link);
}

static EXIT_LOOP void verdict(struct hwaccl_probe *probe, enum hwaccl_verdict verdict)
{
        lane_verdict(lane_of(probe), verdict);
}

/* The vector is the one that was offered. */
static EXIT_LOOP void irq_reclaim(struct hwaccl_probe *probe, uint8_t vector, bool taken)
{
        struct lane *lane = lane_of(probe);

        (void)vector;
        (void)lane_reclaim(lane, taken, lane_now(lane));
}

static EXIT_LOOP void wait_(struct hwaccl_probe *probe, bool begins)
{
        (void)lane_thread_time(lane_of(probe), begins ? RING_THREAD_WAIT : RING_THREAD_RESUMED);
}

void recorder_snapshot(struct hwaccl_recorder *recorder, bool end)
{
        if (recorder->device_count == 0)
                return;
        uint8_t *to = lane_snapshot(&recorder->lane, recorder->device_bytes, end);
        STEP("snapshot");
        for (size_t i = 0; to && i < recorder->device_count; i++) {
                hwaccl_device_save(recorder->devices[i], to);
                to += hwaccl_device_state_size(recorder->devices[i]);
        }
}

static EXIT_LOOP bool handled(struct hwaccl_probe *probe, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        struct hwaccl_recorder *recorder = of(probe);
        struct lane *lane = &recorder->lane;

        (void)lane_handled(lane, outcome, lane_now(lane));
        if (lane_keyframe_due(lane))
                recorder_snapshot(recorder, false);
        lane_complete(lane);
        if (__builtin_expect(lane_failed(lane), 0)) {
                lane->stopped = true;
                return recorder->sink->ops->error(recorder->sink, error);
        }
        return true;
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
        .fault = fault,
        .wait = wait_,
        .handled = handled,
};

void recorder_start_probe(struct hwaccl_recorder *recorder)
{
        recorder->ops = recorder_probe_ops;
        if (recorder->lane.avx2) {
                recorder->ops.transfer_in = transfer_in_avx2;
                recorder->ops.exit = exit_avx2;
        }
        recorder->probe.ops = &recorder->ops;
}
