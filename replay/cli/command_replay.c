/* hwaccl replay: reruns the handling of recorded exits and compares. */
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/parse.h"
#include "replay/cli/recording_input.h"

#include "core/text.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIMIT_DEFAULT 20

struct report {
        struct cli_exits exits;
        bool first_only;
        uint64_t limit; /* of the divergences shown; 0: none */
        uint64_t shown;
        bool json;
        struct cli_json_list list;
};

static const struct cli_option options[] = {
        CLI_OPTION_FROM(struct report, exits),
        CLI_OPTION_TO(struct report, exits),
        CLI_OPTION_VCPU(struct report, exits),
        {"first", '1', NULL, "stop at the first divergence (default: count all of them)",
         CLI_FLAG(struct report, first_only)},
        {"limit", 'l', "N", "show N divergences, count the others (default 20; 0: show all)",
         CLI_NUMBER(struct report, limit, 0, 0)},
        CLI_OPTION_JSON(struct report, json),
        {.name = NULL},
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
                hwaccl_text_make_safe(what);
                hwaccl_text_make_safe(recorded);
                hwaccl_text_make_safe(replayed);
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
                (void)printf("%" PRIu64 " more divergences not shown\n", result->divergences - report->shown);
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
                                 "%s: cannot replay: another VMM (%s) handled these exits; use check, show, state or "
                                 "stat",
                                 path, info->vmm);
        if (!cli_exits_check(command, path, recording, exits))
                return CLI_CANNOT;
        struct hwaccl_replay_config config = {
                .vcpu = exits->vcpu,
                .first = exits->first,
                .last = exits->last,
                .stop_at_first = report->first_only,
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

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct report report = {.exits = CLI_EXITS_ALL, .limit = LIMIT_DEFAULT, .list.name = "details"};
        enum cli_status status;

        if (!cli_parse_options(command, argc, argv, &report, &status))
                return status;
        const char *path = cli_recording_operands(command, argc, argv, &report.exits);
        struct hwaccl_recording *recording = path ? cli_recording_open(command, path) : NULL;
        if (!recording)
                return CLI_CANNOT;
        status = replay(command, recording, path, &report);
        return cli_recording_close(command, path, recording, status);
}

const struct cli_command cli_command_replay = {
        .name = "replay",
        .arguments = "[OPTION]... RECORDING [FIRST..LAST]",
        .summary = "rerun the handling of recorded exits and compare with the recording",
        .options = options,
        .details = "Needs neither the guest nor its images. Compares every known field of the state, IRQ handoffs, "
                   "verdicts,\n"
                   "outcomes, inputs, effects, and the state of devices at keyframes. Exit status: 0 no divergence;\n"
                   "1 divergences; 2 the recording cannot be replayed.\n\n"
                   "Example: hwaccl replay boot.db 1000..2000\n",
        .run = run,
};
