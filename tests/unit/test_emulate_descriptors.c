/* IRET with its frame on a device, and LAR, LSL, VERR and VERW of a selector there. */
#include "tests/fixtures/device_memory_fixture.h"

/* RF is loaded, and NMIs are let in again. */
static void an_interrupt_returns_from_a_frame_on_a_device(void **state)
{
        static const uint32_t frame[] = {0x2000, 8, 0x00010293};

        (void)state;
        memcpy(fixture.device.bytes, frame, sizeof(frame));
        context->gpr[HWACCL_RSP] = FIXTURE_MMIO;
        context->rflags = 0x40002; /* AC, which is not in the frame */
        assert_int_equal(EMULATE(0xcf), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->rip, 0x2000);
        assert_int_equal(context->rflags, 0x10293);
        assert_int_equal(context->gpr[HWACCL_RSP], FIXTURE_MMIO + 12);
        assert_int_equal(
                hwaccl_transfer_interruptibility(
                        context, &(struct hwaccl_subject_state){.interruptibility = HWACCL_INTERRUPTIBILITY_NMI}),
                0);
        fixture_real_mode(&fixture);
        set_device(UINT64_C(0x020230001234));
        context->gpr[HWACCL_RSP] = 0;
        context->segment[HWACCL_SS].base = FIXTURE_MMIO;
        assert_int_equal(EMULATE(0xcf), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->rip, 0x1234);
        assert_int_equal(context->segment[HWACCL_CS].base, 0x30000);
        assert_int_equal(context->rflags & 0xffff, 0x202);
        assert_int_equal(context->gpr[HWACCL_RSP], 6);
}

static void an_interrupt_in_64_bit_code_returns_with_its_stack(void **state)
{
        static const uint64_t frame[] = {0x2000, 8, 0x202, 0x123456789abc, 0x10};

        (void)state;
        fixture_long_mode(&fixture, 0);
        fixture_poke(&fixture, GDT + 8, &(uint64_t){UINT64_C(0x00af9b000000ffff)}, 8);
        context->gdtr = (struct hwaccl_segment){.base = GDT, .limit = 0xff};
        memcpy(fixture.device.bytes, frame, sizeof(frame));
        context->gpr[HWACCL_RSP] = FIXTURE_MMIO;
        assert_int_equal(EMULATE(0x48, 0xcf), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->rip, 0x2000);
        assert_int_equal(context->gpr[HWACCL_RSP], 0x123456789abc);
        assert_int_equal(context->segment[HWACCL_SS].selector, 0x10);
}

static void an_interrupt_does_not_return_to_another_level_or_mode(void **state)
{
        static const struct {
                uint32_t frame[3];
                uint64_t rflags;
        } cases[] = {
                {{0x2000, 0x0b, 0x202}, 2},     /* level 3 */
                {{0x2000, 0x3000, 0x20202}, 2}, /* VM */
        };

        (void)state;
        for (unsigned i = 0; i < 2; i++) {
                struct hwaccl_machine_context before;
                memcpy(fixture.device.bytes, cases[i].frame, sizeof(cases[i].frame));
                context->gpr[HWACCL_RSP] = FIXTURE_MMIO;
                context->rflags = cases[i].rflags;
                before = *context;
                before.rip = FIXTURE_CODE;
                assert_int_equal(EMULATE(0xcf), HWACCL_OUTCOME_FAILED);
                assert_non_null(strstr(fixture.error.message, "cannot emulate: instruction at 0008:00001000"));
                assert_memory_equal(context, &before, sizeof(before));
        }
}

/* ---- selectors --------------------------------------------------------------------------------------------------- */

static void a_selector_on_a_device_is_looked_up(void **state)
{
        static const struct {
                uint16_t selector;
                bool lar, lsl, verr, verw;
                uint32_t rights, limit;
        } cases[] = {
                {0, false, false, false, false, 0, 0},
                {0x08, true, true, true, false, 0x00c09b00, 0xffffffff},
                {0x10, true, true, true, true, 0x00c09300, 0xffffffff},
                {0x13, false, false, false, false, 0, 0},                /* RPL above DPL */
                {0x18, true, false, false, false, 0x00008c00, 0},        /* call gate */
                {0x20, true, true, false, false, 0x00008200, 0x1234},    /* LDT */
                {0x28, false, false, false, false, 0, 0},                /* interrupt gate */
                {0x30, true, true, false, false, 0x00409c00, 0x5},       /* conforming, not readable */
                {0x38, true, true, true, false, 0x00c07000, 0xffffffff}, /* not present, level 3 */
                {0x100, false, false, false, false, 0, 0},               /* outside the table */
        };

        (void)state;
        set_descriptor(GDT, 0x18, 0x00008c0000082000);
        set_descriptor(GDT, 0x20, 0x0000820000001234);
        set_descriptor(GDT, 0x28, 0x00008e0000082000);
        set_descriptor(GDT, 0x30, 0x00409c0000000005);
        set_descriptor(GDT, 0x38, 0x00cf70000000ffff);
        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                set_device(cases[i].selector);
                context->rflags = 0x2 | 0x8d5;
                context->gpr[HWACCL_RAX] = 7;
                assert_int_equal(EMULATE(0x0f, 0x02, 0x07), HWACCL_OUTCOME_COMPLETED); /* lar eax, [edi] */
                assert_int_equal(context->rflags, 0x897 | (cases[i].lar ? 0x40 : 0));
                assert_int_equal(context->gpr[HWACCL_RAX], cases[i].lar ? cases[i].rights : 7);
                context->gpr[HWACCL_RAX] = 7;
                assert_int_equal(EMULATE(0x0f, 0x03, 0x07), HWACCL_OUTCOME_COMPLETED); /* lsl eax, [edi] */
                assert_int_equal(context->rflags, 0x897 | (cases[i].lsl ? 0x40 : 0));
                assert_int_equal(context->gpr[HWACCL_RAX], cases[i].lsl ? cases[i].limit : 7);
                assert_int_equal(EMULATE(0x0f, 0x00, 0x27), HWACCL_OUTCOME_COMPLETED); /* verr [edi] */
                assert_int_equal(context->rflags, 0x897 | (cases[i].verr ? 0x40 : 0));
                assert_int_equal(EMULATE(0x0f, 0x00, 0x2f), HWACCL_OUTCOME_COMPLETED); /* verw [edi] */
                assert_int_equal(context->rflags, 0x897 | (cases[i].verw ? 0x40 : 0));
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(an_interrupt_returns_from_a_frame_on_a_device),
                TEST(an_interrupt_in_64_bit_code_returns_with_its_stack),
                TEST(an_interrupt_does_not_return_to_another_level_or_mode),
                TEST(a_selector_on_a_device_is_looked_up),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
