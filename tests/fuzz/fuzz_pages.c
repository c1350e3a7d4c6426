/*
 * Bytes as pages of a database: reading its rows from them ends with keys that ascend, and what the check of all pages
 * calls well, SQLite's own check finds nothing in. The input is a sequence of patches of a good database: two bytes of
 * offset, one of length (1 to 16) and what stands there.
 */
#include "tracer/database/page_check.h"
#include "tracer/database/page_rows.h"
#include "tracer/database/private_view.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/hwaccl-fuzz-XXXXXX";
static char path[sizeof(directory) + 16];
static uint8_t good[65536], patched[65536];
static size_t good_size;

static void fail(const char *what)
{
        (void)fprintf(stderr, "fuzz_pages: %s\n", what);
        abort();
}

static void clean_up(void)
{
        (void)unlink(path);
        (void)rmdir(directory);
}

static void make_good(void)
{
        sqlite3 *db = NULL;
        const char *sql =
                "PRAGMA page_size = 512; BEGIN;"
                "CREATE TABLE numbers (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER) STRICT;"
                "CREATE TABLE pairs (a INTEGER, b INTEGER, data BLOB, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID;"
                "CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT UNIQUE) STRICT;"
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) "
                "INSERT INTO numbers SELECT i * 3, -i * i, iif(i % 3, NULL, i << 40) FROM n;"
                "INSERT INTO pairs SELECT id / 10, id % 10, zeroblob(id % 7 * 30) FROM numbers LIMIT 90;"
                "INSERT INTO pairs VALUES (1000, 1, zeroblob(3000));"
                "INSERT INTO texts SELECT id, printf('%d %.*c', id, id % 90, 'x') FROM numbers LIMIT 60;"
                "DELETE FROM numbers WHERE id BETWEEN 90 AND 250; COMMIT";

        if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_close(db) != SQLITE_OK)
                fail("cannot make a database");
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? -1 : read(fd, good, sizeof(good));
        if (got <= 0 || got == (ssize_t)sizeof(good))
                fail("cannot read the database");
        good_size = (size_t)got;
        (void)close(fd);
}

static void store(void)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, patched, good_size) != (ssize_t)good_size)
                fail("cannot write");
        (void)close(fd);
}

static void read_rows(sqlite3 *db)
{
        static const uint8_t place[] = {0, 1, 2};
        struct hwaccl_error error;
        struct row_integers integers;
        struct page_rows *rows = NULL;
        int64_t last = INT64_MIN;
        size_t steps = 0;

        if (!page_rows_open(db, "numbers", &rows, &error) || !rows)
                return;
        for (int64_t first = INT64_MIN; first <= 500; first = first == INT64_MIN ? 500 : 501) {
                bool more = page_rows_seek(rows, first);
                for (last = first; more && page_rows_next(rows) > 0; last = rows->key) {
                        if (rows->key < last || (rows->key == last && last != first) || ++steps > 2 * good_size)
                                fail("keys do not ascend");
                        (void)page_rows_integers(rows, place, 3, &integers);
                }
        }
        page_rows_close(rows);
}

static bool is_well_to_sqlite(sqlite3 *db)
{
        sqlite3_stmt *check = NULL;
        bool well = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &check, NULL) == SQLITE_OK &&
                    sqlite3_step(check) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(check, 0), "ok") == 0;

        (void)sqlite3_finalize(check);
        return well;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static bool ready;
        struct hwaccl_error error;
        bool well = false;

        if (!ready) {
                if (!mkdtemp(directory) || atexit(clean_up) != 0)
                        fail(directory);
                (void)snprintf(path, sizeof(path), "%s/x.db", directory);
                make_good();
                ready = true;
        }
        memcpy(patched, good, good_size);
        while (size > 3) {
                size_t at = ((size_t)data[0] << 8 | data[1]) % good_size, length = 1 + data[2] % 16u;
                data += 3;
                size -= 3;
                length = length < size ? length : size;
                memcpy(patched + at, data, length < good_size - at ? length : good_size - at);
                data += length;
                size -= length;
        }
        store();
        sqlite3 *db = database_open_private(path, &error);
        if (!db)
                return 0;
        read_rows(db);
        if (!page_check(db, &well, &error))
                well = false;
        if (well && !is_well_to_sqlite(db))
                fail("SQLite finds damage");
        (void)sqlite3_close(db);
        return 0;
}
