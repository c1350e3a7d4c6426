#include "tracer/database/vmm_rows.h"

#define COLUMN(member) ", " #member

bool vmm_rows_prepare(struct vmm_rows *rows, sqlite3 *db, struct hwaccl_error *error)
{
        rows->db = db;
        return database_prepare(db,
                                "INSERT OR REPLACE INTO kvm_run(id" HWACCL_KVM_RUN_FIELDS(
                                        COLUMN) ") "
                                                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                                &rows->kvm_run, error) &&
               database_prepare(db,
                                "INSERT OR REPLACE INTO vmm_state(exit, name, piece, total, data) "
                                "VALUES (?1, ?2, ?3, ?4, ?5)",
                                &rows->vmm_state, error);
}

void vmm_rows_finalize(struct vmm_rows *rows)
{
        (void)sqlite3_finalize(rows->kvm_run);
        (void)sqlite3_finalize(rows->vmm_state);
}

static bool insert(struct vmm_rows *rows, sqlite3_stmt *statement, int result, struct hwaccl_error *error)
{
        return result == SQLITE_OK ? database_step_done(rows->db, statement, error)
                                   : database_error(rows->db, error, "cannot bind a value");
}

bool vmm_rows_kvm_run(struct vmm_rows *rows, int64_t id, const struct hwaccl_kvm_run *run, struct hwaccl_error *error)
{
        int result = sqlite3_bind_int64(rows->kvm_run, 1, id);
        int parameter = 2;

#define BIND(member)                                                                                                   \
        result |= run ? sqlite3_bind_int64(rows->kvm_run, parameter, (int64_t)run->member)                             \
                      : sqlite3_bind_null(rows->kvm_run, parameter);                                                   \
        parameter++;
        HWACCL_KVM_RUN_FIELDS(BIND)
#undef BIND
        return insert(rows, rows->kvm_run, result, error);
}

bool vmm_rows_state(struct vmm_rows *rows, int64_t id, const struct ring_vmm_state *record, struct hwaccl_error *error)
{
        sqlite3_stmt *row = rows->vmm_state;
        const int name_size = record->record.extra;
        int result = sqlite3_bind_int64(row, 1, id) |
                     sqlite3_bind_text(row, 2, (const char *)record->data, name_size, SQLITE_STATIC) |
                     sqlite3_bind_int64(row, 3, (int64_t)record->piece) |
                     sqlite3_bind_int64(row, 4, (int64_t)record->total) |
                     sqlite3_bind_blob(row, 5, record->data + name_size, (int)record->size, SQLITE_STATIC);

        return insert(rows, row, result, error);
}
