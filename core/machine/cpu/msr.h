/* The MSRs that the processor keeps: reset values and what may be in them. */
#ifndef HWACCL_MACHINE_MSR_H
#define HWACCL_MACHINE_MSR_H

#include "core/machine/cpu/processor.h"

void hwaccl_processor_msr_reset(struct hwaccl_processor *processor);

/* Could WRMSR have left every MSR as it is? False with *error naming the one that is wrong. */
bool hwaccl_processor_msr_valid(const struct hwaccl_processor *processor, struct hwaccl_error *error);

#endif
