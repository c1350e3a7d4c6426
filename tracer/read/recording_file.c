/*
 * Opening the database file of a recording. A file is read, and nothing else: what SQLite would do to it on the way
 * (roll a journal back, checkpoint a log, delete what either names), a migration would write, or its own SQL would
 * execute, happens in a private view, or not at all.
 */
#include "tracer/read/recording_internal.h"

#include "tracer/database/page_check.h"
#include "tracer/database/private_view.h"
#include "tracer/database/schema.h"
#include "tracer/database/schema_model.h"
#include "tracer/ring/ring_reader.h"

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

/* For smaller files SQLite's own check takes less time than asking it for each table. */
#define PAGE_CHECK_MIN (INT64_C(1) << 20)

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

/* Does a process hold the first ring, to record or to recover? */
static bool is_written(const struct hwaccl_recording *recording)
{
        char *ring = ring_file_path(recording->path, 0);
        bool written = ring && ring_state(ring, NULL) == HWACCL_RING_IN_USE;

        free(ring);
        return written;
}

/* While it is written: an ordinary reader, which sees what is committed when it asks. Else, and where such a reader is
 * not possible (no permission for its lock file, a journal that has to be rolled back): a private view. */
static bool open_view(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        if (is_written(recording)) {
                recording->db = database_open(recording->path, SQLITE_OPEN_READONLY);
                if (recording->db && readable(recording->db))
                        return true;
                (void)sqlite3_close(recording->db);
        }
        recording->is_private = true;
        recording->db = database_open_private(recording->path, error);
        return recording->db != NULL;
}

static bool quick_check(struct hwaccl_recording *recording, int64_t size, struct hwaccl_error *error)
{
        sqlite3_stmt *check;
        bool well = false;

        if (size >= PAGE_CHECK_MIN && !page_check(recording->db, &well, error))
                return false;
        if (well)
                return true;
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

static void add_foreign(void *opaque, const char *text)
{
        struct hwaccl_recording *recording = opaque;

        if (recording->foreign_count == RECORDING_FOREIGN_MAX)
                return;
        char **more = realloc(recording->foreign, (recording->foreign_count + 1) * sizeof(*more));
        if (!more)
                return; /* one name less for `hwaccl check` */
        recording->foreign = more;
        more[recording->foreign_count] = strdup(text);
        recording->foreign_count += more[recording->foreign_count] != NULL;
}

/* Version and tables of this build, by a migration in the private view where the file is older. */
static bool bring_to_this_version(struct hwaccl_recording *recording, int64_t version, struct hwaccl_error *error)
{
        struct hwaccl_error reason;

        if (version == (int64_t)schema_version())
                return true;
        if (!recording->is_private)
                return recording_error(recording, error,
                                       "is being recorded with schema version %" PRId64
                                       ", by another version of hwaccl: "
                                       "this one reads it when it is finished",
                                       version);
        if (schema_upgrade(recording->db, hwaccl_schema_migrations, hwaccl_schema_migration_count, &reason))
                return true;
        return recording_error(recording, error, "has schema version %" PRId64 " and cannot be migrated to %u: %s",
                               version, schema_version(), reason.message);
}

static bool check_version(struct hwaccl_recording *recording, int64_t *version, struct hwaccl_error *error)
{
        int64_t application = 0;

        if (!readable(recording->db))
                return recording_error(recording, error, "cannot read: %s", sqlite3_errmsg(recording->db));
        if (!database_integer(recording->db, "PRAGMA application_id", 0, &application, error) ||
            !database_integer(recording->db, "PRAGMA user_version", 0, version, error))
                return false;
        if (application != DATABASE_APPLICATION_ID)
                return recording_error(recording, error, "an SQLite database, but not a recording of hwaccl");
        if (*version < 1)
                return recording_error(recording, error, "has no schema version");
        if (*version > (int64_t)schema_version())
                return recording_error(recording, error,
                                       "has schema version %" PRId64 "; this hwaccl reads up to %u: use a newer one",
                                       *version, schema_version());
        return true;
}

/* @pages: bytes of a file whose pages are to be checked; 0: they are not.
 * The file's own SQL first goes: not even a check of pages or a migration may run into it. */
static bool compare_schema(struct hwaccl_recording *recording, int64_t version, int64_t pages,
                           struct hwaccl_error *error)
{
        struct hwaccl_error reason;

        if (!schema_find_foreign(recording->db, add_foreign, recording, &reason) ||
            (recording->is_private && !schema_hide_foreign(recording->db, &reason)))
                return recording_error(recording, error, "%s", reason.message);
        /* pages of what was hidden would be reported as unused */
        if (!bring_to_this_version(recording, version, error) ||
            (pages && !recording->foreign_count && !quick_check(recording, pages, error)))
                return false;
        if (!schema_verify(recording->db, false, &reason))
                return recording_error(recording, error, "not a complete recording: %s", reason.message);
        return true;
}

static bool check_schema(struct hwaccl_recording *recording, int64_t pages, struct hwaccl_error *error)
{
        int64_t version = 0;

        if (!check_version(recording, &version, error))
                return false;
        recording->file_version = (unsigned)version;
        return compare_schema(recording, version, pages, error);
}

/* From here on the view is that of one transaction: its schema is the one that was compared, even if somebody changes
 * the file. While a recorder writes it, readers see what is new. */
static bool keep_schema(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        return !recording->is_private ||
               sqlite3_exec(recording->db, "BEGIN; SELECT 1 FROM sqlite_schema", NULL, NULL, NULL) == SQLITE_OK ||
               database_error(recording->db, error, "cannot read");
}

/* Views that are exactly those of this build can be used as they are: making them takes longer than a short replay. */
static bool have_views(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        struct hwaccl_error reason;

        if ((recording->is_private && schema_verify(recording->db, true, &reason)) ||
            schema_create_own_views(recording->db, &reason))
                return true;
        return recording_error(recording, error, "%s", reason.message);
}

bool recording_open_file(struct hwaccl_recording *recording, bool quick, struct hwaccl_error *error)
{
        int64_t size = 0;

        if (!database_name_is_plain(recording->path, error) || !check_file(recording, &size, error) ||
            !open_view(recording, error) ||
            !check_schema(recording, quick || size > QUICK_CHECK_MAX ? 0 : size, error) ||
            !keep_schema(recording, error) || !have_views(recording, error))
                return false;
        schema_guard_queries(recording->db, size, &recording->budget);
        return true;
}
