/*
 * Stable ABI: the interface of libhwaccl-tracer. A VMM with its own exit loop records its VM exits in a database that
 * the hwaccl command reads. Functions are only added, handles are opaque, the configuration carries its size, and the
 * layout of the subject state never changes.
 *
 * One iteration of the exit loop, for each vCPU on its own thread:
 *
 *         hwaccl_trace_vcpu_irq_offered(vcpu, 0x20);      if a vector is offered to the guest
 *         hwaccl_trace_vcpu_entry(vcpu, NULL);            or the state at the entry
 *         ... run the guest until its next exit ...
 *         hwaccl_trace_vcpu_exit(vcpu, &state);           reason, qualification, and the known registers
 *         hwaccl_trace_vcpu_input(vcpu, ...);             what the handling reads
 *         hwaccl_trace_vcpu_effect(vcpu, ...);            and does, in order
 *         hwaccl_trace_vcpu_irq_taken(vcpu, 0x20);        or _returned
 *         hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED);
 *         if (hwaccl_trace_vcpu_snapshot_due(vcpu))
 *                 hwaccl_trace_vcpu_snapshot(vcpu, "devices", &devices, sizeof(devices));
 *
 * A recording that is to be replayed through the VMM's own handler (hwaccl/session.h) needs the data of each port and
 * MMIO access (INPUT_PORT_WRITE and so on), everything else that the handler reads, as inputs, and snapshots where a
 * replay shall be able to begin at another exit than the first.
 *
 * Leave out what the VMM does not know: it is NULL in the database, displayed as unknown, and never compared.
 *
 * What threads do that run no vCPU, and what vCPUs' threads ask of the hypervisor beside running the guest (raise an
 * interrupt line, send a message, set registers), is recorded as calls, with thread_max in the configuration:
 *
 *         thread = hwaccl_trace_thread(trace, "disk", NULL);                         once, in that thread
 *         number = hwaccl_trace_thread_call(thread, &call);                          immediately before the call
 *         hwaccl_trace_thread_called(thread, number, result, errno, NULL, 0);        and after it
 *         hwaccl_trace_thread_irq_line(thread, 0, 14, 1);                            both in one, for frequent ones
 *
 * Exits and calls of all threads then have one sequence of numbers, without gaps: the order in which the VMM got the
 * exits and made the calls.
 *
 * Cost: one record in a ring that a writer thread reads. No allocation per exit. No system call per exit, except one
 * that wakes the writer when a quarter of the ring has filled after an idle period, and one at each keyframe that reads
 * the thread's processor time, clock_gettime(CLOCK_THREAD_CPUTIME_ID). If the ring is full, the calling
 * thread waits for the writer; nothing is dropped.
 *
 * Threads: only one thread at a time may call the functions of one vCPU or of one thread's handle; different ones are
 * independent. hwaccl_trace_thread() may be called by any number of threads at a time.
 * hwaccl_trace_open() and hwaccl_trace_close() of different recordings may run concurrently. No other function of a
 * recording may run during its hwaccl_trace_close(). A process may make any number of recordings; they share no state.
 * The library starts one thread per recording, with all signals blocked. A child of fork(2) must not use its parent's
 * handles.
 *
 * Recording functions return true if the event is, or will be, in the recording. They return false and change nothing
 * if the call is out of order, an argument is out of range, or the recording has stopped (see hwaccl_trace_error()). A
 * VMM may ignore the return values. All functions accept NULL handles and then return false or NULL, so a VMM may also
 * continue if hwaccl_trace_open() fails.
 */
#ifndef HWACCL_TRACE_H
#define HWACCL_TRACE_H

#include "hwaccl/error.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/known_fields.h"
#include "hwaccl/kvm_run.h"
#include "hwaccl/subject_fields.h"
#include "hwaccl/subject_state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hwaccl_trace;        /* a running recording */
struct hwaccl_trace_vcpu;   /* one of its vCPUs */
struct hwaccl_trace_thread; /* a thread of the VMM that runs no vCPU */

/* A row of the recording's option table, to describe the guest: image, versions, settings. UTF-8. */
struct hwaccl_trace_option {
        const char *name; /* reserved: "vmm", "hwaccl_version" and names that begin with "host_" */
        const char *value;
};

/* How to record. Zero selects the default of every member but the first two: struct hwaccl_trace_config config =
 * {.size = sizeof(config), .vmm = "name 1.0"}; in C. The caller may free everything after hwaccl_trace_open(). */
struct hwaccl_trace_config {
        size_t size;                /* sizeof(struct hwaccl_trace_config) in the caller */
        const char *vmm;            /* name and version of the VMM, for reports */
        uint32_t vcpu_count;        /* 1 to HWACCL_TRACE_VCPU_MAX; 0: 1. vCPUs are numbered from 0 */
        uint32_t keyframe_interval; /* exits between full states; 0: 256 */
        uint64_t ring_size;         /* bytes per vCPU, a power of two from 256 KiB to 1 GiB; 0: 8 MiB */
        uint32_t force;             /* 1: replace an existing recording; 0: fail if it exists */
        uint32_t option_count;
        const struct hwaccl_trace_option *options;
        uint32_t file_mode; /* permissions of the files, whatever the umask; 0: 0600, at most 0666 */
        uint32_t reserved;  /* 0 */
        /* hwaccl_trace_thread() may be called so often, at most HWACCL_TRACE_THREAD_MAX; 1 for calls of vCPUs only. 0:
         * no calls are recorded, and exits are not numbered. Numbers cost an atomic addition and 8 bytes per exit */
        uint32_t thread_max;
        uint32_t reserved_too; /* 0 */
};

#define HWACCL_TRACE_VCPU_MAX   64u
#define HWACCL_TRACE_THREAD_MAX 128u

/* A full or partial state. The value of a field without its bit in known is ignored. Field numbers:
 * HWACCL_FIELD_INDEX_rax and so on, from hwaccl/subject_fields.h. trace_kvm.h converts KVM's structures. */
struct hwaccl_trace_state {
        struct hwaccl_subject_state values;
        uint64_t known[2]; /* the words of struct hwaccl_known_fields: field i is bit i % 64 of word i / 64 */
};

/** hwaccl_trace_know - mark a field as known; its value is in state->values */
static inline void hwaccl_trace_know(struct hwaccl_trace_state *state, enum hwaccl_field_index field)
{
        state->known[(unsigned)field / 64] |= UINT64_C(1) << ((unsigned)field % 64);
}

/** hwaccl_trace_is_known - whether a field is known */
static inline bool hwaccl_trace_is_known(const struct hwaccl_trace_state *state, enum hwaccl_field_index field)
{
        return state->known[(unsigned)field / 64] >> ((unsigned)field % 64) & 1;
}

/** hwaccl_trace_put - set a field by its name (rax, rip, cr3, exit_reason …) and mark it as known */
#define hwaccl_trace_put(state, name, value)                                                                           \
        ((state)->values.name = (value), hwaccl_trace_know((state), HWACCL_FIELD_INDEX_##name))

/** hwaccl_trace_put_segment - the same for the four parts of a segment (cs … ldtr) or table register (gdtr, idtr) */
#define hwaccl_trace_put_segment(state, name, selector_, base_, limit_, access_rights_)                                \
        ((state)->values.name.selector = (selector_), (state)->values.name.base = (base_),                             \
         (state)->values.name.limit = (limit_), (state)->values.name.access_rights = (access_rights_),                 \
         hwaccl_trace_know((state), HWACCL_FIELD_INDEX_##name##_selector),                                             \
         hwaccl_trace_know((state), HWACCL_FIELD_INDEX_##name##_base),                                                 \
         hwaccl_trace_know((state), HWACCL_FIELD_INDEX_##name##_limit),                                                \
         hwaccl_trace_know((state), HWACCL_FIELD_INDEX_##name##_access_rights))

/**
 * hwaccl_trace_put_exit - set the exit information
 * @reason: basic exit reason (SDM 3D, appendix C; enum hwaccl_exit_reason)
 * @qualification: exit qualification (SDM 3C, 28.2.1)
 * @instruction_length: bytes; 0 if the exit has none
 *
 * Set guest_physical_address, interrupt_information and interruptibility with hwaccl_trace_put().
 */
static inline void hwaccl_trace_put_exit(struct hwaccl_trace_state *state, uint64_t reason, uint64_t qualification,
                                         uint64_t instruction_length)
{
        hwaccl_trace_put(state, exit_reason, reason);
        hwaccl_trace_put(state, exit_qualification, qualification);
        hwaccl_trace_put(state, instruction_length, instruction_length);
}

/** hwaccl_trace_version - version of the loaded library, such as "0.1.0" (static string) */
const char *hwaccl_trace_version(void);

/**
 * hwaccl_trace_open - start a recording
 * @path: of the database. A ring file per vCPU is in the same directory until the recording is closed
 * @error: set on failure; may be NULL
 *
 * Returns NULL on failure (the file exists or cannot be written, a value is out of range) and then leaves no files.
 * The caller closes the recording with hwaccl_trace_close().
 */
struct hwaccl_trace *hwaccl_trace_open(const char *path, const struct hwaccl_trace_config *config,
                                       struct hwaccl_error *error);

/** hwaccl_trace_vcpu - handle of vCPU @number, valid until hwaccl_trace_close(); NULL if @number is out of range */
struct hwaccl_trace_vcpu *hwaccl_trace_vcpu(struct hwaccl_trace *trace, uint32_t number);

/**
 * hwaccl_trace_vcpu_entry - record a VM entry
 * @state: the registers that the VMM changed, or all that it knows; the others are as at the previous exit. NULL: the
 *         whole state is unknown (for example because the kernel completes an instruction first)
 *
 * Call it immediately before the guest runs: the time in the guest starts here. If the handling of the previous exit
 * has not ended, it ends here with an unknown outcome. Fails between an entry and its exit. If the guest returns
 * without a VM exit (for example because of a signal) and is entered again, either record one entry only, or record an
 * exit too (KVM_EXIT_INTR).
 */
bool hwaccl_trace_vcpu_entry(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_trace_state *state);

/**
 * hwaccl_trace_vcpu_exit - record a VM exit
 * @state: what is known, at least the exit reason if possible
 *
 * Call it immediately after the guest ran. If there was no entry, one with an unknown state is recorded.
 */
bool hwaccl_trace_vcpu_exit(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_trace_state *state);

/** hwaccl_trace_vcpu_verdict - record the handler's decision: enum hwaccl_verdict. Optional; between an exit and the
 * end of its handling */
bool hwaccl_trace_vcpu_verdict(struct hwaccl_trace_vcpu *vcpu, unsigned verdict);

/** hwaccl_trace_vcpu_handled - end the handling of the exit. @outcome: enum hwaccl_outcome, or
 * HWACCL_TRACE_OUTCOME_UNKNOWN */
bool hwaccl_trace_vcpu_handled(struct hwaccl_trace_vcpu *vcpu, unsigned outcome);
#define HWACCL_TRACE_OUTCOME_UNKNOWN 0xffu

/*
 * IRQ handoff. Offer a vector before an entry (if there are several, the last one counts), and settle it before the end
 * of the exit's handling: taken by the guest, or returned to the VMM. A vector that is not settled is recorded as such.
 * hwaccl_trace_vcpu_irq_injected() is offered and taken at once, for a VMM that injects a vector only if the guest will
 * take it.
 */
bool hwaccl_trace_vcpu_irq_offered(struct hwaccl_trace_vcpu *vcpu, uint8_t vector);
bool hwaccl_trace_vcpu_irq_injected(struct hwaccl_trace_vcpu *vcpu, uint8_t vector);
bool hwaccl_trace_vcpu_irq_taken(struct hwaccl_trace_vcpu *vcpu, uint8_t vector);
bool hwaccl_trace_vcpu_irq_returned(struct hwaccl_trace_vcpu *vcpu, uint8_t vector);

/* Kinds of inputs and effects. The numbers are recorded and never change meaning. */
enum hwaccl_trace_input {
        HWACCL_TRACE_INPUT_CLOCK = 0,       /* value: guest clock, ns, never decreases; the first input of an exit */
        HWACCL_TRACE_INPUT_WAIT = 1,        /* value: guest clock at the end of a wait, ns; address: its deadline, ns */
        HWACCL_TRACE_INPUT_INSTRUCTION = 2, /* data: bytes of the instruction that exited; address: guest-physical */
        HWACCL_TRACE_INPUT_MEMORY = 3,      /* data: guest memory; address: guest-physical */
        HWACCL_TRACE_INPUT_CONSOLE = 4,     /* data: typed characters; address: channel, 0 for the serial port */
        HWACCL_TRACE_INPUT_WALL_TIME = 5,   /* value: seconds since 1970, UTC */
        HWACCL_TRACE_INPUT_STOP = 6,        /* value: 1 interrupted, 2 time limit, 3 exit limit, 4 text printed */
        HWACCL_TRACE_INPUT_DISK = 7,        /* data: read from a disk; address: byte offset; value: disk number */
        HWACCL_TRACE_INPUT_DISK_FAULT = 8,  /* disk I/O error; address and value as for INPUT_DISK */
        HWACCL_TRACE_INPUT_FLOATING_POINT = 9, /* data: registers of FPU and SSE as FXSAVE writes them, 512 bytes */
        HWACCL_TRACE_INPUT_PORT_WRITE =
                10, /* data: what OUT or OUTS carried; address: port; value: bytes of one access,
                       1, 2 or 4. With REP, one after the other: size / value accesses */
        HWACCL_TRACE_INPUT_MMIO_WRITE = 11, /* data: what a write to a device in memory carried, 1 to 64 bytes; address:
                                              guest-physical */
        HWACCL_TRACE_INPUT_COALESCED_PORT_WRITE = 12, /* data: what an OUT before this exit carried, which KVM kept for
                                                         the VMM (KVM_REGISTER_COALESCED_MMIO), 1 to 4 bytes; address:
                                                         port; value: number of the write in its VM, of this kind and
                                                         the next together, from 0 */
        HWACCL_TRACE_INPUT_COALESCED_MMIO_WRITE = 13, /* the same, 1 to 8 bytes; address: guest-physical */
        HWACCL_TRACE_INPUT_KVM_EXIT = 14 /* value: a field of struct kvm_run that the exit reason gives a meaning;
                                            address: KVM_EXIT_* << 8 and the field's number: names of kind
                                            kvm_exit_field in the recording */
};

enum hwaccl_trace_effect {
        HWACCL_TRACE_EFFECT_MEMORY = 0,     /* data: written to guest memory; address: guest-physical */
        HWACCL_TRACE_EFFECT_CONSOLE = 1,    /* data: printed; address: channel: 0 serial, 1 port 402h, 2 port e9h */
        HWACCL_TRACE_EFFECT_IRQ_LINE = 2,   /* address: line; value: new level, 0 or 1 */
        HWACCL_TRACE_EFFECT_STOP = 3,       /* the guest ended; address: enum hwaccl_trace_end; value: its exit code */
        HWACCL_TRACE_EFFECT_DISK_WRITE = 4, /* data: written to a disk; address: byte offset; value: disk number */
        HWACCL_TRACE_EFFECT_DISK_FLUSH = 5, /* value: disk number */
        HWACCL_TRACE_EFFECT_FLOATING_POINT = 6, /* data: these registers from now on, 512 bytes */
        HWACCL_TRACE_EFFECT_PORT_READ =
                7, /* data: what IN or INS was answered; address and value as INPUT_PORT_WRITE */
        HWACCL_TRACE_EFFECT_MMIO_READ = 8, /* data: what a read from a device in memory was answered; address:
                                             guest-physical */
        HWACCL_TRACE_EFFECT_KVM_EXIT = 9   /* value: what the VMM answered in such a field; address as INPUT_KVM_EXIT */
};

#define HWACCL_TRACE_DATA_MAX 4096u /* bytes per input or effect; record longer data as several */

/**
 * hwaccl_trace_vcpu_input - record a value that the handling of the exit read
 * @kind: enum hwaccl_trace_input; @address, @value, @data: as described there; 0 or NULL if not mentioned
 * @size: of @data, at most HWACCL_TRACE_DATA_MAX bytes
 *
 * Between an exit and the end of its handling.
 */
bool hwaccl_trace_vcpu_input(struct hwaccl_trace_vcpu *vcpu, unsigned kind, uint64_t address, uint64_t value,
                             const void *data, size_t size);

/** hwaccl_trace_vcpu_effect - record what the handling did; arguments as above, @kind: enum hwaccl_trace_effect */
bool hwaccl_trace_vcpu_effect(struct hwaccl_trace_vcpu *vcpu, unsigned kind, uint64_t address, uint64_t value,
                              const void *data, size_t size);

/**
 * hwaccl_trace_vcpu_kvm_run - record the fields of struct kvm_run that are neither registers nor data of the exit
 * @run: as they are after KVM_RUN; trace_kvm.h has hwaccl_trace_kvm_fields()
 *
 * Between an exit and the end of its handling, once. Costs nothing in the recording while they do not change.
 */
bool hwaccl_trace_vcpu_kvm_run(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_kvm_run *run);

/** hwaccl_trace_vcpu_snapshot_due - whether the next entry begins a keyframe: before the first exit, and each time that
 * keyframe_interval exits were recorded. False between an exit and the end of its handling, and for a NULL handle */
bool hwaccl_trace_vcpu_snapshot_due(const struct hwaccl_trace_vcpu *vcpu);

/**
 * hwaccl_trace_vcpu_snapshot - record a part of the VMM's own state, as it is before the next entry
 * @name: of the part, 1 to HWACCL_TRACE_SNAPSHOT_NAME_MAX bytes of UTF-8; each at most once, and at most 16 for an
 * entry
 * @data, @size: in the VMM's own format, 1 to HWACCL_TRACE_SNAPSHOT_MAX bytes; all that its exit handler depends on
 *
 * After the handling of an exit, or before the first entry; at any exit, but hwaccl_trace_vcpu_snapshot_due() says when
 * it is worth it. A replay through the VMM's own handler (hwaccl/session.h) starts there. It is stored as it is: give
 * it no padding, no pointers, and a version if its format may change.
 */
bool hwaccl_trace_vcpu_snapshot(struct hwaccl_trace_vcpu *vcpu, const char *name, const void *data, size_t size);
#define HWACCL_TRACE_SNAPSHOT_NAME_MAX 63u
#define HWACCL_TRACE_SNAPSHOT_MAX      (16u << 20)

/** hwaccl_trace_vcpu_mark - record an annotation, at any time: UTF-8, truncated to HWACCL_TRACE_MARK_MAX bytes. Appears
 * in the view marks */
bool hwaccl_trace_vcpu_mark(struct hwaccl_trace_vcpu *vcpu, const char *text);
#define HWACCL_TRACE_MARK_MAX 1024u

/*
 * Calls: what the VMM asks of the hypervisor beside running the guest. They appear in table vmm_call and in `hwaccl
 * show
 * --calls`; those of KVM's requests KVM_IRQ_LINE, KVM_IRQ_LINE_STATUS and KVM_SIGNAL_MSI in the views irq_line_changes
 * and msi_messages too, and the report names interrupt lines that were raised and never lowered.
 */

/* What a call is made of. The numbers are recorded and never change meaning. */
enum hwaccl_trace_role {
        HWACCL_TRACE_ROLE_UNKNOWN = 0,
        HWACCL_TRACE_ROLE_SYSTEM = 1, /* the hypervisor: /dev/kvm */
        HWACCL_TRACE_ROLE_VM = 2,
        HWACCL_TRACE_ROLE_VCPU = 3,
        HWACCL_TRACE_ROLE_DEVICE = 4 /* of the hypervisor: KVM_CREATE_DEVICE */
};

#define HWACCL_TRACE_OBJECT_NONE UINT32_MAX

/* A call. Zero what does not apply; the layout never changes. */
struct hwaccl_trace_call {
        uint32_t request; /* its number: one of linux/kvm.h, or a number of the VMM's own, which tables show as it is */
        uint32_t role;    /* enum hwaccl_trace_role */
        uint32_t object;  /* number of that vCPU, VM or device, from 0; HWACCL_TRACE_OBJECT_NONE: not known, or none */
        uint32_t is_number;  /* 1: the argument is a number; 0: there is none, or it is memory */
        uint64_t argument;   /* 0 if it is no number */
        const void *input;   /* what the hypervisor reads: KVM's structure, with zeros for padding and pointers, so that
                                recordings can be compared; NULL: nothing */
        uint64_t input_size; /* bytes; the first HWACCL_TRACE_CALL_DATA_MAX are recorded */
};

#define HWACCL_TRACE_CALL_DATA_MAX (256u << 10) /* bytes of input, and of output */

/**
 * hwaccl_trace_thread - a lane of its own for a thread that runs no vCPU
 * @name: of the thread, UTF-8, truncated to HWACCL_TRACE_THREAD_NAME_MAX bytes; NULL: as pthread_getname_np(3) has it
 * @error: set on failure; may be NULL
 *
 * Call it in the thread that shall use the handle, once; it makes a ring of 1 MiB and waits some milliseconds for the
 * writer. Valid until hwaccl_trace_close(). A VMM whose threads come and go passes the handle of one that has ended to
 * the next one: the recording then has both threads under the name of the first. Returns NULL if there are thread_max
 * of them already, or the ring's file cannot be created; the others are not affected.
 */
struct hwaccl_trace_thread *hwaccl_trace_thread(struct hwaccl_trace *trace, const char *name,
                                                struct hwaccl_error *error);
#define HWACCL_TRACE_THREAD_NAME_MAX 255u

/**
 * hwaccl_trace_thread_call - record that a call begins
 *
 * Immediately before it. Returns the call's number in the sequence, from 1 on; 0 if it was not recorded: thread_max is
 * 0, a member of @call is out of range, or the recording has stopped. Calls may be nested, as by a signal handler, but
 * not between the beginning and the end of a function of this header. A call that does not return has no result in the
 * recording; after four younger ones its end can no longer be recorded.
 */
uint64_t hwaccl_trace_thread_call(struct hwaccl_trace_thread *thread, const struct hwaccl_trace_call *call);

/** hwaccl_trace_vcpu_call - the same for the thread of a vCPU, at any time: between two exits too */
uint64_t hwaccl_trace_vcpu_call(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_trace_call *call);

/**
 * hwaccl_trace_thread_called - record that a call has returned
 * @number: from hwaccl_trace_thread_call(), of the same handle
 * @result: of the call; @error: errno if it failed, or 0
 * @output, @size: what the hypervisor wrote, as the input; NULL and 0: nothing
 */
bool hwaccl_trace_thread_called(struct hwaccl_trace_thread *thread, uint64_t number, int64_t result, unsigned error,
                                const void *output, size_t size);

/** hwaccl_trace_vcpu_called - the same for the thread of a vCPU */
bool hwaccl_trace_vcpu_called(struct hwaccl_trace_vcpu *vcpu, uint64_t number, int64_t result, unsigned error,
                              const void *output, size_t size);

/**
 * hwaccl_trace_thread_irq_line - record a change of an interrupt line: a call KVM_IRQ_LINE that returned 0
 * @vm: number of the VM, from 0
 * @gsi: the line, as KVM_IRQ_LINE numbers them, whoever has the interrupt controller; @level: 1 raised, 0 lowered
 */
bool hwaccl_trace_thread_irq_line(struct hwaccl_trace_thread *thread, uint32_t vm, uint32_t gsi, unsigned level);
bool hwaccl_trace_vcpu_irq_line(struct hwaccl_trace_vcpu *vcpu, uint32_t vm, uint32_t gsi, unsigned level);

/**
 * hwaccl_trace_thread_msi - record a message signalled interrupt: a call KVM_SIGNAL_MSI
 * @address, @data: of the message (SDM 3A, 11.11)
 * @delivered: whether a local APIC took it: the call returned 1, else 0
 */
bool hwaccl_trace_thread_msi(struct hwaccl_trace_thread *thread, uint32_t vm, uint64_t address, uint32_t data,
                             bool delivered);
bool hwaccl_trace_vcpu_msi(struct hwaccl_trace_vcpu *vcpu, uint32_t vm, uint64_t address, uint32_t data,
                           bool delivered);

/** hwaccl_trace_error - true if the recording is running; false if it has stopped, with the cause in *error (for
 * example a full disk) */
bool hwaccl_trace_error(struct hwaccl_trace *trace, struct hwaccl_error *error);

/* How the guest ended. The numbers are recorded and never change meaning. */
enum hwaccl_trace_end {
        HWACCL_TRACE_END_EXIT_CODE = 1, /* exited with a code */
        HWACCL_TRACE_END_HALTED = 2,    /* halted, and no interrupt can wake it */
        HWACCL_TRACE_END_TRIPLE_FAULT = 3,
        HWACCL_TRACE_END_RESET = 4,
        HWACCL_TRACE_END_ENTRY_FAILURE = 5, /* the processor rejected the guest state */
        HWACCL_TRACE_END_ERROR = 6,         /* error of the VMM */
        HWACCL_TRACE_END_STOPPED = 7,       /* stopped from outside */
        HWACCL_TRACE_END_POWER_OFF = 8
};

/**
 * hwaccl_trace_close - finish the recording: write the remaining exits and how the guest ended; free the handles
 * @end: enum hwaccl_trace_end; @code: exit code, if any; @message: one line, or NULL
 * @error: set if something could not be written; may be NULL
 *
 * Returns false if the recording is incomplete; what could be written is kept and marked incomplete. The handles are
 * invalid in either case.
 */
bool hwaccl_trace_close(struct hwaccl_trace *trace, unsigned end, uint64_t code, const char *message,
                        struct hwaccl_error *error);

#ifdef __cplusplus
}
#endif

#endif
