/* What a virtual CPU is made of. */
#ifndef HWACCL_VCPU_INTERNAL_H
#define HWACCL_VCPU_INTERNAL_H

#include "core/host/host.h"
#include "core/loop/vcpu.h"
#include "core/subject/machine_context.h"

struct hwaccl_vcpu {
        struct hwaccl_subject_state own_state __attribute__((aligned(64)));
        struct hwaccl_machine_context context;
        struct hwaccl_subject_state *state;        /* the subject state page: own_state, or a shared one */
        struct hwaccl_pending_interrupts *pending; /* the pending-interrupts page: own_pending, or a shared one */
        struct hwaccl_trap_manager traps;
        struct hwaccl_host host;
        struct hwaccl_accel *accel; /* not owned */
        uint64_t exit_count;
        /* called at the end of every trip: the recompiler's code cache must be flushed. NULL: there is no recompiler */
        void (*recompiler_flush)(void *opaque);
        void *recompiler;

        /* what handles exits; NULL where the pages are shared */
        struct hwaccl_machine *machine; /* not owned */
        struct hwaccl_board *board;     /* the machine's */
        struct hwaccl_emulator *emulator;
        struct hwaccl_pending_interrupts own_pending;
};

/** hwaccl_vcpu_init - at reset, nothing attached; NULL for @state and @pending: pages of its own */
void hwaccl_vcpu_init(struct hwaccl_vcpu *vcpu, struct hwaccl_subject_state *state,
                      struct hwaccl_pending_interrupts *pending, struct hwaccl_interrupt_source *source);

#endif
