#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fixtures/emulate_fixture.h"

static struct fixture fixture;

static int set_up(void **state)
{
        (void)state;
        fixture_create(&fixture);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        fixture_destroy(&fixture);
        return 0;
}

#define IO(port, size, flags) ((uint64_t)(port) << 16 | ((size)-1) | (flags))
#define IN                    8u
#define STRING                0x10u
#define REP                   0x20u
#define IMMEDIATE             0x40u

static void assert_access(unsigned index, bool write, uint64_t address, unsigned size, uint64_t value)
{
        assert_true(index < fixture.device.access_count);
        assert_int_equal(fixture.device.access[index].write, write);
        assert_int_equal(fixture.device.access[index].address, address);
        assert_int_equal(fixture.device.access[index].size, size);
        assert_int_equal(fixture.device.access[index].value, value);
}

static void out_writes_al_to_the_port_in_dx(void **state)
{
        (void)state;
        fixture.context->gpr[HWACCL_RAX] = 0x11223344;
        fixture.context->gpr[HWACCL_RDX] = 0xabc0402;
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0x402, 1, 0), 0xee), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture.device.access_count, 1);
        assert_access(0, true, 0x402, 1, 0x44);
        assert_int_equal(fixture.context->rip, FIXTURE_CODE + 1);
}

static void out_takes_its_size_from_mode_and_prefix(void **state)
{
        (void)state;
        fixture.context->gpr[HWACCL_RAX] = 0x11223344;
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0x80, 2, IMMEDIATE), 0xe7, 0x80), HWACCL_OUTCOME_COMPLETED);
        assert_access(0, true, 0x80, 2, 0x3344);
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0x80, 4, IMMEDIATE), 0x66, 0xe7, 0x80),
                         HWACCL_OUTCOME_COMPLETED);
        assert_access(0, true, 0x80, 4, 0x11223344);
        fixture_protected_mode(&fixture, 0);
        fixture.context->gpr[HWACCL_RAX] = 0x11223344;
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0x80, 4, IMMEDIATE), 0xe7, 0x80), HWACCL_OUTCOME_COMPLETED);
        assert_access(0, true, 0x80, 4, 0x11223344);
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0x80, 2, IMMEDIATE), 0x66, 0xe7, 0x80),
                         HWACCL_OUTCOME_COMPLETED);
        assert_access(0, true, 0x80, 2, 0x3344);
}

static void in_merges_narrow_values_and_clears_the_upper_half_for_wide_ones(void **state)
{
        (void)state;
        fixture_long_mode(&fixture, 0);
        fixture.context->gpr[HWACCL_RAX] = UINT64_C(0x1122334455667788);
        fixture.device.port_value = 0xdeadbeef;
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 1, IN), 0xec), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture.context->gpr[HWACCL_RAX], UINT64_C(0x11223344556677ef));
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 2, IN), 0x66, 0xed), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture.context->gpr[HWACCL_RAX], UINT64_C(0x112233445566bef0));
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 4, IN), 0xed), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture.context->gpr[HWACCL_RAX], UINT64_C(0xdeadbef1));
}

static void string_output_reads_memory_through_the_overridden_segment(void **state)
{
        (void)state;
        fixture_poke(&fixture, 0x23456, "\x5a", 1);
        fixture.context->segment[HWACCL_FS].base = 0x20000;
        fixture.context->gpr[HWACCL_RSI] = 0xff003456; /* SI only */
        fixture.context->gpr[HWACCL_RDX] = 0xe9;
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0xe9, 1, STRING), 0x64, 0x6e), HWACCL_OUTCOME_COMPLETED);
        assert_access(0, true, 0xe9, 1, 0x5a);
        assert_int_equal(fixture.context->gpr[HWACCL_RSI], 0xff003457);
}

static void repeated_string_input_fills_memory_downwards_with_the_direction_flag(void **state)
{
        (void)state;
        fixture.context->rflags |= RFLAGS_DF;
        fixture.context->gpr[HWACCL_RCX] = 3;
        fixture.context->gpr[HWACCL_RDI] = 0x2004;
        fixture.device.port_value = 0x1000;
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 2, IN | STRING | REP), 0xf3, 0x6d),
                         HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_peek(&fixture, 0x2000, 6), UINT64_C(0x100010011002));
        assert_int_equal(fixture.context->gpr[HWACCL_RDI], 0x1ffe);
        assert_int_equal(fixture.context->gpr[HWACCL_RCX], 0);
}

static void count_write(void *opaque, uint64_t address, uint64_t size)
{
        (void)address;
        (void)size;
        ++*(unsigned *)opaque;
}

static void repeated_string_input_writes_each_page_at_once(void **state)
{
        unsigned writes = 0;

        (void)state;
        fixture.host.memory_written = count_write;
        fixture.host.memory_written_opaque = &writes;
        fixture.context->gpr[HWACCL_RCX] = 200;
        fixture.context->gpr[HWACCL_RDI] = 0x2fc0;
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 1, IN | STRING | REP), 0xf3, 0x6c),
                         HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(writes, 2);
        for (unsigned i = 0; i < 200; i++)
                assert_int_equal(fixture_peek(&fixture, 0x2fc0 + i, 1), i);
        assert_int_equal(fixture.context->gpr[HWACCL_RDI], 0x2fc0 + 200);
        assert_int_equal(fixture.context->gpr[HWACCL_RCX], 0);
        assert_int_equal(fixture.device.access_count, 200);
}

static void repeated_string_input_wraps_with_its_address_size(void **state)
{
        (void)state;
        fixture.context->gpr[HWACCL_RCX] = 6;
        fixture.context->gpr[HWACCL_RDI] = 0xfffc;
        fixture.device.port_value = 0xa0;
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 2, IN | STRING | REP), 0xf3, 0x6d),
                         HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_peek(&fixture, 0xfffc, 4), 0x00a100a0);
        assert_int_equal(fixture_peek(&fixture, 0, 8), UINT64_C(0x00a500a400a300a2));
        assert_int_equal(fixture.context->gpr[HWACCL_RDI], 8);
}

static void repeated_string_input_faults_at_the_segment_limit_and_keeps_what_came_before(void **state)
{
        (void)state;
        fixture_protected_mode(&fixture, 0);
        fixture.context->segment[HWACCL_ES].limit = 0x200b;
        fixture.context->gpr[HWACCL_RCX] = 100;
        fixture.context->gpr[HWACCL_RDI] = 0x2000;
        /* there is no handler for #GP: the context stays at the fault */
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 4, IN | STRING | REP), 0xf3, 0x6d),
                         HWACCL_OUTCOME_TRIPLE_FAULT);
        assert_int_equal(fixture.context->gpr[HWACCL_RCX], 97);
        assert_int_equal(fixture.context->gpr[HWACCL_RDI], 0x200c);
        assert_int_equal(fixture.device.access_count, 3);
}

static void repeated_string_input_goes_on_from_memory_to_a_device(void **state)
{
        (void)state;
        fixture_long_mode(&fixture, 0);
        uint64_t entry = FIXTURE_MMIO | 0xe7;
        fixture_poke(&fixture, FIXTURE_PML4 + 0x2000 + 8, &entry, 8); /* from 2 MiB on */
        fixture.context->gpr[HWACCL_RCX] = 6;
        fixture.context->gpr[HWACCL_RDI] = 0x200000 - 12;
        fixture.device.port_value = 0x11;
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 4, IN | STRING | REP), 0xf3, 0x6d),
                         HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_peek(&fixture, 0x200000 - 4, 4), 0x13);
        assert_int_equal(fixture.device.bytes[0], 0x14);
        assert_int_equal(fixture.device.bytes[8], 0x16);
}

static void repeated_string_output_stops_at_its_share_with_rip_still_at_it(void **state)
{
        (void)state;
        fixture_protected_mode(&fixture, 0);
        fixture.context->gpr[HWACCL_RCX] = HWACCL_EMULATE_REPEAT_MAX + 44;
        fixture.context->gpr[HWACCL_RSI] = 0x3000;
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 4, STRING | REP), 0xf3, 0x6f), HWACCL_OUTCOME_REPEATING);
        assert_int_equal(fixture.context->rip, FIXTURE_CODE);
        assert_int_equal(fixture.context->gpr[HWACCL_RCX], 44);
        assert_int_equal(fixture.context->gpr[HWACCL_RSI], 0x3000 + 4 * HWACCL_EMULATE_REPEAT_MAX);
        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture.context->gpr[HWACCL_RCX], 0);
        assert_int_equal(fixture.device.access_count, HWACCL_EMULATE_REPEAT_MAX + 44);
        assert_int_equal(fixture.context->rip, FIXTURE_CODE + 2);
}

static void repeat_with_a_count_of_zero_does_nothing(void **state)
{
        (void)state;
        fixture.context->gpr[HWACCL_RCX] = 0x10000; /* CX is 0 */
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 1, IN | STRING | REP), 0xf3, 0x6c),
                         HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture.device.access_count, 0);
        assert_int_equal(fixture.context->gpr[HWACCL_RCX], 0x10000);
}

static void bytes_that_are_not_what_exited_are_refused(void **state)
{
        (void)state;
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 1, IN), 0xee), HWACCL_OUTCOME_FAILED);
        assert_non_null(strstr(fixture.error.message, "the bytes in memory are not the instruction that exited"));
        assert_non_null(strstr(fixture.error.message, "bytes ee: out dx, al"));
        assert_non_null(strstr(fixture.error.message, "0000:00001000"));
        assert_int_equal(fixture_emulate(&fixture, 30, IO(1, 1, 0), 0xee), HWACCL_OUTCOME_FAILED);
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 2, 0), 0xee), HWACCL_OUTCOME_FAILED);
        assert_int_equal(fixture_emulate(&fixture, 30, IO(0, 1, STRING), 0xee), HWACCL_OUTCOME_FAILED);
        assert_int_equal(fixture_emulate(&fixture, 12, 0, 0xee), HWACCL_OUTCOME_FAILED);
        assert_int_equal(fixture.device.access_count, 0);
        assert_int_equal(fixture.context->rip, FIXTURE_CODE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(out_writes_al_to_the_port_in_dx, set_up, tear_down),
                cmocka_unit_test_setup_teardown(out_takes_its_size_from_mode_and_prefix, set_up, tear_down),
                cmocka_unit_test_setup_teardown(in_merges_narrow_values_and_clears_the_upper_half_for_wide_ones, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(string_output_reads_memory_through_the_overridden_segment, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(repeated_string_input_fills_memory_downwards_with_the_direction_flag,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(repeated_string_input_writes_each_page_at_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(repeated_string_input_wraps_with_its_address_size, set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                        repeated_string_input_faults_at_the_segment_limit_and_keeps_what_came_before, set_up,
                        tear_down),
                cmocka_unit_test_setup_teardown(repeated_string_input_goes_on_from_memory_to_a_device, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(repeated_string_output_stops_at_its_share_with_rip_still_at_it, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(repeat_with_a_count_of_zero_does_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(bytes_that_are_not_what_exited_are_refused, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
