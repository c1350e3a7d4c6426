/*
 * Probes receive the observations: one call per step of the exit loop.
 * A NULL probe costs one predictable branch. The recorder implements this interface, and the replay engine,
 * which compares instead of writing.
 */
#ifndef HWACCL_PROBE_H
#define HWACCL_PROBE_H

#include "core/host/inputs.h"
#include "core/subject/pending_interrupts.h"
#include "hwaccl/error.h"
#include "hwaccl/event.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/fault_chain.h"
#include "hwaccl/subject_state.h"

struct hwaccl_probe;

/* Called on the vCPU thread in this order for each exit: transfer_in, irq_offer (if any), exit, input and effect as
 * they happen, verdict, irq_reclaim (if there was an offer), handled. Pointers are valid during the call. */
struct hwaccl_probe_ops {
        /* the state with which the guest will be entered */
        void (*transfer_in)(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state);
        /* a vector was taken from the trap manager or the PIC and set in the pending page */
        void (*irq_offer)(struct hwaccl_probe *probe, uint8_t vector);
        /* immediately before the entry; for time stamps. NULL: the probe uses irq_offer or else transfer_in instead */
        void (*entry)(struct hwaccl_probe *probe);
        /* the guest has stopped: state and pending page as the accelerator left them */
        void (*exit)(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                     const struct hwaccl_pending_interrupts *pending);
        void (*verdict)(struct hwaccl_probe *probe, enum hwaccl_verdict verdict);
        /* the subject took the offered vector, or it was returned to the trap manager */
        void (*irq_reclaim)(struct hwaccl_probe *probe, uint8_t vector, bool taken);
        void (*input)(struct hwaccl_probe *probe, const struct hwaccl_input *input);
        /* page-table entries read in the page walk for an instruction, in one call, because most exits
         * have up to four: @count inputs of the kind HWACCL_INPUT_MEMORY, of @size bytes each (4 or 8). NULL: input()
         * is called for each */
        void (*table_walk)(struct hwaccl_probe *probe, const struct hwaccl_table_entry *entry, size_t count,
                           uint32_t size);
        void (*effect)(struct hwaccl_probe *probe, const struct hwaccl_effect *effect);
        /* a halted guest is about to wait in the host's time, or has waited. NULL: the probe does not ask */
        void (*wait)(struct hwaccl_probe *probe, bool begins);
        /* after the exit of a triple fault, or the handling that caused one: its fault chain, link by link. May be
         * NULL */
        void (*fault)(struct hwaccl_probe *probe, unsigned index, const struct hwaccl_fault_link *link);
        /* the exit is handled and the state of the next entry is in the machine context. Returns false, with *error
         * set, when the guest must stop here: the recording cannot go on, or the replay diverged */
        bool (*handled)(struct hwaccl_probe *probe, enum hwaccl_outcome outcome, struct hwaccl_error *error);
};

/* Implementations embed this as their first member. */
struct hwaccl_probe {
        const struct hwaccl_probe_ops *ops;
};

/** hwaccl_probe_entry - call entry() if @probe has it */
static inline void hwaccl_probe_entry(struct hwaccl_probe *probe)
{
        if (probe->ops->entry)
                probe->ops->entry(probe);
}

/** hwaccl_probe_wait - call wait() where @probe has it */
static inline void hwaccl_probe_wait(struct hwaccl_probe *probe, bool begins)
{
        if (probe->ops->wait)
                probe->ops->wait(probe, begins);
}

/** hwaccl_probe_table_walk - call table_walk() where @probe has it, or else input() for each entry */
static inline void hwaccl_probe_table_walk(struct hwaccl_probe *probe, const struct hwaccl_table_entry *entry,
                                           size_t count, uint32_t size)
{
        if (probe->ops->table_walk) {
                probe->ops->table_walk(probe, entry, count, size);
                return;
        }
        for (size_t i = 0; i < count; i++) {
                const struct hwaccl_input input = {HWACCL_INPUT_MEMORY, entry[i].address, 0, &entry[i].value, size};
                probe->ops->input(probe, &input);
        }
}

#endif
