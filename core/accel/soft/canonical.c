#include "core/accel/soft/canonical.h"

#include "core/accel/soft/interrupt.h"
#include "core/exit/descriptor.h"
#include "core/exit/registers.h"

#include <string.h>

#define SLOT       8u
#define TYPE_MASK  0x1fu /* with S */
#define TYPE_LDT   0x02u
#define TYPE_TSS   0x09u
#define TYPE_GATE  0x0cu
#define LOOP_FIRST 0xe0u
#define LOOP_LAST  0xe2u
#define LARGEST    512u /* bytes, of FXSAVE */
#define USUAL      16u

static bool is_canonical(uint64_t start, unsigned size)
{
        return address_is_canonical(start) && address_is_canonical(start + size - 1);
}

/* Offset of the memory operand of ModRM as the instruction uses it. */
static uint64_t operand_offset(const struct soft_site *site, const struct hwaccl_subject_state *state,
                               enum soft_operand_kind kind, enum hwaccl_segment_register *segment)
{
        struct hwaccl_subject_state popped = *state;
        uint64_t offset;

        if (kind == SOFT_OPERAND_POPPED)
                popped.rsp += site->operand_bits == 16 ? 2 : SLOT;
        soft_operand(site, &popped, segment, &offset);
        if (kind == SOFT_OPERAND_BIT) {
                unsigned number = ((site->modrm >> 3) & 7u) | (site->rex & 4u ? 8u : 0);
                int64_t bit = (int64_t)*soft_general(&popped, number);
                if (site->operand_bits != 64)
                        bit = site->operand_bits == 16 ? (int16_t)bit : (int32_t)bit;
                offset += (uint64_t)(bit >> 3) & ~(uint64_t)(site->operand_bits / 8 - 1);
        }
        return offset;
}

static bool stack_is_canonical(const struct soft_site *site, const struct hwaccl_subject_state *state)
{
        uint8_t slots;
        enum soft_stack_kind kind = soft_decode_stack(site, &slots);
        unsigned size = (slots ? slots : 1) * (site->operand_bits == 16 ? 2 : SLOT);

        switch (kind) {
        case SOFT_STACK_PUSH: return is_canonical(state->rsp - size, size);
        case SOFT_STACK_POP: return is_canonical(state->rsp, size);
        case SOFT_STACK_LEAVE: return is_canonical(state->rbp, size);
        case SOFT_STACK_ENTER: return is_canonical(state->rsp - size, size) && is_canonical(state->rbp - size, size);
        default: return true;
        }
}

static bool is_stack_fault(const struct soft_site *site, const struct hwaccl_subject_state *state)
{
        enum soft_operand_kind kind = soft_decode_operand(site);

        if (kind != SOFT_OPERAND_NONE) {
                bool saves = site->two_byte ? site->opcode == 0xae : site->opcode == 0xd9 || site->opcode == 0xdd;
                enum hwaccl_segment_register segment;
                uint64_t linear = operand_offset(site, state, kind, &segment);
                if (segment == HWACCL_FS || segment == HWACCL_GS)
                        linear += segment == HWACCL_FS ? state->fs.base : state->gs.base;
                bool aligned = linear % SOFT_ALIGNMENT == 0 || !saves;
                if (!address_is_canonical(linear) || (aligned && !is_canonical(linear, saves ? LARGEST : USUAL)))
                        return segment == HWACCL_SS;
        }
        return !stack_is_canonical(site, state);
}

/* The branch that ended the block is taken back. */
static void undo_branch(struct soft *soft)
{
        struct hwaccl_subject_state *state = soft->state;
        struct soft_site site = {0};
        uint16_t more = 0;

        if (!soft_scan_branch(&soft->cpu->scan, soft->address, &site))
                return; /* code that runs up to the last canonical address */
        state->rip = site.address;
        if (site.two_byte)
                return;
        if (site.opcode == 0xc2)
                memcpy(&more, site.bytes + site.length - sizeof(more), sizeof(more));
        if (site.opcode == 0xc2 || site.opcode == 0xc3)
                state->rsp -= SLOT + more;
        else if (site.opcode == 0xe8 || (site.opcode == 0xff && ((site.modrm >> 3) & 7) == 2))
                state->rsp += SLOT;
        else if (site.opcode >= LOOP_FIRST && site.opcode <= LOOP_LAST)
                state->rcx = site.address_bits == 32 ? (uint32_t)(state->rcx + 1) : state->rcx + 1;
}

enum soft_result soft_canonical_fault(struct soft *soft)
{
        struct hwaccl_subject_state *state = soft->state;
        uint8_t vector = HWACCL_VECTOR_GP;
        struct soft_site site = {0};

        if (!address_is_canonical(state->rip))
                undo_branch(soft);
        else if (soft_scan_decode(&soft->cpu->scan, state->rip, soft->bits, &site) && is_stack_fault(&site, state))
                vector = HWACCL_VECTOR_SS;
        return soft_deliver_exception(soft, vector, true, 0);
}

bool soft_canonical_table(struct soft *soft, const struct soft_site *site)
{
        struct hwaccl_machine_context context;
        struct hwaccl_exception exception;
        enum hwaccl_segment_register segment;
        uint64_t offset, base;

        soft_operand(site, soft->state, &segment, &offset);
        return !soft_context(soft, &context) ||
               !soft_access(&context, soft, segment, offset + 2, &base, sizeof(base), false, &exception) ||
               address_is_canonical(base);
}

/* The upper half of a system descriptor, whose type is 0. */
static bool upper_half(struct soft *soft, const struct hwaccl_machine_context *context,
                       const struct descriptor *descriptor, uint64_t *upper)
{
        return (descriptor->segment.selector & 0xfff8u) + 15 <= soft->state->gdtr.limit &&
               soft_read_linear(context, soft, descriptor->linear + 8, upper, sizeof(*upper));
}

bool soft_canonical_system(struct soft *soft, uint16_t selector, bool task)
{
        struct hwaccl_physical_memory memory = soft_physical(soft);
        struct hwaccl_machine_context context;
        struct hwaccl_exception exception;
        struct descriptor descriptor;
        uint64_t upper;

        if (!(selector & 0xfffcu) || (selector & 4) || !soft_context(soft, &context) ||
            descriptor_read(&context, &memory, selector, &descriptor, &exception) != DESCRIPTOR_READ ||
            (descriptor.segment.access_rights & TYPE_MASK) != (task ? TYPE_TSS : TYPE_LDT) ||
            !(descriptor.segment.access_rights & SEGMENT_P) || !upper_half(soft, &context, &descriptor, &upper))
                return true;
        return !(upper >> 40 & TYPE_MASK) && address_is_canonical(descriptor.segment.base | upper << 32);
}

bool soft_canonical_far(struct soft *soft, uint16_t selector, uint64_t offset)
{
        struct hwaccl_physical_memory memory = soft_physical(soft);
        struct hwaccl_machine_context context;
        struct hwaccl_exception exception;
        struct descriptor descriptor;
        uint64_t upper;

        if (!(soft->state->efer & HWACCL_EFER_LMA) || !(selector & 0xfffcu) || !soft_context(soft, &context) ||
            descriptor_read(&context, &memory, selector, &descriptor, &exception) != DESCRIPTOR_READ)
                return true;
        uint32_t rights = descriptor.segment.access_rights;
        if (!(rights & SEGMENT_P))
                return true;
        if ((rights & TYPE_MASK) == TYPE_GATE && !(selector & 4)) {
                if (!upper_half(soft, &context, &descriptor, &upper))
                        return true;
                return address_is_canonical((descriptor.bytes & 0xffff) | (descriptor.bytes >> 32 & 0xffff0000u) |
                                            upper << 32);
        }
        return !((rights & SEGMENT_S) && (rights & SEGMENT_TYPE_CODE) && (rights & SEGMENT_L)) ||
               address_is_canonical(offset);
}
