#include "tracer/database/page_rows.h"

#include "core/assert.h"
#include "tracer/database/database.h"
#include "tracer/database/page_format.h"
#include "tracer/database/private_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Bytes behind a page that may be read, too: the values of a row are looked at before it is known whether they end in
 * it. */
#define PADDING (8u * (PAGE_ROWS_TABLE_COLUMNS + 1))

static bool refuse(struct page_rows *rows, uint32_t page, const char *problem)
{
        rows->problem = problem;
        rows->problem_page = page;
        return false;
}

const uint8_t *page_long_varint(const uint8_t *from, const uint8_t *end, uint64_t *value)
{
        uint64_t result = 0;

        for (unsigned i = 0; i < 8 && from < end; i++) {
                result = result << 7 | (*from & 0x7f);
                if (!(*from++ & 0x80)) {
                        *value = result;
                        return from;
                }
        }
        if (from >= end)
                return NULL;
        *value = result << 8 | *from;
        return from + 1;
}

static bool find_root(struct page_rows *rows, sqlite3 *db, const char *table, struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        const char *sql = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        int64_t root = 0;

        if (!database_prepare(db, sql, &row, error))
                return false;
        int result =
                sqlite3_bind_text(row, 1, table, -1, SQLITE_STATIC) == SQLITE_OK ? sqlite3_step(row) : SQLITE_NOMEM;
        if (result == SQLITE_ROW)
                root = sqlite3_column_int64(row, 0);
        (void)sqlite3_finalize(row);
        rows->root = root > 1 && root <= UINT32_MAX ? (uint32_t)root : 0;
        return result == SQLITE_ROW || result == SQLITE_DONE || database_error(db, error, "cannot read its schema");
}

bool page_rows_open(sqlite3 *db, const char *table, struct page_rows **rows, struct hwaccl_error *error)
{
        struct private_file *view = database_private_file(db);
        uint8_t reserved = 0;
        size_t got = 0;

        *rows = NULL;
        if (!view || !private_file_read(view, 20, &reserved, 1, &got) || view->page_size - reserved < 480)
                return true;
        struct page_rows *opened = calloc(1, sizeof(*opened));
        if (!opened)
                return hwaccl_error_set(error, "out of memory");
        opened->view = view;
        opened->usable = view->page_size - reserved;
        bool good = find_root(opened, db, table, error);
        if (good && opened->root)
                *rows = opened;
        else
                page_rows_close(opened);
        return good;
}

void page_rows_close(struct page_rows *rows)
{
        if (!rows)
                return;
        for (unsigned i = 0; i < PAGE_ROWS_LEVELS; i++)
                free(rows->level[i].bytes);
        free(rows);
}

/* The page at one level, unless it is there already. */
static bool load(struct page_rows *rows, unsigned depth, uint32_t number)
{
        struct page_level *level = &rows->level[depth];
        size_t got = 0;

        if (level->bytes && level->number == number)
                return true;
        level->number = 0;
        if (number < 2 || number > rows->view->pages)
                return refuse(rows, number, "it is not there");
        if (!level->bytes)
                level->bytes = calloc(1, rows->view->page_size + PADDING);
        if (!level->bytes)
                return refuse(rows, number, "out of memory");
        uint64_t offset = (uint64_t)(number - 1) * rows->view->page_size;
        if (!private_file_read(rows->view, offset, level->bytes, rows->view->page_size, &got) ||
            got != rows->view->page_size)
                return refuse(rows, number, "it cannot be read");
        level->leaf = level->bytes[0] == PAGE_TABLE_LEAF;
        level->cells = page_be16(level->bytes + 3);
        size_t header = level->leaf ? PAGE_LEAF_HEADER : PAGE_INTERIOR_HEADER;
        if (level->bytes[0] != PAGE_TABLE_LEAF && level->bytes[0] != PAGE_TABLE_INTERIOR)
                return refuse(rows, number, "it is no page of a table");
        if (header + 2 * (size_t)level->cells > rows->usable)
                return refuse(rows, number, "it has more cells than room");
        if (level->cells == 0 && (depth > 0 || !level->leaf)) /* else empty pages could be visited without end */
                return refuse(rows, number, "it is empty");
        level->number = number;
        return true;
}

/* Where cell @cell of a page begins; NULL: outside. */
static const uint8_t *cell_at(const struct page_rows *rows, const struct page_level *level, uint32_t cell)
{
        uint32_t header = level->leaf ? PAGE_LEAF_HEADER : PAGE_INTERIOR_HEADER;
        uint32_t at = page_be16(level->bytes + header + 2 * cell);

        return at >= header && at < rows->usable ? level->bytes + at : NULL;
}

static bool key_of(struct page_rows *rows, const struct page_level *level, uint32_t cell, int64_t *key)
{
        const uint8_t *at = cell_at(rows, level, cell);
        const uint8_t *end = level->bytes + rows->usable;
        uint64_t value = 0;

        if (at && level->leaf)
                at = page_varint(at, end, &value);
        else if (at)
                at = end - at > 4 ? at + 4 : NULL;
        if (at)
                at = page_varint(at, end, &value);
        *key = (int64_t)value;
        return at || refuse(rows, level->number, "a cell is not in it");
}

/* The first cell whose key is at least @first. */
static bool find_cell(struct page_rows *rows, struct page_level *level, int64_t first)
{
        uint32_t low = 0, high = level->cells;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                int64_t key;
                if (!key_of(rows, level, middle, &key))
                        return false;
                if (key < first)
                        low = middle + 1;
                else
                        high = middle;
        }
        level->cell = low;
        return true;
}

static bool child_of(struct page_rows *rows, const struct page_level *level, uint32_t *number)
{
        const uint8_t *at = level->cell < level->cells ? cell_at(rows, level, level->cell) : level->bytes + 8;

        if (!at || level->bytes + rows->usable - at < 4)
                return refuse(rows, level->number, "a cell is not in it");
        *number = private_big_endian(at);
        return true;
}

/* From page @number at level @depth to the leaf with the first key that is at least @first. */
static bool descend(struct page_rows *rows, unsigned depth, uint32_t number, int64_t first)
{
        rows->levels = 0;
        for (; depth < PAGE_ROWS_LEVELS; depth++) {
                struct page_level *level = &rows->level[depth];
                if (!load(rows, depth, number) || !find_cell(rows, level, first))
                        return false;
                if (level->leaf) {
                        rows->levels = depth + 1;
                        return true;
                }
                if (!child_of(rows, level, &number))
                        return false;
        }
        return refuse(rows, number, "it is too deep");
}

bool page_rows_seek(struct page_rows *rows, int64_t first)
{
        rows->any = false;
        rows->key = first; /* none of them is less */
        return descend(rows, 0, rows->root, first);
}

/* The leaf behind the current one: 1, 0: there is none, -1 */
static int next_leaf(struct page_rows *rows)
{
        unsigned depth = rows->levels - 1;
        uint32_t number;

        while (depth > 0 && rows->level[depth - 1].cell == rows->level[depth - 1].cells)
                depth--;
        if (depth == 0)
                return 0;
        rows->level[depth - 1].cell++;
        return child_of(rows, &rows->level[depth - 1], &number) && descend(rows, depth, number, INT64_MIN) ? 1 : -1;
}

/* The cell of a leaf: size of the payload, key, payload. None of ours goes on in another page. */
static bool take_cell(struct page_rows *rows, const struct page_level *leaf)
{
        const uint8_t *end = leaf->bytes + rows->usable;
        const uint8_t *at = cell_at(rows, leaf, leaf->cell);
        uint64_t size = 0, key = 0;

        at = at ? page_varint(at, end, &size) : NULL;
        at = at ? page_varint(at, end, &key) : NULL;
        if (!at || size > (uint64_t)(end - at) || size > rows->usable - 35)
                return refuse(rows, leaf->number, "a row is not in it");
        if ((int64_t)key < rows->key || (rows->any && (int64_t)key == rows->key))
                return refuse(rows, leaf->number, "its keys do not ascend");
        rows->any = true;
        rows->key = (int64_t)key;
        rows->payload = at;
        rows->size = (uint32_t)size;
        return true;
}

int page_rows_next(struct page_rows *rows)
{
        if (rows->levels == 0)
                return 0;
        struct page_level *leaf = &rows->level[rows->levels - 1];
        if (leaf->cell == leaf->cells) {
                int found = next_leaf(rows);
                if (found <= 0) {
                        rows->levels = 0;
                        return found;
                }
                leaf = &rows->level[rows->levels - 1];
        }
        if (leaf->cells == 0) { /* the root of an empty table */
                rows->levels = 0;
                return 0;
        }
        if (!take_cell(rows, leaf)) {
                rows->levels = 0;
                return -1;
        }
        leaf->cell++;
        return 1;
}

/* Type 7 is a floating-point number; text and BLOBs begin at 12. Where the next type and the next value are, or NULL */
static const uint8_t *pass_column(const uint8_t *at, const uint8_t *header_end, const uint8_t **data,
                                  const uint8_t *end)
{
        uint64_t type = 0;
        const uint8_t *next = page_varint(at, header_end, &type);
        const uint64_t length = type == 7 ? 8 : (type - 12) / 2;

        if (!next || (type != 7 && type < 12) || *data > end || length > (uint64_t)(end - *data))
                return NULL;
        *data += length;
        return next;
}

/* The columns in [at, header_end), with their values from @data on. False: they are not a record. */
static bool take_columns(const uint8_t *at, const uint8_t *header_end, const uint8_t *data, const uint8_t *end,
                         const uint8_t *place, unsigned columns, struct row_integers *integers)
{
        static const uint8_t size[7] = {0, 1, 2, 3, 4, 6, 8};
        static const uint8_t shift[7] = {0, 56, 48, 40, 32, 16, 0};
        uint64_t known = 0, other = 0;

        for (unsigned i = 0; i < columns && at < header_end; i++) {
                const unsigned type = *at;
                const unsigned to = place[i];
                if (type == 0) {
                        const unsigned nulls = page_nulls(at);
                        at += nulls;
                        i += nulls - 1;
                } else if (type < 7) { /* big-endian; whether it was in the row is seen below */
                        uint64_t bytes;
                        memcpy(&bytes, data, sizeof(bytes));
                        integers->value[to] = (int64_t)__builtin_bswap64(bytes) >> shift[type];
                        known |= UINT64_C(1) << to;
                        data += size[type];
                        at++;
                } else if (type == 8 || type == 9) { /* 0 and 1 */
                        integers->value[to] = (int64_t)type - 8;
                        known |= UINT64_C(1) << to;
                        at++;
                } else {
                        at = pass_column(at, header_end, &data, end);
                        if (!at)
                                return false;
                        other |= UINT64_C(1) << to;
                }
        }
        integers->known = known & ~(UINT64_C(1) << PAGE_ROWS_NOWHERE);
        integers->other = other & ~(UINT64_C(1) << PAGE_ROWS_NOWHERE);
        return at < header_end ? data <= end : data == end;
}

bool page_rows_integers(struct page_rows *rows, const uint8_t *place, unsigned columns, struct row_integers *integers)
{
        uint64_t size = 0;
        const uint8_t *header = page_varint(rows->payload, rows->payload + rows->size, &size);

        hwaccl_assert(columns <= PAGE_ROWS_TABLE_COLUMNS);
        memset(integers, 0, sizeof(*integers));
        if (!header || size > rows->size ||
            !take_columns(header, rows->payload + size, rows->payload + size, rows->payload + rows->size, place,
                          columns, integers))
                return refuse(rows, rows->level[rows->levels - 1].number, "a row is damaged");
        if (columns && place[0] != PAGE_ROWS_NOWHERE) { /* SQLite keeps the key outside the record */
                integers->known |= UINT64_C(1) << place[0];
                integers->value[place[0]] = rows->key;
        }
        return true;
}
