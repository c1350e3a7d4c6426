/*
 * Guest memory as KVM's memory slots. RAM and ROM are slots over their host memory, ROM without the right to write.
 * The ranges between them below 4 GiB are slots as well, over inaccessible pages: KVM_RUN then returns with
 * EFAULT before the instruction has done anything, where KVM's own handling of such an access (KVM_EXIT_MMIO) would
 * have carried out half of it, or all but the write itself. The kernel's emulator, where it executes the guest, does
 * that all the same: mmio.c.
 */
#include "core/accel/kvm/kvm.h"

#include <sys/ioctl.h>
#include <sys/mman.h>

#define KERNEL_PAGES      UINT64_C(0xfeffc000)
#define KERNEL_PAGES_SIZE (4 * (uint64_t)HWACCL_PAGE_SIZE)

static bool set_slot(struct kvm_accel *kvm, uint32_t *slot, uint64_t address, uint64_t size, void *host,
                     struct hwaccl_error *error)
{
        struct kvm_userspace_memory_region region = {
                .slot = (*slot)++,
                .guest_phys_addr = address,
                .memory_size = size,
                .userspace_addr = (uintptr_t)host,
        };
        return !size || ioctl(kvm->kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) == 0 ||
               kvm_error(error, "mapping guest memory");
}

/* The kernel's own pages are left out. */
static bool set_hole(struct kvm_accel *kvm, uint32_t *slot, uint64_t begin, uint64_t end, struct hwaccl_error *error)
{
        uint64_t gap = KERNEL_PAGES + KERNEL_PAGES_SIZE;

        if (begin < gap && end > KERNEL_PAGES)
                return (begin >= KERNEL_PAGES || set_hole(kvm, slot, begin, KERNEL_PAGES, error)) &&
                       (end <= gap || set_hole(kvm, slot, gap, end, error));
        return set_slot(kvm, slot, begin, end - begin, kvm->nothing, error);
}

bool kvm_map_memory(struct kvm_accel *kvm, struct hwaccl_error *error)
{
        const struct hwaccl_guest_memory *memory = kvm->config.memory;
        uint32_t slot = 0;
        uint64_t begin = 0;

        kvm->nothing_size = HOLES_END;
        /* cppcheck-suppress invalidFunctionArg ; -1 is what an anonymous mapping asks for */
        kvm->nothing = mmap(NULL, kvm->nothing_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (kvm->nothing == MAP_FAILED) {
                kvm->nothing = NULL;
                return kvm_error(error, "reserving address space");
        }
        for (size_t i = 0; i < memory->run_count; i++) {
                const struct hwaccl_memory_run *run = &memory->run[i];
                if (!run->writable && mprotect(run->host, run->size, PROT_READ) != 0)
                        return kvm_error(error, "protecting ROM");
                if (!set_slot(kvm, &slot, run->address, run->size, run->host, error))
                        return false;
                if (begin < HOLES_END && run->address > begin &&
                    !set_hole(kvm, &slot, begin, run->address < HOLES_END ? run->address : HOLES_END, error))
                        return false;
                begin = run->address + run->size;
        }
        return begin >= HOLES_END || set_hole(kvm, &slot, begin, HOLES_END, error);
}

void kvm_unmap_memory(struct kvm_accel *kvm)
{
        const struct hwaccl_guest_memory *memory = kvm->config.memory;

        for (size_t i = 0; i < memory->run_count; i++)
                if (!memory->run[i].writable)
                        (void)mprotect(memory->run[i].host, memory->run[i].size, PROT_READ | PROT_WRITE);
        if (kvm->nothing)
                (void)munmap(kvm->nothing, kvm->nothing_size);
}
