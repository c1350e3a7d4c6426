/* Digests of a recording: of its blocks (digest_block.h), and the two that seal their list and all other tables. */
#ifndef HWACCL_TRACER_DIGEST_H
#define HWACCL_TRACER_DIGEST_H

#include "tracer/database/digest_block.h"

/* The digests of a whole recording. */
struct digest_roots {
        uint8_t content[DIGEST_SIZE];
        uint8_t seal[DIGEST_SIZE];
};

/* A block as its digest was recorded. */
struct digest_range {
        int64_t id;
        int64_t first; /* its rows are those of exits first to end - 1 */
        int64_t end;
};

/** digest_content_read - that of the content alone: it takes no longer than what it is of */
bool digest_content_read(sqlite3 *db, uint8_t content[DIGEST_SIZE], struct hwaccl_error *error);

/** digest_roots_read - from the digests of the blocks as they are in the table, and from all other tables */
bool digest_roots_read(sqlite3 *db, struct digest_roots *roots, struct hwaccl_error *error);

enum digest_how {
        DIGEST_REST,    /* of blocks that have no digest */
        DIGEST_ANEW,    /* of all */
        DIGEST_DERIVED, /* of all; the seal that is there becomes the origin */
};

/** digest_seal - the last thing that is written to a recording, in the same transaction: digests of blocks, and the
 * seal. A signature goes */
bool digest_seal(sqlite3 *db, enum digest_how how, struct hwaccl_error *error);

/** digest_block_put - the row of table block_digest */
bool digest_block_put(sqlite3 *db, int64_t id, const struct digest_pair *digest, struct hwaccl_error *error);

/** digest_blocks_compare - compute the digests of all blocks anew; @differs is called for each that is not the recorded
 * one. @pages: digest_block_prepare() */
bool digest_blocks_compare(sqlite3 *db, bool pages, void (*differs)(void *opaque, const struct digest_range *range),
                           void *opaque, struct hwaccl_error *error);

/** digest_block_find - the block with the rows of exit @id. *found is false where there is none */
bool digest_block_find(struct digest_block *block, int64_t id, struct digest_range *range, struct digest_pair *recorded,
                       bool *found, struct hwaccl_error *error);

/** digest_stray_rows - SQL that gives a line for each table of blocks with rows of no vCPU; free it with sqlite3_free()
 */
char *digest_stray_rows(void);

#endif
