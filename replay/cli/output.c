#include "replay/cli/output.h"

#include "core/assert.h"
#include "core/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *cli_colour(const char *sequence)
{
        static int enabled = -1;
        if (enabled < 0) {
                const char *none = getenv("NO_COLOR");
                const char *terminal = getenv("TERM");
                enabled = isatty(STDOUT_FILENO) && !(none && *none) && terminal && strcmp(terminal, "dumb") != 0;
        }
        return enabled ? sequence : "";
}

bool cli_output_broken(void)
{
        return ferror(stdout) != 0;
}

#define HELD_ROWS 256 /* rows that determine the widths */

struct cli_table {
        const struct cli_column *columns;
        size_t column_count;
        size_t *width;
        char **cell; /* of the rows held back, row by row */
        size_t cell_count;
        bool streaming;
        bool failed;
};

struct cli_table *cli_table_create(const struct cli_column *columns, size_t count)
{
        struct cli_table *table = calloc(1, sizeof(*table));
        if (!table)
                return NULL;
        table->columns = columns;
        table->column_count = count;
        table->width = calloc(count, sizeof(*table->width));
        table->cell = calloc(count * HELD_ROWS, sizeof(*table->cell));
        if (!table->width || !table->cell) {
                free(table->width);
                free(table->cell);
                free(table);
                return NULL;
        }
        for (size_t i = 0; i < count; i++)
                table->width[i] = strlen(columns[i].title);
        return table;
}

static void print_cell(const struct cli_table *table, size_t column, const char *text)
{
        bool last = column + 1 == table->column_count;
        int width = (int)table->width[column];
        if (table->columns[column].right)
                (void)printf("%*s", width, text);
        else if (last)
                (void)fputs(text, stdout); /* no blanks at the end of a line */
        else
                (void)printf("%-*s", width, text);
        (void)fputs(last ? "\n" : "  ", stdout);
}

static void print_held_rows(struct cli_table *table)
{
        hwaccl_assert(table->column_count > 0);
        (void)fputs(cli_colour(CLI_BOLD), stdout);
        for (size_t i = 0; i < table->column_count; i++)
                print_cell(table, i, table->columns[i].title);
        (void)fputs(cli_colour(CLI_PLAIN), stdout);
        for (size_t i = 0; i < table->cell_count; i++) {
                print_cell(table, i % table->column_count, table->cell[i]);
                free(table->cell[i]);
        }
        table->cell_count = 0;
        table->streaming = true;
}

/* When the rows held back are many enough, print them; from then on cells go out at once. */
static void keep_cell(struct cli_table *table, size_t column, const char *text)
{
        size_t length = strlen(text);
        if (length > table->width[column])
                table->width[column] = length;
        table->cell[table->cell_count] = strdup(text);
        if (!table->cell[table->cell_count]) {
                table->failed = true;
                return;
        }
        if (++table->cell_count == table->column_count * HELD_ROWS)
                print_held_rows(table);
}

void cli_table_cell(struct cli_table *table, const char *format, ...)
{
        char text[512];
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        hwaccl_text_make_safe(text);

        if (table->failed)
                return;
        if (!table->streaming) {
                keep_cell(table, table->cell_count % table->column_count, text);
                return;
        }
        print_cell(table, table->cell_count, text);
        table->cell_count = (table->cell_count + 1) % table->column_count;
}

bool cli_table_finish(struct cli_table *table)
{
        bool good = !table->failed;
        if (!table->streaming && good)
                print_held_rows(table);
        for (size_t i = 0; !table->streaming && i < table->cell_count; i++)
                free(table->cell[i]);
        free(table->cell);
        free(table->width);
        free(table);
        return good;
}

static struct {
        uint64_t total;
        const char *unit; /* what is counted */
        struct timespec start;
        double shown; /* seconds after the start */
        bool visible;
        bool enabled;
} bar;

static double seconds_since_start(void)
{
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)(now.tv_sec - bar.start.tv_sec) + (double)(now.tv_nsec - bar.start.tv_nsec) / 1e9;
}

void cli_progress_start(uint64_t total)
{
        cli_progress_start_of(total, "exits");
}

void cli_progress_start_of(uint64_t total, const char *unit)
{
        bar.total = total;
        bar.unit = unit;
        bar.enabled = total && isatty(STDERR_FILENO);
        bar.visible = false;
        bar.shown = 0.9;
        (void)clock_gettime(CLOCK_MONOTONIC, &bar.start);
}

void cli_progress(uint64_t done)
{
        if (!bar.enabled)
                return;
        double now = seconds_since_start();
        if (now < bar.shown + 0.1)
                return;
        bar.shown = now;
        bar.visible = true;

        static const char full[] = "########################################";
        int width = (int)sizeof(full) - 1;
        int filled = done >= bar.total ? width : (int)((double)done * width / (double)bar.total);
        (void)fprintf(stderr, "\r[%.*s%*s] %3.0f %%  %" PRIu64 " %s", filled, full, width - filled, "",
                      100.0 * (double)done / (double)bar.total, done, bar.unit);
        (void)fflush(stderr);
}

void cli_progress_clear(void)
{
        if (!bar.visible)
                return;
        bar.visible = false;
        (void)fputs("\r\x1b[K", stderr);
        (void)fflush(stderr);
}
