/* Opening /dev/kvm, and settings made once: CPUID leaves, which MSRs exit, which quirks are disabled. */
#include "core/accel/kvm/kvm.h"
#include "core/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define IA32_TSC         0x10
#define APIC_BASE_ENABLE UINT64_C(0x800)

/* Of processors without "unrestricted guest": four pages for the kernel's own use, below the largest firmware. */
#define KERNEL_PAGES UINT64_C(0xfeffc000)

bool kvm_error(struct hwaccl_error *error, const char *what)
{
        return hwaccl_error_set(error, "KVM: %s: %s", what, strerror(errno));
}

static bool check_capabilities(const struct hwaccl_kvm *kvm, struct hwaccl_error *error)
{
        static const struct {
                int number;
                int needed; /* bits of the answer */
                const char *name;
        } capabilities[] = {
                {KVM_CAP_USER_MEMORY, 1, "KVM_CAP_USER_MEMORY"},
                {KVM_CAP_IMMEDIATE_EXIT, 1, "KVM_CAP_IMMEDIATE_EXIT"},
                {KVM_CAP_SYNC_REGS, KVM_SYNC_X86_VALID_FIELDS, "KVM_CAP_SYNC_REGS"},
                {KVM_CAP_X86_USER_SPACE_MSR, 1, "KVM_CAP_X86_USER_SPACE_MSR"},
                {KVM_CAP_X86_MSR_FILTER, 1, "KVM_CAP_X86_MSR_FILTER"},
                {KVM_CAP_DISABLE_QUIRKS, 1, "KVM_CAP_DISABLE_QUIRKS"},
                {KVM_CAP_GET_TSC_KHZ, 1, "KVM_CAP_GET_TSC_KHZ"},
        };
        int version = ioctl(kvm->system_fd, KVM_GET_API_VERSION, 0);
        if (version != KVM_API_VERSION)
                return hwaccl_error_set(error, KVM_DEVICE ": interface version %d, expected %d", version,
                                        KVM_API_VERSION);
        for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++) {
                int answer = ioctl(kvm->system_fd, KVM_CHECK_EXTENSION, capabilities[i].number);
                if (answer < 0 || (answer & capabilities[i].needed) != capabilities[i].needed)
                        return hwaccl_error_set(error, "this kernel's KVM lacks %s", capabilities[i].name);
        }
        return true;
}

static bool enable(const struct hwaccl_kvm *kvm, uint32_t capability, uint64_t argument, struct hwaccl_error *error)
{
        struct kvm_enable_cap request = {.cap = capability, .args = {argument}};

        return ioctl(kvm->vm_fd, KVM_ENABLE_CAP, &request) == 0 || kvm_error(error, "enabling a capability");
}

/* All MSRs exit, except those that the guest reads without an exit too (RDTSC; its writes exit), or that change
 * without one (segment bases, SWAPGS): the handler's copy of them would be out of date. */
static bool filter_msrs(const struct hwaccl_kvm *kvm, struct hwaccl_error *error)
{
        uint8_t allow[1] = {0x07};
        struct kvm_msr_filter filter = {
                .flags = KVM_MSR_FILTER_DEFAULT_DENY,
                .ranges =
                        {
                                {KVM_MSR_FILTER_READ, 1, IA32_TSC, allow},
                                {KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, 3, 0xc0000100,
                                 allow}, /* FS, GS, KERNEL_GS */
                        },
        };
        return ioctl(kvm->vm_fd, KVM_X86_SET_MSR_FILTER, &filter) == 0 || kvm_error(error, "setting the MSR filter");
}

static bool prepare_vm(struct hwaccl_kvm *kvm, struct hwaccl_error *error)
{
        uint64_t identity_map = KERNEL_PAGES;

        kvm->vm_fd = ioctl(kvm->system_fd, KVM_CREATE_VM, 0);
        if (kvm->vm_fd < 0)
                return kvm_error(error, "creating a virtual machine");
        if (ioctl(kvm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) != 0 ||
            ioctl(kvm->vm_fd, KVM_SET_TSS_ADDR, KERNEL_PAGES + HWACCL_PAGE_SIZE) != 0)
                return kvm_error(error, "placing the kernel's own pages");
        return enable(kvm, KVM_CAP_X86_USER_SPACE_MSR,
                      KVM_MSR_EXIT_REASON_FILTER | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL, error) &&
               filter_msrs(kvm, error) &&
               enable(kvm, KVM_CAP_DISABLE_QUIRKS,
                      KVM_X86_QUIRK_OUT_7E_INC_RIP | KVM_X86_QUIRK_FIX_HYPERCALL_INSN |
                              KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS,
                      error);
}

static bool prepare_vcpu(struct hwaccl_kvm *kvm, struct hwaccl_error *error)
{
        int size = ioctl(kvm->system_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
        if (size < (int)sizeof(struct kvm_run))
                return hwaccl_error_set(error, "KVM: the kvm_run page has %d bytes, expected at least %zu", size,
                                        sizeof(struct kvm_run));
        kvm->vcpu_fd = ioctl(kvm->vm_fd, KVM_CREATE_VCPU, 0);
        if (kvm->vcpu_fd < 0)
                return kvm_error(error, "creating a virtual CPU");
        void *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, kvm->vcpu_fd, 0);
        if (run == MAP_FAILED)
                return kvm_error(error, "mapping the kvm_run page");
        kvm->run = run;
        kvm->run_size = (size_t)size;
        int khz = ioctl(kvm->vcpu_fd, KVM_GET_TSC_KHZ, 0);
        if (khz <= 0)
                return kvm_error(error, "asking for the TSC's frequency");
        kvm->tsc_khz = (uint64_t)khz;
        if (ioctl(kvm->vcpu_fd, KVM_GET_SREGS, &kvm->run->s.regs.sregs) != 0)
                return kvm_error(error, "reading the reset state");
        /* CPUID leaf 1 has a local APIC only when it is enabled, which is for kvm_apic_put() */
        kvm->run->s.regs.sregs.apic_base &= ~APIC_BASE_ENABLE;
        kvm->run->kvm_valid_regs = KVM_SYNC_X86_VALID_FIELDS;
        return true;
}

struct hwaccl_kvm *hwaccl_kvm_open(struct hwaccl_error *error)
{
        struct hwaccl_kvm *kvm = calloc(1, sizeof(*kvm));
        if (!kvm) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        kvm->vm_fd = kvm->vcpu_fd = -1;
        kvm->system_fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
        if (kvm->system_fd < 0)
                kvm_explain_access(error);
        if (kvm->system_fd < 0 || !check_capabilities(kvm, error) || !prepare_vm(kvm, error) ||
            !prepare_vcpu(kvm, error)) {
                hwaccl_kvm_close(kvm);
                return NULL;
        }
        return kvm;
}

void hwaccl_kvm_close(struct hwaccl_kvm *kvm)
{
        if (!kvm)
                return;
        if (kvm->run)
                (void)munmap(kvm->run, kvm->run_size);
        if (kvm->vcpu_fd >= 0)
                (void)close(kvm->vcpu_fd);
        if (kvm->vm_fd >= 0)
                (void)close(kvm->vm_fd);
        if (kvm->system_fd >= 0)
                (void)close(kvm->system_fd);
        free(kvm);
}

uint64_t hwaccl_kvm_tsc_khz(const struct hwaccl_kvm *kvm)
{
        return kvm->tsc_khz;
}

static bool names_virtualization(char *flags)
{
        char *rest = NULL;

        for (char *word = strtok_r(flags, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest))
                if (strcmp(word, "vmx") == 0 || strcmp(word, "svm") == 0)
                        return true;
        return false;
}

bool hwaccl_kvm_is_hardware(FILE *cpuinfo)
{
        char *line = NULL;
        size_t room = 0;
        bool hardware = true;

        while (getline(&line, &room, cpuinfo) > 0) {
                char *flags = strchr(line, ':');
                if (strncmp(line, "flags", 5) != 0 || !flags)
                        continue;
                hardware = names_virtualization(flags + 1);
                break;
        }
        free(line);
        return hardware;
}

/* A second write that is far from the first one sets the TSC; the kernel takes a near one for an attempt to synchronize
 * processors, and ignores it. */
#define TSC_FAR (UINT64_C(1) << 42)

static uint64_t guest_tsc(const struct kvm_accel *kvm)
{
        uint64_t now = kvm->config.clock(kvm->config.opaque), khz = kvm->config.processor->tsc_khz;

        return now / 1000000 * khz + now % 1000000 * khz / 1000000 + kvm->config.processor->tsc_offset;
}

bool kvm_put_tsc(struct kvm_accel *kvm, struct hwaccl_error *error)
{
        uint64_t offset = kvm->config.processor->tsc_offset;

        if (kvm->entered && offset == kvm->tsc_offset)
                return true;
        kvm->tsc_offset = offset;
        return kvm_set_msr(kvm, IA32_TSC, guest_tsc(kvm) + TSC_FAR, error) &&
               kvm_set_msr(kvm, IA32_TSC, guest_tsc(kvm), error);
}

#define LEAF_MAX 64

static void add_leaf(struct kvm_cpuid2 *leaves, const struct hwaccl_processor *processor, uint32_t leaf,
                     uint32_t subleaf, bool indexed)
{
        uint32_t value[4];

        hwaccl_processor_cpuid(processor, leaf, subleaf, value);
        leaves->entries[leaves->nent++] = (struct kvm_cpuid_entry2){
                .function = leaf,
                .index = subleaf,
                .flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
                .eax = value[0],
                .ebx = value[1],
                .ecx = value[2],
                .edx = value[3],
        };
}

static uint32_t subleaves(uint32_t leaf)
{
        switch (leaf) {
        case 4: return 4;
        case 0xb: return 3;
        default: return 1;
        }
}

bool kvm_set_cpuid(struct kvm_accel *kvm, struct hwaccl_error *error)
{
        static const uint32_t ranges[] = {0, UINT32_C(0x80000000)};
        const struct hwaccl_processor *processor = kvm->config.processor;
        struct kvm_cpuid2 *leaves = calloc(1, sizeof(*leaves) + LEAF_MAX * sizeof(leaves->entries[0]));
        if (!leaves)
                return hwaccl_error_set(error, "out of memory");

        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
                uint32_t first[4];
                hwaccl_processor_cpuid(processor, ranges[i], 0, first);
                hwaccl_assert(first[0] >= ranges[i] && first[0] - ranges[i] < LEAF_MAX / 2 - 4);
                for (uint32_t leaf = ranges[i]; leaf <= first[0]; leaf++)
                        for (uint32_t subleaf = 0; subleaf < subleaves(leaf); subleaf++)
                                add_leaf(leaves, processor, leaf, subleaf, subleaves(leaf) > 1);
        }
        bool good = ioctl(kvm->kvm->vcpu_fd, KVM_SET_CPUID2, leaves) == 0 || kvm_error(error, "setting CPUID");
        free(leaves);
        return good;
}

bool kvm_set_msr(struct kvm_accel *kvm, uint32_t index, uint64_t value, struct hwaccl_error *error)
{
        _Alignas(struct kvm_msrs) uint8_t bytes[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)] = {0};
        struct kvm_msrs *msrs = (struct kvm_msrs *)(void *)bytes;

        msrs->nmsrs = 1;
        msrs->entries[0].index = index;
        msrs->entries[0].data = value;
        int set = ioctl(kvm->kvm->vcpu_fd, KVM_SET_MSRS, msrs);
        if (set < 0)
                return kvm_error(error, "setting an MSR");
        return set == 1 || hwaccl_error_set(error, "KVM: MSR %" PRIx32 " cannot be set to %" PRIx64, index, value);
}
