/* What a processor checks and Unicorn does not: canonical addresses, null selectors for SS, alignment of SSE operands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fixtures/accel_fixture.h"

#define NOT_CANONICAL UINT64_C(0x0000800000000000)
#define OPERAND       UINT64_C(0x5000)
#define CR4_OSFXSR    UINT64_C(0x200)
#define NO_FAULT      0xff

struct attempt {
        uint8_t bytes[12];
        uint8_t vector; /* NO_FAULT: it runs on to the HLT behind it */
        uint32_t error_code;
};

static struct guest *long_guest(void)
{
        struct guest *guest = guest_new();

        enter_long_mode(guest);
        hwaccl_cr4_put(&guest->state, HWACCL_CR4_PAE | CR4_OSFXSR);
        guest->state.rbx = NOT_CANONICAL;
        guest->state.rsi = OPERAND;
        return guest;
}

/* The fault comes at the instruction at CODE + 1, with nothing changed; or HLT behind it. */
static void try_in(struct guest *guest, const struct attempt *attempt, unsigned length)
{
        const uint8_t nop = 0x90, hlt = 0xf4;
        uint64_t rsp = guest->state.rsp;

        guest->state.rip = CODE;
        poke_memory(guest, CODE, &nop, 1);
        poke_memory(guest, CODE + 1, attempt->bytes, sizeof(attempt->bytes));
        poke_memory(guest, CODE + 1 + length, &hlt, 1);
        if (attempt->vector == NO_FAULT) {
                run_to(guest, HWACCL_EXIT_HLT, CODE + 1 + length);
                return;
        }
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(attempt->vector));
        unsigned width = guest->state.efer & HWACCL_EFER_LMA ? 8 : 4;
        uint64_t frame = guest->state.rsp;
        assert_int_equal(get(guest, frame, width), attempt->error_code);
        assert_int_equal(get(guest, frame + width, width), CODE + 1);
        if (width == 8)
                assert_int_equal(get(guest, frame + 32, 8), rsp);
}

static unsigned length_of(const struct attempt *attempt)
{
        unsigned length = sizeof(attempt->bytes);

        while (length > 1 && attempt->bytes[length - 1] == 0x90)
                length--;
        return length;
}

#define PAD 0x90
#define TRY(guest, ...)                                                                                                \
        do {                                                                                                           \
                static const struct attempt attempt_ = __VA_ARGS__;                                                    \
                try_in(guest, &attempt_, length_of(&attempt_));                                                        \
        } while (0)

static void put_pointer(struct guest *guest, uint64_t base)
{
        const uint16_t limit = 0xfff;

        poke_memory(guest, OPERAND, &limit, sizeof(limit));
        put64(guest, OPERAND + 2, base);
}

static void bases_of_descriptor_tables_are_canonical(void **unused)
{
        for (unsigned which = 2; which <= 3; which++) {
                struct guest *guest = long_guest();
                const struct attempt good = {{0x0f, 0x01, (uint8_t)(which << 3 | 6)}, NO_FAULT, 0};
                const struct attempt bad = {{0x0f, 0x01, (uint8_t)(which << 3 | 6)}, 13, 0};
                struct hwaccl_segment before = which == 2 ? guest->state.gdtr : guest->state.idtr;

                put_pointer(guest, NOT_CANONICAL);
                try_in(guest, &bad, 3);
                const struct hwaccl_segment *now = which == 2 ? &guest->state.gdtr : &guest->state.idtr;
                assert_memory_equal(now, &before, sizeof(before));
                put_pointer(guest, before.base | UINT64_C(0xffff800000000000));
                try_in(guest, &good, 3);
                assert_int_equal(now->base, before.base | UINT64_C(0xffff800000000000));
                guest_free(guest);
        }
        (void)unused;
}

/* 16 bytes at GDT + 40h: an LDT or a TSS, with the upper half given. */
static void put_system_descriptor(struct guest *guest, uint8_t type, uint64_t upper)
{
        put64(guest, GDT + 0x40, UINT64_C(0x67) | (uint64_t)(0x80 | type) << 40);
        put64(guest, GDT + 0x48, upper);
}

static void bases_of_ldt_and_tss_are_canonical(void **unused)
{
        static const struct {
                uint64_t upper;
                uint8_t vector;
        } cases[] = {{0x00008000, 13}, {0xffff7fff, 13}, {UINT64_C(0x100ffff8000), 13}, {0xffff8000, NO_FAULT}};

        for (unsigned task = 0; task < 2; task++)
                for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                        struct guest *guest = long_guest();
                        const struct attempt attempt = {
                                {0x0f, 0x00, (uint8_t)(0xd0 | task << 3)}, cases[i].vector, 0x40};
                        guest->state.rax = 0x40;
                        put_system_descriptor(guest, task ? 9 : 2, cases[i].upper);
                        try_in(guest, &attempt, 3);
                        const struct hwaccl_segment *loaded = task ? &guest->state.tr : &guest->state.ldtr;
                        assert_int_equal(loaded->selector, cases[i].vector == 13 ? 0 : 0x40);
                        assert_int_equal(get(guest, GDT + 0x45, 1), 0x80 | (!task                   ? 2
                                                                            : cases[i].vector == 13 ? 9
                                                                                                    : 11));
                        guest_free(guest);
                }
        (void)unused;
}

static void accesses_through_the_stack_segment_raise_stack_faults(void **unused)
{
        struct guest *guest = long_guest();

        put64(guest, TABLES + 255 * 8, (TABLES + 0x3000) | 3); /* the last canonical page of the lower half */
        put64(guest, TABLES + 0x3000 + 511 * 8, (TABLES + 0x4000) | 3);
        put64(guest, TABLES + 0x4000 + 511 * 8, 0x83);
        guest->state.rbp = NOT_CANONICAL;
        guest->state.r13 = NOT_CANONICAL;
        guest->state.r12 = NOT_CANONICAL - 4;
        TRY(guest, {{0x8b, 0x03, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0});    /* [rbx] */
        TRY(guest, {{0x8b, 0x45, 0x00, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 12, 0});   /* [rbp] */
        TRY(guest, {{0x41, 0x8b, 0x45, 0x00, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0});  /* [r13] */
        TRY(guest, {{0x89, 0x04, 0x1c, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 12, 0});   /* [rsp + rbx] */
        TRY(guest, {{0x49, 0x8b, 0x04, 0x24, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0});  /* 8 bytes [r12] */
        TRY(guest, {{0x64, 0x8b, 0x45, 0x00, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0});  /* [fs:rbp] */
        TRY(guest, {{0x3e, 0x8b, 0x45, 0x00, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 12, 0});  /* DS is ignored */
        TRY(guest, {{0x0f, 0xae, 0x45, 0x00, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 12, 0});  /* fxsave [rbp] */
        TRY(guest, {{0x0f, 0xae, 0x44, 0x24, 0x08, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0}); /* not aligned */
        TRY(guest, {{0xff, 0x33, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0});    /* push [rbx] */
        TRY(guest, {{0xff, 0x13, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0});    /* call [rbx] */
        TRY(guest, {{0xff, 0x65, 0x00, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 12, 0});   /* jmp [rbp] */
        TRY(guest, {{0xc9, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 12, 0});     /* leave */
        guest_free(guest);
        (void)unused;
}

/* With the handlers on a stack of their own. */
static struct guest *with_interrupt_stack(void)
{
        struct guest *guest = long_guest();

        put64(guest, 0x6000 + 36, STACK);
        guest->state.tr = (struct hwaccl_segment){0x40, 0x6000, 0x67, 0x8b};
        for (unsigned vector = 0; vector < 32; vector++)
                poke_memory(guest, IDT + vector * 16u + 4, &(uint8_t){1}, 1);
        return guest;
}

static void the_stack_itself_raises_stack_faults(void **unused)
{
        static const uint8_t single[][2] = {{0x50, PAD}, {0x58, PAD}, {0xc3, PAD}, {0x6a, 0x01}, {0x0f, 0xa8}};

        for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
                struct guest *guest = with_interrupt_stack();
                struct attempt attempt = {{single[i][0], single[i][1]}, 12, 0};
                guest->state.rsp = NOT_CANONICAL + 0x1000;
                try_in(guest, &attempt, 2);
                guest_free(guest);
        }
        (void)unused;
}

/* On the declared processor the branch itself faults, before it changes anything. */
static void branches_to_addresses_that_are_not_canonical_fault_themselves(void **unused)
{
        for (unsigned how = 0; how < 3; how++) { /* plain; interrupts wanted; the trap flag */
                struct guest *guest = with_interrupt_stack();
                guest->request.interrupt_window = how == 1;
                guest->state.rflags |= how == 2 ? FLAG_TF : 0;
                if (how == 2) {
                        static const uint8_t jump[] = {0xff, 0xe3};
                        poke_memory(guest, CODE + 1, jump, sizeof(jump));
                        guest->state.rip = CODE + 1;
                        run_to(guest, HWACCL_EXIT_HLT, HANDLER(13));
                        assert_int_equal(get(guest, guest->state.rsp + 8, 8), CODE + 1);
                        guest_free(guest);
                        continue;
                }
                put64(guest, OPERAND, NOT_CANONICAL);
                guest->state.rsp = 0x9008;
                TRY(guest, {{0xff, 0xe3, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0}); /* jmp rbx */
                guest->state.rsp = 0x9008;
                TRY(guest, {{0xff, 0x26, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0}); /* jmp [rsi] */
                guest->state.rsp = 0x9008;
                TRY(guest, {{0xff, 0xd3, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0}); /* call rbx */
                put64(guest, 0x9008, NOT_CANONICAL);
                guest->state.rsp = 0x9008;
                TRY(guest, {{0xc3, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0}); /* ret */
                guest->state.rsp = 0x9008;
                TRY(guest, {{0xc2, 0x10, 0x00, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0}); /* ret 16 */
                put64(guest, 0x9010, CODE_64);
                put64(guest, 0x9018, 2);
                guest->state.rsp = 0x9008;
                TRY(guest, {{0x48, 0xcb, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0}); /* retf */
                guest->state.rsp = 0x9008;
                TRY(guest, {{0x48, 0xcf, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0}); /* iretq */
                put64(guest, OPERAND + 8, CODE_64);
                guest->state.rsp = 0x9008;
                TRY(guest,
                    {{0x48, 0xff, 0x2e, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0}); /* jmp far [rsi] */
                guest->state.rsp = 0x9008;
                TRY(guest, {{0x48, 0xff, 0x1e, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD, PAD}, 13, 0}); /* call far */
                guest_free(guest);
        }
        (void)unused;
}

static void invlpg_takes_any_address(void **unused)
{
        struct guest *guest = long_guest();

        code(guest, 0x0f, 0x01, 0x3b); /* invlpg [rbx] */
        run_to(guest, HWACCL_EXIT_INVLPG, CODE);
        assert_int_equal(guest->state.exit_qualification, NOT_CANONICAL);
        guest_free(guest);
        (void)unused;
}

static void a_null_selector_for_ss_needs_64_bit_mode_and_rpl_0(void **unused)
{
        for (unsigned selector = 0; selector < 4; selector++) {
                struct guest *guest = long_guest();
                const uint8_t vector = selector ? 13 : NO_FAULT;
                const uint16_t word = (uint16_t)selector;
                guest->state.rax = selector;
                put64(guest, OPERAND, 0x1234);
                poke_memory(guest, OPERAND + 4, &word, sizeof(word));
                try_in(guest, &(struct attempt){{0x8e, 0xd0}, vector, 0}, 2);       /* mov ss, eax */
                try_in(guest, &(struct attempt){{0x8e, 0x56, 0x04}, vector, 0}, 3); /* mov ss, [rsi + 4] */
                try_in(guest, &(struct attempt){{0x0f, 0xb2, 0x1e}, vector, 0}, 3); /* lss ebx, [rsi] */
                assert_int_equal(guest->state.rbx, selector ? NOT_CANONICAL : 0x1234);
                /* also while every instruction is stepped over */
                guest->request.interrupt_window = true;
                guest->state.rflags = 2 | FLAG_IF;
                guest->state.interruptibility = HWACCL_INTERRUPTIBILITY_STI;
                code(guest, 0x8e, 0xd0, 0xf4);
                guest->state.rip = CODE;
                run_to(guest, HWACCL_EXIT_HLT, selector ? HANDLER(13) : CODE + 2);
                guest_free(guest);
        }
        for (unsigned selector = 0; selector < 4; selector++) {
                struct guest *guest = guest_new();
                protect(guest, CODE_32);
                guest->state.rax = selector;
                put64(guest, STACK, selector);
                try_in(guest, &(struct attempt){{0x8e, 0xd0}, 13, 0}, 2);
                guest->state.rsp = STACK;
                try_in(guest, &(struct attempt){{0x17}, 13, 0}, 1); /* pop ss */
                guest_free(guest);
        }
        (void)unused;
}

/* With its operand 8 bytes off: in RAM, relative to RSI. What must be aligned is so in every mode. */
static void sse_operands_are_aligned(void **unused)
{
        static const struct {
                uint8_t bytes[5]; /* ModRM is last: [esi] or [rsi] */
                uint8_t length;
                bool aligned;
        } cases[] = {
                {{0x0f, 0x28, 0x06}, 3, true},        {{0x0f, 0x29, 0x06}, 3, true},
                {{0x66, 0x0f, 0x28, 0x06}, 4, true},  {{0x66, 0x0f, 0x6f, 0x06}, 4, true},
                {{0x66, 0x0f, 0x7f, 0x06}, 4, true},  {{0x0f, 0x2b, 0x06}, 3, true},
                {{0x66, 0x0f, 0xe7, 0x06}, 4, true},  {{0x0f, 0x58, 0x06}, 3, true},
                {{0x0f, 0x57, 0x06}, 3, true},        {{0x66, 0x0f, 0xef, 0x06}, 4, true},
                {{0x66, 0x0f, 0xfe, 0x06}, 4, true},  {{0x0f, 0x14, 0x06}, 3, true},
                {{0xf3, 0x0f, 0x12, 0x06}, 4, true},  {{0xf2, 0x0f, 0xd0, 0x06}, 4, true},
                {{0xf3, 0x0f, 0x5b, 0x06}, 4, true},  {{0xf2, 0x0f, 0xe6, 0x06}, 4, true},
                {{0x66, 0x0f, 0x5a, 0x06}, 4, true},  {{0x0f, 0xae, 0x06}, 3, true},
                {{0x0f, 0xae, 0x0e}, 3, true},        {{0x0f, 0x10, 0x06}, 3, false},
                {{0x0f, 0x5a, 0x06}, 3, false},       {{0xf3, 0x0f, 0x58, 0x06}, 4, false},
                {{0xf2, 0x0f, 0x12, 0x06}, 4, false}, {{0xf3, 0x0f, 0x6f, 0x06}, 4, false},
                {{0x0f, 0x6f, 0x06}, 3, false},       {{0xf2, 0x0f, 0xf0, 0x06}, 4, false},
                {{0x0f, 0x16, 0x06}, 3, false},       {{0x66, 0x0f, 0xd6, 0x06}, 4, false},
                {{0xf3, 0x0f, 0xe6, 0x06}, 4, false}, {{0x0f, 0xfe, 0x06}, 3, false},
        };

        for (unsigned wide = 0; wide < 2; wide++)
                for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                        struct guest *guest = wide ? long_guest() : guest_new();
                        if (!wide)
                                protect(guest, CODE_32);
                        hwaccl_cr4_put(&guest->state, hwaccl_cr4_guest(&guest->state) | CR4_OSFXSR);
                        struct attempt attempt = {.vector = cases[i].aligned ? 13 : NO_FAULT};
                        memcpy(attempt.bytes, cases[i].bytes, cases[i].length);
                        guest->state.rsi = OPERAND + 8;
                        try_in(guest, &attempt, cases[i].length);
                        attempt.vector = NO_FAULT;
                        guest->state.rsi = OPERAND;
                        try_in(guest, &attempt, cases[i].length);
                        guest_free(guest);
                }
        (void)unused;
}

static void alignment_is_that_of_the_linear_address(void **unused)
{
        static const struct {
                uint8_t bytes[10];
                uint8_t length;
                bool aligned;
        } wide[] = {
                {{0x0f, 0x28, 0x44, 0x24, 0x10}, 5, true},             /* [rsp + 16] */
                {{0x0f, 0x28, 0x44, 0x24, 0x08}, 5, false},            /* [rsp + 8] */
                {{0x0f, 0x28, 0x45, 0xf8}, 4, false},                  /* [rbp - 8] */
                {{0x43, 0x0f, 0x28, 0x04, 0xec}, 5, true},             /* [r12 + r13 * 8] */
                {{0x43, 0x0f, 0x28, 0x04, 0x6c}, 5, false},            /* [r12 + r13 * 2] */
                {{0x0f, 0x28, 0x05, 0x08, 0x00, 0x00, 0x00}, 7, true}, /* [rip + 8]: behind it CODE + 8 */
                {{0x0f, 0x28, 0x05, 0x00, 0x00, 0x00, 0x00}, 7, false},
                {{0x0f, 0x28, 0x04, 0x25, 0x08, 0x50, 0x00, 0x00}, 8, false},
                {{0x64, 0x0f, 0x28, 0x06}, 4, false}, /* FS base 8 */
                {{0x64, 0x0f, 0x28, 0x46, 0x08}, 5, true},
                {{0x67, 0x0f, 0x28, 0x06}, 4, true}, /* [esi] */
        };

        for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
                struct guest *guest = long_guest();
                struct attempt attempt = {.vector = wide[i].aligned ? NO_FAULT : 13};
                memcpy(attempt.bytes, wide[i].bytes, wide[i].length);
                guest->state.rbp = 0x6000;
                guest->state.r12 = 0x6000;
                guest->state.r13 = 2;
                guest->state.fs.base = 8;
                try_in(guest, &attempt, wide[i].length);
                guest_free(guest);
        }
        struct guest *guest = guest_new();
        protect(guest, CODE_32);
        hwaccl_cr4_put(&guest->state, CR4_OSFXSR);
        put64(guest, GDT + 0x38, UINT64_C(0x00cf93000008ffff)); /* base 8 */
        guest->state.rax = 0x38;
        guest->state.rsi = OPERAND;
        code(guest, 0x8e, 0xc0, 0x26, 0x0f, 0x28, 0x46, 0x08, 0x26, 0x0f, 0x28, 0x06, 0xf4); /* mov es, ax first */
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(13));
        assert_int_equal(get(guest, guest->state.rsp + 4, 4), CODE + 7);
        guest_free(guest);
        (void)unused;
}

static void what_comes_before_alignment(void **unused)
{
        struct guest *guest = long_guest();

        guest->state.rsi = OPERAND + 8;
        hwaccl_cr4_put(&guest->state, HWACCL_CR4_PAE);
        code(guest, 0x0f, 0x28, 0x06);
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(6));
        hwaccl_cr4_put(&guest->state, HWACCL_CR4_PAE | CR4_OSFXSR);
        hwaccl_cr0_put(&guest->state, hwaccl_cr0_guest(&guest->state) | HWACCL_CR0_TS);
        guest->state.rip = CODE;
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(7));
        hwaccl_cr0_put(&guest->state, hwaccl_cr0_guest(&guest->state) & ~HWACCL_CR0_TS);
        guest->state.rip = CODE;
        guest->state.rsi = 0x40000008; /* not present: alignment first */
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(13));
        guest->state.rip = CODE;
        guest->state.rsi = 0x40000000;
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(14));
        guest_free(guest);
        (void)unused;
}

/* The address follows from registers that the block changes, in ways that can be followed and in ways that cannot. */
static void alignment_is_checked_anywhere_in_a_block(void **unused)
{
        static const struct {
                uint8_t bytes[14];
                uint8_t length;
                uint8_t at;
        } cases[] = {
                {{0x50, 0x0f, 0x28, 0x04, 0x24}, 5, 1},                         /* push rax; [rsp] */
                {{0x66, 0x50, 0x0f, 0x28, 0x44, 0x24, 0x08}, 7, 2},             /* push ax; [rsp + 8] */
                {{0x59, 0x50, 0x50, 0x0f, 0x28, 0x04, 0x24}, 7, 3},             /* pop rcx; push twice */
                {{0x48, 0x83, 0xc6, 0x08, 0x0f, 0x28, 0x06}, 7, 4},             /* add rsi, 8 */
                {{0x48, 0x83, 0xee, 0x18, 0x0f, 0x28, 0x06}, 7, 4},             /* sub rsi, 24 */
                {{0x48, 0x89, 0xe5, 0x0f, 0x28, 0x45, 0xf8}, 7, 3},             /* mov rbp, rsp; [rbp - 8] */
                {{0x48, 0x8d, 0x46, 0x04, 0x0f, 0x28, 0x00}, 7, 4},             /* lea rax, [rsi + 4] */
                {{0x83, 0xe6, 0xf0, 0x0f, 0x28, 0x46, 0x08}, 7, 3},             /* and esi, -16; [rsi + 8] */
                {{0xbe, 0x08, 0x50, 0x00, 0x00, 0x0f, 0x28, 0x06}, 8, 5},       /* mov esi, 5008h */
                {{0x31, 0xf6, 0x0f, 0x28, 0x46, 0x08}, 6, 2},                   /* xor esi, esi; [rsi + 8] */
                {{0x48, 0xff, 0xc6, 0x0f, 0x28, 0x06}, 6, 3},                   /* inc rsi */
                {{0x48, 0x8b, 0x36, 0x0f, 0x28, 0x06}, 6, 3},                   /* mov rsi, [rsi] */
                {{0x40, 0xb6, 0x08, 0x0f, 0x28, 0x06}, 6, 3},                   /* mov sil, 8 */
                {{0x0f, 0x28, 0x06, 0x0f, 0x28, 0x46, 0x08}, 7, 3},             /* the second one */
                {{0x48, 0x8b, 0x06, 0x0f, 0x28, 0x06, 0x0f, 0x28, 0x00}, 9, 6}, /* [rsi], then [rax] */
                {{0xac, 0x0f, 0x28, 0x06}, 4, 1},                               /* lodsb */
        };

        for (unsigned stepped = 0; stepped < 2; stepped++)
                for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                        const uint8_t hlt = 0xf4;
                        struct guest *guest = long_guest();
                        put64(guest, OPERAND, OPERAND + 0x108);
                        if (stepped) {
                                guest->request.interrupt_window = true;
                                guest->state.interruptibility = HWACCL_INTERRUPTIBILITY_NMI;
                                hwaccl_pending_interrupts_set(&guest->pending, 2);
                        }
                        poke_memory(guest, CODE, cases[i].bytes, cases[i].length);
                        poke_memory(guest, CODE + cases[i].length, &hlt, 1);
                        run_to(guest, HWACCL_EXIT_HLT, HANDLER(13));
                        assert_int_equal(get(guest, guest->state.rsp + 8, 8), CODE + cases[i].at);
                        guest_free(guest);
                }
        (void)unused;
}

/* mov ss, [watched], and an instruction that exits: the breakpoint comes when that is done; HLT does not halt. */
static void a_breakpoint_that_a_load_of_ss_holds_back_outlasts_an_exit(void **unused)
{
        static const uint16_t selector = DATA_32;
        static const struct {
                uint8_t next[2];
                uint8_t reason;
        } cases[] = {{{0x0f, 0xa2}, HWACCL_EXIT_CPUID},
                     {{0xec, 0x90}, HWACCL_EXIT_IO_INSTRUCTION},
                     {{0x0f, 0x31}, HWACCL_EXIT_RDTSC}};
        const struct hwaccl_breakpoints breakpoints = {.address = {0x3000}, .dr7 = 0x30001};

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct guest *guest = guest_new();
                protect(guest, CODE_32);
                code(guest, 0x8e, 0x15, 0x00, 0x30, 0x00, 0x00, 0xf4, 0xf4, 0xf4);
                poke_memory(guest, CODE + 6, cases[i].next, sizeof(cases[i].next));
                poke_memory(guest, 0x3000, &selector, sizeof(selector));
                guest->request.breakpoints = &breakpoints;
                run_to(guest, cases[i].reason, CODE + 6);
                step_past(guest);
                uint64_t behind = guest->state.rip;
                run_to(guest, HWACCL_EXIT_EXCEPTION_OR_NMI, behind);
                assert_int_equal(guest->state.exit_qualification, 1);
                run_to(guest, HWACCL_EXIT_HLT, CODE + 8);
                guest_free(guest);
        }
        struct guest *guest = guest_new();
        protect(guest, CODE_32);
        code(guest, 0x8e, 0x15, 0x00, 0x30, 0x00, 0x00, 0xf4, 0x90, 0xf4);
        poke_memory(guest, 0x3000, &selector, sizeof(selector));
        guest->request.breakpoints = &breakpoints;
        run_to(guest, HWACCL_EXIT_EXCEPTION_OR_NMI, CODE + 7);
        assert_int_equal(guest->state.exit_qualification, 1);
        run_to(guest, HWACCL_EXIT_HLT, CODE + 8);
        guest_free(guest);
        (void)unused;
}

static void vmmcall_is_undefined(void **unused)
{
        struct guest *guest = long_guest();

        code(guest, 0x0f, 0x01, 0xd9);
        run_to(guest, HWACCL_EXIT_HLT, HANDLER(6));
        guest_free(guest);
        (void)unused;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bases_of_descriptor_tables_are_canonical),
                cmocka_unit_test(bases_of_ldt_and_tss_are_canonical),
                cmocka_unit_test(accesses_through_the_stack_segment_raise_stack_faults),
                cmocka_unit_test(the_stack_itself_raises_stack_faults),
                cmocka_unit_test(branches_to_addresses_that_are_not_canonical_fault_themselves),
                cmocka_unit_test(invlpg_takes_any_address),
                cmocka_unit_test(a_null_selector_for_ss_needs_64_bit_mode_and_rpl_0),
                cmocka_unit_test(sse_operands_are_aligned),
                cmocka_unit_test(alignment_is_that_of_the_linear_address),
                cmocka_unit_test(alignment_is_checked_anywhere_in_a_block),
                cmocka_unit_test(what_comes_before_alignment),
                cmocka_unit_test(a_breakpoint_that_a_load_of_ss_holds_back_outlasts_an_exit),
                cmocka_unit_test(vmmcall_is_undefined),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
