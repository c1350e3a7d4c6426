/* The interface for other VMMs: what such a VMM says is in the recording, and what it did not say is unknown there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/recording_assert.h"
#include "tests/fixtures/trace_fixture.h"

#include "hwaccl/replay.h"

#include <pthread.h>

/* Deterministic noise: what exit @number of @vcpu looks like, and which of it is known. */
static uint64_t noise(uint64_t seed)
{
        seed += UINT64_C(0x9e3779b97f4a7c15);
        seed = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        seed = (seed ^ seed >> 27) * UINT64_C(0x94d049bb133111eb);
        return seed ^ seed >> 31;
}

static void make_state(uint64_t seed, unsigned moment, struct hwaccl_trace_state *state)
{
        uint64_t at = noise(seed * 2 + moment);

        memset(state, 0, sizeof(*state));
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                /* most change slowly, some are always known, some never, the others now and then */
                uint64_t value = noise(i * 7919 + (noise(at + i) % 5 == 0 ? seed : seed / 16));
                hwaccl_field_put(&state->values, (enum hwaccl_field_index)i, i % 3 ? value % 4 : value);
                if (i % 4 == 0 || (i % 4 < 3 && noise(at ^ i) % 3 != 0))
                        hwaccl_trace_know(state, (enum hwaccl_field_index)i);
        }
        state->values.exit_reason = noise(at) % 70;
}

static void run_loop(struct hwaccl_trace_vcpu *vcpu, uint64_t seed, uint64_t exits)
{
        for (uint64_t i = 0; i < exits; i++) {
                struct hwaccl_trace_state entry;
                struct hwaccl_trace_state at_exit;
                uint64_t random = noise(seed + i) >> 8;
                make_state(seed + i, 0, &entry);
                make_state(seed + i, 1, &at_exit);
                if (random % 3 == 0)
                        assert_true(hwaccl_trace_vcpu_irq_offered(vcpu, (uint8_t)(random >> 8)));
                assert_true(hwaccl_trace_vcpu_entry(vcpu, random % 5 < 2 ? &entry : NULL));
                assert_true(hwaccl_trace_vcpu_exit(vcpu, &at_exit));
                if (random % 3 == 0 && random % 4 == 0)
                        assert_true(hwaccl_trace_vcpu_irq_taken(vcpu, (uint8_t)(random >> 8)));
                else if (random % 3 == 0 && random % 4 == 1)
                        assert_true(hwaccl_trace_vcpu_irq_returned(vcpu, (uint8_t)(random >> 8)));
                if (random % 7 == 0)
                        assert_true(
                                hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_MEMORY, i, 0, &random, random % 9));
                if (random % 11 == 0)
                        assert_true(hwaccl_trace_vcpu_effect(vcpu, HWACCL_TRACE_EFFECT_IRQ_LINE, 4, i & 1, NULL, 0));
                if (random % 2)
                        assert_true(hwaccl_trace_vcpu_verdict(vcpu, HWACCL_VERDICT_EMULATE));
                assert_true(hwaccl_trace_vcpu_handled(vcpu, random % 13 ? HWACCL_OUTCOME_COMPLETED
                                                                        : HWACCL_TRACE_OUTCOME_UNKNOWN));
        }
}

static void assert_known_part(const struct hwaccl_subject_state *found, const struct hwaccl_known_fields *found_known,
                              const struct hwaccl_subject_state *values, const uint64_t *known, uint64_t number)
{
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                enum hwaccl_field_index field = (enum hwaccl_field_index)i;
                bool expected = known[i / 64] >> (i % 64) & 1;
                if (hwaccl_known_fields_has(found_known, field) != expected)
                        fail_msg("exit %llu: %s is %s", (unsigned long long)number, hwaccl_subject_fields[i].name,
                                 expected ? "unknown" : "known");
                if (expected && hwaccl_field_get(found, field) != hwaccl_field_get(values, field))
                        fail_msg("exit %llu: %s is %#llx, not %#llx", (unsigned long long)number,
                                 hwaccl_subject_fields[i].name, (unsigned long long)hwaccl_field_get(found, field),
                                 (unsigned long long)hwaccl_field_get(values, field));
        }
}

/* The same field through the documented view: unknown is NULL, at whatever moment. */
static void assert_view_agrees(struct hwaccl_recording *recording, const struct hwaccl_recorded_exit *exit,
                               enum hwaccl_field_index field)
{
        static const char *const moments[] = {"entry", "exit"};

        for (unsigned m = 0; m < 2; m++) {
                const struct hwaccl_known_fields *known = m ? &exit->exit_known : &exit->entry_known;
                const struct hwaccl_subject_state *state = m ? exit->exit : exit->entry;
                char sql[256];
                char expected[32] = "NULL";
                (void)snprintf(sql, sizeof(sql), "SELECT %s FROM registers WHERE id = %lld AND moment = '%s'",
                               hwaccl_subject_fields[field].name, (long long)exit->vcpu << 40 | (long long)exit->number,
                               moments[m]);
                if (hwaccl_known_fields_has(known, field))
                        (void)snprintf(expected, sizeof(expected), "0x%llx",
                                       (unsigned long long)hwaccl_field_get(state, field));
                const char *found = ask(recording, sql);
                if (strcmp(found, expected) != 0)
                        fail_msg("%s: %s, not %s", sql, found, expected);
        }
}

static void merge(struct hwaccl_subject_state *values, uint64_t *known, const struct hwaccl_trace_state *more)
{
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++)
                if (more->known[i / 64] >> (i % 64) & 1)
                        hwaccl_field_put(values, (enum hwaccl_field_index)i,
                                         hwaccl_field_get(&more->values, (enum hwaccl_field_index)i));
        known[0] |= more->known[0];
        known[1] |= more->known[1];
}

static void check_loop(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t seed, uint64_t first, uint64_t exits)
{
        static const uint64_t none[2];
        struct hwaccl_error error = {""};
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, vcpu, first, &error);
        const struct hwaccl_recorded_exit *found;
        struct hwaccl_trace_state last = {.known = {0, 0}};

        if (!cursor)
                fail_msg("%s", error.message);
        if (first > 0)
                make_state(seed + first - 1, 1, &last);
        for (uint64_t i = first; i < exits; i++) {
                struct hwaccl_trace_state entry;
                struct hwaccl_trace_state at_exit;
                uint64_t random = noise(seed + i) >> 8;
                make_state(seed + i, 0, &entry);
                make_state(seed + i, 1, &at_exit);
                if (hwaccl_exit_cursor_next(cursor, &found, &error) != 1)
                        fail_msg("%s", error.message);
                assert_int_equal(found->number, i);
                assert_int_equal(found->vcpu, vcpu);
                merge(&last.values, last.known, &entry);
                assert_known_part(found->entry, &found->entry_known, &last.values, random % 5 < 2 ? last.known : none,
                                  i);
                assert_known_part(found->exit, &found->exit_known, &at_exit.values, at_exit.known, i);
                assert_states_at(recording, cursor, found);
                if (first == 0 && i % 37 == 0)
                        for (unsigned f = 0; f < HWACCL_FIELD_COUNT; f++)
                                assert_view_agrees(recording, found, (enum hwaccl_field_index)f);
                assert_int_equal(found->offered, random % 3 == 0);
                assert_int_equal(found->settled, random % 3 == 0 && random % 4 < 2);
                assert_int_equal(found->taken, random % 3 == 0 && random % 4 == 0);
                assert_int_equal(found->input_count, random % 7 == 0);
                assert_int_equal(found->effect_count, random % 11 == 0);
                assert_int_equal(found->verdict_known, random % 2);
                assert_int_equal(found->outcome_known, random % 13 != 0);
                assert_false(found->pending_known);
                last = at_exit;
        }
        assert_int_equal(hwaccl_exit_cursor_next(cursor, &found, &error), 0);
        const struct hwaccl_subject_state *closing;
        struct hwaccl_known_fields closing_known;
        assert_true(hwaccl_exit_cursor_after(cursor, &closing, &closing_known, &error));
        assert_null(closing);
        hwaccl_exit_cursor_close(cursor);
}

#define EXITS 300

static void what_a_vmm_knows_is_recorded_and_the_rest_is_unknown(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);

        (void)state;
        run_loop(hwaccl_trace_vcpu(trace, 0), 1, EXITS);
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        const struct hwaccl_recording_info *info = hwaccl_recording_info(recording);
        assert_int_equal(info->status, HWACCL_RECORDING_COMPLETE);
        assert_int_equal(info->end, HWACCL_TRACE_END_EXIT_CODE);
        assert_int_equal(info->end_code, 5);
        assert_string_equal(info->vmm, "test 1");
        assert_string_equal(option_of(recording, "guest"), "synthetic");
        check_loop(recording, 0, 1, 0, EXITS);
        for (uint64_t first = 1; first < 20; first++)
                check_loop(recording, 0, 1, first, EXITS);
        assert_checks(recording);
        hwaccl_recording_close(recording);
}

struct thread {
        pthread_t thread;
        struct hwaccl_trace_vcpu *vcpu;
        uint64_t seed;
};

static void *run_thread(void *opaque)
{
        const struct thread *thread = opaque;

        run_loop(thread->vcpu, thread->seed, EXITS);
        return NULL;
}

/* Two recordings, each with two vCPUs, all four at the same time. */
static void recordings_and_vcpus_do_not_disturb_each_other(void **state)
{
        char paths[2][sizeof(path) + 8];
        struct hwaccl_trace *trace[2];
        struct thread threads[4];

        (void)state;
        for (unsigned i = 0; i < 2; i++) {
                (void)snprintf(paths[i], sizeof(paths[i]), "%s/two-%u.db", directory, i);
                trace[i] = open_trace(paths[i], 2);
                assert_null(hwaccl_trace_vcpu(trace[i], 2));
                for (uint32_t v = 0; v < 2; v++) {
                        struct thread *thread = &threads[2 * i + v];
                        thread->vcpu = hwaccl_trace_vcpu(trace[i], v);
                        thread->seed = 10000 * (2 * i + v + 1);
                        assert_int_equal(pthread_create(&thread->thread, NULL, run_thread, thread), 0);
                }
        }
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
        for (unsigned i = 0; i < 2; i++) {
                close_trace(trace[i]);
                struct hwaccl_recording *recording = open_recording(paths[i]);
                assert_int_equal(hwaccl_recording_info(recording)->vcpu_count, 2);
                assert_int_equal(hwaccl_recording_info(recording)->exit_count, 2 * EXITS);
                for (uint32_t v = 0; v < 2; v++)
                        check_loop(recording, v, threads[2 * i + v].seed, 0, EXITS);
                /* of each thread's own processor time */
                assert_string_equal(ask(recording, "SELECT count(DISTINCT vcpu) || min(cpu_ns > 0) FROM thread_times "
                                                   "WHERE moment = 'keyframe'"),
                                    "21");
                assert_checks(recording);
                hwaccl_recording_close(recording);
        }
}

static void marks_stand_where_they_were_set(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 2);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);
        char text[2 * HWACCL_TRACE_MARK_MAX + 1];

        (void)state;
        assert_true(hwaccl_trace_vcpu_mark(vcpu, "before all"));
        one_exit(vcpu, HWACCL_EXIT_HLT);
        assert_true(hwaccl_trace_vcpu_mark(vcpu, "between"));
        one_exit(vcpu, HWACCL_EXIT_HLT);
        one_exit(hwaccl_trace_vcpu(trace, 1), HWACCL_EXIT_HLT);
        for (size_t i = 0; i < sizeof(text) - 1; i += 2)
                memcpy(text + i, "\xc3\xa9", 2); /* é: one character in two bytes */
        text[sizeof(text) - 1] = '\0';
        memmove(text + 1, text, sizeof(text) - 2);
        text[0] = 'x';
        assert_true(hwaccl_trace_vcpu_mark(hwaccl_trace_vcpu(trace, 1), text));
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        assert_string_equal(ask(recording, "SELECT group_concat(vcpu || ':' || coalesce(exit, 'none') || ':' || "
                                           "iif(length(text) < 100, text, 'long'), '; ') FROM marks"),
                            "0:none:before all; 0:0:between; 1:0:long");
        assert_string_equal(ask(recording, "SELECT length(CAST(text AS BLOB)) FROM marks WHERE vcpu = 1"), "1023");
        assert_checks(recording);
        hwaccl_recording_close(recording);
}

static void an_instruction_is_disassembled_when_the_mode_is_known(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);
        struct hwaccl_trace_state at_exit = {.known = {0, 0}};

        (void)state;
        hwaccl_trace_put_exit(&at_exit, HWACCL_EXIT_IO_INSTRUCTION, 0xe90000, 2);
        for (unsigned i = 0; i < 2; i++) {
                assert_true(hwaccl_trace_vcpu_exit(vcpu, &at_exit));
                assert_true(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_INSTRUCTION, 0x7c00, 0, "\xe6\xe9", 2));
                assert_true(hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED));
                hwaccl_trace_put_segment(&at_exit, cs, 0, 0, 0xffff, 0x9b);
                hwaccl_trace_put(&at_exit, efer, 0);
        }
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        assert_string_equal(ask(recording, "SELECT instruction FROM exits WHERE id = 0"), "NULL");
        assert_string_equal(ask(recording, "SELECT instruction FROM exits WHERE id = 1"), "out 0xe9, al");
        assert_string_equal(ask(recording, "SELECT count(*) FROM inputs WHERE kind = 'instruction'"), "2");
        assert_string_equal(ask(recording, "SELECT detail FROM exits WHERE id = 1"), "out port 0xe9, 1 byte");
        assert_string_equal(ask(recording, "SELECT rip FROM exits WHERE id = 1"), "NULL");
        assert_string_equal(ask(recording, "SELECT io_value FROM exits WHERE id = 1"), "NULL");
        assert_checks(recording);
        hwaccl_recording_close(recording);
}

static void an_injected_vector_was_taken(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);

        (void)state;
        assert_true(hwaccl_trace_vcpu_irq_injected(vcpu, 0x20));
        one_exit(vcpu, HWACCL_EXIT_HLT);
        assert_true(hwaccl_trace_vcpu_irq_offered(vcpu, 0x21));
        assert_true(hwaccl_trace_vcpu_irq_offered(vcpu, 0x22)); /* it is the one that the guest is entered with */
        one_exit(vcpu, HWACCL_EXIT_HLT);
        assert_false(hwaccl_trace_vcpu_irq_taken(vcpu, 0x22)); /* too late */
        one_exit(vcpu, HWACCL_EXIT_HLT);
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        assert_string_equal(ask(recording, "SELECT group_concat(exit || ':' || vector || ':' || "
                                           "coalesce(outcome, 'unknown'), '; ') FROM irq_handoffs"),
                            "0:32:taken; 1:34:unknown");
        assert_checks(recording);
        hwaccl_recording_close(recording);
}

static void every_end_is_recorded(void **state)
{
        struct hwaccl_error error = {""};

        (void)state;
        for (unsigned end = 0; end <= HWACCL_TRACE_END_POWER_OFF + 1; end++) {
                struct hwaccl_trace *trace = open_trace(path, 1);
                one_exit(hwaccl_trace_vcpu(trace, 0), HWACCL_EXIT_HLT);
                assert_true(hwaccl_trace_close(trace, end, end, end % 2 ? "one line" : NULL, &error));
                struct hwaccl_recording *recording = open_recording(path);
                const struct hwaccl_recording_info *info = hwaccl_recording_info(recording);
                bool known = end >= 1 && end <= HWACCL_TRACE_END_POWER_OFF;
                assert_int_equal(info->end, known ? end : HWACCL_TRACE_END_ERROR);
                assert_int_equal(info->end_code, end);
                assert_int_equal(info->end_message != NULL, end % 2);
                assert_checks(recording);
                hwaccl_recording_close(recording);
                (void)remove_files(NULL);
        }
}

static void exits_of_another_vmm_are_not_replayed(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);
        const struct hwaccl_replay_config config = {.last = UINT64_MAX};
        struct hwaccl_replay_result result;
        struct hwaccl_error error = {""};

        (void)state;
        one_exit(hwaccl_trace_vcpu(trace, 0), HWACCL_EXIT_HLT);
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        assert_false(hwaccl_replay_run(recording, &config, &result, &error));
        assert_non_null(strstr(error.message, "test 1"));
        hwaccl_recording_close(recording);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(what_a_vmm_knows_is_recorded_and_the_rest_is_unknown, remove_files),
                cmocka_unit_test_teardown(recordings_and_vcpus_do_not_disturb_each_other, remove_files),
                cmocka_unit_test_teardown(marks_stand_where_they_were_set, remove_files),
                cmocka_unit_test_teardown(an_instruction_is_disassembled_when_the_mode_is_known, remove_files),
                cmocka_unit_test_teardown(an_injected_vector_was_taken, remove_files),
                cmocka_unit_test_teardown(every_end_is_recorded, remove_files),
                cmocka_unit_test_teardown(exits_of_another_vmm_are_not_replayed, remove_files),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
