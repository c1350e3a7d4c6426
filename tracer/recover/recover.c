/* Moves the records in the ring of a dead recorder into its database in one transaction, then removes the ring. */
#include "tracer/recover/recovery.h"

#include "tracer/recover/recover_internal.h"

#include "core/host/file.h"
#include "hwaccl/event.h"
#include "hwaccl/recording.h"
#include "tracer/database/checkpoint.h"
#include "tracer/database/private_file.h"
#include "tracer/database/private_view.h"
#include "tracer/ring/ring_owner.h"
#include "tracer/ring/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* @path is the database or its ring. */
static bool name_files(struct recovery *recovery, const char *path, struct hwaccl_error *error)
{
        const size_t suffix = strlen(RING_SUFFIX);
        size_t length = strlen(path);
        struct stat status;

        if (length > suffix && strcmp(path + length - suffix, RING_SUFFIX) == 0) {
                recovery->database = strndup(path, length - suffix);
                if (recovery->database && stat(recovery->database, &status) != 0 && stat(path, &status) != 0)
                        return hwaccl_error_set(error, "%s: %s", path, strerror(errno));
        } else {
                recovery->database = strdup(path);
        }
        if (!recovery->database || asprintf(&recovery->ring, "%s%s", recovery->database, RING_SUFFIX) < 0) {
                recovery->ring = NULL;
                return hwaccl_error_set(error, "out of memory");
        }
        return true;
}

enum hwaccl_ring_state hwaccl_recovery_state(const char *path, uint32_t *process)
{
        char *ring = NULL;

        if (asprintf(&ring, "%s%s", path, RING_SUFFIX) < 0)
                return HWACCL_RING_NONE;
        enum hwaccl_ring_state state = ring_state(ring, process);
        free(ring);
        return state;
}

/* Open it with the reader first: it rejects other or damaged files. */
static bool check_database(const struct recovery *recovery, struct hwaccl_error *error)
{
        struct hwaccl_recording *recording = hwaccl_recording_open(recovery->database, error);

        if (recording) {
                recovery->result->exits = hwaccl_recording_info(recording)->exit_count;
                recovery->result->complete = hwaccl_recording_info(recording)->status == HWACCL_RECORDING_COMPLETE;
        }
        hwaccl_recording_close(recording);
        return recording != NULL;
}

/* SQLite rolls back whatever journal lies beside the database, and removes the files that the journal names. */
static bool check_journal(const struct recovery *recovery, struct hwaccl_error *error)
{
        char *journal = NULL;

        if (asprintf(&journal, "%s-journal", recovery->database) < 0)
                return hwaccl_error_set(error, "out of memory");
        bool good = !private_journal_is_foreign(journal) ||
                    hwaccl_error_set(error, "%s: names a super-journal, which hwaccl's never do; remove it", journal);
        free(journal);
        return good;
}

/* Bytes of SQLite's index of a log that are locked while it is written, brought in or read (its file format, 2.3.2). */
#define LOG_LOCK_WRITE 120
#define LOG_LOCK_READ  123
#define LOG_LOCK_END   128

/* SQLite would wait for most of a minute and could not say for whom. */
static bool wait_for_log(const struct recovery *recovery, struct hwaccl_error *error)
{
        const struct timespec pause = {0, 50000000};
        char *name = NULL;
        pid_t holder = 0;

        if (asprintf(&name, "%s-shm", recovery->database) < 0)
                return hwaccl_error_set(error, "out of memory");
        int fd = hwaccl_file_above_standard(open(name, O_RDWR | O_CLOEXEC | O_NONBLOCK));
        for (unsigned tries = 0; fd >= 0 && tries < 100; tries++) {
                if (tries > 0)
                        (void)nanosleep(&pause, NULL);
                holder = hwaccl_file_lock_holder(fd, true, LOG_LOCK_WRITE, LOG_LOCK_READ - LOG_LOCK_WRITE);
                if (!holder)
                        holder = hwaccl_file_lock_holder(fd, false, LOG_LOCK_READ, LOG_LOCK_END - LOG_LOCK_READ);
                if (!holder)
                        break;
        }
        if (fd >= 0)
                (void)close(fd);
        if (holder > 0)
                hwaccl_error_set(error, "%s: locked by process %d; end it, and run this again", name, (int)holder);
        else if (holder < 0)
                hwaccl_error_set(error, "%s: locked by another process; 'fuser %s' lists it", name, name);
        free(name);
        return holder == 0;
}

static bool open_database(struct recovery *recovery, struct hwaccl_error *error)
{
        recovery->db = database_open(recovery->database, SQLITE_OPEN_READWRITE);
        if (!recovery->db)
                return hwaccl_error_set(error, "cannot open for writing");
        /* the commit must be on the disk before the ring is removed */
        return database_execute(recovery->db, "PRAGMA synchronous = FULL; PRAGMA cache_size = -65536", error);
}

/* A database without tables, or without status: the recorder died before it began to record. */
static bool holds_nothing(const char *database)
{
        struct hwaccl_error ignored;
        struct stat status;
        int64_t tables = -1;
        int64_t rows = 0;
        int64_t application = 0;

        if (stat(database, &status) != 0)
                return errno == ENOENT;
        if (!S_ISREG(status.st_mode))
                return false;
        if (status.st_size == 0)
                return true;
        sqlite3 *db = database_open_private(database, &ignored);
        bool nothing = db && database_integer(db, "SELECT count(*) FROM sqlite_schema", -1, &tables, &ignored) &&
                       (tables == 0 ||
                        (tables > 0 && database_integer(db, "PRAGMA application_id", 0, &application, &ignored) &&
                         application == DATABASE_APPLICATION_ID &&
                         database_integer(db, "SELECT (SELECT count(*) FROM status) + (SELECT count(*) FROM exit)", -1,
                                          &rows, &ignored) &&
                         rows == 0));
        (void)sqlite3_close(db);
        return nothing;
}

bool hwaccl_recovery_is_begun(const char *path)
{
        return !holds_nothing(path);
}

/* Check that the checkpoint belongs to this ring and is within it. */
static bool belongs(const struct ring_reader *reader, uint64_t identity, uint64_t position, struct hwaccl_error *error)
{
        if (identity != reader->header.identity)
                return hwaccl_error_set(error, "the ring beside it belongs to another recording");
        if (position < reader->tail)
                return hwaccl_error_set(error, "its last transactions are missing and no longer in the ring "
                                               "(was a -wal file removed?)");
        if (position > reader->head || position & 7)
                return hwaccl_error_set(error, "it contains more exits than its ring produced");
        return true;
}

static void count(struct recovery *recovery, const struct ring_reader *reader, uint64_t before)
{
        const struct decoder_state *state = &recovery->decoder.state;
        struct hwaccl_recovery *result = recovery->result;
        uint64_t completed = reader->header.completed;
        bool unfinished = state->phase == DECODER_HANDLING;
        uint64_t whole = state->exits - unfinished;

        result->exits += state->exits;
        result->recovered += state->exits - before;
        result->unfinished |= unfinished;
        result->lost += completed > whole ? completed - whole : 0;
}

static bool recover_ring(struct recovery *recovery, struct ring_reader *reader, struct hwaccl_error *error)
{
        struct decoder *decoder = &recovery->decoder;
        uint64_t identity = 0;
        uint64_t position = 0;

        if (!decoder_find_devices(decoder, error))
                return false;
        enum checkpoint_result found = checkpoint_read(decoder, &identity, &position, error);
        if (found != CHECKPOINT_READ)
                return found == CHECKPOINT_BAD ? false : hwaccl_error_set(error, "table checkpoint: a vCPU is missing");
        if (!belongs(reader, identity, position, error))
                return false;
        uint64_t before = decoder->state.exits - decoder->state.row_open;
        stamp_clock_resume(&decoder->clock, reader->header.stamp_khz);
        if (!recovery_take_records(recovery, reader, position, error) || !decoder_flush(decoder, error))
                return false;
        count(recovery, reader, before);
        return recovery_find_stop(recovery, error);
}

static bool recover_lane(struct recovery *recovery, unsigned lane, struct hwaccl_error *error)
{
        struct ring_reader *reader = &recovery->reader[lane];
        int64_t vcpu = recovery->vcpu[lane];

        if (vcpu != (int64_t)reader->header.vcpu)
                return hwaccl_error_set(error, "%s: is the ring of vCPU %" PRIu32 ", not of %" PRId64, reader->path,
                                        reader->header.vcpu, vcpu);
        memset(&recovery->decoder, 0, sizeof(recovery->decoder));
        bool good = decoder_init(&recovery->decoder, recovery->db, reader->header.vcpu,
                                 reader->header.keyframe_interval, error) &&
                    recover_ring(recovery, reader, error);
        decoder_finish(&recovery->decoder);
        return good;
}

/* The transaction. */
static bool transact(struct recovery *recovery, struct hwaccl_error *error)
{
        bool known = false;

        recovery->result->exits = 0;
        for (unsigned i = 0; i < recovery->lane_count; i++)
                if (!recover_lane(recovery, i, error))
                        return false;
        return recovery_find_end(recovery, &known, error) && recovery_write_status(recovery, known, error) &&
               database_execute(recovery->db, "DELETE FROM checkpoint", error);
}

/* The lanes with a checkpoint; none if the recording is finished. */
static bool find_lanes(struct recovery *recovery, struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        int result;

        if (!database_prepare(recovery->db, "SELECT id FROM checkpoint ORDER BY id", &row, error))
                return false;
        while ((result = sqlite3_step(row)) == SQLITE_ROW && recovery->lane_count < RECOVERY_LANE_MAX)
                recovery->vcpu[recovery->lane_count++] = sqlite3_column_int64(row, 0);
        bool good = result == SQLITE_DONE || hwaccl_error_set(error, "table checkpoint cannot be read");
        (void)sqlite3_finalize(row);
        return good;
}

static char *ring_name(const struct recovery *recovery, unsigned lane)
{
        char *name = NULL;

        if (lane == 0)
                return strdup(recovery->ring);
        return asprintf(&name, "%s.%u", recovery->ring, lane) < 0 ? NULL : name;
}

static struct ring_reader *reader_of(struct recovery *recovery, uint32_t lane)
{
        for (unsigned i = 1; i < recovery->lane_count; i++)
                if (recovery->vcpu[i] == (int64_t)lane)
                        return &recovery->reader[i];
        return NULL;
}

/* Rings are in the order in which their threads appeared. One that no lane has is empty: its recorder died before the
 * lane was in the recording. False if it is in use; *damage says what is wrong with its header. */
static bool open_ring(struct recovery *recovery, const char *name, struct hwaccl_error *damage,
                      struct hwaccl_error *error)
{
        struct ring_reader opened = {.fd = -1};
        enum ring_reader_result result = ring_reader_open(&opened, name, damage);

        if (result == RING_READER_IN_USE)
                hwaccl_error_set(error, "%s: is in use", name);
        if (result == RING_READER_OPEN) {
                struct ring_reader *reader = reader_of(recovery, opened.header.vcpu);
                if (reader && !reader->buffer) {
                        *reader = opened;
                        return true;
                }
        }
        ring_reader_close(&opened);
        return result != RING_READER_IN_USE;
}

/* Open the rings of all lanes but the first, which is open already. */
static bool open_rings(struct recovery *recovery, struct hwaccl_error *error)
{
        struct hwaccl_error damage = {""};

        for (unsigned i = 1; recovery->lane_count > 1 && i < RECOVERY_LANE_MAX; i++) {
                char *name = ring_name(recovery, i);
                if (!name)
                        return hwaccl_error_set(error, "out of memory");
                bool good = open_ring(recovery, name, &damage, error);
                free(name);
                if (!good)
                        return false;
        }
        for (unsigned i = 1; i < recovery->lane_count; i++)
                if (!recovery->reader[i].buffer)
                        return damage.message[0]
                                       ? hwaccl_error_set(error, "%s", damage.message)
                                       : hwaccl_error_set(error, "the ring of %s %" PRId64 " is missing",
                                                          recovery->vcpu[i] < LANE_THREAD_FIRST ? "vCPU" : "thread",
                                                          recovery->vcpu[i]);
        return true;
}

bool recovery_open_ring(struct recovery *recovery, unsigned lane, bool *there, struct hwaccl_error *error)
{
        char *name = ring_name(recovery, lane);
        bool good = name || hwaccl_error_set(error, "out of memory");

        *there = false;
        if (!good)
                return false;
        switch (ring_reader_open(&recovery->reader[lane], name, error)) {
        case RING_READER_OPEN: *there = true; break;
        case RING_READER_IN_USE: good = hwaccl_error_set(error, "%s: is in use", name); break;
        case RING_READER_NONE:
        case RING_READER_UNUSED: break;
        case RING_READER_BAD: good = false; break;
        }
        free(name);
        return good;
}

/* Remove the first ring last: as long as it exists, recovery can be run again. There may be one more than lanes. */
static bool remove_rings(const struct recovery *recovery, struct hwaccl_error *error)
{
        bool good = true;

        for (unsigned i = RECOVERY_LANE_MAX; good && i-- > 0;) {
                char *name = ring_name(recovery, i);
                if (!name)
                        return hwaccl_error_set(error, "out of memory");
                if (unlink(name) != 0 && (i == 0 || errno != ENOENT))
                        good = hwaccl_error_set(error, "%s: cannot remove: %s", name, strerror(errno));
                free(name);
                STEP("recovery removed a ring");
        }
        return good;
}

static bool remove_files(const struct recovery *recovery, struct hwaccl_error *error)
{
        static const char *const suffix[] = {"", "-wal", "-shm", "-journal"};

        for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
                char *file = sqlite3_mprintf("%s%s", recovery->database, suffix[i]);
                if (!file)
                        return hwaccl_error_set(error, "out of memory");
                int result = unlink(file);
                if (result != 0 && errno != ENOENT)
                        hwaccl_error_set(error, "%s: cannot remove: %s", file, strerror(errno));
                else
                        result = 0;
                sqlite3_free(file);
                if (result != 0)
                        return false;
                STEP("recovery removed a file");
        }
        return remove_rings(recovery, error);
}

/* A recording marked as running always has a ring, because the recorder removes it last. */
static bool without_ring(struct recovery *recovery, struct hwaccl_error *error)
{
        struct hwaccl_recording *recording = hwaccl_recording_open(recovery->database, error);

        if (!recording)
                return false;
        bool running = hwaccl_recording_info(recording)->status == HWACCL_RECORDING_RUNNING;
        recovery->result->complete = hwaccl_recording_info(recording)->status == HWACCL_RECORDING_COMPLETE;
        recovery->result->exits = hwaccl_recording_info(recording)->exit_count;
        recovery->result->outcome = HWACCL_RECOVERY_NOTHING;
        hwaccl_recording_close(recording);
        return !running ||
               hwaccl_error_set(error, "%s: its recorder died, and the ring %s is missing; nothing can be recovered",
                                recovery->database, recovery->ring);
}

static bool close_database(struct recovery *recovery, bool good, struct hwaccl_error *error)
{
        if (good)
                good = database_leave_log(recovery->db, error);
        (void)sqlite3_close(recovery->db);
        recovery->db = NULL;
        return good;
}

/* Do it in one transaction, if there is anything to do. */
static bool complete(struct recovery *recovery, struct hwaccl_error *error)
{
        if (!find_lanes(recovery, error))
                return false;
        if (recovery->lane_count == 0) {
                recovery->result->outcome = HWACCL_RECOVERY_NOTHING;
                return true;
        }
        if (!open_rings(recovery, error) || !database_execute(recovery->db, "BEGIN IMMEDIATE", error))
                return false;
        STEP("recovery begun");
        bool good = transact(recovery, error);
        STEP("recovery commits");
        good = good && database_execute(recovery->db, "COMMIT", error);
        STEP("recovery committed");
        if (!good)
                (void)sqlite3_exec(recovery->db, "ROLLBACK", NULL, NULL, NULL);
        return good;
}

static bool with_ring(struct recovery *recovery, struct hwaccl_error *error)
{
        struct hwaccl_recovery *result = recovery->result;

        result->process = recovery->reader[0].header.process;
        if (recovery_has_window(recovery))
                return recovery_of_window(recovery, error) && remove_rings(recovery, error);
        if (recovery->reader[0].head == 0 && holds_nothing(recovery->database)) {
                result->outcome = HWACCL_RECOVERY_NO_EXITS;
                return remove_files(recovery, error);
        }
        if (!check_journal(recovery, error) || !wait_for_log(recovery, error) || !check_database(recovery, error) ||
            !open_database(recovery, error))
                return false;
        bool good = complete(recovery, error);
        if (!close_database(recovery, good, error))
                return false;
        STEP("recovery closed");
        return remove_rings(recovery, error);
}

/* A recorder, another recovery, or a process that has no business with it. */
static bool say_who_holds(const struct recovery *recovery, struct hwaccl_error *error)
{
        int fd = recovery->reader[0].fd;
        uint32_t recorder = ring_reader_process(fd);
        pid_t holder = hwaccl_file_lock_holder(fd, true, RING_LOCK_RECORDER, 2);

        if (holder > 0 && (uint32_t)holder != recorder)
                return hwaccl_error_set(error, "%s: process %d recovers it, or holds a lock on its ring %s",
                                        recovery->database, (int)holder, recovery->ring);
        if (ring_reader_is_dead(fd))
                return hwaccl_error_set(
                        error, "%s: another process recovers it, or holds a lock on its ring; 'fuser %s' lists it",
                        recovery->database, recovery->ring);
        return hwaccl_error_set(error, "%s: is being recorded or recovered by process %" PRIu32, recovery->database,
                                recorder);
}

static bool run(struct recovery *recovery, struct hwaccl_error *error)
{
        switch (ring_reader_open(&recovery->reader[0], recovery->ring, error)) {
        case RING_READER_NONE: return without_ring(recovery, error);
        case RING_READER_UNUSED:
        case RING_READER_OPEN: return with_ring(recovery, error);
        case RING_READER_IN_USE: return say_who_holds(recovery, error);
        case RING_READER_BAD: break;
        }
        return false;
}

bool hwaccl_recover(const char *path, struct hwaccl_recovery *result, struct hwaccl_error *error)
{
        struct recovery *recovery = aligned_alloc(64, (sizeof(*recovery) + 63) & ~(size_t)63);
        struct hwaccl_error ignored;

        memset(result, 0, sizeof(*result));
        result->damaged_at = UINT64_MAX;
        if (!error)
                error = &ignored;
        if (!recovery)
                return hwaccl_error_set(error, "out of memory");
        memset(recovery, 0, sizeof(*recovery));
        for (unsigned i = 0; i < RECOVERY_LANE_MAX; i++)
                recovery->reader[i].fd = -1;
        recovery->result = result;
        bool good = name_files(recovery, path, error);
        if (good) {
                good = run(recovery, error);
                if (!good && !strstr(error->message, recovery->database))
                        (void)hwaccl_error_prefix(error, "%s", recovery->database);
        }
        for (unsigned i = 0; i < RECOVERY_LANE_MAX; i++)
                ring_reader_close(&recovery->reader[i]);
        free(recovery->database);
        free(recovery->ring);
        free(recovery);
        return good;
}
