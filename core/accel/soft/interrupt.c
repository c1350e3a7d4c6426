#include "core/accel/soft/interrupt.h"

#include "core/exit/registers.h"
#include "core/irq/trap_manager.h"
#include "core/subject/transfer.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <string.h>

static bool read_physical(void *opaque, uint64_t address, void *buffer, size_t size)
{
        return hwaccl_guest_memory_read(opaque, address, buffer, size);
}

/* Walks write accessed and dirty bits, and those into ROM are dropped as the hardware drops them. */
static bool write_physical(void *opaque, uint64_t address, const void *data, size_t size)
{
        struct hwaccl_guest_memory *memory = opaque;
        return hwaccl_guest_memory_write(memory, address, data, size, false) ||
               hwaccl_guest_memory_covers(memory, address, size);
}

struct hwaccl_physical_memory soft_physical(const struct soft *soft)
{
        return (struct hwaccl_physical_memory){
                .read = read_physical, .write = write_physical, .opaque = soft->memory.guest};
}

bool soft_context(const struct soft *soft, struct hwaccl_machine_context *context)
{
        memset(context, 0, sizeof(*context));
        return hwaccl_transfer_out(soft->state, context, soft->error);
}

static bool access_linear(const struct hwaccl_machine_context *context, struct soft *soft, uint64_t linear,
                          void *buffer, unsigned size, bool write, struct hwaccl_exception *exception)
{
        struct hwaccl_physical_memory memory = soft_physical(soft);
        unsigned access = (write ? HWACCL_ACCESS_WRITE : HWACCL_ACCESS_READ) | HWACCL_ACCESS_SET_ACCESSED;
        uint8_t *at = buffer;

        while (size) {
                struct hwaccl_translation translation;
                if (!hwaccl_page_walk(context, &memory, linear, access, &translation, exception))
                        return false;
                unsigned rest = HWACCL_PAGE_SIZE - (unsigned)(linear % HWACCL_PAGE_SIZE);
                unsigned part = rest < size ? rest : size;
                *exception = (struct hwaccl_exception){0};
                if (write ? !memory.write(memory.opaque, translation.physical, at, part)
                          : !memory.read(memory.opaque, translation.physical, at, part))
                        return false;
                at += part;
                linear += part;
                size -= part;
        }
        return true;
}

bool soft_access(const struct hwaccl_machine_context *context, struct soft *soft, enum hwaccl_segment_register segment,
                 uint64_t offset, void *buffer, unsigned size, bool write, struct hwaccl_exception *exception)
{
        uint64_t linear;
        unsigned access = write ? HWACCL_ACCESS_WRITE : HWACCL_ACCESS_READ;

        return hwaccl_segment_translate(context, segment, offset, size, access, &linear, exception) &&
               access_linear(context, soft, linear, buffer, size, write, exception);
}

bool soft_read_linear(const struct hwaccl_machine_context *context, struct soft *soft, uint64_t linear, void *buffer,
                      unsigned size)
{
        struct hwaccl_exception exception;
        return access_linear(context, soft, linear, buffer, size, false, &exception);
}

/* What the delivery of an event may change. */
static void take_back(const struct hwaccl_machine_context *context, struct hwaccl_subject_state *state)
{
        for (unsigned i = 0; i < HWACCL_GENERAL_REGISTER_COUNT; i++)
                *soft_general(state, i) = context->gpr[i];
        state->rip = context->rip;
        state->rflags = context->rflags;
        state->cr2 = context->cr2;
        state->cs = context->segment[HWACCL_CS];
        state->ss = context->segment[HWACCL_SS];
        state->ds = context->segment[HWACCL_DS];
        state->es = context->segment[HWACCL_ES];
        state->fs = context->segment[HWACCL_FS];
        state->gs = context->segment[HWACCL_GS];
}

#define INT_N                0xcdu
#define VECTORING_VALID      (UINT64_C(1) << 31)
#define VECTORING_ERROR_CODE (UINT64_C(1) << 11)

/* IDT-vectoring information, and its error code in the upper half (SDM 3C, table 25-20). */
static uint64_t vectoring_information(const struct soft *soft, const struct hwaccl_event *event)
{
        const struct hwaccl_exception *exception = &event->exception;
        uint64_t type = 0; /* external interrupt */

        if (event->kind == HWACCL_EVENT_SOFTWARE)
                type = soft->site->opcode == INT_N ? 4 : 6; /* INT3, INTO */
        else if (event->kind == HWACCL_EVENT_EXCEPTION)
                type = event->length ? 5 : 3; /* INT1; hardware exception */
        else if (exception->vector == HWACCL_VECTOR_NMI)
                type = 2;
        uint64_t information = VECTORING_VALID | type << 8 | exception->vector;
        if (event->kind == HWACCL_EVENT_EXCEPTION && exception->has_error_code)
                information |= VECTORING_ERROR_CODE | (uint64_t)exception->error_code << 32;
        return information;
}

enum soft_result soft_switch_tasks(struct soft *soft, const struct hwaccl_task_switch *task)
{
        enum soft_result result = soft_exit(soft, HWACCL_EXIT_TASK_SWITCH,
                                            task->selector | (uint64_t)task->source << 30, task->event.length);

        if (task->source == HWACCL_TASK_GATE)
                soft->state->interrupt_information = vectoring_information(soft, &task->event);
        soft_memory_drop(&soft->memory); /* of the old CR3 */
        return result;
}

static enum soft_result refuse_delivery(struct soft *soft, const struct hwaccl_event *event, const char *refusal)
{
        hwaccl_error_set(soft->error, "vector %u at %04" PRIx64 ":%08" PRIx64 ": %s; use --accel kvm",
                         event->exception.vector, soft->state->cs.selector, soft->state->rip, refusal);
        return SOFT_FAILED;
}

enum soft_result soft_deliver(struct soft *soft, const struct hwaccl_event *event)
{
        struct hwaccl_physical_memory memory = soft_physical(soft);
        struct hwaccl_delivery_observer observer = {.link = hwaccl_fault_chain_add, .opaque = &soft->faults};
        struct hwaccl_machine_context context;
        struct hwaccl_task_switch task;
        const char *refusal;

        if (!soft_context(soft, &context))
                return SOFT_FAILED;
        switch (hwaccl_event_follow(&context, &memory, event, &observer, &task, &refusal)) {
        case HWACCL_EVENT_DELIVERED: break;
        case HWACCL_EVENT_SHUTDOWN: return soft_exit(soft, HWACCL_EXIT_TRIPLE_FAULT, 0, 0);
        case HWACCL_EVENT_REFUSED: return refuse_delivery(soft, event, refusal);
        case HWACCL_EVENT_TASK: soft->state->cr2 = context.cr2; return soft_switch_tasks(soft, &task);
        }
        take_back(&context, soft->state);
        soft->blocking = 0;
        soft->permitted = SOFT_PERMITTED_NONE;
        return SOFT_GO_ON;
}

enum soft_result soft_deliver_exception(struct soft *soft, uint8_t vector, bool has_error_code, uint32_t error_code)
{
        struct hwaccl_event event = {
                .kind = HWACCL_EVENT_EXCEPTION,
                .exception = {.vector = vector,
                              .has_error_code = has_error_code,
                              .error_code = error_code,
                              .fault_address = soft->state->cr2},
        };
        return soft_deliver(soft, &event);
}
