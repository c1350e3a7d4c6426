/* The emulator against the real processor: arithmetic, moves, exchanges, the stack and string instructions. */
#include "tests/fixtures/native_forms.h"

static void arithmetic_and_logic_agree_with_the_processor(void **state)
{
        static const char *const names[8] = {"ADD", "OR", "ADC", "SBB", "AND", "SUB", "XOR", "CMP"};

        begin(state);
        for (unsigned i = 0; i < 8; i++) {
                uint64_t undefined = i == 1 || i == 4 || i == 6 ? LOGIC_FLAGS : 0;
                uint8_t base = (uint8_t)(i * 8);
                check_register_forms(names[i], false, base, 1, false, undefined, false);
                check_register_forms(names[i], false, base | 2, 1, false, undefined, false);
                if (i != 7)
                        check_register_forms(names[i], false, base, 1, true, undefined, false);
                check_group_forms(names[i], false, 0x80, 1, i, 9, false, undefined);
                check_group_forms(names[i], false, 0x83, 2, i, 1, i != 7, undefined);
        }
        check_register_forms("TEST", false, 0x84, 1, false, LOGIC_FLAGS, false);
        check_group_forms("TEST", false, 0xf6, 1, 0, 9, false, LOGIC_FLAGS);
}

static void unary_operations_agree_with_the_processor(void **state)
{
        begin(state);
        for (unsigned lock = 0; lock < 2; lock++) {
                check_group_forms("INC", false, 0xfe, 1, 0, 0, lock, 0);
                check_group_forms("DEC", false, 0xfe, 1, 1, 0, lock, 0);
                check_group_forms("NOT", false, 0xf6, 1, 2, 0, lock, 0);
                if (!lock || bits == 64) /* Unicorn 2.0.1 gives wrong flags for LOCK NEG */
                        check_group_forms("NEG", false, 0xf6, 1, 3, 0, lock, 0);
        }
}

static void bit_tests_agree_with_the_processor(void **state)
{
        static const char *const names[4] = {"BT", "BTS", "BTR", "BTC"};

        begin(state);
        for (unsigned i = 0; i < 4; i++) {
                check_register_forms(names[i], true, (uint8_t)(0xa3 + i * 8), 2, false, BIT_FLAGS, true);
                if (i)
                        check_register_forms(names[i], true, (uint8_t)(0xa3 + i * 8), 2, true, BIT_FLAGS, true);
                check_group_forms(names[i], true, 0xba, 2, 4 + i, 1, false, BIT_FLAGS);
        }
}

static void moves_agree_with_the_processor(void **state)
{
        begin(state);
        check_register_forms("MOV", false, 0x88, 1, false, 0, false);
        check_register_forms("MOV", false, 0x8a, 1, false, 0, false);
        check_register_forms("MOVZX from 8 bits", true, 0xb6, 2, false, 0, false);
        check_register_forms("MOVZX from 16 bits", true, 0xb7, 2, false, 0, false);
        check_register_forms("MOVSX from 8 bits", true, 0xbe, 2, false, 0, false);
        check_register_forms("MOVSX from 16 bits", true, 0xbf, 2, false, 0, false);
        if (bits == 64)
                check_register_forms("MOVSXD", false, 0x63, 4, false, 0, false);
        check_register_forms("MOVNTI", true, 0xc3, 4, false, 0, false);
        check_group_forms("MOV", false, 0xc6, 1, 0, 9, false, 0);
        for (unsigned size = 1; size <= (bits == 64 ? 8 : 4); size *= 2)
                for (unsigned store = 0; store < 2; store++)
                        for (unsigned narrow = 0; narrow < (bits == 64 ? 2 : 1); narrow++) {
                                struct form form = {.name = "MOV moffs"};
                                if (narrow)
                                        append(&form, 0x67);
                                append_prefixes(&form, size, 0, false, 0);
                                append(&form, (uint8_t)(0xa0 | store << 1 | (size > 1)));
                                append_immediate(&form, data + 0x8123, narrow ? 4 : bits / 8);
                                check(&form);
                        }
}

static void exchanges_agree_with_the_processor(void **state)
{
        begin(state);
        for (unsigned lock = 0; lock < 2; lock++) {
                check_register_forms("XCHG", false, 0x86, 1, lock, 0, false);
                check_register_forms("XADD", true, 0xc0, 1, lock, 0, false);
                check_register_forms("CMPXCHG", true, 0xb0, 1, lock, 0, false);
                struct form form = {.name = "CMPXCHG8B"};
                if (lock)
                        append(&form, 0xf0);
                append(&form, 0x0f);
                append(&form, 0xc7);
                append_rdi(&form, 1);
                check(&form);
        }
        /* CMPXCHG16B needs an aligned operand: [rbx] is one */
        struct form form = {.name = "CMPXCHG16B", .bytes = {0xf0, 0x48, 0x0f, 0xc7, 0x0b}, .size = 5};
        if (bits == 64)
                check(&form);
}

static void memory_operands_agree_with_the_processor(void **state)
{
        /* add/mov with each kind of address; -0x80000000-range displacements keep RBX-based ones inside the data */
        static const struct form addresses[] = {
                {.name = "[rdi+disp8]", .bytes = {0x48, 0x01, 0x47, 0x80}, .size = 4},
                {.name = "[rdi+disp32]", .bytes = {0x48, 0x01, 0x87, 0x00, 0xf0, 0xff, 0xff}, .size = 7},
                {.name = "[r13+disp8]", .bytes = {0x49, 0x01, 0x45, 0x10}, .size = 4},
                {.name = "[rbx+rsi*1] in 32 bits",
                 .bytes = {0x67, 0x01, 0x84, 0x23, 0x00, 0x01, 0x00, 0x00},
                 .size = 8},
                {.name = "[rsp+disp8]", .bytes = {0x48, 0x01, 0x44, 0x24, 0x08}, .size = 5},
                {.name = "[edi]", .bytes = {0x67, 0x01, 0x07}, .size = 3},
                {.name = "[edi-4]", .bytes = {0x67, 0x01, 0x47, 0xfc}, .size = 4},
                {.name = "[abs32]", .bytes = {0x01, 0x04, 0x25, 0x10, 0x40, 0x00, 0x10}, .size = 7},
                {.name = "[rip+disp32]", .bytes = {0x48, 0x01, 0x05, 0x00, 0x40, 0xc8, 0xff}, .size = 7},
                {.name = "imm after [rip+disp32]",
                 .bytes = {0x81, 0x05, 0x00, 0x40, 0xc8, 0xff, 0x78, 0x56, 0x34, 0x12},
                 .size = 10},
                {.name = "ignored CS override", .bytes = {0x2e, 0x01, 0x07}, .size = 3},
                {.name = "repeated operand-size prefix", .bytes = {0x66, 0x66, 0x01, 0x07}, .size = 4},
                {.name = "REX.W over operand-size prefix", .bytes = {0x66, 0x48, 0x01, 0x07}, .size = 4},
                {.name = "MOVSXD without REX.W", .bytes = {0x63, 0x07}, .size = 2},
                {.name = "MOVSXD of 16 bits", .bytes = {0x66, 0x63, 0x07}, .size = 3},
        };

        static const struct form addresses_32[] = {
                {.name = "[edi+disp8]", .bytes = {0x01, 0x47, 0x80}, .size = 3},
                {.name = "[edi+disp32]", .bytes = {0x01, 0x87, 0x00, 0xf0, 0xff, 0xff}, .size = 6},
                {.name = "[esp+disp8]", .bytes = {0x01, 0x44, 0x24, 0x08}, .size = 4},
                {.name = "[disp32]", .bytes = {0x01, 0x05, 0x10, 0x40, 0x00, 0x10}, .size = 6},
                {.name = "[disp32] with SIB", .bytes = {0x01, 0x04, 0x25, 0x10, 0x40, 0x00, 0x10}, .size = 7},
                {.name = "ES override", .bytes = {0x26, 0x01, 0x07}, .size = 3},
                {.name = "opcode 82", .bytes = {0x82, 0x07, 0x81}, .size = 3},
        };

        static const struct form addresses_16[] = {
                {.name = "[bx+si]", .bytes = {0x01, 0x00}, .size = 2},
                {.name = "[bx+disp8]", .bytes = {0x01, 0x47, 0x80}, .size = 3},
                {.name = "[si+disp16]", .bytes = {0x01, 0x84, 0x00, 0xf0}, .size = 4},
                {.name = "[bp+disp8]", .bytes = {0x01, 0x46, 0xfe}, .size = 3},
                {.name = "[bp+disp16]", .bytes = {0x66, 0x01, 0x86, 0x34, 0x02}, .size = 5},
                {.name = "[disp16]", .bytes = {0x01, 0x06, 0x34, 0x92}, .size = 4},
                {.name = "[edi+disp8]", .bytes = {0x67, 0x01, 0x47, 0x80}, .size = 4},
                {.name = "[edi+disp32]", .bytes = {0x67, 0x01, 0x87, 0x00, 0xf0, 0xff, 0xff}, .size = 7},
                {.name = "[disp32]", .bytes = {0x67, 0x66, 0x01, 0x05, 0x10, 0x40, 0x00, 0x00}, .size = 8},
                {.name = "SS override", .bytes = {0x36, 0x01, 0x07}, .size = 3},
        };

        begin(state);
        for (unsigned i = 0; bits == 16 && i < sizeof(addresses_16) / sizeof(addresses_16[0]); i++)
                check(&addresses_16[i]);
        for (unsigned i = 0; bits == 64 && i < sizeof(addresses) / sizeof(addresses[0]); i++)
                check(&addresses[i]);
        for (unsigned i = 0; bits == 32 && i < sizeof(addresses_32) / sizeof(addresses_32[0]); i++)
                check(&addresses_32[i]);
}

static void stack_operations_agree_with_the_processor(void **state)
{
        static const struct form stack[] = {
                {.name = "PUSH [rdi]", .bytes = {0xff, 0x37}, .size = 2},
                {.name = "PUSH word [rdi]", .bytes = {0x66, 0xff, 0x37}, .size = 3},
                {.name = "PUSH [rsp]", .bytes = {0xff, 0x34, 0x24}, .size = 3},
                {.name = "PUSH imm8", .bytes = {0x6a, 0x80}, .size = 2},
                {.name = "PUSH word imm8", .bytes = {0x66, 0x6a, 0x80}, .size = 3},
                {.name = "PUSH imm32", .bytes = {0x68, 0x78, 0x56, 0x34, 0x92}, .size = 5},
                {.name = "PUSH imm16", .bytes = {0x66, 0x68, 0x34, 0x92}, .size = 4},
                {.name = "PUSH rsp", .bytes = {0x54}, .size = 1},
                {.name = "PUSH r9", .bytes = {0x41, 0x51}, .size = 2},
                {.name = "PUSH ax", .bytes = {0x66, 0x50}, .size = 2},
                {.name = "POP [rdi]", .bytes = {0x8f, 0x07}, .size = 2},
                {.name = "POP word [rdi]", .bytes = {0x66, 0x8f, 0x07}, .size = 3},
                {.name = "POP [rsp+8]", .bytes = {0x8f, 0x44, 0x24, 0x08}, .size = 4},
                {.name = "POP rsp", .bytes = {0x5c}, .size = 1},
                {.name = "POP cx", .bytes = {0x66, 0x59}, .size = 2},
                {.name = "POP r15", .bytes = {0x41, 0x5f}, .size = 2},
        };

        static const struct form stack_32[] = {
                {.name = "PUSH [edi]", .bytes = {0xff, 0x37}, .size = 2},
                {.name = "PUSH word [edi]", .bytes = {0x66, 0xff, 0x37}, .size = 3},
                {.name = "PUSH [esp]", .bytes = {0xff, 0x34, 0x24}, .size = 3},
                {.name = "PUSH imm8", .bytes = {0x6a, 0x80}, .size = 2},
                {.name = "PUSH imm32", .bytes = {0x68, 0x78, 0x56, 0x34, 0x92}, .size = 5},
                {.name = "PUSH imm16", .bytes = {0x66, 0x68, 0x34, 0x92}, .size = 4},
                {.name = "PUSH esp", .bytes = {0x54}, .size = 1},
                {.name = "POP [edi]", .bytes = {0x8f, 0x07}, .size = 2},
                {.name = "POP word [edi]", .bytes = {0x66, 0x8f, 0x07}, .size = 3},
                {.name = "POP [esp+8]", .bytes = {0x8f, 0x44, 0x24, 0x08}, .size = 4},
                {.name = "POP esp", .bytes = {0x5c}, .size = 1},
        };

        static const struct form stack_16[] = {
                {.name = "PUSH [bx]", .bytes = {0xff, 0x37}, .size = 2},
                {.name = "PUSH dword [bx]", .bytes = {0x66, 0xff, 0x37}, .size = 3},
                {.name = "PUSH imm8", .bytes = {0x6a, 0x80}, .size = 2},
                {.name = "PUSH imm16", .bytes = {0x68, 0x34, 0x92}, .size = 3},
                {.name = "PUSH imm32", .bytes = {0x66, 0x68, 0x78, 0x56, 0x34, 0x92}, .size = 6},
                {.name = "PUSH sp", .bytes = {0x54}, .size = 1},
                {.name = "POP [bx]", .bytes = {0x8f, 0x07}, .size = 2},
                {.name = "POP dword [esp+8]", .bytes = {0x66, 0x67, 0x8f, 0x44, 0x24, 0x08}, .size = 6},
                {.name = "POP sp", .bytes = {0x5c}, .size = 1},
                {.name = "POP ecx", .bytes = {0x66, 0x59}, .size = 2},
        };

        begin(state);
        for (unsigned i = 0; bits == 16 && i < sizeof(stack_16) / sizeof(stack_16[0]); i++)
                check(&stack_16[i]);
        for (unsigned i = 0; bits == 64 && i < sizeof(stack) / sizeof(stack[0]); i++)
                check(&stack[i]);
        for (unsigned i = 0; bits == 32 && i < sizeof(stack_32) / sizeof(stack_32[0]); i++)
                check(&stack_32[i]);
}

static void frames_agree_with_the_processor(void **state)
{
        static const uint8_t levels[] = {0, 1, 2, 5, 31, 0x21};

        begin(state);
        for (unsigned narrow = 0; narrow < 2; narrow++) {
                struct form leave = {.name = "LEAVE", .frame = true};
                if (narrow)
                        append(&leave, 0x66);
                append(&leave, 0xc9);
                check(&leave);
                for (unsigned i = 0; i < sizeof(levels); i++) {
                        struct form enter = {.name = "ENTER", .frame = true};
                        if (narrow)
                                append(&enter, 0x66);
                        append(&enter, 0xc8);
                        append_immediate(&enter, 0x124, 2);
                        append(&enter, levels[i]);
                        check(&enter);
                }
        }
}

static void all_registers_on_the_stack_agree_with_the_processor(void **state)
{
        begin(state);
        for (unsigned i = 0; i < 4; i++) {
                struct form form = {.name = i & 1 ? "POPA" : "PUSHA"};
                if (i & 2)
                        append(&form, 0x66);
                append(&form, i & 1 ? 0x61 : 0x60);
                check(&form);
        }
}

static void string_operations_agree_with_the_processor(void **state)
{
        static const struct {
                const char *name;
                uint8_t opcode;
        } strings[] = {{"MOVS", 0xa4}, {"CMPS", 0xa6}, {"STOS", 0xaa}, {"LODS", 0xac}, {"SCAS", 0xae}};

        begin(state);
        for (unsigned i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
                for (unsigned size = 1; size <= (bits == 64 ? 8 : 4); size *= 2)
                        for (unsigned repeat = 0; repeat < 3; repeat++)
                                for (unsigned narrow = 0; narrow < (bits == 64 ? 2 : 1); narrow++) {
                                        struct form form = {
                                                .name = strings[i].name, .string = true, .repeated = repeat};
                                        if (narrow)
                                                append(&form, 0x67);
                                        if (repeat)
                                                append(&form, repeat == 1 ? 0xf3 : 0xf2);
                                        append_prefixes(&form, size, 0, false, 0);
                                        append(&form, (uint8_t)(strings[i].opcode | (size > 1)));
                                        check(&form);
                                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                NATIVE_TEST(arithmetic_and_logic_agree_with_the_processor),
                NATIVE_TEST(unary_operations_agree_with_the_processor),
                NATIVE_TEST(bit_tests_agree_with_the_processor),
                NATIVE_TEST(moves_agree_with_the_processor),
                NATIVE_TEST(exchanges_agree_with_the_processor),
                NATIVE_TEST(memory_operands_agree_with_the_processor),
                NATIVE_TEST(stack_operations_agree_with_the_processor),
                NATIVE_TEST(frames_agree_with_the_processor),
                NATIVE_TEST_OF(all_registers_on_the_stack_agree_with_the_processor, 1),
                NATIVE_TEST_OF(all_registers_on_the_stack_agree_with_the_processor, 2),
                NATIVE_TEST(string_operations_agree_with_the_processor),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
