/* hwaccl check: is a recording whole and consistent? */
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
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
        struct cli_json_list list;
        uint64_t count;
};

static void print_finding(void *opaque, const char *text)
{
        struct findings *findings = opaque;

        if (findings->json) {
                (void)cli_json_list_add(&findings->list, cli_json_text(text));
        } else {
                char line[1024];
                (void)snprintf(line, sizeof(line), "%s", text);
                cli_make_printable(line);
                (void)puts(line);
        }
        findings->count++;
}

static bool print_summary(struct findings *findings, uint64_t exits, bool complete)
{
        if (findings->json)
                return cli_json_list_end(&findings->list,
                                         json_pack("{s:o, s:b}", "exits", cli_json_count(exits), "complete", complete));
        if (!findings->count)
                (void)printf("%" PRIu64 " exits, no problem found\n", exits);
        return true;
}

static enum cli_status check(const struct cli_command *command, const char *path, bool json)
{
        struct findings findings = {.json = json, .list.name = "findings"};
        struct hwaccl_error error;

        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        if (!recording)
                return cli_complain_of(command, path, error.message);
        bool done = hwaccl_recording_check(recording, print_finding, &findings, &error);
        const struct hwaccl_recording_info info = *hwaccl_recording_info(recording);
        bool complete = info.status == HWACCL_RECORDING_COMPLETE;
        hwaccl_recording_close(recording);
        if (done && !print_summary(&findings, info.exit_count, complete))
                done = hwaccl_error_set(&error, "out of memory");
        if (!done) {
                cli_json_list_fail(&findings.list, error.message);
                return cli_complain_of(command, path, error.message);
        }
        if (!complete)
                cli_recording_state(command, path, info.status, info.end);
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
