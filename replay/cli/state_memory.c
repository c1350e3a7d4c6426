#include "replay/cli/state_memory.h"

#include "replay/cli/message.h"
#include "replay/cli/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_DEFAULT 64u
#define LENGTH_MAX     (UINT64_C(1) << 20)
#define LINE           16u

bool state_memory_parse(const struct cli_command *command, const struct cli_option *option, const char *text,
                        void *settings)
{
        struct state_memory *memory = settings;
        char *copy = strdup(text);
        char *comma = copy ? strchr(copy, ',') : NULL;

        if (!copy) {
                (void)cli_error(command, "out of memory");
                return false;
        }
        if (comma)
                *comma = '\0';
        memory->size = LENGTH_DEFAULT;
        bool good = cli_parse_number(copy, &memory->address) && (!comma || cli_parse_size(comma + 1, &memory->size)) &&
                    memory->size >= 1 && memory->size <= LENGTH_MAX && memory->address <= UINT64_MAX - memory->size;
        free(copy);
        if (!good)
                (void)cli_usage_error(command,
                                      "--%s: invalid value '%s': expected ADDRESS or ADDRESS,LENGTH (up to 1M)",
                                      option->name, text);
        return good;
}

/* Bytes that are not known are ?? and ?. */
static bool print_line(struct hwaccl_recording *recording, uint64_t address, unsigned count)
{
        char hex[3 * LINE + 1] = "";
        char text[LINE + 1] = "";

        for (unsigned i = 0; i < LINE; i++) {
                uint8_t byte = 0;
                if (i >= count) {
                        (void)snprintf(hex + (size_t)3 * i, 4, "   ");
                } else if (hwaccl_recording_memory_read(recording, address + i, &byte, 1)) {
                        (void)snprintf(hex + (size_t)3 * i, 4, " %02x", byte);
                        text[i] = (char)(byte >= 0x20 && byte < 0x7f ? byte : '.');
                } else {
                        (void)snprintf(hex + (size_t)3 * i, 4, " ??");
                        text[i] = '?';
                }
        }
        return printf("%08" PRIx64 " %s  %s\n", address, hex, text) > 0;
}

enum cli_status state_memory_show(const struct cli_command *command, struct hwaccl_recording *recording,
                                  const char *path, uint32_t vcpu, uint64_t exit, const struct state_memory *memory)
{
        struct hwaccl_error error;
        uint64_t first, end, address, size;
        bool writable;

        if (!hwaccl_recording_range(recording, vcpu, &first, &end, &error))
                return cli_file_error(command, path, error.message);
        if (exit + 1 != end)
                return cli_usage_error(command, "--memory: it is known at the end only: after exit %" PRIu64, end - 1);
        if (!hwaccl_recording_memory_range(recording, 0, &address, &size, &writable))
                return cli_file_error(command, path, "the guest's memory was not kept (record --keep-memory)");
        for (uint64_t offset = 0; offset < memory->size; offset += LINE) {
                uint64_t rest = memory->size - offset;
                if (!print_line(recording, memory->address + offset, rest < LINE ? (unsigned)rest : LINE))
                        break; /* said when standard output is closed */
        }
        return CLI_CLEAN;
}
