/*
 * Kinds of events of the kernel's KVM, as they are recorded: X(number, identifier, name of the trace point, values).
 * The numbers, and the order of the values, never change meaning.
 */
#ifndef HWACCL_TRACER_KERNEL_EVENTS_H
#define HWACCL_TRACER_KERNEL_EVENTS_H

#define KERNEL_EVENT_VALUE_MAX 8u

#define KERNEL_EVENTS(X)                                                                                               \
        X(0, LOST, "lost", "count")                                                                                    \
        X(1, EXIT, "kvm_exit", "exit_reason guest_rip isa info1 info2 intr_info error_code vcpu_id")                   \
        X(2, ENTRY, "kvm_entry", "vcpu_id rip")                                                                        \
        X(3, USERSPACE_EXIT, "kvm_userspace_exit", "reason errno")                                                     \
        X(4, INJECT_INTERRUPT, "kvm_inj_virq", "vector soft reinjected")                                               \
        X(5, INJECT_EXCEPTION, "kvm_inj_exception", "exception has_error error_code reinjected")                       \
        X(6, PORT, "kvm_pio", "rw port size count val")                                                                \
        X(7, MMIO, "kvm_mmio", "type len gpa val")                                                                     \
        X(8, FAST_MMIO, "kvm_fast_mmio", "gpa")                                                                        \
        X(9, MSR, "kvm_msr", "write ecx data exception")                                                               \
        X(10, CONTROL_REGISTER, "kvm_cr", "rw cr val")                                                                 \
        X(11, CPUID, "kvm_cpuid", "function index rax rbx rcx rdx")                                                    \
        X(12, PAGE_FAULT, "kvm_page_fault", "fault_address error_code")                                                \
        X(13, APIC_ACCEPT, "kvm_apic_accept_irq", "apicid dm tm vec")                                                  \
        X(14, SET_LINE, "kvm_set_irq", "gsi level irq_source_id")                                                      \
        X(15, MSI, "kvm_msi_set_irq", "address data")                                                                  \
        X(16, EOI, "kvm_eoi", "apicid vector")

enum kernel_event_kind {
#define X(number, identifier, name, values) KERNEL_EVENT_##identifier = (number),
        KERNEL_EVENTS(X)
#undef X
                KERNEL_EVENT_COUNT
};

/* Values of a kind. */
static inline unsigned kernel_event_values(unsigned kind)
{
        static const char *const values[] = {
#define X(number, identifier, name, values) [number] = (values),
                KERNEL_EVENTS(X)
#undef X
        };
        unsigned count = 1;

        for (const char *at = kind < KERNEL_EVENT_COUNT ? values[kind] : ""; *at; at++)
                count += *at == ' ';
        return count;
}

#endif
