#include "core/loop/vcpu_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What happens in a trip is written down in order, one word each. */
static char diary[512];

static void note(const char *format, unsigned value)
{
        size_t used = strlen(diary);
        (void)snprintf(diary + used, sizeof(diary) - used, "%s", used ? " " : "");
        used = strlen(diary);
        (void)snprintf(diary + used, sizeof(diary) - used, format, value);
}

static struct hwaccl_subject_state subject;
static struct hwaccl_pending_interrupts pending;
static struct hwaccl_vcpu vcpu;
static struct hwaccl_error error;
static struct hwaccl_run_request request;
static enum hwaccl_verdict verdict;

/* What the fake hardware does in its next run. */
static struct {
        uint64_t reason;
        uint64_t qualification;
        bool takes_interrupts;
        bool breaks_tr;
        bool fails;
} hardware;
static bool clock_works;

static bool run(struct hwaccl_accel *accel, struct hwaccl_subject_state *state, struct hwaccl_pending_interrupts *page,
                const struct hwaccl_run_request *asked, struct hwaccl_error *run_error)
{
        (void)accel;
        assert_ptr_equal(state, &subject);
        assert_ptr_equal(asked, &request);
        note("run", 0);
        if (hardware.fails)
                return hwaccl_error_set(run_error, "cannot run");
        int vector = hwaccl_pending_interrupts_highest(page);
        if (hardware.takes_interrupts && vector >= 0)
                hwaccl_pending_interrupts_clear(page, (uint8_t)vector);
        if (hardware.breaks_tr)
                state->tr.access_rights = 0x89;
        state->rip = 0x8000;
        state->exit_reason = hardware.reason;
        state->exit_qualification = hardware.qualification;
        state->instruction_length = 2;
        return true;
}

static bool clock(struct hwaccl_inputs *inputs, uint64_t *now_ns, struct hwaccl_error *clock_error)
{
        (void)inputs;
        if (!clock_works)
                return hwaccl_error_set(clock_error, "no clock");
        *now_ns = 4242;
        return true;
}

static void on_transfer_in(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state)
{
        (void)probe;
        assert_int_equal(state->rip, vcpu.context.rip);
        note("in", 0);
}

static void on_irq_offer(struct hwaccl_probe *probe, uint8_t vector)
{
        (void)probe;
        assert_true(hwaccl_pending_interrupts_test(&pending, vector));
        note("offer:%x", vector);
}

static void on_entry(struct hwaccl_probe *probe)
{
        (void)probe;
        note("entry", 0);
}

static void on_exit_seen(struct hwaccl_probe *probe, const struct hwaccl_subject_state *state,
                         const struct hwaccl_pending_interrupts *page)
{
        (void)probe;
        assert_ptr_equal(page, &pending);
        assert_int_equal(state->rip, 0x8000); /* before anything was handled */
        note("exit:%u", (unsigned)state->exit_reason);
}

static void on_verdict(struct hwaccl_probe *probe, enum hwaccl_verdict given)
{
        (void)probe;
        note("verdict:%u", given);
}

static void on_irq_reclaim(struct hwaccl_probe *probe, uint8_t vector, bool taken)
{
        (void)probe;
        note(taken ? "taken:%x" : "returned:%x", vector);
}

static void on_input(struct hwaccl_probe *probe, const struct hwaccl_input *input)
{
        (void)probe;
        assert_int_equal(input->value, 4242);
        note("input:%u", input->kind);
}

static const struct hwaccl_probe_ops probe_ops = {
        .transfer_in = on_transfer_in,
        .irq_offer = on_irq_offer,
        .entry = on_entry,
        .exit = on_exit_seen,
        .verdict = on_verdict,
        .irq_reclaim = on_irq_reclaim,
        .input = on_input,
};
static struct hwaccl_probe probe = {&probe_ops};
static const struct hwaccl_accel_ops accel_ops = {.name = "fake", .run = run};
static struct hwaccl_accel accel = {&accel_ops};
static const struct hwaccl_inputs_ops inputs_ops = {.clock = clock};
static struct hwaccl_inputs inputs = {.ops = &inputs_ops};

static void flush(void *opaque)
{
        assert_ptr_equal(opaque, &vcpu);
        note("flush", 0);
}

static int fill(void **state)
{
        (void)state;
        diary[0] = '\0';
        memset(&subject, 0, sizeof(subject));
        memset(&pending, 0, sizeof(pending));
        memset(&hardware, 0, sizeof(hardware));
        memset(&error, 0, sizeof(error));
        hardware.reason = HWACCL_EXIT_CPUID;
        clock_works = true;
        hwaccl_vcpu_init(&vcpu, &subject, &pending, NULL);
        hwaccl_vcpu_attach(&vcpu, &accel, &inputs, &probe);
        vcpu.context.rflags = 0x202;
        vcpu.recompiler_flush = flush;
        vcpu.recompiler = &vcpu;
        return 0;
}

static bool trip(void)
{
        verdict = HWACCL_VERDICT_COUNT;
        return hwaccl_vcpu_trip(&vcpu, &request, &verdict, &error);
}

static void a_trip_goes_past_every_probe_in_order(void **state)
{
        (void)state;
        assert_true(trip());
        assert_string_equal(diary, "in entry run exit:10 input:0 verdict:1 flush");
        assert_int_equal(verdict, HWACCL_VERDICT_EMULATE);
        assert_int_equal(vcpu.context.rip, 0x8000);
        assert_int_equal(vcpu.exit_count, 1);
        assert_int_equal(hwaccl_vcpu_clock(&vcpu), 4242);
}

static void an_offer_that_is_taken_is_settled_after_the_verdict(void **state)
{
        (void)state;
        hwaccl_trap_manager_restore(&vcpu.traps, 0x30);
        hardware.takes_interrupts = true;
        assert_true(trip());
        assert_string_equal(diary, "in offer:30 entry run exit:10 input:0 verdict:1 taken:30 flush");
        assert_false(vcpu.traps.active);
}

static void an_offer_that_is_returned_is_offered_in_the_next_trip(void **state)
{
        (void)state;
        hwaccl_trap_manager_restore(&vcpu.traps, 0x30);
        assert_true(trip());
        assert_string_equal(diary, "in offer:30 entry run exit:10 input:0 verdict:1 returned:30 flush");
        assert_true(vcpu.traps.active);
        diary[0] = '\0';
        vcpu.context.rip = 0x8000;
        hardware.takes_interrupts = true;
        assert_true(trip());
        assert_string_equal(diary, "in offer:30 entry run exit:10 input:0 verdict:1 taken:30 flush");
}

static void a_handled_control_register_access_leaves_rip_behind_it(void **state)
{
        (void)state;
        hardware.reason = HWACCL_EXIT_CONTROL_REGISTER;
        hardware.qualification = 0x10; /* MOV RAX, CR0 */
        assert_true(trip());
        assert_int_equal(verdict, HWACCL_VERDICT_RESUME);
        assert_int_equal(vcpu.context.rip, 0x8002);
        assert_int_equal(vcpu.context.gpr[HWACCL_RAX], 0x60000010);
}

static void nobody_watching_changes_nothing(void **state)
{
        (void)state;
        vcpu.host.probe = NULL;
        vcpu.recompiler_flush = NULL;
        hwaccl_trap_manager_restore(&vcpu.traps, 0x30);
        assert_true(trip());
        assert_string_equal(diary, "run");
        assert_int_equal(vcpu.context.rip, 0x8000);
        assert_true(vcpu.traps.active);
}

static void an_accelerator_that_cannot_run_the_guest_ends_the_trip(void **state)
{
        (void)state;
        hardware.fails = true;
        assert_false(trip());
        assert_string_equal(error.message, "cannot run");
        assert_string_equal(diary, "in entry run");
        assert_int_equal(vcpu.exit_count, 0);
        assert_int_equal(vcpu.context.rip, 0xfff0);
}

static void a_state_that_breaks_the_abi_is_an_error_that_names_the_accelerator(void **state)
{
        (void)state;
        hardware.breaks_tr = true;
        hwaccl_trap_manager_restore(&vcpu.traps, 0x30);
        assert_false(trip());
        assert_string_equal(error.message, "fake violated the subject-state ABI: TR is not a busy TSS: selector 0000, "
                                           "access rights 00089");
        assert_string_equal(diary, "in offer:30 entry run exit:10 input:0 verdict:1 returned:30 flush");
        assert_int_equal(vcpu.exit_count, 1);
}

static void a_context_that_cannot_be_entered_is_an_error_before_the_run(void **state)
{
        (void)state;
        vcpu.context.tr.access_rights = 0x89;
        assert_false(trip());
        assert_string_equal(diary, "");
        assert_non_null(strstr(error.message, "TR is not a busy TSS"));
}

static bool always_pending(struct hwaccl_interrupt_source *source)
{
        (void)source;
        return true;
}

static uint8_t acknowledge_nmi(struct hwaccl_interrupt_source *source)
{
        (void)source;
        return HWACCL_VECTOR_NMI;
}

static void an_interrupt_that_cannot_be_offered_ends_the_trip_before_the_run(void **state)
{
        (void)state;
        struct hwaccl_interrupt_source source = {.pending = always_pending, .acknowledge = acknowledge_nmi};
        hwaccl_vcpu_init(&vcpu, &subject, &pending, &source);
        hwaccl_vcpu_attach(&vcpu, &accel, &inputs, &probe);
        vcpu.context.rflags = 0x202;
        assert_false(trip());
        assert_string_equal(diary, "in");
        assert_non_null(strstr(error.message, "vector 2"));
}

static void an_entry_failure_keeps_the_context_and_its_diagnosis(void **state)
{
        (void)state;
        hardware.reason = HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE | HWACCL_EXIT_REASON_ENTRY_FAILURE;
        hardware.breaks_tr = true;
        assert_true(trip());
        assert_int_equal(verdict, HWACCL_VERDICT_ENTRY_FAILURE);
        assert_int_equal(vcpu.context.rip, 0xfff0);
}

static void an_unknown_exit_reason_is_recorded_before_it_ends_the_guest(void **state)
{
        (void)state;
        hardware.reason = 77;
        assert_true(trip());
        assert_int_equal(verdict, HWACCL_VERDICT_UNKNOWN);
        assert_string_equal(diary, "in entry run exit:77 input:0 verdict:4 flush");
}

static void a_host_that_fails_ends_the_trip_with_its_first_error(void **state)
{
        (void)state;
        clock_works = false;
        assert_false(trip());
        assert_string_equal(error.message, "no clock");
        assert_int_equal(vcpu.exit_count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fill)
        const struct CMUnitTest tests[] = {
                TEST(a_trip_goes_past_every_probe_in_order),
                TEST(an_offer_that_is_taken_is_settled_after_the_verdict),
                TEST(an_offer_that_is_returned_is_offered_in_the_next_trip),
                TEST(a_handled_control_register_access_leaves_rip_behind_it),
                TEST(nobody_watching_changes_nothing),
                TEST(an_accelerator_that_cannot_run_the_guest_ends_the_trip),
                TEST(a_state_that_breaks_the_abi_is_an_error_that_names_the_accelerator),
                TEST(a_context_that_cannot_be_entered_is_an_error_before_the_run),
                TEST(an_interrupt_that_cannot_be_offered_ends_the_trip_before_the_run),
                TEST(an_entry_failure_keeps_the_context_and_its_diagnosis),
                TEST(an_unknown_exit_reason_is_recorded_before_it_ends_the_guest),
                TEST(a_host_that_fails_ends_the_trip_with_its_first_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
