#include "tracer/database/database.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool database_name_is_plain(const char *path, struct hwaccl_error *error)
{
        if (*path && *path != ':' && strncmp(path, "file:", 5) != 0)
                return true;
        return hwaccl_error_set(error, "'%s' is not a file name to SQLite%s%s", path,
                                *path ? "; write ./" : ": expected the name of a file", path);
}

sqlite3 *database_open(const char *path, int flags)
{
        return database_open_with(path, flags, NULL);
}

sqlite3 *database_open_with(const char *path, int flags, const char *vfs)
{
        struct hwaccl_error ignored;
        sqlite3 *db = NULL;

        if (!database_name_is_plain(path, &ignored))
                return NULL;
        if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, vfs) != SQLITE_OK) {
                (void)sqlite3_close(db);
                return NULL;
        }
        (void)sqlite3_busy_timeout(db, 5000);
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
        (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
        (void)sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 1 << 18);
        (void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
        (void)sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
        (void)sqlite3_exec(db, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA cache_size = -8192", NULL,
                           NULL, NULL);
        return db;
}

bool database_error(sqlite3 *db, struct hwaccl_error *error, const char *what)
{
        /* "disk I/O error" alone does not tell a file-size limit from a broken disk; SQLite does not keep the reason of
         * every failed write */
        int reason = sqlite3_extended_errcode(db) == SQLITE_IOERR_WRITE ? errno : 0;
        const char *path = sqlite3_db_filename(db, "main");

        return hwaccl_error_set(error, "%s: %s: %s%s%s", path && *path ? path : "database", what, sqlite3_errmsg(db),
                                reason ? ": " : "", reason ? strerror(reason) : "");
}

bool database_execute(sqlite3 *db, const char *sql, struct hwaccl_error *error)
{
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                return database_error(db, error, "cannot write");
        return true;
}

bool database_execute_format(sqlite3 *db, struct hwaccl_error *error, const char *format, ...)
{
        va_list values;

        va_start(values, format);
        char *sql = sqlite3_vmprintf(format, values);
        va_end(values);
        bool good = sql ? database_execute(db, sql, error) : hwaccl_error_set(error, "out of memory");
        sqlite3_free(sql);
        return good;
}

bool database_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement, struct hwaccl_error *error)
{
        if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) != SQLITE_OK)
                return database_error(db, error, "cannot prepare a statement");
        return true;
}

bool database_step_done(sqlite3 *db, sqlite3_stmt *statement, struct hwaccl_error *error)
{
        int result = sqlite3_step(statement);

        if (result != SQLITE_DONE && result != SQLITE_ROW) {
                (void)database_error(db, error, "cannot write");
                (void)sqlite3_reset(statement);
                return false;
        }
        (void)sqlite3_reset(statement);
        return true;
}

bool database_integer(sqlite3 *db, const char *sql, int64_t otherwise, int64_t *value, struct hwaccl_error *error)
{
        sqlite3_stmt *statement;

        if (!database_prepare(db, sql, &statement, error))
                return false;
        int result = sqlite3_step(statement);
        bool good = result == SQLITE_ROW || result == SQLITE_DONE;
        if (!good)
                (void)database_error(db, error, "cannot read");
        else if (result == SQLITE_ROW && sqlite3_column_type(statement, 0) == SQLITE_INTEGER)
                *value = sqlite3_column_int64(statement, 0);
        else
                *value = otherwise;
        (void)sqlite3_finalize(statement);
        return good;
}

/* A reader that opened the database after the log was removed, but before the header said so, creates an empty log. No
 * process has it open then: else the header could not have been written. */
static void remove_empty_log(sqlite3 *db)
{
        const char *path = sqlite3_db_filename(db, "main");
        char *log = path ? sqlite3_mprintf("%s-wal", path) : NULL;
        char *shared = path ? sqlite3_mprintf("%s-shm", path) : NULL;
        struct stat status;

        if (log && shared && stat(log, &status) == 0 && status.st_size == 0) {
                (void)unlink(log);
                (void)unlink(shared);
        }
        sqlite3_free(log);
        sqlite3_free(shared);
}

bool database_leave_log(sqlite3 *db, struct hwaccl_error *error)
{
        const struct timespec pause = {0, 10000000};
        int result = SQLITE_BUSY;

        /* SQLite does not wait for readers here, whatever the busy timeout is */
        (void)sqlite3_busy_timeout(db, 100);
        for (unsigned tries = 0; tries < 100 && (result == SQLITE_BUSY || result == SQLITE_LOCKED); tries++) {
                if (tries > 0)
                        (void)nanosleep(&pause, NULL);
                result = sqlite3_exec(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
        }
        if (result == SQLITE_OK)
                remove_empty_log(db);
        return result == SQLITE_OK || result == SQLITE_BUSY || result == SQLITE_LOCKED ||
               database_error(db, error, "cannot finish");
}
