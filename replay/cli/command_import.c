/* hwaccl import: makes a recording from another tracer's trace. */
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/parse.h"
#include "replay/cli/sandbox.h"

#include "tracer/import/import.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct cli_option options[] = {
        {"output", 'o', "FILE", "write FILE (default: the directory's name with .db)",
         CLI_FILE(struct hwaccl_import_config, output)},
        {"force", 0, NULL, "replace the recording if it exists", CLI_FLAG(struct hwaccl_import_config, force)},
        CLI_OPTION_MODE(struct hwaccl_import_config, mode),
        {"pid", 'p', "PID", "import process PID of a trace of several",
         CLI_NUMBER_32(struct hwaccl_import_config, pid, 0, UINT32_MAX),
         .given = CLI_FIELD(bool, struct hwaccl_import_config, pid_given)},
        {"vcpu", 0, "N", "import virtual CPU N of a process that has several",
         CLI_NUMBER_32(struct hwaccl_import_config, vcpu, 0, UINT32_MAX),
         .given = CLI_FIELD(bool, struct hwaccl_import_config, vcpu_given)},
        {.name = NULL},
};

struct importing {
        const char *output;
        bool shown; /* the progress */
};

static void progress(void *opaque, uint64_t done, uint64_t total)
{
        struct importing *importing = opaque;

        if (!importing->shown)
                cli_progress_start(total);
        importing->shown = true;
        cli_progress(done);
}

static bool enter_sandbox(void *opaque, const pid_t *process, size_t count, struct hwaccl_error *error)
{
        const struct importing *importing = opaque;

        return cli_sandbox_enter_with(importing->output, process, count, error);
}

static void summarise(const struct cli_command *command, const struct hwaccl_import_config *config,
                      const struct hwaccl_import_result *result)
{
        uint64_t discarded = result->discarded_events;

        cli_notice(command, "imported %" PRIu64 " exits from %" PRIu64 " events of process %" PRIu32 " into %s%s%s",
                   result->exits, result->events, result->pid, config->output,
                   result->complete ? "" : "; incomplete: ", result->problem);
        if (result->lost == 0 && (discarded || result->discarded_packets))
                cli_notice(command,
                           "LTTng discarded %" PRIu64 " events and %" PRIu64 " packets, none of them of "
                           "this virtual CPU",
                           discarded, result->discarded_packets);
}

static enum cli_status import(const struct cli_command *command, struct hwaccl_import_config *config)
{
        struct hwaccl_import_result result;
        struct hwaccl_error error;
        char output[4096];

        if (!config->output) {
                size_t length = strlen(config->directory);
                while (length > 1 && config->directory[length - 1] == '/')
                        length--;
                if (snprintf(output, sizeof(output), "%.*s.db", (int)length, config->directory) >= (int)sizeof(output))
                        return cli_error(command, "directory name too long; give -o FILE");
                config->output = output;
        }
        struct importing importing = {.output = config->output};
        config->progress = progress;
        config->started = enter_sandbox;
        config->opaque = &importing;
        bool good = hwaccl_import_ctf(config, &result, &error);
        cli_progress_clear();
        if (!good)
                return cli_error(command, "%s", error.message);
        summarise(command, config, &result);
        return result.complete ? CLI_CLEAN : CLI_BAD;
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct hwaccl_import_config config = {0};
        enum cli_status status;

        if (!cli_parse_options(command, argc, argv, &config, &status))
                return status;
        if (optind < argc && strcmp(argv[optind], "ctf") != 0)
                return cli_usage_error(command, "unknown trace format '%s' (supported: ctf)", argv[optind]);
        if (optind >= argc)
                return cli_usage_error(command, "no trace format given (supported: ctf)");
        optind++;
        config.directory = cli_one_operand(command, argc, argv, "directory");
        return config.directory ? import(command, &config) : CLI_CANNOT;
}

const struct cli_command cli_command_import = {
        .name = "import",
        .arguments = "ctf [OPTION]... DIRECTORY",
        .summary = "make a recording from another tracer's trace",
        .options = options,
        .details =
                "Reads CTF traces of the LTTng events of 'hwaccl record --lttng'. The rows are those of a recording "
                "made\n"
                "directly. Where the trace lost events, exits are missing: the recording is marked incomplete, lists\n"
                "the missing exits, and replays between them. A trace of 'hwaccl record --lttng -- VMM' becomes one\n"
                "recording of all its vCPUs and threads. Exit status: 0 complete; 1 incomplete; 2 failure.\n\n"
                "Example: hwaccl import ctf trace/ -o boot.db\n",
        .run = run,
};
