/* Writes what another VMM recorded for its own exit handler: fields of struct kvm_run, and the VMM's state. */
#ifndef HWACCL_TRACER_VMM_ROWS_H
#define HWACCL_TRACER_VMM_ROWS_H

#include "hwaccl/kvm_run.h"
#include "tracer/database/database.h"
#include "tracer/ring/ring_records.h"

/* Zeroed at the beginning. */
struct vmm_rows {
        sqlite3 *db;
        sqlite3_stmt *kvm_run;
        sqlite3_stmt *vmm_state;
};

/** vmm_rows_prepare - call vmm_rows_finalize() also when it fails */
bool vmm_rows_prepare(struct vmm_rows *rows, sqlite3 *db, struct hwaccl_error *error);
void vmm_rows_finalize(struct vmm_rows *rows);

/** vmm_rows_kvm_run - @run: valid from exit @id on; NULL: unknown from there on */
bool vmm_rows_kvm_run(struct vmm_rows *rows, int64_t id, const struct hwaccl_kvm_run *run, struct hwaccl_error *error);

/** vmm_rows_state - a piece of the state before the entry that leads to exit @id */
bool vmm_rows_state(struct vmm_rows *rows, int64_t id, const struct ring_vmm_state *record, struct hwaccl_error *error);

#endif
