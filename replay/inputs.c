/* Inputs from the recording, in recorded order. A handler that requests a different input
 * has diverged; it still gets a value, so that further differences of the exit are found. */
#include "replay/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct replay_engine *inputs_engine(struct hwaccl_inputs *inputs)
{
        return REPLAY_ENGINE_OF(inputs, inputs);
}

static const struct hwaccl_input *peek(const struct replay_engine *engine)
{
        return replay_comparison_peek(&engine->comparison);
}

static void lost(struct replay_engine *engine, enum hwaccl_input_kind kind, uint64_t address, size_t size)
{
        replay_comparison_lost(&engine->comparison, kind, address, size);
}

static const struct hwaccl_input *take(struct replay_engine *engine, enum hwaccl_input_kind kind, uint64_t address,
                                       size_t size)
{
        return replay_comparison_take(&engine->comparison, kind, address, size);
}

static bool clock_read(struct hwaccl_inputs *inputs, uint64_t *now_ns, struct hwaccl_error *error)
{
        struct replay_engine *engine = inputs_engine(inputs);
        const struct hwaccl_input *input = take(engine, HWACCL_INPUT_CLOCK, 0, 0);
        (void)error;
        *now_ns = input ? input->value : hwaccl_vcpu_clock(engine->vcpu);
        return true;
}

static bool wait(struct hwaccl_inputs *inputs, uint64_t deadline_ns, uint64_t *now_ns, struct hwaccl_error *error)
{
        struct replay_engine *engine = inputs_engine(inputs);
        const struct hwaccl_input *input = take(engine, HWACCL_INPUT_WAIT, deadline_ns, 0);

        /* If the guest waits for longer than recorded, it would wait forever: no later time is recorded. */
        if (!input)
                return hwaccl_error_set(error, "no further wait is recorded");
        *now_ns = input->value;
        return true;
}

/* Does the input that was given last hold the byte at this address too? */
static const struct hwaccl_input *last_code(const struct replay_engine *engine, uint64_t address)
{
        const struct hwaccl_input *last = engine->comparison.input_next
                                                  ? &engine->comparison.exit->inputs[engine->comparison.input_next - 1]
                                                  : NULL;

        return last && last->kind == HWACCL_INPUT_INSTRUCTION && last->data && address > last->address &&
                               address - last->address < last->size
                       ? last
                       : NULL;
}

/* In how many pieces a handler fetches an instruction depends on the length that it was given, which may be undefined.
 */
static void code_read(struct replay_engine *engine, uint64_t address, uint8_t *buffer, size_t size)
{
        const struct hwaccl_input *input = last_code(engine, address);
        size_t offset = input ? (size_t)(address - input->address) : 0;
        size_t known = 0;

        if (!input)
                input = take(engine, HWACCL_INPUT_INSTRUCTION, address, size);
        while (input && input->data && known < size) {
                size_t part = input->size - offset < size - known ? input->size - offset : size - known;
                memcpy(buffer + known, (const uint8_t *)input->data + offset, part);
                known += part;
                offset = 0;
                input = peek(engine);
                if (!input || input->kind != HWACCL_INPUT_INSTRUCTION || input->address != address + known)
                        break;
                if (known < size)
                        engine->comparison.input_next++;
        }
        memset(buffer + known, 0, size - known);
        replay_report_code(&engine->comparison.report, buffer, known);
}

static bool memory_read(struct hwaccl_inputs *inputs, enum hwaccl_input_kind kind, uint64_t address, void *buffer,
                        size_t size, struct hwaccl_error *error)
{
        struct replay_engine *engine = inputs_engine(inputs);
        (void)error;

        if (kind == HWACCL_INPUT_INSTRUCTION)
                code_read(engine, address, buffer, size);
        else
                (void)replay_comparison_give(take(engine, kind, address, size), buffer, size);
        return true;
}

bool replay_floating_point_read(struct hwaccl_accel *accel, struct hwaccl_floating_point *state,
                                struct hwaccl_error *error)
{
        struct replay_engine *engine = REPLAY_ENGINE_OF(accel, accel);
        const struct hwaccl_input *next = peek(engine);

        (void)error;
        if (!next || next->kind != HWACCL_INPUT_FLOATING_POINT)
                return false;
        (void)replay_comparison_give(take(engine, HWACCL_INPUT_FLOATING_POINT, 0, sizeof(state->image)), state->image,
                                     sizeof(state->image));
        return true;
}

/* An empty read is not recorded, so the result depends on the next input. */
static bool console_read(struct hwaccl_inputs *inputs, enum hwaccl_channel channel, void *buffer, size_t *size,
                         struct hwaccl_error *error)
{
        struct replay_engine *engine = inputs_engine(inputs);
        const struct hwaccl_input *input = peek(engine);
        size_t room = *size;
        (void)error;

        *size = 0;
        if (!input || input->kind != HWACCL_INPUT_CONSOLE || input->address != channel)
                return true;
        if (input->size > room)
                lost(engine, HWACCL_INPUT_CONSOLE, channel, room);
        *size = input->size < room ? input->size : room;
        if (*size)
                memcpy(buffer, input->data, *size);
        engine->comparison.input_next++;
        return true;
}

static bool wall_time(struct hwaccl_inputs *inputs, uint64_t *seconds, struct hwaccl_error *error)
{
        const struct hwaccl_input *input = take(inputs_engine(inputs), HWACCL_INPUT_WALL_TIME, 0, 0);
        (void)error;
        *seconds = input ? input->value : 0;
        return true;
}

/* Only a stop request is recorded, not its absence. */
static bool stop_requested(struct hwaccl_inputs *inputs, enum hwaccl_stop_request *request, struct hwaccl_error *error)
{
        struct replay_engine *engine = inputs_engine(inputs);
        const struct hwaccl_input *input = peek(engine);
        (void)error;

        *request = HWACCL_STOP_NONE;
        if (!input || input->kind != HWACCL_INPUT_STOP)
                return true;
        if (input->value <= HWACCL_STOP_UNTIL)
                *request = (enum hwaccl_stop_request)input->value;
        engine->comparison.input_next++;
        return true;
}

/* Only a failed access is recorded, so the result depends on the next input. */
static bool disk_faulted(struct replay_engine *engine, unsigned disk, uint64_t offset)
{
        const struct hwaccl_input *input = peek(engine);

        if (!input || input->kind != HWACCL_INPUT_DISK_FAULT || input->value != disk || input->address != offset)
                return false;
        engine->comparison.input_next++;
        return true;
}

static bool disk_read(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, void *buffer, size_t size,
                      bool *fault, struct hwaccl_error *error)
{
        struct replay_engine *engine = inputs_engine(inputs);
        (void)error;

        *fault = disk_faulted(engine, disk, offset);
        if (*fault)
                return true;
        const struct hwaccl_input *input = peek(engine);
        if (input && input->kind == HWACCL_INPUT_DISK && input->value != disk)
                lost(engine, HWACCL_INPUT_DISK, offset, size); /* wrong disk: report it, use the recorded data */
        input = take(engine, HWACCL_INPUT_DISK, offset, size);
        replay_comparison_give(input, buffer, size);
        return true;
}

/* The effect itself is compared by the probe; no image is touched. */
static bool disk_write(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, const void *data, size_t size,
                       bool *fault, struct hwaccl_error *error)
{
        (void)data;
        (void)size;
        (void)error;
        *fault = disk_faulted(inputs_engine(inputs), disk, offset);
        return true;
}

static bool disk_flush(struct hwaccl_inputs *inputs, unsigned disk, bool *fault, struct hwaccl_error *error)
{
        (void)error;
        *fault = disk_faulted(inputs_engine(inputs), disk, 0);
        return true;
}

const struct hwaccl_inputs_ops replay_inputs_ops = {
        .clock = clock_read,
        .wait = wait,
        .memory_read = memory_read,
        .console_read = console_read,
        .wall_time = wall_time,
        .stop_requested = stop_requested,
        .disk_read = disk_read,
        .disk_write = disk_write,
        .disk_flush = disk_flush,
};
