/* Where and how the processor starts. Private to the machine. */
#ifndef HWACCL_MACHINE_ENTRY_H
#define HWACCL_MACHINE_ENTRY_H

#include "core/machine/machine.h"

/** hwaccl_machine_check_entry - is there something to start, and could it be? The entry may be from a recording */
bool hwaccl_machine_check_entry(const struct hwaccl_machine_config *config, struct hwaccl_error *error);

/** hwaccl_machine_enter - from the reset state to the state of the configured entry; none needed with firmware */
void hwaccl_machine_enter(struct hwaccl_machine *machine, struct hwaccl_machine_context *context);

#endif
