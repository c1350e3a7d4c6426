#include "tracer/derive/transcript_internal.h"

#include "tracer/database/writer_database.h"
#include "tracer/ring/exit_id.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TRANSACTION_EXITS 65536u
#define HELD_MAX          (64u << 20) /* bytes of one exit */

/* Each from ?1 to ?2, by exit. */
static const struct {
        const char *table;
        const char *sql;
} side[SIDE_TABLES] = {
        [SIDE_HANDOFF] = {"irq_handoff", "SELECT id, host_offered, host_settled FROM irq_handoff "
                                         "WHERE id BETWEEN ?1 AND ?2 ORDER BY id"},
        [SIDE_THREAD_TIME] = {"thread_time", "SELECT exit, moment, host_time, host_cpu FROM thread_time "
                                             "WHERE exit BETWEEN ?1 AND ?2 ORDER BY exit, moment"},
        [SIDE_FAULT] = {"fault", "SELECT DISTINCT exit FROM fault WHERE exit BETWEEN ?1 AND ?2 ORDER BY exit"},
        [SIDE_VMM_STATE] = {"vmm_state", "SELECT DISTINCT exit FROM vmm_state WHERE exit BETWEEN ?1 AND ?2 + 1 "
                                         "ORDER BY exit"},
        /* those before the first exit of the recording: before ?1 */
        [SIDE_MARK] = {"mark", "SELECT coalesce(exit, ?1 - 1), host_time, text FROM mark WHERE exit BETWEEN ?1 AND ?2 "
                               "OR (exit IS NULL AND vcpu = ?1 >> 40 AND NOT EXISTS (SELECT 1 FROM exit "
                               "WHERE id BETWEEN ?1 >> 40 << 40 AND ?1 - 1)) ORDER BY id"},
        [SIDE_SEQUENCE] = {"exit", "SELECT id, sequence FROM exit WHERE id BETWEEN ?1 AND ?2 "
                                   "AND EXISTS (SELECT 1 FROM lane) AND sequence IS NOT NULL ORDER BY id"},
};

/* Rows of @select, which refers to the source with ?1 and ?2, as rows of @insert, value by value. */
static bool copy_rows(struct transcript *transcript, const char *select, const char *insert, int64_t first,
                      int64_t last, struct hwaccl_error *error)
{
        sqlite3 *from = hwaccl_recording_database(transcript->source);
        sqlite3_stmt *read = NULL, *write = NULL;
        bool good =
                database_prepare(from, select, &read, error) && database_prepare(transcript->db, insert, &write, error);
        int result = SQLITE_DONE;

        for (int i = 0; good && i < sqlite3_bind_parameter_count(read); i++)
                good = sqlite3_bind_int64(read, i + 1, i ? last : first) == SQLITE_OK ||
                       database_error(from, error, "cannot bind a value");
        while (good && (result = sqlite3_step(read)) == SQLITE_ROW) {
                for (int i = 0; good && i < sqlite3_column_count(read); i++)
                        good = sqlite3_bind_value(write, i + 1, sqlite3_column_value(read, i)) == SQLITE_OK ||
                               database_error(transcript->db, error, "cannot bind a value");
                good = good && database_step_done(transcript->db, write, error);
        }
        if (good && result != SQLITE_DONE)
                good = database_error(from, error, "cannot read");
        (void)sqlite3_finalize(read);
        (void)sqlite3_finalize(write);
        return good;
}

static bool fill(struct transcript *transcript, struct hwaccl_error *error)
{
        const struct hwaccl_recording_info *info = hwaccl_recording_info(transcript->source);
        const struct recording_head head = {.keyframe_interval = info->keyframe_interval};

        return database_execute(transcript->db, "BEGIN", error) && writer_database_fill(transcript->db, &head, error) &&
               copy_rows(transcript, "SELECT name, value FROM option",
                         "INSERT INTO option(name, value) VALUES (?1, ?2)", 0, 0, error) &&
               copy_rows(transcript, "SELECT id, device, field, size FROM device_field ORDER BY id",
                         "INSERT INTO device_field(id, device, field, size) VALUES (?1, ?2, ?3, ?4)", 0, 0, error);
}

/* What the reader has checked. */
static bool load_fields(struct transcript *transcript, struct hwaccl_error *error)
{
        sqlite3 *db = hwaccl_recording_database(transcript->source);
        sqlite3_stmt *row = NULL;
        bool good = database_prepare(db, "SELECT device, field, size FROM device_field ORDER BY id", &row, error);
        int result = SQLITE_DONE;

        while (good && (result = sqlite3_step(row)) == SQLITE_ROW) {
                const size_t count = transcript->field_count;
                const char *device = (const char *)sqlite3_column_text(row, 0);
                const char *field = (const char *)sqlite3_column_text(row, 1);
                struct transcript_field *more = realloc(transcript->field, (count + 1) * sizeof(*more));
                if (more)
                        transcript->field = more;
                good = more && device && field;
                if (!good)
                        break;
                transcript->field_count++;
                more[count] = (struct transcript_field){strdup(device), strdup(field),
                                                        (uint32_t)sqlite3_column_int64(row, 2)};
                good = more[count].device && more[count].field;
        }
        if (good && result != SQLITE_DONE)
                good = database_error(db, error, "cannot read table device_field");
        else if (!good && row)
                (void)hwaccl_error_set(error, "out of memory");
        (void)sqlite3_finalize(row);
        return good;
}

static void release(struct transcript *transcript)
{
        for (size_t i = 0; i < transcript->field_count; i++) {
                free(transcript->field[i].device);
                free(transcript->field[i].field);
        }
        free(transcript->field);
        free(transcript->path);
        free(transcript);
}

struct transcript *transcript_create(struct hwaccl_recording *source, const char *path, unsigned mode,
                                     struct hwaccl_error *error)
{
        struct transcript *transcript = calloc(1, sizeof(*transcript));

        if (!transcript || !(transcript->path = strdup(path))) {
                free(transcript);
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        transcript->source = source;
        transcript->db = writer_database_create_whole(path, false, mode, error);
        if (!transcript->db) {
                release(transcript);
                return NULL;
        }
        if (load_fields(transcript, error) && fill(transcript, error))
                return transcript;
        transcript_abandon(transcript);
        return NULL;
}

bool transcript_option(struct transcript *transcript, const char *name, const char *value, struct hwaccl_error *error)
{
        return database_execute_format(transcript->db, error,
                                       "INSERT OR REPLACE INTO option(name, value) VALUES (%Q, %Q)", name, value);
}

/* The guest's clock before the first exit: later ones are not before it. */
static bool clock_before(struct transcript_lane *to, struct hwaccl_error *error)
{
        struct hwaccl_recording *source = to->transcript->source;
        const int64_t id = exit_id(to->range->vcpu, to->range->first);
        char *sql =
                sqlite3_mprintf("SELECT clock FROM keyframe WHERE id BETWEEN %lld AND %lld ORDER BY id DESC LIMIT 1",
                                exit_id(to->range->vcpu, 0), id);
        int64_t clock = 0;
        bool good = sql ? database_integer(hwaccl_recording_database(source), sql, 0, &clock, error)
                        : hwaccl_error_set(error, "out of memory");

        sqlite3_free(sql);
        to->decoder.state.clock = (uint64_t)clock;
        return good;
}

static uint64_t last_of(const struct transcript_range *range)
{
        return range->first + range->count - 1;
}

static bool begin(struct transcript_lane *to, struct hwaccl_error *error)
{
        const struct transcript_range *range = to->range;
        struct transcript *transcript = to->transcript;
        const uint32_t interval = hwaccl_recording_info(transcript->source)->keyframe_interval;

        lane_init(&to->lane, STAMP_MONOTONIC, interval, UINT64_MAX);
        to->lane.masks = &to->masks;
        record_buffer_init(&to->held, &to->lane.producer, HELD_MAX);
        stamp_clock_fix(&to->decoder.clock, 0);
        if (!decoder_init(&to->decoder, transcript->db, range->vcpu, interval, error) ||
            !decoder_find_devices(&to->decoder, error))
                return false;
        decoder_start_at(&to->decoder, range->first);
        for (unsigned i = 0; i < SIDE_TABLES; i++)
                if (!side_rows_open(&to->side[i], hwaccl_recording_database(transcript->source), side[i].table,
                                    side[i].sql, exit_id(range->vcpu, range->first),
                                    exit_id(range->vcpu, last_of(range)), error))
                        return false;
        return clock_before(to, error) && transcript_marks(to, exit_id(range->vcpu, range->first) - 1, error) &&
               (!range->device || transcript_devices(to, range->device, range->device_count, error)) &&
               transcript_feed(to, error);
}

/* Exits of an imported trace that are missing within the range. */
static bool jump(struct transcript_lane *to, const struct hwaccl_recorded_exit *exit, struct hwaccl_error *error)
{
        struct transcript *transcript = to->transcript;
        const int64_t from = exit_id(exit->vcpu, to->decoder.state.exits);

        if (!exit->missing || exit->number == to->range->first)
                return true;
        if (!decoder_flush(&to->decoder, error) ||
            !copy_rows(transcript, "SELECT first, last, events FROM gap WHERE first >= ?1 AND last < ?2",
                       "INSERT INTO gap(first, last, events) VALUES (?1, ?2, ?3)", from,
                       exit_id(exit->vcpu, exit->number), error))
                return false;
        decoder_start_at(&to->decoder, exit->number);
        return true;
}

static bool take_all(struct transcript_lane *to, struct hwaccl_error *error)
{
        const struct transcript_range *range = to->range;
        struct hwaccl_exit_cursor *cursor =
                hwaccl_exit_cursor_open(to->transcript->source, range->vcpu, range->first, error);
        const struct hwaccl_subject_state *state = NULL;
        const struct hwaccl_recorded_exit *exit;
        struct hwaccl_known_fields known;
        const uint64_t last = last_of(range);
        bool good = cursor != NULL;
        int result = 1;

        while (good && to->decoder.state.exits <= last &&
               (result = hwaccl_exit_cursor_next(cursor, &exit, error)) == 1) {
                if (exit->number > last)
                        break;
                good = jump(to, exit, error) && transcript_exit(to, exit, error);
                if (good && exit->number % TRANSACTION_EXITS == 0)
                        good = database_execute(to->transcript->db, "COMMIT; BEGIN", error);
                if (good && exit->number == last)
                        good = hwaccl_exit_cursor_after(cursor, &state, &known, error);
        }
        good = good && result >= 0 && transcript_close(to, state, &known, error) && decoder_flush(&to->decoder, error);
        hwaccl_exit_cursor_close(cursor);
        return good;
}

bool transcript_take(struct transcript *transcript, const struct transcript_range *range, struct hwaccl_error *error)
{
        struct transcript_lane *to = aligned_alloc(64, (sizeof(*to) + 63) & ~(size_t)63);
        uint64_t first, end;

        if (!to)
                return hwaccl_error_set(error, "out of memory");
        memset(to, 0, sizeof(*to));
        to->transcript = transcript;
        to->range = range;
        bool good = hwaccl_recording_range(transcript->source, range->vcpu, &first, &end, error) &&
                    writer_database_add_vcpu(transcript->db, range->vcpu, error) &&
                    (!range->count || (begin(to, error) && take_all(to, error)));
        for (unsigned i = 0; i < SIDE_TABLES; i++)
                side_rows_close(&to->side[i]);
        decoder_finish(&to->decoder);
        record_buffer_free(&to->held);
        free(to);
        transcript->vcpus++;
        transcript->to_ends += good && range->first + range->count >= end;
        return good;
}

/* The text that was recorded, not that of today's disassembler. */
static bool copy_texts(struct transcript *transcript, struct hwaccl_error *error)
{
        return copy_rows(transcript, "SELECT text, address, code_bits, bytes FROM instruction",
                         "UPDATE instruction SET text = ?1 WHERE address = ?2 AND code_bits = ?3 AND bytes = ?4", 0, 0,
                         error);
}

/* Of the VMM's calls those between the first and the last exit. */
static bool copy_calls(struct transcript *transcript, bool to_end, struct hwaccl_error *error)
{
        const int64_t first = (int64_t)transcript->first_sequence;
        const int64_t last = to_end ? INT64_MAX : (int64_t)transcript->last_sequence;

        return copy_rows(transcript, "SELECT id, host_process, host_thread, name FROM lane",
                         "INSERT OR IGNORE INTO lane(id, host_process, host_thread, name) VALUES (?1, ?2, ?3, ?4)", 0,
                         0, error) &&
               (!first ||
                copy_rows(transcript, "SELECT * FROM vmm_call WHERE sequence BETWEEN ?1 AND ?2",
                          "INSERT INTO vmm_call VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
                          "?15)",
                          first, last, error));
}

static bool copy_memory(struct transcript *transcript, struct hwaccl_error *error)
{
        return copy_rows(transcript, "SELECT address, size, writable FROM memory_range",
                         "INSERT INTO memory_range(address, size, writable) VALUES (?1, ?2, ?3)", 0, 0, error) &&
               copy_rows(transcript, "SELECT id, sha256, zstd FROM page",
                         "INSERT INTO page(id, sha256, zstd) VALUES (?1, ?2, ?3)", 0, 0, error) &&
               copy_rows(transcript, "SELECT address, page FROM memory_page",
                         "INSERT INTO memory_page(address, page) VALUES (?1, ?2)", 0, 0, error);
}

static bool complete(struct transcript *transcript, struct hwaccl_error *error)
{
        const struct hwaccl_recording_info *info = hwaccl_recording_info(transcript->source);
        bool to_end = transcript->to_ends == info->vcpu_count;
        const struct recording_end end = {
                .end = to_end ? info->end : HWACCL_END_NONE,
                .code = to_end ? info->end_code : 0,
                .message = to_end ? info->end_message : NULL,
        };
        const char *problem =
                to_end && info->status != HWACCL_RECORDING_COMPLETE ? "made from a recording that is incomplete" : NULL;

        return copy_texts(transcript, error) && copy_calls(transcript, to_end, error) &&
               (!to_end || copy_memory(transcript, error)) && database_execute(transcript->db, "COMMIT", error) &&
               database_execute(transcript->db, "PRAGMA synchronous = FULL", error) &&
               writer_database_status(transcript->db, &end, problem, true, error);
}

bool transcript_finish(struct transcript *transcript, struct hwaccl_error *error)
{
        if (!complete(transcript, error)) {
                transcript_abandon(transcript);
                return false;
        }
        sqlite3 *db = transcript->db;
        transcript->db = NULL;
        bool good = writer_database_close(db, error);
        if (!good)
                writer_database_remove(transcript->path);
        release(transcript);
        return good;
}

void transcript_abandon(struct transcript *transcript)
{
        struct hwaccl_error ignored;

        if (!transcript)
                return;
        (void)writer_database_close(transcript->db, &ignored);
        writer_database_remove(transcript->path);
        release(transcript);
}
