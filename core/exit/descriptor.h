/* Segment descriptors and linear memory, for what the processor does by itself: descriptor tables, TSS, event frames.
 */
#ifndef HWACCL_EXIT_DESCRIPTOR_H
#define HWACCL_EXIT_DESCRIPTOR_H

#include "core/exit/guest_access.h"

/* The number in @size little-endian bytes. */
uint64_t little_endian(const uint8_t *bytes, unsigned size);

/* Linear memory, page by page. @size is at most 4096. False with *fault set when a page faults. Where there is no
 * memory reads give all ones and writes are dropped, as on a bus without a device. A write that faults has written
 * nothing.
 */
bool linear_read(const struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                 uint64_t linear, void *buffer, unsigned size, unsigned access, struct hwaccl_exception *fault);
bool linear_write(const struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                  uint64_t linear, const void *data, unsigned size, unsigned access, struct hwaccl_exception *fault);

struct descriptor {
        struct hwaccl_segment segment; /* as a segment register would hold it */
        uint64_t linear;               /* where the descriptor lies */
        uint64_t bytes;                /* as read */
};

enum descriptor_result {
        DESCRIPTOR_READ,
        DESCRIPTOR_OUTSIDE, /* beyond the table's limit, or there is no LDT */
        DESCRIPTOR_FAULT,   /* *fault is set */
};

/* The 8-byte code or data descriptor that a selector names in GDT or LDT. */
enum descriptor_result descriptor_read(const struct hwaccl_machine_context *context,
                                       const struct hwaccl_physical_memory *memory, uint16_t selector,
                                       struct descriptor *descriptor, struct hwaccl_exception *fault);

/* Set the accessed bit in the table and in the register copy, as the processor does when it loads the descriptor. */
bool descriptor_set_accessed(const struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                             struct descriptor *descriptor, struct hwaccl_exception *fault);

#endif
