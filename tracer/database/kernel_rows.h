/* Writes what the kernel's KVM says of exits, and its events. */
#ifndef HWACCL_TRACER_KERNEL_ROWS_H
#define HWACCL_TRACER_KERNEL_ROWS_H

#include "tracer/database/database.h"
#include "tracer/ring/ring_records.h"

/* Zeroed at the beginning. */
struct kernel_rows {
        sqlite3 *db;
        sqlite3_stmt *exit;
        sqlite3_stmt *event;
};

/** kernel_rows_prepare - call kernel_rows_finalize() also when it fails */
bool kernel_rows_prepare(struct kernel_rows *rows, sqlite3 *db, struct hwaccl_error *error);
void kernel_rows_finalize(struct kernel_rows *rows);

/** kernel_rows_exit - of exit @id */
bool kernel_rows_exit(struct kernel_rows *rows, int64_t id, const struct ring_kernel_exit *record,
                      struct hwaccl_error *error);

/** kernel_rows_event - of @vcpu, whose last exit before it is @exit, or -1; @time: ns */
bool kernel_rows_event(struct kernel_rows *rows, uint32_t vcpu, int64_t exit, const struct ring_kernel_event *record,
                       uint64_t time, struct hwaccl_error *error);

#endif
