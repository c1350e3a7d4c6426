#include "tracer/kernel/vendor_exit.h"

#include "core/exit/svm_reasons.h"
#include "hwaccl/exit_reason.h"

#include <string.h>

/* SDM 3C, 24.9.2: an event's information. */
#define EVENT_VALID      UINT64_C(0x80000000)
#define EVENT_HAS_ERROR  UINT64_C(0x800)
#define EVENT_TYPE(type) ((uint64_t)(type) << 8)
#define EVENT_NMI        EVENT_TYPE(2)
#define EVENT_EXCEPTION  EVENT_TYPE(3)
#define EVENT_SW_INT     EVENT_TYPE(6)

enum svm_code {
        SVM_READ_CR0 = 0x000,
        SVM_WRITE_CR0 = 0x010,
        SVM_READ_DR0 = 0x020,
        SVM_WRITE_DR0 = 0x030,
        SVM_EXCEPTION = 0x040,
        SVM_INTERRUPT = 0x060,
        SVM_NMI = 0x061,
        SVM_IO = 0x07b,
        SVM_MSR = 0x07c,
        SVM_TASK_SWITCH = 0x07d,
        SVM_INVLPG = 0x079,
        SVM_NESTED_FAULT = 0x400,
        SVM_VMGEXIT = 0x403,
};

/* APM volume 2, appendix C. */
static const struct {
        uint16_t code;
        uint16_t reason;
} same[] = {
        {0x062, HWACCL_EXIT_OTHER_SMI},
        {0x063, HWACCL_EXIT_INIT_SIGNAL},
        {0x064, HWACCL_EXIT_INTERRUPT_WINDOW},
        {0x065, HWACCL_EXIT_CONTROL_REGISTER},
        {0x066, HWACCL_EXIT_GDTR_IDTR_ACCESS},
        {0x067, HWACCL_EXIT_GDTR_IDTR_ACCESS},
        {0x068, HWACCL_EXIT_LDTR_TR_ACCESS},
        {0x069, HWACCL_EXIT_LDTR_TR_ACCESS},
        {0x06a, HWACCL_EXIT_GDTR_IDTR_ACCESS},
        {0x06b, HWACCL_EXIT_GDTR_IDTR_ACCESS},
        {0x06c, HWACCL_EXIT_LDTR_TR_ACCESS},
        {0x06d, HWACCL_EXIT_LDTR_TR_ACCESS},
        {0x06e, HWACCL_EXIT_RDTSC},
        {0x06f, HWACCL_EXIT_RDPMC},
        {0x072, HWACCL_EXIT_CPUID},
        {0x073, HWACCL_EXIT_RSM},
        {0x076, HWACCL_EXIT_INVD},
        {0x077, HWACCL_EXIT_PAUSE},
        {0x078, HWACCL_EXIT_HLT},
        {SVM_INVLPG, HWACCL_EXIT_INVLPG},
        {SVM_IO, HWACCL_EXIT_IO_INSTRUCTION},
        {SVM_TASK_SWITCH, HWACCL_EXIT_TASK_SWITCH},
        {0x07f, HWACCL_EXIT_TRIPLE_FAULT},
        {0x081, HWACCL_EXIT_VMCALL},
        {0x087, HWACCL_EXIT_RDTSCP},
        {0x089, HWACCL_EXIT_WBINVD},
        {0x08a, HWACCL_EXIT_MONITOR},
        {0x08b, HWACCL_EXIT_MWAIT},
        {0x08c, HWACCL_EXIT_MWAIT},
        {0x08d, HWACCL_EXIT_XSETBV},
        {0x0a2, HWACCL_EXIT_INVPCID},
        {SVM_NESTED_FAULT, HWACCL_EXIT_EPT_VIOLATION},
};

static uint64_t svm_reason(uint64_t code, uint64_t info1)
{
        if (code < SVM_READ_DR0)
                return HWACCL_EXIT_CONTROL_REGISTER;
        if (code < SVM_EXCEPTION)
                return HWACCL_EXIT_MOV_DR;
        if (code < SVM_INTERRUPT || code == SVM_NMI)
                return HWACCL_EXIT_EXCEPTION_OR_NMI;
        if (code == SVM_INTERRUPT)
                return HWACCL_EXIT_EXTERNAL_INTERRUPT;
        if (code == SVM_MSR)
                return info1 ? HWACCL_EXIT_WRMSR : HWACCL_EXIT_RDMSR;
        if (code == UINT32_MAX || code == UINT64_MAX)
                return HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE | HWACCL_EXIT_REASON_ENTRY_FAILURE;
        for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
                if (same[i].code == code)
                        return same[i].reason;
        return SVM_REASON(code > SVM_REASON_CODE_MAX ? SVM_VMGEXIT
                                                     : code); /* the kernel's names for parts of VMGEXIT */
}

/* EXITINFO1 of an access to a port as VT-x's qualification: APM volume 2, 15.10.2. */
static uint64_t svm_port(uint64_t info1)
{
        const uint64_t bytes = info1 >> 4 & 7; /* 1, 2 or 4 */

        return (info1 & 0xffff0000u) | (info1 & 1 ? 8 : 0) | (info1 & 4 ? 0x10 : 0) | (info1 & 8 ? 0x20 : 0) |
               (bytes ? bytes - 1 : 0);
}

/* EXITINFO1 of a nested page fault: a page fault's error code. */
static uint64_t svm_access(uint64_t info1)
{
        return info1 & 0x10 ? 4 : info1 & 2 ? 2 : 1;
}

/* EXITINFO2: what caused it; bit 36 IRET, bit 38 a far jump. */
static uint64_t svm_task_switch(uint64_t info1, uint64_t info2)
{
        return (info1 & 0xffff) | (info2 >> 36 & 1 ? UINT64_C(1) << 30 : info2 >> 38 & 1 ? UINT64_C(2) << 30 : 0);
}

/* Which register an access to a control register names is known with decode assists only: bit 63. */
static bool svm_control_register(uint64_t code, uint64_t info1, uint64_t *qualification)
{
        *qualification = (code & 15) | (code < SVM_WRITE_CR0 ? 1u << 4 : 0) | (info1 & 15) << 8;
        return info1 >> 63;
}

static void put_instruction_length(struct hwaccl_trace_state *state, uint64_t rip, uint64_t next)
{
        if (next - rip >= 1 && next - rip <= 15)
                hwaccl_trace_put(state, instruction_length, next - rip);
}

static void svm_event(struct hwaccl_trace_state *state, uint64_t code, uint64_t info2)
{
        const uint64_t vector = code - SVM_EXCEPTION;
        /* #DF #TS #NP #SS #GP #PF #AC #CP */
        const bool has_error = UINT64_C(0x00227d00) >> vector & 1;

        if (code == SVM_NMI) {
                hwaccl_trace_put(state, interrupt_information, EVENT_VALID | EVENT_NMI | 2);
                return;
        }
        hwaccl_trace_put(state, interrupt_information,
                         EVENT_VALID | (vector == 3 || vector == 4 ? EVENT_SW_INT : EVENT_EXCEPTION) |
                                 (has_error ? EVENT_HAS_ERROR : 0) | vector);
        if (vector == 14)
                hwaccl_trace_put(state, exit_qualification, info2);
}

static void svm_state(struct hwaccl_trace_state *state, const struct kvm_event *event)
{
        const uint64_t code = event->value[EXIT_EVENT_CODE], info1 = event->value[EXIT_EVENT_INFO1];
        const uint64_t info2 = event->value[EXIT_EVENT_INFO2], reason = svm_reason(code, info1);
        uint64_t qualification;

        hwaccl_trace_put(state, exit_reason, reason);
        if (reason == HWACCL_EXIT_EXCEPTION_OR_NMI) {
                svm_event(state, code, info2);
        } else if (code == SVM_IO) {
                hwaccl_trace_put(state, exit_qualification, svm_port(info1));
                put_instruction_length(state, event->value[EXIT_EVENT_RIP], info2);
        } else if (code == SVM_NESTED_FAULT) {
                hwaccl_trace_put(state, exit_qualification, svm_access(info1));
                hwaccl_trace_put(state, guest_physical_address, info2);
        } else if (code == SVM_TASK_SWITCH) {
                hwaccl_trace_put(state, exit_qualification, svm_task_switch(info1, info2));
        } else if (code < SVM_READ_DR0 && svm_control_register(code, info1, &qualification)) {
                hwaccl_trace_put(state, exit_qualification, qualification);
        }
}

static void vmx_state(struct hwaccl_trace_state *state, const struct kvm_event *event)
{
        const uint64_t reason =
                event->value[EXIT_EVENT_CODE] & (HWACCL_EXIT_REASON_BASIC_MASK | HWACCL_EXIT_REASON_ENTRY_FAILURE);

        hwaccl_trace_put(state, exit_reason, reason);
        hwaccl_trace_put(state, exit_qualification, event->value[EXIT_EVENT_INFO1]);
        if (event->known >> EXIT_EVENT_INTERRUPT_INFORMATION & 1)
                hwaccl_trace_put(state, interrupt_information, event->value[EXIT_EVENT_INTERRUPT_INFORMATION]);
}

void vendor_exit_state(struct hwaccl_trace_state *state, const struct kvm_event *event)
{
        memset(state, 0, sizeof(*state));
        hwaccl_trace_put(state, rip, event->value[EXIT_EVENT_RIP]);
        if (event->value[EXIT_EVENT_ISA] == VENDOR_VMX)
                vmx_state(state, event);
        else if (event->value[EXIT_EVENT_ISA] == VENDOR_SVM)
                svm_state(state, event);
}

/* VT-x's kvm_exit does not have it. */
bool vendor_exit_address(uint64_t reason, const struct kvm_event *event, uint64_t *address)
{
        unsigned index = event->kind == KERNEL_EVENT_MMIO ? 2 : 0;

        if ((reason != HWACCL_EXIT_EPT_VIOLATION && reason != HWACCL_EXIT_EPT_MISCONFIGURATION) ||
            (event->kind != KERNEL_EVENT_PAGE_FAULT && event->kind != KERNEL_EVENT_FAST_MMIO &&
             event->kind != KERNEL_EVENT_MMIO) ||
            !(event->known >> index & 1))
                return false;
        *address = event->value[index];
        return true;
}
