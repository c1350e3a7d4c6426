/* Evaluates triggers. A trigger needs the state at the exit, and the verdict where the producer knows one. */
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
static const struct hwaccl_flight_trigger *find(struct flight *flight, const struct flight_lane *lane, uint64_t verdict)
{
        const struct hwaccl_flight_trigger *first = NULL;

        for (size_t i = flight->trigger_count; i-- > 0;)
                if (!flight->triggered[i] && holds(&flight->trigger[i], &lane->now.state, verdict)) {
                        flight->triggered[i] = true;
                        first = &flight->trigger[i];
                }
        return first;
}

/* Of another VMM: it has no verdicts, and may never come back from the handling of an exit. */
static bool is_remote(const struct flight *flight)
{
        return flight->config.vcpu_max > 0;
}

static const struct hwaccl_flight_trigger *end_of_handling(struct flight_lane *lane)
{
        const struct hwaccl_flight_trigger *met = lane->met;

        lane->met = NULL;
        return met;
}

const struct hwaccl_flight_trigger *flight_trigger_look(struct flight *flight, struct flight_lane *lane,
                                                        const struct ring_record *record)
{
        if (!flight->trigger_count)
                return NULL;
        switch (record->type) {
        case RING_RECORD_ENTRY: {
                const struct ring_entry *entry = (const struct ring_entry *)(const void *)record;
                (void)state_delta_apply(entry->bitmap, entry->words, &lane->now);
                return NULL;
        }
        case RING_RECORD_EXIT: {
                const struct ring_exit *exit = (const struct ring_exit *)(const void *)record;
                (void)state_delta_apply(exit->bitmap, exit->words, &lane->now);
                if (is_remote(flight)) {
                        lane->met = find(flight, lane, RING_VERDICT_UNKNOWN);
                        lane->met_waited = false;
                }
                return NULL;
        }
        case RING_RECORD_HANDLED:
                return is_remote(flight)
                               ? end_of_handling(lane)
                               : find(flight, lane, ((const struct ring_handled *)(const void *)record)->verdict);
        case RING_RECORD_UNHANDLED: return end_of_handling(lane);
        default: return NULL;
        }
}

bool flight_trigger_wait(struct flight *flight)
{
        for (unsigned i = 0; i < flight->lane_count; i++) {
                struct flight_lane *lane = &flight->lane[i];
                if (lane->met && lane->met_waited) {
                        lane->due = end_of_handling(lane);
                        return true;
                }
                lane->met_waited = lane->met != NULL;
        }
        return false;
}

struct flight_lane *flight_trigger_due(const struct flight *flight)
{
        struct flight_lane *first = NULL;

        for (unsigned i = 0; i < flight->lane_count; i++) {
                struct flight_lane *lane = &flight->lane[i];
                if (lane->due && (!first || lane->order < first->order))
                        first = lane;
        }
        return first;
}
