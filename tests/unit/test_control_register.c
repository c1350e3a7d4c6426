#include "core/exit/control_register.h"
#include "core/subject/transfer.h"
#include "hwaccl/subject_fields.h"
#include "tests/fixtures/context_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum mode { REAL, PROTECTED_16, PROTECTED_32, PAE_32, COMPATIBILITY, LONG, MODE_COUNT };

enum { MOV_TO, MOV_FROM, CLTS, LMSW };

static struct hwaccl_machine_context context;
static struct hwaccl_subject_state subject;

static const enum hwaccl_field_index registers[16] = {
        HWACCL_FIELD_INDEX_rax, HWACCL_FIELD_INDEX_rcx, HWACCL_FIELD_INDEX_rdx, HWACCL_FIELD_INDEX_rbx,
        HWACCL_FIELD_INDEX_rsp, HWACCL_FIELD_INDEX_rbp, HWACCL_FIELD_INDEX_rsi, HWACCL_FIELD_INDEX_rdi,
        HWACCL_FIELD_INDEX_r8,  HWACCL_FIELD_INDEX_r9,  HWACCL_FIELD_INDEX_r10, HWACCL_FIELD_INDEX_r11,
        HWACCL_FIELD_INDEX_r12, HWACCL_FIELD_INDEX_r13, HWACCL_FIELD_INDEX_r14, HWACCL_FIELD_INDEX_r15,
};

static void enter_mode(enum mode mode)
{
        memset(&subject, 0, sizeof(subject));
        fixture_context(&context);
        for (unsigned i = 0; i < 16; i++)
                hwaccl_field_put(&subject, registers[i], UINT64_C(0x1111111100000000) + i);
        uint64_t cr0 = HWACCL_CR0_ET;
        uint64_t cr4 = 0;
        if (mode != REAL)
                cr0 |= HWACCL_CR0_PE;
        if (mode >= PAE_32) {
                cr0 |= HWACCL_CR0_PG;
                cr4 |= HWACCL_CR4_PAE;
        }
        if (mode >= COMPATIBILITY)
                subject.efer = HWACCL_EFER_LME | HWACCL_EFER_LMA;
        subject.cs.access_rights = mode == LONG ? 0xa09b : mode == REAL || mode == PROTECTED_16 ? 0x9b : 0xc09b;
        subject.ss.access_rights = 0x93;
        hwaccl_cr0_put(&subject, cr0);
        hwaccl_cr4_put(&subject, cr4);
        subject.cr2 = UINT64_C(0xcccccccc22222222);
        subject.cr3 = 0x3000;
        subject.rip = 0x7000;
        subject.rflags = 0x2;
        subject.instruction_length = 3;
        subject.exit_reason = 28;
}

static bool access_register(unsigned type, unsigned number, unsigned index)
{
        subject.exit_qualification = number | type << 4 | index << 8;
        return hwaccl_control_register_access(&subject, &context);
}

static bool mov_to(unsigned number, uint64_t value)
{
        subject.rbx = value;
        return access_register(MOV_TO, number, 3);
}

/* Must be refused, and nothing may have changed. */
static void refuses(bool done, const struct hwaccl_subject_state *before)
{
        struct hwaccl_subject_state now = subject;
        assert_false(done);
        now.exit_qualification = before->exit_qualification;
        now.rbx = before->rbx;
        assert_memory_equal(&now, before, sizeof(now));
        assert_int_equal(context.cr8, 5);
}

static bool is_long(enum mode mode)
{
        return mode == LONG;
}

static void mov_to_takes_the_value_from_each_of_sixteen_registers_in_each_mode(void **state)
{
        (void)state;
        for (unsigned mode = 0; mode < MODE_COUNT; mode++) {
                for (unsigned i = 0; i < 16; i++) {
                        enter_mode(mode);
                        hwaccl_field_put(&subject, registers[i], UINT64_C(0x1234567800000000) + i);
                        assert_true(access_register(MOV_TO, 2, i));
                        assert_int_equal(subject.cr2, is_long(mode) ? UINT64_C(0x1234567800000000) + i : i);
                        assert_int_equal(subject.rip, 0x7003);
                }
        }
}

static void mov_from_writes_each_of_sixteen_registers_in_each_mode(void **state)
{
        (void)state;
        for (unsigned mode = 0; mode < MODE_COUNT; mode++) {
                for (unsigned i = 0; i < 16; i++) {
                        enter_mode(mode);
                        assert_true(access_register(MOV_FROM, 2, i));
                        for (unsigned j = 0; j < 16; j++) {
                                uint64_t expected = UINT64_C(0x1111111100000000) + j;
                                if (i == j)
                                        expected = is_long(mode) ? UINT64_C(0xcccccccc22222222) : 0x22222222;
                                assert_int_equal(hwaccl_field_get(&subject, registers[j]), expected);
                        }
                        assert_int_equal(subject.rip, 0x7003);
                }
        }
}

static void mov_from_reads_what_the_guest_believes(void **state)
{
        (void)state;
        enter_mode(PROTECTED_32);
        subject.cr0_shadow = HWACCL_CR0_CD | HWACCL_CR0_WP; /* CD is the VMM's bit, WP the guest's */
        subject.cr0 = HWACCL_CR0_PE | HWACCL_CR0_NE | HWACCL_CR0_TS;
        assert_true(access_register(MOV_FROM, 0, 0));
        assert_int_equal(subject.rax, HWACCL_CR0_CD | HWACCL_CR0_PE | HWACCL_CR0_TS);
        subject.cr4_shadow = HWACCL_CR4_PSE;
        subject.cr4 = HWACCL_CR4_VMXE | HWACCL_CR4_PGE;
        assert_true(access_register(MOV_FROM, 4, 1));
        assert_int_equal(subject.rcx, HWACCL_CR4_PGE);
        assert_true(access_register(MOV_FROM, 3, 8));
        assert_int_equal(subject.r8, 0x3000);
        assert_int_equal(subject.rip, 0x7009);
}

static void only_cr0_2_3_4_and_8_exist(void **state)
{
        (void)state;
        for (unsigned number = 0; number < 16; number++) {
                bool exists = number == 0 || number == 2 || number == 3 || number == 4 || number == 8;
                enter_mode(LONG);
                assert_int_equal(access_register(MOV_FROM, number, 0), exists);
                if (exists)
                        continue;
                enter_mode(LONG);
                struct hwaccl_subject_state before = subject;
                refuses(access_register(MOV_TO, number, 3), &before);
        }
}

static void mov_to_cr0_splits_the_value_under_the_mask(void **state)
{
        (void)state;
        enter_mode(PROTECTED_32);
        assert_true(mov_to(0, HWACCL_CR0_PE | HWACCL_CR0_CD | HWACCL_CR0_NW | HWACCL_CR0_WP));
        uint64_t guest = HWACCL_CR0_PE | HWACCL_CR0_CD | HWACCL_CR0_NW | HWACCL_CR0_WP | HWACCL_CR0_ET;
        assert_int_equal(subject.cr0_shadow, guest);
        assert_int_equal(subject.cr0, HWACCL_CR0_PE | HWACCL_CR0_WP | HWACCL_CR0_ET | HWACCL_CR0_NE);
        assert_int_equal(hwaccl_cr0_guest(&subject), guest);
}

static void reserved_bits_of_cr0_stay_clear_and_et_stays_set(void **state)
{
        (void)state;
        enter_mode(PROTECTED_32);
        assert_true(mov_to(0, HWACCL_CR0_PE | 0x1ffaffc0));
        assert_int_equal(hwaccl_cr0_guest(&subject), HWACCL_CR0_PE | HWACCL_CR0_ET);
}

static void the_upper_half_of_cr0_counts_in_64_bit_code_only(void **state)
{
        (void)state;
        for (unsigned mode = 0; mode < MODE_COUNT; mode++) {
                enter_mode(mode);
                struct hwaccl_subject_state before = subject;
                uint64_t value = hwaccl_cr0_guest(&subject) | UINT64_C(1) << 32;
                if (is_long(mode))
                        refuses(mov_to(0, value), &before);
                else
                        assert_true(mov_to(0, value));
        }
}

static void combinations_of_cr0_that_the_processor_refuses_are_left_to_emulation(void **state)
{
        (void)state;
        enter_mode(PROTECTED_32);
        struct hwaccl_subject_state before = subject;
        refuses(mov_to(0, HWACCL_CR0_PG), &before);                 /* paging without protection */
        refuses(mov_to(0, HWACCL_CR0_PE | HWACCL_CR0_NW), &before); /* not write-through without cache disable */

        subject.efer = HWACCL_EFER_LME; /* long mode needs PAE */
        before = subject;
        refuses(mov_to(0, HWACCL_CR0_PE | HWACCL_CR0_PG), &before);
        hwaccl_cr4_put(&subject, HWACCL_CR4_PAE);
        subject.cs.access_rights |= HWACCL_ACCESS_RIGHTS_LONG; /* and a code segment that is not yet long */
        before = subject;
        refuses(mov_to(0, HWACCL_CR0_PE | HWACCL_CR0_PG), &before);

        enter_mode(LONG); /* paging cannot be left from 64-bit code */
        before = subject;
        refuses(mov_to(0, HWACCL_CR0_PE), &before);
        enter_mode(COMPATIBILITY); /* nor with process-context identifiers on */
        hwaccl_cr4_put(&subject, HWACCL_CR4_PAE | HWACCL_CR4_PCIDE);
        before = subject;
        refuses(mov_to(0, HWACCL_CR0_PE), &before);
}

static void paging_rules_apply_to_changes_of_paging_only(void **state)
{
        (void)state;
        enter_mode(PROTECTED_32); /* long mode enabled but paging off, and staying off: PAE is not needed yet */
        subject.efer = HWACCL_EFER_LME;
        assert_true(mov_to(0, HWACCL_CR0_PE | HWACCL_CR0_TS));
        enter_mode(PROTECTED_32); /* paging without long mode needs no PAE */
        assert_true(mov_to(0, HWACCL_CR0_PE | HWACCL_CR0_PG));
        enter_mode(PROTECTED_32); /* what holds for leaving paging does not hold where it is off */
        hwaccl_cr4_put(&subject, HWACCL_CR4_PAE | HWACCL_CR4_PCIDE);
        assert_true(mov_to(0, HWACCL_CR0_PE));
}

static void efer_lma_follows_paging_when_lme_is_set(void **state)
{
        (void)state;
        enter_mode(PROTECTED_32);
        subject.efer = HWACCL_EFER_LME;
        subject.tr.access_rights = 0x8b;
        hwaccl_cr4_put(&subject, HWACCL_CR4_PAE);
        assert_true(mov_to(0, HWACCL_CR0_PE | HWACCL_CR0_PG));
        assert_int_equal(subject.efer, HWACCL_EFER_LME | HWACCL_EFER_LMA);
        assert_true(mov_to(0, HWACCL_CR0_PE));
        assert_int_equal(subject.efer, HWACCL_EFER_LME);
        subject.tr.access_rights = 0x83; /* a 16-bit TSS */
        struct hwaccl_subject_state before = subject;
        refuses(mov_to(0, HWACCL_CR0_PE | HWACCL_CR0_PG), &before);
        subject.efer = 0;
        assert_true(mov_to(0, HWACCL_CR0_PE | HWACCL_CR0_PG));
        assert_int_equal(subject.efer, 0);
}

static void mov_to_cr3_refuses_address_bits_that_the_processor_lacks(void **state)
{
        (void)state;
        enter_mode(LONG);
        assert_true(mov_to(3, (UINT64_C(1) << HWACCL_PHYSICAL_ADDRESS_BITS) - 0x1000));
        assert_int_equal(subject.cr3, (UINT64_C(1) << HWACCL_PHYSICAL_ADDRESS_BITS) - 0x1000);
        for (unsigned bit = HWACCL_PHYSICAL_ADDRESS_BITS; bit < 64; bit++) {
                struct hwaccl_subject_state before = subject;
                refuses(mov_to(3, UINT64_C(1) << bit), &before);
        }
        enter_mode(PAE_32);
        assert_true(mov_to(3, UINT64_C(0x8000000000005000)));
        assert_int_equal(subject.cr3, 0x5000);
}

static void bit_63_of_cr3_is_never_stored(void **state)
{
        (void)state;
        enter_mode(LONG);
        hwaccl_cr4_put(&subject, HWACCL_CR4_PAE | HWACCL_CR4_PCIDE);
        assert_true(mov_to(3, UINT64_C(0x8000000000005001)));
        assert_int_equal(subject.cr3, 0x5001);
}

static void mov_to_cr4_splits_the_value_under_the_mask(void **state)
{
        (void)state;
        enter_mode(PROTECTED_32);
        assert_true(mov_to(4, HWACCL_CR4_PSE));
        assert_int_equal(subject.cr4_shadow, HWACCL_CR4_PSE);
        assert_int_equal(subject.cr4, HWACCL_CR4_PSE | HWACCL_CR4_VMXE);
        assert_int_equal(hwaccl_cr4_guest(&subject), HWACCL_CR4_PSE);
        struct hwaccl_subject_state before = subject;
        refuses(mov_to(4, HWACCL_CR4_PSE | HWACCL_CR4_VMXE), &before); /* the VMM's, and there is no VMX */
}

static void reserved_bits_of_cr4_are_left_to_emulation(void **state)
{
        (void)state;
        for (unsigned bit = 0; bit < 64; bit++) {
                enter_mode(LONG);
                struct hwaccl_subject_state before = subject;
                uint64_t value = HWACCL_CR4_PAE | UINT64_C(1) << bit;
                /* TSD, DE, PSE, PAE, MCE, PGE, PCE, OSFXSR, OSXMMEXCPT */
                if (bit < 16 && 0x7fc >> bit & 1)
                        assert_true(mov_to(4, value));
                else
                        refuses(mov_to(4, value), &before);
        }
}

static void pae_cannot_be_cleared_in_long_mode(void **state)
{
        (void)state;
        for (unsigned mode = COMPATIBILITY; mode <= LONG; mode++) {
                enter_mode(mode);
                struct hwaccl_subject_state before = subject;
                refuses(mov_to(4, 0), &before);
        }
        enter_mode(PAE_32);
        assert_true(mov_to(4, 0));
}

static void cr8_lives_in_the_machine_context(void **state)
{
        (void)state;
        enter_mode(LONG);
        assert_true(access_register(MOV_FROM, 8, 15));
        assert_int_equal(subject.r15, 5);
        assert_true(mov_to(8, 15));
        assert_int_equal(context.cr8, 15);
        assert_int_equal(subject.rip, 0x7006);
        assert_false(mov_to(8, 16));
        assert_false(mov_to(8, UINT64_C(1) << 63));
        assert_int_equal(context.cr8, 15);
}

static void cr8_does_not_exist_outside_64_bit_code(void **state)
{
        (void)state;
        for (unsigned mode = 0; mode < LONG; mode++) {
                enter_mode(mode);
                struct hwaccl_subject_state before = subject;
                refuses(mov_to(8, 1), &before);
                refuses(access_register(MOV_FROM, 8, 3), &before);
        }
}

static void clts_clears_ts_and_nothing_else(void **state)
{
        (void)state;
        for (unsigned mode = 0; mode < MODE_COUNT; mode++) {
                enter_mode(mode);
                uint64_t before = hwaccl_cr0_guest(&subject) | HWACCL_CR0_MP | HWACCL_CR0_CD;
                hwaccl_cr0_put(&subject, before | HWACCL_CR0_TS);
                assert_true(access_register(CLTS, 0, 9));
                assert_int_equal(hwaccl_cr0_guest(&subject), before);
                assert_int_equal(subject.cr0 & HWACCL_CR0_TS, 0);
                assert_int_equal(subject.rip, 0x7003);
        }
}

static void lmsw_writes_the_low_four_bits_and_cannot_clear_pe(void **state)
{
        (void)state;
        for (unsigned memory = 0; memory < 2; memory++) {
                for (uint64_t source = 0; source < 0x100; source++) {
                        enter_mode(REAL);
                        hwaccl_cr0_put(&subject, HWACCL_CR0_ET | HWACCL_CR0_MP | HWACCL_CR0_TS);
                        subject.exit_qualification = LMSW << 4 | memory << 6 | (0xff00 | source) << 16;
                        assert_true(hwaccl_control_register_access(&subject, &context));
                        assert_int_equal(hwaccl_cr0_guest(&subject), HWACCL_CR0_ET | (source & 0xf));
                }
        }
        enter_mode(PROTECTED_32);
        subject.exit_qualification = LMSW << 4;
        assert_true(hwaccl_control_register_access(&subject, &context));
        assert_int_equal(hwaccl_cr0_guest(&subject), HWACCL_CR0_ET | HWACCL_CR0_PE);
}

static void clts_and_lmsw_of_another_register_than_cr0_are_left_to_emulation(void **state)
{
        (void)state;
        for (unsigned number = 1; number < 16; number++) {
                enter_mode(LONG);
                struct hwaccl_subject_state before = subject;
                refuses(access_register(CLTS, number, 0), &before);
                refuses(access_register(LMSW, number, 0), &before);
        }
}

static void privileged_accesses_from_outside_ring_0_are_left_to_emulation(void **state)
{
        (void)state;
        for (uint32_t level = 1; level < 4; level++) {
                for (unsigned type = 0; type < 4; type++) {
                        enter_mode(PROTECTED_32);
                        subject.ss.access_rights |= level << 5;
                        struct hwaccl_subject_state before = subject;
                        refuses(access_register(type, 0, 3), &before);
                }
        }
}

static void a_length_that_no_instruction_has_is_left_to_emulation(void **state)
{
        (void)state;
        const uint64_t lengths[] = {0, 16, 255, UINT64_MAX};
        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
                enter_mode(LONG);
                subject.instruction_length = lengths[i];
                struct hwaccl_subject_state before = subject;
                refuses(access_register(MOV_FROM, 3, 3), &before);
        }
        for (uint64_t length = 1; length <= 15; length++) {
                enter_mode(LONG);
                subject.instruction_length = length;
                assert_true(access_register(MOV_FROM, 3, 3));
                assert_int_equal(subject.rip, 0x7000 + length);
        }
}

static void rip_wraps_at_4_gib_outside_64_bit_code(void **state)
{
        (void)state;
        enter_mode(PROTECTED_32);
        subject.rip = 0xfffffffe;
        assert_true(access_register(MOV_FROM, 3, 0));
        assert_int_equal(subject.rip, 1);
        enter_mode(LONG);
        subject.rip = 0xfffffffe;
        assert_true(access_register(MOV_FROM, 3, 0));
        assert_int_equal(subject.rip, 0x100000001);
}

static void the_completed_instruction_ends_blocking_and_the_resume_flag(void **state)
{
        (void)state;
        enter_mode(PROTECTED_32);
        subject.interruptibility = HWACCL_INTERRUPTIBILITY_STI;
        subject.rflags = 0x10202;
        assert_true(access_register(MOV_FROM, 3, 0));
        assert_int_equal(subject.interruptibility, 0);
        assert_int_equal(subject.rflags, 0x202);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(mov_to_takes_the_value_from_each_of_sixteen_registers_in_each_mode),
                cmocka_unit_test(mov_from_writes_each_of_sixteen_registers_in_each_mode),
                cmocka_unit_test(mov_from_reads_what_the_guest_believes),
                cmocka_unit_test(only_cr0_2_3_4_and_8_exist),
                cmocka_unit_test(mov_to_cr0_splits_the_value_under_the_mask),
                cmocka_unit_test(reserved_bits_of_cr0_stay_clear_and_et_stays_set),
                cmocka_unit_test(the_upper_half_of_cr0_counts_in_64_bit_code_only),
                cmocka_unit_test(combinations_of_cr0_that_the_processor_refuses_are_left_to_emulation),
                cmocka_unit_test(paging_rules_apply_to_changes_of_paging_only),
                cmocka_unit_test(efer_lma_follows_paging_when_lme_is_set),
                cmocka_unit_test(mov_to_cr3_refuses_address_bits_that_the_processor_lacks),
                cmocka_unit_test(bit_63_of_cr3_is_never_stored),
                cmocka_unit_test(mov_to_cr4_splits_the_value_under_the_mask),
                cmocka_unit_test(reserved_bits_of_cr4_are_left_to_emulation),
                cmocka_unit_test(pae_cannot_be_cleared_in_long_mode),
                cmocka_unit_test(cr8_lives_in_the_machine_context),
                cmocka_unit_test(cr8_does_not_exist_outside_64_bit_code),
                cmocka_unit_test(clts_clears_ts_and_nothing_else),
                cmocka_unit_test(lmsw_writes_the_low_four_bits_and_cannot_clear_pe),
                cmocka_unit_test(clts_and_lmsw_of_another_register_than_cr0_are_left_to_emulation),
                cmocka_unit_test(privileged_accesses_from_outside_ring_0_are_left_to_emulation),
                cmocka_unit_test(a_length_that_no_instruction_has_is_left_to_emulation),
                cmocka_unit_test(rip_wraps_at_4_gib_outside_64_bit_code),
                cmocka_unit_test(the_completed_instruction_ends_blocking_and_the_resume_flag),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
