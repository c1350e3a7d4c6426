/* Replay sessions: steps, seeks, states, and many of them in one process. */
#include "hwaccl/recording.h"
#include "replay/replay_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/replay_fixture.h"

#include <pthread.h>

#define LAST   (LOOPS * LOOP_EXITS) /* exit */
#define CHANGE "UPDATE handler_change SET rdx = 4660 WHERE id IN (30, 60)"

static char other[sizeof(directory) + 16];

static struct hwaccl_recording *open_recording(const char *file)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recording *recording = hwaccl_recording_open(file, &error);
        if (!recording)
                fail_msg("%s", error.message);
        return recording;
}

static struct replay_session *open_session(struct hwaccl_recording *recording)
{
        struct hwaccl_error error = {""};
        struct replay_session *session = replay_session_open(recording, 0, &error);
        if (!session)
                fail_msg("%s", error.message);
        return session;
}

static void seek(struct replay_session *session, uint64_t exit)
{
        struct hwaccl_error error = {""};
        if (!replay_session_seek(session, exit, &error))
                fail_msg("%s", error.message);
        assert_int_equal(replay_session_next(session), exit);
        assert_null(replay_session_exit(session));
        assert_null(replay_session_divergence(session));
}

static void step(struct replay_session *session, uint64_t exit, enum replay_step expected)
{
        struct hwaccl_error error = {""};
        enum replay_step found = replay_session_step(session, &error);
        if (found == REPLAY_STEP_FAILED)
                fail_msg("%s", error.message);
        assert_int_equal(found, expected);
        assert_int_equal(replay_session_exit(session)->number, exit);
        assert_int_equal(replay_session_divergence(session) != NULL, expected == REPLAY_STEP_DIVERGED);
}

static void assert_state(struct replay_session *session, struct hwaccl_recording *recording, uint64_t exit,
                         enum hwaccl_moment moment)
{
        struct hwaccl_error error = {""};
        struct hwaccl_subject_state state;
        struct hwaccl_known_fields known;

        if (!hwaccl_recording_state(recording, 0, exit, moment, &state, &known, &error))
                fail_msg("%s", error.message);
        assert_true(hwaccl_known_fields_equal(known, hwaccl_known_fields_all()));
        assert_non_null(replay_session_state(session, moment));
        assert_memory_equal(replay_session_state(session, moment), &state, sizeof(state));
}

/* Steps from the first exit to the end. Returns how many diverged. */
static uint64_t step_through(struct replay_session *session)
{
        struct hwaccl_error error = {""};
        enum replay_step found;
        uint64_t exits = 0, diverged = 0;

        while ((found = replay_session_step(session, &error)) <= REPLAY_STEP_DIVERGED) {
                diverged += found == REPLAY_STEP_DIVERGED;
                exits++;
        }
        if (found != REPLAY_STEP_END || exits != LAST + 1)
                return UINT64_MAX;
        return diverged;
}

static void a_seek_goes_to_any_exit_forwards_and_backwards(void **state)
{
        static const uint64_t exits[] = {250, 3, 16, 15, 15, 17, 40, 299, LAST, 0, LAST, 1, 100, 101, 103, 99};
        (void)state;
        record();
        struct hwaccl_recording *recording = open_recording(path);
        struct replay_session *session = open_session(recording);

        for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
                seek(session, exits[i]);
                assert_state(session, recording, exits[i], HWACCL_MOMENT_ENTRY);
                assert_null(replay_session_state(session, HWACCL_MOMENT_EXIT));
                assert_null(replay_session_state(session, HWACCL_MOMENT_HANDLED));
                step(session, exits[i], REPLAY_STEP_CLEAN);
                for (unsigned moment = 0; moment < HWACCL_MOMENT_COUNT; moment++)
                        assert_state(session, recording, exits[i], (enum hwaccl_moment)moment);
        }
        replay_session_close(session);
        hwaccl_recording_close(recording);
}

static void a_session_begins_at_the_first_exit_and_ends_behind_the_last(void **state)
{
        struct hwaccl_error error = {""};
        (void)state;
        record();
        struct hwaccl_recording *recording = open_recording(path);
        struct replay_session *session = open_session(recording);

        assert_null(replay_session_state(session, HWACCL_MOMENT_ENTRY));
        assert_int_equal(step_through(session), 0);
        assert_int_equal(replay_session_step(session, &error), REPLAY_STEP_END);
        assert_int_equal(replay_session_exit(session)->number, LAST);
        assert_false(replay_session_seek(session, LAST + 1, &error));
        assert_non_null(strstr(error.message, "has no exit 301"));
        seek(session, LAST);
        step(session, LAST, REPLAY_STEP_CLEAN);
        replay_session_close(session);
        hwaccl_recording_close(recording);
}

static void a_step_owns_what_its_exit_left(void **state)
{
        (void)state;
        record();
        change("UPDATE handler_change SET rdx = 4660 WHERE id = 30");
        change("UPDATE exit SET rip_advance = rip_advance + 1 WHERE id = 300");
        struct hwaccl_recording *recording = open_recording(path);
        struct replay_session *session = open_session(recording);

        seek(session, 29);
        step(session, 29, REPLAY_STEP_CLEAN);
        step(session, 30, REPLAY_STEP_DIVERGED);
        const struct hwaccl_divergence *divergence = replay_session_divergence(session);
        assert_int_equal(divergence->exit, 30);
        assert_int_equal(divergence->difference_count, 1);
        assert_string_equal(divergence->difference[0].what, "rdx");
        assert_string_equal(divergence->difference[0].recorded, "0x1234");
        /* the machine's own, not what was recorded */
        assert_int_not_equal(replay_session_state(session, HWACCL_MOMENT_HANDLED)->rdx, 0x1234);
        /* it goes on from what was recorded */
        step(session, 31, REPLAY_STEP_CLEAN);
        assert_int_equal(replay_session_state(session, HWACCL_MOMENT_ENTRY)->rdx, 0x1234);

        seek(session, LAST);
        step(session, LAST, REPLAY_STEP_DIVERGED);
        assert_string_equal(replay_session_divergence(session)->difference[0].what, "rip");
        replay_session_close(session);
        hwaccl_recording_close(recording);
}

static void a_seek_passes_divergences_in_silence(void **state)
{
        (void)state;
        record();
        change(CHANGE);
        struct hwaccl_recording *recording = open_recording(path);
        struct replay_session *session = open_session(recording);

        seek(session, 31);
        assert_state(session, recording, 31, HWACCL_MOMENT_ENTRY);
        step(session, 31, REPLAY_STEP_CLEAN);
        seek(session, 60);
        step(session, 60, REPLAY_STEP_DIVERGED);
        seek(session, 60);
        step(session, 60, REPLAY_STEP_DIVERGED);
        replay_session_close(session);
        hwaccl_recording_close(recording);
}

static void a_broken_recording_fails_the_step_and_a_seek_goes_on(void **state)
{
        struct hwaccl_error error = {""};
        (void)state;
        record();
        change("DELETE FROM exit WHERE id = 40");
        struct hwaccl_recording *recording = open_recording(path);
        struct replay_session *session = open_session(recording);

        seek(session, 38);
        step(session, 38, REPLAY_STEP_CLEAN);
        step(session, 39, REPLAY_STEP_CLEAN);
        assert_int_equal(replay_session_step(session, &error), REPLAY_STEP_FAILED);
        assert_non_null(strstr(error.message, "exit 40 is missing"));
        assert_null(replay_session_exit(session));
        assert_null(replay_session_state(session, HWACCL_MOMENT_ENTRY));
        assert_int_equal(replay_session_step(session, &error), REPLAY_STEP_FAILED);
        assert_false(replay_session_seek(session, 47, &error));
        seek(session, 48);
        step(session, 48, REPLAY_STEP_CLEAN);
        replay_session_close(session);
        hwaccl_recording_close(recording);
}

static void record_two(void)
{
        (void)snprintf(other, sizeof(other), "%s/b.db", directory);
        record();
        record_at(other, 77);
        change(CHANGE);
}

static void sessions_by_turns_do_not_meet(void **state)
{
        (void)state;
        record_two();
        struct hwaccl_recording *recordings[] = {open_recording(path), open_recording(path), open_recording(other)};
        struct replay_session *session[4];

        for (size_t i = 0; i < 4; i++)
                session[i] = open_session(recordings[i ? i - 1 : 0]); /* the first two on the same one */
        for (uint64_t i = 0; i <= LAST; i++) {
                bool changed = i == 30 || i == 60;
                step(session[0], i, changed ? REPLAY_STEP_DIVERGED : REPLAY_STEP_CLEAN);
                step(session[3], i, REPLAY_STEP_CLEAN);
                step(session[2], i, changed ? REPLAY_STEP_DIVERGED : REPLAY_STEP_CLEAN);
                seek(session[1], LAST - i);
                step(session[1], LAST - i, LAST - i == 30 || LAST - i == 60 ? REPLAY_STEP_DIVERGED : REPLAY_STEP_CLEAN);
                if (!changed)
                        assert_memory_equal(replay_session_state(session[0], HWACCL_MOMENT_HANDLED),
                                            replay_session_state(session[2], HWACCL_MOMENT_HANDLED),
                                            sizeof(struct hwaccl_subject_state));
        }
        assert_int_not_equal(replay_session_state(session[0], HWACCL_MOMENT_HANDLED)->rbx,
                             replay_session_state(session[3], HWACCL_MOMENT_HANDLED)->rbx);
        for (size_t i = 0; i < 4; i++)
                replay_session_close(session[i]);
        for (size_t i = 0; i < 3; i++)
                hwaccl_recording_close(recordings[i]);
        assert_int_equal(unlink(other), 0);
}

struct worker {
        pthread_t thread;
        const char *path;
        uint64_t diverged;
};

/* cmocka's assertions are for the main thread. */
static void *work(void *opaque)
{
        struct worker *worker = opaque;
        struct hwaccl_error error;
        struct hwaccl_recording *recording = hwaccl_recording_open(worker->path, &error);
        struct replay_session *session = recording ? replay_session_open(recording, 0, &error) : NULL;

        worker->diverged = UINT64_MAX;
        for (unsigned i = 0; session && i < 3; i++)
                if (replay_session_seek(session, 0, &error))
                        worker->diverged = step_through(session);
        replay_session_close(session);
        hwaccl_recording_close(recording);
        return NULL;
}

static void sessions_in_threads_do_not_meet(void **state)
{
        struct worker worker[6];
        (void)state;

        record_two();
        for (size_t i = 0; i < 6; i++) {
                worker[i].path = i % 2 ? other : path;
                assert_int_equal(pthread_create(&worker[i].thread, NULL, work, &worker[i]), 0);
        }
        for (size_t i = 0; i < 6; i++) {
                assert_int_equal(pthread_join(worker[i].thread, NULL), 0);
                assert_int_equal(worker[i].diverged, i % 2 ? 0 : 2);
        }
        assert_int_equal(unlink(other), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_seek_goes_to_any_exit_forwards_and_backwards),
                cmocka_unit_test(a_session_begins_at_the_first_exit_and_ends_behind_the_last),
                cmocka_unit_test(a_step_owns_what_its_exit_left),
                cmocka_unit_test(a_seek_passes_divergences_in_silence),
                cmocka_unit_test(a_broken_recording_fails_the_step_and_a_seek_goes_on),
                cmocka_unit_test(sessions_by_turns_do_not_meet),
                cmocka_unit_test(sessions_in_threads_do_not_meet),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
