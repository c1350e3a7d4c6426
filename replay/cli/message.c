#include "replay/cli/message.h"

#include "replay/cli/output.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One line, whatever file names or guests put into it. */
static void complain(const struct cli_command *command, const char *tail, const char *format, va_list arguments)
{
        char text[1024];
        (void)vsnprintf(text, sizeof(text), format, arguments);
        cli_make_printable(text);
        cli_progress_clear();
        (void)fflush(stdout);
        (void)fprintf(stderr, "hwaccl%s%s: %s%s\n", command ? " " : "", command ? command->name : "", text, tail);
}

enum cli_status cli_complain(const struct cli_command *command, const char *format, ...)
{
        va_list arguments;
        va_start(arguments, format);
        complain(command, "", format, arguments);
        va_end(arguments);
        return CLI_CANNOT;
}

enum cli_status cli_complain_of(const struct cli_command *command, const char *path, const char *text)
{
        if (strncmp(text, path, strlen(path)) == 0)
                return cli_complain(command, "%s", text);
        return cli_complain(command, "%s: %s", path, text);
}

enum cli_status cli_misused(const struct cli_command *command, const char *format, ...)
{
        char tail[64];
        (void)snprintf(tail, sizeof(tail), "; see 'hwaccl %s%s--help'", command ? command->name : "",
                       command ? " " : "");
        va_list arguments;
        va_start(arguments, format);
        complain(command, tail, format, arguments);
        va_end(arguments);
        return CLI_CANNOT;
}
