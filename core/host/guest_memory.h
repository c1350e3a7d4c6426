/*
 * The guest-physical memory map: RAM and ROM runs, sorted by address, not overlapping; everything else is MMIO or
 * unclaimed and causes an EPT violation. A replay has the map without the bytes (host pointers are NULL).
 */
#ifndef HWACCL_GUEST_MEMORY_H
#define HWACCL_GUEST_MEMORY_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hwaccl_memory_run {
        uint64_t address; /* guest-physical, page aligned */
        uint64_t size;    /* bytes, a multiple of the page size, not 0 */
        uint8_t *host;    /* page aligned; NULL in a replay. Owned by the guest memory unless borrowed */
        bool writable;    /* false: ROM */
        bool lent;        /* host is owned by the caller, for example memory shared with a Muen peer */
};

#define HWACCL_PAGE_SIZE       4096u
#define HWACCL_MEMORY_RUN_MAX  16
#define HWACCL_MEMORY_SIZE_MIN (1u << 20)          /* 1 MiB */
#define HWACCL_MEMORY_SIZE_MAX (UINT64_C(3) << 30) /* 3 GiB: RAM below the PCI hole only */

/* RAM is [0, HWACCL_LOW_MEMORY_END) and [HWACCL_HIGH_MEMORY_START, memory size); between them a VGA would be. */
#define HWACCL_LOW_MEMORY_END    UINT64_C(0xa0000)
#define HWACCL_HIGH_MEMORY_START UINT64_C(0xc0000)

struct hwaccl_guest_memory {
        struct hwaccl_memory_run run[HWACCL_MEMORY_RUN_MAX];
        size_t run_count;
        bool backed; /* runs have host memory */
};

void hwaccl_guest_memory_init(struct hwaccl_guest_memory *memory, bool backed);

/** hwaccl_guest_memory_add - add a zeroed run; fails on overlap, misalignment, too many runs, or if out of memory */
bool hwaccl_guest_memory_add(struct hwaccl_guest_memory *memory, uint64_t address, uint64_t size, bool writable,
                             struct hwaccl_error *error);

/**
 * hwaccl_guest_memory_lend - add a run of existing host memory; fails as hwaccl_guest_memory_add() does
 * @host: page aligned; remains owned by the caller and must outlive the guest memory. ROM is written only by
 *        hwaccl_guest_memory_write() with @into_rom
 */
bool hwaccl_guest_memory_lend(struct hwaccl_guest_memory *memory, uint64_t address, uint64_t size, uint8_t *host,
                              bool writable, struct hwaccl_error *error);

/** hwaccl_guest_memory_find - the run that holds @address, or NULL */
const struct hwaccl_memory_run *hwaccl_guest_memory_find(const struct hwaccl_guest_memory *memory, uint64_t address);

/** hwaccl_guest_memory_covers - whether every byte of the range is in a run (adjacent runs count as one). No
 * wrap-around
 */
bool hwaccl_guest_memory_covers(const struct hwaccl_guest_memory *memory, uint64_t address, uint64_t size);

/* Plain copies, for loaders and accelerators. Exit handling uses host.h. False if the range is not covered or not
 * backed; write fails on ROM unless @into_rom. */
bool hwaccl_guest_memory_read(const struct hwaccl_guest_memory *memory, uint64_t address, void *buffer, size_t size);
bool hwaccl_guest_memory_write(struct hwaccl_guest_memory *memory, uint64_t address, const void *data, size_t size,
                               bool into_rom);

void hwaccl_guest_memory_destroy(struct hwaccl_guest_memory *memory);

#endif
