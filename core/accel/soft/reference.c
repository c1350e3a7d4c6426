/* What an instruction does to memory by itself, for the checks of segments (SDM 2D, appendix A). Not for 64-bit code.
 */
#include "core/accel/soft/decode.h"

#define BIT(number) (1u << (number))

/* Sizes of memory operands: bytes, or one of these. */
enum {
        SIZE_OPERAND = 0x80, /* the operand size */
        SIZE_ELEMENT,        /* the same, or 1 byte when the opcode is even */
        SIZE_FAR,            /* the operand size and a selector */
        SIZE_PAIR,           /* twice the operand size */
        SIZE_DECODED,        /* what the disassembler says */
};

#define NEVER  0x00
#define ALWAYS 0xff

struct rule {
        uint8_t first, last; /* opcodes */
        uint8_t operand;     /* enum soft_operand_kind; the ModRM kinds: unless that is a register */
        uint8_t size;
        uint8_t writes; /* for which opcode extensions in ModRM: 1 << extension */
        uint8_t stack;  /* enum soft_stack_kind */
        uint8_t slots;
        uint8_t branch; /* enum soft_branch_kind */
};

#define MODRM(first, last, size, writes)                                                                               \
        {                                                                                                              \
                first, last, SOFT_OPERAND_MODRM, size, writes, 0, 0, 0                                                 \
        }
#define STRING(first, last, operand, writes)                                                                           \
        {                                                                                                              \
                first, last, operand, SIZE_ELEMENT, writes, 0, 0, 0                                                    \
        }
#define STACK(first, last, kind, slots, branch)                                                                        \
        {                                                                                                              \
                first, last, 0, 0, 0, kind, slots, branch                                                              \
        }
#define PUSH(first, last, slots) STACK(first, last, SOFT_STACK_PUSH, slots, 0)
#define POP(first, last, slots)  STACK(first, last, SOFT_STACK_POP, slots, 0)

/* The first rule that fits. 00h to 3Fh are an instruction in every eight opcodes. */
static const struct rule one_byte[] = {
        PUSH(0x50, 0x57, 1),
        POP(0x58, 0x5f, 1),
        PUSH(0x60, 0x60, 8),
        POP(0x61, 0x61, 8),
        MODRM(0x62, 0x62, SIZE_PAIR, NEVER),
        MODRM(0x63, 0x63, 2, ALWAYS),
        PUSH(0x68, 0x68, 1),
        MODRM(0x69, 0x69, SIZE_OPERAND, NEVER),
        PUSH(0x6a, 0x6a, 1),
        MODRM(0x6b, 0x6b, SIZE_OPERAND, NEVER),
        STRING(0x6c, 0x6d, SOFT_OPERAND_DESTINATION, ALWAYS),
        STRING(0x6e, 0x6f, SOFT_OPERAND_SOURCE, NEVER),
        STACK(0x70, 0x7f, 0, 0, SOFT_BRANCH_RELATIVE),
        MODRM(0x80, 0x83, SIZE_ELEMENT, 0x7f),
        MODRM(0x84, 0x85, SIZE_ELEMENT, NEVER),
        MODRM(0x86, 0x89, SIZE_ELEMENT, ALWAYS),
        MODRM(0x8a, 0x8b, SIZE_ELEMENT, NEVER),
        MODRM(0x8c, 0x8c, 2, ALWAYS),
        MODRM(0x8e, 0x8e, 2, NEVER),
        {0x8f, 0x8f, SOFT_OPERAND_POPPED, SIZE_OPERAND, ALWAYS, SOFT_STACK_POP, 1, 0},
        STACK(0x9a, 0x9a, SOFT_STACK_PUSH, 2, SOFT_BRANCH_FAR),
        PUSH(0x9c, 0x9c, 1),
        POP(0x9d, 0x9d, 1),
        {0xa0, 0xa1, SOFT_OPERAND_OFFSET, SIZE_ELEMENT, NEVER, 0, 0, 0},
        {0xa2, 0xa3, SOFT_OPERAND_OFFSET, SIZE_ELEMENT, ALWAYS, 0, 0, 0},
        STRING(0xa4, 0xa5, SOFT_OPERAND_BOTH, ALWAYS),
        STRING(0xa6, 0xa7, SOFT_OPERAND_BOTH, NEVER),
        STRING(0xaa, 0xab, SOFT_OPERAND_DESTINATION, ALWAYS),
        STRING(0xac, 0xad, SOFT_OPERAND_SOURCE, NEVER),
        STRING(0xae, 0xaf, SOFT_OPERAND_DESTINATION, NEVER),
        MODRM(0xc0, 0xc1, SIZE_ELEMENT, ALWAYS),
        STACK(0xc2, 0xc3, SOFT_STACK_POP, 1, SOFT_BRANCH_RETURN),
        MODRM(0xc4, 0xc5, SIZE_FAR, NEVER),
        MODRM(0xc6, 0xc7, SIZE_ELEMENT, ALWAYS),
        STACK(0xc8, 0xc8, SOFT_STACK_ENTER, 0, 0),
        STACK(0xc9, 0xc9, SOFT_STACK_LEAVE, 0, 0),
        STACK(0xca, 0xcb, SOFT_STACK_POP, 2, SOFT_BRANCH_RETURN),
        STACK(0xcf, 0xcf, SOFT_STACK_POP, 3, SOFT_BRANCH_RETURN),
        MODRM(0xd0, 0xd3, SIZE_ELEMENT, ALWAYS),
        {0xd7, 0xd7, SOFT_OPERAND_TABLE, 1, NEVER, 0, 0, 0},
        MODRM(0xd8, 0xd8, SIZE_DECODED, NEVER),
        MODRM(0xd9, 0xd9, SIZE_DECODED, 0xcc),
        MODRM(0xda, 0xda, SIZE_DECODED, NEVER),
        MODRM(0xdb, 0xdb, SIZE_DECODED, 0x8e),
        MODRM(0xdc, 0xdc, SIZE_DECODED, NEVER),
        MODRM(0xdd, 0xdd, SIZE_DECODED, 0xce),
        MODRM(0xde, 0xde, SIZE_DECODED, NEVER),
        MODRM(0xdf, 0xdf, SIZE_DECODED, 0xce),
        STACK(0xe0, 0xe3, 0, 0, SOFT_BRANCH_RELATIVE),
        STACK(0xe8, 0xe8, SOFT_STACK_PUSH, 1, SOFT_BRANCH_RELATIVE),
        STACK(0xe9, 0xe9, 0, 0, SOFT_BRANCH_RELATIVE),
        STACK(0xea, 0xea, 0, 0, SOFT_BRANCH_FAR),
        STACK(0xeb, 0xeb, 0, 0, SOFT_BRANCH_RELATIVE),
        MODRM(0xf6, 0xf7, SIZE_ELEMENT, 0x0c),
        MODRM(0xfe, 0xfe, 1, ALWAYS),
        {0x00, 0xff, 0, 0, 0, 0, 0, 0},
};

static const struct rule arithmetic[8] = {
        MODRM(0, 0, 1, ALWAYS), MODRM(1, 1, SIZE_OPERAND, ALWAYS),
        MODRM(2, 2, 1, NEVER),  MODRM(3, 3, SIZE_OPERAND, NEVER),
        [6] = PUSH(6, 6, 1),    [7] = POP(7, 7, 1),
};

/* FFh, by the opcode extension */
static const struct rule group_5[8] = {
        MODRM(0, 0, SIZE_OPERAND, ALWAYS),
        MODRM(1, 1, SIZE_OPERAND, ALWAYS),
        {2, 2, SOFT_OPERAND_MODRM, SIZE_OPERAND, NEVER, SOFT_STACK_PUSH, 1, SOFT_BRANCH_INDIRECT},
        {3, 3, SOFT_OPERAND_MODRM, SIZE_FAR, NEVER, SOFT_STACK_PUSH, 2, SOFT_BRANCH_INDIRECT},
        {4, 4, SOFT_OPERAND_MODRM, SIZE_OPERAND, NEVER, 0, 0, SOFT_BRANCH_INDIRECT},
        {5, 5, SOFT_OPERAND_MODRM, SIZE_FAR, NEVER, 0, 0, SOFT_BRANCH_INDIRECT},
        {6, 6, SOFT_OPERAND_MODRM, SIZE_OPERAND, NEVER, SOFT_STACK_PUSH, 1, 0},
};

/* Behind 0Fh. What is missing has no memory operand, or is as the last rule says: MMX and SSE. */
static const struct rule two_byte[] = {
        MODRM(0x00, 0x00, 2, 0x03),
        MODRM(0x02, 0x03, 2, NEVER),
        {0x0d, 0x0d, 0, 0, 0, 0, 0, 0}, /* prefetches and other hints */
        MODRM(0x11, 0x11, SIZE_DECODED, ALWAYS),
        MODRM(0x13, 0x13, SIZE_DECODED, ALWAYS),
        MODRM(0x17, 0x17, SIZE_DECODED, ALWAYS),
        {0x18, 0x1f, 0, 0, 0, 0, 0, 0},
        {0x20, 0x23, 0, 0, 0, 0, 0, 0},
        MODRM(0x29, 0x29, SIZE_DECODED, ALWAYS),
        MODRM(0x2b, 0x2b, SIZE_DECODED, ALWAYS),
        MODRM(0x40, 0x4f, SIZE_OPERAND, NEVER),
        MODRM(0x7f, 0x7f, SIZE_DECODED, ALWAYS),
        STACK(0x80, 0x8f, 0, 0, SOFT_BRANCH_RELATIVE),
        MODRM(0x90, 0x9f, 1, ALWAYS),
        PUSH(0xa0, 0xa0, 1),
        POP(0xa1, 0xa1, 1),
        {0xa3, 0xa3, SOFT_OPERAND_BIT, SIZE_OPERAND, NEVER, 0, 0, 0},
        MODRM(0xa4, 0xa5, SIZE_OPERAND, ALWAYS),
        PUSH(0xa8, 0xa8, 1),
        POP(0xa9, 0xa9, 1),
        {0xab, 0xab, SOFT_OPERAND_BIT, SIZE_OPERAND, ALWAYS, 0, 0, 0},
        MODRM(0xac, 0xad, SIZE_OPERAND, ALWAYS),
        MODRM(0xae, 0xae, SIZE_DECODED, 0x59),
        MODRM(0xaf, 0xaf, SIZE_OPERAND, NEVER),
        MODRM(0xb0, 0xb1, SIZE_ELEMENT, ALWAYS),
        MODRM(0xb2, 0xb2, SIZE_FAR, NEVER),
        {0xb3, 0xb3, SOFT_OPERAND_BIT, SIZE_OPERAND, ALWAYS, 0, 0, 0},
        MODRM(0xb4, 0xb5, SIZE_FAR, NEVER),
        MODRM(0xba, 0xba, SIZE_OPERAND, 0xe0),
        {0xbb, 0xbb, SOFT_OPERAND_BIT, SIZE_OPERAND, ALWAYS, 0, 0, 0},
        MODRM(0xc0, 0xc1, SIZE_ELEMENT, ALWAYS),
        MODRM(0xc3, 0xc3, SIZE_DECODED, ALWAYS),
        MODRM(0xc7, 0xc7, SIZE_DECODED, ALWAYS),
        MODRM(0xd6, 0xd6, SIZE_DECODED, ALWAYS),
        MODRM(0xe7, 0xe7, SIZE_DECODED, ALWAYS),
        {0xf7, 0xf7, SOFT_OPERAND_MASKED, 8, ALWAYS, 0, 0, 0},
        MODRM(0x00, 0xff, SIZE_DECODED, NEVER),
};

static unsigned extension(const struct soft_site *site)
{
        return (site->modrm >> 3) & 7;
}

static const struct rule *find(const struct rule *rule, uint8_t opcode)
{
        while (opcode < rule->first || opcode > rule->last)
                rule++;
        return rule;
}

static const struct rule *rule_of(const struct soft_site *site)
{
        if (site->two_byte)
                return find(two_byte, site->opcode);
        if (site->opcode == 0xff)
                return &group_5[extension(site)];
        if (site->opcode >= 0x40)
                return find(one_byte, site->opcode);
        /* 26h, 27h and so on to 3Fh push and pop nothing */
        return (site->opcode & 7) >= 6 && site->opcode >= 0x20 ? &arithmetic[4] : &arithmetic[site->opcode & 7];
}

/* What the disassembler does not know, or has wrong: state of the FPU, and the descriptor tables' registers. */
static uint16_t odd_size(const struct soft_site *site, uint16_t decoded)
{
        bool word = site->operand_bits == 16;
        unsigned number = extension(site);

        if (site->two_byte) {
                if (site->opcode == 0x01)
                        return number == 7 ? 0 : number < 4 ? 6 : 2;
                if (site->opcode == 0xae)
                        return number < 2 ? 512 : number >= 4 && number <= 6 ? 576 : decoded;
                return decoded;
        }
        if (site->opcode == 0xd9 && (number == 4 || number == 6))
                return word ? 14 : 28;
        if (site->opcode == 0xdd && (number == 4 || number == 6))
                return word ? 94 : 108;
        return site->opcode == 0xdd && number == 7 ? 2 : decoded;
}

static uint16_t size_of(const struct soft_site *site, uint8_t size, uint8_t decoded)
{
        uint16_t operand = site->operand_bits / 8;

        switch (size) {
        case SIZE_OPERAND: return operand;
        case SIZE_ELEMENT: return site->opcode & 1 ? operand : 1;
        case SIZE_FAR: return (uint16_t)(operand + 2);
        case SIZE_PAIR: return (uint16_t)(operand * 2);
        case SIZE_DECODED: return odd_size(site, decoded);
        default: return size;
        }
}

static bool writes(const struct soft_site *site, const struct rule *rule)
{
        uint8_t third = site->modrm_at ? site->bytes[site->modrm_at - 1] : 0;

        if (!site->two_byte) /* 38h to 3Bh are CMP */
                return (site->opcode & 0xf8) != 0x38 && (rule->writes & BIT(extension(site)));
        switch (site->opcode) {
        case 0x01: return extension(site) < 2 || extension(site) == 4;
        case 0x38: return third == 0xf1 && site->repeat != 0xf2; /* MOVBE */
        case 0x3a: return third >= 0x14 && third <= 0x17;        /* PEXTR, EXTRACTPS */
        case 0x7e: return site->repeat != 0xf3;
        default: return rule->writes & BIT(extension(site));
        }
}

/* #NM comes first where CR0 says so. */
static bool is_floating(const struct soft_site *site)
{
        uint8_t opcode = site->opcode;

        if (!site->two_byte)
                return opcode >= 0xd8 && opcode <= 0xdf;
        if (opcode == 0xae)
                return extension(site) != 7;
        return (opcode >= 0x10 && opcode <= 0x17) || (opcode >= 0x28 && opcode <= 0x2f) ||
               (opcode >= 0x50 && opcode <= 0x7f) || opcode == 0x38 || opcode == 0x3a || opcode == 0xc2 ||
               (opcode >= 0xc4 && opcode <= 0xc6) || opcode >= 0xd0;
}

static unsigned data_segment(const struct soft_site *site)
{
        return site->segment == SOFT_NO_SEGMENT ? HWACCL_DS : site->segment;
}

/* Segments and general registers of the memory operand. */
static void note_operand(struct soft_site *site, unsigned *segments, unsigned *registers)
{
        struct hwaccl_subject_state zero = {0};
        enum hwaccl_segment_register segment;
        uint64_t offset;

        switch (site->reference.operand) {
        case SOFT_OPERAND_NONE: return;
        case SOFT_OPERAND_OFFSET: *segments = BIT(data_segment(site)); return;
        case SOFT_OPERAND_TABLE:
                *segments = BIT(data_segment(site));
                *registers = BIT(HWACCL_RBX) | BIT(HWACCL_RAX);
                return;
        case SOFT_OPERAND_MASKED:
                *segments = BIT(data_segment(site));
                *registers = BIT(HWACCL_RDI);
                return;
        case SOFT_OPERAND_SOURCE:
                *segments = BIT(data_segment(site));
                *registers = BIT(HWACCL_RSI);
                break;
        case SOFT_OPERAND_DESTINATION:
                *segments = BIT(HWACCL_ES);
                *registers = BIT(HWACCL_RDI);
                break;
        case SOFT_OPERAND_BOTH:
                *segments = BIT(data_segment(site)) | BIT(HWACCL_ES);
                *registers = BIT(HWACCL_RSI) | BIT(HWACCL_RDI);
                break;
        default:
                soft_operand(site, &zero, &segment, &offset);
                *segments = BIT(segment);
                *registers = soft_operand_registers(site);
                if (site->reference.operand == SOFT_OPERAND_BIT)
                        *registers |= BIT(extension(site));
                return;
        }
        if (site->repeat)
                *registers |= BIT(HWACCL_RCX);
}

static void note_used(struct soft_site *site)
{
        struct soft_reference *reference = &site->reference;
        unsigned segments = 0, registers = 0;

        note_operand(site, &segments, &registers);
        if (reference->write && (segments & BIT(HWACCL_CS)))
                segments |= SOFT_WRITES_CODE;
        if (reference->branch)
                segments |= BIT(HWACCL_CS);
        if (reference->branch == SOFT_BRANCH_INDIRECT)
                registers |= soft_operand_registers(site);
        if (reference->stack) {
                segments |= BIT(HWACCL_SS);
                registers |= BIT(HWACCL_RSP);
        }
        if (reference->stack == SOFT_STACK_ENTER || reference->stack == SOFT_STACK_LEAVE)
                registers |= BIT(HWACCL_RBP);
        reference->segments = (uint8_t)segments;
        reference->registers = (uint16_t)registers;
}

void soft_decode_reference(struct soft_site *site, uint8_t size)
{
        const struct rule *rule = rule_of(site);
        struct soft_reference *reference = &site->reference;

        if (site->two_byte && (site->opcode == 0x38 || site->opcode == 0x3a)) { /* ModRM follows a third byte */
                site->modrm_at++;
                site->modrm = site->bytes[site->modrm_at];
        }
        reference->stack = rule->stack;
        reference->slots = rule->slots;
        reference->branch = rule->branch;
        bool in_register = rule->operand <= SOFT_OPERAND_BIT && site->modrm >> 6 == 3;
        if (rule->operand && !in_register) {
                reference->size = size_of(site, rule->size, size);
                reference->write = writes(site, rule);
                reference->floating = is_floating(site);
                if (rule->operand == SOFT_OPERAND_MASKED && site->operand_bits != site->bits)
                        reference->size = 16;
                if (reference->size)
                        reference->operand = rule->operand;
        }
        note_used(site);
}

enum soft_stack_kind soft_decode_stack(const struct soft_site *site, uint8_t *slots)
{
        const struct rule *rule = rule_of(site);

        *slots = rule->slots;
        return rule->stack;
}

enum soft_operand_kind soft_decode_operand(const struct soft_site *site)
{
        uint8_t operand = rule_of(site)->operand;

        return operand <= SOFT_OPERAND_BIT && site->modrm >> 6 != 3 ? operand : SOFT_OPERAND_NONE;
}

enum hwaccl_segment_register soft_loaded_segment(const struct soft_site *site)
{
        switch (site->opcode) {
        case 0x8e: return (enum hwaccl_segment_register)((site->modrm >> 3) & 7);
        case 0x07:
        case 0xc4: return HWACCL_ES;
        case 0x17:
        case 0xb2: return HWACCL_SS;
        case 0xa1:
        case 0xb4: return HWACCL_FS;
        case 0xa9:
        case 0xb5: return HWACCL_GS;
        default: return HWACCL_DS;
        }
}
