/* The interface for other VMMs: what a replay of their handlers needs is in the recording. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/recording_assert.h"
#include "tests/fixtures/trace_fixture.h"

#include "tracer/database/decoder.h"
#include "tracer/ring/lane.h"

static void handle(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_kvm_run *run)
{
        assert_true(hwaccl_trace_vcpu_exit(vcpu, NULL));
        if (run)
                assert_true(hwaccl_trace_vcpu_kvm_run(vcpu, run));
        assert_true(hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED));
}

static void data_of_accesses_is_recorded(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);

        (void)state;
        assert_true(hwaccl_trace_vcpu_exit(vcpu, NULL));
        assert_true(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_PORT_WRITE, 0x1f0, 2, "abcdef", 6));
        assert_true(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_MMIO_WRITE, 0xd0000, 0, "xy", 2));
        assert_true(hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_COALESCED_PORT_WRITE, 0x70, 7, "z", 1));
        assert_true(hwaccl_trace_vcpu_effect(vcpu, HWACCL_TRACE_EFFECT_PORT_READ, 0x60, 1, "i", 1));
        assert_true(hwaccl_trace_vcpu_effect(vcpu, HWACCL_TRACE_EFFECT_MMIO_READ, 0xd0001, 0, "I", 1));
        assert_true(hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED));
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        assert_checks(recording);
        assert_string_equal(ask(recording,
                                "SELECT group_concat(access || ' ' || address || ' ' || size || '*' || count "
                                "|| ' ' || data, ', ') FROM accesses"),
                            "port write 0x1f0 2*3 616263646566, MMIO write 0xd0000 2*1 7879, "
                            "coalesced port write 0x70 1*1 7a, "
                            "port read 0x60 1*1 69, MMIO read 0xd0001 1*1 49");
        assert_string_equal(ask(recording, "SELECT group_concat(kind) FROM inputs"),
                            "port write,MMIO write,coalesced port write");
        assert_string_equal(ask(recording, "SELECT group_concat(target) FROM effects"), "port 0x60,0xd0001");
        hwaccl_recording_close(recording);
}

static void expect_run(struct hwaccl_recording *recording, uint64_t first, const struct hwaccl_kvm_run *const *runs,
                       uint64_t exits)
{
        struct hwaccl_error error = {""};
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, 0, first, &error);
        const struct hwaccl_recorded_exit *exit;

        assert_non_null(cursor);
        for (uint64_t i = first; i < exits; i++) {
                assert_int_equal(hwaccl_exit_cursor_next(cursor, &exit, &error), 1);
                assert_int_equal(exit->kvm_run_known, runs[i] != NULL);
                if (runs[i])
                        assert_memory_equal(&exit->kvm_run, runs[i], sizeof(*runs[i]));
        }
        hwaccl_exit_cursor_close(cursor);
}

static void fields_of_kvm_run_have_a_row_where_they_change(void **state)
{
        static const struct hwaccl_kvm_run a = {.if_flag = 1, .cr8 = 15, .apic_base = UINT64_C(0xfee00900)};
        static const struct hwaccl_kvm_run b = {.ready_for_interrupt_injection = 1,
                                                .if_flag = 255,
                                                .request_interrupt_window = 1,
                                                .immediate_exit = 1,
                                                .cr8 = UINT64_MAX,
                                                .apic_base = UINT64_C(1) << 63};
        static const struct hwaccl_kvm_run *const runs[] = {NULL, NULL, &a, &a, &a, &b, &b, NULL, NULL, &b, &a};
        const uint64_t exits = sizeof(runs) / sizeof(runs[0]);
        struct hwaccl_trace *trace = open_trace(path, 2);

        (void)state;
        for (uint64_t i = 0; i < exits; i++) {
                handle(hwaccl_trace_vcpu(trace, 0), runs[i]);
                handle(hwaccl_trace_vcpu(trace, 1), i ? NULL : &a);
        }
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT group_concat(id) FROM kvm_run WHERE id < 1 << 40"), "2,5,7,9,10");
        assert_string_equal(ask(recording, "SELECT group_concat(exit) FROM kvm_runs WHERE vcpu = 0"), "2,3,4,5,6,9,10");
        assert_string_equal(ask(recording, "SELECT group_concat(exit) FROM kvm_runs WHERE vcpu = 1"), "0");
        assert_string_equal(ask(recording, "SELECT cr8 || ' ' || apic_base FROM kvm_runs WHERE id = 6"),
                            "0xffffffffffffffff 0x8000000000000000");
        for (uint64_t first = 0; first < exits; first++)
                expect_run(recording, first, runs, exits);
        hwaccl_recording_close(recording);
}

static void assert_part(const struct hwaccl_recorded_vmm_part *part, const char *name, const void *data, size_t size)
{
        assert_string_equal(part->name, name);
        assert_int_equal(part->size, size);
        assert_memory_equal(part->data, data, size);
}

static void the_vmms_state_is_recorded_before_an_entry(void **state)
{
        const size_t size = 3 * RING_VMM_STATE_PIECE + 5;
        uint8_t *large = malloc(size);
        struct hwaccl_trace *trace = open_trace(path, 1);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);
        struct hwaccl_recorded_vmm_state found;
        struct hwaccl_error error = {""};
        uint64_t exit = 0;

        (void)state;
        assert_non_null(large);
        for (size_t i = 0; i < size; i++)
                large[i] = (uint8_t)(i * 7 + i / 251);
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(hwaccl_trace_vcpu_snapshot_due(vcpu), i % 8 == 0);
                if (i == 8) {
                        assert_true(hwaccl_trace_vcpu_snapshot(vcpu, "timer", "t", 1));
                        assert_true(hwaccl_trace_vcpu_snapshot(vcpu, "devices", large, size));
                }
                handle(vcpu, NULL);
        }
        assert_true(hwaccl_trace_vcpu_snapshot(vcpu, "end", "e", 1)); /* before an entry that never comes */
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT group_concat(exit || ' ' || name || ' ' || size) FROM vmm_states"),
                            "8 devices 98309,8 timer 1,20 end 1");
        assert_false(hwaccl_recording_vmm_state_before(recording, 0, 7, &exit, &error));
        assert_string_equal(error.message, "");
        assert_true(hwaccl_recording_vmm_state_before(recording, 0, 19, &exit, &error));
        assert_int_equal(exit, 8);
        assert_true(hwaccl_recording_vmm_state(recording, 0, 8, &found, &error));
        assert_int_equal(found.count, 2);
        assert_part(&found.part[0], "devices", large, size);
        assert_part(&found.part[1], "timer", "t", 1);
        hwaccl_recorded_vmm_state_free(&found);
        assert_true(hwaccl_recording_vmm_state(recording, 0, 9, &found, &error));
        assert_int_equal(found.count, 0);
        assert_false(hwaccl_recording_vmm_state(recording, 1, 9, &found, &error));
        hwaccl_recording_close(recording);
        free(large);
}

static void calls_that_cannot_be_are_refused(void **state)
{
        static const struct hwaccl_kvm_run run = {.if_flag = 1};
        static const struct hwaccl_kvm_run newer = {.reserved = 1};
        struct hwaccl_trace *trace = open_trace(path, 1);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);
        char name[HWACCL_TRACE_SNAPSHOT_NAME_MAX + 2];

        (void)state;
        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        assert_false(hwaccl_trace_vcpu_kvm_run(vcpu, &run)); /* no exit */
        assert_false(hwaccl_trace_vcpu_snapshot(vcpu, name, "x", 1));
        assert_false(hwaccl_trace_vcpu_snapshot(vcpu, "", "x", 1));
        assert_false(hwaccl_trace_vcpu_snapshot(vcpu, NULL, "x", 1));
        assert_false(hwaccl_trace_vcpu_snapshot(vcpu, "a", NULL, 1));
        assert_false(hwaccl_trace_vcpu_snapshot(vcpu, "a", "x", 0));
        assert_false(hwaccl_trace_vcpu_snapshot(vcpu, "a", "x", HWACCL_TRACE_SNAPSHOT_MAX + 1));
        assert_true(hwaccl_trace_vcpu_snapshot(vcpu, "a", "x", 1));
        assert_false(hwaccl_trace_vcpu_snapshot(vcpu, "a", "y", 1)); /* again */
        for (unsigned i = 1; i < HWACCL_RECORDED_VMM_PARTS_MAX; i++) {
                (void)snprintf(name, sizeof(name), "part %u", i);
                assert_true(hwaccl_trace_vcpu_snapshot(vcpu, name, "x", 1));
        }
        assert_false(hwaccl_trace_vcpu_snapshot(vcpu, "one more", "x", 1));
        assert_true(hwaccl_trace_vcpu_entry(vcpu, NULL));
        assert_false(hwaccl_trace_vcpu_snapshot(vcpu, "b", "x", 1)); /* in the guest */
        assert_false(hwaccl_trace_vcpu_snapshot_due(vcpu));
        assert_true(hwaccl_trace_vcpu_exit(vcpu, NULL));
        assert_false(hwaccl_trace_vcpu_snapshot(vcpu, "b", "x", 1)); /* while it is handled */
        assert_false(hwaccl_trace_vcpu_kvm_run(vcpu, NULL));
        assert_false(hwaccl_trace_vcpu_kvm_run(vcpu, &newer));
        assert_true(hwaccl_trace_vcpu_kvm_run(vcpu, &run));
        assert_false(hwaccl_trace_vcpu_kvm_run(vcpu, &run)); /* again */
        assert_true(hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED));
        assert_true(hwaccl_trace_vcpu_snapshot(vcpu, "a", "x", 1)); /* for another entry */
        assert_false(hwaccl_trace_vcpu_snapshot(NULL, "a", "x", 1));
        assert_false(hwaccl_trace_vcpu_snapshot_due(NULL));
        assert_false(hwaccl_trace_vcpu_kvm_run(NULL, &run));
        close_trace(trace);
        struct hwaccl_recording *recording = open_recording(path);
        assert_checks(recording);
        assert_string_equal(ask(recording, "SELECT count(*) FROM vmm_states"), "17");
        hwaccl_recording_close(recording);
}

static void damage(const char *sql)
{
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        (void)sqlite3_close(db);
}

static void keep_finding(void *opaque, const char *text)
{
        (void)snprintf(opaque, 256, "%s", text);
}

static void a_damaged_state_is_an_error(void **state)
{
        static const char *const damages[] = {
                "DELETE FROM vmm_state WHERE piece = 0",
                "DELETE FROM vmm_state WHERE piece = 1",
                "DELETE FROM vmm_state WHERE piece = 2",
                "UPDATE vmm_state SET total = 1 << 40",
                "UPDATE vmm_state SET total = -1",
                "UPDATE vmm_state SET data = CAST(data || data AS BLOB) WHERE piece = 1",
                "UPDATE vmm_state SET data = x'' WHERE piece = 1",
                "UPDATE vmm_state SET name = ''",
                "UPDATE vmm_state SET name = 'a' || char(0) || 'b'",
                "UPDATE vmm_state SET name = printf('%064d', 1)",
                ("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20) INSERT INTO vmm_state "
                 "SELECT 0, 'more' || i, 0, 1, x'00' FROM n"),
        };
        static uint8_t data[2 * RING_VMM_STATE_PIECE + 1];

        (void)state;
        for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
                struct hwaccl_trace *trace = open_trace(path, 1);
                struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);
                struct hwaccl_recorded_vmm_state found;
                struct hwaccl_error error = {""};
                char finding[256] = "";
                assert_true(hwaccl_trace_vcpu_snapshot(vcpu, "devices", data, sizeof(data)));
                handle(vcpu, NULL);
                close_trace(trace);
                damage(damages[i]);
                struct hwaccl_recording *recording = open_recording(path);
                if (hwaccl_recording_vmm_state(recording, 0, 0, &found, &error))
                        fail_msg("%s: not found", damages[i]);
                assert_non_null(strstr(error.message, "vmm_state: "));
                assert_true(hwaccl_recording_check(recording, keep_finding, finding, &error));
                assert_non_null(strstr(finding, "vmm_state: "));
                hwaccl_recording_close(recording);
                assert_int_equal(remove_files(NULL), 0);
        }
}

/* As a stranger's ring may have them. */
static void records_of_a_vmms_state_are_checked(void **state)
{
        struct decoder *decoder = aligned_alloc(64, (sizeof(*decoder) + 63) & ~(size_t)63);
        union {
                struct ring_record record;
                struct ring_vmm_state vmm;
                struct ring_kvm_run run;
                uint64_t words[8];
        } at;

        (void)state;
        assert_non_null(decoder);
        memset(decoder, 0, sizeof(*decoder));
#define VMM_STATE(words_, name_, piece_, total_, size_)                                                                \
        memset(&at, 'n', sizeof(at));                                                                                  \
        at.record = (struct ring_record){.words = (words_), .type = RING_RECORD_VMM_STATE, .extra = (name_)};          \
        at.vmm.piece = (piece_);                                                                                       \
        at.vmm.total = (total_);                                                                                       \
        at.vmm.size = (size_)
        VMM_STATE(5, 3, 0, 5, 5);
        assert_null(ring_record_problem(decoder, &at.record));
        decoder->state.phase = DECODER_HANDLING;
        assert_non_null(ring_record_problem(decoder, &at.record));
        decoder->state.phase = DECODER_ENTERED;
        assert_non_null(ring_record_problem(decoder, &at.record));
        decoder->state.phase = DECODER_BETWEEN;
        const uint64_t wrong[][5] = {{3, 3, 0, 5, 5},          {5, 0, 0, 8, 8},
                                     {5, 3, 0, 5, 0},          {5, 3, 0, 0, 5},
                                     {5, 3, UINT64_MAX, 5, 5}, {5, 3, 0, UINT64_MAX, 5},
                                     {5, 3, 0, 5, UINT64_MAX}, {6, 3, 0, 5, 5},
                                     {5, 64, 0, 5, 5},         {5, 3, 0, 5, UINT64_MAX - 3}};
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                VMM_STATE((uint16_t)wrong[i][0], (uint8_t)wrong[i][1], wrong[i][2], wrong[i][3], wrong[i][4]);
                if (!ring_record_problem(decoder, &at.record))
                        fail_msg("record %zu passes", i);
        }
        VMM_STATE(5, 3, 0, 5, 5);
        at.vmm.data[1] = 0;
        assert_non_null(ring_record_problem(decoder, &at.record));
        memset(&at, 0, sizeof(at));
        at.record = (struct ring_record){.words = sizeof(at.run) / 8, .type = RING_RECORD_KVM_RUN};
        assert_non_null(ring_record_problem(decoder, &at.record)); /* no exit */
        decoder->state.phase = DECODER_HANDLING;
        assert_null(ring_record_problem(decoder, &at.record));
        at.run.run.reserved = 1;
        assert_non_null(ring_record_problem(decoder, &at.record));
        free(decoder);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(data_of_accesses_is_recorded, remove_files),
                cmocka_unit_test_teardown(fields_of_kvm_run_have_a_row_where_they_change, remove_files),
                cmocka_unit_test_teardown(the_vmms_state_is_recorded_before_an_entry, remove_files),
                cmocka_unit_test_teardown(calls_that_cannot_be_are_refused, remove_files),
                cmocka_unit_test_teardown(a_damaged_state_is_an_error, remove_files),
                cmocka_unit_test(records_of_a_vmms_state_are_checked),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
