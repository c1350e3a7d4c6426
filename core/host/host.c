#include "core/host/host.h"

#include "core/assert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void hwaccl_host_init(struct hwaccl_host *host, struct hwaccl_inputs *inputs, struct hwaccl_probe *probe,
                      struct hwaccl_guest_memory *memory)
{
        memset(host, 0, sizeof(*host));
        host->inputs = inputs;
        host->probe = probe;
        host->memory = memory;
}

void hwaccl_host_fail(struct hwaccl_host *host, const char *format, ...)
{
        if (host->failed)
                return;
        va_list arguments;
        va_start(arguments, format);
        char text[sizeof(host->error.message)];
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        hwaccl_error_set(&host->error, "%s", text);
        host->failed = true;
}

static void observe_input(struct hwaccl_host *host, enum hwaccl_input_kind kind, uint64_t address, uint64_t value,
                          const void *data, size_t size)
{
        if (!host->probe)
                return;
        struct hwaccl_input input = {kind, address, value, data, (uint32_t)size};
        host->probe->ops->input(host->probe, &input);
}

static void observe_effect(struct hwaccl_host *host, enum hwaccl_effect_kind kind, uint64_t address, uint64_t value,
                           const void *data, size_t size)
{
        if (!host->probe)
                return;
        struct hwaccl_effect effect = {kind, address, value, data, (uint32_t)size};
        host->probe->ops->effect(host->probe, &effect);
}

/* Record a failed input: the first error is kept; the caller continues with zeros until the run loop checks it. */
static void input_failed(struct hwaccl_host *host, const struct hwaccl_error *error)
{
        hwaccl_host_fail(host, "%s", error->message);
}

void hwaccl_host_sample_clock(struct hwaccl_host *host)
{
        struct hwaccl_error error;
        uint64_t now;

        if (!host->inputs->ops->clock(host->inputs, &now, &error)) {
                input_failed(host, &error);
                return;
        }
        host->now_ns = now;
        observe_input(host, HWACCL_INPUT_CLOCK, 0, now, NULL, 0);
}

void hwaccl_host_wait(struct hwaccl_host *host, uint64_t deadline_ns)
{
        struct hwaccl_error error;
        uint64_t now;

        if (!host->inputs->ops->wait(host->inputs, deadline_ns, &now, &error)) {
                input_failed(host, &error);
                return;
        }
        host->now_ns = now;
        observe_input(host, HWACCL_INPUT_WAIT, deadline_ns, now, NULL, 0);
}

static bool read_as(struct hwaccl_host *host, enum hwaccl_input_kind kind, uint64_t address, void *buffer, size_t size)
{
        if (!hwaccl_guest_memory_covers(host->memory, address, size)) {
                memset(buffer, 0, size);
                return false;
        }
        uint8_t *to = buffer;
        while (size) {
                size_t part = size < HWACCL_INPUT_SIZE_MAX ? size : HWACCL_INPUT_SIZE_MAX;
                struct hwaccl_error error;
                if (!host->inputs->ops->memory_read(host->inputs, kind, address, to, part, &error)) {
                        input_failed(host, &error);
                        memset(to, 0, size);
                        return true; /* there is memory; its contents no longer matter */
                }
                observe_input(host, kind, address, 0, to, part);
                to += part;
                address += part;
                size -= part;
        }
        return true;
}

bool hwaccl_host_guest_memory_read(struct hwaccl_host *host, uint64_t address, void *buffer, size_t size)
{
        return read_as(host, HWACCL_INPUT_MEMORY, address, buffer, size);
}

bool hwaccl_host_table_read(struct hwaccl_host *host, uint64_t address, void *buffer, size_t size)
{
        struct hwaccl_error error;

        if (!hwaccl_guest_memory_covers(host->memory, address, size))
                return false;
        if (!host->inputs->ops->memory_read(host->inputs, HWACCL_INPUT_MEMORY, address, buffer, size, &error)) {
                input_failed(host, &error);
                return false;
        }
        return true;
}

void hwaccl_host_table_walked(struct hwaccl_host *host, const struct hwaccl_table_entry *entry, size_t count,
                              uint32_t size)
{
        if (host->probe)
                hwaccl_probe_table_walk(host->probe, entry, count, size);
}

bool hwaccl_host_instruction_read(struct hwaccl_host *host, uint64_t address, void *buffer, size_t size)
{
        return read_as(host, HWACCL_INPUT_INSTRUCTION, address, buffer, size);
}

bool hwaccl_host_guest_memory_write(struct hwaccl_host *host, uint64_t address, const void *data, size_t size)
{
        if (!hwaccl_guest_memory_covers(host->memory, address, size))
                return false;

        const uint8_t *from = data;
        while (size) {
                size_t part = size < HWACCL_EFFECT_SIZE_MAX ? size : HWACCL_EFFECT_SIZE_MAX;
                const struct hwaccl_memory_run *run = hwaccl_guest_memory_find(host->memory, address);
                uint64_t rest = run->address + run->size - address;
                if (rest < part)
                        part = (size_t)rest;
                if (run->writable) {
                        if (run->host)
                                memcpy(run->host + (address - run->address), from, part);
                        if (host->memory_written)
                                host->memory_written(host->memory_written_opaque, address, part);
                        observe_effect(host, HWACCL_EFFECT_MEMORY, address, 0, from, part);
                }
                from += part;
                address += part;
                size -= part;
        }
        return true;
}

bool hwaccl_host_floating_point_read(struct hwaccl_host *host, struct hwaccl_floating_point *state)
{
        struct hwaccl_error error = {""};

        memset(state, 0, sizeof(*state));
        if (!host->floating_point_read)
                return false;
        if (host->floating_point_read(host->floating_point_opaque, state, &error))
                observe_input(host, HWACCL_INPUT_FLOATING_POINT, 0, 0, state->image, sizeof(state->image));
        else if (error.message[0])
                input_failed(host, &error);
        else
                return false;
        return true;
}

void hwaccl_host_floating_point_write(struct hwaccl_host *host, const struct hwaccl_floating_point *state)
{
        struct hwaccl_error error;

        hwaccl_assert(host->floating_point_write);
        if (!host->floating_point_write(host->floating_point_opaque, state, &error))
                input_failed(host, &error);
        observe_effect(host, HWACCL_EFFECT_FLOATING_POINT, 0, 0, state->image, sizeof(state->image));
}

void hwaccl_host_console_write(struct hwaccl_host *host, enum hwaccl_channel channel, const void *data, size_t size)
{
        if (host->console)
                host->console(host->console_opaque, channel, data, size);
        observe_effect(host, HWACCL_EFFECT_CONSOLE, channel, 0, data, size);
}

size_t hwaccl_host_console_read(struct hwaccl_host *host, enum hwaccl_channel channel, void *buffer, size_t room)
{
        struct hwaccl_error error;
        size_t size = room < HWACCL_INPUT_SIZE_MAX ? room : HWACCL_INPUT_SIZE_MAX;

        if (!host->inputs->ops->console_read(host->inputs, channel, buffer, &size, &error)) {
                input_failed(host, &error);
                return 0;
        }
        if (size)
                observe_input(host, HWACCL_INPUT_CONSOLE, channel, 0, buffer, size);
        return size;
}

uint64_t hwaccl_host_wall_time(struct hwaccl_host *host)
{
        struct hwaccl_error error;
        uint64_t seconds;

        if (!host->inputs->ops->wall_time(host->inputs, &seconds, &error)) {
                input_failed(host, &error);
                return 0;
        }
        observe_input(host, HWACCL_INPUT_WALL_TIME, 0, seconds, NULL, 0);
        return seconds;
}

enum hwaccl_stop_request hwaccl_host_stop_requested(struct hwaccl_host *host)
{
        struct hwaccl_error error;
        enum hwaccl_stop_request request;

        if (!host->inputs->ops->stop_requested(host->inputs, &request, &error)) {
                input_failed(host, &error);
                return HWACCL_STOP_NONE;
        }
        if (request != HWACCL_STOP_NONE)
                observe_input(host, HWACCL_INPUT_STOP, 0, request, NULL, 0);
        return request;
}

static bool disk_faulted(struct hwaccl_host *host, unsigned disk, uint64_t offset, bool fault)
{
        if (fault)
                observe_input(host, HWACCL_INPUT_DISK_FAULT, offset, disk, NULL, 0);
        return !fault;
}

bool hwaccl_host_disk_read(struct hwaccl_host *host, unsigned disk, uint64_t offset, void *buffer, size_t size)
{
        struct hwaccl_error error;
        bool fault = false;

        hwaccl_assert(size && size <= HWACCL_INPUT_SIZE_MAX);
        if (!host->inputs->ops->disk_read(host->inputs, disk, offset, buffer, size, &fault, &error)) {
                input_failed(host, &error);
                memset(buffer, 0, size);
                return true; /* the contents no longer matter */
        }
        if (fault)
                memset(buffer, 0, size);
        else
                observe_input(host, HWACCL_INPUT_DISK, offset, disk, buffer, size);
        return disk_faulted(host, disk, offset, fault);
}

bool hwaccl_host_disk_write(struct hwaccl_host *host, unsigned disk, uint64_t offset, const void *data, size_t size)
{
        struct hwaccl_error error;
        bool fault = false;

        hwaccl_assert(size && size <= HWACCL_EFFECT_SIZE_MAX);
        observe_effect(host, HWACCL_EFFECT_DISK_WRITE, offset, disk, data, size);
        if (!host->inputs->ops->disk_write(host->inputs, disk, offset, data, size, &fault, &error))
                input_failed(host, &error);
        return disk_faulted(host, disk, offset, fault);
}

bool hwaccl_host_disk_flush(struct hwaccl_host *host, unsigned disk)
{
        struct hwaccl_error error;
        bool fault = false;

        observe_effect(host, HWACCL_EFFECT_DISK_FLUSH, 0, disk, NULL, 0);
        if (!host->inputs->ops->disk_flush(host->inputs, disk, &fault, &error))
                input_failed(host, &error);
        return disk_faulted(host, disk, 0, fault);
}

void hwaccl_host_irq_line_changed(struct hwaccl_host *host, unsigned line, bool level)
{
        observe_effect(host, HWACCL_EFFECT_IRQ_LINE, line, level, NULL, 0);
}

void hwaccl_host_stopped(struct hwaccl_host *host, unsigned end, uint64_t code)
{
        observe_effect(host, HWACCL_EFFECT_STOP, end, code, NULL, 0);
}
