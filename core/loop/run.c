/* The run loop: a trip round the loop, what its verdict asks for, and how the guest ends. */
#include "core/exit/dispatch.h"
#include "core/irq/irq_handoff.h"
#include "core/machine/board/board.h"
#include "core/machine/machine.h"
#include "core/subject/transfer.h"

#define RFLAGS_IF UINT64_C(0x200)

static enum hwaccl_outcome emulate(struct hwaccl_machine *machine, struct hwaccl_error *error)
{
        enum hwaccl_outcome outcome =
                hwaccl_emulator_run(machine->emulator, &machine->vcpu.context, &machine->state, error);

        if (outcome == HWACCL_OUTCOME_TRIPLE_FAULT)
                hwaccl_machine_stop(machine, HWACCL_END_TRIPLE_FAULT, 0);
        else if (outcome == HWACCL_OUTCOME_FAILED)
                hwaccl_machine_stop(machine, HWACCL_END_ERROR, 0);
        return outcome;
}

static enum hwaccl_outcome handle(struct hwaccl_machine *machine, enum hwaccl_verdict verdict,
                                  struct hwaccl_error *error)
{
        switch (verdict) {
        case HWACCL_VERDICT_RESUME: return HWACCL_OUTCOME_RESUMED;
        case HWACCL_VERDICT_EMULATE: return emulate(machine, error);
        case HWACCL_VERDICT_TRIPLE_FAULT:
                hwaccl_machine_stop(machine, HWACCL_END_TRIPLE_FAULT, 0);
                return HWACCL_OUTCOME_TRIPLE_FAULT;
        case HWACCL_VERDICT_ENTRY_FAILURE: hwaccl_machine_stop(machine, HWACCL_END_ENTRY_FAILURE, 0); break;
        default: hwaccl_machine_stop(machine, HWACCL_END_ERROR, 0); break;
        }
        hwaccl_exit_explain(&machine->state, error);
        return HWACCL_OUTCOME_FAILED;
}

static void heed_stop_request(struct hwaccl_machine *machine)
{
        enum hwaccl_stop_request request = hwaccl_host_stop_requested(&machine->host);
        if (request != HWACCL_STOP_NONE)
                hwaccl_machine_stop(machine, HWACCL_END_STOPPED, request);
}

static bool over(const struct hwaccl_machine *machine)
{
        return machine->end != HWACCL_END_NONE || machine->host.failed;
}

/* Nothing can wake a processor that ignores interrupts, or one that no device and nobody at the console will interrupt.
 */
static bool dead(struct hwaccl_machine *machine, uint64_t deadline)
{
        struct hwaccl_board *board = hwaccl_board_of(machine);
        bool typing_wakes =
                hwaccl_uart_can_interrupt(&board->uart) && hwaccl_pic_would_interrupt(&board->pic, HWACCL_UART_LINE);

        return !(machine->vcpu.context.rflags & RFLAGS_IF) || (deadline == UINT64_MAX && !typing_wakes);
}

static bool interrupted(struct hwaccl_machine *machine)
{
        return machine->vcpu.context.rflags & RFLAGS_IF && hwaccl_trap_manager_pending(&machine->vcpu.traps);
}

/* HLT: sleep from deadline to deadline until an interrupt comes. */
static void wait_for_interrupt(struct hwaccl_machine *machine)
{
        machine->processor.halted = 1;
        while (!interrupted(machine)) {
                heed_stop_request(machine);
                if (over(machine))
                        return;
                uint64_t deadline = hwaccl_machine_wake_deadline(machine);
                if (dead(machine, deadline)) {
                        hwaccl_machine_stop(machine, HWACCL_END_HALTED, 0);
                        return;
                }
                hwaccl_host_wait(&machine->host, deadline);
                if (over(machine))
                        return;
                hwaccl_machine_advance(machine);
                hwaccl_uart_poll(&hwaccl_board_of(machine)->uart);
        }
        machine->processor.halted = 0;
}

/* The end of an exit's handling: a failure of the host overrides what it led to, the probe has the last word. */
static bool finish(struct hwaccl_machine *machine, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        struct hwaccl_host *host = &machine->host;
        struct hwaccl_probe *probe = host->probe;

        if (host->failed) {
                machine->end = HWACCL_END_ERROR;
                machine->exit_code = 0;
                hwaccl_error_set(error, "%s", host->error.message);
        }
        if (machine->end != HWACCL_END_NONE)
                hwaccl_host_stopped(host, machine->end, machine->exit_code);

        struct hwaccl_error refusal;
        if (probe && !probe->ops->handled(probe, outcome, &refusal) && machine->end != HWACCL_END_ERROR) {
                machine->end = HWACCL_END_ERROR;
                machine->exit_code = 0;
                hwaccl_error_set(error, "%s", refusal.message);
        }
        return machine->end == HWACCL_END_NONE;
}

bool hwaccl_machine_step(struct hwaccl_machine *machine, struct hwaccl_error *error)
{
        struct hwaccl_vcpu *vcpu = &machine->vcpu;
        struct hwaccl_run_request request = {
                .interrupt_window = hwaccl_irq_handoff_blocked(vcpu),
                .deadline_ns = hwaccl_machine_deadline(machine),
        };
        uint64_t exits = vcpu->exit_count;
        enum hwaccl_verdict verdict;

        if (machine->end != HWACCL_END_NONE)
                return false;
        if (!hwaccl_vcpu_run(vcpu, &request, &verdict, error)) {
                hwaccl_machine_stop(machine, HWACCL_END_ERROR, 0);
                bool exited = vcpu->exit_count != exits;
                return exited && finish(machine, HWACCL_OUTCOME_FAILED, error);
        }
        hwaccl_machine_advance(machine);
        if (machine->state.exit_reason == HWACCL_EXIT_EXTERNAL_INTERRUPT)
                hwaccl_uart_poll(&hwaccl_board_of(machine)->uart);

        enum hwaccl_outcome outcome = handle(machine, verdict, error);
        if (outcome == HWACCL_OUTCOME_HALTED && !over(machine))
                wait_for_interrupt(machine);
        else if (!over(machine))
                heed_stop_request(machine);
        return finish(machine, outcome, error);
}

enum hwaccl_end hwaccl_machine_run(struct hwaccl_machine *machine, struct hwaccl_error *error)
{
        while (hwaccl_machine_step(machine, error))
                ;
        hwaccl_machine_close(machine);
        return machine->end;
}

void hwaccl_machine_close(struct hwaccl_machine *machine)
{
        struct hwaccl_probe *probe = machine->host.probe;
        struct hwaccl_error refused;

        /* A context that cannot be transferred was refused with its exit: there is nothing behind it to show. */
        if (probe && hwaccl_transfer_in(&machine->vcpu.context, &machine->state, &refused))
                probe->ops->transfer_in(probe, &machine->state);
}
