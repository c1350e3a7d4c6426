/* A table read in the order of its key (column 0), one row ahead. */
#ifndef HWACCL_TRACER_STREAM_H
#define HWACCL_TRACER_STREAM_H

#include "tracer/read/recording_internal.h"

struct stream {
        sqlite3_stmt *statement;
        const char *table;
        int64_t key;  /* of the current row */
        bool waiting; /* there is a current row */
        bool unique;  /* keys are strictly ascending */
};

/** stream_prepare - @sql has the first and the last key as parameters 1 and 2; lists of fields in it are expanded */
bool stream_prepare(struct stream *stream, struct hwaccl_recording *recording, const char *table, const char *sql,
                    bool unique, struct hwaccl_error *error);

/** stream_start - rows with keys from @first to @last; the first one waits then */
bool stream_start(struct stream *stream, struct hwaccl_recording *recording, int64_t first, int64_t last,
                  struct hwaccl_error *error);

/** stream_next - advance to the next row */
bool stream_next(struct stream *stream, struct hwaccl_recording *recording, struct hwaccl_error *error);

/** stream_reset - no row waits, and nothing is kept from the database's writer */
void stream_reset(struct stream *stream);
void stream_close(struct stream *stream);

/** stream_column - the type of a column of the current row, and its value where that is an integer. One look at the
 * column for both: databases are opened without mutexes, so its value need not be protected by one */
static inline int stream_column(const struct stream *stream, int column, int64_t *value)
{
        sqlite3_value *found = sqlite3_column_value(stream->statement, column);
        int type = sqlite3_value_type(found);

        if (type == SQLITE_INTEGER)
                *value = sqlite3_value_int64(found);
        return type;
}

/** stream_integer - a column of the current row; NULL is an error */
bool stream_integer(const struct stream *stream, const struct hwaccl_recording *recording, int column, int64_t low,
                    int64_t high, int64_t *value, struct hwaccl_error *error);

/** stream_optional - a column that may be NULL: *known says whether it is not */
bool stream_optional(const struct stream *stream, const struct hwaccl_recording *recording, int column, int64_t *value,
                     bool *known, struct hwaccl_error *error);

#endif
