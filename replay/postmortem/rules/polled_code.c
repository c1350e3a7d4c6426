/* The test that a wait loop makes, read from the memory at the end: the instructions behind the read. */
#include "replay/postmortem/evidence_memory.h"
#include "replay/postmortem/rules/polled_device.h"

#include "core/exit/emulate/emulator.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSTRUCTIONS 8 /* behind the read, up to the branch */

/* "al", "ax", "eax" and "rax" are one register: its name without size. High bytes are none. */
static bool register_name(const char *text, size_t length, char name[8])
{
        size_t begin = length > 2 && (text[0] == 'e' || text[0] == 'r') && !isdigit((unsigned char)text[1]);

        if (length < 2 || length - begin >= 8 || !isalpha((unsigned char)text[0]))
                return false;
        memcpy(name, text + begin, length - begin);
        name[length - begin] = '\0';
        if (isdigit((unsigned char)text[1])) /* r8 to r15, with b, w or d */
                name[1 + strspn(name + 1, "0123456789")] = '\0';
        else if (strchr("lx", text[length - 1]))
                name[length - begin - 1] = '\0';
        return true;
}

/* The register that gets the value; "" where it is none. */
static void find_target(const char *read, char name[8])
{
        const char *operand = strchr(read, ' ');
        const char *comma = operand ? strchr(operand, ',') : NULL;

        name[0] = '\0';
        if (strncmp(read, "rdmsr", 5) == 0)
                memcpy(name, "a", 2);
        else if (comma && (strncmp(read, "in ", 3) == 0 || strncmp(read, "mov", 3) == 0) &&
                 !register_name(operand + 1, (size_t)(comma - operand - 1), name))
                name[0] = '\0';
}

/* One instruction: "mnemonic first, second". */
struct instruction {
        char mnemonic[12];
        char first[8];    /* register, without its size; empty: another operand, or none */
        bool second_same; /* the second operand is the first one */
        bool constant_known;
        uint64_t constant; /* the last operand */
};

static void split(const char *text, struct instruction *instruction)
{
        size_t length = strcspn(text, " ");
        const char *operand = text[length] ? text + length + 1 : text + length;
        const char *comma = strchr(operand, ',');
        const char *last = comma ? comma + 2 : operand;
        char *end;

        memset(instruction, 0, sizeof(*instruction));
        (void)snprintf(instruction->mnemonic, sizeof(instruction->mnemonic), "%.*s", (int)length, text);
        if (!register_name(operand, comma ? (size_t)(comma - operand) : strlen(operand), instruction->first))
                instruction->first[0] = '\0';
        instruction->second_same =
                comma && strlen(last) == (size_t)(comma - operand) && strncmp(last, operand, strlen(last)) == 0;
        instruction->constant = strtoull(last, &end, 0);
        instruction->constant_known = *last && *end == '\0';
}

static bool is(const struct instruction *instruction, const char *mnemonic)
{
        return strcmp(instruction->mnemonic, mnemonic) == 0;
}

/* What the flags at the branch say of the value. */
struct condition {
        bool known, compared;
        char flag; /* Z: by TEST, AND or CMP, C: by BT or a shift, S */
        uint64_t mask, wanted;
};

static void take(const struct instruction *now, unsigned size, struct condition *condition)
{
        uint64_t constant = now->constant & condition->mask, sign = UINT64_C(1) << (8 * size - 1);
        bool with_constant = now->constant_known && !condition->known;

        if ((is(now, "test") || is(now, "or") || is(now, "and")) && now->second_same) {
                condition->known = true;
                condition->flag = 'Z';
        } else if ((is(now, "test") || is(now, "and")) && now->constant_known) {
                condition->known = true;
                condition->mask &= now->constant;
                condition->flag = 'Z';
        } else if (is(now, "cmp") && now->constant_known) {
                condition->known = condition->compared = true;
                condition->wanted = constant;
                condition->flag = 'Z';
        } else if (is(now, "bt") && with_constant) {
                condition->known = true;
                condition->mask &= UINT64_C(1) << (now->constant & 63);
                condition->flag = 'C';
        } else if ((is(now, "shr") || is(now, "ror") || is(now, "rcr")) && with_constant && now->constant - 1 < 63) {
                condition->known = true;
                condition->mask &= UINT64_C(1) << (now->constant - 1);
                condition->flag = 'C';
        } else if ((is(now, "shl") || is(now, "rol") || is(now, "rcl") || is(now, "add")) &&
                   ((with_constant && now->constant == 1) || now->second_same)) {
                condition->known = true;
                condition->mask &= sign;
                condition->flag = 'C';
        } else {
                condition->known = false;
                condition->mask = 0; /* something else */
        }
}

/* Does the branch at the condition end the loop when the flag is 1? -1: it is no such branch. */
static int ends_when_set(const struct instruction *branch, const struct condition *condition, bool back, uint64_t size,
                         uint64_t *mask)
{
        static const struct {
                const char *mnemonic;
                char flag;
                bool set; /* jumps when the flag is 1 */
        } branches[] = {{"je", 'Z', true},   {"jne", 'Z', false}, {"jb", 'C', true},
                        {"jae", 'C', false}, {"js", 'S', true},   {"jns", 'S', false}};

        for (size_t i = 0; i < sizeof(branches) / sizeof(branches[0]); i++) {
                if (!is(branch, branches[i].mnemonic))
                        continue;
                if (branches[i].flag == 'S' && condition->flag == 'Z' && !condition->compared)
                        *mask &= UINT64_C(1) << (8 * size - 1);
                else if (branches[i].flag != condition->flag)
                        return -1;
                else if (branches[i].flag == 'Z')
                        return branches[i].set != back;
                return branches[i].set != back ? 1 : 0;
        }
        return -1;
}

static bool decide(const struct condition *condition, const struct instruction *branch, bool back, unsigned size,
                   struct poll *poll)
{
        uint64_t mask = condition->mask;
        int set = ends_when_set(branch, condition, back, size, &mask);
        bool sign = branch->mnemonic[1] == 's' || strcmp(branch->mnemonic, "jns") == 0;

        if (set < 0 || !mask)
                return false;
        poll->candidates = mask;
        poll->exact = true;
        if (condition->compared) {
                poll->test = POLL_COMPARED;
                poll->wanted_known = true;
                poll->wanted_other = set == 0; /* the loop ends when they are not equal */
                poll->wanted = condition->wanted;
                return true;
        }
        poll->test = POLL_TESTED;
        /* ZF is 1 when the bits are 0; CF and SF are the bit */
        poll->awaited = condition->flag == 'Z' && !sign ? !set : set;
        return true;
}

bool polled_code_find(const struct hwaccl_evidence *evidence, struct poll *poll)
{
        const struct hwaccl_subject_state *state = &poll->exit->exit;
        unsigned bits = evidence_code_bits(state), size = poll->access.size ? poll->access.size : 4;
        struct condition condition = {.mask = size >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1};
        uint8_t bytes[64];
        char text[64], target[8];

        if (!poll->exit->code_size ||
            !evidence_read_linear(evidence, state, evidence_linear_rip(state), bytes, sizeof(bytes)))
                return false;
        size_t at = hwaccl_instruction_disassemble(bytes, sizeof(bytes), state->rip, bits, text, sizeof(text));
        find_target(text, target);
        for (unsigned i = 0; at && *target && i < INSTRUCTIONS; i++) {
                struct instruction now;
                unsigned length = hwaccl_instruction_disassemble(bytes + at, sizeof(bytes) - at, state->rip + at, bits,
                                                                 text, sizeof(text));
                if (!length)
                        return false;
                split(text, &now);
                at += length;
                if (now.mnemonic[0] == 'j')
                        return condition.known && now.constant_known &&
                               decide(&condition, &now, now.constant <= state->rip, size, poll);
                if (strcmp(now.first, target) == 0)
                        take(&now, size, &condition);
                else if (!is(&now, "nop") && !is(&now, "pause") && condition.known)
                        return false; /* it may set the flags */
        }
        return false;
}
