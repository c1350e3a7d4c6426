/* What is made of the kernel's trace points: formats, records of a perf ring, exits of both vendors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/kernel_events.h"
#include "tests/fixtures/kernel_file.h"

#include "hwaccl/exit_reason.h"
#include "tracer/kernel/exit_stream.h"
#include "tracer/kernel/kvm_tracing.h"
#include "tracer/kernel/perf_record.h"
#include "tracer/kernel/vendor_exit.h"

#include <linux/kvm.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMON                                                                                                         \
        "format:\n"                                                                                                    \
        "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                                         \
        "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"

/* A kernel of 2019: no interrupt information, no vCPU, another order. */
static const char old_exit[] =
        "name: kvm_exit\nID: 7\n" COMMON "\tfield:unsigned int exit_reason;\toffset:8;\tsize:4;\tsigned:0;\n"
        "\tfield:unsigned long guest_rip;\toffset:16;\tsize:8;\tsigned:0;\n"
        "\tfield:u32 isa;\toffset:24;\tsize:4;\tsigned:0;\n"
        "\tfield:u64 info2;\toffset:32;\tsize:8;\tsigned:0;\n"
        "\tfield:u64 info1;\toffset:40;\tsize:8;\tsigned:0;\n"
        "\nprint fmt: \"field:int x;\toffset:1;\tsize:4;\tsigned:0;\"\n";

static struct kvm_formats formats;

static void add(enum kernel_event_kind kind, const char *text)
{
        struct hwaccl_error error = {""};

        if (!kvm_formats_add(&formats, kind, text, strlen(text), &error))
                fail_msg("%s", error.message);
}

static void fields_are_where_the_format_says(void **state)
{
        uint8_t raw[48] = {7};
        struct kvm_event event;

        (void)state;
        memset(&formats, 0, sizeof(formats));
        add(KERNEL_EVENT_EXIT, old_exit);
        raw[8] = 30;
        raw[17] = 0x7c;
        raw[24] = VENDOR_VMX;
        raw[32] = 2;
        raw[40] = 1;
        assert_true(kvm_event_decode(&formats, raw, sizeof(raw), &event));
        assert_int_equal(event.kind, KERNEL_EVENT_EXIT);
        assert_int_equal(event.value[EXIT_EVENT_CODE], 30);
        assert_int_equal(event.value[EXIT_EVENT_RIP], 0x7c00);
        assert_int_equal(event.value[EXIT_EVENT_INFO1], 1);
        assert_int_equal(event.value[EXIT_EVENT_INFO2], 2);
        assert_int_equal(event.known, 0x1f);
        assert_false(kvm_event_decode(&formats, raw, sizeof(raw) - 1, &event));
        raw[0] = 8;
        assert_false(kvm_event_decode(&formats, raw, sizeof(raw), &event));
        assert_false(kvm_event_decode(&formats, raw, 1, &event));
}

static void a_signed_field_is_extended(void **state)
{
        const struct event_field field = {"errno", 2, 4, true};
        const uint8_t raw[6] = {0, 0, 0xfc, 0xff, 0xff, 0xff};
        uint64_t value;

        (void)state;
        assert_true(event_field_read(&field, raw, sizeof(raw), &value));
        assert_int_equal((int64_t)value, -4);
}

static void bad_formats_are_refused(void **state)
{
        static const char *const bad[] = {
                "",
                "name: kvm_exit\n",
                "ID: 7\n",
                "name: kvm_exit\nID: 70000\n" COMMON,
                "name: kvm_exit\nID: x\n" COMMON,
                "name: kvm_exit\nID: 7\n\tfield:char a[16];\toffset:8;\tsize:16;\tsigned:0;\n",
                "name: kvm_exit\nID: 7\n\tfield:int a;\toffset:99999999;\tsize:4;\tsigned:0;\n",
        };
        struct event_format format;
        struct hwaccl_error error;

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(event_format_parse(&format, bad[i], strlen(bad[i]), &error));
        memset(&formats, 0, sizeof(formats));
        static const char none[] = "name: kvm_exit\nID: 7\n" COMMON;
        assert_false(kvm_formats_add(&formats, KERNEL_EVENT_EXIT, none, strlen(none), &error));
        assert_string_equal(error.message, "trace point kvm:kvm_exit has no field exit_reason");
        assert_false(formats.there[KERNEL_EVENT_EXIT]);
}

static void records_do_not_reach_beyond_their_length(void **state)
{
        struct {
                struct perf_event_header header;
                uint32_t process, thread;
                uint64_t time;
                uint32_t size;
                uint8_t raw[4];
        } sample = {{PERF_RECORD_SAMPLE, 0, sizeof(sample)}, 1, 2, 3, 4, {5}};
        struct perf_item item;
        size_t at = 0;

        (void)state;
        assert_true(perf_record_next((const uint8_t *)&sample, sizeof(sample), &at, &item));
        assert_int_equal(item.kind, PERF_ITEM_SAMPLE);
        assert_int_equal(item.thread, 2);
        assert_int_equal(item.time, 3);
        assert_int_equal(item.raw_size, 4);
        assert_int_equal(at, sizeof(sample));
        assert_false(perf_record_next((const uint8_t *)&sample, sizeof(sample), &at, &item));
        sample.size = 5;
        at = 0;
        assert_true(perf_record_next((const uint8_t *)&sample, sizeof(sample), &at, &item));
        assert_int_equal(item.kind, PERF_ITEM_BAD);
        at = 0;
        assert_false(perf_record_next((const uint8_t *)&sample, sizeof(sample) - 1, &at, &item));
        sample.header.size = 7;
        assert_false(perf_record_next((const uint8_t *)&sample, sizeof(sample), &at, &item));
}

static void lost_records_have_their_number(void **state)
{
        const struct {
                struct perf_event_header header;
                uint64_t id, lost;
                uint32_t process, thread;
                uint64_t time;
        } lost = {{PERF_RECORD_LOST, 0, sizeof(lost)}, 1, 77, 2, 3, 4};
        struct perf_item item;
        size_t at = 0;

        (void)state;
        assert_true(perf_record_next((const uint8_t *)&lost, sizeof(lost), &at, &item));
        assert_int_equal(item.kind, PERF_ITEM_LOST);
        assert_int_equal(item.lost, 77);
        assert_int_equal(item.time, 4);
}

static void perfs_time_becomes_the_counter(void **state)
{
        const uint32_t multiplier = 1002503914; /* 2.1 GHz */
        const uint16_t shift = 31;

        (void)state;
        for (uint64_t tsc = 12345; tsc < UINT64_C(1) << 60; tsc = tsc * 3 + 1) {
                uint64_t whole = tsc >> shift, rest = tsc & ((UINT64_C(1) << shift) - 1);
                uint64_t time = UINT64_C(0) - 1000 + whole * multiplier + (rest * multiplier >> shift);
                uint64_t found = perf_time_to_tsc(time, UINT64_C(0) - 1000, multiplier, shift);
                assert_true(found + 3 >= tsc && found <= tsc + 3);
        }
        assert_int_equal(perf_time_to_tsc(1, 0, 0, 0), 0);
}

static void amds_exits_are_in_the_terms_of_vt_x(void **state)
{
        static const struct {
                uint64_t code, info1, info2, reason;
                enum hwaccl_field_index field; /* of what else is known */
                uint64_t value;
        } cases[] = {
                {0x072, 0, 0, HWACCL_EXIT_CPUID, HWACCL_FIELD_INDEX_rip, 0x1000},
                {0x078, 0, 0, HWACCL_EXIT_HLT, HWACCL_FIELD_INDEX_rip, 0x1000},
                {0x07c, 0, 0, HWACCL_EXIT_RDMSR, HWACCL_FIELD_INDEX_rip, 0x1000},
                {0x07c, 1, 0, HWACCL_EXIT_WRMSR, HWACCL_FIELD_INDEX_rip, 0x1000},
                {0x07b, 0x00e90010, 0x1002, HWACCL_EXIT_IO_INSTRUCTION, HWACCL_FIELD_INDEX_exit_qualification,
                 0xe90000},
                {0x07b, 0x0060002d, 0x1002, HWACCL_EXIT_IO_INSTRUCTION, HWACCL_FIELD_INDEX_exit_qualification,
                 0x600039},
                {0x07b, 0x00e90010, 0x1002, HWACCL_EXIT_IO_INSTRUCTION, HWACCL_FIELD_INDEX_instruction_length, 2},
                {0x400, 0x100000006, 0xd0000, HWACCL_EXIT_EPT_VIOLATION, HWACCL_FIELD_INDEX_guest_physical_address,
                 0xd0000},
                {0x400, 0x100000006, 0xd0000, HWACCL_EXIT_EPT_VIOLATION, HWACCL_FIELD_INDEX_exit_qualification, 2},
                {0x400, 0x100000014, 0xd0000, HWACCL_EXIT_EPT_VIOLATION, HWACCL_FIELD_INDEX_exit_qualification, 4},
                {0x04e, 2, 0xbad, HWACCL_EXIT_EXCEPTION_OR_NMI, HWACCL_FIELD_INDEX_interrupt_information, 0x80000b0e},
                {0x04e, 2, 0xbad, HWACCL_EXIT_EXCEPTION_OR_NMI, HWACCL_FIELD_INDEX_exit_qualification, 0xbad},
                {0x061, 0, 0, HWACCL_EXIT_EXCEPTION_OR_NMI, HWACCL_FIELD_INDEX_interrupt_information, 0x80000202},
                {0x010, UINT64_C(1) << 63 | 3, 0, HWACCL_EXIT_CONTROL_REGISTER, HWACCL_FIELD_INDEX_exit_qualification,
                 0x300},
                {0x004, UINT64_C(1) << 63 | 1, 0, HWACCL_EXIT_CONTROL_REGISTER, HWACCL_FIELD_INDEX_exit_qualification,
                 0x114},
                {0x060, 0, 0, HWACCL_EXIT_EXTERNAL_INTERRUPT, HWACCL_FIELD_INDEX_rip, 0x1000},
                {0x064, 0, 0, HWACCL_EXIT_INTERRUPT_WINDOW, HWACCL_FIELD_INDEX_rip, 0x1000},
                {0x07f, 0, 0, HWACCL_EXIT_TRIPLE_FAULT, HWACCL_FIELD_INDEX_rip, 0x1000},
                {UINT32_MAX, 0, 0, 0x80000021, HWACCL_FIELD_INDEX_rip, 0x1000},
                {0x084, 0, 0, 0x8084, HWACCL_FIELD_INDEX_rip, 0x1000},
                {0x80000010, 0, 0, 0x8403, HWACCL_FIELD_INDEX_rip, 0x1000},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const struct kvm_event event = exit_of(VENDOR_SVM, cases[i].code, cases[i].info1, cases[i].info2, 1);
                const struct hwaccl_field *field = &hwaccl_subject_fields[cases[i].field];
                struct hwaccl_trace_state found;
                uint64_t value = 0;
                vendor_exit_state(&found, &event);
                assert_int_equal(found.values.exit_reason, cases[i].reason);
                assert_true(hwaccl_trace_is_known(&found, cases[i].field));
                memcpy(&value, (const char *)&found.values + field->offset, field->width);
                assert_int_equal(value, cases[i].value);
                assert_non_null(hwaccl_exit_reason_name(cases[i].reason & HWACCL_EXIT_REASON_BASIC_MASK));
        }
}

static void intels_exits_are_what_they_say(void **state)
{
        struct kvm_event event = exit_of(VENDOR_VMX, 0x80000021, 4, 5, 1);
        struct hwaccl_trace_state found;

        (void)state;
        event.value[EXIT_EVENT_INTERRUPT_INFORMATION] = 0x80000b0e;
        vendor_exit_state(&found, &event);
        assert_int_equal(found.values.exit_reason, 0x80000021);
        assert_int_equal(found.values.exit_qualification, 4);
        assert_int_equal(found.values.interrupt_information, 0x80000b0e);
        assert_false(hwaccl_trace_is_known(&found, HWACCL_FIELD_INDEX_rax));
        event.known &= ~(1u << EXIT_EVENT_INTERRUPT_INFORMATION);
        vendor_exit_state(&found, &event);
        assert_false(hwaccl_trace_is_known(&found, HWACCL_FIELD_INDEX_interrupt_information));
        event.value[EXIT_EVENT_ISA] = 3; /* another hypervisor's */
        vendor_exit_state(&found, &event);
        assert_false(hwaccl_trace_is_known(&found, HWACCL_FIELD_INDEX_exit_reason));
}

static void put(struct exit_stream *stream, struct kvm_event event)
{
        assert_true(exit_stream_put(stream, &event));
}

static void events_make_items(void **state)
{
        struct exit_stream stream = {.event = NULL};
        struct exit_item item;

        (void)state;
        put(&stream, event_of(KERNEL_EVENT_SET_LINE, 1)); /* alone */
        put(&stream, event_of(KERNEL_EVENT_ENTRY, 2));
        put(&stream, event_of(KERNEL_EVENT_ENTRY, 3)); /* the first was cancelled */
        put(&stream, event_of(KERNEL_EVENT_APIC_ACCEPT, 4));
        put(&stream, exit_of(VENDOR_VMX, 10, 0, 0, 5));
        put(&stream, event_of(KERNEL_EVENT_CPUID, 6));
        assert_true(exit_stream_next(&stream, false, &item));
        assert_true(item.count == 1 && !item.exit && !item.user);
        exit_stream_drop(&stream, &item);
        assert_false(exit_stream_next(&stream, false, &item)); /* it may go on */
        put(&stream, event_of(KERNEL_EVENT_ENTRY, 7));
        assert_true(exit_stream_next(&stream, false, &item));
        assert_true(item.count == 5 && item.entry->stamp == 3 && item.exit->stamp == 5 && item.end == 7);
        exit_stream_drop(&stream, &item);
        put(&stream, exit_of(VENDOR_VMX, 30, 0, 0, 8));
        put(&stream, user_of(KVM_EXIT_IO, 0, 9));
        assert_true(exit_stream_next(&stream, false, &item));
        assert_true(item.user && exit_item_reached_user(&item));
        exit_stream_drop(&stream, &item);
        put(&stream, user_of(KVM_EXIT_INTR, -4, 10));
        assert_true(exit_stream_next(&stream, false, &item));
        assert_true(item.user && !item.exit && !exit_item_reached_user(&item));
        exit_stream_drop(&stream, &item);
        put(&stream, event_of(KERNEL_EVENT_LOST, 11));
        put(&stream, exit_of(VENDOR_VMX, 10, 0, 0, 12));
        assert_true(exit_stream_next(&stream, false, &item));
        assert_true(item.count == 1 && item.event->kind == KERNEL_EVENT_LOST);
        exit_stream_drop(&stream, &item);
        assert_true(exit_stream_next(&stream, true, &item));
        assert_true(item.exit && !item.entry);
        exit_stream_free(&stream);
}

static void an_exit_before_a_signal_was_the_kernels(void **state)
{
        static const struct {
                uint64_t code, reason;
                int64_t error;
                bool reached;
        } cases[] = {
                {12, KVM_EXIT_INTR, -4, false},
                {1, KVM_EXIT_INTR, -4, true},
                {30, KVM_EXIT_IO, 0, true},
                {48, KVM_EXIT_IO, 0, false},
                {48, KVM_EXIT_MMIO, 0, true},
                {49, KVM_EXIT_MMIO, 0, true},
                {12, KVM_EXIT_MMIO, 0, false},
                {1, KVM_EXIT_IRQ_WINDOW_OPEN, 0, false},
                {7, KVM_EXIT_IRQ_WINDOW_OPEN, 0, true},
                {2, KVM_EXIT_SHUTDOWN, 0, true},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const struct kvm_event events[] = {exit_of(VENDOR_VMX, cases[i].code, 0, 0, 1),
                                                   user_of(cases[i].reason, cases[i].error, 2)};
                const struct exit_item item = {events, 2, NULL, &events[0], &events[1], 0, 2};
                assert_true(exit_item_reached_user(&item) == cases[i].reached);
        }
}

/* A real one: tests/interpose/kernel_vmm in the KVM box. */
static void samples_of_a_kernel_with_svm(void **state)
{
        static uint8_t data[1 << 16];
        struct exit_stream stream = {.event = NULL};
        struct exit_item item;
        struct perf_item sample;
        unsigned count[HWACCL_EXIT_REASON_BASIC_MASK + 1u] = {0}, user = 0;
        size_t at = 0;
        const char *source = getenv("HWACCL_SOURCE");
        char name[512];

        (void)state;
        (void)snprintf(name, sizeof(name), "%s/tests/fuzz/corpus/kernel/svm", source ? source : ".");
        FILE *file = fopen(name, "rb");

        assert_non_null(file);
        size_t size = fread(data, 1, sizeof(data), file);
        (void)fclose(file);
        const uint8_t *records = kernel_file_read(&formats, data, &size);
        while (perf_record_next(records, size, &at, &sample)) {
                struct kvm_event event = {.stamp = sample.time, .thread = sample.thread};
                assert_int_equal(sample.kind, PERF_ITEM_SAMPLE);
                assert_true(kvm_event_decode(&formats, sample.raw, sample.raw_size, &event));
                put(&stream, event);
        }
        assert_int_equal(at, size);
        while (exit_stream_next(&stream, true, &item)) {
                if (item.exit && exit_item_reached_user(&item))
                        user++;
                else if (item.exit)
                        count[exit_item_reason(&item)]++;
                exit_stream_drop(&stream, &item);
        }
        exit_stream_free(&stream);
        assert_int_equal(count[HWACCL_EXIT_CPUID], 5);
        assert_int_equal(count[HWACCL_EXIT_RDMSR], 4);
        assert_int_equal(count[HWACCL_EXIT_HLT], 1);
        assert_int_equal(count[HWACCL_EXIT_IO_INSTRUCTION], 9);
        assert_int_equal(user, 4);
}

static void write_format(const char *root, const char *name, const char *text)
{
        char file_path[256];

        (void)snprintf(file_path, sizeof(file_path), "%s/events/kvm/%s", root, name);
        assert_int_equal(mkdir(file_path, 0700), 0);
        (void)snprintf(file_path, sizeof(file_path), "%s/events/kvm/%s/format", root, name);
        FILE *file = fopen(file_path, "w");
        assert_non_null(file);
        (void)fputs(text, file);
        assert_int_equal(fclose(file), 0);
}

static void what_the_kernel_lacks_is_an_error_of_one_line(void **state)
{
        static const char entry[] =
                "name: kvm_entry\nID: 8\n" COMMON "\tfield:unsigned int vcpu_id;\toffset:8;\tsize:4;\tsigned:0;\n"
                "\tfield:unsigned long rip;\toffset:16;\tsize:8;\tsigned:0;\n";
        char root[] = "/tmp/hwaccl-tracefs-XXXXXX", file[64];
        struct hwaccl_error error = {""};
        char missing[256];

        (void)state;
        assert_non_null(mkdtemp(root));
        assert_false(kvm_tracing_open(&formats, root, &error));
        assert_non_null(strstr(error.message,
                               "/events/kvm: No such file or directory: the kernel has no trace points of KVM; "
                               "is the module kvm loaded?"));
        (void)snprintf(file, sizeof(file), "%s/events", root);
        assert_int_equal(mkdir(file, 0700), 0);
        (void)snprintf(file, sizeof(file), "%s/events/kvm", root);
        assert_int_equal(mkdir(file, 0700), 0);
        assert_false(kvm_tracing_open(&formats, root, &error));
        assert_string_equal(error.message, "this kernel has no trace point kvm:kvm_exit, which exits are made of");
        write_format(root, "kvm_exit", "nonsense");
        assert_false(kvm_tracing_open(&formats, root, &error));
        assert_non_null(strstr(error.message, "/events/kvm/kvm_exit/format: this is no format of a trace point"));
        (void)snprintf(file, sizeof(file), "rm -r %s/events/kvm/*", root);
        assert_int_equal(system(file), 0); /* NOLINT(cert-env33-c) */
        write_format(root, "kvm_exit", old_exit);
        write_format(root, "kvm_entry", entry);
        write_format(root, "kvm_userspace_exit",
                     "name: kvm_userspace_exit\nID: 9\n" COMMON "\tfield:__u32 reason;\toffset:8;\tsize:4;\tsigned:0;\n"
                     "\tfield:int errno;\toffset:12;\tsize:4;\tsigned:1;\n");
        if (!kvm_tracing_open(&formats, root, &error))
                fail_msg("%s", error.message);
        kvm_tracing_missing(&formats, missing, sizeof(missing));
        assert_non_null(strstr(missing, "kvm_inj_virq kvm_inj_exception kvm_pio"));
        (void)snprintf(file, sizeof(file), "rm -r %s", root);
        assert_int_equal(system(file), 0); /* NOLINT(cert-env33-c) */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(fields_are_where_the_format_says),
                cmocka_unit_test(a_signed_field_is_extended),
                cmocka_unit_test(bad_formats_are_refused),
                cmocka_unit_test(records_do_not_reach_beyond_their_length),
                cmocka_unit_test(lost_records_have_their_number),
                cmocka_unit_test(perfs_time_becomes_the_counter),
                cmocka_unit_test(amds_exits_are_in_the_terms_of_vt_x),
                cmocka_unit_test(intels_exits_are_what_they_say),
                cmocka_unit_test(events_make_items),
                cmocka_unit_test(an_exit_before_a_signal_was_the_kernels),
                cmocka_unit_test(samples_of_a_kernel_with_svm),
                cmocka_unit_test(what_the_kernel_lacks_is_an_error_of_one_line),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
