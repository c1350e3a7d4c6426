/*
 * A processor, an emulator, guest memory and a bus with one device that answers everything and remembers what it was
 * asked: enough to emulate one instruction without a machine or an accelerator.
 */
#ifndef HWACCL_TEST_EMULATE_FIXTURE_H
#define HWACCL_TEST_EMULATE_FIXTURE_H

#include "exit/registers.h"
#include "hwaccl/assert.h"
#include "hwaccl/emulator.h"
#include "hwaccl/guest_access.h"

#include <string.h>

#define FIXTURE_MEMORY UINT64_C(0x400000) /* 4 MiB of RAM at 0 */
#define FIXTURE_ROM    UINT64_C(0x800000) /* 64 KiB */
#define FIXTURE_MMIO   UINT64_C(0x600000) /* 64 KiB of plain bytes behind the bus */
#define FIXTURE_CODE   UINT64_C(0x1000)   /* where fixture_code() puts instructions */

struct fixture_access {
        bool write;
        uint64_t address;
        unsigned size;
        uint64_t value;
};

struct fixture_device {
        struct hwaccl_device device;
        uint8_t bytes[0x10000];
        uint32_t port_value; /* what the next port read gives; then one more */
        struct fixture_access access[1024];
        unsigned access_count;
};

struct fixture {
        struct hwaccl_inputs inputs;
        struct hwaccl_guest_memory memory;
        struct hwaccl_host host;
        struct hwaccl_bus bus;
        struct fixture_device device;
        struct hwaccl_vcpu vcpu;
        struct hwaccl_processor processor;
        struct hwaccl_emulator *emulator;
        struct hwaccl_subject_state state;
        struct hwaccl_error error;
        struct hwaccl_machine_context *context; /* of the vcpu */
        unsigned input_count;                   /* memory and instruction reads */
};

static inline void fixture_note(struct fixture_device *device, bool write, uint64_t address, unsigned size,
                                uint64_t value)
{
        if (device->access_count < sizeof(device->access) / sizeof(device->access[0]))
                device->access[device->access_count++] = (struct fixture_access){write, address, size, value};
}

static inline uint32_t fixture_port_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        struct fixture_device *self = (struct fixture_device *)device;
        uint32_t value = self->port_value++;

        fixture_note(self, false, port, size, value);
        return value;
}

static inline void fixture_port_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        fixture_note((struct fixture_device *)device, true, port, size, value);
}

static inline uint64_t fixture_mmio_read(struct hwaccl_device *device, uint64_t address, unsigned size)
{
        struct fixture_device *self = (struct fixture_device *)device;
        uint64_t value = 0;

        hwaccl_assert(address % size == 0);
        memcpy(&value, self->bytes + (address - FIXTURE_MMIO), size);
        fixture_note(self, false, address, size, value);
        return value;
}

static inline void fixture_mmio_write(struct hwaccl_device *device, uint64_t address, unsigned size, uint64_t value)
{
        struct fixture_device *self = (struct fixture_device *)device;

        hwaccl_assert(address % size == 0);
        memcpy(self->bytes + (address - FIXTURE_MMIO), &value, size);
        fixture_note(self, true, address, size, value);
}

static const struct hwaccl_device_ops fixture_device_ops = {
        .name = "fixture",
        .port_read = fixture_port_read,
        .port_write = fixture_port_write,
        .mmio_read = fixture_mmio_read,
        .mmio_write = fixture_mmio_write,
};

static inline bool fixture_memory_read(struct hwaccl_inputs *inputs, enum hwaccl_input_kind kind, uint64_t address,
                                       void *buffer, size_t size, struct hwaccl_error *error)
{
        struct fixture *fixture = (struct fixture *)inputs;

        (void)kind;
        (void)error;
        fixture->input_count++;
        return hwaccl_guest_memory_read(&fixture->memory, address, buffer, size);
}

static const struct hwaccl_inputs_ops fixture_inputs_ops = {.memory_read = fixture_memory_read};

/* Real mode, flat limits of 64 KiB, interrupts off. */
static inline void fixture_real_mode(struct fixture *fixture)
{
        struct hwaccl_machine_context *context = fixture->context;

        memset(context, 0, sizeof(*context));
        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++)
                context->segment[i] = (struct hwaccl_segment){0, 0, 0xffff, i == HWACCL_CS ? 0x9b : 0x93};
        context->rflags = RFLAGS_RESERVED_1;
        context->rip = FIXTURE_CODE;
        context->gpr[HWACCL_RSP] = 0x8000;
        context->idtr = (struct hwaccl_segment){.limit = 0x3ff};
}

/* Flat protected mode at a privilege level. */
static inline void fixture_protected_mode(struct fixture *fixture, unsigned cpl)
{
        struct hwaccl_machine_context *context = fixture->context;

        fixture_real_mode(fixture);
        context->cr0 = HWACCL_CR0_PE;
        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++)
                context->segment[i] = (struct hwaccl_segment){(i == HWACCL_CS ? 8 : 16) + cpl, 0, UINT32_MAX,
                                                              (i == HWACCL_CS ? 0xc09b : 0xc093) | cpl << 5};
}

#define FIXTURE_PML4 UINT64_C(0x200000)

/* 64-bit mode; tables map the first gigabyte onto itself with 2-MiB pages, for user and supervisor. */
static inline void fixture_long_mode(struct fixture *fixture, unsigned cpl)
{
        struct hwaccl_machine_context *context = fixture->context;
        uint64_t entry = (FIXTURE_PML4 + 0x1000) | 0x67;

        fixture_protected_mode(fixture, cpl);
        context->cr0 = HWACCL_CR0_PE | HWACCL_CR0_PG;
        context->cr4 = HWACCL_CR4_PAE;
        context->cr3 = FIXTURE_PML4;
        context->efer = HWACCL_EFER_LME | HWACCL_EFER_LMA;
        context->segment[HWACCL_CS].access_rights = 0xa09b | cpl << 5;
        hwaccl_assert(hwaccl_guest_memory_write(&fixture->memory, FIXTURE_PML4, &entry, 8, false));
        entry = (FIXTURE_PML4 + 0x2000) | 0x67;
        hwaccl_assert(hwaccl_guest_memory_write(&fixture->memory, FIXTURE_PML4 + 0x1000, &entry, 8, false));
        for (uint64_t i = 0; i < 512; i++) {
                entry = i << 21 | 0xe7;
                hwaccl_assert(
                        hwaccl_guest_memory_write(&fixture->memory, FIXTURE_PML4 + 0x2000 + i * 8, &entry, 8, false));
        }
}

static inline void fixture_create(struct fixture *fixture)
{
        memset(fixture, 0, sizeof(*fixture));
        fixture->inputs.ops = &fixture_inputs_ops;
        hwaccl_guest_memory_init(&fixture->memory, true);
        hwaccl_assert(hwaccl_guest_memory_add(&fixture->memory, 0, FIXTURE_MEMORY, true, &fixture->error));
        hwaccl_assert(hwaccl_guest_memory_add(&fixture->memory, FIXTURE_ROM, 0x10000, false, &fixture->error));
        hwaccl_host_init(&fixture->host, &fixture->inputs, NULL, &fixture->memory);
        fixture->device.device.ops = &fixture_device_ops;
        hwaccl_bus_claim_ports(&fixture->bus, &fixture->device.device, 0, 65536);
        hwaccl_bus_claim_mmio(&fixture->bus, &fixture->device.device, FIXTURE_MMIO, sizeof(fixture->device.bytes));
        fixture->vcpu.host = &fixture->host;
        fixture->context = &fixture->vcpu.context;
        hwaccl_processor_init(&fixture->processor, NULL, &fixture->vcpu, 1000000);
        fixture->emulator = hwaccl_emulator_create(&fixture->host, &fixture->bus, &fixture->processor, &fixture->error);
        hwaccl_assert(fixture->emulator);
        fixture_real_mode(fixture);
}

static inline void fixture_destroy(struct fixture *fixture)
{
        hwaccl_emulator_destroy(fixture->emulator);
        hwaccl_guest_memory_destroy(&fixture->memory);
}

static inline void fixture_poke(struct fixture *fixture, uint64_t address, const void *data, size_t size)
{
        hwaccl_assert(hwaccl_guest_memory_write(&fixture->memory, address, data, size, true));
}

static inline uint64_t fixture_peek(struct fixture *fixture, uint64_t address, size_t size)
{
        uint64_t value = 0;

        hwaccl_assert(hwaccl_guest_memory_read(&fixture->memory, address, &value, size));
        return value;
}

/* Put code at CS:RIP of a flat context, and say that it exited because of @reason. */
static inline void fixture_code(struct fixture *fixture, const void *code, size_t size, uint64_t reason,
                                uint64_t qualification)
{
        fixture_poke(fixture, FIXTURE_CODE, code, size);
        fixture->context->rip = FIXTURE_CODE;
        fixture->state.exit_reason = reason;
        fixture->state.exit_qualification = qualification;
        fixture->state.instruction_length = size;
        fixture->device.access_count = 0;
}

static inline enum hwaccl_outcome fixture_run(struct fixture *fixture)
{
        return hwaccl_emulator_run(fixture->emulator, fixture->context, &fixture->state, &fixture->error);
}

/* fixture_emulate(&fixture, reason, qualification, bytes…) */
#define fixture_emulate(fixture, reason, qualification, ...)                                                           \
        (fixture_code(fixture, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), reason,         \
                      qualification),                                                                                  \
         fixture_run(fixture))

#endif
