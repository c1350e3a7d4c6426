/* hwaccl explain: one exit in sentences. */
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/recording_input.h"
#include "replay/postmortem/explain/explain.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct settings {
        struct cli_exits exits;
        bool json;
};

static const struct cli_option options[] = {
        CLI_OPTION_VCPU(struct settings, exits),
        CLI_OPTION_JSON(struct settings, json),
        {.name = NULL},
};

static void print_text(const struct hwaccl_exit_explanation *explanation, const struct cli_exits *exits)
{
        (void)printf("exit %" PRIu64 " of vCPU %" PRIu32 "\n", exits->first, exits->vcpu);
        for (size_t i = 0; i < explanation->count; i++) {
                const struct hwaccl_sentence *sentence = &explanation->sentence[i];
                bool last = i + 1 == explanation->count || explanation->sentence[i + 1].topic != sentence->topic;
                bool first = i == 0 || explanation->sentence[i - 1].topic != sentence->topic;
                (void)printf("%-10s %s\n", first ? hwaccl_topic_name(sentence->topic) : "", sentence->text);
                if (last && explanation->left_out[sentence->topic])
                        (void)printf("%-10s and %u more\n", "", explanation->left_out[sentence->topic]);
        }
}

static bool print_json(const struct hwaccl_exit_explanation *explanation, const struct cli_exits *exits)
{
        json_t *sentences = json_array(), *left_out = json_object();

        for (size_t i = 0; i < explanation->count; i++)
                cli_json_append(&sentences,
                                json_pack("{s:s, s:o}", "topic", hwaccl_topic_name(explanation->sentence[i].topic),
                                          "text", cli_json_text(explanation->sentence[i].text)));
        for (enum hwaccl_topic topic = 0; topic < HWACCL_TOPIC_COUNT; topic++)
                if (explanation->left_out[topic])
                        cli_json_set(&left_out, hwaccl_topic_name(topic), cli_json_count(explanation->left_out[topic]));
        return cli_json_print(json_pack("{s:I, s:I, s:o, s:o, s:b}", "vcpu", (json_int_t)exits->vcpu, "exit",
                                        (json_int_t)exits->first, "sentences", sentences, "left_out", left_out,
                                        "diverged", (int)explanation->diverged));
}

static enum cli_status explain(const struct cli_command *command, struct hwaccl_recording *recording, const char *path,
                               struct settings *settings)
{
        struct cli_exits *exits = &settings->exits;
        struct hwaccl_exit_explanation *explanation = calloc(1, sizeof(*explanation));
        enum cli_status status = CLI_CLEAN;
        struct hwaccl_error error;

        if (!explanation)
                return cli_error(command, "out of memory");
        if (!cli_exits_check(command, path, recording, exits))
                status = CLI_CANNOT;
        else if (!hwaccl_exit_explain_recorded(recording, exits->vcpu, exits->first, explanation, &error))
                status = cli_file_error(command, path, error.message);
        else if (!settings->json)
                print_text(explanation, exits);
        else if (!print_json(explanation, exits))
                status = cli_error(command, "out of memory");
        if (status == CLI_CLEAN && explanation->diverged)
                cli_notice(command, "%s: handling of exit %" PRIu64 " differs from the recorded one", path,
                           exits->first);
        free(explanation);
        return status;
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct settings settings = {.exits = CLI_EXITS_ALL};
        enum cli_status status;

        if (!cli_parse_options(command, argc, argv, &settings, &status))
                return status;
        const char *path = cli_exit_operands(command, argc, argv, &settings.exits);
        struct hwaccl_recording *recording = path ? cli_recording_open(command, path) : NULL;
        if (!recording)
                return CLI_CANNOT;
        status = explain(command, recording, path, &settings);
        return cli_recording_close(command, path, recording, status);
}

const struct cli_command cli_command_explain = {
        .name = "explain",
        .arguments = "[OPTION]... RECORDING EXIT",
        .summary = "explain an exit in sentences",
        .options = options,
        .details = "What the guest did, what handling read, wrote and decided, what changed in registers and devices,\n"
                   "the interrupt that was offered, and the times.\n\n"
                   "Example: hwaccl explain boot.db 1234\n",
        .run = run,
};
