/* Which instructions the accelerator must see, and where their operands are (SDM 2A, chapter 2; 2D, appendix A). */
#include "core/accel/soft/decode.h"

#include "core/exit/registers.h"
#include "hwaccl/exit_reason.h"

#include <string.h>

#define REX_B 1u
#define REX_X 2u
#define REX_R 4u
#define REX_W 8u

static uint8_t modrm_reg(const struct soft_site *site)
{
        return (site->modrm >> 3) & 7;
}

static bool modrm_is_register(const struct soft_site *site)
{
        return site->modrm >> 6 == 3;
}

/* Prefixes up to the opcode, in any order; REX counts where it is the last of them. */
static bool parse_prefixes(struct soft_site *site, unsigned *at, bool *address_prefix)
{
        bool rex = false;

        for (; *at < site->length; (*at)++) {
                uint8_t byte = site->bytes[*at];
                if (site->bits == 64 && (byte & 0xf0) == 0x40) {
                        site->rex = byte & 0xf;
                        rex = true;
                        continue;
                }
                switch (byte) {
                case 0x26: site->segment = HWACCL_ES; break;
                case 0x2e: site->segment = HWACCL_CS; break;
                case 0x36: site->segment = HWACCL_SS; break;
                case 0x3e: site->segment = HWACCL_DS; break;
                case 0x64: site->segment = HWACCL_FS; break;
                case 0x65: site->segment = HWACCL_GS; break;
                case 0x66: site->operand_prefix = true; break;
                case 0x67: *address_prefix = true; break;
                case 0xf0: site->lock = true; break;
                case 0xf2:
                case 0xf3: site->repeat = byte; break;
                default: return true;
                }
                site->rex_ignored |= rex;
                site->rex = 0;
                rex = false;
        }
        return false;
}

/* Prefixes and opcode; false when the bytes end before. */
static bool parse(struct soft_site *site)
{
        bool address_prefix = false;
        unsigned i = 0;

        site->segment = SOFT_NO_SEGMENT;
        if (!parse_prefixes(site, &i, &address_prefix))
                return false;
        if (site->bits == 64) {
                site->operand_bits = site->rex & REX_W ? 64 : site->operand_prefix ? 16 : 32;
                site->address_bits = address_prefix ? 32 : 64;
                if (site->segment != HWACCL_FS && site->segment != HWACCL_GS)
                        site->segment = SOFT_NO_SEGMENT;
        } else {
                site->operand_bits = (site->bits == 32) != site->operand_prefix ? 32 : 16;
                site->address_bits = (site->bits == 32) != address_prefix ? 32 : 16;
        }
        if (site->bytes[i] == 0x0f) {
                site->two_byte = true;
                i++;
        }
        if (i >= site->length)
                return false;
        site->opcode = site->bytes[i++];
        if (i < site->length) {
                site->modrm_at = (uint8_t)i;
                site->modrm = site->bytes[i];
        }
        return true;
}

/* May have a LOCK prefix (SDM 2A, LOCK): a read-modify-write of these with a memory operand. */
static bool lockable(const struct soft_site *site)
{
        uint8_t reg = modrm_reg(site), opcode = site->opcode;

        if (!site->modrm_at || modrm_is_register(site))
                return false;
        if (site->two_byte)
                switch (opcode) {
                case 0xab:
                case 0xb3:
                case 0xbb: /* BTS, BTR, BTC */
                case 0xb0:
                case 0xb1: /* CMPXCHG */
                case 0xc0:
                case 0xc1: return true;     /* XADD */
                case 0xba: return reg >= 5; /* BTS, BTR, BTC */
                case 0xc7: return reg == 1; /* CMPXCHG8B, CMPXCHG16B */
                default: return false;
                }
        switch (opcode) {
        case 0x80:
        case 0x81:
        case 0x83: return reg != 7; /* not CMP */
        case 0x82: return reg != 7 && site->bits != 64;
        case 0x86:
        case 0x87: return true; /* XCHG */
        case 0xf6:
        case 0xf7: return reg == 2 || reg == 3; /* NOT, NEG */
        case 0xfe:
        case 0xff: return reg < 2;                         /* INC, DEC */
        default: return opcode < 0x38 && (opcode & 7) < 2; /* ADD to XOR */
        }
}

static uint8_t exits(struct soft_site *site, enum hwaccl_exit_reason reason)
{
        site->reason = (uint8_t)reason;
        return SOFT_SITE_EXIT;
}

/* 0F 01: the group of table registers, machine status word and everything with a register in ModRM. */
static uint8_t group_7(struct soft_site *site)
{
        if (!modrm_is_register(site)) {
                switch (modrm_reg(site)) {
                case 2: /* LGDT, LIDT */
                case 3: return site->bits == 64 ? SOFT_SITE_LOAD_TABLE : SOFT_SITE_NONE;
                case 4: return SOFT_SITE_SMSW;
                case 6: return SOFT_SITE_LMSW;
                case 7: return SOFT_SITE_INVLPG;
                default: return SOFT_SITE_NONE;
                }
        }
        switch (site->modrm) {
        case 0xc1: return exits(site, HWACCL_EXIT_VMCALL);
        case 0xc2: return exits(site, HWACCL_EXIT_VMLAUNCH);
        case 0xc3: return exits(site, HWACCL_EXIT_VMRESUME);
        case 0xc4: return exits(site, HWACCL_EXIT_VMXOFF);
        case 0xca:                             /* CLAC */
        case 0xcb:                             /* STAC */
        case 0xdc: return SOFT_SITE_UNDEFINED; /* STGI */
        case 0xc8: return exits(site, HWACCL_EXIT_MONITOR);
        case 0xc9: return exits(site, HWACCL_EXIT_MWAIT);
        case 0xd1: return exits(site, HWACCL_EXIT_XSETBV);
        case 0xf8: return site->bits == 64 ? SOFT_SITE_SWAPGS : SOFT_SITE_NONE;
        case 0xf9: return exits(site, HWACCL_EXIT_RDTSCP);
        default: break;
        }
        if (modrm_reg(site) == 4)
                return SOFT_SITE_SMSW;
        return modrm_reg(site) == 6 ? SOFT_SITE_LMSW : SOFT_SITE_NONE;
}

static uint8_t classify_two_byte(struct soft_site *site)
{
        switch (site->opcode) {
        case 0x00: /* LLDT, LTR */
                return modrm_reg(site) == 2 || modrm_reg(site) == 3 ? SOFT_SITE_LOAD_SYSTEM : SOFT_SITE_NONE;
        case 0x01: return group_7(site);
        case 0x05:
        case 0x07:
        case 0x34:
        case 0x35: return SOFT_SITE_SYSTEM_CALL;
        case 0x06: return SOFT_SITE_CLTS;
        case 0x08: return exits(site, HWACCL_EXIT_INVD);
        case 0x09: return exits(site, HWACCL_EXIT_WBINVD);
        case 0x20:
        case 0x22: return SOFT_SITE_CONTROL_REGISTER;
        case 0x21:
        case 0x23: return SOFT_SITE_DEBUG_REGISTER;
        case 0x30: return exits(site, HWACCL_EXIT_WRMSR);
        case 0x31: return exits(site, HWACCL_EXIT_RDTSC);
        case 0x32: return exits(site, HWACCL_EXIT_RDMSR);
        case 0x33: return exits(site, HWACCL_EXIT_RDPMC);
        case 0xa2: return exits(site, HWACCL_EXIT_CPUID);
        case 0xae: /* TPAUSE, UMWAIT, UMONITOR, which the engine takes for MFENCE */
                return (site->modrm & 0xf8) == 0xf0 && (site->repeat || site->operand_prefix) ? SOFT_SITE_UNDEFINED
                                                                                              : SOFT_SITE_NONE;
        case 0xb2: return site->bits == 64 ? SOFT_SITE_LOAD_FAR_SS : SOFT_SITE_LOAD_SEGMENT;
        case 0xa1:
        case 0xa9:
        case 0xb4:
        case 0xb5: return SOFT_SITE_LOAD_SEGMENT;
        default: return soft_decode_aligned(site) ? SOFT_SITE_ALIGNED : SOFT_SITE_NONE;
        }
}

static uint8_t classify_one_byte(struct soft_site *site)
{
        switch (site->opcode) {
        case 0x17: return SOFT_SITE_LOAD_SS;
        case 0x8e: return modrm_reg(site) == HWACCL_SS ? SOFT_SITE_LOAD_SS : SOFT_SITE_LOAD_SEGMENT;
        case 0x07:
        case 0x1f: return SOFT_SITE_LOAD_SEGMENT;
        case 0xc4:
        case 0xc5: return site->bits != 64 && !modrm_is_register(site) ? SOFT_SITE_LOAD_SEGMENT : SOFT_SITE_NONE;
        case 0x6c:
        case 0x6d:
        case 0x6e:
        case 0x6f: return SOFT_SITE_STRING_IO;
        case 0x90: return site->repeat == 0xf3 ? SOFT_SITE_PAUSE : SOFT_SITE_NONE;
        case 0x9a:
        case 0xea: return SOFT_SITE_FAR_TRANSFER;
        case 0xff: /* CALL and JMP with a far pointer in memory */
                return !modrm_is_register(site) && (modrm_reg(site) == 3 || modrm_reg(site) == 5)
                               ? SOFT_SITE_FAR_TRANSFER
                               : SOFT_SITE_NONE;
        case 0x9c: return SOFT_SITE_PUSHF;
        case 0x9d: return SOFT_SITE_POPF;
        case 0xca:
        case 0xcb: return SOFT_SITE_FAR_RETURN;
        case 0xcf: return SOFT_SITE_IRET;
        case 0xcc:
        case 0xcd:
        case 0xce:
        case 0xf1: return SOFT_SITE_INTERRUPT;
        case 0xe4:
        case 0xe5:
        case 0xe6:
        case 0xe7:
        case 0xec:
        case 0xed:
        case 0xee:
        case 0xef: return SOFT_SITE_IO;
        case 0xf4: return exits(site, HWACCL_EXIT_HLT);
        case 0xfb: return SOFT_SITE_STI;
        default: return SOFT_SITE_NONE;
        }
}

/* Left to the engine, with the prefixes that it sees. */
static bool engine_executes(uint8_t kind)
{
        switch (kind) {
        case SOFT_SITE_NONE:
        case SOFT_SITE_LOAD_SS:
        case SOFT_SITE_LOAD_SEGMENT:
        case SOFT_SITE_LOAD_FAR_SS:
        case SOFT_SITE_LOAD_TABLE:
        case SOFT_SITE_LOAD_SYSTEM:
        case SOFT_SITE_ALIGNED:
        case SOFT_SITE_PUSHF:
        case SOFT_SITE_POPF:
        case SOFT_SITE_IRET:
        case SOFT_SITE_FAR_RETURN:
        case SOFT_SITE_FAR_TRANSFER: return true;
        default: return false;
        }
}

void soft_decode(struct soft_site *site, const uint8_t *bytes, uint8_t length, uint8_t bits)
{
        uint64_t address = site->address;

        memset(site, 0, sizeof(*site));
        site->address = address;
        site->bits = bits;
        site->length = length;
        memcpy(site->bytes, bytes, length);
        if (!parse(site))
                return;
        if (site->lock && !lockable(site))
                site->kind = SOFT_SITE_UNDEFINED;
        else
                site->kind = site->two_byte ? classify_two_byte(site) : classify_one_byte(site);
        if (site->rex_ignored && engine_executes(site->kind))
                site->kind = SOFT_SITE_REX_IGNORED;
}

uint64_t *soft_general(struct hwaccl_subject_state *state, unsigned index)
{
        switch (index) {
        case HWACCL_RAX: return &state->rax;
        case HWACCL_RCX: return &state->rcx;
        case HWACCL_RDX: return &state->rdx;
        case HWACCL_RBX: return &state->rbx;
        case HWACCL_RSP: return &state->rsp;
        case HWACCL_RBP: return &state->rbp;
        case HWACCL_RSI: return &state->rsi;
        case HWACCL_RDI: return &state->rdi;
        default: return &state->r8 + (index - HWACCL_R8);
        }
}

static uint64_t general(const struct hwaccl_subject_state *state, unsigned index)
{
        struct hwaccl_subject_state *writable = (struct hwaccl_subject_state *)(uintptr_t)state;
        return *soft_general(writable, index);
}

static uint64_t displacement(const struct soft_site *site, unsigned at, unsigned size)
{
        int32_t wide = 0;
        int16_t word;

        if (size == 1)
                return (uint64_t)(int64_t)(int8_t)site->bytes[at];
        if (size == 2) {
                memcpy(&word, site->bytes + at, sizeof(word));
                return (uint64_t)(int64_t)word;
        }
        if (size == 4)
                memcpy(&wide, site->bytes + at, sizeof(wide));
        return (uint64_t)(int64_t)wide;
}

static uint64_t operand_16(const struct soft_site *site, const struct hwaccl_subject_state *state, bool *stack)
{
        static const uint8_t base[8] = {HWACCL_RBX, HWACCL_RBX, HWACCL_RBP, HWACCL_RBP,
                                        HWACCL_RSI, HWACCL_RDI, HWACCL_RBP, HWACCL_RBX};
        unsigned mode = site->modrm >> 6, rm = site->modrm & 7;
        uint64_t offset = 0;

        if (mode == 0 && rm == 6)
                return displacement(site, site->modrm_at + 1u, 2) & 0xffff;
        offset = general(state, base[rm]);
        if (rm < 4)
                offset += general(state, rm & 1 ? HWACCL_RDI : HWACCL_RSI);
        *stack = base[rm] == HWACCL_RBP;
        return (offset + displacement(site, site->modrm_at + 1u, mode)) & 0xffff;
}

static uint64_t operand_wide(const struct soft_site *site, const struct hwaccl_subject_state *state, bool *stack)
{
        unsigned mode = site->modrm >> 6, rm = site->modrm & 7;
        unsigned at = site->modrm_at + 1u;
        unsigned size = mode == 1 ? 1 : mode == 2 ? 4 : 0;
        uint64_t offset = 0;

        if (rm == 4) {
                uint8_t sib = site->bytes[at++];
                unsigned index = ((sib >> 3) & 7) | (site->rex & REX_X ? 8u : 0);
                unsigned base = sib & 7;
                if (index != 4)
                        offset = general(state, index) << (sib >> 6);
                if (base == 5 && mode == 0)
                        return offset + displacement(site, at, 4);
                *stack = !(site->rex & REX_B) && (base == HWACCL_RSP || base == HWACCL_RBP);
                offset += general(state, base | (site->rex & REX_B ? 8u : 0));
        } else if (rm == 5 && mode == 0) {
                offset = displacement(site, at, 4);
                return site->bits == 64 ? offset + state->rip + site->length : offset;
        } else {
                *stack = rm == HWACCL_RBP && !(site->rex & REX_B);
                offset = general(state, rm | (site->rex & REX_B ? 8u : 0));
        }
        return offset + displacement(site, at, size);
}

uint16_t soft_operand_registers(const struct soft_site *site)
{
        static const uint8_t word[8] = {1 << HWACCL_RBX | 1 << HWACCL_RSI,
                                        1 << HWACCL_RBX | 1 << HWACCL_RDI,
                                        1 << HWACCL_RBP | 1 << HWACCL_RSI,
                                        1 << HWACCL_RBP | 1 << HWACCL_RDI,
                                        1 << HWACCL_RSI,
                                        1 << HWACCL_RDI,
                                        1 << HWACCL_RBP,
                                        1 << HWACCL_RBX};
        unsigned mode = site->modrm >> 6, rm = site->modrm & 7;
        unsigned upper = site->rex & REX_B ? 8 : 0;

        if (mode == 3)
                return (uint16_t)(1u << (rm | upper));
        if (site->address_bits == 16)
                return mode == 0 && rm == 6 ? 0 : word[rm];
        if (rm != 4)
                return mode == 0 && rm == 5 ? 0 : (uint16_t)(1u << (rm | upper));
        uint8_t sib = site->bytes[site->modrm_at + 1u];
        uint16_t registers = mode == 0 && (sib & 7) == 5 ? 0 : (uint16_t)(1u << ((sib & 7) | upper));
        unsigned index = ((sib >> 3) & 7) | (site->rex & REX_X ? 8u : 0);
        return index == 4 ? registers : (uint16_t)(registers | 1u << index);
}

void soft_operand(const struct soft_site *site, const struct hwaccl_subject_state *state,
                  enum hwaccl_segment_register *segment, uint64_t *offset)
{
        bool stack = false;

        if (site->address_bits == 16)
                *offset = operand_16(site, state, &stack);
        else
                *offset = operand_wide(site, state, &stack);
        if (site->address_bits == 32)
                *offset &= UINT32_MAX;
        *segment = stack ? HWACCL_SS : HWACCL_DS;
        if (site->segment != SOFT_NO_SEGMENT)
                *segment = (enum hwaccl_segment_register)site->segment;
}
