#include "tracer/interpose/library/descriptors.h"

#include "tracer/interpose/library/process.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define CHUNK_SIZE 1024u
#define CHUNK_MAX  1024u
#define OBJECT_MAX 4096u

struct chunk {
        _Atomic(struct interpose_object *) object[CHUNK_SIZE];
};

struct table {
        _Atomic(struct chunk *) chunk[CHUNK_MAX];
        _Atomic uint32_t objects;
        _Atomic uint32_t created[IOCTL_GUEST_MEMORY + 1]; /* by role */
        struct interpose_object object[OBJECT_MAX];
};

static _Atomic(struct table *) table;

void *map_zeros(size_t size)
{
        void *memory =
                next_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (memory == MAP_FAILED)
                return NULL;
        if (madvise(memory, size, MADV_WIPEONFORK) == 0)
                return memory;
        (void)next_munmap(memory, size);
        return NULL;
}

static struct table *get_table(bool make)
{
        struct table *known = atomic_load_explicit(&table, memory_order_acquire);

        if (known || !make)
                return known;
        struct table *made = map_zeros(sizeof(*made));
        if (!made || atomic_compare_exchange_strong(&table, &known, made))
                return made;
        (void)next_munmap(made, sizeof(*made));
        return known;
}

static _Atomic(struct interpose_object *) *find_place(int fd, bool make)
{
        struct table *known = fd < 0 ? NULL : get_table(make);
        unsigned index = (unsigned)fd / CHUNK_SIZE;

        if (!known || index >= CHUNK_MAX)
                return NULL;
        struct chunk *chunk = atomic_load_explicit(&known->chunk[index], memory_order_acquire);
        if (!chunk && make) {
                struct chunk *made = map_zeros(sizeof(*made));
                if (made && atomic_compare_exchange_strong(&known->chunk[index], &chunk, made))
                        chunk = made;
                else if (made)
                        (void)next_munmap(made, sizeof(*made));
        }
        return chunk ? &chunk->object[(unsigned)fd % CHUNK_SIZE] : NULL;
}

struct interpose_object *descriptor_find(int fd)
{
        struct table *known = atomic_load_explicit(&table, memory_order_acquire); /* at each exit: no calls */

        if (!known || (unsigned)fd >= CHUNK_SIZE * CHUNK_MAX)
                return NULL;
        struct chunk *chunk = atomic_load_explicit(&known->chunk[(unsigned)fd / CHUNK_SIZE], memory_order_acquire);
        return chunk ? atomic_load_explicit(&chunk->object[(unsigned)fd % CHUNK_SIZE], memory_order_acquire) : NULL;
}

struct interpose_object *descriptor_add(int fd, enum ioctl_role role, struct interpose_object *parent, unsigned long id)
{
        _Atomic(struct interpose_object *) *place = find_place(fd, true);
        struct table *known = get_table(false);

        if (!place || !known)
                return NULL;
        uint32_t number = atomic_fetch_add(&known->objects, 1);
        struct interpose_object *object = number < OBJECT_MAX ? &known->object[number] : NULL;
        if (object) {
                object->role = role;
                object->number = atomic_fetch_add(&known->created[role], 1);
                object->id = id;
                object->vm = parent && parent->role == IOCTL_VM ? parent : NULL;
        }
        atomic_store_explicit(place, object, memory_order_release);
        return object;
}

static bool is_one_role(unsigned roles)
{
        return roles && (roles & (roles - 1)) == 0;
}

struct interpose_object *descriptor_note(int fd, const struct ioctl_entry *entry, const void *argument, int result)
{
        struct interpose_object *object = descriptor_find(fd);

        /* a role that came to be known by a request is corrected by none: numbers are used again only after close(2) */
        if (!object && is_one_role(entry->roles))
                object = descriptor_add(fd, (enum ioctl_role)entry->roles, NULL, 0);
        if (entry->result == IOCTL_RESULT_DESCRIPTOR) {
                (void)descriptor_add(result, (enum ioctl_role)entry->result_role, object,
                                     entry->request == KVM_CREATE_VCPU ? (unsigned long)(uintptr_t)argument : 0);
        } else if (entry->request == KVM_CREATE_DEVICE) {
                const struct kvm_create_device *device = argument; /* the kernel has written it */
                if (!(device->flags & KVM_CREATE_DEVICE_TEST))
                        (void)descriptor_add((int)device->fd, IOCTL_DEVICE, object, device->type);
        }
        return object;
}

void descriptor_copied(int from, int to)
{
        struct interpose_object *object = descriptor_find(from);
        _Atomic(struct interpose_object *) *place = from == to ? NULL : find_place(to, object != NULL);

        if (place)
                atomic_store_explicit(place, object, memory_order_release);
}

void descriptor_closed(int fd)
{
        _Atomic(struct interpose_object *) *place = find_place(fd, false);

        if (place && atomic_load_explicit(place, memory_order_relaxed))
                atomic_store_explicit(place, NULL, memory_order_release);
}

void descriptor_closed_range(unsigned first, unsigned last)
{
        for (unsigned fd = first; fd <= last && fd < CHUNK_SIZE * CHUNK_MAX; fd++) {
                if (!find_place((int)fd, false))
                        fd |= CHUNK_SIZE - 1; /* nothing is known of this chunk */
                else
                        descriptor_closed((int)fd);
        }
}
