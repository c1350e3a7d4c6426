/* The rows of a query, as a table or as JSON objects. */
#ifndef HWACCL_CLI_QUERY_TABLE_H
#define HWACCL_CLI_QUERY_TABLE_H

#include "replay/cli/command.h"
#include "replay/cli/output.h"

#include "hwaccl/recording.h"

#define QUERY_COLUMN_MAX 16u

struct query_table {
        const char *sql; /* parameter 1: the most rows. The result's columns have the names of JSON's members */
        struct cli_column columns[QUERY_COLUMN_MAX];
        unsigned count;
};

/** cli_query_print - @limit: rows */
enum cli_status cli_query_print(const struct cli_command *command, struct hwaccl_recording *recording, const char *path,
                                const struct query_table *query, uint64_t limit, bool json);

#endif
