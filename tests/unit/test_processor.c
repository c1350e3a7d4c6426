#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fixtures/emulate_fixture.h"

static struct fixture fixture;
static struct hwaccl_device *device;
static uint8_t state_bytes[HWACCL_DEVICE_STATE_MAX];

static int set_up(void **state)
{
        (void)state;
        fixture_create(&fixture);
        device = &fixture.processor.device;
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        fixture_destroy(&fixture);
        return 0;
}

static void its_state_fits_and_every_field_has_a_name_of_its_own(void **state)
{
        (void)state;
        assert_string_equal(device->ops->name, "processor");
        assert_true(hwaccl_device_state_size(device) <= HWACCL_DEVICE_STATE_MAX);
        for (size_t i = 0; i < device->ops->field_count; i++)
                for (size_t j = 0; j < i; j++)
                        assert_string_not_equal(device->ops->fields[i].name, device->ops->fields[j].name);
}

static void what_the_subject_state_lacks_is_saved_and_put_back(void **state)
{
        struct hwaccl_machine_context *context = fixture.context;
        struct hwaccl_trap_manager *traps = &fixture.traps;

        (void)state;
        context->interrupts_inhibited = true;
        context->ss_loaded = true;
        context->inhibited_rip = 0x1234;
        context->cr8 = 9;
        traps->active = true;
        traps->vector = 0x68;
        fixture.processor.halted = 1;
        fixture.processor.dr[2] = 77;
        assert_true(hwaccl_processor_wrmsr(&fixture.processor, 0x26a, UINT64_C(0x0606060606060606)));
        assert_true(hwaccl_processor_wrmsr(&fixture.processor, 0x203, 0x800));
        hwaccl_device_save(device, state_bytes);
        size_t size = hwaccl_device_state_size(device);

        fixture_destroy(&fixture);
        fixture_create(&fixture);
        assert_true(hwaccl_device_load(device, state_bytes, size, &fixture.error));
        assert_true(context->interrupts_inhibited);
        assert_true(context->ss_loaded);
        assert_int_equal(context->inhibited_rip, 0x1234);
        assert_int_equal(context->cr8, 9);
        assert_true(traps->active);
        assert_int_equal(traps->vector, 0x68);
        assert_int_equal(fixture.processor.halted, 1);
        assert_int_equal(fixture.processor.dr[2], 77);
        uint64_t value;
        assert_true(hwaccl_processor_rdmsr(&fixture.processor, 0x26a, &value));
        assert_int_equal(value, UINT64_C(0x0606060606060606));
        assert_true(hwaccl_processor_rdmsr(&fixture.processor, 0x203, &value));
        assert_int_equal(value, 0x800);
}

static void the_state_at_reset_can_be_loaded(void **state)
{
        (void)state;
        hwaccl_device_save(device, state_bytes);
        assert_true(hwaccl_device_load(device, state_bytes, hwaccl_device_state_size(device), &fixture.error));
}

static void values_that_cannot_be_are_refused_by_name(void **state)
{
        static const struct {
                const char *field;
                uint8_t byte; /* the field's first */
        } rows[] = {
                {"halted", 2},        {"interrupts_inhibited", 3}, {"trap_active", 0xff}, {"cr8", 16}, {"pat", 2},
                {"mtrr_fixed[3]", 7}, {"mtrr_variable", 2},        {"dr6", 0xff},         {"dr7", 0},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                size_t offset = 0;
                bool found = false;
                size_t length = strcspn(rows[i].field, "[");
                fixture_destroy(&fixture); /* a refused state leaves the device as the state says */
                fixture_create(&fixture);
                hwaccl_device_save(device, state_bytes);
                for (size_t j = 0; j < device->ops->field_count && !found; j++) {
                        const struct hwaccl_device_field *field = &device->ops->fields[j];
                        found = strncmp(field->name, rows[i].field, length) == 0 && strlen(field->name) == length;
                        if (!found)
                                offset += field->size;
                }
                assert_true(found);
                if (rows[i].field[length])
                        offset += (size_t)(rows[i].field[length + 1] - '0') * 8;
                if (strncmp(rows[i].field, "dr", 2) == 0)
                        offset += 4; /* the upper half must be 0 */
                state_bytes[offset] = rows[i].byte ? rows[i].byte : 1;
                assert_false(hwaccl_device_load(device, state_bytes, hwaccl_device_state_size(device), &fixture.error));
                assert_non_null(strstr(fixture.error.message, "state of device processor"));
                if (!strstr(fixture.error.message, rows[i].field))
                        fail_msg("%s does not name %s", fixture.error.message, rows[i].field);
        }
}

static void machine_check_has_no_banks(void **state)
{
        static const uint32_t capabilities = 0x179, machine_check_status = 0x17a, first_bank = 0x400;
        struct hwaccl_processor *processor = &fixture.processor;
        uint64_t value = 1;

        (void)state;
        assert_true(hwaccl_processor_rdmsr(processor, capabilities, &value));
        assert_int_equal(value, 0);
        assert_false(hwaccl_processor_wrmsr(processor, capabilities, 0));
        value = 1;
        assert_true(hwaccl_processor_rdmsr(processor, machine_check_status, &value));
        assert_int_equal(value, 0);
        assert_true(hwaccl_processor_wrmsr(processor, machine_check_status, 0));
        assert_false(hwaccl_processor_wrmsr(processor, machine_check_status, 1));
        assert_false(hwaccl_processor_rdmsr(processor, first_bank, &value));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(its_state_fits_and_every_field_has_a_name_of_its_own),
                TEST(what_the_subject_state_lacks_is_saved_and_put_back),
                TEST(the_state_at_reset_can_be_loaded),
                TEST(values_that_cannot_be_are_refused_by_name),
                TEST(machine_check_has_no_banks),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
