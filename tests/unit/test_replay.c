/* The replay engine over recordings of a machine whose accelerator is a script. */
#include "hwaccl/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/replay_fixture.h"

/* The divergences of one replay: the number of each, and what differed. */
struct seen {
        uint64_t exit[32];
        char text[32][256];
        size_t count;
        uint64_t progress;
};

static void diverged(void *opaque, const struct hwaccl_divergence *divergence)
{
        struct seen *seen = opaque;
        assert_true(seen->count < 32);
        seen->exit[seen->count] = divergence->exit;
        size_t used = (size_t)snprintf(seen->text[seen->count], 256, "%s:", divergence->instruction);
        for (unsigned i = 0; i < divergence->difference_count && used < 256; i++)
                used += (size_t)snprintf(seen->text[seen->count] + used, 256 - used, " %s %s/%s",
                                         divergence->difference[i].what, divergence->difference[i].recorded,
                                         divergence->difference[i].replayed);
        seen->count++;
}

static void replay(struct seen *seen, uint64_t first, uint64_t last, bool stop, struct hwaccl_replay_result *result)
{
        struct hwaccl_error error = {""};
        struct hwaccl_replay_config config = {
                .first = first, .last = last, .stop_at_first = stop, .diverged = diverged, .opaque = seen};
        memset(seen, 0, sizeof(*seen));
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        if (!recording)
                fail_msg("%s", error.message);
        if (!hwaccl_replay_run(recording, &config, result, &error))
                fail_msg("%s", error.message);
        hwaccl_recording_close(recording);
}

static void what_was_recorded_replays_without_a_difference(void **state)
{
        (void)state;
        struct hwaccl_replay_result result;
        struct seen seen;

        record();
        replay(&seen, 0, UINT64_MAX, false, &result);
        if (seen.count)
                fail_msg("exit %lu: %s", (unsigned long)seen.exit[0], seen.text[0]);
        assert_int_equal(result.exits, LOOPS * LOOP_EXITS + 1);
        assert_int_equal(result.divergences, 0);
}

static void any_range_can_be_replayed_alone(void **state)
{
        (void)state;
        static const uint64_t ranges[][2] = {{0, 0},     {1, 5},     {15, 17},         {16, 16},
                                             {100, 250}, {300, 300}, {299, UINT64_MAX}};
        struct hwaccl_replay_result result;
        struct seen seen;

        record();
        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
                uint64_t last = ranges[i][1] > 300 ? 300 : ranges[i][1];
                replay(&seen, ranges[i][0], ranges[i][1], false, &result);
                assert_int_equal(seen.count, 0);
                assert_int_equal(result.exits, last - ranges[i][0] + 1);
        }
}

static void a_changed_register_is_found_at_its_exit_only(void **state)
{
        (void)state;
        struct hwaccl_replay_result result;
        struct seen seen;

        record();
        change("UPDATE handler_change SET rdx = 4660 WHERE id = 30");
        replay(&seen, 0, UINT64_MAX, false, &result);
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.exit[0], 30);
        assert_non_null(strstr(seen.text[0], "cpuid: rdx 0x1234/"));
        assert_int_equal(result.divergences, 1);
        assert_int_equal(result.first_divergence, 30);
        assert_int_equal(result.exits, LOOPS * LOOP_EXITS + 1);
}

static void a_range_sees_only_its_own_divergences(void **state)
{
        (void)state;
        struct hwaccl_replay_result result;
        struct seen seen;

        record();
        change("UPDATE handler_change SET rdx = 4660 WHERE id IN (30, 60)");
        replay(&seen, 31, 59, false, &result);
        assert_int_equal(seen.count, 0);
        replay(&seen, 30, 30, false, &result);
        assert_int_equal(seen.count, 1);
        replay(&seen, 31, 60, false, &result);
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.exit[0], 60);
}

static void the_replay_stops_at_the_first_divergence_if_asked(void **state)
{
        (void)state;
        struct hwaccl_replay_result result;
        struct seen seen;

        record();
        change("UPDATE handler_change SET rdx = 4660 WHERE id IN (30, 60)");
        replay(&seen, 0, UINT64_MAX, true, &result);
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.exit[0], 30);
        assert_int_equal(result.exits, 31);
}

static void effects_verdicts_and_device_state_are_compared(void **state)
{
        (void)state;
        struct hwaccl_replay_result result;
        struct seen seen;

        record();
        change("UPDATE effect SET data = x'ff' WHERE exit = 31 AND kind = 1");
        change("UPDATE exit SET verdict = 1 WHERE id = 32");
        change("UPDATE device_state SET value = 77 WHERE exit = (SELECT max(exit) FROM device_state) AND field = "
               "(SELECT id FROM device_field WHERE device = 'processor' AND field = 'dr7')"
               "OR exit = (SELECT min(exit) FROM device_state) AND field = "
               "(SELECT id FROM device_field WHERE device = 'processor' AND field = 'dr7')");
        replay(&seen, 0, UINT64_MAX, false, &result);
        assert_int_equal(seen.count, 3);
        assert_non_null(strstr(seen.text[0], "processor.dr7 0x4d/0x400"));
        assert_int_equal(seen.exit[1], 31);
        assert_string_equal(seen.text[1], "out 0xe9, al: effect 0 console 2+1: ff/console 2+1: 1f");
        assert_int_equal(seen.exit[2], 32);
        assert_non_null(strstr(seen.text[2], "verdict emulate/resume"));
}

static void a_wrong_exit_to_start_with_is_an_error(void **state)
{
        (void)state;
        struct hwaccl_error error = {""};
        struct hwaccl_replay_config config = {.first = 1000, .last = UINT64_MAX};
        struct hwaccl_replay_result result;

        record();
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);
        assert_non_null(recording);
        assert_false(hwaccl_replay_run(recording, &config, &result, &error));
        assert_non_null(strstr(error.message, "1000"));
        config.last = 5;
        assert_false(hwaccl_replay_run(recording, &config, &result, &error));
        hwaccl_recording_close(recording);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_recorded_replays_without_a_difference),
                cmocka_unit_test(any_range_can_be_replayed_alone),
                cmocka_unit_test(a_changed_register_is_found_at_its_exit_only),
                cmocka_unit_test(a_range_sees_only_its_own_divergences),
                cmocka_unit_test(the_replay_stops_at_the_first_divergence_if_asked),
                cmocka_unit_test(effects_verdicts_and_device_state_are_compared),
                cmocka_unit_test(a_wrong_exit_to_start_with_is_an_error),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
