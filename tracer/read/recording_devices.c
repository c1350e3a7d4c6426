/* Device states of a recording: random access by snapshot, and rows merged by a cursor. */
#include "tracer/read/recording_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct device_values *device_values_create(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        struct device_values *values = calloc(1, sizeof(*values));

        if (!values) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        values->recording = recording;
        values->data = calloc(1, recording->device_bytes + 1);
        values->known = calloc(recording->device_field_count + 1, sizeof(*values->known));
        values->field = calloc(recording->device_field_count + 1, sizeof(*values->field));
        if (!values->data || !values->known || !values->field) {
                hwaccl_error_set(error, "out of memory");
        } else if (database_prepare(recording->db,
                                    "SELECT field, value FROM device_state WHERE field = ?1 AND exit BETWEEN ?2 AND ?3 "
                                    "ORDER BY exit DESC LIMIT 1",
                                    &values->lookup, error)) {
                return values;
        }
        device_values_destroy(values);
        return NULL;
}

void device_values_destroy(struct device_values *values)
{
        if (!values)
                return;
        (void)sqlite3_finalize(values->lookup);
        free(values->data);
        free(values->known);
        free(values->field);
        free(values);
}

bool device_values_put(struct device_values *values, sqlite3_stmt *row, int column, struct hwaccl_error *error)
{
        const struct hwaccl_recording *recording = values->recording;
        int64_t id = sqlite3_column_type(row, column) == SQLITE_INTEGER ? sqlite3_column_int64(row, column) : 0;

        if (id < 1 || id > (int64_t)recording->device_field_count)
                return recording_error(recording, error, "device_state: unknown field %" PRId64, id);
        const struct device_field *field = &recording->device_field[id - 1];
        uint8_t *to = values->data + field->offset;
        bool number = field->size == 1 || field->size == 2 || field->size == 4 || field->size == 8;
        int type = sqlite3_column_type(row, column + 1);
        if (number && type == SQLITE_INTEGER) {
                uint64_t value = (uint64_t)sqlite3_column_int64(row, column + 1);
                if (field->size < 8 && value >> (8 * field->size))
                        return recording_error(recording, error, "device_state: %s.%s does not fit %u bytes",
                                               field->device, field->field, field->size);
                memcpy(to, &value, field->size); /* little endian */
        } else if (!number && type == SQLITE_BLOB && sqlite3_column_bytes(row, column + 1) == (int)field->size) {
                if (field->size)
                        memcpy(to, sqlite3_column_blob(row, column + 1), field->size);
        } else {
                return recording_error(recording, error, "device_state: %s.%s is not a %s of %u bytes", field->device,
                                       field->field, number ? "number" : "BLOB", field->size);
        }
        values->known[id - 1] = true;
        return true;
}

void device_values_gather(struct device_values *values)
{
        const struct hwaccl_recording *recording = values->recording;

        values->field_count = 0;
        for (size_t i = 0; i < recording->device_field_count; i++) {
                const struct device_field *field = &recording->device_field[i];
                if (values->known[i])
                        values->field[values->field_count++] = (struct hwaccl_recorded_device_field){
                                field->device, field->field, values->data + field->offset, field->size};
        }
}

bool device_values_load(struct device_values *values, int64_t exit, struct hwaccl_error *error)
{
        sqlite3_stmt *lookup = values->lookup;
        int64_t first = exit & ~(int64_t)EXIT_NUMBER_MAX; /* of the same vCPU */
        bool good = true;

        for (size_t i = 0; good && i < values->recording->device_field_count; i++) {
                values->known[i] = false;
                if (sqlite3_bind_int64(lookup, 1, (int64_t)i + 1) | sqlite3_bind_int64(lookup, 2, first) |
                    sqlite3_bind_int64(lookup, 3, exit))
                        return database_error(values->recording->db, error, "cannot bind a value");
                int result = sqlite3_step(lookup);
                if (result == SQLITE_ROW)
                        good = device_values_put(values, lookup, 0, error);
                else if (result != SQLITE_DONE)
                        good = database_error(values->recording->db, error, "cannot read device_state");
                (void)sqlite3_reset(lookup);
        }
        device_values_gather(values);
        return good;
}

/* The last snapshot at or before exit @id, or -1. */
static bool last_snapshot(struct hwaccl_recording *recording, int64_t id, int64_t *snapshot, struct hwaccl_error *error)
{
        char sql[128];

        (void)snprintf(sql, sizeof(sql),
                       "SELECT max(exit) FROM device_snapshot WHERE exit BETWEEN %" PRId64 " AND %" PRId64,
                       id & ~(int64_t)EXIT_NUMBER_MAX, id);
        return database_integer(recording->db, sql, -1, snapshot, error);
}

bool hwaccl_recording_replay_start(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number, uint64_t *start,
                                   struct hwaccl_error *error)
{
        const struct recorded_vcpu *found = recording_vcpu(recording, vcpu, error);
        int64_t snapshot = -1;

        if (!found)
                return false;
        if (!recording_has_exit(recording, found, number, error))
                return false;
        if (number > 0 && !last_snapshot(recording, exit_id(vcpu, number - 1), &snapshot, error))
                return false;
        if (snapshot < 0 && found->first > 0)
                return recording_error(recording, error, "has no device state before exit %" PRIu64, number);
        *start = snapshot < 0 ? 0 : (uint64_t)(snapshot - exit_id(vcpu, 0)) + 1;
        return true;
}

bool hwaccl_recording_replay_after(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number, uint64_t *start,
                                   struct hwaccl_error *error)
{
        char sql[160];
        int64_t snapshot = -1;

        error->message[0] = '\0';
        (void)snprintf(sql, sizeof(sql),
                       "SELECT min(exit) FROM device_snapshot WHERE exit BETWEEN %" PRId64 " AND %" PRId64
                       " AND exit + 1 IN (SELECT id FROM exit)",
                       exit_id(vcpu, number), exit_id(vcpu, EXIT_NUMBER_MAX));
        if (!database_integer(recording->db, sql, -1, &snapshot, error) || snapshot < 0)
                return false;
        *start = (uint64_t)(snapshot - exit_id(vcpu, 0)) + 1;
        return true;
}

bool hwaccl_recording_device_fields(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                    const struct hwaccl_recorded_device_field **fields, size_t *count,
                                    struct hwaccl_error *error)
{
        int64_t snapshot = 0;

        if (!recording_vcpu(recording, vcpu, error))
                return false;
        if (number > EXIT_NUMBER_MAX)
                return recording_error(recording, error, "has no exit %" PRIu64, number);
        if (!last_snapshot(recording, exit_id(vcpu, number), &snapshot, error))
                return false;
        if (snapshot != exit_id(vcpu, number))
                return recording_error(recording, error, "exit %" PRIu64 " is not a keyframe with device state",
                                       number);
        if (!recording->asked)
                recording->asked = device_values_create(recording, error);
        if (!recording->asked || !device_values_load(recording->asked, snapshot, error))
                return false;
        *fields = recording->asked->field;
        *count = recording->asked->field_count;
        return true;
}
