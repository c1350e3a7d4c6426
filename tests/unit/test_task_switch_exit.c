/* Exits with reason 9: what they say, and instructions that switch tasks though they exited for another reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/exit/registers.h"
#include "tests/fixtures/emulate_fixture.h"

static struct fixture fixture;
static struct hwaccl_machine_context *context;

static int set_up(void **state)
{
        (void)state;
        fixture_create(&fixture);
        context = fixture.context;
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        fixture_destroy(&fixture);
        return 0;
}

#define GDT     0x5000u
#define OLD_TSS 0x6000u
#define NEW_TSS 0x6800u
#define OLD     0x18u
#define NEW     0x20u
#define CALL    (UINT64_C(0) << 30)
#define JMP     (UINT64_C(2) << 30)
#define GATE    (UINT64_C(3) << 30)

static void poke(uint64_t address, uint64_t value, unsigned size)
{
        fixture_poke(&fixture, address, &value, size);
}

static void with_tasks(void)
{
        fixture_protected_mode(&fixture, 0);
        poke(GDT + 8, UINT64_C(0x00cf9b000000ffff), 8);
        poke(GDT + 16, UINT64_C(0x00cf93000000ffff), 8);
        poke(GDT + OLD, UINT64_C(0x00008b0060000067), 8);
        poke(GDT + NEW, UINT64_C(0x0000890068000067), 8);
        context->gdtr = (struct hwaccl_segment){.base = GDT, .limit = 0x27};
        context->tr = (struct hwaccl_segment){OLD, OLD_TSS, 0x67, 0x8b};
        poke(OLD_TSS, NEW, 2);
        poke(NEW_TSS + 0x20, 0x1000, 4);
        poke(NEW_TSS + 0x38, 0x7000, 4);
        for (unsigned i = 0; i < 6; i++)
                poke(NEW_TSS + 0x48 + i * 4, i == HWACCL_CS ? 8 : 16, 2);
        fixture.state.interrupt_information = 0;
}

static enum hwaccl_outcome task_exit(uint64_t qualification, uint64_t information, uint64_t length)
{
        with_tasks();
        fixture_code(&fixture, "\xcc", 1, HWACCL_EXIT_TASK_SWITCH, qualification);
        fixture.state.instruction_length = length;
        fixture.state.interrupt_information = information;
        return fixture_run(&fixture);
}

static uint64_t saved_rip(void)
{
        return fixture_peek(&fixture, OLD_TSS + 0x20, 4);
}

static void the_length_leads_behind_the_instruction(void **state)
{
        (void)state;
        assert_int_equal(task_exit(JMP | NEW, 0, 7), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->tr.selector, NEW);
        assert_int_equal(context->rip, 0x1000);
        assert_int_equal(saved_rip(), FIXTURE_CODE + 7);
        assert_int_equal(task_exit(CALL | NEW, 0x80000b0d, 7), HWACCL_OUTCOME_COMPLETED); /* no gate: no event */
        assert_int_equal(context->gpr[HWACCL_RSP], 0x7000);
        assert_int_equal(fixture_peek(&fixture, NEW_TSS, 2), OLD);
}

static void an_event_comes_with_the_exit(void **state)
{
        static const struct {
                uint64_t information;
                unsigned behind; /* where it returns to */
                unsigned pushed;
        } rows[] = {
                {0x80000040, 0, 0},               /* external interrupt */
                {0x80000202, 0, 0},               /* NMI */
                {UINT64_C(0x123480000b0d), 0, 4}, /* #GP(1234h) */
                {0x80000306, 0, 0},               /* #UD */
                {0x80000430, 2, 0},               /* INT 30h */
                {0x80000501, 2, 0},               /* INT1 */
                {0x80000603, 2, 0},               /* INT3 */
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                /* the length is of instructions; what the field holds else is not looked at */
                assert_int_equal(task_exit(GATE | NEW, rows[i].information, rows[i].behind ? 2 : 0x5a5a),
                                 HWACCL_OUTCOME_COMPLETED);
                assert_int_equal(saved_rip(), FIXTURE_CODE + rows[i].behind);
                assert_int_equal(context->gpr[HWACCL_RSP], 0x7000 - rows[i].pushed);
                if (rows[i].pushed)
                        assert_int_equal(fixture_peek(&fixture, 0x7000 - 4, 4), 0x1234);
        }
}

static void an_exit_that_cannot_be_is_an_error(void **state)
{
        static const struct {
                uint64_t qualification, information, length;
                const char *mention;
        } rows[] = {
                {GATE | NEW, 0, 0, "no event for the task gate"},
                {GATE | NEW, 0x40, 0, "no event for the task gate"},       /* not valid */
                {GATE | NEW, 0x80000106, 0, "no event for the task gate"}, /* a reserved type */
                {GATE | NEW, 0x80000430, 16, "length"},
                {JMP | NEW, 0, 16, "length"},
                {UINT64_C(1) << 32 | NEW, 0, 7, "qualification"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                assert_int_equal(task_exit(rows[i].qualification, rows[i].information, rows[i].length),
                                 HWACCL_OUTCOME_FAILED);
                assert_non_null(strstr(fixture.error.message, rows[i].mention));
                assert_non_null(strstr(fixture.error.message, "cannot switch tasks at"));
                assert_int_equal(context->tr.selector, OLD);
        }
        fixture_long_mode(&fixture, 0);
        fixture_code(&fixture, "\xcc", 1, HWACCL_EXIT_TASK_SWITCH, JMP | NEW);
        fixture.state.instruction_length = 7;
        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_FAILED);
        assert_non_null(strstr(fixture.error.message, "in this mode"));
}

static void a_fault_that_nothing_handles_is_a_triple_fault(void **state)
{
        (void)state;
        with_tasks();
        poke(GDT + NEW, UINT64_C(0x0000090068000067), 8);
        context->idtr = (struct hwaccl_segment){.base = 0, .limit = 0};
        fixture_code(&fixture, "\xcc", 1, HWACCL_EXIT_TASK_SWITCH, JMP | NEW);
        fixture.state.instruction_length = 7;
        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_TRIPLE_FAULT);
        assert_true(hwaccl_emulator_faults(fixture.emulator)->count > 0);
}

static void a_far_branch_that_is_emulated_switches_tasks(void **state)
{
        (void)state;
        for (unsigned call = 0; call < 2; call++) {
                with_tasks();
                fixture_code(&fixture, call ? "\x9a\0\0\0\0\x20\0" : "\xea\0\0\0\0\x20\0", 7, HWACCL_EXIT_EPT_VIOLATION,
                             0);
                assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
                assert_int_equal(context->tr.selector, NEW);
                assert_int_equal(saved_rip(), FIXTURE_CODE + 7);
                assert_int_equal(!!(context->rflags & RFLAGS_NT), call);
        }
        with_tasks(); /* and an IRET from a nested task */
        context->rflags |= RFLAGS_NT;
        poke(GDT + NEW, UINT64_C(0x00008b0068000067), 8);
        fixture_code(&fixture, "\xcf", 1, HWACCL_EXIT_EPT_VIOLATION, 0);
        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->tr.selector, NEW);
        assert_int_equal(saved_rip(), FIXTURE_CODE + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(the_length_leads_behind_the_instruction),
                TEST(an_event_comes_with_the_exit),
                TEST(an_exit_that_cannot_be_is_an_error),
                TEST(a_fault_that_nothing_handles_is_a_triple_fault),
                TEST(a_far_branch_that_is_emulated_switches_tasks),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
