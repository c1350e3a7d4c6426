/*
 * The instruction that a vCPU exited with, out of the guest's memory: through its page tables, without its processor's
 * help. Rights and reserved bits are not looked at: the processor has just executed it.
 */
#ifndef HWACCL_TRACER_INTERPOSE_GUEST_CODE_H
#define HWACCL_TRACER_INTERPOSE_GUEST_CODE_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_CODE_MAX 15u /* bytes of an instruction */

struct guest_memory {
        /* guest-physical; false if it is no memory, or not readable. @size does not cross a page */
        bool (*read)(void *opaque, uint64_t physical, void *to, size_t size);
        void *opaque;
};

struct guest_state {
        const struct kvm_regs *regs;
        const struct kvm_sregs *sregs;
};

struct guest_code {
        uint64_t physical; /* of the first byte */
        size_t size;
        uint8_t bytes[GUEST_CODE_MAX];
};

/** guest_walk - linear to guest-physical address: without paging, 32-bit, PAE, 4-level and 5-level */
bool guest_walk(const struct kvm_sregs *sregs, const struct guest_memory *memory, uint64_t linear, uint64_t *physical);

/** guest_code_at - up to 15 bytes at @offset in the code segment; less where the next page is not mapped. False: none
 */
bool guest_code_at(const struct kvm_sregs *sregs, const struct guest_memory *memory, uint64_t offset,
                   struct guest_code *code);

/* What the last search before a RIP has found; begins with zeros. */
struct guest_code_last {
        uint64_t rip;
        size_t length;
};

/** guest_code_of_exit - the instruction of an exit
 * @last: of this vCPU
 *
 * RIP is that of the instruction, except after a write to MMIO, where KVM has completed all but the write: then it is
 * the instruction before RIP that writes as many bytes to such an address. False where none does. */
bool guest_code_of_exit(const struct guest_state *state, const struct kvm_run *run, const struct guest_memory *memory,
                        struct guest_code_last *last, struct guest_code *code);

#endif
