/* What the reader gives back is what the synthetic exits were. Include after cmocka.h. */
#ifndef HWACCL_TESTS_RECORDING_ASSERT_H
#define HWACCL_TESTS_RECORDING_ASSERT_H

#include "hwaccl/recording.h"

#include "synthetic_exits.h"

static inline void assert_states_equal(const struct hwaccl_subject_state *found,
                                       const struct hwaccl_subject_state *expected, uint64_t number, const char *which)
{
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                uint64_t a = hwaccl_field_get(found, (enum hwaccl_field_index)i);
                uint64_t b = hwaccl_field_get(expected, (enum hwaccl_field_index)i);
                if (a != b)
                        fail_msg("exit %llu, %s: %s is %#llx, not %#llx", (unsigned long long)number, which,
                                 hwaccl_subject_fields[i].name, (unsigned long long)a, (unsigned long long)b);
        }
}

static inline void assert_data_equal(const void *found, uint32_t found_size, const void *expected,
                                     uint32_t expected_size)
{
        assert_int_equal(found_size, expected_size);
        assert_int_equal(found == NULL, expected == NULL);
        if (found_size)
                assert_memory_equal(found, expected, found_size);
}

static inline void assert_exit_equal(const struct hwaccl_recorded_exit *found, const struct synthetic_exit *expected)
{
        assert_states_equal(found->entry, &expected->entry, found->number, "entry");
        assert_states_equal(found->exit, &expected->exit, found->number, "exit");
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                assert_true(found->entry_known.bits[i / 64] >> (i % 64) & 1);
                assert_true(found->exit_known.bits[i / 64] >> (i % 64) & 1);
        }
        assert_memory_equal(found->pending, expected->pending, sizeof(found->pending));
        assert_int_equal(found->offered, expected->offered);
        if (expected->offered) {
                assert_int_equal(found->offered_vector, expected->vector);
                assert_int_equal(found->taken, expected->taken);
        }
        assert_true(found->verdict_known);
        assert_int_equal(found->verdict, expected->verdict);
        assert_true(found->outcome_known);
        assert_int_equal(found->outcome, expected->outcome);
        assert_int_equal(found->input_count, expected->input_count);
        for (size_t i = 0; i < found->input_count; i++) {
                assert_int_equal(found->inputs[i].kind, expected->input[i].kind);
                assert_int_equal(found->inputs[i].address, expected->input[i].address);
                assert_int_equal(found->inputs[i].value, expected->input[i].value);
                assert_data_equal(found->inputs[i].data, found->inputs[i].size, expected->input[i].data,
                                  expected->input[i].size);
        }
        assert_int_equal(found->effect_count, expected->effect_count);
        for (size_t i = 0; i < found->effect_count; i++) {
                assert_int_equal(found->effects[i].kind, expected->effect[i].kind);
                assert_int_equal(found->effects[i].address, expected->effect[i].address);
                assert_int_equal(found->effects[i].value, expected->effect[i].value);
                assert_data_equal(found->effects[i].data, found->effects[i].size, expected->effect[i].data,
                                  expected->effect[i].size);
        }
}

static inline void assert_devices_equal(const struct hwaccl_recorded_device_field *fields, size_t count,
                                        const struct synthetic *synthetic)
{
        assert_int_equal(count, 10);
        for (size_t i = 0; i < count; i++) {
                const struct synthetic_device *device = &synthetic->device[i / 5];
                const struct hwaccl_device_field *field = &synthetic_fields[i % 5];
                assert_string_equal(fields[i].device, device->device.ops->name);
                assert_string_equal(fields[i].field, field->name);
                assert_int_equal(fields[i].size, field->size);
                assert_memory_equal(fields[i].data, (const uint8_t *)device + field->offset, field->size);
        }
}

static inline void check_from(struct hwaccl_recording *recording, uint64_t seed, uint64_t first, uint64_t exits,
                              uint32_t keyframe_interval)
{
        struct synthetic synthetic;
        struct hwaccl_error error = {""};
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(recording, 0, first, &error);
        const struct hwaccl_recorded_exit *found;
        uint64_t time = 0;

        if (!cursor)
                fail_msg("%s", error.message);
        synthetic_start(&synthetic, seed);
        for (uint64_t i = 0; i < exits; i++) {
                synthetic_next(&synthetic);
                if (i < first)
                        continue;
                if (hwaccl_exit_cursor_next(cursor, &found, &error) != 1)
                        fail_msg("%s", error.message);
                assert_int_equal(found->number, i);
                assert_exit_equal(found, &synthetic.current);
                assert_true(found->entry_time_ns >= time);
                time = found->entry_time_ns;
                assert_int_equal(found->keyframe, (i + 1) % keyframe_interval == 0);
                if (found->keyframe)
                        assert_devices_equal(found->device_fields, found->device_field_count, &synthetic);
        }
        assert_int_equal(hwaccl_exit_cursor_next(cursor, &found, &error), 0);
        assert_non_null(hwaccl_exit_cursor_closing(cursor));
        assert_states_equal(hwaccl_exit_cursor_closing(cursor), &synthetic.state, exits, "closing");
        hwaccl_exit_cursor_close(cursor);
}

#endif
