/* The replay engine over recordings of a machine whose accelerator is a script. */
#include "core/loop/vcpu.h"
#include "core/machine/machine.h"
#include "hwaccl/replay.h"
#include "replay/machine_options.h"
#include "tracer/record/recorder.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GUEST_ADDRESS 0x7c00
#define LOOPS         100u

/* cpuid; out e9h, al; mov cr3, eax; then out f4h, al ends the guest */
static const uint8_t guest[] = {0x0f, 0xa2, 0xe6, 0xe9, 0x0f, 0x22, 0xd8, 0xe6, 0xf4};

static const struct {
        uint64_t rip;
        uint64_t reason;
        uint64_t qualification;
        uint64_t length;
} loop[] = {
        {GUEST_ADDRESS, HWACCL_EXIT_CPUID, 0, 2},
        {GUEST_ADDRESS + 2, HWACCL_EXIT_IO_INSTRUCTION, 0xe90040, 2},
        {GUEST_ADDRESS + 4, HWACCL_EXIT_CONTROL_REGISTER, 3, 3},
};
#define LOOP_EXITS 3u

struct script {
        struct hwaccl_accel accel;
        uint64_t exits;
};

static bool run(struct hwaccl_accel *accel, struct hwaccl_subject_state *state,
                struct hwaccl_pending_interrupts *pending, const struct hwaccl_run_request *request,
                struct hwaccl_error *error)
{
        struct script *script = (struct script *)accel;
        (void)pending;
        (void)request;
        (void)error;

        uint64_t exit = script->exits++;
        if (exit == LOOPS * LOOP_EXITS) {
                state->rip = GUEST_ADDRESS + 7;
                state->rax = 9;
                state->exit_reason = HWACCL_EXIT_IO_INSTRUCTION;
                state->exit_qualification = 0xf40040;
                state->instruction_length = 2;
                return true;
        }
        state->rip = loop[exit % LOOP_EXITS].rip;
        state->exit_reason = loop[exit % LOOP_EXITS].reason;
        state->exit_qualification = loop[exit % LOOP_EXITS].qualification;
        state->instruction_length = loop[exit % LOOP_EXITS].length;
        state->rax = exit;
        state->rbx ^= exit * 0x10001;
        return true;
}

static void poke(struct hwaccl_accel *accel)
{
        (void)accel;
}

static uint64_t virtual_ns(const struct hwaccl_accel *accel)
{
        return ((const struct script *)(const void *)accel)->exits * 1000;
}

static const struct hwaccl_accel_ops script_ops = {
        .name = "script", .run = run, .poke = poke, .virtual_ns = virtual_ns, .destroy = poke};

struct test_inputs {
        struct hwaccl_inputs inputs;
        struct hwaccl_guest_memory *memory;
        uint64_t now;
};

static bool clock_read(struct hwaccl_inputs *inputs, uint64_t *now_ns, struct hwaccl_error *error)
{
        (void)error;
        *now_ns = ((struct test_inputs *)inputs)->now += 1000;
        return true;
}

static bool wait(struct hwaccl_inputs *inputs, uint64_t deadline_ns, uint64_t *now_ns, struct hwaccl_error *error)
{
        (void)inputs;
        (void)error;
        *now_ns = deadline_ns;
        return true;
}

static bool memory_read(struct hwaccl_inputs *inputs, enum hwaccl_input_kind kind, uint64_t address, void *buffer,
                        size_t size, struct hwaccl_error *error)
{
        (void)kind;
        (void)error;
        return hwaccl_guest_memory_read(((struct test_inputs *)inputs)->memory, address, buffer, size);
}

static bool console_read(struct hwaccl_inputs *inputs, enum hwaccl_channel channel, void *buffer, size_t *size,
                         struct hwaccl_error *error)
{
        (void)inputs;
        (void)channel;
        (void)buffer;
        (void)error;
        *size = 0;
        return true;
}

static bool wall_time(struct hwaccl_inputs *inputs, uint64_t *seconds, struct hwaccl_error *error)
{
        (void)inputs;
        (void)error;
        *seconds = 0;
        return true;
}

static bool stop_requested(struct hwaccl_inputs *inputs, enum hwaccl_stop_request *request, struct hwaccl_error *error)
{
        (void)inputs;
        (void)error;
        *request = HWACCL_STOP_NONE;
        return true;
}

static const struct hwaccl_inputs_ops inputs_ops = {
        .clock = clock_read,
        .wait = wait,
        .memory_read = memory_read,
        .console_read = console_read,
        .wall_time = wall_time,
        .stop_requested = stop_requested,
};

static char directory[] = "/tmp/hwaccl-test-replay.XXXXXX";
static char path[sizeof(directory) + 16];

static void record(void)
{
        struct hwaccl_error error = {""};
        struct hwaccl_machine_config config = {
                .memory_size = 1 << 20,
                .tsc_khz = 1000000,
                .backed = true,
                .raw = {{GUEST_ADDRESS, guest, sizeof(guest)}},
                .raw_count = 1,
        };
        struct hwaccl_recording_option options[] = {
                {HWACCL_OPTION_MEMORY_SIZE, "1048576"},
                {HWACCL_OPTION_TSC_KHZ, "1000000"},
                {HWACCL_OPTION_RAW_COUNT, "1"},
                {"raw_0_address", "31744"},
                {"raw_0_size", "9"},
        };
        struct script script = {{&script_ops}, 0};
        struct hwaccl_machine *machine = hwaccl_machine_create(&config, &error);
        assert_non_null(machine);
        struct hwaccl_vcpu *vcpu = hwaccl_vcpu_create(machine, &error);
        assert_non_null(vcpu);
        size_t device_count;
        struct hwaccl_device *const *devices = hwaccl_machine_devices(machine, &device_count);
        struct test_inputs inputs = {{&inputs_ops}, hwaccl_machine_memory(machine), 0};
        struct hwaccl_recorder_config recorder_config = {
                .path = path,
                .force = true,
                .options = options,
                .option_count = sizeof(options) / sizeof(options[0]),
                .devices = devices,
                .device_count = device_count,
                .keyframe_interval = 16,
        };
        struct hwaccl_recorder *recorder = hwaccl_recorder_create(&recorder_config, &error);
        if (!recorder)
                fail_msg("%s", error.message);
        hwaccl_vcpu_attach(vcpu, &script.accel, &inputs.inputs, hwaccl_recorder_probe(recorder));
        enum hwaccl_end end = hwaccl_vcpu_run(vcpu, &error);
        assert_int_equal(end, HWACCL_END_EXIT_CODE);
        if (!hwaccl_recorder_finish(recorder, end, hwaccl_machine_exit_code(machine), NULL, &error))
                fail_msg("%s", error.message);
        hwaccl_vcpu_destroy(vcpu);
        hwaccl_machine_destroy(machine);
}

static int set_up(void **state)
{
        (void)state;
        if (!mkdtemp(directory))
                return -1;
        (void)snprintf(path, sizeof(path), "%s/a.db", directory);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        (void)unlink(path);
        return rmdir(directory);
}

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

static void change(const char *sql)
{
        sqlite3 *database;
        char *message = NULL;
        assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
        if (sqlite3_exec(database, sql, NULL, NULL, &message) != SQLITE_OK)
                fail_msg("%s: %s", sql, message);
        assert_true(sqlite3_changes(database) > 0);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
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
