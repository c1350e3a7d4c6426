/* What the last exits have that those before lack: reasons, ports, vectors, pages and RIPs, of each vCPU for itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/trace_fixture.h"

#include "replay/postmortem/report.h"
#include "replay/postmortem/unusual.h"

static void exit_at(struct hwaccl_trace_vcpu *vcpu, uint64_t reason, uint64_t qualification, uint64_t rip,
                    uint64_t address)
{
        struct hwaccl_trace_state state = {.known = {0, 0}};

        hwaccl_trace_put_exit(&state, reason, qualification, 2);
        hwaccl_trace_put(&state, rip, rip);
        hwaccl_trace_put(&state, guest_physical_address, address);
        assert_true(hwaccl_trace_vcpu_entry(vcpu, NULL));
        assert_true(hwaccl_trace_vcpu_exit(vcpu, &state));
        assert_true(hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_COMPLETED));
}

static void port_at(struct hwaccl_trace_vcpu *vcpu, uint64_t port, uint64_t rip)
{
        exit_at(vcpu, HWACCL_EXIT_IO_INSTRUCTION, port << 16, rip, 0);
}

static void memory_at(struct hwaccl_trace_vcpu *vcpu, uint64_t address, uint64_t rip)
{
        exit_at(vcpu, HWACCL_EXIT_EPT_VIOLATION, 2, rip, address);
}

/* @exits without a loop: their order depends on @seed. Ports 100h to 107h, and a page. */
static void work(struct hwaccl_trace_vcpu *vcpu, unsigned exits)
{
        static uint32_t seed = 1;

        for (unsigned i = 0; i < exits; i++) {
                seed = seed * 1664525 + 1013904223;
                unsigned way = seed >> 24 & 15;
                if (way == 15)
                        memory_at(vcpu, 0xa0000 + (seed >> 12 & 0xfff), 0x2000);
                else
                        port_at(vcpu, 0x100 + way % 8, 0x1000 + 2 * way);
        }
}

static void close_stopped(struct hwaccl_trace *trace)
{
        struct hwaccl_error error = {""};

        if (!hwaccl_trace_close(trace, HWACCL_TRACE_END_STOPPED, 0, NULL, &error))
                fail_msg("%s", error.message);
}

static void change(const char *sql)
{
        struct sqlite3 *db;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The lines, each with its exit. */
static void assert_unusual(uint32_t vcpu, const char *expected)
{
        char found[4096] = "", line[256];
        struct hwaccl_error error = {""};
        struct hwaccl_unusual_exits unusual;
        struct hwaccl_recording *recording = open_recording(path);
        struct hwaccl_evidence *evidence = hwaccl_evidence_gather(recording, vcpu, REPORT_REPLAYED, &error);

        if (!evidence)
                fail_msg("%s", error.message);
        hwaccl_find_unusual(evidence, &unusual);
        for (size_t i = 0; i < unusual.count; i++) {
                size_t length = strlen(found);
                hwaccl_unusual_text(&unusual.item[i], line, sizeof(line));
                (void)snprintf(found + length, sizeof(found) - length, "%llu %s\n",
                               (unsigned long long)unusual.item[i].first, line);
        }
        hwaccl_evidence_free(evidence);
        hwaccl_recording_close(recording);
        assert_string_equal(found, expected);
}

static void steady_exits_have_nothing_unusual(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);

        (void)state;
        work(hwaccl_trace_vcpu(trace, 0), 2000);
        close_stopped(trace);
        assert_unusual(0, "");
}

static void few_exits_do_not_tell_what_is_usual(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);

        (void)state;
        work(hwaccl_trace_vcpu(trace, 0), 60);
        port_at(hwaccl_trace_vcpu(trace, 0), 0x61, 0x9000);
        close_stopped(trace);
        assert_unusual(0, "");
}

/* 803 exits, the last 100 from 703 on. */
static void record_news(struct hwaccl_trace_vcpu *vcpu)
{
        work(vcpu, 760);
        for (unsigned i = 0; i < 3; i++)
                port_at(vcpu, 0x61, 0x7000 + 0x10 * i);
        work(vcpu, 20);
        for (unsigned i = 0; i < 2; i++)
                memory_at(vcpu, 0xfee00010, 0x2000);
        assert_true(hwaccl_trace_vcpu_irq_injected(vcpu, 0x40));
        memory_at(vcpu, 0xfee00020, 0x2000);
        work(vcpu, 16);
        exit_at(vcpu, HWACCL_EXIT_TRIPLE_FAULT, 0, 0xdead0000, 0);
}

static const char news[] = "760 port 61h: 3 exits up to 762; none of the 703 exits before\n"
                           "783 access to the page at fee00000h: 3 exits up to 785; none of the 703 exits before\n"
                           "760 RIPs from 7000h to 7020h: 3 exits up to 762; none of the 703 exits before\n"
                           "802 triple fault: once; none of the 703 exits before\n"
                           "785 vector 40h offered: once; none of the 703 exits before\n"
                           "802 RIP dead0000h: once; none of the 703 exits before\n";

static void what_no_exit_had_before_is_named_with_its_exits(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);

        (void)state;
        record_news(hwaccl_trace_vcpu(trace, 0));
        close_stopped(trace);
        assert_unusual(0, news);
        /* a recording of a version without blocks */
        change("DELETE FROM block; DELETE FROM block_count");
        assert_unusual(0, news);
}

static void exits_of_another_vcpu_do_not_make_it_usual(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 3);

        (void)state;
        record_news(hwaccl_trace_vcpu(trace, 1));
        for (unsigned i = 0; i < 3; i += 2)
                for (unsigned exit = 0; exit < 400; exit++) {
                        work(hwaccl_trace_vcpu(trace, i), 1);
                        port_at(hwaccl_trace_vcpu(trace, i), 0x61, 0x7000);
                        memory_at(hwaccl_trace_vcpu(trace, i), 0xfee00000, 0x2000);
                }
        close_stopped(trace);
        assert_unusual(0, "");
        assert_unusual(1, news);
        assert_unusual(2, "");
}

static void what_was_rare_before_is_compared_by_frequency(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);

        (void)state;
        for (unsigned i = 0; i < 8; i++) {
                work(vcpu, 98);
                port_at(vcpu, 0x3f8, 0x3000);
                port_at(vcpu, 0x70, 0x3000);
        }
        port_at(vcpu, 0x71, 0x3000);
        work(vcpu, 40);
        for (unsigned i = 0; i < 30; i++) {
                work(vcpu, 1);
                port_at(vcpu, 0x3f8, 0x3000);
                if (i < 10) /* not far more often */
                        port_at(vcpu, 0x70, 0x3000);
                if (i < 5) /* few */
                        port_at(vcpu, 0x71, 0x3000);
        }
        work(vcpu, 16);
        close_stopped(trace);
        assert_unusual(0, "842 port 3f8h: 30 exits up to 915; 8 of the 816 exits before\n");
}

static void a_loop_is_compared_with_the_exits_before_it(void **state)
{
        struct hwaccl_trace *trace = open_trace(path, 1);
        struct hwaccl_trace_vcpu *vcpu = hwaccl_trace_vcpu(trace, 0);

        (void)state;
        work(vcpu, 500);
        for (unsigned i = 0; i < 1500; i++)
                port_at(vcpu, 0x64, 0x8000);
        close_stopped(trace);
        assert_unusual(0, "1750 port 64h: 250 exits up to 1999; none of the 500 exits before\n"
                          "1750 RIP 8000h: 250 exits up to 1999; none of the 500 exits before\n");
}

/* Blocks of a stranger, that end anywhere. */
static void blocks_may_end_anywhere(void **state)
{
        static const char *const changes[] = {
                "UPDATE block SET last = -9223372036854775808", "UPDATE block SET last = 9223372036854775807",
                "UPDATE block SET last = -9223372036854775808 WHERE id > 10", "UPDATE block SET last = id - 1"};

        (void)state;
        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                struct hwaccl_error error = {""};
                struct hwaccl_unusual_exits unusual;
                struct hwaccl_trace *trace = open_trace(path, 1);
                record_news(hwaccl_trace_vcpu(trace, 0));
                close_stopped(trace);
                change(changes[i]);
                struct hwaccl_recording *recording = open_recording(path);
                struct hwaccl_evidence *evidence = hwaccl_evidence_gather(recording, 0, REPORT_REPLAYED, &error);
                if (!evidence)
                        fail_msg("%s", error.message);
                hwaccl_find_unusual(evidence, &unusual);
                for (size_t j = 0; j < unusual.count; j++)
                        assert_in_range(unusual.item[j].before_of, 64, 703);
                hwaccl_evidence_free(evidence);
                hwaccl_recording_close(recording);
                assert_int_equal(unlink(path), 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(steady_exits_have_nothing_unusual, remove_files),
                cmocka_unit_test_teardown(few_exits_do_not_tell_what_is_usual, remove_files),
                cmocka_unit_test_teardown(what_no_exit_had_before_is_named_with_its_exits, remove_files),
                cmocka_unit_test_teardown(exits_of_another_vcpu_do_not_make_it_usual, remove_files),
                cmocka_unit_test_teardown(what_was_rare_before_is_compared_by_frequency, remove_files),
                cmocka_unit_test_teardown(a_loop_is_compared_with_the_exits_before_it, remove_files),
                cmocka_unit_test_teardown(blocks_may_end_anywhere, remove_files),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
