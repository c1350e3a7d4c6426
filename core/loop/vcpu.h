/*
 * The virtual CPU: one trip round the loop (transfer in, IRQ offer, run, dispatch, transfer out, IRQ reclaim), and what
 * follows an exit, until the guest ends.
 */
#ifndef HWACCL_VCPU_H
#define HWACCL_VCPU_H

#include "core/accel/accel.h"
#include "core/host/inputs.h"
#include "core/host/probe.h"
#include "core/irq/trap_manager.h"
#include "hwaccl/error.h"
#include "hwaccl/event.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/subject_state.h"

struct hwaccl_machine;
struct hwaccl_vcpu;

/**
 * hwaccl_vcpu_create - the virtual CPU of a machine, at the state of the configured entry
 *
 * Returns NULL with *error set when memory is short or the decoder cannot be had. The machine, which has one vCPU,
 * must outlive it. Attach an accelerator and inputs before running.
 */
struct hwaccl_vcpu *hwaccl_vcpu_create(struct hwaccl_machine *machine, struct hwaccl_error *error);

/**
 * hwaccl_vcpu_create_shared - a virtual CPU without a machine, at reset: for hwaccl_vcpu_trip() only
 * @state, @pending: pages that are shared with the side that runs the guest; must outlive the vCPU
 * @source: the interrupt controller; NULL: none
 */
struct hwaccl_vcpu *hwaccl_vcpu_create_shared(struct hwaccl_subject_state *state,
                                              struct hwaccl_pending_interrupts *pending,
                                              struct hwaccl_interrupt_source *source, struct hwaccl_error *error);
void hwaccl_vcpu_destroy(struct hwaccl_vcpu *vcpu);

/** hwaccl_vcpu_attach - set accelerator, inputs and probe (NULL: none). None is owned; all must outlive the run
 */
void hwaccl_vcpu_attach(struct hwaccl_vcpu *vcpu, struct hwaccl_accel *accel, struct hwaccl_inputs *inputs,
                        struct hwaccl_probe *probe);

/** hwaccl_vcpu_attach_console - output of the guest's console, in addition to the probe; NULL: none */
void hwaccl_vcpu_attach_console(struct hwaccl_vcpu *vcpu,
                                void (*console)(void *opaque, enum hwaccl_channel channel, const void *data,
                                                size_t size),
                                void *opaque);

/**
 * hwaccl_vcpu_step - one trip and the handling of its exit, wait of a halted guest included
 *
 * Order within an exit: devices are advanced to the guest clock; after an external interrupt, typed characters are
 * taken; the verdict is carried out; a halted guest waits; a stop request is checked; the end, if any, is reported to
 * the probe as an effect; the probe's handled() comes last. If the accelerator fails, there is no exit.
 *
 * Returns false when the guest has ended: hwaccl_machine_end() says how. *error is set for HWACCL_END_ERROR and
 * HWACCL_END_ENTRY_FAILURE.
 */
bool hwaccl_vcpu_step(struct hwaccl_vcpu *vcpu, struct hwaccl_error *error);

/** hwaccl_vcpu_run - step until the guest has ended, then hand the closing state to the probe */
enum hwaccl_end hwaccl_vcpu_run(struct hwaccl_vcpu *vcpu, struct hwaccl_error *error);

/** hwaccl_vcpu_close - give the probe the state after the last exit's handling (transfer in without a run). Returns
 * false with *error set when no guest can be entered with it */
bool hwaccl_vcpu_close(struct hwaccl_vcpu *vcpu, struct hwaccl_error *error);

/**
 * hwaccl_vcpu_trip - one trip round the loop, for those who handle exits themselves
 *
 * On return the machine context holds the guest as the exit left it (after a handled control-register access: past the
 * instruction), and *verdict is the decision. Returns false with *error set if the accelerator could not run
 * the guest, the state breaks the ABI, or the host failed.
 */
bool hwaccl_vcpu_trip(struct hwaccl_vcpu *vcpu, const struct hwaccl_run_request *request, enum hwaccl_verdict *verdict,
                      struct hwaccl_error *error);

/** hwaccl_vcpu_exit_count - exits so far: number of the next exit, from 0 */
uint64_t hwaccl_vcpu_exit_count(const struct hwaccl_vcpu *vcpu);

/** hwaccl_vcpu_clock - guest clock of the exit being handled, ns since the guest started */
uint64_t hwaccl_vcpu_clock(const struct hwaccl_vcpu *vcpu);

/** hwaccl_vcpu_state - the subject state page */
const struct hwaccl_subject_state *hwaccl_vcpu_state(const struct hwaccl_vcpu *vcpu);

/** hwaccl_vcpu_host_failed - did an input, or something else of the host, fail? The guest ends at this exit */
bool hwaccl_vcpu_host_failed(const struct hwaccl_vcpu *vcpu);

/* For a replay, which follows its recording. */

/** hwaccl_vcpu_load_state - stand where a recording stands: the state page and, by a transfer out, the machine context
 * := @state, no interrupt pending. Returns false with *error set, the context as it was, when the state breaks the ABI
 */
bool hwaccl_vcpu_load_state(struct hwaccl_vcpu *vcpu, const struct hwaccl_subject_state *state,
                            struct hwaccl_error *error);

/** hwaccl_vcpu_resume - go on although the guest ended, halted or the host failed */
void hwaccl_vcpu_resume(struct hwaccl_vcpu *vcpu);

#endif
