/* Subject states of any content, as a broken accelerator or a made-up recording may bring them: a trip refuses them or
 * goes on; no assertion may trip, and what it accepted can be entered again. */
#include "core/exit/dispatch.h"
#include "core/loop/vcpu_internal.h"
#include "core/subject/transfer.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The hardware: every run ends with the next bytes of the input laid over the state. */
struct fuzzed_accel {
        struct hwaccl_accel accel;
        const uint8_t *data;
        size_t size;
};

static bool run(struct hwaccl_accel *accel, struct hwaccl_subject_state *state,
                struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request,
                struct hwaccl_error *error)
{
        struct fuzzed_accel *fuzzed = (struct fuzzed_accel *)accel;
        (void)request;

        /* one byte of flags, then (offset / 2, 8 bytes) for each field that the run changed */
        if (fuzzed->size < 1)
                return hwaccl_error_set(error, "no more input");
        uint8_t flags = *fuzzed->data;
        fuzzed->data++;
        fuzzed->size--;
        for (unsigned changes = flags & 0x1fu; changes && fuzzed->size >= 9; changes--) {
                size_t offset = (size_t)fuzzed->data[0] * 2;
                size_t room = sizeof(*state) - offset;
                memcpy((uint8_t *)state + offset, fuzzed->data + 1, room < 8 ? room : 8);
                fuzzed->data += 9;
                fuzzed->size -= 9;
        }
        int vector = hwaccl_pending_interrupts_highest(pending);
        if (flags & 0x80 && vector >= 0)
                hwaccl_pending_interrupts_clear(pending, (uint8_t)vector);
        return !(flags & 0x40) || hwaccl_subject_state_check_owner(state, error); /* as the Muen accelerator does */
}

static bool clock(struct hwaccl_inputs *inputs, uint64_t *now_ns, struct hwaccl_error *error)
{
        (void)inputs;
        (void)error;
        *now_ns = 0;
        return true;
}

static bool always_pending(struct hwaccl_interrupt_source *source)
{
        (void)source;
        return true;
}

static uint8_t acknowledge(struct hwaccl_interrupt_source *source)
{
        (void)source;
        return 0x20;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct hwaccl_accel_ops accel_ops = {.name = "fuzzed", .run = run};
        static const struct hwaccl_inputs_ops inputs_ops = {.clock = clock};
        struct fuzzed_accel accel = {{&accel_ops}, data, size};
        struct hwaccl_inputs inputs = {.ops = &inputs_ops};
        struct hwaccl_interrupt_source source = {.pending = always_pending, .acknowledge = acknowledge};
        struct hwaccl_run_request request = {.deadline_ns = UINT64_MAX};
        struct hwaccl_subject_state state = {0};
        struct hwaccl_pending_interrupts pending = {0};
        struct hwaccl_vcpu vcpu;
        struct hwaccl_error error;
        enum hwaccl_verdict verdict;

        hwaccl_vcpu_init(&vcpu, &state, &pending, &source);
        hwaccl_vcpu_attach(&vcpu, &accel.accel, &inputs, NULL);
        while (hwaccl_vcpu_trip(&vcpu, &request, &verdict, &error)) {
                if (verdict >= HWACCL_VERDICT_COUNT)
                        abort();
                if (verdict == HWACCL_VERDICT_ENTRY_FAILURE || verdict == HWACCL_VERDICT_UNKNOWN) {
                        hwaccl_exit_explain(&state, &error);
                        break;
                }
        }
        return 0;
}
