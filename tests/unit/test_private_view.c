/* Private views of databases: they show what a reader of SQLite's own would see, and change no file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/database/private_view.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];
static char original[128]; /* a database that is in use */
static char copy[128];     /* of it and what lies beside it, as a recorder that died leaves them */

static int begin(void **state)
{
        (void)state;
        (void)snprintf(directory, sizeof(directory), "/tmp/hwaccl-view.XXXXXX");
        assert_non_null(mkdtemp(directory));
        (void)snprintf(original, sizeof(original), "%s/original.db", directory);
        (void)snprintf(copy, sizeof(copy), "%s/copy/x.db", directory);
        char name[160];
        (void)snprintf(name, sizeof(name), "%s/copy", directory);
        assert_int_equal(mkdir(name, 0700), 0);
        return 0;
}

static int end(void **state)
{
        char command[128];

        (void)state;
        (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command);
}

static void run(sqlite3 *db, const char *sql)
{
        char *message = NULL;

        if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
                fail_msg("%s: %s", sql, message);
}

static sqlite3 *open_original(const char *settings)
{
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(original, &db), SQLITE_OK);
        run(db, settings);
        run(db, "CREATE TABLE number (id INTEGER PRIMARY KEY, value TEXT)");
        run(db, "CREATE TABLE other (value BLOB)");
        return db;
}

static void add_rows(sqlite3 *db, unsigned first, unsigned count)
{
        char sql[300];

        (void)snprintf(sql, sizeof(sql),
                       "WITH RECURSIVE n (i) AS (SELECT %u UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %u) "
                       "INSERT INTO number SELECT i, printf('%%0200d', i * 7) FROM n",
                       first, first + count);
        run(db, sql);
}

static void copy_file(const char *suffix)
{
        char from[160], to[160];
        char bytes[4096];
        size_t size;

        (void)snprintf(from, sizeof(from), "%s%s", original, suffix);
        (void)snprintf(to, sizeof(to), "%s%s", copy, suffix);
        (void)unlink(to);
        FILE *in = fopen(from, "rb");
        if (!in)
                return;
        FILE *out = fopen(to, "wb");
        assert_non_null(out);
        while ((size = fread(bytes, 1, sizeof(bytes), in)) > 0)
                assert_int_equal(fwrite(bytes, 1, size, out), size);
        (void)fclose(in);
        assert_int_equal(fclose(out), 0);
}

static void take_copy(void)
{
        copy_file("");
        copy_file("-wal");
        copy_file("-journal");
}

/* Names and contents of the copy's directory. */
static uint64_t look(void)
{
        char name[512], folder[160];
        uint64_t sum = 0;
        struct dirent *entry;

        (void)snprintf(folder, sizeof(folder), "%s/copy", directory);
        DIR *files = opendir(folder);
        assert_non_null(files);
        while ((entry = readdir(files))) {
                uint64_t file = 1469598103934665603u;
                for (const char *c = entry->d_name; *c; c++)
                        file = (file ^ (uint8_t)*c) * 1099511628211u;
                (void)snprintf(name, sizeof(name), "%s/%s", folder, entry->d_name);
                FILE *in = entry->d_name[0] == '.' ? NULL : fopen(name, "rb");
                for (int c; in && (c = fgetc(in)) != EOF;)
                        file = (file ^ (uint8_t)c) * 1099511628211u;
                if (in)
                        (void)fclose(in);
                sum += file;
        }
        (void)closedir(files);
        return sum;
}

/* Everything that a reader can tell, or SQLite's word where there is no table. */
static char *dump(sqlite3 *db)
{
        static const char sql[] =
                "SELECT count(*), sum(id), max(value), sum(length(value)), (SELECT count(*) FROM other), "
                "(SELECT integrity_check FROM pragma_integrity_check) FROM number";
        sqlite3_stmt *rows = NULL;

        if (sqlite3_prepare_v2(db, sql, -1, &rows, NULL) != SQLITE_OK)
                return sqlite3_mprintf("%s", sqlite3_errmsg(db));
        char *text = sqlite3_mprintf("%s", "");
        assert_int_equal(sqlite3_step(rows), SQLITE_ROW);
        for (int i = 0; i < sqlite3_column_count(rows); i++)
                text = sqlite3_mprintf("%z|%s", text, sqlite3_column_text(rows, i));
        assert_int_equal(sqlite3_step(rows), SQLITE_DONE);
        (void)sqlite3_finalize(rows);
        return text;
}

/* What the view of the copy shows, and that it changed no file; freed with sqlite3_free(). */
static char *dump_view(void)
{
        struct hwaccl_error error = {""};
        uint64_t before = look();
        sqlite3 *db = database_open_private(copy, &error);

        if (!db)
                fail_msg("%s", error.message);
        char *text = dump(db);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_true(look() == before);
        return text;
}

/* The view first: SQLite itself changes the files. */
static void shows_what_sqlite_shows(void)
{
        sqlite3 *db = NULL;
        char *seen = dump_view();

        assert_int_equal(sqlite3_open(copy, &db), SQLITE_OK);
        char *expected = dump(db);
        (void)sqlite3_close(db);
        assert_string_equal(seen, expected);
        sqlite3_free(seen);
        sqlite3_free(expected);
}

static void shows_a_database_that_nobody_writes(void **state)
{
        (void)state;
        sqlite3 *db = open_original("PRAGMA page_size = 1024");

        add_rows(db, 1, 1000);
        take_copy();
        shows_what_sqlite_shows();
        (void)sqlite3_close(db);
}

static void shows_what_a_log_has_committed(void **state)
{
        static const char *const settings[] = {"PRAGMA page_size = 4096; PRAGMA journal_mode = WAL",
                                               "PRAGMA page_size = 512; PRAGMA journal_mode = WAL",
                                               "PRAGMA page_size = 65536; PRAGMA journal_mode = WAL"};
        (void)state;
        for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
                sqlite3 *db = open_original(settings[i]);
                add_rows(db, 1, 500);
                run(db, "PRAGMA wal_checkpoint(FULL); PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 10");
                add_rows(db, 501, 700);
                run(db, "DELETE FROM number WHERE id % 3 = 0");
                /* and what is not committed, which spills into the log */
                run(db, "BEGIN");
                add_rows(db, 5000, 3000);
                take_copy();
                shows_what_sqlite_shows();
                run(db, "ROLLBACK");
                (void)sqlite3_close(db);
                (void)unlink(original);
        }
}

static void shows_a_log_up_to_where_it_is_torn(void **state)
{
        char log[160];
        struct stat status;

        (void)state;
        sqlite3 *db = open_original("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
        for (unsigned i = 0; i < 20; i++)
                add_rows(db, 1 + i * 50, 50);
        (void)snprintf(log, sizeof(log), "%s-wal", copy);
        for (unsigned part = 0; part < 16; part++) {
                take_copy();
                assert_int_equal(stat(log, &status), 0);
                off_t at = status.st_size * (off_t)part / 16 + 13;
                FILE *file = fopen(log, "r+b");
                assert_non_null(file);
                assert_int_equal(fseek(file, at, SEEK_SET), 0);
                int byte = fgetc(file);
                assert_int_equal(fseek(file, at, SEEK_SET), 0);
                (void)fputc(byte ^ 1, file);
                assert_int_equal(fclose(file), 0);
                shows_what_sqlite_shows();
        }
        (void)sqlite3_close(db);
}

static void rolls_back_what_a_journal_saved(void **state)
{
        static const char *const settings[] = {"PRAGMA page_size = 4096", "PRAGMA page_size = 512",
                                               "PRAGMA synchronous = OFF"};
        (void)state;
        for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
                char journal[160];
                sqlite3 *db = open_original(settings[i]);
                add_rows(db, 1, 2000);
                run(db, "PRAGMA cache_size = 10; PRAGMA cache_spill = 1");
                run(db, "BEGIN; UPDATE number SET value = 'changed ' || value WHERE id % 2");
                run(db, "DELETE FROM number WHERE id > 1500");
                add_rows(db, 9000, 4000);
                take_copy();
                (void)snprintf(journal, sizeof(journal), "%s-journal", copy);
                assert_int_equal(access(journal, F_OK), 0);
                shows_what_sqlite_shows();
                run(db, "ROLLBACK");
                (void)sqlite3_close(db);
                (void)unlink(original);
        }
}

static void ignores_a_journal_that_names_a_super_journal(void **state)
{
        char journal[160], victim[160];

        (void)state;
        sqlite3 *db = open_original("PRAGMA page_size = 4096");
        add_rows(db, 1, 10);
        (void)sqlite3_close(db);
        take_copy();
        (void)snprintf(victim, sizeof(victim), "%s/copy/victim", directory);
        FILE *file = fopen(victim, "w");
        assert_non_null(file);
        (void)fclose(file);
        uint8_t bytes[512 + 64] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
        bytes[19] = 1;  /* pages before */
        bytes[22] = 2;  /* sector: 512 */
        bytes[26] = 16; /* page size: 4096 */
        uint32_t sum = 0, length = (uint32_t)strlen(victim);
        for (uint32_t i = 0; i < length; i++)
                sum += (uint8_t)victim[i];
        const uint8_t magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
        (void)snprintf(journal, sizeof(journal), "%s-journal", copy);
        file = fopen(journal, "wb");
        assert_non_null(file);
        (void)fwrite(bytes, 1, 512, file);
        const uint8_t locking_page[4] = {0, 4, 0, 1};
        (void)fwrite(locking_page, 1, 4, file);
        (void)fwrite(victim, 1, length, file);
        const uint8_t trailer[8] = {
                0,           0, 0, (uint8_t)length, (uint8_t)(sum >> 24), (uint8_t)(sum >> 16), (uint8_t)(sum >> 8),
                (uint8_t)sum};
        (void)fwrite(trailer, 1, 8, file);
        (void)fwrite(magic, 1, 8, file);
        assert_int_equal(fclose(file), 0);

        char *seen = dump_view();
        assert_non_null(strstr(seen, "|10|55|"));
        sqlite3_free(seen);
        assert_int_equal(access(victim, F_OK), 0);
        assert_int_equal(access(journal, F_OK), 0);
}

static void keeps_what_is_written_in_memory(void **state)
{
        struct hwaccl_error error = {""};

        (void)state;
        sqlite3 *db = open_original("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
        add_rows(db, 1, 100);
        take_copy();
        char *expected = dump_view();
        uint64_t before = look();
        sqlite3 *view = database_open_private(copy, &error);
        assert_non_null(view);
        run(view, "BEGIN; ALTER TABLE number ADD COLUMN more; CREATE TABLE made (x); CREATE INDEX i ON number (value)");
        run(view, "INSERT INTO made SELECT id FROM number; UPDATE number SET value = 'x', more = 1; COMMIT");
        run(view, "BEGIN; DELETE FROM number; ROLLBACK");
        char *seen = dump(view);
        assert_non_null(strstr(seen, "|100|5050|x|100|"));
        assert_non_null(strstr(seen, "|ok"));
        sqlite3_free(seen);
        assert_int_equal(sqlite3_close(view), SQLITE_OK);
        assert_true(look() == before);
        seen = dump_view();
        assert_string_equal(seen, expected);
        sqlite3_free(seen);
        sqlite3_free(expected);
        (void)sqlite3_close(db);
}

static void refuses_what_is_no_database(void **state)
{
        struct hwaccl_error error = {""};

        (void)state;
        assert_null(database_open_private("/no/such/file", &error));
        assert_non_null(strstr(error.message, "/no/such/file: No such file"));
        FILE *file = fopen(copy, "w");
        assert_non_null(file);
        (void)fputs("SQLite format 3, it says", file);
        (void)fclose(file);
        assert_null(database_open_private(copy, &error));
        assert_non_null(strstr(error.message, "not an SQLite database"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(shows_a_database_that_nobody_writes, begin, end),
                cmocka_unit_test_setup_teardown(shows_what_a_log_has_committed, begin, end),
                cmocka_unit_test_setup_teardown(shows_a_log_up_to_where_it_is_torn, begin, end),
                cmocka_unit_test_setup_teardown(rolls_back_what_a_journal_saved, begin, end),
                cmocka_unit_test_setup_teardown(ignores_a_journal_that_names_a_super_journal, begin, end),
                cmocka_unit_test_setup_teardown(keeps_what_is_written_in_memory, begin, end),
                cmocka_unit_test_setup_teardown(refuses_what_is_no_database, begin, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
