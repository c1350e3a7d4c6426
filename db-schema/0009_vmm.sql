-- Schema version 9: what a VMM does beside its exits.

-- A delivery through a task gate fails where the task is switched.
INSERT INTO names VALUES ('delivery_step', 27, 'task switch through a task gate');

-- Lanes: threads of a VMM whose exits and calls are recorded, each in its own order. A recording that has none is of one
-- thread for each vCPU.
CREATE TABLE lane (
  id INTEGER PRIMARY KEY,     -- vcpu.id of the vCPU that the thread runs; 2^16 and more: it runs none
  host_process INTEGER,       -- of the thread, as its recorder sees it; NULL: not known
  host_thread INTEGER,
  name TEXT                   -- of the thread
) STRICT;

-- One sequence over all lanes counts exits and calls, from 1: when the VMM got the exit, or made the call.
ALTER TABLE exit ADD COLUMN sequence INTEGER; -- NULL: not recorded

-- Calls that the VMM made: ioctl(2) of KVM's descriptors, except KVM_RUN, which is an exit.
CREATE TABLE vmm_call (
  sequence INTEGER PRIMARY KEY,
  lane INTEGER NOT NULL,      -- lane.id
  exit INTEGER,               -- exit.id: the lane's last one before the call; NULL: there was none
  role INTEGER NOT NULL,      -- of the descriptor: names of kind descriptor_role
  object INTEGER,             -- of a vCPU vcpu.id; of a VM or device its number in its process, from 0 in the order of creation; NULL:
                              -- the only one, or not known
  request INTEGER NOT NULL,
  argument INTEGER,           -- the third argument, where it is a number; NULL: an address, or none
  input BLOB,                 -- what the kernel read there, and behind addresses in it, before the call; NULL: nothing, all of
                              -- it is in output, or not recorded
  input_size INTEGER NOT NULL, -- bytes; more than input has where that was truncated
  output BLOB,                -- the same after the call; NULL: the kernel wrote nothing there, or not recorded
  output_size INTEGER NOT NULL,
  result INTEGER,             -- NULL: it did not return
  error INTEGER,              -- errno; NULL: none
  host_time INTEGER NOT NULL, -- ns since the recording began
  host_duration INTEGER       -- ns
) STRICT;
INSERT INTO names SELECT 'descriptor_role', * FROM (VALUES
  (0, 'unknown'), (1, 'system'), (2, 'vm'), (3, 'vcpu'), (4, 'device'));
-- KVM's requests: as tracer/interpose/ioctl_table.c has them.
INSERT INTO names SELECT 'kvm_request', * FROM (VALUES
  (44544, 'KVM_GET_API_VERSION'), (44545, 'KVM_CREATE_VM'), (3221532162, 'KVM_GET_MSR_INDEX_LIST'), (44547,
  'KVM_CHECK_EXTENSION'), (44548, 'KVM_GET_VCPU_MMAP_SIZE'), (3221794309, 'KVM_GET_SUPPORTED_CPUID'), (1074310662,
  'KVM_TRACE_ENABLE'), (44551, 'KVM_TRACE_PAUSE'), (44552, 'KVM_TRACE_DISABLE'), (3221794313, 'KVM_GET_EMULATED_CPUID'),
  (3221532170, 'KVM_GET_MSR_FEATURE_INDEX_LIST'), (1075359296, 'KVM_SET_MEMORY_REGION'), (44609, 'KVM_CREATE_VCPU'),
  (1074835010, 'KVM_GET_DIRTY_LOG'), (1075883587, 'KVM_SET_MEMORY_ALIAS'), (44612, 'KVM_SET_NR_MMU_PAGES'), (44613,
  'KVM_GET_NR_MMU_PAGES'), (1075883590, 'KVM_SET_USER_MEMORY_REGION'), (44615, 'KVM_SET_TSS_ADDR'), (1074310728,
  'KVM_SET_IDENTITY_MAP_ADDR'), (1084272201, 'KVM_SET_USER_MEMORY_REGION2'), (44640, 'KVM_CREATE_IRQCHIP'), (1074310753,
  'KVM_IRQ_LINE'), (3255348834, 'KVM_GET_IRQCHIP'), (2181607011, 'KVM_SET_IRQCHIP'), (44644, 'KVM_CREATE_PIT'),
  (3225988709, 'KVM_GET_PIT'), (2152246886, 'KVM_SET_PIT'), (3221794407, 'KVM_IRQ_LINE_STATUS'), (1074835047,
  'KVM_REGISTER_COALESCED_MMIO'), (1074835048, 'KVM_UNREGISTER_COALESCED_MMIO'), (2151722601, 'KVM_ASSIGN_PCI_DEVICE'),
  (1074310762, 'KVM_SET_GSI_ROUTING'), (1077980784, 'KVM_ASSIGN_DEV_IRQ'), (2151722608, 'KVM_ASSIGN_IRQ'), (44657,
  'KVM_REINJECT_CONTROL'), (1077980786, 'KVM_DEASSIGN_PCI_DEVICE'), (1074310771, 'KVM_ASSIGN_SET_MSIX_NR'), (1074835060,
  'KVM_ASSIGN_SET_MSIX_ENTRY'), (1077980789, 'KVM_DEASSIGN_DEV_IRQ'), (1075883638, 'KVM_IRQFD'), (1077980791,
  'KVM_CREATE_PIT2'), (44664, 'KVM_SET_BOOT_CPU_ID'), (1077980793, 'KVM_IOEVENTFD'), (1077456506, 'KVM_XEN_HVM_CONFIG'),
  (1076932219, 'KVM_SET_CLOCK'), (2150674044, 'KVM_GET_CLOCK'), (44672, 'KVM_RUN'), (2156965505, 'KVM_GET_REGS'),
  (1083223682, 'KVM_SET_REGS'), (2167975555, 'KVM_GET_SREGS'), (1094233732, 'KVM_SET_SREGS'), (3222843013,
  'KVM_TRANSLATE'), (1074048646, 'KVM_INTERRUPT'), (1079029383, 'KVM_DEBUG_GUEST'), (3221794440, 'KVM_GET_MSRS'),
  (1074310793, 'KVM_SET_MSRS'), (1074310794, 'KVM_SET_CPUID'), (1074048651, 'KVM_SET_SIGNAL_MASK'), (2174791308,
  'KVM_GET_FPU'), (1101049485, 'KVM_SET_FPU'), (2214637198, 'KVM_GET_LAPIC'), (1140895375, 'KVM_SET_LAPIC'), (1074310800,
  'KVM_SET_CPUID2'), (3221794449, 'KVM_GET_CPUID2'), (3223891602, 'KVM_TPR_ACCESS_REPORTING'), (1074310803,
  'KVM_SET_VAPIC_ADDR'), (2147790488, 'KVM_GET_MP_STATE'), (1074048665, 'KVM_SET_MP_STATE'), (44698, 'KVM_NMI'),
  (1078505115, 'KVM_SET_GUEST_DEBUG'), (1074310812, 'KVM_X86_SETUP_MCE'), (2148052637, 'KVM_X86_GET_MCE_CAP_SUPPORTED'),
  (1077980830, 'KVM_X86_SET_MCE'), (2154868383, 'KVM_GET_PIT2'), (2151722655, 'KVM_GET_VCPU_EVENTS'), (1081126560,
  'KVM_SET_PIT2'), (1077980832, 'KVM_SET_VCPU_EVENTS'), (2155916961, 'KVM_GET_DEBUGREGS'), (44706, 'KVM_SET_TSC_KHZ'),
  (1082175138, 'KVM_SET_DEBUGREGS'), (44707, 'KVM_GET_TSC_KHZ'), (1080602275, 'KVM_ENABLE_CAP'), (1077980836,
  'KVM_ASSIGN_SET_INTX_MASK'), (2415963812, 'KVM_GET_XSAVE'), (1075883685, 'KVM_SIGNAL_MSI'), (1342221989,
  'KVM_SET_XSAVE'), (2173218470, 'KVM_GET_XCRS'), (1099476647, 'KVM_SET_XCRS'), (1074835115, 'KVM_GET_ONE_REG'),
  (1074835116, 'KVM_SET_ONE_REG'), (44717, 'KVM_KVMCLOCK_CTRL'), (3221794480, 'KVM_GET_REG_LIST'), (1075883698,
  'KVM_SET_PMU_EVENT_FILTER'), (44727, 'KVM_SMI'), (3221794490, 'KVM_MEMORY_ENCRYPT_OP'), (2148576955,
  'KVM_MEMORY_ENCRYPT_REG_REGION'), (2148576956, 'KVM_MEMORY_ENCRYPT_UNREG_REGION'), (1075359421, 'KVM_HYPERV_EVENTFD'),
  (3229658814, 'KVM_GET_NESTED_STATE'), (1082175167, 'KVM_SET_NESTED_STATE'), (3222843072, 'KVM_CLEAR_DIRTY_LOG'),
  (3221794497, 'KVM_GET_SUPPORTED_HV_CPUID'), (1099476678, 'KVM_X86_SET_MSR_FILTER'), (44743, 'KVM_RESET_DIRTY_RINGS'),
  (3225988808, 'KVM_XEN_HVM_GET_ATTR'), (1078505161, 'KVM_XEN_HVM_SET_ATTR'), (3225988810, 'KVM_XEN_VCPU_GET_ATTR'),
  (1078505163, 'KVM_XEN_VCPU_SET_ATTR'), (2168499916, 'KVM_GET_SREGS2'), (1094758093, 'KVM_SET_SREGS2'), (44750,
  'KVM_GET_STATS_FD'), (2415963855, 'KVM_GET_XSAVE2'), (1074573008, 'KVM_XEN_HVM_EVTCHN_SEND'), (1075883730,
  'KVM_SET_MEMORY_ATTRIBUTES'), (3225464532, 'KVM_CREATE_GUEST_MEMFD'), (3225464533, 'KVM_PRE_FAULT_MEMORY'), (3222056672,
  'KVM_CREATE_DEVICE'), (1075359457, 'KVM_SET_DEVICE_ATTR'), (1075359458, 'KVM_GET_DEVICE_ATTR'), (1075359459,
  'KVM_HAS_DEVICE_ATTR'));

-- The data of exits in the union of struct kvm_run are inputs of kind 14, one for each field, and effects of kind 9, what the
-- VMM answered there: address is 256 * KVM_EXIT_* and the number of the field, as tracer/interpose/kvm_exit_fields.c has them.
INSERT INTO names SELECT 'kvm_exit', * FROM (VALUES
  (0, 'KVM_EXIT_UNKNOWN'), (1, 'KVM_EXIT_EXCEPTION'), (2, 'KVM_EXIT_IO'), (3, 'KVM_EXIT_HYPERCALL'),
  (4, 'KVM_EXIT_DEBUG'), (5, 'KVM_EXIT_HLT'), (6, 'KVM_EXIT_MMIO'), (7, 'KVM_EXIT_IRQ_WINDOW_OPEN'),
  (8, 'KVM_EXIT_SHUTDOWN'), (9, 'KVM_EXIT_FAIL_ENTRY'), (10, 'KVM_EXIT_INTR'), (11, 'KVM_EXIT_SET_TPR'),
  (12, 'KVM_EXIT_TPR_ACCESS'), (16, 'KVM_EXIT_NMI'), (17, 'KVM_EXIT_INTERNAL_ERROR'), (24, 'KVM_EXIT_SYSTEM_EVENT'),
  (26, 'KVM_EXIT_IOAPIC_EOI'), (27, 'KVM_EXIT_HYPERV'), (29, 'KVM_EXIT_X86_RDMSR'), (30, 'KVM_EXIT_X86_WRMSR'),
  (31, 'KVM_EXIT_DIRTY_RING_FULL'), (32, 'KVM_EXIT_AP_RESET_HOLD'), (33, 'KVM_EXIT_X86_BUS_LOCK'),
  (34, 'KVM_EXIT_XEN'), (37, 'KVM_EXIT_NOTIFY'), (39, 'KVM_EXIT_MEMORY_FAULT'), (40, 'KVM_EXIT_TDX'));
INSERT INTO names SELECT 'kvm_exit_field', * FROM (VALUES
  (0, 'hardware_exit_reason'), (256, 'exception'), (257, 'error_code'), (768, 'nr'), (769, 'args[0]'),
  (770, 'args[1]'), (771, 'args[2]'), (772, 'args[3]'), (773, 'args[4]'), (774, 'args[5]'), (775, 'longmode'),
  (776, 'ret'), (1024, 'exception'), (1025, 'pc'), (1026, 'dr6'), (1027, 'dr7'),
  (2304, 'hardware_entry_failure_reason'), (2305, 'cpu'), (3072, 'rip'), (3073, 'is_write'), (4352, 'suberror'),
  (4353, 'ndata'), (4354, 'data[0]'), (4355, 'data[1]'), (4356, 'data[2]'), (4357, 'data[3]'), (4358, 'data[4]'),
  (4359, 'data[5]'), (4360, 'data[6]'), (4361, 'data[7]'), (4362, 'data[8]'), (4363, 'data[9]'), (4364, 'data[10]'),
  (4365, 'data[11]'), (4366, 'data[12]'), (4367, 'data[13]'), (4368, 'data[14]'), (4369, 'data[15]'), (6144, 'type'),
  (6145, 'ndata'), (6146, 'data[0]'), (6147, 'data[1]'), (6148, 'data[2]'), (6149, 'data[3]'), (6150, 'data[4]'),
  (6151, 'data[5]'), (6152, 'data[6]'), (6153, 'data[7]'), (6154, 'data[8]'), (6155, 'data[9]'), (6156, 'data[10]'),
  (6157, 'data[11]'), (6158, 'data[12]'), (6159, 'data[13]'), (6160, 'data[14]'), (6161, 'data[15]'),
  (6656, 'vector'), (6912, 'type'), (6913, 'synic.msr'), (6914, 'synic.control'), (6915, 'synic.evt_page'),
  (6916, 'synic.msg_page'), (6917, 'hcall.input'), (6918, 'hcall.params[0]'), (6919, 'hcall.params[1]'),
  (6920, 'hcall.result'), (6921, 'syndbg.msr'), (6922, 'syndbg.control'), (6923, 'syndbg.send_page'),
  (6924, 'syndbg.recv_page'), (6925, 'syndbg.pending_page'), (6926, 'syndbg.status'), (7424, 'reason'),
  (7425, 'index'), (7426, 'data'), (7427, 'error'), (7680, 'reason'), (7681, 'index'), (7682, 'data'),
  (7683, 'error'), (8448, 'flags'), (8704, 'type'), (8705, 'hcall.longmode'), (8706, 'hcall.cpl'),
  (8707, 'hcall.input'), (8708, 'hcall.params[0]'), (8709, 'hcall.params[1]'), (8710, 'hcall.params[2]'),
  (8711, 'hcall.params[3]'), (8712, 'hcall.params[4]'), (8713, 'hcall.params[5]'), (8714, 'hcall.result'),
  (9472, 'flags'), (9984, 'flags'), (9985, 'gpa'), (9986, 'size'), (10240, 'flags'), (10241, 'nr'),
  (10242, 'data[0]'), (10243, 'data[1]'), (10244, 'data[2]'), (10245, 'data[3]'), (10246, 'data[4]'),
  (10247, 'answer[0]'), (10248, 'answer[1]'), (10249, 'answer[2]'), (10250, 'answer[3]'), (10251, 'answer[4]'),
  (10252, 'answer[5]'));

-- What the kernel's KVM says of an exit: its trace point kvm_exit. A recording has it if its recorder was asked for the
-- kernel's exits.
CREATE TABLE kernel_exit (
  id INTEGER PRIMARY KEY,     -- exit.id
  handled INTEGER NOT NULL,   -- 1: by the kernel, and the VMM does not know of it; 0: the VMM got the exit
  isa INTEGER NOT NULL,       -- 1: VMX, 2: SVM
  code INTEGER NOT NULL,      -- the processor's exit reason: of VMX the SDM's, of SVM the exit code
  info1 INTEGER NOT NULL,     -- of VMX the exit qualification, of SVM EXITINFO1
  info2 INTEGER NOT NULL,     -- of VMX the IDT-vectoring information, of SVM EXITINFO2
  interrupt_information INTEGER, -- of SVM EXITINTINFO; NULL, as the next: not known
  error_code INTEGER
) STRICT;

-- Events of the kernel's KVM, by its trace points. What the values are depends on the kind: view kernel_events.
CREATE TABLE kernel_event (
  id INTEGER PRIMARY KEY,     -- in the order of recording
  vcpu INTEGER NOT NULL,
  exit INTEGER,               -- exit.id: the vCPU's last one before it; NULL: there was none
  kind INTEGER NOT NULL,      -- names of kind kernel_event
  host_time INTEGER NOT NULL, -- ns since the recording began
  host_thread INTEGER,        -- that it happened in
  value1 INTEGER,             -- NULL: the kind has no such value, or this kernel's trace point does not
  value2 INTEGER,
  value3 INTEGER,
  value4 INTEGER,
  value5 INTEGER,
  value6 INTEGER
) STRICT;
CREATE INDEX kernel_event_of_exit ON kernel_event(exit);
INSERT INTO names SELECT 'kernel_event', * FROM (VALUES
  (0, 'lost'), (4, 'kvm_inj_virq'), (5, 'kvm_inj_exception'), (6, 'kvm_pio'), (7, 'kvm_mmio'), (8, 'kvm_fast_mmio'),
  (9, 'kvm_msr'), (10, 'kvm_cr'), (11, 'kvm_cpuid'), (12, 'kvm_page_fault'), (13, 'kvm_apic_accept_irq'),
  (14, 'kvm_set_irq'), (15, 'kvm_msi_set_irq'), (16, 'kvm_eoi'));
