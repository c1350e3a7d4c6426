/* Registers by the names that instructions have for their parts. */
#include "replay/postmortem/words/words.h"

#include <string.h>

static uint64_t low_bytes(uint64_t value, unsigned size)
{
        return size >= 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

bool hwaccl_register_value(const struct hwaccl_subject_state *state, const char *name, size_t length, uint64_t *value,
                           unsigned *size)
{
        static const struct {
                const char *name;
                unsigned size, shift;
                enum hwaccl_field_index field;
        } parts[] = {
#define PARTS(r64, r32, r16, low, index)                                                                               \
        {r64, 8, 0, HWACCL_FIELD_INDEX_##index}, {r32, 4, 0, HWACCL_FIELD_INDEX_##index},                              \
                {r16, 2, 0, HWACCL_FIELD_INDEX_##index}, {low, 1, 0, HWACCL_FIELD_INDEX_##index}
                PARTS("rax", "eax", "ax", "al", rax),      PARTS("rbx", "ebx", "bx", "bl", rbx),
                PARTS("rcx", "ecx", "cx", "cl", rcx),      PARTS("rdx", "edx", "dx", "dl", rdx),
                PARTS("rsi", "esi", "si", "sil", rsi),     PARTS("rdi", "edi", "di", "dil", rdi),
                PARTS("rbp", "ebp", "bp", "bpl", rbp),     PARTS("r8", "r8d", "r8w", "r8b", r8),
                PARTS("r9", "r9d", "r9w", "r9b", r9),      PARTS("r10", "r10d", "r10w", "r10b", r10),
                PARTS("r11", "r11d", "r11w", "r11b", r11), PARTS("r12", "r12d", "r12w", "r12b", r12),
                PARTS("r13", "r13d", "r13w", "r13b", r13), PARTS("r14", "r14d", "r14w", "r14b", r14),
                PARTS("r15", "r15d", "r15w", "r15b", r15), {"ah", 1, 8, HWACCL_FIELD_INDEX_rax},
                {"bh", 1, 8, HWACCL_FIELD_INDEX_rbx},      {"ch", 1, 8, HWACCL_FIELD_INDEX_rcx},
                {"dh", 1, 8, HWACCL_FIELD_INDEX_rdx},
#undef PARTS
        };

        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
                if (strlen(parts[i].name) != length || strncmp(parts[i].name, name, length) != 0)
                        continue;
                *size = parts[i].size;
                *value = low_bytes(hwaccl_field_get(state, parts[i].field) >> parts[i].shift, *size);
                return true;
        }
        return false;
}
