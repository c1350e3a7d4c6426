/*
 * KVM_INTERRUPT as an IRQ handoff: the VMM, whose interrupt controller is its own, gives KVM a vector for the guest. It
 * is offered at the next entry, and at each further one until an exit shows that the guest has it.
 */
#ifndef HWACCL_INTERPOSE_INTERRUPT_H
#define HWACCL_INTERPOSE_INTERRUPT_H

#include "tracer/ring/lane.h"

#include <linux/kvm.h>

struct interrupt_offer {
        bool open;
        uint8_t vector;
        bool direct;    /* the next entry injects it: KVM keeps none back */
        uint64_t stamp; /* of the call */
};

/** interrupt_offered - after an entry */
void interrupt_offered(struct lane *lane, const struct interrupt_offer *offer);

/** interrupt_settle - in the exit after it: taken, or still with KVM: then it stays open
 * @events: after KVM_RUN */
void interrupt_settle(struct lane *lane, struct interrupt_offer *offer, const struct kvm_run *run,
                      const struct kvm_vcpu_events *events, uint64_t stamp);

#endif
