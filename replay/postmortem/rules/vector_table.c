#include "replay/postmortem/rules/vector_table.h"

#include "replay/postmortem/evidence_memory.h"

#include "core/exit/emulate/emulator.h"
#include "core/exit/registers.h"

#include <string.h>

#define GATE_INTERRUPT 0xeu /* and trap, 0fh; those of 16 bits are 6 and 7 */
#define GATE_PRESENT   0x80u

static uint16_t word_at(const uint8_t *bytes)
{
        return (uint16_t)(bytes[0] | bytes[1] << 8);
}

bool vector_table_read(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state, uint8_t vector,
                       struct vector_entry *entry)
{
        bool real = evidence_real_mode(state);
        unsigned size = real ? 4 : state->efer & HWACCL_EFER_LMA ? 16 : 8;
        uint8_t bytes[16] = {0};
        unsigned any = 0;

        *entry = (struct vector_entry){.address = state->idtr.base + (uint64_t)vector * size};
        if ((vector + 1u) * size - 1 > state->idtr.limit ||
            !evidence_read_linear(evidence, state, entry->address, bytes, size))
                return false;
        for (unsigned i = 0; i < size; i++)
                any |= bytes[i];
        entry->null = !any;
        entry->selector = word_at(bytes + 2);
        entry->offset = word_at(bytes);
        entry->gate = entry->present = true;
        if (real)
                return true;
        entry->gate = !(bytes[5] & 0x10) && (bytes[5] & 0x6) == (GATE_INTERRUPT & 0x6);
        entry->present = bytes[5] & GATE_PRESENT;
        entry->offset |= (uint64_t)word_at(bytes + 6) << 16;
        if (size == 16)
                entry->offset |= (uint64_t)word_at(bytes + 8) << 32 | (uint64_t)word_at(bytes + 10) << 48;
        return true;
}

const char *vector_table_name(const struct hwaccl_subject_state *state)
{
        return evidence_real_mode(state) ? "interrupt vector table" : "IDT";
}

/* The instruction before the return address, if it is an INT n, which pushes what follows it. */
static bool is_software(const uint8_t before[2], struct vector_frame *frame)
{
        unsigned size = before[0] == 0xcd ? 2 : before[1] == 0xcc || before[1] == 0xce ? 1 : 0;

        if (!size)
                return false;
        frame->vector = size == 2 ? before[1] : before[1] == 0xcc ? 3 : 4;
        frame->address -= size;
        (void)hwaccl_instruction_disassemble(before + 2 - size, size, frame->address, 16, frame->text,
                                             sizeof(frame->text));
        return true;
}

/* Faults push the address of the instruction itself. */
static bool is_fault(const uint8_t *bytes, size_t size, struct vector_frame *frame)
{
        static const struct {
                const char *text;
                uint8_t vector;
        } causes[] = {{"div ", 0}, {"idiv ", 0}, {"aam", 0}, {"bound ", 5}, {"ud2", 6}, {"(bad)", 6}};

        if (!hwaccl_instruction_disassemble(bytes, size, frame->address, 16, frame->text, sizeof(frame->text)))
                memcpy(frame->text, "(bad)", sizeof("(bad)"));
        for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
                if (strncmp(frame->text, causes[i].text, strlen(causes[i].text)) != 0)
                        continue;
                frame->vector = causes[i].vector;
                return true;
        }
        return false;
}

bool vector_frame_read(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state,
                       struct vector_frame *frame)
{
        uint8_t pushed[6], code[2 + 15];
        uint64_t stack = (state->ss.base + (state->rsp & 0xffff)) & UINT32_MAX;

        if (!evidence_real_mode(state) || !evidence_read_linear(evidence, state, stack, pushed, sizeof(pushed)))
                return false;
        *frame = (struct vector_frame){.address = word_at(pushed), .selector = word_at(pushed + 2)};
        uint64_t linear = ((uint64_t)frame->selector << 4) + frame->address;
        return frame->address >= 2 && evidence_read_linear(evidence, state, linear - 2, code, sizeof(code)) &&
               (is_software(code, frame) || is_fault(code + 2, sizeof(code) - 2, frame));
}
