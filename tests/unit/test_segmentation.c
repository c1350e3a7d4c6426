#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/exit/guest_access.h"
#include "core/exit/registers.h"

#include <string.h>

static struct hwaccl_machine_context context;
static struct hwaccl_exception exception;
static uint64_t linear;

/* Flat 32-bit protected mode. */
static int set_up(void **state)
{
        (void)state;
        memset(&context, 0, sizeof(context));
        context.cr0 = HWACCL_CR0_PE;
        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++)
                context.segment[i] = (struct hwaccl_segment){0x10, 0, UINT32_MAX, i == HWACCL_CS ? 0xc09b : 0xc093};
        return 0;
}

static bool translate(enum hwaccl_segment_register segment, uint64_t offset, unsigned size, unsigned access)
{
        memset(&exception, 0, sizeof(exception));
        return hwaccl_segment_translate(&context, segment, offset, size, access, &linear, &exception);
}

static void assert_refused(enum hwaccl_segment_register segment, uint64_t offset, unsigned size, unsigned access,
                           enum hwaccl_vector vector)
{
        assert_false(translate(segment, offset, size, access));
        assert_int_equal(exception.vector, vector);
        assert_int_equal(exception.error_code, 0);
        assert_int_equal(exception.has_error_code, (context.cr0 & HWACCL_CR0_PE) != 0);
}

static void base_is_added_and_wraps_at_32_bits(void **state)
{
        (void)state;
        context.segment[HWACCL_DS].base = 0xfffff000;
        assert_true(translate(HWACCL_DS, 0x2345, 4, HWACCL_ACCESS_WRITE));
        assert_int_equal(linear, 0x1345);
}

static void limits_hold_for_the_last_byte(void **state)
{
        (void)state;
        context.segment[HWACCL_DS].limit = 0xfff;
        assert_true(translate(HWACCL_DS, 0xffc, 4, HWACCL_ACCESS_READ));
        assert_refused(HWACCL_DS, 0xffd, 4, HWACCL_ACCESS_READ, HWACCL_VECTOR_GP);
        assert_refused(HWACCL_DS, 0xffffffff, 4, HWACCL_ACCESS_READ, HWACCL_VECTOR_GP);
        context.segment[HWACCL_SS].limit = 0xfff;
        assert_refused(HWACCL_SS, 0x1000, 1, HWACCL_ACCESS_READ, HWACCL_VECTOR_SS);
}

static void expand_down_segments_lie_above_their_limit(void **state)
{
        (void)state;
        context.segment[HWACCL_SS].access_rights = 0x97; /* B = 0: up to 64 KiB */
        context.segment[HWACCL_SS].limit = 0xfff;
        assert_true(translate(HWACCL_SS, 0x1000, 2, HWACCL_ACCESS_WRITE));
        assert_true(translate(HWACCL_SS, 0xfffe, 2, HWACCL_ACCESS_WRITE));
        assert_refused(HWACCL_SS, 0xfff, 2, HWACCL_ACCESS_WRITE, HWACCL_VECTOR_SS);
        assert_refused(HWACCL_SS, 0xffff, 2, HWACCL_ACCESS_WRITE, HWACCL_VECTOR_SS);
        context.segment[HWACCL_SS].access_rights |= SEGMENT_D;
        assert_true(translate(HWACCL_SS, 0xffff, 2, HWACCL_ACCESS_WRITE));
        assert_refused(HWACCL_SS, 0xffffffff, 2, HWACCL_ACCESS_WRITE, HWACCL_VECTOR_SS);
}

static void types_allow_or_refuse_the_access(void **state)
{
        (void)state;
        context.segment[HWACCL_DS].access_rights = 0xc091; /* read-only */
        assert_true(translate(HWACCL_DS, 0, 1, HWACCL_ACCESS_READ));
        assert_refused(HWACCL_DS, 0, 1, HWACCL_ACCESS_WRITE, HWACCL_VECTOR_GP);
        assert_refused(HWACCL_CS, 0, 1, HWACCL_ACCESS_WRITE, HWACCL_VECTOR_GP);
        assert_true(translate(HWACCL_CS, 0, 1, HWACCL_ACCESS_READ));
        assert_true(translate(HWACCL_CS, 0, 1, HWACCL_ACCESS_EXECUTE));
        context.segment[HWACCL_CS].access_rights = 0xc099; /* execute-only */
        assert_refused(HWACCL_CS, 0, 1, HWACCL_ACCESS_READ, HWACCL_VECTOR_GP);
        assert_refused(HWACCL_DS, 0, 1, HWACCL_ACCESS_EXECUTE, HWACCL_VECTOR_GP);
        context.segment[HWACCL_ES].access_rights = 0; /* null, as the context holds it */
        assert_refused(HWACCL_ES, 0, 1, HWACCL_ACCESS_READ, HWACCL_VECTOR_GP);
        context.segment[HWACCL_SS].access_rights |= HWACCL_SEGMENT_UNUSABLE;
        assert_refused(HWACCL_SS, 0, 1, HWACCL_ACCESS_READ, HWACCL_VECTOR_SS);
}

static void real_mode_has_limits_but_no_types_and_unreal_limits_hold(void **state)
{
        (void)state;
        context.cr0 = 0;
        context.segment[HWACCL_CS] = (struct hwaccl_segment){0xf000, 0xf0000, 0xffff, 0x9b};
        assert_true(translate(HWACCL_CS, 0x10, 2, HWACCL_ACCESS_WRITE));
        assert_int_equal(linear, 0xf0010);
        assert_refused(HWACCL_CS, 0xffff, 2, HWACCL_ACCESS_WRITE, HWACCL_VECTOR_GP);
        assert_true(translate(HWACCL_DS, 0xfee00000, 4, HWACCL_ACCESS_WRITE)); /* unreal mode */
        assert_int_equal(linear, 0xfee00000);
}

static void long_mode_ignores_bases_but_those_of_fs_and_gs_and_wants_canonical_addresses(void **state)
{
        (void)state;
        context.efer = HWACCL_EFER_LMA | HWACCL_EFER_LME;
        context.segment[HWACCL_CS].access_rights = 0xa09b;
        context.segment[HWACCL_DS] = (struct hwaccl_segment){0, 0x1000, 0, 0};
        context.segment[HWACCL_GS] = (struct hwaccl_segment){0, UINT64_C(0xffff800000000000), 0, 0};
        assert_true(translate(HWACCL_DS, UINT64_C(0x7fffffffffff), 1, HWACCL_ACCESS_WRITE));
        assert_int_equal(linear, UINT64_C(0x7fffffffffff));
        assert_refused(HWACCL_DS, UINT64_C(0x7fffffffffff), 2, HWACCL_ACCESS_WRITE, HWACCL_VECTOR_GP);
        assert_refused(HWACCL_SS, UINT64_C(0x800000000000), 8, HWACCL_ACCESS_WRITE, HWACCL_VECTOR_SS);
        assert_true(translate(HWACCL_GS, 0x10, 8, HWACCL_ACCESS_WRITE));
        assert_int_equal(linear, UINT64_C(0xffff800000000010));
        assert_refused(HWACCL_GS, UINT64_C(0xffffffffffffffff), 1, HWACCL_ACCESS_WRITE, HWACCL_VECTOR_GP);
}

static void privilege_level_and_code_size_follow_from_mode_and_segments(void **state)
{
        (void)state;
        assert_int_equal(hwaccl_context_code_bits(&context), 32);
        context.segment[HWACCL_SS].access_rights |= 3 << SEGMENT_DPL_SHIFT;
        assert_int_equal(hwaccl_context_cpl(&context), 3);
        context.segment[HWACCL_CS].access_rights = 0xa09b;
        assert_int_equal(hwaccl_context_code_bits(&context), 16); /* L counts in long mode only */
        context.efer = HWACCL_EFER_LMA;
        assert_int_equal(hwaccl_context_code_bits(&context), 64);
        context.efer = 0;
        context.cr0 = 0;
        assert_int_equal(hwaccl_context_cpl(&context), 0);
        context.segment[HWACCL_SS].access_rights = 0x93;
        context.cr0 = HWACCL_CR0_PE;
        context.rflags = RFLAGS_VM;
        assert_int_equal(hwaccl_context_cpl(&context), 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(base_is_added_and_wraps_at_32_bits, set_up),
                cmocka_unit_test_setup(limits_hold_for_the_last_byte, set_up),
                cmocka_unit_test_setup(expand_down_segments_lie_above_their_limit, set_up),
                cmocka_unit_test_setup(types_allow_or_refuse_the_access, set_up),
                cmocka_unit_test_setup(real_mode_has_limits_but_no_types_and_unreal_limits_hold, set_up),
                cmocka_unit_test_setup(long_mode_ignores_bases_but_those_of_fs_and_gs_and_wants_canonical_addresses,
                                       set_up),
                cmocka_unit_test_setup(privilege_level_and_code_size_follow_from_mode_and_segments, set_up),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
