/* The 8254 by the diagrams of its datasheet: all modes, both number systems, latches, gate, interrupts. */
#include "tests/fixtures/machine_fixture.h"

/* The guest clock at which the counter clock makes its n-th tick. */
static uint64_t tick(uint64_t n)
{
        return (n * SECOND + HWACCL_PIT_HZ - 1) / HWACCL_PIT_HZ;
}

static void at_tick(struct fixture *f, uint64_t n)
{
        set_clock(f, tick(n));
}

/* Channel 2, gate low as after reset: control word, then a count of two bytes. */
static void program(struct fixture *f, unsigned mode, unsigned count)
{
        out8(f, 0x43, 0xb0 | mode << 1);
        out8(f, 0x42, count & 0xff);
        out8(f, 0x42, count >> 8);
}

static void set_gate(struct fixture *f, bool gate)
{
        out8(f, 0x61, gate);
}

static unsigned latched(struct fixture *f, unsigned channel)
{
        out8(f, 0x43, channel << 6);
        uint16_t port = (uint16_t)(0x40 + channel);
        unsigned low = in8(f, port);
        return low | in8(f, port) << 8;
}

static bool output(struct fixture *f)
{
        return in8(f, 0x61) & 0x20;
}

static void mode_0_rises_n_plus_1_ticks_after_the_count(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        at_tick(f, 100);
        program(f, 0, 4);
        assert_false(output(f));
        at_tick(f, 101);
        assert_int_equal(latched(f, 2), 4);
        at_tick(f, 104);
        assert_int_equal(latched(f, 2), 1);
        assert_false(output(f));
        at_tick(f, 105);
        assert_int_equal(latched(f, 2), 0);
        assert_true(output(f));
        at_tick(f, 106);
        assert_int_equal(latched(f, 2), 0xffff); /* it counts on */
        assert_true(output(f));
}

static void mode_0_keeps_its_count_while_the_gate_is_low(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        program(f, 0, 10);
        at_tick(f, 4);
        assert_int_equal(latched(f, 2), 7);
        set_gate(f, false);
        at_tick(f, 1000);
        assert_int_equal(latched(f, 2), 7);
        assert_false(output(f));
        set_gate(f, true);
        at_tick(f, 1006);
        assert_int_equal(latched(f, 2), 1);
        assert_false(output(f));
        at_tick(f, 1007);
        assert_true(output(f));
        set_gate(f, false);
        assert_true(output(f));
}

static void mode_0_stops_at_the_first_of_two_bytes(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        program(f, 0, 3);
        at_tick(f, 10);
        assert_true(output(f));
        out8(f, 0x42, 2);
        assert_false(output(f));
        at_tick(f, 100000);
        assert_false(output(f));
        out8(f, 0x42, 0);
        at_tick(f, 100003);
        assert_true(output(f));
}

static void mode_1_is_triggered_by_the_gate_and_can_be_triggered_again(void **state)
{
        struct fixture *f = *state;

        program(f, 1, 5);
        at_tick(f, 50);
        assert_true(output(f));
        set_gate(f, true);
        at_tick(f, 55);
        assert_false(output(f));
        set_gate(f, false);
        at_tick(f, 55);
        set_gate(f, true); /* again, for 5 more */
        at_tick(f, 60);
        assert_false(output(f));
        at_tick(f, 61);
        assert_true(output(f));
}

static void mode_2_is_low_for_the_last_tick_of_each_period(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        program(f, 2, 3);
        static const bool wave[] = {1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1};
        static const uint16_t count[] = {3, 3, 2, 1, 3, 2, 1, 3, 2, 1, 3};
        for (unsigned i = 0; i < 11; i++) {
                at_tick(f, i);
                assert_int_equal(output(f), wave[i]);
                assert_int_equal(latched(f, 2), count[i]);
        }
}

static void mode_2_takes_a_new_count_at_the_end_of_the_period(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        program(f, 2, 10);
        at_tick(f, 5);
        out8(f, 0x42, 4);
        out8(f, 0x42, 0);
        assert_int_equal(latched(f, 2), 6);
        at_tick(f, 10);
        assert_int_equal(latched(f, 2), 1);
        assert_false(output(f));
        at_tick(f, 11);
        assert_int_equal(latched(f, 2), 4);
        at_tick(f, 14);
        assert_false(output(f));
        at_tick(f, 11 + 4 * 1000 + 1);
        assert_int_equal(latched(f, 2), 3);
}

static void mode_2_starts_afresh_when_the_gate_rises(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        program(f, 2, 10);
        at_tick(f, 10);
        assert_false(output(f));
        set_gate(f, false);
        assert_true(output(f));
        at_tick(f, 500);
        set_gate(f, true);
        at_tick(f, 503);
        assert_int_equal(latched(f, 2), 8);
}

static void mode_3_is_a_square_wave(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        program(f, 3, 4);
        static const bool even[] = {1, 1, 1, 0, 0, 1, 1, 0, 0};
        static const uint16_t even_count[] = {4, 4, 2, 4, 2, 4, 2, 4, 2};
        for (unsigned i = 0; i < 9; i++) {
                at_tick(f, i);
                assert_int_equal(output(f), even[i]);
                assert_int_equal(latched(f, 2), even_count[i]);
        }
        program(f, 3, 5);
        static const bool odd[] = {1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0};
        static const uint16_t odd_count[] = {4, 4, 2, 0, 4, 2, 4, 2, 0, 4, 2};
        for (unsigned i = 0; i < 11; i++) {
                at_tick(f, 8 + i);
                assert_int_equal(output(f), odd[i]);
                assert_int_equal(latched(f, 2), odd_count[i]);
        }
}

static void mode_3_takes_a_new_count_at_the_end_of_the_half_period(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        program(f, 3, 10);
        at_tick(f, 3);
        out8(f, 0x42, 4);
        out8(f, 0x42, 0);
        at_tick(f, 5);
        assert_true(output(f));
        at_tick(f, 6);
        assert_false(output(f));
        at_tick(f, 7);
        assert_false(output(f));
        at_tick(f, 8);
        assert_true(output(f)); /* the low half was that of 4 */
        at_tick(f, 10);
        assert_false(output(f));
}

static void mode_4_strobes_for_one_tick(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        program(f, 4, 3);
        at_tick(f, 3);
        assert_true(output(f));
        at_tick(f, 4);
        assert_false(output(f));
        at_tick(f, 5);
        assert_true(output(f));
        assert_int_equal(latched(f, 2), 0xffff);
        at_tick(f, 5 + 65536);
        assert_true(output(f)); /* once only */
}

static void mode_5_strobes_after_the_gates_trigger(void **state)
{
        struct fixture *f = *state;

        program(f, 5, 3);
        at_tick(f, 50);
        set_gate(f, true);
        at_tick(f, 53);
        assert_true(output(f));
        at_tick(f, 54);
        assert_false(output(f));
        at_tick(f, 55);
        assert_true(output(f));
}

static void bcd_counts_in_decimal(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        out8(f, 0x43, 0xb1); /* mode 0, BCD */
        out8(f, 0x42, 0x00);
        out8(f, 0x42, 0x10);
        at_tick(f, 2);
        assert_int_equal(latched(f, 2), 0x0999);
        at_tick(f, 1001);
        assert_true(output(f));
        at_tick(f, 1002);
        assert_int_equal(latched(f, 2), 0x9999);
        out8(f, 0x43, 0xb5); /* mode 2, BCD; 0 is 10000 */
        out8(f, 0x42, 0);
        out8(f, 0x42, 0);
        at_tick(f, 1003 + 10000);
        assert_int_equal(latched(f, 2), 0);
        at_tick(f, 1003 + 10001);
        assert_int_equal(latched(f, 2), 0x9999);
}

static void zero_is_the_greatest_count(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        program(f, 2, 0);
        at_tick(f, 65536);
        assert_int_equal(latched(f, 2), 1);
        assert_false(output(f));
        at_tick(f, 65537);
        assert_int_equal(latched(f, 2), 0);
}

static void access_by_one_byte_leaves_the_other_0(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        out8(f, 0x43, 0x90); /* low byte, mode 0 */
        out8(f, 0x42, 5);
        at_tick(f, 3);
        assert_int_equal(in8(f, 0x42), 3);
        assert_int_equal(in8(f, 0x42), 3);
        out8(f, 0x43, 0xa0); /* high byte */
        out8(f, 0x42, 5);
        at_tick(f, 4);
        assert_int_equal(in8(f, 0x42), 5);
        at_tick(f, 5);
        assert_int_equal(in8(f, 0x42), 4); /* 0x4ff */
}

static void a_latch_holds_until_it_is_read_and_the_first_stays(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        program(f, 2, 1000);
        at_tick(f, 101);
        out8(f, 0x43, 0x80);
        at_tick(f, 201);
        out8(f, 0x43, 0x80);
        assert_int_equal(in8(f, 0x42), 900 & 0xff);
        at_tick(f, 301);
        assert_int_equal(in8(f, 0x42), 900 >> 8);
        assert_int_equal(in8(f, 0x42), 700 & 0xff);
        assert_int_equal(in8(f, 0x42), 700 >> 8);
}

static void read_back_latches_status_before_the_count(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        out8(f, 0x43, 0xb6); /* mode 3 */
        out8(f, 0x43, 0xe8);
        assert_int_equal(in8(f, 0x42), 0xf6); /* output high, null count, access 3, mode 3, binary */
        out8(f, 0x42, 100);
        out8(f, 0x42, 0);
        at_tick(f, 61);
        out8(f, 0x43, 0xc8); /* status and count of channel 2 */
        at_tick(f, 90);
        assert_int_equal(in8(f, 0x42), 0x36); /* second half: low, counting */
        assert_int_equal(in8(f, 0x42), 80);
        assert_int_equal(in8(f, 0x42), 0);
        out8(f, 0x43, 0xdc); /* count of channels 1 and 2: neither status */
        assert_int_equal(in8(f, 0x42), 22);
}

static void the_control_port_cannot_be_read(void **state)
{
        struct fixture *f = *state;
        assert_int_equal(in8(f, 0x43), 0xff);
}

static void count_edges_of_line_0(struct fixture *f, uint64_t until, unsigned *edges, unsigned *wakes)
{
        *edges = *wakes = 0;
        f->log[0] = 0;
        for (;;) {
                uint64_t deadline = hwaccl_board_deadline(&f->machine->board);
                if (deadline > until)
                        break;
                f->log[0] = 0;
                set_clock(f, deadline);
                ++*wakes;
                *edges += strstr(f->log, "line0=1 ") != NULL;
        }
}

static void mode_2_interrupts_at_its_frequency(void **state)
{
        struct fixture *f = *state;
        unsigned edges;
        unsigned wakes;

        out8(f, 0x43, 0x34);
        out8(f, 0x40, 0);
        out8(f, 0x40, 0);
        count_edges_of_line_0(f, 10 * SECOND, &edges, &wakes);
        assert_int_equal(edges, 182); /* 18.2 Hz */
        assert_int_equal(wakes, 182);
}

static void mode_3_interrupts_at_its_frequency(void **state)
{
        struct fixture *f = *state;
        unsigned edges;
        unsigned wakes;

        out8(f, 0x43, 0x36);
        out8(f, 0x40, 1193 & 0xff);
        out8(f, 0x40, 1193 >> 8);
        count_edges_of_line_0(f, SECOND, &edges, &wakes);
        assert_int_equal(edges, 1000);
        assert_int_equal(wakes, 2000); /* both edges */
}

static void mode_0_interrupts_once(void **state)
{
        struct fixture *f = *state;
        unsigned edges;
        unsigned wakes;

        out8(f, 0x43, 0x30);
        out8(f, 0x40, 0xe8);
        out8(f, 0x40, 0x03);
        assert_true(hwaccl_board_deadline(&f->machine->board) == tick(1001));
        count_edges_of_line_0(f, SECOND, &edges, &wakes);
        assert_int_equal(edges, 1);
        assert_int_equal(wakes, 1);
        assert_true(hwaccl_board_deadline(&f->machine->board) == UINT64_MAX);
}

static void late_edges_of_line_0_become_one_request(void **state)
{
        struct fixture *f = *state;

        out8(f, 0x43, 0x34);
        out8(f, 0x40, 100);
        out8(f, 0x40, 0);
        init_pics(f, 0x20, 0x28);
        at_tick(f, 100010);
        assert_int_equal(inta(f), 0x20);
        out8(f, 0x20, 0x20);
        assert_false(intr(f));
        assert_true(hwaccl_board_deadline(&f->machine->board) > tick(100010));
}

static void a_period_of_a_microsecond_leaves_the_guest_time(void **state)
{
        struct fixture *f = *state;
        unsigned edges;
        unsigned wakes;

        out8(f, 0x43, 0x34);
        out8(f, 0x40, 1);
        out8(f, 0x40, 0);
        count_edges_of_line_0(f, SECOND / 100, &edges, &wakes);
        assert_in_range(wakes, 490, 500);
}

static void years_do_not_overflow(void **state)
{
        struct fixture *f = *state;

        set_gate(f, true);
        program(f, 2, 1000);
        uint64_t century = UINT64_C(100) * 366 * 86400;
        set_clock(f, century * SECOND);
        uint64_t ticks = century * HWACCL_PIT_HZ;
        assert_int_equal(latched(f, 2), 1000 - (ticks - 1) % 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(mode_0_rises_n_plus_1_ticks_after_the_count),
                FIXTURE_TEST(mode_0_keeps_its_count_while_the_gate_is_low),
                FIXTURE_TEST(mode_0_stops_at_the_first_of_two_bytes),
                FIXTURE_TEST(mode_1_is_triggered_by_the_gate_and_can_be_triggered_again),
                FIXTURE_TEST(mode_2_is_low_for_the_last_tick_of_each_period),
                FIXTURE_TEST(mode_2_takes_a_new_count_at_the_end_of_the_period),
                FIXTURE_TEST(mode_2_starts_afresh_when_the_gate_rises),
                FIXTURE_TEST(mode_3_is_a_square_wave),
                FIXTURE_TEST(mode_3_takes_a_new_count_at_the_end_of_the_half_period),
                FIXTURE_TEST(mode_4_strobes_for_one_tick),
                FIXTURE_TEST(mode_5_strobes_after_the_gates_trigger),
                FIXTURE_TEST(bcd_counts_in_decimal),
                FIXTURE_TEST(zero_is_the_greatest_count),
                FIXTURE_TEST(access_by_one_byte_leaves_the_other_0),
                FIXTURE_TEST(a_latch_holds_until_it_is_read_and_the_first_stays),
                FIXTURE_TEST(read_back_latches_status_before_the_count),
                FIXTURE_TEST(the_control_port_cannot_be_read),
                FIXTURE_TEST(mode_2_interrupts_at_its_frequency),
                FIXTURE_TEST(mode_3_interrupts_at_its_frequency),
                FIXTURE_TEST(mode_0_interrupts_once),
                FIXTURE_TEST(late_edges_of_line_0_become_one_request),
                FIXTURE_TEST(a_period_of_a_microsecond_leaves_the_guest_time),
                FIXTURE_TEST(years_do_not_overflow),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
