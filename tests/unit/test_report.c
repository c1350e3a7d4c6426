/* The report about recordings of a VMM with several vCPUs: which one failed first, and what the others did; and what it
 * says of time in which the host did not run the guest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/trace_fixture.h"

#include "replay/postmortem/report.h"

#define RFLAGS_IF 0x200u
#define SECOND    "1000000000"

static void exit_at(struct hwaccl_trace_vcpu *vcpu, uint64_t reason, uint64_t qualification, uint64_t rip,
                    uint64_t rflags, unsigned outcome)
{
        struct hwaccl_trace_state state = {.known = {0, 0}};

        hwaccl_trace_put_exit(&state, reason, qualification, reason == HWACCL_EXIT_IO_INSTRUCTION ? 2 : 1);
        hwaccl_trace_put(&state, rip, rip);
        hwaccl_trace_put(&state, rflags, rflags);
        hwaccl_trace_put(&state, cr0, 0x80000001);
        hwaccl_trace_put(&state, efer, 0x500);
        hwaccl_trace_put_segment(&state, cs, 8, 0, 0xffffffff, 0xa09b);
        assert_true(hwaccl_trace_vcpu_entry(vcpu, &state));
        assert_true(hwaccl_trace_vcpu_exit(vcpu, &state));
        assert_true(hwaccl_trace_vcpu_handled(vcpu, outcome));
}

static void halt_at(struct hwaccl_trace_vcpu *vcpu, uint64_t rip, uint64_t rflags)
{
        exit_at(vcpu, HWACCL_EXIT_HLT, 0, rip, rflags, HWACCL_OUTCOME_HALTED);
}

/* Reads of different ports, which are no loop. */
static void work_at(struct hwaccl_trace_vcpu *vcpu, uint64_t rip, unsigned exits)
{
        for (uint64_t i = 0; i < exits; i++)
                exit_at(vcpu, HWACCL_EXIT_IO_INSTRUCTION, (0x100 + i) << 16 | 8, rip + 2 * i, 0x2,
                        HWACCL_OUTCOME_COMPLETED);
}

static void close_with(struct hwaccl_trace *trace, unsigned end)
{
        struct hwaccl_error error = {""};

        if (!hwaccl_trace_close(trace, end, 0, NULL, &error))
                fail_msg("%s", error.message);
}

static void change(const char *sql)
{
        struct sqlite3 *db;
        char *message = NULL;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
                fail_msg("%s: %s", sql, message);
        assert_true(sqlite3_changes(db) > 0);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The report as text, and its first finding. */
static char text[16384];

static void report_about(uint32_t vcpu, uint32_t expected, const char *rule, enum hwaccl_judgement judgement)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recording *recording = open_recording(path);
        struct hwaccl_report *report = hwaccl_report_create(recording, vcpu, REPORT_REPLAYED, &error);

        if (!report)
                fail_msg("%s", error.message);
        FILE *stream = fmemopen(text, sizeof(text), "w");
        assert_non_null(stream);
        hwaccl_report_print(report, stream);
        assert_int_equal(fclose(stream), 0);
        if (report->evidence->vcpu != expected || strcmp(report->finding[0].rule->id, rule) != 0 ||
            report->judgement != judgement)
                fail_msg("vCPU %u, rule %s, judgement %d:\n%s", report->evidence->vcpu, report->finding[0].rule->id,
                         report->judgement, text);
        hwaccl_report_free(report);
        hwaccl_recording_close(recording);
}

static void assert_says(const char *part)
{
        if (!strstr(text, part))
                fail_msg("does not say '%s':\n%s", part, text);
}

static void a_triple_fault_is_that_of_the_vcpu_that_made_it(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 2);

        (void)state;
        work_at(hwaccl_trace_vcpu(trace, 1), 0x2000, 20);
        halt_at(hwaccl_trace_vcpu(trace, 0), 0x1000, RFLAGS_IF | 2);
        exit_at(hwaccl_trace_vcpu(trace, 1), HWACCL_EXIT_TRIPLE_FAULT, 0, 0x2345, 2, HWACCL_OUTCOME_TRIPLE_FAULT);
        close_with(trace, HWACCL_TRACE_END_TRIPLE_FAULT);
        report_about(REPORT_ANY_VCPU, 1, "triple-fault", JUDGEMENT_FAILED);
        assert_int_equal(strncmp(text, "vCPU 1: triple fault at 2345h", 29), 0);
        assert_says("exit       0  vCPU 0: HLT at 1000h");
        assert_says("exit      20  vCPU 1: triple fault at 2345h");
        report_about(0, 0, "not-the-guest", JUDGEMENT_UNKNOWN);
        assert_says("another vCPU ended the run");
}

static void a_vcpu_that_is_parked_did_not_fail(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 2);

        (void)state;
        halt_at(hwaccl_trace_vcpu(trace, 1), 0x1000, 2);
        work_at(hwaccl_trace_vcpu(trace, 0), 0x2000, 20);
        exit_at(hwaccl_trace_vcpu(trace, 0), HWACCL_EXIT_TRIPLE_FAULT, 0, 0x2345, 2, HWACCL_OUTCOME_TRIPLE_FAULT);
        close_with(trace, HWACCL_TRACE_END_TRIPLE_FAULT);
        report_about(REPORT_ANY_VCPU, 0, "triple-fault", JUDGEMENT_FAILED);
        assert_says("halted at 1000h with interrupts off");
        assert_says("only an NMI or INIT of another vCPU ends this");
}

static void if_all_halt_with_interrupts_off_the_first_one_is_reported(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 2);

        (void)state;
        halt_at(hwaccl_trace_vcpu(trace, 1), 0x1000, 2);
        halt_at(hwaccl_trace_vcpu(trace, 0), 0x2000, 2);
        close_with(trace, HWACCL_TRACE_END_HALTED);
        report_about(REPORT_ANY_VCPU, 1, "dead-halt", JUDGEMENT_FAILED);
        report_about(0, 0, "dead-halt", JUDGEMENT_FAILED);
}

static void an_entry_failure_comes_before_what_the_others_did_later(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 3);

        (void)state;
        work_at(hwaccl_trace_vcpu(trace, 0), 0x2000, 5);
        exit_at(hwaccl_trace_vcpu(trace, 2), 0x80000021, 0, 0x3333, 2, HWACCL_TRACE_OUTCOME_UNKNOWN);
        work_at(hwaccl_trace_vcpu(trace, 0), 0x2000, 5);
        close_with(trace, HWACCL_TRACE_END_ENTRY_FAILURE);
        report_about(REPORT_ANY_VCPU, 2, "entry-failure", JUDGEMENT_FAILED);
        assert_says("refused to enter the guest at 3333h");
        assert_says("vCPU 1: it made no exit");
        report_about(0, 0, "not-the-guest", JUDGEMENT_UNKNOWN);
}

static void a_vcpu_that_never_exits_again_is_named(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 2);

        (void)state;
        work_at(hwaccl_trace_vcpu(trace, 1), 0x4000, 3);
        work_at(hwaccl_trace_vcpu(trace, 0), 0x2000, 24);
        close_with(trace, HWACCL_TRACE_END_STOPPED);
        change("UPDATE exit SET host_entry = 0, host_guest = 0, host_handler = 0");
        change("UPDATE keyframe SET host_entry = id & 0xff");
        change("UPDATE keyframe SET host_entry = host_entry + 9 * " SECOND
               " WHERE id = (SELECT max(id) FROM keyframe WHERE id >> 40 = 0)");
        report_about(REPORT_ANY_VCPU, 1, "not-the-guest", JUDGEMENT_UNKNOWN);
        assert_says("no exit of this vCPU follows, while others made exits for 9000 ms");
        assert_says("it runs without exits, or the VMM did not enter it again");
        report_about(0, 0, "not-the-guest", JUDGEMENT_UNKNOWN);
        assert_says("vCPU 1: I/O instruction at 4004h");
}

/* Of a VMM that was recorded from outside, HLT is handled when the VMM enters the guest again: until then it waits. */
static void a_vcpu_that_was_entered_again_after_hlt_does_not_wait(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 2);

        (void)state;
        work_at(hwaccl_trace_vcpu(trace, 1), 0x4000, 3);
        halt_at(hwaccl_trace_vcpu(trace, 1), 0x4100, RFLAGS_IF | 2);
        work_at(hwaccl_trace_vcpu(trace, 0), 0x2000, 24);
        close_with(trace, HWACCL_TRACE_END_STOPPED);
        change("UPDATE exit SET host_entry = 0, host_guest = 0, host_handler = 0");
        change("UPDATE keyframe SET host_entry = id & 0xff");
        change("UPDATE keyframe SET host_entry = host_entry + 9 * " SECOND
               " WHERE id = (SELECT max(id) FROM keyframe WHERE id >> 40 = 0)");
        report_about(1, 1, "not-the-guest", JUDGEMENT_UNKNOWN);
        assert_says("for 9000 ms: it waits in HLT");
        change("INSERT INTO option VALUES ('vmm_wait_status', '1792')");
        report_about(1, 1, "not-the-guest", JUDGEMENT_UNKNOWN);
        assert_says("for 9000 ms: it runs without exits, or the VMM did not enter it again");
        change("UPDATE exit SET outcome = NULL WHERE id = (SELECT max(id) FROM exit)");
        report_about(1, 1, "not-the-guest", JUDGEMENT_UNKNOWN);
        assert_says("for 9000 ms: it waits in HLT");
}

static void a_hlt_that_the_vmm_left_is_not_the_end(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);

        (void)state;
        work_at(hwaccl_trace_vcpu(trace, 0), 0x4000, 3);
        halt_at(hwaccl_trace_vcpu(trace, 0), 0x4100, 2);
        close_with(trace, HWACCL_TRACE_END_STOPPED);
        report_about(0, 0, "dead-halt", JUDGEMENT_FAILED);
        change("INSERT INTO option VALUES ('vmm_wait_status', '1792')");
        report_about(0, 0, "not-the-guest", JUDGEMENT_UNKNOWN);
        change("UPDATE exit SET outcome = NULL WHERE id = 3");
        report_about(0, 0, "dead-halt", JUDGEMENT_FAILED);
        assert_null(strstr(text, "no device of the machine")); /* nobody knows what this VMM has */
}

/* A recording with keyframes at exits 0, 8, 16, and a HLT at 12. */
static void record_for_times(void)
{
        struct hwaccl_trace *trace = open_trace(path, 1);

        work_at(hwaccl_trace_vcpu(trace, 0), 0x2000, 12);
        halt_at(hwaccl_trace_vcpu(trace, 0), 0x1000, RFLAGS_IF | 2);
        work_at(hwaccl_trace_vcpu(trace, 0), 0x2000, 12);
        close_with(trace, HWACCL_TRACE_END_STOPPED);
        change("UPDATE exit SET host_guest = 0, host_handler = 0");
        change("UPDATE thread_time SET host_time = exit * 1000 + moment, host_cpu = exit * 1000 + moment");
}

static void time_in_which_the_host_did_not_run_the_guest_is_a_fact(void **state)
{
        (void)state;
        record_for_times();
        change("UPDATE thread_time SET host_time = host_time + 3 * " SECOND " WHERE exit >= 8");
        report_about(REPORT_ANY_VCPU, 0, "not-the-guest", JUDGEMENT_UNKNOWN);
        assert_says("the host did not run the vCPU's thread for 3000 of 3000 ms ");
        assert_says("between exits 0 and 8, and it did not wait in HLT");
        assert_says("; the host did not run the guest for 3000 of 3000 ms"); /* in the title: most of the time */
}

static void time_in_which_the_guest_ran_or_waited_is_none(void **state)
{
        (void)state;
        record_for_times();
        /* it ran */
        change("UPDATE thread_time SET host_time = host_time + 3 * " SECOND ", host_cpu = host_cpu + 3 * " SECOND
               " WHERE exit >= 8");
        /* the VMM waited in the handling of HLT */
        change("UPDATE thread_time SET host_time = host_time + 5 * " SECOND " WHERE exit >= 16");
        change("UPDATE exit SET host_handler = host_handler + 5 * " SECOND " WHERE id = 12");
        report_about(REPORT_ANY_VCPU, 0, "not-the-guest", JUDGEMENT_UNKNOWN);
        assert_null(strstr(text, "the host did not run"));
        /* a wait that the recorder marked */
        change("INSERT INTO thread_time SELECT 17, 1, host_time, host_cpu FROM thread_time WHERE exit = 16");
        change("INSERT INTO thread_time SELECT 17, 2, host_time + 7 * " SECOND
               ", host_cpu FROM thread_time WHERE exit = 16");
        change("UPDATE thread_time SET host_time = host_time + 7 * " SECOND " WHERE exit > 17");
        report_about(REPORT_ANY_VCPU, 0, "not-the-guest", JUDGEMENT_UNKNOWN);
        assert_says(
                "the host did not run the vCPU's thread for 5000 of 5000 ms"); /* HLT's time is no longer the wait */
        assert_null(strstr(text, "for 12000"));
}

static void times_may_be_any_numbers(void **state)
{
        (void)state;
        record_for_times();
        change("UPDATE thread_time SET host_time = iif(exit = 8, -9223372036854775807, 9223372036854775807), "
               "host_cpu = iif(exit = 0, -9223372036854775807, 9223372036854775807)");
        report_about(REPORT_ANY_VCPU, 0, "not-the-guest", JUDGEMENT_UNKNOWN);
}

static void a_guest_on_another_processor_does_not_run_in_the_thread(void **state)
{
        (void)state;
        record_for_times();
        change("UPDATE thread_time SET host_time = host_time + 3 * " SECOND " WHERE exit >= 8");
        change("INSERT INTO option VALUES ('accel', 'muen')");
        report_about(REPORT_ANY_VCPU, 0, "not-the-guest", JUDGEMENT_UNKNOWN);
        assert_null(strstr(text, "the host did not run"));
}

static void out(struct hwaccl_trace_vcpu *vcpu, uint64_t port, uint64_t value)
{
        struct hwaccl_trace_state state = {.known = {0, 0}};

        hwaccl_trace_put_exit(&state, HWACCL_EXIT_IO_INSTRUCTION, port << 16, 2);
        hwaccl_trace_put(&state, rax, value);
        assert_true(hwaccl_trace_vcpu_exit(vcpu, &state));
        assert_true(hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED));
}

/* 8259 #1 at 40h, #2 at 48h; vector @taken is taken. */
static void record_vector(uint8_t taken, unsigned line)
{
        struct hwaccl_trace *trace = open_trace(path, 1);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);

        out(vcpu, 0x20, 0x11);
        out(vcpu, 0x21, 0x40);
        out(vcpu, 0xa0, 0x11);
        out(vcpu, 0xa1, 0x48);
        struct hwaccl_trace_state state = {.known = {0, 0}};
        hwaccl_trace_put_exit(&state, HWACCL_EXIT_EXTERNAL_INTERRUPT, 0, 0);
        assert_true(hwaccl_trace_vcpu_exit(vcpu, &state));
        assert_true(hwaccl_trace_vcpu_effect(vcpu, HWACCL_TRACE_EFFECT_IRQ_LINE, line, 1, NULL, 0));
        assert_true(hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_RESUMED));
        assert_true(hwaccl_trace_vcpu_irq_injected(vcpu, taken));
        exit_at(vcpu, HWACCL_EXIT_IO_INSTRUCTION, 0x100 << 16, 0x2000, RFLAGS_IF | 2, HWACCL_OUTCOME_COMPLETED);
        close_with(trace, HWACCL_TRACE_END_STOPPED);
        report_about(REPORT_ANY_VCPU, 0, "not-the-guest", JUDGEMENT_UNKNOWN);
}

static void the_vector_of_a_line_that_nothing_asserted_is_spurious(void **state)
{
        (void)state;
        record_vector(0x47, 0);
        assert_says("vector 47h, taken before this exit, is spurious by all signs: nothing asserted IRQ 7");
        assert_says("vector 0x47 taken (spurious)");
        assert_int_equal(remove(path), 0);
        record_vector(0x4f, 7);
        assert_says("nothing asserted IRQ 15; 8259 #2 gives its vector");
        assert_int_equal(remove(path), 0);
        record_vector(0x47, 7);
        assert_null(strstr(text, "spurious"));
        assert_int_equal(remove(path), 0);
        record_vector(0x46, 0);
        assert_null(strstr(text, "spurious"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(a_triple_fault_is_that_of_the_vcpu_that_made_it, remove_files),
                cmocka_unit_test_teardown(a_vcpu_that_is_parked_did_not_fail, remove_files),
                cmocka_unit_test_teardown(if_all_halt_with_interrupts_off_the_first_one_is_reported, remove_files),
                cmocka_unit_test_teardown(an_entry_failure_comes_before_what_the_others_did_later, remove_files),
                cmocka_unit_test_teardown(a_vcpu_that_never_exits_again_is_named, remove_files),
                cmocka_unit_test_teardown(a_vcpu_that_was_entered_again_after_hlt_does_not_wait, remove_files),
                cmocka_unit_test_teardown(a_hlt_that_the_vmm_left_is_not_the_end, remove_files),
                cmocka_unit_test_teardown(times_may_be_any_numbers, remove_files),
                cmocka_unit_test_teardown(time_in_which_the_host_did_not_run_the_guest_is_a_fact, remove_files),
                cmocka_unit_test_teardown(time_in_which_the_guest_ran_or_waited_is_none, remove_files),
                cmocka_unit_test_teardown(a_guest_on_another_processor_does_not_run_in_the_thread, remove_files),
                cmocka_unit_test_teardown(the_vector_of_a_line_that_nothing_asserted_is_spurious, remove_files),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
