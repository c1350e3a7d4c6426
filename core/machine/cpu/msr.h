/* Model-specific registers that the processor keeps: reset values and what may be in them. */
#ifndef HWACCL_MACHINE_MODEL_SPECIFIC_H
#define HWACCL_MACHINE_MODEL_SPECIFIC_H

#include "core/machine/cpu/processor.h"

void processor_model_specific_reset(struct hwaccl_processor *processor);

/* Could WRMSR have left every register as it is? False with *error naming the one that is wrong. */
bool processor_model_specific_valid(const struct hwaccl_processor *processor, struct hwaccl_error *error);

#endif
