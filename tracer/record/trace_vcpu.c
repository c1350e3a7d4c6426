/* One vCPU of another VMM: packs the events of its thread into its ring. No allocation; a system call only when the
 * ring fills. */
#include "tracer/record/trace_internal.h"

#include <string.h>

/* False without a handle: the recording could not be opened, and the VMM continues without it. */
static bool alive(const struct hwaccl_trace_vcpu *vcpu)
{
        return vcpu && !lane_failed(&vcpu->lane);
}

/* *known: room for the words that the caller gave, with the bits that are fields. */
static struct hwaccl_known_state given(const struct hwaccl_trace_state *state, struct hwaccl_known_fields *known)
{
        if (!state)
                return (struct hwaccl_known_state){NULL, NULL};
        *known = hwaccl_known_fields_of_words(state->known);
        return (struct hwaccl_known_state){&state->values, known};
}

bool hwaccl_trace_vcpu_entry(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_trace_state *state)
{
        struct hwaccl_known_fields known;

        if (!alive(vcpu) || vcpu->lane.phase == LANE_IN_GUEST)
                return false;
        struct lane *lane = &vcpu->lane;
        if (lane->phase == LANE_HANDLING)
                (void)hwaccl_trace_vcpu_handled(vcpu, HWACCL_TRACE_OUTCOME_UNKNOWN);
        vcpu->current = vcpu->next;
        vcpu->next.there = false;
        vcpu->snapshots = 0;
        vcpu->due = false;
        bool good = lane_entry(lane, given(state, &known)) &&
                    (!vcpu->current.there || lane_offer(lane, vcpu->current.vector, vcpu->current.stamp));
        lane->entry_stamp = lane_now(lane);
        return good;
}

static bool write_settlement(struct hwaccl_trace_vcpu *vcpu, uint64_t stamp)
{
        if (!lane_reclaim(&vcpu->lane, vcpu->current.taken, stamp))
                return false;
        vcpu->current.there = false;
        return true;
}

bool hwaccl_trace_vcpu_exit(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_trace_state *state)
{
        struct hwaccl_known_fields known;

        if (!alive(vcpu))
                return false;
        struct lane *lane = &vcpu->lane;
        uint64_t stamp = lane_now(lane);
        if (lane->phase != LANE_IN_GUEST) {
                if (!hwaccl_trace_vcpu_entry(vcpu, NULL))
                        return false;
                lane->entry_stamp = stamp;
        }
        vcpu->run_there = false;
        lane->exit_sequence = lane_next(lane);
        return lane_exit(lane, given(state, &known), NULL, stamp) &&
               (!vcpu->current.there || !vcpu->current.settled || write_settlement(vcpu, stamp));
}

bool hwaccl_trace_vcpu_verdict(struct hwaccl_trace_vcpu *vcpu, unsigned verdict)
{
        if (!alive(vcpu) || vcpu->lane.phase != LANE_HANDLING || verdict >= HWACCL_VERDICT_COUNT)
                return false;
        lane_verdict(&vcpu->lane, (enum hwaccl_verdict)verdict);
        return true;
}

bool hwaccl_trace_vcpu_handled(struct hwaccl_trace_vcpu *vcpu, unsigned outcome)
{
        if (!alive(vcpu) || vcpu->lane.phase != LANE_HANDLING ||
            (outcome >= HWACCL_OUTCOME_COUNT && outcome != HWACCL_TRACE_OUTCOME_UNKNOWN))
                return false;
        vcpu->current.there = false;
        struct lane *lane = &vcpu->lane;
        (void)lane_handled(lane, outcome, lane_now(lane));
        vcpu->due = lane_keyframe_due(lane);
        lane_complete(lane);
        return alive(vcpu);
}

static bool offer(struct hwaccl_trace_vcpu *vcpu, uint8_t vector, bool taken)
{
        if (!alive(vcpu))
                return false;
        struct lane *lane = &vcpu->lane;
        const struct trace_offer new = {
                .there = true, .vector = vector, .settled = taken, .taken = taken, .stamp = lane_now(lane)};
        if (lane->phase != LANE_IN_GUEST) {
                vcpu->next = new;
                return true;
        }
        if (!lane_offer(lane, vector, new.stamp))
                return false;
        vcpu->current = new;
        return true;
}

bool hwaccl_trace_vcpu_irq_offered(struct hwaccl_trace_vcpu *vcpu, uint8_t vector)
{
        return offer(vcpu, vector, false);
}

bool hwaccl_trace_vcpu_irq_injected(struct hwaccl_trace_vcpu *vcpu, uint8_t vector)
{
        return offer(vcpu, vector, true);
}

static bool is_open(const struct trace_offer *offer, uint8_t vector)
{
        return offer->there && !offer->settled && offer->vector == vector;
}

static bool settle(struct hwaccl_trace_vcpu *vcpu, uint8_t vector, bool taken)
{
        if (!alive(vcpu))
                return false;
        struct lane *lane = &vcpu->lane;
        struct trace_offer *settled = is_open(&vcpu->current, vector) ? &vcpu->current : &vcpu->next;
        if (!is_open(settled, vector))
                return false;
        settled->settled = true;
        settled->taken = taken;
        if (settled == &vcpu->next || lane->phase != LANE_HANDLING)
                return true; /* written with the exit */
        return write_settlement(vcpu, lane_now(lane));
}

bool hwaccl_trace_vcpu_irq_taken(struct hwaccl_trace_vcpu *vcpu, uint8_t vector)
{
        return settle(vcpu, vector, true);
}

bool hwaccl_trace_vcpu_irq_returned(struct hwaccl_trace_vcpu *vcpu, uint8_t vector)
{
        return settle(vcpu, vector, false);
}

static bool may_take(const struct hwaccl_trace_vcpu *vcpu, const void *data, size_t size)
{
        return alive(vcpu) && vcpu->lane.phase == LANE_HANDLING && size <= HWACCL_TRACE_DATA_MAX && (data || size == 0);
}

bool hwaccl_trace_vcpu_input(struct hwaccl_trace_vcpu *vcpu, unsigned kind, uint64_t address, uint64_t value,
                             const void *data, size_t size)
{
        const struct hwaccl_input input = {(enum hwaccl_input_kind)kind, address, value, data, (uint32_t)size};

        if (!may_take(vcpu, data, size) || kind >= HWACCL_INPUT_KIND_COUNT)
                return false;
        if (kind == HWACCL_TRACE_INPUT_CLOCK) {
                if (value < vcpu->clock)
                        return false;
                vcpu->clock = value;
        }
        return lane_input(&vcpu->lane, &input);
}

bool hwaccl_trace_vcpu_effect(struct hwaccl_trace_vcpu *vcpu, unsigned kind, uint64_t address, uint64_t value,
                              const void *data, size_t size)
{
        const struct hwaccl_effect effect = {(enum hwaccl_effect_kind)kind, address, value, data, (uint32_t)size};

        if (!may_take(vcpu, data, size) || kind >= HWACCL_EFFECT_KIND_COUNT)
                return false;
        return lane_effect(&vcpu->lane, &effect);
}

bool hwaccl_trace_vcpu_kvm_run(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_kvm_run *run)
{
        if (!alive(vcpu) || vcpu->lane.phase != LANE_HANDLING || vcpu->run_there || !run || run->reserved)
                return false;
        vcpu->run_there = true;
        return lane_kvm_run(&vcpu->lane, run);
}

bool hwaccl_trace_vcpu_snapshot_due(const struct hwaccl_trace_vcpu *vcpu)
{
        return alive(vcpu) && vcpu->lane.phase == LANE_BETWEEN && vcpu->due;
}

bool hwaccl_trace_vcpu_snapshot(struct hwaccl_trace_vcpu *vcpu, const char *name, const void *data, size_t size)
{
        if (!alive(vcpu) || vcpu->lane.phase != LANE_BETWEEN || !name || !data || size < 1 ||
            size > HWACCL_TRACE_SNAPSHOT_MAX || vcpu->snapshots == TRACE_SNAPSHOT_PARTS_MAX)
                return false;
        const size_t name_size = strnlen(name, HWACCL_TRACE_SNAPSHOT_NAME_MAX + 1);
        if (name_size < 1 || name_size > HWACCL_TRACE_SNAPSHOT_NAME_MAX)
                return false;
        for (uint32_t i = 0; i < vcpu->snapshots; i++)
                if (strcmp(vcpu->snapshot[i], name) == 0)
                        return false;
        memcpy(vcpu->snapshot[vcpu->snapshots++], name, name_size + 1);
        return lane_vmm_state(&vcpu->lane, name, name_size, data, size);
}

size_t trace_text_size(const char *text, size_t most)
{
        size_t size = strnlen(text, most + 1);

        if (size <= most)
                return size;
        for (size = most; size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80; size--)
                ;
        return size;
}

bool hwaccl_trace_vcpu_mark(struct hwaccl_trace_vcpu *vcpu, const char *text)
{
        if (!alive(vcpu) || !text)
                return false;
        return lane_mark(&vcpu->lane, text, trace_text_size(text, HWACCL_TRACE_MARK_MAX), lane_now(&vcpu->lane));
}
