/*
 * The record format, as a lane (lane.h) writes it into a ring or buffer. ring_record_problem() checks it where the file
 * is not trusted. One stream of records for each vCPU, in the order of the trip round the loop:
 *
 *      [THREAD_TIME] ENTRY [OFFER…] EXIT {CLOCK | INPUT | WALK | EFFECT | FAULT | THREAD_TIME | KVM_RUN | RECLAIM}…
 *      HANDLED [SNAPSHOT] [VMM_STATE…]
 *
 * KERNEL_EXIT comes once after an EXIT that the kernel has described. CALL {CALL_DATA} [CALLED {CALL_DATA}], LANE,
 * KERNEL_EVENT, MARK and ANNOTATION stand anywhere; calls may be nested, by signal
 * handlers. A lane of a thread that runs no vCPU has nothing else. VMM_STATE may come before the first ENTRY too. An
 * ENTRY that no EXIT follows is replaced by the next one. UNHANDLED in the place of HANDLED is the end of the run;
 * after it, or after an ENTRY, come the last SNAPSHOT and THREAD_TIME. Little endian; all sizes are multiples of 8
 * bytes, padding is what was there before. Bump RING_VERSION when a layout changes.
 */
#ifndef HWACCL_TRACER_RING_RECORDS_H
#define HWACCL_TRACER_RING_RECORDS_H

#include "tracer/ring/kernel_events.h"
#include "tracer/ring/ring.h"
#include "tracer/ring/state_delta.h"

#include "core/host/inputs.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/fault_chain.h"
#include "hwaccl/known_fields.h"
#include "hwaccl/kvm_run.h"

enum ring_record_type {
        RING_RECORD_ENTRY = 1,     /* struct ring_entry; extra: enum ring_entry_extra */
        RING_RECORD_OFFER = 2,     /* struct ring_stamped; extra: vector. The last one before the exit counts */
        RING_RECORD_EXIT = 3,      /* struct ring_exit; extra: enum ring_exit_extra */
        RING_RECORD_CLOCK = 4,     /* struct ring_clock: the input of that kind, value only; extra: 0 */
        RING_RECORD_INPUT = 5,     /* struct ring_event; extra: enum hwaccl_input_kind */
        RING_RECORD_EFFECT = 6,    /* struct ring_event; extra: enum hwaccl_effect_kind */
        RING_RECORD_RECLAIM = 7,   /* struct ring_stamped, after an OFFER; extra: 1 when the subject took the vector */
        RING_RECORD_HANDLED = 8,   /* struct ring_handled; extra: enum hwaccl_outcome, or RING_OUTCOME_UNKNOWN */
        RING_RECORD_UNHANDLED = 9, /* struct ring_handled; extra: 1 when the verdict is known, else 0 */
        RING_RECORD_SNAPSHOT = 10, /* struct ring_bytes; extra: 1 at the end of the run, else 0 */
        RING_RECORD_ANNOTATION = 11,  /* struct ring_bytes; extra: 0 */
        RING_RECORD_MARK = 12,        /* struct ring_text; extra: 0 */
        RING_RECORD_WALK = 13,        /* struct ring_walk; extra: bytes of each entry, 4 or 8. Since version 3 */
        RING_RECORD_THREAD_TIME = 14, /* struct ring_thread_time; extra: enum ring_thread_moment. Since version 4 */
        RING_RECORD_FAULT = 15,       /* struct ring_fault; extra: position in the chain. Since version 4 */
        RING_RECORD_KVM_RUN = 16,     /* struct ring_kvm_run; extra: 0. Since version 5 */
        RING_RECORD_VMM_STATE = 17,   /* struct ring_vmm_state; extra: bytes of the name. Since version 5 */
        RING_RECORD_LANE = 18,        /* struct ring_lane; extra: 0. Since version 6, as the following */
        RING_RECORD_CALL = 19,        /* struct ring_call; extra: enum ring_call_extra */
        RING_RECORD_CALL_DATA = 20,   /* struct ring_call_data; extra: enum ring_call_side */
        RING_RECORD_CALLED = 21,      /* struct ring_called; extra: enum ring_call_side */
        RING_RECORD_KERNEL_EXIT = 22, /* struct ring_kernel_exit; extra: enum ring_kernel_exit_extra */
        RING_RECORD_KERNEL_EVENT = 23 /* struct ring_kernel_event; extra: enum kernel_event_kind */
};

/** ring_record_is_kept - whether it belongs to the run, and not to a moment of it: every window of a flight recorder
 * has it */
static inline bool ring_record_is_kept(const struct ring_record *record)
{
        return record->type == RING_RECORD_ANNOTATION || record->type == RING_RECORD_LANE;
}

/* As in names of kind thread_time. */
enum ring_thread_moment {
        RING_THREAD_KEYFRAME = 0, /* before an ENTRY with all words */
        RING_THREAD_WAIT = 1,     /* before the wait of a halted guest */
        RING_THREAD_RESUMED = 2,  /* after it */
        RING_THREAD_END = 3,      /* of the run */
};

enum ring_entry_extra {
        RING_ENTRY_KNOWN = 0,   /* all fields */
        RING_ENTRY_PARTIAL = 1, /* the words of a struct hwaccl_known_fields follow the delta */
        RING_ENTRY_UNKNOWN = 2, /* nothing is known: the next exit's delta counts from the last exit's state */
};

/* Bits; what they name follows the delta in this order. */
enum ring_exit_extra {
        RING_EXIT_PENDING = 1,  /* four words of the pending page; absent when they are all 0 */
        RING_EXIT_PARTIAL = 2,  /* the words of a struct hwaccl_known_fields */
        RING_EXIT_SEQUENCE = 4, /* its number in the sequence over all lanes. Since version 6 */
};

/* The role of a call's descriptor, as in names of kind descriptor_role; and a bit. */
enum ring_call_extra {
        RING_CALL_UNKNOWN = 0,
        RING_CALL_SYSTEM = 1,
        RING_CALL_VM = 2,
        RING_CALL_VCPU = 3,
        RING_CALL_DEVICE = 4,
        RING_CALL_ROLE_COUNT,
        RING_CALL_NUMBER = 0x80, /* the argument is a number */
};

enum ring_call_side {
        RING_CALL_INPUT = 0,
        RING_CALL_OUTPUT = 1,
};

/* Bytes of data with their padding. */
#define RING_WORD_ROUND(size) (((size) + 7) & ~(size_t)7)

/* In a HANDLED record: extra, and verdict in struct ring_handled. */
#define RING_OUTCOME_UNKNOWN 0xffu
#define RING_VERDICT_UNKNOWN UINT64_MAX

/* Transfer in. With all 64 words at the first entry and at the one after each keyframe interval: together with the
 * SNAPSHOT before it, if there is one, reading may start there. */
struct ring_entry {
        struct ring_record record;
        uint64_t bitmap;  /* words of the state that differ from the last exit's, or from 0 before the first */
        uint64_t words[]; /* one for each bit, ascending. Fields that are not known are as at the last exit */
};

struct ring_stamped { /* OFFER, RECLAIM */
        struct ring_record record;
        uint64_t stamp; /* of the kind that the ring's header says, not before its stamp_origin; so are all stamps */
};

/* Transfer out. */
struct ring_exit {
        struct ring_record record;
        uint64_t entry_stamp; /* when the guest was entered */
        uint64_t exit_stamp;
        uint64_t bitmap;  /* words of the state that differ from the entry's */
        uint64_t words[]; /* one for each bit, ascending. Fields that are not known are 0 */
};

struct ring_clock {
        struct ring_record record;
        uint64_t value; /* ns of the guest's clock; never less than the one before */
};

struct ring_event { /* INPUT, EFFECT */
        struct ring_record record;
        uint64_t address; /* of both, what the kind says; 0 where it has none */
        uint64_t value;
        uint32_t size;    /* bytes of data, at most HWACCL_INPUT_SIZE_MAX or HWACCL_EFFECT_SIZE_MAX */
        uint8_t has_data; /* 0 or 1; when 0, size is 0 */
        uint8_t unused[3];
        uint8_t data[];
};

/* Inputs of the kind memory, one behind the other. */
struct ring_walk {
        struct ring_record record;
        struct hwaccl_table_entry entry[]; /* at least one, as many as the record is long */
};

struct ring_fault {
        struct ring_record record;
        struct hwaccl_fault_link link;
};

struct ring_kvm_run {
        struct ring_record record;
        struct hwaccl_kvm_run run;
};

/* One piece of a part of the state. */
#define RING_VMM_STATE_PIECE (32u << 10) /* bytes of each piece but the last */
struct ring_vmm_state {
        struct ring_record record;
        uint64_t piece; /* from 0 */
        uint64_t total; /* bytes of the part */
        uint64_t size;  /* bytes of the piece */
        uint8_t data[]; /* the name without a terminating zero, then the piece */
};

/* The thread that writes the lane, or writes it from now on. */
#define RING_LANE_NAME_MAX 255u
struct ring_lane {
        struct ring_record record;
        uint64_t process; /* as the recorder sees it; 0: not known */
        uint64_t thread;
        uint64_t size; /* bytes of data; UTF-8, without a terminating zero */
        char data[];
};

/* A call begins. */
#define RING_CALL_PIECE       (64u << 10)  /* bytes of data in one record, at most */
#define RING_CALL_DATA_MAX    (256u << 10) /* bytes of data of each side: what is beyond them is truncated */
#define RING_CALL_OBJECT_NONE UINT32_MAX
#define RING_CALL_NESTED_MAX  4u
#define LANE_THREAD_FIRST     (1u << 16) /* number of the first lane of a thread that runs no vCPU */
struct ring_call {
        struct ring_record record;
        uint64_t sequence; /* over all lanes; never 0 */
        uint64_t stamp;
        uint64_t argument; /* 0 where it is no number */
        uint32_t request;
        uint32_t object; /* number of the VM, vCPU or device, or RING_CALL_OBJECT_NONE */
        uint64_t total;  /* bytes of input; more than was recorded where that was truncated */
        uint64_t size;   /* bytes of data: the first piece */
        uint8_t data[];
};

/* The next piece of the data of a CALL or CALLED. */
struct ring_call_data {
        struct ring_record record;
        uint64_t sequence;
        uint64_t offset; /* bytes before it */
        uint64_t size;
        uint8_t data[];
};

/* It has returned: with its output, or with the input that its CALL does not have. */
struct ring_called {
        struct ring_record record;
        uint64_t sequence; /* of a call that has not returned yet */
        uint64_t stamp;
        int64_t result;
        uint64_t error; /* errno; 0: none */
        uint64_t total; /* bytes, as in a CALL */
        uint64_t size;
        uint8_t data[];
};

/* What the kernel's trace point kvm_exit says of an exit, as it says it. */
enum ring_kernel_exit_extra {
        RING_KERNEL_EXIT_EVENT = 1, /* interrupt_information and error_code are known */
        RING_KERNEL_EXIT_USER = 2,  /* the VMM got the exit; else the kernel has handled it */
};

struct ring_kernel_exit {
        struct ring_record record;
        uint32_t isa;  /* 1: VMX, 2: SVM */
        uint32_t code; /* the processor's exit reason */
        uint64_t info1;
        uint64_t info2;
        uint32_t interrupt_information;
        uint32_t error_code;
};

/* An event of the kernel's KVM, by its trace point. */
struct ring_kernel_event {
        struct ring_record record;
        uint64_t stamp;
        uint32_t thread;  /* that it happened in; 0: not known */
        uint32_t known;   /* bits: values of the kind, KERNEL_EVENTS */
        uint64_t value[]; /* one for each bit, ascending */
};

struct ring_handled { /* HANDLED, UNHANDLED */
        struct ring_record record;
        uint64_t stamp;
        uint64_t verdict; /* enum hwaccl_verdict, or RING_VERDICT_UNKNOWN */
};

struct ring_text { /* MARK */
        struct ring_record record;
        uint64_t stamp;
        uint64_t size; /* bytes of data; UTF-8, without a terminating zero */
        char data[];
};

struct ring_thread_time {
        struct ring_record record;
        uint64_t stamp;
        uint64_t cpu; /* ns of processor time of the vCPU's thread */
};

struct ring_bytes {
        struct ring_record record;
        uint64_t size;  /* bytes of data */
        uint8_t data[]; /* SNAPSHOT: all device fields, concatenated in the order of the configuration;
                           ANNOTATION: name and value of an option, each with its terminating zero */
};

/** ring_exit_sequence - number of an exit in the sequence over all lanes; 0: it has none */
static inline uint64_t ring_exit_sequence(const struct ring_exit *exit)
{
        const uint64_t *end = exit->words + state_delta_count(exit->bitmap);

        if (!(exit->record.extra & RING_EXIT_SEQUENCE))
                return 0;
        end += exit->record.extra & RING_EXIT_PENDING ? 4 : 0;
        end += exit->record.extra & RING_EXIT_PARTIAL ? HWACCL_KNOWN_FIELDS_WORDS : 0;
        return *end;
}

/** ring_exit_order - of exits of all lanes: their number in the sequence, or the time of their entry where they have
 * none */
static inline uint64_t ring_exit_order(const struct ring_exit *exit)
{
        uint64_t sequence = ring_exit_sequence(exit);

        return sequence ? sequence : exit->entry_stamp;
}

/** ring_record_order - that of an exit, or the number of a call; 0: another record */
static inline uint64_t ring_record_order(const struct ring_record *record)
{
        const void *body = record;

        return record->type == RING_RECORD_EXIT   ? ring_exit_order((const struct ring_exit *)body)
               : record->type == RING_RECORD_CALL ? ((const struct ring_call *)body)->sequence
                                                  : 0;
}

#endif
