/*
 * hwaccl-docs TEMPLATE OUTPUT. In a template, a line that begins with @ is replaced:
 *
 *     @SYNOPSIS@            the synopsis of every subcommand (mdoc)
 *     @OPTIONS record@      the options of a subcommand (mdoc), in the order of its table, each followed by the lines
 *     @MORE firmware@       that stand behind @MORE of its name; up to
 *     @END@
 *     @NAMES verdicts@      the names of a table of the core (mdoc)
 *     @COMPLETE options@    subcommands, values or options (bash)
 */
#include "replay/cli/docs/docs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LENGTH 256
#define BLOCK_MAX       400 /* lines between @OPTIONS and @END@ */

static int fail(const char *what, const char *where)
{
        (void)fprintf(stderr, "hwaccl-docs: %s: %s\n", what, where);
        return EXIT_FAILURE;
}

/* "@NAME ARGUMENT@": the argument, "" without one, or NULL where the line is another one. */
static const char *marker(const char *line, const char *name, char argument[LINE_MAX_LENGTH])
{
        size_t length = strlen(name), end = strlen(line);

        if (line[0] != '@' || end < length + 2 || line[end - 1] != '@' || strncmp(line + 1, name, length) != 0)
                return NULL;
        const char *rest = line + 1 + length;
        if (*rest != ' ' && *rest != '@')
                return NULL;
        rest += *rest == ' ';
        (void)snprintf(argument, LINE_MAX_LENGTH, "%.*s", (int)(line + end - 1 - rest), rest);
        return argument;
}

static bool has_option(const struct cli_command *command, const char *name)
{
        for (const struct cli_option *option = command->options; option->name; option++)
                if (strcmp(option->name, name) == 0)
                        return true;
        return false;
}

static void print_more(char (*block)[LINE_MAX_LENGTH], size_t count, const char *name)
{
        char argument[LINE_MAX_LENGTH];
        bool wanted = false;

        for (size_t i = 0; i < count; i++) {
                const char *of = marker(block[i], "MORE", argument);
                if (of)
                        wanted = strcmp(of, name) == 0;
                else if (wanted)
                        (void)puts(block[i]);
        }
}

static bool read_line(FILE *file, char line[LINE_MAX_LENGTH])
{
        if (!fgets(line, LINE_MAX_LENGTH, file))
                return false;
        line[strcspn(line, "\n")] = '\0';
        return true;
}

static int expand_options(FILE *file, const char *name)
{
        static char block[BLOCK_MAX][LINE_MAX_LENGTH];
        const struct cli_command *command = cli_command_find(name);
        char argument[LINE_MAX_LENGTH];
        size_t count = 0;

        if (!command)
                return fail("no such subcommand", name);
        for (;; count++) {
                if (count == BLOCK_MAX || !read_line(file, block[count]))
                        return fail("@OPTIONS without @END@", name);
                if (marker(block[count], "END", argument))
                        break;
                if (marker(block[count], "MORE", argument) && !has_option(command, argument))
                        return fail("@MORE of an option that is in no table", argument);
        }
        for (const struct cli_option *option = command->options; option->name; option++) {
                mdoc_option(stdout, option);
                print_more(block, count, option->name);
        }
        return EXIT_SUCCESS;
}

static int expand(FILE *file)
{
        char line[LINE_MAX_LENGTH], argument[LINE_MAX_LENGTH];
        int status = EXIT_SUCCESS;

        while (status == EXIT_SUCCESS && read_line(file, line)) {
                if (line[0] != '@')
                        (void)puts(line);
                else if (marker(line, "SYNOPSIS", argument))
                        mdoc_synopsis(stdout);
                else if (marker(line, "OPTIONS", argument))
                        status = expand_options(file, argument);
                else if (marker(line, "NAMES", argument))
                        status = mdoc_names(stdout, argument) ? EXIT_SUCCESS : fail("no such table", argument);
                else if (marker(line, "COMPLETE", argument) && strcmp(argument, "subcommands") == 0)
                        bash_subcommands(stdout);
                else if (marker(line, "COMPLETE", argument) && strcmp(argument, "values") == 0)
                        bash_values(stdout);
                else if (marker(line, "COMPLETE", argument) && strcmp(argument, "options") == 0)
                        bash_options(stdout);
                else
                        status = fail("unknown marker", line);
        }
        return status;
}

int main(int argc, char **argv)
{
        if (argc != 3)
                return fail("usage", "hwaccl-docs TEMPLATE OUTPUT");
        FILE *file = fopen(argv[1], "re");
        if (!file)
                return fail(strerror(errno), argv[1]);
        if (!freopen(argv[2], "we", stdout)) {
                int reason = errno;
                (void)fclose(file);
                return fail(strerror(reason), argv[2]);
        }
        int status = expand(file);
        if (ferror(file) || fclose(file) != 0 || fclose(stdout) != 0)
                status = fail("cannot read or write", argv[1]);
        if (status != EXIT_SUCCESS)
                (void)remove(argv[2]);
        return status;
}
