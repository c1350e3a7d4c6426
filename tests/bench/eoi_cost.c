/*
 * What an end of interrupt costs: a guest on an accelerator that does nothing but exit requests an interrupt to itself,
 * takes it and writes the EOI register. Prints one JSON object: the exits, and the handling of an EOI's.
 *
 *      bench-eoi-cost COUNT
 */
#include "core/host/host.h"
#include "core/loop/vcpu.h"
#include "core/machine/machine.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CODE      UINT64_C(0x1000)
#define ICR       UINT64_C(0xfee00300)
#define EOI       UINT64_C(0xfee000b0)
#define RFLAGS_IF UINT64_C(0x200)
#define SELF_51H  UINT64_C(0x40051)

/* mov [ebx], eax */
static const uint8_t code[] = {0x89, 0x03};

struct scripted {
        struct hwaccl_accel accel;
        struct hwaccl_inputs inputs; /* found by offset */
        bool ends;                   /* the next exit is the EOI */
        uint64_t taken;
        struct hwaccl_guest_memory *memory;
};

static uint64_t now(void)
{
        struct timespec time = {0, 0};

        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static bool run(struct hwaccl_accel *accel, struct hwaccl_subject_state *state,
                struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request,
                struct hwaccl_error *error)
{
        struct scripted *scripted = (struct scripted *)accel;
        int vector = hwaccl_pending_interrupts_highest(pending);

        (void)request;
        (void)error;
        if (vector >= 0) {
                hwaccl_pending_interrupts_clear(pending, (uint8_t)vector);
                scripted->taken++;
        }
        state->rip = CODE;
        state->rflags |= RFLAGS_IF;
        state->rax = SELF_51H;
        state->rbx = scripted->ends ? EOI : ICR;
        state->exit_reason = HWACCL_EXIT_EPT_VIOLATION;
        state->exit_qualification = 0x182; /* a write, by its linear address */
        state->guest_physical_address = state->rbx;
        state->instruction_length = sizeof(code);
        return true;
}

static bool read_clock(struct hwaccl_inputs *inputs, uint64_t *time, struct hwaccl_error *error)
{
        (void)inputs;
        (void)error;
        *time = 0;
        return true;
}

static bool read_memory(struct hwaccl_inputs *inputs, enum hwaccl_input_kind kind, uint64_t address, void *buffer,
                        size_t size, struct hwaccl_error *error)
{
        struct scripted *scripted = (struct scripted *)(void *)((char *)inputs - offsetof(struct scripted, inputs));

        (void)kind;
        return hwaccl_guest_memory_read(scripted->memory, address, buffer, size) ||
               hwaccl_error_set(error, "no memory");
}

static bool read_stop(struct hwaccl_inputs *inputs, enum hwaccl_stop_request *request, struct hwaccl_error *error)
{
        (void)inputs;
        (void)error;
        *request = HWACCL_STOP_NONE;
        return true;
}

static int by_size(const void *a, const void *b)
{
        const uint64_t *one = a, *other = b;
        return (*one > *other) - (*one < *other);
}

static void step(struct hwaccl_vcpu *vcpu)
{
        struct hwaccl_error error;

        if (hwaccl_vcpu_step(vcpu, &error))
                return;
        (void)fprintf(stderr, "bench-eoi-cost: %s\n", error.message);
        exit(2);
}

int main(int argc, char **argv)
{
        static const struct hwaccl_accel_ops accel_ops = {.name = "script", .run = run};
        static const struct hwaccl_inputs_ops inputs_ops = {
                .clock = read_clock, .memory_read = read_memory, .stop_requested = read_stop};
        const struct hwaccl_machine_config config = {
                .memory_size = HWACCL_MEMORY_SIZE_MIN,
                .tsc_khz = 1000000,
                .kind = HWACCL_MACHINE_APIC,
                .backed = true,
                .raw = {{CODE, code, sizeof(code)}},
                .raw_count = 1,
                .entry = {.mode = HWACCL_ENTRY_PROTECTED, .rip = CODE, .code_selector = 8, .data_selector = 16},
        };
        struct scripted scripted = {.accel.ops = &accel_ops, .inputs.ops = &inputs_ops};
        struct hwaccl_error error = {""};
        struct hwaccl_machine *machine = hwaccl_machine_create(&config, &error);
        struct hwaccl_vcpu *vcpu = machine ? hwaccl_vcpu_create(machine, &error) : NULL;
        uint64_t count = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
        uint64_t *took = count ? calloc(2 * count, sizeof(*took)) : NULL;

        if (!vcpu || !took) {
                (void)fprintf(stderr, "bench-eoi-cost: %s\n", vcpu ? "usage: bench-eoi-cost COUNT" : error.message);
                free(took);
                return 2;
        }
        scripted.memory = hwaccl_machine_memory(machine);
        hwaccl_vcpu_attach(vcpu, &scripted.accel, &scripted.inputs, NULL);
        for (uint64_t i = 0; i < count; i++) {
                scripted.ends = false;
                step(vcpu);
                scripted.ends = true;
                uint64_t begin = now();
                step(vcpu);
                took[i] = now() - begin;
                begin = now();
                took[count + i] = now() - begin; /* what reading the clock costs */
        }
        qsort(took, count, sizeof(*took), by_size);
        qsort(took + count, count, sizeof(*took), by_size);
        printf("{\"exits\": %" PRIu64 ", \"taken\": %" PRIu64 ", \"eoi_ns\": %" PRIu64 "}\n", 2 * count, scripted.taken,
               took[count / 2] - took[count + count / 2]);
        free(took);
        hwaccl_vcpu_destroy(vcpu);
        hwaccl_machine_destroy(machine);
        return 0;
}
