#include "tracer/interpose/library/calls.h"

#include "tracer/interpose/ioctl_capture.h"
#include "tracer/interpose/library/descriptors.h"
#include "tracer/interpose/library/memory_slots.h"
#include "tracer/interpose/library/process.h"
#include "tracer/interpose/library/threads.h"
#include "tracer/interpose/library/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>

#define CAP_XSAVE2              208u        /* KVM_CAP_XSAVE2, which older headers lack */
#define SET_USER_MEMORY_REGION2 0x40a0ae49u /* newer than Debian 12's header */
#define SMALL                   64u         /* bytes of an argument that are taken before the call too */

struct call {
        struct lane *lane;
        uint8_t *buffer; /* RING_CALL_DATA_MAX bytes */
        struct interpose_vcpu *vcpu;
        struct ioctl_call what;
        const struct interpose_object *object; /* NULL: not known */
        uint64_t sequence;
        bool input; /* is recorded */
};

/* In the middle of a record: a signal handler that makes a call then is not recorded. */
THREAD_LOCAL volatile bool writing;

static bool takes_input(const struct ioctl_entry *entry)
{
        return entry && entry->size && (entry->direction == IOCTL_IN || entry->direction == IOCTL_INOUT);
}

/* What the kernel reads: before the call where it overwrites that, and where it costs next to nothing; the VMM may end
 * in the call. */
static bool take_before(const struct ioctl_entry *entry)
{
        return takes_input(entry) &&
               (entry->overwritten || (entry->size <= SMALL && !entry->array && !entry->memory_count));
}

static bool find_place(struct interpose_control *control, struct call *call)
{
        if (writing)
                return false;
        call->vcpu = vcpu_begin_call(&call->lane, &call->buffer);
        if (!call->vcpu)
                call->lane = thread_lane(control, &call->buffer);
        if (call->lane)
                return true;
        if (call->vcpu)
                vcpu_end_call(call->vcpu);
        return false;
}

/* /dev/kvm is known by its first request that only it takes; VMs and what belongs to them were seen being created. */
static enum ring_call_extra role_of(const struct interpose_object *object, const struct ioctl_entry *entry)
{
        switch (object ? object->role : IOCTL_NO_ROLE) {
        case IOCTL_SYSTEM: return RING_CALL_SYSTEM;
        case IOCTL_VM: return RING_CALL_VM;
        case IOCTL_VCPU: return RING_CALL_VCPU;
        case IOCTL_DEVICE: return RING_CALL_DEVICE;
        default: return entry && entry->roles & IOCTL_SYSTEM ? RING_CALL_SYSTEM : RING_CALL_UNKNOWN;
        }
}

static uint32_t number_of(const struct interpose_object *object)
{
        if (object && object->role == IOCTL_VCPU)
                return vcpu_number(atomic_load(&object->vcpu));
        return object && object->role != IOCTL_SYSTEM ? object->number : RING_CALL_OBJECT_NONE;
}

static bool begin(struct interpose_control *control, struct call *call, int fd, uint32_t request, void *argument)
{
        const struct ioctl_entry *entry = ioctl_describe(request);
        const struct interpose_object *object = descriptor_find(fd);
        struct ioctl_captured captured = {0, 0};

        if (!find_place(control, call)) {
                atomic_fetch_add_explicit(&control->unrecorded_calls, 1, memory_order_relaxed);
                return false;
        }
        call->what = (struct ioctl_call){
                .entry = entry, .role = object ? object->role : IOCTL_NO_ROLE, .argument = argument};
        call->object = object;
        if (take_before(entry)) {
                captured = ioctl_capture(&call->what, call->buffer, RING_CALL_DATA_MAX);
                call->input = captured.size == captured.whole;
        }
        writing = true;
        call->sequence = lane_next(call->lane);
        const bool number = entry ? entry->direction == IOCTL_VALUE : _IOC_DIR(request) == _IOC_NONE;
        const struct lane_call record = {.sequence = call->sequence,
                                         .request = request,
                                         .object = number_of(object),
                                         .role = (uint8_t)role_of(object, entry),
                                         .number = number,
                                         .argument = number ? (uint64_t)(uintptr_t)argument : 0};
        (void)lane_call(call->lane, &record, call->buffer, captured.size, lane_now(call->lane));
        writing = false;
        return true;
}

/* Whether the kernel writes anything of the argument. */
static bool has_output(const struct ioctl_entry *entry)
{
        if (entry->direction == IOCTL_OUT || entry->direction == IOCTL_INOUT ||
            (entry->array && entry->array->direction != IOCTL_IN))
                return true;
        for (unsigned i = 0; i < entry->memory_count; i++)
                if (entry->memory[i].direction != IOCTL_IN)
                        return true;
        return false;
}

/* A vector for the guest, by the thread that runs the vCPU. */
static void note_interrupt(const struct call *call, int result)
{
        const struct interpose_object *object = call->object;

        if (call->what.entry && call->what.entry->request == KVM_INTERRUPT && result >= 0 && object && call->vcpu &&
            atomic_load(&object->vcpu) == call->vcpu)
                vcpu_interrupt(call->vcpu, ((const struct kvm_interrupt *)call->what.argument)->irq,
                               object->vm && atomic_load_explicit(&object->vm->split_irqchip, memory_order_relaxed));
}

static void end(struct call *call, int result, int error)
{
        const struct ioctl_entry *entry = call->what.entry;
        struct ioctl_captured captured = {0, 0};
        struct lane_called called = {.sequence = call->sequence,
                                     .result = result,
                                     .error = result < 0 ? (uint32_t)error : 0,
                                     .side = RING_CALL_OUTPUT};

        const uint64_t stamp = lane_now(call->lane);
        writing = true;
        call->what.after = true;
        call->what.success = result >= 0;
        if (entry && entry->request == KVM_GET_DIRTY_LOG && result >= 0) /* the kernel has read the slot's number */
                call->what.slot_pages =
                        memory_slots_pages(call->object, ((const struct kvm_dirty_log *)call->what.argument)->slot);
        if (entry && entry->size && result >= 0 && has_output(entry)) {
                captured = ioctl_capture(&call->what, call->buffer, RING_CALL_DATA_MAX);
        } else if (takes_input(entry) && !call->input) {
                captured = ioctl_capture(&call->what, call->buffer, RING_CALL_DATA_MAX);
                called.side = RING_CALL_INPUT;
        }
        (void)lane_called(call->lane, &called, call->buffer, captured.size, stamp);
        writing = false;
        note_interrupt(call, result);
        if (call->vcpu)
                vcpu_end_call(call->vcpu);
}

/* What a call has made, and what it tells. */
static void note_result(struct interpose_control *control, int fd, uint32_t request, void *argument, int result)
{
        static _Atomic bool noted;
        const struct ioctl_entry *entry = result < 0 ? NULL : ioctl_describe(request);

        if (!atomic_load_explicit(&noted, memory_order_relaxed) && !atomic_exchange(&noted, true))
                atomic_fetch_add(&control->kvm_processes, 1);
        if (!entry)
                return;
        struct interpose_object *object = descriptor_note(fd, entry, argument, result);
        if (request == KVM_SET_USER_MEMORY_REGION || request == SET_USER_MEMORY_REGION2)
                memory_slots_set(object, argument);
        if (request == KVM_ENABLE_CAP && object &&
            ((const struct kvm_enable_cap *)argument)->cap == KVM_CAP_SPLIT_IRQCHIP)
                atomic_store_explicit(&object->split_irqchip, true, memory_order_relaxed);
        if (request == KVM_CREATE_VM)
                atomic_fetch_add(&control->vms, 1);
        else if (request == KVM_CREATE_VCPU)
                vcpu_create(fd, descriptor_find(result));
        else if (request == KVM_CHECK_EXTENSION && (uintptr_t)argument == CAP_XSAVE2)
                ioctl_note_xsave_size((uint32_t)result);
}

int calls_ioctl(struct interpose_control *control, int fd, unsigned long request, void *argument)
{
        struct call call = {.lane = NULL};
        int before = errno;
        bool recorded = begin(control, &call, fd, (uint32_t)request, argument);

        errno = before;
        int result = next_ioctl(fd, request, argument);
        int after = errno;
        if (recorded)
                end(&call, result, after);
        note_result(control, fd, (uint32_t)request, argument, result);
        errno = after;
        return result;
}
