/* Task switches: those that exited (SDM 3C, 26.4.2), and those of an instruction that is emulated for another reason.
 */
#include "core/exit/emulate/emulation.h"

#include "core/exit/registers.h"

#include <inttypes.h>

#define QUALIFICATION_SELECTOR     UINT64_C(0xffff)
#define QUALIFICATION_SOURCE_SHIFT 30

/* IDT-vectoring information (SDM 3C, table 25-20), with the error code in the upper half. */
#define VECTORING_VALID      (UINT64_C(1) << 31)
#define VECTORING_VECTOR     UINT64_C(0xff)
#define VECTORING_TYPE_SHIFT 8
#define VECTORING_ERROR_CODE (UINT64_C(1) << 11)
#define VECTORING_CODE_SHIFT 32

enum { TYPE_EXTERNAL, TYPE_NMI = 2, TYPE_HARDWARE, TYPE_SOFTWARE, TYPE_PRIVILEGED, TYPE_SOFTWARE_EXCEPTION };

static bool event_of(const struct hwaccl_subject_state *state, struct hwaccl_event *event)
{
        uint64_t information = state->interrupt_information;
        uint8_t length = (uint8_t)state->instruction_length;

        event->exception.vector = (uint8_t)(information & VECTORING_VECTOR);
        switch (information >> VECTORING_TYPE_SHIFT & 7) {
        case TYPE_EXTERNAL:
        case TYPE_NMI: event->kind = HWACCL_EVENT_EXTERNAL; break;
        case TYPE_HARDWARE:
                event->kind = HWACCL_EVENT_EXCEPTION;
                event->exception.has_error_code = information & VECTORING_ERROR_CODE;
                event->exception.error_code = (uint32_t)(information >> VECTORING_CODE_SHIFT);
                break;
        case TYPE_PRIVILEGED: /* INT1 */
                event->kind = HWACCL_EVENT_EXCEPTION;
                event->length = length;
                break;
        case TYPE_SOFTWARE:
        case TYPE_SOFTWARE_EXCEPTION:
                event->kind = HWACCL_EVENT_SOFTWARE;
                event->length = length;
                break;
        default: return false;
        }
        return information & VECTORING_VALID;
}

/* What the exit says. NULL, or what is wrong with it. */
static const char *read_exit(const struct hwaccl_machine_context *context, const struct hwaccl_subject_state *state,
                             struct hwaccl_task_switch *task)
{
        uint64_t source = state->exit_qualification >> QUALIFICATION_SOURCE_SHIFT;

        *task = (struct hwaccl_task_switch){.source = (enum hwaccl_task_source)(source & 3),
                                            .selector = (uint16_t)(state->exit_qualification & QUALIFICATION_SELECTOR),
                                            .event = {.length = (uint8_t)state->instruction_length}};
        if (!(context->cr0 & HWACCL_CR0_PE) || (context->efer & HWACCL_EFER_LMA))
                return "the processor switches no tasks in this mode";
        if (source > HWACCL_TASK_GATE)
                return "unknown exit qualification";
        if (state->instruction_length > INSTRUCTION_SIZE_MAX && source != HWACCL_TASK_GATE)
                return "invalid instruction length";
        if (source != HWACCL_TASK_GATE)
                return NULL;
        task->event = (struct hwaccl_event){.length = 0};
        if (!event_of(state, &task->event))
                return "the interruption information has no event for the task gate";
        return task->event.length > INSTRUCTION_SIZE_MAX ? "invalid instruction length" : NULL;
}

struct hwaccl_task_debug debug_registers(struct emulation *emulation)
{
        return (struct hwaccl_task_debug){.dr6 = &emulation->processor->dr6, .dr7 = &emulation->processor->dr7};
}

enum hwaccl_outcome switch_tasks(struct emulation *emulation, const struct hwaccl_task_switch *task,
                                 const char **refusal)
{
        struct hwaccl_delivery_observer observer = {hwaccl_fault_chain_add, emulation->faults,
                                                    &emulation->host->failed};
        struct hwaccl_task_debug debug = debug_registers(emulation);

        emulation->faults->count = 0;
        if (!hwaccl_task_switch(emulation->context, emulation->memory, &debug, task, &observer, refusal))
                return *refusal ? HWACCL_OUTCOME_FAILED : HWACCL_OUTCOME_TRIPLE_FAULT;
        return emulation->faults->count ? HWACCL_OUTCOME_EXCEPTION : HWACCL_OUTCOME_COMPLETED;
}

enum hwaccl_outcome task_switch_exit(struct emulation *emulation, const struct hwaccl_subject_state *state,
                                     struct hwaccl_error *error)
{
        enum hwaccl_outcome outcome = HWACCL_OUTCOME_FAILED;
        struct hwaccl_task_switch task;
        const char *refusal = read_exit(emulation->context, state, &task);

        if (!refusal)
                outcome = switch_tasks(emulation, &task, &refusal);
        if (refusal)
                hwaccl_error_set(error,
                                 "cannot switch tasks at %04" PRIx64 ":%08" PRIx64 " (qualification %" PRIx64
                                 "h, interruption information %" PRIx64 "h): %s",
                                 state->cs.selector, state->rip, state->exit_qualification,
                                 state->interrupt_information, refusal);
        return outcome;
}
