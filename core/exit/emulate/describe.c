/*
 * Opening the disassembler costs microseconds, and the same few instructions exit again and again: each thread keeps
 * what it described last.
 */
#include "core/exit/emulate/emulator.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 200
#define SLOTS    128u

struct description {
        uint64_t address;
        uint8_t bytes[15];
        uint8_t size;      /* of the bytes that were given */
        uint8_t code_bits; /* 0: an empty slot */
        char text[TEXT_MAX];
};

static _Thread_local struct description described[SLOTS];

void hwaccl_instruction_describe(const void *bytes, size_t size, uint64_t address, unsigned code_bits, char *text,
                                 size_t room)
{
        struct description wanted = {.address = address, .code_bits = (uint8_t)code_bits};

        wanted.size = (uint8_t)(size < sizeof(wanted.bytes) ? size : sizeof(wanted.bytes));
        if (wanted.size)
                memcpy(wanted.bytes, bytes, wanted.size);
        struct description *slot = &described[(address ^ address >> 7) % SLOTS];
        if (slot->address != address || slot->code_bits != wanted.code_bits || slot->size != wanted.size ||
            memcmp(slot->bytes, wanted.bytes, sizeof(wanted.bytes)) != 0) {
                hwaccl_instruction_disassemble(wanted.bytes, wanted.size, address, code_bits, wanted.text,
                                               sizeof(wanted.text));
                *slot = wanted;
        }
        (void)snprintf(text, room, "%s", slot->text);
}
