/* The guest's memory in a recording: what was written is read back; what is damaged or was not kept is unknown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/recording_fixture.h"
#include "tracer/record/kept_memory.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define PAGE  4096u
#define ROM   UINT64_C(0xfffc0000)
#define PAGES 1500u /* several batches of the writer */

static struct hwaccl_guest_memory memory;

static void fill_page(uint8_t *page, unsigned seed)
{
        for (unsigned i = 0; i < PAGE; i++)
                page[i] = (uint8_t)(i < 4 ? seed >> 8 * i : i * (seed + 1) + i / 7);
}

/* RAM in which every third page is zero and every fifth the same, and a ROM. */
static int make_memory(void **state)
{
        struct hwaccl_error error;

        (void)state;
        hwaccl_guest_memory_init(&memory, true);
        assert_true(hwaccl_guest_memory_add(&memory, 0, (uint64_t)PAGES * PAGE, true, &error));
        assert_true(hwaccl_guest_memory_add(&memory, ROM, 16 * PAGE, false, &error));
        for (unsigned i = 0; i < PAGES; i++)
                if (i % 3)
                        fill_page(memory.run[0].host + (size_t)i * PAGE, i % 5 ? i : 5);
        fill_page(memory.run[1].host, 5);
        return make_directory(state);
}

static int free_memory(void **state)
{
        hwaccl_guest_memory_destroy(&memory);
        return remove_directory(state);
}

static void record_with_memory(void)
{
        struct synthetic synthetic;
        struct hwaccl_error error = {""};

        synthetic_start(&synthetic, 1);
        struct hwaccl_recorder *recorder = create(&synthetic, 16, 0);
        for (unsigned i = 0; i < 20; i++) {
                synthetic_next(&synthetic);
                assert_true(synthetic_observe(&synthetic, hwaccl_recorder_probe(recorder), true, &error));
        }
        hwaccl_recorder_keep_memory(recorder, &memory);
        if (!hwaccl_recorder_finish(recorder, HWACCL_END_TRIPLE_FAULT, 0, NULL, &error))
                fail_msg("%s", error.message);
}

static void execute(const char *sql)
{
        sqlite3 *db;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t ask(const char *sql)
{
        sqlite3 *db;
        sqlite3_stmt *row;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(row), SQLITE_ROW);
        int64_t value = sqlite3_column_int64(row, 0);
        (void)sqlite3_finalize(row);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        return value;
}

static void memory_is_read_back_and_equal_pages_are_there_once(void **state)
{
        static uint8_t bytes[PAGES * PAGE];
        uint64_t address, size;
        bool writable;

        (void)state;
        record_with_memory();
        struct hwaccl_recording *recording = open_recording();
        assert_true(hwaccl_recording_memory_range(recording, 0, &address, &size, &writable));
        assert_true(address == 0 && size == PAGES * PAGE && writable);
        assert_true(hwaccl_recording_memory_range(recording, 1, &address, &size, &writable));
        assert_true(address == ROM && size == 16 * PAGE && !writable);
        assert_false(hwaccl_recording_memory_range(recording, 2, &address, &size, &writable));
        assert_true(hwaccl_recording_memory_read(recording, 0, bytes, sizeof(bytes)));
        assert_memory_equal(bytes, memory.run[0].host, sizeof(bytes));
        assert_true(hwaccl_recording_memory_read(recording, 2 * PAGE - 3, bytes, 7)); /* two pages */
        assert_memory_equal(bytes, memory.run[0].host + 2 * PAGE - 3, 7);
        assert_true(hwaccl_recording_memory_read(recording, ROM, bytes, 16 * PAGE));
        assert_memory_equal(bytes, memory.run[1].host, 16 * PAGE);
        assert_false(hwaccl_recording_memory_read(recording, PAGES * PAGE, bytes, 1));
        assert_false(hwaccl_recording_memory_read(recording, PAGES * PAGE - 1, bytes, 2));
        assert_false(hwaccl_recording_memory_read(recording, ROM - 1, bytes, 2));
        assert_false(hwaccl_recording_memory_read(recording, UINT64_MAX, bytes, 1));
        hwaccl_recording_close(recording);
        assert_int_equal(ask("SELECT count(*) FROM memory_page"), 1000 + 1);
        assert_int_equal(ask("SELECT count(*) FROM page"), 800 + 1);
        assert_int_equal(ask("SELECT count(DISTINCT sha256) FROM page"), 800 + 1);
        assert_int_equal(ask("SELECT count(*) FROM memory_pages WHERE writable = 0 AND address = '0xfffc0000'"), 1);
}

static void a_recording_without_memory_knows_none(void **state)
{
        uint64_t address, size;
        bool writable;
        uint8_t byte;

        (void)state;
        record(1, 20, 16, 0);
        struct hwaccl_recording *recording = open_recording();
        assert_false(hwaccl_recording_memory_range(recording, 0, &address, &size, &writable));
        assert_false(hwaccl_recording_memory_read(recording, 0, &byte, 1));
        assert_true(hwaccl_recording_memory_read(recording, 0, &byte, 0));
        hwaccl_recording_close(recording);
}

static unsigned findings;

static void count_finding(void *opaque, const char *text)
{
        (void)opaque;
        if (findings++ == 0 && !strstr(text, "memory"))
                fail_msg("%s", text);
}

/* Page 0x1000 or the ranges are not what they were; the page behind it is, unless its range is gone. */
static void damaged_memory_is_unknown_and_a_finding(void **state)
{
        static const struct {
                const char *sql;
                bool next_known;
        } cases[] = {
                {"UPDATE page SET zstd = zeroblob(100) WHERE id = 1", true},
                {"UPDATE page SET zstd = x'' WHERE id = 1", true},
                {"UPDATE page SET zstd = (SELECT zstd FROM page WHERE id = 2) WHERE id = 1", true},
                {"UPDATE page SET zstd = substr(zstd, 1, length(zstd) - 5) WHERE id = 1", true},
                {"UPDATE page SET sha256 = zeroblob(32) WHERE id = 1", true},
                {"UPDATE page SET sha256 = substr(sha256, 1, 31) WHERE id = 1", true},
                {"DELETE FROM page WHERE id = 1", true},
                {"UPDATE memory_page SET page = -1 WHERE address = 4096", true},
                /* 2 MiB of zeros and 8 KiB of them, by zstd(1) */
                {"UPDATE page SET zstd = "
                 "x'"
                 "28b52ffd04585400001000000100fbff39c002020010000200100002001000020010000200100002001000020010000200100"
                 "002001000020010000200100002001000020010000200100003001000db238ef8' WHERE id = 1",
                 true},
                {"UPDATE page SET zstd = x'28b52ffd04584d00001000000100fbdf032cb48fa405' WHERE id = 1", true},
                {"UPDATE memory_range SET size = -4096", false},
                {"UPDATE memory_range SET size = 5", false},
                {"UPDATE memory_range SET address = 8191 WHERE address = 0", false},
                {"UPDATE memory_range SET size = 9223372036854771712", false},
                {"DELETE FROM memory_range", false},
        };

        (void)state;
        record_with_memory();
        (void)remove_recording(NULL);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct hwaccl_error error = {""};
                uint8_t byte;
                record_with_memory();
                execute(cases[i].sql);
                struct hwaccl_recording *recording = open_recording();
                bool first = hwaccl_recording_memory_read(recording, PAGE, &byte, 1);
                bool next = hwaccl_recording_memory_read(recording, 2 * PAGE, &byte, 1);
                findings = 0;
                assert_true(hwaccl_recording_check(recording, count_finding, NULL, &error));
                hwaccl_recording_close(recording);
                if ((first && cases[i].next_known) || findings == 0 || (cases[i].next_known && !next))
                        fail_msg("%s: page %sknown, next %sknown, %u findings", cases[i].sql, first ? "" : "un",
                                 next ? "" : "un", findings);
                (void)remove_recording(NULL);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(memory_is_read_back_and_equal_pages_are_there_once, remove_recording),
                cmocka_unit_test_teardown(a_recording_without_memory_knows_none, remove_recording),
                cmocka_unit_test_teardown(damaged_memory_is_unknown_and_a_finding, remove_recording),
        };
        return cmocka_run_group_tests(tests, make_memory, free_memory);
}
