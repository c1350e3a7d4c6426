/*
 * Bytes as what lies beside a database: reading it through a private view never crashes and changes no file, and the
 * view has the pages that SQLite itself would have. The input is a sequence of patches of a good write-ahead log or
 * rollback journal: first a byte that selects which (bit 0), and whether checksums are put right afterwards (bit 1);
 * then for each patch two bytes of offset, one of length and what stands there. Length 0: the file ends at the offset.
 */
#include "tracer/database/private_file.h"
#include "tracer/database/private_view.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGE      512u
#define PAGES_MAX 4096u /* of a view that is compared: SQLite would make a file of that size */
#define BYTES_MAX 65536u

enum kind { LOG, JOURNAL, KINDS };

struct content {
        uint8_t bytes[BYTES_MAX];
        size_t size;
};

static const char *const suffix[KINDS] = {"-wal", "-journal"};
static char directory[] = "/tmp/hwaccl-fuzz-XXXXXX";
static char path[sizeof(directory) + 16];
static struct content database[KINDS], beside[KINDS], patched, view_bytes, file_bytes;

static void fail(const char *what)
{
        (void)fprintf(stderr, "fuzz_private_view: %s\n", what);
        abort();
}

static const char *with(const char *text)
{
        static char name[sizeof(path) + 16];

        (void)snprintf(name, sizeof(name), "%s%s", path, text);
        return name;
}

static void load(const char *name, struct content *content)
{
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? -1 : read(fd, content->bytes, sizeof(content->bytes));

        if (got < 0 || got == (ssize_t)sizeof(content->bytes))
                fail(name);
        content->size = (size_t)got;
        (void)close(fd);
}

static void store(const char *name, const struct content *content)
{
        int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, content->bytes, content->size) != (ssize_t)content->size)
                fail(name);
        (void)close(fd);
}

static void remove_all(void)
{
        static const char *const all[] = {"", "-wal", "-shm", "-journal"};

        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
                (void)unlink(with(all[i]));
}

static void clean_up(void)
{
        remove_all();
        (void)rmdir(directory);
}

static void run(sqlite3 *db, const char *sql)
{
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                fail(sqlite3_errmsg(db));
}

/* What a process that dies in the middle of its work would leave. */
static void make_good(enum kind kind)
{
        sqlite3 *db = NULL;

        if (sqlite3_open(path, &db) != SQLITE_OK)
                fail(path);
        run(db, "PRAGMA page_size = 512; PRAGMA cache_size = 2; PRAGMA synchronous = FULL");
        run(db,
            kind == LOG ? "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0" : "PRAGMA journal_mode = DELETE");
        run(db, "CREATE TABLE number (id INTEGER PRIMARY KEY, value TEXT);"
                "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "
                "INSERT INTO number SELECT i, printf('%0100d', i) FROM n");
        if (kind == LOG)
                run(db, "PRAGMA wal_checkpoint; UPDATE number SET value = value || 'x' WHERE id > 10");
        run(db, "BEGIN; DELETE FROM number WHERE id > 15; UPDATE number SET value = value || 'y'");
        run(db, kind == LOG ? "COMMIT" : "INSERT INTO number VALUES (1000, zeroblob(5000))");
        load(path, &database[kind]);
        load(with(suffix[kind]), &beside[kind]);
        if (beside[kind].size < 2 * PAGE)
                fail("nothing was left");
        (void)sqlite3_close(db);
        remove_all();
}

static void put_word(uint8_t *to, uint32_t value)
{
        for (unsigned i = 0; i < 4; i++)
                to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The sums of a log go on from the header through all frames. */
static void add_sum(uint32_t *sum, const uint8_t *bytes, size_t size, bool big_endian)
{
        for (size_t at = 0; at + 8 <= size; at += 8) {
                uint32_t word[2];
                memcpy(word, bytes + at, sizeof(word));
                for (unsigned i = 0; i < 2; i++) {
                        sum[i] += (big_endian ? private_big_endian(bytes + at + 4 * i) : word[i]) + sum[1 - i];
                }
        }
}

static void put_sums_right(enum kind kind, struct content *content)
{
        uint8_t *bytes = content->bytes;

        if (kind == LOG && content->size >= 32) {
                uint32_t sum[2] = {0, 0};
                bool big_endian = bytes[3] & 1;
                add_sum(sum, bytes, 24, big_endian);
                put_word(bytes + 24, sum[0]);
                put_word(bytes + 28, sum[1]);
                for (size_t at = 32; at + 24 + PAGE <= content->size; at += 24 + PAGE) {
                        add_sum(sum, bytes + at, 8, big_endian);
                        add_sum(sum, bytes + at + 24, PAGE, big_endian);
                        put_word(bytes + at + 16, sum[0]);
                        put_word(bytes + at + 20, sum[1]);
                }
        }
        for (size_t at = PAGE; kind == JOURNAL && at + PAGE + 8 <= content->size; at += PAGE + 8) {
                uint32_t sum = private_big_endian(bytes + 12);
                for (unsigned byte = PAGE - 200; byte < PAGE; byte -= 200)
                        sum += bytes[at + 4 + byte];
                put_word(bytes + at + 4 + PAGE, sum);
        }
}

static void patch(const uint8_t *data, size_t size)
{
        while (size >= 3) {
                size_t at = ((size_t)data[0] << 8 | data[1]) % patched.size;
                size_t length = data[2];
                data += 3;
                size -= 3;
                if (length == 0) {
                        patched.size = at + 1;
                        continue;
                }
                length = length < size ? length : size;
                memcpy(patched.bytes + at, data, length < patched.size - at ? length : patched.size - at);
                data += length;
                size -= length;
        }
}

/* The pages of the view as a reader of the database sees them; false: it cannot be opened. */
static bool read_view(void)
{
        struct private_file view;
        struct hwaccl_error error;
        size_t got = 0;

        if (!private_file_open(&view, path, &error))
                return false;
        bool good = private_journal_apply(&view, with("-journal"), &error) &&
                    (view.beside >= 0 || private_log_apply(&view, with("-wal"), &error));
        good = good && private_file_read(&view, 0, view_bytes.bytes, sizeof(view_bytes.bytes), &got);
        view_bytes.size = good ? (size_t)view.pages * view.page_size : 0;
        private_file_close(&view);
        return good;
}

static void use_view(void)
{
        struct hwaccl_error error;
        sqlite3 *db = database_open_private(path, &error);

        (void)sqlite3_exec(db,
                           "SELECT count(*), sum(id), max(value) FROM number; PRAGMA quick_check;"
                           "CREATE TABLE another (x); INSERT INTO another SELECT value FROM number; DELETE FROM number",
                           NULL, NULL, NULL);
        (void)sqlite3_close(db);
}

/* SQLite brings in what lies beside. False: it does not take the database. */
static bool let_sqlite_do_it(enum kind kind)
{
        sqlite3 *db = database_open(path, SQLITE_OPEN_READWRITE);
        const char *sql = kind == LOG ? "PRAGMA synchronous = OFF; SELECT count(*) FROM sqlite_schema;"
                                        "PRAGMA wal_checkpoint(TRUNCATE)"
                                      : "PRAGMA synchronous = OFF; SELECT count(*) FROM sqlite_schema";
        bool good = db && sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;

        (void)sqlite3_close(db);
        return good;
}

static void compare(void)
{
        size_t size = file_bytes.size < BYTES_MAX ? file_bytes.size : BYTES_MAX;

        if (view_bytes.size != file_bytes.size)
                fail("the view has another size");
        /* 18 and 19: whether there is a log; the view has none */
        file_bytes.bytes[18] = view_bytes.bytes[18];
        file_bytes.bytes[19] = view_bytes.bytes[19];
        if (memcmp(view_bytes.bytes, file_bytes.bytes, size) != 0)
                fail("the view has other pages");
}

/* What SQLite must not be asked: it would remove files that the journal names, or take its page size. */
static bool is_for_sqlite(enum kind kind)
{
        return view_bytes.size <= (size_t)PAGES_MAX * PAGE && view_bytes.size < BYTES_MAX &&
               (kind == LOG || (!private_journal_is_foreign(with("-journal")) && patched.size >= 28 &&
                                private_big_endian(patched.bytes + 24) == PAGE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static bool ready;

        if (!ready) {
                if (!mkdtemp(directory) || atexit(clean_up) != 0)
                        fail(directory);
                (void)snprintf(path, sizeof(path), "%s/x.db", directory);
                for (enum kind kind = LOG; kind < KINDS; kind++)
                        make_good(kind);
                ready = true;
        }
        enum kind kind = size && data[0] & 1 ? JOURNAL : LOG;
        patched = beside[kind];
        if (size)
                patch(data + 1, size - 1);
        if (size && data[0] & 2)
                put_sums_right(kind, &patched);
        store(path, &database[kind]);
        store(with(suffix[kind]), &patched);
        bool viewed = read_view();
        use_view();
        load(path, &file_bytes);
        if (file_bytes.size != database[kind].size ||
            memcmp(file_bytes.bytes, database[kind].bytes, file_bytes.size) != 0)
                fail("the view changed the database");
        load(with(suffix[kind]), &file_bytes);
        if (file_bytes.size != patched.size || memcmp(file_bytes.bytes, patched.bytes, patched.size) != 0)
                fail("the view changed what lies beside the database");
        if (viewed && is_for_sqlite(kind) && let_sqlite_do_it(kind)) {
                load(path, &file_bytes);
                compare();
        }
        remove_all();
        return 0;
}
