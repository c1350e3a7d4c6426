/*
 * Stable ABI. Subject state: the guest's registers and exit information, exchanged between VMM and accelerator at every
 * entry and exit. 512 bytes, little-endian, no padding. The layout is that of Muen's monitor_state (2015/16) and never
 * changes.
 */
#ifndef HWACCL_SUBJECT_STATE_H
#define HWACCL_SUBJECT_STATE_H

#include <stddef.h>
#include <stdint.h>

/* A segment or descriptor-table register. Access rights have the VMCS format (SDM 3C, 25.4.1). GDTR and IDTR use base
 * and limit only; their selector and access rights are 0. */
struct hwaccl_segment {
        uint64_t selector;
        uint64_t base;
        uint32_t limit;
        uint32_t access_rights;
};

#define HWACCL_SEGMENT_UNUSABLE 0x10000u

struct hwaccl_subject_state {
        uint64_t cr2; /* at offset 0 */
        uint64_t rax;
        uint64_t rbx;
        uint64_t rcx;
        uint64_t rdx;
        uint64_t rdi;
        uint64_t rsi;
        uint64_t rbp;
        uint64_t r8; /* 64 */
        uint64_t r9;
        uint64_t r10;
        uint64_t r11;
        uint64_t r12;
        uint64_t r13;
        uint64_t r14;
        uint64_t r15;
        uint64_t exit_reason;            /* 128: basic reason in bits 15:0, bit 31 = entry failure (SDM 3C, 25.9.1) */
        uint64_t exit_qualification;     /* SDM 3C, 28.2.1 */
        uint64_t guest_physical_address; /* of the last EPT violation */
        uint64_t interruptibility;       /* SDM 3C, 25.4.2: bit 0 blocking by STI, 1 by MOV SS, 3 by NMI */
        uint64_t interrupt_information;  /* VM-exit interruption information, SDM 3C, 25.9.2; at a task switch through a
                                            gate: bits 31:0 IDT-vectoring information, 63:32 its error code, 25.9.3 */
        uint64_t instruction_length;     /* in bytes; only where hwaccl_exit_reason_has_length() */
        uint64_t rip;
        uint64_t rsp;
        uint64_t cr0;        /* 192 */
        uint64_t cr0_shadow; /* CR0 read shadow */
        uint64_t cr3;
        uint64_t cr4;
        uint64_t cr4_shadow;
        uint64_t rflags;
        uint64_t efer;
        uint64_t sysenter_cs;
        uint64_t sysenter_esp; /* 256 */
        uint64_t sysenter_eip;
        struct hwaccl_segment cs; /* 272 */
        struct hwaccl_segment ss;
        struct hwaccl_segment ds;
        struct hwaccl_segment es;
        struct hwaccl_segment fs;
        struct hwaccl_segment gs;
        struct hwaccl_segment tr;
        struct hwaccl_segment ldtr;
        struct hwaccl_segment gdtr;
        struct hwaccl_segment idtr;
};

/* Bits of CR0 and CR4 that belong to the VMM (guest/host masks): the guest reads them from the shadow. */
#define HWACCL_CR0_MASK UINT64_C(0x60000020) /* NE, NW, CD */
#define HWACCL_CR4_MASK UINT64_C(0x2000)     /* VMXE */

#define HWACCL_INTERRUPTIBILITY_STI    1u
#define HWACCL_INTERRUPTIBILITY_MOV_SS 2u
#define HWACCL_INTERRUPTIBILITY_NMI    8u

#ifndef __cplusplus
_Static_assert(sizeof(struct hwaccl_segment) == 24, "a segment is 24 bytes");
_Static_assert(sizeof(struct hwaccl_subject_state) == 512, "the subject state is 512 bytes");
#define HWACCL_STATE_AT(member, offset)                                                                                \
        _Static_assert(offsetof(struct hwaccl_subject_state, member) == (offset), #member " is at " #offset)
HWACCL_STATE_AT(cr2, 0);
HWACCL_STATE_AT(rax, 8);
HWACCL_STATE_AT(rbx, 16);
HWACCL_STATE_AT(rcx, 24);
HWACCL_STATE_AT(rdx, 32);
HWACCL_STATE_AT(rdi, 40);
HWACCL_STATE_AT(rsi, 48);
HWACCL_STATE_AT(rbp, 56);
HWACCL_STATE_AT(r8, 64);
HWACCL_STATE_AT(r9, 72);
HWACCL_STATE_AT(r10, 80);
HWACCL_STATE_AT(r11, 88);
HWACCL_STATE_AT(r12, 96);
HWACCL_STATE_AT(r13, 104);
HWACCL_STATE_AT(r14, 112);
HWACCL_STATE_AT(r15, 120);
HWACCL_STATE_AT(exit_reason, 128);
HWACCL_STATE_AT(exit_qualification, 136);
HWACCL_STATE_AT(guest_physical_address, 144);
HWACCL_STATE_AT(interruptibility, 152);
HWACCL_STATE_AT(interrupt_information, 160);
HWACCL_STATE_AT(instruction_length, 168);
HWACCL_STATE_AT(rip, 176);
HWACCL_STATE_AT(rsp, 184);
HWACCL_STATE_AT(cr0, 192);
HWACCL_STATE_AT(cr0_shadow, 200);
HWACCL_STATE_AT(cr3, 208);
HWACCL_STATE_AT(cr4, 216);
HWACCL_STATE_AT(cr4_shadow, 224);
HWACCL_STATE_AT(rflags, 232);
HWACCL_STATE_AT(efer, 240);
HWACCL_STATE_AT(sysenter_cs, 248);
HWACCL_STATE_AT(sysenter_esp, 256);
HWACCL_STATE_AT(sysenter_eip, 264);
HWACCL_STATE_AT(cs, 272);
HWACCL_STATE_AT(ss, 296);
HWACCL_STATE_AT(ds, 320);
HWACCL_STATE_AT(es, 344);
HWACCL_STATE_AT(fs, 368);
HWACCL_STATE_AT(gs, 392);
HWACCL_STATE_AT(tr, 416);
HWACCL_STATE_AT(ldtr, 440);
HWACCL_STATE_AT(gdtr, 464);
HWACCL_STATE_AT(idtr, 488);
#undef HWACCL_STATE_AT
#endif

#endif
