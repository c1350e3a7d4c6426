/*
 * Stable ABI: the interface of libhwaccl-replay. A VMM that records its exits (hwaccl/trace.h) replays the recording
 * through its own exit handler: in a test program, without guest, images or virtualization. What the handler does is
 * compared with what it did when the recording was made; differences are explained in the words of `hwaccl replay`.
 * Functions are only added, handles are opaque, and structures that the library fills in grow at their end.
 *
 * The loop of a test program; VMM is what the VMM calls its devices, and handle() its exit handler:
 *
 *         struct hwaccl_session *session = hwaccl_session_open("vmm.db", 0, &error);
 *         if (!session || !hwaccl_session_load(session, 0, &error))
 *                 ...                                     error.message says why
 *         if (hwaccl_session_snapshot(session, "devices", &data, &size))
 *                 ...                                     the VMM's state; none: it is as after the VMM's start
 *         while (hwaccl_session_step(session, &exit, &error) == HWACCL_SESSION_EXIT) {
 *                 handle(VMM, exit);                      calls hwaccl_session_input(), _effect() and _irq()
 *                 if (!hwaccl_session_handled(session, HWACCL_OUTCOME_COMPLETED, NULL))
 *                         hwaccl_session_explain(session, stderr);
 *         }
 *
 * The handler calls hwaccl_session_input() where it calls hwaccl_trace_vcpu_input() when it records: for each value
 * from outside, in the same order. It calls hwaccl_session_effect() where it calls hwaccl_trace_vcpu_effect(), and
 * hwaccl_session_irq() for hwaccl_trace_vcpu_irq_offered() or _injected(). It must depend on nothing else but its own
 * state, the exit, and these inputs: guest memory that it reads is an input, HWACCL_TRACE_INPUT_MEMORY.
 *
 * A difference does not end the replay. The handler goes on with the recorded inputs, and the next exit is the recorded
 * one; if the VMM's state has become another, later exits may differ too.
 *
 * What a recording does not have is not compared: registers after the handling if entries were recorded without state,
 * outcomes that were unknown. Of an exit during whose handling the recording ends, only what is recorded is compared.
 *
 * A session is for one vCPU. A process may have any number; they share no state. The functions of one session may be
 * called by one thread at a time. A recording is opened read-only and not trusted: everything in it is checked, and
 * damage is an error. All functions accept a NULL session and then do nothing, and return false, 0 or
 * HWACCL_SESSION_FAILED.
 */
#ifndef HWACCL_SESSION_H
#define HWACCL_SESSION_H

#include "hwaccl/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hwaccl_session;

/** hwaccl_session_version - version of the loaded library, such as "0.1.0" (static string) */
const char *hwaccl_session_version(void);

/**
 * hwaccl_session_open - open a recording for the replay of one vCPU
 * @path: of the database; it is not changed
 * @vcpu: its number, usually 0
 * @error: set on failure; may be NULL
 *
 * Returns NULL if the file is not a recording of another VMM than hwaccl, is damaged or newer than the library, or has
 * no such vCPU. The first step is that of exit 0, with the VMM in the state in which it enters the guest first. The
 * caller closes the session with hwaccl_session_close().
 */
struct hwaccl_session *hwaccl_session_open(const char *path, uint32_t vcpu, struct hwaccl_error *error);
void hwaccl_session_close(struct hwaccl_session *session);

/** hwaccl_session_vmm - name and version of the VMM that recorded; valid until the session is closed */
const char *hwaccl_session_vmm(const struct hwaccl_session *session);

/**
 * hwaccl_session_load - continue at the nearest exit, at or before @exit, before which the VMM recorded its state
 *
 * Forwards or backwards. The VMM then takes its state from hwaccl_session_snapshot(); hwaccl_session_next() is the exit
 * at which it stands. For exit 0 no state is needed: without one, the VMM begins as it did when it recorded. Returns
 * false with *error set if there is no such exit, or no state at or before it (hwaccl_trace_vcpu_snapshot()); the
 * session then stands where it stood.
 */
bool hwaccl_session_load(struct hwaccl_session *session, uint64_t exit, struct hwaccl_error *error);

/**
 * hwaccl_session_snapshot - a part of the VMM's state, as given to hwaccl_trace_vcpu_snapshot()
 * @name: of the part
 * @data, @size: set; aligned for any type, valid until the next hwaccl_session_load() or _close()
 *
 * Returns false if there is no part of that name. Its contents come from the file: the VMM checks them.
 */
bool hwaccl_session_snapshot(const struct hwaccl_session *session, const char *name, const void **data, size_t *size);

/** hwaccl_session_next - number of the exit that the next step hands over */
uint64_t hwaccl_session_next(const struct hwaccl_session *session);

/* One access of an exit to a port or to a device in memory. */
struct hwaccl_session_access {
        bool memory;      /* a device in memory; else a port */
        bool write;       /* the guest wrote data; else it reads, and the handler answers with an effect */
        uint32_t size;    /* bytes of one access; 0: not known */
        uint32_t count;   /* of accesses, one after the other: more than 1 for string instructions with REP */
        uint64_t address; /* port, or guest-physical address */
        const void *data; /* what the guest wrote, size * count bytes; NULL for a read, or if it is not known */
};

/* An exit. Pointers are valid until the session moves. */
struct hwaccl_session_exit {
        uint64_t number;
        struct hwaccl_trace_state entry; /* state at the entry before it */
        struct hwaccl_trace_state state; /* at the exit, with its reason and qualification */
        bool offered;                    /* a vector was offered before the entry */
        uint8_t vector;
        bool settled; /* it is known whether the guest took it */
        bool taken;
        bool kvm_run_known;
        struct hwaccl_kvm_run kvm_run;              /* at the exit */
        uint32_t access_count;                      /* 0 without port or MMIO accesses and coalesced writes */
        const struct hwaccl_session_access *access; /* in order: coalesced writes come before the exit's own access */
};

enum hwaccl_session_step {
        HWACCL_SESSION_EXIT = 0,   /* *exit is the next exit */
        HWACCL_SESSION_END = 1,    /* there are no more */
        HWACCL_SESSION_FAILED = 2, /* the recording is damaged here: *error says where */
};

/**
 * hwaccl_session_step - hand over the next exit; it ends the handling of the one before, if hwaccl_session_handled()
 * was not called, with an unknown outcome
 * @exit: set where HWACCL_SESSION_EXIT is returned
 *
 * After HWACCL_SESSION_FAILED, hwaccl_session_load() may find an exit from which to go on.
 */
enum hwaccl_session_step hwaccl_session_step(struct hwaccl_session *session, const struct hwaccl_session_exit **exit,
                                             struct hwaccl_error *error);

/**
 * hwaccl_session_input - ask for what the handler read from outside
 * @kind: enum hwaccl_trace_input, but not _PORT_WRITE to _KVM_EXIT, which step hands over or passes over; @address: as
 * there
 * @value: set; may be NULL
 * @data, @size: room for the data, *size bytes; *size is set to the number of bytes that were recorded, at most the
 * room. The rest of the room is zeroed. NULL if the kind has none
 *
 * Returns false if the recording has another input here, which is a difference; *value and the data are then 0. If only
 * the address or the number of bytes is another, that is a difference too, and the recorded value is given. For the
 * console the room may be larger than what was typed.
 */
bool hwaccl_session_input(struct hwaccl_session *session, unsigned kind, uint64_t address, uint64_t *value, void *data,
                          size_t *size);

/** hwaccl_session_has_input - whether the next recorded input is of this kind and address, for inputs that the VMM
 * records only if there is something, such as typed characters */
bool hwaccl_session_has_input(const struct hwaccl_session *session, unsigned kind, uint64_t address);

/** hwaccl_session_effect - tell what the handler did; arguments as for hwaccl_trace_vcpu_effect(). Returns false, and
 * compares nothing, if no exit is being handled or an argument is out of range */
bool hwaccl_session_effect(struct hwaccl_session *session, unsigned kind, uint64_t address, uint64_t value,
                           const void *data, size_t size);

/** hwaccl_session_irq - tell which vector is offered or injected before the next entry; if there are several, the last
 * one counts. Compared with the exit that the next step hands over */
bool hwaccl_session_irq(struct hwaccl_session *session, uint8_t vector);

/**
 * hwaccl_session_handled - end the handling of the exit, and compare
 * @outcome: enum hwaccl_outcome, or HWACCL_TRACE_OUTCOME_UNKNOWN: not compared
 * @state: as for the hwaccl_trace_vcpu_entry() that follows: known fields are compared with the recorded ones. May be
 * NULL
 *
 * Returns true if there is no difference. False for a difference, or if no exit is being handled.
 */
bool hwaccl_session_handled(struct hwaccl_session *session, unsigned outcome, const struct hwaccl_trace_state *state);

/** hwaccl_session_exits, hwaccl_session_divergences - exits that were handled, and those of them with a difference,
 * since the session was opened */
uint64_t hwaccl_session_exits(const struct hwaccl_session *session);
uint64_t hwaccl_session_divergences(const struct hwaccl_session *session);

/* A difference; texts are valid until the session moves. They are safe to print. */
struct hwaccl_session_difference {
        const char *what; /* "effect 0", "input 1", "outcome", "rax", "offered vector" … */
        const char *recorded;
        const char *replayed;
};

/** hwaccl_session_difference - difference @index, from 0, of the exit that was handled last; false if there are no more
 */
bool hwaccl_session_difference(const struct hwaccl_session *session, unsigned index,
                               struct hwaccl_session_difference *difference);

/** hwaccl_session_explain - print the differences of the exit that was handled last: a line for the exit with its
 * reason, access and RIP, then a line for each. Prints nothing if there are none */
void hwaccl_session_explain(const struct hwaccl_session *session, FILE *out);

#ifdef __cplusplus
}
#endif

#endif
