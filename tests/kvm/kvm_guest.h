/* A guest of a few bytes of code on KVM, for tests that go exit by exit. Include after cmocka.h. */
#ifndef HWACCL_TESTS_KVM_GUEST_H
#define HWACCL_TESTS_KVM_GUEST_H

#include "core/accel/kvm/accel_kvm.h"
#include "core/loop/vcpu_internal.h"
#include "core/machine/machine.h"
#include "core/subject/transfer.h"
#include "hwaccl/exit_reason.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CODE      UINT64_C(0x7c00)
#define DATA      UINT64_C(0x8000)
#define HANDLER   UINT64_C(0x7d00) /* of vector 40h: HLT */
#define VECTOR    0x40
#define WINDOW    UINT64_C(0xa0000) /* no RAM */
#define ROM       UINT64_C(0xffff0000)
#define SECOND    UINT64_C(1000000000)
#define RFLAGS_IF UINT64_C(0x200)
#define SKIPPED   77

struct guest {
        struct hwaccl_machine *machine;
        struct hwaccl_vcpu *vcpu;
        struct hwaccl_guest_memory *memory; /* the machine's */
        struct hwaccl_accel *accel;
        struct hwaccl_subject_state state;
        struct hwaccl_pending_interrupts pending;
        struct hwaccl_run_request request;
};

static inline uint64_t clock_ns(void *opaque)
{
        struct timespec now;

        (void)opaque;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static inline struct guest *guest_create(const void *code, size_t size, bool verify)
{
        static uint8_t firmware[1 << 16];
        struct hwaccl_error error = {""};
        struct hwaccl_kvm *kvm = hwaccl_kvm_open(&error);
        struct guest *guest = calloc(1, sizeof(*guest));

        assert_non_null(guest);
        if (!kvm)
                fail_msg("%s", error.message);
        const struct hwaccl_machine_config machine = {
                .memory_size = HWACCL_MEMORY_SIZE_MIN,
                .tsc_khz = hwaccl_kvm_tsc_khz(kvm),
                .backed = true,
                .firmware = firmware,
                .firmware_size = sizeof(firmware),
        };
        guest->machine = hwaccl_machine_create(&machine, &error);
        assert_non_null(guest->machine);
        guest->memory = hwaccl_machine_memory(guest->machine);
        guest->vcpu = hwaccl_vcpu_create(guest->machine, &error);
        assert_non_null(guest->vcpu);
        const struct hwaccl_accel_kvm_config config = {
                .memory = guest->memory,
                .processor = hwaccl_machine_processor(guest->machine),
                .clock = clock_ns,
                .verify = verify,
        };
        guest->accel = hwaccl_accel_kvm_create(kvm, &config, &error);
        if (!guest->accel)
                fail_msg("%s", error.message);
        static const uint8_t vector[4] = {HANDLER & 0xff, HANDLER >> 8, 0, 0};
        static const uint8_t hlt = 0xf4;
        assert_true(hwaccl_guest_memory_write(guest->memory, CODE, code, size, false));
        assert_true(hwaccl_guest_memory_write(guest->memory, VECTOR * 4, vector, sizeof(vector), false));
        assert_true(hwaccl_guest_memory_write(guest->memory, HANDLER, &hlt, 1, false));

        struct hwaccl_machine_context *context = &guest->vcpu->context;
        context->segment[HWACCL_CS].selector = context->segment[HWACCL_CS].base = 0;
        context->rip = CODE;
        context->gpr[HWACCL_RSP] = 0x7000;
        assert_true(hwaccl_transfer_in(context, &guest->state, &error));
        guest->request.deadline_ns = UINT64_MAX;
        return guest;
}

#define GUEST(...)          guest_create((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), false)
#define VERIFIED_GUEST(...) guest_create((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), true)

static inline void guest_destroy(struct guest *guest)
{
        guest->accel->ops->destroy(guest->accel);
        hwaccl_vcpu_destroy(guest->vcpu);
        hwaccl_machine_destroy(guest->machine);
        free(guest);
}

/* Run to the next exit, which must be for @reason, at @rip. */
static inline void run(struct guest *guest, uint64_t reason, uint64_t rip)
{
        struct hwaccl_error error = {""};

        if (!guest->accel->ops->run(guest->accel, &guest->state, &guest->pending, &guest->request, &error))
                fail_msg("%s", error.message);
        if (guest->state.exit_reason != reason)
                fail_msg("exit reason %lu at %lx, not %lu", (unsigned long)guest->state.exit_reason,
                         (unsigned long)guest->state.rip, (unsigned long)reason);
        assert_int_equal(guest->state.rip, rip);
}

static inline void expect_port(const struct guest *guest, uint64_t qualification, uint64_t length)
{
        assert_int_equal(guest->state.exit_qualification, qualification);
        assert_int_equal(guest->state.instruction_length, length);
}

static inline void expect_violation(const struct guest *guest, uint64_t qualification, uint64_t address)
{
        assert_int_equal(guest->state.exit_qualification, qualification);
        assert_int_equal(guest->state.guest_physical_address, address);
}

static inline void write_data(struct guest *guest, const char *text)
{
        assert_true(hwaccl_guest_memory_write(guest->memory, DATA, text, strlen(text), false));
}

/* Does this KVM execute guests in software, so that they see @how? */
static inline bool software_kvm(const char *how)
{
        FILE *cpuinfo = fopen("/proc/cpuinfo", "r");

        assert_non_null(cpuinfo);
        bool software = !hwaccl_kvm_is_hardware(cpuinfo);
        assert_int_equal(fclose(cpuinfo), 0);
        if (software)
                printf("not on a software KVM: %s\n", how);
        return software;
}

/* Can this machine's KVM run the test guest? A software one may not. */
static inline bool kvm_works(void)
{
        struct hwaccl_error error = {""};
        struct hwaccl_kvm *kvm = hwaccl_kvm_open(&error);

        if (!kvm)
                printf("skipped: %s\n", error.message);
        hwaccl_kvm_close(kvm);
        return kvm != NULL;
}

#endif
