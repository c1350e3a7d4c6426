/* hwaccl accept: the results that handling has now become the recorded ones. */
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/recording_input.h"
#include "replay/cli/replay_print.h"
#include "replay/cli/sandbox.h"

#include "core/text.h"
#include "replay/accept.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_DEFAULT 20

struct settings {
        uint64_t limit; /* of the exits shown; 0: none */
        uint64_t shown;
};

static const struct cli_option options[] = {
        {"limit", 'l', "N", "show N exits of each recording, count the others (default 20; 0: show all)",
         CLI_NUMBER(struct settings, limit, 0, 0)},
        {.name = NULL},
};

static void show(void *opaque, const struct hwaccl_divergence *divergence)
{
        struct settings *settings = opaque;

        if (!settings->limit || settings->shown < settings->limit)
                cli_divergence_print(divergence, "  ");
        settings->shown += !settings->limit || settings->shown < settings->limit;
}

static enum cli_status accept_one(const struct cli_command *command, const struct settings *given, const char *path)
{
        struct settings settings = *given;
        struct hwaccl_accept_result result;
        struct hwaccl_error error;

        if (!cli_sandbox_enter_to_write(command, path))
                return CLI_CANNOT;
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        if (!recording)
                return cli_recording_refused(command, path, error.message);
        bool good = hwaccl_accept_run(recording, show, &settings, &result, &error);
        hwaccl_recording_close(recording);
        if (!good)
                return cli_file_error(command, path, error.message);
        char name[PATH_MAX];
        (void)snprintf(name, sizeof(name), "%s", path);
        hwaccl_text_make_safe(name);
        if (result.accepted > settings.shown)
                (void)printf("  %" PRIu64 " more not shown\n", result.accepted - settings.shown);
        (void)printf("%s: accepted the results of %" PRIu64 " of %" PRIu64 " exits\n", name, result.accepted,
                     result.exits);
        return CLI_CLEAN;
}

/* In a process of its own, which can write where the file is and nowhere else. */
static enum cli_status accept_apart(const struct cli_command *command, const struct settings *settings,
                                    const char *path)
{
        int status = 0;

        (void)fflush(stdout);
        pid_t child = fork();
        if (child < 0)
                return cli_error(command, "%s: cannot start a process: %s", path, strerror(errno));
        if (child == 0) {
                enum cli_status own = accept_one(command, settings, path);
                _exit(fflush(stdout) == 0 ? (int)own : (int)CLI_CANNOT);
        }
        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        return cli_error(command, "%s: cannot wait for its process: %s", path, strerror(errno));
        if (WIFSIGNALED(status))
                return cli_error(command, "%s: ended by signal %d (%s)", path, WTERMSIG(status),
                                 strsignal(WTERMSIG(status)));
        return (enum cli_status)WEXITSTATUS(status);
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct settings settings = {.limit = LIMIT_DEFAULT};
        enum cli_status status;

        if (!cli_parse_options(command, argc, argv, &settings, &status))
                return status;
        if (optind >= argc)
                return cli_usage_error(command, "no recording given");
        if (argc - optind == 1)
                return accept_one(command, &settings, argv[optind]);
        status = CLI_CLEAN;
        for (int i = optind; i < argc; i++) {
                enum cli_status own = accept_apart(command, &settings, argv[i]);
                status = own > status ? own : status;
        }
        return status;
}

const struct cli_command cli_command_accept = {
        .name = "accept",
        .arguments = "[OPTION]... RECORDING...",
        .summary = "make the results of today's handling the recorded ones",
        .options = options,
        .details = "For a change of exit handling that is intended: replays the recordings, shows each exit whose "
                   "results\n"
                   "differ, and writes those results into the recordings. What handling read stays; where it now "
                   "reads\n"
                   "something else, or the guest would have gone on otherwise, the recording stays as it was and must "
                   "be\n"
                   "made again. Exit status: 0 accepted, or nothing to accept; 2 refused.\n\n"
                   "Example: hwaccl accept corpus/boot.db\n",
        .run = run,
};
