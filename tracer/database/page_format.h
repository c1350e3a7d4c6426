/* What the readers of a database's pages share (SQLite file format, sections 1.6 and 2). */
#ifndef HWACCL_TRACER_DATABASE_PAGE_FORMAT_H
#define HWACCL_TRACER_DATABASE_PAGE_FORMAT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Types of pages. */
#define PAGE_INDEX_INTERIOR 2
#define PAGE_TABLE_INTERIOR 5
#define PAGE_INDEX_LEAF     10
#define PAGE_TABLE_LEAF     13

/* Bytes before the places of its cells. */
#define PAGE_INTERIOR_HEADER 12u
#define PAGE_LEAF_HEADER     8u

static inline uint32_t page_be16(const uint8_t *bytes)
{
        return (uint32_t)bytes[0] << 8 | bytes[1];
}

/** page_long_varint - the variable-length integer at @from: what follows it, or NULL where it does not end before @end
 */
const uint8_t *page_long_varint(const uint8_t *from, const uint8_t *end, uint64_t *value);

/** page_varint - the same, quick for one byte */
static inline const uint8_t *page_varint(const uint8_t *from, const uint8_t *end, uint64_t *value)
{
        if (from < end && !(*from & 0x80)) {
                *value = *from;
                return from + 1;
        }
        return page_long_varint(from, end, value);
}

/** page_nulls - the header of a record has a type for each column, and most are 0, for NULL, in a row: how many of
 * these follow at @at, at most 8. Reads 8 bytes */
static inline unsigned page_nulls(const uint8_t *at)
{
        uint64_t types;

        memcpy(&types, at, sizeof(types));
        return types ? (unsigned)__builtin_ctzll(types) / 8 : 8;
}

#endif
