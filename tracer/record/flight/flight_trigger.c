/* Evaluates triggers. A trigger needs the state at the exit, and the verdict. */
#include "tracer/record/flight/flight_internal.h"

static bool holds(const struct hwaccl_flight_trigger *trigger, const struct hwaccl_subject_state *state,
                  uint64_t verdict)
{
        uint64_t reason = state->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;

        if (trigger->by_reason && reason != trigger->reason)
                return false;
        if (trigger->by_port) {
                uint64_t port = state->exit_qualification >> 16 & 0xffff;
                if (reason != HWACCL_EXIT_IO_INSTRUCTION || port < trigger->port_first || port > trigger->port_last)
                        return false;
        }
        if (trigger->by_rip && (state->rip < trigger->rip_first || state->rip > trigger->rip_last))
                return false;
        return !trigger->by_verdict || verdict == trigger->verdict;
}

/* Several triggers met at the same exit share one window. */
static const struct hwaccl_flight_trigger *find(struct flight *flight, uint64_t verdict)
{
        const struct hwaccl_flight_trigger *first = NULL;

        for (size_t i = flight->trigger_count; i-- > 0;)
                if (!flight->triggered[i] && holds(&flight->trigger[i], &flight->now.state, verdict)) {
                        flight->triggered[i] = true;
                        first = &flight->trigger[i];
                }
        return first;
}

const struct hwaccl_flight_trigger *flight_trigger_look(struct flight *flight, const struct ring_record *record)
{
        if (!flight->trigger_count)
                return NULL;
        switch (record->type) {
        case RING_RECORD_ENTRY: {
                const struct ring_entry *entry = (const struct ring_entry *)(const void *)record;
                (void)state_delta_apply(entry->bitmap, entry->words, &flight->now);
                return NULL;
        }
        case RING_RECORD_EXIT: {
                const struct ring_exit *exit = (const struct ring_exit *)(const void *)record;
                (void)state_delta_apply(exit->bitmap, exit->words, &flight->now);
                return NULL;
        }
        case RING_RECORD_HANDLED: return find(flight, ((const struct ring_handled *)(const void *)record)->verdict);
        default: return NULL;
        }
}
