#include "tracer/interpose/library/memory_slots.h"

#include "tracer/interpose/ioctl_capture.h"

#include <linux/kvm.h>
#include <string.h>

#define SLOT_MAX    512u
#define VM_MAX      64u
#define PAGE_SHIFT  12
#define GUEST_MEMFD 4u                  /* KVM_MEM_GUEST_MEMFD: what the guest uses is elsewhere */
#define CHECKED_MAX (UINT64_C(1) << 28) /* pages with a bit: of 1 TiB */

struct slot {
        uint64_t physical, size, address;
        _Atomic uint64_t *checked; /* a bit for each page that is known to be readable; NULL: none can be */
};

/* Threads of vCPUs read it without a lock, and read again what changed meanwhile. */
struct memory_slots {
        _Atomic uint32_t version; /* odd: it is being changed */
        _Atomic uint32_t changing;
        _Atomic uint32_t count; /* slots below have been used */
        struct slot slot[SLOT_MAX];
};

static _Atomic(struct memory_slots *) known[VM_MAX]; /* of all VMs */
static _Atomic uint32_t known_count;

static struct memory_slots *get_slots(struct interpose_object *vm)
{
        struct memory_slots *slots = atomic_load_explicit(&vm->slots, memory_order_acquire);

        if (slots)
                return slots;
        struct memory_slots *made = map_zeros(sizeof(*made));
        if (!made || !atomic_compare_exchange_strong(&vm->slots, &slots, made))
                return slots; /* the loser's mapping stays: this happens once in a VMM's life, if at all */
        uint32_t number = atomic_fetch_add(&known_count, 1);
        if (number < VM_MAX)
                atomic_store_explicit(&known[number], made, memory_order_release);
        return made;
}

void memory_slots_set(struct interpose_object *vm, const void *region)
{
        struct kvm_userspace_memory_region given; /* the beginning of the other structure, too */
        struct memory_slots *slots = vm ? get_slots(vm) : NULL;

        memcpy(&given, region, sizeof(given));
        if (!slots || given.slot >= SLOT_MAX) /* other address spaces are in the upper half */
                return;
        bool usable = given.memory_size && !(given.flags & GUEST_MEMFD);
        struct slot slot = {given.guest_phys_addr, usable ? given.memory_size : 0, given.userspace_addr, NULL};
        const uint64_t pages = slot.size >> PAGE_SHIFT;
        if (usable && pages <= CHECKED_MAX)
                slot.checked = map_zeros((size_t)(pages + 63) / 64 * 8);
        while (atomic_exchange_explicit(&slots->changing, 1, memory_order_acquire)) {
        }
        atomic_fetch_add(&slots->version, 1);
        slots->slot[given.slot] = slot; /* the old bits stay mapped: a thread may be looking at them */
        if (given.slot >= atomic_load(&slots->count))
                atomic_store(&slots->count, given.slot + 1);
        atomic_fetch_add(&slots->version, 1);
        atomic_store_explicit(&slots->changing, 0, memory_order_release);
}

uint64_t memory_slots_pages(const struct interpose_object *vm, uint32_t slot)
{
        const struct memory_slots *slots = vm ? atomic_load_explicit(&vm->slots, memory_order_acquire) : NULL;

        return slots && slot < SLOT_MAX ? slots->slot[slot].size >> PAGE_SHIFT : 0;
}

static bool find_slot(struct memory_slots *slots, uint64_t physical, struct slot *found)
{
        for (unsigned tries = 0; tries < 16; tries++) {
                const uint32_t before = atomic_load_explicit(&slots->version, memory_order_acquire);
                const uint32_t count = atomic_load_explicit(&slots->count, memory_order_relaxed);
                *found = (struct slot){0};
                for (uint32_t i = 0; i < count; i++)
                        if (physical - slots->slot[i].physical < slots->slot[i].size) {
                                *found = slots->slot[i];
                                break;
                        }
                atomic_thread_fence(memory_order_acquire);
                if (!(before & 1) && atomic_load_explicit(&slots->version, memory_order_relaxed) == before)
                        return found->checked != NULL;
        }
        return false;
}

bool memory_slots_read(struct interpose_object *vm, uint64_t physical, void *to, size_t size)
{
        struct memory_slots *slots = vm ? atomic_load_explicit(&vm->slots, memory_order_acquire) : NULL;
        struct slot slot;

        if (!slots || !find_slot(slots, physical, &slot) || size > slot.size - (physical - slot.physical))
                return false;
        const uint64_t offset = physical - slot.physical, page = offset >> PAGE_SHIFT;
        const void *from = (const void *)(uintptr_t)(slot.address + offset); /* NOLINT(performance-no-int-to-ptr) */
        if (atomic_load_explicit(&slot.checked[page / 64], memory_order_relaxed) >> page % 64 & 1) {
                memcpy(to, from, size);
                return true;
        }
        if (!memory_read(to, from, size))
                return false;
        atomic_fetch_or(&slot.checked[page / 64], UINT64_C(1) << page % 64);
        return true;
}

static void forget_pages(const struct slot *slot, uint64_t first, uint64_t last)
{
        for (uint64_t word = first / 64; word <= last / 64; word++)
                atomic_store_explicit(&slot->checked[word], 0, memory_order_relaxed);
}

void memory_slots_forget(const void *address, size_t size)
{
        const uint64_t begin = (uintptr_t)address;

        for (uint32_t i = 0; i < atomic_load_explicit(&known_count, memory_order_relaxed) && i < VM_MAX; i++) {
                struct memory_slots *slots = atomic_load_explicit(&known[i], memory_order_acquire);
                const uint32_t count = slots ? atomic_load(&slots->count) : 0;
                for (uint32_t k = 0; k < count; k++) {
                        const struct slot *slot = &slots->slot[k];
                        if (!slot->checked || size == 0 || begin >= slot->address + slot->size ||
                            slot->address >= begin + size)
                                continue;
                        const uint64_t end = begin + size;
                        const uint64_t from = begin > slot->address ? begin - slot->address : 0;
                        const uint64_t to = end < slot->address + slot->size ? end - slot->address : slot->size;
                        forget_pages(slot, from >> PAGE_SHIFT, (to - 1) >> PAGE_SHIFT);
                }
        }
}
