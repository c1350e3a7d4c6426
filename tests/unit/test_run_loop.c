/* The run loop on a scripted accelerator: ends, waits, deadlines, windows, and what the probe is told in which order.
 */
#include "tests/fixtures/machine_fixture.h"

#define RFLAGS_IF UINT64_C(0x200)

/* Code of the guests below: each instruction's offset. */
static const uint8_t code[] = {
        0xf4,       /* 0: hlt */
        0xe6, 0xf4, /* 1: out 0xf4, al */
        0xe6, 0x64, /* 3: out 0x64, al */
        0x0f, 0x0b, /* 5: ud2 */
        0xec,       /* 7: in al, dx */
        0xee,       /* 8: out dx, al */
        0xef,       /* 9: out dx, ax */
};
enum { AT_HLT = 0, AT_OUT_EXIT = 1, AT_OUT_64 = 3, AT_UD2 = 5, AT_OUT_DX = 8, AT_OUT_DX_WORD = 9 };

/* A step of a script; see script_step. */
#define UNUSED __attribute__((unused))
#define STEP(name)                                                                                                     \
        static bool name(UNUSED struct fixture *f, UNUSED struct hwaccl_subject_state *state,                          \
                         UNUSED struct hwaccl_pending_interrupts *pending,                                             \
                         UNUSED const struct hwaccl_run_request *request)

static void exit_with(struct hwaccl_subject_state *state, unsigned reason, unsigned offset, unsigned length)
{
        state->exit_reason = reason;
        state->rip = FIXTURE_CODE + offset;
        state->instruction_length = length;
}

STEP(preempted)
{
        exit_with(state, HWACCL_EXIT_PREEMPTION_TIMER, 0, 0);
        return true;
}

STEP(kicked)
{
        preempted(f, state, pending, request);
        state->exit_reason = HWACCL_EXIT_EXTERNAL_INTERRUPT;
        return true;
}

STEP(halts)
{
        exit_with(state, HWACCL_EXIT_HLT, AT_HLT, 1);
        return true;
}

STEP(halts_with_interrupts)
{
        state->rflags |= RFLAGS_IF;
        return halts(f, state, pending, request);
}

STEP(takes_interrupt)
{
        int vector = hwaccl_pending_interrupts_highest(pending);
        assert_true(vector >= 0);
        hwaccl_pending_interrupts_clear(pending, (uint8_t)vector);
        state->rflags &= ~RFLAGS_IF;
        return preempted(f, state, pending, request);
}

STEP(writes_exit_code)
{
        exit_with(state, HWACCL_EXIT_IO_INSTRUCTION, AT_OUT_EXIT, 2);
        state->exit_qualification = 0xf4u << 16 | 0x40; /* OUT, one byte, immediate */
        state->rax = 42;
        return true;
}

STEP(pulses_reset)
{
        exit_with(state, HWACCL_EXIT_IO_INSTRUCTION, AT_OUT_64, 2);
        state->exit_qualification = 0x64u << 16 | 0x40;
        state->rax = 0xfe;
        return true;
}

STEP(powers_off)
{
        exit_with(state, HWACCL_EXIT_IO_INSTRUCTION, AT_OUT_DX_WORD, 1);
        state->rdx = 0x604;
        state->rax = 0x2000;
        state->exit_qualification = 0x604u << 16 | 1;
        return true;
}

STEP(triple_faults)
{
        exit_with(state, HWACCL_EXIT_TRIPLE_FAULT, 0, 0);
        return true;
}

STEP(is_refused)
{
        state->exit_reason = HWACCL_EXIT_REASON_ENTRY_FAILURE | HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE;
        return true;
}

STEP(exits_unknown)
{
        exit_with(state, HWACCL_EXIT_GDTR_IDTR_ACCESS, 0, 0);
        return true;
}

STEP(cannot_be_emulated)
{
        exit_with(state, HWACCL_EXIT_EPT_VIOLATION, AT_UD2, 0);
        return true;
}

STEP(gives_up)
{
        return false;
}

static void set_up(struct fixture *f, const script_step *script)
{
        fixture_init(f, code, sizeof(code));
        f->script = script;
}

/* A periodic timer interrupt: channel 0, mode 2, 11932 ticks (10 ms), the PICs at 20h and 28h. */
static void start_timer(struct fixture *f)
{
        out8(f, 0x43, 0x34);
        out8(f, 0x40, 11932 & 0xff);
        out8(f, 0x40, 11932 >> 8);
        init_pics(f, 0x20, 0x28); /* forgets the edge that setting the timer's mode makes */
}

static enum hwaccl_end run(struct fixture *f, struct hwaccl_error *error)
{
        f->log[0] = 0;
        error->message[0] = 0;
        return hwaccl_vcpu_run(f->vcpu, error);
}

static void the_debug_exit_port_gives_the_exit_code(void **state)
{
        (void)state;
        static const script_step script[] = {preempted, writes_exit_code, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        assert_int_equal(run(&f, &error), HWACCL_END_EXIT_CODE);
        assert_int_equal(f.machine->board.exit_code, 42);
        assert_string_equal(error.message, "");
        assert_string_equal(f.log, "in entry exit:52 clock verdict:0 handled:0 "
                                   "in entry exit:30 clock verdict:1 instruction stop:1:42 handled:1 in ");
        assert_false(hwaccl_vcpu_step(f.vcpu, &error)); /* it has ended */
        fixture_destroy(&f);
}

static void hlt_without_interrupts_ends_halted(void **state)
{
        (void)state;
        static const script_step script[] = {halts, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        start_timer(&f);
        assert_int_equal(run(&f, &error), HWACCL_END_HALTED);
        assert_string_equal(f.log, "in entry exit:12 clock verdict:1 instruction stop:2:0 handled:4 in ");
        assert_int_equal(f.machine->processor.halted, 1);
        fixture_destroy(&f);
}

static void hlt_that_no_device_will_end_ends_halted(void **state)
{
        (void)state;
        static const script_step script[] = {halts_with_interrupts, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        start_timer(&f);
        out8(&f, 0x21, 0xff); /* the timer runs, but masked */
        assert_int_equal(run(&f, &error), HWACCL_END_HALTED);
        assert_int_equal(f.waits, 0);
        fixture_destroy(&f);
}

static void hlt_waits_for_the_timer_and_hands_its_interrupt_over(void **state)
{
        (void)state;
        static const script_step script[] = {halts_with_interrupts, takes_interrupt, halts, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        start_timer(&f);
        assert_int_equal(run(&f, &error), HWACCL_END_HALTED);
        assert_string_equal(f.log, "in entry exit:12 clock verdict:1 instruction wait line0=0 line0=1 handled:4 "
                                   "in offer:20 entry exit:52 clock verdict:0 taken:20 handled:0 "
                                   "in entry exit:12 clock verdict:1 instruction stop:2:0 handled:4 in ");
        assert_int_equal(f.waits, 1);
        assert_int_equal(f.stop_questions,
                         3); /* one for each exit: a wait that ends in an interrupt is none of its own */
        assert_true(f.clock >= 10000000 && f.clock < 10002000);
        fixture_destroy(&f);
}

static void a_pending_interrupt_ends_hlt_at_once(void **state)
{
        (void)state;
        static const script_step script[] = {halts_with_interrupts, takes_interrupt, triple_faults, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        start_timer(&f);
        f.clock = 20000000;
        assert_int_equal(run(&f, &error), HWACCL_END_TRIPLE_FAULT);
        assert_int_equal(f.waits, 0);
        fixture_destroy(&f);
}

static void the_probe_learns_of_a_wait_only_if_the_host_sleeps(void **state)
{
        static const script_step never[] = {halts, NULL};
        static const script_step at_once[] = {halts_with_interrupts, takes_interrupt, triple_faults, NULL};
        static const script_step timer[] = {halts_with_interrupts, takes_interrupt, triple_faults, NULL};
        static const script_step *const scripts[] = {never, at_once, timer};
        struct hwaccl_error error;

        (void)state;
        for (unsigned i = 0; i < 3; i++) {
                struct fixture f;
                set_up(&f, scripts[i]);
                start_timer(&f);
                f.inputs.sleeps = true;
                f.clock = i == 1 ? 20000000 : 0;
                (void)run(&f, &error);
                assert_int_equal(strstr(f.log, "instruction sleeps wait line0=0 line0=1 woke handled") != NULL, i == 2);
                assert_int_equal(strstr(f.log, "sleeps") != NULL, i == 2);
                assert_int_equal(strstr(f.log, "woke") != NULL, i == 2);
                fixture_destroy(&f);
        }
}

static void typing_ends_hlt_when_the_uart_interrupts(void **state)
{
        (void)state;
        static const script_step script[] = {halts_with_interrupts, takes_interrupt, triple_faults, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        init_pics(&f, 0x20, 0x28);
        out8(&f, 0x3f9, 0x01);
        out8(&f, 0x3fc, 0x08);
        f.on_wait = "x";
        assert_int_equal(run(&f, &error), HWACCL_END_TRIPLE_FAULT);
        assert_non_null(strstr(f.log, "wait console line4=1 handled:4 in offer:24 "));
        fixture_destroy(&f);
}

static void a_stop_request_ends_a_wait(void **state)
{
        (void)state;
        static const script_step script[] = {halts_with_interrupts, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        start_timer(&f);
        f.wait_stops = true;
        assert_int_equal(run(&f, &error), HWACCL_END_STOPPED);
        assert_int_equal(f.machine->board.exit_code, HWACCL_STOP_INTERRUPTED);
        assert_string_equal(f.log, "in entry exit:12 clock verdict:1 instruction wait stop stop:7:1 handled:4 in ");
        fixture_destroy(&f);
}

static void a_stop_request_is_heeded_once_the_exit_is_handled(void **state)
{
        (void)state;
        static const script_step script[] = {preempted, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        f.stop = HWACCL_STOP_MAX_EXITS;
        assert_int_equal(run(&f, &error), HWACCL_END_STOPPED);
        assert_int_equal(f.machine->board.exit_code, HWACCL_STOP_MAX_EXITS);
        assert_string_equal(f.log, "in entry exit:52 clock verdict:0 stop stop:7:3 handled:0 in ");
        fixture_destroy(&f);
}

static void the_guests_own_end_comes_before_a_stop_request(void **state)
{
        (void)state;
        static const script_step script[] = {writes_exit_code, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        f.stop = HWACCL_STOP_TIMEOUT;
        assert_int_equal(run(&f, &error), HWACCL_END_EXIT_CODE);
        assert_int_equal(f.stop_questions, 0);
        fixture_destroy(&f);
}

static void a_triple_fault_ends_the_guest(void **state)
{
        (void)state;
        static const script_step script[] = {triple_faults, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        assert_int_equal(run(&f, &error), HWACCL_END_TRIPLE_FAULT);
        assert_string_equal(f.log, "in entry exit:2 clock verdict:2 stop:3:0 handled:5 in ");
        fixture_destroy(&f);
}

static void a_reset_ends_the_guest(void **state)
{
        (void)state;
        static const script_step script[] = {pulses_reset, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        assert_int_equal(run(&f, &error), HWACCL_END_RESET);
        assert_non_null(strstr(f.log, "stop:4:0 handled:1 "));
        fixture_destroy(&f);
}

static void soft_off_ends_the_guest(void **state)
{
        (void)state;
        static const script_step script[] = {powers_off, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        out32(&f, 0xcf8, 0x80000b40);
        out32(&f, 0xcfc, 0x601);
        out32(&f, 0xcf8, 0x80000b80);
        out8(&f, 0xcfc, 1);
        assert_int_equal(run(&f, &error), HWACCL_END_POWER_OFF);
        fixture_destroy(&f);
}

static void an_entry_failure_says_which_rule_is_broken(void **state)
{
        (void)state;
        static const script_step script[] = {is_refused, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        f.vcpu->context.rflags = 0; /* bit 1 must be set */
        assert_int_equal(run(&f, &error), HWACCL_END_ENTRY_FAILURE);
        assert_non_null(strstr(error.message, "refused the guest's state"));
        assert_non_null(strstr(error.message, "RFLAGS"));
        assert_non_null(strstr(f.log, "verdict:3 stop:5:0 handled:6 "));
        fixture_destroy(&f);
}

static void an_unknown_reason_is_named(void **state)
{
        (void)state;
        static const script_step script[] = {exits_unknown, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        assert_int_equal(run(&f, &error), HWACCL_END_ERROR);
        assert_non_null(strstr(error.message, "GDTR"));
        assert_non_null(strstr(f.log, "verdict:4 stop:6:0 handled:6 "));
        fixture_destroy(&f);
}

static void an_instruction_that_cannot_be_emulated_is_shown(void **state)
{
        (void)state;
        static const script_step script[] = {cannot_be_emulated, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        assert_int_equal(run(&f, &error), HWACCL_END_ERROR);
        assert_non_null(strstr(error.message, "ud2"));
        assert_non_null(strstr(f.log, "stop:6:0 handled:6 "));
        fixture_destroy(&f);
}

static void an_accelerator_that_gives_up_leaves_no_half_exit(void **state)
{
        (void)state;
        static const script_step script[] = {gives_up, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        assert_int_equal(run(&f, &error), HWACCL_END_ERROR);
        assert_string_equal(error.message, "the accelerator gives up");
        assert_null(strstr(f.log, "handled"));
        fixture_destroy(&f);
}

static void a_failing_input_is_the_error_whatever_came_of_it(void **state)
{
        (void)state;
        static const script_step script[] = {writes_exit_code, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        f.clock_fails = true;
        assert_int_equal(run(&f, &error), HWACCL_END_ERROR);
        assert_string_equal(error.message, "no clock today");
        assert_non_null(strstr(f.log, "stop:6:0 handled:6 ")); /* the exit is closed */
        fixture_destroy(&f);
}

static void a_probe_that_refuses_ends_the_guest_with_its_error(void **state)
{
        (void)state;
        static const script_step script[] = {preempted, preempted, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        f.refuse_handled = true;
        assert_int_equal(run(&f, &error), HWACCL_END_ERROR);
        assert_string_equal(error.message, "the recording is full");
        assert_int_equal(f.runs, 1);
        fixture_destroy(&f);
}

static void a_run_ends_at_the_least_deadline_and_devices_are_brought_up_to_it(void **state)
{
        (void)state;
        static const script_step script[] = {preempted, preempted, triple_faults, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        assert_true(hwaccl_vcpu_step(f.vcpu, &error));
        assert_true(f.request.deadline_ns == UINT64_MAX); /* nothing runs after reset */
        start_timer(&f);
        f.clock = 10500000;
        f.log[0] = 0;
        assert_true(hwaccl_vcpu_step(f.vcpu, &error));
        assert_in_range(f.request.deadline_ns, 10000000, 10002000);
        assert_string_equal(f.log, "in entry exit:52 clock verdict:0 line0=0 line0=1 handled:0 ");
        assert_false(hwaccl_vcpu_step(f.vcpu, &error));
        assert_in_range(f.request.deadline_ns, 20000000, 20003000);
        fixture_destroy(&f);
}

static void a_window_is_asked_for_while_an_interrupt_cannot_be_offered(void **state)
{
        (void)state;
        static const script_step script[] = {preempted, preempted, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        init_pics(&f, 0x20, 0x28);
        assert_true(hwaccl_vcpu_step(f.vcpu, &error));
        assert_false(f.request.interrupt_window);
        raise_line(&f, 3); /* IF is 0 after reset */
        f.log[0] = 0;
        assert_true(hwaccl_vcpu_step(f.vcpu, &error));
        assert_true(f.request.interrupt_window);
        assert_null(strstr(f.log, "offer"));
        fixture_destroy(&f);
}

static void what_the_subject_does_not_take_is_offered_again(void **state)
{
        (void)state;
        static const script_step script[] = {preempted, takes_interrupt, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        init_pics(&f, 0x20, 0x28);
        raise_line(&f, 3);
        f.vcpu->context.rflags |= RFLAGS_IF;
        f.log[0] = 0;
        assert_true(hwaccl_vcpu_step(f.vcpu, &error));
        assert_true(hwaccl_vcpu_step(f.vcpu, &error));
        assert_string_equal(f.log, "in offer:23 entry exit:52 clock verdict:0 returned:23 handled:0 "
                                   "in offer:23 entry exit:52 clock verdict:0 taken:23 handled:0 ");
        fixture_destroy(&f);
}

static void a_kick_looks_for_typed_characters(void **state)
{
        (void)state;
        static const script_step script[] = {kicked, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        out8(&f, 0x3f9, 0x01);
        out8(&f, 0x3fc, 0x08);
        strcpy(f.typed, "hi");
        f.log[0] = 0;
        assert_true(hwaccl_vcpu_step(f.vcpu, &error));
        assert_string_equal(f.log, "in entry exit:1 clock verdict:0 console line4=1 handled:0 ");
        fixture_destroy(&f);
}

static void nobody_need_watch(void **state)
{
        (void)state;
        static const script_step script[] = {preempted, writes_exit_code, NULL};
        struct fixture f;
        struct hwaccl_error error;

        set_up(&f, script);
        hwaccl_vcpu_attach(f.vcpu, &f.accel, &f.inputs, NULL);
        assert_int_equal(run(&f, &error), HWACCL_END_EXIT_CODE);
        assert_string_equal(f.log, "");
        fixture_destroy(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_debug_exit_port_gives_the_exit_code),
                cmocka_unit_test(hlt_without_interrupts_ends_halted),
                cmocka_unit_test(hlt_that_no_device_will_end_ends_halted),
                cmocka_unit_test(hlt_waits_for_the_timer_and_hands_its_interrupt_over),
                cmocka_unit_test(a_pending_interrupt_ends_hlt_at_once),
                cmocka_unit_test(the_probe_learns_of_a_wait_only_if_the_host_sleeps),
                cmocka_unit_test(typing_ends_hlt_when_the_uart_interrupts),
                cmocka_unit_test(a_stop_request_ends_a_wait),
                cmocka_unit_test(a_stop_request_is_heeded_once_the_exit_is_handled),
                cmocka_unit_test(the_guests_own_end_comes_before_a_stop_request),
                cmocka_unit_test(a_triple_fault_ends_the_guest),
                cmocka_unit_test(a_reset_ends_the_guest),
                cmocka_unit_test(soft_off_ends_the_guest),
                cmocka_unit_test(an_entry_failure_says_which_rule_is_broken),
                cmocka_unit_test(an_unknown_reason_is_named),
                cmocka_unit_test(an_instruction_that_cannot_be_emulated_is_shown),
                cmocka_unit_test(an_accelerator_that_gives_up_leaves_no_half_exit),
                cmocka_unit_test(a_failing_input_is_the_error_whatever_came_of_it),
                cmocka_unit_test(a_probe_that_refuses_ends_the_guest_with_its_error),
                cmocka_unit_test(a_run_ends_at_the_least_deadline_and_devices_are_brought_up_to_it),
                cmocka_unit_test(a_window_is_asked_for_while_an_interrupt_cannot_be_offered),
                cmocka_unit_test(what_the_subject_does_not_take_is_offered_again),
                cmocka_unit_test(a_kick_looks_for_typed_characters),
                cmocka_unit_test(nobody_need_watch),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
