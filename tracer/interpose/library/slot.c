#include "tracer/interpose/library/slot.h"

#include "tracer/interpose/futex.h"
#include "tracer/interpose/library/process.h"

#include <fcntl.h>
#include <unistd.h>

uint32_t slot_take(struct interpose_control *control, _Atomic uint32_t *taken)
{
        uint32_t number = atomic_fetch_add(taken, 1);

        atomic_fetch_add(&control->asked, 1);
        futex_wake(&control->asked);
        return number;
}

/* The recorder creates the ring: milliseconds, while the VMM is still being set up. */
static bool wait_for_ring(struct interpose_slot *slot)
{
        while (atomic_load_explicit(&slot->state, memory_order_acquire) == INTERPOSE_SLOT_WAITING) {
                if (process_recorder_gone())
                        return false;
                futex_wait(&slot->state, INTERPOSE_SLOT_WAITING, 100);
        }
        return atomic_load_explicit(&slot->state, memory_order_acquire) == INTERPOSE_SLOT_READY;
}

bool slot_attach(struct interpose_slot *slot, struct interpose_control *control, struct ring *ring, struct lane *lane)
{
        struct hwaccl_error error;

        atomic_store(&slot->pid, process_number());
        if (!wait_for_ring(slot))
                return false;
        int fd = open(slot->ring_path, O_RDWR | O_CLOEXEC);
        bool good = fd >= 0 && ring_attach(ring, fd, &error);
        if (fd >= 0)
                (void)close(fd);
        if (!good)
                return false;
        ring->consumer_gone = process_recorder_gone;
        ring->may_sleep = process_may_sleep;
        enum stamp_kind stamps = ring->header->stamp_kind == STAMP_TSC ? STAMP_TSC : STAMP_MONOTONIC;
        lane_init(lane, stamps, control->keyframe_interval, control->keyframe_bytes);
        lane->sequence = &control->sequence;
        ring_producer_init(&lane->producer, ring);
        return true;
}
