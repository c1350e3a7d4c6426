#include "replay/cli/stat_budget.h"

#include "replay/cli/json.h"
#include "replay/cli/output.h"
#include "replay/cli/parse.h"

#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The reason before the last colon. NULL if there is none, else what is behind the colon. */
static const char *parse_reason(const char *text, uint64_t *reason)
{
        const char *colon = strrchr(text, ':');
        char name[64];
        uint32_t number;

        if (!colon || colon - text >= (ptrdiff_t)sizeof(name))
                return NULL;
        (void)snprintf(name, sizeof(name), "%.*s", (int)(colon - text), text);
        if (strcmp(name, "total") == 0)
                *reason = STAT_BUDGET_TOTAL;
        else if (hwaccl_exit_reason_parse(name, &number))
                *reason = number;
        else
                return NULL;
        return colon + 1;
}

static bool parse(const struct cli_command *command, const struct cli_option *option, const char *text,
                  struct stat_budgets *budgets, bool time)
{
        struct stat_budget budget = {.time = time};
        const char *limit = parse_reason(text, &budget.reason);
        bool good = limit && (time ? cli_parse_seconds(limit, &budget.limit) : cli_parse_number(limit, &budget.limit));

        if (!good)
                return cli_value_error(command, option, text,
                                       time ? "an exit reason, or total, and seconds, such as io-instruction:0.5"
                                            : "an exit reason, or total, and a number, such as io-instruction:1000");
        if (budgets->count == STAT_BUDGETS_MAX)
                return cli_value_error(command, option, text, "at most 64 budgets");
        budgets->budget[budgets->count++] = budget;
        return true;
}

bool cli_parse_exit_budget(const struct cli_command *command, const struct cli_option *option, const char *text,
                           void *field)
{
        return parse(command, option, text, field, false);
}

bool cli_parse_time_budget(const struct cli_command *command, const struct cli_option *option, const char *text,
                           void *field)
{
        return parse(command, option, text, field, true);
}

size_t cli_budgets_exceeded(const struct stat_budgets *budgets)
{
        size_t exceeded = 0;

        for (size_t i = 0; i < budgets->count; i++)
                exceeded += budgets->budget[i].used > budgets->budget[i].limit;
        return exceeded;
}

static void reason_text(uint64_t reason, char *text, size_t room)
{
        const char *name = reason == STAT_BUDGET_TOTAL ? "total" : hwaccl_exit_reason_name(reason);

        if (name)
                (void)snprintf(text, room, "%s", name);
        else
                (void)snprintf(text, room, "%" PRIu64, reason);
}

void cli_budgets_print(const struct stat_budgets *budgets)
{
        for (size_t i = 0; i < budgets->count; i++) {
                const struct stat_budget *budget = &budgets->budget[i];
                char name[64];
                if (budget->used <= budget->limit)
                        continue;
                reason_text(budget->reason, name, sizeof(name));
                (void)printf("%sover budget: %s: ", cli_colour(CLI_RED), name);
                if (budget->time)
                        (void)printf("%.6f s in the handler; at most %.6f s", (double)budget->used / 1e9,
                                     (double)budget->limit / 1e9);
                else
                        (void)printf("%" PRIu64 " exits; at most %" PRIu64, budget->used, budget->limit);
                (void)printf("%s\n", cli_colour(CLI_PLAIN));
        }
}

json_t *cli_budgets_array(const struct stat_budgets *budgets)
{
        json_t *array = json_array();

        for (size_t i = 0; i < budgets->count; i++) {
                const struct stat_budget *budget = &budgets->budget[i];
                char name[64];
                reason_text(budget->reason, name, sizeof(name));
                cli_json_append(&array, json_pack("{s:o, s:s, s:o, s:o, s:b}", "reason", cli_json_text(name), "of",
                                                  budget->time ? "handler_ns" : "exits", "limit",
                                                  cli_json_count(budget->limit), "used", cli_json_count(budget->used),
                                                  "exceeded", budget->used > budget->limit));
        }
        return array;
}
