/* The 16550A: identification priorities, FIFOs and triggers, line and modem status, loopback, divisor. */
#include "tests/fixtures/machine_fixture.h"

enum { DATA = 0x3f8, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static bool line(struct fixture *f)
{
        return f->machine->pic.master.lines & 0x10;
}

static void prints_to_the_console(void **state)
{
        struct fixture *f = *state;

        out8(f, DATA, 'H');
        out8(f, DATA, 'i');
        assert_string_equal(f->serial, "Hi");
        assert_string_equal(f->log, "print print ");
        assert_int_equal(in8(f, LSR), 0x60);
}

static void receives_what_is_typed(void **state)
{
        struct fixture *f = *state;

        strcpy(f->typed, "ab");
        assert_int_equal(in8(f, LSR), 0x61);
        assert_int_equal(in8(f, DATA), 'a');
        assert_int_equal(in8(f, LSR), 0x61);
        assert_int_equal(in8(f, DATA), 'b');
        assert_int_equal(in8(f, LSR), 0x60);
        assert_string_equal(f->log, "console console "); /* reads that find nothing are no inputs */
}

static void registers_keep_their_bits(void **state)
{
        struct fixture *f = *state;

        out8(f, SCR, 0xa5);
        assert_int_equal(in8(f, SCR), 0xa5);
        out8(f, IER, 0xff);
        assert_int_equal(in8(f, IER), 0x0f);
        out8(f, MCR, 0xe3);
        assert_int_equal(in8(f, MCR), 0x03);
        out8(f, LCR, 0x83);
        out8(f, DATA, 0x0c);
        out8(f, IER, 0x01);
        assert_int_equal(in16(f, DATA), 0x010c); /* the divisor, both bytes */
        out8(f, LCR, 0x03);
        assert_int_equal(in8(f, IER), 0x0f);
        assert_string_equal(f->serial, "");
}

static void out2_connects_the_interrupt(void **state)
{
        struct fixture *f = *state;

        out8(f, IER, 0x02);
        assert_false(line(f));
        out8(f, MCR, 0x08);
        assert_true(line(f));
        out8(f, MCR, 0x18); /* loopback disconnects it */
        assert_false(line(f));
}

static void the_transmitter_interrupts_until_it_is_identified(void **state)
{
        struct fixture *f = *state;

        out8(f, MCR, 0x08);
        assert_int_equal(in8(f, IIR), 0x01);
        out8(f, IER, 0x02);
        assert_true(line(f));
        assert_int_equal(in8(f, IIR), 0x02);
        assert_false(line(f));
        assert_int_equal(in8(f, IIR), 0x01);
        out8(f, DATA, 'x');
        assert_true(line(f));
        assert_int_equal(in8(f, IIR), 0x02);
        out8(f, IER, 0x00);
        out8(f, IER, 0x02); /* enabling it anew asks again */
        assert_int_equal(in8(f, IIR), 0x02);
}

static void the_receiver_comes_before_the_transmitter(void **state)
{
        struct fixture *f = *state;

        out8(f, MCR, 0x08);
        strcpy(f->typed, "a");
        in8(f, LSR);
        out8(f, IER, 0x03);
        assert_int_equal(in8(f, IIR), 0x04);
        assert_true(line(f));
        in8(f, DATA);
        assert_int_equal(in8(f, IIR), 0x02);
}

static void line_errors_come_first_and_modem_changes_last(void **state)
{
        struct fixture *f = *state;

        out8(f, MCR, 0x10);
        in8(f, MSR);
        out8(f, DATA, 'a');
        out8(f, DATA, 'b'); /* overruns the holding register */
        out8(f, MCR, 0x11);
        out8(f, IER, 0x0f);
        assert_int_equal(in8(f, IIR), 0x06);
        assert_int_equal(in8(f, LSR), 0x63);
        assert_int_equal(in8(f, LSR), 0x61); /* reading cleared the overrun */
        assert_int_equal(in8(f, IIR), 0x04);
        assert_int_equal(in8(f, DATA), 'b'); /* the newer character */
        assert_int_equal(in8(f, IIR), 0x02);
        assert_int_equal(in8(f, IIR), 0x00);
        assert_int_equal(in8(f, MSR), 0x22);
        assert_int_equal(in8(f, IIR), 0x01);
}

static void fifos_identify_themselves_and_trigger_at_their_level(void **state)
{
        struct fixture *f = *state;

        out8(f, IIR, 0x81); /* on, trigger at 8 */
        assert_int_equal(in8(f, IIR), 0xc1);
        out8(f, IER, 0x01);
        strcpy(f->typed, "1234567");
        in8(f, LSR);
        assert_int_equal(in8(f, IIR), 0xcc); /* time-out: fewer than the trigger */
        strcpy(f->typed, "8");
        hwaccl_uart_poll(&f->machine->uart);
        assert_int_equal(in8(f, IIR), 0xc4);
        in8(f, DATA);
        assert_int_equal(in8(f, IIR), 0xcc);
}

static void a_fifo_holds_16_and_the_rest_waits(void **state)
{
        struct fixture *f = *state;

        out8(f, IIR, 0x01);
        strcpy(f->typed, "0123456789abcdefGH");
        hwaccl_uart_poll(&f->machine->uart);
        assert_string_equal(f->typed, "GH");
        for (const char *p = "0123456789abcdefGH"; *p; p++)
                assert_int_equal(in8(f, DATA), *p);
        assert_int_equal(in8(f, LSR), 0x60);
}

static void fifo_overrun_loses_the_new_character(void **state)
{
        struct fixture *f = *state;

        out8(f, IIR, 0x01);
        out8(f, MCR, 0x10);
        for (unsigned i = 0; i < 17; i++)
                out8(f, DATA, i);
        assert_int_equal(in8(f, LSR), 0x63);
        for (unsigned i = 0; i < 16; i++)
                assert_int_equal(in8(f, DATA), i);
        assert_int_equal(in8(f, LSR), 0x60);
}

static void clearing_or_switching_the_fifo_drops_what_was_received(void **state)
{
        struct fixture *f = *state;

        out8(f, IIR, 0x01);
        out8(f, MCR, 0x10);
        out8(f, DATA, 1);
        out8(f, IIR, 0x03);
        assert_int_equal(in8(f, LSR), 0x60);
        out8(f, DATA, 1);
        out8(f, IIR, 0x00);
        assert_int_equal(in8(f, LSR), 0x60);
        assert_int_equal(in8(f, IIR), 0x01);
}

static void loopback_turns_outputs_into_inputs(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(in8(f, MSR), 0xb0);
        out8(f, MCR, 0x1a);                         /* RTS and OUT2 */
        assert_int_equal(in8(f, MSR) & 0xf0, 0x90); /* CTS and DCD */
        out8(f, MCR, 0x15);                         /* DTR and OUT1 */
        assert_int_equal(in8(f, MSR), 0x6b);        /* all but RI changed: its rise is not told */
        out8(f, MCR, 0x10);
        assert_int_equal(in8(f, MSR), 0x06); /* DSR fell, and RI's trailing edge is */
        out8(f, DATA, 'z');
        assert_string_equal(f->serial, "");
        assert_int_equal(in8(f, DATA), 'z');
        strcpy(f->typed, "t");
        assert_int_equal(in8(f, LSR), 0x60); /* nothing comes in from outside */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(prints_to_the_console),
                FIXTURE_TEST(receives_what_is_typed),
                FIXTURE_TEST(registers_keep_their_bits),
                FIXTURE_TEST(out2_connects_the_interrupt),
                FIXTURE_TEST(the_transmitter_interrupts_until_it_is_identified),
                FIXTURE_TEST(the_receiver_comes_before_the_transmitter),
                FIXTURE_TEST(line_errors_come_first_and_modem_changes_last),
                FIXTURE_TEST(fifos_identify_themselves_and_trigger_at_their_level),
                FIXTURE_TEST(a_fifo_holds_16_and_the_rest_waits),
                FIXTURE_TEST(fifo_overrun_loses_the_new_character),
                FIXTURE_TEST(clearing_or_switching_the_fifo_drops_what_was_received),
                FIXTURE_TEST(loopback_turns_outputs_into_inputs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
