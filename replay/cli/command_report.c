/* hwaccl report: says what happened to a guest. */
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/recording_input.h"
#include "replay/postmortem/evidence_memory.h"
#include "replay/postmortem/report.h"
#include "replay/postmortem/unusual.h"

#include <getopt.h>
#include <inttypes.h>

struct settings {
        struct cli_exits exits;
        bool vcpu_given;
        bool json;
};

static const struct cli_option options[] = {
        {"vcpu", 0, "N", "report about virtual CPU N (default: the one that failed first)",
         CLI_NUMBER_32(struct settings, exits.vcpu, 0, VCPU_MAX),
         .given = CLI_FIELD(bool, struct settings, vcpu_given)},
        CLI_OPTION_JSON(struct settings, json),
        {.name = NULL},
};

/* The exit's number, or null. */
static json_t *exit_number_of(uint64_t exit)
{
        return exit == EVIDENCE_NEVER ? json_null() : cli_json_count(exit);
}

static json_t *finding_object(const struct hwaccl_finding *finding)
{
        json_t *facts = json_array(), *advice = json_array();

        for (size_t i = 0; i < finding->fact_count; i++)
                cli_json_append(&facts,
                                json_pack("{s:o, s:b, s:o}", "exit", exit_number_of(finding->fact[i].exit), "guess",
                                          finding->fact[i].guess, "text", cli_json_text(finding->fact[i].text)));
        for (size_t i = 0; i < finding->advice_count; i++)
                cli_json_append(&advice, cli_json_text(finding->advice[i]));
        return json_pack("{s:s, s:o, s:o, s:i, s:s, s:o, s:o}", "id", finding->rule->id, "title",
                         cli_json_text(finding->title), "exit", exit_number_of(finding->exit), "weight",
                         (int)finding->weight, "source", finding->rule->source, "facts", facts, "advice", advice);
}

static json_t *registers_object(const struct hwaccl_evidence *evidence)
{
        json_t *registers = json_object();
        struct hwaccl_report_register shown;

        for (unsigned field = 0; field < HWACCL_FIELD_COUNT; field++)
                if (hwaccl_report_register(evidence, (enum hwaccl_field_index)field, &shown))
                        cli_json_set(&registers, shown.name,
                                     json_pack("{s:o, s:o, s:o}", "value", cli_json_hex(shown.value), "changed",
                                               exit_number_of(shown.exit), "by",
                                               shown.exit == EVIDENCE_NEVER
                                                       ? json_null()
                                                       : json_string(shown.by_handler ? "handling" : "guest")));
        return registers;
}

static json_t *console_array(const struct hwaccl_evidence *evidence)
{
        json_t *lines = json_array();

        for (size_t i = hwaccl_evidence_shown(evidence); i < evidence->line_count; i++)
                cli_json_append(&lines, json_pack("{s:o, s:o}", "exit", exit_number_of(evidence->line[i].exit), "text",
                                                  cli_json_text(evidence->line[i].text)));
        return lines;
}

static json_t *ledger_array(const struct hwaccl_evidence *evidence)
{
        struct hwaccl_report_event event[REPORT_LEDGER_MAX];
        size_t count = hwaccl_report_ledger(evidence, event);
        json_t *events = json_array();

        for (size_t i = 0; i < count; i++)
                cli_json_append(&events, json_pack("{s:o, s:o}", "exit", exit_number_of(event[i].exit), "text",
                                                   cli_json_text(event[i].text)));
        return events;
}

static json_t *code_array(const struct hwaccl_evidence *evidence)
{
        struct hwaccl_code_line line[HWACCL_CODE_LINES];
        json_t *lines = json_array();
        struct hwaccl_code code;
        size_t count = 0;

        if (evidence->exit_count && evidence_code(evidence, &evidence->state, &code))
                count = hwaccl_code_disassemble(&code, evidence->state.rip, evidence_code_bits(&evidence->state), line);
        for (size_t i = 0; i < count; i++)
                cli_json_append(&lines, json_pack("{s:o, s:b, s:o}", "address", cli_json_hex(line[i].address), "at_rip",
                                                  line[i].at, "text", cli_json_text(line[i].text)));
        return lines;
}

static json_t *backtrace_array(const struct hwaccl_evidence *evidence)
{
        struct evidence_frame frame[EVIDENCE_FRAMES];
        size_t count = evidence->exit_count ? evidence_backtrace(evidence, &evidence->state, frame) : 0;
        json_t *frames = json_array();

        for (size_t i = 0; i < count; i++)
                cli_json_append(&frames, json_pack("{s:o, s:o, s:b}", "address", cli_json_hex(frame[i].address),
                                                   "stack", cli_json_hex(frame[i].stack), "guess", frame[i].guess));
        return frames;
}

static json_t *unusual_array(const struct hwaccl_evidence *evidence)
{
        struct hwaccl_unusual_exits unusual;
        json_t *items = json_array();
        char text[256];

        hwaccl_find_unusual(evidence, &unusual);
        for (size_t i = 0; i < unusual.count; i++) {
                const struct hwaccl_unusual *item = &unusual.item[i];
                hwaccl_unusual_text(item, text, sizeof(text));
                cli_json_append(&items,
                                json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kind",
                                          hwaccl_unusual_name(item->kind), "from", cli_json_hex(item->from), "to",
                                          cli_json_hex(item->to), "exit", exit_number_of(item->first), "last_exit",
                                          exit_number_of(item->last), "exits", cli_json_count(item->exits), "of",
                                          cli_json_count(unusual.exits), "before", cli_json_count(item->before),
                                          "before_of", cli_json_count(item->before_of), "text", cli_json_text(text)));
        }
        return items;
}

static json_t *vcpus_array(const struct hwaccl_report *report)
{
        json_t *vcpus = json_array();

        for (size_t i = 0; i < report->vcpu_count; i++)
                cli_json_append(&vcpus,
                                json_pack("{s:I, s:o, s:o, s:o, s:o}", "vcpu", (json_int_t)report->vcpu[i].number,
                                          "exit", exit_number_of(report->vcpu[i].exit), "place",
                                          cli_json_text(report->vcpu[i].place), "silent_ns",
                                          cli_json_count(report->vcpu[i].silent_ns), "title",
                                          cli_json_text(report->vcpu[i].title)));
        return vcpus;
}

static bool print_json(const struct hwaccl_report *report)
{
        static const char *const judgements[] = {"unknown", "good", "failed"};
        json_t *findings = json_array(), *more = json_array();
        const char *text;

        for (size_t i = 0; i < report->finding_count; i++)
                cli_json_append(&findings, finding_object(&report->finding[i]));
        for (size_t i = 0; (text = hwaccl_report_more(report->evidence, i)) != NULL; i++)
                cli_json_append(&more, cli_json_text(text));
        return cli_json_print(json_pack("{s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "vcpu",
                                        (json_int_t)report->evidence->vcpu, "judgement", judgements[report->judgement],
                                        "end", hwaccl_end_name(hwaccl_recording_info(report->evidence->recording)->end),
                                        "findings", findings, "registers", registers_object(report->evidence),
                                        "console", console_array(report->evidence), "interrupts",
                                        ledger_array(report->evidence), "code", code_array(report->evidence),
                                        "backtrace", backtrace_array(report->evidence), "unusual",
                                        unusual_array(report->evidence), "vcpus", vcpus_array(report), "more", more));
}

static enum cli_status status_of(enum hwaccl_judgement judgement)
{
        switch (judgement) {
        case JUDGEMENT_GOOD: return CLI_CLEAN;
        case JUDGEMENT_FAILED: return CLI_BAD;
        default: return CLI_CANNOT;
        }
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct settings settings = {.exits = CLI_EXITS_ALL};
        struct hwaccl_error error;
        enum cli_status status;

        if (!cli_parse_options(command, argc, argv, &settings, &status))
                return status;
        const char *path = cli_one_operand(command, argc, argv, "recording");
        struct hwaccl_recording *recording = path ? cli_recording_open(command, path) : NULL;
        if (!recording)
                return CLI_CANNOT;
        struct hwaccl_report *report = hwaccl_report_create(
                recording, settings.vcpu_given ? settings.exits.vcpu : REPORT_ANY_VCPU, REPORT_REPLAYED, &error);
        if (!report) {
                status = cli_file_error(command, path, error.message);
        } else {
                status = status_of(report->judgement);
                if (!settings.json)
                        hwaccl_report_print(report, stdout);
                else if (!print_json(report))
                        status = cli_error(command, "out of memory");
        }
        hwaccl_report_free(report);
        return cli_recording_close(command, path, recording, status);
}

const struct cli_command cli_command_report = {
        .name = "report",
        .arguments = "[OPTION]... RECORDING",
        .summary = "say why a guest failed, and what that rests on",
        .options = options,
        .details = "The first line says what happened and where. Then follow the facts that it rests on, each with its "
                   "exit,\n"
                   "what to look at, other findings, the last exits, registers with who changed them last, the last "
                   "lines\n"
                   "that were printed, and what is unusual in the last exits. Conclusions that are not certain begin "
                   "with\n"
                   "'guess'.\n\n"
                   "Exit status: 0 the guest did not fail; 1 it failed; 2 the report cannot tell, or failure.\n\n"
                   "Example: hwaccl report boot.db\n",
        .run = run,
};
