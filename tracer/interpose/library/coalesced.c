#include "tracer/interpose/library/coalesced.h"

/* From *first on; how many. The ring's counters may be anything: the VMM can write there. */
static uint64_t claim(struct interpose_object *vm, const struct kvm_coalesced_mmio_ring *ring, uint64_t *first)
{
        uint64_t count = atomic_load(&vm->coalesced);
        uint64_t more;

        do {
                const uint32_t last = __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE);
                if (last >= COALESCED_MAX)
                        return 0;
                more = (last + COALESCED_MAX - count % COALESCED_MAX) % COALESCED_MAX;
        } while (!atomic_compare_exchange_weak(&vm->coalesced, &count, count + more));
        *first = count;
        return more;
}

void coalesced_record(struct lane *lane, struct interpose_object *vm, const struct kvm_coalesced_mmio_ring *ring)
{
        uint64_t first = 0;
        const uint64_t count = claim(vm, ring, &first);

        for (uint64_t i = first; i < first + count; i++) {
                const struct kvm_coalesced_mmio write = ring->coalesced_mmio[i % COALESCED_MAX];
                const struct hwaccl_input input = {
                        .kind = write.pio ? HWACCL_INPUT_COALESCED_PORT_WRITE : HWACCL_INPUT_COALESCED_MMIO_WRITE,
                        .address = write.phys_addr,
                        .value = i,
                        .data = write.data,
                        .size = write.len < sizeof(write.data) ? write.len : sizeof(write.data),
                };
                (void)lane_input(lane, &input);
        }
}
