/* Dispatch: what is to be done about an exit, by the table in exit_reason.h. */
#ifndef HWACCL_DISPATCH_H
#define HWACCL_DISPATCH_H

#include "core/subject/machine_context.h"
#include "hwaccl/error.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/known_fields.h"
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

/* A rule of the entry checks that a state breaks. */
struct hwaccl_broken_rule {
        enum hwaccl_field_index field;
        uint64_t value;
        uint64_t right; /* a value that would keep the rule; @value where that is not one alone */
        char text[80];  /* "GS limit is not ffff in virtual-8086 mode" */
};

/**
 * hwaccl_entry_check - the rules of SDM 3C, 27.3.1 that a guest state breaks
 * @known: rules on other fields are passed over
 * @broken: called for each
 *
 * Returns how many there are. Checks with "unrestricted guest", as VMMR0 init reports it; paging structures in memory
 * are not looked at.
 */
unsigned hwaccl_entry_check(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known,
                            void (*broken)(void *opaque, const struct hwaccl_broken_rule *rule), void *opaque);

/**
 * hwaccl_entry_failure_describe - the same as text, separated by "; "; every field is known
 * @room: bytes at @text, at least 1; what does not fit is left out
 *
 * Returns how many rules are broken; *text is empty when none is.
 */
unsigned hwaccl_entry_failure_describe(const struct hwaccl_subject_state *state, char *text, size_t room);

#endif
