/* The emulator: fetch, look up or decode, execute, and turn the result into an outcome. */
#include "core/exit/emulate/emulator.h"

#include "core/exit/emulate/emulation.h"
#include "core/exit/registers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_SLOTS 1024u
#define PAGE        4096u
#define DR6_BS      UINT64_C(0x4000)

struct hwaccl_emulator {
        struct hwaccl_host *host;
        struct hwaccl_bus *bus;
        struct hwaccl_processor *processor;
        struct hwaccl_physical_memory memory; /* the host's, for event delivery */
        struct hwaccl_physical_memory tables; /* the same, for page walks */
        struct hwaccl_fault_chain faults;
        struct decoder decoder;
        struct instruction cache[CACHE_SLOTS];
};

static bool physical_read(void *opaque, uint64_t address, void *buffer, size_t size)
{
        return hwaccl_host_guest_memory_read(opaque, address, buffer, size);
}

static bool table_read(void *opaque, uint64_t address, void *buffer, size_t size)
{
        return hwaccl_host_table_read(opaque, address, buffer, size);
}

static void table_walked(void *opaque, const struct hwaccl_table_entry *entry, size_t count, uint32_t size)
{
        hwaccl_host_table_walked(opaque, entry, count, size);
}

static bool physical_write(void *opaque, uint64_t address, const void *data, size_t size)
{
        return hwaccl_host_guest_memory_write(opaque, address, data, size);
}

struct hwaccl_emulator *hwaccl_emulator_create(struct hwaccl_host *host, struct hwaccl_bus *bus,
                                               struct hwaccl_processor *processor, struct hwaccl_error *error)
{
        struct hwaccl_emulator *emulator = calloc(1, sizeof(*emulator));

        if (!emulator) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        emulator->host = host;
        emulator->bus = bus;
        emulator->processor = processor;
        emulator->memory =
                (struct hwaccl_physical_memory){.read = physical_read, .write = physical_write, .opaque = host};
        emulator->tables = (struct hwaccl_physical_memory){
                .read = table_read, .write = physical_write, .walked = table_walked, .opaque = host};
        if (!decoder_open(&emulator->decoder, error)) {
                free(emulator);
                return NULL;
        }
        return emulator;
}

void hwaccl_emulator_destroy(struct hwaccl_emulator *emulator)
{
        if (!emulator)
                return;
        decoder_close(&emulator->decoder);
        free(emulator);
}

/* What each operation is executed by, and the exit reason that belongs to it (none: EPT violations only). */
static const struct {
        enum step (*execute)(struct emulation *emulation);
        uint8_t exit_reason;
        bool lockable; /* LOCK is allowed when the destination is memory */
} operations[OPERATION_COUNT] = {
        [OPERATION_ADD] = {execute_arithmetic, 0, true},
        [OPERATION_OR] = {execute_arithmetic, 0, true},
        [OPERATION_ADC] = {execute_arithmetic, 0, true},
        [OPERATION_SBB] = {execute_arithmetic, 0, true},
        [OPERATION_AND] = {execute_arithmetic, 0, true},
        [OPERATION_SUB] = {execute_arithmetic, 0, true},
        [OPERATION_XOR] = {execute_arithmetic, 0, true},
        [OPERATION_CMP] = {execute_arithmetic, 0, false},
        [OPERATION_TEST] = {execute_arithmetic, 0, false},
        [OPERATION_INC] = {execute_unary, 0, true},
        [OPERATION_DEC] = {execute_unary, 0, true},
        [OPERATION_NOT] = {execute_unary, 0, true},
        [OPERATION_NEG] = {execute_unary, 0, true},
        [OPERATION_BT] = {execute_bit, 0, false},
        [OPERATION_BTS] = {execute_bit, 0, true},
        [OPERATION_BTR] = {execute_bit, 0, true},
        [OPERATION_BTC] = {execute_bit, 0, true},
        [OPERATION_ROL] = {execute_shift, 0, false},
        [OPERATION_ROR] = {execute_shift, 0, false},
        [OPERATION_RCL] = {execute_shift, 0, false},
        [OPERATION_RCR] = {execute_shift, 0, false},
        [OPERATION_SHL] = {execute_shift, 0, false},
        [OPERATION_SHR] = {execute_shift, 0, false},
        [OPERATION_SAR] = {execute_shift, 0, false},
        [OPERATION_SHLD] = {execute_double_shift, 0, false},
        [OPERATION_SHRD] = {execute_double_shift, 0, false},
        [OPERATION_MUL] = {execute_multiply, 0, false},
        [OPERATION_IMUL] = {execute_multiply, 0, false},
        [OPERATION_IMUL_REGISTER] = {execute_multiply_register, 0, false},
        [OPERATION_DIV] = {execute_divide, 0, false},
        [OPERATION_IDIV] = {execute_divide, 0, false},
        [OPERATION_BSF] = {execute_bit_scan, 0, false},
        [OPERATION_BSR] = {execute_bit_scan, 0, false},
        [OPERATION_POPCNT] = {execute_bit_scan, 0, false},
        [OPERATION_LZCNT] = {execute_bit_scan, 0, false},
        [OPERATION_TZCNT] = {execute_bit_scan, 0, false},
        [OPERATION_SETCC] = {execute_set_condition, 0, false},
        [OPERATION_CMOVCC] = {execute_move_condition, 0, false},
        [OPERATION_XLAT] = {execute_move, 0, false},
        [OPERATION_MOVBE] = {execute_move_swapped, 0, false},
        [OPERATION_MOV] = {execute_move, 0, false},
        [OPERATION_MOVZX] = {execute_move, 0, false},
        [OPERATION_MOVSX] = {execute_move, 0, false},
        [OPERATION_XCHG] = {execute_exchange, 0, true},
        [OPERATION_XADD] = {execute_exchange_add, 0, true},
        [OPERATION_CMPXCHG] = {execute_compare_exchange, 0, true},
        [OPERATION_CMPXCHG_PAIR] = {execute_compare_exchange_pair, 0, true},
        [OPERATION_PUSH] = {execute_push, 0, false},
        [OPERATION_POP] = {execute_pop, 0, false},
        [OPERATION_BOUND] = {execute_bound, 0, false},
        [OPERATION_PUSHF] = {execute_push_flags, 0, false},
        [OPERATION_POPF] = {execute_pop_flags, 0, false},
        [OPERATION_PUSHA] = {execute_push_all, 0, false},
        [OPERATION_POPA] = {execute_pop_all, 0, false},
        [OPERATION_ENTER] = {execute_enter, 0, false},
        [OPERATION_LEAVE] = {execute_leave, 0, false},
        [OPERATION_CALL] = {execute_call, 0, false},
        [OPERATION_JMP] = {execute_jump, 0, false},
        [OPERATION_RET] = {execute_return, 0, false},
        [OPERATION_CALL_FAR] = {execute_call_far, 0, false},
        [OPERATION_JMP_FAR] = {execute_jump_far, 0, false},
        [OPERATION_RET_FAR] = {execute_return_far, 0, false},
        [OPERATION_IRET] = {execute_interrupt_return, 0, false},
        [OPERATION_LAR] = {execute_check_segment, 0, false},
        [OPERATION_LSL] = {execute_check_segment, 0, false},
        [OPERATION_VERR] = {execute_check_segment, 0, false},
        [OPERATION_VERW] = {execute_check_segment, 0, false},
        [OPERATION_MOV_TO_SEGMENT] = {execute_move_to_segment, 0, false},
        [OPERATION_POP_SEGMENT] = {execute_pop_segment, 0, false},
        [OPERATION_LOAD_FAR_POINTER] = {execute_load_far_pointer, 0, false},
        [OPERATION_LLDT] = {execute_load_system_segment, 0, false},
        [OPERATION_LTR] = {execute_load_system_segment, 0, false},
        [OPERATION_SGDT] = {execute_store_table, 0, false},
        [OPERATION_SIDT] = {execute_store_table, 0, false},
        [OPERATION_LGDT] = {execute_load_table, 0, false},
        [OPERATION_LIDT] = {execute_load_table, 0, false},
        [OPERATION_SLDT] = {execute_store_word, 0, false},
        [OPERATION_STR] = {execute_store_word, 0, false},
        [OPERATION_SMSW] = {execute_store_word, 0, false},
        [OPERATION_X87] = {execute_x87, 0, false},
        [OPERATION_VECTOR] = {execute_vector, 0, false},
        [OPERATION_MOVS] = {execute_string, 0, false},
        [OPERATION_STOS] = {execute_string, 0, false},
        [OPERATION_LODS] = {execute_string, 0, false},
        [OPERATION_CMPS] = {execute_string, 0, false},
        [OPERATION_SCAS] = {execute_string, 0, false},
        [OPERATION_INS] = {execute_string, HWACCL_EXIT_IO_INSTRUCTION, false},
        [OPERATION_OUTS] = {execute_string, HWACCL_EXIT_IO_INSTRUCTION, false},
        [OPERATION_IN] = {execute_in, HWACCL_EXIT_IO_INSTRUCTION, false},
        [OPERATION_OUT] = {execute_out, HWACCL_EXIT_IO_INSTRUCTION, false},
        [OPERATION_CPUID] = {execute_cpuid, HWACCL_EXIT_CPUID, false},
        [OPERATION_RDMSR] = {execute_rdmsr, HWACCL_EXIT_RDMSR, false},
        [OPERATION_WRMSR] = {execute_wrmsr, HWACCL_EXIT_WRMSR, false},
        [OPERATION_HLT] = {execute_hlt, HWACCL_EXIT_HLT, false},
        [OPERATION_RDTSC] = {execute_rdtsc, HWACCL_EXIT_RDTSC, false},
        [OPERATION_RDTSCP] = {execute_rdtsc, HWACCL_EXIT_RDTSCP, false},
        [OPERATION_INVLPG] = {execute_invlpg, HWACCL_EXIT_INVLPG, false},
        [OPERATION_WBINVD] = {execute_cache_control, HWACCL_EXIT_WBINVD, false},
        [OPERATION_INVD] = {execute_cache_control, HWACCL_EXIT_INVD, false},
        [OPERATION_PAUSE] = {execute_pause, HWACCL_EXIT_PAUSE, false},
        [OPERATION_RDPMC] = {execute_rdpmc, HWACCL_EXIT_RDPMC, false},
        [OPERATION_ABSENT] = {execute_absent, 0, false}, /* the reason is the instruction's */
        [OPERATION_MOV_TO_CR] = {execute_control_register, HWACCL_EXIT_CONTROL_REGISTER, false},
        [OPERATION_MOV_FROM_CR] = {execute_control_register, HWACCL_EXIT_CONTROL_REGISTER, false},
        [OPERATION_MOV_TO_DR] = {execute_debug_register, HWACCL_EXIT_MOV_DR, false},
        [OPERATION_MOV_FROM_DR] = {execute_debug_register, HWACCL_EXIT_MOV_DR, false},
        [OPERATION_CLTS] = {execute_control_register, HWACCL_EXIT_CONTROL_REGISTER, false},
        [OPERATION_LMSW] = {execute_control_register, HWACCL_EXIT_CONTROL_REGISTER, false},
};

/* An instruction's bytes on their way from guest memory. */
struct fetch {
        uint8_t bytes[INSTRUCTION_SIZE_MAX];
        unsigned size;
        uint64_t linear;
        uint64_t physical; /* of the first byte */
};

enum fetch_result { FETCHED, FETCH_FAULT, FETCH_OUTSIDE_MEMORY };

/* Append @count bytes, none of them beyond the page that they start in. */
static enum fetch_result fetch_part(struct hwaccl_emulator *emulator, struct emulation *emulation, struct fetch *fetch,
                                    unsigned count)
{
        const struct hwaccl_machine_context *context = emulation->context;
        uint64_t linear = fetch->linear + fetch->size;
        struct hwaccl_translation translation;

        if (!(context->efer & HWACCL_EFER_LMA))
                linear = (uint32_t)linear;
        if (context->cr0 & HWACCL_CR0_PG) {
                unsigned access = HWACCL_ACCESS_EXECUTE | HWACCL_ACCESS_SET_ACCESSED;
                if (hwaccl_context_cpl(context) == 3)
                        access |= HWACCL_ACCESS_USER;
                if (!hwaccl_page_walk(context, emulation->tables, linear, access, &translation, &emulation->exception))
                        return FETCH_FAULT;
        } else {
                translation.physical = linear;
        }
        if (!fetch->size)
                fetch->physical = translation.physical;
        if (!hwaccl_host_instruction_read(emulator->host, translation.physical, fetch->bytes + fetch->size, count))
                return FETCH_OUTSIDE_MEMORY;
        fetch->size += count;
        return FETCHED;
}

static unsigned page_rest(const struct fetch *fetch)
{
        return PAGE - (unsigned)((fetch->linear + fetch->size) & (PAGE - 1));
}

static unsigned smaller(unsigned a, unsigned b)
{
        return a < b ? a : b;
}

static struct instruction *cache_slot(struct hwaccl_emulator *emulator, uint64_t physical)
{
        return &emulator->cache[(physical ^ physical >> 10 ^ physical >> 20) % CACHE_SLOTS];
}

static bool slot_matches(const struct instruction *slot, const struct fetch *fetch, unsigned code_bits)
{
        return slot->physical == fetch->physical && slot->code_bits == code_bits && slot->length <= fetch->size &&
               memcmp(slot->bytes, fetch->bytes, slot->length) == 0;
}

static bool has_length(const struct hwaccl_subject_state *state)
{
        return hwaccl_exit_reason_has_length(state->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK);
}

/*
 * Fetch and decode. What is read from guest memory depends on the guest alone, never on what the cache holds: a replay
 * may start in the middle. With no length from the hardware the second page is touched only when the bytes of the first
 * are not a whole instruction. A length that the hardware leaves undefined says no more than how much to read first, as
 * recordings have it.
 */
static enum fetch_result fetch_instruction(struct hwaccl_emulator *emulator, struct emulation *emulation,
                                           const struct hwaccl_subject_state *state, struct fetch *fetch,
                                           const struct instruction **instruction)
{
        unsigned code_bits = hwaccl_context_code_bits(emulation->context);
        bool stated = state->instruction_length > 0 && state->instruction_length <= INSTRUCTION_SIZE_MAX;
        bool known = stated && has_length(state);
        unsigned wanted = stated ? (unsigned)state->instruction_length : INSTRUCTION_SIZE_MAX;

        *instruction = NULL;
        enum fetch_result result = fetch_part(emulator, emulation, fetch, smaller(wanted, page_rest(fetch)));
        while (result == FETCHED) {
                struct instruction *slot = cache_slot(emulator, fetch->physical);
                bool complete = fetch->size == wanted;
                if ((complete || !known) && slot_matches(slot, fetch, code_bits)) {
                        *instruction = slot;
                        return FETCHED;
                }
                struct instruction decoded;
                if ((complete || !known) &&
                    decoder_decode(&emulator->decoder, fetch->bytes, fetch->size, code_bits, &decoded)) {
                        decoded.physical = fetch->physical;
                        *slot = decoded;
                        *instruction = slot;
                        return FETCHED;
                }
                if (complete && (known || wanted == INSTRUCTION_SIZE_MAX))
                        return FETCHED;
                if (complete)
                        wanted = INSTRUCTION_SIZE_MAX;
                result = fetch_part(emulator, emulation, fetch, smaller(wanted - fetch->size, page_rest(fetch)));
        }
        return result;
}

/* "at 0008:00001234 (linear 0x1234): 0f a2 (cpuid)" */
static enum hwaccl_outcome fail(const struct emulation *emulation, const struct fetch *fetch,
                                struct hwaccl_error *error, const char *reason)
{
        const struct hwaccl_machine_context *context = emulation->context;
        char text[96];
        char hex[3 * INSTRUCTION_SIZE_MAX + 1] = "none";
        size_t used = 0;
        unsigned size = emulation->instruction ? emulation->instruction->length : fetch->size;

        for (unsigned i = 0; i < size; i++)
                used += (size_t)snprintf(hex + used, sizeof(hex) - used, "%s%02x", i ? " " : "", fetch->bytes[i]);
        hwaccl_instruction_describe(fetch->bytes, size, context->rip, hwaccl_context_code_bits(context), text,
                                    sizeof(text));
        hwaccl_error_set(error, "%s: instruction at %04" PRIx64 ":%08" PRIx64 " (linear 0x%" PRIx64 "), bytes %s: %s",
                         reason, context->segment[HWACCL_CS].selector, context->rip, fetch->linear, hex, text);
        return HWACCL_OUTCOME_FAILED;
}

#define IO_SIZE      UINT64_C(0x7)
#define IO_IN        UINT64_C(0x8)
#define IO_STRING    UINT64_C(0x10)
#define IO_REP       UINT64_C(0x20)
#define IO_IMMEDIATE UINT64_C(0x40)

/* The qualification that the decoded I/O instruction should have (SDM 3C, table 28-5). */
static uint64_t io_qualification(const struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        uint64_t qualification = instruction->operand_size - UINT64_C(1);
        uint64_t port = emulation->context->gpr[HWACCL_RDX] & 0xffff;
        bool string = instruction->operation == OPERATION_INS || instruction->operation == OPERATION_OUTS;

        if (instruction->operation == OPERATION_IN || instruction->operation == OPERATION_INS)
                qualification |= IO_IN;
        if (string) {
                qualification |= IO_STRING;
                if (instruction->repeat != REPEAT_NONE)
                        qualification |= IO_REP;
        } else if (instruction->operand[0].kind == OPERAND_IMMEDIATE ||
                   instruction->operand[1].kind == OPERAND_IMMEDIATE) {
                qualification |= IO_IMMEDIATE;
                port = instruction->immediate & 0xff;
        }
        return qualification | port << 16;
}

/* Is the instruction in memory the one that exited? The hardware's view of it must agree. */
static bool agrees(const struct emulation *emulation, const struct hwaccl_subject_state *state)
{
        const struct instruction *instruction = emulation->instruction;
        uint64_t reason = state->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;

        if (reason == HWACCL_EXIT_EPT_VIOLATION || reason == HWACCL_EXIT_APIC_ACCESS)
                return true;
        bool absent = instruction->operation == OPERATION_ABSENT;
        if ((absent ? instruction->exit_reason : operations[instruction->operation].exit_reason) != reason)
                return false;
        if (reason != HWACCL_EXIT_IO_INSTRUCTION)
                return true;
        uint64_t known = IO_SIZE | IO_IN | IO_STRING | IO_REP | IO_IMMEDIATE | UINT64_C(0xffff0000);
        return (state->exit_qualification & known) == io_qualification(emulation);
}

static enum hwaccl_outcome deliver(struct emulation *emulation, const struct fetch *fetch, struct hwaccl_error *error)
{
        const struct hwaccl_event event = {.kind = HWACCL_EVENT_EXCEPTION, .exception = emulation->exception};
        struct hwaccl_delivery_observer observer = {hwaccl_fault_chain_add, emulation->faults,
                                                    &emulation->host->failed};
        struct hwaccl_task_debug debug = debug_registers(emulation);
        const char *refusal;

        emulation->faults->count = 0;
        if (hwaccl_task_event(emulation->context, emulation->memory, &debug, &event, &observer, &refusal))
                return HWACCL_OUTCOME_EXCEPTION;
        return refusal ? fail(emulation, fetch, error, refusal) : HWACCL_OUTCOME_TRIPLE_FAULT;
}

/* IP does not wrap at the end of a 64-KiB segment since the 386: the next fetch is beyond the limit. EIP does at 4 GiB.
 */
static void retire(struct hwaccl_machine_context *context, const struct instruction *instruction, enum step step)
{
        if (step != STEP_BRANCHED && step != STEP_RETURNED)
                context->rip = (context->rip + instruction->length) & size_mask(instruction->code_bits == 64 ? 8 : 4);
        if (step != STEP_RETURNED)
                context->rflags &= ~RFLAGS_RF;
        context->interrupts_inhibited = false;
}

/* A single-step trap follows at once instead: no pending debug exception is kept (SDM 3A, 6.8.3). */
static void block_by_load_of_ss(struct hwaccl_machine_context *context)
{
        context->interrupts_inhibited = true;
        context->inhibited_rip = context->rip;
        context->ss_loaded = true;
}

static enum hwaccl_outcome finish(struct emulation *emulation, const struct fetch *fetch, enum step step,
                                  bool single_step, struct hwaccl_error *error)
{
        if (step == STEP_EXCEPTION)
                return deliver(emulation, fetch, error);
        if (step == STEP_UNSUPPORTED)
                return fail(emulation, fetch, error, "cannot emulate");
        if (step == STEP_TASK) {
                const char *refusal;
                enum hwaccl_outcome outcome = switch_tasks(emulation, &emulation->task, &refusal);
                return refusal ? fail(emulation, fetch, error, refusal) : outcome;
        }
        if (step == STEP_REPEAT)
                emulation->context->interrupts_inhibited =
                        false; /* blocking by STI or MOV SS covers the first iteration only */
        else
                retire(emulation->context, emulation->instruction, step);
        if (single_step) {
                emulation->processor->dr6 |= DR6_BS;
                raise_fault(emulation, HWACCL_VECTOR_DB);
                return deliver(emulation, fetch, error);
        }
        if (step == STEP_SS_LOADED)
                block_by_load_of_ss(emulation->context);
        switch (step) {
        case STEP_REPEAT: return HWACCL_OUTCOME_REPEATING;
        case STEP_HALT: return HWACCL_OUTCOME_HALTED;
        default: return HWACCL_OUTCOME_COMPLETED;
        }
}

const struct hwaccl_fault_chain *hwaccl_emulator_faults(const struct hwaccl_emulator *emulator)
{
        return &emulator->faults;
}

#define DR6_DEBUG_EXCEPTION UINT64_C(0xe00f) /* conditions of the qualification: B0 to B3, BD, BS, BT */
#define DR6_BREAKPOINTS     UINT64_C(0xf)
#define DR7_GD              UINT64_C(0x2000)

/* The processor's part of a debug exception that the accelerator leaves to us: DR6, DR7, delivery (SDM 3B, 17.2.3). */
static enum hwaccl_outcome debug_exception(struct emulation *emulation, const struct hwaccl_subject_state *state,
                                           const struct fetch *fetch, struct hwaccl_error *error)
{
        struct hwaccl_processor *processor = emulation->processor;

        processor->dr6 = (processor->dr6 & ~DR6_BREAKPOINTS) | (state->exit_qualification & DR6_DEBUG_EXCEPTION);
        processor->dr7 &= ~DR7_GD;
        (void)raise_fault(emulation, HWACCL_VECTOR_DB);
        return deliver(emulation, fetch, error);
}

enum hwaccl_outcome hwaccl_emulator_run(struct hwaccl_emulator *emulator, struct hwaccl_machine_context *context,
                                        const struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        struct emulation emulation = {
                .host = emulator->host,
                .bus = emulator->bus,
                .processor = emulator->processor,
                .context = context,
                .memory = &emulator->memory,
                .tables = &emulator->tables,
                .faults = &emulator->faults,
        };
        struct fetch fetch = {.size = 0};

        if ((state->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK) == HWACCL_EXIT_EXCEPTION_OR_NMI)
                return debug_exception(&emulation, state, &fetch, error);
        if ((state->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK) == HWACCL_EXIT_TASK_SWITCH)
                return task_switch_exit(&emulation, state, error);
        if (!hwaccl_segment_translate(context, HWACCL_CS, context->rip, 1, HWACCL_ACCESS_EXECUTE, &fetch.linear,
                                      &emulation.exception))
                return deliver(&emulation, &fetch, error);
        switch (fetch_instruction(emulator, &emulation, state, &fetch, &emulation.instruction)) {
        case FETCHED: break;
        case FETCH_FAULT: return deliver(&emulation, &fetch, error);
        case FETCH_OUTSIDE_MEMORY: return fail(&emulation, &fetch, error, "cannot execute code outside of memory");
        }

        const struct instruction *instruction = emulation.instruction;
        if (!instruction)
                return fail(&emulation, &fetch, error, "cannot decode");
        if (state->instruction_length && state->instruction_length != instruction->length && has_length(state))
                return fail(&emulation, &fetch, error, "the bytes in memory are not the instruction that exited");
        if (instruction->operation == OPERATION_NONE)
                return fail(&emulation, &fetch, error, "cannot emulate");
        if (!agrees(&emulation, state))
                return fail(&emulation, &fetch, error, "the bytes in memory are not the instruction that exited");

        bool single_step = context->rflags & RFLAGS_TF;
        enum step step;
        if (instruction->lock &&
            !(operations[instruction->operation].lockable && instruction->operand[0].kind == OPERAND_MEMORY))
                step = raise_fault(&emulation, HWACCL_VECTOR_UD);
        else
                step = operations[instruction->operation].execute(&emulation);
        return finish(&emulation, &fetch, step, single_step, error);
}
