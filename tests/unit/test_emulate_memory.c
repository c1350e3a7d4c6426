#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fixtures/emulate_fixture.h"

static struct fixture fixture;
static struct hwaccl_machine_context *context;

static int set_up(void **state)
{
        (void)state;
        fixture_create(&fixture);
        fixture_protected_mode(&fixture, 0);
        context = fixture.context;
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        fixture_destroy(&fixture);
        return 0;
}

#define EPT 48

static void assert_access(unsigned index, bool write, uint64_t address, unsigned size, uint64_t value)
{
        assert_true(index < fixture.device.access_count);
        assert_int_equal(fixture.device.access[index].write, write);
        assert_int_equal(fixture.device.access[index].address, address);
        assert_int_equal(fixture.device.access[index].size, size);
        assert_int_equal(fixture.device.access[index].value, value);
}

/* ---- where operands lie ------------------------------------------------------------------------------------------ */

static void sixteen_bit_addresses_wrap_and_use_ss_for_bp(void **state)
{
        (void)state;
        fixture_real_mode(&fixture);
        context->segment[HWACCL_SS].base = 0x20000;
        context->segment[HWACCL_DS].base = 0x30000;
        context->gpr[HWACCL_RAX] = 0x1234;
        context->gpr[HWACCL_RBX] = 0xfff0;
        context->gpr[HWACCL_RSI] = 0x20;
        context->gpr[HWACCL_RBP] = 0x100;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x89, 0x00), HWACCL_OUTCOME_COMPLETED); /* [bx+si] */
        assert_int_equal(fixture_peek(&fixture, 0x30010, 2), 0x1234);
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x89, 0x46, 0xfe), HWACCL_OUTCOME_COMPLETED); /* [bp-2] */
        assert_int_equal(fixture_peek(&fixture, 0x200fe, 2), 0x1234);
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x3e, 0x89, 0x46, 0x02), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_peek(&fixture, 0x30102, 2), 0x1234); /* DS override */
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0xa3, 0x40, 0x00), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_peek(&fixture, 0x30040, 2), 0x1234);
}

static void unreal_mode_reaches_mmio_with_an_address_size_prefix(void **state)
{
        (void)state;
        fixture_real_mode(&fixture);
        context->segment[HWACCL_DS].limit = UINT32_MAX;
        context->gpr[HWACCL_RDI] = FIXTURE_MMIO + 0x10;
        context->gpr[HWACCL_RAX] = 0xcafebabe;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x66, 0x67, 0x89, 0x07), HWACCL_OUTCOME_COMPLETED);
        assert_access(0, true, FIXTURE_MMIO + 0x10, 4, 0xcafebabe);
}

static void the_bus_sees_naturally_aligned_parts(void **state)
{
        (void)state;
        fixture_long_mode(&fixture, 0);
        context->gpr[HWACCL_RDI] = FIXTURE_MMIO + 3;
        context->gpr[HWACCL_RAX] = UINT64_C(0x1122334455667788);
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x48, 0x89, 0x07), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture.device.access_count, 4);
        assert_access(0, true, FIXTURE_MMIO + 3, 1, 0x88);
        assert_access(1, true, FIXTURE_MMIO + 4, 4, 0x44556677);
        assert_access(2, true, FIXTURE_MMIO + 8, 2, 0x2233);
        assert_access(3, true, FIXTURE_MMIO + 10, 1, 0x11);
        context->gpr[HWACCL_RDI] = FIXTURE_MMIO + 8;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x48, 0x8b, 0x07), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture.device.access_count, 1);
        assert_int_equal(fixture.device.access[0].size, 8);
}

static void an_access_may_straddle_ram_and_mmio(void **state)
{
        (void)state;
        context->gpr[HWACCL_RDI] = FIXTURE_MEMORY - 2;
        context->gpr[HWACCL_RAX] = 0x11223344;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x89, 0x07), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_peek(&fixture, FIXTURE_MEMORY - 2, 2), 0x3344);
        assert_int_equal(fixture.device.access_count, 0); /* nobody lives there */
        context->gpr[HWACCL_RAX] = 0;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x8b, 0x07), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->gpr[HWACCL_RAX], 0xffff3344);
}

static void an_access_may_cross_to_a_page_that_lies_elsewhere(void **state)
{
        uint64_t entry = FIXTURE_MMIO | 0xe7;

        (void)state;
        fixture_long_mode(&fixture, 0);
        fixture_poke(&fixture, FIXTURE_PML4 + 0x2000 + 8, &entry, 8); /* 2 MiB up: the device */
        context->gpr[HWACCL_RDI] = 0x1fffff;
        context->gpr[HWACCL_RAX] = 0x11223344;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x89, 0x07), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_peek(&fixture, 0x1fffff, 1), 0x44);
        assert_int_equal(fixture.device.access_count, 2);
        assert_access(0, true, FIXTURE_MMIO, 2, 0x2233);
        assert_access(1, true, FIXTURE_MMIO + 2, 1, 0x11);
}

static void writes_to_rom_are_dropped(void **state)
{
        (void)state;
        fixture_poke(&fixture, FIXTURE_ROM, "\x0f", 1);
        context->gpr[HWACCL_RDI] = FIXTURE_ROM;
        context->gpr[HWACCL_RAX] = 0x01;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x00, 0x07), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_peek(&fixture, FIXTURE_ROM, 1), 0x0f);
        assert_true(context->rflags & RFLAGS_AF); /* the sum was made all the same */
}

static void a_stack_in_mmio_works(void **state)
{
        (void)state;
        context->gpr[HWACCL_RSP] = FIXTURE_MMIO + 0x100;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x68, 0x78, 0x56, 0x34, 0x12), HWACCL_OUTCOME_COMPLETED);
        assert_access(0, true, FIXTURE_MMIO + 0xfc, 4, 0x12345678);
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x59), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->gpr[HWACCL_RCX], 0x12345678);
        assert_int_equal(context->gpr[HWACCL_RSP], FIXTURE_MMIO + 0x100);
}

static void sixteen_bit_stacks_wrap_and_keep_the_upper_half(void **state)
{
        (void)state;
        fixture_real_mode(&fixture);
        context->gpr[HWACCL_RSP] = 0xabcd0000;
        context->gpr[HWACCL_RAX] = 0x5a5a;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x50), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->gpr[HWACCL_RSP], 0xabcdfffe);
        assert_int_equal(fixture_peek(&fixture, 0xfffe, 2), 0x5a5a);
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

#define IDT 0x4000u

/* 64-bit mode with a handler at 0x10000 + vector for every vector, and 4-KiB pages from 0 to 2 MiB. */
static void long_mode_with_handlers(unsigned cpl)
{
        uint64_t entry = (FIXTURE_PML4 + 0x3000) | 7;

        fixture_long_mode(&fixture, cpl);
        fixture_poke(&fixture, FIXTURE_PML4 + 0x2000, &entry, 8);
        for (uint64_t i = 0; i < 512; i++) {
                entry = i << 12 | 7;
                fixture_poke(&fixture, FIXTURE_PML4 + 0x3000 + i * 8, &entry, 8);
        }
        for (uint64_t vector = 0; vector < 32; vector++) {
                uint64_t gate[2] = {vector | UINT64_C(8) << 16 | UINT64_C(0x8e) << 40 | UINT64_C(1) << 48, 0};
                fixture_poke(&fixture, IDT + vector * 16, gate, 16);
        }
        fixture_poke(&fixture, 0x5008, (const uint8_t[]){0, 0, 0, 0, 0, 0x9b, 0x20, 0}, 8);
        fixture_poke(&fixture, 0x6004, (const uint8_t[]){0, 0x70, 0, 0, 0, 0, 0, 0}, 8);
        context->idtr = (struct hwaccl_segment){.base = IDT, .limit = 0x1ff};
        context->gdtr = (struct hwaccl_segment){.base = 0x5000, .limit = 0xf};
        context->tr = (struct hwaccl_segment){0x10, 0x6000, 0x67, 0x8b};
}

static void set_page(uint64_t linear, uint64_t entry)
{
        fixture_poke(&fixture, FIXTURE_PML4 + 0x3000 + (linear >> 12) * 8, &entry, 8);
}

static uint64_t page(uint64_t linear)
{
        return fixture_peek(&fixture, FIXTURE_PML4 + 0x3000 + (linear >> 12) * 8, 8);
}

static void a_page_fault_changes_nothing_but_cr2_and_goes_to_the_guest(void **state)
{
        (void)state;
        long_mode_with_handlers(0);
        set_page(0x21000, 0);
        context->gpr[HWACCL_RDI] = 0x20ffe; /* the second page is missing */
        context->gpr[HWACCL_RAX] = 0x11223344;
        context->gpr[HWACCL_RSP] = 0x8000;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x01, 0x07), HWACCL_OUTCOME_EXCEPTION);
        assert_int_equal(context->rip, 0x10000 + HWACCL_VECTOR_PF);
        assert_int_equal(context->cr2, 0x21000);
        assert_int_equal(fixture_peek(&fixture, context->gpr[HWACCL_RSP], 8), 2); /* not present, write */
        assert_int_equal(fixture_peek(&fixture, context->gpr[HWACCL_RSP] + 8, 8), FIXTURE_CODE);
        assert_int_equal(fixture_peek(&fixture, 0x20ffe, 2), 0);
}

static void read_modify_write_asks_for_the_write_first(void **state)
{
        (void)state;
        long_mode_with_handlers(3);
        set_page(0x20000, 0x20000 | 5); /* user, read-only */
        context->gpr[HWACCL_RDI] = 0x20000;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x3b, 0x07), HWACCL_OUTCOME_COMPLETED); /* CMP reads */
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x83, 0x07, 0x01), HWACCL_OUTCOME_EXCEPTION);
        assert_int_equal(fixture_peek(&fixture, context->gpr[HWACCL_RSP], 8), 7);
        assert_int_equal(context->cr2, 0x20000);
}

static void accesses_set_accessed_and_dirty_bits(void **state)
{
        (void)state;
        long_mode_with_handlers(0);
        context->gpr[HWACCL_RDI] = 0x20000;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x8b, 0x07), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(page(0x20000) & 0x60, 0x20);
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x89, 0x07), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(page(0x20000) & 0x60, 0x60);
        assert_int_equal(page(FIXTURE_CODE) & 0x60, 0x20);
}

static void a_fault_in_the_middle_of_rep_keeps_the_finished_iterations(void **state)
{
        (void)state;
        long_mode_with_handlers(0);
        set_page(0x21000, 0);
        context->gpr[HWACCL_RDI] = 0x20ffa;
        context->gpr[HWACCL_RCX] = 10;
        context->gpr[HWACCL_RDX] = 0x1f0;
        context->gpr[HWACCL_RSP] = 0x8000;
        fixture.device.port_value = 0x1111;
        assert_int_equal(fixture_emulate(&fixture, 30, 0x1f00039, 0x66, 0xf3, 0x6d), HWACCL_OUTCOME_EXCEPTION);
        assert_int_equal(context->gpr[HWACCL_RCX], 7);
        assert_int_equal(context->gpr[HWACCL_RDI], 0x21000);
        assert_int_equal(fixture_peek(&fixture, 0x20ffa, 6), UINT64_C(0x111311121111));
        assert_int_equal(fixture.device.access_count, 3); /* the port was not read for the one that faulted */
        assert_int_equal(fixture_peek(&fixture, context->gpr[HWACCL_RSP] + 8, 8), FIXTURE_CODE);
}

static void alignment_is_checked_in_ring_3_when_asked(void **state)
{
        (void)state;
        long_mode_with_handlers(3);
        context->gpr[HWACCL_RDI] = 0x20001;
        context->rflags |= RFLAGS_AC;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x89, 0x07), HWACCL_OUTCOME_COMPLETED);
        context->cr0 |= HWACCL_CR0_AM;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x88, 0x07), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x89, 0x07), HWACCL_OUTCOME_EXCEPTION);
        assert_int_equal(context->rip, 0x10000 + HWACCL_VECTOR_AC);
}

static void segment_faults_go_to_the_guest(void **state)
{
        (void)state;
        long_mode_with_handlers(0);
        context->gpr[HWACCL_RDI] = UINT64_C(1) << 47;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x89, 0x07), HWACCL_OUTCOME_EXCEPTION);
        assert_int_equal(context->rip, 0x10000 + HWACCL_VECTOR_GP);
        context->gpr[HWACCL_RBP] = UINT64_C(1) << 47;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x89, 0x45, 0x00), HWACCL_OUTCOME_EXCEPTION);
        assert_int_equal(context->rip, 0x10000 + HWACCL_VECTOR_SS);
        context->gpr[HWACCL_RBX] = 0x20008; /* CMPXCHG16B wants 16-byte alignment */
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x48, 0x0f, 0xc7, 0x0b), HWACCL_OUTCOME_EXCEPTION);
        assert_int_equal(context->rip, 0x10000 + HWACCL_VECTOR_GP);
}

static void lock_is_refused_where_the_processor_refuses_it(void **state)
{
        (void)state;
        long_mode_with_handlers(0);
        context->gpr[HWACCL_RDI] = 0x20000;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0xf0, 0x01, 0x07), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0xf0, 0x03, 0x07), HWACCL_OUTCOME_EXCEPTION);
        assert_int_equal(context->rip, 0x10000 + HWACCL_VECTOR_UD);
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x66, 0xf0, 0xa5), HWACCL_OUTCOME_EXCEPTION);
        assert_int_equal(context->rip, 0x10000 + HWACCL_VECTOR_UD);
        assert_int_equal(fixture_emulate(&fixture, 30, 0, 0xf0, 0xee), HWACCL_OUTCOME_EXCEPTION);
        assert_int_equal(fixture.device.access_count, 0);
}

static void an_exception_that_cannot_be_delivered_is_a_triple_fault(void **state)
{
        (void)state;
        fixture_long_mode(&fixture, 0);
        context->gpr[HWACCL_RDI] = UINT64_C(1) << 47;
        struct hwaccl_machine_context before = *context;
        fixture_code(&fixture, "\x89\x07", 2, EPT, 0);
        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_TRIPLE_FAULT);
        assert_memory_equal(context, &before, sizeof(before));
}

static void what_event_delivery_refuses_is_an_error_with_the_instruction(void **state)
{
        (void)state;
        context->idtr = (struct hwaccl_segment){.base = IDT, .limit = 0xff};
        context->rflags |= RFLAGS_VM;
        assert_int_equal(fixture_emulate(&fixture, 18, 0, 0x0f, 0x01, 0xc1), HWACCL_OUTCOME_FAILED);
        assert_non_null(strstr(fixture.error.message, "virtual-8086"));
        assert_non_null(strstr(fixture.error.message, "vmcall"));
}

/* ---- fetching, caching, refusing --------------------------------------------------------------------------------- */

static void new_bytes_at_a_cached_address_are_decoded_anew(void **state)
{
        (void)state;
        assert_int_equal(fixture_emulate(&fixture, 30, 0x800040, 0xe6, 0x80), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_emulate(&fixture, 30, 0x810040, 0xe6, 0x81), HWACCL_OUTCOME_COMPLETED);
        assert_access(0, true, 0x81, 1, 0);
        assert_int_equal(fixture_emulate(&fixture, 30, 0x800000, 0xee), HWACCL_OUTCOME_FAILED); /* another port */
        assert_int_equal(fixture_emulate(&fixture, 30, 3, 0xef), HWACCL_OUTCOME_COMPLETED);
        assert_access(0, true, 0, 4, 0);
        context->segment[HWACCL_CS].access_rights &= ~SEGMENT_D; /* the same bytes in 16-bit code */
        assert_int_equal(fixture_emulate(&fixture, 30, 1, 0xef), HWACCL_OUTCOME_COMPLETED);
        assert_access(0, true, 0, 2, 0);
}

static void addresses_that_share_a_cache_slot_do_not_mix(void **state)
{
        static const uint8_t ports[2] = {0x80, 0x84};

        (void)state;
        for (unsigned round = 0; round < 4; round++)
                for (uint64_t far = 0; far < 512; far++) { /* more addresses than slots meet in each slot */
                        uint64_t address = 0x10000 + far * 0x400;
                        const uint8_t code[2] = {0xe6, ports[far & 1]};
                        fixture_poke(&fixture, address, code, 2);
                        fixture_code(&fixture, code, 2, 30, (uint64_t)ports[far & 1] << 16 | 0x40);
                        context->rip = address;
                        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
                        assert_access(0, true, ports[far & 1], 1, 0);
                }
}

static void without_a_length_the_second_page_is_read_only_when_needed(void **state)
{
        uint64_t gone = 0;

        (void)state;
        long_mode_with_handlers(0);
        set_page(0x31000, gone);
        fixture_poke(&fixture, 0x30fff, "\xee", 1);
        fixture_code(&fixture, "", 0, EPT, 0);
        context->rip = 0x30fff;
        fixture.state.exit_reason = 30;
        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->rip, 0x31000);

        set_page(0x31000, 0x55000 | 7); /* the rest of the instruction lies in a page elsewhere */
        fixture_poke(&fixture, 0x30fff, "\xe6", 1);
        fixture_poke(&fixture, 0x55000, "\x80", 1);
        context->rip = 0x30fff;
        fixture.state.exit_qualification = 0x800040;
        for (unsigned round = 0; round < 2; round++) { /* decoded, then from the cache */
                fixture.device.access_count = 0;
                context->rip = 0x30fff;
                assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
                assert_access(0, true, 0x80, 1, 0);
        }
        fixture_poke(&fixture, 0x55000, "\x81", 1);
        fixture.state.exit_qualification = 0x810040;
        context->rip = 0x30fff;
        fixture.device.access_count = 0;
        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
        assert_access(0, true, 0x81, 1, 0);
        fixture.state.instruction_length = 2;
        context->rip = 0x30fff;
        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
}

/* A processor that fuses TEST or CMP with the jump behind it reports the length of both. */
static void the_length_of_an_ept_violation_is_decoded(void **state)
{
        static const uint8_t code[] = {0xf7, 0x07, 0x01, 0, 0, 0, 0x75, 0x10}; /* test dword [edi], 1; jne */

        (void)state;
        context->gpr[HWACCL_RDI] = FIXTURE_MMIO;
        for (uint64_t length = 0; length < 40; length++) {
                fixture_code(&fixture, code, sizeof(code), EPT, 0);
                fixture.state.instruction_length = length;
                assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
                assert_int_equal(context->rip, FIXTURE_CODE + 6);
                assert_access(0, false, FIXTURE_MMIO, 4, 0);
        }
        fixture_code(&fixture, "\xe6\x80\x75\x10", 4, 30, 0x800040); /* where it is defined it has to agree */
        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_FAILED);
}

static void an_undefined_length_reads_no_page_behind_the_instruction(void **state)
{
        uint64_t gone = 0;

        (void)state;
        long_mode_with_handlers(0);
        set_page(0x31000, gone);
        context->gpr[HWACCL_RDI] = FIXTURE_MMIO;
        fixture_poke(&fixture, 0x30ffe, "\x8a\x07", 2); /* mov al, [rdi] */
        for (uint64_t length = 0; length < 40; length++) {
                fixture_code(&fixture, "", 0, EPT, 0);
                fixture.state.instruction_length = length;
                context->rip = 0x30ffe;
                assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
                assert_int_equal(context->rip, 0x31000);
        }
}

static void what_is_read_does_not_depend_on_the_cache(void **state)
{
        (void)state;
        for (uint64_t length = 0; length < 2; length++) {
                unsigned count[2];
                for (unsigned round = 0; round < 2; round++) {
                        fixture_code(&fixture, "\xee", 1, 30, 0);
                        fixture.state.instruction_length = length;
                        fixture.input_count = 0;
                        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
                        count[round] = fixture.input_count;
                }
                assert_int_equal(count[0], 1);
                assert_int_equal(count[1], 1);
        }
}

static void an_instruction_that_is_not_emulated_fails_with_its_disassembly(void **state)
{
        (void)state;
        context->gpr[HWACCL_RDI] = FIXTURE_MMIO;
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0xd8, 0x07), HWACCL_OUTCOME_FAILED);
        assert_string_equal(fixture.error.message,
                            "cannot emulate: instruction at 0008:00001000 (linear 0x1000), bytes d8 07: fadd dword ptr "
                            "[edi]");
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0xff, 0xff), HWACCL_OUTCOME_FAILED);
        assert_non_null(strstr(fixture.error.message,
                               "cannot decode: instruction at 0008:00001000 (linear 0x1000), bytes "
                               "ff ff 00 00"));
        assert_int_equal(fixture_emulate(&fixture, EPT, 0, 0x0f, 0xae, 0x07), HWACCL_OUTCOME_FAILED); /* FXSAVE */
        context->rip = FIXTURE_MMIO;
        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_FAILED);
        assert_non_null(strstr(fixture.error.message, "cannot execute code outside of memory"));
}

static void descriptions_never_fail(void **state)
{
        char text[64];

        (void)state;
        hwaccl_instruction_describe("\xee", 1, 0, 16, text, sizeof(text));
        assert_string_equal(text, "out dx, al");
        hwaccl_instruction_describe("\x48\x89\x07", 3, 0, 64, text, sizeof(text));
        assert_string_equal(text, "mov qword ptr [rdi], rax");
        hwaccl_instruction_describe("\xeb\xfe", 2, 0x1000, 32, text, sizeof(text));
        assert_string_equal(text, "jmp 0x1000");
        hwaccl_instruction_describe("\xeb\xfe", 2, 0x2000, 32, text, sizeof(text));
        assert_string_equal(text, "jmp 0x2000");
        hwaccl_instruction_describe("\x0f", 1, 0, 32, text, sizeof(text));
        assert_string_equal(text, "(bad)");
        hwaccl_instruction_describe("", 0, 0, 32, text, sizeof(text));
        assert_string_equal(text, "(bad)");
        hwaccl_instruction_describe("\x48\x89\x07", 3, 0, 64, text, 6);
        assert_string_equal(text, "mov q");
        hwaccl_instruction_describe("\xf3\x90", 2, 0, 16, text, sizeof(text));
        assert_string_equal(text, "pause");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(sixteen_bit_addresses_wrap_and_use_ss_for_bp),
                TEST(unreal_mode_reaches_mmio_with_an_address_size_prefix),
                TEST(the_bus_sees_naturally_aligned_parts),
                TEST(an_access_may_straddle_ram_and_mmio),
                TEST(an_access_may_cross_to_a_page_that_lies_elsewhere),
                TEST(writes_to_rom_are_dropped),
                TEST(a_stack_in_mmio_works),
                TEST(sixteen_bit_stacks_wrap_and_keep_the_upper_half),
                TEST(a_page_fault_changes_nothing_but_cr2_and_goes_to_the_guest),
                TEST(read_modify_write_asks_for_the_write_first),
                TEST(accesses_set_accessed_and_dirty_bits),
                TEST(a_fault_in_the_middle_of_rep_keeps_the_finished_iterations),
                TEST(alignment_is_checked_in_ring_3_when_asked),
                TEST(segment_faults_go_to_the_guest),
                TEST(lock_is_refused_where_the_processor_refuses_it),
                TEST(an_exception_that_cannot_be_delivered_is_a_triple_fault),
                TEST(what_event_delivery_refuses_is_an_error_with_the_instruction),
                TEST(new_bytes_at_a_cached_address_are_decoded_anew),
                TEST(addresses_that_share_a_cache_slot_do_not_mix),
                TEST(without_a_length_the_second_page_is_read_only_when_needed),
                TEST(the_length_of_an_ept_violation_is_decoded),
                TEST(an_undefined_length_reads_no_page_behind_the_instruction),
                TEST(what_is_read_does_not_depend_on_the_cache),
                TEST(an_instruction_that_is_not_emulated_fails_with_its_disassembly),
                TEST(descriptions_never_fail),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
