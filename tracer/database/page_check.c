#include "tracer/database/page_check.h"

#include "tracer/database/page_format.h"
#include "tracer/database/private_view.h"

#include "tracer/database/private_file.h"

#include <stdlib.h>

#define LEVELS_MAX  20u
#define COLUMNS_MAX 60u
#define LOCK_OFFSET (UINT64_C(1) << 30) /* SQLite leaves out the page there */
#define PADDING     8u                  /* page_nulls() reads behind a row */

/* Bits, one for each page of the file or each byte of a page. */
struct bits {
        uint64_t *word;
        size_t words;
};

struct check {
        struct private_file *view;
        uint32_t usable;
        struct bits pages;          /* that belong to something */
        struct bits bytes;          /* of a page, that belong to something */
        uint8_t *level[LEVELS_MAX]; /* the pages on the way to the current one */
        unsigned leaf_depth;        /* of the current tree; 0: none was seen */
        int64_t last;               /* key of the current table */
        bool any;
        bool integers; /* the current table has only these, behind its key */
        unsigned columns;
        uint64_t needed; /* those that are not NULL */
};

struct tree_page {
        const uint8_t *bytes;
        const uint8_t *header;
        const uint8_t *places; /* of its cells */
        unsigned cells;
        uint32_t content; /* where the cells begin */
        bool table;
        bool leaf;
};

static bool bits_create(struct bits *bits, uint64_t count)
{
        bits->words = (size_t)(count / 64 + 1);
        bits->word = calloc(bits->words, sizeof(*bits->word));
        return bits->word != NULL;
}

static bool bits_take(struct bits *bits, uint32_t from, uint32_t count)
{
        for (uint32_t end = from + count; from < end;) {
                const uint32_t part = 64 - from % 64 < end - from ? 64 - from % 64 : end - from;
                const uint64_t mask = (part < 64 ? (UINT64_C(1) << part) - 1 : ~UINT64_C(0)) << from % 64;
                if (bits->word[from / 64] & mask)
                        return false;
                bits->word[from / 64] |= mask;
                from += part;
        }
        return true;
}

/* The page belongs to nothing else. */
static bool claim(struct check *check, uint32_t number)
{
        return number > 0 && number <= check->view->pages && bits_take(&check->pages, number, 1);
}

static bool read_at(const struct check *check, uint32_t number, uint32_t at, void *buffer, uint32_t size)
{
        size_t got = 0;

        return private_file_read(check->view, (uint64_t)(number - 1) * check->view->page_size + at, buffer, size,
                                 &got) &&
               got == size;
}

/* @count pages, each of which begins with the number of the next one. */
static bool take_overflow(struct check *check, uint32_t number, uint64_t count)
{
        for (; count; count--) {
                uint8_t next[4];
                if (!claim(check, number) || !read_at(check, number, 0, next, sizeof(next)))
                        return false;
                number = private_big_endian(next);
        }
        return number == 0;
}

/* A row of integers: the types of its columns, and whether their values are in it. */
static bool row_is_well(const struct check *check, const uint8_t *payload, uint64_t size)
{
        static const uint8_t sizes[10] = {0, 1, 2, 3, 4, 6, 8, 0, 0, 0};
        uint64_t header = 0;
        const uint8_t *at = page_varint(payload, payload + size, &header);
        uint64_t behind = header; /* the values so far */
        unsigned column = 0;

        if (!at || header > size)
                return false;
        const uint8_t *end = payload + header;
        while (at < end) {
                if (column > check->columns)
                        return false;
                if (*at == 0) {
                        unsigned nulls = page_nulls(at);
                        nulls = nulls < (unsigned)(end - at) ? nulls : (unsigned)(end - at);
                        if (check->needed >> column & ((1u << nulls) - 1))
                                return false;
                        at += nulls;
                        column += nulls;
                } else {
                        if (*at > 9 || *at == 7)
                                return false;
                        behind += sizes[*at++];
                        column++;
                }
        }
        return behind == size && column <= check->columns && !(check->needed >> column);
}

/* @at: behind the sizes of a cell of @size bytes of payload. *local: how many of them are in it, with the number of an
 * overflow page */
static bool take_payload(struct check *check, const struct tree_page *page, const uint8_t *at, uint64_t size,
                         uint64_t *local)
{
        const uint8_t *end = page->bytes + check->usable;
        const uint64_t most = page->table ? check->usable - 35 : (check->usable - 12) * 64 / 255 - 23;
        const uint64_t least = (check->usable - 12) * 32 / 255 - 23;

        *local = size;
        if (size > most) {
                uint64_t rest = least + (size - least) % (check->usable - 4);
                *local = rest <= most ? rest : least;
        }
        if (*local > (uint64_t)(end - at))
                return false;
        if (size == *local)
                return !page->table || !check->integers || row_is_well(check, at, size);
        if (size > UINT32_MAX || (uint64_t)(end - at) - *local < 4 || (page->table && check->integers))
                return false;
        const uint64_t outside = size - *local, room = check->usable - 4;
        const uint32_t first = private_big_endian(at + *local);
        *local += 4;
        return take_overflow(check, first, (outside + room - 1) / room);
}

/* A key that is behind the last one, and not behind @upper. */
static bool take_key(struct check *check, int64_t key, int64_t upper)
{
        if ((check->any && key <= check->last) || key > upper)
                return false;
        check->last = key;
        check->any = true;
        return true;
}

static bool take_cell(struct check *check, const struct tree_page *page, unsigned cell, int64_t upper,
                      uint32_t *covered)
{
        const uint8_t *end = page->bytes + check->usable;
        const uint32_t place = page_be16(page->places + 2 * (size_t)cell);
        const uint8_t *begin = page->bytes + place;
        const uint8_t *at = begin + (page->leaf ? 0 : 4);
        uint64_t size = 0, key = 0, local = 0;

        if (place < page->content || place > check->usable - 4)
                return false;
        if (page->leaf || !page->table)
                at = page_varint(at, end, &size);
        if (at && page->table)
                at = page_varint(at, end, &key);
        if (!at || (page->table && page->leaf && !take_key(check, (int64_t)key, upper)) ||
            ((page->leaf || !page->table) && !take_payload(check, page, at, size, &local)))
                return false;
        uint32_t length = (uint32_t)(at - begin) + (uint32_t)local;
        length = length < 4 ? 4 : length;
        *covered += length;
        return length <= (uint32_t)(end - begin) && bits_take(&check->bytes, place, length);
}

static bool take_free_blocks(struct check *check, const struct tree_page *page, uint32_t *covered)
{
        for (uint32_t at = page_be16(page->header + 1); at;) {
                if (at < page->content || at > check->usable - 4)
                        return false;
                const uint32_t next = page_be16(page->bytes + at), size = page_be16(page->bytes + at + 2);
                if (size < 4 || size > check->usable - at || (next && next < at + size) ||
                    !bits_take(&check->bytes, at, size))
                        return false;
                *covered += size;
                at = next;
        }
        return true;
}

static bool open_page(struct check *check, uint32_t number, unsigned depth, struct tree_page *page)
{
        const uint32_t start = number == 1 ? 100 : 0; /* behind the file's header */

        if (depth >= LEVELS_MAX || !claim(check, number))
                return false;
        if (!check->level[depth])
                check->level[depth] = calloc(1, check->view->page_size + PADDING);
        if (!check->level[depth] || !read_at(check, number, 0, check->level[depth], check->view->page_size))
                return false;
        page->bytes = check->level[depth];
        page->header = page->bytes + start;
        const uint8_t type = *page->header;
        page->table = type == PAGE_TABLE_LEAF || type == PAGE_TABLE_INTERIOR;
        page->leaf = type == PAGE_TABLE_LEAF || type == PAGE_INDEX_LEAF;
        page->cells = page_be16(page->header + 3);
        page->content = page_be16(page->header + 5);
        page->content = page->content ? page->content : 65536;
        const uint32_t header = page->leaf ? PAGE_LEAF_HEADER : PAGE_INTERIOR_HEADER;
        page->places = page->header + header;
        return (page->table || page->leaf || type == PAGE_INDEX_INTERIOR) &&
               start + header + 2 * page->cells <= page->content && page->content <= check->usable &&
               (page->cells || (depth == 0 && page->leaf));
}

static bool take_tree(struct check *check, uint32_t number, unsigned depth, bool table, int64_t upper);

/* The trees below a page, in the order of their keys. */
static bool take_children(struct check *check, const struct tree_page *page, unsigned depth, int64_t upper)
{
        for (unsigned i = 0; i < page->cells; i++) {
                const uint8_t *cell = page->bytes + page_be16(page->places + 2 * (size_t)i);
                uint64_t key = 0;
                if (page->table && !page_varint(cell + 4, page->bytes + check->usable, &key))
                        return false;
                int64_t bound = page->table ? (int64_t)key : INT64_MAX;
                if (bound > upper || !take_tree(check, private_big_endian(cell), depth + 1, page->table, bound))
                        return false;
                check->last = bound;
        }
        return take_tree(check, private_big_endian(page->header + 8), depth + 1, page->table, upper);
}

static bool take_tree(struct check *check, uint32_t number, unsigned depth, bool table, int64_t upper)
{
        struct tree_page page;
        uint32_t covered = 0;

        if (!open_page(check, number, depth, &page) || page.table != table)
                return false;
        memset(check->bytes.word, 0, check->bytes.words * sizeof(*check->bytes.word));
        for (unsigned i = 0; i < page.cells; i++)
                if (!take_cell(check, &page, i, upper, &covered))
                        return false;
        if (!take_free_blocks(check, &page, &covered) ||
            covered + page.header[7] != check->usable - page.content) /* the fragments between */
                return false;
        if (!page.leaf)
                return take_children(check, &page, depth, upper);
        if (check->leaf_depth == 0)
                check->leaf_depth = depth + 1;
        return check->leaf_depth == depth + 1;
}

static bool take_root(struct check *check, int64_t root)
{
        uint8_t type = 0;

        if (root < 1 || root > UINT32_MAX || !read_at(check, (uint32_t)root, root == 1 ? 100 : 0, &type, 1))
                return false;
        check->any = false;
        check->leaf_depth = 0;
        bool table = type == PAGE_TABLE_LEAF || type == PAGE_TABLE_INTERIOR;
        return take_tree(check, (uint32_t)root, 0, table, INT64_MAX);
}

/* Trunk pages name the next one, and free pages. */
static bool take_free_pages(struct check *check, uint32_t trunk, uint64_t count)
{
        uint64_t seen = 0;

        while (trunk) {
                uint8_t *page = check->level[0];
                if (!page || !claim(check, trunk) || !read_at(check, trunk, 0, page, check->usable))
                        return false;
                const uint32_t leaves = private_big_endian(page + 4);
                if (leaves > check->usable / 4 - 2)
                        return false;
                for (uint32_t i = 0; i < leaves; i++)
                        if (!claim(check, private_big_endian(page + 8 + 4 * (size_t)i)))
                                return false;
                seen += 1 + (uint64_t)leaves;
                trunk = private_big_endian(page);
        }
        return seen == count;
}

/* Rows of a table that has more than integers: SQLite's own check. */
static bool rows_are_well(sqlite3 *db, const char *table)
{
        char *sql = sqlite3_mprintf("PRAGMA quick_check(\"%w\")", table);
        sqlite3_stmt *answer = NULL;
        bool well = sql && sqlite3_prepare_v2(db, sql, -1, &answer, NULL) == SQLITE_OK &&
                    sqlite3_step(answer) == SQLITE_ROW && sqlite3_column_text(answer, 0) &&
                    strcmp((const char *)sqlite3_column_text(answer, 0), "ok") == 0;

        (void)sqlite3_finalize(answer);
        sqlite3_free(sql);
        return well;
}

/* The trees of all tables and indexes, and their rows. */
static bool take_schema(struct check *check, sqlite3 *db, bool *well, struct hwaccl_error *error)
{
        static const char trees[] =
                "SELECT s.rootpage, s.name, s.type = 'table', count(c.cid),"
                " coalesce(min(c.type = 'INTEGER' AND c.pk = (c.cid = 0)), 0) AND s.sql NOT LIKE '%CHECK%',"
                " sum(iif(c.\"notnull\" AND c.cid > 0, 1 << c.cid, 0)) FROM sqlite_schema s "
                "LEFT JOIN pragma_table_info(s.name) c ON s.type = 'table' WHERE s.rootpage > 0 GROUP BY s.rowid";
        sqlite3_stmt *tree;
        int result = SQLITE_DONE;

        if (!database_prepare(db, trees, &tree, error))
                return false;
        while (*well && (result = sqlite3_step(tree)) == SQLITE_ROW) {
                const char *name = (const char *)sqlite3_column_text(tree, 1);
                const bool is_table = sqlite3_column_int(tree, 2);
                const int columns = sqlite3_column_int(tree, 3);
                uint8_t type = 0;
                int64_t root = sqlite3_column_int64(tree, 0);
                check->integers = sqlite3_column_int(tree, 4) && columns <= (int)COLUMNS_MAX && root > 0 &&
                                  root <= UINT32_MAX && read_at(check, (uint32_t)root, 0, &type, 1) &&
                                  (type == PAGE_TABLE_LEAF || type == PAGE_TABLE_INTERIOR);
                check->columns = (unsigned)columns;
                check->needed = (uint64_t)sqlite3_column_int64(tree, 5);
                *well = name && take_root(check, root) && (!is_table || check->integers || rows_are_well(db, name));
        }
        bool good = !*well || result == SQLITE_DONE || database_error(db, error, "cannot read its schema");
        (void)sqlite3_finalize(tree);
        return good;
}

static bool check_all(struct check *check, sqlite3 *db, bool *well, struct hwaccl_error *error)
{
        uint8_t header[100];

        /* no page map for vacuuming, as many pages as the header says, all of them below the page of locks */
        *well = read_at(check, 1, 0, header, sizeof(header)) && private_big_endian(header + 52) == 0 &&
                private_big_endian(header + 64) == 0 && private_big_endian(header + 28) == check->view->pages &&
                check->view->pages * check->view->page_size <= LOCK_OFFSET && take_root(check, 1) &&
                take_free_pages(check, private_big_endian(header + 32), private_big_endian(header + 36));
        if (*well && !take_schema(check, db, well, error))
                return false;
        for (uint32_t i = 1; *well && i <= check->view->pages; i++)
                *well = !claim(check, i); /* each belongs to something */
        return true;
}

bool page_check(sqlite3 *db, bool *well, struct hwaccl_error *error)
{
        struct check check = {.view = database_private_file(db)};
        uint8_t reserved = 0;

        *well = false;
        if (!check.view || check.view->pages == 0 || !read_at(&check, 1, 20, &reserved, 1) ||
            check.view->page_size - reserved < 480)
                return true;
        check.usable = check.view->page_size - reserved;
        bool good = bits_create(&check.pages, check.view->pages + 1) && bits_create(&check.bytes, check.usable)
                            ? check_all(&check, db, well, error)
                            : hwaccl_error_set(error, "out of memory");
        for (unsigned i = 0; i < LEVELS_MAX; i++)
                free(check.level[i]);
        free(check.pages.word);
        free(check.bytes.word);
        return good;
}
