/* Writes what a VMM does beside its exits: rows of lane and vmm_call. */
#ifndef HWACCL_TRACER_CALL_ROWS_H
#define HWACCL_TRACER_CALL_ROWS_H

#include "tracer/database/database.h"
#include "tracer/ring/ring_records.h"

/* Zeroed at the beginning. */
struct call_rows {
        sqlite3 *db;
        sqlite3_stmt *lane;
        sqlite3_stmt *call;
        sqlite3_stmt *called[2]; /* enum ring_call_side, as the following */
        sqlite3_stmt *data[2];
};

/** call_rows_prepare - call call_rows_finalize() also when it fails */
bool call_rows_prepare(struct call_rows *rows, sqlite3 *db, struct hwaccl_error *error);
void call_rows_finalize(struct call_rows *rows);

bool call_rows_lane(struct call_rows *rows, uint32_t lane, const struct ring_lane *record, struct hwaccl_error *error);

/** call_rows_call - @exit: id of the lane's last exit, or -1 */
bool call_rows_call(struct call_rows *rows, uint32_t lane, int64_t exit, const struct ring_call *record, uint64_t time,
                    struct hwaccl_error *error);
bool call_rows_called(struct call_rows *rows, uint32_t lane, const struct ring_called *record, uint64_t time,
                      struct hwaccl_error *error);
bool call_rows_data(struct call_rows *rows, uint32_t lane, const struct ring_call_data *record,
                    struct hwaccl_error *error);

#endif
