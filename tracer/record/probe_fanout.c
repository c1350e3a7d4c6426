#include "tracer/record/probe_fanout.h"

#include "core/assert.h"

#include <string.h>

static const struct hwaccl_probe_fanout *of(const struct hwaccl_probe *probe)
{
        return (const struct hwaccl_probe_fanout *)(const void *)probe;
}

static void transfer_in(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state)
{
        const struct hwaccl_probe_fanout *fanout = of(probe);

        for (size_t i = 0; i < fanout->count; i++)
                fanout->member[i]->ops->transfer_in(fanout->member[i], state);
}

static void irq_offer(struct hwaccl_probe *probe, uint8_t vector)
{
        const struct hwaccl_probe_fanout *fanout = of(probe);

        for (size_t i = 0; i < fanout->count; i++)
                fanout->member[i]->ops->irq_offer(fanout->member[i], vector);
}

static void entry(struct hwaccl_probe *probe)
{
        const struct hwaccl_probe_fanout *fanout = of(probe);

        for (size_t i = 0; i < fanout->count; i++)
                hwaccl_probe_entry(fanout->member[i]);
}

static void exit_(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                  const struct hwaccl_pending_interrupts *pending)
{
        const struct hwaccl_probe_fanout *fanout = of(probe);

        for (size_t i = 0; i < fanout->count; i++)
                fanout->member[i]->ops->exit(fanout->member[i], state, pending);
}

static void verdict(struct hwaccl_probe *probe, enum hwaccl_verdict verdict)
{
        const struct hwaccl_probe_fanout *fanout = of(probe);

        for (size_t i = 0; i < fanout->count; i++)
                fanout->member[i]->ops->verdict(fanout->member[i], verdict);
}

static void irq_reclaim(struct hwaccl_probe *probe, uint8_t vector, bool taken)
{
        const struct hwaccl_probe_fanout *fanout = of(probe);

        for (size_t i = 0; i < fanout->count; i++)
                fanout->member[i]->ops->irq_reclaim(fanout->member[i], vector, taken);
}

static void input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        const struct hwaccl_probe_fanout *fanout = of(probe);

        for (size_t i = 0; i < fanout->count; i++)
                fanout->member[i]->ops->input(fanout->member[i], input);
}

static void table_walk(struct hwaccl_probe *probe, const struct hwaccl_table_entry *entry, size_t count, uint32_t size)
{
        const struct hwaccl_probe_fanout *fanout = of(probe);

        for (size_t i = 0; i < fanout->count; i++)
                hwaccl_probe_table_walk(fanout->member[i], entry, count, size);
}

static void effect(struct hwaccl_probe *probe, const struct hwaccl_effect *effect)
{
        const struct hwaccl_probe_fanout *fanout = of(probe);

        for (size_t i = 0; i < fanout->count; i++)
                fanout->member[i]->ops->effect(fanout->member[i], effect);
}

static void wait_(struct hwaccl_probe *probe, bool begins)
{
        const struct hwaccl_probe_fanout *fanout = of(probe);

        for (size_t i = 0; i < fanout->count; i++)
                hwaccl_probe_wait(fanout->member[i], begins);
}

static void fault(struct hwaccl_probe *probe, unsigned index, const struct hwaccl_fault_link *link)
{
        const struct hwaccl_probe_fanout *fanout = of(probe);

        for (size_t i = 0; i < fanout->count; i++)
                if (fanout->member[i]->ops->fault)
                        fanout->member[i]->ops->fault(fanout->member[i], index, link);
}

static bool handled(struct hwaccl_probe *probe, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        const struct hwaccl_probe_fanout *fanout = of(probe);
        bool good = true;

        for (size_t i = 0; i < fanout->count; i++) {
                struct hwaccl_error later;
                if (!fanout->member[i]->ops->handled(fanout->member[i], outcome, good ? error : &later))
                        good = false;
        }
        return good;
}

static const struct hwaccl_probe_ops fanout_ops = {
        .transfer_in = transfer_in,
        .irq_offer = irq_offer,
        .entry = entry,
        .exit = exit_,
        .verdict = verdict,
        .irq_reclaim = irq_reclaim,
        .input = input,
        .table_walk = table_walk,
        .effect = effect,
        .fault = fault,
        .wait = wait_,
        .handled = handled,
};

struct hwaccl_probe *hwaccl_probe_join(struct hwaccl_probe_fanout *fanout, struct hwaccl_probe *const *probes,
                                       size_t count)
{
        hwaccl_assert(count <= HWACCL_PROBE_FANOUT_MAX);
        memset(fanout, 0, sizeof(*fanout));
        fanout->probe.ops = &fanout_ops;
        for (size_t i = 0; i < count; i++)
                if (probes[i])
                        fanout->member[fanout->count++] = probes[i];
        if (fanout->count == 0)
                return NULL;
        return fanout->count == 1 ? fanout->member[0] : &fanout->probe;
}
