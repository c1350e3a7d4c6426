/* What the parts of the hwaccl command share: subcommands, their options, messages and exit statuses. */
#ifndef HWACCL_CLI_COMMAND_H
#define HWACCL_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* Exit status of every subcommand. */
enum cli_status {
        CLI_CLEAN = 0,  /* done and clean */
        CLI_BAD = 1,    /* done, and the answer is bad: a divergence, a guest that failed */
        CLI_CANNOT = 2, /* could not do it: usage, input, environment */
};

/* One option. A table of them ends with a row without a name; --help is understood by every subcommand. */
struct cli_option {
        const char *name;     /* long name without the dashes */
        char letter;          /* short form, or 0 */
        const char *argument; /* what it takes ("FILE"), or NULL */
        const char *help;     /* may have several lines, separated by newlines */
};

struct cli_command {
        const char *name;
        const char *arguments; /* "[OPTION]... RECORDING": the usage line behind the name */
        const char *summary;   /* one line */
        const char *details;   /* paragraphs under the options, or NULL */
        const struct cli_option *options;
        enum cli_status (*run)(const struct cli_command *command, int argc, char **argv);
};

extern const struct cli_command cli_command_record;
extern const struct cli_command cli_command_replay;
extern const struct cli_command cli_command_show;
extern const struct cli_command cli_command_state;
extern const struct cli_command cli_command_stat;
extern const struct cli_command cli_command_check;
extern const struct cli_command cli_command_top;
extern const struct cli_command cli_command_import;
extern const struct cli_command cli_command_recover;

/** cli_complain - one line on stderr: "hwaccl record: text" (@command may be NULL). Returns CLI_CANNOT */
enum cli_status cli_complain(const struct cli_command *command, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/** cli_complain_of - what is wrong with a file; its name is put before a text that does not begin with it */
enum cli_status cli_complain_of(const struct cli_command *command, const char *path, const char *text);

/** cli_misused - the same for a wrong command line: says how to see help */
enum cli_status cli_misused(const struct cli_command *command, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

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
