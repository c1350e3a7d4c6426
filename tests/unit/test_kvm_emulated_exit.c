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
        fixture.kvm.left.rip = CODE;
        exit_behind(code, sizeof(code), 5, EXIT_ERROR);
        assert_non_null(strstr(
                fixture.error.message,
                "KVM wrote to a0010, outside RAM, but no instruction before 7c05 is known to do it (the last: mov "));
}

static void write_of(uint64_t address, uint32_t size, uint64_t data)
{
        struct kvm_run *run = &fixture.page.run;

        run->exit_reason = KVM_EXIT_MMIO;
        run->mmio.phys_addr = address;
        run->mmio.len = size;
        run->mmio.is_write = 1;
        memcpy(run->mmio.data, &data, sizeof(data));
}

/* Real mode, the stack and DS in the window. RIP is 7c00h before the instruction. */
static const struct written {
        const char *name;
        uint8_t code[8];
        uint8_t length;
        uint16_t rip; /* where the kernel leaves it */
        uint16_t stack;
        uint8_t size; /* of the last value that it wrote, at the stack's top, or with @operand there */
        uint32_t value;
        uint16_t operand;
} written[] = {
        {"call rel16", {0xe8, 0x10, 0}, 3, 0x7c13, 2, 2, 0x7c03, 0},
        {"call rel32", {0x66, 0xe8, 0x10, 0, 0, 0}, 6, 0x7c16, 4, 4, 0x7c06, 0},
        {"call bx", {0xff, 0xd3}, 2, 0x2222, 2, 2, 0x7c02, 0},
        {"call cs:[7c05h]", {0x2e, 0xff, 0x16, 0x05, 0x7c, 0x34, 0x12}, 5, 0x1234, 2, 2, 0x7c05, 0},
        {"call far 0:7c40h", {0x9a, 0x40, 0x7c, 0, 0}, 5, 0x7c40, 4, 2, 0x7c05, 0},
        {"call to the next one", {0xe8, 0, 0}, 3, 0x7c03, 2, 2, 0x7c03, 0},
        {"pusha", {0x60}, 1, 0x7c01, 16, 2, 0x5555, 0},
        {"pushad", {0x66, 0x60}, 2, 0x7c02, 32, 4, 0x5555, 0},
        {"pushf", {0x9c}, 1, 0x7c01, 2, 2, 0x3, 0},
        {"enter 0, 0", {0xc8, 0, 0, 0}, 4, 0x7c04, 2, 2, 0x4444, 0},
        {"setc [20h]", {0x0f, 0x92, 0x06, 0x20, 0}, 5, 0x7c05, 0, 1, 1, 0x20},
        {"setnc [20h]", {0x0f, 0x93, 0x06, 0x20, 0}, 5, 0x7c05, 0, 1, 0, 0x20},
        {"smsw [20h]", {0x0f, 0x01, 0x26, 0x20, 0}, 5, 0x7c05, 0, 2, 0x10, 0x20},
};

static void written_by(const struct written *write, uint32_t value, enum exit_kind expected)
{
        struct hwaccl_subject_state *state = &fixture.state;

        fixture.kvm.completed = false;
        state->ds.base = state->ss.base = WINDOW;
        state->cr0 = 0x10;
        state->rflags = 0x3;
        state->rbx = 0x2222;
        state->rdi = 0x5555;
        state->rsp = 0x1000u - write->stack;
        state->rbp = write->code[0] == 0xc8 ? state->rsp : 0x4444;
        write_of(WINDOW + (write->operand ? write->operand : state->rsp), write->size, value);
        completions = 0;
        exit_behind(write->code, sizeof(write->code), write->rip - CODE, expected);
}

static void a_write_is_found_by_what_its_instruction_does(void **unused)
{
        struct hwaccl_subject_state *state = &fixture.state;

        (void)unused;
        for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
                print_message("%s\n", written[i].name);
                written_by(&written[i], written[i].value, EXIT_HANDLER);
                assert_int_equal(state->exit_reason, HWACCL_EXIT_EPT_VIOLATION);
                assert_int_equal(state->exit_qualification, 0x182);
                assert_int_equal(state->rip, CODE);
                assert_int_equal(state->instruction_length, written[i].length);
                assert_int_equal(state->rsp, 0x1000);
                assert_int_equal(state->rbp, 0x4444);
                assert_int_equal(state->guest_physical_address, fixture.page.run.mmio.phys_addr);
                assert_int_equal(fixture.kvm.after.rip, written[i].rip);
                assert_int_equal(completions, 1);
                if (strncmp(written[i].name, "enter", 5) != 0) /* any RBP may have been pushed */
                        written_by(&written[i], written[i].value ^ 0x80, EXIT_ERROR);
        }
}

/* call ax, where AX is not where the guest is: another instruction wrote the value. */
static void a_call_goes_where_the_guest_is(void **unused)
{
        static const struct written call = {"call ax", {0xff, 0xd0}, 2, 0x2222, 2, 2, 0x7c02, 0};

        (void)unused;
        written_by(&call, call.value, EXIT_ERROR);
}

/* fnsave [20h] and int 21h */
static void a_write_of_an_unknown_instruction_names_it(void **unused)
{
        static const struct written save = {"fnsave [20h]", {0xdd, 0x36, 0x20, 0}, 4, 0x7c04, 0, 4, 1, 0x20};
        static const struct written interrupt = {"int 21h", {0xcd, 0x21}, 2, 0x3333, 6, 2, 0x7c02, 0};

        (void)unused;
        written_by(&save, save.value, EXIT_ERROR);
        assert_non_null(strstr(fixture.error.message,
                               "KVM wrote to a0020, outside RAM, but no instruction before 7c04 is "
                               "known to do it (the last: fnsave"));
        written_by(&interrupt, interrupt.value, EXIT_ERROR);
        assert_non_null(strstr(fixture.error.message,
                               "delivery by the instruction at 7c00 (int 0x21) accesses an address "
                               "outside guest RAM"));
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
                TEST(a_write_is_found_by_what_its_instruction_does),
                TEST(a_call_goes_where_the_guest_is),
                TEST(a_write_of_an_unknown_instruction_names_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
