/* The one way in which a file that is there already gets a newer schema. */
#include "tracer/read/recording_internal.h"

#include "tracer/database/block_scan.h"
#include "tracer/database/private_file.h"
#include "tracer/database/schema.h"
#include "tracer/ring/ring_reader.h"

#include <stdio.h>
#include <stdlib.h>

/* Neither a recorder nor a recovery may be at work, and no journal may be beside it that is not hwaccl's. */
static bool is_free(const char *path, struct hwaccl_error *error)
{
        char *ring = ring_file_path(path, 0);
        char *journal = NULL;
        bool good = ring && asprintf(&journal, "%s-journal", path) >= 0;

        if (!good)
                hwaccl_error_set(error, "out of memory");
        else if (ring_state(ring, NULL) != HWACCL_RING_NONE)
                good = hwaccl_error_set(error, "%s: not finished: its ring is beside it; run 'hwaccl recover %s' first",
                                        path, path);
        else if (private_journal_is_foreign(journal))
                good = hwaccl_error_set(error, "%s: names a super-journal, which hwaccl's never do; remove it",
                                        journal);
        free(journal);
        free(ring);
        return good;
}

static bool fill_blocks(sqlite3 *db, struct hwaccl_error *error)
{
        if (!database_execute(db, "BEGIN IMMEDIATE", error))
                return false;
        if (block_fill(db, error) && database_execute(db, "COMMIT", error))
                return true;
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return false;
}

static bool upgrade_file(const char *path, struct hwaccl_error *error)
{
        struct hwaccl_error late;
        sqlite3 *db = database_open(path, SQLITE_OPEN_READWRITE);

        if (!db)
                return hwaccl_error_set(error, "%s: cannot open for writing", path);
        bool good = schema_upgrade(db, hwaccl_schema_migrations, hwaccl_schema_migration_count, error) &&
                    fill_blocks(db, error) && database_leave_log(db, error);
        if (!good)
                (void)hwaccl_error_prefix(error, "%s", path);
        if (sqlite3_close(db) != SQLITE_OK && good)
                good = hwaccl_error_set(&late, "%s: cannot close", path);
        return good;
}

bool hwaccl_recording_upgrade(const char *path, unsigned *from, struct hwaccl_error *error)
{
        /* all checks of a reader first, in a private view, the migration among them */
        struct hwaccl_recording *recording = hwaccl_recording_open(path, error);

        if (!recording)
                return false;
        *from = recording->file_version;
        bool foreign = recording->foreign_count > 0;
        int64_t without_block = 0;
        bool good = database_integer(recording->db,
                                     "SELECT EXISTS (SELECT 1 FROM unsummed u CROSS JOIN exit e "
                                     "ON e.id BETWEEN u.first AND u.last)",
                                     0, &without_block, error);
        hwaccl_recording_close(recording);
        if (!good)
                return false;
        if (foreign)
                return hwaccl_error_set(error, "%s: its schema has more than hwaccl's own; 'hwaccl check %s' lists it",
                                        path, path);
        return is_free(path, error) && ((*from == schema_version() && !without_block) || upgrade_file(path, error));
}
