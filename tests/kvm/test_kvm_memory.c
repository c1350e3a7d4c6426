/* Guest memory on KVM: what is not RAM exits before the instruction has done anything, and a trip is one KVM_RUN. Needs
 * a /dev/kvm that runs it, as test_accel_kvm does. */
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include "tests/kvm/kvm_guest.h"

#define BELOW_WINDOW (WINDOW - 0x1000) /* base of a segment whose offset 1000h is the window */

static void accesses_outside_of_ram_exit_before_they_do_anything(void **unused)
{
        (void)unused;
        /* mov al, [4]; mov [10h], al; add [20h], al; rep movsb; push ax; hlt */
        struct guest *guest = GUEST(0xa0, 4, 0, 0xa2, 0x10, 0, 0x00, 0x06, 0x20, 0, 0xf3, 0xa4, 0x50, 0xf4);

        guest->state.ds.base = guest->state.es.base = WINDOW;
        guest->state.ds.selector = guest->state.es.selector = WINDOW >> 4;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE);
        expect_violation(guest, 0x181, WINDOW + 4);
        assert_int_equal(guest->state.instruction_length, 3);
        guest->state.rax = 0x77;
        guest->state.rip += 3;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 3);
        expect_violation(guest, 0x182, WINDOW + 0x10);
        assert_int_equal(guest->state.rax, 0x77);
        guest->state.rip += 3;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 6);
        expect_violation(guest, 0x183, WINDOW + 0x20);
        guest->state.rip += 4;
        guest->state.ds.base = guest->state.ds.selector = 0;
        guest->state.rsi = DATA;
        guest->state.rdi = 0x30;
        guest->state.rcx = 2;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 10);
        expect_violation(guest, 0x182, WINDOW + 0x30);
        assert_int_equal(guest->state.rcx, 2);
        assert_int_equal(guest->state.rsi, DATA);
        guest->state.rip += 2;
        guest->state.ss.base = WINDOW;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 12);
        expect_violation(guest, 0x182, WINDOW + 0x6ffe);
        guest->state.rip++;
        run(guest, HWACCL_EXIT_HLT, CODE + 13);
        guest_destroy(guest);
}

static void expect_data(struct guest *guest, uint64_t address, const char *text)
{
        char got[8] = "";

        assert_true(hwaccl_guest_memory_read(guest->memory, address, got, strlen(text)));
        assert_string_equal(got, text);
}

static void a_read_outside_of_ram_leaves_registers_and_ram_to_the_handler(void **unused)
{
        (void)unused;
        /* rep movsb; push word [4]; lodsw; pop word [4]; hlt */
        struct guest *guest = GUEST(0xf3, 0xa4, 0xff, 0x36, 4, 0, 0xad, 0x8f, 0x06, 4, 0, 0xf4);

        guest->state.ds.base = WINDOW;
        guest->state.ds.selector = WINDOW >> 4;
        guest->state.rdi = DATA;
        guest->state.rcx = 3;
        write_data(guest, "abcd");
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE);
        expect_violation(guest, 0x181, WINDOW);
        assert_int_equal(guest->state.rcx, 3);
        assert_int_equal(guest->state.rdi, DATA);
        expect_data(guest, DATA, "abcd");
        write_data(guest, "xyz");
        guest->state.rdi += 3;
        guest->state.rsi += 3;
        guest->state.rcx = 0;
        guest->state.rip += 2;
        assert_true(hwaccl_guest_memory_write(guest->memory, 0x6ffc, "1234", 4, false));
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 2);
        expect_violation(guest, 0x181, WINDOW + 4);
        expect_data(guest, DATA, "xyzd");
        assert_int_equal(guest->state.rsp, 0x7000);
        expect_data(guest, 0x6ffc, "1234");
        guest->state.rsp -= 2;
        guest->state.rip += 4;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 6);
        expect_violation(guest, 0x181, WINDOW + 3);
        assert_int_equal(guest->state.rsi, 3);
        guest->state.rax = 0x5678;
        guest->state.rip++;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 7);
        expect_violation(guest, 0x182, WINDOW + 4);
        assert_int_equal(guest->state.rsp, 0x6ffe);
        assert_int_equal(guest->state.rax, 0x5678);
        guest->state.rsp += 2;
        guest->state.rip += 4;
        run(guest, HWACCL_EXIT_HLT, CODE + 11);
        guest_destroy(guest);
}

static void a_string_write_outside_of_ram_exits_before_its_first_element(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xf3, 0xab, 0xa4, 0xf4); /* rep stosw; movsb; hlt */

        guest->state.es.base = WINDOW;
        guest->state.es.selector = WINDOW >> 4;
        guest->state.rsi = DATA;
        guest->state.rcx = 2;
        guest->state.rax = 0x1234;
        guest->state.rdi = 8;
        write_data(guest, "a");
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE);
        expect_violation(guest, 0x182, WINDOW + 8);
        assert_int_equal(guest->state.rdi, 8);
        assert_int_equal(guest->state.rcx, 2);
        guest->state.rdi += 2; /* one element */
        guest->state.rcx--;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE);
        expect_violation(guest, 0x182, WINDOW + 10);
        assert_int_equal(guest->state.rcx, 1);
        guest->state.rdi += 2;
        guest->state.rcx = 0;
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 2);
        expect_violation(guest, 0x182, WINDOW + 12);
        assert_int_equal(guest->state.rsi, DATA);
        guest->state.rsi++;
        guest->state.rdi++;
        guest->state.rip++;
        run(guest, HWACCL_EXIT_HLT, CODE + 3);
        guest_destroy(guest);
}

/* mov al, 3eh, whose last byte is a prefix too; mov [bx], al; reached by a jump backwards */
static void a_write_is_told_from_the_prefix_before_it(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xb0, 0x3e, 0x88, 0x07, 0xf4, 0xeb, 0xf9);

        guest->state.ds.base = WINDOW;
        guest->state.rip = CODE + 5;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 2);
        expect_violation(guest, 0x182, WINDOW);
        guest->state.rip += 2;
        run(guest, HWACCL_EXIT_HLT, CODE + 4);
        guest_destroy(guest);
}

static void rom_is_read_without_an_exit_and_written_with_one(void **unused)
{
        (void)unused;
        struct guest *guest = GUEST(0xa0, 0, 0, 0xa2, 0, 0, 0xf4); /* mov al, [0]; mov [0], al; hlt */

        guest->state.ds.base = ROM;
        guest->state.rax = 0xff;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 3);
        expect_violation(guest, 0x182, ROM);
        assert_int_equal(guest->state.rax, 0);
        guest->state.rip += 3;
        run(guest, HWACCL_EXIT_HLT, CODE + 6);
        guest_destroy(guest);
}

static void an_access_across_the_end_of_ram_exits_whole(void **unused)
{
        (void)unused;
        /* mov eax, [0ffeh]; mov [0ffeh], eax; mov eax, [4ffeh]; hlt */
        struct guest *guest = GUEST(0x66, 0xa1, 0xfe, 0x0f, 0x66, 0xa3, 0xfe, 0x0f, 0x66, 0xa1, 0xfe, 0x4f, 0xf4);
        char edge[3] = "";

        assert_true(hwaccl_guest_memory_write(guest->memory, WINDOW - 2, "ab", 2, false));
        guest->state.ds.base = BELOW_WINDOW;
        guest->state.rax = 0x11223344;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE);
        expect_violation(guest, 0x181, WINDOW);
        assert_int_equal(guest->state.instruction_length, 4);
        assert_int_equal(guest->state.rax, 0x11223344);
        guest->state.rip += 4;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 4);
        expect_violation(guest, 0x182, WINDOW);
        assert_true(hwaccl_guest_memory_read(guest->memory, WINDOW - 2, edge, 2));
        if (!software_kvm("the part of a write that is in RAM has been made"))
                assert_string_equal(edge, "ab"); /* nothing of it was written */
        guest->state.rip += 4;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 8); /* both pages lie outside: the first byte counts */
        expect_violation(guest, 0x181, WINDOW + 0x3ffe);
        guest->state.rip += 4;
        run(guest, HWACCL_EXIT_HLT, CODE + 12);
        guest_destroy(guest);
}

static void code_that_leaves_ram_is_a_fetch_from_there(void **unused)
{
        (void)unused;
        static const uint8_t half[] = {0x90, 0xb8, 0x00}; /* nop; mov ax, half of the immediate */
        struct guest *guest = GUEST(0xf4);

        assert_true(hwaccl_guest_memory_write(guest->memory, WINDOW - sizeof(half), half, sizeof(half), false));
        guest->state.cs.base = BELOW_WINDOW;
        guest->state.cs.selector = BELOW_WINDOW >> 4;
        guest->state.rip = 0x1000 - sizeof(half);
        run(guest, HWACCL_EXIT_EPT_VIOLATION, 0x1000 - 2);
        expect_violation(guest, 0x184, WINDOW);
        guest->state.rip = 0x1000;
        run(guest, HWACCL_EXIT_EPT_VIOLATION, 0x1000);
        expect_violation(guest, 0x184, WINDOW);
        guest_destroy(guest);
}

/* ---- system calls of a trip; --wrap of the linker --------------------------------------------------------------- */

static unsigned runs, others;

int __real_ioctl(int file, unsigned long request, ...);
int __wrap_ioctl(int file, unsigned long request, ...);

int __wrap_ioctl(int file, unsigned long request, ...)
{
        va_list list;
        va_start(list, request);
        void *argument = va_arg(list, void *);
        va_end(list);
        if (request == KVM_RUN)
                runs++;
        else
                others++;
        return __real_ioctl(file, request, argument);
}

/* Run to the next exit as run() does, skip @skip bytes, and see how often the kernel was called. */
static void trip(struct guest *guest, uint64_t reason, uint64_t rip, unsigned skip)
{
        runs = others = 0;
        run(guest, reason, rip);
        if (runs != 1 || others)
                fail_msg("exit reason %lu took %u KVM_RUN and %u other ioctls", (unsigned long)reason, runs, others);
        guest->state.rip += skip;
}

static void a_trip_is_one_kvm_run(void **unused)
{
        (void)unused;
        if (software_kvm("an access outside RAM takes another one"))
                skip();
        /* out 99h, al; in al, 21h; mov [0], al; hlt; sti; nop; nop; nop; hlt */
        struct guest *guest = GUEST(0xe6, 0x99, 0xe4, 0x21, 0xa2, 0, 0, 0xf4, 0xfb, 0x90, 0x90, 0x90, 0xf4);

        guest->state.ds.base = WINDOW;
        run(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE); /* the first entry sets the TSC */
        guest->state.rip += 2;
        trip(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE + 2, 2);
        trip(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 4, 3);
        guest->state.ds.base = 0; /* a segment register that the handler wrote travels in the same page */
        trip(guest, HWACCL_EXIT_HLT, CODE + 7, 1);
        guest->request.interrupt_window = true;
        trip(guest, HWACCL_EXIT_INTERRUPT_WINDOW, CODE + 10, 0);
        guest->request.interrupt_window = false;
        hwaccl_pending_interrupts_set(&guest->pending, VECTOR); /* and so does an interrupt */
        trip(guest, HWACCL_EXIT_HLT, HANDLER, 0);
        guest->accel->ops->kick(guest->accel);
        trip(guest, HWACCL_EXIT_EXTERNAL_INTERRUPT, HANDLER, 0);
        guest_destroy(guest);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(accesses_outside_of_ram_exit_before_they_do_anything),
                cmocka_unit_test(a_read_outside_of_ram_leaves_registers_and_ram_to_the_handler),
                cmocka_unit_test(a_string_write_outside_of_ram_exits_before_its_first_element),
                cmocka_unit_test(a_write_is_told_from_the_prefix_before_it),
                cmocka_unit_test(rom_is_read_without_an_exit_and_written_with_one),
                cmocka_unit_test(an_access_across_the_end_of_ram_exits_whole),
                cmocka_unit_test(code_that_leaves_ram_is_a_fetch_from_there),
                cmocka_unit_test(a_trip_is_one_kvm_run),
        };
        return kvm_works() ? cmocka_run_group_tests(tests, NULL, NULL) : SKIPPED;
}
