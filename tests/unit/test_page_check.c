/* The check of all pages: what it calls well, SQLite's own check finds nothing in, whatever was changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/file_bytes.h"
#include "tests/fixtures/recording_fixture.h"
#include "tracer/database/page_check.h"
#include "tracer/database/page_format.h"
#include "tracer/database/private_view.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static void create_database(const char *page_size)
{
        sqlite3 *db = NULL;
        char sql[2048];
        char *message = NULL;

        (void)unlink(path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        (void)snprintf(
                sql, sizeof(sql),
                "PRAGMA page_size = %s; PRAGMA secure_delete = OFF; BEGIN;"
                "CREATE TABLE numbers (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER, c INTEGER) STRICT;"
                "CREATE TABLE pairs (a INTEGER NOT NULL, b INTEGER NOT NULL, data BLOB, PRIMARY KEY (a, b))"
                " STRICT, WITHOUT ROWID;"
                "CREATE TABLE texts (id INTEGER PRIMARY KEY CHECK (id > 0), text TEXT NOT NULL UNIQUE) STRICT;"
                "CREATE INDEX by_b ON pairs (b, a);"
                "CREATE TABLE gone (id INTEGER PRIMARY KEY, data BLOB); CREATE VIEW seen AS SELECT 1;"
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
                "INSERT INTO numbers SELECT i * 2, -i * i, iif(i %% 3, NULL, i << 40), i %% 2 FROM n;"
                "INSERT INTO pairs SELECT id / 10, id %% 10, zeroblob(id %% 7 * 30) FROM numbers;"
                "INSERT INTO pairs VALUES (1000, 1, zeroblob(5000)), (1000, 2, zeroblob(20000));"
                "INSERT INTO texts SELECT id, printf('%%d %%.*c', id, id %% 90, 'x') FROM numbers;"
                "INSERT INTO gone SELECT id, zeroblob(600) FROM numbers; COMMIT;"
                "ALTER TABLE numbers ADD COLUMN d INTEGER; UPDATE numbers SET d = 1, c = NULL WHERE id %% 50 = 0;"
                "DELETE FROM numbers WHERE id BETWEEN 90 AND 250; DELETE FROM gone WHERE id > 3;"
                "DELETE FROM texts WHERE id %% 5 = 0",
                page_size);
        if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
                fail_msg("%s", message);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static bool is_well(void)
{
        struct hwaccl_error error = {""};
        sqlite3 *db = database_open_private(path, &error);
        bool well = false;

        if (db && !page_check(db, &well, &error))
                well = false;
        (void)sqlite3_close(db);
        return well;
}

static bool is_well_to_sqlite(void)
{
        struct hwaccl_error error = {""};
        sqlite3 *db = database_open_private(path, &error);
        sqlite3_stmt *check = NULL;
        bool well = db && sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &check, NULL) == SQLITE_OK &&
                    sqlite3_step(check) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(check, 0), "ok") == 0;

        (void)sqlite3_finalize(check);
        (void)sqlite3_close(db);
        return well;
}

static void databases_of_any_page_size_are_well(void **state)
{
        static const char *const sizes[] = {"512", "1024", "4096", "65536"};

        (void)state;
        for (size_t i = 0; i < 4; i++) {
                create_database(sizes[i]);
                assert_true(is_well_to_sqlite());
                assert_true(is_well());
        }
}

static void a_recording_is_well(void **state)
{
        (void)state;
        record(9, 3000, 16, 0);
        assert_true(is_well());
}

/* A byte, or two, anywhere: the headers of pages and of the file among them more often. */
static void what_is_called_well_is_well_to_sqlite(void **state)
{
        uint32_t random = 7;
        unsigned well = 0, damaged = 0;
        size_t size;

        (void)state;
        create_database("512");
        uint8_t *good = file_bytes_read(path, &size);
        for (unsigned round = 0; round < 1500; round++) {
                size_t at[2];
                for (size_t i = 0; i < 2; i++) {
                        random = random * UINT32_C(1664525) + UINT32_C(1013904223);
                        at[i] = (random >> 8) % size;
                        if (round % 4 == 0)
                                at[i] = at[i] / 512 * 512 + (random >> 3) % 32;
                        if (round % 16 == 1)
                                at[i] = 100 + (random >> 3) % 400; /* sqlite_schema */
                        uint8_t byte = (uint8_t)(round % 2 ? random >> 24 : good[at[i]] + 1u);
                        if (i == 0 || round % 3 == 0)
                                file_bytes_put(path, &byte, 1, at[i]);
                }
                if (is_well()) {
                        if (!is_well_to_sqlite())
                                fail_msg("round %u: bytes %zu and %zu", round, at[0], at[1]);
                        well++;
                } else {
                        damaged++;
                }
                file_bytes_put(path, good + at[0], 1, at[0]);
                file_bytes_put(path, good + at[1], 1, at[1]);
        }
        assert_true(well > 100 && damaged > 100);
        assert_true(is_well());
        free(good);
}

static void execute_all(const char *sql)
{
        sqlite3 *db = NULL;
        char *message = NULL;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
                fail_msg("%s: %s", sql, message);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Rows of a table that declared nothing, under the definition of one that does. */
static void a_type_or_null_that_a_table_does_not_allow_is_found(void **state)
{
        static const struct {
                const char *columns; /* with types, and without */
                const char *loose;
                const char *rows;
                bool well;
        } cases[] = {
                {"(id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER) STRICT", "(id INTEGER PRIMARY KEY, a, b)",
                 "(1, 2, 3), (2, -1, NULL), (3, 1, 1 << 60)", true},
                {"(id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER) STRICT", "(id INTEGER PRIMARY KEY, a, b)",
                 "(1, 2, 3), (2, NULL, 4)", false},
                {"(id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER) STRICT", "(id INTEGER PRIMARY KEY, a, b)",
                 "(1, 2, 'text')", false},
                {"(id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER) STRICT", "(id INTEGER PRIMARY KEY, a, b)",
                 "(1, x'00', 1)", false},
                {"(id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER) STRICT", "(id INTEGER PRIMARY KEY, a, b)",
                 "(1, 1, 1.5)", false},
                {"(id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c INTEGER NOT NULL) STRICT",
                 "(id INTEGER PRIMARY KEY, a, b)", "(1, 1, 1)", false},
                {"(id INTEGER PRIMARY KEY CHECK (id > 5), a INTEGER, b INTEGER)", "(id INTEGER PRIMARY KEY, a, b)",
                 "(1, 1, 1)", false},
                {"(a INTEGER NOT NULL, b INTEGER, PRIMARY KEY (a)) STRICT, WITHOUT ROWID",
                 "(a, b, PRIMARY KEY (a)) WITHOUT ROWID", "(1, 'text')", false},
                {"(id INTEGER PRIMARY KEY, a TEXT) STRICT", "(id INTEGER PRIMARY KEY, a)", "(1, x'00')", false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char sql[512];
                (void)unlink(path);
                (void)snprintf(sql, sizeof(sql),
                               "CREATE TABLE t %s; INSERT INTO t VALUES %s; PRAGMA writable_schema = ON;"
                               "UPDATE sqlite_schema SET sql = 'CREATE TABLE t %s'",
                               cases[i].loose, cases[i].rows, cases[i].columns);
                execute_all(sql);
                if (is_well() != cases[i].well || is_well_to_sqlite() != cases[i].well)
                        fail_msg("%s in %s: well %d, to SQLite %d", cases[i].rows, cases[i].columns, is_well(),
                                 is_well_to_sqlite());
        }
}

/* The header of each row in turn claims more bytes than memory has. */
static void a_row_may_claim_a_header_of_any_size(void **state)
{
        static const uint8_t most[9] = {0xc0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}; /* 1 << 63 */
        unsigned rows = 0;
        size_t size;

        (void)state;
        create_database("512");
        uint8_t *good = file_bytes_read(path, &size);
        for (size_t page = 512; page < size; page += 512) {
                if (good[page] != PAGE_TABLE_LEAF)
                        continue;
                for (size_t cell = 0; cell < page_be16(good + page + 3); cell++) {
                        const uint8_t *at = good + page + page_be16(good + page + 8 + 2 * cell);
                        uint64_t length = 0, key;
                        at = page_varint(at, good + size, &length);
                        at = at ? page_varint(at, good + size, &key) : NULL;
                        assert_non_null(at);
                        if (length < sizeof(most))
                                continue;
                        file_bytes_put(path, most, sizeof(most), (size_t)(at - good));
                        if (!is_well())
                                rows++;
                        else if (!is_well_to_sqlite()) /* some of the pages are free */
                                fail_msg("page at %zu, cell %zu", page, cell);
                        file_bytes_put(path, at, sizeof(most), (size_t)(at - good));
                }
        }
        assert_true(rows > 100);
        free(good);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(databases_of_any_page_size_are_well, remove_recording),
                cmocka_unit_test_teardown(a_recording_is_well, remove_recording),
                cmocka_unit_test_teardown(what_is_called_well_is_well_to_sqlite, remove_recording),
                cmocka_unit_test_teardown(a_type_or_null_that_a_table_does_not_allow_is_found, remove_recording),
                cmocka_unit_test_teardown(a_row_may_claim_a_header_of_any_size, remove_recording),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
