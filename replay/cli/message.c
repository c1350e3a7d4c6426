#include "replay/cli/message.h"

#include "core/text.h"
#include "replay/cli/output.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 1024

/* One line, whatever file names or guests put into it. */
static void print_line(const struct cli_command *command, char *text, const char *tail)
{
        hwaccl_text_make_safe(text);
        cli_progress_clear();
        (void)fflush(stdout);
        (void)fprintf(stderr, "hwaccl%s%s: %s%s\n", command ? " " : "", command ? command->name : "", text, tail);
}

enum cli_status cli_error(const struct cli_command *command, const char *format, ...)
{
        char text[TEXT_MAX];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        print_line(command, text, "");
        return CLI_CANNOT;
}

enum cli_status cli_file_error(const struct cli_command *command, const char *path, const char *text)
{
        char name[TEXT_MAX];

        /* a text of hwaccl's has the name made safe */
        (void)snprintf(name, sizeof(name), "%s", path);
        hwaccl_text_make_safe(name);
        if (strncmp(text, path, strlen(path)) == 0 || strncmp(text, name, strlen(name)) == 0)
                return cli_error(command, "%s", text);
        return cli_error(command, "%s: %s", path, text);
}

enum cli_status cli_usage_error(const struct cli_command *command, const char *format, ...)
{
        char text[TEXT_MAX], tail[64];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        (void)snprintf(tail, sizeof(tail), "; see 'hwaccl %s%s--help'", command ? command->name : "",
                       command ? " " : "");
        print_line(command, text, tail);
        return CLI_CANNOT;
}
