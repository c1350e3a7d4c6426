/* What the guest's own test of a polled value says about the bits it waits for. Only the instruction that exits is
 * recorded: it tests itself (TEST, BT with a memory operand), or the flags at the next exit are those of the test. */
#include "replay/postmortem/rules/polled_device.h"
#include "replay/postmortem/words/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RFLAGS_CF UINT64_C(0x01)
#define RFLAGS_PF UINT64_C(0x04)
#define RFLAGS_ZF UINT64_C(0x40)
#define RFLAGS_SF UINT64_C(0x80)

static uint64_t all_bits(unsigned size)
{
        return size == 0 || size >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
}

/* "test dword ptr [edi + 0x300], 0x1000": the operand that is not in memory. */
static bool other_operand(const struct hwaccl_subject_state *state, const char *text, uint64_t *value)
{
        const char *comma = strrchr(text, ',');
        unsigned size;

        if (!comma || comma[1] != ' ' || strchr(comma, '['))
                return false;
        const char *operand = comma + 2;
        if (hwaccl_register_value(state, operand, strlen(operand), value, &size))
                return true;
        char *end;
        *value = strtoull(operand, &end, 0);
        return end != operand && *end == '\0';
}

/* The instruction that exits is itself the test. */
static bool tested_in_memory(const struct evidence_exit *exit, const struct hwaccl_subject_state *after,
                             struct poll *poll)
{
        char text[96];
        uint64_t operand;

        evidence_instruction(exit, text, sizeof(text));
        bool test = strncmp(text, "test ", 5) == 0, bit = strncmp(text, "bt ", 3) == 0;
        if (strncmp(text, "cmp ", 4) == 0 || strncmp(text, "cmps", 4) == 0) {
                poll->test = POLL_COMPARED;
                return true;
        }
        if ((!test && !bit) || !other_operand(&exit->exit, text, &operand))
                return false;
        bool zero = test ? (after->rflags & RFLAGS_ZF) != 0 : !(after->rflags & RFLAGS_CF);
        poll->test = POLL_TESTED;
        poll->exact = true;
        poll->awaited = zero;
        poll->candidates = test ? operand : UINT64_C(1) << (operand & 63);
        return true;
}

/* The value is in a register: which bits of it can have given these flags? */
static void tested_in_register(const struct evidence_exit *next, struct poll *poll)
{
        unsigned size = poll->access.size ? poll->access.size : 8;
        uint64_t flags = next->exit.rflags, bits = all_bits(size);

        poll->awaited = (flags & RFLAGS_ZF) != 0;
        poll->test = POLL_TESTED;
        if (poll->awaited) {
                poll->candidates = bits & ~poll->ever;
                return;
        }
        poll->candidates = bits & poll->always;
        uint64_t kept = next->exit.rax & bits; /* by an AND */
        if (next->exit.rip == poll->exit->exit.rip && kept && (kept & ~poll->last) == 0)
                poll->candidates &= kept;
        /* one bit: odd parity of the low byte, and the sign is the highest bit */
        if (flags & RFLAGS_PF)
                poll->candidates &= ~UINT64_C(0xff);
        uint64_t sign = UINT64_C(1) << (8 * size - 1);
        poll->candidates &= flags & RFLAGS_SF ? sign : ~sign;
        if (!poll->candidates)
                poll->test = POLL_COMPARED; /* no single bit gives these flags */
}

void polled_test_find(const struct hwaccl_evidence *evidence, size_t index, bool flags_count, struct poll *poll)
{
        size_t next = index + 1;

        poll->test = POLL_UNKNOWN;
        if (!poll->exit || !evidence->exits)
                return;
        const struct hwaccl_subject_state *after = next < evidence->exit_count ? &evidence->exits[next].entry
                                                   : evidence->state_known     ? &evidence->state
                                                                               : NULL;
        if (poll->access.kind == ACCESS_MEMORY && after && tested_in_memory(poll->exit, after, poll))
                return;
        if (polled_code_find(evidence, poll))
                return;
        while (next < evidence->exit_count && evidence_of_host(&evidence->exits[next]))
                next++;
        if (next == evidence->exit_count) { /* the last read: what followed the one of the round before */
                for (next = index; next-- > 0;)
                        if (evidence->exits[next].exit.rip == poll->exit->exit.rip &&
                            evidence_reason(&evidence->exits[next]) == evidence_reason(poll->exit))
                                break;
                if (next == SIZE_MAX)
                        return;
                do
                        next++;
                while (evidence_of_host(&evidence->exits[next]));
        }
        if (!flags_count && poll->reads)
                tested_in_register(&evidence->exits[next], poll);
}
