/* The flight recorder: the newest exits are kept, in bounded space, and written out when something happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/recording_assert.h"
#include "tests/fixtures/recording_fixture.h"
#include "tracer/record/flight/flight_recorder.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL 64u

struct told {
        pthread_mutex_t lock;
        unsigned count;
        char text[8][256];
};

static void tell(void *opaque, const char *text)
{
        struct told *told = opaque;

        (void)pthread_mutex_lock(&told->lock);
        if (told->count < 8)
                (void)snprintf(told->text[told->count], sizeof(told->text[0]), "%s", text);
        told->count++;
        (void)pthread_mutex_unlock(&told->lock);
}

static unsigned told_count(struct told *told)
{
        (void)pthread_mutex_lock(&told->lock);
        unsigned count = told->count;
        (void)pthread_mutex_unlock(&told->lock);
        return count;
}

static struct hwaccl_recorder *start(struct synthetic *synthetic, const char *window, const char *const *triggers,
                                     struct told *told, struct hwaccl_error *error)
{
        static struct hwaccl_device *devices[2];
        static const struct hwaccl_recording_option options[] = {{"memory", "64M"}};
        struct hwaccl_flight_trigger trigger[HWACCL_FLIGHT_TRIGGER_MAX];
        struct hwaccl_flight_config flight = {.text = window, .trigger = trigger, .notice = tell, .opaque = told};

        devices[0] = &synthetic->device[0].device;
        devices[1] = &synthetic->device[1].device;
        assert_true(hwaccl_flight_window_parse(window, &flight.window, error));
        while (triggers && triggers[flight.trigger_count]) {
                assert_true(hwaccl_flight_trigger_parse(triggers[flight.trigger_count], &trigger[flight.trigger_count],
                                                        error));
                flight.trigger_count++;
        }
        struct hwaccl_recorder_config config = {.path = path,
                                                .options = options,
                                                .option_count = 1,
                                                .devices = devices,
                                                .device_count = 2,
                                                .keyframe_interval = INTERVAL,
                                                .sink = &hwaccl_flight_recorder,
                                                .sink_settings = &flight};
        return hwaccl_recorder_create(&config, error);
}

static void observe(struct hwaccl_recorder *recorder, struct synthetic *synthetic)
{
        struct hwaccl_error error = {""};

        synthetic_next(synthetic);
        if (!synthetic_observe(synthetic, hwaccl_recorder_probe(recorder), true, &error))
                fail_msg("%s", error.message);
}

static void finish(struct hwaccl_recorder *recorder, struct synthetic *synthetic)
{
        struct hwaccl_probe *probe = hwaccl_recorder_probe(recorder);
        struct hwaccl_error error = {""};

        probe->ops->transfer_in(probe, &synthetic->state);
        hwaccl_recorder_annotate(recorder, "digest", "0123");
        if (!hwaccl_recorder_finish(recorder, HWACCL_END_TRIPLE_FAULT, 0, NULL, &error))
                fail_msg("%s", error.message);
}

static void no_finding(void *opaque, const char *text)
{
        (void)opaque;
        fail_msg("%s", text);
}

static void run_window(uint64_t seed, const char *window, uint64_t exits)
{
        struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};
        struct synthetic synthetic;
        struct hwaccl_error error = {""};

        synthetic_start(&synthetic, seed);
        struct hwaccl_recorder *recorder = start(&synthetic, window, NULL, &told, &error);
        if (!recorder)
                fail_msg("%s", error.message);
        for (uint64_t i = 0; i < exits; i++)
                observe(recorder, &synthetic);
        finish(recorder, &synthetic);
        assert_int_equal(told.count, 0);
        assert_false(exists("-ring"));
        assert_false(exists("-flight"));
}

static void the_newest_exits_are_read_back_exactly(void **state)
{
        static const uint64_t runs[] = {1, 63, 64, 999, 2000, 2200, 20000};
        struct hwaccl_error error = {""};

        (void)state;
        for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
                uint64_t first, end;
                run_window(i + 1, "2000exits", runs[i]);
                struct hwaccl_recording *recording = open_recording();
                assert_true(hwaccl_recording_range(recording, 0, &first, &end, &error));
                assert_int_equal(end, runs[i]);
                assert_int_equal(first % INTERVAL, 0);
                assert_true(runs[i] <= 2000 ? first == 0
                                            : end - first >= 2000 && end - first <= 2000 + 2000 / 16 + INTERVAL);
                check_from(recording, i + 1, first, runs[i], INTERVAL);
                if (!hwaccl_recording_check(recording, no_finding, NULL, &error))
                        fail_msg("%s", error.message);
                assert_int_equal(hwaccl_recording_info(recording)->end, HWACCL_END_TRIPLE_FAULT);
                assert_string_equal(option_of(recording, "digest"), "0123");
                assert_string_equal(option_of(recording, "flight_recorder"), "2000exits");
                hwaccl_recording_close(recording);
                (void)remove_recording(NULL);
        }
}

/* Several limits: the first that is reached counts. */
static void a_window_of_several_limits_is_read_back_exactly(void **state)
{
        uint64_t first, end;
        struct hwaccl_error error = {""};

        (void)state;
        run_window(9, "1s,3000exits,4M", 9000);
        struct hwaccl_recording *recording = open_recording();
        assert_true(hwaccl_recording_range(recording, 0, &first, &end, &error));
        assert_true(end == 9000 && first >= 5700);
        check_from(recording, 9, first, 9000, INTERVAL);
        hwaccl_recording_close(recording);
}

/* How many files, and of how many bytes together. */
static unsigned segments_kept(uint64_t *bytes)
{
        char name[sizeof(path) + 16];
        struct dirent *entry;
        unsigned count = 0;

        *bytes = 0;
        (void)snprintf(name, sizeof(name), "%s-flight", path);
        DIR *files = opendir(name);
        assert_non_null(files);
        while ((entry = readdir(files))) {
                struct stat status;
                if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' &&
                    fstatat(dirfd(files), entry->d_name, &status, 0) == 0) {
                        *bytes += (uint64_t)status.st_size;
                        count++;
                }
        }
        (void)closedir(files);
        return count;
}

#define WINDOW_NS UINT64_C(20000000)

static void a_window_of_time_keeps_at_least_that_time(void **state)
{
        const struct timespec pause = {0, 1000000};
        const struct hwaccl_flight_config flight = {.window = {.bytes = UINT64_C(1) << 30, .ns = WINDOW_NS}};
        struct hwaccl_recorder_config config = {
                .path = path, .keyframe_interval = 4, .sink = &hwaccl_flight_recorder, .sink_settings = &flight};
        struct synthetic synthetic;
        struct hwaccl_error error = {""};
        const struct hwaccl_recorded_exit *exit;
        uint64_t first, end, bytes;
        uint64_t exits = 0;

        (void)state;
        synthetic_start(&synthetic, 11);
        struct hwaccl_recorder *recorder = hwaccl_recorder_create(&config, &error);
        assert_non_null(recorder);
        do { /* until the oldest are let go of */
                observe(recorder, &synthetic);
                (void)nanosleep(&pause, NULL);
                exits++;
        } while ((segments_kept(&bytes) == 0 || exists("-flight/000000000000")) && exits < 100000);
        if (!hwaccl_recorder_finish(recorder, HWACCL_END_HALTED, 0, NULL, &error))
                fail_msg("%s", error.message);
        struct hwaccl_recording *recording = open_recording();
        assert_true(hwaccl_recording_range(recording, 0, &first, &end, &error));
        assert_true(first > 0 && end == exits);
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, 0, first, &error);
        assert_non_null(cursor);
        uint64_t begin = 0, last = 0;
        while (hwaccl_exit_cursor_next(cursor, &exit, &error) == 1) {
                last = exit->entry_time_ns;
                begin = begin ? begin : last;
        }
        assert_true(last - begin >= WINDOW_NS);
        hwaccl_exit_cursor_close(cursor);
        hwaccl_recording_close(recording);
}

static uint64_t bytes_kept(void)
{
        char name[sizeof(path) + 16];
        struct stat ring;
        uint64_t sum;

        (void)segments_kept(&sum);
        (void)snprintf(name, sizeof(name), "%s-ring", path);
        assert_int_equal(stat(name, &ring), 0);
        return sum + (uint64_t)ring.st_size;
}

/* Those that were written beside the recording: how many. */
static unsigned remove_windows(unsigned most)
{
        char beside[sizeof(path) + 16];
        unsigned count = 0;

        for (unsigned i = 1; i <= most; i++) {
                (void)snprintf(beside, sizeof(beside), "%s/guest-%u.hwr", directory, i);
                count += unlink(beside) == 0;
        }
        return count;
}

static void a_window_of_bytes_stays_within_a_fifth_more(void **state)
{
        struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};
        struct synthetic synthetic;
        struct hwaccl_error error = {""};
        uint64_t most = 0, window = UINT64_C(16) << 20;

        (void)state;
        synthetic_start(&synthetic, 4);
        synthetic.plain = true;
        struct hwaccl_recorder *recorder = start(&synthetic, "16M", NULL, &told, &error);
        assert_non_null(recorder);
        for (unsigned i = 0; i < 300000; i++) {
                observe(recorder, &synthetic);
                if (i % 1000 == 0) {
                        uint64_t now = bytes_kept();
                        most = now > most ? now : most;
                }
                if (i % 50000 == 10000)
                        hwaccl_recorder_dump(recorder); /* while one is written, too */
        }
        finish(recorder, &synthetic);
        assert_in_range(most, window, window + window / 5);
        assert_int_equal(told.count, remove_windows(told.count));
        assert_true(told.count > 1);
}

/* Keyframes as far from each other as the user wants, and exits of a hundred times the usual size. */
static void large_exits_do_not_make_the_window_larger(void **state)
{
        static const uint8_t data[HWACCL_INPUT_SIZE_MAX];
        const struct hwaccl_input large = {HWACCL_INPUT_MEMORY, 0x1000, 0, data, sizeof(data)};
        const struct hwaccl_flight_config flight = {.window = {.bytes = HWACCL_FLIGHT_BYTES_MIN}};
        struct hwaccl_recorder_config config = {
                .path = path, .keyframe_interval = 1000000, .sink = &hwaccl_flight_recorder, .sink_settings = &flight};
        struct synthetic synthetic;
        struct hwaccl_error error = {""};
        uint64_t most = 0, first, end;

        (void)state;
        synthetic_start(&synthetic, 12);
        synthetic.plain = true;
        struct hwaccl_recorder *recorder = hwaccl_recorder_create(&config, &error);
        assert_non_null(recorder);
        for (unsigned i = 0; i < 3000; i++) {
                synthetic_next(&synthetic);
                for (unsigned n = 0; n < 3; n++)
                        synthetic.current.input[synthetic.current.input_count++] = large;
                assert_true(synthetic_observe(&synthetic, hwaccl_recorder_probe(recorder), true, &error));
                uint64_t now = bytes_kept();
                most = now > most ? now : most;
        }
        if (!hwaccl_recorder_finish(recorder, HWACCL_END_HALTED, 0, NULL, &error))
                fail_msg("%s", error.message);
        assert_in_range(most, HWACCL_FLIGHT_BYTES_MIN, HWACCL_FLIGHT_BYTES_MIN / 5 * 6);
        struct hwaccl_recording *recording = open_recording();
        assert_true(hwaccl_recording_range(recording, 0, &first, &end, &error));
        assert_true(end == 3000 && first > 2500 && first < 2750);
        if (!hwaccl_recording_check(recording, no_finding, NULL, &error))
                fail_msg("%s", error.message);
        hwaccl_recording_close(recording);
}

static void a_trigger_writes_the_window_up_to_its_exit(void **state)
{
        static const char *const triggers[] = {"rip=0x1234", "verdict=entry-failure,reason=30,port=1-2", NULL};
        struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};
        struct synthetic synthetic;
        struct hwaccl_error error = {""};
        uint64_t first, end;

        (void)state;
        synthetic_start(&synthetic, 5);
        struct hwaccl_recorder *recorder = start(&synthetic, "500exits", triggers, &told, &error);
        assert_non_null(recorder);
        for (unsigned i = 0; i < 3000; i++) {
                synthetic_next(&synthetic);
                /* twice: the second time nothing is written */
                if (i == 2111 || i == 2500)
                        synthetic.current.exit.rip = 0x1234;
                assert_true(synthetic_observe(&synthetic, hwaccl_recorder_probe(recorder), true, &error));
        }
        finish(recorder, &synthetic);
        assert_int_equal(told.count, 1);
        assert_non_null(strstr(told.text[0], "guest-1.hwr: written at exit 2111 (trigger rip=0x1234 at exit 2111)"));

        char beside[sizeof(path) + 16];
        (void)snprintf(beside, sizeof(beside), "%s/guest-1.hwr", directory);
        struct hwaccl_recording *recording = hwaccl_recording_open(beside, &error);
        if (!recording)
                fail_msg("%s", error.message);
        assert_true(hwaccl_recording_range(recording, 0, &first, &end, &error));
        assert_int_equal(end, 2112);
        assert_true(end - first >= 500);
        if (!hwaccl_recording_check(recording, no_finding, NULL, &error))
                fail_msg("%s", error.message);
        hwaccl_recording_close(recording);
        assert_int_equal(unlink(beside), 0);
}

/* The second holds while the first one's window is being written. */
static void each_trigger_writes_its_own_window(void **state)
{
        static const char *const triggers[] = {"rip=0x1234", "rip=0x1235", "rip=0x1236", NULL};
        struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};
        struct synthetic synthetic;
        struct hwaccl_error error = {""};
        uint64_t first, end;

        (void)state;
        synthetic_start(&synthetic, 8);
        struct hwaccl_recorder *recorder = start(&synthetic, "500exits", triggers, &told, &error);
        assert_non_null(recorder);
        for (unsigned i = 0; i < 4000; i++) {
                synthetic_next(&synthetic);
                if (i == 2111 || i == 2112 || i == 2700)
                        synthetic.current.exit.rip = i == 2700 ? 0x1236 : 0x1234 + i - 2111;
                assert_true(synthetic_observe(&synthetic, hwaccl_recorder_probe(recorder), true, &error));
        }
        finish(recorder, &synthetic);
        assert_int_equal(told.count, 3);
        for (unsigned i = 1; i <= 3; i++) {
                char beside[sizeof(path) + 16];
                (void)snprintf(beside, sizeof(beside), "%s/guest-%u.hwr", directory, i);
                struct hwaccl_recording *recording = hwaccl_recording_open(beside, &error);
                if (!recording)
                        fail_msg("%s", error.message);
                assert_true(hwaccl_recording_range(recording, 0, &first, &end, &error));
                assert_int_equal(end, i == 3 ? 2701 : 2111 + i);
                assert_in_range(end - first, 500, 500 + 500 / 8 + INTERVAL);
                hwaccl_recording_close(recording);
        }
        assert_int_equal(remove_windows(3), 3);
}

static void a_window_is_written_while_the_guest_runs(void **state)
{
        struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};
        struct synthetic synthetic;
        struct hwaccl_error error = {""};
        uint64_t exits = 0;

        (void)state;
        synthetic_start(&synthetic, 6);
        struct hwaccl_recorder *recorder = start(&synthetic, "1000exits", NULL, &told, &error);
        assert_non_null(recorder);
        for (unsigned wanted = 1; wanted <= 3; wanted++) {
                for (unsigned i = 0; i < 3000; i++, exits++)
                        observe(recorder, &synthetic);
                hwaccl_recorder_dump(recorder);
                while (told_count(&told) < wanted && exits < 5000000) {
                        observe(recorder, &synthetic);
                        exits++;
                }
                assert_int_equal(told_count(&told), wanted);
        }
        finish(recorder, &synthetic);
        for (unsigned i = 1; i <= 3; i++) {
                char beside[sizeof(path) + 16];
                (void)snprintf(beside, sizeof(beside), "%s/guest-%u.hwr", directory, i);
                struct hwaccl_recording *recording = hwaccl_recording_open(beside, &error);
                if (!recording)
                        fail_msg("%s", error.message);
                if (!hwaccl_recording_check(recording, no_finding, NULL, &error))
                        fail_msg("%s", error.message);
                assert_true(hwaccl_recording_info(recording)->exit_count >= 1000);
                hwaccl_recording_close(recording);
                assert_int_equal(unlink(beside), 0);
        }
}

static void nothing_of_others_is_overwritten(void **state)
{
        struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};
        struct synthetic synthetic;
        struct hwaccl_error error = {""};
        char name[sizeof(path) + 16];

        (void)state;
        synthetic_start(&synthetic, 7);
        int file = open(path, O_WRONLY | O_CREAT, 0666);
        assert_true(file >= 0);
        (void)close(file);
        assert_null(start(&synthetic, "1000exits", NULL, &told, &error));
        assert_non_null(strstr(error.message, "already exists; use --force to replace it"));
        assert_int_equal(unlink(path), 0);

        (void)snprintf(name, sizeof(name), "%s-flight", path);
        assert_int_equal(mkdir(name, 0777), 0);
        assert_null(start(&synthetic, "1000exits", NULL, &told, &error));
        assert_non_null(strstr(error.message, "left by a flight recorder that died"));
        assert_false(exists("-ring"));
        assert_int_equal(rmdir(name), 0);
}

static void windows_are_parsed(void **state)
{
        static const char *const wrong[] = {"",
                                            "5",
                                            "exits",
                                            "5exits",
                                            "0s",
                                            "-1s",
                                            "64Q",
                                            "64M,",
                                            ",1s",
                                            "1s,,2s",
                                            "64MB",
                                            "100K",
                                            "1e5exits",
                                            "99999999999999999999s",
                                            "3M",
                                            "1s,2s",
                                            "64M,30s,65M",
                                            "100exits,5M,100exits"};
        struct hwaccl_flight_window window;
        struct hwaccl_error error;

        (void)state;
        assert_true(hwaccl_flight_window_parse("100000exits", &window, &error));
        assert_true(window.exits == 100000 && window.bytes == 0 && window.ns == 0);
        assert_true(hwaccl_flight_window_parse("64M", &window, &error));
        assert_true(window.exits == 0 && window.bytes == UINT64_C(64) << 20 && window.ns == 0);
        assert_true(hwaccl_flight_window_parse("30s", &window, &error));
        assert_true(window.ns == UINT64_C(30000000000) && window.bytes == HWACCL_FLIGHT_BYTES_DEFAULT);
        assert_true(hwaccl_flight_window_parse("30s,2G", &window, &error));
        assert_true(window.ns == UINT64_C(30000000000) && window.bytes == UINT64_C(2) << 30);
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_false(hwaccl_flight_window_parse(wrong[i], &window, &error));
}

static void triggers_are_parsed(void **state)
{
        static const char *const wrong[] = {
                "",     "reason",          "reason=",     "reason=nothing", "port=0x10000",      "port=5-4",
                "rip=", "rip=0x1-",        "verdict=die", "color=red",      "port=1,,",          "port=1 ",
                "=1",   "rip=0x1-0x2-0x3", "ripe=1",      "rip=1,rip=1",    "reason=hlt,port=1", "port=0x"};
        struct hwaccl_flight_trigger trigger;
        struct hwaccl_error error;

        (void)state;
        assert_true(hwaccl_flight_trigger_parse("reason=hlt", &trigger, &error));
        assert_true(trigger.by_reason && trigger.reason == HWACCL_EXIT_HLT && !trigger.by_rip && !trigger.by_port);
        assert_true(hwaccl_flight_trigger_parse("port=0x3f8-0x3ff,rip=4096,verdict=Triple_Fault", &trigger, &error));
        assert_true(trigger.by_port && trigger.port_first == 0x3f8 && trigger.port_last == 0x3ff);
        assert_true(trigger.by_rip && trigger.rip_first == 4096 && trigger.rip_last == 4096);
        assert_true(trigger.by_verdict && trigger.verdict == HWACCL_VERDICT_TRIPLE_FAULT && !trigger.by_reason);
        assert_true(hwaccl_flight_trigger_parse("port=010,reason=30", &trigger, &error));
        assert_true(trigger.port_first == 10 && trigger.by_reason && trigger.reason == HWACCL_EXIT_IO_INSTRUCTION);
        assert_false(hwaccl_flight_trigger_parse("reason=hlt,port=70000", &trigger, &error));
        assert_non_null(strstr(error.message, "'port=70000': invalid condition"));
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_false(hwaccl_flight_trigger_parse(wrong[i], &trigger, &error));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(the_newest_exits_are_read_back_exactly, remove_recording),
                cmocka_unit_test_teardown(a_window_of_several_limits_is_read_back_exactly, remove_recording),
                cmocka_unit_test_teardown(a_window_of_time_keeps_at_least_that_time, remove_recording),
                cmocka_unit_test_teardown(a_window_of_bytes_stays_within_a_fifth_more, remove_recording),
                cmocka_unit_test_teardown(a_trigger_writes_the_window_up_to_its_exit, remove_recording),
                cmocka_unit_test_teardown(large_exits_do_not_make_the_window_larger, remove_recording),
                cmocka_unit_test_teardown(each_trigger_writes_its_own_window, remove_recording),
                cmocka_unit_test_teardown(a_window_is_written_while_the_guest_runs, remove_recording),
                cmocka_unit_test_teardown(nothing_of_others_is_overwritten, remove_recording),
                cmocka_unit_test(windows_are_parsed),
                cmocka_unit_test(triggers_are_parsed),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
