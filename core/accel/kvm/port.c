/*
 * Port I/O. For IN, OUT and INS the kernel exits before the instruction, and completes it later. For OUTS it has
 * already moved RSI and RCX, and RIP after the last iteration; the exit that VT-x would give is rebuilt, so that the
 * handler emulates the iteration.
 */
#include "core/accel/kvm/kvm.h"
#include "core/exit/guest_access.h"

#include <inttypes.h>
#include <string.h>

#define RFLAGS_DF UINT64_C(0x400)
#define RFLAGS_RF UINT64_C(0x10000)

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
                           const struct scanned *scanned, const void *data, unsigned size)
{
        uint8_t element[4];

        return kvm_data_read(kvm, scanned->segment, state->rsi & address_mask(scanned), element, size) &&
               memcmp(element, data, size) == 0;
}

/* The OUTS that ends just before RIP. Its prefixes may look like the end of the instruction before: the longest form
 * that accounts for size, count and data is the one. */
static bool rewind_finished_outs(struct kvm_accel *kvm, struct hwaccl_subject_state *state, const void *data,
                                 unsigned size, struct scanned *scanned)
{
        for (unsigned length = INSTRUCTION_SIZE_MAX; length >= 1; length--) {
                uint8_t bytes[INSTRUCTION_SIZE_MAX];
                if (kvm_code_read(kvm, state->rip - length, bytes, length) != length)
                        continue;
                *scanned = kvm_scan(kvm, bytes, length);
                if (scanned->length != length || !is_outs(scanned) || (size == 1) != (scanned->opcode == 0x6e))
                        continue;
                if (size > 1 &&
                    (size == 2) != ((hwaccl_context_code_bits(&kvm->context) == 16) != scanned->operand_prefix))
                        continue;
                if (scanned->repeat && state->rcx & address_mask(scanned))
                        continue;
                struct hwaccl_subject_state before = *state;
                rewind_registers(&before, scanned, size);
                before.rip -= length;
                if (!gave_this_data(kvm, &before, scanned, data, size))
                        continue;
                *state = before;
                return true;
        }
        return false;
}

/* When RIP is at an OUT and an OUTS before it may have exited, what the kernel still completes decides which it was.
 */
static bool out_is_next(struct kvm_accel *kvm, const struct hwaccl_subject_state *state, bool *next,
                        struct hwaccl_error *error)
{
        uint8_t byte;

        *next = true;
        if (kvm_code_read(kvm, state->rip - 1, &byte, 1) != 1 || (byte | 1) != 0x6f)
                return true;
        kvm->completion = COMPLETION_NONE;
        if (!kvm_complete(kvm, error))
                return false;
        *next = kvm->kvm->run->s.regs.regs.rip != state->rip;
        return true;
}

static bool settle_out(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct scanned *scanned,
                       struct hwaccl_error *error)
{
        const struct kvm_run *run = kvm->kvm->run;
        uint8_t data[4];
        bool next = false;

        memcpy(data, (const uint8_t *)run + run->io.data_offset, run->io.size);
        if (is_plain(scanned, true)) {
                kvm->completion = COMPLETION_PORT;
                if (!out_is_next(kvm, state, &next, error))
                        return false;
        }
        if (next)
                return true;
        kvm->completed = true;
        kvm->after = *state;
        if (is_outs(scanned) && scanned->repeat && (state->rflags & RFLAGS_RF)) {
                rewind_registers(state, scanned, run->io.size);
                if (gave_this_data(kvm, state, scanned, data, run->io.size))
                        return true;
                *state = kvm->after;
        }
        if (rewind_finished_outs(kvm, state, data, run->io.size, scanned))
                return true;
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
        struct scanned scanned = kvm_scan_at_rip(kvm);

        if (size != 1 && size != 2 && size != 4)
                return hwaccl_error_set(error, "KVM reports a port access of %u bytes", size);
        if (!in && !settle_out(kvm, state, &scanned, error))
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
