/* The LTTng probe: converts the calls of the probe interface to events. An event that is not traced costs a branch; an
 * exit without traced events one or two. */
#include "tracer/lttng/trace_probe.h"

#include "tracer/ring/timestamps.h"

#include "hwaccl/exit_reason.h"

#include <string.h>

static struct hwaccl_lttng *of(struct hwaccl_probe *probe)
{
        return (struct hwaccl_lttng *)(void *)probe;
}

static void keyframe(struct hwaccl_lttng *lttng, const struct hwaccl_subject_state *state)
{
        struct trace_event *event = trace_probe_begin(lttng, TRACE_KEYFRAME);

        if (!event)
                return;
        event->as.keyframe = (struct trace_keyframe){state, lttng->clock, lttng->keyframe_interval};
        trace_probe_emit(lttng);
}

static void transfer(struct hwaccl_lttng *lttng, enum trace_event_kind kind, const struct hwaccl_subject_state *state)
{
        struct trace_event *event = trace_probe_begin(lttng, kind);
        uint64_t words[STATE_WORDS];

        if (!event) {
                lttng->attached = false;
                return;
        }
        uint64_t bitmap = lttng->attached ? state_delta_bitmap(state, &lttng->last) : ~UINT64_C(0);
        (void)state_delta_pack(bitmap, state, &lttng->last, words);
        event->as.transfer = (struct trace_transfer){bitmap, words, (unsigned)state_delta_count(bitmap)};
        trace_probe_emit(lttng);
}

/* A session that starts during a run gets the full context: a recording can begin here. */
static void attach(struct hwaccl_lttng *lttng)
{
        if (lttng->exit > 0) {
                trace_probe_context(lttng, true);
                trace_probe_device_state(lttng, lttng->exit - 1);
        }
}

static void transfer_in(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state)
{
        struct hwaccl_lttng *lttng = of(probe);
        bool attaching = !lttng->attached && trace_probe_on(lttng, TRACE_TRANSFER_IN);

        if (attaching)
                attach(lttng);
        if (--lttng->until_keyframe == 0 || attaching) {
                keyframe(lttng, state);
                trace_probe_thread_time(lttng, RING_THREAD_KEYFRAME);
        }
        if (lttng->until_keyframe == 0)
                lttng->until_keyframe = lttng->keyframe_interval;
        transfer(lttng, TRACE_TRANSFER_IN, state);
        lttng->attached = lttng->attached || attaching;
}

static void irq(struct hwaccl_lttng *lttng, enum trace_event_kind kind, uint8_t vector, bool taken)
{
        struct trace_event *event = trace_probe_begin(lttng, kind);

        if (!event)
                return;
        event->as.irq = (struct trace_irq){stamp_monotonic(), vector, taken};
        trace_probe_emit(lttng);
}

static void irq_offer(struct hwaccl_probe *probe, uint8_t vector)
{
        irq(of(probe), TRACE_IRQ_OFFER, vector, false);
}

static void irq_reclaim(struct hwaccl_probe *probe, uint8_t vector, bool taken)
{
        irq(of(probe), TRACE_IRQ_RECLAIM, vector, taken);
}

static void entry(struct hwaccl_probe *probe)
{
        struct hwaccl_lttng *lttng = of(probe);

        lttng->entered = trace_probe_on(lttng, TRACE_VM_EXIT) ? stamp_monotonic() : 0;
}

static void vm_exit(struct hwaccl_lttng *lttng, const struct hwaccl_subject_state *state,
                    const struct hwaccl_pending_interrupts *pending)
{
        struct trace_event *event = trace_probe_begin(lttng, TRACE_VM_EXIT);
        uint64_t words[4];
        uint64_t any = 0;

        if (!event)
                return;
        uint64_t left = stamp_monotonic();
        for (unsigned i = 0; i < 4; i++)
                any |= words[i] = pending->bits[i];
        /* the session may have started while the guest ran */
        uint64_t entered = lttng->entered ? lttng->entered : left;
        event->as.vm_exit = (struct trace_vm_exit){state, entered, left, words, any ? 4 : 0};
        trace_probe_emit(lttng);
}

/* SDM 3C, table 28-3 */
static void control_register(struct hwaccl_lttng *lttng, const struct hwaccl_subject_state *state)
{
        struct trace_event *event = trace_probe_begin(lttng, TRACE_CONTROL_REGISTER);
        uint64_t qualification = state->exit_qualification;
        const uint64_t general[16] = {state->rax, state->rcx, state->rdx, state->rbx, state->rsp, state->rbp,
                                      state->rsi, state->rdi, state->r8,  state->r9,  state->r10, state->r11,
                                      state->r12, state->r13, state->r14, state->r15};

        if (!event)
                return;
        struct trace_control_register access = {
                .number = qualification & 15,
                .access = qualification >> 4 & 3,
                .general_register = qualification >> 8 & 15,
        };
        if (access.access == 0)
                access.value = general[access.general_register];
        else if (access.access == 3)
                access.value = qualification >> 16 & 0xffff;
        event->as.control_register = access;
        trace_probe_emit(lttng);
}

static void exit_(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                  const struct hwaccl_pending_interrupts *pending)
{
        struct hwaccl_lttng *lttng = of(probe);

        vm_exit(lttng, state, pending);
        transfer(lttng, TRACE_TRANSFER_OUT, state);
        if ((state->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK) == HWACCL_EXIT_CONTROL_REGISTER)
                control_register(lttng, state);
        lttng->handling = true;
        lttng->verdict = TRACE_UNKNOWN;
        lttng->rip = state->rip;
        lttng->code_size = 0;
}

static void value(struct hwaccl_lttng *lttng, enum trace_event_kind kind, const struct trace_value *what)
{
        struct trace_event *event = trace_probe_begin(lttng, kind);

        if (!event)
                return;
        event->as.value = *what;
        trace_probe_emit(lttng);
}

static void input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        struct hwaccl_lttng *lttng = of(probe);
        const struct trace_value what = {(uint8_t)input->kind, input->address, input->value,
                                         input->data != NULL,  input->data,    input->data ? input->size : 0};

        if (input->kind == HWACCL_INPUT_CLOCK) {
                lttng->clock = input->value;
        } else if (input->kind == HWACCL_INPUT_INSTRUCTION && what.size && what.size <= sizeof(lttng->code)) {
                memcpy(lttng->code, input->data, what.size);
                lttng->code_size = what.size;
        }
        value(lttng, TRACE_INPUT, &what);
}

static void effect(struct hwaccl_probe *probe, const struct hwaccl_effect *effect)
{
        const struct trace_value what = {(uint8_t)effect->kind, effect->address, effect->value,
                                         effect->data != NULL,  effect->data,    effect->data ? effect->size : 0};

        value(of(probe), TRACE_EFFECT, &what);
}

static void wait_(struct hwaccl_probe *probe, bool begins)
{
        trace_probe_thread_time(of(probe), begins ? RING_THREAD_WAIT : RING_THREAD_RESUMED);
}

static void fault(struct hwaccl_probe *probe, unsigned index, const struct hwaccl_fault_link *link)
{
        struct trace_event *event = trace_probe_begin(of(probe), TRACE_FAULT);

        if (!event)
                return;
        event->as.fault = (struct trace_fault){(uint8_t)index, *link};
        trace_probe_emit(of(probe));
}

static void verdict(struct hwaccl_probe *probe, enum hwaccl_verdict verdict)
{
        of(probe)->verdict = (uint8_t)verdict;
}

static void emulate(struct hwaccl_lttng *lttng, enum hwaccl_outcome outcome)
{
        struct trace_event *event = trace_probe_begin(lttng, TRACE_EMULATE);

        if (!event)
                return;
        event->as.emulate = (struct trace_emulate){lttng->rip, (uint8_t)outcome, lttng->code, lttng->code_size};
        trace_probe_emit(lttng);
}

/* Trace the device state after this exit, the last one before a keyframe. */
static void keyframe_due(struct hwaccl_lttng *lttng)
{
        if (--lttng->until_context == 0) {
                lttng->until_context = TRACE_CONTEXT_KEYFRAMES;
                trace_probe_context(lttng, true);
        }
        trace_probe_device_state(lttng, lttng->exit - 1);
}

static bool handled(struct hwaccl_probe *probe, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        struct hwaccl_lttng *lttng = of(probe);

        (void)error;
        if (lttng->verdict == HWACCL_VERDICT_EMULATE)
                emulate(lttng, outcome);
        struct trace_event *event = trace_probe_begin(lttng, TRACE_HANDLED);
        if (event) {
                event->as.handled = (struct trace_handled){lttng->verdict, (uint8_t)outcome, stamp_monotonic()};
                trace_probe_emit(lttng);
        }
        lttng->handling = false;
        lttng->exit++;
        if (lttng->until_keyframe == 1)
                keyframe_due(lttng);
        if (!lttng->attached && !trace_probe_any(lttng))
                trace_probe_idle(lttng);
        return true;
}

const struct hwaccl_probe_ops trace_probe_ops = {
        .transfer_in = transfer_in,
        .irq_offer = irq_offer,
        .entry = entry,
        .exit = exit_,
        .verdict = verdict,
        .irq_reclaim = irq_reclaim,
        .input = input,
        .effect = effect,
        .fault = fault,
        .wait = wait_,
        .handled = handled,
};

/*
 * While no event is traced, an exit counts as one event, so that a trace that begins later shows that something is
 * missing. Each entry checks one event, in addition to the one that an import needs of every exit.
 */
static void idle_transfer_in(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state)
{
        struct hwaccl_lttng *lttng = of(probe);

        if (!trace_probe_on(lttng, TRACE_TRANSFER_IN) &&
            !trace_probe_on(lttng, (enum trace_event_kind)(lttng->exit % TRACE_EVENT_COUNT)))
                return;
        trace_probe_wake(lttng);
        transfer_in(probe, state);
}

static void idle_exit(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                      const struct hwaccl_pending_interrupts *pending)
{
        (void)state;
        (void)pending;
        of(probe)->handling = true;
}

/* The next keyframe has it. */
static void idle_input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        if (input->kind == HWACCL_INPUT_CLOCK)
                of(probe)->clock = input->value;
}

static bool idle_handled(struct hwaccl_probe *probe, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        struct hwaccl_lttng *lttng = of(probe);

        (void)outcome;
        (void)error;
        lttng->handling = false;
        lttng->exit++;
        return true;
}

static void idle_entry(struct hwaccl_probe *probe)
{
        (void)probe;
}

static void idle_verdict(struct hwaccl_probe *probe, enum hwaccl_verdict verdict)
{
        (void)probe;
        (void)verdict;
}

static void idle_irq_offer(struct hwaccl_probe *probe, uint8_t vector)
{
        (void)probe;
        (void)vector;
}

static void idle_irq_reclaim(struct hwaccl_probe *probe, uint8_t vector, bool taken)
{
        (void)probe;
        (void)vector;
        (void)taken;
}

static void idle_effect(struct hwaccl_probe *probe, const struct hwaccl_effect *effect)
{
        (void)probe;
        (void)effect;
}

static const struct hwaccl_probe_ops idle_ops = {
        .transfer_in = idle_transfer_in,
        .irq_offer = idle_irq_offer,
        .entry = idle_entry,
        .exit = idle_exit,
        .verdict = idle_verdict,
        .irq_reclaim = idle_irq_reclaim,
        .input = idle_input,
        .effect = idle_effect,
        .handled = idle_handled,
};

void trace_probe_idle(struct hwaccl_lttng *lttng)
{
        lttng->idle = lttng->exit;
        lttng->attached = false;
        lttng->probe.ops = &idle_ops;
}

void trace_probe_wake(struct hwaccl_lttng *lttng)
{
        uint32_t interval = lttng->keyframe_interval;

        if (lttng->probe.ops != &idle_ops)
                return;
        lttng->probe.ops = &trace_probe_ops;
        lttng->sequence += lttng->exit - lttng->idle + 1;
        lttng->entered = 0;
        lttng->until_keyframe = lttng->exit ? interval - (uint32_t)((lttng->exit - 1) % interval) : 1;
        lttng->until_context = TRACE_CONTEXT_KEYFRAMES;
}
