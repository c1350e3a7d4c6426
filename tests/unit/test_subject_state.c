#include "core/subject/pending_interrupts.h"
#include "hwaccl/subject_fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The layout of the original, written down once more: names in order, then VMCS encodings of SDM 3D, appendix B. */
static const struct {
        const char *name;
        uint32_t vmcs;
} order[] = {
        {"cr2", 0},
        {"rax", 0},
        {"rbx", 0},
        {"rcx", 0},
        {"rdx", 0},
        {"rdi", 0},
        {"rsi", 0},
        {"rbp", 0},
        {"r8", 0},
        {"r9", 0},
        {"r10", 0},
        {"r11", 0},
        {"r12", 0},
        {"r13", 0},
        {"r14", 0},
        {"r15", 0},
        {"exit_reason", 0x4402},
        {"exit_qualification", 0x6400},
        {"guest_physical_address", 0x2400},
        {"interruptibility", 0x4824},
        {"interrupt_information", 0x4404},
        {"instruction_length", 0x440c},
        {"rip", 0x681e},
        {"rsp", 0x681c},
        {"cr0", 0x6800},
        {"cr0_shadow", 0x6004},
        {"cr3", 0x6802},
        {"cr4", 0x6804},
        {"cr4_shadow", 0x6006},
        {"rflags", 0x6820},
        {"efer", 0x2806},
        {"sysenter_cs", 0x482a},
        {"sysenter_esp", 0x6824},
        {"sysenter_eip", 0x6826},
};
#define SCALAR_COUNT (sizeof(order) / sizeof(order[0]))

/* In the SDM's appendix B the segments are numbered ES CS SS DS FS GS LDTR TR GDTR IDTR. */
static const struct {
        const char *name;
        unsigned number;
} segment_order[] = {{"cs", 1}, {"ss", 2}, {"ds", 3},   {"es", 0},   {"fs", 4},
                     {"gs", 5}, {"tr", 7}, {"ldtr", 6}, {"gdtr", 8}, {"idtr", 9}};

static uint32_t or_none(uint32_t encoding)
{
        return encoding ? encoding : HWACCL_VMCS_NONE;
}

static void scalars_are_8_bytes_each_without_gaps(void **state)
{
        (void)state;
        for (unsigned i = 0; i < SCALAR_COUNT; i++) {
                const struct hwaccl_field *field = &hwaccl_subject_fields[i];
                assert_string_equal(field->name, order[i].name);
                assert_int_equal(field->offset, i * 8);
                assert_int_equal(field->width, 8);
                assert_int_equal(field->vmcs_encoding, or_none(order[i].vmcs));
        }
        assert_int_equal(SCALAR_COUNT * 8, 272);
}

static void check_segment_field(unsigned index, const char *segment, const char *part, unsigned offset, unsigned width,
                                uint32_t vmcs)
{
        const struct hwaccl_field *field = &hwaccl_subject_fields[index];
        char name[32];
        (void)snprintf(name, sizeof(name), "%s_%s", segment, part);
        assert_string_equal(field->name, name);
        assert_int_equal(field->offset, offset);
        assert_int_equal(field->width, width);
        assert_int_equal(field->vmcs_encoding, vmcs);
}

static void ten_segments_of_24_bytes_follow(void **state)
{
        (void)state;
        assert_int_equal(HWACCL_FIELD_COUNT, SCALAR_COUNT + 40);
        for (unsigned i = 0; i < 10; i++) {
                unsigned index = (unsigned)SCALAR_COUNT + i * 4;
                unsigned offset = 272 + i * 24;
                uint32_t number = segment_order[i].number;
                const char *name = segment_order[i].name;
                bool table = number >= 8;
                check_segment_field(index, name, "selector", offset, 8, table ? HWACCL_VMCS_NONE : 0x800 + number * 2);
                check_segment_field(index + 1, name, "base", offset + 8, 8, 0x6806 + number * 2);
                check_segment_field(index + 2, name, "limit", offset + 16, 4, 0x4800 + number * 2);
                check_segment_field(index + 3, name, "access_rights", offset + 20, 4,
                                    table ? HWACCL_VMCS_NONE : 0x4814 + number * 2);
        }
}

static void fields_cover_every_byte_once_in_order(void **state)
{
        (void)state;
        unsigned next = 0;
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                assert_int_equal(hwaccl_subject_fields[i].offset, next);
                next += hwaccl_subject_fields[i].width;
        }
        assert_int_equal(next, 512);
}

static void names_and_encodings_are_unique(void **state)
{
        (void)state;
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                for (unsigned j = 0; j < i; j++) {
                        const struct hwaccl_field *a = &hwaccl_subject_fields[i];
                        const struct hwaccl_field *b = &hwaccl_subject_fields[j];
                        assert_string_not_equal(a->name, b->name);
                        assert_true(a->vmcs_encoding == HWACCL_VMCS_NONE || a->vmcs_encoding != b->vmcs_encoding);
                }
        }
}

static void every_field_makes_the_round_and_touches_no_other_byte(void **state)
{
        (void)state;
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                const struct hwaccl_field *field = &hwaccl_subject_fields[i];
                struct hwaccl_subject_state subject;
                memset(&subject, 0xa5, sizeof(subject));
                uint64_t value = UINT64_C(0x1122334455667788) + i;
                hwaccl_field_put(&subject, i, value);
                assert_int_equal(hwaccl_field_get(&subject, i), field->width == 4 ? value & UINT32_MAX : value);

                const unsigned char *bytes = (const unsigned char *)&subject;
                for (unsigned at = 0; at < sizeof(subject); at++) {
                        bool inside = at >= field->offset && at < field->offset + (unsigned)field->width;
                        unsigned expected = inside ? value >> (8 * (at - field->offset)) & 0xff : 0xa5;
                        assert_int_equal(bytes[at], expected);
                }
        }
}

static void fields_are_found_by_their_exact_name(void **state)
{
        (void)state;
        enum hwaccl_field_index index;
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                assert_true(hwaccl_field_find(hwaccl_subject_fields[i].name, &index));
                assert_int_equal(index, i);
        }
        assert_true(hwaccl_field_find("idtr_access_rights", &index));
        assert_int_equal(index, HWACCL_FIELD_INDEX_idtr_access_rights);
        assert_false(hwaccl_field_find("RAX", &index));
        assert_false(hwaccl_field_find("", &index));
        assert_false(hwaccl_field_find("cs", &index));
}

static void groups_follow_what_a_field_is(void **state)
{
        (void)state;
        assert_int_equal(hwaccl_subject_fields[HWACCL_FIELD_INDEX_exit_reason].group, HWACCL_FIELD_EXIT);
        assert_int_equal(hwaccl_subject_fields[HWACCL_FIELD_INDEX_rip].group, HWACCL_FIELD_GENERAL);
        assert_int_equal(hwaccl_subject_fields[HWACCL_FIELD_INDEX_cr4_shadow].group, HWACCL_FIELD_CONTROL);
        assert_int_equal(hwaccl_subject_fields[HWACCL_FIELD_INDEX_tr_base].group, HWACCL_FIELD_SEGMENT);
        assert_int_equal(hwaccl_subject_fields[HWACCL_FIELD_INDEX_gdtr_limit].group, HWACCL_FIELD_TABLE);
}

static void each_vector_of_the_pending_page_is_one_bit(void **state)
{
        (void)state;
        for (unsigned vector = 0; vector < 256; vector++) {
                struct hwaccl_pending_interrupts page;
                memset(&page, 0, sizeof(page));
                hwaccl_pending_interrupts_set(&page, (uint8_t)vector);
                unsigned char bytes[32];
                memcpy(bytes, &page, sizeof(bytes));
                for (unsigned bit = 0; bit < 256; bit++) {
                        assert_int_equal(bytes[bit / 8] >> (bit % 8) & 1, bit == vector);
                        assert_int_equal(hwaccl_pending_interrupts_test(&page, (uint8_t)bit), bit == vector);
                }
                assert_int_equal(hwaccl_pending_interrupts_highest(&page), vector);
                hwaccl_pending_interrupts_clear(&page, (uint8_t)vector);
                assert_int_equal(hwaccl_pending_interrupts_highest(&page), -1);
        }
}

static void clearing_a_vector_keeps_the_others(void **state)
{
        (void)state;
        struct hwaccl_pending_interrupts page;
        memset(&page, 0xff, sizeof(page));
        for (int vector = 255; vector >= 0; vector--) {
                assert_int_equal(hwaccl_pending_interrupts_highest(&page), vector);
                hwaccl_pending_interrupts_clear(&page, (uint8_t)vector);
        }
        assert_int_equal(hwaccl_pending_interrupts_highest(&page), -1);
        hwaccl_pending_interrupts_set(&page, 0x20);
        hwaccl_pending_interrupts_set(&page, 0x20);
        hwaccl_pending_interrupts_set(&page, 0x22);
        assert_true(hwaccl_pending_interrupts_test(&page, 0x20));
        hwaccl_pending_interrupts_clear(&page, 0x22);
        hwaccl_pending_interrupts_clear(&page, 0x21);
        assert_int_equal(hwaccl_pending_interrupts_highest(&page), 0x20);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(scalars_are_8_bytes_each_without_gaps),
                cmocka_unit_test(ten_segments_of_24_bytes_follow),
                cmocka_unit_test(fields_cover_every_byte_once_in_order),
                cmocka_unit_test(names_and_encodings_are_unique),
                cmocka_unit_test(every_field_makes_the_round_and_touches_no_other_byte),
                cmocka_unit_test(fields_are_found_by_their_exact_name),
                cmocka_unit_test(groups_follow_what_a_field_is),
                cmocka_unit_test(each_vector_of_the_pending_page_is_one_bit),
                cmocka_unit_test(clearing_a_vector_keeps_the_others),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
