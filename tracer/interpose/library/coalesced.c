#include "tracer/interpose/library/coalesced.h"

struct claimed {
        uint64_t first; /* number in the VM */
        uint64_t count;
        struct kvm_coalesced_mmio write[COALESCED_MAX];
};

/* Copied before they are claimed: as soon as they are, a vCPU's thread lets the VMM take them out, and KVM may write
 * there again before a thread that was preempted has read them. The ring's counters may be anything: the VMM can write
 * there. */
static bool claim(struct interpose_object *vm, const struct kvm_coalesced_mmio_ring *ring, struct claimed *claimed)
{
        claimed->first = atomic_load(&vm->coalesced);
        do {
                const uint32_t last = __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE);
                if (last >= COALESCED_MAX)
                        return false;
                claimed->count = (last + COALESCED_MAX - claimed->first % COALESCED_MAX) % COALESCED_MAX;
                for (uint64_t i = 0; i < claimed->count; i++)
                        claimed->write[i] = ring->coalesced_mmio[(claimed->first + i) % COALESCED_MAX];
        } while (!atomic_compare_exchange_strong(&vm->coalesced, &claimed->first, claimed->first + claimed->count));
        return true;
}

void coalesced_record(struct lane *lane, struct interpose_object *vm, const struct kvm_coalesced_mmio_ring *ring)
{
        struct claimed claimed;

        if (!claim(vm, ring, &claimed))
                return;
        for (uint64_t i = 0; i < claimed.count; i++) {
                const struct kvm_coalesced_mmio *write = &claimed.write[i];
                const struct hwaccl_input input = {
                        .kind = write->pio ? HWACCL_INPUT_COALESCED_PORT_WRITE : HWACCL_INPUT_COALESCED_MMIO_WRITE,
                        .address = write->phys_addr,
                        .value = claimed.first + i,
                        .data = write->data,
                        .size = write->len < sizeof(write->data) ? write->len : sizeof(write->data),
                };
                (void)lane_input(lane, &input);
        }
}
