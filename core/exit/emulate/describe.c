/*
 * Disassembly as text. Opening the disassembler costs microseconds, and the same few instructions exit again and again:
 * each thread keeps what it described last.
 */
#include "hwaccl/emulator.h"

#include <capstone/capstone.h>
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

static void disassemble(struct description *description)
{
        unsigned bits = description->code_bits;
        cs_mode mode = bits == 64 ? CS_MODE_64 : bits == 32 ? CS_MODE_32 : CS_MODE_16;
        cs_insn *decoded = NULL;
        csh handle;

        (void)snprintf(description->text, sizeof(description->text), "(bad)");
        if (cs_open(CS_ARCH_X86, mode, &handle) != CS_ERR_OK)
                return;
        if (cs_disasm(handle, description->bytes, description->size, description->address, 1, &decoded)) {
                bool pause = decoded->size == 2 && memcmp(description->bytes, "\xf3\x90", 2) == 0;
                /* Capstone calls it NOP in 16-bit code */
                (void)snprintf(description->text, sizeof(description->text), "%s%s%s",
                               pause ? "pause" : decoded->mnemonic, decoded->op_str[0] ? " " : "", decoded->op_str);
                cs_free(decoded, 1);
        }
        (void)cs_close(&handle);
}

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
                disassemble(&wanted);
                *slot = wanted;
        }
        (void)snprintf(text, room, "%s", slot->text);
}
