/*
 * Stable ABI. VM-exit reasons (SDM 3D, appendix C), and how hwaccl handles each. Exit dispatch, the names in the
 * database and all reports use this table.
 */
#ifndef HWACCL_EXIT_REASON_H
#define HWACCL_EXIT_REASON_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Decision of the exit dispatch: X(number, identifier, name). The numbers are recorded
 * and never change meaning. */
#define HWACCL_VERDICTS(X)                                                                                             \
        X(0, RESUME, "resume")               /* enter the guest again */                                               \
        X(1, EMULATE, "emulate")             /* emulate the instruction that exited */                                 \
        X(2, TRIPLE_FAULT, "triple fault")   /* ends the guest */                                                      \
        X(3, ENTRY_FAILURE, "entry failure") /* the processor rejected the state; ends the guest with a diagnosis */   \
        X(4, UNKNOWN, "unknown exit")        /* reason not handled; ends the guest with an error that names it */

enum hwaccl_verdict {
#define X(number, identifier, name) HWACCL_VERDICT_##identifier = (number),
        HWACCL_VERDICTS(X)
#undef X
                HWACCL_VERDICT_COUNT
};

/* Result of the handling of an exit: X(number, identifier, name). The numbers are recorded and
 * never change meaning. */
#define HWACCL_OUTCOMES(X)                                                                                             \
        X(0, RESUMED, "resumed")           /* nothing to emulate */                                                    \
        X(1, COMPLETED, "completed")       /* instruction emulated, RIP advanced */                                    \
        X(2, REPEATING, "repeating")       /* some iterations of a REP instruction emulated; RIP unchanged */          \
        X(3, EXCEPTION, "exception")       /* the instruction raised an exception, delivered to the guest */           \
        X(4, HALTED, "halted")             /* HLT: wait for an interrupt */                                            \
        X(5, TRIPLE_FAULT, "triple fault") /* fault while delivering a double fault; ends the guest */                 \
        X(6, FAILED, "failed")             /* cannot be emulated or handled; ends the guest with an error */

enum hwaccl_outcome {
#define X(number, identifier, name) HWACCL_OUTCOME_##identifier = (number),
        HWACCL_OUTCOMES(X)
#undef X
                HWACCL_OUTCOME_COUNT
};

/* X(number, identifier, name, verdict). Reports print the name: the SDM's, in lower case. UNKNOWN: no guest causes it
 * with the VM-execution controls that hwaccl uses. */
#define HWACCL_EXIT_REASONS(X)                                                                                         \
        X(0, EXCEPTION_OR_NMI, "exception or NMI", RESUME)                                                             \
        X(1, EXTERNAL_INTERRUPT, "external interrupt", RESUME)                                                         \
        X(2, TRIPLE_FAULT, "triple fault", TRIPLE_FAULT)                                                               \
        X(3, INIT_SIGNAL, "INIT signal", UNKNOWN)                                                                      \
        X(4, SIPI, "start-up IPI", UNKNOWN)                                                                            \
        X(5, IO_SMI, "I/O SMI", UNKNOWN)                                                                               \
        X(6, OTHER_SMI, "other SMI", UNKNOWN)                                                                          \
        X(7, INTERRUPT_WINDOW, "interrupt window", RESUME)                                                             \
        X(8, NMI_WINDOW, "NMI window", RESUME)                                                                         \
        X(9, TASK_SWITCH, "task switch", EMULATE)                                                                      \
        X(10, CPUID, "CPUID", EMULATE)                                                                                 \
        X(11, GETSEC, "GETSEC", EMULATE)                                                                               \
        X(12, HLT, "HLT", EMULATE)                                                                                     \
        X(13, INVD, "INVD", EMULATE)                                                                                   \
        X(14, INVLPG, "INVLPG", EMULATE)                                                                               \
        X(15, RDPMC, "RDPMC", EMULATE)                                                                                 \
        X(16, RDTSC, "RDTSC", EMULATE)                                                                                 \
        X(17, RSM, "RSM", EMULATE)                                                                                     \
        X(18, VMCALL, "VMCALL", EMULATE)                                                                               \
        X(19, VMCLEAR, "VMCLEAR", EMULATE)                                                                             \
        X(20, VMLAUNCH, "VMLAUNCH", EMULATE)                                                                           \
        X(21, VMPTRLD, "VMPTRLD", EMULATE)                                                                             \
        X(22, VMPTRST, "VMPTRST", EMULATE)                                                                             \
        X(23, VMREAD, "VMREAD", EMULATE)                                                                               \
        X(24, VMRESUME, "VMRESUME", EMULATE)                                                                           \
        X(25, VMWRITE, "VMWRITE", EMULATE)                                                                             \
        X(26, VMXOFF, "VMXOFF", EMULATE)                                                                               \
        X(27, VMXON, "VMXON", EMULATE)                                                                                 \
        X(28, CONTROL_REGISTER, "control-register access", RESUME)                                                     \
        X(29, MOV_DR, "MOV DR", EMULATE)                                                                               \
        X(30, IO_INSTRUCTION, "I/O instruction", EMULATE)                                                              \
        X(31, RDMSR, "RDMSR", EMULATE)                                                                                 \
        X(32, WRMSR, "WRMSR", EMULATE)                                                                                 \
        X(33, ENTRY_FAILURE_GUEST_STATE, "entry failure: invalid guest state", ENTRY_FAILURE)                          \
        X(34, ENTRY_FAILURE_MSR_LOADING, "entry failure: MSR loading", ENTRY_FAILURE)                                  \
        X(36, MWAIT, "MWAIT", EMULATE)                                                                                 \
        X(37, MONITOR_TRAP_FLAG, "monitor trap flag", UNKNOWN)                                                         \
        X(39, MONITOR, "MONITOR", EMULATE)                                                                             \
        X(40, PAUSE, "PAUSE", EMULATE)                                                                                 \
        X(41, ENTRY_FAILURE_MACHINE_CHECK, "entry failure: machine-check event", ENTRY_FAILURE)                        \
        X(43, TPR_BELOW_THRESHOLD, "TPR below threshold", RESUME)                                                      \
        X(44, APIC_ACCESS, "APIC access", EMULATE)                                                                     \
        X(45, VIRTUALIZED_EOI, "virtualized EOI", UNKNOWN)                                                             \
        X(46, GDTR_IDTR_ACCESS, "access to GDTR or IDTR", UNKNOWN)                                                     \
        X(47, LDTR_TR_ACCESS, "access to LDTR or TR", UNKNOWN)                                                         \
        X(48, EPT_VIOLATION, "EPT violation", EMULATE)                                                                 \
        X(49, EPT_MISCONFIGURATION, "EPT misconfiguration", UNKNOWN)                                                   \
        X(50, INVEPT, "INVEPT", EMULATE)                                                                               \
        X(51, RDTSCP, "RDTSCP", EMULATE)                                                                               \
        X(52, PREEMPTION_TIMER, "preemption timer", RESUME)                                                            \
        X(53, INVVPID, "INVVPID", EMULATE)                                                                             \
        X(54, WBINVD, "WBINVD or WBNOINVD", EMULATE)                                                                   \
        X(55, XSETBV, "XSETBV", EMULATE)                                                                               \
        X(56, APIC_WRITE, "APIC write", UNKNOWN)                                                                       \
        X(57, RDRAND, "RDRAND", EMULATE)                                                                               \
        X(58, INVPCID, "INVPCID", EMULATE)                                                                             \
        X(59, VMFUNC, "VMFUNC", EMULATE)                                                                               \
        X(60, ENCLS, "ENCLS", EMULATE)                                                                                 \
        X(61, RDSEED, "RDSEED", EMULATE)                                                                               \
        X(62, PAGE_MODIFICATION_LOG_FULL, "page-modification log full", UNKNOWN)                                       \
        X(63, XSAVES, "XSAVES", EMULATE)                                                                               \
        X(64, XRSTORS, "XRSTORS", EMULATE)                                                                             \
        X(66, SPP_EVENT, "SPP-related event", UNKNOWN)                                                                 \
        X(67, UMWAIT, "UMWAIT", EMULATE)                                                                               \
        X(68, TPAUSE, "TPAUSE", EMULATE)                                                                               \
        X(69, LOADIWKEY, "LOADIWKEY", EMULATE)

/* Exits of KVM that are none of the processor's: X(number of KVM_EXIT_*, identifier, name). Their reason is
 * HWACCL_EXIT_KVM_FIRST and that number; trace_kvm.h says what their qualification is. */
#define HWACCL_EXIT_KVM_FIRST 0x4000u
#define HWACCL_KVM_EXITS(X)                                                                                            \
        X(0, KVM_UNKNOWN, "KVM unknown exit")                                                                          \
        X(1, KVM_EXCEPTION, "KVM exception")                                                                           \
        X(4, KVM_DEBUG, "KVM debug")                                                                                   \
        X(11, KVM_SET_TPR, "KVM set TPR")                                                                              \
        X(12, KVM_TPR_ACCESS, "KVM TPR access")                                                                        \
        X(16, KVM_NMI, "KVM NMI")                                                                                      \
        X(17, KVM_INTERNAL_ERROR, "KVM internal error")                                                                \
        X(18, KVM_OSI, "KVM OSI")                                                                                      \
        X(24, KVM_SYSTEM_EVENT, "KVM system event")                                                                    \
        X(26, KVM_IOAPIC_EOI, "KVM I/O APIC EOI")                                                                      \
        X(27, KVM_HYPERV, "KVM Hyper-V")                                                                               \
        X(31, KVM_DIRTY_RING_FULL, "KVM dirty ring full")                                                              \
        X(32, KVM_AP_RESET_HOLD, "KVM AP reset hold")                                                                  \
        X(33, KVM_BUS_LOCK, "KVM bus lock")                                                                            \
        X(34, KVM_XEN, "KVM Xen")                                                                                      \
        X(37, KVM_NOTIFY, "KVM notify")                                                                                \
        X(39, KVM_MEMORY_FAULT, "KVM memory fault")

enum hwaccl_exit_reason {
#define X(number, identifier, name) HWACCL_EXIT_##identifier = HWACCL_EXIT_KVM_FIRST + (number),
        HWACCL_KVM_EXITS(X)
#undef X
#define X(number, identifier, name, verdict) HWACCL_EXIT_##identifier = (number),
                HWACCL_EXIT_REASONS(X)
#undef X
};

#define HWACCL_EXIT_REASON_BASIC_MASK    0xffffu
#define HWACCL_EXIT_REASON_ENTRY_FAILURE 0x80000000u

/** hwaccl_exit_reason_name - name of a basic exit reason (static string); NULL if the table has none: print the number
 */
const char *hwaccl_exit_reason_name(uint64_t basic_reason);

/** hwaccl_exit_reason_verdict - verdict in the table; HWACCL_VERDICT_UNKNOWN for a number that is not in it */
enum hwaccl_verdict hwaccl_exit_reason_verdict(uint64_t basic_reason);

/**
 * hwaccl_exit_reason_has_length - is the VM-exit instruction length defined at every exit of this reason?
 *
 * False for a number that is not in the table, and where it is undefined or defined during event delivery only (SDM 3C,
 * 28.2.5): after an EPT violation it may be that of two fused instructions, or anything. Decode the instruction then.
 */
bool hwaccl_exit_reason_has_length(uint64_t basic_reason);

/**
 * hwaccl_exit_reason_parse - parse a number ("30"), name ("I/O instruction") or identifier ("io-instruction")
 *
 * Letter case is ignored. Returns false, with *basic_reason unchanged, for anything else.
 */
bool hwaccl_exit_reason_parse(const char *text, uint32_t *basic_reason);

/** hwaccl_verdict_name, hwaccl_outcome_name - lower-case names ("triple fault"); "unknown" for a number out of range */
const char *hwaccl_verdict_name(enum hwaccl_verdict verdict);
const char *hwaccl_outcome_name(enum hwaccl_outcome outcome);

#ifdef __cplusplus
}
#endif

#endif
