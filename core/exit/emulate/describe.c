#include "hwaccl/emulator.h"

#include <capstone/capstone.h>
#include <stdio.h>

void hwaccl_instruction_describe(const void *bytes, size_t size, uint64_t address, unsigned code_bits, char *text,
                                 size_t room)
{
        cs_mode mode = code_bits == 64 ? CS_MODE_64 : code_bits == 32 ? CS_MODE_32 : CS_MODE_16;
        cs_insn *decoded = NULL;
        csh handle;

        (void)snprintf(text, room, "(bad)");
        if (cs_open(CS_ARCH_X86, mode, &handle) != CS_ERR_OK)
                return;
        size_t count = cs_disasm(handle, bytes, size, address, 1, &decoded);
        if (count) {
                (void)snprintf(text, room, "%s%s%s", decoded->mnemonic, decoded->op_str[0] ? " " : "", decoded->op_str);
                cs_free(decoded, count);
        }
        (void)cs_close(&handle);
}
