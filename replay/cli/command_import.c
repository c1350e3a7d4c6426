/* hwaccl import: a recording from what another tracer wrote. */
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/parse.h"

#include "tracer/import/import.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct cli_option options[] = {
        {"output", 'o', "FILE", "write FILE (default: the directory's name with .db)",
         CLI_FILE(struct hwaccl_import_config, output)},
        {"force", 0, NULL, "replace the recording if it exists", CLI_FLAG(struct hwaccl_import_config, force)},
        {"pid", 'p', "PID", "import process PID of a trace of several",
         CLI_NUMBER_32(struct hwaccl_import_config, pid, 0, UINT32_MAX),
         .given = CLI_FIELD(bool, struct hwaccl_import_config, pid_given)},
        {"vcpu", 0, "N", "import virtual CPU N of a process that has several",
         CLI_NUMBER_32(struct hwaccl_import_config, vcpu, 0, UINT32_MAX),
         .given = CLI_FIELD(bool, struct hwaccl_import_config, vcpu_given)},
        {NULL},
};

static void progress(void *opaque, uint64_t done, uint64_t total)
{
        bool *started = opaque;

        if (!*started)
                cli_progress_start(total);
        *started = true;
        cli_progress(done);
}

static void summarise(const struct cli_command *command, const struct hwaccl_import_config *config,
                      const struct hwaccl_import_result *result)
{
        uint64_t discarded = result->discarded_events;

        (void)cli_complain(command, "%" PRIu64 " events of process %" PRIu32 ": %" PRIu64 " exits in %s%s%s",
                           result->events, result->pid, result->exits, config->output,
                           result->complete ? "" : "; incomplete: ", result->problem);
        if (result->lost == 0 && (discarded || result->discarded_packets))
                (void)cli_complain(command,
                                   "LTTng discarded %" PRIu64 " events and %" PRIu64 " packets, none of "
                                   "this virtual CPU",
                                   discarded, result->discarded_packets);
}

static enum cli_status import(const struct cli_command *command, struct hwaccl_import_config *config)
{
        struct hwaccl_import_result result;
        struct hwaccl_error error;
        char output[4096];
        bool started = false;

        if (!config->output) {
                size_t length = strlen(config->directory);
                while (length > 1 && config->directory[length - 1] == '/')
                        length--;
                if (snprintf(output, sizeof(output), "%.*s.db", (int)length, config->directory) >= (int)sizeof(output))
                        return cli_complain(command, "the directory's name is too long; use -o FILE");
                config->output = output;
        }
        config->progress = progress;
        config->opaque = &started;
        bool good = hwaccl_import_ctf(config, &result, &error);
        cli_progress_clear();
        if (!good)
                return cli_complain(command, "%s", error.message);
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
                return cli_misused(command, "'%s' is no kind of trace: it is ctf", argv[optind]);
        if (optind >= argc)
                return cli_misused(command, "no kind of trace given: it is ctf");
        optind++;
        config.directory = cli_one_operand(command, argc, argv, "directory");
        return config.directory ? import(command, &config) : CLI_CANNOT;
}

const struct cli_command cli_command_import = {
        .name = "import",
        .arguments = "ctf [OPTION]... DIRECTORY",
        .summary = "make a recording of a trace",
        .options = options,
        .details =
                "A CTF trace of the events that 'hwaccl record --lttng' gives to LTTng becomes a recording with the\n"
                "rows that recording into a database gives. Where the trace lost events, exits are missing: the\n"
                "recording is marked incomplete and lists them, and replays between them. Exit status: 0 complete;\n"
                "1 incomplete; 2 no recording was made.\n\n"
                "Example: hwaccl import ctf trace/ -o boot.db\n",
        .run = run,
};
