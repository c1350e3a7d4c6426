/* A machine that starts in a kernel: the processor's state passes the checks of a VM entry; entries that no loader
 * makes (a recording may say anything) are refused. */
#include "tests/fixtures/machine_fixture.h"

#include "core/exit/control_register.h"
#include "core/exit/dispatch.h"
#include "core/subject/transfer.h"

#define MEMORY UINT64_C(0x1000000)

static struct hwaccl_machine_config config_of(enum hwaccl_entry_mode mode)
{
        return (struct hwaccl_machine_config){
                .memory_size = MEMORY,
                .tsc_khz = 1000000,
                .entry = {.mode = mode,
                          .rip = 0x100000,
                          .rax = 0x2badb002,
                          .rbx = 0x10000,
                          .rsi = 0x20000,
                          .rsp = 0x7000,
                          .cr3 = 0x9000,
                          .gdt_base = 0x8000,
                          .gdt_limit = 31,
                          .code_selector = 0x10,
                          .data_selector = 0x18},
        };
}

static struct hwaccl_machine *create(const struct hwaccl_machine_config *config)
{
        struct hwaccl_error error = {""};
        struct hwaccl_machine *machine = hwaccl_machine_create(config, &error);
        if (!machine)
                fail_msg("%s", error.message);
        return machine;
}

/* As the guest starts: what the processor would say of the state. */
static void state_of(struct hwaccl_machine *machine, struct hwaccl_subject_state *state)
{
        struct hwaccl_error error;
        struct hwaccl_vcpu *vcpu = hwaccl_vcpu_create(machine, &error);
        char broken[512];

        assert_non_null(vcpu);
        memset(state, 0, sizeof(*state));
        assert_true(hwaccl_transfer_in(&vcpu->context, state, &error));
        hwaccl_vcpu_destroy(vcpu);
        if (hwaccl_entry_failure_describe(state, broken, sizeof(broken)))
                fail_msg("%s", broken);
}

static void is_flat(const struct hwaccl_segment *segment, unsigned selector, unsigned rights)
{
        assert_int_equal(segment->selector, selector);
        assert_int_equal(segment->base, 0);
        assert_int_equal(segment->limit, 0xffffffff);
        assert_int_equal(segment->access_rights, rights);
}

static void kernel_is_entered_in_protected_mode(void **unused)
{
        struct hwaccl_machine_config config = config_of(HWACCL_ENTRY_PROTECTED);
        struct hwaccl_machine *machine = create(&config);
        struct hwaccl_subject_state state;

        (void)unused;
        state_of(machine, &state);
        assert_int_equal(hwaccl_cr0_guest(&state), 0x11);
        assert_int_equal(hwaccl_cr4_guest(&state), 0);
        assert_int_equal(state.cr3, 0);
        assert_int_equal(state.efer, 0);
        assert_int_equal(state.rflags, 2);
        assert_int_equal(state.rip, 0x100000);
        assert_int_equal(state.rax, 0x2badb002);
        assert_int_equal(state.rbx, 0x10000);
        assert_int_equal(state.rsi, 0x20000);
        assert_int_equal(state.rsp, 0x7000);
        is_flat(&state.cs, 0x10, 0xc09b);
        is_flat(&state.ss, 0x18, 0xc093);
        is_flat(&state.ds, 0x18, 0xc093);
        is_flat(&state.es, 0x18, 0xc093);
        is_flat(&state.fs, 0x18, 0xc093);
        is_flat(&state.gs, 0x18, 0xc093);
        assert_int_equal(state.gdtr.base, 0x8000);
        assert_int_equal(state.gdtr.limit, 31);
        assert_int_equal(machine->processor.mtrr_default, 0x806);
        hwaccl_machine_destroy(machine);
}

static void kernel_is_entered_in_long_mode(void **unused)
{
        struct hwaccl_machine_config config = config_of(HWACCL_ENTRY_LONG);
        struct hwaccl_machine *machine = create(&config);
        struct hwaccl_subject_state state;

        (void)unused;
        state_of(machine, &state);
        assert_true(hwaccl_cr0_guest(&state) == (HWACCL_CR0_PG | HWACCL_CR0_PE | HWACCL_CR0_ET));
        assert_true(hwaccl_cr4_guest(&state) == HWACCL_CR4_PAE);
        assert_true(state.efer == (HWACCL_EFER_LME | HWACCL_EFER_LMA));
        assert_int_equal(state.cr3, 0x9000);
        is_flat(&state.cs, 0x10, 0xa09b);
        is_flat(&state.ds, 0x18, 0xc093);
        hwaccl_machine_destroy(machine);
}

static void a_kernel_may_have_no_table_of_segments(void **unused)
{
        struct hwaccl_machine_config config = config_of(HWACCL_ENTRY_PROTECTED);

        (void)unused;
        config.entry.gdt_limit = 0;
        struct hwaccl_machine *machine = create(&config);
        struct hwaccl_subject_state state;
        state_of(machine, &state);
        hwaccl_machine_destroy(machine);
}

static void pieces_are_copied(void **unused)
{
        static const uint8_t first[] = "one", last[] = "last";
        struct hwaccl_machine_config config = config_of(HWACCL_ENTRY_LONG);
        char read[8];

        (void)unused;
        config.backed = true;
        for (size_t i = 0; i < HWACCL_RAW_MAX; i++)
                config.raw[i] = (struct hwaccl_raw_image){0x200000 + i * 16, first, sizeof(first)};
        config.raw_count = HWACCL_RAW_MAX;
        config.raw[HWACCL_RAW_MAX - 1] = (struct hwaccl_raw_image){MEMORY - sizeof(last), last, sizeof(last)};
        struct hwaccl_machine *machine = create(&config);
        assert_true(hwaccl_guest_memory_read(&machine->board.memory, 0x200010, read, sizeof(first)));
        assert_string_equal(read, "one");
        assert_true(hwaccl_guest_memory_read(&machine->board.memory, MEMORY - sizeof(last), read, sizeof(last)));
        assert_string_equal(read, "last");
        hwaccl_machine_destroy(machine);
}

static void refuse(const struct hwaccl_machine_config *config, const char *mention)
{
        struct hwaccl_error error = {""};
        struct hwaccl_machine *machine = hwaccl_machine_create(config, &error);

        hwaccl_machine_destroy(machine);
        if (machine || !strstr(error.message, mention))
                fail_msg("expected '%s', got '%s'", mention, error.message);
}

#define REFUSE(entry_mode, field, value, mention)                                                                      \
        do {                                                                                                           \
                struct hwaccl_machine_config config = config_of(entry_mode);                                           \
                config.field = value;                                                                                  \
                refuse(&config, mention);                                                                              \
        } while (0)

static void entries_that_cannot_be_are_refused(void **unused)
{
        (void)unused;
        REFUSE(HWACCL_ENTRY_LONG, entry.mode, (enum hwaccl_entry_mode)3, "entry mode 3");
        REFUSE(HWACCL_ENTRY_REAL, entry.mode, HWACCL_ENTRY_REAL, "nothing to run");
        REFUSE(HWACCL_ENTRY_LONG, firmware_size, 65536, "a machine with firmware starts in it");
        for (enum hwaccl_entry_mode mode = HWACCL_ENTRY_PROTECTED; mode <= HWACCL_ENTRY_LONG; mode++) {
                REFUSE(mode, entry.rip, MEMORY, "entry at 0x1000000");
                REFUSE(mode, entry.rip, 0xa0000, "entry at 0xa0000");
                REFUSE(mode, entry.rip, UINT64_MAX, "entry at 0xffffffffffffffff");
                REFUSE(mode, entry.gdt_limit, 0x10000, "GDT limit 0x10000");
                REFUSE(mode, entry.gdt_limit, 0x1e, "data selector 0x18");
                REFUSE(mode, entry.gdt_base, MEMORY - 31, "GDT at 0xffffe1");
                REFUSE(mode, entry.gdt_base, UINT64_MAX - 3, "GDT at 0x");
                REFUSE(mode, entry.code_selector, 0, "code selector 0x0");
                REFUSE(mode, entry.code_selector, 0x13, "code selector 0x13");
                REFUSE(mode, entry.code_selector, 0xfff8, "code selector 0xfff8");
                REFUSE(mode, entry.data_selector, 0x1c, "data selector 0x1c");
                REFUSE(mode, entry.data_selector, 0x20, "data selector 0x20");
        }
        REFUSE(HWACCL_ENTRY_LONG, entry.cr3, 0x9001, "CR3 0x9001");
        REFUSE(HWACCL_ENTRY_LONG, entry.cr3, MEMORY, "CR3 0x1000000");
        REFUSE(HWACCL_ENTRY_LONG, entry.cr3, 0xa0000, "CR3 0xa0000");
        REFUSE(HWACCL_ENTRY_PROTECTED, entry.rbx, UINT64_C(0x100000000), "register above 32 bits");
        REFUSE(HWACCL_ENTRY_PROTECTED, entry.rsp, UINT64_MAX, "register above 32 bits");
        REFUSE(HWACCL_ENTRY_PROTECTED, raw_count, HWACCL_RAW_MAX + 1, "73 raw images, at most 72");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(kernel_is_entered_in_protected_mode),
                cmocka_unit_test(kernel_is_entered_in_long_mode),
                cmocka_unit_test(a_kernel_may_have_no_table_of_segments),
                cmocka_unit_test(pieces_are_copied),
                cmocka_unit_test(entries_that_cannot_be_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
