/*
 * The vCPUs of this process: each has a slot of the recorder's, a ring, and a lane that its thread writes. After
 * fork(2) the child has none: its parent's cannot run there, and it creates its own.
 */
#ifndef HWACCL_INTERPOSE_VCPU_H
#define HWACCL_INTERPOSE_VCPU_H

#include "tracer/interpose/library/descriptors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lane;

/** vcpu_create - the VMM has created a vCPU: get a ring for it
 * @vm: descriptor of its VM; @object: the vCPU, NULL if it could not be noted */
void vcpu_create(int vm, struct interpose_object *object);

/** vcpu_find - the vCPU of a descriptor; NULL if it is none, or is not recorded */
struct interpose_vcpu *vcpu_find(int fd);

/** vcpu_mapped - its struct kvm_run was mapped */
void vcpu_mapped(struct interpose_vcpu *vcpu, void *run, size_t size);
/** vcpu_unmapped - memory was unmapped, perhaps a struct kvm_run */
void vcpu_unmapped(const void *address, size_t size);

/** vcpu_number - in the recording; RING_CALL_OBJECT_NONE for NULL */
uint32_t vcpu_number(const struct interpose_vcpu *vcpu);

/** vcpu_begin_call - the vCPU whose lane this thread writes, because it ran it last; NULL if there is none
 * @lane: NULL when nothing is recorded any more; @buffer: RING_CALL_DATA_MAX bytes
 *
 * Until vcpu_end_call() no other thread can run the vCPU. Calls may be nested, by signal handlers. */
struct interpose_vcpu *vcpu_begin_call(struct lane **lane, uint8_t **buffer);
void vcpu_end_call(struct interpose_vcpu *vcpu);

/** vcpu_interrupt - KVM_INTERRUPT succeeded, in a call of the thread that ran the vCPU last: offered at its next entry
 * @split: an interrupt waits in KVM until the guest acknowledges it: KVM_CAP_SPLIT_IRQCHIP */
void vcpu_interrupt(struct interpose_vcpu *vcpu, uint32_t vector, bool split);

/** vcpu_run - ioctl(fd, KVM_RUN, argument), recorded */
int vcpu_run(struct interpose_vcpu *vcpu, int fd, void *argument);

#endif
