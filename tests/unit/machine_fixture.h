/* A machine with inputs that a test sets, a probe that writes down what it is told, and a scripted accelerator. */
#ifndef MACHINE_FIXTURE_H
#define MACHINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "machine/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE_CODE 0x1000u
#define SECOND       UINT64_C(1000000000)

struct fixture;

/* One run of the scripted accelerator: change the state as the guest would have, exit information included. */
typedef bool (*script_step)(struct fixture *fixture, struct hwaccl_subject_state *state,
                            struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request);

struct fixture {
        struct hwaccl_accel accel;   /* first: the scripted accelerator finds the fixture */
        struct hwaccl_inputs inputs; /* found by offset, as the probe */
        struct hwaccl_probe probe;
        struct hwaccl_machine *machine;
        struct hwaccl_board *board;

        uint64_t clock;
        uint64_t wall_time;
        unsigned wall_time_reads;
        char typed[64];
        enum hwaccl_stop_request stop;
        bool clock_fails;
        bool wait_stops;     /* the next wait ends at once because a stop is asked for */
        const char *on_wait; /* typed while the guest waits */
        unsigned waits;
        unsigned stop_questions;

        const script_step *script;
        unsigned runs;
        struct hwaccl_run_request request; /* of the last run */

        uint8_t *disk[HWACCL_DISK_MAX]; /* contents */
        uint64_t bad_sector;            /* cannot be read; 0: all can */
        bool disk_full;                 /* nothing can be written or flushed */
        unsigned disk_reads;
        unsigned disk_writes;
        unsigned flushes;

        bool refuse_handled;
        char log[4096]; /* what the probe was told, one word each */
        char printed[256];
        char serial[256];
        uint64_t written_address; /* last memory_written */
};

#define OF_INPUTS(pointer) ((struct fixture *)((char *)(pointer)-offsetof(struct fixture, inputs)))
#define OF_PROBE(pointer)  ((struct fixture *)((char *)(pointer)-offsetof(struct fixture, probe)))

static inline void note(struct fixture *fixture, const char *format, ...)
{
        size_t used = strlen(fixture->log);
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(fixture->log + used, sizeof(fixture->log) - used, format, arguments);
        va_end(arguments);
}

static inline bool fixture_clock(struct hwaccl_inputs *inputs, uint64_t *now, struct hwaccl_error *error)
{
        struct fixture *fixture = OF_INPUTS(inputs);
        if (fixture->clock_fails)
                return hwaccl_error_set(error, "no clock today");
        *now = fixture->clock;
        return true;
}

static inline bool fixture_wait(struct hwaccl_inputs *inputs, uint64_t deadline, uint64_t *now,
                                struct hwaccl_error *error)
{
        struct fixture *fixture = OF_INPUTS(inputs);

        if (++fixture->waits > 1000)
                return hwaccl_error_set(error, "waits for ever");
        if (fixture->wait_stops) {
                fixture->stop = HWACCL_STOP_INTERRUPTED;
        } else if (fixture->on_wait) {
                strcpy(fixture->typed, fixture->on_wait);
                fixture->on_wait = NULL;
        } else {
                assert_true(deadline != UINT64_MAX);
                fixture->clock = deadline;
        }
        *now = fixture->clock;
        return true;
}

static inline bool fixture_memory_read(struct hwaccl_inputs *inputs, enum hwaccl_input_kind kind, uint64_t address,
                                       void *buffer, size_t size, struct hwaccl_error *error)
{
        (void)kind;
        if (!hwaccl_guest_memory_read(&OF_INPUTS(inputs)->machine->memory, address, buffer, size))
                return hwaccl_error_set(error, "no memory");
        return true;
}

static inline bool fixture_console_read(struct hwaccl_inputs *inputs, enum hwaccl_channel channel, void *buffer,
                                        size_t *size, struct hwaccl_error *error)
{
        struct fixture *fixture = OF_INPUTS(inputs);
        size_t length = strlen(fixture->typed);

        (void)error;
        assert_int_equal(channel, HWACCL_CHANNEL_SERIAL);
        *size = *size < length ? *size : length;
        memcpy(buffer, fixture->typed, *size);
        memmove(fixture->typed, fixture->typed + *size, length - *size + 1);
        return true;
}

static inline bool fixture_wall_time(struct hwaccl_inputs *inputs, uint64_t *seconds, struct hwaccl_error *error)
{
        struct fixture *fixture = OF_INPUTS(inputs);

        (void)error;
        fixture->wall_time_reads++;
        *seconds = fixture->wall_time;
        return true;
}

static inline bool fixture_stop(struct hwaccl_inputs *inputs, enum hwaccl_stop_request *request,
                                struct hwaccl_error *error)
{
        struct fixture *fixture = OF_INPUTS(inputs);

        (void)error;
        fixture->stop_questions++;
        *request = fixture->stop;
        return true;
}

static inline bool fixture_disk_read(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, void *buffer,
                                     size_t size, bool *fault, struct hwaccl_error *error)
{
        struct fixture *fixture = OF_INPUTS(inputs);
        uint64_t bad = fixture->bad_sector * HWACCL_DISK_SECTOR_SIZE;

        (void)error;
        assert_true(disk < fixture->machine->config.disk_count);
        assert_true(offset + size <= fixture->machine->config.disk[disk].sectors * HWACCL_DISK_SECTOR_SIZE);
        fixture->disk_reads++;
        *fault = bad && offset <= bad && bad < offset + size;
        if (!*fault)
                memcpy(buffer, fixture->disk[disk] + offset, size);
        return true;
}

static inline bool fixture_disk_write(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, const void *data,
                                      size_t size, bool *fault, struct hwaccl_error *error)
{
        struct fixture *fixture = OF_INPUTS(inputs);

        (void)error;
        assert_true(disk < fixture->machine->config.disk_count);
        assert_true(offset + size <= fixture->machine->config.disk[disk].sectors * HWACCL_DISK_SECTOR_SIZE);
        fixture->disk_writes++;
        *fault = fixture->disk_full;
        if (!*fault)
                memcpy(fixture->disk[disk] + offset, data, size);
        return true;
}

static inline bool fixture_disk_flush(struct hwaccl_inputs *inputs, unsigned disk, bool *fault,
                                      struct hwaccl_error *error)
{
        struct fixture *fixture = OF_INPUTS(inputs);

        (void)error;
        assert_true(disk < fixture->machine->config.disk_count);
        fixture->flushes++;
        *fault = fixture->disk_full;
        return true;
}

static inline void probe_transfer_in(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state)
{
        (void)state;
        note(OF_PROBE(probe), "in ");
}

static inline void probe_irq_offer(struct hwaccl_probe *probe, uint8_t vector)
{
        note(OF_PROBE(probe), "offer:%02x ", vector);
}

static inline void probe_entry(struct hwaccl_probe *probe)
{
        note(OF_PROBE(probe), "entry ");
}

static inline void probe_exit(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                              const struct hwaccl_pending_interrupts *pending)
{
        (void)pending;
        note(OF_PROBE(probe), "exit:%u ", (unsigned)state->exit_reason);
}

static inline void probe_verdict(struct hwaccl_probe *probe, enum hwaccl_verdict verdict)
{
        note(OF_PROBE(probe), "verdict:%d ", (int)verdict);
}

static inline void probe_irq_reclaim(struct hwaccl_probe *probe, uint8_t vector, bool taken)
{
        note(OF_PROBE(probe), "%s:%02x ", taken ? "taken" : "returned", vector);
}

static inline void probe_input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        static const char *const name[] = {"clock", "wait", "instruction", "memory", "console",
                                           "wall",  "stop", "disk",        "fault"};
        note(OF_PROBE(probe), "%s ", name[input->kind]);
}

static inline void probe_effect(struct hwaccl_probe *probe, const struct hwaccl_effect *effect)
{
        struct fixture *fixture = OF_PROBE(probe);

        if (effect->kind == HWACCL_EFFECT_IRQ_LINE)
                note(fixture, "line%u=%u ", (unsigned)effect->address, (unsigned)effect->value);
        else if (effect->kind == HWACCL_EFFECT_STOP)
                note(fixture, "stop:%u:%u ", (unsigned)effect->address, (unsigned)effect->value);
        else if (effect->kind == HWACCL_EFFECT_DISK_WRITE)
                note(fixture, "disk%u:%u+%u ", (unsigned)effect->value, (unsigned)effect->address, effect->size);
        else if (effect->kind == HWACCL_EFFECT_DISK_FLUSH)
                note(fixture, "flush%u ", (unsigned)effect->value);
        else
                note(fixture, "%s ", effect->kind == HWACCL_EFFECT_MEMORY ? "write" : "print");
}

static inline bool probe_handled(struct hwaccl_probe *probe, enum hwaccl_outcome outcome, struct hwaccl_error *error)
{
        struct fixture *fixture = OF_PROBE(probe);

        note(fixture, "handled:%d ", (int)outcome);
        return !fixture->refuse_handled || hwaccl_error_set(error, "the recording is full");
}

static inline bool scripted_run(struct hwaccl_accel *accel, struct hwaccl_subject_state *state,
                                struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request,
                                struct hwaccl_error *error)
{
        struct fixture *fixture = (struct fixture *)accel;
        script_step step = fixture->script[fixture->runs];

        if (!step)
                return hwaccl_error_set(error, "the script is over");
        fixture->runs++;
        fixture->request = *request;
        state->interrupt_information = 0;
        state->exit_qualification = 0;
        return step(fixture, state, pending, request) || hwaccl_error_set(error, "the accelerator gives up");
}

static inline void scripted_memory_written(struct hwaccl_accel *accel, uint64_t address, uint64_t size)
{
        (void)size;
        ((struct fixture *)accel)->written_address = address;
}

static inline void fixture_console(void *opaque, enum hwaccl_channel channel, const void *data, size_t size)
{
        struct fixture *fixture = opaque;
        char *to = channel == HWACCL_CHANNEL_SERIAL ? fixture->serial : fixture->printed;
        strncat(to, data, size);
}

/* Raw code at FIXTURE_CODE, or none: @code may be NULL; and disks, whose contents the test puts into fixture->disk. */
static inline void fixture_init_with_disks(struct fixture *fixture, const uint8_t *code, size_t size,
                                           const struct hwaccl_disk *disk, size_t disk_count)
{
        static const struct hwaccl_accel_ops accel_ops = {
                .name = "script", .run = scripted_run, .memory_written = scripted_memory_written};
        static const struct hwaccl_inputs_ops inputs_ops = {
                fixture_clock, fixture_wait,      fixture_memory_read, fixture_console_read, fixture_wall_time,
                fixture_stop,  fixture_disk_read, fixture_disk_write,  fixture_disk_flush};
        static const struct hwaccl_probe_ops probe_ops = {
                .transfer_in = probe_transfer_in,
                .irq_offer = probe_irq_offer,
                .entry = probe_entry,
                .exit = probe_exit,
                .verdict = probe_verdict,
                .irq_reclaim = probe_irq_reclaim,
                .input = probe_input,
                .effect = probe_effect,
                .handled = probe_handled,
        };
        static const uint8_t hlt = 0xf4;
        struct hwaccl_error error = {""};
        struct hwaccl_machine_config config = {
                .memory_size = 32 << 20,
                .tsc_khz = 1000000,
                .backed = true,
                .raw = {{FIXTURE_CODE, code ? code : &hlt, code ? size : 1}},
                .raw_count = 1,
        };

        memset(fixture, 0, sizeof(*fixture));
        config.disk_count = disk_count;
        for (size_t i = 0; i < disk_count; i++)
                config.disk[i] = disk[i];
        fixture->accel.ops = &accel_ops;
        fixture->inputs.ops = &inputs_ops;
        fixture->probe.ops = &probe_ops;
        fixture->machine = hwaccl_machine_create(&config, &error);
        if (!fixture->machine)
                fail_msg("%s", error.message);
        fixture->board = hwaccl_board_of(fixture->machine);
        fixture->machine->host.console = fixture_console;
        fixture->machine->host.console_opaque = fixture;
        hwaccl_machine_attach(fixture->machine, &fixture->accel, &fixture->inputs, &fixture->probe);
}

static inline void fixture_init(struct fixture *fixture, const uint8_t *code, size_t size)
{
        fixture_init_with_disks(fixture, code, size, NULL, 0);
}

static inline void fixture_destroy(struct fixture *fixture)
{
        hwaccl_machine_destroy(fixture->machine);
}

/* The guest clock moves on, and devices with it, as after an exit. */
static inline void set_clock(struct fixture *fixture, uint64_t ns)
{
        fixture->clock = ns;
        fixture->machine->host.now_ns = ns;
        hwaccl_machine_advance(fixture->machine);
}

static inline void out8(struct fixture *fixture, uint16_t port, unsigned value)
{
        hwaccl_bus_port_write(&fixture->machine->bus, port, 1, value);
}

static inline void out16(struct fixture *fixture, uint16_t port, unsigned value)
{
        hwaccl_bus_port_write(&fixture->machine->bus, port, 2, value);
}

static inline void out32(struct fixture *fixture, uint16_t port, uint32_t value)
{
        hwaccl_bus_port_write(&fixture->machine->bus, port, 4, value);
}

static inline unsigned in8(struct fixture *fixture, uint16_t port)
{
        return hwaccl_bus_port_read(&fixture->machine->bus, port, 1);
}

static inline unsigned in16(struct fixture *fixture, uint16_t port)
{
        return hwaccl_bus_port_read(&fixture->machine->bus, port, 2);
}

static inline uint32_t in32(struct fixture *fixture, uint16_t port)
{
        return hwaccl_bus_port_read(&fixture->machine->bus, port, 4);
}

/* Both PICs as PC firmware sets them up, then masks. */
static inline void init_pics(struct fixture *fixture, unsigned master_base, unsigned slave_base)
{
        out8(fixture, 0x20, 0x11);
        out8(fixture, 0x21, master_base);
        out8(fixture, 0x21, 0x04);
        out8(fixture, 0x21, 0x01);
        out8(fixture, 0xa0, 0x11);
        out8(fixture, 0xa1, slave_base);
        out8(fixture, 0xa1, 0x02);
        out8(fixture, 0xa1, 0x01);
}

static inline void raise_line(struct fixture *fixture, unsigned line)
{
        hwaccl_machine_set_irq_line(fixture->machine, line, true);
}

static inline void lower_line(struct fixture *fixture, unsigned line)
{
        hwaccl_machine_set_irq_line(fixture->machine, line, false);
}

static inline bool intr(struct fixture *fixture)
{
        return fixture->machine->pic->pending(fixture->machine->pic);
}

static inline unsigned inta(struct fixture *fixture)
{
        return fixture->machine->pic->acknowledge(fixture->machine->pic);
}

/* cmocka's set-up and tear-down for tests that need no code of their own. */
static inline int fixture_setup(void **state)
{
        struct fixture *fixture = malloc(sizeof(*fixture));
        if (!fixture)
                return -1;
        fixture_init(fixture, NULL, 0);
        *state = fixture;
        return 0;
}

static inline int fixture_teardown(void **state)
{
        struct fixture *fixture = *state;
        fixture_destroy(fixture);
        free(fixture);
        return 0;
}

#define FIXTURE_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

#endif
