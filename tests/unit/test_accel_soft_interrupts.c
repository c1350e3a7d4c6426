/* Interrupts, exceptions, blocking by STI and MOV SS, the timer, kicks and determinism of the soft accelerator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fixtures/accel_fixture.h"

#include <pthread.h>
#include <time.h>

static void enter_mode(struct guest *guest, int mode)
{
        if (mode == 1)
                protect(guest, CODE_32);
        else if (mode == 2)
                enter_long_mode(guest);
}

static void a_pending_vector_is_delivered_before_the_next_instruction(void **unused)
{
        for (int mode = 0; mode < 3; mode++) {
                struct guest *guest = guest_new();
                enter_mode(guest, mode);
                code(guest, 0x0f, 0xa2);
                guest->state.rflags |= FLAG_IF;
                hwaccl_pending_interrupts_set(&guest->pending, 0x40);
                run_to(guest, HWACCL_EXIT_HLT, HANDLER(0x40));
                assert_int_equal(hwaccl_pending_interrupts_highest(&guest->pending), -1);
                assert_int_equal(guest->state.rflags & FLAG_IF, 0);
                assert_int_equal(get(guest, guest->state.rsp, mode == 2 ? 8 : mode == 1 ? 4 : 2), CODE);
                guest_free(guest);
        }
        (void)unused;
}

static void the_higher_of_two_vectors_goes_first_and_the_other_stays(void **unused)
{
        struct guest *guest = guest_new();
        code(guest, 0x0f, 0xa2);
        guest->state.rflags |= FLAG_IF;
        hwaccl_pending_interrupts_set(&guest->pending, 0x40);
        hwaccl_pending_interrupts_set(&guest->pending, 0x50);
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(0x50));
        assert_int_equal(hwaccl_pending_interrupts_highest(&guest->pending), 0x40);
        guest_free(guest);
        (void)unused;
}

static void an_exit_before_delivery_leaves_the_bit_set(void **unused)
{
        struct guest *guest = guest_new();
        code(guest, 0x0f, 0xa2);
        hwaccl_pending_interrupts_set(&guest->pending, 0x40);
        run_to(guest, HWACCL_EXIT_CPUID, CODE);
        assert_true(hwaccl_pending_interrupts_test(&guest->pending, 0x40));
        guest->state.rflags |= FLAG_IF;
        guest->accel->ops->kick(guest->accel);
        run_to(guest, HWACCL_EXIT_EXTERNAL_INTERRUPT, CODE);
        assert_true(hwaccl_pending_interrupts_test(&guest->pending, 0x40));
        guest_free(guest);
        (void)unused;
}

static void sti_holds_interrupts_back_for_one_instruction(void **unused)
{
        for (int mode = 0; mode < 3; mode++) {
                struct guest *guest = guest_new();
                enter_mode(guest, mode);
                code(guest, 0x90, 0xfb, 0x89, 0xd8, 0x89, 0xc1, 0xf4); /* nop; sti; mov eax, ebx; mov ecx, eax; hlt */
                guest->state.rbx = 7;
                guest->state.rcx = 3;
                hwaccl_pending_interrupts_set(&guest->pending, 0x40);
                run_to(guest, HWACCL_EXIT_HLT, HANDLER(0x40));
                assert_int_equal(guest->state.rax, 7);
                assert_int_equal(guest->state.rcx, 3);
                assert_int_equal(get(guest, guest->state.rsp, 2), CODE + 4);
                guest_free(guest);
        }
        (void)unused;
}

static void an_exit_in_the_shadow_of_sti_tells_it(void **unused)
{
        struct guest *guest = guest_new();
        code(guest, 0xfb, 0xf4, 0xf4); /* sti; hlt; hlt */
        run_to(guest, HWACCL_EXIT_HLT, CODE + 1);
        assert_int_equal(guest->state.interruptibility, HWACCL_INTERRUPTIBILITY_STI);
        assert_true(guest->state.rflags & FLAG_IF);

        /* given back as it is, the shadow still holds for that instruction */
        hwaccl_pending_interrupts_set(&guest->pending, 0x40);
        run_to(guest, HWACCL_EXIT_HLT, CODE + 1);
        assert_true(hwaccl_pending_interrupts_test(&guest->pending, 0x40));
        hwaccl_pending_interrupts_clear(&guest->pending, 0x40);

        step_past(guest);
        run_to(guest, HWACCL_EXIT_HLT, CODE + 2);
        assert_int_equal(guest->state.interruptibility, 0);
        /* with interrupts on already, STI casts none */
        guest->state.rip = CODE;
        run_to(guest, HWACCL_EXIT_HLT, CODE + 1);
        assert_int_equal(guest->state.interruptibility, 0);
        /* and a loop that comes back to its instruction is out of it */
        code(guest, 0xfb, 0xe2, 0xfe, 0xf4); /* sti; again: loop again; hlt */
        guest->state.rip = CODE;
        guest->state.rcx = 3;
        guest->state.rflags = 2;
        guest->request.interrupt_window = true;
        run_to(guest, HWACCL_EXIT_INTERRUPT_WINDOW, CODE + 1);
        assert_int_equal(guest->state.rcx, 2);
        guest_free(guest);
        (void)unused;
}

static void mov_ss_and_pop_ss_hold_interrupts_back(void **unused)
{
        struct guest *guest = guest_new();
        code(guest, 0x8e, 0xd0, 0x0f, 0xa2, 0x17, 0xf4); /* mov ss, ax; cpuid; pop ss; hlt */
        run_to(guest, HWACCL_EXIT_CPUID, CODE + 2);
        assert_int_equal(guest->state.interruptibility, HWACCL_INTERRUPTIBILITY_MOV_SS);
        step_past(guest);
        run_to(guest, HWACCL_EXIT_HLT, CODE + 5);
        assert_int_equal(guest->state.interruptibility, HWACCL_INTERRUPTIBILITY_MOV_SS);
        guest_free(guest);

        guest = guest_new();
        code(guest, 0xfb, 0x8e, 0xd0, 0x89, 0xd8, 0x89, 0xc1, 0xf4); /* sti; mov ss, ax; mov ax, bx; mov cx, ax; hlt */
        guest->state.rbx = 9;
        hwaccl_pending_interrupts_set(&guest->pending, 0x40);
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(0x40));
        assert_int_equal(guest->state.rax, 9);
        assert_int_equal(guest->state.rcx, 0);
        guest_free(guest);
        (void)unused;
}

static void popf_and_iret_let_a_waiting_interrupt_in(void **unused)
{
        for (int mode = 0; mode < 2; mode++) {
                struct guest *guest = guest_new();
                enter_mode(guest, mode);
                code(guest, 0x9d, 0x89, 0xd8, 0xf4); /* popf; mov eax, ebx; hlt */
                put64(guest, STACK, FLAG_IF | 2);
                guest->state.rbx = 7;
                hwaccl_pending_interrupts_set(&guest->pending, 0x40);
                run_to(guest, HWACCL_EXIT_HLT, HANDLER(0x40));
                assert_int_equal(guest->state.rax, 0);
                assert_int_equal(get(guest, guest->state.rsp, 2), CODE + 1);
                assert_int_equal(get(guest, guest->state.rsp + (mode ? 8 : 4), 2), FLAG_IF | 2); /* no trap flag */

                code(guest, 0xcf, 0xf4); /* iret to itself's successor */
                const uint32_t wide[3] = {CODE + 1, CODE_32, FLAG_IF | 2};
                const uint16_t narrow[3] = {CODE + 1, 0, FLAG_IF | 2};
                poke_memory(guest, STACK, mode ? (const void *)wide : narrow, mode ? sizeof(wide) : sizeof(narrow));
                guest->state.rip = CODE;
                guest->state.rsp = STACK;
                hwaccl_pending_interrupts_set(&guest->pending, 0x41);
                run_to(guest, HWACCL_EXIT_HLT, HANDLER(0x41));
                assert_int_equal(get(guest, guest->state.rsp, 2), CODE + 1);
                guest_free(guest);
        }
        (void)unused;
}

static void the_interrupt_window_opens_when_interrupts_can_be_taken(void **unused)
{
        struct guest *guest = guest_new();
        code(guest, 0x90, 0xfb, 0x90, 0x9c, 0xf4); /* nop; sti; nop; pushf; hlt */
        guest->request.interrupt_window = true;
        run_to(guest, HWACCL_EXIT_INTERRUPT_WINDOW, CODE + 3);
        assert_int_equal(guest->state.interruptibility, 0);
        assert_int_equal(guest->state.instruction_length, 0);
        run_to(guest, HWACCL_EXIT_INTERRUPT_WINDOW, CODE + 3);
        guest->request.interrupt_window = false;
        run_to(guest, HWACCL_EXIT_HLT, CODE + 4);

        /* PUSHF in the shadow must not show that it was stepped over */
        code(guest, 0xfb, 0x9c, 0xf4);
        guest->request.interrupt_window = true;
        guest->state.rip = CODE;
        guest->state.rflags = 2;
        run_to(guest, HWACCL_EXIT_INTERRUPT_WINDOW, CODE + 2);
        assert_int_equal(get(guest, guest->state.rsp, 2), FLAG_IF | 2);
        guest_free(guest);
        (void)unused;
}

static void software_interrupts_return_behind_themselves(void **unused)
{
        static const struct {
                uint8_t bytes[2];
                uint8_t vector, length;
        } cases[] = {{{0xcc}, 3, 1}, {{0xcd, 0x80}, 0x80, 2}, {{0xce}, 4, 1}, {{0xf1}, 1, 1}};
        for (int mode = 0; mode < 2; mode++) {
                for (size_t i = 0; i < 4; i++) {
                        struct guest *guest = guest_new();
                        enter_mode(guest, mode);
                        poke_memory(guest, CODE, cases[i].bytes, 2);
                        guest->state.rflags |= 0x800;
                        run_to(guest, HWACCL_EXIT_HLT, HANDLER(cases[i].vector));
                        assert_int_equal(get(guest, guest->state.rsp, 2), CODE + cases[i].length);
                        guest_free(guest);
                }
        }
        (void)unused;
}

/* Without a usable gate: the fault's handler returns to the instruction, whatever that is. */
static void a_fault_in_the_delivery_returns_to_the_instruction(void **unused)
{
        static const struct {
                uint8_t bytes[6];
                uint8_t vector, at;
                uint32_t error_code;
        } cases[] = {
                {{0x90, 0xcc}, 3, 1, 3 * 8 + 2},
                {{0x90, 0xcd, 0x80}, 0x80, 1, 0x80 * 8 + 2},
                {{0xce}, 4, 0, 4 * 8 + 2},
                {{0xf1}, 1, 0, 1 * 8 + 3},                         /* INT1: EXT is set */
                {{0x40, 0x62, 0x05, 0, 0x50, 0}, 5, 1, 5 * 8 + 3}, /* inc eax; bound eax, [5000h] */
                {{0x40, 0x0f, 0x0b}, 6, 1, 6 * 8 + 3},             /* ud2 */
                {{0xfb, 0x40, 0x90}, 0x77, 2, 0x77 * 8 + 3},       /* an external interrupt behind sti; inc eax */
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct guest *guest = guest_new();
                protect(guest, CODE_32);
                poke_memory(guest, CODE, cases[i].bytes, sizeof(cases[i].bytes));
                put64(guest, 0x5000, 0); /* BOUND: 0 to 0 */
                guest->state.rflags |= 0x800;
                guest->state.rax = 5;
                put64(guest, IDT + cases[i].vector * 8u, UINT64_C(0x0e0000080000)); /* not present */
                if (cases[i].vector == 0x77)
                        guest->pending.bits[1] = UINT64_C(1) << (0x77 - 64);
                run_to(guest, HWACCL_EXIT_HLT, HANDLER(11));
                assert_int_equal(get(guest, guest->state.rsp, 4), cases[i].error_code);
                assert_int_equal(get(guest, guest->state.rsp + 4, 4), CODE + cases[i].at);
                guest_free(guest);
        }
        (void)unused;
}

static void faults_return_to_the_instruction_with_their_error_code(void **unused)
{
        static const struct {
                uint8_t bytes[8];
                uint8_t vector;
                uint8_t at;
                bool has_code;
                uint32_t error_code;
        } cases[] = {
                {{0x31, 0xc9, 0xf7, 0xf1}, 0, 2, false, 0},                 /* xor ecx, ecx; div ecx */
                {{0x90, 0x0f, 0x0b}, 6, 1, false, 0},                       /* ud2 */
                {{0x66, 0xb9, 0x70, 0x01, 0x8e, 0xd9}, 13, 4, true, 0x170}, /* mov cx, 0x170; mov ds, ecx */
                {{0x0f, 0x22, 0xe0}, 13, 0, true, 0},                       /* mov cr4, eax with reserved bits */
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct guest *guest = guest_new();
                protect(guest, CODE_32);
                guest->state.rax = 0x80000000;
                poke_memory(guest, CODE, cases[i].bytes, sizeof(cases[i].bytes));
                run_to(guest, HWACCL_EXIT_HLT, HANDLER(cases[i].vector));
                uint64_t frame = guest->state.rsp;
                if (cases[i].has_code) {
                        assert_int_equal(get(guest, frame, 4), cases[i].error_code);
                        frame += 4;
                }
                assert_int_equal(get(guest, frame, 4), CODE + cases[i].at);
                guest_free(guest);
        }
        (void)unused;
}

/* The debug exception is left to the handler, which knows DR6. */
static void step_to(struct guest *guest, uint64_t rip)
{
        run_to(guest, HWACCL_EXIT_EXCEPTION_OR_NMI, rip);
        assert_int_equal(guest->state.interrupt_information, 0x80000301);
        assert_int_equal(guest->state.exit_qualification, 0x4000);
}

static void single_steps_trap_after_every_instruction(void **unused)
{
        struct guest *guest = guest_new();
        protect(guest, CODE_32);
        code(guest, 0x40, 0x40, 0xf4); /* inc eax; inc eax; hlt */
        guest->state.rflags |= FLAG_TF;
        step_to(guest, CODE + 1);
        assert_int_equal(guest->state.rax, 1);
        assert_int_equal(guest->state.rflags & FLAG_TF, FLAG_TF);
        step_to(guest, CODE + 2);
        assert_int_equal(guest->state.rax, 2);

        /* after those that the engine does not perform itself, too */
        static const struct {
                uint8_t bytes[3];
                uint8_t length;
        } cases[] = {
                {{0xf3, 0x90}, 2}, {{0x0f, 0x06}, 2}, {{0x0f, 0x01, 0xe0}, 3}, {{0xce}, 1}, {{0x0f, 0x20, 0xc0}, 3}};
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                poke_memory(guest, CODE, cases[i].bytes, 3);
                guest->state.rip = CODE;
                guest->state.rflags = 2 | FLAG_TF;
                step_to(guest, CODE + cases[i].length);
        }
        guest_free(guest);
        (void)unused;
}

/* mov ss, [watched]; nop: the breakpoint comes behind the NOP. */
static void a_load_of_ss_holds_a_breakpoint_back(void **unused)
{
        static const uint16_t selector = DATA_32;
        const struct hwaccl_breakpoints breakpoints = {.address = {0x3000}, .dr7 = 0x30001}; /* reads of a byte */
        struct guest *guest = guest_new();

        protect(guest, CODE_32);
        code(guest, 0x8e, 0x15, 0x00, 0x30, 0x00, 0x00, 0x90, 0x90, 0xf4);
        poke_memory(guest, 0x3000, &selector, sizeof(selector));
        guest->request.breakpoints = &breakpoints;
        run_to(guest, HWACCL_EXIT_EXCEPTION_OR_NMI, CODE + 7);
        assert_int_equal(guest->state.exit_qualification, 1);
        assert_int_equal(guest->state.interrupt_information, 0x80000301);
        run_to(guest, HWACCL_EXIT_HLT, CODE + 8);
        guest_free(guest);
        (void)unused;
}

/* mov ss, [watched], and INT, INT3 or a fault: before the first instruction of the handler. INT1: one exception for
 * both; PUSHF, which the accelerator performs itself: behind it. */
static void a_breakpoint_that_a_load_of_ss_holds_back_is_not_lost(void **unused)
{
        static const uint16_t selector = DATA_32;
        static const struct {
                uint8_t next[2];
                uint64_t place;
        } cases[] = {
                {{0xcd, 0x40}, HANDLER(0x40)}, {{0xcc, 0xf4}, HANDLER(3)}, {{0x0f, 0x0b}, HANDLER(6)},
                {{0xf1, 0xf4}, CODE + 7},      {{0x9c, 0xf4}, CODE + 7},
        };
        const struct hwaccl_breakpoints breakpoints = {.address = {0x3000}, .dr7 = 0x30001};

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct guest *guest = guest_new();
                protect(guest, CODE_32);
                code(guest, 0x8e, 0x15, 0x00, 0x30, 0x00, 0x00, 0xf4, 0xf4, 0xf4);
                poke_memory(guest, CODE + 6, cases[i].next, sizeof(cases[i].next));
                poke_memory(guest, 0x3000, &selector, sizeof(selector));
                guest->request.breakpoints = &breakpoints;
                run_to(guest, HWACCL_EXIT_EXCEPTION_OR_NMI, cases[i].place);
                assert_int_equal(guest->state.exit_qualification, 1);
                assert_int_equal(guest->state.interrupt_information, 0x80000301);
                run_to(guest, HWACCL_EXIT_HLT, cases[i].place);
                guest_free(guest);
        }
        (void)unused;
}

static void a_fault_that_cannot_be_delivered_is_a_triple_fault(void **unused)
{
        struct guest *guest = guest_new();
        protect(guest, CODE_32);
        guest->state.idtr.limit = 0;
        code(guest, 0x90, 0x0f, 0x0b);
        run_to(guest, HWACCL_EXIT_TRIPLE_FAULT, CODE + 1);
        guest_free(guest);
        (void)unused;
}

/* again: jmp again */
static void spin(struct guest *guest)
{
        code(guest, 0xeb, 0xfe);
}

static void *kick_later(void *opaque)
{
        struct guest *guest = opaque;
        const struct timespec pause = {.tv_nsec = 20000000};
        nanosleep(&pause, NULL);
        guest->accel->ops->kick(guest->accel);
        return NULL;
}

static void a_kick_ends_a_run_now_or_later(void **unused)
{
        struct guest *guest = guest_new();
        pthread_t thread;
        spin(guest);
        guest->accel->ops->kick(guest->accel);
        run_to(guest, HWACCL_EXIT_EXTERNAL_INTERRUPT, CODE);
        assert_int_equal(pthread_create(&thread, NULL, kick_later, guest), 0);
        run_to(guest, HWACCL_EXIT_EXTERNAL_INTERRUPT, CODE);
        assert_int_equal(pthread_join(thread, NULL), 0);
        guest_free(guest);
        (void)unused;
}

static void the_deadline_of_the_virtual_clock_is_exact(void **unused)
{
        uint64_t seen[2];
        for (int i = 0; i < 2; i++) {
                struct guest *guest = guest_new();
                spin(guest);
                guest->request.deadline_ns = 1000000;
                run_to(guest, HWACCL_EXIT_PREEMPTION_TIMER, CODE);
                seen[i] = guest->accel->ops->virtual_ns(guest->accel);
                assert_true(seen[i] >= 1000000 && seen[i] < 1002000);
                /* it stays due, and time goes on with every exit */
                run_to(guest, HWACCL_EXIT_PREEMPTION_TIMER, CODE);
                assert_true(guest->accel->ops->virtual_ns(guest->accel) > seen[i]);
                guest_free(guest);
        }
        assert_int_equal(seen[0], seen[1]);
        (void)unused;
}

static uint64_t counting_clock(void *opaque)
{
        return ++*(uint64_t *)opaque;
}

static void the_deadline_of_a_given_clock_ends_a_spin(void **unused)
{
        uint64_t now = 0;
        struct guest *guest = guest_new_with(counting_clock, &now);
        spin(guest);
        guest->request.deadline_ns = 100;
        run_to(guest, HWACCL_EXIT_PREEMPTION_TIMER, CODE);
        assert_int_equal(now, 100);
        guest_free(guest);
        (void)unused;
}

static void the_same_guest_comes_equally_far_every_time(void **unused)
{
        uint64_t seen[2] = {0, 0};
        for (int i = 0; i < 2; i++) {
                struct guest *guest = guest_new();
                enter_long_mode(guest);
                /* again: add rbx, rcx; mov [rcx * 8 + 0x300000], rbx; out dx, al; dec ecx; jnz again; hlt */
                code(guest, 0x48, 0x01, 0xcb, 0x48, 0x89, 0x1c, 0xcd, 0x00, 0x00, 0x30, 0x00, 0xee, 0xff, 0xc9, 0x75,
                     0xf0, 0xf4);
                guest->state.rcx = 2000;
                for (;;) {
                        if (!try_run(guest))
                                fail_msg("%s", guest->error.message);
                        seen[i] = seen[i] * 31 + guest->accel->ops->virtual_ns(guest->accel) + guest->state.rip;
                        if (guest->state.exit_reason == HWACCL_EXIT_HLT)
                                break;
                        assert_int_equal(guest->state.exit_reason, HWACCL_EXIT_IO_INSTRUCTION);
                        step_past(guest);
                }
                assert_int_equal(guest->state.rbx, 2001000);
                guest_free(guest);
        }
        assert_int_equal(seen[0], seen[1]);
        (void)unused;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_pending_vector_is_delivered_before_the_next_instruction),
                cmocka_unit_test(the_higher_of_two_vectors_goes_first_and_the_other_stays),
                cmocka_unit_test(an_exit_before_delivery_leaves_the_bit_set),
                cmocka_unit_test(sti_holds_interrupts_back_for_one_instruction),
                cmocka_unit_test(an_exit_in_the_shadow_of_sti_tells_it),
                cmocka_unit_test(mov_ss_and_pop_ss_hold_interrupts_back),
                cmocka_unit_test(popf_and_iret_let_a_waiting_interrupt_in),
                cmocka_unit_test(the_interrupt_window_opens_when_interrupts_can_be_taken),
                cmocka_unit_test(software_interrupts_return_behind_themselves),
                cmocka_unit_test(a_fault_in_the_delivery_returns_to_the_instruction),
                cmocka_unit_test(faults_return_to_the_instruction_with_their_error_code),
                cmocka_unit_test(single_steps_trap_after_every_instruction),
                cmocka_unit_test(a_load_of_ss_holds_a_breakpoint_back),
                cmocka_unit_test(a_breakpoint_that_a_load_of_ss_holds_back_is_not_lost),
                cmocka_unit_test(a_fault_that_cannot_be_delivered_is_a_triple_fault),
                cmocka_unit_test(a_kick_ends_a_run_now_or_later),
                cmocka_unit_test(the_deadline_of_the_virtual_clock_is_exact),
                cmocka_unit_test(the_deadline_of_a_given_clock_ends_a_spin),
                cmocka_unit_test(the_same_guest_comes_equally_far_every_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
