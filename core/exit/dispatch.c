#include "core/exit/dispatch.h"

#include "core/exit/control_register.h"

#include <inttypes.h>
#include <stdio.h>

#define REASON_KNOWN_BITS (UINT64_C(0) | HWACCL_EXIT_REASON_BASIC_MASK | HWACCL_EXIT_REASON_ENTRY_FAILURE)

/* VM-exit interruption information: valid, and of type NMI (SDM 3C, table 25-19). */
#define INFORMATION_KIND UINT64_C(0x80000700)
#define INFORMATION_NMI  UINT64_C(0x80000200)

/* And the whole of it for a debug exception: valid, a hardware exception, vector 1. */
#define INFORMATION_WHOLE UINT64_C(0x800007ff)
#define INFORMATION_DEBUG UINT64_C(0x80000301)

#define CR8_DEFINED UINT64_C(0xf)

static uint64_t basic_reason(const struct hwaccl_subject_state *state)
{
        return state->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
}

enum hwaccl_verdict hwaccl_exit_dispatch(struct hwaccl_subject_state *state, struct hwaccl_machine_context *context)
{
        if (state->exit_reason & ~REASON_KNOWN_BITS)
                return HWACCL_VERDICT_UNKNOWN;
        if (state->exit_reason & HWACCL_EXIT_REASON_ENTRY_FAILURE)
                return HWACCL_VERDICT_ENTRY_FAILURE;
        switch (basic_reason(state)) {
        case HWACCL_EXIT_CONTROL_REGISTER:
                if (!hwaccl_control_register_access(state, context))
                        return HWACCL_VERDICT_EMULATE;
                break;
        case HWACCL_EXIT_EXCEPTION_OR_NMI: /* the host's NMI is over; no exception but #DB is intercepted */
                if ((state->interrupt_information & INFORMATION_WHOLE) == INFORMATION_DEBUG)
                        return HWACCL_VERDICT_EMULATE;
                if ((state->interrupt_information & INFORMATION_KIND) != INFORMATION_NMI)
                        return HWACCL_VERDICT_UNKNOWN;
                break;
        case HWACCL_EXIT_TPR_BELOW_THRESHOLD:
                context->cr8 = state->exit_qualification & CR8_DEFINED;
                context->tpr_sub_class = 0;
                break;
        default: break;
        }
        return hwaccl_exit_reason_verdict(basic_reason(state));
}

static bool explain_guest_state(const struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        char rules[400];
        char qualification[48] = "";

        if (state->exit_qualification)
                (void)snprintf(qualification, sizeof(qualification), ", qualification %" PRIx64,
                               state->exit_qualification);
        if (hwaccl_entry_failure_describe(state, rules, sizeof(rules)))
                return hwaccl_error_set(error, "the processor refused the guest's state%s (SDM 3C, 27.3.1): %s",
                                        qualification, rules);
        return hwaccl_error_set(error,
                                "the processor refused the guest's state, qualification %" PRIx64
                                ": no rule for registers and segments is broken (SDM 3C, 27.3.1)",
                                state->exit_qualification);
}

bool hwaccl_exit_explain(const struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        uint64_t reason = basic_reason(state);
        bool entry_failure = hwaccl_exit_reason_verdict(reason) == HWACCL_VERDICT_ENTRY_FAILURE;
        const char *name = hwaccl_exit_reason_name(reason);

        if (state->exit_reason & ~REASON_KNOWN_BITS)
                return hwaccl_error_set(error, "unknown exit reason %" PRIx64 "h at rip %" PRIx64, state->exit_reason,
                                        state->rip);
        if (reason == HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE)
                return explain_guest_state(state, error);
        if (reason == HWACCL_EXIT_ENTRY_FAILURE_MSR_LOADING)
                return hwaccl_error_set(error, "the processor refused entry %" PRIu64 " of the MSRs to load",
                                        state->exit_qualification);
        if (entry_failure || (state->exit_reason & HWACCL_EXIT_REASON_ENTRY_FAILURE))
                return hwaccl_error_set(error,
                                        "the processor could not enter the guest: reason %" PRIu64
                                        " (%s), qualification %" PRIx64 "h",
                                        reason, name ? name : "unknown", state->exit_qualification);
        if (name)
                return hwaccl_error_set(
                        error, "unhandled exit reason %" PRIu64 " (%s), qualification %" PRIx64 "h, at rip %" PRIx64,
                        reason, name, state->exit_qualification, state->rip);
        return hwaccl_error_set(error, "unknown exit reason %" PRIu64 ", qualification %" PRIx64 "h, at rip %" PRIx64,
                                reason, state->exit_qualification, state->rip);
}
