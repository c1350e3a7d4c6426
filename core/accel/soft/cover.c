#include "core/accel/soft/cover.h"

#include <string.h>

#define OPCODE_XLAT     0xd7u
#define REX_FIRST       0x40u
#define REX_MASK        0xf0u
#define OPERAND_LARGEST 512u /* bytes, of FXSAVE; more than ENTER pushes */
#define STRING_LARGEST  8u

static uint8_t *host_memory(struct soft *soft, uint64_t linear)
{
        uint64_t rest;

        return (uint8_t *)(uintptr_t)soft_memory_code(&soft->memory, linear, &rest);
}

/* Does an operand lie where the instruction does? Compared in host memory, as linear addresses may be aliases. */
static bool overlaps(struct soft *soft, const struct soft_site *site, uint64_t linear, unsigned below, unsigned above)
{
        uintptr_t code = (uintptr_t)host_memory(soft, site->address), operand = (uintptr_t)host_memory(soft, linear);
        unsigned before = below + site->length - 1u;

        return operand && code - operand + before < before + above;
}

static bool is_string(const struct soft_site *site)
{
        return !site->two_byte && site->opcode >= 0xa4 && site->opcode <= 0xaf && (site->opcode & 0xfe) != 0xa8;
}

/* Of those that the engine executes in 64-bit code. */
static bool uses_itself(struct soft *soft, const struct soft_site *site)
{
        struct hwaccl_subject_state *state = soft->state;
        enum hwaccl_segment_register segment;
        uint8_t slots;
        uint64_t offset;

        if (is_string(site))
                return overlaps(soft, site, state->rsi, 0, STRING_LARGEST) ||
                       overlaps(soft, site, state->rdi, 0, STRING_LARGEST);
        if (!site->two_byte && site->opcode == OPCODE_XLAT)
                return overlaps(soft, site, state->rbx, 0, UINT8_MAX + 1);
        if (soft_decode_stack(site, &slots) != SOFT_STACK_NONE &&
            overlaps(soft, site, state->rsp, OPERAND_LARGEST, OPERAND_LARGEST))
                return true;
        if (soft_decode_operand(site) == SOFT_OPERAND_NONE)
                return false;
        soft_operand(site, state, &segment, &offset);
        if (segment == HWACCL_FS || segment == HWACCL_GS)
                offset += segment == HWACCL_FS ? state->fs.base : state->gs.base;
        return overlaps(soft, site, offset, 0, OPERAND_LARGEST);
}

/* From the last prefix to the first: each REX prefix that is ignored becomes what the byte behind it has become. */
static void without_ignored(const struct soft_site *site, uint8_t bytes[15])
{
        bool behind = false;

        memcpy(bytes, site->bytes, site->length);
        unsigned first = site->modrm_at ? site->modrm_at - 1u : site->length - 1u;
        first -= site->two_byte;
        for (unsigned i = first; i-- > 0;) {
                if ((bytes[i] & REX_MASK) != REX_FIRST)
                        behind = true;
                else if (behind)
                        bytes[i] = bytes[i + 1];
        }
}

static void put(struct soft *soft, const uint8_t *bytes)
{
        for (unsigned i = 0; i < soft->covered.length; i++) {
                uint8_t *byte = host_memory(soft, soft->covered.linear + i);
                if (byte && *byte != bytes[i])
                        *byte = bytes[i];
        }
}

enum soft_result soft_cover(struct soft *soft)
{
        const struct soft_site *site = soft->site;
        uint8_t bytes[15];

        if (uses_itself(soft, site))
                return soft_refuse(soft, "has a REX prefix before another prefix, and an operand in its own bytes");
        without_ignored(site, bytes);
        soft->covered.active = true;
        soft->covered.linear = site->address;
        soft->covered.length = site->length;
        memcpy(soft->covered.bytes, site->bytes, site->length);
        put(soft, bytes);
        soft->step_next = true;
        return SOFT_GO_ON;
}

void soft_cover_settle(struct soft *soft, enum soft_result result)
{
        if (!soft->covered.active)
                return;
        if (result == SOFT_GO_ON && soft->step_next && soft->covered.linear == soft->state->cs.base + soft->state->rip)
                return;
        put(soft, soft->covered.bytes);
        soft->covered.active = false;
}
