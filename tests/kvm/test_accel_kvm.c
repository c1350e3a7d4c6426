/*
 * The KVM accelerator, exit by exit: code of a few bytes in real mode at 7c00h, and a handler played by the test. Needs
 * a /dev/kvm that runs it: that of scripts/kvm-box, or the machine's own (skipped otherwise).
 */
#include "core/accel/kvm/accel_kvm.h"
#include "core/machine/machine.h"
#include "core/subject/transfer.h"
#include "hwaccl/exit_reason.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/kvm/kvm_guest.h"

static void an_output_exits_at_the_instruction_and_hlt_at_hlt(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xb0, 0x5a, 0xe6, 0x99, 0xf4); /* mov al, 5ah; out 99h, al; hlt */

        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE + 2);
        expect_port(guest, 0x990040, 2);
        assert_int_equal(guest->state.rax & 0xff, 0x5a);
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_HLT, CODE + 4);
        assert_int_equal(guest->state.instruction_length, 1);
        guest_destroy(guest);
}

static void an_input_has_the_value_of_the_handler(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0x66, 0xed, 0xe4, 0x21, 0xf4); /* in eax, dx; in al, 21h; hlt */

        guest->state.rdx = 0x1234;
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE);
        expect_port(guest, 0x1234000b, 2);
        guest->state.rax = 0xdeadbeef;
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE + 2);
        expect_port(guest, 0x210048, 2);
        assert_int_equal(guest->state.rax, 0xdeadbeef);
        guest->state.rax = 0xdeadbe11;
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_HLT, CODE + 4);
        assert_int_equal(guest->state.rax, 0xdeadbe11);
        guest_destroy(guest);
}

static void port_7e_is_like_any_other(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xe6, 0x7e, 0xf4); /* out 7eh, al; hlt */

        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE);
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_HLT, CODE + 2);
        guest_destroy(guest);
}

static void a_repeated_output_exits_before_each_iteration_that_is_left(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xf3, 0x6e, 0xf4); /* rep outsb; hlt */

        write_data(guest, "abc");
        guest->state.rdx = 0xe9;
        guest->state.rsi = DATA;
        guest->state.rcx = 3;
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE);
        expect_port(guest, 0xe90030, 2);
        assert_int_equal(guest->state.rsi, DATA);
        assert_int_equal(guest->state.rcx, 3);
        guest->state.rsi++; /* one iteration */
        guest->state.rcx--;
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE);
        assert_int_equal(guest->state.rsi, DATA + 1);
        assert_int_equal(guest->state.rcx, 2);
        guest->state.rsi += 2; /* the rest */
        guest->state.rcx = 0;
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_HLT, CODE + 2);
        assert_int_equal(guest->state.rsi, DATA + 3);
        guest_destroy(guest);
}

static void a_string_output_is_told_from_the_output_after_it(void **unused)
{
        (void)unused;
        /* outsb; out dx, al; outsb; rep outsb; hlt: the same port, size and data */
        struct guest *guest = GUEST(0x6e, 0xee, 0x6e, 0xf3, 0x6e, 0xf4);

        write_data(guest, "zzzz");
        guest->state.rdx = 0xe9;
        guest->state.rax = 'z';
        guest->state.rsi = DATA;
        guest->state.rcx = 1;
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE);
        expect_port(guest, 0xe90010, 1);
        guest->state.rsi++;
        guest->state.rip++;
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE + 1);
        expect_port(guest, 0xe90000, 1);
        guest->state.rip++;
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE + 2);
        expect_port(guest, 0xe90010, 1);
        assert_int_equal(guest->state.rsi, DATA + 1);
        guest->state.rsi++;
        guest->state.rip++;
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE + 3);
        expect_port(guest, 0xe90030, 2);
        assert_int_equal(guest->state.rcx, 1);
        guest->state.rsi++;
        guest->state.rcx = 0;
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_HLT, CODE + 5);
        guest_destroy(guest);
}

static void an_output_is_told_from_the_outputs_around_it(void **unused)
{
        (void)unused;
        /* out dx, al; out dx, al; out 0e9h, al; out 0e9h, al; out dx, al; hlt: the same port, size and data */
        struct guest *guest = GUEST(0xee, 0xee, 0xe6, 0xe9, 0xe6, 0xe9, 0xee, 0xf4);
        static const uint8_t lengths[] = {1, 1, 2, 2, 1};
        uint64_t rip = CODE;

        guest->state.rdx = 0xe9;
        for (size_t i = 0; i < sizeof(lengths); i++) {
                run(guest, HWACCL_EXIT_IO_INSTRUCTION, rip);
                expect_port(guest, lengths[i] == 1 ? 0xe90000 : 0xe90040, lengths[i]);
                guest->state.rip = rip += lengths[i];
        }
        run(guest, HWACCL_EXIT_HLT, rip);
        guest_destroy(guest);
}

/* The byte before an OUT may be the end of another instruction, or a prefix without effect: what leads there says it.
 */
static void an_output_is_told_from_the_prefix_before_it(void **unused)
{
        static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3};

        (void)unused;
        for (size_t i = 0; i < sizeof(prefixes); i++)
                for (unsigned is_prefix = 0; is_prefix < 2; is_prefix++) {
                        /* mov al, PREFIX, or nop and the prefix; out 60h, al; hlt; jmp to the first */
                        struct guest *guest = GUEST(is_prefix ? 0x90 : 0xb0, prefixes[i], 0xe6, 0x60, 0xf4, 0xeb, 0xf9);
                        guest->state.rip = CODE + 5;
                        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE + 2 - is_prefix);
                        expect_port(guest, 0x600040, 2 + is_prefix);
                        guest->state.rip = CODE + 4;
                        run(guest, HWACCL_EXIT_HLT, CODE + 4);
                        guest_destroy(guest);
                }
}

static void an_output_in_a_loop_exits_at_the_instruction(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xee, 0xe2, 0xfd, 0xf4); /* out dx, al; loop to it; hlt */

        guest->state.rcx = 5;
        for (unsigned i = 0; i < 5; i++) {
                run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE);
                assert_int_equal(guest->state.rcx, 5 - i);
                guest->state.rip++;
        }
        run(guest, HWACCL_EXIT_HLT, CODE + 3);
        guest_destroy(guest);
}

static void a_string_output_with_prefixes_is_found_whole(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0x26, 0x66, 0x6f, 0xf4); /* es outsd; hlt */

        write_data(guest, "abcdefgh");
        guest->state.rdx = 0xe9;
        guest->state.rsi = DATA + 4;
        guest->state.rflags |= 0x400; /* DF */
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE);
        expect_port(guest, 0xe90013, 3);
        assert_int_equal(guest->state.rsi, DATA + 4);
        guest->state.rsi -= 4;
        guest->state.rip += 3;
        run(guest, HWACCL_EXIT_HLT, CODE + 3);
        guest_destroy(guest);
}

static void a_string_input_leaves_what_the_handler_wrote(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xf3, 0x6c, 0xf4); /* rep insb; hlt */
        char got[9] = "";

        write_data(guest, "????????");
        guest->state.rdx = 0x2f0;
        guest->state.rdi = DATA;
        guest->state.rcx = 8;
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE);
        expect_port(guest, 0x2f00038, 2);
        write_data(guest, "abcde"); /* five iterations */
        guest->state.rdi += 5;
        guest->state.rcx -= 5;
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE);
        assert_int_equal(guest->state.rcx, 3);
        assert_int_equal(guest->state.rdi, DATA + 5);
        assert_true(hwaccl_guest_memory_read(guest->memory, DATA, got, 8));
        assert_string_equal(got, "abcde???");
        guest->state.rdi += 3;
        guest->state.rcx = 0;
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_HLT, CODE + 2);
        assert_int_equal(guest->state.rdi, DATA + 8);
        guest_destroy(guest);
}

static void msr_accesses_exit_and_keep_the_registers_of_the_handler(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0x0f, 0x32, 0x0f, 0x30, 0xf4); /* rdmsr; wrmsr; hlt */

        guest->state.rcx = 0xc0000081;
        run(guest, HWACCL_EXIT_RDMSR, CODE);
        assert_int_equal(guest->state.instruction_length, 2);
        guest->state.rax = 0x11111111;
        guest->state.rdx = 0x22222222;
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_WRMSR, CODE + 2);
        assert_int_equal(guest->state.rax, 0x11111111);
        assert_int_equal(guest->state.rdx, 0x22222222);
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_HLT, CODE + 4);
        guest_destroy(guest);
}

static void cpuid_gives_the_leaves_of_the_virtual_processor(void **unused)
{
        (void)unused;
        if (software_kvm("CPUID has leaves of the host's processor"))
                skip();
        struct guest *guest = GUEST(0x0f, 0xa2, 0xf4); /* cpuid; hlt */
        uint32_t expected[4];

        hwaccl_processor_cpuid(hwaccl_machine_processor(guest->machine), 1, 0, expected);
        guest->state.rax = 1;
        run(guest, HWACCL_EXIT_HLT, CODE + 2);
        assert_int_equal(guest->state.rax, expected[0]);
        assert_int_equal(guest->state.rcx, expected[2]);
        assert_int_equal(guest->state.rdx, expected[3]);
        guest_destroy(guest);
}

static void a_pending_vector_is_taken_at_entry(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xf4);

        guest->state.rflags |= RFLAGS_IF;
        hwaccl_pending_interrupts_set(&guest->pending, VECTOR);
        run(guest, HWACCL_EXIT_HLT, HANDLER);
        assert_false(hwaccl_pending_interrupts_test(&guest->pending, VECTOR));
        assert_int_equal(guest->state.rsp, 0x7000 - 6);
        guest_destroy(guest);
}

static void a_kick_before_the_run_leaves_the_vector_pending(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0x90, 0xf4);

        guest->state.rflags |= RFLAGS_IF;
        hwaccl_pending_interrupts_set(&guest->pending, VECTOR);
        guest->accel->ops->kick(guest->accel);
        run(guest, HWACCL_EXIT_EXTERNAL_INTERRUPT, CODE);
        assert_true(hwaccl_pending_interrupts_test(&guest->pending, VECTOR));
        /* taken back: the guest must not get it after all */
        hwaccl_pending_interrupts_clear(&guest->pending, VECTOR);
        run(guest, HWACCL_EXIT_HLT, CODE + 1);
        guest_destroy(guest);
}

static void the_interrupt_window_opens_after_the_shadow_of_sti(void **unused)
{
        struct hwaccl_error error = {""};
        uint64_t rip = 0;

        (void)unused;
        if (software_kvm("the interrupt window opens between batches of instructions only"))
                skip();
        /* QEMU, as the box's processor, forgets blocking by STI when an interrupt of the box itself comes just there:
         * rare, and never five times in a row */
        for (unsigned attempt = 0; attempt < 5 && rip != CODE + 2; attempt++) {
                struct guest *guest = GUEST(0xfb, 0x90, 0x90, 0xf4); /* sti; nop; nop; hlt */
                guest->request.interrupt_window = true;
                if (!guest->accel->ops->run(guest->accel, &guest->state, &guest->pending, &guest->request, &error))
                        fail_msg("%s", error.message);
                assert_int_equal(guest->state.exit_reason, HWACCL_EXIT_INTERRUPT_WINDOW);
                assert_true(guest->state.rflags & RFLAGS_IF);
                assert_int_equal(guest->state.interruptibility, 0);
                rip = guest->state.rip;
                guest_destroy(guest);
        }
        assert_int_equal(rip, CODE + 2);
}

static void an_exit_in_the_shadow_of_sti_says_so(void **unused)
{
        (void)unused;
        if (software_kvm("an OUT that has been emulated has ended the blocking by STI"))
                skip();
        struct guest *guest = GUEST(0xfb, 0xe6, 0x99, 0xf4); /* sti; out 99h, al; hlt */

        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE + 1);
        assert_int_equal(guest->state.interruptibility, HWACCL_INTERRUPTIBILITY_STI);
        guest->state.interruptibility = 0;
        guest->state.rip += 2;
        hwaccl_pending_interrupts_set(&guest->pending, VECTOR);
        run(guest, HWACCL_EXIT_HLT, HANDLER);
        guest_destroy(guest);
}

static void the_timer_ends_a_loop_at_its_deadline(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xeb, 0xfe); /* jmp $ */

        for (unsigned i = 0; i < 3; i++) {
                guest->request.deadline_ns = clock_ns(NULL) + 5000000;
                run(guest, HWACCL_EXIT_PREEMPTION_TIMER, CODE);
                assert_true(clock_ns(NULL) >= guest->request.deadline_ns);
        }
        /* one that has passed already */
        guest->request.deadline_ns = clock_ns(NULL) - 1;
        run(guest, HWACCL_EXIT_PREEMPTION_TIMER, CODE);
        guest_destroy(guest);
}

static void *kick_later(void *opaque)
{
        struct guest *guest = opaque;

        (void)usleep(20000);
        guest->accel->ops->kick(guest->accel);
        return NULL;
}

static void a_kick_from_another_thread_ends_a_loop(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xeb, 0xfe);
        pthread_t thread;

        for (unsigned i = 0; i < 5; i++) {
                assert_int_equal(pthread_create(&thread, NULL, kick_later, guest), 0);
                run(guest, HWACCL_EXIT_EXTERNAL_INTERRUPT, CODE);
                assert_int_equal(pthread_join(thread, NULL), 0);
        }
        guest_destroy(guest);
}

static void a_triple_fault_is_one(void **unused)
{
        (void)unused;
        if (software_kvm("the emulator gives up where no interrupt table is"))
                skip();
        struct guest *guest = GUEST(0xcc); /* int3, without an interrupt table */
        struct hwaccl_error error = {""};

        guest->state.idtr.limit = 0;
        assert_true(guest->accel->ops->run(guest->accel, &guest->state, &guest->pending, &guest->request, &error));
        assert_int_equal(guest->state.exit_reason, HWACCL_EXIT_TRIPLE_FAULT);
        assert_int_equal(guest->state.rsp, 0x7000);
        guest_destroy(guest);
}

static void a_state_that_the_kernel_refuses_is_an_entry_failure(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xf4);

        guest->state.efer = 0x500; /* LME and LMA without paging */
        run(guest, HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE | HWACCL_EXIT_REASON_ENTRY_FAILURE, CODE);
        guest_destroy(guest);
}

static void a_state_that_the_processor_refuses_is_an_entry_failure_with_its_reason(void **unused)
{
        (void)unused;
        if (software_kvm("no processor looks at the state"))
                skip();
        struct guest *guest = GUEST(0xf4);

        /* a code segment that is of 64 bits and of 32 at once: the kernel does not mind, VMRUN does */
        guest->state.cr0 |= UINT64_C(0x80000001);
        guest->state.cr0_shadow |= UINT64_C(0x80000001);
        guest->state.cr4 |= 0x20;
        guest->state.cr4_shadow |= 0x20;
        guest->state.cr3 = 0x10000;
        guest->state.efer = 0x500;
        guest->state.cs.access_rights = 0xe09b;
        run(guest, HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE | HWACCL_EXIT_REASON_ENTRY_FAILURE, CODE);
        assert_int_not_equal(guest->state.exit_qualification, 0);
        guest_destroy(guest);
}

/* A virtual machine belongs to the process that made it: the kernel refuses to run it for another one. */
static void what_the_kernel_refuses_to_run_is_an_error_with_its_cause(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xf4);
        pid_t child = fork();

        assert_true(child >= 0);
        if (!child) {
                struct hwaccl_error error = {""};
                bool ran =
                        guest->accel->ops->run(guest->accel, &guest->state, &guest->pending, &guest->request, &error);
                if (!ran && strstr(error.message, "KVM: setting an MSR: Input/output error"))
                        _exit(0);
                printf("ran %d: %s\n", ran, error.message);
                (void)fflush(stdout);
                _exit(1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        run(guest, HWACCL_EXIT_HLT, CODE);
        guest_destroy(guest);
}

static void verification_passes_what_the_kernel_does_too(void **unused)
{
        (void)unused;
        struct guest *guest = VERIFIED_GUEST(0xe4, 0x21, 0xe6, 0x99, 0xf4); /* in al, 21h; out 99h, al; hlt */

        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE);
        guest->state.rax = 0x42;
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE + 2);
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_HLT, CODE + 4);
        assert_int_equal(hwaccl_accel_kvm_verified(guest->accel), 2);
        guest_destroy(guest);
}

static void verification_finds_a_wrong_register_and_a_wrong_rip(void **unused)
{
        (void)unused;
        for (unsigned i = 0; i < 2; i++) {
                struct guest *guest = VERIFIED_GUEST(0xe4, 0x21, 0xf4);
                struct hwaccl_error error = {""};
                run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE);
                guest->state.rip += 2;
                if (i)
                        guest->state.rip++;
                else
                        guest->state.rbx ^= 1;
                assert_false(
                        guest->accel->ops->run(guest->accel, &guest->state, &guest->pending, &guest->request, &error));
                assert_non_null(strstr(error.message, i ? "RIP" : "RBX"));
                guest_destroy(guest);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_output_exits_at_the_instruction_and_hlt_at_hlt),
                cmocka_unit_test(an_input_has_the_value_of_the_handler),
                cmocka_unit_test(port_7e_is_like_any_other),
                cmocka_unit_test(a_repeated_output_exits_before_each_iteration_that_is_left),
                cmocka_unit_test(a_string_output_is_told_from_the_output_after_it),
                cmocka_unit_test(an_output_is_told_from_the_outputs_around_it),
                cmocka_unit_test(an_output_is_told_from_the_prefix_before_it),
                cmocka_unit_test(an_output_in_a_loop_exits_at_the_instruction),
                cmocka_unit_test(a_string_output_with_prefixes_is_found_whole),
                cmocka_unit_test(a_string_input_leaves_what_the_handler_wrote),
                cmocka_unit_test(msr_accesses_exit_and_keep_the_registers_of_the_handler),
                cmocka_unit_test(cpuid_gives_the_leaves_of_the_virtual_processor),
                cmocka_unit_test(a_pending_vector_is_taken_at_entry),
                cmocka_unit_test(a_kick_before_the_run_leaves_the_vector_pending),
                cmocka_unit_test(the_interrupt_window_opens_after_the_shadow_of_sti),
                cmocka_unit_test(an_exit_in_the_shadow_of_sti_says_so),
                cmocka_unit_test(the_timer_ends_a_loop_at_its_deadline),
                cmocka_unit_test(a_kick_from_another_thread_ends_a_loop),
                cmocka_unit_test(a_triple_fault_is_one),
                cmocka_unit_test(a_state_that_the_kernel_refuses_is_an_entry_failure),
                cmocka_unit_test(a_state_that_the_processor_refuses_is_an_entry_failure_with_its_reason),
                cmocka_unit_test(what_the_kernel_refuses_to_run_is_an_error_with_its_cause),
                cmocka_unit_test(verification_passes_what_the_kernel_does_too),
                cmocka_unit_test(verification_finds_a_wrong_register_and_a_wrong_rip),
        };
        return kvm_works() ? cmocka_run_group_tests(tests, NULL, NULL) : SKIPPED;
}
