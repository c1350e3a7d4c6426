/* Messages on stderr: one line each, "hwaccl SUBCOMMAND: TEXT". */
#ifndef HWACCL_CLI_MESSAGE_H
#define HWACCL_CLI_MESSAGE_H

#include "replay/cli/command.h"

/** cli_error - what failed (@command may be NULL). Returns CLI_CANNOT */
enum cli_status cli_error(const struct cli_command *command, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/** cli_file_error - what is wrong with a file: its name is put before a text that does not begin with it */
enum cli_status cli_file_error(const struct cli_command *command, const char *path, const char *text);

/** cli_usage_error - what is wrong with the command line, and how to see the help */
enum cli_status cli_usage_error(const struct cli_command *command, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/** cli_notice - a line that reports no failure */
#define cli_notice(...) ((void)cli_error(__VA_ARGS__))

#endif
