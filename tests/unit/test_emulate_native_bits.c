/* The emulator against the real processor: shifts, multiplication and division, bits, conditions. */
#include <cpuid.h>

#include "tests/fixtures/native_forms.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static unsigned largest(void)
{
        return bits == 64 ? 8 : 4;
}

/* Prefixes, then an opcode of one or two bytes, of which @opcode is that of the byte form where there is one. */
static struct form start(const char *name, uint8_t prefix, bool two_byte, uint8_t opcode, unsigned size, unsigned reg,
                         uint64_t undefined_flags)
{
        struct form form = {.name = name, .undefined_flags = undefined_flags};

        append_prefixes(&form, size, reg, false, prefix);
        if (two_byte)
                append(&form, 0x0f);
        append(&form, opcode);
        append_rdi(&form, reg);
        return form;
}

static unsigned masked(unsigned count, unsigned size)
{
        return count & (size == 8 ? 63 : 31);
}

static uint64_t undefined_of_shift(unsigned extension, unsigned size, unsigned count)
{
        uint64_t flags = 0;

        count = masked(count, size);
        if (count > 1)
                flags |= RFLAGS_OF;
        if (count && extension >= 4)
                flags |= RFLAGS_AF;
        if (count >= size * 8 && extension >= 4 && extension != 7)
                flags |= RFLAGS_CF;
        return flags;
}

static void shifts_and_rotates_agree_with_the_processor(void **state)
{
        static const char *const names[8] = {"ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "SAL", "SAR"};
        static const uint8_t counts[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 18, 27, 31, 32, 33, 63, 64, 65, 0xff};

        begin(state);
        for (unsigned i = 0; i < 8; i++)
                for (unsigned size = 1; size <= largest(); size *= 2) {
                        uint8_t wide = size > 1;
                        struct form by_1 =
                                start(names[i], 0, false, 0xd0 | wide, size, i, undefined_of_shift(i, size, 1));
                        struct form by_cl = start(names[i], 0, false, 0xd2 | wide, size, i,
                                                  RFLAGS_OF | (i >= 4 ? RFLAGS_AF | (size < 4 ? RFLAGS_CF : 0) : 0));
                        check(&by_1);
                        check(&by_cl);
                        for (unsigned j = 0; j < COUNT(counts); j++) {
                                struct form form = start(names[i], 0, false, 0xc0 | wide, size, i,
                                                         undefined_of_shift(i, size, counts[j]));
                                append(&form, counts[j]);
                                check(&form);
                        }
                }
}

/* More than 16 bits of a word: everything is undefined. */
static void double_shifts_agree_with_the_processor(void **state)
{
        static const char *const names[2] = {"SHLD", "SHRD"};
        static const uint8_t counts[] = {0, 1, 2, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 0xff};
        static const unsigned registers[] = {HWACCL_RAX, HWACCL_RDX, HWACCL_RSP, HWACCL_R9};

        begin(state);
        for (unsigned i = 0; i < 2; i++)
                for (unsigned size = 2; size <= largest(); size *= 2)
                        for (unsigned j = 0; j < (bits == 64 ? 4 : 3); j++) {
                                uint8_t opcode = (uint8_t)(i ? 0xac : 0xa4);
                                for (unsigned k = 0; k < COUNT(counts); k++) {
                                        unsigned count = masked(counts[k], size);
                                        uint64_t undefined = count ? RFLAGS_AF | (count > 1 ? RFLAGS_OF : 0) : 0;
                                        struct form form =
                                                start(names[i], 0, true, opcode, size, registers[j], undefined);
                                        append(&form, counts[k]);
                                        if (count <= size * 8)
                                                check(&form);
                                }
                                struct form by_cl =
                                        start(names[i], 0, true, opcode | 1, size, registers[j], RFLAGS_AF | RFLAGS_OF);
                                if (size > 2)
                                        check(&by_cl);
                        }
}

#define MULTIPLY_FLAGS (RFLAGS_SF | RFLAGS_ZF | RFLAGS_AF | RFLAGS_PF) /* undefined after MUL and IMUL */

static void multiplications_agree_with_the_processor(void **state)
{
        static const uint64_t immediates[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fffffff, 0x80000000};

        begin(state);
        for (unsigned i = 4; i < 6; i++)
                for (unsigned size = 1; size <= largest(); size *= 2) {
                        struct form form = start(i == 4 ? "MUL" : "IMUL", 0, false, size > 1 ? 0xf7 : 0xf6, size, i,
                                                 MULTIPLY_FLAGS);
                        check(&form);
                }
        check_register_forms("IMUL", true, 0xaf, 2, false, MULTIPLY_FLAGS, false);
        for (unsigned size = 2; size <= largest(); size *= 2)
                for (unsigned i = 0; i < COUNT(immediates); i++) {
                        struct form byte = start("IMUL by imm8", 0, false, 0x6b, size, HWACCL_RCX, MULTIPLY_FLAGS);
                        struct form wide = start("IMUL by imm", 0, false, 0x69, size, HWACCL_RDX, MULTIPLY_FLAGS);
                        append_immediate(&byte, immediates[i], 1);
                        append_immediate(&wide, immediates[i], size > 4 ? 4 : size);
                        check(&byte);
                        check(&wide);
                }
}

static void divisions_agree_with_the_processor(void **state)
{
        begin(state);
        for (unsigned i = 6; i < 8; i++)
                for (unsigned size = 1; size <= largest(); size *= 2) {
                        struct form form =
                                start(i == 6 ? "DIV" : "IDIV", 0, false, size > 1 ? 0xf7 : 0xf6, size, i, FLAGS);
                        unsigned before = faults;
                        form.divides = true;
                        for (unsigned round = 0; round < 8; round++)
                                check(&form);
                        assert_true(faults > before);
                }
}

static void bit_scans_agree_with_the_processor(void **state)
{
        uint64_t undefined = RFLAGS_CF | RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF;

        begin(state);
        check_register_forms("BSF", true, 0xbc, 2, false, undefined, false);
        check_register_forms("BSR", true, 0xbd, 2, false, undefined, false);
}

/* Where the processor that this runs on has them. Unicorn lacks POPCNT. */
static void bit_counts_agree_with_the_processor(void **state)
{
        static const struct {
                const char *name;
                uint8_t opcode;
        } counts[] = {{"POPCNT", 0xb8}, {"TZCNT", 0xbc}, {"LZCNT", 0xbd}};
        begin(state);
        unsigned eax, ebx, ecx = 0, edx;
        const bool lzcnt = __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && ecx & (1u << 5);
        const bool there[] = {bits == 64 && __builtin_cpu_supports("popcnt"), __builtin_cpu_supports("bmi"), lzcnt};

        for (unsigned i = 0; i < COUNT(counts); i++)
                for (unsigned size = 2; there[i] && size <= largest(); size *= 2)
                        for (unsigned reg = 0; reg < (bits == 64 ? 16 : 7); reg += 3) {
                                struct form form = start(counts[i].name, 0xf3, true, counts[i].opcode, size, reg,
                                                         i ? RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF : 0);
                                check(&form);
                        }
}

static void conditions_agree_with_the_processor(void **state)
{
        begin(state);
        for (unsigned condition = 0; condition < 16; condition++) {
                struct form set = start("SETcc", 0, true, (uint8_t)(0x90 | condition), 1, 0, 0);
                check(&set);
                for (unsigned size = 2; size <= largest(); size *= 2)
                        for (unsigned reg = 0; reg < (bits == 64 ? 16 : 7); reg += 5) {
                                struct form move = start("CMOVcc", 0, true, (uint8_t)(0x40 | condition), size, reg, 0);
                                check(&move);
                        }
        }
}

#define CPUID_1_ECX_MOVBE (1u << 22)

static void byte_swapping_moves_agree_with_the_processor(void **state)
{
        unsigned eax, ebx, ecx = 0, edx;

        begin(state);
        if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & CPUID_1_ECX_MOVBE))
                skip();
        for (unsigned store = 0; store < 2; store++)
                for (unsigned size = 2; size <= largest(); size *= 2)
                        for (unsigned reg = 0; reg < (bits == 64 ? 16 : 7); reg += 3) {
                                struct form form = {.name = "MOVBE"};
                                append_prefixes(&form, size, reg, false, 0);
                                append(&form, 0x0f);
                                append(&form, 0x38);
                                append(&form, (uint8_t)(0xf0 | store));
                                append_rdi(&form, reg);
                                check(&form);
                        }
}

static void table_look_ups_agree_with_the_processor(void **state)
{
        static const struct form look_ups[] = {
                {.name = "XLAT", .bytes = {0xd7}, .size = 1},
                {.name = "XLAT with REX.W", .bytes = {0x48, 0xd7}, .size = 2},
                {.name = "XLAT in 32 bits", .bytes = {0x67, 0xd7}, .size = 2},
        };

        begin(state);
        for (unsigned i = 0; i < COUNT(look_ups); i++)
                if (bits == 64 || !i ||
                    (bits == 16 && i == 2)) /* EBX is below 64 KiB there, BX in 32-bit code is not */
                        check(&look_ups[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                NATIVE_TEST(shifts_and_rotates_agree_with_the_processor),
                NATIVE_TEST(double_shifts_agree_with_the_processor),
                NATIVE_TEST(multiplications_agree_with_the_processor),
                NATIVE_TEST(divisions_agree_with_the_processor),
                NATIVE_TEST(bit_scans_agree_with_the_processor),
                NATIVE_TEST(bit_counts_agree_with_the_processor),
                NATIVE_TEST(conditions_agree_with_the_processor),
                NATIVE_TEST_OF(byte_swapping_moves_agree_with_the_processor, 0), /* Unicorn lacks MOVBE too */
                NATIVE_TEST(table_look_ups_agree_with_the_processor),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
