/* The decoder's parts. */
#ifndef HWACCL_EMULATE_DECODE_H
#define HWACCL_EMULATE_DECODE_H

#include "core/exit/emulate/instruction.h"

/* What stands before the opcode. */
struct prefixes {
        bool operand_size;
        bool address_size;
        bool lock;
        uint8_t repeat;
        uint8_t segment; /* NO_REGISTER: none */
        uint8_t rex;
        bool rex_ignored; /* a REX prefix that another prefix follows */
        unsigned count;   /* bytes */
};

#define REX_W 0x8u
#define REX_R 0x4u
#define REX_B 0x1u

/* The exit reason of an instruction that CPUID lacks, by Capstone's number; 0 for others. */
uint8_t absent_reason(unsigned id);

/* Instructions that are younger than Capstone: the length behind the prefixes, and the exit reason; 0 for others. */
unsigned take_young(const uint8_t *opcode, size_t size, const struct prefixes *prefixes, uint8_t *reason);

/* OPERATION_NONE for what is not emulated. */
enum operation operation_of(const cs_insn *decoded, const struct prefixes *prefixes, const uint8_t *opcode);

#endif
