/* The two 8259s: priorities, masks, EOI kinds, rotation, cascade, special modes, poll, spurious requests. */
#include "tests/fixtures/machine_fixture.h"

static bool would_interrupt(const struct fixture *f, unsigned line)
{
        const struct hwaccl_interrupt_controller *controller = &f->machine->pic.controller;

        return controller->would_interrupt(controller, line, true);
}

static void nothing_interrupts_before_initialization(void **state)
{
        struct fixture *f = *state;

        raise_line(f, 3);
        assert_false(intr(f));
        assert_false(would_interrupt(f, 3));
}

static void lower_inputs_have_higher_priority(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        raise_line(f, 5);
        raise_line(f, 3);
        assert_true(intr(f));
        assert_int_equal(inta(f), 0x23);
        assert_false(intr(f)); /* 5 waits behind 3 in service */
        raise_line(f, 1);
        assert_int_equal(inta(f), 0x21);
        out8(f, 0x20, 0x20);
        assert_false(intr(f));
        out8(f, 0x20, 0x20);
        assert_int_equal(inta(f), 0x25);
}

static void a_masked_request_waits_in_the_irr(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        out8(f, 0x21, 0x10);
        assert_int_equal(in8(f, 0x21), 0x10);
        raise_line(f, 4);
        assert_false(intr(f));
        assert_false(would_interrupt(f, 4));
        out8(f, 0x20, 0x0a);
        assert_int_equal(in8(f, 0x20), 0x10);
        out8(f, 0x21, 0x00);
        assert_int_equal(inta(f), 0x24);
        out8(f, 0x20, 0x0b);
        assert_int_equal(in8(f, 0x20), 0x10); /* now in service */
}

static void slave_requests_come_through_input_2(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        raise_line(f, 14);
        raise_line(f, 4);
        assert_int_equal(inta(f), 0x2e);
        assert_false(intr(f));
        raise_line(f, 8); /* higher than 14 in the slave, but input 2 of the master is in service */
        assert_false(intr(f));
        out8(f, 0xa0, 0x20);
        out8(f, 0x20, 0x20);
        assert_int_equal(inta(f), 0x28);
        out8(f, 0x21, 0x04);
        out8(f, 0xa0, 0x20);
        out8(f, 0x20, 0x20);
        assert_false(would_interrupt(f, 15));
        assert_int_equal(inta(f), 0x24);
}

static void special_fully_nested_mode_lets_the_slave_interrupt_itself(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        out8(f, 0x20, 0x11);
        out8(f, 0x21, 0x20);
        out8(f, 0x21, 0x04);
        out8(f, 0x21, 0x11);
        raise_line(f, 14);
        assert_int_equal(inta(f), 0x2e);
        raise_line(f, 8);
        assert_int_equal(inta(f), 0x28);
        raise_line(f, 3);
        assert_false(intr(f));
}

static void a_request_that_falls_before_inta_is_spurious(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        raise_line(f, 3);
        lower_line(f, 3);
        assert_false(intr(f));
        assert_int_equal(inta(f), 0x27);
        out8(f, 0x20, 0x0b);
        assert_int_equal(in8(f, 0x20), 0); /* no in-service bit: no EOI is due */
}

static void the_slave_answers_a_lost_request_with_15(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        raise_line(f, 10);
        f->machine->pic.slave.irr = 0; /* it fell between the master's choice and the slave's */
        assert_int_equal(inta(f), 0x2f);
        out8(f, 0x20, 0x0b);
        assert_int_equal(in8(f, 0x20), 0x04); /* the master's EOI is due */
        out8(f, 0xa0, 0x0b);
        assert_int_equal(in8(f, 0xa0), 0);
}

static void an_edge_counts_once(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        raise_line(f, 3);
        assert_int_equal(inta(f), 0x23);
        out8(f, 0x20, 0x20);
        assert_false(intr(f)); /* still high */
        lower_line(f, 3);
        raise_line(f, 3);
        assert_true(intr(f));
}

static void a_level_asks_until_it_falls(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        out8(f, 0x4d0, 0xff);
        assert_int_equal(in8(f, 0x4d0), 0xf8); /* 0-2 stay edge-triggered */
        out16(f, 0x4d0, 0xffff);
        assert_int_equal(in16(f, 0x4d0), 0xdef8); /* 8 and 13 too */
        raise_line(f, 10);
        assert_int_equal(inta(f), 0x2a);
        out8(f, 0xa0, 0x20);
        out8(f, 0x20, 0x20);
        assert_true(intr(f));
        lower_line(f, 10);
        assert_false(intr(f));
}

static void icw1_can_make_all_inputs_level_triggered(void **state)
{
        struct fixture *f = *state;

        raise_line(f, 1);
        out8(f, 0x20, 0x1b); /* level, single, ICW4 */
        out8(f, 0x21, 0x40);
        out8(f, 0x21, 0x01);
        assert_int_equal(inta(f), 0x41);
}

static void icw1_forgets_edges_masks_and_services(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        out8(f, 0x21, 0xaa);
        raise_line(f, 0);
        assert_int_equal(inta(f), 0x20);
        raise_line(f, 6);
        out8(f, 0x20, 0x0b);
        init_pics(f, 0x30, 0x38);
        assert_int_equal(in8(f, 0x21), 0);
        assert_int_equal(in8(f, 0x20), 0); /* the IRR again, and empty: a new edge is needed */
        assert_false(intr(f));
        lower_line(f, 6);
        raise_line(f, 6);
        assert_int_equal(inta(f), 0x36);
}

static void without_icw4_there_is_none(void **state)
{
        struct fixture *f = *state;

        out8(f, 0x20, 0x12); /* single, no ICW4 */
        out8(f, 0x21, 0x57); /* low bits of ICW2 are not the vector's */
        out8(f, 0x21, 0xfe); /* already the mask */
        assert_int_equal(in8(f, 0x21), 0xfe);
        raise_line(f, 0);
        assert_int_equal(inta(f), 0x50);
}

static void specific_eoi_ends_the_named_service(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        raise_line(f, 5);
        inta(f);
        raise_line(f, 3);
        inta(f);
        out8(f, 0x20, 0x65);
        out8(f, 0x20, 0x0b);
        assert_int_equal(in8(f, 0x20), 0x08);
}

static void automatic_eoi_leaves_nothing_in_service(void **state)
{
        struct fixture *f = *state;

        out8(f, 0x20, 0x13);
        out8(f, 0x21, 0x20);
        out8(f, 0x21, 0x03);
        raise_line(f, 3);
        inta(f);
        out8(f, 0x20, 0x0b);
        assert_int_equal(in8(f, 0x20), 0);
        raise_line(f, 5);
        assert_int_equal(inta(f), 0x25);
}

static void rotation_makes_the_served_input_the_lowest(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        raise_line(f, 3);
        inta(f);
        out8(f, 0x20, 0xa0); /* rotate on non-specific EOI */
        raise_line(f, 1);
        raise_line(f, 4);
        assert_int_equal(inta(f), 0x24); /* 4 is now the highest */
        out8(f, 0x20, 0xe6);             /* specific EOI of 6 (not in service) with rotation */
        out8(f, 0x20, 0x0b);
        assert_int_equal(in8(f, 0x20), 0x10);
        raise_line(f, 7);
        assert_int_equal(inta(f), 0x27);
}

static void set_priority_and_rotation_on_automatic_eoi(void **state)
{
        struct fixture *f = *state;

        out8(f, 0x20, 0x13);
        out8(f, 0x21, 0x20);
        out8(f, 0x21, 0x03);
        out8(f, 0x20, 0xc2); /* 2 is the lowest */
        out8(f, 0x20, 0x80); /* rotate on automatic EOI */
        raise_line(f, 1);
        raise_line(f, 3);
        assert_int_equal(inta(f), 0x23);
        assert_int_equal(inta(f), 0x21);
        lower_line(f, 1);
        raise_line(f, 1);
        raise_line(f, 5);
        assert_int_equal(inta(f), 0x25); /* 1 was served last */
        out8(f, 0x20, 0x00);             /* no more rotation */
        lower_line(f, 5);
        raise_line(f, 5);
        raise_line(f, 6);
        assert_int_equal(inta(f), 0x26);
        lower_line(f, 6);
        raise_line(f, 6);
        assert_int_equal(inta(f), 0x26); /* would be behind 1 had it rotated */
}

static void special_mask_mode_lets_lower_inputs_through(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        raise_line(f, 3);
        inta(f);
        raise_line(f, 6);
        out8(f, 0x21, 0x08);
        assert_false(intr(f));
        out8(f, 0x20, 0x68);
        assert_int_equal(inta(f), 0x26);
        out8(f, 0x20, 0x20); /* a non-specific EOI passes over the masked service */
        out8(f, 0x20, 0x0b);
        assert_int_equal(in8(f, 0x20), 0x08);
        out8(f, 0x20, 0x48);
        lower_line(f, 6);
        raise_line(f, 6);
        assert_false(intr(f));
}

static void a_poll_takes_the_request(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        out8(f, 0x20, 0x0c);
        assert_int_equal(in8(f, 0x20), 0x00);
        raise_line(f, 12);
        out8(f, 0x20, 0x0c);
        assert_int_equal(in8(f, 0x20), 0x82);
        out8(f, 0xa0, 0x0c);
        assert_int_equal(in8(f, 0xa0), 0x84);
        assert_false(intr(f));
        out8(f, 0xa0, 0x0b);
        assert_int_equal(in8(f, 0xa0), 0x10);
}

static void only_changes_of_a_line_are_effects(void **state)
{
        struct fixture *f = *state;

        raise_line(f, 9);
        raise_line(f, 9);
        lower_line(f, 9);
        lower_line(f, 9);
        assert_string_equal(f->log, "line9=1 line9=0 ");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(nothing_interrupts_before_initialization),
                FIXTURE_TEST(lower_inputs_have_higher_priority),
                FIXTURE_TEST(a_masked_request_waits_in_the_irr),
                FIXTURE_TEST(slave_requests_come_through_input_2),
                FIXTURE_TEST(special_fully_nested_mode_lets_the_slave_interrupt_itself),
                FIXTURE_TEST(a_request_that_falls_before_inta_is_spurious),
                FIXTURE_TEST(the_slave_answers_a_lost_request_with_15),
                FIXTURE_TEST(an_edge_counts_once),
                FIXTURE_TEST(a_level_asks_until_it_falls),
                FIXTURE_TEST(icw1_can_make_all_inputs_level_triggered),
                FIXTURE_TEST(icw1_forgets_edges_masks_and_services),
                FIXTURE_TEST(without_icw4_there_is_none),
                FIXTURE_TEST(specific_eoi_ends_the_named_service),
                FIXTURE_TEST(automatic_eoi_leaves_nothing_in_service),
                FIXTURE_TEST(rotation_makes_the_served_input_the_lowest),
                FIXTURE_TEST(set_priority_and_rotation_on_automatic_eoi),
                FIXTURE_TEST(special_mask_mode_lets_lower_inputs_through),
                FIXTURE_TEST(a_poll_takes_the_request),
                FIXTURE_TEST(only_changes_of_a_line_are_effects),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
