/* Exits of a recording that have given reasons, ports, vectors, outcomes and addresses. Blocks without one are skipped.
 */
#ifndef HWACCL_CLI_EXIT_SEARCH_H
#define HWACCL_CLI_EXIT_SEARCH_H

#include "replay/cli/recording_input.h"

#include "tracer/database/block.h"

#include <sqlite3.h>

#define EXIT_SEARCH_MAX 32 /* values of a kind */

struct exit_filter {
        struct {
                uint32_t value[EXIT_SEARCH_MAX];
                size_t count; /* 0: any */
        } wanted[BLOCK_KIND_COUNT];
        uint64_t rip_first;
        uint64_t rip_last;
};

struct exit_search {
        const struct exit_filter *filter;
        sqlite3 *db;
        sqlite3_stmt *part; /* ranges of exits that may have some; NULL: all exits are one */
        sqlite3_stmt *row;  /* of a range */
        int64_t first;      /* exit.id */
        int64_t last;
        bool within; /* a range */
};

/**
 * exit_search_open - begin at the first of @exits, which cli_exits_check() completed
 * @columns: of the view exits
 *
 * Call exit_search_close() also when it fails.
 */
bool exit_search_open(struct exit_search *search, struct hwaccl_recording *recording, const struct cli_exits *exits,
                      const struct exit_filter *filter, const char *columns, struct hwaccl_error *error);
void exit_search_close(struct exit_search *search);

/** exit_search_next - 1: search->row has the columns of the next exit; 0: there is none; -1: *error is set */
int exit_search_next(struct exit_search *search, struct hwaccl_error *error);

#endif
