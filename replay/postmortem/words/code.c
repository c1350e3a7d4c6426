#include "replay/postmortem/words/code.h"

#include "core/exit/emulate/emulator.h"

#define LINES_BEFORE 8u
#define LINES_AFTER  (HWACCL_CODE_LINES - LINES_BEFORE)

/* One line; a byte that is no instruction stands for itself. */
static void decode(const struct hwaccl_code *code, size_t offset, uint64_t address, unsigned code_bits, size_t end,
                   struct hwaccl_code_line *line)
{
        unsigned size = hwaccl_instruction_disassemble(code->byte + offset, end - offset, address, code_bits,
                                                       line->text, sizeof(line->text));

        line->address = address;
        line->byte = code->byte + offset;
        line->size = size ? size : 1;
        line->at = offset == code->at;
}

/* Lines from @start to @end; 0 when there are more than @room, or a byte is no instruction and @strict is set. */
static size_t decode_range(const struct hwaccl_code *code, size_t start, size_t end, uint64_t base, unsigned code_bits,
                           bool strict, size_t room, struct hwaccl_code_line *line)
{
        size_t count = 0;

        for (size_t offset = start; offset < end;) {
                if (count == room)
                        return strict ? 0 : count;
                decode(code, offset, base + offset, code_bits, end, &line[count]);
                if (strict && line[count].text[0] == '(')
                        return 0;
                offset += line[count++].size;
        }
        return count;
}

size_t hwaccl_code_disassemble(const struct hwaccl_code *code, uint64_t address, unsigned code_bits,
                               struct hwaccl_code_line line[HWACCL_CODE_LINES])
{
        uint64_t base = address - code->at;
        size_t count = 0;

        for (size_t start = code->at > 40 ? code->at - 40 : 0; start < code->at && !count; start++)
                count = decode_range(code, start, code->at, base, code_bits, true, LINES_BEFORE, line);
        return count + decode_range(code, code->at, code->size, base, code_bits, false, LINES_AFTER, line + count);
}

bool hwaccl_code_at_rip(const struct hwaccl_code *code, uint64_t address, unsigned code_bits,
                        struct hwaccl_code_line *line)
{
        if (!code_bits || code->at >= code->size)
                return false;
        decode(code, code->at, address, code_bits, code->size, line);
        return true;
}

size_t hwaccl_code_run(const struct hwaccl_code *code, uint8_t value)
{
        size_t count = 0;

        while (code->at + count < code->size && code->byte[code->at + count] == value)
                count++;
        return count;
}
