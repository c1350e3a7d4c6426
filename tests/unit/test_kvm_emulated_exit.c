/* Exits of a kernel whose own emulator has executed the instruction, played by the test: no /dev/kvm is needed. */
#include "core/accel/kvm/kvm.h"
#include "core/host/guest_memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CODE   UINT64_C(0x7c00)
#define WINDOW UINT64_C(0xa0000)

struct fixture {
        struct hwaccl_guest_memory memory;
        struct {
                struct kvm_run run;
                uint8_t data[4];
        } page;
        struct hwaccl_kvm opened;
        struct kvm_accel kvm;
        struct hwaccl_subject_state state;
        struct hwaccl_error error;
};

static struct fixture fixture;
static uint64_t completed_rip; /* where the kernel leaves RIP when it completes an instruction */
static unsigned completions;

int __wrap_ioctl(int file, unsigned long request, ...);
int __wrap_ioctl(int file, unsigned long request, ...)
{
        (void)file;
        assert_int_equal(request, KVM_RUN);
        assert_int_equal(fixture.page.run.immediate_exit, 1);
        completions++;
        fixture.page.run.s.regs.regs.rip = completed_rip;
        errno = EINTR;
        return -1;
}

static int set_up(void **unused)
{
        (void)unused;
        memset(&fixture, 0, sizeof(fixture));
        completions = 0;
        hwaccl_guest_memory_init(&fixture.memory, true);
        assert_true(hwaccl_guest_memory_add(&fixture.memory, 0, UINT64_C(0x10000), true, &fixture.error));
        assert_true(decoder_open(&fixture.kvm.decoder, &fixture.error));
        fixture.opened.run = &fixture.page.run;
        fixture.kvm.kvm = &fixture.opened;
        fixture.kvm.config.memory = &fixture.memory;
        fixture.kvm.left.rip = UINT64_C(0x100); /* entered elsewhere */
        fixture.state.tr.access_rights = 0x8b;
        fixture.state.cs.access_rights = 0x9b;
        return 0;
}

static int tear_down(void **unused)
{
        (void)unused;
        decoder_close(&fixture.kvm.decoder);
        hwaccl_guest_memory_destroy(&fixture.memory);
        return 0;
}

/* The kernel exits with RIP behind @length bytes of the code. */
static void exit_behind(const uint8_t *code, size_t size, size_t length, enum exit_kind expected)
{
        struct hwaccl_subject_state *state = &fixture.state;

        assert_true(hwaccl_guest_memory_write(&fixture.memory, CODE, code, size, false));
        state->rip = completed_rip = CODE + length;
        fixture.kvm.context.rip = state->rip;
        memcpy(fixture.kvm.context.gpr, &state->rax, 4 * sizeof(uint64_t));
        fixture.kvm.context.gpr[HWACCL_RAX] = state->rax;
        fixture.kvm.context.gpr[HWACCL_RDX] = state->rdx;
        fixture.kvm.context.segment[HWACCL_DS].base = state->ds.base;
        enum exit_kind kind = kvm_exit(&fixture.kvm, state, &fixture.error);
        if (kind != expected)
                fail_msg("%s", fixture.error.message);
}

static void output(uint16_t port, uint8_t size, uint32_t data)
{
        struct kvm_run *run = &fixture.page.run;

        run->exit_reason = KVM_EXIT_IO;
        run->io.direction = KVM_EXIT_IO_OUT;
        run->io.size = size;
        run->io.port = port;
        run->io.count = 1;
        run->io.data_offset = offsetof(struct fixture, page.data) - offsetof(struct fixture, page.run);
        memcpy(fixture.page.data, &data, sizeof(data));
        fixture.state.rax = data;
}

static void expect_output(uint64_t rip, uint64_t qualification, uint64_t length)
{
        assert_int_equal(fixture.state.exit_reason, HWACCL_EXIT_IO_INSTRUCTION);
        assert_int_equal(fixture.state.rip, rip);
        assert_int_equal(fixture.state.exit_qualification, qualification);
        assert_int_equal(fixture.state.instruction_length, length);
}

static void an_output_that_has_been_emulated_exits_at_the_instruction(void **unused)
{
        static const uint8_t code[] = {0xb0, 0x5a, 0xe6, 0x70, 0x90, 0x90};

        (void)unused;
        output(0x70, 1, 0x5a);
        exit_behind(code, sizeof(code), 4, EXIT_HANDLER);
        expect_output(CODE + 2, 0x700040, 2);
        assert_true(fixture.kvm.completed);
        assert_int_equal(fixture.kvm.completion, COMPLETION_NONE);
        assert_int_equal(completions, 0);
}

/* Port, size and data tell the instructions apart: out 0efh, al ends in the opcode of out dx, ax. */
static void an_output_is_found_by_what_it_did(void **unused)
{
        static const uint8_t code[] = {0xe6, 0xef, 0xf4};

        (void)unused;
        fixture.state.rdx = 0xef;
        output(0xef, 2, 0x1234);
        exit_behind(code, sizeof(code), 2, EXIT_HANDLER);
        expect_output(CODE + 1, 0xef0001, 1);
        output(0xef, 1, 0x12);
        exit_behind(code, sizeof(code), 2, EXIT_HANDLER);
        expect_output(CODE, 0xef0040, 2);
        output(0xee, 1, 0x12);
        exit_behind(code, sizeof(code), 2, EXIT_ERROR);
        assert_non_null(
                strstr(fixture.error.message, "KVM reports output to port ee, but no instruction at or before 7c02"));
}

/* out 70h, al; out 70h, al: the kernel's completion of the instruction moves RIP, or has nothing to do. */
static void an_output_between_two_is_told_by_the_completion(void **unused)
{
        static const uint8_t code[] = {0xe6, 0x70, 0xe6, 0x70, 0xf4};
        struct kvm_run *run = &fixture.page.run;

        (void)unused;
        output(0x70, 1, 0x5a);
        exit_behind(code, sizeof(code), 2, EXIT_HANDLER);
        expect_output(CODE, 0x700040, 2);
        assert_int_equal(completions, 1);

        fixture.state.rip = CODE + 2;
        fixture.kvm.context.rip = CODE + 2;
        fixture.kvm.completed = false;
        completed_rip = CODE + 4;
        assert_int_equal(kvm_exit(&fixture.kvm, &fixture.state, &fixture.error), EXIT_HANDLER);
        expect_output(CODE + 2, 0x700040, 2);
        assert_int_equal(run->s.regs.regs.rip, CODE + 4);
        assert_false(fixture.kvm.completed);
}

/* mov al, 0f2h; out 60h, al: F2 is a prefix too. */
static void the_entry_says_where_an_instruction_begins(void **unused)
{
        static const uint8_t code[] = {0xb0, 0xf2, 0xe6, 0x60, 0xf4};

        (void)unused;
        for (unsigned entered_here = 0; entered_here < 2; entered_here++) {
                fixture.kvm.left.rip = entered_here ? CODE + 1 : UINT64_C(0x100); /* at the prefix, or elsewhere */
                output(0x60, 1, 0xf2);
                exit_behind(code, sizeof(code), 4, EXIT_HANDLER);
                expect_output(entered_here ? CODE + 1 : CODE + 2, 0x600040, entered_here ? 3 : 2);
        }
}

static void a_write_outside_ram_that_has_been_emulated_exits_at_the_instruction(void **unused)
{
        static const uint8_t code[] = {0xb0, 0x77, 0xa2, 0x10, 0, 0xf4}; /* mov al, 77h; mov [10h], al; hlt */
        struct kvm_run *run = &fixture.page.run;

        (void)unused;
        run->exit_reason = KVM_EXIT_MMIO;
        run->mmio.phys_addr = WINDOW + 0x10;
        run->mmio.len = 1;
        run->mmio.is_write = 1;
        run->mmio.data[0] = 0x77;
        fixture.state.rax = 0x77;
        fixture.state.ds.base = WINDOW;
        exit_behind(code, sizeof(code), 5, EXIT_HANDLER);
        assert_int_equal(fixture.state.exit_reason, HWACCL_EXIT_EPT_VIOLATION);
        assert_int_equal(fixture.state.rip, CODE + 2);
        assert_int_equal(fixture.state.exit_qualification, 0x182);
        assert_int_equal(fixture.state.guest_physical_address, WINDOW + 0x10);
        assert_true(fixture.kvm.completed);
        assert_int_equal(fixture.kvm.after.rip, CODE + 5);
        run->mmio.data[0] = 0x78; /* another value */
        exit_behind(code, sizeof(code), 5, EXIT_ERROR);
        assert_non_null(
                strstr(fixture.error.message, "KVM wrote to a0010, outside RAM, but no instruction before 7c05"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(an_output_that_has_been_emulated_exits_at_the_instruction),
                TEST(an_output_is_found_by_what_it_did),
                TEST(an_output_between_two_is_told_by_the_completion),
                TEST(the_entry_says_where_an_instruction_begins),
                TEST(a_write_outside_ram_that_has_been_emulated_exits_at_the_instruction),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
