#include "tracer/read/recording_digest.h"

#include "hwaccl/seal.h"
#include "tracer/database/digest.h"
#include "tracer/database/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct report {
        void (*finding)(void *opaque, const char *text);
        void *opaque;
};

static bool take_digest(sqlite3_stmt *row, int column, uint8_t digest[HWACCL_DIGEST_SIZE])
{
        bool there = sqlite3_column_bytes(row, column) == (int)HWACCL_DIGEST_SIZE;

        if (there)
                memcpy(digest, sqlite3_column_blob(row, column), HWACCL_DIGEST_SIZE);
        return there;
}

static bool read_seal(struct hwaccl_recording *recording, struct hwaccl_seal *seal, struct hwaccl_error *error)
{
        sqlite3_stmt *row;

        if (!database_prepare(recording->db,
                              "SELECT content, host_seal, host_origin, host_key, host_signature FROM seal", &row,
                              error))
                return false;
        int result = sqlite3_step(row);
        if (result == SQLITE_ROW) {
                seal->found = true;
                (void)take_digest(row, 0, seal->content);
                (void)take_digest(row, 1, seal->seal);
                seal->derived = take_digest(row, 2, seal->origin);
                seal->is_signed = take_digest(row, 3, seal->public_key) &&
                                  sqlite3_column_bytes(row, 4) == (int)sizeof(seal->signature);
                if (seal->is_signed)
                        memcpy(seal->signature, sqlite3_column_blob(row, 4), sizeof(seal->signature));
        }
        bool good = result == SQLITE_ROW || result == SQLITE_DONE ||
                    recording_error(recording, error, "cannot read table seal: %s", sqlite3_errmsg(recording->db));
        (void)sqlite3_finalize(row);
        return good;
}

/* *seal is zeros without one. */
static bool find_seal(struct hwaccl_recording *recording, struct hwaccl_seal *seal, struct hwaccl_error *error)
{
        int64_t open = 0; /* for the recovery of a recording, which makes them */

        memset(seal, 0, sizeof(*seal));
        if (!database_integer(recording->db, "SELECT count(*) FROM checkpoint", 0, &open, error))
                return false;
        /* nobody makes digests of a recording of an older version before it is upgraded */
        seal->expected = recording->file_version >= HWACCL_SEAL_VERSION && !open &&
                         recording->info.status != HWACCL_RECORDING_RUNNING;
        return read_seal(recording, seal, error);
}

bool hwaccl_recording_content(struct hwaccl_recording *recording, struct hwaccl_seal *seal, struct hwaccl_error *error)
{
        uint8_t content[DIGEST_SIZE];

        if (!find_seal(recording, seal, error))
                return false;
        if (seal->found && !digest_content_read(recording->db, content, error))
                return hwaccl_error_prefix(error, "%s", recording->path);
        seal->content_agrees = seal->found && memcmp(content, seal->content, sizeof(seal->content)) == 0;
        return true;
}

bool hwaccl_recording_seal(struct hwaccl_recording *recording, struct hwaccl_seal *seal, struct hwaccl_error *error)
{
        struct digest_roots roots;

        if (!find_seal(recording, seal, error))
                return false;
        if (!seal->found)
                return true;
        if (!digest_roots_read(recording->db, &roots, error))
                return hwaccl_error_prefix(error, "%s", recording->path);
        seal->content_agrees = memcmp(roots.content, seal->content, sizeof(seal->content)) == 0;
        seal->agrees = seal->content_agrees && memcmp(roots.seal, seal->seal, sizeof(seal->seal)) == 0;
        return true;
}

static void block_differs(void *opaque, const struct digest_range *range)
{
        const struct report *report = opaque;
        char text[128];

        (void)snprintf(text, sizeof(text),
                       "exits from %" PRIu64 " of vCPU %" PRId64 " to the next keyframe: rows were changed since they "
                       "were sealed",
                       exit_number(range->id), range->id >> VCPU_SHIFT);
        report->finding(report->opaque, text);
}

static bool ask(struct hwaccl_recording *recording, const char *sql, const struct report *report,
                struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        int result;

        if (!database_prepare(recording->db, sql, &row, error))
                return false;
        while ((result = sqlite3_step(row)) == SQLITE_ROW)
                report->finding(report->opaque, (const char *)sqlite3_column_text(row, 0));
        (void)sqlite3_finalize(row);
        return result == SQLITE_DONE || database_error(recording->db, error, "cannot read");
}

/* Rows that no digest covers, because nothing uses them. */
static bool check_strays(struct hwaccl_recording *recording, const struct report *report, struct hwaccl_error *error)
{
        static const char *const queries[] = {
                "SELECT 'instruction ' || id || ': no exit refers to it' FROM instruction WHERE id NOT IN "
                "(SELECT instruction FROM exit WHERE instruction IS NOT NULL) LIMIT 5",
                "SELECT 'walk ' || id || ': no exit refers to it' FROM walk WHERE id NOT IN "
                "(SELECT walk FROM exit WHERE walk IS NOT NULL) LIMIT 5",
                "SELECT 'walk_read: a row of walk ' || walk || ', which does not exist' FROM walk_read WHERE walk NOT "
                "IN (SELECT id FROM walk) LIMIT 5",
                "SELECT 'block: a row more, at exit ' || (id & 0xffffffffff) || ' of vCPU ' || (id >> 40) FROM block b "
                "WHERE NOT EXISTS (SELECT 1 FROM block_count c WHERE c.kind = 0 AND c.block = b.id) LIMIT 5",
                "SELECT 'checkpoint: a row in a finished recording' FROM checkpoint WHERE (SELECT status FROM status) "
                "<> 2 LIMIT 1",
        };
        char *sql = digest_stray_rows();
        bool good = sql ? ask(recording, sql, report, error) : hwaccl_error_set(error, "out of memory");

        sqlite3_free(sql);
        for (size_t i = 0; good && i < sizeof(queries) / sizeof(queries[0]); i++)
                good = ask(recording, queries[i], report, error);
        return good;
}

/* Tables that say what numbers mean have what this version puts there. */
static bool check_names(struct hwaccl_recording *recording, const struct report *report, struct hwaccl_error *error)
{
        static const char rows[] = "SELECT kind || ' ' || number || ' ' || name FROM names UNION ALL "
                                   "SELECT 'moment ' || number || ' ' || name FROM moment ORDER BY 1";
        sqlite3_stmt *ours = NULL, *theirs = NULL;
        sqlite3 *db = NULL;
        bool good = (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK ||
                     hwaccl_error_set(error, "out of memory")) &&
                    schema_upgrade(db, hwaccl_schema_migrations, hwaccl_schema_migration_count, error) &&
                    database_prepare(db, rows, &ours, error) && database_prepare(recording->db, rows, &theirs, error);
        bool same = true;

        while (good && same) {
                int one = sqlite3_step(ours), other = sqlite3_step(theirs);
                if (one != SQLITE_ROW && other != SQLITE_ROW)
                        break;
                const char *a = one == SQLITE_ROW ? (const char *)sqlite3_column_text(ours, 0) : NULL;
                const char *b = other == SQLITE_ROW ? (const char *)sqlite3_column_text(theirs, 0) : NULL;
                same = a && b && strcmp(a, b) == 0;
        }
        if (good && !same)
                report->finding(report->opaque, "names: has other rows than this schema");
        (void)sqlite3_finalize(ours);
        (void)sqlite3_finalize(theirs);
        (void)sqlite3_close(db);
        return good;
}

static bool check_seal(struct hwaccl_recording *recording, const struct report *report, bool *sealed,
                       struct hwaccl_error *error)
{
        struct hwaccl_seal seal;

        if (!hwaccl_recording_seal(recording, &seal, error))
                return false;
        *sealed = seal.found;
        if (seal.expected && !seal.found)
                report->finding(report->opaque, "seal: missing, although this version of the schema has one");
        else if (seal.found && !seal.agrees)
                report->finding(report->opaque,
                                seal.content_agrees ? "seal: a table was changed since it was sealed"
                                                    : "seal: the content of a table was changed since it was sealed");
        return true;
}

bool hwaccl_recording_block_agrees(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number, bool all,
                                   bool *agrees, uint64_t *first, uint64_t *last, struct hwaccl_error *error)
{
        struct digest_pair recorded, found;
        struct digest_range range;
        struct hwaccl_error reason;
        bool there = false;

        *agrees = true;
        *first = 0;
        *last = EXIT_NUMBER_MAX;
        if (!recording->digest)
                recording->digest = digest_block_create(recording->db, recording->is_private, error);
        if (!recording->digest ||
            !digest_block_find(recording->digest, exit_id(vcpu, number), &range, &recorded, &there, error))
                return hwaccl_error_prefix(error, "%s", recording->path);
        if (!there)
                return true;
        *first = exit_number(range.id);
        *last = exit_number(range.end - 1);
        /* what cannot be read was not written like that */
        recording->digest->content_only = !all;
        *agrees = digest_block_of_rows(recording->digest, range.id, range.first, range.end, &found, &reason) &&
                  memcmp(found.part[DIGEST_CONTENT], recorded.part[DIGEST_CONTENT], DIGEST_SIZE) == 0 &&
                  (!all || memcmp(found.part[DIGEST_HOST], recorded.part[DIGEST_HOST], DIGEST_SIZE) == 0);
        return true;
}

bool recording_check_digests(struct hwaccl_recording *recording, void (*finding)(void *opaque, const char *text),
                             void *opaque, struct hwaccl_error *error)
{
        struct report report = {finding, opaque};
        bool sealed = false;

        return check_seal(recording, &report, &sealed, error) && check_names(recording, &report, error) &&
               (!sealed ||
                (digest_blocks_compare(recording->db, recording->is_private, block_differs, &report, error) &&
                 check_strays(recording, &report, error)));
}
