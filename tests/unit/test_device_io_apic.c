/* The I/O APIC by its datasheet (82093AA): registers, edges, levels that stay up, masks, destinations, modes. */
#include "tests/fixtures/machine_fixture.h"

#define EOI     0xb0
#define TMR     0x180
#define LOW(n)  (0x10u + 2 * (n))
#define HIGH(n) (0x11u + 2 * (n))

#define LEVEL  0x8000u
#define MASKED 0x10000u
#define REMOTE 0x4000u

static void end_of_interrupt(struct fixture *f)
{
        apic_write(f, EOI, 0);
}

static void registers_are_reached_through_the_window(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(io_apic_read(f, 1), 0x170011);
        io_apic_write(f, 1, 0);
        assert_int_equal(io_apic_read(f, 1), 0x170011);
        io_apic_write(f, 0, 0xffffffff);
        assert_int_equal(io_apic_read(f, 0), 0x0f000000);
        assert_int_equal(io_apic_read(f, 2), 0x0f000000); /* arbitration: loaded with the ID */
        assert_int_equal(io_apic_read(f, LOW(23)), MASKED);
        io_apic_write(f, LOW(23), 0xffffffff);
        assert_int_equal(io_apic_read(f, LOW(23)), 0x1afff);
        io_apic_write(f, HIGH(23), 0xffffffff);
        assert_int_equal(io_apic_read(f, HIGH(23)), 0xff000000);
        assert_int_equal(io_apic_read(f, LOW(24)), 0);
        assert_int_equal(io_apic_read(f, 0x80), 0);
}

static void an_edge_interrupts_once(void **state)
{
        struct fixture *f = *state;

        io_apic_write(f, LOW(14), 0x75);
        raise_line(f, 14);
        assert_int_equal(inta(f), 0x75);
        assert_int_equal(io_apic_read(f, LOW(14)), 0x75);
        end_of_interrupt(f);
        assert_false(intr(f)); /* it stays up */
        lower_line(f, 14);
        raise_line(f, 14);
        assert_int_equal(inta(f), 0x75);
}

static void a_level_asks_again_while_it_stays_up(void **state)
{
        struct fixture *f = *state;

        io_apic_write(f, LOW(14), LEVEL | 0x75);
        raise_line(f, 14);
        assert_int_equal(io_apic_read(f, LOW(14)), REMOTE | LEVEL | 0x75);
        assert_int_equal(inta(f), 0x75);
        assert_int_equal(apic_read(f, TMR + 0x30), 1u << 21);
        assert_false(intr(f));
        end_of_interrupt(f);
        assert_true(intr(f));
        assert_int_equal(inta(f), 0x75);
        lower_line(f, 14);
        assert_int_equal(io_apic_read(f, LOW(14)), REMOTE | LEVEL | 0x75); /* until the EOI */
        end_of_interrupt(f);
        assert_int_equal(io_apic_read(f, LOW(14)), LEVEL | 0x75);
        assert_false(intr(f));
}

static void a_masked_edge_is_lost_and_a_masked_level_is_not(void **state)
{
        struct fixture *f = *state;

        io_apic_write(f, LOW(3), MASKED | 0x53);
        io_apic_write(f, LOW(5), MASKED | LEVEL | 0x55);
        raise_line(f, 3);
        raise_line(f, 5);
        assert_false(intr(f));
        io_apic_write(f, LOW(3), 0x53);
        assert_false(intr(f));
        io_apic_write(f, LOW(5), LEVEL | 0x55);
        assert_int_equal(inta(f), 0x55);
}

static void becoming_an_edge_forgets_the_remote_irr(void **state)
{
        struct fixture *f = *state;

        io_apic_write(f, LOW(14), LEVEL | 0x75);
        raise_line(f, 14);
        assert_int_equal(inta(f), 0x75);
        io_apic_write(f, LOW(14), MASKED | LEVEL | 0x75);
        assert_int_equal(io_apic_read(f, LOW(14)), MASKED | REMOTE | LEVEL | 0x75);
        io_apic_write(f, LOW(14), MASKED | 0x75);
        assert_int_equal(io_apic_read(f, LOW(14)), MASKED | 0x75);
        io_apic_write(f, LOW(14), LEVEL | 0x75);
        end_of_interrupt(f);
        assert_int_equal(inta(f), 0x75);
}

static void two_levels_share_a_vector(void **state)
{
        struct fixture *f = *state;

        io_apic_write(f, LOW(9), LEVEL | 0x75);
        io_apic_write(f, LOW(20), LEVEL | 0x75);
        raise_line(f, 9);
        raise_line(f, 20);
        assert_int_equal(inta(f), 0x75);
        lower_line(f, 9);
        end_of_interrupt(f);
        assert_int_equal(inta(f), 0x75);
        lower_line(f, 20);
        end_of_interrupt(f);
        assert_false(intr(f));
}

static void an_apic_that_was_off_gets_the_level_when_it_is_on(void **state)
{
        struct fixture *f = *state;

        apic_write(f, 0xf0, 0xff);
        io_apic_write(f, LOW(9), LEVEL | 0x75);
        io_apic_write(f, LOW(10), 0x76);
        raise_line(f, 9);
        raise_line(f, 10);
        assert_int_equal(io_apic_read(f, LOW(9)), LEVEL | 0x75);
        apic_write(f, 0xf0, 0x1ff);
        assert_int_equal(inta(f), 0x75);
        end_of_interrupt(f);
}

static void other_processors_and_modes_are_told_apart(void **state)
{
        struct fixture *f = *state;
        struct hwaccl_interrupt_source *source = &f->machine->board.controller->source;

        io_apic_write(f, HIGH(3), 0x01000000);
        io_apic_write(f, LOW(3), 0x53);
        raise_line(f, 3);
        assert_false(intr(f)); /* for processor 1 */
        io_apic_write(f, HIGH(4), 0xff000000);
        io_apic_write(f, LOW(4), 0x154); /* lowest priority, everybody */
        raise_line(f, 4);
        assert_int_equal(inta(f), 0x54);
        end_of_interrupt(f);
        io_apic_write(f, LOW(5), LEVEL | 0x400); /* NMI is an edge */
        raise_line(f, 5);
        assert_int_equal(source->nmi, 1);
        assert_int_equal(io_apic_read(f, LOW(5)), LEVEL | 0x400);
        apic_write(f, 0xd0, 0x02000000);
        io_apic_write(f, HIGH(6), 0x02000000);
        io_apic_write(f, LOW(6), 0x856); /* logical */
        raise_line(f, 6);
        assert_int_equal(inta(f), 0x56);
        end_of_interrupt(f);
        io_apic_write(f, LOW(7), 0x557); /* INIT */
        raise_line(f, 7);
        assert_true(hwaccl_machine_has_init(f->machine));
}

static void the_timer_is_pin_2_and_the_8259s_see_the_lines_too(void **state)
{
        struct fixture *f = *state;

        init_pics(f, 0x20, 0x28);
        io_apic_write(f, LOW(2), 0x52);
        raise_line(f, 0);
        assert_int_equal(inta(f), 0x52);
        end_of_interrupt(f);
        assert_int_equal(inta(f), 0x20); /* LINT0 is a virtual wire */
        out8(f, 0x20, 0x20);
        lower_line(f, 0);
        assert_non_null(strstr(f->log, "line0=1 line0=0 "));
}

static void only_an_open_pin_would_wake_the_processor(void **state)
{
        struct fixture *f = *state;
        const struct hwaccl_interrupt_controller *controller = f->machine->board.controller;

        apic_write(f, 0x350, MASKED | 0x700);
        assert_false(controller->would_interrupt(controller, 4, true));
        io_apic_write(f, LOW(4), 0x54);
        assert_true(controller->would_interrupt(controller, 4, true));
        assert_false(controller->would_interrupt(controller, 4, false));
        apic_write(f, 0x80, 0x50);
        assert_false(controller->would_interrupt(controller, 4, true));
        io_apic_write(f, LOW(4), 0x454); /* NMI */
        assert_true(controller->would_interrupt(controller, 4, false));
}

static void a_state_goes_from_one_machine_to_another(void **state)
{
        struct fixture *f = *state;
        struct hwaccl_device *device = &f->machine->io_apic.device;
        uint8_t packed[HWACCL_DEVICE_STATE_MAX];
        size_t size = hwaccl_device_state_size(device);
        struct hwaccl_error error;

        io_apic_write(f, LOW(9), LEVEL | 0x75);
        raise_line(f, 9);
        hwaccl_device_save(device, packed);
        io_apic_write(f, LOW(9), MASKED);
        assert_true(hwaccl_device_load(device, packed, size, &error));
        assert_int_equal(io_apic_read(f, LOW(9)), REMOTE | LEVEL | 0x75);
        packed[1] |= 0x10; /* delivery status is never kept */
        assert_false(hwaccl_device_load(device, packed, size, &error));
        packed[1] = 0x40; /* remote IRR of an edge */
        assert_false(hwaccl_device_load(device, packed, size, &error));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                APIC_TEST(registers_are_reached_through_the_window),
                APIC_TEST(an_edge_interrupts_once),
                APIC_TEST(a_level_asks_again_while_it_stays_up),
                APIC_TEST(a_masked_edge_is_lost_and_a_masked_level_is_not),
                APIC_TEST(becoming_an_edge_forgets_the_remote_irr),
                APIC_TEST(two_levels_share_a_vector),
                APIC_TEST(an_apic_that_was_off_gets_the_level_when_it_is_on),
                APIC_TEST(other_processors_and_modes_are_told_apart),
                APIC_TEST(the_timer_is_pin_2_and_the_8259s_see_the_lines_too),
                APIC_TEST(only_an_open_pin_would_wake_the_processor),
                APIC_TEST(a_state_goes_from_one_machine_to_another),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
