/*
 * Not stable: may change between versions. The fault chain: the events whose delivery failed one after another until
 * the processor shut down (triple fault), each with the step at which its delivery failed. The numbers are recorded and
 * never change meaning. Structs may gain members.
 */
#ifndef HWACCL_FAULT_CHAIN_H
#define HWACCL_FAULT_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where an event comes from: X(number, identifier, name). It decides error codes and privilege checks. */
#define HWACCL_EVENT_SOURCES(X)                                                                                        \
        X(0, EXTERNAL, "external interrupt") /* interrupt taken from the pending page; vector 2: an NMI */             \
        X(1, EXCEPTION, "exception")         /* fault or trap of the processor */                                      \
        X(2, SOFTWARE, "software interrupt") /* INT n, INT3, INTO: gate DPL is checked, faults have no EXT bit */

enum hwaccl_event_source {
#define X(number, identifier, name) HWACCL_EVENT_##identifier = (number),
        HWACCL_EVENT_SOURCES(X)
#undef X
                HWACCL_EVENT_SOURCE_COUNT
};

/* How far the delivery of an event came: X(number, identifier, name). SDM 3A, 6.12 to 6.14; real mode: 20.1.4. "IDT" is
 * the interrupt vector table in real mode. */
#define HWACCL_DELIVERY_STEPS(X)                                                                                       \
        X(0, DELIVERED, "delivered")                                                                                   \
        X(1, TABLE_LIMIT, "IDT limit")                                                                                 \
        X(2, TABLE_READ, "page fault at the IDT")                                                                      \
        X(3, GATE_TYPE, "gate type")                                                                                   \
        X(4, GATE_PRIVILEGE, "gate DPL below CPL")                                                                     \
        X(5, GATE_ABSENT, "gate not present")                                                                          \
        X(6, CODE_NULL, "null code selector")                                                                          \
        X(7, CODE_LIMIT, "code selector beyond its table")                                                             \
        X(8, CODE_READ, "page fault at the code descriptor")                                                           \
        X(9, CODE_TYPE, "selector of no code segment")                                                                 \
        X(10, CODE_PRIVILEGE, "code segment DPL above CPL")                                                            \
        X(11, CODE_MODE, "code segment not of 64 bits")                                                                \
        X(12, CODE_ABSENT, "code segment not present")                                                                 \
        X(13, TSS_LIMIT, "TSS limit")                                                                                  \
        X(14, TSS_READ, "page fault at the TSS")                                                                       \
        X(15, STACK_NULL, "null stack selector")                                                                       \
        X(16, STACK_LIMIT, "stack selector beyond its table")                                                          \
        X(17, STACK_READ, "page fault at the stack descriptor")                                                        \
        X(18, STACK_TYPE, "stack segment not writable data")                                                           \
        X(19, STACK_PRIVILEGE, "stack segment of another privilege")                                                   \
        X(20, STACK_ABSENT, "stack segment not present")                                                               \
        X(21, STACK_POINTER, "stack pointer not canonical")                                                            \
        X(22, FRAME_SEGMENT, "no room in the stack segment")                                                           \
        X(23, FRAME_WRITE, "page fault at the stack")                                                                  \
        X(24, TARGET, "handler beyond the code segment")                                                               \
        X(25, NOT_FOLLOWED, "task gate or virtual-8086 mode: not followed")                                            \
        X(26, UNKNOWN, "memory not known")                                                                             \
        X(27, TASK, "task switch through a task gate")

enum hwaccl_delivery_step {
#define X(number, identifier, name) HWACCL_DELIVERY_##identifier = (number),
        HWACCL_DELIVERY_STEPS(X)
#undef X
                HWACCL_DELIVERY_STEP_COUNT
};

/* Members of a link that have a value. */
enum hwaccl_fault_has {
        HWACCL_FAULT_HAS_ERROR_CODE = 1u << 0,
        HWACCL_FAULT_HAS_CR2 = 1u << 1, /* a page fault */
        HWACCL_FAULT_HAS_ADDRESS = 1u << 2,
        HWACCL_FAULT_HAS_VALUE = 1u << 3,
        HWACCL_FAULT_HAS_LIMIT = 1u << 4,
        HWACCL_FAULT_HAS_RAISED = 1u << 5, /* every step but DELIVERED, NOT_FOLLOWED and UNKNOWN */
        HWACCL_FAULT_HAS_RAISED_ERROR_CODE = 1u << 6,
        HWACCL_FAULT_HAS_RAISED_CR2 = 1u << 7,
};

/* One event. What its delivery raised is delivered next, or a double fault in its stead (SDM 3A, table 6-5). Whole
 * words without padding: it is recorded as it is. */
struct hwaccl_fault_link {
        uint64_t rip;     /* of the instruction that faulted, or before which the interrupt was taken */
        uint64_t cr2;     /* linear address of a page fault */
        uint64_t address; /* linear: IDT entry, descriptor, TSS field or stack at which the delivery failed; of
                             DELIVERED: the handler's RIP */
        uint64_t value;   /* what was read there, 8 bytes at most: low half of a gate of 16 bytes */
        uint64_t limit;   /* that was exceeded: of IDT, GDT or LDT, TSS, SS, or code segment */
        uint64_t raised_cr2;
        uint32_t error_code;
        uint32_t raised_error_code;
        uint16_t cs;    /* selector, with rip */
        uint8_t source; /* enum hwaccl_event_source */
        uint8_t vector;
        uint8_t step;   /* enum hwaccl_delivery_step */
        uint8_t raised; /* vector */
        uint8_t has;    /* enum hwaccl_fault_has */
        uint8_t unused; /* 0 */
};

/* Four deliveries can fail: of an interrupt or benign exception, a contributory exception, a page fault, a double
 * fault. Before them, as many that were delivered in the same run. */
#define HWACCL_FAULT_CHAIN_MAX 8u

struct hwaccl_fault_chain {
        unsigned count;
        struct hwaccl_fault_link link[HWACCL_FAULT_CHAIN_MAX];
};

/** hwaccl_fault_link_is_valid - its numbers are those that there are */
static inline bool hwaccl_fault_link_is_valid(const struct hwaccl_fault_link *link)
{
        return link->source < HWACCL_EVENT_SOURCE_COUNT && link->step < HWACCL_DELIVERY_STEP_COUNT && link->unused == 0;
}

/** hwaccl_event_source_name, hwaccl_delivery_step_name - "unknown" for a number out of range */
const char *hwaccl_event_source_name(unsigned source);
const char *hwaccl_delivery_step_name(unsigned step);

#ifdef __cplusplus
}
#endif

#endif
