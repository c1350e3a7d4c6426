#include "replay/cli/option.h"

#include "replay/cli/message.h"
#include "replay/cli/parse.h"

#include "core/assert.h"
#include "core/host/file.h"

#include <ctype.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_MAX 64   /* of one subcommand */
#define ROW_BASE   1000 /* getopt's value of a table's first row; letters and '?' are below */

#define HELP_COLUMN 30
#define HELP_WIDTH  100

/* The option on the left, its help on the right, in as many lines as it takes. */
static void print_option(const struct cli_option *option)
{
        const char *word = option->help;
        int column = option->letter ? printf("  -%c, --%s", option->letter, option->name)
                                    : printf("      --%s", option->name);

        if (option->argument)
                column += printf(" %s", option->argument);
        while (*word) {
                int length = (int)strcspn(word, " ");
                if (column < HELP_COLUMN - 1)
                        column += printf("%*s", HELP_COLUMN - column, "");
                else if (word == option->help || column + 1 + length > HELP_WIDTH)
                        column = printf("\n%*s", HELP_COLUMN, "") - 1;
                else
                        column += printf(" ");
                column += printf("%.*s", length, word);
                word += length + (word[length] == ' ');
        }
        (void)putchar('\n');
}

void cli_print_help(const struct cli_command *command)
{
        static const struct cli_option help = {.name = "help", .letter = 'h', .help = "show this help"};

        (void)printf("Usage: hwaccl %s %s\n\n%c%s.\n\nOptions:\n", command->name, command->arguments,
                     toupper((unsigned char)command->summary[0]), command->summary + 1);
        for (const struct cli_option *option = command->options; option->name; option++)
                print_option(option);
        print_option(&help);
        if (command->details)
                (void)printf("\n%s", command->details);
}

/* The option table in the form that getopt_long(3) takes; a row's value is its number from ROW_BASE on. */
static void translate(const struct cli_command *command, struct option *longs, char *shorts)
{
        *shorts++ = ':';
        size_t count = 0;
        for (; command->options[count].name; count++) {
                hwaccl_assert(count < OPTION_MAX);
                const struct cli_option *option = &command->options[count];
                longs[count] = (struct option){option->name, option->argument ? required_argument : no_argument, NULL,
                                               (int)count + ROW_BASE};
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

static void refuse_option(const struct cli_command *command, const struct option *longs, int argc, char **argv,
                          bool argument_missing)
{
        const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
        const char *dash = "";
        char letter[2] = {(char)optopt, '\0'};

        if (optopt > 0 && optopt < ROW_BASE) {
                word = letter;
                dash = "-";
        } else if (optopt >= ROW_BASE && !argument_missing) {
                (void)cli_usage_error(command, "option '--%s' takes no argument", longs[optopt - ROW_BASE].name);
                return;
        }
        if (argument_missing)
                (void)cli_usage_error(command, "option '%s%s' needs an argument", dash, word);
        else
                (void)cli_usage_error(command, "unknown%s option '%s%s'", *dash ? "" : " or ambiguous", dash, word);
}

bool cli_value_error(const struct cli_command *command, const struct cli_option *option, const char *text,
                     const char *expected)
{
        (void)cli_usage_error(command, "invalid value '%s' (--%s): expected %s", text, option->name, expected);
        return false;
}

/* "1 to 10", or in seconds "0.01 to 3600" */
static bool bad_number(const struct cli_command *command, const struct cli_option *option, const char *text)
{
        char expected[96];
        bool seconds = option->value == CLI_VALUE_SECONDS;

        if (seconds && !option->max)
                return cli_value_error(command, option, text, "a number of seconds, such as 2.5");
        if (seconds)
                (void)snprintf(expected, sizeof(expected), "a number of seconds from %g to %g",
                               (double)option->min / 1e9, (double)option->max / 1e9);
        else if (option->max)
                (void)snprintf(expected, sizeof(expected), "a number from %" PRIu64 " to %" PRIu64, option->min,
                               option->max);
        else
                (void)snprintf(expected, sizeof(expected), "a number");
        return cli_value_error(command, option, text, expected);
}

static bool parse_number(const struct cli_command *command, const struct cli_option *option, const char *text,
                         uint64_t *number)
{
        bool parsed =
                option->value == CLI_VALUE_SECONDS ? cli_parse_seconds(text, number) : cli_parse_number(text, number);

        if (!parsed || *number < option->min || (option->max && *number > option->max))
                return bad_number(command, option, text);
        return true;
}

static bool parse_text(const struct cli_command *command, const struct cli_option *option, const char *text,
                       const char **field)
{
        *field = text;
        if (strlen(text) >= option->min)
                return true;
        return cli_value_error(command, option, text,
                               option->value == CLI_VALUE_DIRECTORY ? "a directory" : "at least one character");
}

static bool parse_keyword(const struct cli_command *command, const struct cli_option *option, const char *text,
                          unsigned *field)
{
        char expected[128] = "";
        unsigned position = 0;

        for (const char *word = option->keywords; *word; position++) {
                size_t length = strcspn(word, " "), used = strlen(expected);
                if (strlen(text) == length && memcmp(text, word, length) == 0) {
                        *field = position;
                        return true;
                }
                bool last = word[length] == '\0';
                (void)snprintf(expected + used, sizeof(expected) - used, "%s%.*s",
                               position == 0 ? ""
                               : last        ? " or "
                                             : ", ",
                               (int)length, word);
                word += length + !last;
        }
        return cli_value_error(command, option, text, expected);
}

bool cli_parse_value(const struct cli_command *command, const struct cli_option *option, const char *text,
                     void *settings)
{
        void *field = (char *)settings + option->field;
        uint64_t number;

        if (option->given)
                *(bool *)((char *)settings + option->given) = true;
        if (option->parse)
                return option->parse(command, option, text, field);
        switch (option->value) {
        case CLI_VALUE_FLAG: *(bool *)field = true; return true;
        case CLI_VALUE_TEXT:
        case CLI_VALUE_FILE:
        case CLI_VALUE_DIRECTORY: return parse_text(command, option, text, field);
        case CLI_VALUE_NUMBER:
        case CLI_VALUE_SECONDS: return parse_number(command, option, text, field);
        case CLI_VALUE_NUMBER_32:
                if (!parse_number(command, option, text, &number))
                        return false;
                *(uint32_t *)field = (uint32_t)number;
                return true;
        case CLI_VALUE_KEYWORD: return parse_keyword(command, option, text, field);
        case CLI_VALUE_REASON: break;
        }
        hwaccl_assert(false); /* a reason has a parse function */
        return false;
}

bool cli_parse_mode(const struct cli_command *command, const struct cli_option *option, const char *text, void *field)
{
        size_t digits = strspn(text, "01234567");
        unsigned long mode = strtoul(text, NULL, 8);

        if (!digits || digits > 4 || text[digits] || !mode || !hwaccl_file_mode_is_good((unsigned)mode))
                return cli_value_error(command, option, text, "octal permissions from 600 to 666, such as 640");
        *(unsigned *)field = (unsigned)mode;
        return true;
}

static const struct cli_option *find_option(const struct cli_command *command, int found)
{
        if (found >= ROW_BASE)
                return &command->options[found - ROW_BASE];
        for (const struct cli_option *option = command->options; option->name; option++)
                if (option->letter == found)
                        return option;
        return NULL;
}

bool cli_parse_options(const struct cli_command *command, int argc, char **argv, void *settings,
                       enum cli_status *status)
{
        struct option longs[OPTION_MAX + 2];
        char shorts[2 * OPTION_MAX + 3];
        int found;

        translate(command, longs, shorts);
        opterr = 0;
        *status = CLI_CANNOT;
        while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
                if (found == 'h') {
                        cli_print_help(command);
                        *status = CLI_CLEAN;
                        return false;
                }
                const struct cli_option *option = found == '?' || found == ':' ? NULL : find_option(command, found);
                if (!option) {
                        refuse_option(command, longs, argc, argv, found == ':');
                        return false;
                }
                if (!cli_parse_value(command, option, optarg, settings))
                        return false;
        }
        return true;
}

const struct cli_option *cli_find_option(const struct cli_command *command, int argc, char **argv,
                                         bool (*match)(const struct cli_option *option))
{
        struct option longs[OPTION_MAX + 2];
        char shorts[2 * OPTION_MAX + 3];
        const struct cli_option *option = NULL;
        int operands = optind;
        int found;

        translate(command, longs, shorts);
        optind = 0; /* getopt(3): begin again */
        while (!option && (found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
                option = find_option(command, found);
                if (option && !match(option))
                        option = NULL;
        }
        optind = operands;
        return option;
}

const char *cli_one_operand(const struct cli_command *command, int argc, char **argv, const char *what)
{
        if (optind >= argc) {
                (void)cli_usage_error(command, "no %s given", what);
                return NULL;
        }
        if (argc - optind > 1) {
                (void)cli_usage_error(command, "unexpected argument '%s'", argv[optind + 1]);
                return NULL;
        }
        return argv[optind];
}
