/* hwaccl check: is a recording whole and consistent? */
#include "replay/cli/json.h"
#include "replay/cli/output.h"
#include "replay/cli/recording_input.h"

#include <inttypes.h>
#include <stdio.h>

enum { OPTION_JSON };

static const struct cli_option options[] = {
        [OPTION_JSON] = {"json", 'j', NULL, "print one JSON object"},
        {NULL, 0, NULL, NULL},
};

struct findings {
        bool json;
        uint64_t count;
        bool no_memory;
};

static void print_finding(void *opaque, const char *text)
{
        struct findings *findings = opaque;

        if (findings->json) {
                (void)fputs(findings->count ? ",\n" : "\n", stdout);
                findings->no_memory |= !cli_json_print(cli_json_text(text));
        } else {
                char line[1024];
                (void)snprintf(line, sizeof(line), "%s", text);
                cli_make_printable(line);
                (void)puts(line);
        }
        findings->count++;
}

static enum cli_status check(const struct cli_command *command, const char *path, bool json)
{
        struct findings findings = {.json = json};
        struct hwaccl_error error;

        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        if (!recording)
                return cli_complain_of(command, path, error.message);
        if (json)
                (void)fputs("{\"findings\": [", stdout);
        bool done = hwaccl_recording_check(recording, print_finding, &findings, &error);
        const struct hwaccl_recording_info *info = hwaccl_recording_info(recording);
        uint64_t exits = info->exit_count;
        enum hwaccl_recording_status state = info->status;
        unsigned end = info->end;
        bool complete = state == HWACCL_RECORDING_COMPLETE;
        hwaccl_recording_close(recording);
        if (!done)
                return cli_complain_of(command, path, error.message);
        if (findings.no_memory)
                return cli_complain(command, "no memory");
        if (json)
                (void)printf("%s], \"exits\": %" PRIu64 ", \"complete\": %s}\n", findings.count ? "\n" : "", exits,
                             complete ? "true" : "false");
        else if (!findings.count)
                (void)printf("%" PRIu64 " exits, no problem found\n", exits);
        if (!complete)
                cli_recording_state(command, path, state, end);
        return findings.count ? CLI_BAD : CLI_CLEAN;
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        bool json = false;
        const char *value;
        int option;

        while ((option = cli_next_option(command, argc, argv, &value)) != CLI_OPTION_END) {
                if (option == CLI_OPTION_HELP)
                        return CLI_CLEAN;
                if (option != OPTION_JSON)
                        return CLI_CANNOT;
                json = true;
        }
        const char *path = cli_one_operand(command, argc, argv, "recording");
        return path ? check(command, path, json) : CLI_CANNOT;
}

const struct cli_command cli_command_check = {
        .name = "check",
        .arguments = "[OPTION]... RECORDING",
        .summary = "check a recording's integrity",
        .options = options,
        .details = "One line for each problem. Exit status: 0 none; 1 problems were found; 2 it is no recording, or\n"
                   "cannot be read.\n\n"
                   "Example: hwaccl check boot.db\n",
        .run = run,
};
