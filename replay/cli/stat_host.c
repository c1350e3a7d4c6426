#include "replay/cli/stat_host.h"

#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/output.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define COLUMN_MAX 8
#define ROW_MAX    4096u /* of a section: a hostile recording may have any number */

/* A section is what options of a name's form have: text, an array of rows, or an object that is a row. The views host_*
 * say the same, but no function of JSON may be called here by what a recording has (trusted_schema is off). */
static const struct section {
        const char *name;
        const char *options; /* a pattern of their names */
        bool hexadecimal;    /* all columns but the second */
        unsigned count;
        struct cli_column columns[COLUMN_MAX];
} sections[] = {
        {"options", "host_*", false, 2, {{"name", false}, {"value", false}}},
        {"files",
         "host_file_[0-9]*",
         false,
         7,
         {{"kind", false},
          {"size", true},
          {"path", false},
          {"build_id", false},
          {"digest", false},
          {"digest_of", false},
          {"modified", true}}},
        {"parameters", "host_kvm_parameters", false, 3, {{"module", false}, {"name", false}, {"value", false}}},
        {"capabilities", "host_capabilities", false, 3, {{"number", true}, {"name", false}, {"value", true}}},
        {"cpuid",
         "host_cpuid",
         true,
         6,
         {{"leaf", false}, {"subleaf", true}, {"eax", false}, {"ebx", false}, {"ecx", false}, {"edx", false}}},
};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

struct output {
        const struct section *section;
        struct cli_table *table; /* or, where that is NULL, to the array */
        json_t *array;
        unsigned rows;
};

static bool is_structured(const char *name)
{
        for (size_t i = 1; i < SECTIONS; i++)
                if (sqlite3_strglob(sections[i].options, name) == 0)
                        return true;
        return false;
}

/* Everything that is no number or text is shown as nothing. */
static json_t *cell_value(const struct section *section, unsigned column, json_t *given)
{
        if (json_is_integer(given) && section->hexadecimal && column != 1)
                return cli_json_hex((uint64_t)json_integer_value(given));
        return json_is_integer(given) || json_is_string(given) ? json_incref(given) : json_null();
}

static void put_row(struct output *output, json_t *const cells[COLUMN_MAX])
{
        const struct section *section = output->section;
        json_t *object = output->table ? NULL : json_object();

        if (output->rows++ >= ROW_MAX) {
                json_decref(object);
                return;
        }
        for (unsigned i = 0; i < section->count; i++) {
                json_t *value = cell_value(section, i, cells[i]);
                if (!output->table)
                        cli_json_set(&object, section->columns[i].title, json_incref(value));
                else if (json_is_integer(value))
                        cli_table_cell(output->table, "%" PRId64, (int64_t)json_integer_value(value));
                else
                        cli_table_cell(output->table, "%s", json_is_string(value) ? json_string_value(value) : "");
                json_decref(value);
        }
        if (!output->table)
                cli_json_append(&output->array, object);
}

/* One row from an array by position, or from an object by the columns' names. */
static void put_value(struct output *output, json_t *value)
{
        json_t *cells[COLUMN_MAX] = {NULL};

        for (unsigned i = 0; i < output->section->count; i++)
                cells[i] = json_is_array(value) ? json_array_get(value, i)
                                                : json_object_get(value, output->section->columns[i].title);
        put_row(output, cells);
}

static void put_option(struct output *output, const char *name, const char *text)
{
        if (output->section == &sections[0]) {
                json_t *cells[COLUMN_MAX] = {cli_json_text(name), cli_json_text(text)};
                if (!is_structured(name))
                        put_row(output, cells);
                json_decref(cells[0]);
                json_decref(cells[1]);
                return;
        }
        json_t *value = json_loads(text, 0, NULL); /* NULL in a damaged recording */
        if (json_is_object(value))
                put_value(output, value);
        for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++)
                put_value(output, json_array_get(value, i));
        json_decref(value);
}

static bool read_options(sqlite3 *db, struct output *output, struct hwaccl_error *error)
{
        sqlite3_stmt *row = NULL;
        int result = sqlite3_prepare_v2(db,
                                        "SELECT name, value FROM option WHERE name GLOB ? ORDER BY iif(name GLOB "
                                        "'host_file_*', length(name), 0), name",
                                        -1, &row, NULL);

        if (result == SQLITE_OK)
                result = sqlite3_bind_text(row, 1, output->section->options, -1, SQLITE_STATIC);
        while (result == SQLITE_OK || result == SQLITE_ROW) {
                result = sqlite3_step(row);
                const char *name = result == SQLITE_ROW ? (const char *)sqlite3_column_text(row, 0) : NULL;
                const char *text = result == SQLITE_ROW ? (const char *)sqlite3_column_text(row, 1) : NULL;
                if (name && text && output->rows < ROW_MAX)
                        put_option(output, name, text);
        }
        if (result != SQLITE_DONE)
                hwaccl_error_set(error, "%s", sqlite3_errmsg(db));
        (void)sqlite3_finalize(row);
        return result == SQLITE_DONE;
}

static bool print_tables(sqlite3 *db, struct hwaccl_error *error)
{
        for (size_t i = 0; i < SECTIONS && !cli_output_broken(); i++) {
                struct output output = {.section = &sections[i]};
                (void)printf("%s%s%s%s\n", i ? "\n" : "", cli_colour(CLI_BOLD), sections[i].name,
                             cli_colour(CLI_PLAIN));
                output.table = cli_table_create(sections[i].columns, sections[i].count);
                if (!output.table)
                        return hwaccl_error_set(error, "out of memory");
                bool good = read_options(db, &output, error);
                if (!cli_table_finish(output.table))
                        return hwaccl_error_set(error, "out of memory");
                if (!good)
                        return false;
        }
        return true;
}

static bool print_json(sqlite3 *db, struct hwaccl_error *error)
{
        json_t *document = json_object();

        for (size_t i = 0; i < SECTIONS; i++) {
                struct output output = {.section = &sections[i], .array = json_array()};
                if (!read_options(db, &output, error)) {
                        json_decref(output.array);
                        json_decref(document);
                        return false;
                }
                cli_json_set(&document, sections[i].name, output.array);
        }
        return cli_json_print(document) || hwaccl_error_set(error, "out of memory");
}

enum cli_status stat_host(const struct cli_command *command, struct hwaccl_recording *recording, const char *path,
                          bool json)
{
        sqlite3 *db = hwaccl_recording_database(recording);
        struct hwaccl_error error;

        if (json ? print_json(db, &error) : print_tables(db, &error))
                return CLI_CLEAN;
        (void)cli_file_error(command, path, error.message);
        return CLI_CANNOT;
}
