#include "core/irq/irq_handoff.h"
#include "tests/fixtures/context_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define RFLAGS_IF 0x200u

struct fake_source {
        struct hwaccl_interrupt_source source;
        unsigned waiting;
        uint8_t vector;
        unsigned acknowledged;
};

static bool fake_pending(struct hwaccl_interrupt_source *source)
{
        return ((struct fake_source *)source)->waiting != 0;
}

static uint8_t fake_acknowledge(struct hwaccl_interrupt_source *source)
{
        struct fake_source *fake = (struct fake_source *)source;
        assert_true(fake->waiting);
        fake->waiting--;
        fake->acknowledged++;
        return fake->vector++;
}

static struct fake_source pic;
static struct hwaccl_trap_manager traps;
static struct hwaccl_subject_state subject;
static struct hwaccl_pending_interrupts page;
static struct hwaccl_irq_offer offer;
static struct hwaccl_error error;

static int fill(void **state)
{
        (void)state;
        pic = (struct fake_source){{fake_pending, fake_acknowledge, 0}, 1, 0x20, 0};
        hwaccl_trap_manager_init(&traps, &pic.source);
        memset(&subject, 0, sizeof(subject));
        memset(&page, 0, sizeof(page));
        subject.rflags = RFLAGS_IF | 2;
        offer = (struct hwaccl_irq_offer){true, 99};
        return 0;
}

static bool offered(void)
{
        assert_true(hwaccl_irq_offer(&traps, &subject, &page, &offer, &error));
        return offer.made;
}

static int highest(void)
{
        return hwaccl_pending_interrupts_highest(&page);
}

static void an_interrupt_at_the_controller_is_acknowledged_and_offered(void **state)
{
        (void)state;
        assert_true(offered());
        assert_int_equal(offer.vector, 0x20);
        assert_int_equal(pic.acknowledged, 1);
        assert_int_equal(highest(), 0x20);
        assert_false(traps.active);
}

static void the_trap_managers_own_trap_goes_first_and_is_reset(void **state)
{
        (void)state;
        hwaccl_trap_manager_restore(&traps, 0x77);
        assert_true(offered());
        assert_int_equal(offer.vector, 0x77);
        assert_int_equal(pic.acknowledged, 0);
        assert_false(traps.active);
        assert_int_equal(highest(), 0x77);
}

static void nothing_pending_is_no_offer(void **state)
{
        (void)state;
        pic.waiting = 0;
        assert_false(offered());
        assert_int_equal(highest(), -1);
        hwaccl_trap_manager_init(&traps, NULL);
        assert_false(offered());
}

static void a_clear_interrupt_flag_is_no_offer(void **state)
{
        (void)state;
        subject.rflags = 0xffffffff & ~RFLAGS_IF;
        assert_false(offered());
        assert_int_equal(pic.acknowledged, 0);
        assert_int_equal(highest(), -1);
}

static void any_interruptibility_state_but_blocking_by_nmi_is_no_offer(void **state)
{
        (void)state;
        for (unsigned bit = 0; bit < 64; bit++) {
                subject.interruptibility = UINT64_C(1) << bit;
                if (subject.interruptibility != HWACCL_INTERRUPTIBILITY_NMI)
                        assert_false(offered());
        }
        assert_int_equal(pic.acknowledged, 0);
        subject.interruptibility = HWACCL_INTERRUPTIBILITY_NMI;
        assert_true(offered());
}

static void an_nmi_is_offered_before_an_interrupt_and_with_interrupts_off(void **state)
{
        (void)state;
        pic.source.nmi = 1;
        assert_true(offered());
        assert_int_equal(offer.vector, HWACCL_VECTOR_NMI);
        assert_int_equal(highest(), HWACCL_VECTOR_NMI);
        assert_int_equal(pic.source.nmi, 0);
        assert_false(hwaccl_irq_reclaim(&traps, &page, &offer)); /* not taken */
        assert_int_equal(pic.source.nmi, 1);
        assert_false(traps.active);
        subject.rflags = 2;
        assert_true(offered());
        assert_int_equal(offer.vector, HWACCL_VECTOR_NMI);
        hwaccl_pending_interrupts_clear(&page, HWACCL_VECTOR_NMI);
        assert_true(hwaccl_irq_reclaim(&traps, &page, &offer));
        assert_false(offered());
}

static void a_blocked_nmi_lets_interrupts_through(void **state)
{
        (void)state;
        pic.source.nmi = 1;
        subject.interruptibility = HWACCL_INTERRUPTIBILITY_NMI;
        assert_true(offered());
        assert_int_equal(offer.vector, 0x20);
        hwaccl_pending_interrupts_clear(&page, 0x20);
        assert_true(hwaccl_irq_reclaim(&traps, &page, &offer));
        assert_true(offered()); /* for the accelerator to hold until IRET */
        assert_int_equal(offer.vector, HWACCL_VECTOR_NMI);
}

static void the_nmis_vector_is_never_offered(void **state)
{
        (void)state;
        pic.vector = HWACCL_VECTOR_NMI;
        assert_false(hwaccl_irq_offer(&traps, &subject, &page, &offer, &error));
        assert_false(offer.made);
        assert_int_equal(highest(), -1);
        assert_non_null(strstr(error.message, "vector 2"));
}

static void a_vector_that_the_subject_took_is_gone(void **state)
{
        (void)state;
        assert_true(offered());
        hwaccl_pending_interrupts_clear(&page, offer.vector);
        assert_true(hwaccl_irq_reclaim(&traps, &page, &offer));
        assert_false(traps.active);
        assert_false(hwaccl_trap_manager_pending(&traps));
}

static void a_vector_that_the_subject_left_comes_back_and_is_offered_again(void **state)
{
        (void)state;
        assert_true(offered());
        assert_false(hwaccl_irq_reclaim(&traps, &page, &offer));
        assert_int_equal(highest(), -1);
        assert_true(traps.active);
        assert_int_equal(traps.vector, 0x20);
        assert_true(hwaccl_trap_manager_pending(&traps));
        assert_true(offered());
        assert_int_equal(offer.vector, 0x20);
        assert_int_equal(pic.acknowledged, 1);
}

static void two_interrupts_are_offered_one_after_the_other(void **state)
{
        (void)state;
        pic.waiting = 2;
        assert_true(offered());
        assert_int_equal(offer.vector, 0x20);
        hwaccl_pending_interrupts_clear(&page, 0x20);
        assert_true(hwaccl_irq_reclaim(&traps, &page, &offer));
        assert_true(offered());
        assert_int_equal(offer.vector, 0x21);
}

static void reclaim_leaves_other_bits_of_the_page_alone(void **state)
{
        (void)state;
        hwaccl_pending_interrupts_set(&page, 0x80);
        assert_true(offered());
        assert_false(hwaccl_irq_reclaim(&traps, &page, &offer));
        assert_int_equal(highest(), 0x80);
}

static void every_vector_but_the_nmis_makes_the_round(void **state)
{
        (void)state;
        for (unsigned vector = 0; vector < 256; vector++) {
                if (vector == HWACCL_VECTOR_NMI)
                        continue;
                pic.waiting = 1;
                pic.vector = (uint8_t)vector;
                hwaccl_trap_manager_init(&traps, &pic.source);
                assert_true(offered());
                assert_int_equal(highest(), vector);
                assert_false(hwaccl_irq_reclaim(&traps, &page, &offer));
                assert_int_equal(traps.vector, vector);
        }
}

static void a_window_is_wanted_only_while_a_pending_interrupt_cannot_be_offered(void **state)
{
        (void)state;
        struct hwaccl_machine_context context;
        fixture_context(&context);
        hwaccl_trap_manager_init(&traps, &pic.source);

        context.rflags = RFLAGS_IF | 2;
        assert_false(hwaccl_irq_handoff_blocked(&traps, &context, &subject));
        context.rflags = 2;
        assert_true(hwaccl_irq_handoff_blocked(&traps, &context, &subject));
        pic.waiting = 0;
        assert_false(hwaccl_irq_handoff_blocked(&traps, &context, &subject));
        pic.waiting = 1;

        context.rflags = RFLAGS_IF | 2;
        subject.interruptibility = HWACCL_INTERRUPTIBILITY_STI;
        assert_false(hwaccl_irq_handoff_blocked(&traps, &context, &subject)); /* transfer in will clear it */
        context.interrupts_inhibited = true;
        context.inhibited_rip = context.rip;
        assert_true(hwaccl_irq_handoff_blocked(&traps, &context, &subject));
        context.rip++;
        assert_false(hwaccl_irq_handoff_blocked(&traps, &context, &subject));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fill)
        const struct CMUnitTest tests[] = {
                TEST(an_interrupt_at_the_controller_is_acknowledged_and_offered),
                TEST(the_trap_managers_own_trap_goes_first_and_is_reset),
                TEST(nothing_pending_is_no_offer),
                TEST(a_clear_interrupt_flag_is_no_offer),
                TEST(any_interruptibility_state_but_blocking_by_nmi_is_no_offer),
                TEST(an_nmi_is_offered_before_an_interrupt_and_with_interrupts_off),
                TEST(a_blocked_nmi_lets_interrupts_through),
                TEST(the_nmis_vector_is_never_offered),
                TEST(a_vector_that_the_subject_took_is_gone),
                TEST(a_vector_that_the_subject_left_comes_back_and_is_offered_again),
                TEST(two_interrupts_are_offered_one_after_the_other),
                TEST(reclaim_leaves_other_bits_of_the_page_alone),
                TEST(every_vector_but_the_nmis_makes_the_round),
                TEST(a_window_is_wanted_only_while_a_pending_interrupt_cannot_be_offered),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
