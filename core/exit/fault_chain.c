/* Events that follow from one another: what a fault in a delivery becomes, and the chain that an observer keeps. */
#include "core/exit/task_switch.h"

#include <string.h>

void hwaccl_fault_chain_add(void *chain, const struct hwaccl_fault_link *link)
{
        struct hwaccl_fault_chain *to = chain;

        if (to->count == HWACCL_FAULT_CHAIN_MAX)
                memmove(to->link, to->link + 1, --to->count * sizeof(*to->link));
        to->link[to->count++] = *link;
}

static bool is_contributory(uint8_t vector)
{
        return vector == HWACCL_VECTOR_DE || (vector >= HWACCL_VECTOR_TS && vector <= HWACCL_VECTOR_GP);
}

bool hwaccl_event_combine(const struct hwaccl_event *first, const struct hwaccl_exception *second,
                          struct hwaccl_event *next)
{
        bool exception = first->kind == HWACCL_EVENT_EXCEPTION;
        uint8_t vector = first->exception.vector;
        bool severe = is_contributory(second->vector) || second->vector == HWACCL_VECTOR_PF;

        if (exception && vector == HWACCL_VECTOR_DF && severe)
                return false;
        bool doubles = exception && ((is_contributory(vector) && is_contributory(second->vector)) ||
                                     (vector == HWACCL_VECTOR_PF && severe));
        *next = (struct hwaccl_event){.kind = HWACCL_EVENT_EXCEPTION, .exception = *second};
        if (doubles)
                next->exception = (struct hwaccl_exception){HWACCL_VECTOR_DF, true, 0, 0};
        return true;
}

void hwaccl_event_describe(struct hwaccl_fault_link *link, const struct hwaccl_event *event,
                           const struct hwaccl_machine_context *before)
{
        link->rip = before->rip;
        link->cs = (uint16_t)before->segment[HWACCL_CS].selector;
        link->source = (uint8_t)event->kind;
        link->vector = event->exception.vector;
        if (event->kind != HWACCL_EVENT_EXCEPTION)
                return;
        if (event->exception.has_error_code) {
                link->error_code = event->exception.error_code;
                link->has |= HWACCL_FAULT_HAS_ERROR_CODE;
        }
        if (event->exception.vector == HWACCL_VECTOR_PF) {
                link->cr2 = event->exception.fault_address;
                link->has |= HWACCL_FAULT_HAS_CR2;
        }
}

void hwaccl_event_describe_raised(struct hwaccl_fault_link *link, const struct hwaccl_exception *fault)
{
        link->raised = fault->vector;
        link->has |= HWACCL_FAULT_HAS_RAISED;
        if (fault->has_error_code) {
                link->raised_error_code = fault->error_code;
                link->has |= HWACCL_FAULT_HAS_RAISED_ERROR_CODE;
        }
        if (fault->vector == HWACCL_VECTOR_PF) {
                link->raised_cr2 = fault->fault_address;
                link->has |= HWACCL_FAULT_HAS_RAISED_CR2;
        }
}
