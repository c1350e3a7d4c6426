/* What KVM says in the kvm_run page when it cannot go on, played by the test: no /dev/kvm is needed. */
#include "core/accel/kvm/kvm.h"
#include "core/exit/dispatch.h"
#include "core/host/guest_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CODE UINT64_C(0x7c00)

struct fixture {
        struct hwaccl_guest_memory memory;
        struct kvm_run run;
        struct hwaccl_kvm opened;
        struct kvm_accel kvm;
        struct hwaccl_subject_state state;
        struct hwaccl_error error;
};

static int set_up(void **state)
{
        static const uint8_t code[] = {0x0f, 0x0b}; /* ud2 */
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        if (!fixture)
                return -1;
        *state = fixture;
        hwaccl_guest_memory_init(&fixture->memory, true);
        assert_true(hwaccl_guest_memory_add(&fixture->memory, 0, UINT64_C(0x10000), true, &fixture->error));
        assert_true(hwaccl_guest_memory_write(&fixture->memory, CODE, code, sizeof(code), false));
        fixture->opened.run = &fixture->run;
        fixture->kvm.kvm = &fixture->opened;
        fixture->kvm.config.memory = &fixture->memory;
        fixture->kvm.context.rip = fixture->state.rip = CODE;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;

        hwaccl_guest_memory_destroy(&fixture->memory);
        free(fixture);
        return 0;
}

static void expect_error(struct fixture *fixture, const char *text)
{
        assert_int_equal(kvm_exit(&fixture->kvm, &fixture->state, &fixture->error), EXIT_ERROR);
        if (!strstr(fixture->error.message, text))
                fail_msg("'%s' is not in '%s'", text, fixture->error.message);
}

static void an_internal_error_names_the_instruction_the_suberror_and_its_data(void **state)
{
        struct fixture *fixture = *state;
        struct kvm_run *run = &fixture->run;

        run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
        run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
        run->internal.ndata = 2;
        run->internal.data[0] = 0x12;
        run->internal.data[1] = UINT64_C(0xfedcba9876543210);
        expect_error(fixture, "KVM stopped at 7c00 (ud2): it cannot emulate the instruction "
                              "(internal error 1, data: 12 fedcba9876543210)");
        run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
        run->internal.ndata = 0;
        expect_error(fixture, "an exit during event delivery (internal error 3, data: none)");
        run->internal.suberror = 77;
        expect_error(fixture, "an unknown error (internal error 77, data: none)");
}

static void more_data_than_there_is_room_for_is_not_read(void **state)
{
        struct fixture *fixture = *state;
        struct kvm_run *run = &fixture->run;

        run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
        run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
        run->internal.ndata = UINT32_MAX;
        for (unsigned i = 0; i < 16; i++)
                run->internal.data[i] = UINT64_MAX - i;
        expect_error(fixture, " fffffffffffffff0)");
}

/* Below 4 GiB, where a processor exits for it, unlike the kernel's emulator. */
static void an_instruction_outside_ram_is_a_fetch_from_there(void **state)
{
        struct fixture *fixture = *state;

        fixture->kvm.context.rip = fixture->state.rip = UINT64_C(0xa0000);
        fixture->run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
        fixture->run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
        assert_int_equal(kvm_exit(&fixture->kvm, &fixture->state, &fixture->error), EXIT_HANDLER);
        assert_int_equal(fixture->state.exit_reason, HWACCL_EXIT_EPT_VIOLATION);
        assert_int_equal(fixture->state.exit_qualification, 0x184);
        assert_int_equal(fixture->state.guest_physical_address, 0xa0000);
}

static void an_instruction_that_cannot_be_read_is_still_an_error_with_its_address(void **state)
{
        struct fixture *fixture = *state;

        fixture->kvm.context.segment[HWACCL_CS].access_rights = 0x209b; /* 64-bit code */
        fixture->kvm.context.efer = 0x500;
        fixture->kvm.context.rip = fixture->state.rip = UINT64_C(0x140000000);
        fixture->run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
        fixture->run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
        expect_error(fixture, "KVM stopped at 140000000 (");
}

static void an_exit_that_has_no_meaning_here_is_named_by_its_number(void **state)
{
        struct fixture *fixture = *state;
        static const uint32_t reasons[] = {KVM_EXIT_HYPERCALL, KVM_EXIT_SYSTEM_EVENT, 9999};

        for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
                char number[32];
                fixture->run.exit_reason = reasons[i];
                (void)snprintf(number, sizeof(number), "reason %u", reasons[i]);
                expect_error(fixture, number);
        }

        /* one that KVM does not know has the processor's number */
        fixture->run.exit_reason = KVM_EXIT_UNKNOWN;
        fixture->run.hw.hardware_exit_reason = 0x8f;
        expect_error(fixture, "unknown hardware exit reason 8f ");
}

static void a_failed_entry_keeps_the_reason_of_the_hardware_and_the_state_that_was_refused(void **state)
{
        struct fixture *fixture = *state;

        fixture->kvm.left = fixture->state;
        fixture->state.rip = 0xdead; /* SVM leaves anything */

        fixture->run.exit_reason = KVM_EXIT_FAIL_ENTRY;
        fixture->run.fail_entry.hardware_entry_failure_reason = UINT64_C(0x80000021);
        assert_int_equal(kvm_exit(&fixture->kvm, &fixture->state, &fixture->error), EXIT_HANDLER);
        assert_int_equal(fixture->state.exit_reason,
                         HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE | HWACCL_EXIT_REASON_ENTRY_FAILURE);
        assert_int_equal(fixture->state.exit_qualification, UINT64_C(0x80000021));
        assert_int_equal(fixture->state.rip, CODE);
        assert_int_equal(hwaccl_exit_dispatch(&fixture->state, &fixture->kvm.context), HWACCL_VERDICT_ENTRY_FAILURE);
        hwaccl_exit_explain(&fixture->state, &fixture->error);
        assert_non_null(strstr(fixture->error.message, "80000021"));
}

static bool is_hardware(const char *text)
{
        FILE *cpuinfo = fmemopen((char *)(uintptr_t)text, strlen(text), "r");

        assert_non_null(cpuinfo);
        bool hardware = hwaccl_kvm_is_hardware(cpuinfo);
        assert_int_equal(fclose(cpuinfo), 0);
        return hardware;
}

static void a_processor_without_vmx_and_svm_makes_kvm_a_software_one(void **unused)
{
        (void)unused;
        assert_true(is_hardware("processor\t: 0\nflags\t\t: fpu vme vmx sse\nbugs\t: none\n"));
        assert_true(is_hardware("flags\t\t: fpu svm\n"));
        assert_false(is_hardware("vmx flags\t: vnmi ept\nflags\t\t: fpu svm_lock vmxx sse\nbugs\t: vmx svm\n"));
        assert_true(is_hardware("Features\t: fp asimd\n"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(an_internal_error_names_the_instruction_the_suberror_and_its_data),
                TEST(more_data_than_there_is_room_for_is_not_read),
                TEST(an_instruction_outside_ram_is_a_fetch_from_there),
                TEST(an_instruction_that_cannot_be_read_is_still_an_error_with_its_address),
                TEST(an_exit_that_has_no_meaning_here_is_named_by_its_number),
                TEST(a_failed_entry_keeps_the_reason_of_the_hardware_and_the_state_that_was_refused),
                cmocka_unit_test(a_processor_without_vmx_and_svm_makes_kvm_a_software_one),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
