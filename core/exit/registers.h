/* Bits of the control registers, RFLAGS, segment access rights and descriptors that exit handling looks at. */
#ifndef HWACCL_EXIT_REGISTERS_H
#define HWACCL_EXIT_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

#define CR0_PE UINT64_C(0x1)
#define CR0_MP UINT64_C(0x2)
#define CR0_EM UINT64_C(0x4)
#define CR0_TS UINT64_C(0x8)
#define CR0_NE UINT64_C(0x20)
#define CR0_WP UINT64_C(0x10000)
#define CR0_AM UINT64_C(0x40000)
#define CR0_NW UINT64_C(0x20000000)
#define CR0_CD UINT64_C(0x40000000)
#define CR0_PG UINT64_C(0x80000000)

#define CR4_TSD     UINT64_C(0x4)
#define CR4_DE      UINT64_C(0x8)
#define CR4_PSE     UINT64_C(0x10)
#define CR4_PAE     UINT64_C(0x20)
#define CR4_PCIDE   UINT64_C(0x20000)
#define CR4_OSXSAVE UINT64_C(0x40000)
#define CR4_SMEP    UINT64_C(0x100000)
#define CR4_SMAP    UINT64_C(0x200000)

#define EFER_SCE UINT64_C(0x1)
#define EFER_LME UINT64_C(0x100)
#define EFER_LMA UINT64_C(0x400)
#define EFER_NXE UINT64_C(0x800)

#define RFLAGS_CF         UINT64_C(0x1)
#define RFLAGS_RESERVED_1 UINT64_C(0x2)
#define RFLAGS_PF         UINT64_C(0x4)
#define RFLAGS_AF         UINT64_C(0x10)
#define RFLAGS_ZF         UINT64_C(0x40)
#define RFLAGS_SF         UINT64_C(0x80)
#define RFLAGS_TF         UINT64_C(0x100)
#define RFLAGS_IF         UINT64_C(0x200)
#define RFLAGS_DF         UINT64_C(0x400)
#define RFLAGS_OF         UINT64_C(0x800)
#define RFLAGS_IOPL       UINT64_C(0x3000)
#define RFLAGS_NT         UINT64_C(0x4000)
#define RFLAGS_RF         UINT64_C(0x10000)
#define RFLAGS_VM         UINT64_C(0x20000)
#define RFLAGS_AC         UINT64_C(0x40000)

#define RFLAGS_IOPL_SHIFT 12

/* Segment access rights as in the VMCS (SDM 3C, 25.4.1). */
#define SEGMENT_TYPE_ACCESSED    0x1u
#define SEGMENT_TYPE_WRITABLE    0x2u /* of data */
#define SEGMENT_TYPE_READABLE    0x2u /* of code */
#define SEGMENT_TYPE_EXPAND_DOWN 0x4u /* of data */
#define SEGMENT_TYPE_CONFORMING  0x4u /* of code */
#define SEGMENT_TYPE_CODE        0x8u
#define SEGMENT_S                0x10u /* code or data, not a system segment */
#define SEGMENT_DPL_SHIFT        5
#define SEGMENT_P                0x80u
#define SEGMENT_L                0x2000u
#define SEGMENT_D                0x4000u /* B of a stack */
#define SEGMENT_G                0x8000u

/* Linear addresses have 48 bits (CPUID leaf 80000008h says so). */
static inline bool address_is_canonical(uint64_t address)
{
        return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* Guest-physical addresses have 40 bits (CPUID leaf 80000008h says so). */
#define PHYSICAL_ADDRESS_BITS 40

#endif
