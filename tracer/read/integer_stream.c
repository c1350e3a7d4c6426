#include "tracer/read/integer_stream.h"

#include "core/assert.h"
#include "tracer/database/schema.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The names in @columns, one after the other in .text. */
static bool split(struct integer_stream *stream, const char *columns)
{
        char *rest = NULL;

        stream->text = schema_expand(columns, SCHEMA_FIELDS_NOW);
        if (!stream->text)
                return false;
        for (char *name = strtok_r(stream->text, ", \n", &rest); name; name = strtok_r(NULL, ", \n", &rest)) {
                hwaccl_assert(stream->count < PAGE_ROWS_COLUMNS);
                stream->name[stream->count++] = name;
        }
        return true;
}

static bool prepare(sqlite3 *db, char *sql, sqlite3_stmt **statement, struct hwaccl_error *error)
{
        bool good = sql ? database_prepare(db, sql, statement, error) : hwaccl_error_set(error, "out of memory");

        sqlite3_free(sql);
        return good;
}

/* Where the table has each of the stream's columns: a migration puts new ones behind all others. */
static bool find_places(struct integer_stream *stream, sqlite3_stmt *all)
{
        unsigned found = 0, next = 0;

        stream->table_columns = (unsigned)sqlite3_column_count(all);
        if (stream->table_columns > PAGE_ROWS_TABLE_COLUMNS)
                return false;
        memset(stream->place, PAGE_ROWS_NOWHERE, sizeof(stream->place));
        for (unsigned i = 0; i < stream->table_columns; i++) {
                const char *name = sqlite3_column_name(all, (int)i);
                for (unsigned j = 0; name && j < stream->count; j++) {
                        unsigned column = (next + j) % stream->count; /* mostly they are in the same order */
                        if (strcmp(stream->name[column], name) != 0)
                                continue;
                        stream->place[i] = (uint8_t)column;
                        next = column + 1;
                        found++;
                        break;
                }
        }
        return found == stream->count && stream->place[0] == 0;
}

static bool prepare_rows(struct integer_stream *stream, sqlite3 *db, struct hwaccl_error *error)
{
        sqlite3_stmt *all = NULL;

        if (!page_rows_open(db, stream->table, &stream->rows, error) || !stream->rows)
                return stream->rows == NULL;
        bool good = prepare(db, sqlite3_mprintf("SELECT * FROM %s", stream->table), &all, error);
        if (good && !find_places(stream, all)) {
                page_rows_close(stream->rows);
                stream->rows = NULL;
        }
        (void)sqlite3_finalize(all);
        return good;
}

static bool prepare_statement(struct integer_stream *stream, sqlite3 *db, struct hwaccl_error *error)
{
        char *columns = sqlite3_mprintf("%s", stream->name[0]);

        for (unsigned i = 1; columns && i < stream->count; i++)
                columns = sqlite3_mprintf("%z,%s", columns, stream->name[i]);
        if (!columns)
                return hwaccl_error_set(error, "out of memory");
        return prepare(db,
                       sqlite3_mprintf("SELECT %z FROM %s WHERE %s BETWEEN ?1 AND ?2 ORDER BY 1", columns,
                                       stream->table, stream->name[0]),
                       &stream->statement, error);
}

bool integer_stream_prepare(struct integer_stream *stream, struct hwaccl_recording *recording, const char *table,
                            const char *columns, bool nearest, struct hwaccl_error *error)
{
        sqlite3 *db = recording->db;

        memset(stream, 0, sizeof(*stream));
        stream->table = table;
        if (!split(stream, columns))
                return hwaccl_error_set(error, "out of memory");
        return prepare_rows(stream, db, error) && (stream->rows || prepare_statement(stream, db, error)) &&
               (!nearest || prepare(db,
                                    sqlite3_mprintf("SELECT max(%s) FROM %s WHERE %s <= ?1", stream->name[0], table,
                                                    stream->name[0]),
                                    &stream->nearest, error));
}

void integer_stream_close(struct integer_stream *stream)
{
        page_rows_close(stream->rows);
        (void)sqlite3_finalize(stream->statement);
        (void)sqlite3_finalize(stream->nearest);
        free(stream->text);
}

void integer_stream_reset(struct integer_stream *stream)
{
        (void)sqlite3_reset(stream->statement);
        stream->waiting = false;
}

/* *first: the last key up to it, if there is one */
static bool go_back(struct integer_stream *stream, const struct hwaccl_recording *recording, int64_t *first,
                    struct hwaccl_error *error)
{
        if (!stream->nearest)
                return true;
        int result = sqlite3_bind_int64(stream->nearest, 1, *first);
        result = result == SQLITE_OK ? sqlite3_step(stream->nearest) : result;
        if (result == SQLITE_ROW && sqlite3_column_type(stream->nearest, 0) == SQLITE_INTEGER)
                *first = sqlite3_column_int64(stream->nearest, 0);
        (void)sqlite3_reset(stream->nearest);
        return result == SQLITE_ROW || recording_error(recording, error, "cannot read table %s: %s", stream->table,
                                                       sqlite3_errmsg(recording->db));
}

static bool damaged(const struct integer_stream *stream, const struct hwaccl_recording *recording,
                    struct hwaccl_error *error)
{
        return recording_error(recording, error, "cannot read table %s: page %" PRIu32 ": %s", stream->table,
                               stream->rows->problem_page, stream->rows->problem);
}

bool integer_stream_start(struct integer_stream *stream, struct hwaccl_recording *recording, int64_t first,
                          int64_t last, struct hwaccl_error *error)
{
        integer_stream_reset(stream);
        stream->last = last;
        if (!go_back(stream, recording, &first, error))
                return false;
        if (stream->rows && !page_rows_seek(stream->rows, first))
                return damaged(stream, recording, error);
        if (!stream->rows &&
            (sqlite3_bind_int64(stream->statement, 1, first) | sqlite3_bind_int64(stream->statement, 2, last)))
                return database_error(recording->db, error, "cannot bind a value");
        return integer_stream_next(stream, recording, error);
}

static bool next_of_pages(struct integer_stream *stream, const struct hwaccl_recording *recording,
                          struct hwaccl_error *error)
{
        int found = page_rows_next(stream->rows);

        stream->waiting = found > 0 && stream->rows->key <= stream->last;
        if (found < 0 ||
            (stream->waiting && !page_rows_integers(stream->rows, stream->place, stream->table_columns, &stream->row)))
                return damaged(stream, recording, error);
        stream->key = stream->rows->key;
        return true;
}

static void take_columns(struct integer_stream *stream)
{
        struct row_integers *row = &stream->row;

        memset(row, 0, sizeof(*row));
        for (unsigned i = 0; i < stream->count; i++) {
                /* databases are opened without mutexes, so its value need not be protected by one */
                sqlite3_value *found = sqlite3_column_value(stream->statement, (int)i);
                int type = sqlite3_value_type(found);
                if (type == SQLITE_INTEGER) {
                        row->known |= UINT64_C(1) << i;
                        row->value[i] = sqlite3_value_int64(found);
                } else if (type != SQLITE_NULL) {
                        row->other |= UINT64_C(1) << i;
                }
        }
}

bool integer_stream_next(struct integer_stream *stream, struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        if (stream->rows)
                return next_of_pages(stream, recording, error);
        int result = sqlite3_step(stream->statement);
        if (result == SQLITE_DONE) {
                stream->waiting = false;
                return true;
        }
        if (result != SQLITE_ROW)
                return recording_error(recording, error, "cannot read table %s: %s", stream->table,
                                       sqlite3_errmsg(recording->db));
        take_columns(stream);
        if (!(stream->row.known & 1))
                return recording_error(recording, error, "table %s: a key is not an integer", stream->table);
        int64_t key = stream->row.value[0];
        if (stream->waiting && key <= stream->key)
                return recording_error(recording, error, "table %s: key %" PRId64 " after %" PRId64, stream->table, key,
                                       stream->key);
        stream->key = key;
        stream->waiting = true;
        return true;
}

bool integer_stream_refuse(const struct integer_stream *stream, const struct hwaccl_recording *recording,
                           uint64_t needed, struct hwaccl_error *error)
{
        uint64_t wrong = stream->row.other | (needed & ~stream->row.known);

        return recording_error(recording, error, "table %s, row %" PRId64 ": %s is not an integer", stream->table,
                               stream->key, stream->name[__builtin_ctzll(wrong)]);
}

bool integer_stream_ranged(const struct integer_stream *stream, const struct hwaccl_recording *recording,
                           unsigned column, int64_t low, int64_t high, struct hwaccl_error *error)
{
        int64_t value = stream->row.value[column];

        return (value >= low && value <= high) ||
               recording_error(recording, error,
                               "table %s, row %" PRId64 ": %s is %" PRId64 ", expected %" PRId64 " to %" PRId64,
                               stream->table, stream->key, stream->name[column], value, low, high);
}
