/* What another VMM recorded for its own exit handler: its state before an exit. */
#include "tracer/read/recording_internal.h"

#include "tracer/ring/lane.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void hwaccl_recorded_vmm_state_free(struct hwaccl_recorded_vmm_state *state)
{
        for (size_t i = 0; i < state->count; i++) {
                free(state->part[i].name);
                free(state->part[i].data);
        }
        state->count = 0;
}

/* The first or last one of those before exits @from to @to. */
static bool find_state(struct hwaccl_recording *recording, uint32_t vcpu, const char *which, uint64_t from, uint64_t to,
                       uint64_t *exit, struct hwaccl_error *error)
{
        char sql[160];
        int64_t id = -1;

        error->message[0] = '\0';
        if (!recording_vcpu(recording, vcpu, error))
                return false;
        (void)sqlite3_snprintf(sizeof(sql), sql, "SELECT %s(exit) FROM vmm_state WHERE exit BETWEEN %lld AND %lld",
                               which, (long long)exit_id(vcpu, from), (long long)exit_id(vcpu, to));
        if (!database_integer(recording->db, sql, -1, &id, error) || id < 0)
                return false;
        *exit = exit_number(id);
        return true;
}

bool hwaccl_recording_vmm_state_before(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                       uint64_t *exit, struct hwaccl_error *error)
{
        return find_state(recording, vcpu, "max", 0, number < EXIT_NUMBER_MAX ? number : EXIT_NUMBER_MAX, exit, error);
}

bool hwaccl_recording_vmm_state_after(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                      uint64_t *exit, struct hwaccl_error *error)
{
        return find_state(recording, vcpu, "min", number < EXIT_NUMBER_MAX ? number + 1 : EXIT_NUMBER_MAX,
                          EXIT_NUMBER_MAX, exit, error);
}

/* Add a part for the row's name, with room for what it is said to have. */
static struct hwaccl_recorded_vmm_part *add_part(struct hwaccl_recorded_vmm_state *state, sqlite3_stmt *row,
                                                 struct hwaccl_error *error)
{
        const char *name = (const char *)sqlite3_column_text(row, 0);
        int64_t total = sqlite3_column_int64(row, 2);
        size_t length = name ? strlen(name) : 0;

        if (length < 1 || length > LANE_VMM_STATE_NAME_MAX || length != (size_t)sqlite3_column_bytes(row, 0) ||
            total < 1 || total > LANE_VMM_STATE_MAX || state->count == HWACCL_RECORDED_VMM_PARTS_MAX) {
                error->message[0] = '\0'; /* the caller names the row */
                return NULL;
        }
        struct hwaccl_recorded_vmm_part *part = &state->part[state->count];
        part->name = strdup(name);
        part->data = malloc((size_t)total);
        part->size = 0;
        part->total = (size_t)total;
        if (!part->name || !part->data) {
                free(part->name);
                free(part->data);
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        state->count++;
        return part;
}

static bool take_piece(struct hwaccl_recorded_vmm_part *part, sqlite3_stmt *row, int64_t piece)
{
        size_t size = (size_t)sqlite3_column_bytes(row, 3);

        if (sqlite3_column_int64(row, 1) != piece || sqlite3_column_int64(row, 2) != (int64_t)part->total || size < 1 ||
            size > part->total - part->size)
                return false;
        memcpy((uint8_t *)part->data + part->size, sqlite3_column_blob(row, 3), size);
        part->size += size;
        return true;
}

static bool take_rows(struct hwaccl_recording *recording, sqlite3_stmt *row, uint64_t number,
                      struct hwaccl_recorded_vmm_state *state, struct hwaccl_error *error)
{
        struct hwaccl_recorded_vmm_part *part = NULL;
        int64_t piece = 0;
        int result;

        while ((result = sqlite3_step(row)) == SQLITE_ROW) {
                const char *name = (const char *)sqlite3_column_text(row, 0);
                bool next = !part || !name || strcmp(part->name, name) != 0;
                bool whole = !part || part->size == part->total;
                if (next) {
                        piece = 0;
                        error->message[0] = '\0';
                        part = whole ? add_part(state, row, error) : NULL;
                        if (!part && whole && error->message[0])
                                return false;
                }
                if (!part || !take_piece(part, row, piece++))
                        return recording_error(recording, error,
                                               "vmm_state: a piece of the VMM's state before exit %" PRIu64
                                               " is missing or damaged",
                                               number);
        }
        if (result != SQLITE_DONE)
                return database_error(recording->db, error, "cannot read table vmm_state");
        return !part || part->size == part->total ||
               recording_error(recording, error, "vmm_state: the end of %s before exit %" PRIu64 " is missing",
                               part->name, number);
}

bool hwaccl_recording_vmm_state(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                struct hwaccl_recorded_vmm_state *state, struct hwaccl_error *error)
{
        sqlite3_stmt *row = NULL;

        state->count = 0;
        if (!recording_vcpu(recording, vcpu, error))
                return false;
        if (number > EXIT_NUMBER_MAX)
                return hwaccl_error_set(error, "exit %" PRIu64 " does not exist", number);
        bool good =
                database_prepare(recording->db,
                                 "SELECT name, piece, total, data FROM vmm_state WHERE exit = ?1 ORDER BY name, piece",
                                 &row, error) &&
                (sqlite3_bind_int64(row, 1, exit_id(vcpu, number)) == SQLITE_OK ||
                 database_error(recording->db, error, "cannot bind a value")) &&
                take_rows(recording, row, number, state, error);
        (void)sqlite3_finalize(row);
        if (!good)
                hwaccl_recorded_vmm_state_free(state);
        return good;
}
