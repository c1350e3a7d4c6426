/*
 * Rows of a table of integers, read from the pages of a private view (SQLite file format, sections 1.6 and 2.1) in the
 * order of their keys: SQLite's virtual machine takes ten times as long for the many columns of one exit, most of which
 * are NULL.
 *
 * A page is not trusted: whatever it holds, each step reads within it, ends, and comes to a greater key. Nothing may
 * write to the view between two steps.
 */
#ifndef HWACCL_TRACER_DATABASE_PAGE_ROWS_H
#define HWACCL_TRACER_DATABASE_PAGE_ROWS_H

#include "tracer/database/private_file.h"

#include <sqlite3.h>

#define PAGE_ROWS_LEVELS        20u  /* as many as SQLite follows */
#define PAGE_ROWS_COLUMNS       63u  /* of a row that are of use */
#define PAGE_ROWS_TABLE_COLUMNS 128u /* of a table */
#define PAGE_ROWS_NOWHERE       63u  /* the place of columns that are of no use */

/* A page on the way from the root to the row. */
struct page_level {
        uint8_t *bytes; /* NULL: none was read yet */
        uint32_t number;
        uint32_t cells;
        uint32_t cell; /* the current one; in a leaf, the next one; .cells: the child behind the last cell */
        bool leaf;
};

struct page_rows {
        struct private_file *view;
        uint32_t root;
        uint32_t usable; /* bytes of a page */
        unsigned levels; /* that are in use; 0: it stands nowhere */
        struct page_level level[PAGE_ROWS_LEVELS];
        bool any; /* there was a row since the seek */

        /* the current row */
        int64_t key;
        const uint8_t *payload;
        uint32_t size;

        const char *problem; /* what is wrong with page .problem_page */
        uint32_t problem_page;
};

/* Integers of one row; bit i of the masks is column i. What is in neither is NULL, and 0. */
struct row_integers {
        uint64_t known;
        uint64_t other;                       /* neither an integer nor NULL */
        int64_t value[PAGE_ROWS_COLUMNS + 1]; /* the last one is of no use */
};

/**
 * page_rows_open - the rows of @table
 * @rows: to be released with page_rows_close(). NULL: @db is no private view, or has no such table with a key of its
 * own
 *
 * Returns false with *error set.
 */
bool page_rows_open(sqlite3 *db, const char *table, struct page_rows **rows, struct hwaccl_error *error);

/** page_rows_close - NULL is fine */
void page_rows_close(struct page_rows *rows);

/** page_rows_seek - stand before the first row whose key is at least @first. False: .problem */
bool page_rows_seek(struct page_rows *rows, int64_t first);

/** page_rows_next - 1: at the next row; 0: no more; -1: .problem */
int page_rows_next(struct page_rows *rows);

/**
 * page_rows_integers - the columns of the current row
 * @place: for each of the table's columns, the first of which is the key, the place in @integers or PAGE_ROWS_NOWHERE
 * @columns: places, at most PAGE_ROWS_TABLE_COLUMNS
 *
 * Columns that the row lacks, because it is older than they, are NULL. False: .problem
 */
bool page_rows_integers(struct page_rows *rows, const uint8_t *place, unsigned columns, struct row_integers *integers);

#endif
