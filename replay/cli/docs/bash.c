/* The completion's part of the option tables, in bash. */
#include "replay/cli/docs/docs.h"

#include "hwaccl/exit_reason.h"

#include <ctype.h>
#include <stdbool.h>

void bash_subcommands(FILE *out)
{
        (void)fputs("        local subcommands=\"", out);
        for (const struct cli_command *const *command = cli_commands; *command; command++)
                (void)fprintf(out, "%s ", (*command)->name);
        (void)fputs("help\"\n", out);
}

/* The identifiers of the reasons that a handler deals with. */
static void print_reasons(FILE *out)
{
        static const struct {
                const char *identifier;
                enum hwaccl_verdict verdict;
        } reasons[] = {
#define X(number, identifier, name, verdict) {#identifier, HWACCL_VERDICT_##verdict},
                HWACCL_EXIT_REASONS(X)
#undef X
        };
        const char *separator = "";

        for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
                if (reasons[i].verdict == HWACCL_VERDICT_UNKNOWN)
                        continue;
                (void)fputs(separator, out);
                separator = " ";
                for (const char *c = reasons[i].identifier; *c; c++)
                        (void)fputc(*c == '_' ? '-' : tolower((unsigned char)*c), out);
        }
}

static void print_case(FILE *out, const struct cli_command *command, const struct cli_option *option)
{
        (void)fprintf(out, "        \"%s --%s\"", command->name, option->name);
        if (option->letter)
                (void)fprintf(out, " | \"%s -%c\"", command->name, option->letter);
        (void)fputs(")\n", out);
        if (option->value == CLI_VALUE_DIRECTORY) {
                (void)fputs("                mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n", out);
        } else if (option->keywords || option->value == CLI_VALUE_REASON) {
                (void)fputs("                _hwaccl_words \"", out);
                if (option->keywords)
                        (void)fputs(option->keywords, out);
                else
                        print_reasons(out);
                (void)fputs("\"\n", out);
        }
        (void)fputs("                return\n                ;;\n", out);
}

void bash_values(FILE *out)
{
        for (const struct cli_command *const *command = cli_commands; *command; command++)
                for (const struct cli_option *option = (*command)->options; option->name; option++)
                        if (option->argument && option->value != CLI_VALUE_FILE)
                                print_case(out, *command, option);
}

void bash_options(FILE *out)
{
        for (const struct cli_command *const *command = cli_commands; *command; command++) {
                (void)fprintf(out, "                %s) options=\"", (*command)->name);
                for (const struct cli_option *option = (*command)->options; option->name; option++)
                        (void)fprintf(out, "--%s ", option->name);
                (void)fputs("--help\" ;;\n", out);
        }
}
