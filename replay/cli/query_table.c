#include "replay/cli/query_table.h"

#include "replay/cli/json.h"
#include "replay/cli/message.h"

#include <inttypes.h>
#include <sqlite3.h>

static bool put_text(struct cli_table *table, unsigned count, sqlite3_stmt *row)
{
        for (unsigned i = 0; i < count; i++) {
                const char *text = (const char *)sqlite3_column_text(row, (int)i);
                cli_table_cell(table, "%s", text ? text : "");
        }
        return true;
}

static bool put_object(struct cli_json_list *list, unsigned count, sqlite3_stmt *row)
{
        json_t *object = json_object();

        for (unsigned i = 0; i < count; i++) {
                const int column = (int)i;
                json_t *value = json_null();
                if (sqlite3_column_type(row, column) == SQLITE_INTEGER)
                        value = json_integer(sqlite3_column_int64(row, column));
                else if (sqlite3_column_type(row, column) == SQLITE_TEXT)
                        value = cli_json_text((const char *)sqlite3_column_text(row, column));
                cli_json_set(&object, sqlite3_column_name(row, column), value);
        }
        return cli_json_list_add(list, object);
}

/* To the table, or where that is NULL to the list. */
static bool put_rows(sqlite3_stmt *row, unsigned count, struct cli_table *table, struct cli_json_list *list,
                     struct hwaccl_error *error)
{
        int result = SQLITE_DONE;

        while (!cli_output_broken() && (result = sqlite3_step(row)) == SQLITE_ROW)
                if (!(table ? put_text(table, count, row) : put_object(list, count, row)))
                        return hwaccl_error_set(error, "out of memory");
        return result == SQLITE_DONE || result == SQLITE_ROW ||
               hwaccl_error_set(error, "cannot read: %s", sqlite3_errmsg(sqlite3_db_handle(row)));
}

static bool print_array(sqlite3_stmt *row, unsigned count, struct hwaccl_error *error)
{
        struct cli_json_list list = {.name = NULL};
        bool good = put_rows(row, count, NULL, &list, error);

        if (good && !cli_json_list_end(&list, NULL))
                good = hwaccl_error_set(error, "out of memory");
        if (!good)
                cli_json_list_fail(&list, error->message);
        return good;
}

static bool print_table(sqlite3_stmt *row, const struct query_table *query, struct hwaccl_error *error)
{
        struct cli_table *table = cli_table_create(query->columns, query->count);

        if (!table)
                return hwaccl_error_set(error, "out of memory");
        bool good = put_rows(row, query->count, table, NULL, error);
        if (!cli_table_finish(table) && good)
                good = hwaccl_error_set(error, "out of memory");
        return good;
}

enum cli_status cli_query_print(const struct cli_command *command, struct hwaccl_recording *recording, const char *path,
                                const struct query_table *query, uint64_t limit, bool json)
{
        sqlite3 *db = hwaccl_recording_database(recording);
        sqlite3_stmt *row = NULL;
        struct hwaccl_error error = {""};

        if (sqlite3_prepare_v2(db, query->sql, -1, &row, NULL) != SQLITE_OK ||
            sqlite3_bind_int64(row, 1, limit > INT64_MAX ? INT64_MAX : (int64_t)limit) != SQLITE_OK) {
                hwaccl_error_set(&error, "cannot read: %s", sqlite3_errmsg(db));
                (void)sqlite3_finalize(row);
                return cli_file_error(command, path, error.message);
        }
        bool good = json ? print_array(row, query->count, &error) : print_table(row, query, &error);
        (void)sqlite3_finalize(row);
        return good ? CLI_CLEAN : cli_file_error(command, path, error.message);
}
