/* The run loop: one exit after another, what each verdict requires, and the end of the guest. */
#include "core/exit/dispatch.h"
#include "core/exit/emulate/emulator.h"
#include "core/irq/irq_handoff.h"
#include "core/loop/vcpu_internal.h"
#include "core/machine/board/board.h"
#include "core/machine/machine.h"
#include "core/subject/transfer.h"

#include <string.h>

#define RFLAGS_IF UINT64_C(0x200)

static void report_faults(struct hwaccl_vcpu *vcpu, const struct hwaccl_fault_chain *chain)
{
        struct hwaccl_probe *probe = vcpu->host.probe;

        if (probe && probe->ops->fault)
                for (unsigned i = 0; i < chain->count; i++)
                        probe->ops->fault(probe, i, &chain->link[i]);
}

static enum hwaccl_outcome emulate(struct hwaccl_vcpu *vcpu, struct hwaccl_error *error)
{
        enum hwaccl_outcome outcome = hwaccl_emulator_run(vcpu->emulator, &vcpu->context, vcpu->state, error);

        if (outcome == HWACCL_OUTCOME_TRIPLE_FAULT) {
                report_faults(vcpu, hwaccl_emulator_faults(vcpu->emulator));
                hwaccl_board_stop(vcpu->board, HWACCL_END_TRIPLE_FAULT, 0);
        } else if (outcome == HWACCL_OUTCOME_FAILED) {
                hwaccl_board_stop(vcpu->board, HWACCL_END_ERROR, 0);
        }
        return outcome;
}

static enum hwaccl_outcome handle(struct hwaccl_vcpu *vcpu, enum hwaccl_verdict verdict, struct hwaccl_error *error)
{
        switch (verdict) {
        case HWACCL_VERDICT_RESUME: return HWACCL_OUTCOME_RESUMED;
        case HWACCL_VERDICT_EMULATE: return emulate(vcpu, error);
        case HWACCL_VERDICT_TRIPLE_FAULT:
                if (vcpu->accel->ops->faults)
                        report_faults(vcpu, vcpu->accel->ops->faults(vcpu->accel));
                hwaccl_board_stop(vcpu->board, HWACCL_END_TRIPLE_FAULT, 0);
                return HWACCL_OUTCOME_TRIPLE_FAULT;
        case HWACCL_VERDICT_ENTRY_FAILURE: hwaccl_board_stop(vcpu->board, HWACCL_END_ENTRY_FAILURE, 0); break;
        default: hwaccl_board_stop(vcpu->board, HWACCL_END_ERROR, 0); break;
        }
        hwaccl_exit_explain(vcpu->state, error);
        return HWACCL_OUTCOME_FAILED;
}

static void heed_stop_request(struct hwaccl_vcpu *vcpu)
{
        enum hwaccl_stop_request request = hwaccl_host_stop_requested(&vcpu->host);
        if (request != HWACCL_STOP_NONE)
                hwaccl_board_stop(vcpu->board, HWACCL_END_STOPPED, request);
}

static bool has_ended(const struct hwaccl_vcpu *vcpu)
{
        return vcpu->board->end != HWACCL_END_NONE || vcpu->host.failed;
}

static bool interrupts_enabled(const struct hwaccl_vcpu *vcpu)
{
        return vcpu->context.rflags & RFLAGS_IF;
}

/* Nothing can wake a processor that neither a device nor the console will interrupt. */
static bool can_never_wake(const struct hwaccl_vcpu *vcpu, uint64_t deadline)
{
        return deadline == UINT64_MAX && !hwaccl_machine_console_can_wake(vcpu->machine, interrupts_enabled(vcpu));
}

static bool interrupted(struct hwaccl_vcpu *vcpu)
{
        bool nmi =
                hwaccl_trap_manager_nmi(&vcpu->traps) && !(vcpu->state->interruptibility & HWACCL_INTERRUPTIBILITY_NMI);

        return nmi || hwaccl_machine_has_init(vcpu->machine) ||
               (interrupts_enabled(vcpu) && hwaccl_trap_manager_pending(&vcpu->traps));
}

/* From deadline to deadline until an interrupt comes. @probe learns when the host begins to sleep; NULL: it does not
 * sleep. Returns whether it did. */
static bool sleep_until_interrupt(struct hwaccl_vcpu *vcpu, struct hwaccl_probe *probe)
{
        bool slept = false;

        while (!interrupted(vcpu)) {
                heed_stop_request(vcpu);
                if (has_ended(vcpu))
                        return slept;
                uint64_t deadline = hwaccl_board_wake_deadline(vcpu->board, interrupts_enabled(vcpu));
                if (can_never_wake(vcpu, deadline)) {
                        hwaccl_board_stop(vcpu->board, HWACCL_END_HALTED, 0);
                        return slept;
                }
                if (probe && !slept)
                        hwaccl_probe_wait(probe, true);
                slept = true;
                hwaccl_host_wait(&vcpu->host, deadline);
                if (has_ended(vcpu))
                        return slept;
                hwaccl_board_advance(vcpu->board);
                hwaccl_machine_poll_console(vcpu->machine);
        }
        hwaccl_machine_set_halted(vcpu->machine, false);
        return slept;
}

/* HLT */
static void wait_for_interrupt(struct hwaccl_vcpu *vcpu)
{
        struct hwaccl_probe *probe = vcpu->host.inputs->sleeps ? vcpu->host.probe : NULL;

        hwaccl_machine_set_halted(vcpu->machine, true);
        if (sleep_until_interrupt(vcpu, probe) && probe)
                hwaccl_probe_wait(probe, false);
}

/* An INIT that arrived takes effect between two instructions. */
static void take_init(struct hwaccl_vcpu *vcpu)
{
        if (!hwaccl_machine_has_init(vcpu->machine))
                return;
        hwaccl_machine_take_init(vcpu->machine);
        vcpu->state->interruptibility = 0;
}

/* End the handling of an exit: a failure of the host overrides its outcome; the probe may stop the guest. */
static bool finish(struct hwaccl_vcpu *vcpu, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        struct hwaccl_board *board = vcpu->board;
        struct hwaccl_host *host = &vcpu->host;
        struct hwaccl_probe *probe = host->probe;

        if (host->failed) {
                board->end = HWACCL_END_ERROR;
                board->exit_code = 0;
                hwaccl_error_set(error, "%s", host->error.message);
        }
        if (board->end != HWACCL_END_NONE)
                hwaccl_host_stopped(host, board->end, board->exit_code);

        struct hwaccl_error refusal;
        if (probe && !probe->ops->handled(probe, outcome, &refusal) && board->end != HWACCL_END_ERROR) {
                board->end = HWACCL_END_ERROR;
                board->exit_code = 0;
                hwaccl_error_set(error, "%s", refusal.message);
        }
        return board->end == HWACCL_END_NONE;
}

#define DR7_ENABLED UINT64_C(0xff)

/* False when the guest has enabled none. */
static bool take_breakpoints(const struct hwaccl_vcpu *vcpu, struct hwaccl_breakpoints *breakpoints)
{
        const struct hwaccl_processor *processor = hwaccl_machine_processor(vcpu->machine);

        if (!(processor->dr7 & DR7_ENABLED))
                return false;
        memcpy(breakpoints->address, processor->dr, sizeof(breakpoints->address));
        breakpoints->dr7 = processor->dr7;
        return true;
}

bool hwaccl_vcpu_step(struct hwaccl_vcpu *vcpu, struct hwaccl_error *error)
{
        struct hwaccl_run_request request = {
                .interrupt_window = hwaccl_irq_handoff_blocked(&vcpu->traps, &vcpu->context, vcpu->state),
                .deadline_ns = hwaccl_board_deadline(vcpu->board),
                .device_page = hwaccl_processor_apic_page(hwaccl_machine_processor(vcpu->machine)),
        };
        uint64_t exits = vcpu->exit_count;
        struct hwaccl_breakpoints breakpoints;
        enum hwaccl_verdict verdict;

        if (take_breakpoints(vcpu, &breakpoints))
                request.breakpoints = &breakpoints;
        if (vcpu->board->end != HWACCL_END_NONE)
                return false;
        if (!hwaccl_vcpu_trip(vcpu, &request, &verdict, error)) {
                hwaccl_board_stop(vcpu->board, HWACCL_END_ERROR, 0);
                bool exited = vcpu->exit_count != exits;
                return exited && finish(vcpu, HWACCL_OUTCOME_FAILED, error);
        }
        hwaccl_board_advance(vcpu->board);
        if (vcpu->state->exit_reason == HWACCL_EXIT_EXTERNAL_INTERRUPT)
                hwaccl_machine_poll_console(vcpu->machine);

        enum hwaccl_outcome outcome = handle(vcpu, verdict, error);
        if (outcome == HWACCL_OUTCOME_HALTED && !has_ended(vcpu))
                wait_for_interrupt(vcpu);
        else if (!has_ended(vcpu))
                heed_stop_request(vcpu);
        take_init(vcpu);
        return finish(vcpu, outcome, error);
}

enum hwaccl_end hwaccl_vcpu_run(struct hwaccl_vcpu *vcpu, struct hwaccl_error *error)
{
        struct hwaccl_error refused; /* with its exit: there is nothing behind it to show */

        while (hwaccl_vcpu_step(vcpu, error))
                ;
        (void)hwaccl_vcpu_close(vcpu, &refused);
        return vcpu->board->end;
}

bool hwaccl_vcpu_close(struct hwaccl_vcpu *vcpu, struct hwaccl_error *error)
{
        struct hwaccl_probe *probe = vcpu->host.probe;

        if (!hwaccl_transfer_in(&vcpu->context, vcpu->state, error))
                return false;
        if (probe)
                probe->ops->transfer_in(probe, vcpu->state);
        return true;
}
