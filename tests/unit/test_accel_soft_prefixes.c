/* Prefixes that Unicorn does not take as a processor does: LOCK where its translator aborts, REX before another prefix.
 * And SWAPGS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fixtures/abort_fixture.h"
#include "tests/fixtures/accel_fixture.h"

#define DATA     UINT64_C(0x6000)
#define REPEATED 100 /* more than calls of the library can be given up in one engine */

static struct guest *watched(struct guest *guest)
{
        abort_fixture_watch(guest->accel);
        return guest;
}

static void free_watched(struct guest *guest)
{
        abort_fixture_watch(NULL);
        guest_free(guest);
}

static void instructions_before_lock_cmp_are_done_once(void **unused)
{
        struct guest *guest = watched(guest_new());

        protect(guest, CODE_32);
        code(guest, 0xd9, 0xe8, 0xf4); /* fld1; hlt */
        run_to(guest, HWACCL_EXIT_HLT, CODE + 2);
        /* inc dword [6000h]; push eax; lock cmp [eax], al; inc dword [6000h]; hlt */
        code(guest, 0xff, 0x05, 0x00, 0x60, 0, 0, 0x50, 0xf0, 0x38, 0x00, 0xff, 0x05, 0x00, 0x60, 0, 0, 0xf4);
        for (unsigned i = 1; i <= REPEATED; i++) {
                guest->state.rip = CODE;
                guest->state.rsp = STACK;
                guest->state.rax = DATA + 0x100;
                guest->state.rflags = 2 | 0x8d5;
                run_to(guest, HWACCL_EXIT_HLT, HANDLER(6));
                assert_int_equal(get(guest, DATA, 4), i);
                assert_int_equal(guest->state.rsp, STACK - 16);
                assert_int_equal(get(guest, STACK - 16, 4), CODE + 7);
                assert_int_equal(get(guest, STACK - 4, 4), DATA + 0x100);
        }
        /* the FPU and what else the engine holds are those of the guest: fstp dword [6004h]; hlt */
        code(guest, 0xd9, 0x1d, 0x04, 0x60, 0, 0, 0xf4);
        guest->state.rip = CODE;
        run_to(guest, HWACCL_EXIT_HLT, CODE + 6);
        assert_int_equal(get(guest, DATA + 4, 4), 0x3f800000);
        free_watched(guest);
        (void)unused;
}

static void a_branch_before_lock_cmp_is_taken(void **unused)
{
        struct guest *guest = watched(guest_new());

        /* cmp ax, 1; je +3; lock cmpsb; hlt */
        code(guest, 0x83, 0xf8, 0x01, 0x74, 0x02, 0xf0, 0xa6, 0xf4);
        guest->state.rax = 1;
        run_to(guest, HWACCL_EXIT_HLT, CODE + 7);
        guest->state.rip = CODE;
        guest->state.rax = 2;
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(6));
        assert_int_equal(get(guest, STACK - 6, 2), CODE + 5);
        free_watched(guest);
        (void)unused;
}

/* With a limited segment every instruction is looked at, in the other engine. */
static void lock_cmp_is_undefined_where_segments_are_limited(void **unused)
{
        struct guest *guest = watched(guest_new());

        protect(guest, CODE_32);
        guest->state.ds.limit = 0x9fff;
        code(guest, 0x89, 0x1d, 0x00, 0x60, 0, 0, 0xf0, 0x3b, 0x05, 0x00, 0x60, 0, 0, 0xf4);
        for (unsigned i = 1; i <= 3; i++) {
                guest->state.rip = CODE;
                guest->state.rsp = STACK;
                guest->state.rbx = i;
                run_to(guest, HWACCL_EXIT_HLT, HANDLER(6));
                assert_int_equal(get(guest, DATA, 4), i);
                assert_int_equal(get(guest, STACK - 12, 4), CODE + 6);
        }
        /* the limit still holds: mov [0a000h], ebx */
        code(guest, 0x89, 0x1d, 0x00, 0xa0, 0, 0, 0xf4);
        guest->state.rip = CODE;
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(13));
        free_watched(guest);
        (void)unused;
}

static void the_trap_flag_traps_before_lock_cmp(void **unused)
{
        struct guest *guest = watched(guest_new());

        code(guest, 0x40, 0xf0, 0x38, 0x07); /* inc ax; lock cmp [bx], al */
        guest->state.rflags = 2 | FLAG_TF;
        run_to(guest, HWACCL_EXIT_EXCEPTION_OR_NMI, CODE + 1);
        guest->state.rflags = 2 | FLAG_TF;
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(6));
        free_watched(guest);
        (void)unused;
}

struct ignored {
        uint8_t bytes[12];
        uint8_t length;
};

/* REX as it is, and without it: both must come to the same. */
static void a_rex_prefix_before_another_prefix_is_ignored(void **unused)
{
        static const struct ignored cases[] = {
                {{0x48, 0x66, 0x01, 0xc8}, 4},             /* add ax, cx, not rax */
                {{0x4f, 0x66, 0x01, 0xc8}, 4},             /* not r8, r9 */
                {{0x41, 0x66, 0x48, 0x01, 0xc8}, 5},       /* add rax, rcx: the second counts */
                {{0x41, 0x42, 0x66, 0x01, 0xc8}, 5},       /* two that are ignored */
                {{0x48, 0xf3, 0xa5}, 3},                   /* rep movsd */
                {{0x48, 0x64, 0x89, 0x07}, 4},             /* mov [fs:rdi], eax */
                {{0x44, 0xf0, 0x01, 0x0f}, 4},             /* lock add [rdi], ecx, not r9 */
                {{0x48, 0x66, 0x9d}, 3},                   /* popf, 16 bits */
                {{0x41, 0x66, 0x9c}, 3},                   /* pushf */
                {{0x48, 0x3e, 0x0f, 0xaf, 0xc1}, 5},       /* imul eax, ecx */
                {{0x49, 0x66, 0x0f, 0x6f, 0x06}, 5},       /* movdqa xmm0, [rsi] */
                {{0x41, 0x2e, 0x8e, 0xe0}, 4},             /* mov fs, eax */
                {{0x48, 0x67, 0x89, 0x07}, 4},             /* mov [edi], eax */
                {{0x45, 0xf3, 0x90}, 3},                   /* pause */
                {{0x41, 0x66, 0x50}, 3},                   /* push ax */
                {{0x48, 0xf2, 0x0f, 0x10, 0x06}, 5},       /* movsd xmm0, [rsi] */
                {{0x48, 0x66, 0xc7, 0x07, 0x34, 0x12}, 6}, /* mov word [rdi], 1234h */
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct hwaccl_subject_state ended[2];
                uint64_t data[2][4];
                for (unsigned with = 0; with < 2; with++) {
                        struct guest *guest = guest_new();
                        enter_long_mode(guest);
                        hwaccl_cr4_put(&guest->state, hwaccl_cr4_guest(&guest->state) | 0x200);
                        guest->state.rax = UINT64_C(0x1111111122220010);
                        guest->state.rcx = 3;
                        guest->state.r9 = 5;
                        guest->state.rsi = DATA + 0x10;
                        guest->state.rdi = DATA;
                        guest->state.fs.base = 8;
                        put64(guest, STACK, 0x8d7);
                        put64(guest, DATA + 0x10, UINT64_C(0x123456789abcdef0));
                        uint8_t nops_and_hlt[16] = {0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
                                                    0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xf4};
                        unsigned at = 0;
                        for (unsigned b = 0; b < cases[i].length; b++) {
                                bool rex = (cases[i].bytes[b] & 0xf0) == 0x40 && b + 2u < cases[i].length;
                                bool counts = rex && i == 2 && b == 2;
                                nops_and_hlt[1 + at] = cases[i].bytes[b];
                                at += with || !rex || counts;
                        }
                        memset(nops_and_hlt + 1 + at, 0x90, 14 - at);
                        poke_memory(guest, CODE, nops_and_hlt, sizeof(nops_and_hlt));
                        run_to(guest, HWACCL_EXIT_HLT, CODE + 15);
                        for (unsigned j = 0; j < 4; j++)
                                data[with][j] = get(guest, j < 3 ? DATA + j * 8 : STACK - 8, 8);
                        uint8_t after[16];
                        assert_true(hwaccl_guest_memory_read(&guest->memory, CODE, after, sizeof(after)));
                        assert_memory_equal(after, nops_and_hlt, sizeof(after));
                        ended[with] = guest->state;
                        guest_free(guest);
                }
                assert_memory_equal(data[0], data[1], sizeof(data[0]));
                assert_memory_equal(&ended[0], &ended[1], sizeof(ended[0]));
        }
        (void)unused;
}

/* Memory is the guest's again when its handler runs. */
static void an_ignored_rex_prefix_stands_there_after_a_fault(void **unused)
{
        struct guest *guest = guest_new();

        enter_long_mode(guest);
        code(guest, 0x48, 0x66, 0x89, 0x07, 0xf4); /* mov [rdi], ax */
        guest->state.rdi = UINT64_C(0x7fff00000000);
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(14));
        assert_int_equal(get(guest, guest->state.rsp + 8, 8), CODE);
        assert_int_equal(get(guest, CODE, 4), 0x07896648);
        guest->state.rip = CODE;
        guest->state.rdi = MMIO;
        run_to(guest, HWACCL_EXIT_EPT_VIOLATION, CODE);
        assert_int_equal(get(guest, CODE, 4), 0x07896648);
        guest->state.rdi = DATA;
        run_to(guest, HWACCL_EXIT_HLT, CODE + 4);
        guest_free(guest);
        (void)unused;
}

static void an_instruction_that_reads_its_own_ignored_rex_prefix_is_refused(void **unused)
{
        struct guest *guest = guest_new();

        enter_long_mode(guest);
        code(guest, 0x48, 0x66, 0x8b, 0x07, 0xf4); /* mov ax, [rdi] */
        guest->state.rdi = CODE;
        refused(guest, "REX");
        assert_int_equal(get(guest, CODE, 4), 0x078b6648);
        guest->state.rdi = UINT64_C(0xffff800000000000) + CODE - 1; /* the same memory */
        refused(guest, "REX");
        guest->state.rdi = CODE + 5;
        run_to(guest, HWACCL_EXIT_HLT, CODE + 4);
        guest_free(guest);
        (void)unused;
}

static void swapgs_exchanges_the_base_of_gs_and_the_msr(void **unused)
{
        struct guest *guest = guest_new();

        enter_long_mode(guest);
        guest->state.gs.base = DATA;
        guest->state.rcx = UINT64_C(0xffffffffc0000102);
        guest->state.rax = UINT64_C(0xff00000000007000);
        guest->state.rdx = UINT64_C(0xffff8000);
        put64(guest, 0x7000, 0x77);
        put64(guest, DATA, 0x66);
        /* wrmsr; swapgs; mov rbx, [gs:0]; swapgs; mov rbp, [gs:0]; swapgs; rdmsr; hlt */
        code(guest, 0x0f, 0x30, 0x0f, 0x01, 0xf8, 0x65, 0x48, 0x8b, 0x1c, 0x25, 0, 0, 0, 0, 0x0f, 0x01, 0xf8, 0x65,
             0x48, 0x8b, 0x2c, 0x25, 0, 0, 0, 0, 0x0f, 0x01, 0xf8, 0x0f, 0x32, 0xf4);
        run_to(guest, HWACCL_EXIT_HLT, CODE + 31);
        assert_int_equal(guest->state.rbx, 0x77);
        assert_int_equal(guest->state.rbp, 0x66);
        assert_int_equal(guest->state.gs.base, UINT64_C(0xffff800000007000));
        assert_int_equal(guest->state.rax, DATA);
        assert_int_equal(guest->state.rdx, 0);
        /* a base that is not canonical */
        code(guest, 0x0f, 0x30, 0xf4);
        guest->state.rip = CODE;
        guest->state.rdx = 0x8000;
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(13));
        assert_int_equal(get(guest, guest->state.rsp + 8, 8), CODE);
        guest_free(guest);

        /* 64-bit code only */
        guest = guest_new();
        protect(guest, CODE_32);
        code(guest, 0x0f, 0x01, 0xf8);
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(6));
        guest_free(guest);
        (void)unused;
}

static void swapgs_traps_with_the_trap_flag(void **unused)
{
        struct guest *guest = guest_new();

        enter_long_mode(guest);
        code(guest, 0x0f, 0x01, 0xf8, 0xf4);
        guest->state.gs.base = DATA;
        guest->state.rflags = 2 | FLAG_TF;
        run_to(guest, HWACCL_EXIT_EXCEPTION_OR_NMI, CODE + 3);
        assert_int_equal(guest->state.gs.base, 0);
        guest_free(guest);
        (void)unused;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(instructions_before_lock_cmp_are_done_once),
                cmocka_unit_test(a_branch_before_lock_cmp_is_taken),
                cmocka_unit_test(lock_cmp_is_undefined_where_segments_are_limited),
                cmocka_unit_test(the_trap_flag_traps_before_lock_cmp),
                cmocka_unit_test(a_rex_prefix_before_another_prefix_is_ignored),
                cmocka_unit_test(an_ignored_rex_prefix_stands_there_after_a_fault),
                cmocka_unit_test(an_instruction_that_reads_its_own_ignored_rex_prefix_is_refused),
                cmocka_unit_test(swapgs_exchanges_the_base_of_gs_and_the_msr),
                cmocka_unit_test(swapgs_traps_with_the_trap_flag),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
