/* What the tracer asks of SQLite beyond statements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/recording_fixture.h"
#include "tracer/database/database.h"
#include "tracer/database/writer_database.h"
#include "tracer/ring/consumer.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void make_empty(const char *suffix)
{
        char name[sizeof(path) + 8];

        (void)snprintf(name, sizeof(name), "%s%s", path, suffix);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        assert_true(fd >= 0);
        (void)close(fd);
}

static sqlite3 *open_logged(struct hwaccl_error *error)
{
        sqlite3 *db = database_open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);

        assert_non_null(db);
        assert_true(database_execute(db,
                                     "PRAGMA journal_mode = WAL; CREATE TABLE number (value); "
                                     "INSERT INTO number VALUES (1)",
                                     error));
        assert_true(exists("-wal"));
        return db;
}

static void a_database_that_leaves_its_log_is_one_file(void **state)
{
        struct hwaccl_error error = {""};

        (void)state;
        sqlite3 *db = open_logged(&error);
        assert_true(database_leave_log(db, &error));
        assert_false(exists("-wal"));
        assert_false(exists("-shm"));
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* What a reader leaves that opened it in the midst of that: it still found the header that says there is a log. */
static void an_empty_log_that_a_reader_made_meanwhile_goes(void **state)
{
        struct hwaccl_error error = {""};
        int64_t value = 0;

        (void)state;
        sqlite3 *db = open_logged(&error);
        assert_true(database_execute(db, "PRAGMA journal_mode = DELETE", &error));
        make_empty("-wal");
        make_empty("-shm");
        assert_true(database_leave_log(db, &error));
        assert_false(exists("-wal"));
        assert_false(exists("-shm"));
        assert_true(database_integer(db, "SELECT value FROM number", 0, &value, &error));
        assert_int_equal(value, 1);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_log_that_a_reader_keeps_in_use_stays(void **state)
{
        struct hwaccl_error error = {""};
        int64_t value = 0;

        (void)state;
        sqlite3 *db = open_logged(&error);
        sqlite3 *reader = database_open(path, SQLITE_OPEN_READONLY);
        assert_non_null(reader);
        assert_true(database_execute(reader, "BEGIN; SELECT * FROM number", &error));
        assert_true(database_leave_log(db, &error));
        assert_true(exists("-wal"));
        assert_true(database_integer(reader, "SELECT value FROM number", 0, &value, &error));
        assert_int_equal(value, 1);
        assert_int_equal(sqlite3_close(reader), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The recorder gave up because no file may grow; why, must be in the recording all the same. */
static void a_status_finds_room_in_a_log_that_is_full(void **state)
{
        const struct recording_head head = {.vcpu_count = 1, .keyframe_interval = 16};
        const struct recording_end end = {.end = HWACCL_END_ERROR};
        struct hwaccl_error error = {""};
        struct rlimit before;
        struct stat log;
        char name[sizeof(path) + 8];
        int64_t value = 0;

        (void)state;
        sqlite3 *db = writer_database_create(path, false, 0600, &error);
        assert_non_null(db);
        assert_true(writer_database_fill(db, &head, &error));
        (void)snprintf(name, sizeof(name), "%s-wal", path);
        assert_int_equal(stat(name, &log), 0);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        const struct rlimit full = {(rlim_t)log.st_size, before.rlim_max};
        bool mine = consumer_block_file_size_signal();
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
        bool good = writer_database_status(db, &end, "no room", false, &error);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        consumer_unblock_file_size_signal(mine);
        if (!good)
                fail_msg("%s", error.message);
        assert_true(database_integer(db, "SELECT status FROM status", 0, &value, &error));
        assert_int_equal(value, HWACCL_RECORDING_INCOMPLETE);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(a_database_that_leaves_its_log_is_one_file, remove_recording),
                cmocka_unit_test_teardown(an_empty_log_that_a_reader_made_meanwhile_goes, remove_recording),
                cmocka_unit_test_teardown(a_log_that_a_reader_keeps_in_use_stays, remove_recording),
                cmocka_unit_test_teardown(a_status_finds_room_in_a_log_that_is_full, remove_recording),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
