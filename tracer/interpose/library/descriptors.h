/*
 * What the descriptors of this process are, as far as KVM is concerned: /dev/kvm, VMs, vCPUs, devices. Copies (dup and
 * its like) name the same object. A descriptor that came another way (SCM_RIGHTS, pidfd_getfd(2), /proc/self/fd, a
 * system call that is not the C library's) is not known, and neither is what a child inherits by fork(2): KVM runs VMs
 * and vCPUs only in the process that created them, and /dev/kvm is recognized by its first request.
 */
#ifndef HWACCL_INTERPOSE_DESCRIPTORS_H
#define HWACCL_INTERPOSE_DESCRIPTORS_H

#include "tracer/interpose/ioctl_table.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interpose_vcpu;
struct memory_slots;

/* Lives as long as the process: a thread may be using it while another closes the descriptor. */
struct interpose_object {
        enum ioctl_role role;
        uint32_t number;             /* of its role in this process, from 0 in the order of creation */
        unsigned long id;            /* of a vCPU: KVM's number; of a device: its type */
        struct interpose_object *vm; /* of a vCPU, a device: its VM; NULL for others, and if that is unknown */
        _Atomic(struct interpose_vcpu *) vcpu; /* of a vCPU that is recorded */
        _Atomic(struct memory_slots *) slots;  /* of a VM: memory_slots.h */
        _Atomic bool split_irqchip;            /* of a VM: KVM_CAP_SPLIT_IRQCHIP was enabled */
        _Atomic uint64_t coalesced;            /* of a VM: writes in its ring that were recorded: coalesced.h */
};

/** descriptor_find - NULL if it is none of KVM's, or not known */
struct interpose_object *descriptor_find(int fd);

/** descriptor_add - a request on @parent (NULL: none, or not known) made @fd. NULL without memory, with too many */
struct interpose_object *descriptor_add(int fd, enum ioctl_role role, struct interpose_object *parent,
                                        unsigned long id);

/** descriptor_note - @entry succeeded on @fd: makes known what it created; if @fd was not known and only descriptors of
 * one role take such a request, it is one. The object of @fd, or NULL */
struct interpose_object *descriptor_note(int fd, const struct ioctl_entry *entry, const void *argument, int result);

/** descriptor_copied - @to names what @from names, and no longer what it was before */
void descriptor_copied(int from, int to);

/** descriptor_closed */
void descriptor_closed(int fd);
/** descriptor_closed_range - @first to @last, both closed */
void descriptor_closed_range(unsigned first, unsigned last);

/** map_zeros - memory of this library's own, not the VMM's heap; it is empty in a child of fork(2). NULL if there is
 * none */
void *map_zeros(size_t size);

#endif
