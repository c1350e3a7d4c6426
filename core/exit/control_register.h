/*
 * Control-register accesses (exit reason 28), handled in place on the subject state; and the architecture's bits that
 * they have to respect.
 */
#ifndef HWACCL_CONTROL_REGISTER_H
#define HWACCL_CONTROL_REGISTER_H

#include "core/subject/machine_context.h"
#include "hwaccl/subject_state.h"

#include <stdbool.h>
#include <stdint.h>

/* SDM 3A, 2.5 */
#define HWACCL_CR0_PE UINT64_C(0x1)
#define HWACCL_CR0_MP UINT64_C(0x2)
#define HWACCL_CR0_EM UINT64_C(0x4)
#define HWACCL_CR0_TS UINT64_C(0x8)
#define HWACCL_CR0_ET UINT64_C(0x10)
#define HWACCL_CR0_NE UINT64_C(0x20)
#define HWACCL_CR0_WP UINT64_C(0x10000)
#define HWACCL_CR0_AM UINT64_C(0x40000)
#define HWACCL_CR0_NW UINT64_C(0x20000000)
#define HWACCL_CR0_CD UINT64_C(0x40000000)
#define HWACCL_CR0_PG UINT64_C(0x80000000)

#define HWACCL_CR4_TSD      UINT64_C(0x4)
#define HWACCL_CR4_DE       UINT64_C(0x8)
#define HWACCL_CR4_PSE      UINT64_C(0x10)
#define HWACCL_CR4_PAE      UINT64_C(0x20)
#define HWACCL_CR4_PGE      UINT64_C(0x80)
#define HWACCL_CR4_OSFXSR   UINT64_C(0x200)
#define HWACCL_CR4_LA57     UINT64_C(0x1000)
#define HWACCL_CR4_VMXE     UINT64_C(0x2000)
#define HWACCL_CR4_FSGSBASE UINT64_C(0x10000)
#define HWACCL_CR4_PCIDE    UINT64_C(0x20000)
#define HWACCL_CR4_OSXSAVE  UINT64_C(0x40000)
#define HWACCL_CR4_SMEP     UINT64_C(0x100000)
#define HWACCL_CR4_SMAP     UINT64_C(0x200000)

#define HWACCL_EFER_SCE UINT64_C(0x1)
#define HWACCL_EFER_LME UINT64_C(0x100)
#define HWACCL_EFER_LMA UINT64_C(0x400)
#define HWACCL_EFER_NXE UINT64_C(0x800)

#define HWACCL_ACCESS_RIGHTS_LONG   0x2000u /* L: 64-bit code */
#define HWACCL_ACCESS_RIGHTS_TSS_32 0x8u    /* of a TSS: not a 16-bit one, which IA-32e mode refuses (SDM 3A, 9.8.5) */

/* MAXPHYADDR of the virtual processor: physical-address bits from here on are reserved in CR3 and paging structures. */
#define HWACCL_PHYSICAL_ADDRESS_BITS 40

/**
 * hwaccl_control_register_access - carry out the access that the exit qualification describes (SDM 3C, table 28-3)
 * @context: holds CR8, which the subject state lacks
 *
 * All four access types and all sixteen registers, with the SDM's checks. On success RIP is behind the instruction,
 * RF and the interruptibility state are clear, EFER.LMA follows CR0.PG. Returns false, and changes nothing, when the
 * access has to be emulated: it raises an exception, or the exit information describes none.
 */
bool hwaccl_control_register_access(struct hwaccl_subject_state *state, struct hwaccl_machine_context *context);

#endif
