/* hwaccl show: prints exits as a table, from the view exits. */
#include "replay/cli/exit_search.h"
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/parse.h"
#include "replay/cli/query_table.h"
#include "replay/cli/recording_input.h"

#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct filter {
        struct cli_exits exits;
        struct exit_filter exit;
        uint64_t limit;
        bool disasm;
        bool calls;
        bool json;
};

/* Columns of the query. */
enum {
        COLUMN_VCPU,
        COLUMN_EXIT,
        COLUMN_EXIT_NS,
        COLUMN_REASON_NUMBER,
        COLUMN_REASON,
        COLUMN_QUALIFICATION,
        COLUMN_DETAIL,
        COLUMN_RIP,
        COLUMN_INSTRUCTION,
        COLUMN_VERDICT,
        COLUMN_OUTCOME,
        COLUMN_ENTRY_NS,
        COLUMN_GUEST_NS,
        COLUMN_HANDLER_NS,
        COLUMN_COUNT
};

static const char columns[] =
        "vcpu, exit, entry_ns + guest_ns AS exit_ns, reason_number, reason, qualification, detail, rip, instruction, "
        "verdict, outcome, entry_ns, guest_ns, handler_ns";

static void text_cell(struct cli_table *table, sqlite3_stmt *row, int column, const char *unknown)
{
        const char *text = (const char *)sqlite3_column_text(row, column);
        cli_table_cell(table, "%s", text ? text : unknown);
}

static void print_text(struct cli_table *table, const struct filter *filter, sqlite3_stmt *row)
{
        cli_table_cell(table, "%" PRId64, (int64_t)sqlite3_column_int64(row, COLUMN_EXIT));
        if (sqlite3_column_type(row, COLUMN_EXIT_NS) == SQLITE_INTEGER) {
                int64_t ns = sqlite3_column_int64(row, COLUMN_EXIT_NS);
                uint64_t time = ns > 0 ? (uint64_t)ns : 0; /* of a clock that went back, before that was clamped */
                cli_table_cell(table, "%" PRIu64 ".%09" PRIu64, time / 1000000000, time % 1000000000);
        } else {
                cli_table_cell(table, "?");
        }
        text_cell(table, row, COLUMN_REASON, "?");
        text_cell(table, row, COLUMN_DETAIL, "");
        text_cell(table, row, COLUMN_RIP, "?");
        if (filter->disasm)
                text_cell(table, row, COLUMN_INSTRUCTION, "");
        text_cell(table, row, COLUMN_VERDICT, "?");
        text_cell(table, row, COLUMN_OUTCOME, "?");
}

static json_t *json_value(sqlite3_stmt *row, int column)
{
        switch (sqlite3_column_type(row, column)) {
        case SQLITE_INTEGER: return json_integer(sqlite3_column_int64(row, column));
        case SQLITE_TEXT: return cli_json_text((const char *)sqlite3_column_text(row, column));
        default: return json_null();
        }
}

static json_t *exit_object(const struct filter *filter, sqlite3_stmt *row)
{
        json_t *object = json_object();

        for (int column = 0; column < COLUMN_COUNT; column++)
                if (column != COLUMN_INSTRUCTION || filter->disasm)
                        cli_json_set(&object, sqlite3_column_name(row, column), json_value(row, column));
        return object;
}

/* To the table, or where that is NULL to the list. */
static bool print_exits(struct exit_search *search, const struct filter *filter, struct cli_table *table,
                        struct cli_json_list *list, struct hwaccl_error *error)
{
        uint64_t printed = 0;
        int more = 1;

        while (printed < filter->limit && !cli_output_broken() && (more = exit_search_next(search, error)) > 0) {
                if (table)
                        print_text(table, filter, search->row);
                else if (!cli_json_list_add(list, exit_object(filter, search->row)))
                        return hwaccl_error_set(error, "out of memory");
                printed++;
        }
        return more >= 0;
}

static bool print_array(struct exit_search *search, const struct filter *filter, struct hwaccl_error *error)
{
        struct cli_json_list list = {.name = NULL};
        bool good = print_exits(search, filter, NULL, &list, error);

        if (good && !cli_json_list_end(&list, NULL))
                good = hwaccl_error_set(error, "out of memory");
        if (!good)
                cli_json_list_fail(&list, error->message);
        return good;
}

static bool print_table(struct exit_search *search, const struct filter *filter, struct hwaccl_error *error)
{
        static const struct cli_column plain[] = {{"exit", true},    {"time", true}, {"reason", false},
                                                  {"detail", false}, {"rip", true},  {"verdict", false},
                                                  {"outcome", false}};
        static const struct cli_column disasm[] = {{"exit", true},     {"time", true},    {"reason", false},
                                                   {"detail", false},  {"rip", true},     {"instruction", false},
                                                   {"verdict", false}, {"outcome", false}};
        struct cli_table *table = filter->disasm ? cli_table_create(disasm, sizeof(disasm) / sizeof(disasm[0]))
                                                 : cli_table_create(plain, sizeof(plain) / sizeof(plain[0]));

        if (!table)
                return hwaccl_error_set(error, "out of memory");
        bool good = print_exits(search, filter, table, NULL, error);
        if (!cli_table_finish(table) && good)
                good = hwaccl_error_set(error, "out of memory");
        return good;
}

static enum cli_status show(const struct cli_command *command, struct hwaccl_recording *recording, const char *path,
                            struct filter *filter)
{
        struct hwaccl_error error;
        struct exit_search search;

        if (!cli_exits_check(command, path, recording, &filter->exits))
                return CLI_CANNOT;
        bool good = exit_search_open(&search, recording, &filter->exits, &filter->exit, columns, &error);
        if (good)
                good = filter->json ? print_array(&search, filter, &error) : print_table(&search, filter, &error);
        exit_search_close(&search);
        return good ? CLI_CLEAN : cli_file_error(command, path, error.message);
}

#define CALLS                                                                                                          \
        "SELECT s.sequence, printf('%%d.%%09d', s.time_ns / 1000000000, s.time_ns %% 1000000000) AS time, s.lane, "    \
        "s.kind, s.exit, s.what, c.role, c.object, c.argument, %s AS input, %s AS output, s.result, s.error FROM "     \
        "vmm_sequence s LEFT JOIN vmm_calls c ON s.kind = 'call' AND c.sequence = s.sequence"
#define DATA(name) "hex(c." name ")"
/* What fits a table. */
#define DATA_BEGIN(name) "hex(substr(c." name ", 1, 16)) || iif(length(c." name ") > 16, '...', '')"
/* An exit that only the kernel knows of has no number in the sequence. */
#define NUMBER_FROM                                                                                                    \
        "(SELECT sequence FROM exit WHERE id BETWEEN %" PRId64 " AND %" PRId64                                         \
        " AND sequence IS NOT NULL ORDER BY id LIMIT 1)"

static bool is_all(const struct cli_exits *exits)
{
        return exits->first == 0 && exits->last == UINT64_MAX;
}

/* Exits and calls of all lanes as they came: with a range, from its first exit up to the one after its last. */
static enum cli_status show_calls(const struct cli_command *command, struct hwaccl_recording *recording,
                                  const char *path, struct filter *filter)
{
        struct query_table calls = {NULL,
                                    {{"sequence", true},
                                     {"time", true},
                                     {"lane", true},
                                     {"kind", false},
                                     {"exit", true},
                                     {"what", false},
                                     {"of", false},
                                     {"number", true},
                                     {"argument", true},
                                     {"input", false},
                                     {"output", false},
                                     {"result", true},
                                     {"errno", true}},
                                    13};
        const bool all = is_all(&filter->exits);
        char sql[1024];

        if (!cli_exits_check(command, path, recording, &filter->exits))
                return CLI_CANNOT;
        const int64_t base = (int64_t)filter->exits.vcpu << 40, end = base + INT64_C(0xffffffffff);
        const int64_t first = base + (int64_t)filter->exits.first;
        const char *input = filter->json ? DATA("input") : DATA_BEGIN("input");
        const char *output = filter->json ? DATA("output") : DATA_BEGIN("output");
        int length = all ? snprintf(sql, sizeof(sql), CALLS " ORDER BY s.sequence LIMIT ?1", input, output)
                         : snprintf(sql, sizeof(sql),
                                    CALLS " WHERE s.sequence >= " NUMBER_FROM " AND s.sequence < coalesce(" NUMBER_FROM
                                          ", 9223372036854775807) ORDER BY s.sequence LIMIT ?1",
                                    input, output, first, end, first + (int64_t)filter->exits.count, end);
        if (length < 0 || (size_t)length >= sizeof(sql))
                return cli_file_error(command, path, "the query is too long");
        calls.sql = sql;
        return cli_query_print(command, recording, path, &calls, filter->limit, filter->json);
}

/* Options that choose exits, or what is shown of them: a call has nothing of it. */
static bool check_calls(const struct cli_command *command, const struct filter *filter)
{
        static const char *const names[BLOCK_KIND_COUNT] = {[BLOCK_REASON] = "reason",
                                                            [BLOCK_PORT] = "port",
                                                            [BLOCK_VECTOR] = "vector",
                                                            [BLOCK_OUTCOME] = "outcome"};
        const char *other = filter->disasm ? "disasm" : NULL;

        for (unsigned kind = 0; kind < BLOCK_KIND_COUNT; kind++)
                if (filter->exit.wanted[kind].count)
                        other = names[kind];
        if (filter->exit.rip_first != 0 || filter->exit.rip_last != UINT64_MAX)
                other = "rip";
        if (other)
                (void)cli_usage_error(command, "--%s does not apply with --calls", other);
        return !other;
}

static uint32_t *add_value(const struct cli_command *command, const struct cli_option *option, struct filter *filter,
                           enum block_kind kind)
{
        if (filter->exit.wanted[kind].count == EXIT_SEARCH_MAX) {
                (void)cli_usage_error(command, "--%s: at most %d values", option->name, EXIT_SEARCH_MAX);
                return NULL;
        }
        return &filter->exit.wanted[kind].value[filter->exit.wanted[kind].count++];
}

static bool parse_reason(const struct cli_command *command, const struct cli_option *option, const char *text,
                         void *settings)
{
        uint32_t *value = add_value(command, option, settings, BLOCK_REASON);

        return value && (hwaccl_exit_reason_parse(text, value) ||
                         cli_value_error(command, option, text, "an exit reason such as 30 or io-instruction"));
}

static bool parse_number(const struct cli_command *command, const struct cli_option *option, const char *text,
                         struct filter *filter, enum block_kind kind, uint64_t most, const char *expected)
{
        uint32_t *value = add_value(command, option, filter, kind);
        uint64_t number = 0;

        if (!value)
                return false;
        if (!cli_parse_number(text, &number) || number > most)
                return cli_value_error(command, option, text, expected);
        *value = (uint32_t)number;
        return true;
}

static bool parse_port(const struct cli_command *command, const struct cli_option *option, const char *text,
                       void *settings)
{
        return parse_number(command, option, text, settings, BLOCK_PORT, 0xffff, "an I/O port such as 0x3f8");
}

static bool parse_vector(const struct cli_command *command, const struct cli_option *option, const char *text,
                         void *settings)
{
        return parse_number(command, option, text, settings, BLOCK_VECTOR, 0xff, "a vector such as 0x20");
}

static bool parse_outcome(const struct cli_command *command, const struct cli_option *option, const char *text,
                          void *settings)
{
        uint32_t *value = add_value(command, option, settings, BLOCK_OUTCOME);

        for (unsigned i = 0; value && i < HWACCL_OUTCOME_COUNT; i++) {
                *value = i;
                if (strcmp(text, hwaccl_outcome_name((enum hwaccl_outcome)i)) == 0)
                        return true;
        }
        return value && cli_value_error(command, option, text, "an outcome such as halted");
}

static bool parse_rip(const struct cli_command *command, const struct cli_option *option, const char *text,
                      void *settings)
{
        struct filter *filter = settings;

        return cli_parse_range(text, &filter->exit.rip_first, &filter->exit.rip_last) ||
               cli_value_error(command, option, text, "a range of addresses such as 0xf0000..0xfffff");
}

static const struct cli_option options[] = {
        CLI_OPTION_FROM(struct filter, exits),
        CLI_OPTION_TO(struct filter, exits),
        CLI_OPTION_VCPU(struct filter, exits),
        {"reason", 'r', "REASON",
         "show exits of this reason only: a number, name or identifier (30, \"I/O instruction\", io-instruction); may "
         "be repeated",
         CLI_PARSED(CLI_VALUE_REASON, parse_reason)},
        {"port", 0, "PORT", "show accesses to this I/O port only; may be repeated, and so may the next two",
         CLI_PARSED(CLI_VALUE_TEXT, parse_port)},
        {"vector", 0, "N", "show exits before which this interrupt vector was offered only",
         CLI_PARSED(CLI_VALUE_TEXT, parse_vector)},
        {"outcome", 0, "OUTCOME", "show exits with this outcome of the handling only, such as halted",
         CLI_PARSED(CLI_VALUE_TEXT, parse_outcome)},
        {"rip", 0, "LO..HI", "show exits with RIP from LO to HI only", CLI_PARSED(CLI_VALUE_TEXT, parse_rip)},
        {"limit", 'l', "N", "show at most N exits", CLI_NUMBER(struct filter, limit, 0, 0)},
        {"disasm", 'd', NULL, "disassemble the instruction that exited, where the handler read it",
         CLI_FLAG(struct filter, disasm)},
        {"calls", 0, NULL,
         "show what other threads of a VMM did too: exits and calls of KVM, in the order over all lanes; with a range, "
         "from its first exit on and before the one after its last; options that choose exits by what they are do not "
         "apply",
         CLI_FLAG(struct filter, calls)},
        CLI_OPTION_JSON(struct filter, json),
        {.name = NULL},
};

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct filter filter = {.exits = CLI_EXITS_ALL, .exit.rip_last = UINT64_MAX, .limit = UINT64_MAX};
        enum cli_status status;

        if (!cli_parse_options(command, argc, argv, &filter, &status))
                return status;
        if (filter.calls && !check_calls(command, &filter))
                return CLI_CANNOT;
        const char *path = cli_recording_operands(command, argc, argv, &filter.exits);
        struct hwaccl_recording *recording = path ? cli_recording_open(command, path) : NULL;
        if (!recording)
                return CLI_CANNOT;
        status = filter.calls ? show_calls(command, recording, path, &filter) : show(command, recording, path, &filter);
        return cli_recording_close(command, path, recording, status);
}

const struct cli_command cli_command_show = {
        .name = "show",
        .arguments = "[OPTION]... RECORDING [FIRST..LAST]",
        .summary = "show exits as a table",
        .options = options,
        .details =
                "Columns: number; time of the exit, in seconds since the start of the recording; exit reason, and\n"
                "details from its exit qualification; RIP of the instruction that exited; the handler's verdict, and\n"
                "the outcome of the handling. ? is an unknown value.\n\n"
                "Example: hwaccl show --disasm --reason control-register boot.db 0..5000\n",
        .run = run,
};
