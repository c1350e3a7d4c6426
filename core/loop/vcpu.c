#include "core/loop/vcpu.h"

#include "core/exit/dispatch.h"
#include "core/host/probe.h"
#include "core/irq/irq_handoff.h"
#include "core/subject/transfer.h"

#include <string.h>

void hwaccl_vcpu_init(struct hwaccl_vcpu *vcpu, struct hwaccl_subject_state *state,
                      struct hwaccl_pending_interrupts *pending, struct hwaccl_accel *accel, struct hwaccl_host *host,
                      struct hwaccl_interrupt_source *source)
{
        memset(vcpu, 0, sizeof(*vcpu));
        hwaccl_machine_context_reset(&vcpu->context);
        hwaccl_trap_manager_init(&vcpu->traps, source);
        vcpu->state = state;
        vcpu->pending = pending;
        vcpu->accel = accel;
        vcpu->host = host;
}

/* From the machine context to the moment before the guest's next instruction. */
static bool enter(struct hwaccl_vcpu *vcpu, struct hwaccl_probe *probe, struct hwaccl_irq_offer *offer,
                  struct hwaccl_error *error)
{
        if (!hwaccl_transfer_in(&vcpu->context, vcpu->state, error))
                return false;
        if (probe)
                probe->ops->transfer_in(probe, vcpu->state);

        if (!hwaccl_irq_offer(&vcpu->traps, vcpu->state, vcpu->pending, offer, error))
                return false;
        if (probe && offer->made)
                probe->ops->irq_offer(probe, offer->vector);
        return true;
}

static void reclaim(struct hwaccl_vcpu *vcpu, struct hwaccl_probe *probe, const struct hwaccl_irq_offer *offer)
{
        if (!offer->made)
                return;
        bool taken = hwaccl_irq_reclaim(&vcpu->traps, vcpu->pending, offer);
        if (probe)
                probe->ops->irq_reclaim(probe, offer->vector, taken);
}

bool hwaccl_vcpu_run(struct hwaccl_vcpu *vcpu, const struct hwaccl_run_request *request, enum hwaccl_verdict *verdict,
                     struct hwaccl_error *error)
{
        struct hwaccl_probe *probe = vcpu->host->probe;
        struct hwaccl_irq_offer offer;

        if (!enter(vcpu, probe, &offer, error))
                return false;

        if (probe)
                hwaccl_probe_entry(probe);
        if (!vcpu->accel->ops->run(vcpu->accel, vcpu->state, vcpu->pending, request, error))
                return false;
        if (probe)
                probe->ops->exit(probe, vcpu->state, vcpu->pending);
        hwaccl_host_sample_clock(vcpu->host);

        *verdict = hwaccl_exit_dispatch(vcpu->state, &vcpu->context);
        if (probe)
                probe->ops->verdict(probe, *verdict);

        /* A state that the processor refused was never run: the context still is that state. */
        bool left = *verdict == HWACCL_VERDICT_ENTRY_FAILURE || hwaccl_transfer_out(vcpu->state, &vcpu->context, error);
        reclaim(vcpu, probe, &offer);
        if (vcpu->recompiler_flush)
                vcpu->recompiler_flush(vcpu->recompiler);
        vcpu->exit_count++;
        if (!left)
                return hwaccl_error_prefix(error, "%s broke the subject-state ABI", vcpu->accel->ops->name);
        if (vcpu->host->failed)
                return hwaccl_error_set(error, "%s", vcpu->host->error.message);
        return true;
}
