/* The soft accelerator and the guest's paging. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fixtures/accel_fixture.h"

static void a_mapping_that_is_not_the_identity_is_followed(void **unused)
{
        struct guest *guest = guest_new();
        enter_long_mode(guest);
        /* mov rax, [rbx]; mov [rbx + 8], rcx; hlt, run at the high alias of CODE */
        code(guest, 0x48, 0x8b, 0x03, 0x48, 0x89, 0x4b, 0x08, 0xf4);
        const uint64_t high = UINT64_C(0xffff800000000000);
        guest->state.rip = high + CODE;
        guest->state.rbx = high + 0x300000;
        guest->state.rcx = 77;
        put64(guest, 0x300000, 55);
        run_to(guest, HWACCL_EXIT_HLT, high + CODE + 7);
        assert_int_equal(guest->state.rax, 55);
        assert_int_equal(get(guest, 0x300008, 8), 77);

        /* MMIO through the alias: the physical address is told */
        guest->state.rip = high + CODE;
        guest->state.rbx = high + MMIO;
        run_to(guest, HWACCL_EXIT_EPT_VIOLATION, high + CODE);
        assert_int_equal(guest->state.guest_physical_address, MMIO);
        guest_free(guest);
        (void)unused;
}

static void the_end_of_the_address_space_can_be_mapped(void **unused)
{
        struct guest *guest = guest_new();
        enter_long_mode(guest);
        put64(guest, TABLES + 511 * 8, (TABLES + 0x3000) | 3);
        put64(guest, TABLES + 0x3000 + 511 * 8, (TABLES + 0x4000) | 3);
        put64(guest, TABLES + 0x4000 + 505 * 8, 0x200000 | 0x83);
        put64(guest, TABLES + 0x4000 + 511 * 8, 0x200000 | 0x83);
        /* mov rax, [rbx]; mov [rcx], rax; mov rdx, [rcx - 0x1000]; hlt */
        code(guest, 0x48, 0x8b, 0x03, 0x48, 0x89, 0x01, 0x48, 0x8b, 0x91, 0x00, 0xf0, 0xff, 0xff, 0xf4);
        guest->state.rbx = UINT64_C(0xffffffffff200000);
        guest->state.rcx = UINT64_C(0xfffffffffffffff8);
        put64(guest, 0x200000, 55);
        put64(guest, 0x3feff8, 66);
        run_to(guest, HWACCL_EXIT_HLT, CODE + 13);
        assert_int_equal(guest->state.rdx, 66);
        assert_int_equal(get(guest, 0x3ffff8, 8), 55);
        guest_free(guest);
        (void)unused;
}

static void small_pages_scattered_over_memory_are_followed(void **unused)
{
        struct guest *guest = guest_new();
        enter_pae(guest);
        /* pages 0x100 to 0x107 lie backwards at 0x207000 down */
        for (uint64_t i = 0; i < 8; i++) {
                put64(guest, TABLES + 0x2000 + (0x180 + i) * 8, (0x207000 - i * 0x1000) | 3);
                put64(guest, 0x207000 - i * 0x1000, 100 + i);
        }
        /* mov esi, 0x180000; again: add eax, [esi]; mov [esi + 4], eax; add esi, 0x1000; dec ecx; jnz again; hlt */
        code(guest, 0xbe, 0x00, 0x00, 0x18, 0x00, 0x03, 0x06, 0x89, 0x46, 0x04, 0x81, 0xc6, 0x00, 0x10, 0x00, 0x00,
             0x49, 0x75, 0xf2, 0xf4);
        guest->state.rcx = 8;
        run_to(guest, HWACCL_EXIT_HLT, CODE + 19);
        assert_int_equal(guest->state.rax, 828);
        assert_int_equal(get(guest, 0x200004, 4), 828);
        assert_int_equal(get(guest, TABLES + 0x2000 + 0x187 * 8, 8), 0x200000 | 0x63); /* accessed and dirty */
        guest_free(guest);
        (void)unused;
}

static void accessed_and_dirty_bits_are_set_when_due(void **unused)
{
        struct guest *guest = guest_new();
        enter_pae(guest);
        /* mov eax, [0x180000]; rdtsc; mov [0x180000], eax; hlt */
        code(guest, 0xa1, 0x00, 0x00, 0x18, 0x00, 0x0f, 0x31, 0xa3, 0x00, 0x00, 0x18, 0x00, 0xf4);
        run_to(guest, HWACCL_EXIT_RDTSC, CODE + 5);
        assert_int_equal(get(guest, TABLES + 0x2000 + 0x180 * 8, 8) & 0x60, 0x20);
        step_past(guest);
        run_to(guest, HWACCL_EXIT_HLT, CODE + 12);
        assert_int_equal(get(guest, TABLES + 0x2000 + 0x180 * 8, 8) & 0x60, 0x60);
        guest_free(guest);
        (void)unused;
}

static void the_guest_handles_its_page_fault_and_goes_on(void **unused)
{
        struct guest *guest = guest_new();
        enter_pae(guest);
        const uint64_t entry = TABLES + 0x2000 + 0x180 * 8;
        put64(guest, entry, 0);
        put64(guest, 0x200000, 4711);
        /* cmp ecx, ecx; add eax, [0x180000]; jc done; hlt */
        code(guest, 0x39, 0xc9, 0x03, 0x05, 0x00, 0x00, 0x18, 0x00, 0xf4);
        /* handler: mov edx, cr2; mov dword [entry], 0x200003; invlpg [edx]; pop ebx; iret */
        static const uint8_t handler[] = {0x0f, 0x20, 0xd2, 0xc7, 0x05, 0x00, 0x2c, 0x10, 0x00,
                                          0x03, 0x00, 0x20, 0x00, 0x0f, 0x01, 0x3a, 0x5b, 0xcf};
        poke_memory(guest, HANDLER(14), handler, sizeof(handler));
        assert_int_equal(entry, 0x102c00);
        run_to(guest, HWACCL_EXIT_INVLPG, HANDLER(14) + 13);
        assert_int_equal(guest->state.exit_qualification, 0x180000);
        assert_int_equal(guest->state.rdx, 0x180000);
        assert_int_equal(get(guest, guest->state.rsp, 4), 0); /* not present, read, supervisor */
        assert_int_equal(get(guest, guest->state.rsp + 4, 4), CODE + 2);
        assert_int_equal(get(guest, guest->state.rsp + 12, 4) & 0x40, 0x40); /* ZF of the CMP */
        step_past(guest);
        run_to(guest, HWACCL_EXIT_HLT, CODE + 8);
        assert_int_equal(guest->state.rax, 4711);
        guest_free(guest);
        (void)unused;
}

static void page_permissions_hold(void **unused)
{
        struct guest *guest = guest_new();
        enter_pae(guest);
        guest->state.efer = HWACCL_EFER_NXE;
        const uint64_t entry = TABLES + 0x2000 + 0x180 * 8;
        put64(guest, entry, 0x200001);
        code(guest, 0xa1, 0x00, 0x00, 0x18, 0x00, 0xa3, 0x00, 0x00, 0x18, 0x00); /* read, then write a read-only page */
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(14));
        assert_int_equal(get(guest, guest->state.rsp, 4), 3);
        assert_int_equal(guest->state.cr2, 0x180000);
        assert_int_equal(get(guest, guest->state.rsp + 4, 4), CODE + 5);

        put64(guest, entry, UINT64_C(0x8000000000200003));
        code(guest, 0xb8, 0x00, 0x00, 0x18, 0x00, 0xff, 0x00, 0xff, 0xe0); /* inc [it]; jump there */
        guest->state.rip = CODE;
        guest->state.rsp = STACK;
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(14));
        assert_int_equal(get(guest, guest->state.rsp, 4), 0x11);
        assert_int_equal(get(guest, guest->state.rsp + 4, 4), 0x180000);
        guest_free(guest);
        (void)unused;
}

/* More than the engine has regions for, twice over, so that those that were forgotten come back. */
static void a_mapping_in_many_pieces_is_followed(void **unused)
{
        struct guest *guest = guest_new();
        enter_pae(guest);
        for (uint64_t i = 0; i < 512; i++) { /* every page of 2 MiB to 4 MiB somewhere of its own */
                uint64_t page = 0x200000 + (i * 37 % 512) * 0x1000;
                put64(guest, TABLES + 0x3000 + i * 8, page | 3);
                put64(guest, page, i);
        }
        put64(guest, TABLES + 0x1008, (TABLES + 0x3000) | 3);
        /* again: add eax, [esi]; inc dword [esi]; add esi, 0x1000; and esi, ~0x200000; or esi, 0x200000; dec ecx; jnz
         * again; hlt */
        code(guest, 0x03, 0x06, 0xff, 0x06, 0x81, 0xc6, 0x00, 0x10, 0x00, 0x00, 0x81, 0xe6, 0xff, 0xff, 0xbf, 0xff,
             0x81, 0xce, 0x00, 0x00, 0x20, 0x00, 0x49, 0x75, 0xe7, 0xf4);
        guest->state.rsi = 0x200000;
        guest->state.rcx = 1024;
        run_to(guest, HWACCL_EXIT_HLT, CODE + 25);
        assert_int_equal(guest->state.rax, 511 * 512 + 512);
        for (uint64_t i = 0; i < 512; i++)
                assert_int_equal(get(guest, 0x200000 + (i * 37 % 512) * 0x1000, 4), i + 2);
        guest_free(guest);
        (void)unused;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_mapping_that_is_not_the_identity_is_followed),
                cmocka_unit_test(the_end_of_the_address_space_can_be_mapped),
                cmocka_unit_test(small_pages_scattered_over_memory_are_followed),
                cmocka_unit_test(accessed_and_dirty_bits_are_set_when_due),
                cmocka_unit_test(the_guest_handles_its_page_fault_and_goes_on),
                cmocka_unit_test(page_permissions_hold),
                cmocka_unit_test(a_mapping_in_many_pieces_is_followed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
