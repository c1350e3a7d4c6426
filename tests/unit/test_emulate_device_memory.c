/* Instructions on device memory beyond what test_emulate_native_* compare: which accesses they make, in which order,
 * and the exceptions that they raise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fixtures/emulate_fixture.h"

#define EPT   48
#define STACK UINT64_C(0x8000)
#define GDT   UINT64_C(0x5000)
#define IDT   UINT64_C(0x4000)

static struct fixture fixture;
static struct hwaccl_machine_context *context;

/* 32-bit protected mode; the handler of a vector is at 10000h plus its number. */
static int set_up(void **state)
{
        static const uint64_t descriptors[] = {
                0, 0x00cf9b000000ffff, 0x00cf93000000ffff, /* flat */
        };

        (void)state;
        fixture_create(&fixture);
        fixture_protected_mode(&fixture, 0);
        context = fixture.context;
        fixture_poke(&fixture, GDT, descriptors, sizeof(descriptors));
        for (uint64_t vector = 0; vector < 32; vector++) {
                uint64_t gate = vector | UINT64_C(8) << 16 | UINT64_C(0x18e00) << 32;
                fixture_poke(&fixture, IDT + vector * 8, &gate, 8);
        }
        context->gdtr = (struct hwaccl_segment){.base = GDT, .limit = 0xff};
        context->idtr = (struct hwaccl_segment){.base = IDT, .limit = 0xff};
        context->gpr[HWACCL_RSP] = STACK;
        context->gpr[HWACCL_RDI] = FIXTURE_MMIO;
        context->gpr[HWACCL_RBX] = FIXTURE_MMIO;
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        fixture_destroy(&fixture);
        return 0;
}

static void assert_access(unsigned index, bool write, uint64_t address, unsigned size, uint64_t value)
{
        assert_true(index < fixture.device.access_count);
        assert_int_equal(fixture.device.access[index].write, write);
        assert_int_equal(fixture.device.access[index].address, address);
        assert_int_equal(fixture.device.access[index].size, size);
        assert_int_equal(fixture.device.access[index].value, value);
}

static void set_device(uint64_t value)
{
        memcpy(fixture.device.bytes, &value, sizeof(value));
}

/* A fault of the instruction at FIXTURE_CODE, which has changed nothing. */
static void assert_fault(enum hwaccl_vector vector, bool error_code)
{
        assert_int_equal(context->rip, 0x10000 + vector);
        assert_int_equal(context->gpr[HWACCL_RSP], STACK - (error_code ? 16 : 12));
        assert_int_equal(fixture_peek(&fixture, STACK - 12, 4), FIXTURE_CODE);
}

#define EMULATE(...) fixture_emulate(&fixture, EPT, 0, __VA_ARGS__)

/* ---- shifts, bits, conditions ------------------------------------------------------------------------------------ */

static void a_shift_reads_and_writes_the_device_once_whatever_the_count(void **state)
{
        (void)state;
        for (uint64_t count = 0; count < 3; count++) {
                set_device(3);
                context->gpr[HWACCL_RCX] = count;
                assert_int_equal(EMULATE(0xd3, 0x27), HWACCL_OUTCOME_COMPLETED); /* shl dword [edi], cl */
                assert_int_equal(fixture.device.access_count, 2);
                assert_access(0, false, FIXTURE_MMIO, 4, 3);
                assert_access(1, true, FIXTURE_MMIO, 4, UINT64_C(3) << count);
                assert_int_equal(EMULATE(0x0f, 0xa5, 0x07), HWACCL_OUTCOME_COMPLETED); /* shld [edi], eax, cl */
                assert_int_equal(fixture.device.access_count, 2);
        }
}

static void a_shift_across_pages_reads_both_before_it_writes(void **state)
{
        (void)state;
        fixture_poke(&fixture, FIXTURE_MEMORY - 2, "\x01\x80", 2);
        context->gpr[HWACCL_RDI] = FIXTURE_MEMORY - 2;                   /* behind it nothing answers, with all ones */
        assert_int_equal(EMULATE(0xd1, 0x07), HWACCL_OUTCOME_COMPLETED); /* rol dword [edi], 1 */
        assert_int_equal(fixture_peek(&fixture, FIXTURE_MEMORY - 2, 2), 3);
        assert_true(context->rflags & RFLAGS_CF);
}

static void cmov_reads_the_device_and_setcc_only_writes_it_whatever_the_condition(void **state)
{
        (void)state;
        for (unsigned zero = 0; zero < 2; zero++) {
                set_device(0x11223344);
                context->rflags = RFLAGS_RESERVED_1 | (zero ? RFLAGS_ZF : 0);
                context->gpr[HWACCL_RAX] = UINT64_C(0x5500000066);
                assert_int_equal(EMULATE(0x0f, 0x44, 0x07), HWACCL_OUTCOME_COMPLETED); /* cmovz eax, [edi] */
                assert_int_equal(fixture.device.access_count, 1);
                assert_access(0, false, FIXTURE_MMIO, 4, 0x11223344);
                assert_int_equal(context->gpr[HWACCL_RAX], zero ? 0x11223344 : 0x66);
                assert_int_equal(EMULATE(0x0f, 0x94, 0x07), HWACCL_OUTCOME_COMPLETED); /* setz [edi] */
                assert_int_equal(fixture.device.access_count, 1);
                assert_access(0, true, FIXTURE_MMIO, 1, zero);
        }
}

static void a_quotient_that_does_not_fit_is_a_divide_error_at_the_instruction(void **state)
{
        (void)state;
        for (uint64_t divisor = 0; divisor < 2; divisor++) {
                set_device(divisor);
                context->gpr[HWACCL_RSP] = STACK;
                context->gpr[HWACCL_RAX] = 5;
                context->gpr[HWACCL_RDX] = 1;
                assert_int_equal(EMULATE(0xf7, 0x37), HWACCL_OUTCOME_EXCEPTION); /* div dword [edi] */
                assert_fault(HWACCL_VECTOR_DE, false);
                assert_int_equal(context->gpr[HWACCL_RAX], 5);
                assert_int_equal(context->gpr[HWACCL_RDX], 1);
                assert_access(0, false, FIXTURE_MMIO, 4, divisor);
        }
}

static void lock_is_refused_before_the_device_is_read(void **state)
{
        static const uint8_t code[][4] = {
                {0xf0, 0xd1, 0x27},       {0xf0, 0xf7, 0x27},       {0xf0, 0xf7, 0x37},
                {0xf0, 0x0f, 0x94, 0x07}, {0xf0, 0x0f, 0xbc, 0x07}, {0xf0, 0x0f, 0xa5, 0x07},
        };

        (void)state;
        for (unsigned i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
                context->gpr[HWACCL_RSP] = STACK;
                fixture_code(&fixture, code[i], i < 3 ? 3 : 4, EPT, 0);
                assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_EXCEPTION);
                assert_fault(HWACCL_VECTOR_UD, false);
                assert_int_equal(fixture.device.access_count, 0);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_shift_reads_and_writes_the_device_once_whatever_the_count),
                TEST(a_shift_across_pages_reads_both_before_it_writes),
                TEST(cmov_reads_the_device_and_setcc_only_writes_it_whatever_the_condition),
                TEST(a_quotient_that_does_not_fit_is_a_divide_error_at_the_instruction),
                TEST(lock_is_refused_before_the_device_is_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
