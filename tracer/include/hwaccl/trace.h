/*
 * Embedding the tracer: a VMM with an exit loop of its own records its VM exits into a database that every hwaccl
 * command reads. This is the interface of libhwaccl-tracer; its ABI is stable: functions are only added, handles are
 * opaque, the configuration carries its size, and the subject state is a layout that never changes.
 *
 * The loop, once around, for each vCPU on its own thread:
 *
 *         hwaccl_trace_vcpu_irq_offered(vcpu, 0x20);      when a vector is on offer to the guest
 *         hwaccl_trace_vcpu_entry(vcpu, NULL);            or the state with which the guest is entered
 *         ... run the guest until its next exit ...
 *         hwaccl_trace_vcpu_exit(vcpu, &state);           reason, qualification, and the registers that are known
 *         hwaccl_trace_vcpu_input(vcpu, ...);             what its handling reads,
 *         hwaccl_trace_vcpu_effect(vcpu, ...);            and what it does, in order
 *         hwaccl_trace_vcpu_irq_taken(vcpu, 0x20);        or _returned
 *         hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED);
 *
 * What the VMM does not know it leaves out: it is NULL in the database, shown as unknown, and never compared.
 *
 * Cost: a record in a ring shared with a writer thread. No allocation for an exit, and no system call,
 * but for one that wakes the writer when a quarter of the ring fills after a quiet time. When the ring is full, the
 * calling thread waits for the writer: nothing is dropped.
 *
 * Threads: a vCPU's functions may be called by one thread at a time, those of different vCPUs at the same time.
 * hwaccl_trace_open() and hwaccl_trace_close() of different recordings may run at the same time; close when no other
 * function of the recording is being called. A process may have any number of recordings; none of them shares state.
 * The library starts one thread for each recording, with all signals blocked. A child of fork(2) must not use the
 * handles of its parent.
 *
 * The functions that record return true when what they were told is, or will be, in the recording; false when it is
 * not: it came at the wrong place in the order above, an argument is out of its range, or the recording has stopped.
 * Such a call changes nothing. hwaccl_trace_error() tells a recording that stopped. A VMM may ignore what they return
 * and go on without recording; also where hwaccl_trace_open() returned NULL: all functions take NULL for a handle, and
 * return false, or NULL.
 *
 * Stable.
 */
#ifndef HWACCL_TRACE_H
#define HWACCL_TRACE_H

#include "hwaccl/error.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/known_fields.h"
#include "hwaccl/subject_fields.h"
#include "hwaccl/subject_state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hwaccl_trace;      /* a recording that is being made */
struct hwaccl_trace_vcpu; /* one of its vCPUs */

/* Name and value of the recording's option table, for its readers: the guest's image, versions, settings. UTF-8. */
struct hwaccl_trace_option {
        const char *name; /* "vmm", "hwaccl_version" and names that begin with "host_" are the library's */
        const char *value;
};

/* How to record. Zero is the default of every member but the first two: struct hwaccl_trace_config config = {
 * .size = sizeof(config), .vmm = "name 1.0"}; in C. Nothing is referred to after hwaccl_trace_open(). */
struct hwaccl_trace_config {
        size_t size;                /* of this structure; it tells what the caller was built with */
        const char *vmm;            /* name of the VMM, with its version: what replay and reports call it */
        uint32_t vcpu_count;        /* 1 to HWACCL_TRACE_VCPU_MAX; 0: 1. They are numbered from 0 */
        uint32_t keyframe_interval; /* exits between whole states; 0: 256 */
        uint64_t ring_size;         /* bytes for each vCPU, a power of two from 256 KiB to 1 GiB; 0: 8 MiB */
        uint32_t force;             /* 1: replace an existing recording; 0: it is an error */
        uint32_t option_count;
        const struct hwaccl_trace_option *options;
};

#define HWACCL_TRACE_VCPU_MAX 64u

/* A state, whole or in part. A field that is not known has no bit in known; its value is not looked at. Bits and names:
 * HWACCL_FIELD_INDEX_rax and so on, from hwaccl/subject_fields.h. trace_kvm.h fills one in from KVM's structures. */
struct hwaccl_trace_state {
        struct hwaccl_subject_state values;
        uint64_t known[2]; /* the words of struct hwaccl_known_fields: field i is bit i % 64 of word i / 64 */
};

/** hwaccl_trace_know - say that a field of the state is known; its value stands in values */
static inline void hwaccl_trace_know(struct hwaccl_trace_state *state, enum hwaccl_field_index field)
{
        state->known[(unsigned)field / 64] |= UINT64_C(1) << ((unsigned)field % 64);
}

/** hwaccl_trace_put - set a field that is a member of the state by its own name (rax, rip, cr3, exit_reason …) */
#define hwaccl_trace_put(state, name, value)                                                                           \
        ((state)->values.name = (value), hwaccl_trace_know((state), HWACCL_FIELD_INDEX_##name))

/** hwaccl_trace_put_segment - the same for all four parts of a segment (cs … ldtr) or table register (gdtr, idtr) */
#define hwaccl_trace_put_segment(state, name, selector_, base_, limit_, access_rights_)                                \
        ((state)->values.name.selector = (selector_), (state)->values.name.base = (base_),                             \
         (state)->values.name.limit = (limit_), (state)->values.name.access_rights = (access_rights_),                 \
         hwaccl_trace_know((state), HWACCL_FIELD_INDEX_##name##_selector),                                             \
         hwaccl_trace_know((state), HWACCL_FIELD_INDEX_##name##_base),                                                 \
         hwaccl_trace_know((state), HWACCL_FIELD_INDEX_##name##_limit),                                                \
         hwaccl_trace_know((state), HWACCL_FIELD_INDEX_##name##_access_rights))

/** hwaccl_trace_put_exit - why and where the guest stopped, in the SDM's terms: basic exit reason (appendix C; enum
 * hwaccl_exit_reason), exit qualification (28.2.1) and instruction length (0 where there is none). What else belongs to
 * the exit are fields too: guest_physical_address, interrupt_information, interruptibility. */
static inline void hwaccl_trace_put_exit(struct hwaccl_trace_state *state, uint64_t reason, uint64_t qualification,
                                         uint64_t instruction_length)
{
        hwaccl_trace_put(state, exit_reason, reason);
        hwaccl_trace_put(state, exit_qualification, qualification);
        hwaccl_trace_put(state, instruction_length, instruction_length);
}

/** hwaccl_trace_version - of the library that is loaded: "0.1.0" */
const char *hwaccl_trace_version(void);

/**
 * hwaccl_trace_open - begin a recording
 * @path: of the database; beside it a ring file for each vCPU lies until the recording is closed
 * @error: set when it fails; may be NULL
 *
 * Returns NULL when the recording cannot be made: the file exists, cannot be written, a value is out of range. Nothing
 * is left behind then.
 */
struct hwaccl_trace *hwaccl_trace_open(const char *path, const struct hwaccl_trace_config *config,
                                       struct hwaccl_error *error);

/** hwaccl_trace_vcpu - the handle of vCPU @number, which lives as long as the recording; NULL when there is no such */
struct hwaccl_trace_vcpu *hwaccl_trace_vcpu(struct hwaccl_trace *trace, uint32_t number);

/**
 * hwaccl_trace_vcpu_entry - the guest is about to be entered
 * @state: the registers that the VMM wrote, or all that it knows; the others are as at the exit before. NULL: nothing
 *         is known about the state of this entry, not even that (the kernel completes an instruction, say)
 *
 * Call it last before the guest runs: the time in the guest counts from here. An exit before whose handling has no
 * end yet ends here, its outcome is unknown. Between an entry and its exit it is refused: a VMM that comes back from
 * the guest without an exit of the processor (a signal, say) and enters it again records that as one entry, or it
 * records an exit for it too, which KVM_EXIT_INTR is one of.
 */
bool hwaccl_trace_vcpu_entry(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_trace_state *state);

/**
 * hwaccl_trace_vcpu_exit - the guest has stopped
 * @state: what is known: at least the exit reason, unless the VMM does not know even that
 *
 * Call it first after the guest ran. Without an entry before, one of which nothing is known is recorded.
 */
bool hwaccl_trace_vcpu_exit(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_trace_state *state);

/** hwaccl_trace_vcpu_verdict - what the handler decides to do about the exit: enum hwaccl_verdict. Between an exit and
 * the end of its handling; optional */
bool hwaccl_trace_vcpu_verdict(struct hwaccl_trace_vcpu *vcpu, unsigned verdict);

/** hwaccl_trace_vcpu_handled - the exit is handled. @outcome: enum hwaccl_outcome, or HWACCL_TRACE_OUTCOME_UNKNOWN */
bool hwaccl_trace_vcpu_handled(struct hwaccl_trace_vcpu *vcpu, unsigned outcome);
#define HWACCL_TRACE_OUTCOME_UNKNOWN 0xffu

/*
 * Interrupts on their way into the guest. A vector is offered before an entry (there is one on offer at a time: the
 * last one before the guest runs) and settled before the end of the exit's handling: the guest took it, or it did not
 * and the VMM has it back. What is not settled is recorded as that. hwaccl_trace_vcpu_irq_injected() is both, for a
 * VMM that hands over a vector only when the guest is sure to take it.
 */
bool hwaccl_trace_vcpu_irq_offered(struct hwaccl_trace_vcpu *vcpu, uint8_t vector);
bool hwaccl_trace_vcpu_irq_injected(struct hwaccl_trace_vcpu *vcpu, uint8_t vector);
bool hwaccl_trace_vcpu_irq_taken(struct hwaccl_trace_vcpu *vcpu, uint8_t vector);
bool hwaccl_trace_vcpu_irq_returned(struct hwaccl_trace_vcpu *vcpu, uint8_t vector);

/* Kinds of inputs and effects; numbers are part of the database schema and never change meaning. */
enum hwaccl_trace_input {
        HWACCL_TRACE_INPUT_CLOCK = 0, /* value: guest clock, ns, never less than before; the first input of an exit */
        HWACCL_TRACE_INPUT_WAIT = 1,  /* value: guest clock when a wait ended; address: deadline asked for */
        HWACCL_TRACE_INPUT_INSTRUCTION = 2, /* data: bytes of the instruction that exited; address: guest-physical */
        HWACCL_TRACE_INPUT_MEMORY = 3,      /* data: guest memory; address: guest-physical */
        HWACCL_TRACE_INPUT_CONSOLE = 4,     /* data: what someone typed; address: channel, 0 for the serial port */
        HWACCL_TRACE_INPUT_WALL_TIME = 5,   /* value: seconds since 1970, UTC */
        HWACCL_TRACE_INPUT_STOP = 6,        /* value: 1 interrupted, 2 time limit, 3 number of exits, 4 text seen */
        HWACCL_TRACE_INPUT_DISK = 7,      /* data: read from a disk; address: byte offset; value: number of the disk */
        HWACCL_TRACE_INPUT_DISK_FAULT = 8 /* a disk failed; address, value: the same */
};

enum hwaccl_trace_effect {
        HWACCL_TRACE_EFFECT_MEMORY = 0,   /* data: written to guest memory; address: guest-physical */
        HWACCL_TRACE_EFFECT_CONSOLE = 1,  /* data: printed; address: channel: 0 serial, 1 port 402h, 2 port e9h */
        HWACCL_TRACE_EFFECT_IRQ_LINE = 2, /* address: line; value: its new level, 0 or 1 */
        HWACCL_TRACE_EFFECT_STOP = 3,     /* the guest ended; address: enum hwaccl_trace_end; value: its exit code */
        HWACCL_TRACE_EFFECT_DISK_WRITE =
                4, /* data: written to a disk; address: byte offset; value: number of the disk */
        HWACCL_TRACE_EFFECT_DISK_FLUSH = 5 /* value: number of the disk */
};

#define HWACCL_TRACE_DATA_MAX 4096u /* bytes of one input or effect; longer data are several */

/**
 * hwaccl_trace_vcpu_input - a value that the handling of the exit read
 * @kind: enum hwaccl_trace_input; @address, @value, @data: as the kind has them, 0 or NULL where it has none
 *
 * Between an exit and the end of its handling.
 */
bool hwaccl_trace_vcpu_input(struct hwaccl_trace_vcpu *vcpu, unsigned kind, uint64_t address, uint64_t value,
                             const void *data, size_t size);

/** hwaccl_trace_vcpu_effect - something that the handling did; as above, enum hwaccl_trace_effect */
bool hwaccl_trace_vcpu_effect(struct hwaccl_trace_vcpu *vcpu, unsigned kind, uint64_t address, uint64_t value,
                              const void *data, size_t size);

/** hwaccl_trace_vcpu_mark - a word for the reader, at any time: UTF-8, cut after HWACCL_TRACE_MARK_MAX bytes. Rows of
 * the view marks */
bool hwaccl_trace_vcpu_mark(struct hwaccl_trace_vcpu *vcpu, const char *text);
#define HWACCL_TRACE_MARK_MAX 1024u

/** hwaccl_trace_error - has the recording stopped? Then *error says why (a full disk, say); true when it goes on */
bool hwaccl_trace_error(struct hwaccl_trace *trace, struct hwaccl_error *error);

/* How the guest ended; numbers are part of the database schema. */
enum hwaccl_trace_end {
        HWACCL_TRACE_END_EXIT_CODE = 1, /* by itself, with a code */
        HWACCL_TRACE_END_HALTED = 2,    /* for good: nothing can wake it */
        HWACCL_TRACE_END_TRIPLE_FAULT = 3,
        HWACCL_TRACE_END_RESET = 4,
        HWACCL_TRACE_END_ENTRY_FAILURE = 5, /* the processor refused its state */
        HWACCL_TRACE_END_ERROR = 6,         /* the VMM could not go on */
        HWACCL_TRACE_END_STOPPED = 7,       /* someone outside asked for it */
        HWACCL_TRACE_END_POWER_OFF = 8
};

/**
 * hwaccl_trace_close - write what the rings hold, and how the guest ended; the handles are gone then
 * @end: enum hwaccl_trace_end; @code: exit code where there is one; @message: one line, or NULL
 * @error: set when something could not be written; may be NULL
 *
 * Returns false when the recording is not complete: what could be written is kept, and marked incomplete.
 */
bool hwaccl_trace_close(struct hwaccl_trace *trace, unsigned end, uint64_t code, const char *message,
                        struct hwaccl_error *error);

#ifdef __cplusplus
}
#endif

#endif
