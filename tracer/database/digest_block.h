/*
 * The digests of one block of exits: of the canonical form of all its rows, table by table in the order of their keys
 * (db-schema/FORMAT.md). There are two: of the content, which two recordings of the same run share, and of what the
 * host added. Both a writer, row by row, and a reader give the same.
 */
#ifndef HWACCL_TRACER_DIGEST_BLOCK_H
#define HWACCL_TRACER_DIGEST_BLOCK_H

#include "tracer/database/canonical.h"
#include "tracer/database/id_list.h"

#include <sodium.h>

#define DIGEST_SIZE 32u /* bytes */

/* Tables in a block. Their numbers are part of the form: they are never used again. */
enum digest_table {
        DIGEST_EXIT = 0,
        DIGEST_HANDLER_CHANGE = 1,
        DIGEST_KEYFRAME = 2,
        DIGEST_SYSTEM = 3,
        DIGEST_SEGMENT = 4,
        DIGEST_PENDING = 5,
        DIGEST_IRQ_HANDOFF = 6,
        DIGEST_INPUT = 7,
        DIGEST_EFFECT = 8,
        DIGEST_STREAMED, /* a writer gives the rows of those before; rows of the following are few, and read */
        /* what exits refer to, in the order in which they do for the first time */
        DIGEST_INSTRUCTION = 9,
        DIGEST_WALK = 10,
        DIGEST_WALK_READ = 11,
        DIGEST_READ, /* by exit, like those that are streamed; a later version adds its tables at the end */
        DIGEST_ENTRY_STATE = 12,
        DIGEST_DEVICE_SNAPSHOT = 13,
        DIGEST_DEVICE_STATE = 14,
        DIGEST_FAULT = 15,
        DIGEST_KVM_RUN = 16,
        DIGEST_VMM_STATE = 17,
        DIGEST_THREAD_TIME = 18,
        DIGEST_KERNEL_EXIT = 19,
        DIGEST_TABLES
};

enum digest_part { DIGEST_CONTENT, DIGEST_HOST, DIGEST_PARTS };

struct digest_columns {
        sqlite3_stmt *statement; /* rows by key, or by id of what they describe */
        struct page_rows *pages; /* the same, where they are integers in a private view; or NULL */
        uint8_t place[PAGE_ROWS_TABLE_COLUMNS];
        unsigned count;
        uint64_t part[DIGEST_PARTS]; /* columns, as bits */
        uint64_t any;                /* those of type ANY */
        unsigned instruction, walk;  /* columns of table exit */
};

struct digest_section {
        crypto_generichash_state state;
        uint64_t rows;
};

struct digest_block {
        sqlite3 *db;
        struct digest_columns table[DIGEST_TABLES];
        struct digest_section section[DIGEST_TABLES][DIGEST_PARTS];
        int64_t last_key[DIGEST_TABLES];
        struct id_list instructions, walks; /* that its exits refer to */
        struct canonical row;
        int64_t first;      /* exit.id */
        sqlite3_stmt *find; /* of digest_block_find(); NULL until it is first called */
        bool content_only;  /* for a reader that asks for nothing else: the other digest is of no use */
        unsigned lost;      /* blocks, this one among them, of which a writer did not give all rows */
        /* of a table whose last row may be replaced, or belong to the next block */
        struct {
                bool there;
                struct row_integers row;
        } held[DIGEST_STREAMED];
};

struct digest_pair {
        uint8_t part[DIGEST_PARTS][DIGEST_SIZE];
};

/** digest_block_create - NULL with *error set. @pages: read pages, where @db is a private view */
struct digest_block *digest_block_create(sqlite3 *db, bool pages, struct hwaccl_error *error);

/** digest_block_destroy - NULL is fine */
void digest_block_destroy(struct digest_block *block);

/** digest_block_begin - a block without rows, whose first exit is @first. What is held stays, for a writer */
void digest_block_begin(struct digest_block *block, int64_t first);

/** digest_block_lose - rows were rolled back, or are there already: digest_block_end() is of no use before the second
 * digest_block_begin(), because the next block, too, may have a row by now */
void digest_block_lose(struct digest_block *block);

/** digest_block_integers - the next row of a table of integers; columns as in the table. Changes ids in @row. Values of
 * columns that are not known are not looked at */
void digest_block_integers(struct digest_block *block, enum digest_table table, struct row_integers *row);

/** digest_block_held - the same, but a following row with the same key replaces it */
void digest_block_held(struct digest_block *block, enum digest_table table, const struct row_integers *row);

/** digest_block_event - the next row of input or effect; @row: the columns before the data */
void digest_block_event(struct digest_block *block, enum digest_table table, const struct row_integers *row,
                        const void *data, size_t size);

/** digest_block_read - add the rows of exits @first up to @end - 1 of tables that a writer does not give */
bool digest_block_read(struct digest_block *block, int64_t first, int64_t end, struct hwaccl_error *error);

/** digest_block_end - the digests. Rows that are held and whose exit is @end or later are not among them */
bool digest_block_end(struct digest_block *block, int64_t end, struct digest_pair *digest, struct hwaccl_error *error);

/** digest_block_of_rows - the digests of the rows of exits @first up to @end - 1 */
bool digest_block_of_rows(struct digest_block *block, int64_t id, int64_t first, int64_t end,
                          struct digest_pair *digest, struct hwaccl_error *error);

#endif
