/*
 * Stable ABI. Field table of the subject state. Delta coding, SQL columns, trace fields, printing, comparison and JSON
 * are generated from it.
 */
#ifndef HWACCL_SUBJECT_FIELDS_H
#define HWACCL_SUBJECT_FIELDS_H

#include "hwaccl/subject_state.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HWACCL_VMCS_NONE 0xffffffffu /* not a VMCS field, for example a general register or CR2 */

/* Groups, in the order of a register dump. */
enum hwaccl_field_group {
        HWACCL_FIELD_EXIT,    /* exit information, written by the accelerator */
        HWACCL_FIELD_GENERAL, /* RIP, RSP, RFLAGS and the fifteen general registers */
        HWACCL_FIELD_CONTROL, /* control registers, EFER, SYSENTER */
        HWACCL_FIELD_SEGMENT, /* CS SS DS ES FS GS TR LDTR, all four parts */
        HWACCL_FIELD_TABLE,   /* GDTR and IDTR, all four parts */
};

/* X(name, member, width in bytes, group, VMCS encoding), in offset order. The name is the SQL column and JSON key. */
#define HWACCL_SUBJECT_SEGMENT_FIELDS(X, seg, group, selector_vmcs, base_vmcs, limit_vmcs, rights_vmcs)                \
        X(seg##_selector, seg.selector, 8, group, selector_vmcs)                                                       \
        X(seg##_base, seg.base, 8, group, base_vmcs)                                                                   \
        X(seg##_limit, seg.limit, 4, group, limit_vmcs)                                                                \
        X(seg##_access_rights, seg.access_rights, 4, group, rights_vmcs)

#define HWACCL_SUBJECT_FIELDS(X)                                                                                       \
        X(cr2, cr2, 8, HWACCL_FIELD_CONTROL, HWACCL_VMCS_NONE)                                                         \
        X(rax, rax, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(rbx, rbx, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(rcx, rcx, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(rdx, rdx, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(rdi, rdi, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(rsi, rsi, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(rbp, rbp, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(r8, r8, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                           \
        X(r9, r9, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                           \
        X(r10, r10, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(r11, r11, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(r12, r12, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(r13, r13, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(r14, r14, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(r15, r15, 8, HWACCL_FIELD_GENERAL, HWACCL_VMCS_NONE)                                                         \
        X(exit_reason, exit_reason, 8, HWACCL_FIELD_EXIT, 0x4402)                                                      \
        X(exit_qualification, exit_qualification, 8, HWACCL_FIELD_EXIT, 0x6400)                                        \
        X(guest_physical_address, guest_physical_address, 8, HWACCL_FIELD_EXIT, 0x2400)                                \
        X(interruptibility, interruptibility, 8, HWACCL_FIELD_EXIT, 0x4824)                                            \
        X(interrupt_information, interrupt_information, 8, HWACCL_FIELD_EXIT, 0x4404)                                  \
        X(instruction_length, instruction_length, 8, HWACCL_FIELD_EXIT, 0x440c)                                        \
        X(rip, rip, 8, HWACCL_FIELD_GENERAL, 0x681e)                                                                   \
        X(rsp, rsp, 8, HWACCL_FIELD_GENERAL, 0x681c)                                                                   \
        X(cr0, cr0, 8, HWACCL_FIELD_CONTROL, 0x6800)                                                                   \
        X(cr0_shadow, cr0_shadow, 8, HWACCL_FIELD_CONTROL, 0x6004)                                                     \
        X(cr3, cr3, 8, HWACCL_FIELD_CONTROL, 0x6802)                                                                   \
        X(cr4, cr4, 8, HWACCL_FIELD_CONTROL, 0x6804)                                                                   \
        X(cr4_shadow, cr4_shadow, 8, HWACCL_FIELD_CONTROL, 0x6006)                                                     \
        X(rflags, rflags, 8, HWACCL_FIELD_GENERAL, 0x6820)                                                             \
        X(efer, efer, 8, HWACCL_FIELD_CONTROL, 0x2806)                                                                 \
        X(sysenter_cs, sysenter_cs, 8, HWACCL_FIELD_CONTROL, 0x482a)                                                   \
        X(sysenter_esp, sysenter_esp, 8, HWACCL_FIELD_CONTROL, 0x6824)                                                 \
        X(sysenter_eip, sysenter_eip, 8, HWACCL_FIELD_CONTROL, 0x6826)                                                 \
        HWACCL_SUBJECT_SEGMENT_FIELDS(X, cs, HWACCL_FIELD_SEGMENT, 0x0802, 0x6808, 0x4802, 0x4816)                     \
        HWACCL_SUBJECT_SEGMENT_FIELDS(X, ss, HWACCL_FIELD_SEGMENT, 0x0804, 0x680a, 0x4804, 0x4818)                     \
        HWACCL_SUBJECT_SEGMENT_FIELDS(X, ds, HWACCL_FIELD_SEGMENT, 0x0806, 0x680c, 0x4806, 0x481a)                     \
        HWACCL_SUBJECT_SEGMENT_FIELDS(X, es, HWACCL_FIELD_SEGMENT, 0x0800, 0x6806, 0x4800, 0x4814)                     \
        HWACCL_SUBJECT_SEGMENT_FIELDS(X, fs, HWACCL_FIELD_SEGMENT, 0x0808, 0x680e, 0x4808, 0x481c)                     \
        HWACCL_SUBJECT_SEGMENT_FIELDS(X, gs, HWACCL_FIELD_SEGMENT, 0x080a, 0x6810, 0x480a, 0x481e)                     \
        HWACCL_SUBJECT_SEGMENT_FIELDS(X, tr, HWACCL_FIELD_SEGMENT, 0x080e, 0x6814, 0x480e, 0x4822)                     \
        HWACCL_SUBJECT_SEGMENT_FIELDS(X, ldtr, HWACCL_FIELD_SEGMENT, 0x080c, 0x6812, 0x480c, 0x4820)                   \
        HWACCL_SUBJECT_SEGMENT_FIELDS(X, gdtr, HWACCL_FIELD_TABLE, HWACCL_VMCS_NONE, 0x6816, 0x4810, HWACCL_VMCS_NONE) \
        HWACCL_SUBJECT_SEGMENT_FIELDS(X, idtr, HWACCL_FIELD_TABLE, HWACCL_VMCS_NONE, 0x6818, 0x4812, HWACCL_VMCS_NONE)

/* Index of a field in the table: HWACCL_FIELD_INDEX_rax and so on. */
enum hwaccl_field_index {
#define X(name, member, width, group, vmcs) HWACCL_FIELD_INDEX_##name,
        HWACCL_SUBJECT_FIELDS(X)
#undef X
                HWACCL_FIELD_COUNT
};

struct hwaccl_field {
        const char *name;
        uint16_t offset; /* bytes from the start of the subject state */
        uint8_t width;   /* bytes: 4 or 8 */
        enum hwaccl_field_group group;
        uint32_t vmcs_encoding; /* SDM 3D, appendix B, or HWACCL_VMCS_NONE */
};

/* Sorted by offset; HWACCL_FIELD_COUNT rows. */
extern const struct hwaccl_field hwaccl_subject_fields[HWACCL_FIELD_COUNT];

/** hwaccl_field_get - value of a field, zero-extended */
uint64_t hwaccl_field_get(const struct hwaccl_subject_state *state, enum hwaccl_field_index index);

/** hwaccl_field_put - set a field; a value wider than the field is truncated to its low bytes */
void hwaccl_field_put(struct hwaccl_subject_state *state, enum hwaccl_field_index index, uint64_t value);

/** hwaccl_field_find - look a field up by name (exact match). Returns false if there is none. */
bool hwaccl_field_find(const char *name, enum hwaccl_field_index *index);

#ifdef __cplusplus
}
#endif

#endif
