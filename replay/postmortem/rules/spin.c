#include "replay/postmortem/rules/spin.h"

#include "replay/postmortem/evidence_memory.h"

#include "core/exit/emulate/emulator.h"

#include <stdlib.h>
#include <string.h>

#define BODY_MAX 8  /* instructions */
#define BACK_MAX 48 /* bytes */

/* Target of a jump; false for other instructions. */
static bool jump_target(const char *text, uint64_t *target)
{
        const char *operand = strchr(text, ' ');
        char *end;

        if (text[0] != 'j' || !operand)
                return false;
        *target = strtoull(operand + 1, &end, 0);
        return end != operand + 1 && *end == '\0';
}

/* Does it change neither memory nor the address that the loop reads? */
static bool only_reads(const char *text)
{
        static const char *const harmless[] = {"cmp ", "test ", "bt ", "nop", "pause", "lfence"};
        const char *memory = strchr(text, '['), *comma = strchr(text, ',');
        char target[8];

        for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
                if (strncmp(text, harmless[i], strlen(harmless[i])) == 0)
                        return true;
        const char *operand = strchr(text, ' ');
        size_t length = operand && comma ? (size_t)(comma - operand - 1) : 0;
        if (strncmp(text, "mov", 3) != 0 || !memory || memory < comma || !length || length >= sizeof(target))
                return false;
        memcpy(target, operand + 1, length);
        target[length] = '\0';
        return !strstr(memory, target); /* a load that does not change its own address */
}

/* The next instruction from @offset on. */
static unsigned read_instruction(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state,
                                 uint64_t offset, char text[64])
{
        uint64_t base = evidence_linear_rip(state) - state->rip;
        uint8_t bytes[15];
        size_t size = sizeof(bytes);

        while (size && !evidence_read_linear(evidence, state, base + offset, bytes, size))
                size--;
        return size ? hwaccl_instruction_disassemble(bytes, size, offset, evidence_code_bits(state), text, 64) : 0;
}

bool spin_find(const struct hwaccl_evidence *evidence, struct spin *spin)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        uint64_t target = 0, offset;
        unsigned length = 1;

        memset(spin, 0, sizeof(*spin));
        if (!last || !evidence_of_host(last))
                return false;
        const struct hwaccl_subject_state *state = &last->exit;
        offset = state->rip;
        for (unsigned i = 0; i < BODY_MAX && length; i++, offset += length) {
                length = read_instruction(evidence, state, offset, spin->jump);
                if (length && jump_target(spin->jump, &target))
                        break;
        }
        spin->first = target;
        spin->last = offset;
        if (!length || spin->jump[0] != 'j' || target > state->rip || offset - target > BACK_MAX)
                return false;
        for (offset = target; offset < spin->last; offset += length) {
                char text[64];
                length = read_instruction(evidence, state, offset, text);
                if (!length || !only_reads(text))
                        return false;
                if (strchr(text, '['))
                        memcpy(spin->read, text, sizeof(spin->read));
        }
        return offset == spin->last;
}
