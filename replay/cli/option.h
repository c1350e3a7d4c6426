/*
 * The options of a subcommand: one table, from which the parser, --help, the manual page (docs/) and the completion
 * come.
 *
 *     static const struct cli_option options[] = {
 *             {"force", 0, NULL, "replace the recording if it exists", CLI_FLAG(struct settings, force)},
 *             {"max-exits", 'n', "N", "stop after N exits", CLI_NUMBER(struct settings, max_exits, 1, INT64_MAX)},
 *             {.name = NULL},
 *     };
 */
#ifndef HWACCL_CLI_OPTION_H
#define HWACCL_CLI_OPTION_H

#include "replay/cli/command.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an option's argument is, and the type of the field that it is stored in. */
enum cli_value {
        CLI_VALUE_FLAG,      /* no argument. bool */
        CLI_VALUE_TEXT,      /* const char * */
        CLI_VALUE_FILE,      /* const char *: the name of a file */
        CLI_VALUE_DIRECTORY, /* const char *: the name of a directory */
        CLI_VALUE_NUMBER,    /* uint64_t */
        CLI_VALUE_NUMBER_32, /* uint32_t */
        CLI_VALUE_SECONDS,   /* uint64_t: nanoseconds */
        CLI_VALUE_KEYWORD,   /* unsigned or an enumeration: the keyword's position */
        CLI_VALUE_REASON,    /* an exit reason; stored by a parse function */
};

/* One option. A table ends with a row without a name; every subcommand also has --help. */
struct cli_option {
        const char *name;     /* long name without the dashes */
        char letter;          /* short form, or 0 */
        const char *argument; /* what it takes ("FILE"), or NULL */
        const char *help;     /* one phrase, without a capital and without a period */
        enum cli_value value;
        size_t field;         /* where the value goes: an offset in the subcommand's settings */
        size_t given;         /* offset of a bool that is set when the option is there; 0: none */
        uint64_t min;         /* of a number or time; of a text: its least length */
        uint64_t max;         /* 0: none */
        const char *keywords; /* separated by blanks */
        /* takes the argument instead: @field is where it goes. False after an error message */
        bool (*parse)(const struct cli_command *command, const struct cli_option *option, const char *text,
                      void *field);
};

/* The offset of a member that has the type which the parser writes. */
#define CLI_FIELD(type, object, member) _Generic(((object *)0)->member, type : offsetof(object, member))

#define CLI_FLAG(object, member)      .value = CLI_VALUE_FLAG, .field = CLI_FIELD(bool, object, member)
#define CLI_TEXT(object, member)      .value = CLI_VALUE_TEXT, .field = CLI_FIELD(const char *, object, member)
#define CLI_FILE(object, member)      .value = CLI_VALUE_FILE, .field = CLI_FIELD(const char *, object, member)
#define CLI_DIRECTORY(object, member) .value = CLI_VALUE_DIRECTORY, .field = CLI_FIELD(const char *, object, member)
#define CLI_NUMBER(object, member, min_, max_)                                                                         \
        .value = CLI_VALUE_NUMBER, .field = CLI_FIELD(uint64_t, object, member), .min = (min_), .max = (max_)
#define CLI_NUMBER_32(object, member, min_, max_)                                                                      \
        .value = CLI_VALUE_NUMBER_32, .field = CLI_FIELD(uint32_t, object, member), .min = (min_), .max = (max_)
#define CLI_SECONDS(object, member) .value = CLI_VALUE_SECONDS, .field = CLI_FIELD(uint64_t, object, member), .min = 1
#define CLI_KEYWORD(object, member, words)                                                                             \
        .value = CLI_VALUE_KEYWORD, .field = CLI_FIELD(unsigned, object, member), .keywords = (words)
/* @function takes the argument, and stores it in the settings */
#define CLI_PARSED(kind, function) .value = (kind), .parse = (function)

/** cli_parse_mode - octal permissions, an unsigned */
bool cli_parse_mode(const struct cli_command *command, const struct cli_option *option, const char *text, void *field);

/* A row of an option table, for the subcommands that make files. */
#define CLI_OPTION_MODE(object, member)                                                                                \
        {                                                                                                              \
                "mode", 0, "MODE", "permissions of the files that are made, whatever the umask (default 600)",         \
                        CLI_PARSED(CLI_VALUE_TEXT, cli_parse_mode), .field = CLI_FIELD(unsigned, object, member)       \
        }

/** cli_print_help - the subcommand's help text on stdout */
void cli_print_help(const struct cli_command *command);

/**
 * cli_parse_options - store the options of a command line in @settings; operands are left, from argv[optind] on
 *
 * False when there is nothing more to do, with the exit status in *status: help was printed, or the command line is
 * wrong.
 */
bool cli_parse_options(const struct cli_command *command, int argc, char **argv, void *settings,
                       enum cli_status *status);

/**
 * cli_find_option - the first option of a command line that cli_parse_options() accepted for which @match is true; NULL
 * if there is none
 */
const struct cli_option *cli_find_option(const struct cli_command *command, int argc, char **argv,
                                         bool (*match)(const struct cli_option *option));

/** cli_parse_value - store one value as if it were the argument of @option; false after an error message */
bool cli_parse_value(const struct cli_command *command, const struct cli_option *option, const char *text,
                     void *settings);

/** cli_value_error - print that an option's argument is invalid. @expected: "a number from 1 to 10". Returns false */
bool cli_value_error(const struct cli_command *command, const struct cli_option *option, const char *text,
                     const char *expected);

/** cli_one_operand - the only operand, or NULL after an error message. @what: "recording" */
const char *cli_one_operand(const struct cli_command *command, int argc, char **argv, const char *what);

#endif
