/* Dispatch: what is to be done about an exit, by the table in exit_reason.h. */
#ifndef HWACCL_DISPATCH_H
#define HWACCL_DISPATCH_H

#include "core/subject/machine_context.h"
#include "hwaccl/error.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/subject_state.h"

/**
 * hwaccl_exit_dispatch - the verdict for the exit in @state
 *
 * A control-register access is handled here, on the state (CR8: in the context); one that cannot be is emulated. TPR
 * below threshold comes from accelerators that let the guest write CR8, which is then the qualification. Any
 * reason with the entry-failure bit set is an entry failure.
 */
enum hwaccl_verdict hwaccl_exit_dispatch(struct hwaccl_subject_state *state, struct hwaccl_machine_context *context);

/**
 * hwaccl_exit_explain - why an exit with verdict ENTRY_FAILURE or UNKNOWN ends the guest, in one line
 *
 * Names the reason (its number where it has no name). For an entry failure, the rules of the SDM's VM-entry checks that
 * @state breaks. Returns false, as hwaccl_error_set() does.
 */
bool hwaccl_exit_explain(const struct hwaccl_subject_state *state, struct hwaccl_error *error);

/**
 * hwaccl_entry_failure_describe - the rules of SDM 3C, 27.3.1 that a guest state breaks, separated by "; "
 * @room: bytes at @text, at least 1; what does not fit is left out
 *
 * Returns how many rules are broken; *text is empty when none is. Checks with "unrestricted guest", as VMMR0 init
 * reports it; paging structures in memory are not looked at.
 */
unsigned hwaccl_entry_failure_describe(const struct hwaccl_subject_state *state, char *text, size_t room);

#endif
