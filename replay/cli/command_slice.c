/* hwaccl slice: a piece of a recording as a recording of its own. */
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/recording_input.h"
#include "replay/cli/sandbox.h"

#include "replay/slice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct settings {
        struct cli_exits exits;
        const char *output;
        bool force;
        unsigned mode;
};

static const struct cli_option options[] = {
        {"output", 'o', "FILE", "name of the new recording", CLI_FILE(struct settings, output)},
        {"force", 0, NULL, "replace an existing file", CLI_FLAG(struct settings, force)},
        CLI_OPTION_MODE(struct settings, mode),
        CLI_OPTION_VCPU(struct settings, exits),
        {.name = NULL},
};

static const char *last_part(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static enum cli_status slice(const struct cli_command *command, const struct settings *settings, const char *path,
                             struct hwaccl_recording *recording)
{
        const struct hwaccl_slice_config config = {
                .output = settings->output,
                .name = last_part(path),
                .force = settings->force,
                .mode = settings->mode,
                .vcpu = settings->exits.vcpu,
                .first = settings->exits.first,
                .last = settings->exits.last,
        };
        struct hwaccl_slice_result result;
        struct hwaccl_error error;

        if (!hwaccl_slice_run(recording, &config, &result, &error))
                return cli_file_error(command, path, error.message);
        if (result.first != config.first)
                cli_notice(command,
                           "begins at exit %" PRIu64
                           ", where the state of the other VMM was recorded: no replay begins "
                           "at exit %" PRIu64,
                           result.first, config.first);
        (void)printf("exits %" PRIu64 " to %" PRIu64, result.first, result.last);
        if (result.exits != result.last - result.first + 1)
                (void)printf(", with those of other vCPUs %" PRIu64 " exits", result.exits);
        if (result.replays)
                (void)printf("; replayed, as in the original: %" PRIu64 " divergences", result.divergences);
        (void)printf("\n");
        return CLI_CLEAN;
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct settings settings = {.exits = CLI_EXITS_ALL};
        struct hwaccl_error error;
        enum cli_status status;

        if (!cli_parse_options(command, argc, argv, &settings, &status))
                return status;
        const char *path = cli_recording_operands(command, argc, argv, &settings.exits);
        if (!path)
                return CLI_CANNOT;
        if (!settings.exits.ranged)
                return cli_usage_error(command, "no exits given: FIRST..LAST after the recording");
        if (!settings.output)
                return cli_usage_error(command, "no name for the new recording given: -o FILE");
        if (!cli_sandbox_enter_to_derive(command, path, settings.output))
                return CLI_CANNOT;
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        if (!recording)
                return cli_recording_refused(command, path, error.message);
        status = CLI_CANNOT;
        if (cli_exits_check(command, path, recording, &settings.exits))
                status = slice(command, &settings, path, recording);
        return cli_recording_close(command, path, recording, status);
}

const struct cli_command cli_command_slice = {
        .name = "slice",
        .arguments = "[OPTION]... RECORDING FIRST..LAST -o FILE",
        .summary = "make a recording of some exits of another",
        .options = options,
        .details =
                "The exits keep their numbers and times. A replay of the slice begins at its first exit: it has the\n"
                "state of the devices there, which a replay of the original finds. Of another VMM's recording the\n"
                "slice begins where its state was recorded, and has the exits of the other vCPUs in the same span of\n"
                "time. The guest's memory comes along when the slice contains the end. The slice is replayed before\n"
                "it gets its name. Exit status: 0 made; 2 failure.\n\n"
                "Example: hwaccl slice boot.db 40100..40200 -o bug.db && hwaccl replay bug.db\n",
        .run = run,
};
