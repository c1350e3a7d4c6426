/*
 * Recorder and recovery, with the calls of the system's and of SQLite's libraries that they do failing once and from
 * then on: the first, the second, the third … until a run does not come that far; and dying at their steps, the first,
 * the second, the third … Each run is a process of its own. Whatever happened in it: it ended, not by a signal; if it
 * failed, it said why in one line; and after a recovery that nothing disturbs, the recording is whole and holds every
 * exit that was completed.
 *
 * There are some thousands of calls. Every one takes minutes: HWACCL_FAULTS=all. Else it is all of the first ones, and
 * of the others some that chance chooses, other ones in every run; HWACCL_SEED makes it the same as one before.
 *
 *   test_every_failure [CALL]     CALL: only this one's failures
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/faults/faults.h"
#include "tracer/recover/recovery.h"

#include "tests/fixtures/recording_fixture.h"
#include "tracer/ring/ring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define EXITS    5u
#define INTERVAL 2u
#define SEED     5u
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static const char *only; /* the call whose failures are wanted; NULL: all, and deaths */
static bool all;         /* occurrences */
static unsigned chance;  /* which of them, else; but for */
static unsigned first = 10;

/* What a process tells of itself, up to its death. */
static struct {
        uint64_t completed; /* exits: the probe returned true */
        bool good;
        unsigned long calls[CALL_COUNT];
        unsigned long steps;
        struct hwaccl_error error;
} * told;

static char *with(const char *suffix)
{
        static char name[4][sizeof(path) + 16];
        static unsigned turn;

        turn = (turn + 1) % 4;
        (void)snprintf(name[turn], sizeof(name[0]), "%s%s", path, suffix);
        return name[turn];
}

static off_t size_of(const char *suffix)
{
        struct stat status;

        return stat(with(suffix), &status) == 0 ? status.st_size : 0;
}

static struct synthetic synthetic; /* of the process that records, and of the one that compares */

static struct hwaccl_recorder *open_recorder(struct hwaccl_error *error)
{
        static struct hwaccl_device *devices[2];
        static const struct hwaccl_recording_option options[] = {{"memory", "64M"}, {"clock", "virtual"}};
        const struct hwaccl_recorder_config config = {.path = path,
                                                      .options = options,
                                                      .option_count = 2,
                                                      .devices = devices,
                                                      .device_count = 2,
                                                      .keyframe_interval = INTERVAL,
                                                      .ring_size = RING_SIZE_MIN};

        synthetic_start(&synthetic, SEED);
        devices[0] = &synthetic.device[0].device;
        devices[1] = &synthetic.device[1].device;
        return hwaccl_recorder_create(&config, error);
}

static void record_exits(struct hwaccl_recorder *recorder, struct hwaccl_error *error)
{
        struct hwaccl_probe *probe = hwaccl_recorder_probe(recorder);

        for (uint64_t i = 0; i < EXITS; i++) {
                synthetic_next(&synthetic);
                if (!synthetic_observe(&synthetic, probe, true, error))
                        break;
                told->completed = i + 1;
        }
        probe->ops->transfer_in(probe, &synthetic.state);
}

static bool record_all(struct hwaccl_error *error)
{
        struct hwaccl_recorder *recorder = open_recorder(error);

        if (!recorder)
                return false;
        record_exits(recorder, error);
        hwaccl_recorder_annotate(recorder, "digest", "0123");
        return hwaccl_recorder_finish(recorder, HWACCL_END_EXIT_CODE, 42, NULL, error);
}

/* The writer has committed little or nothing by then. */
static bool record_and_die(struct hwaccl_error *error)
{
        struct hwaccl_recorder *recorder = open_recorder(error);

        if (recorder)
                record_exits(recorder, error);
        (void)raise(SIGKILL);
        return false;
}

static bool recover_it(struct hwaccl_error *error)
{
        struct hwaccl_recovery recovery;

        return hwaccl_recover(path, &recovery, error);
}

/* The status of a process that does @work under @plan; *told is what it told. */
static int run(bool (*work)(struct hwaccl_error *), const struct fault_plan *plan)
{
        int status = 0;

        memset(told, 0, sizeof(*told));
        (void)fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                faults_begin(plan);
                told->good = work(&told->error);
                for (unsigned i = 0; i < CALL_COUNT; i++)
                        told->calls[i] = faults_counted((enum fault_call)i);
                told->steps = faults_steps();
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        return status;
}

static void complain(void *opaque, const char *text)
{
        fail_msg("%s: %s", (const char *)opaque, text);
}

/* The recording is whole; the number of its exits, each as it was. */
static uint64_t look(char *context)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        const struct hwaccl_recorded_exit *found;

        if (!recording)
                fail_msg("%s: %s", context, error.message);
        uint64_t exits = hwaccl_recording_info(recording)->exit_count;
        if (!hwaccl_recording_check(recording, complain, context, &error))
                fail_msg("%s: %s", context, error.message);
        struct hwaccl_exit_cursor *cursor = exits ? hwaccl_exit_cursor_open(recording, 0, 0, &error) : NULL;
        synthetic_start(&synthetic, SEED);
        for (uint64_t i = 0; i < exits; i++) {
                const struct synthetic_exit *expected = &synthetic.current;
                synthetic_next(&synthetic);
                if (hwaccl_exit_cursor_next(cursor, &found, &error) != 1)
                        fail_msg("%s: exit %llu: %s", context, (unsigned long long)i, error.message);
                bool same = memcmp(found->entry, &expected->entry, sizeof(expected->entry)) == 0 &&
                            memcmp(found->exit, &expected->exit, sizeof(expected->exit)) == 0;
                bool whole = found->outcome_known && found->outcome == expected->outcome &&
                             found->input_count == expected->input_count &&
                             found->effect_count == expected->effect_count;
                /* the one at which it died may lack its end */
                if (!same || (!whole && (found->outcome_known || i + 1 < exits)))
                        fail_msg("%s: exit %llu is not what it was", context, (unsigned long long)i);
                exits -= !whole;
        }
        hwaccl_exit_cursor_close(cursor);
        hwaccl_recording_close(recording);
        return exits;
}

/* Recovery without failures; the number of whole exits, 0 without a recording. Nothing is left. */
static uint64_t recover_and_look(char *context)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recovery recovery;

        if (exists("-ring") && !hwaccl_recover(path, &recovery, &error))
                fail_msg("%s: recovery: %s", context, error.message);
        if (exists("-ring"))
                fail_msg("%s: the ring is still there", context);
        uint64_t exits = exists("") ? look(context) : 0;
        if (size_of("-wal") || size_of("-journal")) /* an empty one, which could not be removed, has no meaning */
                fail_msg("%s: a file of SQLite's is left", context);
        (void)remove_recording(NULL);
        return exits;
}

static void check_told(int status, char *context)
{
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                fail_msg("%s: it ended with status %#x", context, (unsigned)status);
        if (!told->good && (told->error.message[0] == '\0' || strchr(told->error.message, '\n')))
                fail_msg("%s: the reason is not one line: '%s'", context, told->error.message);
}

/* One failure, or one death; the context says which. */
struct trial {
        struct fault_plan plan;
        char context[128];
};

static void name_trial(struct trial *trial, const char *what)
{
        if (trial->plan.kill_at)
                (void)snprintf(trial->context, sizeof(trial->context), "%s, killed at step %lu", what,
                               trial->plan.kill_at);
        else
                (void)snprintf(trial->context, sizeof(trial->context), "%s, %s %lu%s failed", what,
                               fault_call_name[trial->plan.call], trial->plan.fail_at,
                               trial->plan.persistent ? " and all later ones" : "");
}

static unsigned long after(unsigned long number)
{
        if (all || number < first)
                return number + 1;
        return number + 1 + (unsigned long)rand_r(&chance) % (SANITIZED ? 2 * number : number / 2 + 1);
}

/* Those that the sanitizers need for themselves too. */
static bool is_left_out(enum fault_call call)
{
        return (only && strcmp(only, fault_call_name[call]) != 0) || (SANITIZED && call == CALL_mmap);
}

/* @trial_one: does it; false when the run did not come so far. The number of trials. */
static unsigned every_failure(const char *what, bool (*trial_one)(struct trial *))
{
        unsigned count = 0;

        for (unsigned call = 0; call < CALL_COUNT; call++) {
                bool more = !is_left_out((enum fault_call)call);
                unsigned long number = 1;
                for (; more; number = after(number)) {
                        more = false;
                        for (unsigned persistent = 0; persistent < 2; persistent++) {
                                struct trial trial = {.plan = {.call = (enum fault_call)call,
                                                               .fail_at = number,
                                                               .persistent = persistent != 0}};
                                name_trial(&trial, what);
                                more |= trial_one(&trial);
                                count++;
                        }
                }
        }
        return count;
}

static void every_death(const char *what, bool (*trial_one)(struct trial *))
{
        struct trial trial = {.plan = {.kill_at = 1}};

        if (only)
                return;
        for (bool more = true; more; trial.plan.kill_at = after(trial.plan.kill_at)) {
                name_trial(&trial, what);
                more = trial_one(&trial);
        }
        assert_true(trial.plan.kill_at > first);
}

static unsigned stopped; /* recordings that a failure ended */

/* Did the run come to what was planned? */
static bool was_reached(const struct trial *trial, int status)
{
        if (trial->plan.kill_at)
                return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        return told->calls[trial->plan.call] >= trial->plan.fail_at;
}

static bool record_once(struct trial *trial)
{
        int status = run(record_all, &trial->plan);
        bool reached = was_reached(trial, status);
        bool good = told->good;

        if (!trial->plan.kill_at || !reached)
                check_told(status, trial->context);
        uint64_t completed = told->completed;
        /* with a recorder that lives on, the line says what to do */
        if (!trial->plan.kill_at && !good && completed && trial->plan.call != CALL_unlink && exists("-ring") &&
            !strstr(told->error.message, "hwaccl recover"))
                fail_msg("%s: '%s' does not say how to recover", trial->context, told->error.message);
        uint64_t exits = recover_and_look(trial->context);
        if (exits < completed || (good && exits != EXITS))
                fail_msg("%s: %llu exits, %llu were completed", trial->context, (unsigned long long)exits,
                         (unsigned long long)completed);
        stopped += !good && !trial->plan.kill_at;
        return reached;
}

static void a_recorder_whose_calls_fail_loses_no_exit(void **state)
{
        (void)state;
        unsigned count = every_failure("recording", record_once);
        print_message("%u recordings, %u stopped\n", count, stopped);
        assert_true(only || stopped > count / 3);
}

static void a_recorder_that_dies_loses_no_exit(void **state)
{
        (void)state;
        every_death("recording", record_once);
}

/* The steps of a run that nothing disturbs. */
static unsigned long count_steps(bool (*work)(struct hwaccl_error *))
{
        const struct fault_plan none = {.fail_at = 0};

        assert_int_equal(run(work, &none), 0);
        assert_true(told->good);
        (void)remove_recording(NULL);
        return told->steps;
}

/* What a dead recorder left, in memory. */
struct file {
        const char *suffix;
        void *bytes;
        size_t size;
};
static struct file left[] = {{"", NULL, 0}, {"-wal", NULL, 0}, {"-journal", NULL, 0}, {"-ring", NULL, 0}};
static uint64_t expected; /* exits */

static void keep(void)
{
        for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
                struct stat status;
                int fd = open(with(left[i].suffix), O_RDONLY);
                free(left[i].bytes);
                left[i].bytes = NULL;
                if (fd < 0)
                        continue;
                assert_int_equal(fstat(fd, &status), 0);
                left[i].size = (size_t)status.st_size;
                left[i].bytes = malloc(left[i].size + 1);
                assert_non_null(left[i].bytes);
                assert_int_equal(read(fd, left[i].bytes, left[i].size), (ssize_t)left[i].size);
                (void)close(fd);
        }
        (void)remove_recording(NULL);
}

static void put_back(void)
{
        for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
                if (!left[i].bytes)
                        continue;
                int fd = open(with(left[i].suffix), O_RDWR | O_CREAT | O_TRUNC, 0600);
                assert_true(fd >= 0);
                assert_int_equal(write(fd, left[i].bytes, left[i].size), (ssize_t)left[i].size);
                (void)close(fd);
        }
}

static void forget(void)
{
        for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
                free(left[i].bytes);
                left[i].bytes = NULL;
        }
}

static bool recover_once(struct trial *trial)
{
        put_back();
        int status = run(recover_it, &trial->plan);
        bool reached = was_reached(trial, status);

        if (!trial->plan.kill_at || !reached)
                check_told(status, trial->context);
        if (told->good && exists("-ring"))
                fail_msg("%s: it left the ring", trial->context);
        if (!told->good && !exists("-ring") && !trial->plan.kill_at)
                fail_msg("%s: it failed without its ring: %s", trial->context, told->error.message);
        uint64_t exits = recover_and_look(trial->context);
        if (exits != expected)
                fail_msg("%s: %llu exits, not %llu", trial->context, (unsigned long long)exits,
                         (unsigned long long)expected);
        return reached;
}

/* The recorder's deaths are recovered from in either case. */
static void not_with_a_sanitizer(void)
{
        if (SANITIZED && !all)
                skip();
}

static void recoveries(const char *what)
{
        (void)every_failure(what, recover_once);
        every_death(what, recover_once);
        forget();
}

static void a_recovery_that_fails_or_dies_can_be_run_again(void **state)
{
        const struct fault_plan none = {.fail_at = 0};

        (void)state;
        not_with_a_sanitizer();
        assert_true(WIFSIGNALED(run(record_and_die, &none)));
        keep();
        expected = EXITS;
        recoveries("recovery");
}

/* The recorder died while it turned the finished database into one file: a journal may be hot, the ring is all read. */
static void so_can_that_of_a_recorder_that_died_at_its_end(void **state)
{
        struct fault_plan plan = {.kill_at = 0};

        (void)state;
        not_with_a_sanitizer();
        plan.kill_at = count_steps(record_all);
        do {
                (void)remove_recording(NULL);
                (void)run(record_all, &plan);
        } while (!exists("-journal") && --plan.kill_at);
        keep();
        assert_non_null(left[2].bytes);
        expected = EXITS;
        first = 3;
        recoveries("recovery at the end");
}

static void so_can_that_of_a_recorder_that_died_before_it_began(void **state)
{
        struct fault_plan plan = {.kill_at = 1};

        (void)state;
        not_with_a_sanitizer();
        do {
                (void)remove_recording(NULL);
                assert_true(WIFSIGNALED(run(record_all, &plan)));
                plan.kill_at++;
        } while (!exists("-journal") && !exists("-wal"));
        keep();
        expected = 0;
        first = 3;
        recoveries("recovery of nothing");
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(a_recorder_whose_calls_fail_loses_no_exit, remove_recording),
                cmocka_unit_test_teardown(a_recorder_that_dies_loses_no_exit, remove_recording),
                cmocka_unit_test_teardown(a_recovery_that_fails_or_dies_can_be_run_again, remove_recording),
                cmocka_unit_test_teardown(so_can_that_of_a_recorder_that_died_at_its_end, remove_recording),
                cmocka_unit_test_teardown(so_can_that_of_a_recorder_that_died_before_it_began, remove_recording),
        };

        const char *seed = getenv("HWACCL_SEED");
        const char *wanted = getenv("HWACCL_FAULTS");
        chance = seed ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)getpid();
        all = wanted && strcmp(wanted, "all") == 0;
        (void)printf("HWACCL_SEED=%u\n", chance);
        first = SANITIZED ? 3 : first;
        only = argc > 1 ? argv[1] : NULL;
        told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (told == MAP_FAILED)
                return 2;
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
