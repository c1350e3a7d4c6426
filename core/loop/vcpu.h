/*
 * The virtual CPU and one trip round the loop: transfer in, IRQ offer, run, dispatch, transfer out, IRQ reclaim.
 */
#ifndef HWACCL_VCPU_H
#define HWACCL_VCPU_H

#include "core/accel/accel.h"
#include "core/host/host.h"
#include "core/irq/trap_manager.h"
#include "core/subject/machine_context.h"
#include "hwaccl/error.h"
#include "hwaccl/exit_reason.h"

/* CR0 and CR4 bits that belong to the VMM (guest/host masks). */
#define HWACCL_CR0_MASK UINT64_C(0x60000020) /* NE, NW, CD */
#define HWACCL_CR4_MASK UINT64_C(0x2000)     /* VMXE */

struct hwaccl_vcpu {
        struct hwaccl_machine_context context;
        struct hwaccl_subject_state *state;        /* the subject state page; not owned */
        struct hwaccl_pending_interrupts *pending; /* the pending-interrupts page; not owned */
        struct hwaccl_trap_manager traps;
        struct hwaccl_accel *accel; /* not owned */
        struct hwaccl_host *host;   /* not owned */
        uint64_t exit_count;        /* trips made: the next exit's number, counted from 0 */
        /* called at the end of every trip: the recompiler's code cache must be flushed. NULL: there is no recompiler */
        void (*recompiler_flush)(void *opaque);
        void *recompiler;
};

void hwaccl_vcpu_init(struct hwaccl_vcpu *vcpu, struct hwaccl_subject_state *state,
                      struct hwaccl_pending_interrupts *pending, struct hwaccl_accel *accel, struct hwaccl_host *host,
                      struct hwaccl_interrupt_source *source);

/**
 * hwaccl_vcpu_run - one trip round the loop
 *
 * On return the machine context holds the guest as the exit left it (after a handled control-register access: past the
 * instruction), and *verdict says what is to be done. Returns false with *error set when the accelerator could not run
 * the guest, the state breaks the ABI, or the host failed.
 */
bool hwaccl_vcpu_run(struct hwaccl_vcpu *vcpu, const struct hwaccl_run_request *request, enum hwaccl_verdict *verdict,
                     struct hwaccl_error *error);

#endif
