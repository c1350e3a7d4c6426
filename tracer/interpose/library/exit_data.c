#include "tracer/interpose/library/exit_data.h"

#include "hwaccl/trace_kvm.h"
#include "tracer/interpose/kvm_exit_fields.h"

struct access_data {
        bool port;
        const void *data; /* NULL: there is none */
        uint32_t size;
};

/* Data of a port's access, which lies in the mapping; NULL where a VMM describes more than that. */
static const void *port_data(const struct exit_place *place, uint32_t *size)
{
        const struct kvm_run *run = place->run;
        uint64_t length = (uint64_t)run->io.size * run->io.count;

        if (run->io.data_offset > place->size || length > place->size - run->io.data_offset ||
            length > HWACCL_INPUT_SIZE_MAX)
                return NULL;
        *size = (uint32_t)length;
        return hwaccl_trace_kvm_data(run);
}

/* @write: by the guest */
static struct access_data access_data(const struct exit_place *place, bool write)
{
        const struct kvm_run *run = place->run;
        struct access_data access = {.port = place->reason == KVM_EXIT_IO};

        if (access.port && (run->io.direction == KVM_EXIT_IO_OUT) == write) {
                access.data = port_data(place, &access.size);
        } else if (place->reason == KVM_EXIT_MMIO && (run->mmio.is_write != 0) == write &&
                   run->mmio.len <= sizeof(run->mmio.data)) {
                access.data = run->mmio.data;
                access.size = run->mmio.len;
        }
        return access;
}

static __attribute__((noinline)) void left_fields(struct lane *lane, const struct exit_place *place)
{
        struct kvm_exit_value value[KVM_EXIT_VALUES_MAX];
        size_t count = kvm_exit_values(place->run, place->reason, KVM_EXIT_LEFT, value);

        for (size_t i = 0; i < count; i++) {
                const struct hwaccl_input input = {HWACCL_INPUT_KVM_EXIT, value[i].address, value[i].value, NULL, 0};
                (void)lane_input(lane, &input);
        }
}

static __attribute__((noinline)) void answered_fields(struct lane *lane, const struct exit_place *place)
{
        struct kvm_exit_value value[KVM_EXIT_VALUES_MAX];
        size_t count = kvm_exit_values(place->run, place->reason, KVM_EXIT_ANSWERED, value);

        for (size_t i = 0; i < count; i++) {
                const struct hwaccl_effect effect = {HWACCL_EFFECT_KVM_EXIT, value[i].address, value[i].value, NULL, 0};
                (void)lane_effect(lane, &effect);
        }
}

void exit_data_left(struct lane *lane, const struct exit_place *place)
{
        const struct kvm_run *run = place->run;
        const struct access_data access = access_data(place, true);
        const struct hwaccl_input input = {
                .kind = access.port ? HWACCL_INPUT_PORT_WRITE : HWACCL_INPUT_MMIO_WRITE,
                .address = access.port ? run->io.port : run->mmio.phys_addr,
                .value = access.port ? run->io.size : 0,
                .data = access.data,
                .size = access.size,
        };

        if (access.data)
                (void)lane_input(lane, &input);
        if (__builtin_expect(kvm_exit_has_data(place->reason), 0))
                left_fields(lane, place);
}

void exit_data_answered(struct lane *lane, const struct exit_place *place)
{
        const struct kvm_run *run = place->run;
        const struct access_data access = access_data(place, false);
        const struct hwaccl_effect effect = {
                .kind = access.port ? HWACCL_EFFECT_PORT_READ : HWACCL_EFFECT_MMIO_READ,
                .address = access.port ? run->io.port : run->mmio.phys_addr,
                .value = access.port ? run->io.size : 0,
                .data = access.data,
                .size = access.size,
        };

        if (access.data)
                (void)lane_effect(lane, &effect);
        if (__builtin_expect(kvm_exit_has_data(place->reason), 0))
                answered_fields(lane, place);
}
