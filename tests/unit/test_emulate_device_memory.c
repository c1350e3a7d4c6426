/* Instructions on device memory beyond what test_emulate_native_* compare: which accesses they make, in which order,
 * and the exceptions that they raise. */
#include "tests/fixtures/device_memory_fixture.h"

/* ---- shifts, bits, conditions ------------------------------------------------------------------------------------ */

static void a_shift_reads_and_writes_the_device_once_whatever_the_count(void **state)
{
        (void)state;
        for (uint64_t count = 0; count < 3; count++) {
                set_device(3);
                context->gpr[HWACCL_RCX] = count;
                assert_int_equal(EMULATE(0xd3, 0x27), HWACCL_OUTCOME_COMPLETED); /* shl dword [edi], cl */
                assert_int_equal(fixture.device.access_count, 2);
                assert_access(0, false, FIXTURE_MMIO, 4, 3);
                assert_access(1, true, FIXTURE_MMIO, 4, UINT64_C(3) << count);
                assert_int_equal(EMULATE(0x0f, 0xa5, 0x07), HWACCL_OUTCOME_COMPLETED); /* shld [edi], eax, cl */
                assert_int_equal(fixture.device.access_count, 2);
        }
}

static void a_shift_across_pages_reads_both_before_it_writes(void **state)
{
        (void)state;
        fixture_poke(&fixture, FIXTURE_MEMORY - 2, "\x01\x80", 2);
        context->gpr[HWACCL_RDI] = FIXTURE_MEMORY - 2;                   /* behind it nothing answers, with all ones */
        assert_int_equal(EMULATE(0xd1, 0x07), HWACCL_OUTCOME_COMPLETED); /* rol dword [edi], 1 */
        assert_int_equal(fixture_peek(&fixture, FIXTURE_MEMORY - 2, 2), 3);
        assert_true(context->rflags & RFLAGS_CF);
}

static void cmov_reads_the_device_and_setcc_only_writes_it_whatever_the_condition(void **state)
{
        (void)state;
        for (unsigned zero = 0; zero < 2; zero++) {
                set_device(0x11223344);
                context->rflags = RFLAGS_RESERVED_1 | (zero ? RFLAGS_ZF : 0);
                context->gpr[HWACCL_RAX] = UINT64_C(0x5500000066);
                assert_int_equal(EMULATE(0x0f, 0x44, 0x07), HWACCL_OUTCOME_COMPLETED); /* cmovz eax, [edi] */
                assert_int_equal(fixture.device.access_count, 1);
                assert_access(0, false, FIXTURE_MMIO, 4, 0x11223344);
                assert_int_equal(context->gpr[HWACCL_RAX], zero ? 0x11223344 : 0x66);
                assert_int_equal(EMULATE(0x0f, 0x94, 0x07), HWACCL_OUTCOME_COMPLETED); /* setz [edi] */
                assert_int_equal(fixture.device.access_count, 1);
                assert_access(0, true, FIXTURE_MMIO, 1, zero);
        }
}

static void a_quotient_that_does_not_fit_is_a_divide_error_at_the_instruction(void **state)
{
        (void)state;
        for (uint64_t divisor = 0; divisor < 2; divisor++) {
                set_device(divisor);
                context->gpr[HWACCL_RSP] = STACK;
                context->gpr[HWACCL_RAX] = 5;
                context->gpr[HWACCL_RDX] = 1;
                assert_int_equal(EMULATE(0xf7, 0x37), HWACCL_OUTCOME_EXCEPTION); /* div dword [edi] */
                assert_fault(HWACCL_VECTOR_DE, false);
                assert_int_equal(context->gpr[HWACCL_RAX], 5);
                assert_int_equal(context->gpr[HWACCL_RDX], 1);
                assert_access(0, false, FIXTURE_MMIO, 4, divisor);
        }
}

static void lock_is_refused_before_the_device_is_read(void **state)
{
        static const uint8_t code[][4] = {
                {0xf0, 0xd1, 0x27},       {0xf0, 0xf7, 0x27},       {0xf0, 0xf7, 0x37},
                {0xf0, 0x0f, 0x94, 0x07}, {0xf0, 0x0f, 0xbc, 0x07}, {0xf0, 0x0f, 0xa5, 0x07},
        };

        (void)state;
        for (unsigned i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
                context->gpr[HWACCL_RSP] = STACK;
                fixture_code(&fixture, code[i], i < 3 ? 3 : 4, EPT, 0);
                assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_EXCEPTION);
                assert_fault(HWACCL_VECTOR_UD, false);
                assert_int_equal(fixture.device.access_count, 0);
        }
}

/* ---- branches and the stack -------------------------------------------------------------------------------------- */

static void calls_and_jumps_read_their_target_from_the_device(void **state)
{
        (void)state;
        set_device(0x2345);
        assert_int_equal(EMULATE(0xff, 0x27), HWACCL_OUTCOME_COMPLETED); /* jmp [edi] */
        assert_int_equal(context->rip, 0x2345);
        assert_int_equal(fixture.device.access_count, 1);
        assert_int_equal(EMULATE(0xff, 0x17), HWACCL_OUTCOME_COMPLETED); /* call [edi] */
        assert_int_equal(context->rip, 0x2345);
        assert_int_equal(context->gpr[HWACCL_RSP], STACK - 4);
        assert_int_equal(fixture_peek(&fixture, STACK - 4, 4), FIXTURE_CODE + 2);
        assert_access(0, false, FIXTURE_MMIO, 4, 0x2345);
        assert_int_equal(EMULATE(0x66, 0xff, 0x27), HWACCL_OUTCOME_COMPLETED); /* jmp word [edi] */
        assert_access(0, false, FIXTURE_MMIO, 2, 0x2345);
}

static void a_return_address_goes_to_a_device_and_comes_from_it(void **state)
{
        uint64_t top = FIXTURE_MMIO + 0x100;

        (void)state;
        context->gpr[HWACCL_RSP] = top;
        context->rflags |= RFLAGS_RF;
        assert_int_equal(EMULATE(0xe8, 0xfb, 0xff, 0xff, 0xff), HWACCL_OUTCOME_COMPLETED); /* call to itself */
        assert_access(0, true, top - 4, 4, FIXTURE_CODE + 5);
        assert_int_equal(context->rip, FIXTURE_CODE);
        assert_false(context->rflags & RFLAGS_RF);
        assert_int_equal(EMULATE(0xc2, 0x10, 0x00), HWACCL_OUTCOME_COMPLETED); /* ret 16 */
        assert_access(0, false, top - 4, 4, FIXTURE_CODE + 5);
        assert_int_equal(context->rip, FIXTURE_CODE + 5);
        assert_int_equal(context->gpr[HWACCL_RSP], top + 16);
}

static void a_branch_outside_the_segment_faults_at_the_branch(void **state)
{
        (void)state;
        context->segment[HWACCL_CS].limit = 0x2fff;
        set_device(0x3000);
        assert_int_equal(EMULATE(0xff, 0x17), HWACCL_OUTCOME_EXCEPTION);
        /* the handler's segment comes from the GDT, without that limit */
        assert_fault(HWACCL_VECTOR_GP, true);
        fixture_long_mode(&fixture, 0);
        context->idtr.limit = 0;
        context->gpr[HWACCL_RDI] = FIXTURE_MMIO;
        set_device(UINT64_C(1) << 47);
        assert_int_equal(EMULATE(0xff, 0x27), HWACCL_OUTCOME_TRIPLE_FAULT);
        assert_int_equal(context->rip, FIXTURE_CODE);
        set_device(UINT64_C(0xffff800000000000));
        assert_int_equal(EMULATE(0x66, 0xff, 0x27), HWACCL_OUTCOME_COMPLETED); /* of 64 bits all the same */
        assert_int_equal(context->rip, UINT64_C(0xffff800000000000));
}

static void flags_on_a_device_follow_privilege(void **state)
{
        uint64_t top = FIXTURE_MMIO + 0x100;

        (void)state;
        for (unsigned cpl = 0; cpl < 4; cpl += 3) {
                fixture_protected_mode(&fixture, cpl);
                context->gpr[HWACCL_RSP] = top;
                context->rflags = RFLAGS_RESERVED_1 | RFLAGS_RF | RFLAGS_CF;
                assert_int_equal(EMULATE(0x9c), HWACCL_OUTCOME_COMPLETED);
                assert_access(0, true, top - 4, 4, RFLAGS_RESERVED_1 | RFLAGS_CF);
                memset(fixture.device.bytes + 0xfc, 0xff, 4);
                assert_int_equal(EMULATE(0x9d), HWACCL_OUTCOME_COMPLETED);
                uint64_t always = 0x244dd7 | RFLAGS_RESERVED_1;
                assert_int_equal(context->rflags, cpl ? always : always | RFLAGS_IF | RFLAGS_IOPL);
                assert_int_equal(context->gpr[HWACCL_RSP], top);
        }
}

static void segment_registers_are_pushed_to_a_device(void **state)
{
        uint64_t top = FIXTURE_MMIO + 0x100;

        (void)state;
        context->gpr[HWACCL_RSP] = top;
        assert_int_equal(EMULATE(0x0e), HWACCL_OUTCOME_COMPLETED); /* push cs */
        assert_access(0, true, top - 4, 4, 8);
        assert_int_equal(EMULATE(0x66, 0x1e), HWACCL_OUTCOME_COMPLETED); /* push ds, 16 bits */
        assert_access(0, true, top - 6, 2, 16);
        assert_int_equal(EMULATE(0x8c, 0x0f), HWACCL_OUTCOME_COMPLETED); /* mov [edi], cs */
        assert_int_equal(fixture.device.access_count, 1);
        assert_access(0, true, FIXTURE_MMIO, 2, 8);
}

static void registers_are_pushed_all_or_not_at_all(void **state)
{
        (void)state;
        context->gpr[HWACCL_RSP] = 0x18;
        context->segment[HWACCL_SS].limit = 0x7fff;
        assert_int_equal(EMULATE(0x60), HWACCL_OUTCOME_EXCEPTION); /* pusha: 32 bytes */
        assert_int_equal(context->rip, 0x10000 + HWACCL_VECTOR_SS);
        assert_int_equal(context->gpr[HWACCL_RSP], 8);
        assert_int_equal(fixture_peek(&fixture, 0, 8), 0);
}

/* ---- segments ---------------------------------------------------------------------------------------------------- */

#define ROM_GDT FIXTURE_ROM

static void a_selector_from_a_device_loads_its_descriptor(void **state)
{
        (void)state;
        set_descriptor(GDT, 0x18, 0x0040920500001234); /* not accessed */
        set_device(0x18);
        assert_int_equal(EMULATE(0x8e, 0x1f), HWACCL_OUTCOME_COMPLETED); /* mov ds, [edi] */
        assert_int_equal(context->segment[HWACCL_DS].selector, 0x18);
        assert_int_equal(context->segment[HWACCL_DS].base, 0x50000);
        assert_int_equal(context->segment[HWACCL_DS].limit, 0x1234);
        assert_int_equal(context->segment[HWACCL_DS].access_rights, 0x4093);
        assert_int_equal(fixture_peek(&fixture, GDT + 0x1d, 1), 0x93);
        context->segment[HWACCL_DS] = context->segment[HWACCL_ES];
        set_device(3);
        assert_int_equal(EMULATE(0x8e, 0x1f), HWACCL_OUTCOME_COMPLETED); /* null */
        assert_true(context->segment[HWACCL_DS].access_rights & HWACCL_SEGMENT_UNUSABLE);
        fixture_real_mode(&fixture);
        context->segment[HWACCL_DS].limit = UINT32_MAX;
        context->gpr[HWACCL_RDI] = FIXTURE_MMIO;
        set_device(0x1234);
        assert_int_equal(EMULATE(0x67, 0x8e, 0x07), HWACCL_OUTCOME_COMPLETED); /* mov es, [edi] */
        assert_int_equal(context->segment[HWACCL_ES].base, 0x12340);
        assert_int_equal(context->segment[HWACCL_ES].limit, 0xffff);
}

static void a_selector_that_cannot_be_loaded_faults_with_it(void **state)
{
        static const struct {
                uint16_t selector;
                uint8_t modrm; /* of MOV Sreg: 1f DS, 17 SS */
                enum hwaccl_vector vector;
                uint32_t error_code;
        } cases[] = {
                {0x100, 0x1f, HWACCL_VECTOR_GP, 0x100},                                       /* beyond the table */
                {0x1c, 0x1f, HWACCL_VECTOR_GP, 0x1c},                                         /* there is no LDT */
                {0x20, 0x1f, HWACCL_VECTOR_NP, 0x20},                                         /* not present */
                {0x20, 0x17, HWACCL_VECTOR_SS, 0x20},   {0x08, 0x17, HWACCL_VECTOR_GP, 0x08}, /* code */
                {0x11, 0x17, HWACCL_VECTOR_GP, 0x10},                                         /* RPL 1 */
                {0x00, 0x17, HWACCL_VECTOR_GP, 0},      {0x13, 0x1f, HWACCL_VECTOR_GP, 0x10}, /* RPL 3, DPL 0 */
        };

        (void)state;
        set_descriptor(GDT, 0x20, 0x00cf13000000ffff);
        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                context->gpr[HWACCL_RSP] = STACK;
                set_device(cases[i].selector);
                assert_int_equal(EMULATE(0x8e, cases[i].modrm), HWACCL_OUTCOME_EXCEPTION);
                assert_fault(cases[i].vector, true);
                assert_int_equal(fixture_peek(&fixture, STACK - 16, 4), cases[i].error_code);
                assert_int_equal(context->segment[HWACCL_DS].selector, 16);
                assert_int_equal(context->segment[HWACCL_SS].selector, 16);
        }
        context->gpr[HWACCL_RSP] = STACK;
        assert_int_equal(EMULATE(0x8e, 0x0f), HWACCL_OUTCOME_EXCEPTION); /* MOV CS */
        assert_fault(HWACCL_VECTOR_UD, false);
}

static void a_load_of_ss_blocks_interrupts_until_after_the_next_instruction(void **state)
{
        struct hwaccl_subject_state before = {.interruptibility = HWACCL_INTERRUPTIBILITY_STI};

        (void)state;
        set_device(0x10);
        assert_int_equal(EMULATE(0x8e, 0x17), HWACCL_OUTCOME_COMPLETED); /* mov ss, [edi] */
        assert_int_equal(hwaccl_transfer_interruptibility(context, &before), HWACCL_INTERRUPTIBILITY_MOV_SS);
        context->rip++;
        assert_int_equal(hwaccl_transfer_interruptibility(context, &before), 0);
        assert_int_equal(EMULATE(0x8e, 0x1f), HWACCL_OUTCOME_COMPLETED); /* mov ds, [edi] */
        assert_int_equal(hwaccl_transfer_interruptibility(context, &before), 0);
        context->gpr[HWACCL_RSP] = FIXTURE_MMIO;
        assert_int_equal(EMULATE(0x17), HWACCL_OUTCOME_COMPLETED); /* pop ss */
        assert_int_equal(hwaccl_transfer_interruptibility(context, &before), HWACCL_INTERRUPTIBILITY_MOV_SS);
        assert_int_equal(context->gpr[HWACCL_RSP], FIXTURE_MMIO + 4);
}

static void a_far_pointer_is_read_in_two_parts(void **state)
{
        (void)state;
        set_device(UINT64_C(0x1011223344));
        assert_int_equal(EMULATE(0xc4, 0x07), HWACCL_OUTCOME_COMPLETED); /* les eax, [edi] */
        assert_int_equal(fixture.device.access_count, 2);
        assert_access(0, false, FIXTURE_MMIO, 4, 0x11223344);
        assert_access(1, false, FIXTURE_MMIO + 4, 2, 0x10);
        assert_int_equal(context->gpr[HWACCL_RAX], 0x11223344);
        set_device(UINT64_C(0x1044556677));
        assert_int_equal(EMULATE(0x0f, 0xb5, 0x0f), HWACCL_OUTCOME_COMPLETED); /* lgs ecx, [edi] */
        assert_int_equal(context->gpr[HWACCL_RCX], 0x44556677);
        assert_int_equal(context->segment[HWACCL_GS].selector, 0x10);
        set_device(UINT64_C(0xfff822222222));
        assert_int_equal(EMULATE(0xc4, 0x07), HWACCL_OUTCOME_EXCEPTION);
        assert_int_equal(context->gpr[HWACCL_RAX], 0x11223344);
}

static void descriptors_in_rom_are_loaded_and_stay_as_they_are(void **state)
{
        (void)state;
        context->gdtr = (struct hwaccl_segment){.base = ROM_GDT, .limit = 0x3f};
        set_descriptor(ROM_GDT, 0x08, 0x00cf9a000000ffff);
        set_descriptor(ROM_GDT, 0x10, 0x00cf92000000ffff);
        set_descriptor(ROM_GDT, 0x18, 0x0000890060000067);
        set_descriptor(ROM_GDT, 0x20, 0x000082007000000f);
        context->gpr[HWACCL_RAX] = 0x18;
        assert_int_equal(EMULATE(0x0f, 0x00, 0xd8), HWACCL_OUTCOME_COMPLETED); /* ltr ax */
        assert_int_equal(context->tr.access_rights, 0x8b);
        assert_int_equal(context->tr.base, 0x6000);
        assert_int_equal(fixture_peek(&fixture, ROM_GDT + 0x1d, 1), 0x89);
        context->gpr[HWACCL_RAX] = 0x20;
        assert_int_equal(EMULATE(0x0f, 0x00, 0xd0), HWACCL_OUTCOME_COMPLETED); /* lldt ax */
        assert_int_equal(context->ldtr.base, 0x7000);
        context->gpr[HWACCL_RAX] = 0x10;
        assert_int_equal(EMULATE(0x8e, 0xd8), HWACCL_OUTCOME_COMPLETED); /* mov ds, eax */
        assert_int_equal(context->segment[HWACCL_DS].access_rights, 0xc093);
        assert_int_equal(fixture_peek(&fixture, ROM_GDT + 0x15, 1), 0x92);
        assert_int_equal(EMULATE(0xea, 0x00, 0x20, 0, 0, 0x08, 0), HWACCL_OUTCOME_COMPLETED); /* jmp 8:2000h */
        assert_int_equal(context->rip, 0x2000);
        assert_int_equal(context->segment[HWACCL_CS].access_rights, 0xc09b);
        assert_int_equal(fixture_peek(&fixture, ROM_GDT + 0x0d, 1), 0x9a);
        context->gdtr.base = GDT;
        set_descriptor(GDT, 0x18, 0x00008b0060000067); /* busy */
        context->gpr[HWACCL_RAX] = 0x18;
        assert_int_equal(EMULATE(0x0f, 0x00, 0xd8), HWACCL_OUTCOME_EXCEPTION);
        assert_fault(HWACCL_VECTOR_GP, true);
        assert_int_equal(fixture_peek(&fixture, STACK - 16, 4), 0x18);
}

static void system_descriptors_of_ia_32e_mode_have_sixteen_bytes(void **state)
{
        (void)state;
        fixture_long_mode(&fixture, 0);
        context->gdtr = (struct hwaccl_segment){.base = GDT, .limit = 0x27};
        set_descriptor(GDT, 0x18, 0x0000890060000067);
        set_descriptor(GDT, 0x20, 0xffff8123);
        context->gpr[HWACCL_RAX] = 0x18;
        assert_int_equal(EMULATE(0x0f, 0x00, 0xd8), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->tr.base, UINT64_C(0xffff812300006000));
        assert_int_equal(fixture_peek(&fixture, GDT + 0x1d, 1), 0x8b);
}

static void far_calls_and_returns_use_the_device(void **state)
{
        uint64_t top = FIXTURE_MMIO + 0x100;

        (void)state;
        set_device(UINT64_C(0x0800002000));
        context->gpr[HWACCL_RSP] = top;
        assert_int_equal(EMULATE(0xff, 0x1f), HWACCL_OUTCOME_COMPLETED); /* call far [edi] */
        assert_int_equal(fixture.device.access_count, 4);
        assert_access(2, true, top - 4, 4, 8);
        assert_access(3, true, top - 8, 4, FIXTURE_CODE + 2);
        assert_int_equal(context->rip, 0x2000);
        assert_int_equal(EMULATE(0xca, 0x08, 0x00), HWACCL_OUTCOME_COMPLETED); /* retf 8 */
        assert_int_equal(context->rip, FIXTURE_CODE + 2);
        assert_int_equal(context->gpr[HWACCL_RSP], top + 8);
        fixture_real_mode(&fixture);
        assert_int_equal(EMULATE(0x9a, 0x34, 0x12, 0x00, 0x30), HWACCL_OUTCOME_COMPLETED); /* call 3000h:1234h */
        assert_int_equal(context->rip, 0x1234);
        assert_int_equal(context->segment[HWACCL_CS].base, 0x30000);
        assert_int_equal(fixture_peek(&fixture, STACK - 4, 4), FIXTURE_CODE + 5);
}

static void what_is_not_emulated_of_far_transfers_ends_the_guest(void **state)
{
        struct hwaccl_machine_context before;

        (void)state;
        set_descriptor(GDT, 0x18, 0x00008c0000082000); /* call gate */
        set_device(UINT64_C(0x1800000000));
        before = *context;
        assert_int_equal(EMULATE(0xff, 0x1f), HWACCL_OUTCOME_FAILED);
        assert_non_null(strstr(fixture.error.message, "cannot emulate: instruction at 0008:00001000"));
        assert_memory_equal(context, &before, sizeof(before));
        context->gpr[HWACCL_RSP] = FIXTURE_MMIO;
        set_device(UINT64_C(0x0b00002000)); /* to level 3 */
        assert_int_equal(EMULATE(0xcb), HWACCL_OUTCOME_FAILED);
}

/* ---- tables, bounds ---------------------------------------------------------------------------------------------- */

static void table_registers_go_to_a_device_and_come_from_it(void **state)
{
        (void)state;
        assert_int_equal(EMULATE(0x0f, 0x01, 0x07), HWACCL_OUTCOME_COMPLETED); /* sgdt [edi] */
        assert_access(0, true, FIXTURE_MMIO, 2, 0xff);
        assert_access(1, true, FIXTURE_MMIO + 2, 2, GDT & 0xffff); /* in naturally aligned parts */
        assert_access(2, true, FIXTURE_MMIO + 4, 2, GDT >> 16);
        set_device(UINT64_C(0x12345678007f));
        assert_int_equal(EMULATE(0x0f, 0x01, 0x17), HWACCL_OUTCOME_COMPLETED); /* lgdt [edi] */
        assert_int_equal(context->gdtr.base, 0x12345678);
        assert_int_equal(context->gdtr.limit, 0x7f);
        assert_int_equal(EMULATE(0x66, 0x0f, 0x01, 0x1f), HWACCL_OUTCOME_COMPLETED); /* lidt, 16 bits */
        assert_int_equal(context->idtr.base, 0x345678);
        assert_int_equal(EMULATE(0x0f, 0x01, 0x27), HWACCL_OUTCOME_COMPLETED); /* smsw [edi] */
        assert_int_equal(fixture.device.access_count, 1);
        assert_access(0, true, FIXTURE_MMIO, 2, 1);
        context->tr.selector = 0x28;
        assert_int_equal(EMULATE(0x0f, 0x00, 0x0f), HWACCL_OUTCOME_COMPLETED); /* str [edi] */
        assert_access(0, true, FIXTURE_MMIO, 2, 0x28);
        fixture_long_mode(&fixture, 0);
        context->gpr[HWACCL_RDI] = FIXTURE_MMIO;
        context->idtr = (struct hwaccl_segment){.base = UINT64_C(0xffff812300000000), .limit = 0xfff};
        assert_int_equal(EMULATE(0x0f, 0x01, 0x0f), HWACCL_OUTCOME_COMPLETED); /* sidt [rdi] */
        assert_int_equal(fixture.device.bytes[9], 0xff);
}

static void an_index_outside_its_bounds_is_a_fault_of_bound(void **state)
{
        (void)state;
        set_device(UINT64_C(0x00000005fffffffe)); /* -2 to 5 */
        for (int index = -3; index < 7; index++) {
                bool inside = index >= -2 && index <= 5;
                context->gpr[HWACCL_RSP] = STACK;
                context->gpr[HWACCL_RAX] = (uint32_t)index;
                assert_int_equal(EMULATE(0x62, 0x07), inside ? HWACCL_OUTCOME_COMPLETED : HWACCL_OUTCOME_EXCEPTION);
                if (!inside)
                        assert_fault(HWACCL_VECTOR_BR, false);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_shift_reads_and_writes_the_device_once_whatever_the_count),
                TEST(a_shift_across_pages_reads_both_before_it_writes),
                TEST(cmov_reads_the_device_and_setcc_only_writes_it_whatever_the_condition),
                TEST(a_quotient_that_does_not_fit_is_a_divide_error_at_the_instruction),
                TEST(lock_is_refused_before_the_device_is_read),
                TEST(calls_and_jumps_read_their_target_from_the_device),
                TEST(a_return_address_goes_to_a_device_and_comes_from_it),
                TEST(a_branch_outside_the_segment_faults_at_the_branch),
                TEST(flags_on_a_device_follow_privilege),
                TEST(segment_registers_are_pushed_to_a_device),
                TEST(registers_are_pushed_all_or_not_at_all),
                TEST(a_selector_from_a_device_loads_its_descriptor),
                TEST(a_selector_that_cannot_be_loaded_faults_with_it),
                TEST(a_load_of_ss_blocks_interrupts_until_after_the_next_instruction),
                TEST(a_far_pointer_is_read_in_two_parts),
                TEST(descriptors_in_rom_are_loaded_and_stay_as_they_are),
                TEST(system_descriptors_of_ia_32e_mode_have_sixteen_bytes),
                TEST(far_calls_and_returns_use_the_device),
                TEST(what_is_not_emulated_of_far_transfers_ends_the_guest),
                TEST(table_registers_go_to_a_device_and_come_from_it),
                TEST(an_index_outside_its_bounds_is_a_fault_of_bound),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
