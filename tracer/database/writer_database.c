#include "tracer/database/writer_database.h"

#include "tracer/ring/ring_records.h"

#include "core/host/file.h"
#include "tracer/database/schema.h"
#include "tracer/ring/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Write-ahead log: a reader may read while we write, and a killed recorder leaves a good database. synchronous=NORMAL
 * syncs at checkpoints only; they are far apart, as each may stall for a second. Rows are appended, so a small cache is
 * enough: it uses its pages again, where a large one asks the kernel for one with each page of the database, for a
 * quarter of the writer's time.
 */
static const char settings[] = "PRAGMA page_size = 4096;"
                               "PRAGMA journal_mode = WAL;"
                               "PRAGMA synchronous = NORMAL;"
                               "PRAGMA wal_autocheckpoint = 16384;"
                               "PRAGMA cache_size = -1024;"
                               "PRAGMA temp_store = MEMORY;";
static const char settings_whole[] = "PRAGMA page_size = 4096;"
                                     "PRAGMA journal_mode = MEMORY;"
                                     "PRAGMA synchronous = OFF;"
                                     "PRAGMA cache_size = -16384;"
                                     "PRAGMA temp_store = MEMORY;";

/* An existing file is an error, or goes when the user said so. */
static bool remove_files(const char *path, bool all, struct hwaccl_error *error)
{
        static const char *const suffix[] = {"", "-wal", "-shm", "-journal"};

        for (size_t i = all ? 0 : 1; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
                char *file = sqlite3_mprintf("%s%s", path, suffix[i]);
                if (!file)
                        return hwaccl_error_set(error, "out of memory");
                int result = unlink(file);
                int reason = errno;
                sqlite3_free(file);
                if (result != 0 && reason != ENOENT)
                        return hwaccl_error_set(error, "%s%s: cannot remove: %s", path, suffix[i], strerror(reason));
        }
        return true;
}

static bool make_way(const char *path, bool force, struct hwaccl_error *error)
{
        struct stat status;

        if (stat(path, &status) != 0) {
                if (errno == ENOENT)
                        return true;
                return hwaccl_error_set(error, "%s: %s", path, strerror(errno));
        }
        if (!S_ISREG(status.st_mode))
                return hwaccl_error_set(error, "%s: is not a regular file", path);
        if (!force)
                return hwaccl_error_set(error, "%s: already exists; use --force to replace it", path);
        return remove_files(path, true, error);
}

bool writer_database_place(const char *made, const char *path, bool replace, struct hwaccl_error *error)
{
        if (!replace && access(path, F_OK) == 0)
                return hwaccl_error_set(error, "%s: cannot rename to %s: %s", made, path, strerror(EEXIST));
        return remove_files(path, false, error) &&
               (renameat2(AT_FDCWD, made, AT_FDCWD, path, replace ? 0 : RENAME_NOREPLACE) == 0 ||
                hwaccl_error_set(error, "%s: cannot rename to %s: %s", made, path, strerror(errno)));
}

void writer_database_remove(const char *path)
{
        struct hwaccl_error ignored;

        (void)make_way(path, true, &ignored);
}

bool writer_database_add_vcpu(sqlite3 *db, uint32_t vcpu, struct hwaccl_error *error)
{
        return database_execute_format(db, error, "INSERT INTO vcpu(id) VALUES (%u)", vcpu);
}

bool writer_database_add_lane(sqlite3 *db, uint32_t lane, struct hwaccl_error *error)
{
        return database_execute_format(db, error, "INSERT INTO lane(id) VALUES (%u)", lane);
}

bool writer_database_add(sqlite3 *db, uint32_t lane, struct hwaccl_error *error)
{
        return lane < LANE_THREAD_FIRST ? writer_database_add_vcpu(db, lane, error)
                                        : writer_database_add_lane(db, lane, error);
}

bool writer_database_fill(sqlite3 *db, const struct recording_head *head, struct hwaccl_error *error)
{
        if (!database_execute_format(db, error, "INSERT INTO status(id, status, keyframe_interval) VALUES (1, %d, %u)",
                                     HWACCL_RECORDING_RUNNING, head->keyframe_interval))
                return false;
        for (unsigned i = 0; i < head->vcpu_count; i++)
                if (!writer_database_add_vcpu(db, head->vcpu + i, error))
                        return false;
        for (size_t i = 0; i < head->option_count; i++)
                if (!database_execute_format(db, error, "INSERT OR REPLACE INTO option(name, value) VALUES (%Q, %Q)",
                                             head->options[i].name, head->options[i].value))
                        return false;
        return true;
}

/* SQLite gives log, index and journal the permissions of the database. */
static bool make_file(const char *path, unsigned mode, struct hwaccl_error *error)
{
        int fd = hwaccl_file_create(AT_FDCWD, path, O_RDWR | O_EXCL, mode);

        if (fd < 0)
                return hwaccl_error_set(error, "%s: cannot create: %s", path, strerror(errno));
        (void)close(fd);
        return true;
}

static sqlite3 *create(const char *path, bool force, unsigned mode, const char *how, struct hwaccl_error *error)
{
        sqlite3 *db = NULL;

        if (!database_name_is_plain(path, error) || !make_way(path, force, error) || !make_file(path, mode, error))
                return NULL;
        const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
        if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
                hwaccl_error_set(error, "%s: cannot create: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
                (void)sqlite3_close(db);
                writer_database_remove(path);
                return NULL;
        }
        (void)sqlite3_busy_timeout(db, 10000);
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        STEP("database opened");
        if (database_execute(db, how, error) &&
            schema_upgrade(db, hwaccl_schema_migrations, hwaccl_schema_migration_count, error))
                return db;
        (void)sqlite3_close(db);
        writer_database_remove(path);
        return NULL;
}

sqlite3 *writer_database_create(const char *path, bool force, unsigned mode, struct hwaccl_error *error)
{
        return create(path, force, mode, settings, error);
}

sqlite3 *writer_database_create_whole(const char *path, bool force, unsigned mode, struct hwaccl_error *error)
{
        return create(path, force, mode, settings_whole, error);
}

static bool put_status(sqlite3 *db, const struct recording_end *end, const char *problem, struct hwaccl_error *error)
{
        return database_execute_format(db, error,
                                       "UPDATE status SET status = %d, end_status = %u, end_code = %lld, "
                                       "end_message = %Q, problem = %Q WHERE id = 1",
                                       problem ? HWACCL_RECORDING_INCOMPLETE : HWACCL_RECORDING_COMPLETE, end->end,
                                       (long long)end->code, end->message, problem);
}

static bool commit_status(sqlite3 *db, const struct recording_end *end, const char *problem, bool finished,
                          struct hwaccl_error *error)
{
        if (!database_execute(db, "BEGIN", error))
                return false;
        STEP("status begun");
        if (put_status(db, end, problem, error) &&
            (!finished || database_execute(db, "DELETE FROM checkpoint", error)) &&
            database_execute(db, "COMMIT", error)) {
                STEP("status committed");
                return true;
        }
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return false;
}

/*
 * The log may be full to the last byte that the disk or the limit of a file's size allows. Its pages have their place
 * in the database, so it can begin again, and the reason of the end is not lost.
 */
bool writer_database_status(sqlite3 *db, const struct recording_end *end, const char *problem, bool finished,
                            struct hwaccl_error *error)
{
        return commit_status(db, end, problem, finished, error) ||
               (sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK &&
                commit_status(db, end, problem, finished, error));
}

/* Without the log, which would take as much space and time again. */
bool writer_database_memory(sqlite3 *db, const struct recording_end *end, struct hwaccl_error *error)
{
        if (!end->write_memory)
                return true;
        if (database_leave_log(db, error) && database_execute(db, "BEGIN", error) &&
            end->write_memory(end->memory, db, error) && database_execute(db, "COMMIT", error))
                return true;
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return hwaccl_error_prefix(error, "the guest's memory cannot be kept");
}

bool writer_database_close(sqlite3 *db, struct hwaccl_error *error)
{
        bool good = database_leave_log(db, error);

        if (sqlite3_close(db) != SQLITE_OK && good)
                good = hwaccl_error_set(error, "cannot close the database");
        return good;
}
