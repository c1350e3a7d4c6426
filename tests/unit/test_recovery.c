/* Recovery: a recorder dies, and what its ring holds comes into the database, exactly once and checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/recover/recovery.h"
#include "tracer/ring/ring_status.h"

#include "tests/fixtures/recording_fixture.h"
#include "tracer/database/decoder.h"
#include "tracer/ring/ring_records.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define INTERVAL 16

static const char *ring_path(void)
{
        static char name[sizeof(path) + 8];

        (void)snprintf(name, sizeof(name), "%s-ring", path);
        return name;
}

static void wait_for_end(pid_t child, int expected)
{
        int status = 0;

        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), expected);
}

static bool records_walks = true; /* what is recorded is as a recorder of now does it, not of ring version 2 */

/* A process records @exits exits, the last one only up to the end of its effects when it is not @whole, and dies. */
static void die_recording(uint64_t seed, uint64_t exits, bool whole)
{
        (void)fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                static struct synthetic synthetic;
                struct hwaccl_error error;
                synthetic_start(&synthetic, seed);
                synthetic.walk_by_walk = records_walks;
                struct hwaccl_probe *probe = hwaccl_recorder_probe(create(&synthetic, INTERVAL, 0));
                for (uint64_t i = 0; i < exits; i++) {
                        synthetic_next(&synthetic);
                        (void)synthetic_observe(&synthetic, probe, whole || i + 1 < exits, &error);
                }
                (void)raise(SIGKILL);
        }
        wait_for_end(child, SIGKILL);
}

static struct hwaccl_recovery recover(void)
{
        struct hwaccl_recovery recovery;
        struct hwaccl_error error = {""};

        if (!hwaccl_recover(path, &recovery, &error))
                fail_msg("%s", error.message);
        return recovery;
}

static void cannot_recover(const char *because)
{
        struct hwaccl_recovery recovery;
        struct hwaccl_error error = {""};

        assert_false(hwaccl_recover(path, &recovery, &error));
        if (!strstr(error.message, because))
                fail_msg("the message is: %s", error.message);
}

static void complain(void *opaque, const char *text)
{
        (void)opaque;
        fail_msg("%s", text);
}

static void ignore(void *opaque, const char *text)
{
        (void)opaque;
        (void)text;
}

static void assert_exits(uint64_t seed, uint64_t exits)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recording *recording = open_recording();
        struct synthetic synthetic;
        const struct hwaccl_recorded_exit *found;

        assert_int_equal(hwaccl_recording_info(recording)->exit_count, exits);
        assert_true(hwaccl_recording_check(recording, complain, NULL, &error));
        struct hwaccl_exit_cursor *cursor = exits ? hwaccl_exit_cursor_open(recording, 0, 0, &error) : NULL;
        synthetic_start(&synthetic, seed);
        for (uint64_t i = 0; i < exits; i++) {
                const struct synthetic_exit *expected = &synthetic.current;
                synthetic_next(&synthetic);
                assert_int_equal(hwaccl_exit_cursor_next(cursor, &found, &error), 1);
                assert_memory_equal(found->entry, &expected->entry, sizeof(expected->entry));
                assert_memory_equal(found->exit, &expected->exit, sizeof(expected->exit));
                if (found->outcome_known || i + 1 < exits) {
                        assert_int_equal(found->input_count, expected->input_count);
                        assert_int_equal(found->effect_count, expected->effect_count);
                        assert_int_equal(found->outcome, expected->outcome);
                        assert_int_equal(found->taken, expected->taken);
                        assert_int_equal(found->keyframe, (i + 1) % INTERVAL == 0);
                }
        }
        hwaccl_exit_cursor_close(cursor);
        hwaccl_recording_close(recording);
}

static void every_exit_of_a_dead_recorder_comes_back(void **state)
{
        (void)state;
        die_recording(1, 1000, true);
        assert_int_equal(hwaccl_recovery_state(path, NULL), HWACCL_RING_LEFT);
        struct hwaccl_recovery recovery = recover();
        assert_int_equal(recovery.outcome, HWACCL_RECOVERY_DONE);
        assert_int_equal(recovery.exits, 1000);
        assert_int_equal(recovery.lost, 0);
        assert_false(recovery.unfinished);
        assert_int_equal(recovery.end, HWACCL_END_RECORDER_DIED);
        assert_int_equal(hwaccl_recovery_state(path, NULL), HWACCL_RING_NONE);
        assert_exits(1, 1000);
        recovery = recover();
        assert_int_equal(recovery.outcome, HWACCL_RECOVERY_NOTHING);
        assert_int_equal(recovery.exits, 1000);
}

static void the_exit_at_which_it_died_is_there_as_far_as_it_came(void **state)
{
        (void)state;
        die_recording(2, 100, false);
        struct hwaccl_recovery recovery = recover();
        assert_int_equal(recovery.exits, 100);
        assert_true(recovery.unfinished);
        assert_int_equal(recovery.lost, 0);
        assert_exits(2, 100);
}

static void a_recorder_that_died_without_exits_leaves_an_empty_recording(void **state)
{
        (void)state;
        die_recording(3, 0, true);
        struct hwaccl_recovery recovery = recover();
        assert_int_equal(recovery.exits, 0);
        assert_exits(3, 0);
}

static void a_ring_in_use_is_left_alone(void **state)
{
        struct synthetic synthetic;
        struct hwaccl_error error = {""};
        uint32_t process = 0;

        (void)state;
        synthetic_start(&synthetic, 4);
        struct hwaccl_recorder *recorder = create(&synthetic, INTERVAL, 0);
        assert_int_equal(hwaccl_recovery_state(path, &process), HWACCL_RING_IN_USE);
        assert_int_equal(process, getpid());
        cannot_recover("is being recorded");
        const struct hwaccl_recorder_config config = {.path = path, .force = true};
        assert_null(hwaccl_recorder_create(&config, &error));
        assert_non_null(strstr(error.message, "is being recorded"));
        assert_true(hwaccl_recorder_finish(recorder, HWACCL_END_STOPPED, 0, NULL, &error));
        assert_int_equal(recover().outcome, HWACCL_RECOVERY_NOTHING);
}

/* A VMM that forked a child and was killed, and nobody has waited for it yet; the child has the ring's file, and its
 * lock, until @release is closed. */
static pid_t die_with_a_child(const int release[2])
{
        (void)fflush(NULL);
        pid_t vmm = fork();
        assert_true(vmm >= 0);
        if (vmm > 0) {
                siginfo_t info;
                assert_int_equal(waitid(P_PID, (id_t)vmm, &info, WEXITED | WNOWAIT), 0);
                assert_int_equal(info.si_code, CLD_KILLED);
                return vmm;
        }
        static struct synthetic synthetic;
        struct hwaccl_error error;
        synthetic_start(&synthetic, 12);
        struct hwaccl_probe *probe = hwaccl_recorder_probe(create(&synthetic, INTERVAL, 0));
        for (uint64_t i = 0; i < 50; i++) {
                synthetic_next(&synthetic);
                (void)synthetic_observe(&synthetic, probe, true, &error);
        }
        if (fork() == 0) {
                char byte;
                (void)close(release[1]);
                (void)!read(release[0], &byte, 1);
                _exit(0);
        }
        (void)raise(SIGKILL);
        return -1;
}

static void a_child_that_outlives_its_vmm_does_not_keep_the_ring(void **state)
{
        struct hwaccl_ring_status status;
        struct hwaccl_error error = {""};
        uint32_t process = 0;
        int release[2];

        (void)state;
        assert_int_equal(pipe(release), 0);
        pid_t vmm = die_with_a_child(release);
        assert_int_equal(hwaccl_recovery_state(path, &process), HWACCL_RING_LEFT);
        assert_int_equal(process, vmm);
        assert_int_equal(hwaccl_ring_status_read(path, 0, &status, &error), HWACCL_RING_SEEN);
        assert_false(status.alive);
        assert_int_equal(recover().exits, 50);
        assert_exits(12, 50);
        (void)close(release[1]);
        (void)close(release[0]);
        wait_for_end(vmm, SIGKILL);
}

static int unmount(void **state)
{
        (void)umount2(directory, MNT_DETACH); /* after a failure it is still there */
        return remove_recording(state);
}

static void a_read_only_directory_is_told_and_left_as_it_was(void **state)
{
        struct hwaccl_error error = {""};
        const struct hwaccl_recorder_config config = {.path = path, .force = true};

        (void)state;
        if (mount("tmpfs", directory, "tmpfs", 0, "size=64m") != 0) {
                print_message("no file system can be mounted here: not tested\n");
                skip();
        }
        die_recording(13, 50, true);
        assert_int_equal(mount("tmpfs", directory, "tmpfs", MS_REMOUNT | MS_RDONLY, ""), 0);
        assert_int_equal(hwaccl_recovery_state(path, NULL), HWACCL_RING_LEFT);
        cannot_recover("Read-only");
        assert_null(hwaccl_recorder_create(&config, &error));
        assert_non_null(strstr(error.message, "Read-only"));
        assert_int_equal(mount("tmpfs", directory, "tmpfs", MS_REMOUNT, ""), 0);
        assert_int_equal(recover().exits, 50);
        assert_exits(13, 50);
        (void)remove_recording(NULL);
        assert_int_equal(mount("tmpfs", directory, "tmpfs", MS_REMOUNT | MS_RDONLY, ""), 0);
        assert_null(hwaccl_recorder_create(&config, &error));
        assert_non_null(strstr(error.message, "Read-only"));
        assert_int_equal(umount(directory), 0);
}

static void recording_over_a_ring_needs_force(void **state)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recorder_config config = {.path = path};

        (void)state;
        die_recording(5, 10, true);
        assert_null(hwaccl_recorder_create(&config, &error));
        assert_non_null(strstr(error.message, "hwaccl recover"));
        config.force = true;
        struct hwaccl_recorder *recorder = hwaccl_recorder_create(&config, &error);
        if (!recorder)
                fail_msg("%s", error.message);
        assert_true(hwaccl_recorder_finish(recorder, HWACCL_END_STOPPED, 0, NULL, &error));
}

/* @size bytes at @offset of the ring file; the header's positions are at 64 (head) and 128 (tail). */
static void poke(off_t offset, const void *data, size_t size)
{
        int fd = open(ring_path(), O_RDWR);

        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, data, size, offset), (ssize_t)size);
        (void)close(fd);
}

static uint64_t peek(off_t offset)
{
        uint64_t value = 0;
        int fd = open(ring_path(), O_RDONLY);

        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &value, sizeof(value), offset), sizeof(value));
        (void)close(fd);
        return value;
}

static void execute(const char *sql)
{
        sqlite3 *db;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* It had no records of page walks; all others are the same. */
static void rings_of_the_version_before_are_recovered(void **state)
{
        const uint32_t before = RING_VERSION_MIN;

        (void)state;
        records_walks = false;
        die_recording(13, 300, true);
        records_walks = true;
        poke(8, &before, sizeof(before));
        assert_int_equal(recover().exits, 300);
        assert_exits(13, 300);
}

static void numbers_of_the_header_are_checked(void **state)
{
        const struct {
                off_t offset;
                uint64_t value;
                const char *because;
        } damage[] = {
                {0, 0x676e6f7277, "not a ring of hwaccl"},
                {8, UINT64_C(4096) << 32 | 99, "version 99"},
                {8, UINT64_C(100) << 32 | RING_VERSION, "header_size"},
                {16, 12345678, "data_size"},
                {16, UINT64_C(1) << 50, "data_size"},
                {16, RING_SIZE_MAX, "length"},
                {24, UINT64_MAX, "vcpu"},
                {24, 0, "keyframe_interval"},
                {32, 7, "stamp_kind"},
                {64, 0, "head or tail"},
                {64, UINT64_MAX - 7, "head or tail"},
                {128, UINT64_MAX - 7, "head or tail"},
                {56, 1, "another recording"},
        };

        (void)state;
        die_recording(6, 300, true);
        /* a tail behind 0, so that a head of 0 is wrong */
        const uint64_t tail = peek(128);
        for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
                uint64_t good = peek(damage[i].offset);
                if (damage[i].offset == 64 && damage[i].value == 0 && tail == 0)
                        continue;
                poke(damage[i].offset, &damage[i].value, sizeof(damage[i].value));
                cannot_recover(damage[i].because);
                poke(damage[i].offset, &good, sizeof(good));
        }
        assert_int_equal(truncate(ring_path(), 8192), 0);
        cannot_recover("length");
}

static void what_follows_a_damaged_record_is_cut_and_said(void **state)
{
        struct hwaccl_error error = {""};

        (void)state;
        die_recording(7, 400, true);
        uint64_t head = peek(64);
        uint64_t tail = peek(128);
        const uint8_t noise[64] = {1, 2, 3};
        /* in the middle of what is not in the database yet, where some word is a record's header or a record's body */
        poke((off_t)(RING_HEADER_SIZE + tail + (head - tail) / 2 / 64 * 64), noise, sizeof(noise));
        struct hwaccl_recovery recovery = recover();
        assert_int_equal(recovery.exits <= 400, 1);
        struct hwaccl_recording *recording = open_recording();
        (void)hwaccl_recording_check(recording, ignore, NULL, &error);
        assert_int_equal(hwaccl_recording_info(recording)->exit_count, recovery.exits);
        hwaccl_recording_close(recording);
}

static void a_torn_record_ends_the_recovery_with_its_reason(void **state)
{
        (void)state;
        die_recording(8, 400, true);
        const uint64_t tail = peek(128);
        const struct ring_record torn = {.words = 2, .type = 99, .mark = ring_mark(tail)};
        if (tail == peek(64))
                skip();
        poke((off_t)(RING_HEADER_SIZE + tail), &torn, sizeof(torn));
        struct hwaccl_recovery recovery = recover();
        assert_true(recovery.damaged_at == tail);
        assert_string_equal(recovery.damage, "a record of unknown type");
        assert_true(recovery.lost > 0);
        assert_int_equal(recovery.exits + recovery.lost, 400);
        assert_exits(8, recovery.exits);
}

static void a_checkpoint_that_cannot_be_is_refused(void **state)
{
        static const char noise[] = "UPDATE checkpoint SET decoder = CAST(substr(decoder, 1, 8) || "
                                    "randomblob(length(decoder) - 8) AS BLOB)";
        static const char *const damage[] = {
                "UPDATE checkpoint SET decoder = zeroblob(10)",
                "UPDATE checkpoint SET devices = zeroblob(1)",
                noise,
                "UPDATE checkpoint SET position = 1 << 40",
                "UPDATE checkpoint SET position = -8",
                "UPDATE checkpoint SET ring = ring + 1",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
                die_recording(9, 50, true);
                execute(damage[i]);
                cannot_recover("guest.hwr");
                assert_int_equal(hwaccl_recovery_state(path, NULL), HWACCL_RING_LEFT);
                (void)remove_recording(NULL);
        }
}

static void a_checkpoint_of_another_layout_is_refused(void **state)
{
        char because[64];

        (void)state;
        die_recording(9, 50, true);
        execute("UPDATE checkpoint SET decoder = CAST(x'63' || substr(decoder, 2) AS BLOB)");
        (void)snprintf(because, sizeof(because), "table checkpoint: its layout is not version %" PRIu64,
                       DECODER_STATE_VERSION);
        cannot_recover(because);
        assert_int_equal(hwaccl_recovery_state(path, NULL), HWACCL_RING_LEFT);
}

static void a_ring_without_its_database_is_kept(void **state)
{
        (void)state;
        die_recording(10, 50, true);
        assert_int_equal(unlink(path), 0);
        cannot_recover("No such file");
        assert_int_equal(hwaccl_recovery_state(path, NULL), HWACCL_RING_LEFT);
}

/* Not even one that is as short as the ring of a recorder that died at once, or begins with zeros. */
static void a_file_of_somebody_else_is_not_removed(void **state)
{
        static const struct {
                const char *bytes;
                size_t size;
        } content[] = {{"1 ring, gold\n", 13}, {"\0\0\0\0\0\0\0\0\1\1\1\1", 12}, {"hwaccl-", 7}};

        (void)state;
        for (size_t i = 0; i < sizeof(content) / sizeof(content[0]); i++) {
                int fd = open(ring_path(), O_RDWR | O_CREAT | O_EXCL, 0600);
                assert_true(fd >= 0);
                assert_int_equal(write(fd, content[i].bytes, content[i].size), (ssize_t)content[i].size);
                (void)close(fd);
                cannot_recover("not a ring of hwaccl");
                assert_int_equal(unlink(ring_path()), 0);
        }
}

static void a_recording_without_its_ring_is_said_to_be_all(void **state)
{
        (void)state;
        die_recording(11, 50, true);
        assert_int_equal(unlink(ring_path()), 0);
        cannot_recover("is missing");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(every_exit_of_a_dead_recorder_comes_back, remove_recording),
                cmocka_unit_test_teardown(the_exit_at_which_it_died_is_there_as_far_as_it_came, remove_recording),
                cmocka_unit_test_teardown(a_recorder_that_died_without_exits_leaves_an_empty_recording,
                                          remove_recording),
                cmocka_unit_test_teardown(a_ring_in_use_is_left_alone, remove_recording),
                cmocka_unit_test_teardown(a_child_that_outlives_its_vmm_does_not_keep_the_ring, remove_recording),
                cmocka_unit_test_teardown(a_read_only_directory_is_told_and_left_as_it_was, unmount),
                cmocka_unit_test_teardown(recording_over_a_ring_needs_force, remove_recording),
                cmocka_unit_test_teardown(rings_of_the_version_before_are_recovered, remove_recording),
                cmocka_unit_test_teardown(numbers_of_the_header_are_checked, remove_recording),
                cmocka_unit_test_teardown(what_follows_a_damaged_record_is_cut_and_said, remove_recording),
                cmocka_unit_test_teardown(a_torn_record_ends_the_recovery_with_its_reason, remove_recording),
                cmocka_unit_test_teardown(a_checkpoint_that_cannot_be_is_refused, remove_recording),
                cmocka_unit_test_teardown(a_checkpoint_of_another_layout_is_refused, remove_recording),
                cmocka_unit_test_teardown(a_ring_without_its_database_is_kept, remove_recording),
                cmocka_unit_test_teardown(a_file_of_somebody_else_is_not_removed, remove_recording),
                cmocka_unit_test_teardown(a_recording_without_its_ring_is_said_to_be_all, remove_recording),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
