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
        context = fixture.context;
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        fixture_destroy(&fixture);
        return 0;
}

#define IDT 0x4000u
#define GDT 0x5000u

/* 32-bit protected mode with a handler at 0x10000 + vector for every vector; ring 3 gets its stack at 0x7000. */
static void with_handlers(unsigned cpl)
{
        fixture_protected_mode(&fixture, cpl);
        for (uint64_t vector = 0; vector < 32; vector++) {
                uint64_t gate = vector | UINT64_C(8) << 16 | UINT64_C(0x8e) << 40 | UINT64_C(1) << 48;
                fixture_poke(&fixture, IDT + vector * 8, &gate, 8);
        }
        fixture_poke(&fixture, GDT + 8, (const uint8_t[]){0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0}, 8);
        fixture_poke(&fixture, GDT + 16, (const uint8_t[]){0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0}, 8);
        fixture_poke(&fixture, 0x6004, (const uint8_t[]){0, 0x70, 0, 0, 16, 0}, 6);
        context->idtr = (struct hwaccl_segment){.base = IDT, .limit = 0xff};
        context->gdtr = (struct hwaccl_segment){.base = GDT, .limit = 0x17};
        context->tr = (struct hwaccl_segment){0x18, 0x6000, 0x67, 0x8b};
}

/* Long mode needs no handler for this: the exception ends in a triple fault. */
#define assert_raises(vector, outcome)                                                                                 \
        do {                                                                                                           \
                assert_int_equal(outcome, HWACCL_OUTCOME_EXCEPTION);                                                   \
                assert_int_equal(context->rip, 0x10000 + (vector));                                                    \
        } while (0)

static void cpuid_describes_the_fixed_processor(void **state)
{
        (void)state;
        context->gpr[HWACCL_RAX] = UINT64_C(0xffffffff00000000);
        assert_int_equal(fixture_emulate(&fixture, 10, 0, 0x0f, 0xa2), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->gpr[HWACCL_RAX], 0x16);
        char vendor[12];
        memcpy(vendor, &context->gpr[HWACCL_RBX], 4);
        memcpy(vendor + 4, &context->gpr[HWACCL_RDX], 4);
        memcpy(vendor + 8, &context->gpr[HWACCL_RCX], 4);
        assert_memory_equal(vendor, "GenuineIntel", 12);

        uint32_t leaf[4];
        hwaccl_processor_cpuid(&fixture.processor, 1, 0, leaf);
        assert_int_equal(leaf[3] & (1u << 9), 0);   /* no local APIC */
        assert_int_equal(leaf[3] & 0x1070, 0x1070); /* TSC, MSR, PAE, MTRR */
        assert_int_equal(leaf[2] & 0x9c000000, 0);  /* no hypervisor, AVX, OSXSAVE, XSAVE bits */
        assert_int_equal(leaf[3] >> 25 & 3, 3);     /* SSE, SSE2 */
        context->cr4 |= HWACCL_CR4_OSXSAVE;
        hwaccl_processor_cpuid(&fixture.processor, 1, 0, leaf);
        assert_true(leaf[2] & (1u << 27)); /* mirrored, where hardware let the guest set it */
        hwaccl_processor_cpuid(&fixture.processor, 0x80000001, 0, leaf);
        assert_true(leaf[3] & (1u << 29)); /* 64-bit mode */
        hwaccl_processor_cpuid(&fixture.processor, 0x80000008, 0, leaf);
        assert_int_equal(leaf[0], 48 << 8 | 40);
        hwaccl_processor_cpuid(&fixture.processor, 0x15, 0, leaf);
        assert_int_equal((uint64_t)leaf[2] * leaf[1] / leaf[0], fixture.processor.tsc_khz * 1000);
        uint32_t highest[4];
        hwaccl_processor_cpuid(&fixture.processor, 0x16, 0, highest);
        hwaccl_processor_cpuid(&fixture.processor, 0x40000000, 0, leaf);
        assert_memory_equal(leaf, highest, sizeof(leaf));
}

static enum hwaccl_outcome wrmsr(uint32_t index, uint64_t value)
{
        context->gpr[HWACCL_RCX] = index;
        context->gpr[HWACCL_RAX] = UINT64_C(0xaaaaaaaa00000000) | (value & UINT32_MAX);
        context->gpr[HWACCL_RDX] = UINT64_C(0xbbbbbbbb00000000) | value >> 32;
        return fixture_emulate(&fixture, 32, 0, 0x0f, 0x30);
}

static enum hwaccl_outcome rdmsr(uint32_t index, uint64_t *value)
{
        context->gpr[HWACCL_RCX] = index;
        enum hwaccl_outcome outcome = fixture_emulate(&fixture, 31, 0, 0x0f, 0x32);
        *value = context->gpr[HWACCL_RAX] | context->gpr[HWACCL_RDX] << 32;
        return outcome;
}

static void msrs_keep_what_may_be_in_them(void **state)
{
        static const struct {
                uint32_t index;
                uint64_t good;
                uint64_t bad; /* 0: any value goes */
        } rows[] = {
                {0x277, UINT64_C(0x0106040700010506), UINT64_C(0x02)},
                {0x2ff, 0xc06, 0xc02},
                {0x250, UINT64_C(0x0606060606060606), UINT64_C(0x0700000000000000)},
                {0x26f, UINT64_C(0x0505050505050505), 0x08},
                {0x200, UINT64_C(0xff80000006), UINT64_C(0x10000000006)},
                {0x20f, UINT64_C(0xff80000800), 0x400},
                {0xc0000081, UINT64_C(0x0023001000000000), 0},
                {0xc0000082, UINT64_C(0xffffffff81000000), UINT64_C(0x0000800000000000)},
                {0xc0000083, UINT64_C(0x00007fffffffffff), UINT64_C(0xffff000000000000)},
                {0xc0000084, 0x47700, UINT64_C(0x100000000)},
                {0xc0000102, UINT64_C(0xffff888000000000), UINT64_C(0x8000000000000000)},
                {0xc0000103, 0xfffffffe, UINT64_C(0x100000000)},
                {0x1a0, UINT64_C(0x400000001), 2}, /* XD bit disable */
                {0x1a0, 1, UINT64_C(0x100000000)},
                {0x1b, 0xfee00100, 0xfee00900},
                {0x174, 0x10, 0},
                {0x175, UINT64_C(0xffff800000001000), UINT64_C(0x0000800000001000)},
                {0x176, UINT64_C(0xffff800000002000), UINT64_C(0x0000800000002000)},
                {0xc0000100, UINT64_C(0x7fffdeadb000), UINT64_C(0x0000800000000000)},
                {0xc0000101, UINT64_C(0xffff8000deadb000), UINT64_C(0x0000800000000000)},
                {0xc0000080, 0x901, 0x1000},
        };
        uint64_t value;

        (void)state;
        for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                with_handlers(0);
                assert_int_equal(wrmsr(rows[i].index, rows[i].good), HWACCL_OUTCOME_COMPLETED);
                assert_int_equal(rdmsr(rows[i].index, &value), HWACCL_OUTCOME_COMPLETED);
                assert_int_equal(value, rows[i].good);
                if (!rows[i].bad)
                        continue;
                assert_raises(HWACCL_VECTOR_GP, wrmsr(rows[i].index, rows[i].bad));
                assert_int_equal(fixture_peek(&fixture, context->gpr[HWACCL_RSP], 4), 0);
                assert_int_equal(rdmsr(rows[i].index, &value), HWACCL_OUTCOME_COMPLETED);
                assert_int_equal(value, rows[i].good);
        }
        with_handlers(0);
        assert_raises(HWACCL_VECTOR_GP, rdmsr(0x12345678, &value));
        assert_raises(HWACCL_VECTOR_GP, wrmsr(0x12345678, 0));
        assert_raises(HWACCL_VECTOR_GP, wrmsr(0xfe, 0)); /* MTRRCAP is read-only */
}

/* Bits of a register, and the feature that each needs: CPUID's leaf, register (EAX is 0) and bit. */
struct needs {
        uint8_t bit;
        uint32_t leaf;
        uint8_t index, feature;
};

static bool allowed(const struct needs *needs, size_t count, unsigned bit)
{
        uint32_t leaf[4];

        for (size_t i = 0; i < count; i++)
                if (needs[i].bit == bit) {
                        hwaccl_processor_cpuid(&fixture.processor, needs[i].leaf, 0, leaf);
                        return leaf[needs[i].index] >> needs[i].feature & 1;
                }
        return false;
}

static void bits_whose_feature_cpuid_lacks_are_reserved(void **state)
{
        static const struct needs cr4[] = {
                {0, 1, 3, 1},   {1, 1, 3, 1},   {2, 1, 3, 4},   {3, 1, 3, 2},   {4, 1, 3, 3},
                {5, 1, 3, 6},   {6, 1, 3, 7},   {7, 1, 3, 13},  {8, 1, 3, 5},   {9, 1, 3, 24},
                {10, 1, 3, 25}, {11, 7, 2, 2},  {12, 7, 2, 16}, {13, 1, 2, 5},  {14, 1, 2, 6},
                {16, 7, 1, 0},  {17, 1, 2, 17}, {18, 1, 2, 26}, {19, 7, 2, 23}, {20, 7, 1, 7},
                {21, 7, 1, 20}, {22, 7, 2, 3},  {23, 7, 2, 7},  {24, 7, 2, 31}, {25, 7, 3, 5},
        };
        static const struct needs efer[] = {
                {0, 0x80000001, 3, 11}, {8, 0x80000001, 3, 29}, {10, 0x80000001, 3, 29}, {11, 0x80000001, 3, 20}};
        /* of IA32_MISC_ENABLE, those that no feature goes with, or that QEMU and KVM take without their feature, need
         * leaf 1's FPU bit here */
        static const struct needs misc_enable[] = {
                {0, 1, 3, 0},  {3, 1, 3, 0},  {7, 1, 3, 0},  {9, 1, 3, 0},  {10, 1, 3, 0},
                {11, 1, 3, 0}, {12, 1, 3, 0}, {13, 1, 2, 8}, {16, 1, 3, 0}, {18, 1, 3, 0},
                {19, 1, 3, 0}, {20, 1, 2, 7}, {22, 1, 3, 0}, {23, 1, 3, 0}, {34, 0x80000001, 3, 20},
                {37, 1, 3, 0}, {38, 6, 0, 1}, {39, 1, 3, 0},
        };

        (void)state;
        for (unsigned bit = 0; bit < 64; bit++) {
                uint64_t value = UINT64_C(1) << bit;
                with_handlers(0);
                bool good = bit < 32 && allowed(cr4, sizeof(cr4) / sizeof(cr4[0]), bit);
                context->gpr[HWACCL_RAX] = value;
                if (bit < 32)
                        assert_int_equal(fixture_emulate(&fixture, 28, 0, 0x0f, 0x22, 0xe0),
                                         good ? HWACCL_OUTCOME_COMPLETED : HWACCL_OUTCOME_EXCEPTION);
                with_handlers(0);
                good = allowed(efer, sizeof(efer) / sizeof(efer[0]), bit);
                assert_int_equal(wrmsr(0xc0000080, value), good ? HWACCL_OUTCOME_COMPLETED : HWACCL_OUTCOME_EXCEPTION);
                with_handlers(0);
                good = allowed(misc_enable, sizeof(misc_enable) / sizeof(misc_enable[0]), bit);
                assert_int_equal(wrmsr(0x1a0, value), good ? HWACCL_OUTCOME_COMPLETED : HWACCL_OUTCOME_EXCEPTION);
                assert_int_equal(wrmsr(0x1a0, 1), HWACCL_OUTCOME_COMPLETED);
        }
}

static void xd_disable_takes_nx_from_cpuid_and_efer(void **state)
{
        uint32_t leaf[4];
        uint64_t value;

        (void)state;
        with_handlers(0);
        assert_int_equal(wrmsr(0xc0000080, 0x801), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(wrmsr(0x1a0, UINT64_C(0x400000001)), HWACCL_OUTCOME_COMPLETED);
        hwaccl_processor_cpuid(&fixture.processor, 0x80000001, 0, leaf);
        assert_false(leaf[3] & 1u << 20);
        assert_int_equal(rdmsr(0xc0000080, &value), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(value, 1);
        assert_raises(HWACCL_VECTOR_GP, wrmsr(0xc0000080, 0x801));
        assert_int_equal(wrmsr(0xc0000080, 1), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(wrmsr(0x1a0, 1), HWACCL_OUTCOME_COMPLETED);
        hwaccl_processor_cpuid(&fixture.processor, 0x80000001, 0, leaf);
        assert_true(leaf[3] & 1u << 20);
        assert_int_equal(wrmsr(0xc0000080, 0x801), HWACCL_OUTCOME_COMPLETED);
}

static void limit_cpuid_maxval_hides_the_leaves_above_2(void **state)
{
        uint32_t leaf[4], highest[4];

        (void)state;
        with_handlers(0);
        assert_int_equal(wrmsr(0x1a0, 0x400001), HWACCL_OUTCOME_COMPLETED);
        hwaccl_processor_cpuid(&fixture.processor, 0, 0, leaf);
        assert_int_equal(leaf[0], 2);
        hwaccl_processor_cpuid(&fixture.processor, 2, 0, highest);
        hwaccl_processor_cpuid(&fixture.processor, 0x16, 0, leaf);
        assert_memory_equal(leaf, highest, sizeof(leaf));
}

static void read_only_bits_of_misc_enable_keep_their_value(void **state)
{
        uint64_t value;

        (void)state;
        with_handlers(0);
        assert_int_equal(wrmsr(0x1a0, 0x1881), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(rdmsr(0x1a0, &value), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(value, 1);
}

static void registers_of_the_context_are_written_through_their_msrs(void **state)
{
        (void)state;
        assert_int_equal(wrmsr(0xc0000101, 0x1234000), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->segment[HWACCL_GS].base, 0x1234000);
        context->changed = 0;
        assert_int_equal(wrmsr(0x175, 0x7000), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->sysenter_esp, 0x7000);
        assert_int_equal(context->changed, HWACCL_CHANGED_SYSENTER);
        assert_int_equal(wrmsr(0xc0000080, HWACCL_EFER_LME | HWACCL_EFER_LMA), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->efer, HWACCL_EFER_LME); /* LMA is the processor's */
        with_handlers(0);
        context->efer = HWACCL_EFER_LME;
        context->cr0 |= HWACCL_CR0_PG;
        assert_false(hwaccl_processor_wrmsr(&fixture.processor, 0xc0000080, 0));
}

static void the_time_stamp_counter_follows_the_guest_clock(void **state)
{
        (void)state;
        fixture.host.now_ns = 5000000007; /* 1 GHz: one tick a nanosecond */
        assert_int_equal(fixture_emulate(&fixture, 16, 0, 0x0f, 0x31), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->gpr[HWACCL_RAX] | context->gpr[HWACCL_RDX] << 32, 5000000007);
        assert_int_equal(wrmsr(0x10, 42), HWACCL_OUTCOME_COMPLETED);
        fixture.host.now_ns += 100;
        fixture.processor.tsc_aux = 7;
        assert_int_equal(fixture_emulate(&fixture, 51, 0, 0x0f, 0x01, 0xf9), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->gpr[HWACCL_RAX], 142);
        assert_int_equal(context->gpr[HWACCL_RDX], 0);
        assert_int_equal(context->gpr[HWACCL_RCX], 7);
        fixture.processor.tsc_khz = 3000001;
        fixture.processor.tsc_offset = 0;
        fixture.host.now_ns = UINT64_C(1000000000000000); /* 11 days: no overflow on the way */
        assert_int_equal(hwaccl_processor_tsc(&fixture.processor), UINT64_C(3000001000000000));
}

static void privileged_instructions_fault_outside_ring_0(void **state)
{
        static const struct {
                uint64_t reason;
                uint8_t bytes[3];
                unsigned size;
        } rows[] = {
                {12, {0xf4}, 1},
                {31, {0x0f, 0x32}, 2},
                {32, {0x0f, 0x30}, 2},
                {54, {0x0f, 0x09}, 2},
                {13, {0x0f, 0x08}, 2},
                {14, {0x0f, 0x01, 0x3f}, 3},
                {29, {0x0f, 0x23, 0xf8}, 3},
                {29, {0x0f, 0x21, 0xf8}, 3},
                {28, {0x0f, 0x22, 0xc0}, 3},
                {28, {0x0f, 0x20, 0xc0}, 3},
                {28, {0x0f, 0x06}, 2},
                {28, {0x0f, 0x01, 0xf0}, 3},
        };

        (void)state;
        for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                with_handlers(3);
                fixture_code(&fixture, rows[i].bytes, rows[i].size, rows[i].reason, 0);
                assert_raises(HWACCL_VECTOR_GP, fixture_run(&fixture));
                assert_int_equal(fixture_peek(&fixture, 0x7000 - 24, 4), 0);            /* error code */
                assert_int_equal(fixture_peek(&fixture, 0x7000 - 20, 4), FIXTURE_CODE); /* the instruction itself */
        }
        with_handlers(3);
        assert_int_equal(fixture_emulate(&fixture, 16, 0, 0x0f, 0x31), HWACCL_OUTCOME_COMPLETED);
        context->cr4 |= HWACCL_CR4_TSD;
        assert_raises(HWACCL_VECTOR_GP, fixture_emulate(&fixture, 16, 0, 0x0f, 0x31));
}

static void ports_need_iopl_or_the_permission_map(void **state)
{
        (void)state;
        with_handlers(3);
        context->gpr[HWACCL_RDX] = 0x402;
        context->tr.limit = 0x67 + 0x2000;
        fixture_poke(&fixture, 0x6066, (const uint8_t[]){0x68, 0}, 2);
        assert_int_equal(fixture_emulate(&fixture, 30, 0x4020000, 0xee), HWACCL_OUTCOME_COMPLETED);
        fixture_poke(&fixture, 0x6068 + 0x402 / 8, (const uint8_t[]){1 << 3}, 1); /* port 403h is denied */
        assert_int_equal(fixture_emulate(&fixture, 30, 0x4020000, 0xee), HWACCL_OUTCOME_COMPLETED);
        assert_raises(HWACCL_VECTOR_GP, fixture_emulate(&fixture, 30, 0x4020001, 0x66, 0xef));
        assert_int_equal(fixture.device.access_count, 0);
        with_handlers(3);
        context->gpr[HWACCL_RDX] = 0x402;
        context->tr.limit = 0x67; /* no map */
        assert_raises(HWACCL_VECTOR_GP, fixture_emulate(&fixture, 30, 0x4020000, 0xee));
        with_handlers(3);
        context->gpr[HWACCL_RDX] = 0x402;
        context->tr.limit = 0x67;
        context->rflags |= RFLAGS_IOPL;
        assert_int_equal(fixture_emulate(&fixture, 30, 0x4020000, 0xee), HWACCL_OUTCOME_COMPLETED);
}

static void debug_registers_have_fixed_bits_aliases_and_general_detect(void **state)
{
        (void)state;
        with_handlers(0);
        context->gpr[HWACCL_RAX] = 0xffffffff;
        assert_int_equal(fixture_emulate(&fixture, 29, 0, 0x0f, 0x23, 0xe0), HWACCL_OUTCOME_COMPLETED); /* DR4 */
        assert_int_equal(fixture.processor.dr6, 0xffffeffful);
        context->gpr[HWACCL_RAX] = 0x10000;
        assert_int_equal(fixture_emulate(&fixture, 29, 0, 0x0f, 0x23, 0xf8), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_emulate(&fixture, 29, 0, 0x0f, 0x21, 0xe9), HWACCL_OUTCOME_COMPLETED); /* ECX, DR5 */
        assert_int_equal(context->gpr[HWACCL_RCX], 0x10400);
        context->cr4 |= HWACCL_CR4_DE;
        assert_raises(HWACCL_VECTOR_UD, fixture_emulate(&fixture, 29, 0, 0x0f, 0x23, 0xe0));
        fixture.processor.dr6 = HWACCL_DR6_FIXED;
        fixture.processor.dr7 = HWACCL_DR7_FIXED | 0x2000;
        assert_raises(HWACCL_VECTOR_DB, fixture_emulate(&fixture, 29, 0, 0x0f, 0x21, 0xc0));
        assert_int_equal(fixture.processor.dr6, HWACCL_DR6_FIXED | 0x2000);
        assert_int_equal(fixture.processor.dr7, HWACCL_DR7_FIXED);
        fixture_long_mode(&fixture, 0);
        context->gpr[HWACCL_RAX] = UINT64_C(0x100000000);
        assert_int_equal(fixture_emulate(&fixture, 29, 0, 0x0f, 0x23, 0xc8),
                         HWACCL_OUTCOME_COMPLETED); /* DR1: 64 bits */
        assert_int_equal(fixture.processor.dr[1], UINT64_C(0x100000000));
        context->idtr.limit = 0;
        assert_int_equal(fixture_emulate(&fixture, 29, 0, 0x0f, 0x23, 0xf8), HWACCL_OUTCOME_TRIPLE_FAULT); /* #GP */
}

static void control_registers_refuse_what_the_processor_refuses(void **state)
{
        static const struct {
                uint8_t modrm; /* MOV CRn, EAX */
                uint64_t value;
                uint8_t vector;
        } rows[] = {
                {0xc0, 0x80000000, HWACCL_VECTOR_GP}, /* PG without PE */
                {0xc0, 0x20000001, HWACCL_VECTOR_GP}, /* NW without CD */
                {0xe0, 0x80000000, HWACCL_VECTOR_GP}, /* reserved bits of CR4 */
                {0xe0, 0x20000, HWACCL_VECTOR_GP},    /* PCIDE, without its feature */
                {0xc8, 0, HWACCL_VECTOR_UD},          /* CR1 */
                {0xe8, 0, HWACCL_VECTOR_UD},          /* CR5 */
        };

        (void)state;
        for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                with_handlers(0);
                context->gpr[HWACCL_RAX] = rows[i].value;
                assert_raises(rows[i].vector, fixture_emulate(&fixture, 28, 0, 0x0f, 0x22, rows[i].modrm));
                assert_int_equal(context->cr0, HWACCL_CR0_PE);
                assert_int_equal(context->cr4, 0);
        }
        fixture_long_mode(&fixture, 0);
        context->idtr.limit = 0; /* what faults ends in a triple fault */
        context->gpr[HWACCL_RAX] = 0;
        assert_int_equal(fixture_emulate(&fixture, 28, 0, 0x0f, 0x22, 0xe0), HWACCL_OUTCOME_TRIPLE_FAULT); /* PAE off */
        context->gpr[HWACCL_RAX] = HWACCL_CR0_PE;
        assert_int_equal(fixture_emulate(&fixture, 28, 0, 0x0f, 0x22, 0xc0), HWACCL_OUTCOME_TRIPLE_FAULT); /* PG off */
        context->gpr[HWACCL_RAX] = UINT64_C(1) << 40;
        assert_int_equal(fixture_emulate(&fixture, 28, 0, 0x0f, 0x22, 0xd8), HWACCL_OUTCOME_TRIPLE_FAULT);
        context->gpr[HWACCL_RAX] = 16;
        assert_int_equal(fixture_emulate(&fixture, 28, 0, 0x44, 0x0f, 0x22, 0xc0), HWACCL_OUTCOME_TRIPLE_FAULT);
        context->gpr[HWACCL_RAX] = 15;
        assert_int_equal(fixture_emulate(&fixture, 28, 0, 0x44, 0x0f, 0x22, 0xc0), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->cr8, 15);
}

static void control_registers_take_what_the_processor_takes(void **state)
{
        (void)state;
        context->gpr[HWACCL_RAX] = 0x11; /* PE; ET cannot be cleared, reserved bits are dropped */
        assert_int_equal(fixture_emulate(&fixture, 28, 0, 0x0f, 0x22, 0xc0), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->cr0, 0x11);
        assert_true(context->changed & HWACCL_CHANGED_CR0);
        context->gpr[HWACCL_RAX] = 0xfffe;
        assert_int_equal(fixture_emulate(&fixture, 28, 0, 0x0f, 0x01, 0xf0), HWACCL_OUTCOME_COMPLETED); /* LMSW */
        assert_int_equal(context->cr0, 0x1f);
        assert_int_equal(fixture_emulate(&fixture, 28, 0, 0x0f, 0x06), HWACCL_OUTCOME_COMPLETED); /* CLTS */
        assert_int_equal(context->cr0, 0x17);
        assert_int_equal(fixture_emulate(&fixture, 28, 0, 0x0f, 0x20, 0xc1), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->gpr[HWACCL_RCX], 0x17);
        fixture_protected_mode(&fixture, 0);
        context->cr4 = HWACCL_CR4_PAE;
        context->efer = HWACCL_EFER_LME;
        context->gpr[HWACCL_RAX] = HWACCL_CR0_PE | HWACCL_CR0_PG;
        context->tr.access_rights = 0x83; /* a 16-bit TSS */
        assert_int_equal(fixture_emulate(&fixture, 28, 0, 0x0f, 0x22, 0xc0), HWACCL_OUTCOME_TRIPLE_FAULT);
        context->tr.access_rights = 0x8b;
        assert_int_equal(fixture_emulate(&fixture, 28, 0, 0x0f, 0x22, 0xc0), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->efer, HWACCL_EFER_LME | HWACCL_EFER_LMA);
}

static void pae_paging_checks_its_pointers_when_it_starts(void **state)
{
        uint64_t pointer = 0x3000 | 3; /* W is reserved */

        (void)state;
        with_handlers(0);
        context->cr4 = HWACCL_CR4_PAE;
        context->cr3 = 0x9000;
        fixture_poke(&fixture, 0x9000 + 8, &pointer, 8);
        context->gpr[HWACCL_RAX] = HWACCL_CR0_PE | HWACCL_CR0_PG;
        assert_raises(HWACCL_VECTOR_GP, fixture_emulate(&fixture, 28, 0, 0x0f, 0x22, 0xc0));
        assert_int_equal(context->cr0, HWACCL_CR0_PE);
}

static void halt_and_pause_move_on(void **state)
{
        (void)state;
        assert_int_equal(fixture_emulate(&fixture, 12, 0, 0xf4), HWACCL_OUTCOME_HALTED);
        assert_int_equal(context->rip, FIXTURE_CODE + 1);
        assert_int_equal(fixture_emulate(&fixture, 40, 0, 0xf3, 0x90), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(fixture_emulate(&fixture, 54, 0, 0x0f, 0x09), HWACCL_OUTCOME_COMPLETED);
        context->changed = 0;
        assert_int_equal(fixture_emulate(&fixture, 14, 0, 0x0f, 0x01, 0x3f), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->changed, HWACCL_CHANGED_GLOBAL_TLB_FLUSH);
}

static void instructions_of_absent_features_raise_what_a_processor_without_them_does(void **state)
{
        static const struct {
                uint8_t reason;
                uint8_t bytes[6];
                uint8_t length;
        } rows[] = {
                {HWACCL_EXIT_GETSEC, {0x0f, 0x37}, 2},
                {HWACCL_EXIT_RSM, {0x0f, 0xaa}, 2},
                {HWACCL_EXIT_VMCALL, {0x0f, 0x01, 0xc1}, 3},
                {HWACCL_EXIT_VMCLEAR, {0x66, 0x0f, 0xc7, 0x37}, 4},
                {HWACCL_EXIT_VMLAUNCH, {0x0f, 0x01, 0xc2}, 3},
                {HWACCL_EXIT_VMPTRLD, {0x0f, 0xc7, 0x37}, 3},
                {HWACCL_EXIT_VMPTRST, {0x0f, 0xc7, 0x3f}, 3},
                {HWACCL_EXIT_VMREAD, {0x0f, 0x78, 0xc0}, 3},
                {HWACCL_EXIT_VMRESUME, {0x0f, 0x01, 0xc3}, 3},
                {HWACCL_EXIT_VMWRITE, {0x0f, 0x79, 0xc0}, 3},
                {HWACCL_EXIT_VMXOFF, {0x0f, 0x01, 0xc4}, 3},
                {HWACCL_EXIT_VMXON, {0xf3, 0x0f, 0xc7, 0x37}, 4},
                {HWACCL_EXIT_MWAIT, {0x0f, 0x01, 0xc9}, 3},
                {HWACCL_EXIT_MONITOR, {0x0f, 0x01, 0xc8}, 3},
                {HWACCL_EXIT_INVEPT, {0x66, 0x0f, 0x38, 0x80, 0x07}, 5},
                {HWACCL_EXIT_INVVPID, {0x66, 0x0f, 0x38, 0x81, 0x07}, 5},
                {HWACCL_EXIT_XSETBV, {0x0f, 0x01, 0xd1}, 3},
                {HWACCL_EXIT_RDRAND, {0x0f, 0xc7, 0xf0}, 3},
                {HWACCL_EXIT_INVPCID, {0x66, 0x0f, 0x38, 0x82, 0x07}, 5},
                {HWACCL_EXIT_VMFUNC, {0x0f, 0x01, 0xd4}, 3},
                {HWACCL_EXIT_ENCLS, {0x0f, 0x01, 0xcf}, 3},
                {HWACCL_EXIT_RDSEED, {0x0f, 0xc7, 0xf8}, 3},
                {HWACCL_EXIT_XSAVES, {0x0f, 0xc7, 0x2f}, 3},
                {HWACCL_EXIT_XRSTORS, {0x0f, 0xc7, 0x1f}, 3},
                {HWACCL_EXIT_UMWAIT, {0xf2, 0x0f, 0xae, 0xf0}, 4},
                {HWACCL_EXIT_TPAUSE, {0x66, 0x0f, 0xae, 0xf1}, 4},
                {HWACCL_EXIT_LOADIWKEY, {0xf3, 0x0f, 0x38, 0xdc, 0xc1}, 5},
                {HWACCL_EXIT_RDPMC, {0x0f, 0x33}, 2},
        };

        (void)state;
        for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                bool counter = rows[i].reason == HWACCL_EXIT_RDPMC;
                with_handlers(0);
                fixture_code(&fixture, rows[i].bytes, rows[i].length, rows[i].reason, 0);
                assert_raises(counter ? HWACCL_VECTOR_GP : HWACCL_VECTOR_UD, fixture_run(&fixture));
                uint64_t frame = context->gpr[HWACCL_RSP] + (counter ? 4 : 0); /* #GP has an error code */
                assert_int_equal(fixture_peek(&fixture, frame, 4), FIXTURE_CODE);
                /* and not for another's exit */
                with_handlers(0);
                fixture_code(&fixture, rows[i].bytes, rows[i].length, HWACCL_EXIT_HLT, 0);
                assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_FAILED);
        }
}

/* B0 to B3 are those of this exception; BS stays set until the guest clears it. */
static void a_debug_exception_sets_dr6_and_is_delivered(void **state)
{
        (void)state;
        with_handlers(0);
        fixture.processor.dr6 = HWACCL_DR6_FIXED | 0x4003;
        fixture.processor.dr7 |= 0x2000;
        fixture.state.interrupt_information = 0x80000301;
        assert_raises(HWACCL_VECTOR_DB, fixture_emulate(&fixture, HWACCL_EXIT_EXCEPTION_OR_NMI, 0x8, 0x90));
        assert_int_equal(fixture_peek(&fixture, context->gpr[HWACCL_RSP], 4), FIXTURE_CODE);
        assert_int_equal(fixture.processor.dr6, HWACCL_DR6_FIXED | 0x4008);
        assert_int_equal(fixture.processor.dr7 & 0x2000, 0);
}

static void single_step_traps_after_the_instruction(void **state)
{
        (void)state;
        with_handlers(0);
        context->rflags |= RFLAGS_TF;
        assert_raises(HWACCL_VECTOR_DB, fixture_emulate(&fixture, 30, 0, 0xee));
        assert_int_equal(fixture.device.access_count, 1);
        assert_int_equal(fixture_peek(&fixture, context->gpr[HWACCL_RSP], 4), FIXTURE_CODE + 1);
        assert_int_equal(fixture.processor.dr6, HWACCL_DR6_FIXED | 0x4000);
        assert_false(context->rflags & RFLAGS_TF);
        with_handlers(0); /* after every iteration, with the instruction still to be done */
        context->rflags |= RFLAGS_TF;
        context->gpr[HWACCL_RCX] = 3;
        assert_raises(HWACCL_VECTOR_DB, fixture_emulate(&fixture, 30, 0x30, 0xf3, 0x6e));
        assert_int_equal(context->gpr[HWACCL_RCX], 2);
        assert_int_equal(fixture_peek(&fixture, context->gpr[HWACCL_RSP], 4), FIXTURE_CODE);
}

static void an_emulated_instruction_ends_the_interrupt_shadow_and_clears_rf(void **state)
{
        (void)state;
        context->interrupts_inhibited = true;
        context->inhibited_rip = FIXTURE_CODE;
        context->rflags |= RFLAGS_RF;
        assert_int_equal(fixture_emulate(&fixture, 30, 0, 0xee), HWACCL_OUTCOME_COMPLETED);
        assert_false(context->interrupts_inhibited);
        assert_false(context->rflags & RFLAGS_RF);
}

/* IP does not wrap at the end of a 64-KiB segment since the 386; EIP does at 4 GiB. */
static void rip_goes_beyond_a_64_kib_segment(void **state)
{
        (void)state;
        fixture_poke(&fixture, 0xffff, "\xee", 1);
        fixture_code(&fixture, "\xee", 1, 30, 0);
        context->rip = 0xffff;
        assert_int_equal(fixture_run(&fixture), HWACCL_OUTCOME_COMPLETED);
        assert_int_equal(context->rip, 0x10000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(cpuid_describes_the_fixed_processor),
                TEST(msrs_keep_what_may_be_in_them),
                TEST(bits_whose_feature_cpuid_lacks_are_reserved),
                TEST(xd_disable_takes_nx_from_cpuid_and_efer),
                TEST(limit_cpuid_maxval_hides_the_leaves_above_2),
                TEST(read_only_bits_of_misc_enable_keep_their_value),
                TEST(registers_of_the_context_are_written_through_their_msrs),
                TEST(the_time_stamp_counter_follows_the_guest_clock),
                TEST(privileged_instructions_fault_outside_ring_0),
                TEST(ports_need_iopl_or_the_permission_map),
                TEST(debug_registers_have_fixed_bits_aliases_and_general_detect),
                TEST(control_registers_refuse_what_the_processor_refuses),
                TEST(control_registers_take_what_the_processor_takes),
                TEST(pae_paging_checks_its_pointers_when_it_starts),
                TEST(halt_and_pause_move_on),
                TEST(instructions_of_absent_features_raise_what_a_processor_without_them_does),
                TEST(a_debug_exception_sets_dr6_and_is_delivered),
                TEST(single_step_traps_after_the_instruction),
                TEST(an_emulated_instruction_ends_the_interrupt_shadow_and_clears_rf),
                TEST(rip_goes_beyond_a_64_kib_segment),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
