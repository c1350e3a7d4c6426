/* What the subcommands that read a recording give up before they look into it. */
#ifndef HWACCL_CLI_SANDBOX_H
#define HWACCL_CLI_SANDBOX_H

#include "replay/cli/command.h"

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * cli_sandbox_enter - from now on the process opens no file but the recording @path and what lies beside it, and starts
 * nothing (core/host/sandbox.h); there is no way back. False: it could not, and has said so
 */
bool cli_sandbox_enter(const struct cli_command *command, const char *path);

/**
 * cli_sandbox_enter_to_write - the same for a subcommand that writes @path: files in its directory can be opened, made
 * and removed. @path itself may be a directory
 */
bool cli_sandbox_enter_to_write(const struct cli_command *command, const char *path);

/** cli_sandbox_enter_to_derive - for one that reads the recording @path and makes @output, in whose directory files can
 * be opened, made and removed */
bool cli_sandbox_enter_to_derive(const struct cli_command *command, const char *path, const char *output);

/** cli_sandbox_enter_with - the same beside processes that were started before. False with *error set */
bool cli_sandbox_enter_with(const char *path, const pid_t *process, size_t count, struct hwaccl_error *error);

#endif
