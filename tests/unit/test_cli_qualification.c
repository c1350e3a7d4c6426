/* Exit qualifications in words. */
#include "cli/qualification.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *describe(uint64_t reason, uint64_t qualification)
{
        static char text[96];
        struct hwaccl_subject_state state;
        memset(&state, 0, sizeof(state));
        state.exit_reason = reason;
        state.exit_qualification = qualification;
        state.guest_physical_address = 0xfee00030;
        state.interrupt_information = 0x80000000 | 0x20;
        cli_describe_qualification(&state, text, sizeof(text));
        return text;
}

static void io_names_direction_port_and_size(void **state)
{
        (void)state;
        assert_string_equal(describe(30, 0x04020000), "out 0x402, 1 byte");
        assert_string_equal(describe(30, 0x00600008 | 1), "in 0x60, 2 bytes");
        assert_string_equal(describe(30, 0x05100000 | 0x3b), "rep ins 0x510, 4 bytes");
}

static void control_register_accesses_name_both_operands(void **state)
{
        (void)state;
        assert_string_equal(describe(28, 0x0000), "cr0 := rax");
        assert_string_equal(describe(28, 0x0f14), "r15 := cr4");
        assert_string_equal(describe(28, 0x0020), "clts");
        assert_string_equal(describe(28, 0x00110030), "lmsw 0x11");
}

static void other_reasons_say_what_they_carry(void **state)
{
        (void)state;
        assert_string_equal(describe(29, 0x0017), "rax := dr7");
        assert_string_equal(describe(48, 2), "write 0xfee00030");
        assert_string_equal(describe(48, 4), "fetch 0xfee00030");
        assert_string_equal(describe(1, 0), "vector 0x20");
        assert_string_equal(describe(10, 0), "");
        assert_string_equal(describe(12345, 0x77), "0x77");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(io_names_direction_port_and_size),
                cmocka_unit_test(control_register_accesses_name_both_operands),
                cmocka_unit_test(other_reasons_say_what_they_carry),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
