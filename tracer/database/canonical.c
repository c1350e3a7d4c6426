#include "tracer/database/canonical.h"

#include <stdlib.h>
#include <string.h>

void canonical_release(struct canonical *row)
{
        free(row->bytes);
        *row = (struct canonical){.bytes = NULL};
}

/* Room for @size more bytes; NULL: there is none. */
static uint8_t *reserve(struct canonical *row, size_t size)
{
        if (row->room - row->size < size) {
                size_t room = 2 * (row->size + size) + 256;
                uint8_t *more = realloc(row->bytes, room);
                if (!more) {
                        row->lost = true;
                        return NULL;
                }
                row->bytes = more;
                row->room = room;
        }
        return row->bytes + row->size;
}

static inline uint8_t *put_number(uint8_t *to, uint64_t value)
{
        for (; value > 0x7f; value >>= 7)
                *to++ = (uint8_t)(value | 0x80);
        *to++ = (uint8_t)value;
        return to;
}

static inline uint64_t zigzag(int64_t value)
{
        return (uint64_t)value << 1 ^ (value < 0 ? ~UINT64_C(0) : 0);
}

void canonical_number(struct canonical *row, uint64_t value)
{
        uint8_t *to = reserve(row, CANONICAL_NUMBER_MAX);

        if (to)
                row->size = (size_t)(put_number(to, value) - row->bytes);
}

void canonical_integer(struct canonical *row, int64_t value)
{
        canonical_number(row, zigzag(value));
}

static void put_bytes(struct canonical *row, const void *bytes, size_t size)
{
        uint8_t *to = size ? reserve(row, size) : NULL;

        if (!to)
                return;
        memcpy(to, bytes, size);
        row->size += size;
}

void canonical_bytes(struct canonical *row, const void *bytes, size_t size)
{
        canonical_number(row, size);
        put_bytes(row, bytes, size);
}

void canonical_integers(struct canonical *row, int64_t distance, uint64_t columns, uint64_t more,
                        const struct row_integers *integers)
{
        uint64_t there = integers->known & columns & ~UINT64_C(1);
        uint8_t *to = reserve(row, (2 + PAGE_ROWS_COLUMNS) * CANONICAL_NUMBER_MAX);

        if (!to)
                return;
        to = put_number(to, zigzag(distance));
        to = put_number(to, (there | more) >> 1);
        for (; there; there &= there - 1)
                to = put_number(to, zigzag(integers->value[__builtin_ctzll(there)]));
        row->size = (size_t)(to - row->bytes);
}

static void put_value(struct canonical *row, sqlite3_stmt *statement, int column, bool any)
{
        const int type = sqlite3_column_type(statement, column);
        double real;

        if (any)
                canonical_number(row, type == SQLITE_INTEGER ? CANONICAL_INTEGER
                                      : type == SQLITE_FLOAT ? CANONICAL_REAL
                                      : type == SQLITE_TEXT  ? CANONICAL_TEXT
                                                             : CANONICAL_BLOB);
        switch (type) {
        case SQLITE_INTEGER: canonical_integer(row, sqlite3_column_int64(statement, column)); break;
        case SQLITE_FLOAT:
                real = sqlite3_column_double(statement, column);
                put_bytes(row, &real, sizeof(real));
                break;
        default: {
                /* of a text, too, these are its bytes: the encoding of a recording is UTF-8 */
                const void *bytes = type == SQLITE_TEXT ? (const void *)sqlite3_column_text(statement, column)
                                                        : sqlite3_column_blob(statement, column);
                canonical_bytes(row, bytes, (size_t)sqlite3_column_bytes(statement, column));
                break;
        }
        }
}

void canonical_statement(struct canonical *row, int64_t distance, uint64_t columns, uint64_t any,
                         sqlite3_stmt *statement)
{
        const int count = sqlite3_column_count(statement);
        uint64_t there = 0;

        for (int i = 1; i < count && i < 64; i++)
                if (columns >> i & 1 && sqlite3_column_type(statement, i) != SQLITE_NULL)
                        there |= UINT64_C(1) << i;
        canonical_integer(row, distance);
        canonical_number(row, there >> 1);
        for (uint64_t rest = there; rest; rest &= rest - 1) {
                const int column = __builtin_ctzll(rest);
                put_value(row, statement, column, any >> column & 1);
        }
}

bool canonical_take_number(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
        const uint8_t *from = *at;
        uint64_t result = 0;

        for (unsigned shift = 0; from < end && shift < 64; shift += 7) {
                const uint64_t bits = *from & 0x7f;
                if (bits << shift >> shift != bits)
                        return false;
                result |= bits << shift;
                if (!(*from++ & 0x80)) {
                        /* one form for each number */
                        if (shift && !bits)
                                return false;
                        *value = result;
                        *at = from;
                        return true;
                }
        }
        return false;
}

bool canonical_take_integer(const uint8_t **at, const uint8_t *end, int64_t *value)
{
        uint64_t number;

        if (!canonical_take_number(at, end, &number))
                return false;
        *value = (int64_t)(number >> 1 ^ (number & 1 ? ~UINT64_C(0) : 0));
        return true;
}

bool canonical_take_integers(const uint8_t **at, const uint8_t *end, int64_t *distance, struct row_integers *integers)
{
        uint64_t there;

        memset(integers, 0, sizeof(*integers));
        if (!canonical_take_integer(at, end, distance) || !canonical_take_number(at, end, &there) || there >> 62)
                return false;
        integers->known = there << 1;
        for (uint64_t rest = integers->known; rest; rest &= rest - 1)
                if (!canonical_take_integer(at, end, &integers->value[__builtin_ctzll(rest)]))
                        return false;
        return true;
}
