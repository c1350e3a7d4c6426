/* hwaccl explain-state: applies the rules that need no recording to a pasted dump. */
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/sandbox.h"
#include "replay/postmortem/state/state_rules.h"
#include "replay/postmortem/words/words.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 8

struct settings {
        uint64_t number;
        bool json;
};

static const struct cli_option options[] = {
        {"number", 'n', "N", "read dump N of a text with several, one for each vCPU or failure (default 1)",
         CLI_NUMBER(struct settings, number, 1, UINT32_MAX)},
        {"json", 'j', NULL, "print JSON", CLI_FLAG(struct settings, json)},
        {.name = NULL},
};

/* A word of interruption information, in words. */
struct word {
        const char *name;
        uint64_t value;
        char text[80];
};

/* All that is known, in the form in which it is printed. */
struct explanation {
        struct hwaccl_dump dump;
        struct hwaccl_state_findings findings;
        char mode[128];
        struct word word[WORDS_MAX];
        size_t word_count;
        struct hwaccl_code_line line[HWACCL_CODE_LINES];
        size_t line_count;
};

static void add_word(struct explanation *explanation, const char *name, uint64_t value)
{
        struct word *word = &explanation->word[explanation->word_count++];

        word->name = name;
        word->value = value;
        (void)hwaccl_interruption_describe(value, word->text, sizeof(word->text));
}

static void add_words(struct explanation *explanation)
{
        static const enum hwaccl_dump_word words[] = {HWACCL_DUMP_ENTRY_INFORMATION, HWACCL_DUMP_VECTORING_INFORMATION,
                                                      HWACCL_DUMP_SVM_EXIT_INTERRUPT, HWACCL_DUMP_SVM_EVENT_INJECTION};
        const struct hwaccl_dump *dump = &explanation->dump;
        uint64_t suberror = hwaccl_dump_has(dump, HWACCL_DUMP_SUBERROR) ? dump->word[HWACCL_DUMP_SUBERROR] : 0;

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (hwaccl_dump_has(dump, words[i]))
                        add_word(explanation, hwaccl_dump_word_name(words[i]), dump->word[words[i]]);
        if (hwaccl_known_fields_has(&dump->known, HWACCL_FIELD_INDEX_interrupt_information))
                add_word(explanation, "VM-exit interruption information", dump->state.interrupt_information);
        if ((suberror == 2 || suberror == 3) && dump->extra_count)
                add_word(explanation, hwaccl_dump_word_name(HWACCL_DUMP_VECTORING_INFORMATION), dump->extra[0]);
        if (suberror == 2 && dump->extra_count > 1)
                add_word(explanation, "VM-exit interruption information", dump->extra[1]);
}

static void explain(struct explanation *explanation)
{
        const struct hwaccl_dump *dump = &explanation->dump;
        unsigned bits = hwaccl_mode_code_bits(&dump->state, &dump->known);

        hwaccl_state_judge(dump, &explanation->findings);
        hwaccl_mode_describe(&dump->state, &dump->known, explanation->mode, sizeof(explanation->mode));
        add_words(explanation);
        if (dump->code.size && bits)
                explanation->line_count =
                        hwaccl_code_disassemble(&dump->code, dump->state.rip, bits, explanation->line);
}

static bool is_broken(const struct explanation *explanation)
{
        return explanation->findings.count && explanation->findings.finding[0].severity == HWACCL_SEVERITY_BROKEN;
}

static void print_code(const struct explanation *explanation)
{
        if (explanation->line_count)
                (void)puts("code:");
        for (size_t i = 0; i < explanation->line_count; i++) {
                const struct hwaccl_code_line *line = &explanation->line[i];
                (void)printf("%s %8" PRIx64 "  ", line->at ? "=>" : "  ", line->address);
                for (unsigned byte = 0; byte < 8 || byte < line->size; byte++)
                        (void)printf(byte < line->size ? "%02x " : "   ", byte < line->size ? line->byte[byte] : 0);
                (void)printf(" %s\n", line->text);
        }
}

static void print_text(const struct explanation *explanation)
{
        const struct hwaccl_dump *dump = &explanation->dump;
        const struct hwaccl_state_findings *findings = &explanation->findings;

        if (is_broken(explanation))
                (void)printf("%s\n", findings->finding[0].text);
        else
                (void)puts("nothing broken was found in this state");
        (void)printf("format: %s\nmode: %s\n", hwaccl_dump_format_name(dump->format), explanation->mode);
        if (hwaccl_known_fields_has(&dump->known, HWACCL_FIELD_INDEX_rip))
                (void)printf("rip: %" PRIx64 "\n", dump->state.rip);
        for (size_t i = 0; i < findings->count; i++)
                (void)printf("%s: [%s] %s (%s)\n", hwaccl_severity_name(findings->finding[i].severity),
                             findings->finding[i].id, findings->finding[i].text, findings->finding[i].source);
        for (size_t i = 0; i < explanation->word_count; i++)
                (void)printf("%s %" PRIx64 ": %s\n", explanation->word[i].name, explanation->word[i].value,
                             explanation->word[i].text);
        print_code(explanation);
        if (dump->further)
                (void)printf("not read: %u more dump%s (--number)\n", dump->further, dump->further == 1 ? "" : "s");
}

static json_t *code_json(const struct explanation *explanation)
{
        json_t *code = json_array();

        for (size_t i = 0; i < explanation->line_count; i++) {
                const struct hwaccl_code_line *line = &explanation->line[i];
                char bytes[2 * 16 + 1] = "";
                for (unsigned byte = 0; byte < line->size && byte < 16; byte++)
                        (void)snprintf(bytes + (size_t)2 * byte, 3, "%02x", line->byte[byte]);
                cli_json_append(&code, json_pack("{s:o, s:s, s:s, s:b}", "address", cli_json_hex(line->address),
                                                 "bytes", bytes, "instruction", line->text, "at_rip", (int)line->at));
        }
        return code;
}

static bool print_json(const struct explanation *explanation)
{
        const struct hwaccl_dump *dump = &explanation->dump;
        json_t *findings = json_array(), *words = json_array(), *state = json_object();

        for (size_t i = 0; i < explanation->findings.count; i++) {
                const struct hwaccl_state_finding *finding = &explanation->findings.finding[i];
                cli_json_append(&findings, json_pack("{s:s, s:s, s:s, s:s}", "id", finding->id, "severity",
                                                     hwaccl_severity_name(finding->severity), "text", finding->text,
                                                     "source", finding->source));
        }
        for (size_t i = 0; i < explanation->word_count; i++) {
                const struct word *word = &explanation->word[i];
                cli_json_append(&words, json_pack("{s:s, s:o, s:s}", "name", word->name, "value",
                                                  cli_json_hex(word->value), "text", word->text));
        }
        for (unsigned field = 0; field < HWACCL_FIELD_COUNT; field++)
                if (hwaccl_known_fields_has(&dump->known, field))
                        cli_json_set(&state, hwaccl_subject_fields[field].name,
                                     cli_json_hex(hwaccl_field_get(&dump->state, (enum hwaccl_field_index)field)));
        return cli_json_print(json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I}", "format",
                                        hwaccl_dump_format_name(dump->format), "mode", explanation->mode, "findings",
                                        findings, "words", words, "code", code_json(explanation), "state", state,
                                        "further_dumps", (json_int_t)dump->further));
}

/* Up to one byte more than a text may have. NULL with errno set */
static char *read_all(int file, size_t *size)
{
        const size_t room = (size_t)HWACCL_DUMP_SIZE_MAX + 1;
        char *text = malloc(room);
        ssize_t count = 1;

        for (*size = 0; text && count > 0 && *size < room;) {
                count = read(file, text + *size, room - *size);
                if (count < 0 && errno == EINTR)
                        count = 1;
                else if (count > 0)
                        *size += (size_t)count;
        }
        if (count < 0) {
                int error = errno;
                free(text);
                errno = error;
                return NULL;
        }
        return text;
}

static char *read_input(const struct cli_command *command, const char *path, size_t *size)
{
        const char *name = path ? path : "standard input";

        if (!cli_sandbox_enter(command, path ? path : "-"))
                return NULL;
        int file = path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
        char *text = file < 0 ? NULL : read_all(file, size);
        if (!text)
                (void)cli_error(command, "%s: cannot read: %s", name, strerror(errno));
        if (path && file >= 0)
                (void)close(file);
        return text;
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct settings settings = {.number = 1};
        struct hwaccl_error error;
        enum cli_status status;
        size_t size = 0;

        if (!cli_parse_options(command, argc, argv, &settings, &status))
                return status;
        if (argc - optind > 1)
                return cli_usage_error(command, "unexpected argument '%s'", argv[optind + 1]);
        const char *path = optind < argc ? argv[optind] : NULL;
        char *text = read_input(command, path, &size);
        struct explanation *explanation = calloc(1, sizeof(*explanation));
        if (!text || !explanation) {
                status = text ? cli_error(command, "out of memory") : CLI_CANNOT;
        } else if (!hwaccl_dump_read(text, size, settings.number, &explanation->dump, &error)) {
                status = cli_error(command, "%s: %s", path ? path : "standard input", error.message);
        } else {
                explain(explanation);
                status = is_broken(explanation) ? CLI_BAD : CLI_CLEAN;
                if (settings.json && !print_json(explanation))
                        status = cli_error(command, "out of memory");
                else if (!settings.json)
                        print_text(explanation);
        }
        free(explanation);
        free(text);
        return status;
}

const struct cli_command cli_command_explain_state = {
        .name = "explain-state",
        .arguments = "[OPTION]... [FILE]",
        .summary = "explain a dump of a guest's state",
        .options = options,
        .details =
                "Reads what a VMM prints when a guest fails, from FILE or standard input, and recognises its format:\n"
                "a VMCS of Linux or Xen, a VMCB of Linux, QEMU's \"KVM internal error\" and registers, a log of\n"
                "VirtualBox, exits of bhyve, a subject state of Muen (512 bytes), or JSON of 'hwaccl state'. Applies\n"
                "the rules that need no recording, puts the processor's words in words, and disassembles the code.\n\n"
                "Exit status: 1 if something broken was found, 2 if the text is not understood.\n\n"
                "Example: dmesg | hwaccl explain-state\n",
        .run = run,
};
