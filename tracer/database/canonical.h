/*
 * The canonical form of a row (db-schema/FORMAT.md): bytes that depend on nothing but the values, and from which they
 * can be read back. Numbers are LEB128: 7 bits a byte, the lowest first. Integers are zigzag-coded before: 0, -1, 1,
 * -2, … become 0, 1, 2, 3, …
 */
#ifndef HWACCL_TRACER_CANONICAL_H
#define HWACCL_TRACER_CANONICAL_H

#include "tracer/database/page_rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CANONICAL_NUMBER_MAX 10u /* bytes */

/* Types of a value in a column of type ANY: a byte before it. Other columns have one type. */
enum canonical_type {
        CANONICAL_INTEGER = 1,
        CANONICAL_REAL = 2,
        CANONICAL_TEXT = 3,
        CANONICAL_BLOB = 4,
};

struct canonical {
        uint8_t *bytes;
        size_t size;
        size_t room;
        bool lost; /* out of memory */
};

void canonical_release(struct canonical *row);

/** canonical_empty - begin a row */
static inline void canonical_empty(struct canonical *row)
{
        row->size = 0;
}

void canonical_number(struct canonical *row, uint64_t value);
void canonical_integer(struct canonical *row, int64_t value);

/** canonical_bytes - size and bytes */
void canonical_bytes(struct canonical *row, const void *bytes, size_t size);

/**
 * canonical_integers - a row of integers: @distance of its key from that of the row before, which of its columns are
 * not NULL (bit 0 is column 1), and their values
 * @columns: those that belong to the row, as bits; bit 0, the key, is not looked at
 * @more: columns behind them whose values the caller adds
 */
void canonical_integers(struct canonical *row, int64_t distance, uint64_t columns, uint64_t more,
                        const struct row_integers *integers);

/** canonical_statement - the same of the current row of @statement; @any: columns of type ANY */
void canonical_statement(struct canonical *row, int64_t distance, uint64_t columns, uint64_t any,
                         sqlite3_stmt *statement);

/** canonical_take_number, canonical_take_integer - read one at *@at, which is moved behind it; false: there is none */
bool canonical_take_number(const uint8_t **at, const uint8_t *end, uint64_t *value);
bool canonical_take_integer(const uint8_t **at, const uint8_t *end, int64_t *value);

/** canonical_take_integers - what canonical_integers() wrote; *@distance of the key, the rest in @integers */
bool canonical_take_integers(const uint8_t **at, const uint8_t *end, int64_t *distance, struct row_integers *integers);

#endif
