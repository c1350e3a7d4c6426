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
        SOFT_SITE_POPF,
        SOFT_SITE_PUSHF,
        SOFT_SITE_IRET,
        SOFT_SITE_FAR_RETURN,
        SOFT_SITE_FAR_TRANSFER,
        SOFT_SITE_PAUSE,
        SOFT_SITE_SYSTEM_CALL, /* SYSCALL, SYSRET, SYSENTER, SYSEXIT */
        SOFT_SITE_UNDEFINED,   /* raises #UD, where the engine would execute something */
        SOFT_SITE_UNSUPPORTED,
        SOFT_SITE_UNDECODED, /* let the engine judge, and decode again behind it */
};

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
        bool rex_ignored; /* a REX prefix that another prefix follows: the engine would heed it */
        bool lock;
        bool operand_prefix;
        uint8_t operand_bits;
        uint8_t address_bits;
        uint8_t repeat;  /* F2h, F3h or 0 */
        uint8_t segment; /* enum hwaccl_segment_register of an override, or SOFT_NO_SEGMENT */
};

#define SOFT_NO_SEGMENT 0xff

/** soft_decode - what the instruction of @length bytes is to the accelerator; its address is set already */
void soft_decode(struct soft_site *site, const uint8_t *bytes, uint8_t length, uint8_t bits);

/** soft_operand - segment and offset of the memory operand that ModRM describes */
void soft_operand(const struct soft_site *site, const struct hwaccl_subject_state *state,
                  enum hwaccl_segment_register *segment, uint64_t *offset);

/** soft_general - the general register of that number in instruction encodings */
uint64_t *soft_general(struct hwaccl_subject_state *state, unsigned index);

#endif
