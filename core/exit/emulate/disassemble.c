/* Disassembly as text. */
#include "core/exit/emulate/emulator.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <string.h>

unsigned hwaccl_instruction_disassemble(const void *bytes, size_t size, uint64_t address, unsigned code_bits,
                                        char *text, size_t room)
{
        cs_mode mode = code_bits == 64 ? CS_MODE_64 : code_bits == 32 ? CS_MODE_32 : CS_MODE_16;
        cs_insn *decoded = NULL;
        unsigned length = 0;
        csh handle;

        (void)snprintf(text, room, "(bad)");
        if (cs_open(CS_ARCH_X86, mode, &handle) != CS_ERR_OK)
                return 0;
        if (cs_disasm(handle, bytes, size, address, 1, &decoded)) {
                bool pause = decoded->size == 2 && memcmp(bytes, "\xf3\x90", 2) == 0;
                /* Capstone calls it NOP in 16-bit code */
                (void)snprintf(text, room, "%s%s%s", pause ? "pause" : decoded->mnemonic, decoded->op_str[0] ? " " : "",
                               decoded->op_str);
                length = decoded->size;
                cs_free(decoded, 1);
        }
        (void)cs_close(&handle);
        return length;
}

void hwaccl_instruction_decoder_version(unsigned *major, unsigned *minor)
{
        int loaded[2];

        (void)cs_version(&loaded[0], &loaded[1]);
        *major = (unsigned)loaded[0];
        *minor = (unsigned)loaded[1];
}
