/*
 * What the host is, as far as a VMM depends on it: the processor's CPUID table and KVM's capabilities. Taken in the
 * recorder, which runs on the same host.
 */
#ifndef HWACCL_TRACER_INTERPOSE_HOST_FACTS_H
#define HWACCL_TRACER_INTERPOSE_HOST_FACTS_H

#include <stddef.h>
#include <stdint.h>

#define HOST_CPUID_MAX      512u
#define HOST_CAPABILITY_MAX 320u /* numbers that are asked for: beyond those that are known */

struct host_cpuid {
        uint32_t leaf, subleaf, eax, ebx, ecx, edx;
};

struct host_capability {
        uint32_t number;
        int value;
        const char *name; /* KVM_CAP_*; NULL: newer than this table */
};

/** host_cpuid - all leaves with their sub-leaves, raw; the number of rows. Some words differ from processor to
 * processor: the APIC id in leaves 1, 0bh, 1fh and 8000001eh, sizes of what is enabled in leaf 0dh */
size_t host_cpuid(struct host_cpuid rows[HOST_CPUID_MAX]);

/** host_capabilities - those that /dev/kvm answers with something but 0; none if it cannot be opened */
size_t host_capabilities(struct host_capability rows[HOST_CAPABILITY_MAX]);

/** host_capability_name - NULL if the number is unknown */
const char *host_capability_name(uint32_t number);

#endif
