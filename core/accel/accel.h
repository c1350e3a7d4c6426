/*
 * The accelerator: runs the guest until its next VM exit. Implemented by soft, kvm and muen, and by the replay engine,
 * which takes exits from the recording.
 */
#ifndef HWACCL_ACCEL_H
#define HWACCL_ACCEL_H

#include "core/subject/floating_point.h"
#include "core/subject/pending_interrupts.h"
#include "hwaccl/error.h"
#include "hwaccl/fault_chain.h"
#include "hwaccl/subject_state.h"

#include <stdbool.h>
#include <stdint.h>

/* Debug registers, where DR7 enables a breakpoint. */
struct hwaccl_breakpoints {
        uint64_t address[4];
        uint64_t dr7;
};

/* What the VMM asks of one run, beyond the state itself. */
struct hwaccl_run_request {
        bool interrupt_window; /* exit with reason 7 before the first instruction at which an interrupt could be taken
                                */
        uint64_t deadline_ns;  /* guest clock at which to exit with reason 52; UINT64_MAX: no timer */
        uint64_t device_page;  /* physical address of a page of device memory, which covers RAM; 0: none */
        const struct hwaccl_breakpoints *breakpoints; /* NULL: none; of accelerators without a processor's own */
};

struct hwaccl_accel;
struct hwaccl_guest_memory;

struct hwaccl_accel_ops {
        const char *name; /* "soft", "kvm", "muen", "replay" */

        /*
         * Run the guest from @state until it exits, and leave the state as VT-x would: exit reason, qualification,
         * guest-physical address, interruptibility, interrupt information, instruction length, RIP at the instruction
         * that exited, control registers with their read shadows under the masks (HWACCL_CR0_MASK, HWACCL_CR4_MASK). A
         * vector pending in @pending is delivered, and its bit cleared, as soon as the guest can take it; vector 2 is
         * an NMI, which the guest's IRET lets in. Returns false with *error set when the guest cannot be run
         * faithfully; the state is then that of the last good instruction.
         */
        bool (*run)(struct hwaccl_accel *accel, struct hwaccl_subject_state *state,
                    struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request,
                    struct hwaccl_error *error);

        /* Make a running guest exit soon (reason 1). From any thread or signal handler, at any time; a kick before
         * the run ends that run at once. */
        void (*kick)(struct hwaccl_accel *accel);

        /* How far the guest has come, in ns of a virtual clock: a function of what it executed, of nothing else.
         * UINT64_MAX: this accelerator reports no virtual time (--clock virtual is then refused). */
        uint64_t (*virtual_ns)(const struct hwaccl_accel *accel);

        /* The handler wrote [address, address + size) of guest memory: cached translations of it are stale. May be
         * NULL. */
        void (*memory_written)(struct hwaccl_accel *accel, uint64_t address, uint64_t size);

        /* Registers that the subject state lacks, for an instruction that moves them to or from a device: after a run,
         * and changed before the next one. NULL: this accelerator does not give them, which ends such a guest; false
         * with an empty *error: not at this exit */
        bool (*floating_point_read)(struct hwaccl_accel *accel, struct hwaccl_floating_point *state,
                                    struct hwaccl_error *error);
        bool (*floating_point_write)(struct hwaccl_accel *accel, const struct hwaccl_floating_point *state,
                                     struct hwaccl_error *error);

        /* What led to the triple fault with which the last run ended. NULL: the processor does not show it. */
        const struct hwaccl_fault_chain *(*faults)(const struct hwaccl_accel *accel);

        void (*destroy)(struct hwaccl_accel *accel);
};

/* Implementations embed this as their first member. */
struct hwaccl_accel {
        const struct hwaccl_accel_ops *ops;
};

#endif
