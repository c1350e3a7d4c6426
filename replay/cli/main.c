/* hwaccl - the command: finds the subcommand and runs it. */
#include "replay/cli/command.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output_signals.h"

#include "core/host/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_overview(void)
{
        (void)puts("Usage: hwaccl SUBCOMMAND [OPTION]... [ARGUMENT]...\n\n"
                   "Record every VM exit of a guest in an SQLite database, inspect the recording, and replay the\n"
                   "handling of its exits without the guest.\n\nSubcommands:");
        for (const struct cli_command *const *command = cli_commands; *command; command++)
                (void)printf("  %-13s %s\n", (*command)->name, (*command)->summary);
        (void)puts("  help          show the help of a subcommand\n\n"
                   "Options:\n"
                   "  -h, --help     show this help\n"
                   "  -V, --version  show the version\n\n"
                   "Exit status: 0 success; 1 negative result (a divergence, a guest that failed); 2 failure (usage,\n"
                   "input, environment).\n"
                   "See 'hwaccl SUBCOMMAND --help' and hwaccl(1).");
}

static enum cli_status help(int argc, char **argv)
{
        if (argc > 1)
                return cli_usage_error(NULL, "unexpected argument '%s'", argv[1]);
        if (argc == 0) {
                print_overview();
                return CLI_CLEAN;
        }
        const struct cli_command *command = cli_command_find(argv[0]);
        if (!command)
                return cli_usage_error(NULL, "unknown subcommand '%s'", argv[0]);
        cli_print_help(command);
        return CLI_CLEAN;
}

static enum cli_status run(int argc, char **argv)
{
        if (argc < 2)
                return cli_usage_error(NULL, "no subcommand given");
        const char *name = argv[1];
        if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
                return help(argc - 2, argv + 2);
        if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
                (void)puts("hwaccl " HWACCL_VERSION);
                return CLI_CLEAN;
        }
        if (name[0] == '-')
                return cli_usage_error(NULL, "unknown option '%s'", name);
        const struct cli_command *command = cli_command_find(name);
        if (!command)
                return cli_usage_error(NULL, "unknown subcommand '%s'", name);
        return command->run(command, argc - 1, argv + 1);
}

/* Flush stdout: results that could not be written are an error, a reader that went away early is none. */
static enum cli_status finish_output(enum cli_status status)
{
        bool failed_before = ferror(stdout) != 0;
        errno = 0;
        bool failed = fflush(stdout) != 0 || failed_before;
        if (!failed || errno == EPIPE)
                return status;
        if (failed_before && !errno) {
                /* errno of an earlier write is lost: write once more to get it */
                if (write(STDOUT_FILENO, "\n", 1) < 0 && errno == EPIPE)
                        return status;
        }
        return cli_error(NULL, "cannot write to standard output%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
}

int main(int argc, char **argv)
{
        if (!hwaccl_file_fill_standard())
                return (int)cli_error(NULL, "/dev/null: cannot open in place of a closed standard descriptor: %s",
                                      strerror(errno));
        cli_ignore_output_signals();
        return (int)finish_output(run(argc, argv));
}
