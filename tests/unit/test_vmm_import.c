/* Records of a VMM's recorder as events, and the import of them: what was recorded, as far as the trace has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/trace_fixture.h"

#include "tests/fixtures/kept_records.h"

#include <inttypes.h>

static char imported[sizeof(path) + 16];

/* Which of the events an import sees. */
struct kept_selection {
        bool (*lost)(const struct trace_event *event); /* or NULL */
};

static bool read_kept_records(void *opaque, const struct trace_sink *sink, struct hwaccl_error *error)
{
        const struct kept_selection *selection = opaque;

        for (size_t i = 0; i < kept_count; i++)
                if ((!selection->lost || !selection->lost(&kept[i])) && !sink->event(sink->opaque, &kept[i], error))
                        return false;
        return true;
}

static bool import_kept(struct kept_selection *selection, struct hwaccl_import_result *result,
                        struct hwaccl_error *error)
{
        const struct import_source source = {selection, read_kept_records};
        const struct hwaccl_import_config config = {.directory = "kept", .output = imported, .force = true};

        (void)snprintf(imported, sizeof(imported), "%s-imported", path);
        return import_from(&source, &config, result, error);
}

static void import(bool (*lost)(const struct trace_event *event), struct hwaccl_import_result *result)
{
        struct kept_selection selection = {lost};
        struct hwaccl_error error = {""};

        if (!import_kept(&selection, result, &error))
                fail_msg("%s", error.message);
}

static sqlite3 *open_both(void)
{
        char sql[sizeof(path) + 32];
        sqlite3 *db;

        assert_int_equal(sqlite3_open(imported, &db), SQLITE_OK);
        (void)snprintf(sql, sizeof(sql), "ATTACH '%s' AS other", path);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        return db;
}

/* The first row's column, as text. */
static const char *first_of(sqlite3 *db, const char *sql)
{
        static char text[512];
        sqlite3_stmt *row;

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
        const char *found = sqlite3_step(row) == SQLITE_ROW ? (const char *)sqlite3_column_text(row, 0) : NULL;
        (void)snprintf(text, sizeof(text), "%s", found ? found : "");
        (void)sqlite3_finalize(row);
        return text;
}

/* All columns but times of the host. */
static void compare_table(sqlite3 *db, const char *table)
{
        char sql[2048], columns[512];

        (void)snprintf(
                sql, sizeof(sql),
                "SELECT group_concat('\"' || name || '\"', ', ') FROM pragma_table_info('%s') WHERE name NOT LIKE "
                "'host%%' OR name IN ('host_process', 'host_thread')",
                table);
        (void)snprintf(columns, sizeof(columns), "%s", first_of(db, sql));
        (void)snprintf(
                sql, sizeof(sql),
                "SELECT (SELECT count(*) FROM (SELECT %s FROM main.%s EXCEPT SELECT %s FROM other.%s)) || ' ' || "
                "((SELECT count(*) FROM main.%s) - (SELECT count(*) FROM other.%s))",
                columns, table, columns, table, table, table);
        if (strcmp(first_of(db, sql), "0 0") != 0)
                fail_msg("table %s (%s): %s", table, columns, first_of(db, sql));
}

static void import_gives_the_recording_row_for_row(void **state)
{
        struct hwaccl_import_result result;
        char sql[160], table[64];
        unsigned tables = 0;

        (void)state;
        keep_records(path);
        import(NULL, &result);
        assert_string_equal(result.problem, "");
        assert_true(result.complete);
        assert_int_equal(result.exits, 2 * KEPT_EXITS);
        assert_int_equal(result.events, kept_count);
        assert_int_equal(result.lost, 0);
        struct hwaccl_recording *recording = open_recording(imported);
        assert_checks(recording);
        hwaccl_recording_close(recording);
        sqlite3 *db = open_both();
        for (;; tables++) {
                (void)snprintf(
                        sql, sizeof(sql),
                        "SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name LIMIT 1 OFFSET %u",
                        tables);
                (void)snprintf(table, sizeof(table), "%s", first_of(db, sql));
                if (!table[0])
                        break;
                compare_table(db, table);
        }
        assert_true(tables > 20);
        assert_string_equal(first_of(db, "SELECT count(*) FROM other.vmm_call"), "62");
        assert_string_equal(first_of(db, "SELECT max(abs(a.host_time - b.host_time)) < 1000 FROM main.vmm_call a JOIN "
                                         "other.vmm_call b USING (sequence)"),
                            "1");
        (void)sqlite3_close(db);
        forget_kept();
}

static void an_exit_is_an_event_of_its_own(void **state)
{
        unsigned exits = 0;

        (void)state;
        keep_records(path);
        for (size_t i = 0; i < kept_count; i++) {
                const struct trace_event *event = &kept[i];
                if (event->kind != TRACE_VMM_EXIT || event->vcpu != 1)
                        continue;
                const struct trace_vmm_exit *exit = &event->as.vmm_exit;
                assert_int_equal(event->exit, exits);
                assert_int_equal(exit->state->rip, 0x1000 + 50 + exits);
                assert_int_equal(exit->state->exit_reason,
                                 (exits + 50) % 5 ? HWACCL_EXIT_IO_INSTRUCTION : HWACCL_EXIT_HLT);
                assert_int_equal(exit->unknown & 7, 0);
                assert_int_equal(exit->unknown & 8, 8); /* the guest-physical address */
                assert_true(exit->order > 0);
                assert_true(exit->left >= exit->entered);
                exits++;
        }
        assert_int_equal(exits, KEPT_EXITS);
        forget_kept();
}

static uint64_t number_of(const struct trace_event *event, uint32_t lane)
{
        return event->vcpu == lane ? event->exit : UINT64_MAX;
}

static bool middle_of_exit_20(const struct trace_event *event)
{
        return number_of(event, 0) == 20 && event->kind == TRACE_RECORD && event->as.record.type == RING_RECORD_INPUT;
}

static void a_lost_event_is_a_gap_of_its_vcpu(void **state)
{
        struct hwaccl_import_result result;

        (void)state;
        keep_records(path);
        import(middle_of_exit_20, &result);
        assert_false(result.complete);
        assert_string_equal(result.problem, "the trace lost 1 events: 4 exits in 1 ranges are missing (table gap)");
        assert_int_equal(result.exits, 2 * KEPT_EXITS - 4);
        struct hwaccl_recording *recording = open_recording(imported);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT first || ' ' || last || ' ' || events FROM gap"), "20 23 1");
        assert_string_equal(ask(recording, "SELECT count(*) FROM exit WHERE id >> 40 = 1"), "100");
        assert_string_equal(ask(recording,
                                "SELECT group_concat(rip) FROM (SELECT rip FROM exits WHERE vcpu = 0 AND exit "
                                "IN (19, 24) ORDER BY exit)"),
                            "0x1013,0x1018");
        hwaccl_recording_close(recording);
        forget_kept();
}

static bool until_exit_11(const struct trace_event *event)
{
        return event->vcpu == 0 && event->exit <= 11 && event->kind == TRACE_RECORD;
}

static bool from_exit_90(const struct trace_event *event)
{
        return event->vcpu == 0 && event->exit >= 90 && event->kind == TRACE_RECORD;
}

static void gaps_may_be_at_both_ends(void **state)
{
        struct hwaccl_import_result result;

        (void)state;
        keep_records(path);
        import(until_exit_11, &result);
        struct hwaccl_recording *recording = open_recording(imported);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT group_concat(first || ' ' || last) FROM gap"), "0 15");
        hwaccl_recording_close(recording);
        import(from_exit_90, &result);
        recording = open_recording(imported);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT group_concat(first || ' ' || last) FROM gap"), "90 99");
        assert_false(result.complete);
        hwaccl_recording_close(recording);
        forget_kept();
}

static bool piece_of_long_call(const struct trace_event *event)
{
        return event->kind == TRACE_RECORD && event->as.record.offset == 3 * TRACE_RECORD_PIECE;
}

static bool all_of_the_thread(const struct trace_event *event)
{
        return event->vcpu == LANE_THREAD_FIRST && event->kind == TRACE_RECORD && event->sequence % 2;
}

static void lost_calls_are_said_to_be_missing(void **state)
{
        struct hwaccl_import_result result;

        (void)state;
        keep_records(path);
        import(piece_of_long_call, &result);
        assert_string_equal(result.problem, "the trace lost 2 events: calls of the VMM may be missing");
        struct hwaccl_recording *recording = open_recording(imported);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT count(*) FROM vmm_call WHERE lane = 65536"), "33");
        hwaccl_recording_close(recording);
        import(all_of_the_thread, &result);
        recording = open_recording(imported);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT count(*) FROM exit"), "200");
        hwaccl_recording_close(recording);
        forget_kept();
}

static size_t record_of(uint32_t lane, uint64_t exit, enum ring_record_type type)
{
        for (size_t i = 0; i < kept_count; i++)
                if (kept[i].kind == TRACE_RECORD && kept[i].vcpu == lane && kept[i].exit == exit &&
                    kept[i].as.record.type == type)
                        return i;
        fail_msg("no record of type %d", (int)type);
        return 0;
}

static void expect_refusal(const char *message)
{
        struct kept_selection selection = {NULL};
        struct hwaccl_import_result result;
        struct hwaccl_error error = {""};

        assert_false(import_kept(&selection, &result, &error));
        if (!strstr(error.message, message))
                fail_msg("'%s', not '%s'", error.message, message);
        assert_null(strchr(error.message, '\n'));
        assert_int_not_equal(access(imported, F_OK), 0);
}

/* A trace is untrusted: what cannot be is refused with one line, and no file is left. */
static void records_that_cannot_be_are_refused(void **state)
{
        struct ring_record *record;

        (void)state;
        keep_records(path);
        struct trace_event *event = &kept[record_of(0, 30, RING_RECORD_KVM_RUN)];
        const struct trace_event good = *event;
        event->as.record.total += 8;
        expect_refusal("of a record of");
        *event = good;
        event->as.record.total -= 4;
        expect_refusal("of a record of");
        *event = good;
        event->as.record.offset = 8;
        expect_refusal("of a record of");
        *event = good;
        record = (struct ring_record *)(uintptr_t)event->as.record.data;
        record->words++;
        expect_refusal("bytes says");
        record->words--;
        record->type = 77;
        expect_refusal("a record of unknown type");
        record->type = RING_RECORD_CALLED;
        expect_refusal("a call's end of another length");
        record->type = RING_RECORD_KVM_RUN;
        event->sequence = 3;
        expect_refusal("it comes after number");
        *event = good;
        forget_kept();
}

static uint64_t noise(uint64_t *seed)
{
        uint64_t value = *seed += UINT64_C(0x9e3779b97f4a7c15);

        value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        return value ^ value >> 27;
}

static void ignore(void *opaque, const char *text)
{
        (void)opaque;
        (void)text;
}

static void bytes_changed_at_random_do_no_harm(void **state)
{
        struct kept_selection selection = {NULL};
        struct hwaccl_import_result result;
        struct hwaccl_error error = {""};
        uint64_t seed = 1;
        unsigned refused = 0, taken = 0;

        (void)state;
        keep_records(path);
        for (unsigned i = 0; i < 60; i++) {
                struct trace_event *event = &kept[noise(&seed) % kept_count];
                if (event->kind != TRACE_RECORD)
                        continue;
                uint8_t *byte = (uint8_t *)(uintptr_t)event->as.record.data + noise(&seed) % event->as.record.size;
                const uint8_t before = *byte;
                *byte ^= (uint8_t)(1u << noise(&seed) % 8);
                if (import_kept(&selection, &result, &error)) {
                        struct hwaccl_recording *recording = open_recording(imported);
                        (void)hwaccl_recording_check(recording, ignore, NULL, &error);
                        hwaccl_recording_close(recording);
                        taken++;
                } else {
                        assert_true(error.message[0] && !strchr(error.message, '\n'));
                        refused++;
                }
                *byte = before;
        }
        assert_true(refused > 3 && taken > 3);
        forget_kept();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(import_gives_the_recording_row_for_row, remove_files),
                cmocka_unit_test_teardown(an_exit_is_an_event_of_its_own, remove_files),
                cmocka_unit_test_teardown(a_lost_event_is_a_gap_of_its_vcpu, remove_files),
                cmocka_unit_test_teardown(gaps_may_be_at_both_ends, remove_files),
                cmocka_unit_test_teardown(lost_calls_are_said_to_be_missing, remove_files),
                cmocka_unit_test_teardown(records_that_cannot_be_are_refused, remove_files),
                cmocka_unit_test_teardown(bytes_changed_at_random_do_no_harm, remove_files),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
