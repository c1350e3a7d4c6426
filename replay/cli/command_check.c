/* hwaccl check: checks that a recording is complete and consistent. */
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/recording_input.h"

#include "core/text.h"
#include "hwaccl/replay.h"

#include <inttypes.h>
#include <stdio.h>

struct findings {
        bool json;
        struct cli_json_list list;
        uint64_t count;
};

static const struct cli_option options[] = {
        CLI_OPTION_JSON(struct findings, json),
        {.name = NULL},
};

static void print_finding(void *opaque, const char *text)
{
        struct findings *findings = opaque;

        if (findings->json) {
                (void)cli_json_list_add(&findings->list, cli_json_text(text));
        } else {
                char line[1024];
                (void)snprintf(line, sizeof(line), "%s", text);
                hwaccl_text_make_safe(line);
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

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct findings findings = {.list.name = "findings"};
        struct hwaccl_error error;
        enum cli_status status;

        if (!cli_parse_options(command, argc, argv, &findings, &status))
                return status;
        const char *path = cli_one_operand(command, argc, argv, "recording");
        if (!path)
                return CLI_CANNOT;
        struct hwaccl_recording *recording = cli_recording_open(command, path);
        if (!recording)
                return CLI_CANNOT;
        bool done = hwaccl_recording_check(recording, print_finding, &findings, &error) &&
                    hwaccl_replay_check_keyframes(recording, print_finding, &findings, &error);
        const struct hwaccl_recording_info info = *hwaccl_recording_info(recording);
        bool complete = info.status == HWACCL_RECORDING_COMPLETE;
        hwaccl_recording_close(recording);
        if (done && !print_summary(&findings, info.exit_count, complete))
                done = hwaccl_error_set(&error, "out of memory");
        if (!done) {
                cli_json_list_fail(&findings.list, error.message);
                return cli_file_error(command, path, error.message);
        }
        if (!complete)
                cli_recording_state(command, path, info.status, info.end);
        return findings.count ? CLI_BAD : CLI_CLEAN;
}

const struct cli_command cli_command_check = {
        .name = "check",
        .arguments = "[OPTION]... RECORDING",
        .summary = "check a recording's integrity",
        .options = options,
        .details =
                "Prints one line for each problem. Exit status: 0 no problem; 1 problems found; 2 not a recording, or\n"
                "unreadable.\n\n"
                "Example: hwaccl check boot.db\n",
        .run = run,
};
