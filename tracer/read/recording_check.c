/* Integrity of a recording: SQLite's own check, the schema, every exit through the reader, and rows that no reader
 * uses.
 */
#include "tracer/read/recording_internal.h"

#include "tracer/database/block_scan.h"
#include "tracer/database/schema.h"

#include "hwaccl/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX 100u /* enough to show that the file is damaged */

struct check {
        struct hwaccl_recording *recording;
        void (*finding)(void *opaque, const char *text);
        void *opaque;
        unsigned findings;
        sqlite3_stmt *keyframe; /* its page, by exit id */
        /* along one vCPU */
        const struct recorded_vcpu *vcpu;
        uint64_t clock;
        bool clock_known;
};

static void found(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void found(struct check *check, const char *format, ...)
{
        char text[512];
        va_list arguments;

        if (check->findings++ >= FINDINGS_MAX)
                return;
        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        check->finding(check->opaque, text);
        if (check->findings == FINDINGS_MAX)
                check->finding(check->opaque, "more problems were found");
}

/* Run a query that returns one line of text per problem. */
static bool ask(struct check *check, const char *prefix, const char *sql, struct hwaccl_error *error)
{
        sqlite3 *db = check->recording->db;
        sqlite3_stmt *row = NULL;
        int result;

        if (!database_prepare(db, sql, &row, error))
                return false;
        while ((result = sqlite3_step(row)) == SQLITE_ROW) {
                const char *text = (const char *)sqlite3_column_text(row, 0);
                /* pages of what is not hwaccl's belong to nothing in this view */
                if (text && check->recording->foreign_count && strstr(text, "is never used"))
                        continue;
                if (!text || strcmp(text, "ok") != 0)
                        found(check, "%s%s", prefix, text ? text : "NULL");
        }
        bool good = result == SQLITE_DONE || database_error(db, error, "cannot read");
        (void)sqlite3_finalize(row);
        return good;
}

/* Rows of other tables without an exit. A recorder that died may have left some after its last exit. */
#define ORPHANS(table, key) ORPHANS_AND(table, key, "")
#define ORPHANS_AND(table, key, condition)                                                                             \
        "SELECT '" #table ": a row for exit ' || (" #key " & 0xffffffffff) || ' of vCPU ' || (" #key                   \
        " >> 40) || ', which does not exist' FROM " #table                                                             \
        " WHERE NOT EXISTS (SELECT 1 FROM exit WHERE exit.id = " #table "." #key ") AND (" #key                        \
        " <= (SELECT max(id) FROM exit) OR (SELECT status FROM status) = 0) " condition " LIMIT 5"

/* Exits and calls that are numbered. */
/* Numbers of coalesced writes are those of their VM; which one that is is known where there is but one. Not in a
 * window: what was before it is not there. */
#define COALESCED_OF_ONE_VM                                                                                            \
        "WITH writes AS (SELECT exit, value FROM input WHERE kind IN (12, 13) AND 1 = (SELECT count(*) FROM vmm_call " \
        "WHERE request = 0xae01 AND error IS NULL) AND NOT EXISTS (SELECT 1 FROM vcpu v WHERE NOT EXISTS (SELECT 1 "   \
        "FROM exit WHERE id = v.id << 40) AND EXISTS (SELECT 1 FROM exit WHERE id BETWEEN v.id << 40 AND (v.id << "    \
        "40) + 0xffffffffff))) "

#define SEQUENCE_ALL                                                                                                   \
        "SELECT sequence, id >> 40 AS lane FROM exit WHERE sequence IS NOT NULL UNION ALL SELECT sequence, lane FROM " \
        "vmm_call"

static bool check_references(struct check *check, struct hwaccl_error *error)
{
        static const char *const queries[] = {
                ORPHANS(handler_change, id),
                ORPHANS(keyframe, id),
                ORPHANS(entry_state, id),
                ORPHANS(pending, id),
                ORPHANS(kvm_run, id),
                /* the VMM may have saved its state after the last exit */
                ORPHANS_AND(vmm_state, exit,
                            "AND exit <> 1 + coalesce((SELECT max(id) FROM exit WHERE id >= (vmm_state.exit >> 40) << "
                            "40 AND id < ((vmm_state.exit >> 40) + 1) << 40), ((vmm_state.exit >> 40) << 40) - 1)"),
                ORPHANS(block, id),
                /* an offer before an entry without exit has a row after the last exit */
                ORPHANS_AND(irq_handoff, id,
                            "AND id <> 1 + coalesce((SELECT max(id) FROM exit WHERE id >= (irq_handoff.id >> 40) << 40 "
                            "AND id < ((irq_handoff.id >> 40) + 1) << 40), ((irq_handoff.id >> 40) << 40) - 1)"),
                /* that of the end of a recording without exits has its own number */
                ORPHANS_AND(thread_time, exit, "AND exit & 0xffffffffff <> 0"),
                ORPHANS(input, exit),
                ORPHANS(effect, exit),
                ORPHANS(fault, exit),
                /* a window begins after the snapshot with which its replay starts */
                "SELECT 'device_snapshot: a row for exit ' || (s.exit & 0xffffffffff) || ' of vCPU ' || (s.exit >> 40) "
                "|| ', which does not exist' FROM device_snapshot s WHERE NOT EXISTS "
                "(SELECT 1 FROM exit WHERE exit.id = s.exit) AND s.exit + 1 NOT IN "
                "(SELECT min(id) FROM exit GROUP BY id >> 40) AND s.exit & 0xffffffffff <> 0 AND s.exit NOT IN (SELECT "
                "last FROM gap) AND (s.exit <= "
                "(SELECT max(id) FROM exit) OR (SELECT status FROM status) = 0) LIMIT 5",
                "SELECT 'mark ' || (id & 0xffffffffff) || ' of vCPU ' || vcpu || ': its exit or vCPU does not exist' "
                "FROM mark WHERE id >> 40 <> vcpu OR vcpu NOT IN (SELECT id FROM vcpu) OR (exit IS NOT NULL AND "
                "(exit >> 40 <> vcpu OR NOT EXISTS (SELECT 1 FROM exit WHERE exit.id = mark.exit)) AND "
                "(exit <= (SELECT max(id) FROM exit) OR (SELECT status FROM status) = 0)) LIMIT 5",
                "SELECT 'exit: rows of vCPU ' || (id >> 40) || ', which is not in table vcpu' FROM exit WHERE id >> 40 "
                "NOT IN (SELECT id FROM vcpu) GROUP BY id >> 40 LIMIT 5",
                "SELECT 'device_state: a row for exit ' || (exit & 0xffffffffff) || ' without snapshot or field' "
                "FROM device_state WHERE exit NOT IN (SELECT exit FROM device_snapshot) OR field NOT IN "
                "(SELECT id FROM device_field) LIMIT 5",
                "SELECT 'instruction ' || id || ': expected 16, 32 or 64 bits and 1 to 15 bytes' FROM instruction "
                "WHERE code_bits NOT IN (16, 32, 64) OR length(bytes) NOT BETWEEN 1 AND 15 LIMIT 5",
                "SELECT 'gap: exits ' || (first & 0xffffffffff) || ' to ' || (last & 0xffffffffff) || ' of vCPU ' || "
                "(first >> 40) || ' exist, or the recording is marked complete' FROM gap WHERE EXISTS "
                "(SELECT 1 FROM exit WHERE id BETWEEN first AND last) OR (SELECT status FROM status) = 0 LIMIT 5",
                "SELECT 'walk ' || walk || ': expected 4 or 8 bytes' FROM walk_read WHERE length(data) NOT IN (4, 8) "
                "LIMIT 5",
                "SELECT 'vmm_call ' || sequence || ': its lane ' || lane || ' or its exit does not exist' FROM "
                "vmm_call "
                "WHERE (lane NOT IN (SELECT id FROM lane) AND lane NOT IN (SELECT id FROM vcpu)) OR (exit IS NOT NULL "
                "AND (exit >> 40 <> lane OR NOT EXISTS (SELECT 1 FROM exit WHERE exit.id = vmm_call.exit)) AND "
                "(exit <= (SELECT max(id) FROM exit) OR (SELECT status FROM status) = 0)) LIMIT 5",
                "SELECT 'sequence: number ' || sequence || ' was given more than once' FROM (" SEQUENCE_ALL
                ") GROUP BY sequence HAVING count(*) > 1 LIMIT 5",
                "SELECT 'sequence: number ' || sequence || ' of lane ' || lane || ' comes after ' || before FROM "
                "(SELECT "
                "sequence, id >> 40 AS lane, lag(sequence) OVER (PARTITION BY id >> 40 ORDER BY id) AS before FROM "
                "exit "
                "WHERE sequence IS NOT NULL) WHERE sequence < before LIMIT 5",
                /* a thread that ends in the middle of a record has taken one number: so many may be missing behind
                 * the last ones of as many lanes; a trace may have lost more */
                "WITH gaps AS (SELECT sequence AS next, lag(sequence) OVER (ORDER BY sequence) AS before FROM "
                "(" SEQUENCE_ALL
                ")), ends AS (SELECT l.id, coalesce(max(s.sequence), 0) AS last FROM (SELECT id FROM lane "
                "UNION SELECT id FROM vcpu) l LEFT JOIN (" SEQUENCE_ALL ") s ON s.lane = l.id GROUP BY l.id) "
                "SELECT 'sequence: numbers ' || (before + 1) || ' to ' || (next - 1) || ' are missing' FROM (SELECT "
                "next, before, sum(next - before - 1) OVER (ORDER BY next) AS missing FROM gaps WHERE next > before + "
                "1) "
                "WHERE missing > (SELECT count(*) FROM ends WHERE last <= before) AND NOT EXISTS (SELECT 1 FROM "
                "option WHERE name = 'host_trace_events_lost') LIMIT 5",
                "SELECT 'input: coalesced write ' || value || ' of vCPU ' || (exit >> 40) || ' comes after ' || before "
                "FROM (SELECT exit, value, lag(value) OVER (PARTITION BY exit >> 40 ORDER BY exit, sequence) AS before "
                "FROM input WHERE kind IN (12, 13)) WHERE value <= before LIMIT 5",
                COALESCED_OF_ONE_VM "SELECT 'input: coalesced write ' || value || ' was recorded more than once' FROM "
                                    "writes GROUP BY value HAVING count(*) > 1 LIMIT 5",
                /* a thread that ended in the middle of a record has taken some: they may be missing behind its last
                 * exit */
                COALESCED_OF_ONE_VM
                "SELECT 'input: coalesced writes ' || (before + 1) || ' to ' || (value - 1) || ' are "
                "missing' FROM (SELECT exit, value, lag(value, 1, -1) OVER (ORDER BY value) AS "
                "before FROM writes) w WHERE value > before + 1 AND NOT EXISTS (SELECT 1 FROM vcpu v "
                "WHERE (SELECT sequence FROM exit WHERE id BETWEEN v.id << 40 AND (v.id << 40) + "
                "0xffffffffff ORDER BY id DESC LIMIT 1) < (SELECT sequence FROM exit WHERE id = "
                "w.exit)) AND NOT EXISTS (SELECT 1 FROM option WHERE name = 'host_trace_events_lost') LIMIT 5",
                "SELECT 'status: ' || count(*) || ' rows, expected 1' FROM status HAVING count(*) <> 1",
        };
        for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
                if (!ask(check, "", queries[i], error))
                        return false;
        return true;
}

static bool check_memory(struct check *check, struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        int result;
        uint8_t bytes[1];

        if (!database_prepare(check->recording->db, "SELECT address FROM memory_page", &row, error))
                return false;
        while ((result = sqlite3_step(row)) == SQLITE_ROW) {
                uint64_t address = (uint64_t)sqlite3_column_int64(row, 0);
                if (address % 4096 || !hwaccl_recording_memory_read(check->recording, address, bytes, sizeof(bytes)))
                        found(check, "memory_page: the page at 0x%" PRIx64 " is missing or damaged", address);
        }
        (void)sqlite3_finalize(row);
        return result == SQLITE_DONE || database_error(check->recording->db, error, "cannot read");
}

/* Ranges that the reader does not take. */
static bool check_memory_ranges(struct check *check, struct hwaccl_error *error)
{
        int64_t rows = 0;
        size_t taken = 0;
        uint64_t address, size;
        bool writable;

        while (hwaccl_recording_memory_range(check->recording, taken, &address, &size, &writable))
                taken++;
        if (!database_integer(check->recording->db, "SELECT count(*) FROM memory_range", 0, &rows, error))
                return false;
        if (rows != (int64_t)taken)
                found(check, "memory_range: a range is invalid, overlaps another, or there are too many");
        return true;
}

static bool check_faults(struct check *check, struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        int result;

        if (!database_prepare(check->recording->db,
                              "SELECT DISTINCT exit FROM fault WHERE exit IN (SELECT id FROM exit)", &row, error))
                return false;
        while ((result = sqlite3_step(row)) == SQLITE_ROW) {
                int64_t id = sqlite3_column_int64(row, 0);
                struct hwaccl_fault_chain chain;
                struct hwaccl_error reason;
                if (!hwaccl_recording_faults(check->recording, (uint32_t)(id >> VCPU_SHIFT), exit_number(id), &chain,
                                             &reason))
                        found(check, "%s", reason.message);
        }
        (void)sqlite3_finalize(row);
        return result == SQLITE_DONE || database_error(check->recording->db, error, "cannot read");
}

static bool check_vmm_states(struct check *check, struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        int result;

        if (!database_prepare(check->recording->db, "SELECT DISTINCT exit FROM vmm_state", &row, error))
                return false;
        while ((result = sqlite3_step(row)) == SQLITE_ROW) {
                int64_t id = sqlite3_column_int64(row, 0);
                struct hwaccl_recorded_vmm_state state;
                struct hwaccl_error reason;
                if (hwaccl_recording_vmm_state(check->recording, (uint32_t)(id >> VCPU_SHIFT), exit_number(id), &state,
                                               &reason))
                        hwaccl_recorded_vmm_state_free(&state);
                else
                        found(check, "%s", reason.message);
        }
        (void)sqlite3_finalize(row);
        return result == SQLITE_DONE || database_error(check->recording->db, error, "cannot read");
}

/* The keyframe before this exit must equal the state after the previous exits. */
static bool check_keyframe(struct check *check, const struct hwaccl_recorded_exit *exit, struct hwaccl_error *error)
{
        const struct field_set *page = &check->recording->set[FIELD_SET_PAGE];
        sqlite3_stmt *row = check->keyframe;

        if (sqlite3_bind_int64(row, 1, exit_id(exit->vcpu, exit->number)) != SQLITE_OK)
                return database_error(check->recording->db, error, "cannot bind a value");
        int result = sqlite3_step(row);
        for (unsigned i = 0; result == SQLITE_ROW && i < page->count; i++) {
                unsigned index = page->index[i];
                uint64_t rebuilt = hwaccl_field_get(exit->entry, (enum hwaccl_field_index)index);
                bool known = hwaccl_known_fields_has(&exit->entry_known, index);
                if (known && sqlite3_column_type(row, (int)i) == SQLITE_INTEGER &&
                    (uint64_t)sqlite3_column_int64(row, (int)i) != rebuilt)
                        found(check,
                              "keyframe %" PRIu64 ": %s is 0x%" PRIx64 ", but the previous exits give 0x%" PRIx64,
                              exit->number, hwaccl_subject_fields[index].name,
                              (uint64_t)sqlite3_column_int64(row, (int)i), rebuilt);
        }
        if (result == SQLITE_DONE && exit->number % check->recording->info.keyframe_interval == 0)
                found(check, "exit %" PRIu64 ": its keyframe is missing", exit->number);
        (void)sqlite3_reset(row);
        return result == SQLITE_ROW || result == SQLITE_DONE ||
               database_error(check->recording->db, error, "cannot read");
}

static void check_exit(struct check *check, const struct hwaccl_recorded_exit *exit)
{
        const struct hwaccl_recording *recording = check->recording;

        if (exit->input_count && exit->inputs[0].kind == HWACCL_INPUT_CLOCK) {
                if (check->clock_known && exit->inputs[0].value < check->clock)
                        found(check, "exit %" PRIu64 ": the guest clock goes back from %" PRIu64 " to %" PRIu64,
                              exit->number, check->clock, exit->inputs[0].value);
                check->clock = exit->inputs[0].value;
                check->clock_known = true;
        }
        unsigned vector = exit->offered_vector;
        bool pending = exit->pending[vector / 64] >> (vector % 64) & 1;
        if (exit->offered && exit->settled && exit->pending_known && pending == exit->taken)
                found(check, "exit %" PRIu64 ": vector %u was %s, but is %s in the pending page", exit->number, vector,
                      exit->taken ? "taken" : "returned", pending ? "set" : "clear");
        bool due = recording->device_field_count && exit->outcome_known &&
                   (exit->number + 1) % recording->info.keyframe_interval == 0;
        /* an imported trace may have lost it; a recovered recording has it */
        bool lost = recording->info.status != HWACCL_RECORDING_COMPLETE &&
                    (recording->gap_count || recording->info.end != HWACCL_END_RECORDER_DIED);
        if (due && !exit->keyframe && !lost && exit->number + 1 < check->vcpu->end)
                found(check, "exit %" PRIu64 ": the device state is missing", exit->number);
        if (exit->keyframe && exit->device_field_count != recording->device_field_count)
                found(check, "exit %" PRIu64 ": %zu of %zu device fields have a value", exit->number,
                      exit->device_field_count, recording->device_field_count);
}

/* Where to continue after the unreadable exit @number: a later keyframe. 0: none. */
static bool next_keyframe(struct check *check, uint32_t vcpu, uint64_t number, uint64_t *next,
                          struct hwaccl_error *error)
{
        char sql[128];
        int64_t id = 0;

        (void)snprintf(sql, sizeof(sql), "SELECT min(id) FROM keyframe WHERE id > %" PRId64 " AND id <= %" PRId64,
                       exit_id(vcpu, number), exit_id(vcpu, EXIT_NUMBER_MAX));
        if (!database_integer(check->recording->db, sql, 0, &id, error))
                return false;
        *next = exit_number(id);
        return true;
}

/* Read from @first on. *stopped is the unreadable exit, or the number of exits. */
static bool walk(struct check *check, const struct recorded_vcpu *vcpu, uint64_t first, uint64_t *stopped,
                 struct hwaccl_error *error)
{
        struct hwaccl_error reason;
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(check->recording, vcpu->number, first, &reason);
        const struct hwaccl_recorded_exit *exit = NULL;
        int result = -1;
        bool good = true;

        *stopped = first;
        check->clock_known = false;
        while (cursor && good && (result = hwaccl_exit_cursor_next(cursor, &exit, &reason)) == 1) {
                *stopped = exit->number + 1;
                check_exit(check, exit);
                good = check_keyframe(check, exit, error);
        }
        if (result < 0)
                found(check, "%s", reason.message);
        else if (good && result == 0 && *stopped < vcpu->end)
                found(check, "exit %" PRIu64 " is missing", *stopped);
        hwaccl_exit_cursor_close(cursor);
        return good;
}

static bool check_exits(struct check *check, const struct recorded_vcpu *vcpu, struct hwaccl_error *error)
{
        uint64_t at = vcpu->first;

        check->vcpu = vcpu;
        while (at < vcpu->end && check->findings < FINDINGS_MAX) {
                uint64_t stopped = at;
                uint64_t next = 0;
                if (!walk(check, vcpu, at, &stopped, error))
                        return false;
                if (stopped >= vcpu->end)
                        break;
                if (!next_keyframe(check, vcpu->number, stopped, &next, error))
                        return false;
                if (next <= at)
                        break;
                at = next;
        }
        return true;
}

struct block_check {
        struct check *check;
        sqlite3_stmt *block;
        sqlite3_stmt *count;
        int64_t counts; /* rows of block_count that there must be */
};

static bool row_is(sqlite3_stmt *row, const int64_t *value, int count)
{
        bool same = sqlite3_step(row) == SQLITE_ROW;

        for (int i = 0; same && i < count; i++)
                same = sqlite3_column_type(row, i) == SQLITE_INTEGER && sqlite3_column_int64(row, i) == value[i];
        (void)sqlite3_reset(row);
        return same;
}

static bool count_is_good(struct block_check *blocks, int64_t block, const struct block_count *count)
{
        const int64_t expected[] = {(int64_t)count->exits,       (int64_t)count->timed,
                                    (int64_t)count->guest.sum,   (int64_t)count->guest.min,
                                    (int64_t)count->guest.max,   (int64_t)count->handler.sum,
                                    (int64_t)count->handler.min, (int64_t)count->handler.max};

        blocks->counts++;
        return (sqlite3_bind_int64(blocks->count, 1, count->kind) | sqlite3_bind_int64(blocks->count, 2, count->value) |
                sqlite3_bind_int64(blocks->count, 3, block)) == SQLITE_OK &&
               row_is(blocks->count, expected, sizeof(expected) / sizeof(expected[0]));
}

static bool check_block(void *opaque, struct block *block, struct hwaccl_error *error)
{
        struct block_check *blocks = opaque;
        const int64_t expected[] = {block->last, (int64_t)block->exits, block->rips ? 0 : 1, (int64_t)block->rip_min,
                                    (int64_t)block->rip_max};
        bool good = sqlite3_bind_int64(blocks->block, 1, block->first) == SQLITE_OK &&
                    row_is(blocks->block, expected, sizeof(expected) / sizeof(expected[0]));

        (void)error;
        for (size_t i = 0; i < BLOCK_SLOTS; i++)
                if (block->count[i].exits)
                        good = count_is_good(blocks, block->first, &block->count[i]) && good;
        if (!good)
                found(blocks->check, "block %" PRIu64 " of vCPU %" PRId64 ": its exits give other counts or times",
                      exit_number(block->first), block->first >> VCPU_SHIFT);
        return true;
}

/* Exits that have a block. Recordings of older versions have none, and a running one lacks the last. */
static bool compare_blocks(struct block_check *blocks, struct hwaccl_error *error)
{
        struct check *check = blocks->check;
        const struct hwaccl_recording *recording = check->recording;
        int64_t rows = 0;

        for (uint32_t i = 0; i < recording->info.vcpu_count; i++) {
                char sql[128];
                int64_t end = 0;
                (void)snprintf(sql, sizeof(sql), "SELECT first FROM unsummed WHERE vcpu = %" PRIu32,
                               recording->vcpu[i].number);
                if (!database_integer(recording->db, sql, 0, &end, error) ||
                    !block_scan(recording->db, exit_id(recording->vcpu[i].number, 0), end - 1, check_block, blocks,
                                error))
                        return false;
        }
        if (!database_integer(recording->db, "SELECT count(*) FROM block_count", 0, &rows, error))
                return false;
        if (rows != blocks->counts)
                found(check, "block_count: %" PRId64 " rows; the exits give %" PRId64, rows, blocks->counts);
        return true;
}

static bool check_blocks(struct check *check, struct hwaccl_error *error)
{
        struct block_check blocks = {.check = check};
        sqlite3 *db = check->recording->db;
        bool good = database_prepare(db,
                                     "SELECT last, exits, rip_min IS NULL, coalesce(rip_min, 0), coalesce(rip_max, 0) "
                                     "FROM block WHERE id = ?1",
                                     &blocks.block, error) &&
                    database_prepare(db,
                                     "SELECT exits, timed, host_guest, host_guest_min, host_guest_max, host_handler, "
                                     "host_handler_min, host_handler_max FROM block_count "
                                     "WHERE kind = ?1 AND value = ?2 AND block = ?3",
                                     &blocks.count, error) &&
                    compare_blocks(&blocks, error);

        (void)sqlite3_finalize(blocks.block);
        (void)sqlite3_finalize(blocks.count);
        return good;
}

bool hwaccl_recording_check(struct hwaccl_recording *recording, void (*finding)(void *opaque, const char *text),
                            void *opaque, struct hwaccl_error *error)
{
        struct check check = {.recording = recording, .finding = finding, .opaque = opaque};
        char *sql = schema_expand("SELECT @page($)@ FROM keyframe WHERE id = ?1", SCHEMA_FIELDS_NOW);

        if (!sql)
                return hwaccl_error_set(error, "out of memory");
        bool good = database_prepare(recording->db, sql, &check.keyframe, error);
        free(sql);
        for (size_t i = 0; i < recording->foreign_count; i++)
                found(&check, "schema: %s; it is ignored", recording->foreign[i]);
        good = good && ask(&check, "database: ", "PRAGMA integrity_check(20)", error) &&
               check_references(&check, error) && check_faults(&check, error) && check_vmm_states(&check, error) &&
               check_memory_ranges(&check, error) && check_memory(&check, error);
        for (uint32_t i = 0; good && i < recording->info.vcpu_count; i++)
                good = check_exits(&check, &recording->vcpu[i], error);
        good = good && check_blocks(&check, error);
        (void)sqlite3_finalize(check.keyframe);
        return good;
}
