/* hwaccl show: exits as a table. */
#include "json.h"
#include "output.h"
#include "parse.h"
#include "qualification.h"
#include "recording_input.h"

#include "hwaccl/emulator.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REASON_MAX 32 /* filters */

enum { OPTION_FROM, OPTION_TO, OPTION_VCPU, OPTION_REASON, OPTION_RIP, OPTION_LIMIT, OPTION_DISASM, OPTION_JSON };

static const struct cli_option options[] = {
        [OPTION_FROM] = CLI_OPTION_FROM,
        [OPTION_TO] = CLI_OPTION_TO,
        [OPTION_VCPU] = CLI_OPTION_VCPU,
        [OPTION_REASON] = {"reason", 'r', "REASON",
                           "only exits of this reason, a number or name (30, io-instruction,\n"
                           "\"I/O instruction\"); may be repeated"},
        [OPTION_RIP] = {"rip", 0, "LO..HI", "only exits with RIP in this range"},
        [OPTION_LIMIT] = {"limit", 'l', "N", "at most N exits"},
        [OPTION_DISASM] = {"disasm", 'd', NULL, "disassemble the instruction that exited, where it was read"},
        [OPTION_JSON] = {"json", 'j', NULL, "print a JSON array"},
        {NULL, 0, NULL, NULL},
};

struct filter {
        struct cli_exits exits;
        uint32_t reason[REASON_MAX];
        size_t reason_count;
        uint64_t rip_first;
        uint64_t rip_last;
        uint64_t limit;
        bool disasm;
        bool json;
};

static bool known(const struct hwaccl_known_fields *fields, enum hwaccl_field_index field)
{
        return fields->bits[field / 64] >> (field % 64) & 1;
}

static bool passes(const struct filter *filter, const struct hwaccl_recorded_exit *exit)
{
        uint64_t basic = exit->exit->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
        bool wanted = filter->reason_count == 0;

        for (size_t i = 0; i < filter->reason_count; i++)
                wanted |= filter->reason[i] == basic && known(&exit->exit_known, HWACCL_FIELD_INDEX_exit_reason);
        if (!wanted)
                return false;
        if (filter->rip_first == 0 && filter->rip_last == UINT64_MAX)
                return true;
        return known(&exit->exit_known, HWACCL_FIELD_INDEX_rip) && exit->exit->rip >= filter->rip_first &&
               exit->exit->rip <= filter->rip_last;
}

#define EFER_LONG_MODE_ACTIVE UINT64_C(0x400)

static void disassemble(const struct hwaccl_recorded_exit *exit, char *text, size_t room)
{
        uint8_t bytes[15];
        size_t size = 0;

        for (size_t i = 0; i < exit->input_count; i++) {
                const struct hwaccl_input *input = &exit->inputs[i];
                if (input->kind != HWACCL_INPUT_INSTRUCTION)
                        continue;
                size_t part = input->size < sizeof(bytes) - size ? input->size : sizeof(bytes) - size;
                memcpy(bytes + size, input->data, part);
                size += part;
        }
        text[0] = '\0';
        if (!size)
                return;
        bool is_long = exit->exit->efer & EFER_LONG_MODE_ACTIVE && exit->exit->cs.access_rights & 0x2000;
        unsigned bits = is_long ? 64 : exit->exit->cs.access_rights & 0x4000 ? 32 : 16;
        hwaccl_instruction_describe(bytes, size, exit->exit->rip, bits, text, room);
}

/* The texts of one row. */
struct row {
        char reason[64];
        char qualification[96];
        char instruction[96];
        const char *verdict;
        const char *outcome;
};

static void fill_row(struct row *row, const struct filter *filter, const struct hwaccl_recorded_exit *exit)
{
        uint64_t basic = exit->exit->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
        const char *name = hwaccl_exit_reason_name(basic);

        if (name)
                (void)snprintf(row->reason, sizeof(row->reason), "%s", name);
        else
                (void)snprintf(row->reason, sizeof(row->reason), "%" PRIu64, basic);
        row->qualification[0] = '\0';
        if (known(&exit->exit_known, HWACCL_FIELD_INDEX_exit_qualification))
                cli_describe_qualification(exit->exit, row->qualification, sizeof(row->qualification));
        row->instruction[0] = '\0';
        if (filter->disasm)
                disassemble(exit, row->instruction, sizeof(row->instruction));
        row->verdict = exit->verdict_known ? hwaccl_verdict_name(exit->verdict) : "?";
        row->outcome = exit->outcome_known ? hwaccl_outcome_name(exit->outcome) : "?";
}

static void print_text(struct cli_table *table, const struct filter *filter, const struct hwaccl_recorded_exit *exit)
{
        struct row row;
        fill_row(&row, filter, exit);
        cli_table_cell(table, "%" PRIu64, exit->number);
        cli_table_cell(table, "%" PRIu64 ".%09" PRIu64, exit->entry_time_ns / 1000000000,
                       exit->entry_time_ns % 1000000000);
        cli_table_cell(table, "%s", row.reason);
        cli_table_cell(table, "%s", row.qualification);
        if (known(&exit->exit_known, HWACCL_FIELD_INDEX_rip))
                cli_table_cell(table, "%" PRIx64, exit->exit->rip);
        else
                cli_table_cell(table, "?");
        if (filter->disasm)
                cli_table_cell(table, "%s", row.instruction);
        cli_table_cell(table, "%s", row.verdict);
        cli_table_cell(table, "%s", row.outcome);
}

static bool print_json(const struct filter *filter, const struct hwaccl_recorded_exit *exit, bool first)
{
        struct row row;
        const struct hwaccl_known_fields *fields = &exit->exit_known;

        fill_row(&row, filter, exit);
        json_t *object = json_object();
        (void)json_object_set_new(object, "vcpu", cli_json_count(exit->vcpu));
        (void)json_object_set_new(object, "exit", cli_json_count(exit->number));
        (void)json_object_set_new(object, "time_ns", cli_json_count(exit->entry_time_ns));
        (void)json_object_set_new(object, "reason_number",
                                  cli_json_count(exit->exit->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK));
        (void)json_object_set_new(object, "reason", cli_json_text(row.reason));
        (void)json_object_set_new(object, "qualification",
                                  known(fields, HWACCL_FIELD_INDEX_exit_qualification)
                                          ? cli_json_hex(exit->exit->exit_qualification)
                                          : json_null());
        (void)json_object_set_new(object, "qualification_text", cli_json_text(row.qualification));
        (void)json_object_set_new(object, "rip",
                                  known(fields, HWACCL_FIELD_INDEX_rip) ? cli_json_hex(exit->exit->rip) : json_null());
        if (filter->disasm)
                (void)json_object_set_new(object, "instruction",
                                          row.instruction[0] ? cli_json_text(row.instruction) : json_null());
        (void)json_object_set_new(object, "verdict", exit->verdict_known ? cli_json_text(row.verdict) : json_null());
        (void)json_object_set_new(object, "outcome", exit->outcome_known ? cli_json_text(row.outcome) : json_null());
        (void)json_object_set_new(object, "guest_ns", cli_json_count(exit->guest_ns));
        (void)json_object_set_new(object, "handler_ns", cli_json_count(exit->handler_ns));
        (void)fputs(first ? "\n" : ",\n", stdout);
        return cli_json_print(object);
}

/* @table is NULL for JSON. */
static bool print_exits(struct hwaccl_exit_cursor *cursor, const struct filter *filter, struct cli_table *table,
                        struct hwaccl_error *error)
{
        const struct hwaccl_recorded_exit *exit;
        uint64_t printed = 0;
        int more;

        while ((more = hwaccl_exit_cursor_next(cursor, &exit, error)) > 0) {
                if (exit->number > filter->exits.last || cli_output_broken())
                        break;
                cli_progress(exit->number - filter->exits.first);
                if (!passes(filter, exit))
                        continue;
                if (printed >= filter->limit)
                        break;
                if (table)
                        print_text(table, filter, exit);
                else if (!print_json(filter, exit, printed == 0))
                        return hwaccl_error_set(error, "no memory");
                printed++;
        }
        return more >= 0;
}

static enum cli_status show(const struct cli_command *command, struct hwaccl_recording *recording, const char *path,
                            const struct filter *filter)
{
        static const struct cli_column plain[] = {{"exit", true},           {"time", true}, {"reason", false},
                                                  {"qualification", false}, {"rip", true},  {"verdict", false},
                                                  {"outcome", false}};
        static const struct cli_column disasm[] = {{"exit", true},           {"time", true},    {"reason", false},
                                                   {"qualification", false}, {"rip", true},     {"instruction", false},
                                                   {"verdict", false},       {"outcome", false}};
        struct hwaccl_error error;
        struct cli_table *table = NULL;

        if (!cli_exits_check(command, path, recording, &filter->exits))
                return CLI_CANNOT;
        struct hwaccl_exit_cursor *cursor =
                hwaccl_exit_cursor_open(recording, filter->exits.vcpu, filter->exits.first, &error);
        if (!cursor)
                return cli_complain(command, "%s: %s", path, error.message);
        bool good = true;
        if (filter->json) {
                (void)putchar('[');
        } else {
                table = filter->disasm ? cli_table_create(disasm, sizeof(disasm) / sizeof(disasm[0]))
                                       : cli_table_create(plain, sizeof(plain) / sizeof(plain[0]));
                good = table || hwaccl_error_set(&error, "no memory");
        }
        good = good && print_exits(cursor, filter, table, &error);
        if (table && !cli_table_finish(table) && good)
                good = hwaccl_error_set(&error, "no memory");
        if (filter->json)
                (void)fputs("\n]\n", stdout);
        hwaccl_exit_cursor_close(cursor);
        return good ? CLI_CLEAN : cli_complain(command, "%s: %s", path, error.message);
}

static bool parse_option(const struct cli_command *command, struct filter *filter, int option, const char *value)
{
        switch (option) {
        case OPTION_FROM: return cli_exits_from(command, &filter->exits, value);
        case OPTION_TO: return cli_exits_to(command, &filter->exits, value);
        case OPTION_VCPU: return cli_exits_vcpu(command, &filter->exits, value);
        case OPTION_REASON:
                if (filter->reason_count < REASON_MAX &&
                    hwaccl_exit_reason_parse(value, &filter->reason[filter->reason_count])) {
                        filter->reason_count++;
                        return true;
                }
                (void)cli_misused(command,
                                  filter->reason_count < REASON_MAX ? "--reason: '%s' is no exit reason"
                                                                    : "--reason: '%s' is one too many",
                                  value);
                return false;
        case OPTION_RIP:
                if (cli_parse_range(value, &filter->rip_first, &filter->rip_last))
                        return true;
                (void)cli_misused(command, "--rip: '%s' is no range of addresses such as 0xf0000..0xfffff", value);
                return false;
        case OPTION_LIMIT:
                if (cli_parse_number(value, &filter->limit))
                        return true;
                (void)cli_misused(command, "--limit: '%s' is not a number", value);
                return false;
        case OPTION_DISASM: filter->disasm = true; return true;
        case OPTION_JSON: filter->json = true; return true;
        default: return false;
        }
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct filter filter = {.exits = CLI_EXITS_ALL, .rip_last = UINT64_MAX, .limit = UINT64_MAX};
        const char *value;
        int option;

        while ((option = cli_next_option(command, argc, argv, &value)) != CLI_OPTION_END) {
                if (option == CLI_OPTION_HELP)
                        return CLI_CLEAN;
                if (option < 0 || !parse_option(command, &filter, option, value))
                        return CLI_CANNOT;
        }
        const char *path = cli_recording_operands(command, argc, argv, &filter.exits);
        struct hwaccl_recording *recording = path ? cli_recording_open(command, path) : NULL;
        if (!recording)
                return CLI_CANNOT;
        enum cli_status status = show(command, recording, path, &filter);
        return cli_recording_close(command, path, recording, status);
}

const struct cli_command cli_command_show = {
        .name = "show",
        .arguments = "[OPTION]... RECORDING [FIRST..LAST]",
        .summary = "show exits as a table",
        .options = options,
        .details =
                "Columns: number; seconds since the recording began; reason and qualification of the exit; RIP of the\n"
                "instruction that exited; what the handler decided, and how its handling ended. ? is unknown.\n\n"
                "Example: hwaccl show --disasm --reason control-register boot.db 0..5000\n",
        .run = run,
};
