/* hwaccl upgrade: gives a recording's file the schema of this version. */
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/recording_input.h"
#include "replay/cli/sandbox.h"

#include "hwaccl/recording.h"

#include <stdio.h>

static const struct cli_option options[] = {
        {.name = NULL},
};

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct hwaccl_error error;
        enum cli_status status;
        unsigned from = 0;

        if (!cli_parse_options(command, argc, argv, NULL, &status))
                return status;
        const char *path = cli_one_operand(command, argc, argv, "recording");
        if (!path || !cli_sandbox_enter_to_write(command, path))
                return CLI_CANNOT;
        if (!hwaccl_recording_upgrade(path, &from, &error))
                return cli_recording_refused(command, path, error.message);
        (void)printf("schema version was %u\n", from);
        return CLI_CLEAN;
}

const struct cli_command cli_command_upgrade = {
        .name = "upgrade",
        .arguments = "RECORDING",
        .summary = "give a recording's file the current schema",
        .options = options,
        .details = "Recordings of older versions are read as they are, and their files stay as they were. An upgraded\n"
                   "file opens faster, and the sqlite3 shell finds the current views in it. Exit status: 0 done, or\n"
                   "nothing to do; 2 not a recording, or not writable.\n\n"
                   "Example: hwaccl upgrade old.db\n",
        .run = run,
};
