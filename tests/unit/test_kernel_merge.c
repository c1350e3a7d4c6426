/* Exits that the kernel handled, in one recording with those that the VMM got. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures/kernel_events.h"
#include "tests/fixtures/trace_fixture.h"

#include "hwaccl/exit_reason.h"
#include "tracer/database/decoder.h"
#include "tracer/database/writer_database.h"
#include "tracer/kernel/kernel_merge.h"
#include "tracer/kernel/vendor_exit.h"
#include "tracer/ring/lane.h"
#include "tracer/ring/record_buffer.h"

#include <linux/kvm.h>

/* The recording of a VMM whose ring has the exits that it got. */
static struct merging {
        struct kernel_merge *merge;
        struct decoder *decoder;
        sqlite3 *db;
        struct lane lane;
        struct lane_masks masks;
        struct record_buffer buffer;
} merging;

static void begin_merging(void)
{
        static const struct hwaccl_recording_option vmm = {HWACCL_OPTION_VMM, "test"};
        const struct recording_head head = {0, 1, 8, &vmm, 1};
        struct hwaccl_error error = {""};

        memset(&merging, 0, sizeof(merging));
        merging.merge = kernel_merge_create_without(8);
        struct decoder *decoder = merging.decoder = aligned_alloc(64, (sizeof(*decoder) + 63) & ~(size_t)63);
        assert_true(merging.merge && decoder);
        memset(decoder, 0, sizeof(*decoder));
        stamp_clock_start(&decoder->clock, STAMP_MONOTONIC);
        decoder->clock.origin_stamp = decoder->clock.stamp[0] = decoder->clock.latest_stamp = 0;
        decoder->clock.stamp[1] = decoder->clock.ns[1] = UINT64_C(1) << 40;
        merging.db = writer_database_create(path, true, 0, &error);
        if (!merging.db || !database_execute(merging.db, "BEGIN", &error) ||
            !writer_database_fill(merging.db, &head, &error) || !decoder_init(decoder, merging.db, 0, 8, &error) ||
            !decoder_declare_devices(decoder, NULL, 0, &error))
                fail_msg("%s", error.message);
        lane_init(&merging.lane, STAMP_MONOTONIC, 8, UINT64_MAX);
        merging.lane.masks = &merging.masks;
        record_buffer_init(&merging.buffer, &merging.lane.producer, UINT64_C(1) << 20);
}

/* The VMM's exit, with all registers; the kernel's exits before it are merged as the writer does it. */
static void vmm_exit(uint64_t reason, uint64_t entered, uint64_t exited)
{
        struct record_merge *source = kernel_merge_source(merging.merge);
        static struct hwaccl_subject_state state;
        struct hwaccl_error error = {""};

        state.exit_reason = reason;
        state.rax++;
        state.cr3 = 0x5000;
        (void)lane_entry(&merging.lane, (struct hwaccl_known_state){NULL, NULL});
        merging.lane.entry_stamp = entered;
        (void)lane_exit(&merging.lane, (struct hwaccl_known_state){&state, NULL}, NULL, exited);
        const struct ring_record *entry = record_buffer_at(&merging.lane.producer, 0);
        const struct ring_exit *exit =
                (const void *)record_buffer_at(&merging.lane.producer, (uint64_t)entry->words * 8);
        if (!source->before(source, merging.decoder, exit, &error) || !decoder_take(merging.decoder, entry, &error) ||
            !source->exit(source, merging.decoder, exit, &error))
                fail_msg("%s", error.message);
        record_buffer_clear(&merging.lane.producer);
        (void)lane_handled(&merging.lane, HWACCL_OUTCOME_COMPLETED, exited + 1);
        (void)lane_keyframe_due(&merging.lane);
        if (!decoder_take(merging.decoder, record_buffer_at(&merging.lane.producer, 0), &error))
                fail_msg("%s", error.message);
        record_buffer_clear(&merging.lane.producer);
}

static void expect_text(const char *sql, const char *expected)
{
        struct hwaccl_recording *recording = open_recording(path);

        assert_string_equal(ask(recording, sql), expected);
        hwaccl_recording_close(recording);
}

static void expect_sound(void)
{
        struct hwaccl_recording *recording = open_recording(path);

        assert_checks(recording);
        hwaccl_recording_close(recording);
}

static void from_kernel(struct kvm_event event)
{
        assert_true(kernel_merge_put(merging.merge, 0, &event));
}

static void end_merging(void)
{
        struct record_merge *source = kernel_merge_source(merging.merge);
        const struct recording_end end = {.end = HWACCL_TRACE_END_STOPPED};
        struct hwaccl_error error = {""};

        if (!source->rest(source, merging.decoder, true, &error) || !decoder_flush(merging.decoder, &error) ||
            !database_execute(merging.db, "COMMIT", &error) ||
            !writer_database_status(merging.db, &end, NULL, true, &error))
                fail_msg("%s", error.message);
        decoder_finish(merging.decoder);
        free(merging.decoder);
        record_buffer_free(&merging.buffer);
        if (!writer_database_close(merging.db, &error))
                fail_msg("%s", error.message);
        kernel_merge_destroy(merging.merge);
}

static void every_exit_is_there_once_in_order(void **state)
{
        (void)state;
        begin_merging();
        for (uint64_t at = 10000; at < 210000; at += 10000) {
                from_kernel(event_of(KERNEL_EVENT_ENTRY, at + 1000));
                from_kernel(exit_of(VENDOR_VMX, HWACCL_EXIT_CPUID, 0, 0, at + 2000));
                from_kernel(event_of(KERNEL_EVENT_CPUID, at + 2100));
                from_kernel(event_of(KERNEL_EVENT_ENTRY, at + 3000));
                from_kernel(exit_of(VENDOR_VMX, HWACCL_EXIT_IO_INSTRUCTION, 0xe90000, 0, at + 4000));
                from_kernel(user_of(KVM_EXIT_IO, 0, at + 4500));
                vmm_exit(HWACCL_EXIT_IO_INSTRUCTION, at, at + 5000);
        }
        end_merging();
        expect_text("SELECT group_concat(n) FROM (SELECT reason || ' ' || count(*) || ' ' || min(exit % 2) || max(exit "
                    "% 2) "
                    "AS n FROM exits GROUP BY reason ORDER BY reason)",
                    "CPUID 20 00,I/O instruction 20 11");
        expect_text(
                "SELECT group_concat(handled_by || count) FROM (SELECT handled_by, count(*) AS count FROM kernel_exits "
                "GROUP BY handled_by ORDER BY 1)",
                "VMM20,kernel20");
        /* registers are unknown at the kernel's exits, and at the VMM's what the ring says */
        expect_text("SELECT count(rax) || ' ' || count(cr3) || ' ' || max(cr3) || ' ' || count(DISTINCT rax) FROM "
                    "registers "
                    "WHERE moment = 'exit'",
                    "20 20 0x5000 20");
        expect_text("SELECT min(guest_ns) || ' ' || max(guest_ns) FROM exits", "1000 1000");
        expect_text("SELECT count(*) FROM kernel_events WHERE exit % 2 = 0 AND event = 'kvm_cpuid'", "20");
        expect_sound();
}

static void an_exit_handled_before_a_signal_is_its_own(void **state)
{
        (void)state;
        begin_merging();
        from_kernel(event_of(KERNEL_EVENT_ENTRY, 11000));
        from_kernel(exit_of(VENDOR_VMX, HWACCL_EXIT_HLT, 0, 0, 12000));
        from_kernel(user_of(KVM_EXIT_INTR, -4, 13000)); /* not recorded: errno was another */
        from_kernel(event_of(KERNEL_EVENT_ENTRY, 21000));
        from_kernel(exit_of(VENDOR_VMX, HWACCL_EXIT_HLT, 0, 0, 22000));
        from_kernel(user_of(KVM_EXIT_INTR, -4, 23000));
        vmm_exit(HWACCL_EXIT_EXTERNAL_INTERRUPT, 20000, 24000);
        from_kernel(user_of(KVM_EXIT_IO, 0, 33000)); /* the second part of a string instruction */
        vmm_exit(HWACCL_EXIT_IO_INSTRUCTION, 32000, 34000);
        end_merging();
        expect_text("SELECT group_concat(reason || coalesce(' ' || handled_by, '')) FROM exits LEFT JOIN kernel_exits "
                    "USING (id)",
                    "HLT kernel,HLT kernel,external interrupt,I/O instruction");
        expect_sound();
}

static void what_the_kernel_lost_is_said(void **state)
{
        struct kvm_event lost = event_of(KERNEL_EVENT_LOST, 12500);

        (void)state;
        lost.value[0] = 42;
        begin_merging();
        from_kernel(exit_of(VENDOR_VMX, HWACCL_EXIT_CPUID, 0, 0, 12000));
        from_kernel(lost);
        from_kernel(exit_of(VENDOR_VMX, HWACCL_EXIT_IO_INSTRUCTION, 0, 0, 13000));
        from_kernel(user_of(KVM_EXIT_IO, 0, 13500));
        vmm_exit(HWACCL_EXIT_IO_INSTRUCTION, 10000, 14000);
        assert_int_equal(kernel_merge_counts(merging.merge).lost, 42);
        end_merging();
        expect_text("SELECT exit || text FROM marks", "0the kernel had no room for 42 events: exits are missing here");
        expect_text("SELECT value FROM option WHERE name = 'host_kernel_events_lost'", "42");
        expect_text("SELECT sum(value1) FROM kernel_events WHERE event = 'lost'", "42");
        expect_text("SELECT count(*) FROM exits", "2");
        expect_sound();
}

static void data_of_the_kernels_devices_are_there(void **state)
{
        struct kvm_event port = event_of(KERNEL_EVENT_PORT, 12100), mmio = event_of(KERNEL_EVENT_MMIO, 22100);
        static const uint64_t port_values[] = {1, 0x21, 1, 1, 0xfe}, mmio_values[] = {1, 4, 0xfee00020, 0x12345678};

        (void)state;
        memcpy(port.value, port_values, sizeof(port_values));
        memcpy(mmio.value, mmio_values, sizeof(mmio_values));
        begin_merging();
        from_kernel(exit_of(VENDOR_VMX, HWACCL_EXIT_IO_INSTRUCTION, 0x210000, 0, 12000));
        from_kernel(port);
        from_kernel(event_of(KERNEL_EVENT_ENTRY, 13000));
        from_kernel(exit_of(VENDOR_VMX, HWACCL_EXIT_EPT_MISCONFIGURATION, 0, 0, 22000));
        from_kernel(mmio);
        from_kernel(event_of(KERNEL_EVENT_ENTRY, 23000));
        end_merging();
        expect_text("SELECT group_concat(exit || ' ' || access || ' ' || address || ' ' || data) FROM accesses",
                    "0 port write 0x21 fe,1 MMIO read 0xfee00020 78563412");
        expect_text("SELECT guest_physical_address FROM exits WHERE exit = 1", "0xfee00020");
        expect_sound();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(every_exit_is_there_once_in_order, remove_files),
                cmocka_unit_test_teardown(an_exit_handled_before_a_signal_is_its_own, remove_files),
                cmocka_unit_test_teardown(what_the_kernel_lost_is_said, remove_files),
                cmocka_unit_test_teardown(data_of_the_kernels_devices_are_there, remove_files),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
