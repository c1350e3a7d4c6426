#include "tracer/interpose/library/interrupt.h"

void interrupt_offered(struct lane *lane, const struct interrupt_offer *offer)
{
        (void)lane_offer(lane, offer->vector, offer->stamp);
}

/*
 * KVM keeps an injected interrupt until its delivery is complete: where an exit interrupted that, or came before the
 * guest ran, it is injected again. With a split interrupt controller it may wait in another place that nothing shows,
 * for a guest that takes no interrupts; then only KVM's readiness for the next one tells that it is gone.
 */
void interrupt_settle(struct lane *lane, struct interrupt_offer *offer, const struct kvm_run *run,
                      const struct kvm_vcpu_events *events, uint64_t stamp)
{
        if (events->interrupt.injected && events->interrupt.nr == offer->vector)
                return;
        offer->open = false;
        if (offer->direct || run->ready_for_interrupt_injection)
                (void)lane_reclaim(lane, true, stamp);
}
