/* Recordings that are not what they should be: one clear line each, never a crash, and hwaccl_recording_check tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/file_bytes.h"
#include "tests/fixtures/recording_fixture.h"
#include "tracer/database/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#define EXITS    200
#define INTERVAL 16

static void execute(const char *sql)
{
        sqlite3 *db;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void write_file(const char *data, size_t size)
{
        int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);

        assert_int_equal(write(fd, data, size), (ssize_t)size);
        (void)close(fd);
}

static void refused(const char *because)
{
        struct hwaccl_error error = {""};

        assert_null(hwaccl_recording_open(path, &error));
        if (!strstr(error.message, because) || !strstr(error.message, path))
                fail_msg("the message is: %s", error.message);
}

static void missing_empty_and_foreign_files_are_refused(void **state)
{
        (void)state;
        refused("No such file");
        write_file("", 0);
        refused("is empty");
        write_file("#!/bin/sh\n# no database at all, but long enough", 45);
        refused("not an SQLite database");
        write_file("SQLite", 6);
        refused("not an SQLite database");
        assert_int_equal(unlink(path), 0);
        execute("CREATE TABLE exit (id INTEGER PRIMARY KEY)");
        refused("not a recording of hwaccl");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        refused("is not a regular file");
        assert_int_equal(rmdir(path), 0);
}

static void a_truncated_database_is_refused(void **state)
{
        struct stat status;

        (void)state;
        record(1, EXITS, INTERVAL, 0);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(truncate(path, status.st_size / 2), 0);
        refused("is truncated");
        assert_int_equal(truncate(path, 100), 0);
        refused("is truncated: 100 of");
}

static void a_newer_schema_is_refused_by_number(void **state)
{
        (void)state;
        record(1, EXITS, INTERVAL, 0);
        execute("PRAGMA user_version = 4711");
        refused("schema version 4711");
        execute("PRAGMA user_version = 0");
        refused("no schema version");
}

static void every_table_is_needed(void **state)
{
        static const char *const tables[] = {"option",         "status",          "vcpu",         "exit",
                                             "handler_change", "keyframe",        "input",        "effect",
                                             "irq_handoff",    "pending",         "instruction",  "system_registers",
                                             "device_field",   "device_snapshot", "device_state", "segment_registers",
                                             "mark",           "entry_state"};

        (void)state;
        for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
                char sql[96];
                record(1, 3, INTERVAL, 0);
                (void)snprintf(sql, sizeof(sql), "DROP TABLE \"%s\"", tables[i]);
                execute(sql);
                refused(tables[i]);
                (void)remove_recording(NULL);
        }
}

static void a_view_cannot_stand_in_for_a_table(void **state)
{
        (void)state;
        record(1, 3, INTERVAL, 0);
        execute("ALTER TABLE pending RENAME TO elsewhere; CREATE VIEW pending AS SELECT * FROM elsewhere");
        refused("pending");
}

struct findings {
        unsigned count;
        char first[512];
};

static void keep_finding(void *opaque, const char *text)
{
        struct findings *findings = opaque;

        if (findings->count++ == 0)
                (void)snprintf(findings->first, sizeof(findings->first), "%s", text);
}

static struct findings check(void)
{
        struct findings findings = {0, ""};
        struct hwaccl_error error = {""};
        struct hwaccl_recording *recording = open_recording();

        if (!hwaccl_recording_check(recording, keep_finding, &findings, &error))
                fail_msg("%s", error.message);
        hwaccl_recording_close(recording);
        return findings;
}

static void a_good_recording_has_no_findings(void **state)
{
        (void)state;
        record(1, EXITS, INTERVAL, 0);
        struct findings findings = check();
        if (findings.count)
                fail_msg("%s", findings.first);
}

/* Reads to the end or to the first error. */
static int read_all(struct hwaccl_error *error)
{
        struct hwaccl_recording *recording = open_recording();
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, 0, 0, error);
        const struct hwaccl_recorded_exit *exit;
        int result = -1;

        while (cursor && (result = hwaccl_exit_cursor_next(cursor, &exit, error)) == 1)
                ;
        hwaccl_exit_cursor_close(cursor);
        hwaccl_recording_close(recording);
        return result;
}

static void damage_is_an_error_of_the_cursor_and_a_finding(void **state)
{
        static const struct {
                const char *sql;
                const char *says; /* in the cursor's message; NULL: only check sees it */
        } cases[] = {
                {"DELETE FROM exit WHERE id = 77", "exit 77 is missing"},
                {"DELETE FROM keyframe WHERE id = 0", "no keyframe"},
                {"DELETE FROM keyframe WHERE id = 32", NULL},
                {"UPDATE keyframe SET rbx = ~rbx WHERE id = 48", NULL},
                {"UPDATE exit SET verdict = 99 WHERE id = 5", "verdict is 99"},
                {"UPDATE exit SET outcome = -1 WHERE id = 5", "outcome is -1"},
                {"UPDATE exit SET rip_advance = NULL WHERE id = 5", "state after its handling is missing"},
                {"UPDATE exit SET instruction = 99999 WHERE id = 5", "instruction 99999 is missing"},
                {"UPDATE exit SET instruction_input = 1000, instruction = 1 WHERE id = 5", "is missing"},
                {"UPDATE instruction SET bytes = zeroblob(16) WHERE id = 1", "instruction"},
                {"UPDATE exit SET walk = 99999 WHERE id = 5", "walk 99999: expected 1 to 8 reads"},
                {"UPDATE exit SET walk = -1 WHERE id = 5", "walk is -1"},
                {"DELETE FROM walk_read WHERE sequence = 0", "expected 1 to 8 reads"},
                {"UPDATE walk_read SET data = zeroblob(9)", "expected 1 to 8 reads of 4 or 8 bytes"},
                {"UPDATE walk_read SET sequence = sequence + 100", "in sequence"},
                {"INSERT INTO walk_read SELECT 1, value, 0, zeroblob(8) FROM json_each('[8,9]')",
                 "expected 1 to 8 reads"},
                {"UPDATE segment_registers SET cs_limit = 4294967296", "cs_limit does not fit 32 bits"},
                {"UPDATE system_registers SET gs_access_rights = -1", "gs_access_rights"},
                {"DELETE FROM system_registers", "keyframe 0 has no row in table system_registers"},
                {"DELETE FROM segment_registers WHERE at > 100", "has no row in table segment_registers"},
                {"INSERT INTO irq_handoff VALUES (1000000, 32, 1, 0, 0)", NULL},
                {"UPDATE irq_handoff SET vector = 256", "vector is 256"},
                {"UPDATE irq_handoff SET taken = 2", "taken is 2"},
                {"UPDATE irq_handoff SET taken = 1 - taken", NULL},
                {"DELETE FROM pending", NULL},
                {"UPDATE input SET kind = 99", "kind is 99"},
                {"UPDATE input SET data = zeroblob(4097)", "at most 4096"},
                {"UPDATE input SET sequence = sequence + 100", "sequence"},
                {"UPDATE effect SET kind = -1", "kind is -1"},
                {"UPDATE effect SET data = zeroblob(5000)", "at most 4096"},
                {"DELETE FROM effect WHERE sequence = 0", "sequence is 1"},
                {"INSERT INTO effect VALUES (5000, 0, 0, 0, 0, NULL)", NULL},
                {"INSERT INTO fault VALUES (5000, 0, 0, 0, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL)",
                 NULL},
                {"UPDATE fault SET sequence = sequence + 10", NULL},
                {"UPDATE fault SET source = 3", NULL},
                {"UPDATE fault SET vector = 256", NULL},
                {"UPDATE fault SET error_code = 4294967296 WHERE error_code IS NOT NULL", NULL},
                {"UPDATE fault SET cs = -1", NULL},
                {"UPDATE fault SET step = 28", NULL},
                {"UPDATE fault SET raised = -1 WHERE raised IS NOT NULL", NULL},
                {"INSERT INTO fault SELECT DISTINCT exit, 8, 0, 0, NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, "
                 "NULL "
                 "FROM fault",
                 NULL},
                {"INSERT INTO handler_change(id) VALUES (4000)", NULL},
                {"DELETE FROM device_snapshot WHERE exit = 31", NULL},
                {"UPDATE device_state SET value = 'text'", "device_state"},
                {"UPDATE device_state SET value = 256 WHERE field = 1", "does not fit 1 bytes"},
                {"UPDATE device_state SET field = 1000 WHERE field = 4 AND exit = 31", "unknown field 1000"},
                {"DELETE FROM device_state WHERE field = 3", NULL},
                {"UPDATE exit SET clock = -1000000000 WHERE id = 40 AND clock IS NOT NULL", NULL},
                {"INSERT INTO exit(id, exit_reason, rip) VALUES (1 << 40, 0, 0)", NULL},
                {"UPDATE exit SET exit_reason = NULL WHERE id = 3; DELETE FROM block; DELETE FROM block_count", ""},
                {"UPDATE exit SET exit_reason = NULL WHERE id = 3", NULL},
                {"UPDATE exit SET host_handler = host_handler + 1 WHERE id = 3", NULL},
                {"UPDATE exit SET outcome = NULL WHERE id = 3", NULL},
                {"UPDATE block_count SET exits = exits + 1 WHERE kind = 2 AND block = 0", NULL},
                {"UPDATE block SET rip_min = NULL WHERE id = 0", NULL},
                {"DELETE FROM block WHERE id = 16", NULL},
                {"DELETE FROM block WHERE id = (SELECT max(id) FROM block)", NULL},
                {"INSERT INTO block_count VALUES (7, 7, 0, 1, 1, 1, 1, 1, 1, 1, 1)", NULL},
        };

        size_t size;

        (void)state;
        record(9, EXITS, INTERVAL, 0);
        uint8_t *good = file_bytes_read(path, &size);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct hwaccl_error error = {""};
                write_file((const char *)good, size);
                execute(cases[i].sql);
                int result = read_all(&error);
                if (cases[i].says && *cases[i].says && (result != -1 || !strstr(error.message, cases[i].says)))
                        fail_msg("%s: the cursor says %d: %s", cases[i].sql, result, error.message);
                if (!cases[i].says && result != 0)
                        fail_msg("%s: the cursor says %d: %s", cases[i].sql, result, error.message);
                struct findings findings = check();
                bool harmless = cases[i].says && !*cases[i].says;
                if ((findings.count == 0) != harmless)
                        fail_msg("%s: %u findings: %s", cases[i].sql, findings.count, findings.first);
                (void)remove_recording(NULL);
        }
        free(good);
}

static void check_goes_on_behind_damage(void **state)
{
        (void)state;
        record(9, EXITS, INTERVAL, 0);
        execute("DELETE FROM exit WHERE id IN (20, 100); UPDATE exit SET verdict = 50 WHERE id = 150");
        assert_true(check().count >= 3);
}

static void numbers_of_the_status_row_are_checked(void **state)
{
        static const char *const damage[][2] = {
                {"DELETE FROM status", "status"},
                {"UPDATE status SET status = 3", "status.status is 3"},
                {"UPDATE status SET end_status = 100", "status.end_status"},
                {"UPDATE status SET keyframe_interval = 0", "keyframe_interval"},
                {"DELETE FROM vcpu", "vcpu"},
                {"INSERT INTO vcpu VALUES (-1)", "vcpu.id"},
                {"UPDATE device_field SET size = 100000 WHERE id = 2", "device_field.size"},
                {"DELETE FROM device_field WHERE id = 2", "device_field"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
                record(1, 3, INTERVAL, 0);
                execute(damage[i][0]);
                refused(damage[i][1]);
                (void)remove_recording(NULL);
        }
}

/* Every 97th byte of the file in turn: whatever comes of it, no crash and no endless loop. */
static void flipped_bytes_never_crash_a_reader(void **state)
{
        struct stat status;

        (void)state;
        record(3, 40, INTERVAL, 0);
        assert_int_equal(stat(path, &status), 0);
        for (off_t at = 0; at < status.st_size; at += 997) {
                int fd = open(path, O_RDWR);
                uint8_t byte;
                struct hwaccl_error error = {""};
                assert_int_equal(pread(fd, &byte, 1, at), 1);
                byte ^= 0x55;
                assert_int_equal(pwrite(fd, &byte, 1, at), 1);
                struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
                if (recording) {
                        struct findings findings = {0, ""};
                        (void)hwaccl_recording_check(recording, keep_finding, &findings, &error);
                        hwaccl_recording_close(recording);
                }
                byte ^= 0x55;
                assert_int_equal(pwrite(fd, &byte, 1, at), 1);
                (void)close(fd);
        }
        assert_int_equal(check().count, 0);
}

static void a_recording_on_read_only_media_can_be_read(void **state)
{
        struct hwaccl_error error = {""};

        (void)state;
        record(3, 40, INTERVAL, 0);
        assert_int_equal(chmod(path, 0400), 0);
        assert_int_equal(chmod(directory, 0500), 0);
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        assert_int_equal(chmod(directory, 0700), 0);
        assert_non_null(recording);
        hwaccl_recording_close(recording);
}

static void options_are_looked_up_by_name_and_checked(void **state)
{
        (void)state;
        record(3, 5, INTERVAL, 0);
        execute("INSERT INTO option WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
                "SELECT 'another ' || i, printf('%.1000c', 'x') FROM n");
        assert_int_equal(check().count, 0);
        execute("INSERT INTO option VALUES ('vmm', printf('%.65537c', 'x'))");
        refused("option vmm: expected a text of at most 65536 bytes");
        execute("UPDATE option SET value = CAST(x'610062' AS TEXT) WHERE name = 'vmm'");
        refused("option vmm: has a zero byte in it");
        execute("UPDATE option SET value = printf('%.65536c', 'x') WHERE name = 'vmm'");
        assert_int_equal(check().count, 0);
}

static int64_t temporary_views(void)
{
        struct hwaccl_recording *recording = open_recording();
        struct hwaccl_error error;
        int64_t count = -1;

        assert_true(database_integer(hwaccl_recording_database(recording),
                                     "SELECT count(*) FROM temp.sqlite_schema WHERE type = 'view'", -1, &count,
                                     &error));
        hwaccl_recording_close(recording);
        return count;
}

static void views_of_the_file_are_used_only_if_they_are_hwaccls_own(void **state)
{
        (void)state;
        record(3, 5, INTERVAL, 0);
        assert_int_equal(temporary_views(), 0);
        execute("DROP VIEW gaps; CREATE VIEW gaps AS SELECT 1 AS vcpu");
        int64_t views = temporary_views();
        assert_true(views > 1);
        execute("DROP VIEW gaps");
        assert_int_equal(temporary_views(), views);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(missing_empty_and_foreign_files_are_refused, remove_recording),
                cmocka_unit_test_teardown(a_truncated_database_is_refused, remove_recording),
                cmocka_unit_test_teardown(a_newer_schema_is_refused_by_number, remove_recording),
                cmocka_unit_test_teardown(every_table_is_needed, remove_recording),
                cmocka_unit_test_teardown(a_view_cannot_stand_in_for_a_table, remove_recording),
                cmocka_unit_test_teardown(a_good_recording_has_no_findings, remove_recording),
                cmocka_unit_test_teardown(damage_is_an_error_of_the_cursor_and_a_finding, remove_recording),
                cmocka_unit_test_teardown(check_goes_on_behind_damage, remove_recording),
                cmocka_unit_test_teardown(numbers_of_the_status_row_are_checked, remove_recording),
                cmocka_unit_test_teardown(options_are_looked_up_by_name_and_checked, remove_recording),
                cmocka_unit_test_teardown(views_of_the_file_are_used_only_if_they_are_hwaccls_own, remove_recording),
                cmocka_unit_test_teardown(flipped_bytes_never_crash_a_reader, remove_recording),
                cmocka_unit_test_teardown(a_recording_on_read_only_media_can_be_read, remove_recording),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
