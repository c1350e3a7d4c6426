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

/*
 * quick_check reads every page, at about 500 MB/s; a replay reads at a tenth of that. Above this size it would take
 * seconds before any output, so for larger files only `hwaccl check` runs it. Readers are safe without it: SQLite
 * checks cells when it reads them (cell_size_check), and every value is checked before use.
 */
#define QUICK_CHECK_MAX (INT64_C(256) << 20)

/* The header has the size of the file (SQLite file format, 1.3): page size at 16, pages at 28, big-endian. While a
 * write-ahead log exists, the file may be older. */
static bool whole(struct hwaccl_recording *recording, const uint8_t *header, int64_t size, struct hwaccl_error *error)
{
        int64_t page = header[16] << 8 | header[17];
        int64_t pages = (int64_t)header[28] << 24 | header[29] << 16 | header[30] << 8 | header[31];
        int64_t expected = (page == 1 ? 65536 : page) * pages;
        char *log = sqlite3_mprintf("%s-wal", recording->path);
        bool behind = !log || access(log, F_OK) == 0;

        sqlite3_free(log);
        if (size >= expected || behind)
                return true;
        return recording_error(recording, error, "is truncated: %" PRId64 " of %" PRId64 " bytes", size, expected);
}

/* Checks for a clear message about a file that is not an SQLite database. */
static bool check_file(struct hwaccl_recording *recording, int64_t *size, struct hwaccl_error *error)
{
        static const char magic[16] = "SQLite format 3";
        uint8_t header[100];
        struct stat status;
        int fd = open(recording->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
                return recording_error(recording, error, "%s", strerror(errno));
        bool good = false;
        if (fstat(fd, &status) != 0)
                recording_error(recording, error, "%s", strerror(errno));
        else if (!S_ISREG(status.st_mode))
                recording_error(recording, error, "is not a regular file");
        else if (status.st_size == 0)
                recording_error(recording, error, "is empty");
        else if (read(fd, header, sizeof(header)) != (ssize_t)sizeof(header) ||
                 memcmp(header, magic, sizeof(magic)) != 0)
                recording_error(recording, error, "not an SQLite database");
        else
                good = whole(recording, header, status.st_size, error);
        *size = good ? status.st_size : 0;
        (void)close(fd);
        return good;
}

static bool readable(sqlite3 *db)
{
        return sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) == SQLITE_OK;
}

/* A finished recording is opened without lock files, so it can be on read-only media. */
static bool open_read_only(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        recording->db = database_open(recording->path, SQLITE_OPEN_READONLY);
        if (recording->db && !readable(recording->db) && sqlite3_errcode(recording->db) == SQLITE_READONLY) {
                /* a recorder died while leaving write-ahead logging: its journal must be rolled back first */
                sqlite3 *db = database_open(recording->path, SQLITE_OPEN_READWRITE);
                (void)(db && readable(db));
                (void)sqlite3_close(db);
                (void)sqlite3_close(recording->db);
                recording->db = database_open(recording->path, SQLITE_OPEN_READONLY);
        }
        if (recording->db && !readable(recording->db) && sqlite3_errcode(recording->db) == SQLITE_CANTOPEN) {
                /* write-ahead log in a directory that is not writable: assume that no other process writes there */
                char *uri = sqlite3_mprintf("file:%s?immutable=1", recording->path);
                sqlite3 *db = uri && !strpbrk(recording->path, "?#%")
                                      ? database_open(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI)
                                      : NULL;
                sqlite3_free(uri);
                if (db) {
                        (void)sqlite3_close(recording->db);
                        recording->db = db;
                }
        }
        if (!recording->db)
                return recording_error(recording, error, "cannot open");
        return true;
}

static bool migrate(struct hwaccl_recording *recording, int64_t version, struct hwaccl_error *error)
{
        sqlite3 *db = database_open(recording->path, SQLITE_OPEN_READWRITE);
        struct hwaccl_error reason = {"cannot write it"};
        bool good = db && schema_upgrade(db, hwaccl_schema_migrations, hwaccl_schema_migration_count, &reason);

        (void)sqlite3_close(db);
        if (good)
                return true;
        return recording_error(recording, error, "has schema version %" PRId64 " and cannot be migrated to %u: %s",
                               version, schema_version(), reason.message);
}

static bool quick_check(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        sqlite3_stmt *check;

        if (!database_prepare(recording->db, "PRAGMA quick_check(1)", &check, error))
                return false;
        int result = sqlite3_step(check);
        bool good = false;
        if (result != SQLITE_ROW)
                recording_error(recording, error, "is damaged: %s", sqlite3_errmsg(recording->db));
        else if (sqlite3_column_text(check, 0) && strcmp((const char *)sqlite3_column_text(check, 0), "ok") == 0)
                good = true;
        else
                recording_error(recording, error, "is damaged: %s", (const char *)sqlite3_column_text(check, 0));
        (void)sqlite3_finalize(check);
        return good;
}

static bool check_schema(struct hwaccl_recording *recording, bool pages, struct hwaccl_error *error)
{
        int64_t application = 0;
        int64_t version = 0;
        struct hwaccl_error reason;

        if (!readable(recording->db))
                return recording_error(recording, error, "cannot read: %s", sqlite3_errmsg(recording->db));
        if (!database_integer(recording->db, "PRAGMA application_id", 0, &application, error) ||
            !database_integer(recording->db, "PRAGMA user_version", 0, &version, error))
                return false;
        if (application != DATABASE_APPLICATION_ID)
                return recording_error(recording, error, "an SQLite database, but not a recording of hwaccl");
        if (version < 1)
                return recording_error(recording, error, "has no schema version");
        if (version > (int64_t)schema_version())
                return recording_error(recording, error,
                                       "has schema version %" PRId64 "; this hwaccl reads up to %u: use a newer one",
                                       version, schema_version());
        if (version < (int64_t)schema_version()) {
                if (!migrate(recording, version, error))
                        return false;
                (void)sqlite3_close(recording->db);
                recording->db = NULL;
                if (!open_read_only(recording, error))
                        return false;
        }
        if (pages && !quick_check(recording, error))
                return false;
        if (!schema_verify(recording->db, false, &reason))
                return recording_error(recording, error, "not a complete recording: %s", reason.message);
        return true;
}

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

static bool load_options(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        int result = SQLITE_DONE;
        bool good = true;

        if (!database_prepare(recording->db, "SELECT name, value FROM option", &row, error))
                return false;
        while (good && (result = sqlite3_step(row)) == SQLITE_ROW) {
                const char *name = (const char *)sqlite3_column_text(row, 0);
                const char *value = (const char *)sqlite3_column_text(row, 1);
                if (!name || !value || recording->option_count == RECORDING_OPTION_MAX) {
                        good = recording_error(recording, error, "table option: more than %u rows, or a NULL",
                                               RECORDING_OPTION_MAX);
                        break;
                }
                struct option *more =
                        realloc(recording->option, (recording->option_count + 1) * sizeof(*recording->option));
                if (!more) {
                        good = hwaccl_error_set(error, "out of memory");
                        break;
                }
                recording->option = more;
                struct option *option = &more[recording->option_count++];
                option->name = strdup(name);
                option->value = strdup(value);
                if (!option->name || !option->value)
                        good = hwaccl_error_set(error, "out of memory");
        }
        good = good && rows_ended(recording, result, error);
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

static struct hwaccl_recording *open_recording(const char *path, int64_t check_max, struct hwaccl_error *error)
{
        struct hwaccl_recording *recording = calloc(1, sizeof(*recording));
        int64_t size = 0;

        if (recording)
                recording->path = strdup(path);
        if (!recording || !recording->path) {
                free(recording);
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        field_sets_init(recording->set);
        if (check_file(recording, &size, error) && open_read_only(recording, error) &&
            check_schema(recording, size <= check_max, error) && load_status(recording, error) &&
            load_vcpus(recording, error) && recording_load_gaps(recording, error) && load_options(recording, error) &&
            load_device_fields(recording, error)) {
                recording->info.vmm = hwaccl_recording_option(recording, HWACCL_OPTION_VMM);
                return recording;
        }
        hwaccl_recording_close(recording);
        return NULL;
}

struct hwaccl_recording *hwaccl_recording_open(const char *path, struct hwaccl_error *error)
{
        return open_recording(path, QUICK_CHECK_MAX, error);
}

struct hwaccl_recording *hwaccl_recording_open_running(const char *path, struct hwaccl_error *error)
{
        return open_recording(path, -1, error);
}

void hwaccl_recording_close(struct hwaccl_recording *recording)
{
        if (!recording)
                return;
        device_values_destroy(recording->asked);
        state_lookup_destroy(recording->lookup);
        for (size_t i = 0; i < recording->option_count; i++) {
                free(recording->option[i].name);
                free(recording->option[i].value);
        }
        for (size_t i = 0; i < recording->device_field_count; i++) {
                free(recording->device_field[i].device);
                free(recording->device_field[i].field);
        }
        (void)sqlite3_close(recording->db);
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

const char *hwaccl_recording_option(const struct hwaccl_recording *recording, const char *name)
{
        for (size_t i = 0; i < recording->option_count; i++)
                if (strcmp(recording->option[i].name, name) == 0)
                        return recording->option[i].value;
        return NULL;
}

struct sqlite3 *hwaccl_recording_database(const struct hwaccl_recording *recording)
{
        return recording->db;
}
