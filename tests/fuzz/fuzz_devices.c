/*
 * Fuzz target: the whole machine's devices. The input is a program of port and MMIO accesses, clock steps, interrupt
 * acknowledgements and loads of arbitrary states. Nothing may crash or trip an assertion; a state that was accepted
 * must come out of a save as it went in; a machine loaded with another's state must answer as that does; after devices
 * were advanced no deadline may lie in the past.
 */
#include "core/assert.h"
#include "core/loop/vcpu_internal.h"
#include "core/machine/machine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STATE_MAX (32 * HWACCL_DEVICE_STATE_MAX)

/* One big disk and a tiny one that is read-only, on the primary channel; one on the secondary. */
#define FUZZ_DISKS     3
#define FUZZ_READ_ONLY 1u
static const uint64_t disk_sectors[FUZZ_DISKS] = {UINT64_C(1) << 34, 21, 5000};

/* What is left of the input; zeros behind its end. */
struct program {
        const uint8_t *data;
        size_t size;
};

static uint64_t take(struct program *program, unsigned size)
{
        uint64_t value = 0;

        for (unsigned i = 0; i < size && program->size; i++) {
                value |= (uint64_t)*program->data++ << (i * 8);
                program->size--;
        }
        return value;
}

static uint64_t clock_now;

static bool read_clock(struct hwaccl_inputs *inputs, uint64_t *now, struct hwaccl_error *error)
{
        (void)inputs;
        (void)error;
        *now = clock_now;
        return true;
}

static bool wait_until(struct hwaccl_inputs *inputs, uint64_t deadline, uint64_t *now, struct hwaccl_error *error)
{
        (void)deadline;
        return read_clock(inputs, now, error);
}

static bool read_memory(struct hwaccl_inputs *inputs, enum hwaccl_input_kind kind, uint64_t address, void *buffer,
                        size_t size, struct hwaccl_error *error)
{
        (void)inputs;
        (void)kind;
        (void)error;
        for (size_t i = 0; i < size; i++) /* a function of the address: the same for both machines */
                ((uint8_t *)buffer)[i] = (uint8_t)((address + i) * 0x9d >> 3);
        return true;
}

static bool read_console(struct hwaccl_inputs *inputs, enum hwaccl_channel channel, void *buffer, size_t *size,
                         struct hwaccl_error *error)
{
        (void)inputs;
        (void)channel;
        (void)error;
        *size = clock_now & 1 ? *size : 0;
        memset(buffer, 'c', *size);
        return true;
}

static bool read_wall_time(struct hwaccl_inputs *inputs, uint64_t *seconds, struct hwaccl_error *error)
{
        (void)inputs;
        (void)error;
        *seconds = 1709208000;
        return true;
}

static bool read_stop(struct hwaccl_inputs *inputs, enum hwaccl_stop_request *request, struct hwaccl_error *error)
{
        (void)inputs;
        (void)error;
        *request = HWACCL_STOP_NONE;
        return true;
}

/* Sectors 7, 7 + 16 … cannot be read or written. */
static bool bad_disk(uint64_t offset, size_t size)
{
        uint64_t first = offset / HWACCL_DISK_SECTOR_SIZE;
        uint64_t last = (offset + size - 1) / HWACCL_DISK_SECTOR_SIZE;

        return (first + 8) / 16 != (last + 9) / 16;
}

static bool read_disk(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, void *buffer, size_t size,
                      bool *fault, struct hwaccl_error *error)
{
        (void)inputs;
        (void)error;
        hwaccl_assert(disk < FUZZ_DISKS && size && size <= HWACCL_INPUT_SIZE_MAX);
        hwaccl_assert(offset % HWACCL_DISK_SECTOR_SIZE == 0 && size % HWACCL_DISK_SECTOR_SIZE == 0);
        hwaccl_assert(offset / HWACCL_DISK_SECTOR_SIZE + size / HWACCL_DISK_SECTOR_SIZE <= disk_sectors[disk]);
        memset(buffer, (int)(offset >> 9 & 0xff), size);
        *fault = bad_disk(offset, size);
        return true;
}

static bool write_disk(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, const void *data, size_t size,
                       bool *fault, struct hwaccl_error *error)
{
        uint8_t ignored[HWACCL_INPUT_SIZE_MAX];

        (void)data;
        hwaccl_assert(disk != FUZZ_READ_ONLY);
        return read_disk(inputs, disk, offset, ignored, size, fault, error);
}

static bool flush_disk(struct hwaccl_inputs *inputs, unsigned disk, bool *fault, struct hwaccl_error *error)
{
        (void)inputs;
        (void)error;
        hwaccl_assert(disk < FUZZ_DISKS);
        *fault = clock_now & 1;
        return true;
}

static struct hwaccl_vcpu *create(struct hwaccl_inputs *inputs, enum hwaccl_machine_kind kind, bool testdev)
{
        struct hwaccl_machine_config config = {
                .memory_size = HWACCL_MEMORY_SIZE_MIN,
                .tsc_khz = 1000000,
                .kind = kind,
                .testdev = testdev,
                .backed = false,
                .raw = {{0x7c00, NULL, 512}},
                .raw_count = 1,
                .disk_count = FUZZ_DISKS,
        };
        for (unsigned i = 0; i < FUZZ_DISKS; i++)
                config.disk[i] = (struct hwaccl_disk){disk_sectors[i], i == FUZZ_READ_ONLY};
        struct hwaccl_error error;
        struct hwaccl_machine *machine = hwaccl_machine_create(&config, &error);

        hwaccl_assert(machine);
        struct hwaccl_vcpu *vcpu = hwaccl_vcpu_create(machine, &error);
        hwaccl_assert(vcpu);
        hwaccl_vcpu_attach(vcpu, NULL, inputs, NULL);
        return vcpu;
}

static size_t save_all(struct hwaccl_machine *machine, uint8_t *to)
{
        size_t size = 0;

        for (size_t i = 0; i < machine->board.device_count; i++) {
                hwaccl_device_save(machine->board.device[i], to + size);
                size += hwaccl_device_state_size(machine->board.device[i]);
        }
        return size;
}

/* Load the first machine's state into the second. */
static void copy_state(struct hwaccl_machine *from, struct hwaccl_machine *to)
{
        static uint8_t saved[STATE_MAX];
        static uint8_t again[STATE_MAX];
        size_t size = save_all(from, saved);
        const uint8_t *state = saved;

        for (size_t i = 0; i < to->board.device_count; i++) {
                struct hwaccl_error error;
                size_t part = hwaccl_device_state_size(to->board.device[i]);
                hwaccl_assert(hwaccl_device_load(to->board.device[i], state, part, &error));
                state += part;
        }
        hwaccl_assert(save_all(to, again) == size);
        hwaccl_assert(memcmp(saved, again, size) == 0);
}

/* An arbitrary state: bytes of a valid one, some of them overwritten. */
static void load_arbitrary(struct hwaccl_machine *machine, struct program *program)
{
        struct hwaccl_device *device = machine->board.device[take(program, 1) % machine->board.device_count];
        size_t size = hwaccl_device_state_size(device);
        uint8_t before[HWACCL_DEVICE_STATE_MAX];
        uint8_t state[HWACCL_DEVICE_STATE_MAX];
        uint8_t after[HWACCL_DEVICE_STATE_MAX];
        struct hwaccl_error error = {""};

        hwaccl_device_save(device, before);
        memcpy(state, before, size);
        for (uint64_t changes = take(program, 1) % 32; changes; changes--)
                state[take(program, 2) % size] = (uint8_t)take(program, 1);
        if (hwaccl_device_load(device, state, size, &error)) {
                hwaccl_device_save(device, after);
                /* the processor gathers part of its state from the vCPU, which normalizes it */
                hwaccl_assert(device == &machine->processor.device || memcmp(state, after, size) == 0);
        } else {
                hwaccl_assert(error.message[0]);
                hwaccl_device_save(device, after);
                hwaccl_assert(memcmp(before, after, size) == 0); /* and on it goes */
        }
}

static void move_clock(struct hwaccl_machine *machine, uint64_t ns)
{
        machine->board.host->now_ns = ns;
        hwaccl_board_advance(&machine->board);
        hwaccl_assert(hwaccl_board_deadline(&machine->board) > ns);
        hwaccl_assert(hwaccl_board_wake_deadline(&machine->board, true) >= hwaccl_board_deadline(&machine->board));
}

/* Ports that have devices come up more often than the others. */
static uint16_t take_port(struct program *program)
{
        static const uint16_t port[] = {
                0x00,   0x20,   0x21,   0x40,   0x41,  0x42,  0x43,   0x60,   0x61,   0x64,  0x70,  0x71,  0x80,
                0x92,   0xa0,   0xa1,   0xb2,   0xb3,  0xc0,  0xe9,   0xf4,   0x3f8,  0x3f9, 0x3fa, 0x3fb, 0x3fc,
                0x3fd,  0x3fe,  0x402,  0x4d0,  0x4d1, 0x510, 0x511,  0x514,  0x518,  0xcf8, 0xcf9, 0xcfc, 0xcfd,
                0xb000, 0xb002, 0xb004, 0xb008, 0x1f0, 0x1f1, 0x1f2,  0x1f3,  0x1f4,  0x1f5, 0x1f6, 0x1f7, 0x3f6,
                0x170,  0x176,  0x177,  0x376,  0xe0,  0xe8,  0x2000, 0x2002, 0x200e, 0x2017};
        uint64_t choice = take(program, 1);

        return choice < 200 ? port[choice % (sizeof(port) / sizeof(port[0]))] : (uint16_t)take(program, 2);
}

/* Registers of the APICs come up more often than other addresses. */
static uint64_t take_address(struct program *program)
{
        uint64_t choice = take(program, 1);

        if (choice < 64)
                return HWACCL_APIC_BASE + choice * 16;
        if (choice < 128)
                return HWACCL_IO_APIC_BASE + (choice % 2 ? 0x10 : 0);
        if (choice < 144)
                return HWACCL_TESTDEV_MEMORY + choice * 0x1000 + take(program, 1);
        return take(program, 5);
}

/* IA32_APIC_BASE, IA32_TSC_DEADLINE and the x2APIC's. */
static void access_msr(struct hwaccl_machine *first, struct hwaccl_machine *second, struct program *program)
{
        uint64_t choice = take(program, 1), value = take(program, 5), a = 0, b = 0;
        uint32_t index = choice < 8 ? 0x1b : choice < 16 ? 0x6e0 : 0x800 + (uint32_t)choice % 80;

        hwaccl_assert(hwaccl_processor_rdmsr(&first->processor, index, &a) ==
                      hwaccl_processor_rdmsr(&second->processor, index, &b));
        hwaccl_assert(a == b);
        hwaccl_assert(hwaccl_processor_wrmsr(&first->processor, index, value) ==
                      hwaccl_processor_wrmsr(&second->processor, index, value));
}

static void step(struct hwaccl_machine *first, struct hwaccl_machine *second, struct program *program)
{
        uint64_t operation = take(program, 1);
        unsigned size = 1u << operation / 16 % 3;

        switch (operation % 16) {
        case 0: copy_state(first, second); break;
        case 1:
                load_arbitrary(first, program);
                copy_state(first, second);
                break;
        case 2:
        case 3:
                clock_now += take(program, operation % 16 == 2 ? 2 : 5);
                move_clock(first, clock_now);
                move_clock(second, clock_now);
                break;
        case 4: {
                uint64_t next = hwaccl_board_deadline(&first->board);
                if (next < INT64_MAX / 4 && next > clock_now)
                        clock_now = next;
                move_clock(first, clock_now);
                move_clock(second, clock_now);
                break;
        }
        case 5: {
                struct hwaccl_interrupt_source *a = &first->board.controller->source;
                struct hwaccl_interrupt_source *b = &second->board.controller->source;
                hwaccl_assert(a->pending(a) == b->pending(b));
                hwaccl_assert(a->acknowledge(a) == b->acknowledge(b));
                break;
        }
        case 6: {
                uint64_t address = take_address(program);
                hwaccl_assert(hwaccl_bus_mmio_read(&first->board.bus, address, size) ==
                              hwaccl_bus_mmio_read(&second->board.bus, address, size));
                uint64_t value = take(program, size);
                hwaccl_bus_mmio_write(&first->board.bus, address, size, value);
                hwaccl_bus_mmio_write(&second->board.bus, address, size, value);
                break;
        }
        case 7:
        case 8:
        case 9: {
                uint16_t port = take_port(program);
                hwaccl_assert(hwaccl_bus_port_read(&first->board.bus, port, size) ==
                              hwaccl_bus_port_read(&second->board.bus, port, size));
                break;
        }
        case 11: access_msr(first, second, program); break;
        case 10: /* a string instruction on an ATA data port */
                for (unsigned i = 0; i < 256; i++) {
                        uint16_t port = size == 4 ? 0x170 : 0x1f0;
                        hwaccl_assert(hwaccl_bus_port_read(&first->board.bus, port, 2) ==
                                      hwaccl_bus_port_read(&second->board.bus, port, 2));
                        hwaccl_bus_port_write(&first->board.bus, port, 2, i);
                        hwaccl_bus_port_write(&second->board.bus, port, 2, i);
                }
                break;
        default: {
                uint16_t port = take_port(program);
                uint32_t value = (uint32_t)take(program, size);
                hwaccl_bus_port_write(&first->board.bus, port, size, value);
                hwaccl_bus_port_write(&second->board.bus, port, size, value);
                break;
        }
        }
        hwaccl_assert(first->board.end == second->board.end && first->board.exit_code == second->board.exit_code);
        hwaccl_assert(hwaccl_board_deadline(&first->board) == hwaccl_board_deadline(&second->board));
        hwaccl_assert(hwaccl_machine_has_init(first) == hwaccl_machine_has_init(second));
        if (hwaccl_machine_has_init(first)) {
                hwaccl_machine_take_init(first);
                hwaccl_machine_take_init(second);
        }
        hwaccl_assert(!first->board.host->failed && !second->board.host->failed);
        first->board.end = second->board.end = HWACCL_END_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct hwaccl_inputs_ops inputs_ops = {read_clock,   wait_until,     read_memory,
                                                            read_console, read_wall_time, read_stop,
                                                            read_disk,    write_disk,     flush_disk};
        struct hwaccl_inputs inputs = {.ops = &inputs_ops};
        struct program program = {data, size < 4096 ? size : 4096};

        clock_now = 0;
        enum hwaccl_machine_kind kind = size % 2 ? HWACCL_MACHINE_APIC : HWACCL_MACHINE_PIC;
        struct hwaccl_vcpu *first = create(&inputs, kind, size / 2 % 2);
        struct hwaccl_vcpu *second = create(&inputs, kind, size / 2 % 2);
        struct hwaccl_machine *machines[] = {first->machine, second->machine};
        while (program.size)
                step(machines[0], machines[1], &program);
        copy_state(machines[0], machines[1]);
        hwaccl_vcpu_destroy(first);
        hwaccl_vcpu_destroy(second);
        hwaccl_machine_destroy(machines[0]);
        hwaccl_machine_destroy(machines[1]);
        return 0;
}
