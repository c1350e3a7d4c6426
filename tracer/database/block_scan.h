/* Adds up blocks from rows: for recordings that have none, for exits at the ends of a range, and to check them. */
#ifndef HWACCL_TRACER_BLOCK_SCAN_H
#define HWACCL_TRACER_BLOCK_SCAN_H

#include "tracer/database/block.h"

/**
 * block_scan - call @take with every block of exits @first to @last, which are ids, in order
 *
 * The blocks are those that the writer makes, if @first is the first exit of one and @last the last. @take may empty
 * the block. Returns false with *error set when rows cannot be read or @take returns false.
 */
bool block_scan(sqlite3 *db, int64_t first, int64_t last,
                bool (*take)(void *opaque, struct block *block, struct hwaccl_error *error), void *opaque,
                struct hwaccl_error *error);

/** block_fill - write the blocks of all exits that have none */
bool block_fill(sqlite3 *db, struct hwaccl_error *error);

#endif
