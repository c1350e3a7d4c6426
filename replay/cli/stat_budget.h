/* Budgets of exits: how many of a reason there may be, and how long their handling may take in all. */
#ifndef HWACCL_CLI_STAT_BUDGET_H
#define HWACCL_CLI_STAT_BUDGET_H

#include "replay/cli/option.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAT_BUDGETS_MAX 64

#define STAT_BUDGET_TOTAL UINT64_MAX /* as a reason: all exits */

struct stat_budget {
        uint64_t reason; /* basic, or STAT_BUDGET_TOTAL */
        bool time;       /* of the handler, in nanoseconds; else a number of exits */
        uint64_t limit;
        uint64_t used; /* set by the caller */
};

struct stat_budgets {
        struct stat_budget budget[STAT_BUDGETS_MAX];
        size_t count;
};

/* Option parsers: "hlt:1000", "total:60000"; "cpuid:0.5", in seconds. The field is a struct stat_budgets. */
bool cli_parse_exit_budget(const struct cli_command *command, const struct cli_option *option, const char *text,
                           void *field);
bool cli_parse_time_budget(const struct cli_command *command, const struct cli_option *option, const char *text,
                           void *field);

/** cli_budgets_exceeded - how many are */
size_t cli_budgets_exceeded(const struct stat_budgets *budgets);

/** cli_budgets_print - a line for each that is exceeded */
void cli_budgets_print(const struct stat_budgets *budgets);

/** cli_budgets_array - all of them; NULL: out of memory */
json_t *cli_budgets_array(const struct stat_budgets *budgets);

#endif
