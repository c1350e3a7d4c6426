/*
 * Guest virtual memory as the processor sees it: segmentation, page walk, event delivery. Used by instruction emulation
 * (whose physical accesses are inputs and effects) and by the soft accelerator (whose physical accesses are the
 * hardware's), so the physical side is a pair of functions.
 */
#ifndef HWACCL_GUEST_ACCESS_H
#define HWACCL_GUEST_ACCESS_H

#include "core/host/inputs.h"
#include "core/subject/machine_context.h"
#include "hwaccl/fault_chain.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Physical memory under a walk. Return false where there is no memory at the address. */
struct hwaccl_physical_memory {
        bool (*read)(void *opaque, uint64_t address, void *buffer, size_t size);
        bool (*write)(void *opaque, uint64_t address, const void *data, size_t size);
        /* hwaccl_page_walk() has read these entries, of @size bytes each, and not yet written any. May be NULL */
        void (*walked)(void *opaque, const struct hwaccl_table_entry *entry, size_t count, uint32_t size);
        void *opaque;
};

enum hwaccl_vector {
        HWACCL_VECTOR_DE = 0,
        HWACCL_VECTOR_DB = 1,
        HWACCL_VECTOR_BP = 3,
        HWACCL_VECTOR_OF = 4,
        HWACCL_VECTOR_BR = 5,
        HWACCL_VECTOR_UD = 6,
        HWACCL_VECTOR_NM = 7,
        HWACCL_VECTOR_DF = 8,
        HWACCL_VECTOR_TS = 10,
        HWACCL_VECTOR_NP = 11,
        HWACCL_VECTOR_SS = 12,
        HWACCL_VECTOR_GP = 13,
        HWACCL_VECTOR_PF = 14,
        HWACCL_VECTOR_MF = 16,
        HWACCL_VECTOR_AC = 17,
        HWACCL_VECTOR_MC = 18,
        HWACCL_VECTOR_XM = 19,
};

/* An exception that an access or an instruction raises; nothing is delivered yet. */
struct hwaccl_exception {
        uint8_t vector;
        bool has_error_code;
        uint32_t error_code;
        uint64_t fault_address; /* for #PF: goes to CR2 */
};

enum hwaccl_access {
        HWACCL_ACCESS_READ = 0,
        HWACCL_ACCESS_WRITE = 1u << 0,
        HWACCL_ACCESS_EXECUTE = 1u << 1,
        HWACCL_ACCESS_USER = 1u << 2,         /* at CPL 3 */
        HWACCL_ACCESS_SET_ACCESSED = 1u << 3, /* set accessed and dirty bits, as the processor does */
        HWACCL_ACCESS_IMPLICIT = 1u << 4,     /* of a descriptor table or TSS: SMAP holds whatever RFLAGS.AC says */
};

/** hwaccl_context_cpl - current privilege level: SS.DPL in protected and long mode, 0 in real mode, 3 in virtual-8086
 * mode */
unsigned hwaccl_context_cpl(const struct hwaccl_machine_context *context);

/** hwaccl_context_code_bits - 16, 32 or 64: the default size of the code segment in the current mode */
unsigned hwaccl_context_code_bits(const struct hwaccl_machine_context *context);

/**
 * hwaccl_segment_allows - may @size bytes at @offset of a segment be accessed? (SDM 3A, 5.3-5.5)
 * @typed: in protected mode; real and virtual-8086 mode have limits, but no types
 */
bool hwaccl_segment_allows(const struct hwaccl_segment *segment, bool typed, uint64_t offset, unsigned size,
                           unsigned access);

/**
 * hwaccl_segment_translate - logical to linear address, with limit, type and canonical checks (SDM 3A, 5.3-5.5)
 * @size: bytes accessed, 1 to 4096; the linear address of the first is returned
 *
 * Returns false and fills *exception (#GP, #SS) when the processor would.
 */
bool hwaccl_segment_translate(const struct hwaccl_machine_context *context, enum hwaccl_segment_register segment,
                              uint64_t offset, unsigned size, unsigned access, uint64_t *linear,
                              struct hwaccl_exception *exception);

/* What a successful walk found. */
struct hwaccl_translation {
        uint64_t physical;
        uint64_t page_size; /* bytes: 4 KiB, 2 MiB, 4 MiB or 1 GiB; 4 KiB when paging is off */
        bool writable;      /* for the walked privilege, with CR0.WP */
        bool executable;
        bool user;
        bool global;
        bool dirty; /* the dirty bit of the leaf is set (or paging is off) */
};

/**
 * hwaccl_page_walk - linear to guest-physical address: no paging, 32-bit, PAE, 4-level (SDM 3A, chapter 4)
 *
 * Returns false and fills *exception (#PF with its error code, reserved bits included) when the processor would fault,
 * or when a paging structure lies outside memory (*exception then is #PF with the present bit clear, as for a table of
 * zeros).
 */
bool hwaccl_page_walk(const struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                      uint64_t linear, unsigned access, struct hwaccl_translation *translation,
                      struct hwaccl_exception *exception);

struct hwaccl_event {
        enum hwaccl_event_source kind;
        /* of the instruction at context->rip that makes the event (INT n, INT3, INTO, INT1): its handler returns behind
         * that instruction, the handler of a fault in the delivery to it. 0: the event returns to context->rip */
        uint8_t length;
        struct hwaccl_exception exception; /* vector and, for exceptions, error code */
};

struct hwaccl_delivery_observer {
        void (*link)(void *opaque, const struct hwaccl_fault_link *link);
        void *opaque;
        const bool *unknown; /* becomes true when the physical memory has no bytes for a read: deliveries end there. Or
                                NULL */
};

/** hwaccl_fault_chain_add - an observer's function: @chain, a struct hwaccl_fault_chain, keeps the last links */
void hwaccl_fault_chain_add(void *chain, const struct hwaccl_fault_link *link);

/**
 * hwaccl_event_deliver - deliver an interrupt or exception through the IVT or IDT (SDM 3A, chapter 6)
 *
 * Real mode, protected mode and long mode; gates, error codes, IST, stack switch from the TSS. Follows the rules for a
 * fault during delivery (SDM 3A, table 6-5): contributory and page faults become double faults, a fault then is a
 * triple fault. Returns true when the context stands at the handler's first instruction; false on a triple fault, the
 * context then as it was. *refusal is set (else NULL) to one line when the gate needs what is not supported (task gate,
 * virtual-8086 mode).
 *
 * @observer: gets every delivery as a link, the last one included; or NULL
 */
bool hwaccl_event_deliver(struct hwaccl_machine_context *context, const struct hwaccl_physical_memory *memory,
                          const struct hwaccl_event *event, struct hwaccl_delivery_observer *observer,
                          const char **refusal);

#endif
