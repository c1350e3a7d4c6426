/* Messages on stderr: one line each, "hwaccl SUBCOMMAND: TEXT". */
#ifndef HWACCL_CLI_MESSAGE_H
#define HWACCL_CLI_MESSAGE_H

#include "replay/cli/command.h"

/** cli_complain - one line on stderr: "hwaccl record: text" (@command may be NULL). Returns CLI_CANNOT */
enum cli_status cli_complain(const struct cli_command *command, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/** cli_complain_of - what is wrong with a file; its name is put before a text that does not begin with it */
enum cli_status cli_complain_of(const struct cli_command *command, const char *path, const char *text);

/** cli_misused - the same for a wrong command line: says how to see help */
enum cli_status cli_misused(const struct cli_command *command, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

#endif
