/* Dumps of any content: refused with a reason, or every rule can be applied to what was read, and every word and
 * instruction is in words. */
#include "core/assert.h"
#include "replay/postmortem/state/state_rules.h"
#include "replay/postmortem/words/words.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void disassemble(const struct hwaccl_dump *dump)
{
        struct hwaccl_code_line line[HWACCL_CODE_LINES];

        hwaccl_assert(dump->code.at <= dump->code.size && dump->code.size <= HWACCL_CODE_BYTES);
        for (unsigned bits = 16; bits <= 64; bits *= 2) {
                size_t count = hwaccl_code_disassemble(&dump->code, dump->state.rip, bits, line);
                hwaccl_assert(count <= HWACCL_CODE_LINES);
                for (size_t i = 0; i < count; i++)
                        hwaccl_assert(line[i].size && line[i].byte + line[i].size <= dump->code.byte + dump->code.size);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct hwaccl_state_findings findings;
        struct hwaccl_error error = {.message = ""};
        struct hwaccl_dump dump;
        char text[128];

        if (!hwaccl_dump_read(data, size, 1 + (size & 1), &dump, &error)) {
                hwaccl_assert(error.message[0] && !strchr(error.message, '\n'));
                return 0;
        }
        hwaccl_assert(dump.format < HWACCL_DUMP_FORMAT_COUNT && dump.extra_count <= HWACCL_DUMP_EXTRA_MAX);
        hwaccl_state_judge(&dump, &findings);
        hwaccl_assert(findings.count <= HWACCL_STATE_FINDING_MAX);
        for (size_t i = 0; i < findings.count; i++)
                hwaccl_assert(findings.finding[i].text[0] && findings.finding[i].id && findings.finding[i].source);
        for (unsigned word = 0; word < HWACCL_DUMP_WORD_COUNT; word++)
                (void)hwaccl_interruption_describe(dump.word[word], text, sizeof(text));
        hwaccl_mode_describe(&dump.state, &dump.known, text, sizeof(text));
        disassemble(&dump);
        return 0;
}
