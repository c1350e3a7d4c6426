/*
 * Exits of AMD's SVM that VT-x does not have: X(code, name). Their reason in a recording is SVM_REASON(code). Codes:
 * APM volume 2, appendix C. The numbers are recorded and never change meaning.
 */
#ifndef HWACCL_SVM_REASONS_H
#define HWACCL_SVM_REASONS_H

#include <stdbool.h>
#include <stdint.h>

#define SVM_REASON_FIRST    0x8000u /* VT-x's basic reasons are far below */
#define SVM_REASON_CODE_MAX 0x7fffu
#define SVM_REASON(code)    (SVM_REASON_FIRST | (code))

#define SVM_REASONS(X)                                                                                                 \
        X(0x070, "PUSHF")                                                                                              \
        X(0x071, "POPF")                                                                                               \
        X(0x074, "IRET")                                                                                               \
        X(0x075, "INT n")                                                                                              \
        X(0x07a, "INVLPGA")                                                                                            \
        X(0x07e, "FERR_FREEZE")                                                                                        \
        X(0x080, "VMRUN")                                                                                              \
        X(0x082, "VMLOAD")                                                                                             \
        X(0x083, "VMSAVE")                                                                                             \
        X(0x084, "STGI")                                                                                               \
        X(0x085, "CLGI")                                                                                               \
        X(0x086, "SKINIT")                                                                                             \
        X(0x088, "ICEBP")                                                                                              \
        X(0x08e, "RDPRU")                                                                                              \
        X(0x08f, "EFER written")                                                                                       \
        X(0x090, "CR0 written")                                                                                        \
        X(0x094, "CR4 written")                                                                                        \
        X(0x098, "CR8 written")                                                                                        \
        X(0x0a0, "INVLPGB")                                                                                            \
        X(0x0a1, "INVLPGB, illegal")                                                                                   \
        X(0x0a3, "MCOMMIT")                                                                                            \
        X(0x0a4, "TLBSYNC")                                                                                            \
        X(0x0a5, "bus lock")                                                                                           \
        X(0x0a6, "idle HLT")                                                                                           \
        X(0x401, "AVIC incomplete IPI")                                                                                \
        X(0x402, "AVIC access without acceleration")                                                                   \
        X(0x403, "VMGEXIT")

/** svm_reason_name - of SVM_REASON(code); NULL: it is none of the table */
const char *svm_reason_name(uint64_t basic_reason);

/** svm_reason_parse - the reason of that name, whatever the case of its letters */
bool svm_reason_parse(const char *text, uint32_t *basic_reason);

#endif
