/*
 * An exit as the kernel's kvm_exit describes it, in the terms of the recording: those of VT-x (SDM). AMD's codes (APM
 * volume 2, appendix C) are translated where VT-x has the same; the others are reasons of their own numbers,
 * VENDOR_SVM_REASON + the code. The code itself is recorded in any case.
 */
#ifndef HWACCL_TRACER_KERNEL_VENDOR_EXIT_H
#define HWACCL_TRACER_KERNEL_VENDOR_EXIT_H

#include "hwaccl/trace.h"
#include "tracer/kernel/kvm_event.h"

enum vendor_isa { VENDOR_VMX = 1, VENDOR_SVM = 2 };

/** vendor_exit_state - what is known of the state at an exit. @event: of the kind EXIT. Unknown stays what the event
 * does not say */
void vendor_exit_state(struct hwaccl_trace_state *state, const struct kvm_event *event);

/** vendor_exit_address - *address of the access: at most the event of that exit that @event is says it */
bool vendor_exit_address(uint64_t reason, const struct kvm_event *event, uint64_t *address);

#endif
