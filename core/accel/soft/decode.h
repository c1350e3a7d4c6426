/* Instructions that the accelerator must see ("sites"), decoded. */
#ifndef HWACCL_SOFT_DECODE_H
#define HWACCL_SOFT_DECODE_H

#include "core/subject/machine_context.h"

enum soft_site_kind {
        SOFT_SITE_NONE,
        SOFT_SITE_EXIT, /* exits with a fixed reason and no qualification */
        SOFT_SITE_IO,
        SOFT_SITE_STRING_IO,
        SOFT_SITE_CONTROL_REGISTER,
        SOFT_SITE_CLTS,
        SOFT_SITE_LMSW,
        SOFT_SITE_SMSW,
        SOFT_SITE_DEBUG_REGISTER,
        SOFT_SITE_INVLPG,
        SOFT_SITE_INTERRUPT, /* INT n, INT3, INTO, INT1 */
        SOFT_SITE_STI,
        SOFT_SITE_LOAD_SS,
        SOFT_SITE_LOAD_SEGMENT, /* another segment register */
        SOFT_SITE_REFERENCE,    /* uses a segment register that the same block has loaded */
        SOFT_SITE_LOAD_FAR_SS,  /* LSS in 64-bit code, which may load a null selector */
        SOFT_SITE_LOAD_TABLE,   /* LGDT and LIDT in 64-bit code */
        SOFT_SITE_LOAD_SYSTEM,  /* LLDT and LTR */
        SOFT_SITE_ALIGNED,      /* has an SSE operand that must be aligned */
        SOFT_SITE_POPF,
        SOFT_SITE_PUSHF,
        SOFT_SITE_IRET,
        SOFT_SITE_FAR_RETURN,
        SOFT_SITE_FAR_TRANSFER,
        SOFT_SITE_PAUSE,
        SOFT_SITE_SYSTEM_CALL, /* SYSCALL, SYSRET, SYSENTER, SYSEXIT */
        SOFT_SITE_UNDEFINED,   /* raises #UD, where the engine would execute something */
        SOFT_SITE_SWAPGS,
        SOFT_SITE_REX_IGNORED, /* the engine would heed a REX prefix that another prefix follows */
        SOFT_SITE_UNDECODED,   /* let the engine judge, and decode again behind it */
};

/* Where an instruction's memory operand is. */
enum soft_operand_kind {
        SOFT_OPERAND_NONE,
        SOFT_OPERAND_MODRM,
        SOFT_OPERAND_POPPED, /* the same, with the stack pointer as POP leaves it */
        SOFT_OPERAND_BIT,    /* the same, and as many operands further as a bit number in a register says */
        SOFT_OPERAND_OFFSET, /* in the instruction */
        SOFT_OPERAND_TABLE,  /* XLAT */
        SOFT_OPERAND_MASKED, /* MASKMOVQ */
        SOFT_OPERAND_SOURCE, /* of a string instruction */
        SOFT_OPERAND_DESTINATION,
        SOFT_OPERAND_BOTH, /* source and destination */
};

enum soft_stack_kind { SOFT_STACK_NONE, SOFT_STACK_PUSH, SOFT_STACK_POP, SOFT_STACK_ENTER, SOFT_STACK_LEAVE };

/* Where a jump, call or return takes its target from. */
enum soft_branch_kind {
        SOFT_BRANCH_NONE,
        SOFT_BRANCH_RELATIVE,
        SOFT_BRANCH_INDIRECT, /* the operand */
        SOFT_BRANCH_FAR,      /* in the instruction */
        SOFT_BRANCH_RETURN,   /* top of the stack */
};

/* What an instruction does to memory by itself, as far as segments must allow it. */
struct soft_reference {
        uint8_t operand; /* enum soft_operand_kind */
        bool write;
        bool floating;      /* raises #NM first where CR0 says so */
        uint8_t stack;      /* enum soft_stack_kind */
        uint8_t slots;      /* pushed or popped */
        uint8_t branch;     /* enum soft_branch_kind */
        uint16_t size;      /* of the memory operand */
        uint16_t registers; /* general registers that addresses and targets are made of */
        uint8_t segments;   /* segment registers used, 1 << number, CS for its limit; SOFT_WRITES_CODE */
};

#define SOFT_WRITES_CODE 0x40u /* writes through CS, which protected mode never allows */

/* A decoded instruction. */
struct soft_site {
        uint64_t address; /* linear */
        uint8_t bits;     /* of the code segment: 16, 32, 64; 0: an empty slot */
        uint8_t kind;     /* enum soft_site_kind */
        uint8_t reason;   /* SOFT_SITE_EXIT */
        uint8_t length;
        uint8_t bytes[15];
        uint8_t opcode;
        bool two_byte; /* opcode follows 0Fh */
        uint8_t modrm;
        uint8_t modrm_at; /* its place in bytes */
        uint8_t rex;
        bool rex_ignored; /* a REX prefix that another prefix follows */
        bool lock;
        bool operand_prefix;
        uint8_t operand_bits;
        uint8_t address_bits;
        uint8_t repeat;  /* F2h, F3h or 0 */
        uint8_t segment; /* enum hwaccl_segment_register of an override, or SOFT_NO_SEGMENT */
        bool after_load; /* uses a segment register that the same block has loaded */
        struct soft_reference reference;
};

#define SOFT_NO_SEGMENT 0xff

/** soft_decode - what the instruction of @length bytes is to the accelerator; its address is set already */
void soft_decode(struct soft_site *site, const uint8_t *bytes, uint8_t length, uint8_t bits);

/**
 * soft_decode_reference - fill in site->reference, for a whole instruction outside of 64-bit code
 * @size: of its memory operand, as the disassembler says; 0: it names none
 */
void soft_decode_reference(struct soft_site *site, uint8_t size);

/**
 * soft_decode_stack - where the processor itself uses the stack
 * @slots: pushed or popped
 */
enum soft_stack_kind soft_decode_stack(const struct soft_site *site, uint8_t *slots);

/** soft_decode_operand - of ModRM in memory, as enum soft_operand_kind; SOFT_OPERAND_NONE: there is no such operand */
enum soft_operand_kind soft_decode_operand(const struct soft_site *site);

#define SOFT_ALIGNMENT 16u

/** soft_decode_aligned - has the instruction a memory operand of 16 bytes that the engine takes at any address? */
bool soft_decode_aligned(const struct soft_site *site);

/** soft_operand_registers - registers that the operand of ModRM is made of, 1 << number */
uint16_t soft_operand_registers(const struct soft_site *site);

/** soft_loaded_segment - the segment register that an instruction loads */
enum hwaccl_segment_register soft_loaded_segment(const struct soft_site *site);

/** soft_operand - segment and offset of the memory operand that ModRM describes */
void soft_operand(const struct soft_site *site, const struct hwaccl_subject_state *state,
                  enum hwaccl_segment_register *segment, uint64_t *offset);

/** soft_general - the general register of that number in instruction encodings */
uint64_t *soft_general(struct hwaccl_subject_state *state, unsigned index);

#endif
