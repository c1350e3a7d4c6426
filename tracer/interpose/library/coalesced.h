/*
 * Writes that KVM keeps for the VMM (KVM_REGISTER_COALESCED_MMIO), in a ring that all vCPUs of a VM share: a page of
 * their mappings. No exit of their own tells of them; the VMM looks there when it gets any. They are recorded with the
 * first exit after them, of whichever vCPU, each once: a thread claims what is new by moving the VM's count. The VMM
 * may take them out meanwhile: KVM writes there again only after a whole round, 169 further writes. If more come while
 * another thread of the VMM takes them and no vCPU exits, the older ones are not recorded.
 */
#ifndef HWACCL_INTERPOSE_COALESCED_H
#define HWACCL_INTERPOSE_COALESCED_H

#include "tracer/interpose/library/descriptors.h"
#include "tracer/ring/lane.h"

#include <linux/kvm.h>
#include <stddef.h>

#define COALESCED_PAGE 4096u
#define COALESCED_MAX  ((COALESCED_PAGE - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio))

/** coalesced_ring - in the mapping of a vCPU; NULL: that has none */
static inline const struct kvm_coalesced_mmio_ring *coalesced_ring(const void *run, size_t size)
{
        const size_t offset = (size_t)KVM_COALESCED_MMIO_PAGE_OFFSET * COALESCED_PAGE;

        return run && size >= offset + COALESCED_PAGE ? (const void *)((const char *)run + offset) : NULL;
}

/** coalesced_is_new - whether there are writes that were not recorded */
static inline bool coalesced_is_new(const struct interpose_object *vm, const struct kvm_coalesced_mmio_ring *ring)
{
        return vm && ring &&
               __atomic_load_n(&ring->last, __ATOMIC_RELAXED) !=
                       atomic_load_explicit(&vm->coalesced, memory_order_relaxed) % COALESCED_MAX;
}

/** coalesced_record - record them in the lane of a vCPU of @vm, in an exit */
void coalesced_record(struct lane *lane, struct interpose_object *vm, const struct kvm_coalesced_mmio_ring *ring);

#endif
