/* The options of a subcommand: one table, from which parser and help come. */
#ifndef HWACCL_CLI_OPTION_H
#define HWACCL_CLI_OPTION_H

#include "replay/cli/command.h"

#include <stdbool.h>
#include <stddef.h>

/* One option. A table of them ends with a row without a name; --help is understood by every subcommand. */
struct cli_option {
        const char *name;     /* long name without the dashes */
        char letter;          /* short form, or 0 */
        const char *argument; /* what it takes ("FILE"), or NULL */
        const char *help;     /* may have several lines, separated by newlines */
};

/** cli_print_help - the subcommand's help text on stdout */
void cli_print_help(const struct cli_command *command);

enum { CLI_OPTION_END = -1, CLI_OPTION_HELP = -2, CLI_OPTION_WRONG = -3 };

/**
 * cli_next_option - the next option of a command line
 * @value: set to the option's argument, or NULL
 *
 * Returns the option's row in command->options; CLI_OPTION_END when only operands are left (from argv[optind] on);
 * CLI_OPTION_HELP when help was asked for and printed; CLI_OPTION_WRONG after a complaint.
 */
int cli_next_option(const struct cli_command *command, int argc, char **argv, const char **value);

/** cli_one_operand - the only operand, or NULL after a complaint. @what: "recording" */
const char *cli_one_operand(const struct cli_command *command, int argc, char **argv, const char *what);

#endif
