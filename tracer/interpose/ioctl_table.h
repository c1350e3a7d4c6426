/*
 * KVM's requests on x86, as data: what a request's argument is, which of its bytes mean something, what lies behind its
 * pointers. One row for each request, in the order of their numbers. What is recorded of a call, what a replay compares
 * and what it gives back follow from the row; the table itself decides nothing.
 *
 * Source: linux/kvm.h and Documentation/virt/kvm/api.rst. Requests that Debian 12's header lacks are in it by number.
 */
#ifndef HWACCL_TRACER_INTERPOSE_IOCTL_TABLE_H
#define HWACCL_TRACER_INTERPOSE_IOCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the descriptor is that a request is made of: bits, because some requests are there for several. */
enum ioctl_role {
        IOCTL_NO_ROLE = 0, /* unknown */
        IOCTL_SYSTEM = 1,  /* /dev/kvm */
        IOCTL_VM = 2,
        IOCTL_VCPU = 4,
        IOCTL_DEVICE = 8,        /* of KVM_CREATE_DEVICE */
        IOCTL_STATS = 16,        /* of KVM_GET_STATS_FD, which has no requests */
        IOCTL_GUEST_MEMORY = 32, /* of KVM_CREATE_GUEST_MEMFD, which has none either */
};

/* Who writes the memory that the argument points to. */
enum ioctl_direction {
        IOCTL_VALUE, /* nobody: the argument is a number, or means nothing */
        IOCTL_IN,    /* the VMM */
        IOCTL_OUT,   /* the kernel */
        IOCTL_INOUT, /* both */
};

enum ioctl_kind {
        IOCTL_KIND_RUN,      /* KVM_RUN */
        IOCTL_KIND_QUERY,    /* what the host's KVM can do */
        IOCTL_KIND_CREATE,   /* a VM, a vCPU, a device or an interrupt controller */
        IOCTL_KIND_SETUP,    /* how a VM or vCPU behaves */
        IOCTL_KIND_MEMORY,   /* which memory the guest has */
        IOCTL_KIND_DIRTY,    /* which of it was written */
        IOCTL_KIND_STATE,    /* registers and devices in the kernel: read or set */
        IOCTL_KIND_LINE,     /* level of an interrupt line */
        IOCTL_KIND_MSI,      /* a message signalled interrupt */
        IOCTL_KIND_EVENT,    /* an interrupt, NMI, SMI or event for one vCPU */
        IOCTL_KIND_WIRING,   /* eventfds, routes of interrupts, coalesced accesses */
        IOCTL_KIND_DEBUG,    /* breakpoints, address translation, statistics */
        IOCTL_KIND_SECURE,   /* memory encryption, confidential guests */
        IOCTL_KIND_OBSOLETE, /* no kernel of today has it */
};

enum ioctl_result {
        IOCTL_RESULT_STATUS,     /* 0 */
        IOCTL_RESULT_NUMBER,     /* a number that means something */
        IOCTL_RESULT_DESCRIPTOR, /* a descriptor of role result_role */
};

/* Bytes of an argument, or of an element of its array, that are compared with care. */
enum ioctl_span_kind {
        IOCTL_SPAN_PADDING,    /* they mean nothing, and are often uninitialized: recorded as zeros */
        IOCTL_SPAN_POINTER,    /* 8 bytes, an address in the VMM: recorded as 1, or 0 for NULL */
        IOCTL_SPAN_DESCRIPTOR, /* 4 bytes, a number of a file: recorded, but differs from run to run */
};

struct ioctl_span {
        uint16_t offset, size;
        uint8_t kind;       /* enum ioctl_span_kind */
        bool conditional;   /* it is so only if (32-bit word at condition & mask) == value */
        uint16_t condition; /* offset in the argument */
        uint32_t mask, value;
};

/* How a number of elements or bytes is known. */
enum ioctl_count {
        IOCTL_COUNT_NONE,
        IOCTL_COUNT_WORD,       /* 32-bit word at offset */
        IOCTL_COUNT_LONG,       /* 64-bit word at offset */
        IOCTL_COUNT_TOTAL,      /* the 32-bit word at offset has the bytes of argument and array together */
        IOCTL_COUNT_BITS,       /* the 32-bit word at offset has bits: 8 bytes for 64 of them */
        IOCTL_COUNT_REGISTER,   /* the 64-bit word at offset is the number of a register, which has its size */
        IOCTL_COUNT_ATTRIBUTE,  /* group and number of struct kvm_device_attr say it */
        IOCTL_COUNT_SLOT_PAGES, /* a bit for each page of the memory slot at offset; 8 bytes for 64 of them */
        IOCTL_COUNT_XSAVE,      /* what KVM_CHECK_EXTENSION of KVM_CAP_XSAVE2 said, beyond sizeof(struct kvm_xsave) */
};

/* Elements that follow the fixed part of an argument. */
struct ioctl_array {
        uint8_t count; /* enum ioctl_count */
        uint8_t direction;
        uint16_t offset; /* of the count */
        uint16_t element_size;
        uint8_t span_count;
        uint32_t maximum;               /* of elements: KVM takes no more */
        const struct ioctl_span *spans; /* of each element; never conditional */
};

/* Memory behind a pointer in the fixed part. */
struct ioctl_memory {
        uint16_t pointer; /* its offset */
        uint8_t direction;
        uint8_t count;           /* enum ioctl_count, of bytes */
        uint16_t offset;         /* of the count */
        uint32_t maximum;        /* bytes */
        uint16_t repeat, stride; /* as many such pointers, so far apart; 0 and 1: one */
};

struct ioctl_entry {
        uint32_t request; /* as the kernel sees it: 32 bits */
        uint8_t roles;    /* enum ioctl_role, or'ed */
        uint8_t direction, kind, result, result_role;
        bool overwritten; /* an input lies where the kernel puts an output: look before the call as well */
        uint8_t span_count, memory_count;
        uint16_t size; /* of the fixed part; 0 if the argument is no pointer */
        const char *name;
        const struct ioctl_span *spans;
        const struct ioctl_array *array; /* NULL: none */
        const struct ioctl_memory *memory;
};

/** ioctl_describe - the row of a request; NULL if it is unknown */
const struct ioctl_entry *ioctl_describe(uint32_t request);

/** ioctl_table - all rows, in the order of their numbers (_IOC_NR) */
const struct ioctl_entry *ioctl_table(size_t *count);

/** ioctl_attribute_size - of the memory that addr of struct kvm_device_attr points to; 0 if that is unknown */
uint32_t ioctl_attribute_size(enum ioctl_role role, uint32_t group, uint64_t attribute);

const char *ioctl_kind_name(enum ioctl_kind kind);
const char *ioctl_role_name(enum ioctl_role role);

#endif
