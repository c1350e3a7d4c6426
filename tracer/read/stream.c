#include "tracer/read/stream.h"

#include "tracer/database/schema.h"

#include <inttypes.h>
#include <stdlib.h>

bool stream_prepare(struct stream *stream, struct hwaccl_recording *recording, const char *table, const char *sql,
                    bool unique, struct hwaccl_error *error)
{
        char *text = schema_expand(sql, SCHEMA_FIELDS_NOW);

        stream->table = table;
        stream->unique = unique;
        if (!text)
                return hwaccl_error_set(error, "out of memory");
        bool good = database_prepare(recording->db, text, &stream->statement, error);
        free(text);
        return good;
}

bool stream_start(struct stream *stream, struct hwaccl_recording *recording, int64_t first, int64_t last,
                  struct hwaccl_error *error)
{
        stream_reset(stream);
        if (sqlite3_bind_int64(stream->statement, 1, first) | sqlite3_bind_int64(stream->statement, 2, last))
                return database_error(recording->db, error, "cannot bind a value");
        return stream_next(stream, recording, error);
}

bool stream_next(struct stream *stream, struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        int result = sqlite3_step(stream->statement);

        if (result == SQLITE_DONE) {
                stream->waiting = false;
                return true;
        }
        if (result != SQLITE_ROW)
                return recording_error(recording, error, "cannot read table %s: %s", stream->table,
                                       sqlite3_errmsg(recording->db));
        int64_t key = 0;
        if (stream_column(stream, 0, &key) != SQLITE_INTEGER)
                return recording_error(recording, error, "table %s: a key is not an integer", stream->table);
        if (stream->waiting && (key < stream->key || (stream->unique && key == stream->key)))
                return recording_error(recording, error, "table %s: key %" PRId64 " after %" PRId64, stream->table, key,
                                       stream->key);
        stream->key = key;
        stream->waiting = true;
        return true;
}

void stream_reset(struct stream *stream)
{
        (void)sqlite3_reset(stream->statement);
        stream->waiting = false;
}

void stream_close(struct stream *stream)
{
        (void)sqlite3_finalize(stream->statement);
}

bool stream_integer(const struct stream *stream, const struct hwaccl_recording *recording, int column, int64_t low,
                    int64_t high, int64_t *value, struct hwaccl_error *error)
{
        if (stream_column(stream, column, value) != SQLITE_INTEGER)
                return recording_error(recording, error, "table %s, row %" PRId64 ": %s is not an integer",
                                       stream->table, stream->key, sqlite3_column_name(stream->statement, column));
        if (*value < low || *value > high)
                return recording_error(recording, error,
                                       "table %s, row %" PRId64 ": %s is %" PRId64 ", expected %" PRId64 " to %" PRId64,
                                       stream->table, stream->key, sqlite3_column_name(stream->statement, column),
                                       *value, low, high);
        return true;
}

bool stream_optional(const struct stream *stream, const struct hwaccl_recording *recording, int column, int64_t *value,
                     bool *known, struct hwaccl_error *error)
{
        int type = stream_column(stream, column, value);

        *known = type == SQLITE_INTEGER;
        if (!*known && type != SQLITE_NULL)
                return recording_error(recording, error, "table %s, row %" PRId64 ": %s is not an integer",
                                       stream->table, stream->key, sqlite3_column_name(stream->statement, column));
        return true;
}
