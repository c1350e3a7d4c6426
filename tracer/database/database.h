/* Helpers around SQLite. Errors are one line that names the file. */
#ifndef HWACCL_TRACER_DATABASE_H
#define HWACCL_TRACER_DATABASE_H

#include "hwaccl/error.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* application_id of a recording: "hwac" */
#define DATABASE_APPLICATION_ID 0x68776163

/** database_name_is_plain - false with *error set for names that SQLite takes for something else than that file: "",
 * ":…" (a database in memory), "file:…" (a URI, with parameters) */
bool database_name_is_plain(const char *path, struct hwaccl_error *error);

/** database_open - open an untrusted database with SQLite's defensive settings; NULL when it cannot be opened */
sqlite3 *database_open(const char *path, int flags);

/** database_open_with - the same through the file interface named @vfs; NULL: SQLite's own */
sqlite3 *database_open_with(const char *path, int flags, const char *vfs);

/** database_error - "path: what: SQLite's message". Returns false. */
bool database_error(sqlite3 *db, struct hwaccl_error *error, const char *what);

bool database_execute(sqlite3 *db, const char *sql, struct hwaccl_error *error);

/** database_execute_format - SQL with values, as sqlite3_mprintf() formats them: %Q is a quoted text, or NULL */
bool database_execute_format(sqlite3 *db, struct hwaccl_error *error, const char *format, ...);

bool database_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement, struct hwaccl_error *error);

/** database_step_done - run a statement that returns no rows, and reset it */
bool database_step_done(sqlite3 *db, sqlite3_stmt *statement, struct hwaccl_error *error);

/** database_integer - the first column of the first row; @otherwise when there is no row or it is NULL */
bool database_integer(sqlite3 *db, const char *sql, int64_t otherwise, int64_t *value, struct hwaccl_error *error);

/**
 * database_leave_log - end write-ahead logging, so that the database is one file
 *
 * A reader that has the database open for longer than a second keeps the log in use. That is no error: the database is
 * complete together with its log.
 */
bool database_leave_log(sqlite3 *db, struct hwaccl_error *error);

#endif
