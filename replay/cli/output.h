/* Results on stdout: tables, colour, a progress bar. */
#ifndef HWACCL_CLI_OUTPUT_H
#define HWACCL_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** cli_colour - the escape sequence if stdout is a terminal and NO_COLOR is not set, else "" */
const char *cli_colour(const char *sequence);
#define CLI_BOLD  "\x1b[1m"
#define CLI_RED   "\x1b[31m"
#define CLI_GREEN "\x1b[32m"
#define CLI_PLAIN "\x1b[0m"

/** cli_output_broken - writing to stdout failed: stop printing */
bool cli_output_broken(void);

/* A table whose column widths come from its first rows, which are held back; further rows are printed at once. */
struct cli_table;

struct cli_column {
        const char *title;
        bool right; /* aligned to the right: numbers */
};

/** cli_table_create - @columns must outlive the table; NULL without memory */
struct cli_table *cli_table_create(const struct cli_column *columns, size_t count);

/** cli_table_cell - the next cell of the current row, printf style; a row is done when its last cell is given */
void cli_table_cell(struct cli_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** cli_table_finish - print the rows held back and release the table; false when memory ran out before */
bool cli_table_finish(struct cli_table *table);

/* A bar on stderr when that is a terminal and the work takes over a second. It counts exits, or @unit. */
void cli_progress_start(uint64_t total);
void cli_progress_start_of(uint64_t total, const char *unit);
void cli_progress(uint64_t done);
void cli_progress_clear(void);

#endif
