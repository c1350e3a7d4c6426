/*
 * A table of integers read in the order of its key (column 0), one row ahead. Of a private view the rows come straight
 * from its pages (tracer/database/page_rows.h), else, while the recording is written, by SQL.
 */
#ifndef HWACCL_TRACER_INTEGER_STREAM_H
#define HWACCL_TRACER_INTEGER_STREAM_H

#include "tracer/database/page_rows.h"
#include "tracer/read/recording_internal.h"

struct integer_stream {
        struct page_rows *rows;  /* NULL: statement is stepped */
        sqlite3_stmt *statement; /* NULL: rows are read */
        sqlite3_stmt *nearest;   /* the last key up to one; NULL: it is not asked for */
        const char *table;
        char *text; /* of the names */
        const char *name[PAGE_ROWS_COLUMNS];
        unsigned count; /* columns */
        unsigned table_columns;
        uint8_t place[PAGE_ROWS_TABLE_COLUMNS]; /* of the table's columns, for page_rows_integers() */
        int64_t last;                           /* key */
        int64_t key;                            /* of the current row */
        bool waiting;                           /* there is a current row */
        struct row_integers row;                /* the current row */
};

/**
 * integer_stream_prepare - always call integer_stream_close() afterwards
 * @columns: names separated by commas, the key first; lists of fields are expanded
 * @nearest: a start goes back to the last row at or before the first key, if there is one
 */
bool integer_stream_prepare(struct integer_stream *stream, struct hwaccl_recording *recording, const char *table,
                            const char *columns, bool nearest, struct hwaccl_error *error);

/** integer_stream_start - rows with keys from @first to @last; the first one waits then */
bool integer_stream_start(struct integer_stream *stream, struct hwaccl_recording *recording, int64_t first,
                          int64_t last, struct hwaccl_error *error);

/** integer_stream_next - advance to the next row */
bool integer_stream_next(struct integer_stream *stream, struct hwaccl_recording *recording, struct hwaccl_error *error);

/** integer_stream_refuse - for integer_stream_has() */
bool integer_stream_refuse(const struct integer_stream *stream, const struct hwaccl_recording *recording,
                           uint64_t needed, struct hwaccl_error *error);

/** integer_stream_has - false with *error set if a column of the current row is no integer; @needed: bits of those that
 * must not be NULL either */
static inline bool integer_stream_has(const struct integer_stream *stream, const struct hwaccl_recording *recording,
                                      uint64_t needed, struct hwaccl_error *error)
{
        return (!stream->row.other && !(needed & ~stream->row.known)) ||
               integer_stream_refuse(stream, recording, needed, error);
}

/** integer_stream_ranged - false with *error set unless a column is within @low to @high */
bool integer_stream_ranged(const struct integer_stream *stream, const struct hwaccl_recording *recording,
                           unsigned column, int64_t low, int64_t high, struct hwaccl_error *error);

/** integer_stream_reset - no row waits, and nothing is kept from the database's writer */
void integer_stream_reset(struct integer_stream *stream);
void integer_stream_close(struct integer_stream *stream);

#endif
