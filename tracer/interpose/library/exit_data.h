/* The data of exits: what the guest wrote and what KVM says beside the registers, and what the VMM answers. */
#ifndef HWACCL_INTERPOSE_EXIT_DATA_H
#define HWACCL_INTERPOSE_EXIT_DATA_H

#include "tracer/ring/lane.h"

#include <linux/kvm.h>

/* The mapping of a vCPU. */
struct exit_place {
        const struct kvm_run *run;
        size_t size;
        uint32_t reason; /* KVM_EXIT_* of the exit: the VMM may have written to *run since */
};

/** exit_data_left - at the exit */
void exit_data_left(struct lane *lane, const struct exit_place *place);

/** exit_data_answered - at the next entry */
void exit_data_answered(struct lane *lane, const struct exit_place *place);

#endif
