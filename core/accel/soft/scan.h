/*
 * Finding the sites: every block of code is decoded when it first runs, and when its bytes are no longer those it had
 * then. That comparison, at the start of every block, is what makes self-modifying code, aliased pages and writes by
 * the handler safe: the engine never runs a translation of other bytes than those in memory.
 */
#ifndef HWACCL_SOFT_SCAN_H
#define HWACCL_SOFT_SCAN_H

#include "core/accel/soft/alignment.h"
#include "core/accel/soft/memory.h"

#include <capstone/capstone.h>

/* A block of code that was decoded, and the bytes it had then. */
struct soft_block {
        uint64_t address;
        uint8_t bits;     /* 0: an empty slot */
        uint8_t segments; /* FS and GS, if its instructions refer to memory by them: 1 << number; SOFT_WRITES_CODE;
                             SOFT_BLOCK_LOADS */
        uint16_t size;
        uint32_t bytes;   /* place in the pool */
        uint32_t aligned; /* the first of its aligned operands in soft_scan.aligned; 0: none */
};

#define SOFT_BLOCK_LOADS 0x80u /* it loads segment registers */

struct soft_scan {
        struct soft_engine *engine;
        struct soft_memory *memory;
        uc_cb_hookcode_t on_site; /* the hook of every site */
        void *opaque;
        bool checked;   /* every instruction has the hook, and those that refer to memory or branch are sites too */
        csh decoder[3]; /* 16, 32, 64 bits */
        struct soft_site *site;
        size_t site_room; /* a power of two */
        size_t site_count;
        struct soft_block *block;
        size_t block_room;
        size_t block_count;
        uint8_t *pool;
        size_t pool_size;
        size_t pool_room;
        struct soft_aligned *aligned; /* from 1 */
        uint32_t aligned_room;
        uint32_t aligned_count;
        uint64_t *hooked; /* hash set of addresses with a hook; UINT64_MAX: empty */
        size_t hooked_room;
        size_t hooked_count;
};

enum soft_scan_result {
        SOFT_SCAN_KNOWN, /* the engine's translation of the block may run */
        SOFT_SCAN_AGAIN, /* it was dropped: start the block again */
        SOFT_SCAN_FAILED,
};

bool soft_scan_open(struct soft_scan *scan, struct soft_engine *engine, struct soft_memory *memory,
                    uc_cb_hookcode_t on_site, void *opaque, bool checked, struct hwaccl_error *error);
void soft_scan_close(struct soft_scan *scan);

/**
 * soft_scan_block - decode a block that is about to run, unless it is known with the bytes that it has now
 * @segments: struct soft_block's, when it is known
 * @aligned: its aligned operands, or NULL; valid until the next call
 */
enum soft_scan_result soft_scan_block(struct soft_scan *scan, uint64_t address, uint32_t size, uint8_t bits,
                                      uint8_t *segments, const struct soft_aligned **aligned,
                                      struct hwaccl_error *error);

/** soft_scan_hook - call the hook of sites at a linear address; translations that exist are not dropped */
bool soft_scan_hook(struct soft_scan *scan, uint64_t address, struct hwaccl_error *error);

/** soft_scan_site - the site at a linear address, or NULL */
struct soft_site *soft_scan_site(struct soft_scan *scan, uint64_t address, uint8_t bits);

/**
 * soft_scan_decode - the instruction at a linear address; *site has no reference
 *
 * False when the disassembler refuses it: *site is then made of all bytes that are there.
 */
bool soft_scan_decode(struct soft_scan *scan, uint64_t linear, uint8_t bits, struct soft_site *site);

/** soft_scan_branch - the near branch that ends a block of 64-bit code that has run; false when none does */
bool soft_scan_branch(struct soft_scan *scan, uint64_t address, struct soft_site *site);

/** soft_scan_length - length of the instruction at a linear address, 0 when it does not decode */
uint8_t soft_scan_length(struct soft_scan *scan, uint64_t linear, uint8_t bits);

#endif
