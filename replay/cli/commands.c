#include "replay/cli/command.h"

#include <string.h>

const struct cli_command *const cli_commands[] = {
        &cli_command_record,  &cli_command_replay,  &cli_command_report,        &cli_command_show,
        &cli_command_state,   &cli_command_explain, &cli_command_explain_state, &cli_command_stat,
        &cli_command_check,   &cli_command_import,  &cli_command_recover,       &cli_command_top,
        &cli_command_upgrade, &cli_command_accept,  &cli_command_slice,         NULL,
};

const struct cli_command *cli_command_find(const char *name)
{
        for (const struct cli_command *const *command = cli_commands; *command; command++)
                if (strcmp((*command)->name, name) == 0)
                        return *command;
        return NULL;
}
