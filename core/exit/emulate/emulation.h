/* One emulation of one instruction: what the parts of the emulator hand to each other. */
#ifndef HWACCL_EMULATE_EMULATION_H
#define HWACCL_EMULATE_EMULATION_H

#include "core/exit/control_register.h"
#include "core/exit/emulate/emulator.h"
#include "core/exit/emulate/instruction.h"
#include "core/exit/guest_access.h"
#include "core/exit/task_switch.h"

/* How an instruction's execution ended. */
enum step {
        STEP_DONE,
        STEP_REPEAT,    /* a REP instruction has iterations left */
        STEP_BRANCHED,  /* RIP is where it goes on */
        STEP_RETURNED,  /* by IRET: RF too is as it goes on */
        STEP_SS_LOADED, /* by MOV or POP: interrupts are blocked until after the next instruction */
        STEP_HALT,
        STEP_TASK,        /* to emulation->task */
        STEP_EXCEPTION,   /* emulation->exception says which */
        STEP_UNSUPPORTED, /* this form of the instruction is not emulated; nothing has changed */
};

struct emulation {
        struct hwaccl_host *host;
        struct hwaccl_bus *bus;
        struct hwaccl_processor *processor;
        struct hwaccl_machine_context *context;
        const struct hwaccl_physical_memory *memory;
        const struct hwaccl_physical_memory *tables; /* the same memory, for page walks */
        struct hwaccl_fault_chain *faults;           /* of the exception that is delivered */
        const struct instruction *instruction;
        struct hwaccl_exception exception;
        struct hwaccl_task_switch task;
};

static inline enum step raise_fault(struct emulation *emulation, enum hwaccl_vector vector)
{
        emulation->exception = (struct hwaccl_exception){.vector = (uint8_t)vector};
        return STEP_EXCEPTION;
}

/* The same with an error code of 0, which real mode lacks. */
static inline enum step raise_fault_zero(struct emulation *emulation, enum hwaccl_vector vector)
{
        emulation->exception = (struct hwaccl_exception){.vector = (uint8_t)vector,
                                                         .has_error_code = emulation->context->cr0 & HWACCL_CR0_PE};
        return STEP_EXCEPTION;
}

/* memory.c: where a memory operand lies. It touches at most two pages. */
struct place {
        unsigned count;
        struct {
                uint64_t physical;
                unsigned size;
        } part[2];
};

/* Logical address to place, with every check of the processor; nothing is accessed. False with the exception set. */
bool locate(struct emulation *emulation, enum hwaccl_segment_register segment, uint64_t offset, unsigned size,
            unsigned access, struct place *place);
void place_read(struct emulation *emulation, const struct place *place, void *buffer);
void place_write(struct emulation *emulation, const struct place *place, const void *data);
uint64_t place_read_number(struct emulation *emulation, const struct place *place);
void place_write_number(struct emulation *emulation, const struct place *place, uint64_t value);

/* A linear read by the processor itself (TSS). */
bool implicit_read(struct emulation *emulation, uint64_t linear, void *buffer, unsigned size);

/* operand.c */
uint64_t register_read(const struct hwaccl_machine_context *context, unsigned number, unsigned size);
void register_write(struct hwaccl_machine_context *context, unsigned number, unsigned size, uint64_t value);
uint64_t effective_address(const struct emulation *emulation);
uint64_t operand_read_plain(const struct emulation *emulation, const struct operand *operand);
void operand_write_plain(struct emulation *emulation, const struct operand *operand, uint64_t value);
bool operand_locate(struct emulation *emulation, const struct operand *operand, unsigned access, struct place *place);
bool operand_read(struct emulation *emulation, const struct operand *operand, uint64_t *value);
bool operand_write(struct emulation *emulation, const struct operand *operand, uint64_t value);

/* data.c: a destination that is read, changed and written back */
struct destination {
        const struct operand *operand;
        struct place place;
};
bool destination_open(struct emulation *emulation, const struct operand *operand, struct destination *destination,
                      uint64_t *value);
void destination_write(struct emulation *emulation, const struct destination *destination, uint64_t value);
int64_t sign_extend(uint64_t value, unsigned size);

/* stack.c: RSP-like pointers, which keep what lies above the stack's address size */
uint64_t stack_move(const struct emulation *emulation, uint64_t pointer, uint64_t bytes);
bool stack_locate(struct emulation *emulation, uint64_t pointer, unsigned size, unsigned access, struct place *place);
bool stack_locate_push(struct emulation *emulation, uint64_t *pointer, unsigned size, struct place *place);
bool stack_read(struct emulation *emulation, uint64_t pointer, unsigned size, uint64_t *value);
/* the flags that POPF and IRET to the same level load */
void load_flags(struct hwaccl_machine_context *context, uint64_t value, unsigned size);

/* branch.c: #GP unless @rip lies in the segment */
bool branch_allowed(struct emulation *emulation, const struct hwaccl_segment *code, bool code_64, uint64_t rip);

/* segment.c: false with the exception set */
struct descriptor;
enum step raise_fault_code(struct emulation *emulation, enum hwaccl_vector vector, uint32_t error_code);
bool find_segment(struct emulation *emulation, enum hwaccl_segment_register number, uint16_t selector,
                  struct hwaccl_segment *segment); /* what a selector gives; the register is not yet loaded */
bool read_descriptor(struct emulation *emulation, uint16_t selector, struct descriptor *descriptor);
bool set_accessed(struct emulation *emulation, struct descriptor *descriptor);
bool read_far_pointer(struct emulation *emulation, uint64_t *offset, uint16_t *selector);

/* task.c */
struct hwaccl_task_debug debug_registers(struct emulation *emulation);
enum hwaccl_outcome switch_tasks(struct emulation *emulation, const struct hwaccl_task_switch *task,
                                 const char **refusal);
enum hwaccl_outcome task_switch_exit(struct emulation *emulation, const struct hwaccl_subject_state *state,
                                     struct hwaccl_error *error);

/* arithmetic.c: ZF, SF and PF of a result; and the result with the status flags of *rflags replaced */
#define STATUS_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)
uint64_t result_flags(uint64_t result, unsigned size);
uint64_t arithmetic(enum operation operation, uint64_t destination, uint64_t source, unsigned size, uint64_t *rflags);

/* port.c */
bool port_allowed(struct emulation *emulation, uint16_t port, unsigned size);

/* One function per kind of instruction. */
enum step execute_arithmetic(struct emulation *emulation);
enum step execute_unary(struct emulation *emulation);
enum step execute_bit(struct emulation *emulation);
enum step execute_shift(struct emulation *emulation);
enum step execute_double_shift(struct emulation *emulation);
enum step execute_multiply(struct emulation *emulation);
enum step execute_multiply_register(struct emulation *emulation);
enum step execute_divide(struct emulation *emulation);
enum step execute_bit_scan(struct emulation *emulation);
bool condition_holds(unsigned condition, uint64_t flags); /* as in the opcode */
enum step execute_set_condition(struct emulation *emulation);
enum step execute_move_condition(struct emulation *emulation);
enum step execute_move_swapped(struct emulation *emulation);
enum step execute_move(struct emulation *emulation);
enum step execute_exchange(struct emulation *emulation);
enum step execute_exchange_add(struct emulation *emulation);
enum step execute_compare_exchange(struct emulation *emulation);
enum step execute_compare_exchange_pair(struct emulation *emulation);
enum step execute_push(struct emulation *emulation);
enum step execute_pop(struct emulation *emulation);
enum step execute_bound(struct emulation *emulation);
enum step execute_push_flags(struct emulation *emulation);
enum step execute_pop_flags(struct emulation *emulation);
enum step execute_push_all(struct emulation *emulation);
enum step execute_pop_all(struct emulation *emulation);
enum step execute_enter(struct emulation *emulation);
enum step execute_leave(struct emulation *emulation);
enum step execute_call(struct emulation *emulation);
enum step execute_jump(struct emulation *emulation);
enum step execute_return(struct emulation *emulation);
enum step execute_call_far(struct emulation *emulation);
enum step execute_jump_far(struct emulation *emulation);
enum step execute_return_far(struct emulation *emulation);
enum step execute_interrupt_return(struct emulation *emulation);
enum step execute_check_segment(struct emulation *emulation);
enum step execute_move_to_segment(struct emulation *emulation);
enum step execute_pop_segment(struct emulation *emulation);
enum step execute_load_far_pointer(struct emulation *emulation);
enum step execute_load_system_segment(struct emulation *emulation);
enum step execute_store_table(struct emulation *emulation);
enum step execute_load_table(struct emulation *emulation);
enum step execute_store_word(struct emulation *emulation);
enum step execute_x87(struct emulation *emulation);
enum step execute_vector(struct emulation *emulation);
enum step execute_string(struct emulation *emulation);
enum step execute_in(struct emulation *emulation);
enum step execute_out(struct emulation *emulation);
enum step execute_cpuid(struct emulation *emulation);
enum step execute_rdmsr(struct emulation *emulation);
enum step execute_wrmsr(struct emulation *emulation);
enum step execute_hlt(struct emulation *emulation);
enum step execute_rdtsc(struct emulation *emulation);
enum step execute_invlpg(struct emulation *emulation);
enum step execute_cache_control(struct emulation *emulation);
enum step execute_pause(struct emulation *emulation);
enum step execute_rdpmc(struct emulation *emulation);
enum step execute_absent(struct emulation *emulation);
enum step execute_control_register(struct emulation *emulation);
enum step execute_debug_register(struct emulation *emulation);

#endif
