/*
 * Port I/O. For IN and INS the kernel exits before the instruction, and completes it later; for OUT too, where the
 * processor executes the guest. Where the kernel's own emulator does, an OUT has been done and RIP is past it. Of OUTS
 * it has always moved RSI and RCX, and RIP after the last iteration. The exit that VT-x would give is rebuilt, so that
 * the handler emulates the instruction, or the iteration.
 */
#include "core/accel/kvm/kvm.h"
#include "core/exit/guest_access.h"

#include <inttypes.h>
#include <string.h>

#define RFLAGS_DF UINT64_C(0x400)
#define RFLAGS_RF UINT64_C(0x10000)

/* What the kernel says was output. */
struct output {
        uint8_t data[4];
        unsigned size;
        uint16_t port;
};

static bool is_ins(const struct scanned *scanned)
{
        return scanned->length && !scanned->two_byte && (scanned->opcode | 1) == 0x6d;
}

static bool is_outs(const struct scanned *scanned)
{
        return scanned->length && !scanned->two_byte && (scanned->opcode | 1) == 0x6f;
}

/* E4-E7 with an immediate port, EC-EF with the one in DX; bit 1 says OUT. */
static bool is_plain(const struct scanned *scanned, bool out)
{
        return scanned->length && !scanned->two_byte && (scanned->opcode & 0xf4) == 0xe4 &&
               !(scanned->opcode & 2) == !out;
}

static uint64_t address_mask(const struct scanned *scanned)
{
        return scanned->address_size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * scanned->address_size) - 1;
}

static void replace_masked(uint64_t *place, uint64_t value, uint64_t mask)
{
        *place = mask == UINT32_MAX ? value & mask : (*place & ~mask) | (value & mask);
}

/* Undo one iteration of OUTS. */
static void rewind_registers(struct hwaccl_subject_state *state, const struct scanned *scanned, unsigned size)
{
        uint64_t step = state->rflags & RFLAGS_DF ? size : (uint64_t)0 - size;

        replace_masked(&state->rsi, state->rsi + step, address_mask(scanned));
        if (scanned->repeat)
                replace_masked(&state->rcx, state->rcx + 1, address_mask(scanned));
        state->rflags &= ~RFLAGS_RF;
}

static bool gave_this_data(struct kvm_accel *kvm, const struct hwaccl_subject_state *state,
                           const struct scanned *scanned, const struct output *output)
{
        uint8_t element[4];

        return kvm_data_read(kvm, scanned->segment, state->rsi & address_mask(scanned), element, output->size) &&
               memcmp(element, output->data, output->size) == 0;
}

static bool has_size(const struct kvm_accel *kvm, const struct scanned *scanned, unsigned size)
{
        bool narrow = (hwaccl_context_code_bits(&kvm->context) == 16) != scanned->operand_prefix;

        return size == (!(scanned->opcode & 1) ? 1u : narrow ? 2u : 4u);
}

/* Is it an OUT that makes this output? @bytes: of the instruction */
static bool is_this_out(const struct kvm_accel *kvm, const struct hwaccl_subject_state *state,
                        const struct scanned *scanned, const uint8_t *bytes, const struct output *output)
{
        return is_plain(scanned, true) && has_size(kvm, scanned, output->size) &&
               (scanned->opcode & 8 ? state->rdx & UINT16_MAX : bytes[scanned->length - 1]) == output->port &&
               memcmp(&state->rax, output->data, output->size) == 0;
}

static bool rewind_outs(struct kvm_accel *kvm, struct hwaccl_subject_state *state, const struct scanned *scanned,
                        const struct output *output)
{
        if (!is_outs(scanned) || !has_size(kvm, scanned, output->size) || (state->rdx & UINT16_MAX) != output->port)
                return false;
        rewind_registers(state, scanned, output->size);
        return gave_this_data(kvm, state, scanned, output);
}

/* The state before the OUT or OUTS of @length bytes that ends at RIP; false when these are none that made the output.
 */
static bool rewind_by(struct kvm_accel *kvm, struct hwaccl_subject_state *state, unsigned length,
                      const struct output *output, struct scanned *scanned)
{
        uint8_t bytes[INSTRUCTION_SIZE_MAX];

        if (state->rip < length || kvm_code_read(kvm, state->rip - length, bytes, length) != length)
                return false;
        *scanned = kvm_scan(kvm, bytes, length);
        if (scanned->length != length)
                return false;
        state->rip -= length;
        if (is_this_out(kvm, state, scanned, bytes, output))
                return true;
        return !(scanned->repeat && state->rcx & address_mask(scanned)) && rewind_outs(kvm, state, scanned, output);
}

/* May an OUT or OUTS end at RIP? */
static bool output_before(struct kvm_accel *kvm, const struct hwaccl_subject_state *state)
{
        uint8_t last[2] = {0};

        if (state->rip < 2 || kvm_code_read(kvm, state->rip - 2, last, 2) != 2)
                if (state->rip < 1 || kvm_code_read(kvm, state->rip - 1, last + 1, 1) != 1)
                        return false;
        return (last[0] | 1) == 0xe7 || (last[1] | 1) == 0xef || (last[1] | 1) == 0x6f;
}

/* Each length by which an OUT or OUTS before RIP accounts for the output, as bits. */
static uint32_t finished_lengths(struct kvm_accel *kvm, const struct hwaccl_subject_state *state,
                                 const struct output *output)
{
        uint32_t lengths = 0;
        struct scanned scanned;

        if (!output_before(kvm, state))
                return 0;
        for (unsigned length = 1; length <= INSTRUCTION_SIZE_MAX; length++) {
                struct hwaccl_subject_state before = *state;
                if (rewind_by(kvm, &before, length, output, &scanned))
                        lengths |= 1u << length;
        }
        return lengths;
}

/* RIP is at an OUT, and behind one that may have exited: what the kernel still completes decides which it was. */
static bool out_is_next(struct kvm_accel *kvm, const struct hwaccl_subject_state *state, bool *next,
                        struct hwaccl_error *error)
{
        kvm->completion = COMPLETION_NONE;
        if (!kvm_complete(kvm, error))
                return false;
        *next = kvm->kvm->run->s.regs.regs.rip != state->rip;
        return true;
}

/* @bytes: at RIP */
static bool settle_out(struct kvm_accel *kvm, struct hwaccl_subject_state *state, const uint8_t *bytes,
                       struct scanned *scanned, struct hwaccl_error *error)
{
        const struct kvm_run *run = kvm->kvm->run;
        struct output output = {.size = run->io.size, .port = run->io.port};

        memcpy(output.data, (const uint8_t *)run + run->io.data_offset, output.size);
        uint32_t lengths = finished_lengths(kvm, state, &output);
        if (is_this_out(kvm, state, scanned, bytes, &output)) {
                bool next = true;
                kvm->completion = COMPLETION_PORT;
                if (lengths && !out_is_next(kvm, state, &next, error))
                        return false;
                if (next)
                        return true;
        }
        kvm->completed = true;
        kvm->after = *state;
        if (scanned->repeat && (state->rflags & RFLAGS_RF)) {
                if (rewind_outs(kvm, state, scanned, &output))
                        return true;
                *state = kvm->after;
        }
        if (lengths)
                return rewind_by(kvm, state, kvm_choose_length(kvm, state->rip, lengths), &output, scanned);
        return hwaccl_error_set(error,
                                "KVM reports output to port %x, but no instruction at or before %" PRIx64 " does it",
                                run->io.port, state->rip);
}

bool kvm_exit_port(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        const struct kvm_run *run = kvm->kvm->run;
        unsigned size = run->io.size;
        uint16_t port = run->io.port;
        bool in = run->io.direction == KVM_EXIT_IO_IN;
        uint8_t bytes[INSTRUCTION_SIZE_MAX];
        struct scanned scanned = kvm_scan(kvm, bytes, kvm_code_read(kvm, state->rip, bytes, sizeof(bytes)));

        if (size != 1 && size != 2 && size != 4)
                return hwaccl_error_set(error, "KVM reports a port access of %u bytes", size);
        if (!in && !settle_out(kvm, state, bytes, &scanned, error))
                return false;
        if (in) {
                kvm->completion = is_ins(&scanned) ? COMPLETION_INPUT : COMPLETION_PORT;
                if (!is_ins(&scanned) && !is_plain(&scanned, false))
                        return hwaccl_error_set(
                                error, "KVM reports input from port %x, but the instruction at %" PRIx64 " does none",
                                port, state->rip);
        }
        bool string = is_ins(&scanned) || is_outs(&scanned);
        state->exit_reason = HWACCL_EXIT_IO_INSTRUCTION;
        state->exit_qualification = (size - 1) | (in ? PORT_IN : 0) | (string ? PORT_STRING : 0) |
                                    (string && scanned.repeat ? PORT_REPEAT : 0) |
                                    (!string && !(scanned.opcode & 8) ? PORT_IMMEDIATE : 0) |
                                    (uint64_t)port << PORT_SHIFT;
        state->instruction_length = scanned.length;
        return true;
}
