/* Rows read from the pages of a private view are those that SQL finds there; damaged pages end a reader, no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/file_bytes.h"

#include "tracer/database/page_rows.h"
#include "tracer/database/private_view.h"
#include "tracer/read/integer_stream.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64];
static char path[128];

static int begin(void **state)
{
        (void)state;
        (void)snprintf(directory, sizeof(directory), "/tmp/hwaccl-rows.XXXXXX");
        assert_non_null(mkdtemp(directory));
        (void)snprintf(path, sizeof(path), "%s/rows.db", directory);
        return 0;
}

static int end(void **state)
{
        char command[128];

        (void)state;
        (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command);
}

/* Columns a to f in the first rows, g behind them in the later ones; every length of an integer, NULL, and gaps. */
static void create(const char *page_size, unsigned rows)
{
        sqlite3 *db = NULL;
        char sql[2048];
        char *message = NULL;

        (void)unlink(path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        (void)snprintf(sql, sizeof(sql),
                       "PRAGMA page_size = %s; BEGIN;"
                       "CREATE TABLE numbers (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c INTEGER, d INTEGER,"
                       " e INTEGER, f INTEGER) STRICT;"
                       "CREATE TABLE others (id INTEGER PRIMARY KEY, a, b);"
                       "CREATE TABLE pairs (a INTEGER, b INTEGER, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID;"
                       "CREATE VIEW seen AS SELECT * FROM numbers;"
                       "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %u - 1) "
                       "INSERT INTO numbers SELECT (i - 40) * 3, iif(i %% 3, i, NULL), iif(i %% 5, -1 << (i %% 64), 0),"
                       " 9223372036854775807 >> (i %% 63), iif(i %% 7, NULL, 1), -i * 1000003,"
                       " iif(i %% 2, random(), NULL) FROM n;"
                       "ALTER TABLE numbers ADD COLUMN g INTEGER;"
                       "UPDATE numbers SET g = id + 1 WHERE id %% 2;"
                       "DELETE FROM numbers WHERE id %% 11 = 0 OR id BETWEEN 100 AND 200;"
                       "INSERT INTO others VALUES (1, 1, NULL), (2, 1.5, 7), (3, 'text', 8), (4, x'00ff', 9),"
                       " (5, NULL, -1), (6, printf('%%.200c', 'x'), 10);"
                       "COMMIT",
                       page_size, rows);
        if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
                fail_msg("%s", message);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void open_view(struct hwaccl_recording *recording, bool is_private)
{
        struct hwaccl_error error = {""};

        memset(recording, 0, sizeof(*recording));
        recording->path = path;
        recording->db = is_private ? database_open_private(path, &error) : database_open(path, SQLITE_OPEN_READONLY);
        if (!recording->db)
                fail_msg("%s", error.message);
}

#define COLUMNS "id, g, a, b, c, f, e"

/* Both ways of reading rows find the same ones from @first to @last. */
static void expect_same(struct hwaccl_recording *pages, struct hwaccl_recording *sql, bool nearest, int64_t first,
                        int64_t last, unsigned *count)
{
        struct integer_stream a, b;
        struct hwaccl_error error = {""};

        assert_true(integer_stream_prepare(&a, pages, "numbers", COLUMNS, nearest, &error));
        assert_true(integer_stream_prepare(&b, sql, "numbers", COLUMNS, nearest, &error));
        assert_non_null(a.rows);
        assert_null(b.rows);
        assert_true(integer_stream_start(&a, pages, first, last, &error));
        assert_true(integer_stream_start(&b, sql, first, last, &error));
        for (*count = 0; a.waiting && b.waiting; ++*count) {
                if (a.key != b.key || a.row.known != b.row.known || a.row.other != b.row.other ||
                    memcmp(a.row.value, b.row.value, PAGE_ROWS_COLUMNS * sizeof(*a.row.value)) != 0)
                        fail_msg("row %lld is not row %lld", (long long)a.key, (long long)b.key);
                assert_true(integer_stream_next(&a, pages, &error));
                assert_true(integer_stream_next(&b, sql, &error));
        }
        assert_int_equal(a.waiting, b.waiting);
        integer_stream_close(&a);
        integer_stream_close(&b);
}

static void rows_of_pages_are_those_of_sql(void **state)
{
        static const char *const sizes[] = {"512", "4096", "65536"};
        static const unsigned rows[] = {0, 1, 3, 300, 20000};

        (void)state;
        for (size_t s = 0; s < 3; s++) {
                for (size_t r = 0; r < 5; r++) {
                        struct hwaccl_recording pages, sql;
                        unsigned all, some = 0;
                        create(sizes[s], rows[r]);
                        open_view(&pages, true);
                        open_view(&sql, false);
                        expect_same(&pages, &sql, false, INT64_MIN, INT64_MAX, &all);
                        assert_true(all * 10 >= rows[r] * 8 || rows[r] < 1000);
                        for (int64_t first = -130; first < 1000; first += 53) {
                                expect_same(&pages, &sql, false, first, first + 70, &some);
                                expect_same(&pages, &sql, true, first, first + 70, &some);
                        }
                        expect_same(&pages, &sql, true, INT64_MAX, INT64_MAX, &some);
                        assert_int_equal(some, all > 0);
                        (void)sqlite3_close(pages.db);
                        (void)sqlite3_close(sql.db);
                }
        }
}

static void what_is_no_integer_is_named(void **state)
{
        struct hwaccl_recording view;
        struct integer_stream stream;
        struct hwaccl_error error = {""};

        (void)state;
        for (unsigned is_private = 0; is_private < 2; is_private++) {
                create("4096", 3);
                open_view(&view, is_private);
                assert_true(integer_stream_prepare(&stream, &view, "others", "id, a, b", false, &error));
                assert_int_equal(stream.rows != NULL, is_private);
                assert_true(integer_stream_start(&stream, &view, 1, 6, &error));
                for (int64_t id = 1; id <= 6; id++) {
                        bool number = id == 1 || id == 5;
                        assert_int_equal(stream.key, id);
                        assert_int_equal(integer_stream_has(&stream, &view, 1, &error), number);
                        if (!number)
                                assert_non_null(strstr(error.message, ": a is not an integer"));
                        if (id > 1)
                                assert_int_equal(stream.row.value[2], id == 5 ? -1 : id == 6 ? 10 : id + 5);
                        assert_true(integer_stream_next(&stream, &view, &error));
                }
                assert_false(stream.waiting);
                assert_true(integer_stream_start(&stream, &view, 1, 6, &error));
                assert_false(integer_stream_has(&stream, &view, 4, &error));
                assert_non_null(strstr(error.message, "table others, row 1: b is not an integer"));
                integer_stream_close(&stream);
                (void)sqlite3_close(view.db);
        }
}

static void only_tables_of_a_private_view_have_rows_of_pages(void **state)
{
        struct hwaccl_recording view;
        struct hwaccl_error error = {""};
        struct page_rows *rows;

        (void)state;
        create("4096", 3);
        open_view(&view, true);
        assert_true(page_rows_open(view.db, "numbers", &rows, &error));
        assert_non_null(rows);
        page_rows_close(rows);
        assert_true(page_rows_open(view.db, "seen", &rows, &error));
        assert_null(rows);
        assert_true(page_rows_open(view.db, "pairs", &rows, &error)); /* its pages are those of an index */
        assert_non_null(rows);
        assert_false(page_rows_seek(rows, 0));
        assert_string_equal(rows->problem, "it is no page of a table");
        page_rows_close(rows);
        (void)sqlite3_close(view.db);
        open_view(&view, false);
        assert_true(page_rows_open(view.db, "numbers", &rows, &error));
        assert_null(rows);
        (void)sqlite3_close(view.db);
}

/* Steps of a reader of the whole table; it ends, and keys ascend. */
static unsigned walk(struct page_rows *rows)
{
        static const uint8_t place[] = {0, 1, 2, PAGE_ROWS_NOWHERE, 3, 4, 5, 6};
        struct row_integers integers;
        int64_t last = INT64_MIN;
        unsigned steps = 0;

        if (!page_rows_seek(rows, INT64_MIN))
                return 0;
        for (int found; (found = page_rows_next(rows)) != 0; steps++) {
                if (found < 0) {
                        assert_non_null(rows->problem);
                        break;
                }
                assert_true(steps == 0 || rows->key > last);
                last = rows->key;
                (void)page_rows_integers(rows, place, 8, &integers);
        }
        return steps;
}

static void damaged_pages_end_a_reader(void **state)
{
        struct hwaccl_recording view;
        struct hwaccl_error error = {""};
        struct page_rows *rows = NULL;
        size_t size;
        uint32_t random = 1;

        (void)state;
        create("512", 600);
        uint8_t *good = file_bytes_read(path, &size);
        open_view(&view, true);
        assert_true(page_rows_open(view.db, "numbers", &rows, &error) && rows);
        const unsigned all = walk(rows);
        assert_true(all > 400);
        for (unsigned round = 0; round < 3000; round++) {
                const size_t changes = 1 + round % 3;
                size_t at[3];
                for (size_t i = 0; i < changes; i++) {
                        random = random * UINT32_C(1664525) + UINT32_C(1013904223);
                        at[i] = 1024 + (random >> 8) % (size - 1024);
                        if (round & 8)
                                at[i] = at[i] / 512 * 512 + (random >> 3) % 16; /* of the page's header */
                        uint8_t byte = (uint8_t)(random >> 24);
                        file_bytes_put(path, &byte, 1, at[i]);
                }
                page_rows_close(rows); /* and the pages that it has */
                assert_true(page_rows_open(view.db, "numbers", &rows, &error) && rows);
                assert_true(walk(rows) <= size / 4);
                for (size_t i = 0; i < changes; i++)
                        file_bytes_put(path, good + at[i], 1, at[i]);
        }
        page_rows_close(rows);
        assert_true(page_rows_open(view.db, "numbers", &rows, &error) && rows);
        assert_int_equal(walk(rows), all);
        page_rows_close(rows);
        (void)sqlite3_close(view.db);
        free(good);
}

/* Pages that lead to each other, or to the same ones again, without a row. */
static void pages_without_rows_are_not_visited_without_end(void **state)
{
        static const uint8_t empty[] = {13, 0, 0, 0, 0, 2, 0, 0};
        struct hwaccl_recording view;
        struct hwaccl_error error = {""};
        struct page_rows *rows = NULL;
        uint8_t page[512] = {5, 0, 0, 0, 100};

        (void)state;
        create("512", 600);
        open_view(&view, true);
        assert_true(page_rows_open(view.db, "numbers", &rows, &error) && rows);
        const size_t root = (size_t)(rows->root - 1) * 512;
        for (unsigned to = rows->root; to < rows->root + 2; to++) {
                page_rows_close(rows);
                page[11] = (uint8_t)to; /* all children are the root itself, then an empty leaf */
                for (unsigned i = 0; i < 100; i++) {
                        page[12 + 2 * i] = 1;
                        page[13 + 2 * i] = 0;
                }
                page[256 + 3] = (uint8_t)to;
                file_bytes_put(path, page, sizeof(page), root);
                file_bytes_put(path, empty, sizeof(empty), root + 512);
                assert_true(page_rows_open(view.db, "numbers", &rows, &error) && rows);
                assert_false(page_rows_seek(rows, INT64_MIN));
                assert_string_equal(rows->problem, to == rows->root ? "it is too deep" : "it is empty");
        }
        page_rows_close(rows);
        (void)sqlite3_close(view.db);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rows_of_pages_are_those_of_sql),
                cmocka_unit_test(what_is_no_integer_is_named),
                cmocka_unit_test(only_tables_of_a_private_view_have_rows_of_pages),
                cmocka_unit_test(damaged_pages_end_a_reader),
                cmocka_unit_test(pages_without_rows_are_not_visited_without_end),
        };
        return cmocka_run_group_tests(tests, begin, end);
}
