/*
 * Instruction emulation: the one instruction that exited, decoded by Capstone and cached, executed on the machine
 * context through the bus and guest memory.
 */
#ifndef HWACCL_EMULATOR_H
#define HWACCL_EMULATOR_H

#include "core/host/host.h"
#include "core/machine/board/bus.h"
#include "core/machine/cpu/processor.h"
#include "core/subject/machine_context.h"
#include "hwaccl/error.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/fault_chain.h"

struct hwaccl_emulator;

/** hwaccl_emulator_create - NULL with *error set when memory or Capstone is missing; destroy accepts NULL */
struct hwaccl_emulator *hwaccl_emulator_create(struct hwaccl_host *host, struct hwaccl_bus *bus,
                                               struct hwaccl_processor *processor, struct hwaccl_error *error);
void hwaccl_emulator_destroy(struct hwaccl_emulator *emulator);

/**
 * hwaccl_emulator_run - emulate the instruction at CS:RIP of the context
 * @state: the subject state at the exit: reason, qualification and length are checked against the decoded instruction
 *
 * A REP instruction does at most HWACCL_EMULATE_REPEAT_MAX iterations, and then returns HWACCL_OUTCOME_REPEATING with
 * RIP still at it. HWACCL_OUTCOME_FAILED sets *error to one line with address, bytes and disassembly. A guest-memory
 * operand that is RAM is an input or effect, one that is not goes to the bus.
 */
enum hwaccl_outcome hwaccl_emulator_run(struct hwaccl_emulator *emulator, struct hwaccl_machine_context *context,
                                        const struct hwaccl_subject_state *state, struct hwaccl_error *error);

#define HWACCL_EMULATE_REPEAT_MAX 256

/** hwaccl_emulator_faults - deliveries of the last exception: after HWACCL_OUTCOME_TRIPLE_FAULT, what led to it */
const struct hwaccl_fault_chain *hwaccl_emulator_faults(const struct hwaccl_emulator *emulator);

/**
 * hwaccl_instruction_describe - "out dx, al" for bytes at an address; never fails: unknown bytes become "(bad)"
 * @code_bits: 16, 32 or 64
 */
void hwaccl_instruction_describe(const void *bytes, size_t size, uint64_t address, unsigned code_bits, char *text,
                                 size_t room);

/** hwaccl_instruction_disassemble - the same without a per-thread cache. Returns its length, 0 for unknown bytes */
unsigned hwaccl_instruction_disassemble(const void *bytes, size_t size, uint64_t address, unsigned code_bits,
                                        char *text, size_t room);

/** hwaccl_instruction_decoder_version - of the Capstone that is loaded, not of its headers */
void hwaccl_instruction_decoder_version(unsigned *major, unsigned *minor);

#endif
