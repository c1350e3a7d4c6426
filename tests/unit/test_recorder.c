/* Recorder and reader: what a probe saw comes back exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/recording_assert.h"
#include "tests/fixtures/recording_fixture.h"
#include "tracer/recover/recovery.h"
#include "tracer/ring/ring.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void every_exit_is_read_back_exactly(void **state)
{
        (void)state;
        record(1, 3000, 256, 0);
        struct hwaccl_recording *recording = open_recording();
        const struct hwaccl_recording_info *info = hwaccl_recording_info(recording);
        assert_int_equal(info->exit_count, 3000);
        assert_int_equal(info->vcpu_count, 1);
        assert_int_equal(info->keyframe_interval, 256);
        assert_int_equal(info->status, HWACCL_RECORDING_COMPLETE);
        assert_int_equal(info->end, HWACCL_END_EXIT_CODE);
        assert_int_equal(info->end_code, 42);
        assert_null(info->end_message);
        assert_string_equal(option_of(recording, "memory"), "64M");
        assert_string_equal(option_of(recording, "digest"), "0123");
        assert_null(option_of(recording, "absent"));
        check_from(recording, 1, 0, 3000, 256);
        hwaccl_recording_close(recording);
}

static void a_cursor_starts_at_any_exit(void **state)
{
        (void)state;
        record(2, 200, 16, 0);
        struct hwaccl_recording *recording = open_recording();
        for (uint64_t first = 0; first < 200; first++)
                check_from(recording, 2, first, 200, 16);
        struct hwaccl_error error;
        assert_null(hwaccl_exit_cursor_open(recording, 0, 200, &error));
        assert_null(hwaccl_exit_cursor_open(recording, 1, 0, &error));
        hwaccl_recording_close(recording);
}

static void the_smallest_ring_blocks_and_loses_nothing(void **state)
{
        (void)state;
        record(3, 5000, 7, 256 << 10);
        struct hwaccl_recording *recording = open_recording();
        check_from(recording, 3, 0, 5000, 7);
        hwaccl_recording_close(recording);
}

static void a_replay_starts_behind_the_last_snapshot(void **state)
{
        uint64_t start;
        struct hwaccl_error error = {""};

        (void)state;
        record(4, 50, 16, 0);
        struct hwaccl_recording *recording = open_recording();
        static const uint64_t expected[][2] = {{0, 0}, {15, 0}, {16, 16}, {17, 16}, {31, 16}, {32, 32}, {49, 48}};
        for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
                assert_true(hwaccl_recording_replay_start(recording, 0, expected[i][0], &start, &error));
                assert_int_equal(start, expected[i][1]);
        }
        assert_false(hwaccl_recording_replay_start(recording, 0, 50, &start, &error));

        struct synthetic synthetic;
        synthetic_start(&synthetic, 4);
        for (uint64_t i = 0; i < 50; i++) {
                const struct hwaccl_recorded_device_field *fields;
                size_t count;
                synthetic_next(&synthetic);
                bool found = hwaccl_recording_device_fields(recording, 0, i, &fields, &count, &error);
                assert_int_equal(found, (i + 1) % 16 == 0 || i == 49);
                if (found)
                        assert_devices_equal(fields, count, &synthetic);
        }
        hwaccl_recording_close(recording);
}

static void an_exit_whose_handling_stopped_has_no_outcome(void **state)
{
        struct synthetic synthetic;
        struct hwaccl_error error = {""};
        const struct hwaccl_recorded_exit *found;

        (void)state;
        synthetic_start(&synthetic, 5);
        struct hwaccl_recorder *recorder = create(&synthetic, 4, 0);
        struct hwaccl_probe *probe = hwaccl_recorder_probe(recorder);
        for (unsigned i = 0; i < 3; i++) {
                synthetic_next(&synthetic);
                assert_true(synthetic_observe(&synthetic, probe, i < 2, &error));
        }
        assert_true(hwaccl_recorder_finish(recorder, HWACCL_END_ERROR, 0, "it broke", &error));
        struct hwaccl_recording *recording = open_recording();
        assert_int_equal(hwaccl_recording_info(recording)->exit_count, 3);
        assert_string_equal(hwaccl_recording_info(recording)->end_message, "it broke");
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, 0, 2, &error);
        assert_non_null(cursor);
        assert_int_equal(hwaccl_exit_cursor_next(cursor, &found, &error), 1);
        assert_false(found->outcome_known);
        assert_true(found->verdict_known);
        assert_states_equal(found->exit, &synthetic.current.exit, 2, "exit");
        const struct hwaccl_subject_state *closing;
        struct hwaccl_known_fields closing_known;
        assert_true(hwaccl_exit_cursor_after(cursor, &closing, &closing_known, &error));
        assert_null(closing);
        hwaccl_exit_cursor_close(cursor);
        hwaccl_recording_close(recording);
}

static void fail_of_finding(void *opaque, const char *text)
{
        (void)opaque;
        fail_msg("%s", text);
}

/* It has the state of the devices all the same. */
static void a_recording_without_exits_can_be_read(void **state)
{
        struct synthetic synthetic;
        struct hwaccl_error error = {""};

        (void)state;
        synthetic_start(&synthetic, 6);
        struct hwaccl_recorder *recorder = create(&synthetic, 4, 0);
        assert_true(hwaccl_recorder_finish(recorder, HWACCL_END_STOPPED, 0, NULL, &error));
        struct hwaccl_recording *recording = open_recording();
        assert_int_equal(hwaccl_recording_info(recording)->exit_count, 0);
        assert_null(hwaccl_exit_cursor_open(recording, 0, 0, &error));
        const struct hwaccl_recorded_device_field *fields;
        size_t count;
        assert_true(hwaccl_recording_device_fields(recording, 0, 0, &fields, &count, &error));
        assert_devices_equal(fields, count, &synthetic);
        assert_true(hwaccl_recording_check(recording, fail_of_finding, NULL, &error));
        hwaccl_recording_close(recording);
}

static void a_recording_can_be_read_while_it_grows(void **state)
{
        struct synthetic synthetic;
        struct hwaccl_error error = {""};

        (void)state;
        synthetic_start(&synthetic, 7);
        struct hwaccl_recorder *recorder = create(&synthetic, 64, 0);
        struct hwaccl_probe *probe = hwaccl_recorder_probe(recorder);
        for (unsigned i = 0; i < 1000; i++) {
                synthetic_next(&synthetic);
                assert_true(synthetic_observe(&synthetic, probe, true, &error));
        }
        struct hwaccl_recording *recording;
        uint64_t seen = 0;
        while (seen < 999) { /* the last one waits for its successor's entry */
                (void)usleep(20000);
                recording = open_recording();
                assert_int_equal(hwaccl_recording_info(recording)->status, HWACCL_RECORDING_RUNNING);
                seen = hwaccl_recording_info(recording)->exit_count;
                hwaccl_recording_close(recording);
        }
        assert_true(seen <= 1000);
        assert_true(hwaccl_recorder_finish(recorder, HWACCL_END_STOPPED, 0, NULL, &error));
}

static void run_sql(sqlite3 *db, const char *sql)
{
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

/* The writer's transaction begins in the midst of an exit, with a look at the table of instructions: a transaction that
 * has read already does not wait for a lock, if it is not told to. */
static void a_database_that_another_program_locks_is_waited_for(void **state)
{
        static const uint8_t bytes[] = {0xe6, 0x80};
        static const struct hwaccl_input clock = {HWACCL_INPUT_CLOCK, 0, 1, NULL, 0};
        static const struct hwaccl_input instruction = {HWACCL_INPUT_INSTRUCTION, 0x7c00, 0, bytes, sizeof(bytes)};
        static const struct hwaccl_pending_interrupts none;
        const struct timespec pause = {0, 400000000}; /* until what is in the ring is committed */
        struct synthetic synthetic;
        struct hwaccl_error error = {""};
        sqlite3 *other;

        (void)state;
        synthetic_start(&synthetic, 20);
        struct hwaccl_recorder *recorder = create(&synthetic, 64, 0);
        struct hwaccl_probe *probe = hwaccl_recorder_probe(recorder);
        assert_int_equal(sqlite3_open_v2(path, &other, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_busy_timeout(other, 10000), SQLITE_OK);
        probe->ops->transfer_in(probe, &synthetic.state);
        hwaccl_probe_entry(probe);
        probe->ops->exit(probe, &synthetic.state, &none);
        probe->ops->input(probe, &clock);
        (void)nanosleep(&pause, NULL);
        run_sql(other, "BEGIN IMMEDIATE");
        probe->ops->input(probe, &instruction);
        assert_true(probe->ops->handled(probe, HWACCL_OUTCOME_RESUMED, &error));
        (void)nanosleep(&pause, NULL);
        run_sql(other, "ROLLBACK");
        assert_int_equal(sqlite3_close(other), SQLITE_OK);
        if (!hwaccl_recorder_finish(recorder, HWACCL_END_EXIT_CODE, 42, NULL, &error))
                fail_msg("%s", error.message);
        struct hwaccl_recording *recording = open_recording();
        assert_int_equal(hwaccl_recording_info(recording)->exit_count, 1);
        hwaccl_recording_close(recording);
}

/* @column of @table in exit 0 or 1. */
static int64_t number_of(const char *column, const char *table, unsigned exit)
{
        char sql[128];
        sqlite3 *db;
        sqlite3_stmt *statement;

        (void)snprintf(sql, sizeof(sql), "SELECT %s FROM %s WHERE exit = %u", column, table, exit);
        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        int64_t number = sqlite3_column_int64(statement, 0);
        (void)sqlite3_finalize(statement);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        return number;
}

static void the_guest_is_entered_at_the_offer_or_else_at_the_transfer(void **state)
{
        static const struct hwaccl_pending_interrupts none;
        const struct timespec pause = {0, 20000000};
        struct synthetic synthetic;
        struct hwaccl_error error = {""};

        (void)state;
        synthetic_start(&synthetic, 21);
        struct hwaccl_recorder *recorder = create(&synthetic, 64, 0);
        struct hwaccl_probe *probe = hwaccl_recorder_probe(recorder);
        for (unsigned exit = 0; exit < 2; exit++) {
                probe->ops->transfer_in(probe, &synthetic.state);
                (void)nanosleep(&pause, NULL);
                if (exit == 0)
                        probe->ops->irq_offer(probe, 0x20);
                hwaccl_probe_entry(probe);
                probe->ops->exit(probe, &synthetic.state, &none);
                if (exit == 0)
                        probe->ops->irq_reclaim(probe, 0x20, true);
                assert_true(probe->ops->handled(probe, HWACCL_OUTCOME_RESUMED, &error));
        }
        assert_true(hwaccl_recorder_finish(recorder, HWACCL_END_EXIT_CODE, 42, NULL, &error));
        /* two lines through the clock's samples may differ a little, not by a tenth of the pause */
        assert_in_range(2000000 + number_of("entry_ns", "exits", 0) - number_of("offered_ns", "irq_handoffs", 0), 0,
                        4000000);
        assert_true(number_of("guest_ns", "exits", 1) > 19000000);
}

static void an_existing_file_is_replaced_only_by_force(void **state)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recorder_config config = {.path = path};

        (void)state;
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(fd, "precious", 8), 8);
        (void)close(fd);
        assert_null(hwaccl_recorder_create(&config, &error));
        assert_non_null(strstr(error.message, "exists"));
        struct stat status;
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_size, 8);
        config.force = true;
        struct hwaccl_recorder *recorder = hwaccl_recorder_create(&config, &error);
        assert_non_null(recorder);
        assert_true(hwaccl_recorder_finish(recorder, HWACCL_END_STOPPED, 0, NULL, &error));
}

static void a_ring_that_was_left_behind_is_an_error(void **state)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recorder_config config = {.path = path};
        char ring[sizeof(path) + 8];

        (void)state;
        (void)snprintf(ring, sizeof(ring), "%s-ring", path);
        (void)close(open(ring, O_CREAT | O_WRONLY, 0600));
        assert_null(hwaccl_recorder_create(&config, &error));
        assert_non_null(strstr(error.message, "-ring"));
        assert_int_not_equal(access(path, F_OK), 0);
        assert_int_equal(access(ring, F_OK), 0);
}

/* As often as it takes for the smallest ring to have no room for one. */
static void the_longest_annotations_go_through_the_smallest_ring(void **state)
{
        static char name[5000];
        static char value[200000];
        struct synthetic synthetic;
        struct hwaccl_error error = {""};

        (void)state;
        memset(name, 'n', sizeof(name) - 1);
        memset(value, 'v', sizeof(value) - 1);
        synthetic_start(&synthetic, 1);
        struct hwaccl_recorder *recorder = create(&synthetic, 16, RING_SIZE_MIN);
        for (unsigned i = 0; i < 20; i++)
                hwaccl_recorder_annotate(recorder, name, value);
        if (!hwaccl_recorder_finish(recorder, HWACCL_END_STOPPED, 0, NULL, &error))
                fail_msg("%s", error.message);
        name[1024] = '\0';
        struct hwaccl_recording *recording = open_recording();
        const char *found = option_of(recording, name);
        assert_non_null(found);
        assert_int_equal(strlen(found), 65536);
        hwaccl_recording_close(recording);
}

static void devices_whose_states_no_record_holds_are_refused(void **state)
{
        static const struct hwaccl_device_field field = {.name = "bytes", .size = 8192};
        struct hwaccl_device_ops ops[20];
        struct hwaccl_device device[20];
        struct hwaccl_device *devices[20];
        char name[20][8];
        struct hwaccl_error error = {""};

        (void)state;
        for (unsigned i = 0; i < 20; i++) {
                (void)snprintf(name[i], sizeof(name[i]), "d%u", i);
                ops[i] = (struct hwaccl_device_ops){.name = name[i], .fields = &field, .field_count = 1};
                device[i] = (struct hwaccl_device){.ops = &ops[i]};
                devices[i] = &device[i];
        }
        const struct hwaccl_recorder_config config = {.path = path, .devices = devices, .device_count = 20};
        assert_null(hwaccl_recorder_create(&config, &error));
        assert_non_null(strstr(error.message, "total"));
}

static void nothing_but_the_database_is_left(void **state)
{
        static const char *const suffix[] = {"-wal", "-shm", "-journal", "-ring"};

        (void)state;
        record(8, 10, 4, 0);
        for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
                char file[sizeof(path) + 16];
                (void)snprintf(file, sizeof(file), "%s%s", path, suffix[i]);
                assert_int_not_equal(access(file, F_OK), 0);
        }
}

/* Exits until the recorder refuses one. */
static uint64_t record_until_refused(uint64_t seed, uint64_t limit, struct hwaccl_error *error, bool *finished)
{
        struct synthetic synthetic;
        uint64_t exits = 0;

        synthetic_start(&synthetic, seed);
        synthetic.plain = true;
        struct hwaccl_recorder *recorder = create(&synthetic, 64, 1 << 20);
        struct hwaccl_probe *probe = hwaccl_recorder_probe(recorder);
        for (; exits < limit; exits++) {
                synthetic_next(&synthetic);
                if (!synthetic_observe(&synthetic, probe, true, error)) {
                        exits++;
                        break;
                }
        }
        *finished = hwaccl_recorder_finish(recorder, HWACCL_END_ERROR, 0, error->message, error);
        return exits;
}

static void complain(void *opaque, const char *text)
{
        (void)opaque;
        fail_msg("%s", text);
}

static void recover(void)
{
        struct hwaccl_recovery recovery;
        struct hwaccl_error error = {""};

        if (!hwaccl_recover(path, &recovery, &error))
                fail_msg("%s", error.message);
        assert_int_equal(recovery.lost, 0);
        assert_true(recovery.damaged_at == UINT64_MAX);
}

/* Marked incomplete, with a reason, and good as far as it goes. @least: exits that must be there */
static void assert_kept(uint64_t seed, uint64_t least)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recording *recording = open_recording();
        const struct hwaccl_recording_info *info = hwaccl_recording_info(recording);

        assert_int_equal(info->status, HWACCL_RECORDING_INCOMPLETE);
        if (info->exit_count < least)
                fail_msg("%llu exits are there, not %llu", (unsigned long long)info->exit_count,
                         (unsigned long long)least);
        assert_true(hwaccl_recording_check(recording, complain, NULL, &error));
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, 0, 0, &error);
        const struct hwaccl_recorded_exit *found;
        struct synthetic synthetic;
        synthetic_start(&synthetic, seed);
        synthetic.plain = true;
        for (uint64_t i = 0; i < info->exit_count; i++) {
                synthetic_next(&synthetic);
                assert_int_equal(hwaccl_exit_cursor_next(cursor, &found, &error), 1);
                /* the one in whose handling the recorder gave up may lack its end */
                if (found->outcome_known || i + 1 < info->exit_count)
                        assert_exit_equal(found, &synthetic.current);
        }
        hwaccl_exit_cursor_close(cursor);
        hwaccl_recording_close(recording);
}

static void a_file_size_limit_ends_the_recording_and_keeps_it(void **state)
{
        struct rlimit before;
        struct hwaccl_error error = {""};
        bool finished;

        (void)state;
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        const struct rlimit small = {2 << 20, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        uint64_t exits = record_until_refused(11, 100000, &error, &finished);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_true(exits < 100000);
        assert_false(finished);
        assert_non_null(strstr(error.message, "hwaccl recover "));
        assert_kept(11, 500);
        recover();
        assert_kept(11, exits - 1);
}

/* The signal would end a VMM that embeds the recorder. */
static void a_recorder_that_cannot_make_its_files_is_an_error_and_no_signal(void **state)
{
        pid_t child = fork();
        int status = 0;

        (void)state;
        assert_true(child >= 0);
        if (child == 0) {
                const struct hwaccl_recorder_config config = {.path = path};
                const struct rlimit limit = {65536, 65536};
                struct hwaccl_error error = {""};
                if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
                        _exit(2);
                _exit(!hwaccl_recorder_create(&config, &error) && strstr(error.message, "File too large") ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

static int unmount(void **state)
{
        (void)umount2(directory, MNT_DETACH); /* after a failure it is still there */
        return remove_recording(state);
}

static void a_full_disk_ends_the_recording_and_keeps_every_exit(void **state)
{
        struct hwaccl_error error = {""};
        bool finished;

        (void)state;
        if (mount("tmpfs", directory, "tmpfs", 0, "size=8m") != 0) {
                print_message("no file system can be mounted here: not tested\n");
                skip();
        }
        uint64_t exits = record_until_refused(12, 100000, &error, &finished);
        if (exits < 100000 && !finished) {
                assert_kept(12, 500);
                assert_int_equal(mount("tmpfs", directory, "tmpfs", MS_REMOUNT, "size=64m"), 0);
                if (hwaccl_recovery_state(path, NULL) == HWACCL_RING_LEFT)
                        recover();
                assert_kept(12, exits - 1);
        }
        (void)remove_recording(NULL);
        assert_int_equal(umount(directory), 0);
        assert_true(exits < 100000);
        assert_false(finished);
        assert_non_null(strstr(error.message, "full"));
}

static void a_path_that_cannot_be_written_is_an_error(void **state)
{
        static const char *const paths[] = {"/nonexistent/guest.hwr", "/proc/guest.hwr", "/"};

        (void)state;
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                struct hwaccl_recorder_config config = {.path = paths[i], .force = true};
                struct hwaccl_error error = {""};
                assert_null(hwaccl_recorder_create(&config, &error));
                assert_non_null(strstr(error.message, paths[i]));
        }
}

static void a_locked_database_is_not_replaced(void **state)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recorder_config config = {.path = path, .force = true};

        (void)state;
        struct hwaccl_recorder *first = hwaccl_recorder_create(&config, &error);
        if (!first)
                fail_msg("%s", error.message);
        assert_null(hwaccl_recorder_create(&config, &error)); /* its ring is in use */
        assert_true(hwaccl_recorder_finish(first, HWACCL_END_STOPPED, 0, NULL, &error));
        struct hwaccl_recording *recording = open_recording();
        hwaccl_recording_close(recording);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(every_exit_is_read_back_exactly, remove_recording),
                cmocka_unit_test_teardown(a_cursor_starts_at_any_exit, remove_recording),
                cmocka_unit_test_teardown(the_smallest_ring_blocks_and_loses_nothing, remove_recording),
                cmocka_unit_test_teardown(a_replay_starts_behind_the_last_snapshot, remove_recording),
                cmocka_unit_test_teardown(an_exit_whose_handling_stopped_has_no_outcome, remove_recording),
                cmocka_unit_test_teardown(a_recording_without_exits_can_be_read, remove_recording),
                cmocka_unit_test_teardown(a_recording_can_be_read_while_it_grows, remove_recording),
                cmocka_unit_test_teardown(the_guest_is_entered_at_the_offer_or_else_at_the_transfer, remove_recording),
                cmocka_unit_test_teardown(a_database_that_another_program_locks_is_waited_for, remove_recording),
                cmocka_unit_test_teardown(an_existing_file_is_replaced_only_by_force, remove_recording),
                cmocka_unit_test_teardown(a_ring_that_was_left_behind_is_an_error, remove_recording),
                cmocka_unit_test_teardown(the_longest_annotations_go_through_the_smallest_ring, remove_recording),
                cmocka_unit_test_teardown(devices_whose_states_no_record_holds_are_refused, remove_recording),
                cmocka_unit_test_teardown(nothing_but_the_database_is_left, remove_recording),
                cmocka_unit_test_teardown(a_file_size_limit_ends_the_recording_and_keeps_it, remove_recording),
                cmocka_unit_test_teardown(a_recorder_that_cannot_make_its_files_is_an_error_and_no_signal,
                                          remove_recording),
                cmocka_unit_test_teardown(a_full_disk_ends_the_recording_and_keeps_every_exit, unmount),
                cmocka_unit_test_teardown(a_path_that_cannot_be_written_is_an_error, remove_recording),
                cmocka_unit_test_teardown(a_locked_database_is_not_replaced, remove_recording),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
