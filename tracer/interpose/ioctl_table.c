#include "tracer/interpose/ioctl_table.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

/* Newer than Debian 12's header. */
struct memory_region2 {
        uint32_t slot, flags;
        uint64_t guest_phys_addr, memory_size, userspace_addr, guest_memfd_offset;
        uint32_t guest_memfd, pad1;
        uint64_t pad2[14];
};
struct memory_attributes {
        uint64_t address, size, attributes, flags;
};
struct guest_memfd {
        uint64_t size, flags, reserved[6];
};
struct pre_fault_memory {
        uint64_t gpa, size, flags, padding[5];
};
#ifndef KVM_SET_USER_MEMORY_REGION2
#define KVM_SET_USER_MEMORY_REGION2 _IOW(KVMIO, 0x49, struct memory_region2)
#endif
#ifndef KVM_SET_MEMORY_ATTRIBUTES
#define KVM_SET_MEMORY_ATTRIBUTES _IOW(KVMIO, 0xd2, struct memory_attributes)
#endif
#ifndef KVM_CREATE_GUEST_MEMFD
#define KVM_CREATE_GUEST_MEMFD _IOWR(KVMIO, 0xd4, struct guest_memfd)
#endif
#ifndef KVM_PRE_FAULT_MEMORY
#define KVM_PRE_FAULT_MEMORY _IOWR(KVMIO, 0xd5, struct pre_fault_memory)
#endif

#define COUNT_OF(array)      (sizeof(array) / sizeof((array)[0]))
#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define SPAN(type, member, what)                                                                                       \
        {                                                                                                              \
                (uint16_t) offsetof(type, member), sizeof(((type *)0)->member), (what), false, 0, 0, 0                 \
        }
#define PADDING(type, member)    SPAN(type, member, IOCTL_SPAN_PADDING)
#define POINTER(type, member)    SPAN(type, member, IOCTL_SPAN_POINTER)
#define DESCRIPTOR(type, member) SPAN(type, member, IOCTL_SPAN_DESCRIPTOR)
#define HOLE(from, to)                                                                                                 \
        {                                                                                                              \
                (from), (to) - (from), IOCTL_SPAN_PADDING, false, 0, 0, 0                                              \
        }
/* bytes that mean nothing if (@word & @mask_) == @value_ */
#define UNUSED_IF(type, from, to, word, mask_, value_)                                                                 \
        {                                                                                                              \
                (uint16_t)(from), (uint16_t)((to) - (from)), IOCTL_SPAN_PADDING, true, (uint16_t)offsetof(type, word), \
                        (mask_), (value_)                                                                              \
        }

#define SEGMENT(type, name) PADDING(type, name.padding)
#define SEGMENTS(type)                                                                                                 \
        SEGMENT(type, cs), SEGMENT(type, ds), SEGMENT(type, es), SEGMENT(type, fs), SEGMENT(type, gs),                 \
                SEGMENT(type, ss), SEGMENT(type, tr), SEGMENT(type, ldt), PADDING(type, gdt.padding),                  \
                PADDING(type, idt.padding)
static const struct ioctl_span sregs_spans[] = {SEGMENTS(struct kvm_sregs)};
static const struct ioctl_span sregs2_spans[] = {
        SEGMENTS(struct kvm_sregs2),
        UNUSED_IF(struct kvm_sregs2, offsetof(struct kvm_sregs2, pdptrs), END_OF(struct kvm_sregs2, pdptrs), flags,
                  KVM_SREGS2_FLAGS_PDPTRS_VALID, 0),
};
static const struct ioctl_span region_spans[] = {POINTER(struct kvm_userspace_memory_region, userspace_addr)};
static const struct ioctl_span region2_spans[] = {
        POINTER(struct memory_region2, userspace_addr),
        UNUSED_IF(struct memory_region2, offsetof(struct memory_region2, guest_memfd_offset),
                  END_OF(struct memory_region2, guest_memfd), flags, 4 /* KVM_MEM_GUEST_MEMFD */, 0),
        DESCRIPTOR(struct memory_region2, guest_memfd),
        PADDING(struct memory_region2, pad1),
        PADDING(struct memory_region2, pad2),
};
static const struct ioctl_span guest_memfd_spans[] = {PADDING(struct guest_memfd, reserved)};
static const struct ioctl_span pre_fault_spans[] = {PADDING(struct pre_fault_memory, padding)};
static const struct ioctl_span dirty_log_spans[] = {PADDING(struct kvm_dirty_log, padding1),
                                                    POINTER(struct kvm_dirty_log, dirty_bitmap)};
static const struct ioctl_span clear_dirty_spans[] = {POINTER(struct kvm_clear_dirty_log, dirty_bitmap)};
#define CHIP(size) (offsetof(struct kvm_irqchip, chip) + (size))
static const struct ioctl_span irqchip_spans[] = {
        PADDING(struct kvm_irqchip, pad),
        HOLE(CHIP(sizeof(struct kvm_ioapic_state)), sizeof(struct kvm_irqchip)),
        UNUSED_IF(struct kvm_irqchip, CHIP(sizeof(struct kvm_pic_state)), sizeof(struct kvm_irqchip), chip_id, ~0u,
                  KVM_IRQCHIP_PIC_MASTER),
        UNUSED_IF(struct kvm_irqchip, CHIP(sizeof(struct kvm_pic_state)), sizeof(struct kvm_irqchip), chip_id, ~0u,
                  KVM_IRQCHIP_PIC_SLAVE),
};
static const struct ioctl_span pit_config_spans[] = {PADDING(struct kvm_pit_config, pad)};
static const struct ioctl_span pit2_spans[] = {PADDING(struct kvm_pit_state2, reserved)};
static const struct ioctl_span reinject_spans[] = {PADDING(struct kvm_reinject_control, reserved)};
static const struct ioctl_span irqfd_spans[] = {
        DESCRIPTOR(struct kvm_irqfd, fd),
        DESCRIPTOR(struct kvm_irqfd, resamplefd),
        UNUSED_IF(struct kvm_irqfd, offsetof(struct kvm_irqfd, resamplefd), END_OF(struct kvm_irqfd, resamplefd), flags,
                  KVM_IRQFD_FLAG_RESAMPLE, 0),
        PADDING(struct kvm_irqfd, pad),
};
static const struct ioctl_span ioeventfd_spans[] = {
        DESCRIPTOR(struct kvm_ioeventfd, fd),
        UNUSED_IF(struct kvm_ioeventfd, offsetof(struct kvm_ioeventfd, datamatch),
                  END_OF(struct kvm_ioeventfd, datamatch), flags, KVM_IOEVENTFD_FLAG_DATAMATCH, 0),
        PADDING(struct kvm_ioeventfd, pad),
};
static const struct ioctl_span xen_config_spans[] = {POINTER(struct kvm_xen_hvm_config, blob_addr_32),
                                                     POINTER(struct kvm_xen_hvm_config, blob_addr_64),
                                                     PADDING(struct kvm_xen_hvm_config, pad2)};
static const struct ioctl_span clock_spans[] = {
        PADDING(struct kvm_clock_data, pad0),
        PADDING(struct kvm_clock_data, pad),
        UNUSED_IF(struct kvm_clock_data, offsetof(struct kvm_clock_data, realtime),
                  END_OF(struct kvm_clock_data, realtime), flags, KVM_CLOCK_REALTIME, 0),
        UNUSED_IF(struct kvm_clock_data, offsetof(struct kvm_clock_data, host_tsc),
                  END_OF(struct kvm_clock_data, host_tsc), flags, KVM_CLOCK_HOST_TSC, 0),
};
static const struct ioctl_span msi_spans[] = {
        UNUSED_IF(struct kvm_msi, offsetof(struct kvm_msi, devid), END_OF(struct kvm_msi, devid), flags,
                  KVM_MSI_VALID_DEVID, 0),
        PADDING(struct kvm_msi, pad),
};
static const struct ioctl_span translation_spans[] = {PADDING(struct kvm_translation, pad)};
static const struct ioctl_span msrs_spans[] = {PADDING(struct kvm_msrs, pad)};
static const struct ioctl_span msr_spans[] = {PADDING(struct kvm_msr_entry, reserved)};
static const struct ioctl_span cpuid_spans[] = {PADDING(struct kvm_cpuid, padding)};
static const struct ioctl_span cpuid_entry_spans[] = {PADDING(struct kvm_cpuid_entry, padding)};
static const struct ioctl_span cpuid2_spans[] = {PADDING(struct kvm_cpuid2, padding)};
static const struct ioctl_span cpuid_entry2_spans[] = {PADDING(struct kvm_cpuid_entry2, padding)};
static const struct ioctl_span fpu_spans[] = {PADDING(struct kvm_fpu, pad1), PADDING(struct kvm_fpu, pad2)};
static const struct ioctl_span tpr_spans[] = {PADDING(struct kvm_tpr_access_ctl, reserved)};
static const struct ioctl_span debug_spans[] = {PADDING(struct kvm_guest_debug, pad)};
static const struct ioctl_span mce_spans[] = {PADDING(struct kvm_x86_mce, pad1), PADDING(struct kvm_x86_mce, pad2)};
static const struct ioctl_span events_spans[] = {
        PADDING(struct kvm_vcpu_events, nmi.pad),
        PADDING(struct kvm_vcpu_events, reserved),
        UNUSED_IF(struct kvm_vcpu_events, offsetof(struct kvm_vcpu_events, exception_has_payload),
                  END_OF(struct kvm_vcpu_events, exception_payload), flags, KVM_VCPUEVENT_VALID_PAYLOAD, 0),
};
static const struct ioctl_span debugregs_spans[] = {PADDING(struct kvm_debugregs, reserved)};
static const struct ioctl_span enable_cap_spans[] = {PADDING(struct kvm_enable_cap, pad)};
#define XCR(from) offsetof(struct kvm_xcrs, xcrs[from])
static const struct ioctl_span xcrs_spans[] = {
        PADDING(struct kvm_xcrs, xcrs[0].reserved), PADDING(struct kvm_xcrs, padding),
        UNUSED_IF(struct kvm_xcrs, XCR(0), offsetof(struct kvm_xcrs, padding), nr_xcrs, ~0u, 0),
        UNUSED_IF(struct kvm_xcrs, XCR(1), offsetof(struct kvm_xcrs, padding), nr_xcrs, ~0u, 1), /* x86 has one */
};
static const struct ioctl_span one_reg_spans[] = {POINTER(struct kvm_one_reg, addr)};
static const struct ioctl_span attribute_spans[] = {POINTER(struct kvm_device_attr, addr)};
static const struct ioctl_span device_spans[] = {DESCRIPTOR(struct kvm_create_device, fd)};
static const struct ioctl_span sev_spans[] = {HOLE(4, 8), POINTER(struct kvm_sev_cmd, data),
                                              DESCRIPTOR(struct kvm_sev_cmd, sev_fd)};
static const struct ioctl_span encrypted_spans[] = {POINTER(struct kvm_enc_region, addr)};
static const struct ioctl_span hyperv_spans[] = {DESCRIPTOR(struct kvm_hyperv_eventfd, fd),
                                                 PADDING(struct kvm_hyperv_eventfd, padding)};
static const struct ioctl_span pmu_spans[] = {PADDING(struct kvm_pmu_event_filter, pad)};
static const struct ioctl_span xen_attribute_spans[] = {PADDING(struct kvm_xen_hvm_attr, pad)};
static const struct ioctl_span xen_vcpu_spans[] = {PADDING(struct kvm_xen_vcpu_attr, pad)};
#define RANGE(i)                                                                                                       \
        POINTER(struct kvm_msr_filter, ranges[i].bitmap),                                                              \
                HOLE(END_OF(struct kvm_msr_filter, ranges[i].base), offsetof(struct kvm_msr_filter, ranges[i].bitmap))
static const struct ioctl_span filter_spans[] = {
        HOLE(4, 8), RANGE(0), RANGE(1),  RANGE(2),  RANGE(3),  RANGE(4),  RANGE(5),  RANGE(6),  RANGE(7),
        RANGE(8),   RANGE(9), RANGE(10), RANGE(11), RANGE(12), RANGE(13), RANGE(14), RANGE(15),
};

#define ARRAY(count_, direction_, type, member, element, spans_, maximum_)                                             \
        {                                                                                                              \
                .count = IOCTL_COUNT_##count_, .direction = IOCTL_##direction_,                                        \
                .offset = (uint16_t)offsetof(type, member), .element_size = (element), .span_count = COUNT_OF(spans_), \
                .maximum = (maximum_), .spans = (spans_)                                                               \
        }
#define PLAIN_ARRAY(count_, direction_, type, member, element, maximum_)                                               \
        {                                                                                                              \
                .count = IOCTL_COUNT_##count_, .direction = IOCTL_##direction_,                                        \
                .offset = (uint16_t)offsetof(type, member), .element_size = (element), .maximum = (maximum_)           \
        }
/* Maxima: KVM_MAX_CPUID_ENTRIES, MAX_IO_MSRS, KVM_MAX_IRQ_ROUTES, KVM_PMU_EVENT_FILTER_MAX_EVENTS of the kernel, which
 * refuses more; else a bound of ours that is above what there is. */
#define CPUID_MAX 256u
#define LIST_MAX  4096u
static const struct ioctl_array msr_list = PLAIN_ARRAY(WORD, OUT, struct kvm_msr_list, nmsrs, 4, LIST_MAX);
static const struct ioctl_array get_msrs = ARRAY(WORD, INOUT, struct kvm_msrs, nmsrs, 16, msr_spans, 256);
static const struct ioctl_array set_msrs = ARRAY(WORD, IN, struct kvm_msrs, nmsrs, 16, msr_spans, 256);
static const struct ioctl_array get_cpuid =
        ARRAY(WORD, OUT, struct kvm_cpuid2, nent, 40, cpuid_entry2_spans, CPUID_MAX);
static const struct ioctl_array set_cpuid2 =
        ARRAY(WORD, IN, struct kvm_cpuid2, nent, 40, cpuid_entry2_spans, CPUID_MAX);
static const struct ioctl_array set_cpuid = ARRAY(WORD, IN, struct kvm_cpuid, nent, 24, cpuid_entry_spans, CPUID_MAX);
/* the words of a route's union that its type does not use are VMM memory, mostly zero, and are compared */
static const struct ioctl_span route_spans[] = {PADDING(struct kvm_irq_routing_entry, pad)};
static const struct ioctl_array routes =
        ARRAY(WORD, IN, struct kvm_irq_routing, nr, sizeof(struct kvm_irq_routing_entry), route_spans, 4096);
static const struct ioctl_array signals = PLAIN_ARRAY(WORD, IN, struct kvm_signal_mask, len, 1, 8);
static const struct ioctl_array register_list = PLAIN_ARRAY(LONG, OUT, struct kvm_reg_list, n, 8, LIST_MAX);
static const struct ioctl_array get_nested = PLAIN_ARRAY(TOTAL, OUT, struct kvm_nested_state, size, 1, 65536);
static const struct ioctl_array set_nested = PLAIN_ARRAY(TOTAL, IN, struct kvm_nested_state, size, 1, 65536);
static const struct ioctl_array pmu_events = PLAIN_ARRAY(WORD, IN, struct kvm_pmu_event_filter, nevents, 8, 300);
static const struct ioctl_array get_xsave = {
        .count = IOCTL_COUNT_XSAVE, .direction = IOCTL_OUT, .element_size = 1, .maximum = 65536};
static const struct ioctl_array set_xsave = {
        .count = IOCTL_COUNT_XSAVE, .direction = IOCTL_IN, .element_size = 1, .maximum = 65536};

#define MEMORY_MAX (UINT32_C(1) << 24) /* ours: a bitmap of 512 GiB */
#define BEHIND(type, member, direction_, count_, word, maximum_)                                                       \
        {                                                                                                              \
                .pointer = (uint16_t)offsetof(type, member), .direction = IOCTL_##direction_,                          \
                .count = IOCTL_COUNT_##count_, .offset = (uint16_t)offsetof(type, word), .maximum = (maximum_)         \
        }
static const struct ioctl_memory dirty_memory[] = {
        BEHIND(struct kvm_dirty_log, dirty_bitmap, OUT, SLOT_PAGES, slot, MEMORY_MAX)};
static const struct ioctl_memory clear_dirty_memory[] = {
        BEHIND(struct kvm_clear_dirty_log, dirty_bitmap, IN, BITS, num_pages, MEMORY_MAX)};
static const struct ioctl_memory get_register_memory[] = {BEHIND(struct kvm_one_reg, addr, OUT, REGISTER, id, 256)};
static const struct ioctl_memory set_register_memory[] = {BEHIND(struct kvm_one_reg, addr, IN, REGISTER, id, 256)};
static const struct ioctl_memory get_attribute_memory[] = {
        BEHIND(struct kvm_device_attr, addr, OUT, ATTRIBUTE, group, 4096)};
static const struct ioctl_memory set_attribute_memory[] = {
        BEHIND(struct kvm_device_attr, addr, IN, ATTRIBUTE, group, 4096)};
static const struct ioctl_memory filter_memory[] = {{
        .pointer = (uint16_t)offsetof(struct kvm_msr_filter, ranges[0].bitmap),
        .direction = IOCTL_IN,
        .count = IOCTL_COUNT_BITS,
        .offset = (uint16_t)offsetof(struct kvm_msr_filter, ranges[0].nmsrs),
        .maximum = KVM_MSR_FILTER_MAX_BITMAP_SIZE,
        .repeat = KVM_MSR_FILTER_MAX_RANGES,
        .stride = sizeof(struct kvm_msr_filter_range),
}};

#define ROW(request_, roles_, kind_, direction_, size_)                                                                \
        .request = (uint32_t)(request_), .name = #request_, .roles = (roles_), .kind = IOCTL_KIND_##kind_,             \
        .direction = IOCTL_##direction_, .size = (size_)
#define NUMBER           .result = IOCTL_RESULT_NUMBER
#define CREATES(role)    .result = IOCTL_RESULT_DESCRIPTOR, .result_role = IOCTL_##role
#define SPANS(spans_)    .spans = (spans_), .span_count = COUNT_OF(spans_)
#define FOLLOWED(array_) .array = &(array_)
#define POINTS(memory_)  .memory = (memory_), .memory_count = COUNT_OF(memory_)
#define OVERWRITTEN      .overwritten = true
#define SYSTEM           IOCTL_SYSTEM
#define VM               IOCTL_VM
#define VCPU             IOCTL_VCPU
#define DEVICE           IOCTL_DEVICE

/* clang-format off */
static const struct ioctl_entry table[] = {
        {ROW(KVM_GET_API_VERSION, SYSTEM, QUERY, VALUE, 0), NUMBER},
        {ROW(KVM_CREATE_VM, SYSTEM, CREATE, VALUE, 0), CREATES(VM)},
        {ROW(KVM_GET_MSR_INDEX_LIST, SYSTEM, QUERY, INOUT, 4), FOLLOWED(msr_list), OVERWRITTEN},
        {ROW(KVM_CHECK_EXTENSION, SYSTEM | VM, QUERY, VALUE, 0), NUMBER},
        {ROW(KVM_GET_VCPU_MMAP_SIZE, SYSTEM, QUERY, VALUE, 0), NUMBER},
        {ROW(KVM_GET_SUPPORTED_CPUID, SYSTEM, QUERY, INOUT, 8), SPANS(cpuid2_spans), FOLLOWED(get_cpuid), OVERWRITTEN},
        {ROW(KVM_TRACE_ENABLE, SYSTEM, OBSOLETE, IN, sizeof(struct kvm_user_trace_setup))},
        {ROW(KVM_TRACE_PAUSE, SYSTEM, OBSOLETE, VALUE, 0)},
        {ROW(KVM_TRACE_DISABLE, SYSTEM, OBSOLETE, VALUE, 0)},
        {ROW(KVM_GET_EMULATED_CPUID, SYSTEM, QUERY, INOUT, 8), SPANS(cpuid2_spans), FOLLOWED(get_cpuid), OVERWRITTEN},
        {ROW(KVM_GET_MSR_FEATURE_INDEX_LIST, SYSTEM, QUERY, INOUT, 4), FOLLOWED(msr_list), OVERWRITTEN},
        {ROW(KVM_SET_MEMORY_REGION, VM, OBSOLETE, IN, sizeof(struct kvm_memory_region))},
        {ROW(KVM_CREATE_VCPU, VM, CREATE, VALUE, 0), CREATES(VCPU)},
        {ROW(KVM_GET_DIRTY_LOG, VM, DIRTY, IN, sizeof(struct kvm_dirty_log)), SPANS(dirty_log_spans), POINTS(dirty_memory)},
        {ROW(KVM_SET_MEMORY_ALIAS, VM, OBSOLETE, IN, sizeof(struct kvm_memory_alias))},
        {ROW(KVM_SET_NR_MMU_PAGES, VM, SETUP, VALUE, 0)},
        {ROW(KVM_GET_NR_MMU_PAGES, VM, QUERY, VALUE, 0), NUMBER},
        {ROW(KVM_SET_USER_MEMORY_REGION, VM, MEMORY, IN, sizeof(struct kvm_userspace_memory_region)), SPANS(region_spans)},
        {ROW(KVM_SET_TSS_ADDR, VM, SETUP, VALUE, 0)},
        {ROW(KVM_SET_IDENTITY_MAP_ADDR, VM, SETUP, IN, 8)},
        {ROW(KVM_SET_USER_MEMORY_REGION2, VM, MEMORY, IN, sizeof(struct memory_region2)), SPANS(region2_spans)},
        {ROW(KVM_CREATE_IRQCHIP, VM, CREATE, VALUE, 0)},
        {ROW(KVM_IRQ_LINE, VM, LINE, IN, sizeof(struct kvm_irq_level))},
        {ROW(KVM_GET_IRQCHIP, VM, STATE, INOUT, sizeof(struct kvm_irqchip)), SPANS(irqchip_spans)},
        {ROW(KVM_SET_IRQCHIP, VM, STATE, IN, sizeof(struct kvm_irqchip)), SPANS(irqchip_spans)},
        {ROW(KVM_CREATE_PIT, VM, CREATE, VALUE, 0)},
        {ROW(KVM_GET_PIT, VM, STATE, OUT, sizeof(struct kvm_pit_state))},
        {ROW(KVM_SET_PIT, VM, STATE, IN, sizeof(struct kvm_pit_state))},
        {ROW(KVM_IRQ_LINE_STATUS, VM, LINE, INOUT, sizeof(struct kvm_irq_level)), OVERWRITTEN},
        {ROW(KVM_REGISTER_COALESCED_MMIO, VM, WIRING, IN, sizeof(struct kvm_coalesced_mmio_zone))},
        {ROW(KVM_UNREGISTER_COALESCED_MMIO, VM, WIRING, IN, sizeof(struct kvm_coalesced_mmio_zone))},
        {ROW(KVM_ASSIGN_PCI_DEVICE, VM, OBSOLETE, IN, sizeof(struct kvm_assigned_pci_dev))},
        {ROW(KVM_SET_GSI_ROUTING, VM, WIRING, IN, sizeof(struct kvm_irq_routing)), FOLLOWED(routes)},
        {ROW(KVM_ASSIGN_DEV_IRQ, VM, OBSOLETE, IN, sizeof(struct kvm_assigned_irq))},
        {ROW(KVM_ASSIGN_IRQ, VM, OBSOLETE, IN, sizeof(struct kvm_assigned_irq))},
        {ROW(KVM_REINJECT_CONTROL, VM, SETUP, IN, sizeof(struct kvm_reinject_control)), SPANS(reinject_spans)},
        {ROW(KVM_DEASSIGN_PCI_DEVICE, VM, OBSOLETE, IN, sizeof(struct kvm_assigned_pci_dev))},
        {ROW(KVM_ASSIGN_SET_MSIX_NR, VM, OBSOLETE, IN, sizeof(struct kvm_assigned_msix_nr))},
        {ROW(KVM_ASSIGN_SET_MSIX_ENTRY, VM, OBSOLETE, IN, sizeof(struct kvm_assigned_msix_entry))},
        {ROW(KVM_DEASSIGN_DEV_IRQ, VM, OBSOLETE, IN, sizeof(struct kvm_assigned_irq))},
        {ROW(KVM_IRQFD, VM, WIRING, IN, sizeof(struct kvm_irqfd)), SPANS(irqfd_spans)},
        {ROW(KVM_CREATE_PIT2, VM, CREATE, IN, sizeof(struct kvm_pit_config)), SPANS(pit_config_spans)},
        {ROW(KVM_SET_BOOT_CPU_ID, VM, SETUP, VALUE, 0)},
        {ROW(KVM_IOEVENTFD, VM, WIRING, IN, sizeof(struct kvm_ioeventfd)), SPANS(ioeventfd_spans)},
        {ROW(KVM_XEN_HVM_CONFIG, VM, SETUP, IN, sizeof(struct kvm_xen_hvm_config)), SPANS(xen_config_spans)},
        {ROW(KVM_SET_CLOCK, VM, STATE, IN, sizeof(struct kvm_clock_data)), SPANS(clock_spans)},
        {ROW(KVM_GET_CLOCK, VM, STATE, OUT, sizeof(struct kvm_clock_data)), SPANS(clock_spans)},
        {ROW(KVM_RUN, VCPU, RUN, VALUE, 0)},
        {ROW(KVM_GET_REGS, VCPU, STATE, OUT, sizeof(struct kvm_regs))},
        {ROW(KVM_SET_REGS, VCPU, STATE, IN, sizeof(struct kvm_regs))},
        {ROW(KVM_GET_SREGS, VCPU, STATE, OUT, sizeof(struct kvm_sregs)), SPANS(sregs_spans)},
        {ROW(KVM_SET_SREGS, VCPU, STATE, IN, sizeof(struct kvm_sregs)), SPANS(sregs_spans)},
        {ROW(KVM_TRANSLATE, VCPU, DEBUG, INOUT, sizeof(struct kvm_translation)), SPANS(translation_spans)},
        {ROW(KVM_INTERRUPT, VCPU, EVENT, IN, sizeof(struct kvm_interrupt)), NUMBER},
        {ROW(KVM_DEBUG_GUEST, VCPU, OBSOLETE, IN, sizeof(struct kvm_debug_guest))},
        {ROW(KVM_GET_MSRS, SYSTEM | VCPU, STATE, INOUT, 8), SPANS(msrs_spans), FOLLOWED(get_msrs), NUMBER},
        {ROW(KVM_SET_MSRS, VCPU, STATE, IN, 8), SPANS(msrs_spans), FOLLOWED(set_msrs), NUMBER},
        {ROW(KVM_SET_CPUID, VCPU, SETUP, IN, 8), SPANS(cpuid_spans), FOLLOWED(set_cpuid)},
        {ROW(KVM_SET_SIGNAL_MASK, VCPU, SETUP, IN, 4), FOLLOWED(signals)},
        {ROW(KVM_GET_FPU, VCPU, STATE, OUT, sizeof(struct kvm_fpu)), SPANS(fpu_spans)},
        {ROW(KVM_SET_FPU, VCPU, STATE, IN, sizeof(struct kvm_fpu)), SPANS(fpu_spans)},
        {ROW(KVM_GET_LAPIC, VCPU, STATE, OUT, sizeof(struct kvm_lapic_state))},
        {ROW(KVM_SET_LAPIC, VCPU, STATE, IN, sizeof(struct kvm_lapic_state))},
        {ROW(KVM_SET_CPUID2, VCPU, SETUP, IN, 8), SPANS(cpuid2_spans), FOLLOWED(set_cpuid2)},
        {ROW(KVM_GET_CPUID2, VCPU, STATE, INOUT, 8), SPANS(cpuid2_spans), FOLLOWED(get_cpuid), OVERWRITTEN},
        {ROW(KVM_TPR_ACCESS_REPORTING, VCPU, SETUP, INOUT, sizeof(struct kvm_tpr_access_ctl)), SPANS(tpr_spans)},
        {ROW(KVM_SET_VAPIC_ADDR, VCPU, SETUP, IN, sizeof(struct kvm_vapic_addr))},
        {ROW(KVM_GET_MP_STATE, VCPU, STATE, OUT, sizeof(struct kvm_mp_state))},
        {ROW(KVM_SET_MP_STATE, VCPU, STATE, IN, sizeof(struct kvm_mp_state))},
        {ROW(KVM_NMI, VCPU, EVENT, VALUE, 0)},
        {ROW(KVM_SET_GUEST_DEBUG, VCPU, DEBUG, IN, sizeof(struct kvm_guest_debug)), SPANS(debug_spans)},
        {ROW(KVM_X86_SETUP_MCE, VCPU, SETUP, IN, 8)},
        {ROW(KVM_X86_GET_MCE_CAP_SUPPORTED, SYSTEM, QUERY, OUT, 8)},
        {ROW(KVM_X86_SET_MCE, VCPU, EVENT, IN, sizeof(struct kvm_x86_mce)), SPANS(mce_spans)},
        {ROW(KVM_GET_PIT2, VM, STATE, OUT, sizeof(struct kvm_pit_state2)), SPANS(pit2_spans)},
        {ROW(KVM_GET_VCPU_EVENTS, VCPU, STATE, OUT, sizeof(struct kvm_vcpu_events)), SPANS(events_spans)},
        {ROW(KVM_SET_PIT2, VM, STATE, IN, sizeof(struct kvm_pit_state2)), SPANS(pit2_spans)},
        {ROW(KVM_SET_VCPU_EVENTS, VCPU, STATE, IN, sizeof(struct kvm_vcpu_events)), SPANS(events_spans)},
        {ROW(KVM_GET_DEBUGREGS, VCPU, STATE, OUT, sizeof(struct kvm_debugregs)), SPANS(debugregs_spans)},
        {ROW(KVM_SET_TSC_KHZ, VM | VCPU, SETUP, VALUE, 0)},
        {ROW(KVM_SET_DEBUGREGS, VCPU, STATE, IN, sizeof(struct kvm_debugregs)), SPANS(debugregs_spans)},
        {ROW(KVM_GET_TSC_KHZ, VM | VCPU, STATE, VALUE, 0), NUMBER},
        {ROW(KVM_ENABLE_CAP, VM | VCPU, SETUP, IN, sizeof(struct kvm_enable_cap)), SPANS(enable_cap_spans), NUMBER},
        {ROW(KVM_ASSIGN_SET_INTX_MASK, VM, OBSOLETE, IN, sizeof(struct kvm_assigned_pci_dev))},
        {ROW(KVM_GET_XSAVE, VCPU, STATE, OUT, 4096)},
        {ROW(KVM_SIGNAL_MSI, VM, MSI, IN, sizeof(struct kvm_msi)), SPANS(msi_spans), NUMBER},
        {ROW(KVM_SET_XSAVE, VCPU, STATE, IN, 4096), FOLLOWED(set_xsave)},
        {ROW(KVM_GET_XCRS, VCPU, STATE, OUT, sizeof(struct kvm_xcrs)), SPANS(xcrs_spans)},
        {ROW(KVM_SET_XCRS, VCPU, STATE, IN, sizeof(struct kvm_xcrs)), SPANS(xcrs_spans)},
        {ROW(KVM_GET_ONE_REG, VCPU, STATE, IN, sizeof(struct kvm_one_reg)), SPANS(one_reg_spans), POINTS(get_register_memory)},
        {ROW(KVM_SET_ONE_REG, VCPU, STATE, IN, sizeof(struct kvm_one_reg)), SPANS(one_reg_spans), POINTS(set_register_memory)},
        {ROW(KVM_KVMCLOCK_CTRL, VCPU, STATE, VALUE, 0)},
        {ROW(KVM_GET_REG_LIST, VCPU, QUERY, INOUT, 8), FOLLOWED(register_list), OVERWRITTEN},
        {ROW(KVM_SET_PMU_EVENT_FILTER, VM, SETUP, IN, sizeof(struct kvm_pmu_event_filter)), SPANS(pmu_spans), FOLLOWED(pmu_events)},
        {ROW(KVM_SMI, VCPU, EVENT, VALUE, 0)},
        {ROW(KVM_MEMORY_ENCRYPT_OP, VM | VCPU, SECURE, INOUT, sizeof(struct kvm_sev_cmd)), SPANS(sev_spans)},
        {ROW(KVM_MEMORY_ENCRYPT_REG_REGION, VM, SECURE, IN, sizeof(struct kvm_enc_region)), SPANS(encrypted_spans)},
        {ROW(KVM_MEMORY_ENCRYPT_UNREG_REGION, VM, SECURE, IN, sizeof(struct kvm_enc_region)), SPANS(encrypted_spans)},
        {ROW(KVM_HYPERV_EVENTFD, VM, WIRING, IN, sizeof(struct kvm_hyperv_eventfd)), SPANS(hyperv_spans)},
        {ROW(KVM_GET_NESTED_STATE, VCPU, STATE, INOUT, 128), FOLLOWED(get_nested), OVERWRITTEN},
        {ROW(KVM_SET_NESTED_STATE, VCPU, STATE, IN, 128), FOLLOWED(set_nested)},
        {ROW(KVM_CLEAR_DIRTY_LOG, VM, DIRTY, IN, sizeof(struct kvm_clear_dirty_log)), SPANS(clear_dirty_spans), POINTS(clear_dirty_memory)},
        {ROW(KVM_GET_SUPPORTED_HV_CPUID, SYSTEM | VCPU, QUERY, INOUT, 8), SPANS(cpuid2_spans), FOLLOWED(get_cpuid), OVERWRITTEN},
        {ROW(KVM_X86_SET_MSR_FILTER, VM, SETUP, IN, sizeof(struct kvm_msr_filter)), SPANS(filter_spans), POINTS(filter_memory)},
        {ROW(KVM_RESET_DIRTY_RINGS, VM, DIRTY, VALUE, 0), NUMBER},
        {ROW(KVM_XEN_HVM_GET_ATTR, VM, STATE, INOUT, sizeof(struct kvm_xen_hvm_attr)), SPANS(xen_attribute_spans)},
        {ROW(KVM_XEN_HVM_SET_ATTR, VM, STATE, IN, sizeof(struct kvm_xen_hvm_attr)), SPANS(xen_attribute_spans)},
        {ROW(KVM_XEN_VCPU_GET_ATTR, VCPU, STATE, INOUT, sizeof(struct kvm_xen_vcpu_attr)), SPANS(xen_vcpu_spans)},
        {ROW(KVM_XEN_VCPU_SET_ATTR, VCPU, STATE, IN, sizeof(struct kvm_xen_vcpu_attr)), SPANS(xen_vcpu_spans)},
        {ROW(KVM_GET_SREGS2, VCPU, STATE, OUT, sizeof(struct kvm_sregs2)), SPANS(sregs2_spans)},
        {ROW(KVM_SET_SREGS2, VCPU, STATE, IN, sizeof(struct kvm_sregs2)), SPANS(sregs2_spans)},
        {ROW(KVM_GET_STATS_FD, VM | VCPU, DEBUG, VALUE, 0), CREATES(STATS)},
        {ROW(KVM_GET_XSAVE2, VCPU, STATE, OUT, 4096), FOLLOWED(get_xsave)},
        {ROW(KVM_XEN_HVM_EVTCHN_SEND, VM, EVENT, IN, sizeof(struct kvm_irq_routing_xen_evtchn)), NUMBER},
        {ROW(KVM_SET_MEMORY_ATTRIBUTES, VM, MEMORY, IN, sizeof(struct memory_attributes))},
        {ROW(KVM_CREATE_GUEST_MEMFD, VM, MEMORY, IN, sizeof(struct guest_memfd)), SPANS(guest_memfd_spans), CREATES(GUEST_MEMORY)},
        {ROW(KVM_PRE_FAULT_MEMORY, VCPU, MEMORY, INOUT, sizeof(struct pre_fault_memory)), SPANS(pre_fault_spans), OVERWRITTEN},
        {ROW(KVM_CREATE_DEVICE, VM, CREATE, INOUT, sizeof(struct kvm_create_device)), SPANS(device_spans)},
        {ROW(KVM_SET_DEVICE_ATTR, SYSTEM | VM | VCPU | DEVICE, STATE, IN, sizeof(struct kvm_device_attr)), SPANS(attribute_spans), POINTS(set_attribute_memory)},
        {ROW(KVM_GET_DEVICE_ATTR, SYSTEM | VM | VCPU | DEVICE, STATE, IN, sizeof(struct kvm_device_attr)), SPANS(attribute_spans), POINTS(get_attribute_memory)},
        {ROW(KVM_HAS_DEVICE_ATTR, SYSTEM | VM | VCPU | DEVICE, QUERY, IN, sizeof(struct kvm_device_attr)), SPANS(attribute_spans)},
};
/* clang-format on */

const struct ioctl_entry *ioctl_table(size_t *count)
{
        *count = COUNT_OF(table);
        return table;
}

const struct ioctl_entry *ioctl_describe(uint32_t request)
{
        size_t low = 0, high = COUNT_OF(table);

        /* the first row with this number; requests may share one, and differ in size or direction */
        while (low < high) {
                size_t middle = (low + high) / 2;
                if (_IOC_NR(table[middle].request) < _IOC_NR(request))
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < COUNT_OF(table) && _IOC_NR(table[low].request) == _IOC_NR(request); low++)
                if (table[low].request == request)
                        return &table[low];
        return NULL;
}

/* Attributes that x86 has: of the system, of vCPUs, and of the VFIO device. */
static const struct {
        uint8_t roles;
        uint32_t group;
        uint64_t attribute;
        uint32_t size;
} attributes[] = {
        {SYSTEM, 0, KVM_X86_XCOMP_GUEST_SUPP, 8},
        {SYSTEM, 1 /* KVM_X86_GRP_SEV */, 0 /* KVM_X86_SEV_VMSA_FEATURES */, 8},
        {VCPU, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, 8},
        {DEVICE, KVM_DEV_VFIO_GROUP, KVM_DEV_VFIO_GROUP_ADD, 4},
        {DEVICE, KVM_DEV_VFIO_GROUP, KVM_DEV_VFIO_GROUP_DEL, 4},
};

uint32_t ioctl_attribute_size(enum ioctl_role role, uint32_t group, uint64_t attribute)
{
        for (size_t i = 0; i < COUNT_OF(attributes); i++)
                if (attributes[i].roles & role && attributes[i].group == group && attributes[i].attribute == attribute)
                        return attributes[i].size;
        return 0;
}

const char *ioctl_kind_name(enum ioctl_kind kind)
{
        static const char *const names[] = {"run",  "query", "create", "setup",  "memory", "dirty",  "state",
                                            "line", "msi",   "event",  "wiring", "debug",  "secure", "obsolete"};

        return (size_t)kind < COUNT_OF(names) ? names[kind] : "unknown";
}

const char *ioctl_role_name(enum ioctl_role role)
{
        switch (role) {
        case IOCTL_SYSTEM: return "system";
        case IOCTL_VM: return "VM";
        case IOCTL_VCPU: return "vCPU";
        case IOCTL_DEVICE: return "device";
        case IOCTL_STATS: return "statistics";
        case IOCTL_GUEST_MEMORY: return "guest memory";
        case IOCTL_NO_ROLE: break;
        }
        return "unknown";
}
