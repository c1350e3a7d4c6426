/* Boot information for Multiboot and PVH kernels: modules, and a block of tables and texts that EBX points to.
 */
#ifndef HWACCL_MACHINE_LOADER_HANDOVER_H
#define HWACCL_MACHINE_LOADER_HANDOVER_H

#include "core/machine/loader/loader_internal.h"

/* A block of memory that is filled from its start; 8-byte aligned parts. */
struct hwaccl_handover {
        uint8_t *data;
        uint64_t address;
        size_t size;
        size_t used;
};

/** hwaccl_handover_room, hwaccl_handover_text_room - what a part, or a text (NULL: nothing), takes in a block */
size_t hwaccl_handover_room(size_t size);
size_t hwaccl_handover_text_room(const char *text);

/** hwaccl_handover_begin - a zeroed block of @size bytes, below 640 KiB where that has room, else above 1 MiB */
bool hwaccl_handover_begin(struct hwaccl_layout *layout, struct hwaccl_handover *block, const char *what, size_t size,
                           struct hwaccl_error *error);

/** hwaccl_handover_take - the next part; *address is where the guest has it */
uint8_t *hwaccl_handover_take(struct hwaccl_handover *block, size_t size, uint64_t *address);

/** hwaccl_handover_text - copy a text; returns its address, or 0 for NULL */
uint64_t hwaccl_handover_text(struct hwaccl_handover *block, const char *text);

/** hwaccl_handover_modules - load every module page-aligned, behind the kernel where that has room */
bool hwaccl_handover_modules(struct hwaccl_layout *layout, const struct hwaccl_loader_input *input,
                             uint64_t address[HWACCL_LOADER_MODULE_MAX], struct hwaccl_error *error);

/**
 * hwaccl_handover_bios - what kernels look for where a BIOS would be
 * @rsdp: set to where the ACPI tables are, or to 0
 *
 * Real mode's interrupt table, whose services all say "not supported" (CF); the BIOS data area with the first serial
 * port and the size of the base memory; the ACPI tables. A kernel that lies there itself does without.
 */
bool hwaccl_handover_bios(struct hwaccl_layout *layout, uint64_t *rsdp, struct hwaccl_error *error);

/** hwaccl_handover_enter - 32-bit entry at @rip, EBX pointing to the block */
bool hwaccl_handover_enter(struct hwaccl_layout *layout, const struct hwaccl_handover *block, uint64_t rip,
                           struct hwaccl_error *error);

#endif
