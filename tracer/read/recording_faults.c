/* The fault chain of an exit. */
#include "tracer/read/recording_internal.h"

#include <inttypes.h>
#include <string.h>

/* A column: where its number goes, and the bit of enum hwaccl_fault_has for one that may be NULL. */
struct column {
        const char *name;
        size_t offset;
        uint8_t size;
        uint8_t has;
};

#define COLUMN(name, member, has)                                                                                      \
        {                                                                                                              \
#name, offsetof(struct hwaccl_fault_link, member), sizeof(((struct hwaccl_fault_link *)NULL)->member), \
                        (has)                                                                                          \
        }

static const struct column columns[] = {
        COLUMN(source, source, 0),
        COLUMN(vector, vector, 0),
        COLUMN(error_code, error_code, HWACCL_FAULT_HAS_ERROR_CODE),
        COLUMN(cr2, cr2, HWACCL_FAULT_HAS_CR2),
        COLUMN(cs, cs, 0),
        COLUMN(rip, rip, 0),
        COLUMN(step, step, 0),
        COLUMN(address, address, HWACCL_FAULT_HAS_ADDRESS),
        COLUMN(value, value, HWACCL_FAULT_HAS_VALUE),
        COLUMN(bound, limit, HWACCL_FAULT_HAS_LIMIT),
        COLUMN(raised, raised, HWACCL_FAULT_HAS_RAISED),
        COLUMN(raised_error_code, raised_error_code, HWACCL_FAULT_HAS_RAISED_ERROR_CODE),
        COLUMN(raised_cr2, raised_cr2, HWACCL_FAULT_HAS_RAISED_CR2),
};
#define COLUMN_COUNT ((int)(sizeof(columns) / sizeof(columns[0])))

/* The numbers fit: SQLite's types are checked by STRICT tables, not their ranges. */
static bool take(struct hwaccl_fault_link *link, sqlite3_stmt *row)
{
        memset(link, 0, sizeof(*link));
        for (int i = 0; i < COLUMN_COUNT; i++) {
                const struct column *column = &columns[i];
                uint64_t value = (uint64_t)sqlite3_column_int64(row, i + 1);
                bool null = sqlite3_column_type(row, i + 1) == SQLITE_NULL;
                if (null ? !column->has : column->size < 8 && value >> 8 * column->size)
                        return false;
                if (null)
                        continue;
                memcpy((uint8_t *)link + column->offset, &value, column->size); /* little endian */
                link->has |= column->has;
        }
        return hwaccl_fault_link_is_valid(link);
}

static bool take_rows(struct hwaccl_recording *recording, sqlite3_stmt *row, uint64_t number,
                      struct hwaccl_fault_chain *chain, struct hwaccl_error *error)
{
        int result;

        while ((result = sqlite3_step(row)) == SQLITE_ROW) {
                if (chain->count == HWACCL_FAULT_CHAIN_MAX || sqlite3_column_int64(row, 0) != chain->count ||
                    !take(&chain->link[chain->count], row))
                        return recording_error(recording, error, "fault: row %u of exit %" PRIu64 " is invalid",
                                               chain->count, number);
                chain->count++;
        }
        return result == SQLITE_DONE || database_error(recording->db, error, "cannot read table fault");
}

bool hwaccl_recording_faults(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                             struct hwaccl_fault_chain *chain, struct hwaccl_error *error)
{
        const struct recorded_vcpu *found = recording_vcpu(recording, vcpu, error);
        sqlite3_stmt *row = NULL;

        chain->count = 0;
        if (!found || !recording_has_exit(recording, found, number, error))
                return false;
        bool good = database_prepare(recording->db,
                                     "SELECT sequence, source, vector, error_code, cr2, cs, rip, step, address, value, "
                                     "bound, raised, raised_error_code, raised_cr2 FROM fault WHERE exit = ?1 "
                                     "ORDER BY sequence",
                                     &row, error) &&
                    (sqlite3_bind_int64(row, 1, exit_id(vcpu, number)) == SQLITE_OK ||
                     database_error(recording->db, error, "cannot bind a value")) &&
                    take_rows(recording, row, number, chain, error);
        (void)sqlite3_finalize(row);
        return good;
}
