#include "tracer/interpose/host_facts.h"

#include <cpuid.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LEAF_MAX    64u /* of a range: more is no processor */
#define SUBLEAF_MAX 64u

static bool is_empty(const struct host_cpuid *row)
{
        return !(row->eax | row->ebx | row->ecx | row->edx);
}

/* Whether the sub-leaf @row means something, and whether others may follow it (SDM 2A, CPUID). */
static bool is_last(const struct host_cpuid *row)
{
        switch (row->leaf) {
        case 0x4:
        case 0x8000001d: return (row->eax & 0x1f) == 0; /* no more caches */
        case 0xb:
        case 0x1f:
        case 0x80000026: return (row->ecx >> 8 & 0xff) == 0; /* no more levels */
        default: return false;
        }
}

/* How many sub-leaves are asked for. */
static uint32_t subleaf_count(const struct host_cpuid *first)
{
        switch (first->leaf) {
        case 0x4:
        case 0xb:
        case 0x1f:
        case 0x8000001d:
        case 0x80000026: return SUBLEAF_MAX;
        case 0xd: return SUBLEAF_MAX; /* one for each bit of XCR0 and IA32_XSS */
        case 0x7:
        case 0x14:
        case 0x17:
        case 0x18:
        case 0x1d:
        case 0x20:
        case 0x23:
        case 0x24: return first->eax < SUBLEAF_MAX ? first->eax + 1 : SUBLEAF_MAX;
        case 0xf:
        case 0x10:
        case 0x12:
        case 0x1e:
        case 0x80000020: return 4;
        default: return 1;
        }
}

static size_t add_leaf(struct host_cpuid *rows, size_t count, uint32_t leaf)
{
        uint32_t limit = 1;

        for (uint32_t subleaf = 0; subleaf < limit && count < HOST_CPUID_MAX; subleaf++) {
                struct host_cpuid row = {.leaf = leaf, .subleaf = subleaf};
                __cpuid_count(leaf, subleaf, row.eax, row.ebx, row.ecx, row.edx);
                if (subleaf == 0)
                        limit = subleaf_count(&row);
                if (subleaf == 0 || !is_empty(&row))
                        rows[count++] = row;
                if (is_last(&row))
                        break;
        }
        return count;
}

size_t host_cpuid(struct host_cpuid rows[HOST_CPUID_MAX])
{
        static const uint32_t ranges[] = {0, 0x40000000, 0x80000000, 0xc0000000};
        size_t count = 0;

        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
                uint32_t eax, ebx, ecx, edx;
                __cpuid_count(ranges[i], 0, eax, ebx, ecx, edx);
                /* a range that is not there answers as the highest basic leaf, or with zeros */
                if (eax < ranges[i] || eax - ranges[i] >= LEAF_MAX)
                        continue;
                for (uint32_t leaf = ranges[i]; leaf <= eax; leaf++)
                        count = add_leaf(rows, count, leaf);
        }
        return count;
}

size_t host_capabilities(struct host_capability rows[HOST_CAPABILITY_MAX])
{
        int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        size_t count = 0;

        for (uint32_t number = 0; kvm >= 0 && number < HOST_CAPABILITY_MAX; number++) {
                int value = ioctl(kvm, KVM_CHECK_EXTENSION, (unsigned long)number);
                if (value > 0)
                        rows[count++] = (struct host_capability){number, value, host_capability_name(number)};
        }
        if (kvm >= 0)
                (void)close(kvm);
        return count;
}
