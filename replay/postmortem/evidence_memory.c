#include "replay/postmortem/evidence_memory.h"

#include "core/exit/emulate/emulator.h"
#include "core/exit/guest_access.h"
#include "core/exit/registers.h"
#include "core/subject/transfer.h"

#include <string.h>

#define PAGE        4096u
#define CODE_BEFORE 32u
#define CODE_BEHIND 48u
#define STACK_SLOTS 64u
#define CALL_MAX    7u /* bytes of a near CALL */

static bool read_physical(void *opaque, uint64_t address, void *buffer, size_t size)
{
        const struct hwaccl_evidence *evidence = opaque;

        return hwaccl_recording_memory_read(evidence->recording, address, buffer, size);
}

/* One linear address; without paging it is physical. */
static bool translate(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state, uint64_t linear,
                      uint64_t *physical)
{
        const struct hwaccl_physical_memory memory = {.read = read_physical, .opaque = (void *)(uintptr_t)evidence};
        struct hwaccl_machine_context context = {
                .cr0 = state->cr0, .cr3 = state->cr3, .cr4 = state->cr4, .efer = state->efer};
        struct hwaccl_translation translation;
        struct hwaccl_exception exception;

        if (!hwaccl_page_walk(&context, &memory, linear, HWACCL_ACCESS_READ, &translation, &exception))
                return false;
        *physical = translation.physical;
        return true;
}

bool evidence_read_linear(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state,
                          uint64_t linear, void *buffer, size_t size)
{
        uint8_t *to = buffer;

        if (state->efer & HWACCL_EFER_LMA && !address_is_canonical(linear))
                return false;
        while (size) {
                size_t part = PAGE - linear % PAGE < size ? PAGE - linear % PAGE : size;
                uint64_t physical;
                if (!translate(evidence, state, linear, &physical) ||
                    !hwaccl_recording_memory_read(evidence->recording, physical, to, part))
                        return false;
                to += part;
                linear += part;
                size -= part;
        }
        return true;
}

bool evidence_code(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state,
                   struct hwaccl_code *code)
{
        uint64_t rip = evidence_linear_rip(state);
        size_t before = CODE_BEFORE, behind = CODE_BEHIND;

        memset(code, 0, sizeof(*code));
        while (behind && !evidence_read_linear(evidence, state, rip, code->byte + CODE_BEFORE, behind))
                behind--;
        if (!behind)
                return false;
        while (before && (before > rip || !evidence_read_linear(evidence, state, rip - before,
                                                                code->byte + CODE_BEFORE - before, before)))
                before--;
        memmove(code->byte, code->byte + CODE_BEFORE - before, before + behind);
        code->at = before;
        code->size = before + behind;
        return true;
}

bool evidence_call_before(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state,
                          uint64_t address, char *text, size_t room)
{
        uint64_t base = evidence_code_bits(state) == 64 ? 0 : state->cs.base;
        uint8_t bytes[CALL_MAX];

        if (address < CALL_MAX || !evidence_read_linear(evidence, state, base + address - CALL_MAX, bytes, CALL_MAX))
                return false;
        for (size_t size = 2; size <= CALL_MAX; size++) {
                unsigned length = hwaccl_instruction_disassemble(bytes + CALL_MAX - size, size, address - size,
                                                                 evidence_code_bits(state), text, room);
                if (length == size && strncmp(text, "call ", 5) == 0)
                        return true;
        }
        return false;
}

static bool follows_call(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state,
                         uint64_t address)
{
        char text[64];

        return evidence_call_before(evidence, state, address, text, sizeof(text));
}

static bool read_slot(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state, uint64_t offset,
                      uint64_t *linear, uint64_t *value)
{
        unsigned bits = evidence_code_bits(state);

        *value = 0;
        *linear = bits == 64 ? offset : (state->ss.base + offset) & UINT32_MAX;
        return evidence_read_linear(evidence, state, *linear, value, bits / 8);
}

bool evidence_stack_slot(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state, int slots,
                         uint64_t *linear, uint64_t *value)
{
        int64_t offset = (int64_t)slots * (evidence_code_bits(state) / 8);

        return read_slot(evidence, state, state->rsp + (uint64_t)offset, linear, value);
}

bool evidence_all_zeros(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state, uint64_t from,
                        uint64_t to)
{
        static const uint8_t zeros[PAGE];
        uint8_t bytes[PAGE];

        while (from < to) {
                size_t part = to - from < PAGE ? (size_t)(to - from) : PAGE;
                if (!evidence_read_linear(evidence, state, from, bytes, part) || memcmp(bytes, zeros, part) != 0)
                        return false;
                from += part;
        }
        return true;
}

static void add_frame(struct evidence_frame *frame, size_t *count, uint64_t stack, uint64_t address, bool guess)
{
        for (size_t i = 0; i < *count; i++)
                if (frame[i].stack == stack)
                        return;
        if (*count < EVIDENCE_FRAMES)
                frame[(*count)++] = (struct evidence_frame){stack, address, guess};
}

size_t evidence_backtrace(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state,
                          struct evidence_frame frame[EVIDENCE_FRAMES])
{
        unsigned size = evidence_code_bits(state) / 8;
        uint64_t pointer = state->rbp, linear, value, saved;
        size_t count = 0;

        while (count < EVIDENCE_FRAMES && pointer >= state->rsp &&
               read_slot(evidence, state, pointer, &linear, &saved) &&
               read_slot(evidence, state, pointer + size, &linear, &value) && follows_call(evidence, state, value)) {
                add_frame(frame, &count, linear, value, false);
                if (saved <= pointer)
                        break;
                pointer = saved;
        }
        for (unsigned i = 0; i < STACK_SLOTS && count < EVIDENCE_FRAMES; i++)
                if (read_slot(evidence, state, state->rsp + (uint64_t)i * size, &linear, &value) &&
                    follows_call(evidence, state, value))
                        add_frame(frame, &count, linear, value, true);
        return count;
}

bool evidence_keeps_memory(const struct hwaccl_evidence *evidence)
{
        struct hwaccl_code code;

        return evidence_code(evidence, &evidence->state, &code);
}
