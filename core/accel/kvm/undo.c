/*
 * The kernel's own emulator has executed an instruction that writes outside RAM: the registers before it, and what it
 * wrote, by which it is recognized. Where it wrote several values, the kernel reports the last one.
 */
#include "core/accel/kvm/kvm.h"
#include "core/exit/descriptor.h"
#include "core/exit/emulate/emulation.h"
#include "core/exit/emulate/floating_point.h"
#include "core/exit/registers.h"

#include <string.h>

#define ALL_REGISTERS 8u /* of PUSHA, RDI last */

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

/* ENTER without nested frames, which the kernel does not emulate. RBP was pushed; what is wider than that is lost. */
static bool undo_enter(struct kvm_accel *kvm, struct hwaccl_subject_state *state, const struct instruction *instruction)
{
        uint64_t mask = size_mask(kvm_stack_width(kvm));
        uint64_t saved = 0;

        if (instruction->immediate >> 16 || instruction->operand_size < kvm_stack_width(kvm))
                return false;
        memcpy(&saved, kvm->kvm->run->mmio.data, instruction->operand_size);
        state->rsp = (state->rsp & ~mask) | (state->rbp & mask);
        state->rbp = mask == UINT32_MAX ? saved : (state->rbp & ~mask) | (saved & mask);
        undo_stack(kvm, state, instruction->operand_size);
        return true;
}

bool kvm_undo(struct kvm_accel *kvm, struct hwaccl_subject_state *state, const struct instruction *instruction)
{
        uint64_t mask = size_mask(instruction->address_size);

        switch (instruction->operation) {
        case OPERATION_X87:
        case OPERATION_VECTOR:
        case OPERATION_SETCC:
        case OPERATION_SMSW:
        case OPERATION_SLDT:
        case OPERATION_STR:
        case OPERATION_MOV: return true;
        case OPERATION_PUSHF:
        case OPERATION_CALL:
        case OPERATION_PUSH: undo_stack(kvm, state, instruction->operand_size); return true;
        case OPERATION_CALL_FAR: undo_stack(kvm, state, 2u * instruction->operand_size); return true;
        case OPERATION_PUSHA: undo_stack(kvm, state, ALL_REGISTERS * instruction->operand_size); return true;
        case OPERATION_ENTER: return undo_enter(kvm, state, instruction);
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

bool kvm_written_value(struct kvm_accel *kvm, const struct instruction *instruction, uint8_t *value)
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
        case OPERATION_PUSHA: number = context->gpr[HWACCL_RDI]; break;
        case OPERATION_PUSHF: number = context->rflags & ~(RFLAGS_RF | RFLAGS_VM); break;
        case OPERATION_ENTER: number = context->gpr[HWACCL_RBP]; break;
        case OPERATION_SETCC: number = condition_holds(instruction->condition, context->rflags); break;
        case OPERATION_SMSW: number = context->cr0; break;
        case OPERATION_SLDT: number = context->ldtr.selector; break;
        case OPERATION_STR: number = context->tr.selector; break;
        case OPERATION_CALL:
        case OPERATION_CALL_FAR: number = context->rip + instruction->length; break;
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

bool kvm_call_target(struct kvm_accel *kvm, const struct instruction *instruction, uint64_t *offset, uint16_t *selector)
{
        const struct emulation emulation = {.context = &kvm->context, .instruction = instruction};
        const struct operand *operand = &instruction->operand[0];
        bool far = instruction->operation == OPERATION_CALL_FAR;
        unsigned size = instruction->operand_size;
        uint8_t pointer[10];

        if (operand->kind == OPERAND_MEMORY) {
                if (!kvm_data_read(kvm, instruction->segment, effective_address(&emulation), pointer,
                                   size + (far ? 2 : 0)))
                        return false;
                *offset = little_endian(pointer, size);
                *selector = far ? (uint16_t)little_endian(pointer + size, 2) : 0;
                return true;
        }
        *selector = (uint16_t)(instruction->immediate >> 32);
        if (operand->kind != OPERAND_IMMEDIATE)
                *offset = operand_read_plain(&emulation, operand);
        else
                *offset = far ? instruction->immediate & UINT32_MAX
                              : kvm->context.rip + instruction->length + instruction->immediate;
        *offset &= size_mask(size);
        return true;
}
