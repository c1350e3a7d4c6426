/* Instructions around an address, from bytes that a dump or a recording has. */
#ifndef HWACCL_POSTMORTEM_CODE_H
#define HWACCL_POSTMORTEM_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HWACCL_CODE_BYTES 128
#define HWACCL_CODE_LINES 24

struct hwaccl_code {
        uint8_t byte[HWACCL_CODE_BYTES];
        size_t size;
        size_t at; /* the byte at RIP; at most @size */
};

struct hwaccl_code_line {
        uint64_t address;
        const uint8_t *byte;
        unsigned size;
        bool at;
        char text[64];
};

/**
 * hwaccl_code_disassemble - lines in ascending order
 * @address: of the byte at RIP; @code_bits: 16, 32 or 64
 *
 * Before RIP it begins at the first byte from which instructions end exactly at RIP. Returns how many lines there are.
 */
size_t hwaccl_code_disassemble(const struct hwaccl_code *code, uint64_t address, unsigned code_bits,
                               struct hwaccl_code_line line[HWACCL_CODE_LINES]);

/** hwaccl_code_at_rip - the line at RIP alone; false where there is no byte, or @code_bits is 0: not known */
bool hwaccl_code_at_rip(const struct hwaccl_code *code, uint64_t address, unsigned code_bits,
                        struct hwaccl_code_line *line);

/** hwaccl_code_run - how many bytes from RIP on, at most to the end, are @value */
size_t hwaccl_code_run(const struct hwaccl_code *code, uint8_t value);

#endif
