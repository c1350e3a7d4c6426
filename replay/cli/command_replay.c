/* hwaccl replay: rerun the handling of recorded exits and compare. */
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/parse.h"
#include "replay/cli/recording_input.h"

#include "hwaccl/exit_reason.h"
#include "hwaccl/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIMIT_DEFAULT 20

enum { OPTION_FROM, OPTION_TO, OPTION_VCPU, OPTION_FIRST, OPTION_LIMIT, OPTION_JSON };

static const struct cli_option options[] = {
        [OPTION_FROM] = CLI_OPTION_FROM,
        [OPTION_TO] = CLI_OPTION_TO,
        [OPTION_VCPU] = CLI_OPTION_VCPU,
        [OPTION_FIRST] = {"first", '1', NULL, "stop at the first divergence (default: count all of them)"},
        [OPTION_LIMIT] = {"limit", 'l', "N", "show N divergences, count the others (default 20; 0: show all)"},
        [OPTION_JSON] = {"json", 'j', NULL, "print one JSON object"},
        {NULL, 0, NULL, NULL},
};

struct report {
        bool json;
        uint64_t limit;
        uint64_t shown;
        struct cli_json_list list;
};

static void print_reason(uint64_t exit_reason)
{
        uint64_t basic = exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
        const char *name = hwaccl_exit_reason_name(basic);
        if (name)
                (void)printf("%s", name);
        else
                (void)printf("reason %" PRIu64, basic);
}

static void print_text(const struct hwaccl_divergence *divergence)
{
        int what_width = 0, recorded_width = 0;

        (void)printf("%sexit %" PRIu64 ": ", cli_colour(CLI_BOLD), divergence->exit);
        print_reason(divergence->exit_reason);
        (void)printf(" at 0x%" PRIx64 "%s%s%s\n", divergence->rip, divergence->instruction[0] ? ": " : "",
                     divergence->instruction, cli_colour(CLI_PLAIN));
        for (unsigned i = 0; i < divergence->difference_count; i++) {
                const struct hwaccl_difference *difference = &divergence->difference[i];
                int what = (int)strlen(difference->what), recorded = (int)strlen(difference->recorded);
                what_width = what > what_width ? what : what_width;
                recorded_width = recorded > recorded_width ? recorded : recorded_width;
        }
        for (unsigned i = 0; i < divergence->difference_count; i++) {
                char what[64], recorded[96], replayed[96];
                const struct hwaccl_difference *difference = &divergence->difference[i];
                (void)snprintf(what, sizeof(what), "%s", difference->what);
                (void)snprintf(recorded, sizeof(recorded), "%s", difference->recorded);
                (void)snprintf(replayed, sizeof(replayed), "%s", difference->replayed);
                cli_make_printable(what);
                cli_make_printable(recorded);
                cli_make_printable(replayed);
                (void)printf("  %-*s  recorded %s%-*s%s  replayed %s%s%s\n", what_width, what, cli_colour(CLI_GREEN),
                             recorded_width, recorded, cli_colour(CLI_PLAIN), cli_colour(CLI_RED), replayed,
                             cli_colour(CLI_PLAIN));
        }
}

static json_t *divergence_object(const struct hwaccl_divergence *divergence)
{
        json_t *differences = json_array();
        const char *name = hwaccl_exit_reason_name(divergence->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK);

        for (unsigned i = 0; i < divergence->difference_count; i++) {
                const struct hwaccl_difference *difference = &divergence->difference[i];
                cli_json_append(&differences, json_pack("{s:o, s:o, s:o}", "what", cli_json_text(difference->what),
                                                        "recorded", cli_json_text(difference->recorded), "replayed",
                                                        cli_json_text(difference->replayed)));
        }
        return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "vcpu", (json_int_t)divergence->vcpu, "exit",
                         (json_int_t)divergence->exit, "reason_number",
                         (json_int_t)(divergence->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK), "reason",
                         cli_json_text(name), "rip", cli_json_hex(divergence->rip), "instruction",
                         divergence->instruction[0] ? cli_json_text(divergence->instruction) : json_null(),
                         "differences", differences);
}

static void diverged(void *opaque, const struct hwaccl_divergence *divergence)
{
        struct report *report = opaque;

        if ((report->limit && report->shown >= report->limit) || cli_output_broken())
                return;
        cli_progress_clear();
        if (report->json)
                (void)cli_json_list_add(&report->list, divergence_object(divergence));
        else
                print_text(divergence);
        report->shown++;
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

        return cli_json_list_end(
                &report->list, json_pack("{s:o, s:o, s:o, s:b, s:f, s:f}", "exits", cli_json_count(result->exits),
                                         "divergences", cli_json_count(result->divergences), "first_divergence", first,
                                         "complete", complete, "seconds", result->seconds, "exits_per_second", rate));
}

static void summarise(const struct report *report, const struct hwaccl_replay_result *result)
{
        double rate = result->seconds > 0 ? (double)result->exits / result->seconds : 0;

        if (result->divergences > report->shown)
                (void)printf("%" PRIu64 " more divergences are not shown\n", result->divergences - report->shown);
        (void)printf("%sreplayed %" PRIu64 " exits in %.3f s (%.0f exits/s): %" PRIu64 " divergence%s%s\n",
                     cli_colour(result->divergences ? CLI_RED : CLI_GREEN), result->exits, result->seconds, rate,
                     result->divergences, result->divergences == 1 ? "" : "s", cli_colour(CLI_PLAIN));
}

static enum cli_status replay(const struct cli_command *command, struct hwaccl_recording *recording, const char *path,
                              struct cli_exits *exits, struct report *report, bool first_only)
{
        const struct hwaccl_recording_info *info = hwaccl_recording_info(recording);
        struct hwaccl_replay_result result;
        struct hwaccl_error error;

        if (info->vmm)
                return cli_complain(command,
                                    "%s: another VMM (%s) handled these exits: there is no handling to rerun; check, "
                                    "show, state and stat read the recording",
                                    path, info->vmm);
        if (!cli_exits_check(command, path, recording, exits))
                return CLI_CANNOT;
        struct hwaccl_replay_config config = {
                .vcpu = exits->vcpu,
                .first = exits->first,
                .last = exits->last,
                .stop_at_first = first_only,
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
                return cli_complain_of(command, path, error.message);
        }
        if (!report->json)
                summarise(report, &result);
        return result.divergences ? CLI_BAD : CLI_CLEAN;
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct cli_exits exits = CLI_EXITS_ALL;
        struct report report = {.limit = LIMIT_DEFAULT, .list.name = "details"};
        bool first_only = false, good = true;
        const char *value;
        int option;

        while (good && (option = cli_next_option(command, argc, argv, &value)) != CLI_OPTION_END) {
                switch (option) {
                case OPTION_FROM: good = cli_exits_from(command, &exits, value); break;
                case OPTION_TO: good = cli_exits_to(command, &exits, value); break;
                case OPTION_VCPU: good = cli_exits_vcpu(command, &exits, value); break;
                case OPTION_FIRST: first_only = true; break;
                case OPTION_LIMIT:
                        good = cli_parse_number(value, &report.limit);
                        if (!good)
                                (void)cli_misused(command, "--limit: '%s' is not a number", value);
                        break;
                case OPTION_JSON: report.json = true; break;
                case CLI_OPTION_HELP: return CLI_CLEAN;
                default: return CLI_CANNOT;
                }
        }
        const char *path = good ? cli_recording_operands(command, argc, argv, &exits) : NULL;
        struct hwaccl_recording *recording = path ? cli_recording_open(command, path) : NULL;
        if (!recording)
                return CLI_CANNOT;
        enum cli_status status = replay(command, recording, path, &exits, &report, first_only);
        return cli_recording_close(command, path, recording, status);
}

const struct cli_command cli_command_replay = {
        .name = "replay",
        .arguments = "[OPTION]... RECORDING [FIRST..LAST]",
        .summary = "rerun the handling of recorded exits and compare with what was recorded",
        .options = options,
        .details = "Neither the guest nor its images are needed. Compared are every known field of the state, IRQ\n"
                   "handoffs, verdicts, outcomes, the inputs asked for, effects, and the devices' state at keyframes.\n"
                   "Exit status: 0 no divergence; 1 divergences; 2 the recording cannot be replayed.\n\n"
                   "Example: hwaccl replay boot.db 1000..2000\n",
        .run = run,
};
