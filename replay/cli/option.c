#include "replay/cli/option.h"

#include "replay/cli/message.h"

#include "core/assert.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define OPTION_MAX 64 /* of one subcommand */

#define HELP_COLUMN 30

static void print_option(const struct cli_option *option)
{
        char left[64];
        int width = option->letter ? snprintf(left, sizeof(left), "  -%c, --%s", option->letter, option->name)
                                   : snprintf(left, sizeof(left), "      --%s", option->name);
        if (option->argument && width > 0 && (size_t)width < sizeof(left))
                width += snprintf(left + width, sizeof(left) - (size_t)width, " %s", option->argument);
        (void)printf("%s", left);

        const char *help = option->help;
        if (width >= HELP_COLUMN - 1) {
                (void)putchar('\n');
                width = 0;
        }
        while (*help) {
                size_t line = strcspn(help, "\n");
                (void)printf("%*s%.*s\n", HELP_COLUMN - width, "", (int)line, help);
                help += line + (help[line] == '\n');
                width = 0;
        }
}

void cli_print_help(const struct cli_command *command)
{
        static const struct cli_option help = {"help", 'h', NULL, "show this help"};

        (void)printf("Usage: hwaccl %s %s\n\n%c%s.\n\nOptions:\n", command->name, command->arguments,
                     toupper((unsigned char)command->summary[0]), command->summary + 1);
        for (const struct cli_option *option = command->options; option->name; option++)
                print_option(option);
        print_option(&help);
        if (command->details)
                (void)printf("\n%s", command->details);
}

/* The option table in the form that getopt_long(3) takes; val is the row + 1, so that 0 and '?' stay free. */
static void translate(const struct cli_command *command, struct option *longs, char *shorts)
{
        *shorts++ = ':';
        size_t count = 0;
        for (; command->options[count].name; count++) {
                hwaccl_assert(count < OPTION_MAX);
                const struct cli_option *option = &command->options[count];
                longs[count] = (struct option){option->name, option->argument ? required_argument : no_argument, NULL,
                                               (int)count + 1000};
                if (option->letter) {
                        *shorts++ = option->letter;
                        if (option->argument)
                                *shorts++ = ':';
                }
        }
        longs[count++] = (struct option){"help", no_argument, NULL, 'h'};
        longs[count] = (struct option){NULL, 0, NULL, 0};
        *shorts++ = 'h';
        *shorts = '\0';
}

static int wrong_option(const struct cli_command *command, int argc, char **argv, bool argument_missing)
{
        const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
        if (optopt > 0 && optopt < 1000) {
                char letter[2] = {(char)optopt, '\0'};
                (void)(argument_missing ? cli_misused(command, "option '-%s' needs an argument", letter)
                                        : cli_misused(command, "unknown option '-%s'", letter));
        } else if (argument_missing) {
                (void)cli_misused(command, "option '%s' needs an argument", word);
        } else if (optopt >= 1000) {
                (void)cli_misused(command, "option '--%s' takes no argument", command->options[optopt - 1000].name);
        } else {
                (void)cli_misused(command, "unknown or ambiguous option '%s'", word);
        }
        return CLI_OPTION_WRONG;
}

int cli_next_option(const struct cli_command *command, int argc, char **argv, const char **value)
{
        struct option longs[OPTION_MAX + 2];
        char shorts[2 * OPTION_MAX + 3];
        translate(command, longs, shorts);

        opterr = 0;
        int found = getopt_long(argc, argv, shorts, longs, NULL);
        *value = optarg;
        if (found == -1)
                return CLI_OPTION_END;
        if (found == '?' || found == ':')
                return wrong_option(command, argc, argv, found == ':');
        if (found == 'h') {
                cli_print_help(command);
                return CLI_OPTION_HELP;
        }
        if (found >= 1000)
                return found - 1000;
        for (int row = 0; command->options[row].name; row++)
                if (command->options[row].letter == found)
                        return row;
        return wrong_option(command, argc, argv, false);
}

const char *cli_one_operand(const struct cli_command *command, int argc, char **argv, const char *what)
{
        if (optind >= argc) {
                (void)cli_misused(command, "no %s given", what);
                return NULL;
        }
        if (argc - optind > 1) {
                (void)cli_misused(command, "unexpected argument '%s'", argv[optind + 1]);
                return NULL;
        }
        return argv[optind];
}
