/*
 * Accesses outside RAM that the kernel's own emulator makes (KVM_EXIT_MMIO). The exit that VT-x would give is before
 * the instruction. A read stops the emulator in the middle: it is made to finish with anything, and what it changed is
 * taken back. With a write the instruction is over: the state before it is found, as for OUT.
 */
#include "core/accel/kvm/kvm.h"
#include "core/exit/emulate/emulation.h"
#include "core/exit/emulate/floating_point.h"
#include "core/subject/transfer.h"

#include <inttypes.h>
#include <string.h>

#define RFLAGS_DF  UINT64_C(0x400)
#define RFLAGS_RF  UINT64_C(0x10000)
#define SAVED_MAX  6
#define SAVED_SIZE 32u /* bytes around an operand: more than an instruction writes there */

/* RAM that an instruction may write. */
struct saved {
        unsigned count;
        struct {
                uint64_t physical;
                size_t size;
                uint8_t bytes[SAVED_SIZE];
        } part[SAVED_MAX];
};

static void save(struct kvm_accel *kvm, uint64_t linear, struct saved *saved)
{
        uint64_t rest = HWACCL_PAGE_SIZE - (linear & (HWACCL_PAGE_SIZE - 1));

        for (size_t done = 0, size = rest < SAVED_SIZE ? (size_t)rest : SAVED_SIZE; done < SAVED_SIZE;
             done += size, size = SAVED_SIZE - done) {
                unsigned i = saved->count;
                if (!kvm_translate(kvm, linear + done, &saved->part[i].physical) ||
                    !hwaccl_guest_memory_read(kvm->config.memory, saved->part[i].physical, saved->part[i].bytes, size))
                        continue;
                saved->part[i].size = size;
                saved->count++;
        }
}

static void restore(struct kvm_accel *kvm, const struct saved *saved)
{
        for (unsigned i = 0; i < saved->count; i++)
                (void)hwaccl_guest_memory_write(kvm->config.memory, saved->part[i].physical, saved->part[i].bytes,
                                                saved->part[i].size, true);
}

/* The operand in memory, the destination of a string instruction, the stack. */
static void save_operands(struct kvm_accel *kvm, const struct instruction *instruction, struct saved *saved)
{
        const struct emulation emulation = {.context = &kvm->context, .instruction = instruction};
        const uint64_t *gpr = kvm->context.gpr;

        saved->count = 0;
        save(kvm, kvm_linear_address(kvm, instruction->segment, effective_address(&emulation)), saved);
        save(kvm, kvm_linear_address(kvm, HWACCL_ES, gpr[HWACCL_RDI] & size_mask(instruction->address_size)), saved);
        save(kvm, kvm_linear_address(kvm, HWACCL_SS, gpr[HWACCL_RSP] - SAVED_SIZE / 2), saved);
}

/* Let the kernel finish the instruction, without effect. One element of a string: what else it did is not saved. */
static bool finish_read(struct kvm_accel *kvm, const struct instruction *instruction, struct hwaccl_error *error)
{
        struct kvm_run *run = kvm->kvm->run;
        bool moves_vector = instruction->operation == OPERATION_VECTOR;
        struct hwaccl_floating_point before;
        struct saved saved;

        if (moves_vector && !kvm_floating_point_read(&kvm->accel, &before, error))
                return false;
        save_operands(kvm, instruction, &saved);
        memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
        if (instruction->repeat != REPEAT_NONE) {
                run->s.regs.regs.rcx = 1;
                run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
        }
        bool finished = kvm_complete(kvm, error);
        restore(kvm, &saved);
        kvm->entered = false; /* all registers are the handler's */
        return finished && (!moves_vector || kvm_floating_point_write(&kvm->accel, &before, error));
}

static void undo_step(uint64_t *place, const struct hwaccl_subject_state *state, const struct instruction *instruction)
{
        uint64_t mask = size_mask(instruction->address_size);
        uint64_t step = state->rflags & RFLAGS_DF ? instruction->operand_size : 0 - (uint64_t)instruction->operand_size;
        uint64_t value = *place + step;

        *place = mask == UINT32_MAX ? value & mask : (*place & ~mask) | (value & mask);
}

static void undo_stack(struct kvm_accel *kvm, struct hwaccl_subject_state *state, uint64_t size)
{
        uint64_t mask = size_mask(kvm_stack_width(kvm));

        state->rsp = (state->rsp & ~mask) | ((state->rsp + size) & mask);
}

/* The registers before an instruction that only writes. False for others: the kernel reads first, or it is unknown. */
static bool undo(struct kvm_accel *kvm, struct hwaccl_subject_state *state, const struct instruction *instruction)
{
        uint64_t mask = size_mask(instruction->address_size);

        switch (instruction->operation) {
        case OPERATION_X87:
        case OPERATION_VECTOR:
        case OPERATION_MOV: return true;
        case OPERATION_PUSH: undo_stack(kvm, state, instruction->operand_size); return true;
        case OPERATION_POP: undo_stack(kvm, state, (uint64_t)0 - instruction->operand_size); return true;
        case OPERATION_MOVS: undo_step(&state->rsi, state, instruction); break;
        case OPERATION_STOS: break;
        default: return false;
        }
        undo_step(&state->rdi, state, instruction);
        if (instruction->repeat != REPEAT_NONE)
                state->rcx =
                        mask == UINT32_MAX ? (state->rcx + 1) & mask : (state->rcx & ~mask) | ((state->rcx + 1) & mask);
        state->rflags &= ~RFLAGS_RF;
        return true;
}

static bool read_source(struct kvm_accel *kvm, const struct instruction *instruction, uint8_t *value)
{
        const struct emulation emulation = {.context = &kvm->context, .instruction = instruction};
        const struct hwaccl_machine_context *context = &kvm->context;
        const struct operand *operand = &instruction->operand[instruction->operation == OPERATION_MOV];
        struct hwaccl_floating_point registers;
        struct hwaccl_error error;
        const uint8_t *stored;
        uint64_t number;

        switch (instruction->operation) {
        case OPERATION_X87:
        case OPERATION_VECTOR:
                if (!kvm_floating_point_read(&kvm->accel, &registers, &error))
                        return false;
                stored = instruction->operation == OPERATION_X87 ? x87_stored(instruction, &registers)
                                                                 : vector_stored(instruction, &registers);
                if (stored)
                        memcpy(value, stored, instruction->operand[0].size);
                return stored != NULL;
        case OPERATION_MOVS:
                return kvm_data_read(kvm, instruction->segment,
                                     context->gpr[HWACCL_RSI] & size_mask(instruction->address_size), value,
                                     instruction->operand_size);
        case OPERATION_POP:
                return kvm_data_read(kvm, HWACCL_SS, context->gpr[HWACCL_RSP] & size_mask(kvm_stack_width(kvm)), value,
                                     instruction->operand_size);
        case OPERATION_STOS: number = context->gpr[HWACCL_RAX]; break;
        default:
                if (operand->kind == OPERAND_MEMORY)
                        return kvm_data_read(kvm, instruction->segment, effective_address(&emulation), value,
                                             operand->size);
                if (operand->kind == OPERAND_NONE || operand->kind == OPERAND_SYSTEM_REGISTER)
                        return false;
                number = operand_read_plain(&emulation, operand);
        }
        memcpy(value, &number, sizeof(number));
        return true;
}

/* Does the instruction write what the kernel reports, or the part of it that is not RAM? In kvm->context. */
static bool accounts_for_write(struct kvm_accel *kvm, const struct instruction *instruction,
                               struct hwaccl_subject_state *state)
{
        const struct kvm_run *run = kvm->kvm->run;
        size_t length = run->mmio.len <= sizeof(run->mmio.data) ? run->mmio.len : 0;
        bool moves = instruction->operation == OPERATION_MOV || instruction->operation == OPERATION_VECTOR ||
                     instruction->operation == OPERATION_X87;
        size_t size = moves ? instruction->operand[0].size : instruction->operand_size;
        uint8_t value[16] = {0};

        return length && length <= size && size <= sizeof(value) && kvm_find_access(kvm, instruction, state) &&
               state->guest_physical_address == run->mmio.phys_addr && read_source(kvm, instruction, value) &&
               (memcmp(value, run->mmio.data, length) == 0 ||
                memcmp(value + size - length, run->mmio.data, length) == 0);
}

/* Take back the instruction of @length bytes that ends at RIP, or with 0 the iteration at it. */
static bool rewind_write(struct kvm_accel *kvm, struct hwaccl_subject_state *state, unsigned length)
{
        const struct hwaccl_machine_context after = kvm->context;
        uint8_t bytes[INSTRUCTION_SIZE_MAX];
        struct instruction instruction;
        struct hwaccl_error error;
        size_t size = length ? length : sizeof(bytes);
        unsigned code_bits = hwaccl_context_code_bits(&kvm->context);

        if (state->rip < length)
                return false;
        size = kvm_code_read(kvm, state->rip - length, bytes, size);
        if (!size || !decoder_decode(&kvm->decoder, bytes, size, code_bits, &instruction) ||
            (length ? instruction.length != length : instruction.repeat == REPEAT_NONE))
                return false;
        state->rip -= length;
        state->instruction_length = instruction.length;
        if (undo(kvm, state, &instruction) && hwaccl_transfer_out(state, &kvm->context, &error) &&
            accounts_for_write(kvm, &instruction, state))
                return true;
        kvm->context = after;
        return false;
}

static bool settle_write(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        const struct hwaccl_subject_state after = *state;
        const struct hwaccl_machine_context context = kvm->context;
        uint32_t lengths = 0;

        if (state->rflags & RFLAGS_RF && rewind_write(kvm, state, 0))
                return true;
        for (unsigned length = 1; length <= INSTRUCTION_SIZE_MAX; length++) {
                *state = after;
                lengths |= (uint32_t)rewind_write(kvm, state, length) << length;
                kvm->context = context;
        }
        *state = after;
        if (lengths)
                return rewind_write(kvm, state, kvm_choose_length(kvm, state->rip, lengths));
        return hwaccl_error_set(error,
                                "KVM wrote to %" PRIx64 ", outside RAM, but no instruction before %" PRIx64 " does it",
                                (uint64_t)kvm->kvm->run->mmio.phys_addr, state->rip);
}

enum exit_kind kvm_exit_mmio(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        struct instruction instruction;

        if (!kvm->kvm->run->mmio.is_write)
                return kvm_find_violation(kvm, state, &instruction, error) && finish_read(kvm, &instruction, error)
                               ? EXIT_HANDLER
                               : EXIT_ERROR;
        const struct hwaccl_subject_state after = *state;
        if (!settle_write(kvm, state, error))
                return EXIT_ERROR;
        kvm->completed = true;
        kvm->after = after;
        /* what is left of it: the part in another page */
        return kvm_complete(kvm, error) ? EXIT_HANDLER : EXIT_ERROR;
}
