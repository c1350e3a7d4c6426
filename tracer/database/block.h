/*
 * Blocks: exits from a keyframe on, with counts and times by reason, port, offered vector and outcome (tables block and
 * block_count). The writer adds up a block while it writes its exits; block_scan.h does it from rows.
 */
#ifndef HWACCL_TRACER_BLOCK_H
#define HWACCL_TRACER_BLOCK_H

#include "tracer/database/rows.h"

#include <stdbool.h>
#include <stdint.h>

/* As in names of kind block_count. */
enum block_kind { BLOCK_REASON, BLOCK_PORT, BLOCK_VECTOR, BLOCK_OUTCOME, BLOCK_KIND_COUNT };

#define BLOCK_UNKNOWN   (-1) /* reason or outcome */
#define BLOCK_COUNT_MAX 48u  /* distinct kinds and values: the block ends before an exit that might exceed it */
#define BLOCK_SLOT_BITS 6u
#define BLOCK_SLOTS     (1u << BLOCK_SLOT_BITS) /* of a hash table, never full */

struct block_exit {
        int64_t id;
        bool counted[BLOCK_KIND_COUNT]; /* it has a value of that kind */
        int64_t value[BLOCK_KIND_COUNT];
        bool rip_known;
        bool timed; /* handler_ns is known */
        uint64_t rip;
        uint64_t guest_ns;
        uint64_t handler_ns;
};

/* Whole words without padding, as the following ones: decoder_state has a block (decoder.h). */
struct block_span {
        uint64_t sum;
        uint64_t min; /* 0 when there is nothing in the sum */
        uint64_t max;
};

struct block_count {
        int64_t kind;
        int64_t value;
        uint64_t exits;
        uint64_t timed;
        struct block_span guest;
        struct block_span handler;
};

struct block {
        int64_t first; /* exit.id */
        int64_t last;
        uint64_t exits; /* 0: there is no block yet */
        uint64_t rips;  /* known ones */
        uint64_t rip_min;
        uint64_t rip_max;
        uint64_t counts; /* slots in use: those with exits */
        struct block_count count[BLOCK_SLOTS];
};

/** block_classify - set kinds and values of an exit; @reason and @qualification are NULL where unknown */
void block_classify(struct block_exit *exit, const uint64_t *reason, const uint64_t *qualification);

/** block_is_full - whether block_add() might lack room for another exit */
bool block_is_full(const struct block *block);

/** block_add - add the next exit to a block that is not full */
void block_add(struct block *block, const struct block_exit *exit);

/** block_add_row - the same. @vector: 1 + the one that was offered before the exit; 0: none */
void block_add_row(struct block *block, const struct exit_row *row, uint64_t vector);

/** block_count_merge - add @from, which may be of other exits, to @count */
void block_count_merge(struct block_count *count, const struct block_count *from);

/** block_is_good - whether a block from elsewhere, with @last as its last exit, may be added to */
bool block_is_good(const struct block *block, int64_t first, int64_t last);

/* Writes blocks. Zeroed at the beginning. */
struct block_rows {
        sqlite3 *db;
        sqlite3_stmt *block;
        sqlite3_stmt *count;
};

/** block_rows_prepare - call block_rows_finalize() also when it fails */
bool block_rows_prepare(struct block_rows *rows, sqlite3 *db, struct hwaccl_error *error);
void block_rows_finalize(struct block_rows *rows);

/** block_rows_put - write a block, if it has exits, and empty it */
bool block_rows_put(struct block_rows *rows, struct block *block, struct hwaccl_error *error);

#endif
