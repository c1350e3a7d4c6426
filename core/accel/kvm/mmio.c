/*
 * Accesses outside RAM that the kernel's own emulator makes (KVM_EXIT_MMIO). The exit that VT-x would give is before
 * the instruction. A read stops the emulator in the middle: it is made to finish with anything, and what it changed is
 * taken back. With a write the instruction is over: the state before it is found, as for OUT.
 */
#include "core/accel/kvm/kvm.h"
#include "core/exit/descriptor.h"
#include "core/exit/emulate/emulation.h"
#include "core/exit/emulate/floating_point.h"
#include "core/subject/transfer.h"

#include <inttypes.h>
#include <string.h>

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

static size_t written_size(const struct instruction *instruction)
{
        switch (instruction->operation) {
        case OPERATION_MOV:
        case OPERATION_VECTOR:
        case OPERATION_X87:
        case OPERATION_SETCC:
        case OPERATION_SMSW:
        case OPERATION_SLDT:
        case OPERATION_STR: return instruction->operand[0].size;
        default: return instruction->operand_size;
        }
}

/* Does the instruction write what the kernel reports, or the part of it that is not RAM? In kvm->context. */
static bool accounts_for_write(struct kvm_accel *kvm, const struct instruction *instruction,
                               struct hwaccl_subject_state *state)
{
        const struct kvm_run *run = kvm->kvm->run;
        size_t length = run->mmio.len <= sizeof(run->mmio.data) ? run->mmio.len : 0;
        size_t size = written_size(instruction);
        uint8_t value[16] = {0};

        return length && length <= size && size <= sizeof(value) && kvm_find_access(kvm, instruction, state) &&
               state->guest_physical_address == run->mmio.phys_addr && kvm_written_value(kvm, instruction, value) &&
               (memcmp(value, run->mmio.data, length) == 0 ||
                memcmp(value + size - length, run->mmio.data, length) == 0);
}

/* Take back the instruction of @length bytes that ends at RIP, or with 0 the iteration at it. */
static bool rewind_write(struct kvm_accel *kvm, struct hwaccl_subject_state *state, unsigned length,
                         struct instruction *instruction)
{
        const struct hwaccl_machine_context after = kvm->context;
        uint8_t bytes[INSTRUCTION_SIZE_MAX];
        struct hwaccl_error error;
        size_t size = length ? length : sizeof(bytes);
        unsigned code_bits = hwaccl_context_code_bits(&kvm->context);

        if (state->rip < length)
                return false;
        size = kvm_code_read(kvm, state->rip - length, bytes, size);
        if (!size || !decoder_decode(&kvm->decoder, bytes, size, code_bits, instruction) ||
            (length ? instruction->length != length : instruction->repeat == REPEAT_NONE))
                return false;
        state->rip -= length;
        state->instruction_length = instruction->length;
        if (kvm_undo(kvm, state, instruction) && hwaccl_transfer_out(state, &kvm->context, &error) &&
            accounts_for_write(kvm, instruction, state))
                return true;
        kvm->context = after;
        return false;
}

/* Which instruction made the write: the one before RIP, or a call that pushed where it ends. */
enum writer { WRITER_BEFORE_RIP, WRITER_CALL, WRITER_CALL_FAR, WRITER_COUNT };

static uint64_t end_of_writer(const struct kvm_accel *kvm, const struct hwaccl_subject_state *after, enum writer writer)
{
        const struct kvm_run *run = kvm->kvm->run;

        return writer == WRITER_BEFORE_RIP
                       ? after->rip
                       : little_endian(run->mmio.data, run->mmio.len <= 8 ? (unsigned)run->mmio.len : 8);
}

/* Where CALL goes to, in kvm->context; what it reads is not known if that has changed since. */
static bool calls(struct kvm_accel *kvm, const struct instruction *instruction,
                  const struct hwaccl_subject_state *after, enum writer writer)
{
        uint64_t offset;
        uint16_t selector;

        if (instruction->operation == OPERATION_CALL)
                return writer == WRITER_CALL && kvm_call_target(kvm, instruction, &offset, &selector) &&
                       offset == after->rip;
        if (instruction->operation == OPERATION_CALL_FAR)
                return writer == WRITER_CALL_FAR && kvm_call_target(kvm, instruction, &offset, &selector) &&
                       offset == after->rip && (selector | 3) == (after->cs.selector | 3);
        return writer == WRITER_BEFORE_RIP;
}

/* The state before the instruction, if @writer of @length bytes it was; a far call from the segment of the entry. */
static bool try_writer(struct kvm_accel *kvm, const struct hwaccl_subject_state *after, enum writer writer,
                       unsigned length, struct hwaccl_subject_state *state)
{
        struct instruction instruction;
        struct hwaccl_error error;

        *state = *after;
        state->rip = end_of_writer(kvm, after, writer);
        if (writer == WRITER_CALL_FAR)
                state->cs = kvm->left.cs;
        return hwaccl_transfer_out(state, &kvm->context, &error) && rewind_write(kvm, state, length, &instruction) &&
               calls(kvm, &instruction, after, writer);
}

/* INT n, INT3, INTO or INT1, which has pushed where it ends. */
static bool refuse_interrupt(struct kvm_accel *kvm, const struct hwaccl_subject_state *after,
                             struct hwaccl_error *error)
{
        uint64_t end = end_of_writer(kvm, after, WRITER_CALL);
        uint8_t bytes[2];
        char text[96];

        kvm->context.segment[HWACCL_CS] = kvm->left.cs;
        if (end < sizeof(bytes) || kvm_code_read(kvm, end - sizeof(bytes), bytes, sizeof(bytes)) != sizeof(bytes))
                return false;
        bool one_byte = bytes[1] == 0xcc || bytes[1] == 0xce || bytes[1] == 0xf1;
        if (bytes[0] != 0xcd && !one_byte)
                return false;
        kvm->context.rip = end - (bytes[0] == 0xcd ? 2 : 1);
        kvm_describe_at_rip(kvm, text, sizeof(text));
        hwaccl_error_set(error, "delivery by the instruction at %" PRIx64 " (%s) accesses an address outside guest RAM",
                         kvm->context.rip, text);
        return true;
}

/* No instruction is known to have written that. Name the last one, by its most likely length. */
static bool refuse_write(struct kvm_accel *kvm, const struct hwaccl_subject_state *after, struct hwaccl_error *error)
{
        unsigned code_bits = hwaccl_context_code_bits(&kvm->context);
        uint8_t bytes[INSTRUCTION_SIZE_MAX];
        struct instruction instruction;
        uint32_t lengths = 0;
        char text[96] = "no instruction";

        kvm->context.segment[HWACCL_CS] = after->cs;
        for (unsigned length = 1; length <= INSTRUCTION_SIZE_MAX && length <= after->rip; length++)
                if (kvm_code_read(kvm, after->rip - length, bytes, length) == length &&
                    decoder_decode(&kvm->decoder, bytes, length, code_bits, &instruction) &&
                    instruction.length == length)
                        lengths |= UINT32_C(1) << length;
        if (lengths) {
                unsigned length = kvm_choose_length(kvm, after->rip, lengths);
                kvm->context.rip = after->rip - length;
                kvm_describe_at_rip(kvm, text, sizeof(text));
        }
        return hwaccl_error_set(error,
                                "KVM wrote to %" PRIx64 ", outside RAM, but no instruction before %" PRIx64
                                " is known to do it (the last: %s)",
                                (uint64_t)kvm->kvm->run->mmio.phys_addr, after->rip, text);
}

static bool settle_write(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        const struct hwaccl_subject_state after = *state;
        const struct hwaccl_machine_context context = kvm->context;
        uint32_t lengths[WRITER_COUNT] = {0};
        struct instruction instruction;

        if (state->rflags & RFLAGS_RF && rewind_write(kvm, state, 0, &instruction))
                return true;
        for (unsigned writer = 0; writer < WRITER_COUNT; writer++)
                for (unsigned length = 1; length <= INSTRUCTION_SIZE_MAX; length++)
                        lengths[writer] |= (uint32_t)try_writer(kvm, &after, writer, length, state) << length;
        kvm->context = context;
        /* a call is found by three values, the others by one */
        for (unsigned writer = WRITER_COUNT; writer-- > 0;)
                if (lengths[writer]) {
                        if (writer == WRITER_CALL_FAR)
                                kvm->context.segment[HWACCL_CS] = kvm->left.cs;
                        uint64_t end = end_of_writer(kvm, &after, writer);
                        return try_writer(kvm, &after, writer, kvm_choose_length(kvm, end, lengths[writer]), state);
                }
        *state = after;
        (void)(refuse_interrupt(kvm, &after, error) || refuse_write(kvm, &after, error));
        return false;
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
