/* Bits of RFLAGS and of segment access rights that exit handling looks at; control_register.h has the others. */
#ifndef HWACCL_EXIT_REGISTERS_H
#define HWACCL_EXIT_REGISTERS_H

#include "core/exit/control_register.h"

#include <stdbool.h>
#include <stdint.h>

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
#define RFLAGS_ID         UINT64_C(0x200000)

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

#endif
