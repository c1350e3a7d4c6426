/* What the subcommands that read a recording give up before they look into it. */
#ifndef HWACCL_CLI_SANDBOX_H
#define HWACCL_CLI_SANDBOX_H

#include "replay/cli/command.h"

#include <stdbool.h>

/**
 * cli_sandbox_enter - from now on the process opens no file but the recording @path and what lies beside it, and starts
 * nothing (core/host/sandbox.h); there is no way back. False: it could not, and has said so
 */
bool cli_sandbox_enter(const struct cli_command *command, const char *path);

#endif
