/* hwaccl replay: reruns the handling of recorded exits and compares. */
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/parse.h"
#include "replay/cli/recording_input.h"
#include "replay/cli/replay_corpus.h"
#include "replay/cli/replay_print.h"

#include "hwaccl/replay.h"
#include "replay/corpus/corpus_jobs.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define LIMIT_DEFAULT 20
#define LIMIT_OF_MANY 3    /* of each recording */
#define LIMIT_MAX     1000 /* of each recording: they are kept until the end */

struct report {
        struct cli_exits exits;
        bool first_only;
        uint64_t limit; /* of the divergences shown; 0: none */
        uint64_t shown;
        bool json;
        struct allow_rules *rules; /* NULL: none */
        struct cli_json_list list;
};

static const struct cli_option options[] = {
        CLI_OPTION_FROM(struct replay_settings, exits),
        CLI_OPTION_TO(struct replay_settings, exits),
        CLI_OPTION_VCPU(struct replay_settings, exits),
        {"first", '1', NULL, "stop at the first divergence (default: count all of them)",
         CLI_FLAG(struct replay_settings, first_only)},
        {"limit", 'l', "N",
         "show N divergences, count the others (default 20, of several recordings 3 each; 0: show all)",
         CLI_NUMBER(struct replay_settings, limit, 0, 0), .given = CLI_FIELD(bool, struct replay_settings, limited)},
        {"jobs", 0, "N", "replay N recordings at a time (default: one for each processor)",
         CLI_NUMBER_32(struct replay_settings, jobs, 1, CORPUS_JOBS_MAX)},
        {"time-limit", 0, "SECONDS", "end the replay of a recording after this time",
         CLI_SECONDS(struct replay_settings, time_limit)},
        {"memory-limit", 0, "SIZE", "end the replay of a recording that needs more memory (K, M, G)",
         CLI_PARSED(CLI_VALUE_TEXT, cli_parse_memory_limit),
         .field = CLI_FIELD(uint64_t, struct replay_settings, memory_limit)},
        {"shard", 0, "I/N", "replay only part I, from 1 on, of N parts of the recordings",
         CLI_PARSED(CLI_VALUE_TEXT, cli_parse_shard),
         .field = CLI_FIELD(struct replay_shard, struct replay_settings, shard)},
        {"filter", 0, "GLOB", "replay only recordings whose name, or with a slash whose path, matches",
         CLI_TEXT(struct replay_settings, filter)},
        {"fail-fast", 0, NULL, "end at the first recording that is not clean (default: replay all)",
         CLI_FLAG(struct replay_settings, fail_fast)},
        {"junit", 0, "FILE", "write a JUnit report", CLI_FILE(struct replay_settings, junit)},
        {"markdown", 0, "FILE", "write a report to post as a comment", CLI_FILE(struct replay_settings, markdown)},
        {"allow", 0, "RULES", "do not count the differences that this file of rules allows",
         CLI_FILE(struct replay_settings, allow)},
        {"bisect", 0, NULL, "exit with 125 if a recording could not be replayed, for 'git bisect run'",
         CLI_FLAG(struct replay_settings, bisect)},
        CLI_OPTION_JSON(struct replay_settings, json),
        {.name = NULL},
};

static void diverged(void *opaque, const struct hwaccl_divergence *divergence)
{
        struct report *report = opaque;

        if ((report->limit && report->shown >= report->limit) || cli_output_broken())
                return;
        cli_progress_clear();
        if (report->json)
                (void)cli_json_list_add(&report->list, cli_divergence_object(divergence));
        else
                cli_divergence_print(divergence, "");
        report->shown++;
}

static void allow(void *opaque, struct hwaccl_divergence *divergence)
{
        struct report *report = opaque;

        if (report->rules)
                allow_rules_apply(report->rules, divergence);
}

static void progress(void *opaque, uint64_t exits)
{
        (void)opaque;
        cli_progress(exits);
}

static bool end_json(struct report *report, const struct hwaccl_replay_result *result, bool complete)
{
        json_t *first = result->divergences ? cli_json_count(result->first_divergence) : json_null();
        double rate = result->seconds > 0 ? (double)result->exits / result->seconds : 0;

        json_t *members = json_pack("{s:o, s:o, s:o, s:b, s:f, s:f}", "exits", cli_json_count(result->exits),
                                    "divergences", cli_json_count(result->divergences), "first_divergence", first,
                                    "complete", complete, "seconds", result->seconds, "exits_per_second", rate);
        if (report->rules) {
                cli_json_set(&members, "allowed", cli_json_count(result->allowed));
                cli_json_set(&members, "rules", cli_rules_array(report->rules));
        }
        return cli_json_list_end(&report->list, members);
}

static void summarise(const struct report *report, const struct hwaccl_replay_result *result)
{
        double rate = result->seconds > 0 ? (double)result->exits / result->seconds : 0;

        if (result->divergences > report->shown)
                (void)printf("%" PRIu64 " more divergences not shown\n", result->divergences - report->shown);
        if (result->allowed)
                (void)printf("%" PRIu64 " exit%s differ%s only in what the rules allow\n", result->allowed,
                             result->allowed == 1 ? "" : "s", result->allowed == 1 ? "s" : "");
        (void)printf("%sreplayed %" PRIu64 " exits in %.3f s (%.0f exits/s): %" PRIu64 " divergence%s%s\n",
                     cli_colour(result->divergences ? CLI_RED : CLI_GREEN), result->exits, result->seconds, rate,
                     result->divergences, result->divergences == 1 ? "" : "s", cli_colour(CLI_PLAIN));
}

static enum cli_status replay(const struct cli_command *command, struct hwaccl_recording *recording, const char *path,
                              struct report *report)
{
        struct cli_exits *exits = &report->exits;
        const struct hwaccl_recording_info *info = hwaccl_recording_info(recording);
        struct hwaccl_replay_result result;
        struct hwaccl_error error;

        if (info->vmm)
                return cli_error(command,
                                 "%s: cannot replay: another VMM (%s) handled these exits; its own handler can, with "
                                 "libhwaccl-replay (hwaccl/session.h); use check, report, show, state or stat",
                                 path, info->vmm);
        if (!cli_exits_check(command, path, recording, exits))
                return CLI_CANNOT;
        struct hwaccl_replay_config config = {
                .vcpu = exits->vcpu,
                .first = exits->first,
                .last = exits->last,
                .stop_at_first = report->first_only,
                .allow = allow,
                .diverged = diverged,
                .progress = progress,
                .opaque = report,
        };
        cli_progress_start(exits->count);
        bool done = hwaccl_replay_run(recording, &config, &result, &error);
        cli_progress_clear();
        if (done && report->json && !end_json(report, &result, info->status == HWACCL_RECORDING_COMPLETE))
                done = hwaccl_error_set(&error, "out of memory");
        if (!done) {
                cli_json_list_fail(&report->list, error.message);
                return cli_file_error(command, path, error.message);
        }
        if (!report->json)
                summarise(report, &result);
        return result.divergences ? CLI_BAD : CLI_CLEAN;
}

static enum cli_status replay_one(const struct cli_command *command, const struct replay_settings *settings,
                                  const char *path)
{
        struct report report = {
                .exits = settings->exits,
                .first_only = settings->first_only,
                .limit = settings->limit,
                .json = settings->json,
                .rules = settings->rules,
                .list.name = "details",
        };
        struct hwaccl_recording *recording = cli_recording_open(command, path);

        if (!recording)
                return CLI_CANNOT;
        enum cli_status status = replay(command, recording, path, &report);
        return cli_recording_close(command, path, recording, status);
}

/* In a process of its own: only the document is printed on stdout. */
static enum cli_status replay_of_many(const struct cli_command *command, const struct replay_settings *settings,
                                      const char *path)
{
        struct replay_settings own = *settings;

        own.json = true;
        own.limit = !settings->limited ? LIMIT_OF_MANY : !own.limit || own.limit > LIMIT_MAX ? LIMIT_MAX : own.limit;
        return replay_one(command, &own, path);
}

static bool is_path(const char *text)
{
        struct stat status;
        size_t length = strlen(text);

        return stat(text, &status) == 0 || strchr(text, '/') || (length > 3 && strcmp(text + length - 3, ".db") == 0);
}

static bool is_directory(const char *path)
{
        struct stat status;

        return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool is_range(const char *text)
{
        uint64_t first, last;

        return !is_path(text) && cli_parse_range(text, &first, &last);
}

/* "PATH [FIRST..LAST]", or several paths? */
static bool is_one(int count, char **operand)
{
        if (count == 1 || is_range(operand[1]))
                return true;
        return count == 2 && !is_path(operand[1]) && !is_directory(operand[0]);
}

static void print_rule(void *opaque, const char *text)
{
        cli_notice((const struct cli_command *)opaque, "%s", text);
}

static enum cli_status run_parsed(const struct cli_command *command, int argc, char **argv,
                                  struct replay_settings *settings)
{
        int count = argc - optind, first = optind;
        struct hwaccl_error error;
        bool one = count < 1 || is_one(count, argv + optind);
        const char *path = one || settings->exits.first > settings->exits.last
                                   ? cli_recording_operands(command, argc, argv, &settings->exits)
                                   : argv[optind];

        if (!path)
                return CLI_CANNOT;
        if (!one && is_range(argv[argc - 1]))
                return cli_usage_error(command, "'%s' with several paths: expected --from and --to", argv[argc - 1]);
        if (settings->rules && !allow_rules_read(settings->rules, settings->allow, time(NULL), &error))
                return cli_error(command, "%s", error.message);
        if (!one || is_directory(path) || cli_replay_is_corpus(settings))
                return cli_replay_corpus(command, settings, argv + first, one ? 1 : count, replay_of_many);
        enum cli_status status = replay_one(command, settings, path);
        if (settings->rules && status != CLI_CANNOT)
                allow_rules_report(settings->rules, print_rule, (void *)(uintptr_t)command);
        return status;
}

/* Where the options could not be parsed: is it among them? */
static bool asks_for_bisect(int argc, char **argv)
{
        for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
                if (strcmp(argv[i], "--bisect") == 0)
                        return true;
        return false;
}

/* git goes by the status alone, and 2 would be a bad commit: output that cannot be written does not change it. */
static enum cli_status bisect_status(const struct cli_command *command, enum cli_status status)
{
        errno = 0;
        if (fflush(stdout) != 0 || ferror(stdout)) {
                cli_notice(command, "cannot write to standard output%s%s", errno ? ": " : "",
                           errno ? strerror(errno) : "");
                __fpurge(stdout);
                clearerr(stdout);
        }
        return status == CLI_CANNOT ? CLI_SKIP : status;
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct replay_settings settings = {.exits = CLI_EXITS_ALL, .limit = LIMIT_DEFAULT};
        struct allow_rules rules = {.path = NULL};
        enum cli_status status;

        if (cli_parse_options(command, argc, argv, &settings, &status)) {
                settings.rules = settings.allow ? &rules : NULL;
                status = run_parsed(command, argc, argv, &settings);
        } else {
                settings.bisect = asks_for_bisect(argc, argv);
        }
        allow_rules_release(&rules);
        return settings.bisect ? bisect_status(command, status) : status;
}

const struct cli_command cli_command_replay = {
        .name = "replay",
        .arguments = "[OPTION]... PATH... [FIRST..LAST]",
        .summary = "rerun the handling of recorded exits and compare with the recording",
        .options = options,
        .details = "Needs neither the guest nor its images. Compares every known field of the state, IRQ handoffs, "
                   "verdicts,\n"
                   "outcomes, inputs, effects, and the state of devices at keyframes. PATH is a recording, or a "
                   "directory\n"
                   "with recordings (*.db) in it. Several are replayed by a process each; ranges are then --from and "
                   "--to.\n"
                   "Exit status: 0 no divergence; 1 divergences; 2 a recording cannot be replayed, and no other "
                   "diverged.\n\n"
                   "Examples: hwaccl replay boot.db 1000..2000\n"
                   "          hwaccl replay --junit report.xml corpus\n",
        .run = run,
};
