/* The guest's memory of `hwaccl state --memory`. */
#ifndef HWACCL_CLI_STATE_MEMORY_H
#define HWACCL_CLI_STATE_MEMORY_H

#include "replay/cli/command.h"
#include "replay/cli/option.h"
#include "replay/cli/recording_input.h"

struct state_memory {
        uint64_t address; /* guest-physical */
        uint64_t size;    /* bytes; 0: the option was not given */
};

/** state_memory_parse - the argument of --memory, ADDRESS[,LENGTH], into the struct state_memory that *settings begins
 * with */
bool state_memory_parse(const struct cli_command *command, const struct cli_option *option, const char *text,
                        void *settings);

/** state_memory_show - print it as it was at the end of the run, of which @exit must be the last exit */
enum cli_status state_memory_show(const struct cli_command *command, struct hwaccl_recording *recording,
                                  const char *path, uint32_t vcpu, uint64_t exit, const struct state_memory *memory);

#endif
