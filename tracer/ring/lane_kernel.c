/* Records of what the kernel's KVM says. */
#include "tracer/ring/lane.h"

bool lane_kernel_exit(struct lane *lane, const struct ring_kernel_exit *what)
{
        struct ring_kernel_exit *record =
                lane_reserve(lane, sizeof(*record), RING_RECORD_KERNEL_EXIT, what->record.extra);

        if (!record)
                return false;
        const struct ring_record head = record->record;
        *record = *what;
        record->record = head;
        ring_publish(&lane->producer);
        return true;
}

bool lane_kernel_event(struct lane *lane, const struct lane_kernel_event *event, uint64_t stamp)
{
        const size_t count = (size_t)__builtin_popcount(event->known);
        struct ring_kernel_event *record = lane_reserve(lane, sizeof(*record) + count * sizeof(uint64_t),
                                                        RING_RECORD_KERNEL_EVENT, (uint8_t)event->kind);
        size_t at = 0;

        if (!record)
                return false;
        record->stamp = stamp;
        record->thread = event->thread;
        record->known = event->known;
        for (unsigned i = 0; i < KERNEL_EVENT_VALUE_MAX; i++)
                if (event->known >> i & 1)
                        record->value[at++] = event->value[i];
        ring_publish(&lane->producer);
        return true;
}
