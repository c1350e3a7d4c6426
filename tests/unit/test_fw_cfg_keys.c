/* fw_cfg's keys: two spaces of 16 Ki keys; architecture-local ones (bit 15) are not the generic ones. */
#include "tests/fixtures/machine_fixture.h"

static unsigned first_byte(struct fixture *f, uint16_t key)
{
        out16(f, 0x510, key);
        return in8(f, 0x511);
}

static void key_0_is_the_signature_and_bit_14_selects_it_too(void **state)
{
        struct fixture *f = *state;
        assert_int_equal(first_byte(f, 0x0000), 'Q');
        assert_int_equal(first_byte(f, 0x4000), 'Q');
}

static void an_unknown_architecture_local_key_reads_zeros(void **state)
{
        struct fixture *f = *state;
        assert_int_equal(first_byte(f, 0x8000), 0);
        assert_int_equal(first_byte(f, 0x8001), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(key_0_is_the_signature_and_bit_14_selects_it_too),
                FIXTURE_TEST(an_unknown_architecture_local_key_reads_zeros),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
