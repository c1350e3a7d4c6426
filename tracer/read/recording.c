#include "tracer/read/recording_internal.h"

#include "hwaccl/event.h"
#include "tracer/database/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One row of one-column checks: *value is an integer in [0, limit], or the error says which column of which table. */
static bool ranged(const struct hwaccl_recording *recording, sqlite3_stmt *row, int column, const char *name,
                   int64_t limit, int64_t *value, struct hwaccl_error *error)
{
        if (sqlite3_column_type(row, column) != SQLITE_INTEGER)
                return recording_error(recording, error, "%s is not an integer", name);
        *value = sqlite3_column_int64(row, column);
        if (*value < 0 || *value > limit)
                return recording_error(recording, error, "%s is %" PRId64 ", expected 0 to %" PRId64, name, *value,
                                       limit);
        return true;
}

static bool status_row(struct hwaccl_recording *recording, sqlite3_stmt *row, struct hwaccl_error *error)
{
        struct hwaccl_recording_info *info = &recording->info;
        int64_t status = 0;
        int64_t interval = 0;
        int64_t end = HWACCL_END_NONE;

        if (!ranged(recording, row, 0, "status.status", HWACCL_RECORDING_RUNNING, &status, error) ||
            !ranged(recording, row, 1, "status.keyframe_interval", UINT32_MAX, &interval, error) ||
            (sqlite3_column_type(row, 2) != SQLITE_NULL &&
             !ranged(recording, row, 2, "status.end_status", HWACCL_END_COUNT - 1, &end, error)))
                return false;
        if (interval == 0)
                return recording_error(recording, error, "status.keyframe_interval is 0");
        info->status = (enum hwaccl_recording_status)status;
        info->keyframe_interval = (uint32_t)interval;
        info->end = (unsigned)end;
        info->end_code = (uint64_t)sqlite3_column_int64(row, 3);
        const char *message = (const char *)sqlite3_column_text(row, 4);
        if (message) {
                recording->end_message = strdup(message);
                if (!recording->end_message)
                        return hwaccl_error_set(error, "out of memory");
                info->end_message = recording->end_message;
        }
        return true;
}

static bool load_status(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        const char *sql = "SELECT status, keyframe_interval, end_status, end_code, end_message FROM status";

        if (!database_prepare(recording->db, sql, &row, error))
                return false;
        bool good = sqlite3_step(row) == SQLITE_ROW ? status_row(recording, row, error)
                                                    : recording_error(recording, error, "table status has no row");
        (void)sqlite3_finalize(row);
        return good;
}

static bool count_exits(struct hwaccl_recording *recording, struct recorded_vcpu *vcpu, struct hwaccl_error *error)
{
        static const char *const sides[] = {"min", "max"};
        int64_t found[2];
        int64_t base = exit_id(vcpu->number, 0);

        for (size_t i = 0; i < 2; i++) {
                char sql[128];
                (void)snprintf(sql, sizeof(sql), "SELECT %s(id) FROM exit WHERE id BETWEEN %" PRId64 " AND %" PRId64,
                               sides[i], base, exit_id(vcpu->number, EXIT_NUMBER_MAX));
                if (!database_integer(recording->db, sql, -1, &found[i], error))
                        return false;
        }
        vcpu->first = found[0] < 0 ? 0 : (uint64_t)(found[0] - base);
        vcpu->end = found[1] < 0 ? 0 : (uint64_t)(found[1] - base) + 1;
        recording->info.exit_count += vcpu->end - vcpu->first;
        return true;
}

/* Distinguish a read error from the end of the table. */
static bool rows_ended(const struct hwaccl_recording *recording, int result, struct hwaccl_error *error)
{
        return result == SQLITE_DONE || database_error(recording->db, error, "cannot read");
}

static bool load_vcpus(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        int result = SQLITE_DONE;
        bool good = true;

        if (!database_prepare(recording->db, "SELECT id FROM vcpu ORDER BY id", &row, error))
                return false;
        while (good && (result = sqlite3_step(row)) == SQLITE_ROW) {
                int64_t number = 0;
                if (recording->info.vcpu_count == RECORDING_VCPU_MAX) {
                        good = recording_error(recording, error, "more than %u vCPUs", RECORDING_VCPU_MAX);
                        break;
                }
                good = ranged(recording, row, 0, "vcpu.id", VCPU_MAX, &number, error);
                if (good) {
                        struct recorded_vcpu *vcpu = &recording->vcpu[recording->info.vcpu_count++];
                        vcpu->number = (uint32_t)number;
                        good = count_exits(recording, vcpu, error);
                }
        }
        good = good && rows_ended(recording, result, error);
        (void)sqlite3_finalize(row);
        if (good && recording->info.vcpu_count == 0)
                good = recording_error(recording, error, "table vcpu has no row");
        return good;
}

/* NULL: out of memory. Both strings are the recording's. */
static struct option *add_option(struct hwaccl_recording *recording, const char *name, const char *value)
{
        struct option *more = realloc(recording->option, (recording->option_count + 1) * sizeof(*recording->option));

        if (!more)
                return NULL;
        recording->option = more;
        struct option *option = &more[recording->option_count];
        *option = (struct option){strdup(name), value ? strdup(value) : NULL};
        if (option->name && (!value || option->value)) {
                recording->option_count++;
                return option;
        }
        free(option->name);
        free(option->value);
        return NULL;
}

static bool take_option(struct hwaccl_recording *recording, const char *name, sqlite3_stmt *row, const char **value,
                        struct hwaccl_error *error)
{
        int result = sqlite3_step(row);
        const char *text = NULL;

        if (result == SQLITE_ROW) {
                if (sqlite3_column_type(row, 0) != SQLITE_TEXT ||
                    sqlite3_column_int64(row, 1) > HWACCL_OPTION_VALUE_MAX)
                        return recording_error(recording, error, "option %s: expected a text of at most %u bytes", name,
                                               HWACCL_OPTION_VALUE_MAX);
                text = (const char *)sqlite3_column_text(row, 0);
                if (text && strlen(text) != (size_t)sqlite3_column_bytes(row, 0))
                        return recording_error(recording, error, "option %s: has a zero byte in it", name);
        } else if (result != SQLITE_DONE) {
                return database_error(recording->db, error, "cannot read");
        }
        const struct option *option = result == SQLITE_DONE || text ? add_option(recording, name, text) : NULL;
        if (!option)
                return hwaccl_error_set(error, "out of memory");
        *value = option->value;
        return true;
}

bool hwaccl_recording_option(struct hwaccl_recording *recording, const char *name, const char **value,
                             struct hwaccl_error *error)
{
        sqlite3_stmt *row;

        *value = NULL;
        for (size_t i = 0; i < recording->option_count; i++) {
                if (strcmp(recording->option[i].name, name) != 0)
                        continue;
                *value = recording->option[i].value;
                return true;
        }
        if (!database_prepare(recording->db, "SELECT value, length(CAST(value AS BLOB)) FROM option WHERE name = ?1",
                              &row, error))
                return false;
        bool good = sqlite3_bind_text(row, 1, name, -1, SQLITE_STATIC) == SQLITE_OK
                            ? take_option(recording, name, row, value, error)
                            : hwaccl_error_set(error, "out of memory");
        (void)sqlite3_finalize(row);
        return good;
}

static bool add_device_field(struct hwaccl_recording *recording, sqlite3_stmt *row, struct hwaccl_error *error)
{
        const char *device = (const char *)sqlite3_column_text(row, 1);
        const char *name = (const char *)sqlite3_column_text(row, 2);
        size_t count = recording->device_field_count;
        int64_t id = 0;
        int64_t size = 0;

        if (!ranged(recording, row, 0, "device_field.id", RECORDING_DEVICE_FIELD_MAX, &id, error) ||
            !ranged(recording, row, 3, "device_field.size", HWACCL_DEVICE_STATE_MAX, &size, error))
                return false;
        if (count >= RECORDING_DEVICE_FIELD_MAX || id != (int64_t)count + 1 || !device || !name ||
            recording->device_bytes + (size_t)size > RECORDING_DEVICE_SIZE_MAX)
                return recording_error(recording, error, "device_field %" PRId64 ": a gap, a NULL, or too large", id);
        struct device_field *more = realloc(recording->device_field, (count + 1) * sizeof(*more));
        if (!more)
                return hwaccl_error_set(error, "out of memory");
        recording->device_field = more;
        more[count] = (struct device_field){.device = strdup(device),
                                            .field = strdup(name),
                                            .size = (uint32_t)size,
                                            .offset = (uint32_t)recording->device_bytes};
        recording->device_field_count++;
        recording->device_bytes += (size_t)size;
        if (!more[count].device || !more[count].field)
                return hwaccl_error_set(error, "out of memory");
        return true;
}

static bool load_device_fields(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        int result = SQLITE_DONE;
        bool good = true;

        if (!database_prepare(recording->db, "SELECT id, device, field, size FROM device_field ORDER BY id", &row,
                              error))
                return false;
        while (good && (result = sqlite3_step(row)) == SQLITE_ROW)
                good = add_device_field(recording, row, error);
        good = good && rows_ended(recording, result, error);
        (void)sqlite3_finalize(row);
        return good;
}

static struct hwaccl_recording *open_recording(const char *path, bool quick, struct hwaccl_error *error)
{
        struct hwaccl_recording *recording = calloc(1, sizeof(*recording));

        if (recording)
                recording->path = strdup(path);
        if (!recording || !recording->path) {
                free(recording);
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        field_sets_init(recording->set);
        if (recording_open_file(recording, quick, error) && load_status(recording, error) &&
            load_vcpus(recording, error) && recording_load_gaps(recording, error) &&
            load_device_fields(recording, error) &&
            hwaccl_recording_option(recording, HWACCL_OPTION_VMM, &recording->info.vmm, error))
                return recording;
        hwaccl_recording_close(recording);
        return NULL;
}

struct hwaccl_recording *hwaccl_recording_open(const char *path, struct hwaccl_error *error)
{
        return open_recording(path, false, error);
}

struct hwaccl_recording *hwaccl_recording_open_running(const char *path, struct hwaccl_error *error)
{
        return open_recording(path, true, error);
}

void hwaccl_recording_close(struct hwaccl_recording *recording)
{
        if (!recording)
                return;
        device_values_destroy(recording->asked);
        state_lookup_destroy(recording->lookup);
        kept_memory_destroy(recording->memory);
        for (size_t i = 0; i < recording->option_count; i++) {
                free(recording->option[i].name);
                free(recording->option[i].value);
        }
        for (size_t i = 0; i < recording->device_field_count; i++) {
                free(recording->device_field[i].device);
                free(recording->device_field[i].field);
        }
        for (size_t i = 0; i < recording->foreign_count; i++)
                free(recording->foreign[i]);
        (void)sqlite3_close(recording->db);
        free(recording->foreign);
        free(recording->option);
        free(recording->gap);
        free(recording->device_field);
        free(recording->end_message);
        free(recording->path);
        free(recording);
}

const struct hwaccl_recording_info *hwaccl_recording_info(const struct hwaccl_recording *recording)
{
        return &recording->info;
}

uint32_t hwaccl_recording_vcpu_number(const struct hwaccl_recording *recording, uint32_t index)
{
        return index < recording->info.vcpu_count ? recording->vcpu[index].number : UINT32_MAX;
}

struct sqlite3 *hwaccl_recording_database(const struct hwaccl_recording *recording)
{
        return recording->db;
}
