/*
 * Canonical addresses in 64-bit mode (SDM 1, 3.3.7.1). The engine raises #GP(0) for every access at another address,
 * the next fetch included, and lets descriptor tables, LDT and TSS lie anywhere.
 */
#ifndef HWACCL_SOFT_CANONICAL_H
#define HWACCL_SOFT_CANONICAL_H

#include "core/accel/soft/soft.h"

/**
 * soft_canonical_fault - the engine raised #GP(0) in 64-bit code, or RIP is not canonical behind a step
 *
 * #SS(0) where it was an access to the stack. Of a branch whose target is not canonical: at the branch, as the
 * processor that CPUID names does; the return address that a CALL has stored by then stays below the stack pointer.
 */
enum soft_result soft_canonical_fault(struct soft *soft);

/** soft_canonical_table - before LGDT or LIDT: is the base canonical, as far as it can be read? */
bool soft_canonical_table(struct soft *soft, const struct soft_site *site);

/** soft_canonical_system - before LLDT or LTR, which find nothing else wrong with the descriptor: is its base
 * canonical? */
bool soft_canonical_system(struct soft *soft, uint16_t selector, bool task);

/** soft_canonical_far - may a far transfer to 64-bit code at @selector go to @offset? True where it goes elsewhere. */
bool soft_canonical_far(struct soft *soft, uint16_t selector, uint64_t offset);

#endif
