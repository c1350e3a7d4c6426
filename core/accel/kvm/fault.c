/*
 * EFAULT from KVM_RUN says that the guest accessed an address outside RAM, but not which one. The instruction at RIP is
 * decoded: its memory operands are located as the processor does, and the first that is not in RAM (for a write: or is
 * in ROM) is the violation.
 */
#include "core/accel/kvm/kvm.h"
#include "core/exit/emulate/emulation.h"

#include <inttypes.h>

/* Exit qualification for EPT violations (SDM 3C, table 28-7). */
#define VIOLATION_READ   0x1u
#define VIOLATION_WRITE  0x2u
#define VIOLATION_FETCH  0x4u
#define VIOLATION_LINEAR 0x180u /* a linear address is the cause, and its translation was the access */

/* Is the part of an access outside RAM? A write to ROM is. */
static bool outside(const struct kvm_accel *kvm, uint64_t physical, unsigned kind)
{
        const struct hwaccl_memory_run *run = hwaccl_guest_memory_find(kvm->config.memory, physical);

        return !run || ((kind & VIOLATION_WRITE) && !run->writable);
}

/* Looks at the first byte of an access, and at the first one of the page that it extends into. */
static bool violates(struct kvm_accel *kvm, uint64_t linear, unsigned size, unsigned kind, uint64_t *physical)
{
        uint64_t last = (linear + size - 1) & ~(uint64_t)(HWACCL_PAGE_SIZE - 1);

        if (!kvm_translate(kvm, linear, physical))
                return false;
        if (outside(kvm, *physical, kind))
                return true;
        return last > linear && kvm_translate(kvm, last, physical) && outside(kvm, *physical, kind);
}

static bool found(struct hwaccl_subject_state *state, uint64_t physical, unsigned kind)
{
        state->exit_reason = HWACCL_EXIT_EPT_VIOLATION;
        state->exit_qualification = kind | VIOLATION_LINEAR;
        state->guest_physical_address = physical;
        return true;
}

static unsigned operand_kind(enum operation operation, unsigned index)
{
        switch (operation) {
        case OPERATION_CMP:
        case OPERATION_TEST:
        case OPERATION_BT:
        case OPERATION_BOUND:
        case OPERATION_CALL:
        case OPERATION_JMP:
        case OPERATION_CALL_FAR:
        case OPERATION_JMP_FAR:
        case OPERATION_LLDT:
        case OPERATION_LTR:
        case OPERATION_LGDT:
        case OPERATION_LIDT:
        case OPERATION_LMSW:
        case OPERATION_VERR:
        case OPERATION_VERW:
        case OPERATION_MUL:
        case OPERATION_IMUL:
        case OPERATION_DIV:
        case OPERATION_IDIV:
        case OPERATION_PUSH: return VIOLATION_READ;
        case OPERATION_MOV:
        case OPERATION_MOVBE:
        case OPERATION_X87:
        case OPERATION_VECTOR:
        case OPERATION_SETCC:
        case OPERATION_SGDT:
        case OPERATION_SIDT:
        case OPERATION_SLDT:
        case OPERATION_STR:
        case OPERATION_SMSW:
        case OPERATION_POP: return index == 0 ? VIOLATION_WRITE : VIOLATION_READ;
        case OPERATION_XCHG: return VIOLATION_READ | VIOLATION_WRITE;
        default: return index == 0 ? VIOLATION_READ | VIOLATION_WRITE : VIOLATION_READ;
        }
}

/* A bit index in a register reaches beyond the operand (SDM 2A, BT). */
static uint64_t bit_offset(const struct emulation *emulation)
{
        const struct instruction *instruction = emulation->instruction;
        unsigned size = instruction->operand[0].size;

        if (instruction->operation < OPERATION_BT || instruction->operation > OPERATION_BTC ||
            instruction->operand[1].kind != OPERAND_REGISTER)
                return 0;
        uint64_t value = register_read(emulation->context, instruction->operand[1].number, size);
        int64_t index = size == 2 ? (int16_t)value : size == 4 ? (int32_t)value : (int64_t)value;
        return (uint64_t)(index >> (size == 2 ? 4 : size == 4 ? 5 : 6)) * size;
}

static bool try_operands(struct kvm_accel *kvm, const struct emulation *emulation, struct hwaccl_subject_state *state)
{
        const struct instruction *instruction = emulation->instruction;
        uint64_t physical;

        for (unsigned i = 0; i < 2; i++) {
                const struct operand *operand = &instruction->operand[i];
                if (operand->kind != OPERAND_MEMORY)
                        continue;
                unsigned kind = operand_kind((enum operation)instruction->operation, i);
                uint64_t offset = effective_address(emulation) + bit_offset(emulation);
                uint64_t linear =
                        kvm_linear_address(kvm, instruction->segment, offset & size_mask(instruction->address_size));
                if (violates(kvm, linear, operand->size, kind, &physical))
                        return found(state, physical, kind);
        }
        return false;
}

static bool try_strings(struct kvm_accel *kvm, const struct emulation *emulation, struct hwaccl_subject_state *state)
{
        const struct instruction *instruction = emulation->instruction;
        enum operation operation = (enum operation)instruction->operation;
        uint64_t mask = size_mask(instruction->address_size);
        uint64_t source = kvm_linear_address(kvm, instruction->segment, kvm->context.gpr[HWACCL_RSI] & mask);
        uint64_t target = kvm_linear_address(kvm, HWACCL_ES, kvm->context.gpr[HWACCL_RDI] & mask);
        bool reads_source = operation == OPERATION_MOVS || operation == OPERATION_LODS || operation == OPERATION_CMPS ||
                            operation == OPERATION_OUTS;
        bool reads_target = operation == OPERATION_CMPS || operation == OPERATION_SCAS;
        bool writes_target = operation == OPERATION_MOVS || operation == OPERATION_STOS || operation == OPERATION_INS;
        uint64_t physical;

        if (reads_source && violates(kvm, source, instruction->operand_size, VIOLATION_READ, &physical))
                return found(state, physical, VIOLATION_READ);
        unsigned kind = writes_target ? VIOLATION_WRITE : VIOLATION_READ;
        return (reads_target || writes_target) && violates(kvm, target, instruction->operand_size, kind, &physical) &&
               found(state, physical, kind);
}

unsigned kvm_stack_width(const struct kvm_accel *kvm)
{
        if (hwaccl_context_code_bits(&kvm->context) == 64)
                return 8;
        return kvm->context.segment[HWACCL_SS].access_rights & 0x4000u /* B */ ? 4 : 2;
}

/* How many values an instruction pushes (negative: pops). ENTER and LEAVE use the first only for what is asked here. */
static int stack_values(const struct instruction *instruction)
{
        switch (instruction->operation) {
        case OPERATION_PUSH:
        case OPERATION_PUSHF:
        case OPERATION_CALL:
        case OPERATION_ENTER: return 1;
        case OPERATION_CALL_FAR: return 2;
        case OPERATION_PUSHA: return 8;
        case OPERATION_POP:
        case OPERATION_POP_SEGMENT:
        case OPERATION_POPF:
        case OPERATION_RET:
        case OPERATION_LEAVE: return -1;
        case OPERATION_RET_FAR: return -2;
        case OPERATION_IRET: return instruction->code_bits == 64 ? -5 : -3;
        case OPERATION_POPA: return -8;
        default: return 0;
        }
}

static bool try_stack(struct kvm_accel *kvm, const struct emulation *emulation, struct hwaccl_subject_state *state)
{
        const struct instruction *instruction = emulation->instruction;
        int values = stack_values(instruction);
        unsigned size = (unsigned)(values < 0 ? -values : values) * instruction->operand_size;
        unsigned kind = values > 0 ? VIOLATION_WRITE : VIOLATION_READ;
        bool leaves = instruction->operation == OPERATION_LEAVE;
        uint64_t pointer = kvm->context.gpr[leaves ? HWACCL_RBP : HWACCL_RSP];
        uint64_t offset = (pointer - (values > 0 ? size : 0)) & size_mask(kvm_stack_width(kvm));
        uint64_t physical;

        return values && violates(kvm, kvm_linear_address(kvm, HWACCL_SS, offset), size, kind, &physical) &&
               found(state, physical, kind);
}

bool kvm_find_access(struct kvm_accel *kvm, const struct instruction *instruction, struct hwaccl_subject_state *state)
{
        const struct emulation emulation = {.context = &kvm->context, .instruction = instruction};

        return try_operands(kvm, &emulation, state) || try_strings(kvm, &emulation, state) ||
               try_stack(kvm, &emulation, state);
}

/* The instruction at RIP. When it cannot be decoded, *fetched says how many of its bytes could be read. */
static bool decode(struct kvm_accel *kvm, uint64_t rip, struct instruction *instruction, size_t *fetched)
{
        uint8_t bytes[INSTRUCTION_SIZE_MAX];

        *instruction = (struct instruction){.base = NO_REGISTER, .index = NO_REGISTER};
        *fetched = kvm_code_read(kvm, rip, bytes, sizeof(bytes));
        return *fetched &&
               decoder_decode(&kvm->decoder, bytes, *fetched, hwaccl_context_code_bits(&kvm->context), instruction);
}

/* The instruction itself, or what comes of it behind a page's end, is not in RAM. */
static bool find_fetch(struct kvm_accel *kvm, struct hwaccl_subject_state *state, size_t fetched)
{
        uint64_t physical;

        return fetched < INSTRUCTION_SIZE_MAX &&
               violates(kvm, kvm_linear_address(kvm, HWACCL_CS, state->rip + fetched), 1, VIOLATION_FETCH, &physical) &&
               physical < HOLES_END && found(state, physical, VIOLATION_FETCH);
}

bool kvm_find_fetch(struct kvm_accel *kvm, struct hwaccl_subject_state *state)
{
        struct instruction instruction;
        size_t fetched;

        return !decode(kvm, state->rip, &instruction, &fetched) && find_fetch(kvm, state, fetched);
}

bool kvm_find_violation(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct instruction *instruction,
                        struct hwaccl_error *error)
{
        char text[96];
        size_t fetched;

        bool decoded = decode(kvm, state->rip, instruction, &fetched);
        state->instruction_length = instruction->length;
        if (decoded ? kvm_find_access(kvm, instruction, state) : find_fetch(kvm, state, fetched))
                return true;
        kvm_describe_at_rip(kvm, text, sizeof(text));
        return hwaccl_error_set(error,
                                "the guest accessed an address outside RAM, but the instruction at %" PRIx64
                                " (%s) does not show which one",
                                state->rip, text);
}
