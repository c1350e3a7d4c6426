/*
 * The two transfers of the subject state: machine context to subject state page before an entry, and back after an
 * exit. Control registers are split on the way in (the guest's value into the shadow, the value with the VMM's bits
 * forced into the real register) and put together again on the way out.
 */
#ifndef HWACCL_TRANSFER_H
#define HWACCL_TRANSFER_H

#include "core/subject/machine_context.h"
#include "hwaccl/error.h"
#include "hwaccl/subject_state.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * hwaccl_subject_state_check - whether a processor can have left this state
 *
 * False with *error set for an interruptibility state that is, NMI aside, neither 0, STI nor MOV SS, reserved access
 * rights, a selector or a descriptor table's limit of more than 16 bits, an unusable CS, a TR that is not a busy TSS
 * (type 3 or 11, S clear, P set: SDM 3C, 27.3.1.2), an instruction of more than 15 bytes. Exit reasons are checked by
 * exit dispatch.
 */
bool hwaccl_subject_state_check(const struct hwaccl_subject_state *state, struct hwaccl_error *error);

/**
 * hwaccl_subject_state_check_owner - whether the VMM's bits are unchanged
 *
 * False with *error set when bits of CR0 or CR4 are not as transfer in left them (HWACCL_CR0_MASK, HWACCL_CR4_MASK,
 * bits 63:32), or a fixed bit of RFLAGS is wrong. For states written by a peer: a state that was assembled
 * from a trace may lack all three.
 */
bool hwaccl_subject_state_check_owner(const struct hwaccl_subject_state *state, struct hwaccl_error *error);

/** hwaccl_tr_is_busy, hwaccl_tr_refuse - the rule for TR, which also applies to transfer in; the second sets its error
 * and returns false */
bool hwaccl_tr_is_busy(const struct hwaccl_segment *tr);
bool hwaccl_tr_refuse(const struct hwaccl_segment *tr, struct hwaccl_error *error);

/** hwaccl_cr0_guest, hwaccl_cr4_guest - what the guest reads: the shadow where the VMM owns the bit, else the real one
 */
uint64_t hwaccl_cr0_guest(const struct hwaccl_subject_state *state);
uint64_t hwaccl_cr4_guest(const struct hwaccl_subject_state *state);

/** hwaccl_cr0_put, hwaccl_cr4_put - set the guest's value: the read shadow holds it, the real register has NE set and
 * NW and CD clear (CR0), or VMXE set (CR4) */
void hwaccl_cr0_put(struct hwaccl_subject_state *state, uint64_t value);
void hwaccl_cr4_put(struct hwaccl_subject_state *state, uint64_t value);

/**
 * hwaccl_transfer_interruptibility - the interruptibility state that the next transfer in will leave
 *
 * Blocking by STI or MOV SS ends when RIP has moved on.
 */
uint64_t hwaccl_transfer_interruptibility(const struct hwaccl_machine_context *context,
                                          const struct hwaccl_subject_state *state);

/**
 * hwaccl_transfer_in - machine context to subject state
 *
 * Exit information (reason, qualification …) in @state is unchanged. Blocking at an RIP that was left is cleared in
 * the context. Returns false with *error set when TR is not a busy TSS. A context whose FPU was used by the recompiler,
 * or whose segment registers are not valid, violates an invariant.
 */
bool hwaccl_transfer_in(struct hwaccl_machine_context *context, struct hwaccl_subject_state *state,
                        struct hwaccl_error *error);

/**
 * hwaccl_transfer_out - subject state to machine context
 *
 * Changes are added to context->changed; global TLB flush and hidden selectors always. Returns false with
 * *error set, and the context as it was, when the state breaks the ABI (hwaccl_subject_state_check()).
 */
bool hwaccl_transfer_out(const struct hwaccl_subject_state *state, struct hwaccl_machine_context *context,
                         struct hwaccl_error *error);

#endif
