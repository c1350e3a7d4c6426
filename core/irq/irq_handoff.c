#include "core/irq/irq_handoff.h"

#include "core/subject/transfer.h"

#define RFLAGS_IF UINT64_C(0x200)

static bool can_take(uint64_t interruptibility, uint64_t rflags)
{
        return !(interruptibility & ~(uint64_t)HWACCL_INTERRUPTIBILITY_NMI) && (rflags & RFLAGS_IF);
}

bool hwaccl_irq_offer(struct hwaccl_trap_manager *traps, const struct hwaccl_subject_state *state,
                      struct hwaccl_pending_interrupts *pending, struct hwaccl_irq_offer *offer,
                      struct hwaccl_error *error)
{
        bool interrupt = hwaccl_trap_manager_pending(traps) && can_take(state->interruptibility, state->rflags);

        offer->made = false;
        if (hwaccl_trap_manager_nmi(traps) && (!interrupt || !state->interruptibility)) {
                traps->source->nmi = 0;
                hwaccl_pending_interrupts_set(pending, HWACCL_VECTOR_NMI);
                *offer = (struct hwaccl_irq_offer){true, HWACCL_VECTOR_NMI};
                return true;
        }
        if (!interrupt)
                return true;

        uint8_t vector = hwaccl_trap_manager_take(traps);
        if (vector == HWACCL_VECTOR_NMI)
                return hwaccl_error_set(error, "the interrupt controller gave vector 2, which is the NMI's: it cannot "
                                               "be handed to the guest as an interrupt");
        hwaccl_pending_interrupts_set(pending, vector);
        *offer = (struct hwaccl_irq_offer){true, vector};
        return true;
}

bool hwaccl_irq_reclaim(struct hwaccl_trap_manager *traps, struct hwaccl_pending_interrupts *pending,
                        const struct hwaccl_irq_offer *offer)
{
        if (!hwaccl_pending_interrupts_test(pending, offer->vector))
                return true;
        hwaccl_pending_interrupts_clear(pending, offer->vector);
        if (offer->vector == HWACCL_VECTOR_NMI)
                traps->source->nmi = 1;
        else
                hwaccl_trap_manager_restore(traps, offer->vector);
        return false;
}

bool hwaccl_irq_handoff_blocked(struct hwaccl_trap_manager *traps, const struct hwaccl_machine_context *context,
                                const struct hwaccl_subject_state *state)
{
        return hwaccl_trap_manager_pending(traps) &&
               (hwaccl_trap_manager_nmi(traps) ||
                !can_take(hwaccl_transfer_interruptibility(context, state), context->rflags));
}
