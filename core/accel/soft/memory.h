/*
 * The engines' memory: regions of their address space (which is the guest's linear space) backed by guest memory or by
 * placeholders, and the page tables that decide what the guest may touch without a fault in the engine. All engines
 * have the same.
 *
 * Tables only grow until something must be taken away; then all of them are dropped and grow again on demand.
 */
#ifndef HWACCL_SOFT_MEMORY_H
#define HWACCL_SOFT_MEMORY_H

#include "core/accel/soft/engine.h"
#include "core/host/guest_memory.h"

/* One stretch of the engine's address space. */
struct soft_region {
        uint64_t linear;
        uint64_t size;
        uint8_t *host; /* NULL: a placeholder, where every access faults */
};

#define SOFT_REGION_MAX 208

#define SOFT_ENGINE_MAX 2

struct soft_memory {
        struct soft_engine *engine[SOFT_ENGINE_MAX];
        struct hwaccl_guest_memory *guest;
        uint64_t *tables; /* page tables, the root first */
        uint32_t tables_used;
        bool long_mode;              /* form of the tables: four levels, else three */
        bool stale[SOFT_ENGINE_MAX]; /* entries were taken away: the engine's TLB must be flushed before it runs */
        uint8_t *nothing;            /* inaccessible host memory behind placeholders */
        uint64_t placeholder_size;
        uint8_t *flusher; /* the page that is reprotected to flush the TLB */
        bool flusher_writable[SOFT_ENGINE_MAX];
        struct soft_region region[SOFT_REGION_MAX]; /* sorted, never overlapping */
        size_t region_count;
        size_t last_region;
};

bool soft_memory_open(struct soft_memory *memory, struct hwaccl_guest_memory *guest, struct hwaccl_error *error);
void soft_memory_close(struct soft_memory *memory);

/** soft_memory_replace - another engine has the place of one: give it the same memory */
bool soft_memory_replace(struct soft_memory *memory, unsigned engine, struct hwaccl_error *error);

/** soft_memory_drop - forget all mappings: the guest's paging changed */
void soft_memory_drop(struct soft_memory *memory);

/** soft_memory_prepare - make the tables fit the mode and flush an engine's TLB when needed; the root's address */
bool soft_memory_prepare(struct soft_memory *memory, unsigned engine, bool long_mode, uint64_t *root,
                         struct hwaccl_error *error);

/**
 * soft_memory_map - let the guest touch the page at a linear address, which is host memory
 * @run_start, @run_end: linear addresses between which host memory goes on in the same way
 * @page_size: the guest's; from 2 MiB on, one entry is tried for the whole of it
 */
bool soft_memory_map(struct soft_memory *memory, uint64_t linear, uint8_t *host, uint64_t run_start, uint64_t run_end,
                     bool writable, bool executable, uint64_t page_size, struct hwaccl_error *error);

/** soft_memory_add_placeholder - where no region is: an access then goes on to the page tables, and faults */
bool soft_memory_add_placeholder(struct soft_memory *memory, uint64_t linear, struct hwaccl_error *error);

/** soft_memory_code - host memory behind a linear address, and how far it reaches */
const uint8_t *soft_memory_code(struct soft_memory *memory, uint64_t linear, uint64_t *rest);

#endif
