#include "tracer/read/recording_accept.h"

#include "core/host/file.h"
#include "tracer/database/block_scan.h"
#include "tracer/database/schema.h"
#include "tracer/database/writer_database.h"
#include "tracer/read/recording_internal.h"
#include "tracer/ring/ring_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum accept_statement {
        ACCEPT_EXIT,
        ACCEPT_CHANGE,
        ACCEPT_NO_CHANGE,
        ACCEPT_KEYFRAME_KEEP,
        ACCEPT_KEYFRAME,
        ACCEPT_SYSTEM_KEEP,
        ACCEPT_SYSTEM,
        ACCEPT_SEGMENT_KEEP,
        ACCEPT_SEGMENT,
        ACCEPT_NO_EFFECTS,
        ACCEPT_EFFECT,
        ACCEPT_DEVICE,
        ACCEPT_NO_COUNTS,
        ACCEPT_NO_BLOCK,
        ACCEPT_STATEMENTS
};

/* ?1, named first: the exit. Fields of the state follow from ?2 on. Those of an entry that an exit left are valid until
 * another row says otherwise: before they change, the next exit gets a row of its own. */
#define KEEP(table, set)                                                                                               \
        "INSERT OR IGNORE INTO " table "(at, @" set "($)@) SELECT 2 * ?1 + 3, @" set "($)@ FROM " table                \
        " WHERE at <= 2 * ?1 + 3 AND EXISTS (SELECT 1 FROM exit WHERE id = ?1 + 1) ORDER BY at DESC LIMIT 1"
static const char *const sql[ACCEPT_STATEMENTS] = {
        [ACCEPT_EXIT] = "UPDATE exit SET verdict = ?2, outcome = ?3, rip_advance = iif(?4, ?5, rip_advance), "
                        "next_rax = iif(?4, ?6, next_rax) WHERE id = ?1",
        [ACCEPT_CHANGE] = "INSERT OR REPLACE INTO handler_change(id, @handled($)@) VALUES (?1, @handled(?)@)",
        [ACCEPT_NO_CHANGE] = "DELETE FROM handler_change WHERE id = ?1",
        [ACCEPT_KEYFRAME_KEEP] = "WITH first AS (SELECT ?1) UPDATE exit SET @page($ = iif(k.$ IS NOT ?, "
                                 "coalesce(exit.$, k.$), exit.$))@ FROM keyframe k "
                                 "WHERE k.id = ?1 + 1 AND exit.id BETWEEN k.id AND "
                                 "coalesce((SELECT min(id) FROM keyframe WHERE id > ?1 + 1) - 1, ?1 | 0xffffffffff)",
        [ACCEPT_KEYFRAME] = "WITH first AS (SELECT ?1) UPDATE keyframe SET @page($ = ?)@ WHERE id = ?1 + 1",
        [ACCEPT_SYSTEM_KEEP] = KEEP("system_registers", "system"),
        [ACCEPT_SYSTEM] = "INSERT OR REPLACE INTO system_registers(at, @system($)@) VALUES (2 * ?1 + 2, @system(?)@)",
        [ACCEPT_SEGMENT_KEEP] = KEEP("segment_registers", "segment"),
        [ACCEPT_SEGMENT] =
                "INSERT OR REPLACE INTO segment_registers(at, @segment($)@) VALUES (2 * ?1 + 2, @segment(?)@)",
        [ACCEPT_NO_EFFECTS] = "DELETE FROM effect WHERE exit = ?1",
        [ACCEPT_EFFECT] =
                "INSERT INTO effect(exit, sequence, kind, address, value, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        /* nothing where the value that holds there is that one already */
        [ACCEPT_DEVICE] =
                "INSERT OR REPLACE INTO device_state(exit, field, value) SELECT ?1, f.id, ?4 FROM device_field f "
                "WHERE f.device = ?2 AND f.field = ?3 AND ?4 IS NOT (SELECT value FROM device_state WHERE field = f.id "
                "AND exit <= ?1 ORDER BY exit DESC LIMIT 1)",
        /* from its block on: block_fill() makes those that are missing at the end */
        [ACCEPT_NO_COUNTS] = "DELETE FROM block_count WHERE block >= (SELECT max(id) FROM block WHERE id <= ?1)",
        [ACCEPT_NO_BLOCK] = "DELETE FROM block WHERE id >= (SELECT max(id) FROM block WHERE id <= ?1)",
};

struct recording_accept {
        struct hwaccl_recording *recording;
        char *path; /* of the copy */
        sqlite3 *db;
        sqlite3_stmt *statement[ACCEPT_STATEMENTS];
        bool counts_dropped; /* of the exits from some exit on */
};

/* Neither a recorder nor a recovery may be at work. Their files are beside the recording itself, not beside a link. */
static bool is_finished(const char *path, struct hwaccl_error *error)
{
        char *real = realpath(path, NULL), *ring = real ? ring_file_path(real, 0) : NULL;
        bool good = ring && ring_state(ring, NULL) == HWACCL_RING_NONE;

        if (!real)
                (void)hwaccl_error_set(error, "%s: %s", path, strerror(errno));
        else if (!ring)
                (void)hwaccl_error_set(error, "out of memory");
        else if (!good)
                (void)hwaccl_error_set(error, "%s: not finished: its ring is beside it; run 'hwaccl recover %s' first",
                                       path, real);
        free(ring);
        free(real);
        return good;
}

static bool make_file(const struct hwaccl_recording *recording, const char *path, struct hwaccl_error *error)
{
        struct stat status;
        /* who could read it still can, also if nobody could write it */
        unsigned mode = stat(recording->path, &status) == 0 ? (status.st_mode & 0666) | 0600 : 0;
        int fd = hwaccl_file_create(AT_FDCWD, path, O_RDWR | O_EXCL, mode);

        if (fd < 0)
                return hwaccl_error_set(error, "%s: cannot create: %s", path, strerror(errno));
        (void)close(fd);
        return true;
}

/* The view of the recording has its log, and the schema of this version. */
static bool copy_pages(struct recording_accept *accept, struct hwaccl_error *error)
{
        sqlite3_backup *backup = sqlite3_backup_init(accept->db, "main", accept->recording->db, "main");

        if (!backup)
                return database_error(accept->db, error, "cannot copy");
        int copied = sqlite3_backup_step(backup, -1);
        int finished = sqlite3_backup_finish(backup);
        return (copied == SQLITE_DONE && finished == SQLITE_OK) || database_error(accept->db, error, "cannot copy");
}

static bool prepare_all(struct recording_accept *accept, struct hwaccl_error *error)
{
        for (unsigned i = 0; i < ACCEPT_STATEMENTS; i++) {
                char *text = schema_expand(sql[i], SCHEMA_FIELDS_NOW);
                bool good = text ? database_prepare(accept->db, text, &accept->statement[i], error)
                                 : hwaccl_error_set(error, "out of memory");
                free(text);
                if (!good)
                        return false;
        }
        return true;
}

static bool open_copy(struct recording_accept *accept, struct hwaccl_error *error)
{
        if (!make_file(accept->recording, accept->path, error))
                return false;
        accept->db = database_open(accept->path, SQLITE_OPEN_READWRITE);
        if (!accept->db) {
                (void)unlink(accept->path);
                return hwaccl_error_set(error, "%s: cannot open for writing", accept->path);
        }
        return copy_pages(accept, error) && database_leave_log(accept->db, error) &&
               database_execute(accept->db, "PRAGMA synchronous = FULL", error) &&
               database_execute(accept->db, "BEGIN IMMEDIATE", error) && prepare_all(accept, error);
}

struct recording_accept *hwaccl_recording_accept_begin(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        if (recording->foreign_count) {
                hwaccl_error_set(error, "%s: its schema has more than hwaccl's own; 'hwaccl check %s' lists it",
                                 recording->path, recording->path);
                return NULL;
        }
        if (!is_finished(recording->path, error))
                return NULL;
        struct recording_accept *accept = calloc(1, sizeof(*accept));
        if (!accept) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        accept->recording = recording;
        if (asprintf(&accept->path, "%s-accept.%d", recording->path, (int)getpid()) < 0) {
                accept->path = NULL;
                hwaccl_error_set(error, "out of memory");
        } else if (open_copy(accept, error)) {
                return accept;
        }
        hwaccl_recording_accept_abandon(accept);
        return NULL;
}

static bool run(struct recording_accept *accept, enum accept_statement name, int bound, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = accept->statement[name];
        bool good = bound == SQLITE_OK ? database_step_done(accept->db, statement, error)
                                       : database_error(accept->db, error, "cannot bind a value");

        (void)sqlite3_clear_bindings(statement);
        return good;
}

static bool run_for(struct recording_accept *accept, enum accept_statement name, int64_t id, struct hwaccl_error *error)
{
        return run(accept, name, sqlite3_bind_int64(accept->statement[name], 1, id), error);
}

static int64_t value_of(const struct hwaccl_subject_state *state, unsigned index)
{
        return (int64_t)hwaccl_field_get(state, (enum hwaccl_field_index)index);
}

/* All fields of a set; with @unless, NULL for those that are the same there. */
static bool run_with_set(struct recording_accept *accept, enum accept_statement name, enum field_set_name set_name,
                         int64_t id, const struct hwaccl_subject_state *state,
                         const struct hwaccl_subject_state *unless, struct hwaccl_error *error)
{
        const struct field_set *set = &accept->recording->set[set_name];
        sqlite3_stmt *statement = accept->statement[name];
        int bound = sqlite3_bind_int64(statement, 1, id);

        for (unsigned i = 0; i < set->count; i++) {
                int64_t value = value_of(state, set->index[i]);
                if (!unless || value != value_of(unless, set->index[i]))
                        bound |= sqlite3_bind_int64(statement, 2 + (int)i, value);
        }
        return run(accept, name, bound, error);
}

static bool accept_group(struct recording_accept *accept, enum field_set_name set_name, enum accept_statement keep,
                         enum accept_statement put, int64_t id, const struct recording_results *results,
                         struct hwaccl_error *error)
{
        if (field_set_equal(&accept->recording->set[set_name], results->recorded, results->after))
                return true;
        return run_for(accept, keep, id, error) && run_with_set(accept, put, set_name, id, results->after, NULL, error);
}

/* Columns of exits that are NULL have the keyframe's value: before that changes, they get their own. */
static bool accept_keyframe(struct recording_accept *accept, int64_t id, const struct recording_results *results,
                            struct hwaccl_error *error)
{
        if (field_set_equal(&accept->recording->set[FIELD_SET_PAGE], results->recorded, results->after))
                return true;
        return run_with_set(accept, ACCEPT_KEYFRAME_KEEP, FIELD_SET_PAGE, id, results->after, NULL, error) &&
               run_with_set(accept, ACCEPT_KEYFRAME, FIELD_SET_PAGE, id, results->after, NULL, error);
}

static bool accept_state(struct recording_accept *accept, int64_t id, const struct recording_results *results,
                         struct hwaccl_error *error)
{
        if (!results->recorded)
                return true;
        bool changed = !field_set_equal(&accept->recording->set[FIELD_SET_HANDLED], results->exit, results->after);
        if (changed ? !run_with_set(accept, ACCEPT_CHANGE, FIELD_SET_HANDLED, id, results->after, results->exit, error)
                    : !run_for(accept, ACCEPT_NO_CHANGE, id, error))
                return false;
        return accept_keyframe(accept, id, results, error) &&
               accept_group(accept, FIELD_SET_SYSTEM, ACCEPT_SYSTEM_KEEP, ACCEPT_SYSTEM, id, results, error) &&
               accept_group(accept, FIELD_SET_SEGMENT, ACCEPT_SEGMENT_KEEP, ACCEPT_SEGMENT, id, results, error);
}

static bool accept_row(struct recording_accept *accept, int64_t id, const struct recording_results *results,
                       struct hwaccl_error *error)
{
        sqlite3_stmt *statement = accept->statement[ACCEPT_EXIT];
        int bound = sqlite3_bind_int64(statement, 1, id) | sqlite3_bind_int(statement, 2, (int)results->verdict) |
                    sqlite3_bind_int(statement, 3, (int)results->outcome) |
                    sqlite3_bind_int(statement, 4, results->recorded != NULL);

        if (results->recorded) {
                bound |= sqlite3_bind_int64(statement, 5, (int64_t)(results->after->rip - results->exit->rip));
                if (results->after->rax != results->exit->rax)
                        bound |= sqlite3_bind_int64(statement, 6, (int64_t)results->after->rax);
        }
        return run(accept, ACCEPT_EXIT, bound, error);
}

static bool accept_effects(struct recording_accept *accept, int64_t id, const struct recording_results *results,
                           struct hwaccl_error *error)
{
        sqlite3_stmt *statement = accept->statement[ACCEPT_EFFECT];

        if (!run_for(accept, ACCEPT_NO_EFFECTS, id, error))
                return false;
        for (size_t i = 0; i < results->effect_count; i++) {
                const struct hwaccl_effect *effect = &results->effects[i];
                int bound = sqlite3_bind_int64(statement, 1, id) | sqlite3_bind_int64(statement, 2, (int64_t)i) |
                            sqlite3_bind_int(statement, 3, (int)effect->kind) |
                            sqlite3_bind_int64(statement, 4, (int64_t)effect->address) |
                            sqlite3_bind_int64(statement, 5, (int64_t)effect->value);
                if (effect->size)
                        bound |= sqlite3_bind_blob(statement, 6, effect->data, (int)effect->size, SQLITE_TRANSIENT);
                if (!run(accept, ACCEPT_EFFECT, bound, error))
                        return false;
        }
        return true;
}

bool hwaccl_recording_accept_exit(struct recording_accept *accept, uint32_t vcpu, uint64_t number,
                                  const struct recording_results *results, struct hwaccl_error *error)
{
        const int64_t id = exit_id(vcpu, number);

        if (results->outcome != results->recorded_outcome && !accept->counts_dropped) {
                accept->counts_dropped = true;
                if (!run_for(accept, ACCEPT_NO_COUNTS, id, error) || !run_for(accept, ACCEPT_NO_BLOCK, id, error))
                        return false;
        }
        return accept_row(accept, id, results, error) && accept_state(accept, id, results, error) &&
               accept_effects(accept, id, results, error);
}

bool hwaccl_recording_accept_device(struct recording_accept *accept, uint32_t vcpu, uint64_t number,
                                    const struct hwaccl_recorded_device_field *value, struct hwaccl_error *error)
{
        sqlite3_stmt *statement = accept->statement[ACCEPT_DEVICE];
        bool is_number = value->size == 1 || value->size == 2 || value->size == 4 || value->size == 8;
        uint64_t as_number = 0;
        int bound = sqlite3_bind_int64(statement, 1, exit_id(vcpu, number)) |
                    sqlite3_bind_text(statement, 2, value->device, -1, SQLITE_TRANSIENT) |
                    sqlite3_bind_text(statement, 3, value->field, -1, SQLITE_TRANSIENT);

        if (is_number)
                memcpy(&as_number, value->data, value->size); /* little endian */
        bound |= is_number ? sqlite3_bind_int64(statement, 4, (int64_t)as_number)
                           : sqlite3_bind_blob(statement, 4, value->data, (int)value->size, SQLITE_TRANSIENT);
        return run(accept, ACCEPT_DEVICE, bound, error);
}

static void finalize_all(struct recording_accept *accept)
{
        for (unsigned i = 0; i < ACCEPT_STATEMENTS; i++) {
                (void)sqlite3_finalize(accept->statement[i]);
                accept->statement[i] = NULL;
        }
}

const char *hwaccl_recording_accept_path(struct recording_accept *accept, struct hwaccl_error *error)
{
        finalize_all(accept);
        bool good = block_fill(accept->db, error) && database_execute(accept->db, "COMMIT", error) &&
                    database_leave_log(accept->db, error);
        if (sqlite3_close(accept->db) != SQLITE_OK && good)
                good = hwaccl_error_set(error, "%s: cannot close", accept->path);
        accept->db = NULL;
        return good ? accept->path : NULL;
}

static bool sync_path(const char *path, int flags, struct hwaccl_error *error)
{
        int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
        bool good = fd >= 0 && fsync(fd) == 0;

        if (!good)
                (void)hwaccl_error_set(error, "%s: cannot write to the disk: %s", path, strerror(errno));
        if (fd >= 0)
                (void)close(fd);
        return good;
}

static bool sync_directory(const char *path, struct hwaccl_error *error)
{
        const char *slash = strrchr(path, '/');
        char *directory = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
        bool good = directory ? sync_path(directory, O_DIRECTORY, error) : hwaccl_error_set(error, "out of memory");

        free(directory);
        return good;
}

static void release(struct recording_accept *accept)
{
        free(accept->path);
        free(accept);
}

bool hwaccl_recording_accept_finish(struct recording_accept *accept, struct hwaccl_error *error)
{
        char *real = realpath(accept->recording->path, NULL); /* a link stays one */

        if (!real)
                (void)hwaccl_error_set(error, "%s: %s", accept->recording->path, strerror(errno));
        if (!real || !sync_path(accept->path, 0, error) || !writer_database_place(accept->path, real, true, error)) {
                hwaccl_recording_accept_abandon(accept);
                free(real);
                return false;
        }
        bool good = sync_directory(real, error);
        free(real);
        release(accept);
        return good;
}

void hwaccl_recording_accept_abandon(struct recording_accept *accept)
{
        if (!accept)
                return;
        finalize_all(accept);
        if (accept->db)
                (void)sqlite3_close(accept->db);
        if (accept->path)
                writer_database_remove(accept->path);
        release(accept);
}
