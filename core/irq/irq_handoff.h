/*
 * The IRQ handoff: a vector is offered to the subject through the pending-interrupts page before a run, and what the
 * subject did not take is reclaimed after it.
 */
#ifndef HWACCL_IRQ_HANDOFF_H
#define HWACCL_IRQ_HANDOFF_H

#include "core/irq/trap_manager.h"
#include "core/subject/machine_context.h"
#include "core/subject/pending_interrupts.h"
#include "hwaccl/error.h"
#include "hwaccl/subject_state.h"

#include <stdbool.h>
#include <stdint.h>

/* What stands between an offer and its reclaim. */
struct hwaccl_irq_offer {
        bool made;
        uint8_t vector; /* set in the pending page, when made */
};

/**
 * hwaccl_irq_offer - hand a pending interrupt to the subject, if it can take one
 * @state: after transfer in
 *
 * Offers when an interrupt is pending, nothing blocks it and RFLAGS.IF is set: the vector leaves the trap manager (or
 * is acknowledged at the interrupt controller) and its bit is set in the pending page. An NMI comes first when the
 * guest can take it; one that is blocked is offered too where no interrupt is, and the accelerator holds it until the
 * guest's IRET. Its vector stands for it: an interrupt controller that answers with that vector is an error.
 */
bool hwaccl_irq_offer(struct hwaccl_trap_manager *traps, const struct hwaccl_subject_state *state,
                      struct hwaccl_pending_interrupts *pending, struct hwaccl_irq_offer *offer,
                      struct hwaccl_error *error);

/**
 * hwaccl_irq_reclaim - settle an offer that was made, after the run
 *
 * Returns true when the subject took the vector. When its bit is still set, the bit is cleared, the vector becomes the
 * trap manager's active trap again (an NMI: pending again), and false is returned.
 */
bool hwaccl_irq_reclaim(struct hwaccl_trap_manager *traps, struct hwaccl_pending_interrupts *pending,
                        const struct hwaccl_irq_offer *offer);

/**
 * hwaccl_irq_handoff_blocked - is an interrupt pending that the next trip cannot offer, or not beside an NMI?
 *
 * For the run loop, before a trip: ask for an interrupt-window exit (struct hwaccl_run_request) when it is.
 */
bool hwaccl_irq_handoff_blocked(struct hwaccl_trap_manager *traps, const struct hwaccl_machine_context *context,
                                const struct hwaccl_subject_state *state);

#endif
