/* What a VMM asks of its hypervisor, in the lane of the thread that does. No allocation; a system call only when the
 * ring fills. */
#include "tracer/record/trace_internal.h"

#include <string.h>

/* Of linux/kvm.h, which is not included here: an embedding VMM need not be one of KVM. */
#define REQUEST_IRQ_LINE   0x4008ae61u /* KVM_IRQ_LINE, struct kvm_irq_level */
#define REQUEST_SIGNAL_MSI 0x4020aea5u /* KVM_SIGNAL_MSI, struct kvm_msi */

struct irq_level {
        uint32_t irq, level;
};

struct msi_message {
        uint32_t address_low, address_high, data, flags;
        uint8_t zero[16];
};

#define SAME(identifier)                                                                                               \
        _Static_assert((unsigned)HWACCL_TRACE_ROLE_##identifier == (unsigned)RING_CALL_##identifier, #identifier);
SAME(UNKNOWN)
SAME(SYSTEM)
SAME(VM)
SAME(VCPU)
SAME(DEVICE)
_Static_assert(HWACCL_TRACE_OBJECT_NONE == RING_CALL_OBJECT_NONE, "no object");
/* NOLINTNEXTLINE(misc-redundant-expression): they are the same today */
_Static_assert(HWACCL_TRACE_CALL_DATA_MAX == RING_CALL_DATA_MAX, "data of a call");

/* Where calls are recorded; no lane: nowhere. */
struct place {
        struct lane *lane;
        struct trace_calls *calls;
};

static struct place place_of(struct lane *lane, struct trace_calls *calls)
{
        return lane->sequence && !lane_failed(lane) ? (struct place){lane, calls} : (struct place){NULL, NULL};
}

static struct place of_thread(struct hwaccl_trace_thread *thread)
{
        return thread ? place_of(&thread->lane, &thread->calls) : (struct place){NULL, NULL};
}

static struct place of_vcpu(struct hwaccl_trace_vcpu *vcpu)
{
        return vcpu ? place_of(&vcpu->lane, &vcpu->calls) : (struct place){NULL, NULL};
}

/* The oldest one makes room: it never returned, as when a signal handler left it with siglongjmp(3). */
static void open_call(struct trace_calls *calls, uint64_t number)
{
        memmove(&calls->open[1], &calls->open[0], (RING_CALL_NESTED_MAX - 1) * sizeof(calls->open[0]));
        calls->open[0] = number;
}

static bool close_call(struct trace_calls *calls, uint64_t number)
{
        for (unsigned i = 0; number != 0 && i < RING_CALL_NESTED_MAX; i++) {
                if (calls->open[i] != number)
                        continue;
                memmove(&calls->open[i], &calls->open[i + 1], (RING_CALL_NESTED_MAX - 1 - i) * sizeof(calls->open[0]));
                calls->open[RING_CALL_NESTED_MAX - 1] = 0;
                return true;
        }
        return false;
}

static bool is_good(const struct hwaccl_trace_call *call)
{
        return call && call->role < RING_CALL_ROLE_COUNT && call->is_number <= 1 &&
               (call->is_number || call->argument == 0) && call->input_size <= INT64_MAX &&
               (call->input || call->input_size == 0);
}

static uint64_t begin(struct place place, const struct hwaccl_trace_call *call)
{
        if (!place.lane || !is_good(call))
                return 0;
        const struct lane_call record = {.sequence = lane_next(place.lane),
                                         .request = call->request,
                                         .object = call->object,
                                         .role = (uint8_t)call->role,
                                         .number = call->is_number,
                                         .argument = call->argument};
        if (!lane_call(place.lane, &record, call->input, (size_t)call->input_size, lane_now(place.lane)))
                return 0;
        open_call(place.calls, record.sequence);
        return record.sequence;
}

static bool end(struct place place, uint64_t number, int64_t result, unsigned error, const void *output, size_t size)
{
        const struct lane_called record = {
                .sequence = number, .result = result, .error = error, .side = RING_CALL_OUTPUT};

        if (!place.lane || error > INT32_MAX || size > INT64_MAX || (!output && size) ||
            !close_call(place.calls, number))
                return false;
        return lane_called(place.lane, &record, output, size, lane_now(place.lane));
}

static bool irq_line(struct place place, uint32_t vm, uint32_t gsi, unsigned level)
{
        const struct irq_level line = {.irq = gsi, .level = level};
        const struct hwaccl_trace_call call = {.request = REQUEST_IRQ_LINE,
                                               .role = HWACCL_TRACE_ROLE_VM,
                                               .object = vm,
                                               .input = &line,
                                               .input_size = sizeof(line)};

        return level <= 1 && end(place, begin(place, &call), 0, 0, NULL, 0);
}

static bool msi(struct place place, uint32_t vm, uint64_t address, uint32_t data, bool delivered)
{
        const struct msi_message message = {
                .address_low = (uint32_t)address, .address_high = (uint32_t)(address >> 32), .data = data};
        const struct hwaccl_trace_call call = {.request = REQUEST_SIGNAL_MSI,
                                               .role = HWACCL_TRACE_ROLE_VM,
                                               .object = vm,
                                               .input = &message,
                                               .input_size = sizeof(message)};

        return end(place, begin(place, &call), delivered, 0, NULL, 0);
}

uint64_t hwaccl_trace_thread_call(struct hwaccl_trace_thread *thread, const struct hwaccl_trace_call *call)
{
        return begin(of_thread(thread), call);
}

uint64_t hwaccl_trace_vcpu_call(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_trace_call *call)
{
        return begin(of_vcpu(vcpu), call);
}

bool hwaccl_trace_thread_called(struct hwaccl_trace_thread *thread, uint64_t number, int64_t result, unsigned error,
                                const void *output, size_t size)
{
        return end(of_thread(thread), number, result, error, output, size);
}

bool hwaccl_trace_vcpu_called(struct hwaccl_trace_vcpu *vcpu, uint64_t number, int64_t result, unsigned error,
                              const void *output, size_t size)
{
        return end(of_vcpu(vcpu), number, result, error, output, size);
}

bool hwaccl_trace_thread_irq_line(struct hwaccl_trace_thread *thread, uint32_t vm, uint32_t gsi, unsigned level)
{
        return irq_line(of_thread(thread), vm, gsi, level);
}

bool hwaccl_trace_vcpu_irq_line(struct hwaccl_trace_vcpu *vcpu, uint32_t vm, uint32_t gsi, unsigned level)
{
        return irq_line(of_vcpu(vcpu), vm, gsi, level);
}

bool hwaccl_trace_thread_msi(struct hwaccl_trace_thread *thread, uint32_t vm, uint64_t address, uint32_t data,
                             bool delivered)
{
        return msi(of_thread(thread), vm, address, data, delivered);
}

bool hwaccl_trace_vcpu_msi(struct hwaccl_trace_vcpu *vcpu, uint32_t vm, uint64_t address, uint32_t data, bool delivered)
{
        return msi(of_vcpu(vcpu), vm, address, data, delivered);
}
