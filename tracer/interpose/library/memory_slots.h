/*
 * The memory slots of VMs: where in this process the guest's memory is. A slot's address says nothing about what is
 * mapped there: the VMM may not have mapped it yet, or no longer. So a page is read directly only after
 * process_vm_readv(2) has read it once, and until something is unmapped, mapped over or protected there by the C
 * library's functions. Slots of other address spaces (SMM) and of private memory are not known.
 */
#ifndef HWACCL_INTERPOSE_MEMORY_SLOTS_H
#define HWACCL_INTERPOSE_MEMORY_SLOTS_H

#include "tracer/interpose/library/descriptors.h"

/** memory_slots_set - KVM_SET_USER_MEMORY_REGION or KVM_SET_USER_MEMORY_REGION2 succeeded on @vm */
void memory_slots_set(struct interpose_object *vm, const void *region);

/** memory_slots_pages - of a slot; 0 if it is unknown */
uint64_t memory_slots_pages(const struct interpose_object *vm, uint32_t slot);

/** memory_slots_read - copy guest-physical memory. @size does not cross a page. False if it is none or not readable.
 * No system call but for a page that is read for the first time */
bool memory_slots_read(struct interpose_object *vm, uint64_t physical, void *to, size_t size);

/** memory_slots_forget - @size bytes of this process at @address may be no longer what they were */
void memory_slots_forget(const void *address, size_t size);

#endif
