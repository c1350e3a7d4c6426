/* hwaccl stat: counts exits and their times by reason, like perf kvm stat. */
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/query_table.h"
#include "replay/cli/recording_input.h"
#include "replay/cli/stat_budget.h"
#include "replay/cli/stat_host.h"

#include "hwaccl/exit_reason.h"
#include "tracer/read/recording_blocks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASON_ROOM 256 /* distinct reasons; those beyond, in a damaged recording, are counted as one */

#define REASON_OTHERS  UINT64_MAX
#define REASON_UNKNOWN (UINT64_MAX - 1)

struct line {
        uint64_t reason; /* basic, or one of the two above */
        struct block_count sum;
};

struct statistics {
        struct line line[REASON_ROOM];
        size_t count;
        struct line total;
};

static struct line *find_line(struct statistics *statistics, uint64_t reason)
{
        for (size_t i = 0; i < statistics->count; i++)
                if (statistics->line[i].reason == reason || statistics->line[i].reason == REASON_OTHERS)
                        return &statistics->line[i];
        struct line *line = &statistics->line[statistics->count++];
        line->reason = statistics->count == REASON_ROOM ? REASON_OTHERS : reason;
        return line;
}

static bool take_count(void *opaque, const struct block_count *count, struct hwaccl_error *error)
{
        struct statistics *statistics = opaque;
        uint64_t reason = count->value == BLOCK_UNKNOWN ? REASON_UNKNOWN : (uint64_t)count->value;

        (void)error;
        block_count_merge(&find_line(statistics, reason)->sum, count);
        block_count_merge(&statistics->total.sum, count);
        cli_progress(statistics->total.sum.exits);
        return true;
}

static int by_reason(const void *a, const void *b)
{
        uint64_t x = ((const struct line *)a)->reason, y = ((const struct line *)b)->reason;
        return x < y ? -1 : x > y;
}

static int descending(uint64_t x, uint64_t y, const void *a, const void *b)
{
        if (x != y)
                return x > y ? -1 : 1;
        return by_reason(a, b);
}

static int by_count(const void *a, const void *b)
{
        return descending(((const struct line *)a)->sum.exits, ((const struct line *)b)->sum.exits, a, b);
}

static int by_handler_time(const void *a, const void *b)
{
        return descending(((const struct line *)a)->sum.handler.sum, ((const struct line *)b)->sum.handler.sum, a, b);
}

static int by_guest_time(const void *a, const void *b)
{
        return descending(((const struct line *)a)->sum.guest.sum, ((const struct line *)b)->sum.guest.sum, a, b);
}

#define ORDERS "count time guest reason"
static int (*const orders[])(const void *, const void *) = {by_count, by_handler_time, by_guest_time, by_reason};

static void reason_text(uint64_t reason, char *text, size_t room)
{
        const char *name = hwaccl_exit_reason_name(reason);
        if (reason == REASON_OTHERS)
                (void)snprintf(text, room, "others");
        else if (reason == REASON_UNKNOWN)
                (void)snprintf(text, room, "?");
        else if (name)
                (void)snprintf(text, room, "%s", name);
        else
                (void)snprintf(text, room, "%" PRIu64, reason);
}

static double share(uint64_t part, uint64_t whole)
{
        return whole ? 100.0 * (double)part / (double)whole : 0;
}

static double mean(const struct block_span *spread, uint64_t count)
{
        return count ? (double)spread->sum / (double)count : 0;
}

static void spread_cells(struct cli_table *table, const struct block_span *spread, uint64_t count)
{
        cli_table_cell(table, "%.3f", (double)spread->min / 1000);
        cli_table_cell(table, "%.3f", mean(spread, count) / 1000);
        cli_table_cell(table, "%.3f", (double)spread->max / 1000);
}

static void line_cells(struct cli_table *table, const struct line *line, const struct line *total, const char *name)
{
        cli_table_cell(table, "%s", name);
        cli_table_cell(table, "%" PRIu64, line->sum.exits);
        cli_table_cell(table, "%.2f %%", share(line->sum.exits, total->sum.exits));
        cli_table_cell(table, "%.2f %%", share(line->sum.handler.sum, total->sum.handler.sum));
        spread_cells(table, &line->sum.handler, line->sum.timed);
        cli_table_cell(table, "%.2f %%", share(line->sum.guest.sum, total->sum.guest.sum));
        spread_cells(table, &line->sum.guest, line->sum.exits);
}

static bool print_table(const struct statistics *statistics)
{
        static const struct cli_column columns[] = {{"reason", false},      {"exits", true},      {"share", true},
                                                    {"handler time", true}, {"min us", true},     {"mean us", true},
                                                    {"max us", true},       {"guest time", true}, {"min us", true},
                                                    {"mean us", true},      {"max us", true}};
        const struct line *total = &statistics->total;
        struct cli_table *table = cli_table_create(columns, sizeof(columns) / sizeof(columns[0]));

        if (!table)
                return false;
        for (size_t i = 0; i < statistics->count; i++) {
                char name[64];
                reason_text(statistics->line[i].reason, name, sizeof(name));
                line_cells(table, &statistics->line[i], total, name);
        }
        line_cells(table, total, total, "total");
        bool good = cli_table_finish(table);
        (void)printf("\n%" PRIu64 " exits: %.6f s in the guest, %.6f s in the handler\n", total->sum.exits,
                     (double)total->sum.guest.sum / 1e9, (double)total->sum.handler.sum / 1e9);
        return good;
}

static json_t *spread_object(const struct block_span *spread, uint64_t count)
{
        return json_pack("{s:o, s:f, s:o, s:o}", "min", cli_json_count(spread->min), "mean", mean(spread, count), "max",
                         cli_json_count(spread->max), "sum", cli_json_count(spread->sum));
}

static json_t *line_object(const struct line *line, const struct line *total)
{
        return json_pack("{s:o, s:f, s:f, s:f, s:o, s:o}", "exits", cli_json_count(line->sum.exits), "share",
                         share(line->sum.exits, total->sum.exits) / 100, "handler_share",
                         share(line->sum.handler.sum, total->sum.handler.sum) / 100, "guest_share",
                         share(line->sum.guest.sum, total->sum.guest.sum) / 100, "handler_ns",
                         spread_object(&line->sum.handler, line->sum.timed), "guest_ns",
                         spread_object(&line->sum.guest, line->sum.exits));
}

static bool print_json(const struct statistics *statistics, const struct stat_budgets *budgets)
{
        json_t *reasons = json_array();
        for (size_t i = 0; i < statistics->count; i++) {
                const struct line *line = &statistics->line[i];
                char name[64];
                reason_text(line->reason, name, sizeof(name));
                json_t *object = line_object(line, &statistics->total);
                cli_json_set(&object, "reason_number",
                             line->reason >= REASON_UNKNOWN ? json_null() : cli_json_count(line->reason));
                cli_json_set(&object, "reason", cli_json_text(line->reason == REASON_UNKNOWN ? NULL : name));
                cli_json_append(&reasons, object);
        }
        json_t *document = json_pack("{s:o, s:o}", "reasons", reasons, "total",
                                     line_object(&statistics->total, &statistics->total));
        if (budgets->count)
                cli_json_set(&document, "budgets", cli_budgets_array(budgets));
        return cli_json_print(document);
}

struct settings {
        struct cli_exits exits;
        unsigned order;
        struct stat_budgets budgets;
        bool host;
        bool calls;
        bool json;
};

static const struct cli_option options[] = {
        CLI_OPTION_FROM(struct settings, exits),
        CLI_OPTION_TO(struct settings, exits),
        CLI_OPTION_VCPU(struct settings, exits),
        {"sort", 's', "KEY", "sort by count (default), time (in the handler), guest (time in the guest) or reason",
         CLI_KEYWORD(struct settings, order, ORDERS)},
        {"max", 0, "REASON:N",
         "exit with 1 if there are more than N exits of this reason, or of 'total'; may be repeated",
         CLI_PARSED(CLI_VALUE_TEXT, cli_parse_exit_budget),
         .field = CLI_FIELD(struct stat_budgets, struct settings, budgets)},
        {"max-handler-time", 0, "REASON:T",
         "exit with 1 if their handling takes more than T seconds in all; may be repeated",
         CLI_PARSED(CLI_VALUE_TEXT, cli_parse_time_budget),
         .field = CLI_FIELD(struct stat_budgets, struct settings, budgets)},
        {"host", 0, NULL,
         "print what the host was instead: versions, the VMM's files, KVM's parameters and capabilities, CPUID",
         CLI_FLAG(struct settings, host)},
        {"calls", 0, NULL, "count the calls of KVM that a VMM made instead, by request",
         CLI_FLAG(struct settings, calls)},
        CLI_OPTION_JSON(struct settings, json),
        {.name = NULL},
};

/* What the exits of the budgets' reasons are and took. */
static void use_budgets(struct stat_budgets *budgets, const struct statistics *statistics)
{
        for (size_t i = 0; i < budgets->count; i++) {
                struct stat_budget *budget = &budgets->budget[i];
                const struct line *line = budget->reason == STAT_BUDGET_TOTAL ? &statistics->total : NULL;
                for (size_t k = 0; !line && k < statistics->count; k++)
                        if (statistics->line[k].reason == budget->reason)
                                line = &statistics->line[k];
                if (line)
                        budget->used = budget->time ? line->sum.handler.sum : line->sum.exits;
        }
}

static bool print(const struct statistics *statistics, const struct settings *settings)
{
        if (settings->json)
                return print_json(statistics, &settings->budgets);
        bool good = print_table(statistics);
        cli_budgets_print(&settings->budgets);
        return good;
}

static enum cli_status stat_exits(const struct cli_command *command, struct hwaccl_recording *recording,
                                  const char *path, struct settings *settings)
{
        struct cli_exits *exits = &settings->exits;
        struct hwaccl_error error;

        if (!cli_exits_check(command, path, recording, exits))
                return CLI_CANNOT;
        struct statistics *statistics = calloc(1, sizeof(*statistics));
        if (!statistics)
                return cli_error(command, "out of memory");
        bool good = true;
        if (exits->count) {
                cli_progress_start(exits->count);
                good = hwaccl_recording_count(recording, exits->vcpu, exits->first, exits->last, BLOCK_REASON,
                                              take_count, statistics, &error);
                cli_progress_clear();
        }
        if (!good) {
                (void)cli_file_error(command, path, error.message);
        } else {
                qsort(statistics->line, statistics->count, sizeof(statistics->line[0]), orders[settings->order]);
                use_budgets(&settings->budgets, statistics);
                good = print(statistics, settings);
                if (!good)
                        (void)cli_error(command, "out of memory");
        }
        free(statistics);
        if (!good)
                return CLI_CANNOT;
        return cli_budgets_exceeded(&settings->budgets) ? CLI_BAD : CLI_CLEAN;
}

static enum cli_status stat_calls(const struct cli_command *command, struct hwaccl_recording *recording,
                                  const char *path, const struct settings *settings)
{
        static const struct query_table calls = {
                "SELECT request, role, count(*) AS calls, count(error) AS failed, count(DISTINCT lane) AS lanes, "
                "sum(duration_ns) AS sum_ns, min(duration_ns) AS min_ns, max(duration_ns) AS max_ns FROM vmm_calls "
                "GROUP BY request, role ORDER BY calls DESC, request LIMIT ?1",
                {{"request", false},
                 {"of", false},
                 {"calls", true},
                 {"failed", true},
                 {"lanes", true},
                 {"sum ns", true},
                 {"min ns", true},
                 {"max ns", true}},
                8};

        return cli_query_print(command, recording, path, &calls, UINT64_MAX, settings->json);
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct settings settings = {.exits = CLI_EXITS_ALL};
        enum cli_status status;

        if (!cli_parse_options(command, argc, argv, &settings, &status))
                return status;
        const char *path = cli_recording_operands(command, argc, argv, &settings.exits);
        struct hwaccl_recording *recording = path ? cli_recording_open(command, path) : NULL;
        if (!recording)
                return CLI_CANNOT;
        status = settings.calls  ? stat_calls(command, recording, path, &settings)
                 : settings.host ? stat_host(command, recording, path, settings.json)
                                 : stat_exits(command, recording, path, &settings);
        return cli_recording_close(command, path, recording, status);
}

const struct cli_command cli_command_stat = {
        .name = "stat",
        .arguments = "[OPTION]... RECORDING [FIRST..LAST]",
        .summary = "count exits and time by reason",
        .options = options,
        .details = "Times are host times of the recording: in the handler (from the exit to the end of its handling) "
                   "and in\n"
                   "the guest (from the entry to the exit). Exit status: 1 if a budget is exceeded.\n\n"
                   "Examples: hwaccl stat --sort time boot.db\n"
                   "          hwaccl stat --max total:60000 --max-handler-time cpuid:0.5 boot.db\n",
        .run = run,
};
