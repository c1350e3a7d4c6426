/* Where and how the processor starts. Private to the machine. */
#ifndef HWACCL_MACHINE_ENTRY_H
#define HWACCL_MACHINE_ENTRY_H

#include "core/machine/machine.h"

/** hwaccl_machine_check_entry - check that there is something to start, and the entry, which may be from a recording */
bool hwaccl_machine_check_entry(const struct hwaccl_machine_config *config, struct hwaccl_error *error);

/** hwaccl_machine_enter - set the state of the configured entry; no effect with firmware */
void hwaccl_machine_enter(struct hwaccl_machine *machine, struct hwaccl_machine_context *context);

#endif
