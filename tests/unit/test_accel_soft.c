/* The soft accelerator's exits, instruction by instruction and mode by mode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/exit/registers.h"
#include "tests/fixtures/accel_fixture.h"

static void fixed_exits_have_reason_length_and_rip(void **unused)
{
        static const struct {
                uint8_t bytes[4];
                uint8_t length;
                uint32_t reason;
        } cases[] = {
                {{0x0f, 0xa2}, 2, HWACCL_EXIT_CPUID},        {{0xf4}, 1, HWACCL_EXIT_HLT},
                {{0x0f, 0x08}, 2, HWACCL_EXIT_INVD},         {{0x0f, 0x09}, 2, HWACCL_EXIT_WBINVD},
                {{0x0f, 0x31}, 2, HWACCL_EXIT_RDTSC},        {{0x0f, 0x01, 0xc1}, 3, HWACCL_EXIT_VMCALL},
                {{0x0f, 0x30}, 2, HWACCL_EXIT_WRMSR},        {{0x0f, 0x32}, 2, HWACCL_EXIT_RDMSR},
                {{0x0f, 0x01, 0xf9}, 3, HWACCL_EXIT_RDTSCP}, {{0x66, 0x0f, 0xa2}, 3, HWACCL_EXIT_CPUID},
        };
        for (int mode = 0; mode < 5; mode++) {
                for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                        struct guest *guest = guest_new();
                        if (mode == 1)
                                protect(guest, CODE_16);
                        else if (mode == 2)
                                protect(guest, CODE_32);
                        else if (mode == 3)
                                enter_pae(guest);
                        else if (mode == 4)
                                enter_long_mode(guest);
                        code(guest, 0x90, 0x90);
                        poke_memory(guest, CODE + 2, cases[i].bytes, 4);
                        run_to(guest, cases[i].reason, CODE + 2);
                        assert_int_equal(guest->state.instruction_length, cases[i].length);
                        assert_int_equal(guest->state.exit_qualification, 0);
                        guest_free(guest);
                }
        }
        (void)unused;
}

static void port_qualifications_are_those_of_the_sdm(void **unused)
{
        static const struct {
                uint8_t bytes[4];
                uint8_t length;
                uint32_t qualification;
        } cases[] = {
                {{0xe4, 0x71}, 2, 0x00710048}, {{0xe7, 0x80}, 2, 0x00800041},
                {{0xec}, 1, 0x03f80008},       {{0xee}, 1, 0x03f80000},
                {{0xef}, 1, 0x03f80001},       {{0x66, 0xed}, 2, 0x03f8000b},
                {{0x6c}, 1, 0x03f80018},       {{0x6f}, 1, 0x03f80011},
                {{0xf3, 0x6e}, 2, 0x03f80030}, {{0x66, 0xf3, 0x6d}, 3, 0x03f8003b},
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct guest *guest = guest_new();
                guest->state.rdx = 0x123403f8;
                poke_memory(guest, CODE, cases[i].bytes, 4);
                run_to(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE);
                assert_int_equal(guest->state.exit_qualification, cases[i].qualification);
                assert_int_equal(guest->state.instruction_length, cases[i].length);
                guest_free(guest);
        }
        (void)unused;
}

static void registers_and_flags_cross_both_ways(void **unused)
{
        struct guest *guest = guest_new();
        enter_long_mode(guest);
        /* add rax, rbx; lea r15, [r14 + 8]; std; cpuid */
        code(guest, 0x48, 0x01, 0xd8, 0x4d, 0x8d, 0x7e, 0x08, 0xfd, 0x0f, 0xa2);
        guest->state.rax = UINT64_MAX;
        guest->state.rbx = 1;
        guest->state.r14 = UINT64_C(0x1122334455667788);
        guest->state.rflags = 0x2 | 0x800;
        run_to(guest, HWACCL_EXIT_CPUID, CODE + 8);
        assert_int_equal(guest->state.rax, 0);
        assert_int_equal(guest->state.r15, UINT64_C(0x1122334455667790));
        assert_int_equal(guest->state.rflags, 0x2 | 0x1 | 0x4 | 0x10 | 0x40 | 0x400);
        guest_free(guest);
        (void)unused;
}

static void flags_that_nothing_changes_stay(void **unused)
{
        for (uint64_t flag = 1; flag <= 0x800; flag <<= 1) {
                struct guest *guest = guest_new();
                if (flag == FLAG_TF)
                        flag <<= 1;
                code(guest, 0x90, 0x0f, 0xa2, 0x90, 0xec); /* nop; cpuid; nop; in al, dx */
                guest->state.rflags = 2 | flag;
                run_to(guest, HWACCL_EXIT_CPUID, CODE + 1);
                assert_int_equal(guest->state.rflags & 0xfd7, (2 | flag) & 0xfd7);
                step_past(guest);
                run_to(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE + 4);
                assert_int_equal(guest->state.rflags & 0xfd7, (2 | flag) & 0xfd7);
                guest_free(guest);
        }
        (void)unused;
}

static void mov_to_cr0_exits_only_when_masked_bits_change(void **unused)
{
        struct guest *guest = guest_new();
        hwaccl_cr0_put(&guest->state, 0x60000010);
        code(guest, 0x0f, 0x22, 0xc0, 0x0f, 0x20, 0xc3, 0xf4); /* mov cr0, eax; mov ebx, cr0; hlt */
        guest->state.rax = 0x60000018;                         /* TS only */
        run_to(guest, HWACCL_EXIT_HLT, CODE + 6);
        assert_int_equal(guest->state.rbx, 0x60000018);
        assert_int_equal(guest->state.cr0, 0x38);

        guest->state.rip = CODE;
        guest->state.rax = 0x10;
        run_to(guest, HWACCL_EXIT_CONTROL_REGISTER, CODE);
        assert_int_equal(guest->state.exit_qualification, 0);
        assert_int_equal(guest->state.instruction_length, 3);
        assert_int_equal(guest->state.cr0, 0x38);

        code(guest, 0x0f, 0x22, 0xe2, 0x0f, 0x20, 0xe1, 0xf4); /* mov cr4, edx; mov ecx, cr4; hlt */
        guest->state.rip = CODE;
        guest->state.rdx = 0x2000;
        run_to(guest, HWACCL_EXIT_CONTROL_REGISTER, CODE);
        assert_int_equal(guest->state.exit_qualification, 4 | 2 << 8);
        guest->state.rdx = 0x10;
        run_to(guest, HWACCL_EXIT_HLT, CODE + 6);
        assert_int_equal(guest->state.rcx, 0x10);
        assert_int_equal(guest->state.cr4, 0x2010);
        guest_free(guest);
        (void)unused;
}

static void mov_to_cr3_exits_and_mov_from_does_not(void **unused)
{
        struct guest *guest = guest_new();
        code(guest, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xde); /* mov eax, cr3; mov cr3, esi */
        guest->state.cr3 = 0x5000;
        run_to(guest, HWACCL_EXIT_CONTROL_REGISTER, CODE + 3);
        assert_int_equal(guest->state.rax, 0x5000);
        assert_int_equal(guest->state.exit_qualification, 3 | 6 << 8);
        guest_free(guest);
        (void)unused;
}

static void cr8_exits_in_long_mode(void **unused)
{
        struct guest *guest = guest_new();
        enter_long_mode(guest);
        code(guest, 0x44, 0x0f, 0x20, 0xc3, 0x45, 0x0f, 0x22, 0xc1); /* mov rbx, cr8; mov cr8, r9 */
        run_to(guest, HWACCL_EXIT_CONTROL_REGISTER, CODE);
        assert_int_equal(guest->state.exit_qualification, 8 | 1 << 4 | 3 << 8);
        assert_int_equal(guest->state.instruction_length, 4);
        step_past(guest);
        run_to(guest, HWACCL_EXIT_CONTROL_REGISTER, CODE + 4);
        assert_int_equal(guest->state.exit_qualification, 8 | 9 << 8);
        guest_free(guest);
        (void)unused;
}

static void machine_status_word_and_clts_stay_inside(void **unused)
{
        struct guest *guest = guest_new();
        hwaccl_cr0_put(&guest->state, 0x60000018);
        /* clts; smsw ax; mov cx, 3; lmsw cx; smsw [0x500]; hlt */
        code(guest, 0x0f, 0x06, 0x0f, 0x01, 0xe0, 0xb9, 0x03, 0x00, 0x0f, 0x01, 0xf1, 0x0f, 0x01, 0x26, 0x00, 0x05,
             0xf4);
        run_to(guest, HWACCL_EXIT_HLT, CODE + 16);
        assert_int_equal(guest->state.rax & 0xffff, 0x10); /* NE as the guest wrote it, not as it really is */
        assert_int_equal(get(guest, 0x500, 2), 0x13);
        assert_int_equal(guest->state.cr0, 0x33);
        guest_free(guest);
        (void)unused;
}

static void mov_dr_and_invlpg_tell_register_and_address(void **unused)
{
        struct guest *guest = guest_new();
        protect(guest, CODE_32);
        /* mov dr7, edi; mov esi, dr6; invlpg [eax + ecx * 4 + 0x10] */
        code(guest, 0x0f, 0x23, 0xff, 0x0f, 0x21, 0xf6, 0x0f, 0x01, 0x7c, 0x88, 0x10);
        guest->state.rax = 0x12000;
        guest->state.rcx = 4;
        run_to(guest, HWACCL_EXIT_MOV_DR, CODE);
        assert_int_equal(guest->state.exit_qualification, 7 | 7 << 8);
        step_past(guest);
        run_to(guest, HWACCL_EXIT_MOV_DR, CODE + 3);
        assert_int_equal(guest->state.exit_qualification, 6 | 1 << 4 | 6 << 8);
        step_past(guest);
        run_to(guest, HWACCL_EXIT_INVLPG, CODE + 6);
        assert_int_equal(guest->state.exit_qualification, 0x12020);
        assert_int_equal(guest->state.instruction_length, 5);
        guest_free(guest);
        (void)unused;
}

static void unmapped_memory_and_rom_exit_as_ept_violations(void **unused)
{
        struct guest *guest = guest_new();
        protect(guest, CODE_32);
        /* cmp eax, ebx; inc edx; mov ecx, [MMIO + 4] */
        code(guest, 0x39, 0xd8, 0x42, 0x8b, 0x0d, 0x04, 0x00, 0xa0, 0x00);
        guest->state.rax = 1;
        guest->state.rbx = 2;
        run_to(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 3);
        assert_int_equal(guest->state.exit_qualification, 0x181);
        assert_int_equal(guest->state.guest_physical_address, MMIO + 4);
        assert_int_equal(guest->state.instruction_length, 6);
        assert_int_equal(guest->state.rdx, 1);
        assert_int_equal(guest->state.rflags, 0x2 | 0x1); /* CF of the CMP, the others of the INC */
        guest_free(guest);
        (void)unused;
}

static void writes_to_rom_exit_and_reads_do_not(void **unused)
{
        struct guest *guest = guest_new();
        protect(guest, CODE_32);
        /* mov eax, [ROM]; mov [ROM + 8], eax */
        code(guest, 0xa1, 0x00, 0x00, 0x80, 0x00, 0xa3, 0x08, 0x00, 0x80, 0x00);
        put64(guest, ROM, 0x11223344);
        run_to(guest, HWACCL_EXIT_EPT_VIOLATION, CODE + 5);
        assert_int_equal(guest->state.rax, 0x11223344);
        assert_int_equal(guest->state.exit_qualification, 0x182 | 1 << 3 | 1 << 5);
        assert_int_equal(guest->state.guest_physical_address, ROM + 8);
        assert_int_equal(get(guest, ROM + 8, 4), 0);

        /* push to MMIO, then a jump there */
        code(guest, 0x50, 0xb8, 0x00, 0x00, 0xa0, 0x00, 0xff, 0xe0);
        guest->state.rip = CODE;
        guest->state.rsp = MMIO + 0x100;
        run_to(guest, HWACCL_EXIT_EPT_VIOLATION, CODE);
        assert_int_equal(guest->state.exit_qualification, 0x182);
        assert_int_equal(guest->state.guest_physical_address, MMIO + 0xfc);
        assert_int_equal(guest->state.rsp, MMIO + 0x100);
        step_past(guest);
        run_to(guest, HWACCL_EXIT_EPT_VIOLATION, MMIO);
        assert_int_equal(guest->state.exit_qualification, 0x184);
        guest_free(guest);
        (void)unused;
}

static void code_that_runs_off_its_page_faults_where_it_ends(void **unused)
{
        struct guest *guest = guest_new();
        const uint8_t nops[4] = {0x40, 0x40, 0x40, 0x40}; /* inc eax, four times, then nothing */
        protect(guest, CODE_32);
        poke_memory(guest, RAM_SIZE - 4, nops, sizeof(nops));
        guest->state.rip = RAM_SIZE - 4;
        run_to(guest, HWACCL_EXIT_EPT_VIOLATION, RAM_SIZE);
        assert_int_equal(guest->state.rax, 4);
        assert_int_equal(guest->state.exit_qualification, 0x184);
        guest_free(guest);
        (void)unused;
}

static void real_mode_becomes_protected_becomes_long(void **unused)
{
        struct guest *guest = guest_new();
        enter_long_mode(guest); /* for the tables */
        struct hwaccl_subject_state fresh = guest->state;
        guest_free(guest);
        guest = guest_new();
        uint64_t tables = fresh.cr3;
        struct hwaccl_subject_state real = guest->state;
        enter_long_mode(guest);
        guest->state = real;
        guest->state.cr3 = tables;
        guest->state.efer = HWACCL_EFER_LME;
        hwaccl_cr4_put(&guest->state, HWACCL_CR4_PAE);
        static const uint8_t start[] = {
                0x66, 0xb8, 0x11, 0x00,    0x00, 0x80, /* mov eax, 0x80000011 (PE and PG at once) */
                0x0f, 0x22, 0xc0,                      /* mov cr0, eax */
                0xea, 0x20, 0x10, CODE_64, 0x00,       /* jmp CODE_64:0x1020 */
        };
        static const uint8_t rest[] = {
                0x48, 0xb8, 8, 7, 6, 5, 4, 3, 2, 1, /* mov rax, 0x0102030405060708 */
                0x8e, 0xd9,                         /* mov ds, ecx */
                0x0f, 0xa2,                         /* cpuid */
        };
        poke_memory(guest, CODE, start, sizeof(start));
        poke_memory(guest, CODE + 0x20, rest, sizeof(rest));
        guest->state.rcx = DATA_32;
        run_to(guest, HWACCL_EXIT_CPUID, CODE + 0x2c);
        assert_int_equal(guest->state.rax, UINT64_C(0x0102030405060708));
        assert_int_equal(guest->state.efer, HWACCL_EFER_LME | HWACCL_EFER_LMA);
        assert_int_equal(guest->state.cs.selector, CODE_64);
        assert_int_equal(guest->state.cs.access_rights, 0xa09b);
        assert_int_equal(guest->state.ds.selector, DATA_32);
        assert_int_equal(guest->state.ds.access_rights, 0xc093);
        assert_int_equal(guest->state.ds.limit, UINT32_MAX);
        guest_free(guest);
        (void)unused;
}

static void unreal_mode_reaches_beyond_a_megabyte(void **unused)
{
        struct guest *guest = guest_new();
        guest->state.ds.limit = UINT32_MAX;
        guest->state.cs = (struct hwaccl_segment){0xf000, 0xff0000 & (RAM_SIZE - 1), 0xffff,
                                                  0x9b}; /* base is not selector times 16 */
        guest->state.rip = 0x10;
        static const uint8_t bytes[] = {0x67, 0x66, 0x8b, 0x03, 0xf4}; /* mov eax, [ebx]; hlt */
        poke_memory(guest, guest->state.cs.base + 0x10, bytes, sizeof(bytes));
        put64(guest, 0x300000, 0xabcdef);
        guest->state.rbx = 0x300000;
        run_to(guest, HWACCL_EXIT_HLT, 0x14);
        assert_int_equal(guest->state.rax, 0xabcdef);
        assert_int_equal(guest->state.cs.base, 0xff0000 & (RAM_SIZE - 1));
        assert_int_equal(guest->state.ds.limit, UINT32_MAX);
        guest_free(guest);
        (void)unused;
}

static void far_returns_in_real_mode_land_where_they_should(void **unused)
{
        struct guest *guest = guest_new();
        static const uint16_t target[2] = {0x0010, 0x0200}; /* 0200:0010 */
        static const uint8_t hlt = 0xf4;
        code(guest, 0xcb);
        poke_memory(guest, STACK, target, sizeof(target));
        poke_memory(guest, 0x2010, &hlt, 1);
        run_to(guest, HWACCL_EXIT_HLT, 0x10);
        assert_int_equal(guest->state.cs.base, 0x2000);
        assert_int_equal(guest->state.rsp, STACK + 4);
        guest_free(guest);
        (void)unused;
}

static void modified_code_runs_as_modified(void **unused)
{
        struct guest *guest = guest_new();
        protect(guest, CODE_32);
        /* again: nop (becomes hlt); mov byte [CODE], 0xf4; dec ecx; jnz again; cpuid */
        code(guest, 0x90, 0xc6, 0x05, 0x00, 0x10, 0x00, 0x00, 0xf4, 0x49, 0x75, 0xf5, 0x0f, 0xa2);
        guest->state.rcx = 2;
        run_to(guest, HWACCL_EXIT_HLT, CODE);
        assert_int_equal(guest->state.rcx, 1);

        /* the instruction after the one that writes it, in the same block */
        code(guest, 0xc6, 0x05, 0x07, 0x10, 0x00, 0x00, 0xf4, 0x90, 0x0f, 0xa2);
        guest->state.rip = CODE;
        run_to(guest, HWACCL_EXIT_HLT, CODE + 7);

        /* and by somebody else than the engine */
        code(guest, 0x0f, 0x31, 0x90, 0x90, 0x0f, 0xa2);
        guest->state.rip = CODE;
        run_to(guest, HWACCL_EXIT_RDTSC, CODE);
        guest->state.rip = CODE + 2;
        run_to(guest, HWACCL_EXIT_CPUID, CODE + 4);
        code(guest, 0x90, 0xe4, 0x60);
        guest->state.rip = CODE;
        run_to(guest, HWACCL_EXIT_IO_INSTRUCTION, CODE + 1);
        guest_free(guest);
        (void)unused;
}

static void instructions_that_do_not_exit_are_performed(void **unused)
{
        struct guest *guest = guest_new();
        protect(guest, CODE_32);
        /* pause; lgdt [0x600]; sgdt [0x610]; lidt [0x600]; ltr ax; hlt */
        code(guest, 0xf3, 0x90, 0x0f, 0x01, 0x15, 0x00, 0x06, 0x00, 0x00, 0x0f, 0x01, 0x05, 0x10, 0x06, 0x00, 0x00,
             0x0f, 0x01, 0x1d, 0x00, 0x06, 0x00, 0x00, 0x0f, 0x00, 0xd8, 0xf4);
        const uint8_t pseudo[6] = {0xff, 0x01, 0x00, 0x20, 0x00, 0x00};
        poke_memory(guest, 0x600, pseudo, sizeof(pseudo));
        put64(guest, GDT + 0x40, UINT64_C(0x0000890050000067));
        guest->state.rax = 0x40;
        run_to(guest, HWACCL_EXIT_HLT, CODE + 26);
        assert_int_equal(guest->state.gdtr.limit, 0x1ff);
        assert_int_equal(guest->state.gdtr.base, GDT);
        assert_int_equal(guest->state.idtr.limit, 0x1ff);
        assert_int_equal(get(guest, 0x610, 2), 0x1ff);
        assert_int_equal(guest->state.tr.selector, 0x40);
        assert_int_equal(guest->state.tr.base, 0x5000);
        assert_int_equal(guest->state.tr.access_rights, 0x8b);
        guest_free(guest);
        (void)unused;
}

#define TSS_AT   UINT64_C(0x5000)
#define TSS_FREE 0x40u
#define TSS_BUSY 0x48u

static struct guest *guest_with_tasks(void)
{
        struct guest *guest = guest_new();

        protect(guest, CODE_32);
        put64(guest, GDT + TSS_FREE, UINT64_C(0x0000890050000067));
        put64(guest, GDT + TSS_BUSY, UINT64_C(0x00008b0050000067));
        put64(guest, TSS_AT, TSS_BUSY);
        guest->state.tr = (struct hwaccl_segment){TSS_BUSY, TSS_AT, 0x67, 0x8b};
        return guest;
}

static void put_task_gate(struct guest *guest, unsigned vector)
{
        put64(guest, IDT + vector * 8, UINT64_C(0x0000850000400000));
}

static void expect_switch(struct guest *guest, uint64_t qualification, unsigned length, uint64_t information)
{
        run_to(guest, HWACCL_EXIT_TASK_SWITCH, CODE);
        assert_int_equal(guest->state.exit_qualification, qualification);
        assert_int_equal(guest->state.instruction_length, length);
        assert_int_equal(guest->state.interrupt_information, information);
        assert_int_equal(guest->state.tr.selector, TSS_BUSY); /* nothing has happened yet */
        guest_free(guest);
}

static void task_switches_exit_before_they_happen(void **unused)
{
        struct guest *guest = guest_with_tasks();

        code(guest, 0xea, 0, 0, 0, 0, TSS_FREE, 0);
        expect_switch(guest, TSS_FREE | UINT64_C(2) << 30, 7, 0);
        guest = guest_with_tasks();
        code(guest, 0x9a, 0, 0, 0, 0, TSS_FREE, 0);
        expect_switch(guest, TSS_FREE, 7, 0);
        for (unsigned call = 0; call < 2; call++) { /* through memory */
                guest = guest_with_tasks();
                put64(guest, 0x6000, (uint64_t)TSS_FREE << 32);
                code(guest, 0xff, 0x2d, 0, 0x60, 0, 0);
                if (call)
                        poke_memory(guest, CODE + 1, "\x1d", 1);
                expect_switch(guest, TSS_FREE | (call ? 0 : UINT64_C(2) << 30), 6, 0);
        }
        guest = guest_with_tasks();
        guest->state.rflags |= RFLAGS_NT;
        guest->state.interruptibility = HWACCL_INTERRUPTIBILITY_NMI;
        code(guest, 0xcf);
        run_to(guest, HWACCL_EXIT_TASK_SWITCH, CODE);
        assert_int_equal(guest->state.exit_qualification, TSS_BUSY | UINT64_C(1) << 30);
        assert_int_equal(guest->state.interruptibility, 0);
        guest_free(guest);
        (void)unused;
}

static void a_task_gate_exits_with_its_event(void **unused)
{
        static const struct {
                uint8_t bytes[4];
                uint8_t vector, length;
                uint64_t information;
        } rows[] = {
                {{0xcd, 0x30}, 0x30, 2, 0x80000430}, {{0xcd, 0x03}, 3, 2, 0x80000403},
                {{0xcc}, 3, 1, 0x80000603},          {{0xf1}, 1, 1, 0x80000501},
                {{0x0f, 0x0b}, 6, 0, 0x80000306},    {{0x8e, 0xc0}, 13, 0, UINT64_C(0x123480000b0d)}, /* mov es, ax */
        };
        const uint64_t gate = TSS_FREE | UINT64_C(3) << 30;

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct guest *guest = guest_with_tasks();
                guest->state.rax = 0x1234;
                put_task_gate(guest, rows[i].vector);
                poke_memory(guest, CODE, rows[i].bytes, 4);
                expect_switch(guest, gate, rows[i].length, rows[i].information);
        }
        struct guest *guest = guest_with_tasks();
        put_task_gate(guest, 0x40);
        guest->state.rflags |= RFLAGS_IF;
        hwaccl_pending_interrupts_set(&guest->pending, 0x40);
        expect_switch(guest, gate, 0, 0x80000040);
        guest = guest_with_tasks();
        put_task_gate(guest, 2);
        hwaccl_pending_interrupts_set(&guest->pending, 2);
        run_to(guest, HWACCL_EXIT_TASK_SWITCH, CODE);
        assert_int_equal(guest->state.interrupt_information, 0x80000202);
        assert_int_equal(guest->state.interruptibility, HWACCL_INTERRUPTIBILITY_NMI);
        guest_free(guest);
        (void)unused;
}

static void what_cannot_be_run_faithfully_is_refused(void **unused)
{
        struct guest *guest = guest_new();
        protect(guest, CODE_32);
        code(guest, 0xcf); /* iret to privilege level 3 */
        static const uint32_t frame[5] = {0x1000, 0x33, 2, 0x8000, 0x2b};
        poke_memory(guest, STACK, frame, sizeof(frame));
        refused(guest, "outer privilege level");
        static const uint32_t virtual_8086[3] = {0x1000, 0, 0x20002};
        poke_memory(guest, STACK, virtual_8086, sizeof(virtual_8086));
        guest->state.rip = CODE;
        refused(guest, "virtual-8086");
        code(guest, 0x0f, 0x34);
        guest->state.rip = CODE;
        guest->state.sysenter_cs = 8;
        refused(guest, "SYSENTER");
        guest->state.rip = CODE;
        guest->state.ss.access_rights = 0xc0f3;
        refused(guest, "privilege level 0");
        guest_free(guest);

        guest = guest_new();
        enter_long_mode(guest);
        code(guest, 0x0f, 0x05);
        guest->state.efer |= HWACCL_EFER_SCE;
        refused(guest, "SYSCALL");
        guest_free(guest);
        (void)unused;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(fixed_exits_have_reason_length_and_rip),
                cmocka_unit_test(port_qualifications_are_those_of_the_sdm),
                cmocka_unit_test(registers_and_flags_cross_both_ways),
                cmocka_unit_test(flags_that_nothing_changes_stay),
                cmocka_unit_test(mov_to_cr0_exits_only_when_masked_bits_change),
                cmocka_unit_test(mov_to_cr3_exits_and_mov_from_does_not),
                cmocka_unit_test(cr8_exits_in_long_mode),
                cmocka_unit_test(machine_status_word_and_clts_stay_inside),
                cmocka_unit_test(mov_dr_and_invlpg_tell_register_and_address),
                cmocka_unit_test(unmapped_memory_and_rom_exit_as_ept_violations),
                cmocka_unit_test(writes_to_rom_exit_and_reads_do_not),
                cmocka_unit_test(code_that_runs_off_its_page_faults_where_it_ends),
                cmocka_unit_test(real_mode_becomes_protected_becomes_long),
                cmocka_unit_test(unreal_mode_reaches_beyond_a_megabyte),
                cmocka_unit_test(far_returns_in_real_mode_land_where_they_should),
                cmocka_unit_test(modified_code_runs_as_modified),
                cmocka_unit_test(instructions_that_do_not_exit_are_performed),
                cmocka_unit_test(task_switches_exit_before_they_happen),
                cmocka_unit_test(a_task_gate_exits_with_its_event),
                cmocka_unit_test(what_cannot_be_run_faithfully_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
